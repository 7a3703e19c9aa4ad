"""The words in which the gateway is asked and answers: requests, results, facts, errors."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from campaign.domain.errors import TwilioError
from campaign.telephony.codes import Scope

MachineDetection = Literal["off", "enable", "detect_message_end"]


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One call to place.

    Args:
        to, from_: E.164.
        url: where Twilio fetches TwiML when the call is answered.
        status_callback: where all four events go (initiated, ringing, answered, completed).
        ring_timeout_s: seconds to ring, 1 to 600.
        time_limit_s: longest call in seconds, counted from the answer.
        machine_detection: never holds up the call: the verdict goes to `amd_callback`, which it needs.
        fallback_url: fetched when `url` fails; not necessarily on our host.
    """

    to: str
    from_: str
    url: str
    status_callback: str
    ring_timeout_s: int
    time_limit_s: int
    machine_detection: MachineDetection = "off"
    amd_callback: str | None = None
    fallback_url: str | None = None

    def __post_init__(self) -> None:
        if self.machine_detection != "off" and self.amd_callback is None:
            raise ValueError("machine_detection needs amd_callback: without it Twilio tells nobody (21262)")


@dataclass(frozen=True, slots=True)
class Placed:
    """Twilio has the call; `status` is its word, "queued" for a fresh one."""

    sid: str
    status: str
    code: int | None = None
    sentence: str = "Twilio has taken the call."


@dataclass(frozen=True, slots=True)
class BadNumber:
    """Refused for good because of the number. `once_more`: one later retry is worth it."""

    code: int
    sentence: str
    once_more: bool = False


@dataclass(frozen=True, slots=True)
class ConfigurationFault:
    """Refused because of our request or account: stop what `scope` names until a person has mended it."""

    code: int
    sentence: str
    scope: Scope
    do: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """429, or the account's limit of calls: proven not placed, safe to repeat after a pause (seconds)."""

    retry_after: float | None
    code: int
    sentence: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proven not sent: no connection came about."""

    sentence: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class UnknownResult:
    """The call may or may not exist: ask Twilio before this number is dialled again."""

    sentence: str
    code: int | None = None


NotPlaced = BadNumber | ConfigurationFault | Throttled | NotSent | UnknownResult
PlaceResult = Placed | NotPlaced
Leaves = Callable[[], Awaitable[None]]
"""Awaited when a request is ready to go out, on its connection, which it does right after. It may raise
TooLate; it is not called when there is no connection."""


class TooLate(Exception):
    """Raised by `Leaves`: the request must not go out any more; str() says why. Nothing of it has left."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What Twilio says of one call. Times are aware; absent facts are None.

    Args:
        status: queued, ringing, in-progress, completed, busy, failed, no-answer, canceled.
        direction: outbound-api for calls that we placed.
        started_at: None until the call was dialled, so also while it is queued at Twilio.
        duration_s: seconds, only of a call that was answered.
        price: as Twilio writes it, negative for a charge; it comes late and covers connectivity only.
        queue_ms: milliseconds the call waited in Twilio's own queue.
    """

    sid: str
    status: str
    to: str
    from_: str
    direction: str
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: int | None
    price: Decimal | None
    price_unit: str | None
    answered_by: str | None
    queue_ms: int | None

    @property
    def over(self) -> bool:
        """Whether nothing more can happen to the call."""
        return self.status in {"completed", "busy", "failed", "no-answer", "canceled"}


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """`kind` is Full or Trial, `status` active, suspended or closed."""

    sid: str
    name: str
    status: str
    kind: str


@dataclass(frozen=True, slots=True)
class CallerId:
    """A number that may stand as `from_`: bought at Twilio ("owned") or proven to be ours ("verified").

    Args:
        sid: of an owned one.
        voice_url: what Twilio asks when somebody calls it; empty: nothing.
        application: the sid of the TwiML application that is asked instead; empty: none.
    """

    phone: str
    kind: Literal["owned", "verified"]
    sid: str = ""
    voice_url: str = ""
    application: str = ""


class TwilioAway(TwilioError):
    """No usable answer: Twilio could not be reached, or broke off, or failed."""

    slug = "twilio-away"


class TwilioBusy(TwilioError):
    """429; `data["retry_after"]` has the seconds, or None."""

    slug = "twilio-busy"


class TwilioRefused(TwilioError):
    """Twilio understood and said no; `data["code"]` says why."""

    slug = "twilio-refused"


class CallNotFound(TwilioRefused):
    """Twilio knows no call of that SID."""

    slug = "twilio-call-not-found"
