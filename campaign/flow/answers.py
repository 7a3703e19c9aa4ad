"""What Twilio is told to do with a call, as data; the web layer renders it as TwiML.

Both doors that Twilio asks answer with these: the TwiML fetch (flow/voice.py) and what follows a session or
a transfer (flow/action.py).
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from campaign.domain.campaign import CampaignDefinition
from campaign.domain.script import Script
from campaign.store import attempts
from campaign.store.attempts import Attempt
from campaign.store.database import Tx

Mint = Callable[[str, int], str]
"""(marker, ordinal of the session) → the single-use token of that session's socket."""


def token_mint(secret: bytes) -> Mint:
    """Tokens derived from a secret that all replicas share.

    Twilio asks the same question again when an answer was lost. A derived token makes the second answer equal
    the first, whichever replica gives it, so no valid token is ever voided; it is single-use because a
    session can be opened once. Should the secret change in between, the unopened session takes the new token.
    """

    def mint(marker: str, ordinal: int) -> str:
        made = hmac.digest(secret, f"session {ordinal} of {marker}".encode(), "sha256")
        return urlsafe_b64encode(made).rstrip(b"=").decode()

    return mint


@dataclass(frozen=True, slots=True)
class Converse:
    """Connect the call to a conversation.

    Args:
        ordinal: of the session: 1, and one more with each resumption.
        token: for the socket's path; single-use.
        script: language, voice, recording and the like stand in it.
    """

    attempt_id: int
    marker: str
    ordinal: int
    token: str
    script: Script


@dataclass(frozen=True, slots=True)
class SayAndHangUp:
    """Speak, then end the call.

    Args:
        why: do_not_call, window, voicemail or goodbye.
        language: BCP-47, `multi` or None.
    """

    text: str
    why: str
    language: str | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Put the person through.

    Args:
        to: E.164 or a `sip:` address, from the campaign.
        caller_id: what the target sees.
        marker, ordinal: for the address that is asked when the transfer is over.
    """

    to: str
    caller_id: str
    marker: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call without a word; `why` is for the log."""

    why: str


async def spoken_values(tx: Tx, attempt: Attempt, definition: CampaignDefinition) -> Mapping[str, str]:
    """What the script's variables stand for on this call: the contact's columns and our own."""
    return with_own(await attempts.variables_of(tx, attempt), definition)


def with_own(variables: Mapping[str, str], definition: CampaignDefinition) -> Mapping[str, str]:
    """A contact's columns, and our own variables."""
    return {
        **variables,
        "agent_name": definition.script.agent_name,
        "seller_name": definition.seller.legal_name,
        "seller_phone": definition.seller.callback_number,
    }
