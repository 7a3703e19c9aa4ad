"""What Twilio's codes mean for a call that we tried to place, as a table.

Meanings: Twilio's error dictionary (twilio.com/docs/api/errors/<code>). The verdicts are ours: a code that
is not here proves nothing about the call, so its result is unknown.
"""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """How far a configuration fault reaches: what has to stop until a person has mended it."""

    COUNTRY = "country"
    CALLER_ID = "caller_id"
    CAMPAIGN = "campaign"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Bad:
    """The number is at fault. `once_more`: Twilio may mean "not now", so one later retry is worth it."""

    sentence: str
    once_more: bool = False


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The request or the account is at fault; every further call would be refused like this one."""

    scope: Scope
    sentence: str
    do: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Refused for now, certainly not placed."""

    sentence: str


Verdict = Bad | Misconfigured | Wait

_GEO = Misconfigured(
    Scope.COUNTRY,
    "Twilio's voice dialling permissions don't allow calls to this country.",
    "Allow the country under Voice > Settings > Geo permissions, or take it out of the campaign's regions.",
)
_CALLER = Misconfigured(
    Scope.CALLER_ID,
    "The caller id is no number of this Twilio account and no verified caller id.",
    "Buy or verify the number at Twilio, or take it out of the campaign's caller_ids.",
)
_TRIAL = Misconfigured(
    Scope.ACCOUNT,
    "The Twilio account is a trial: it calls verified numbers only and has no ConversationRelay.",
    "Upgrade the account.",
)
_REQUEST = Misconfigured(
    Scope.CAMPAIGN,
    "Twilio refused a value of our request.",
    "Check PUBLIC_URL and the campaign's ring timeout, longest call and machine detection; then resume it.",
)
_ACCOUNT = Misconfigured(
    Scope.ACCOUNT,
    "Twilio refused the credentials or the account is not active.",
    "Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or the API key and its secret: run `campaign doctor`.",
)
_NOT_VALID = Bad("Twilio says that this is no valid phone number.")
_BLOCKED = Bad("Twilio has this number on its blocklist.")

VERDICTS: dict[int, Verdict] = {
    21201: _NOT_VALID,
    21211: _NOT_VALID,
    21217: _NOT_VALID,
    13223: _NOT_VALID,
    13226: _NOT_VALID,
    13224: Bad("Twilio can't call this number, or no carrier can deliver the call now.", once_more=True),
    21214: Bad("Twilio can't reach this number.", once_more=True),
    21216: _BLOCKED,
    13225: _BLOCKED,
    32203: _BLOCKED,
    21202: Bad("This is a premium-rate number."),
    21203: _GEO,
    21215: _GEO,
    13227: _GEO,
    32205: _GEO,
    21210: _CALLER,
    21212: _CALLER,
    21213: _CALLER,
    32206: _CALLER,
    21219: _TRIAL,
    573005: _TRIAL,
    14111: _TRIAL,
    10002: _TRIAL,
    **dict.fromkeys(
        (21200, 21205, 21206, 21208, 21209, 21218, 21234, 21262, 21402, 20001, 20422, 32018), _REQUEST
    ),
    **dict.fromkeys((20003, 20005, 20006, 20008, 20010, 10001, 401, 403), _ACCOUNT),
    20429: Wait("Twilio takes no more requests at the moment."),
    10004: Wait("The account's limit of simultaneous calls is reached."),
}
"""Twilio's code, or the HTTP status where the body carried none, to what it means."""

CALL_STATE_FORBIDS = 21220
"""Update of a call that has already ended: a benign race."""
NOT_FOUND = 20404
