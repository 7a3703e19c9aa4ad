"""What happened: every create received, every call, every delivery, every warning. For tests and reports."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Create:
    """One POST Calls.json as it came in, whatever became of it."""

    number: int
    at: float  # clock seconds, when its headers had been read
    received: datetime
    params: dict[str, list[str]]
    result: str  # "accepted", "refused 21211", "429", "lost before accept" ...
    call_sid: str | None = None

    @property
    def to(self) -> str:
        """The number to be dialled, as written."""
        return next(iter(self.params.get("To", [])), "")

    def as_json(self) -> dict[str, Any]:
        """The entry as plain values."""
        return {
            "number": self.number,
            "at": self.at,
            "received": self.received.isoformat(),
            "to": self.to,
            "params": self.params,
            "result": self.result,
            "call_sid": self.call_sid,
        }


@dataclass(slots=True)
class Delivery:
    """One webhook request to the service, and its answer."""

    kind: str  # "status", "voice", "action", "amd", "recording", "dial", "queue"
    call_sid: str
    url: str
    params: dict[str, str]
    at: datetime
    status: int | None = None  # None: no answer
    error: str | None = None
    fault: str | None = None  # "lost", "late", "duplicate", "reordered"
    body: str = ""
    seconds: float | None = None  # clock seconds until the answer, tries that failed included


@dataclass(slots=True)
class Alert:
    """One line of the debugger (Twilio's Monitor): warnings and errors that no request reports."""

    code: int
    text: str
    call_sid: str | None
    at: datetime


@dataclass(slots=True)
class Frame:
    """One ConversationRelay frame, `sent` to the service or `received` from it."""

    direction: str
    call_sid: str
    session_id: str
    frame: Any
    at: float


@dataclass(frozen=True, slots=True)
class LookUp:
    """One look-up that was answered: the number as written in the address, and what was asked."""

    at: datetime
    number: str
    query: dict[str, str]


@dataclass(slots=True)
class Ledger:
    """Everything a test may ask about.

    `keep_frames` bounds the memory: the latest so many frames are kept.
    """

    keep_frames: int = 20_000
    creates: list[Create] = field(default_factory=list)
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=200_000))
    alerts: list[Alert] = field(default_factory=list)
    lookups: list[LookUp] = field(default_factory=list)
    frames: deque[Frame] = field(init=False)
    rings: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)  # faults of the simulator itself: must stay empty

    def __post_init__(self) -> None:
        self.frames = deque(maxlen=self.keep_frames)


def worst_window(times: Sequence[float], seconds: float = 1.0) -> int:
    """The most events in any half-open sliding window of that length."""
    ordered = sorted(times)
    return max(
        (bisect_left(ordered, start + seconds, lo=index) - index for index, start in enumerate(ordered)),
        default=0,
    )


def report(ledger: Ledger) -> dict[str, Any]:
    """Creates and rings in figures.

    `worst_second` is the most creates received in any sliding second of clock time, refused ones
    and 429 included, for Twilio counts requests. `rings` gives per number the instants, in clock
    seconds, at which its telephone began to ring.
    """
    creates = [create.at for create in ledger.creates]
    span = max(creates) - min(creates) if len(creates) > 1 else 0.0
    results: dict[str, int] = defaultdict(int)
    for create in ledger.creates:
        results[create.result] += 1
    return {
        "creates": len(creates),
        "results": dict(sorted(results.items())),
        "worst_second": worst_window(creates),
        "creates_per_second": (len(creates) - 1) / span if span else 0.0,
        "rings": {number: list(times) for number, times in ledger.rings.items()},
        "rung_more_than_once": {
            number: len(times) for number, times in ledger.rings.items() if len(times) > 1
        },
        "alerts": len(ledger.alerts),
        "lookups": len(ledger.lookups),
        "errors": list(ledger.errors),
    }
