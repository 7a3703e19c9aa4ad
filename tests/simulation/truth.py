"""What is true at Twilio and at people's phones, whatever the service believes."""

from dataclasses import dataclass, field


@dataclass
class Faults:
    """What goes wrong now; each a probability, of a request or of a callback.

    Attributes:
        refused: no connection.   throttled: 429.   sick: 503, nothing created.
        sick_after: 503 although the call was created.   hang: no answer, nothing created.
        hang_after: no answer, and the call is created, up to `latest` s later.
        cut: half an answer.   no_sid: 201 without a sid.   reset: closed before anything was read.
        list_lag: seconds until a call shows in lists.   ask_fails: lookups answered by 503.
        lost, twice, late: callbacks.
    """

    refused: float = 0.0
    throttled: float = 0.0
    sick: float = 0.0
    sick_after: float = 0.0
    hang: float = 0.0
    hang_after: float = 0.0
    cut: float = 0.0
    no_sid: float = 0.0
    reset: float = 0.0
    latest: float = 60.0
    list_lag: float = 0.0
    ask_fails: float = 0.0
    lost: float = 0.0
    twice: float = 0.0
    late: float = 0.0

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The faults of a request that places a call."""
        return ("refused", "throttled", "sick", "sick_after", "hang", "hang_after", "cut", "no_sid", "reset")


@dataclass
class Ring:
    """One call as Twilio knows it."""

    sid: str
    marker: str
    to: str
    caller: str
    url: str
    callback: str
    timeout: float
    created: float
    limit: float = 0.0
    status: str = "queued"
    ringing: float | None = None
    answered: float | None = None
    ended: float | None = None
    sequence: int = 0
    talked: float = 0.0
    heard: list[tuple[float, str]] = field(default_factory=list)
    """What the person heard of us, and when."""
    opted_out: float | None = None
    heard_from: float | None = None
    """When the service can have learnt of it: a callback or TwiML fetch got its 2xx, or an answer its sid."""


@dataclass(frozen=True)
class Sent:
    """One POST that left for Twilio."""

    at: float
    marker: str
    to: str
    process: str
    fault: str


@dataclass
class Person:
    """Who is behind a number."""

    answers: str = "no-answer"
    """in-progress, no-answer, busy or failed."""
    after: float = 4.0
    says: tuple[str, ...] = ()
    hangs_up_after: float = 60.0
