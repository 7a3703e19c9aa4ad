"""One call: its resource, its states, what interrupts it, what was said.

Sources: resource TWILIO 3.2; life cycle 3.5; webhook fields 3.6.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from enum import Enum
from math import ceil
from random import Random
from typing import Any

from campaign.simulator.people import Person

API_VERSION = "2010-04-01"
TERMINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
SIP_CODES: Mapping[str, str] = {
    "completed": "200",
    "busy": "486",
    "no-answer": "480",
    "failed": "404",
    "canceled": "487",
}
_GEO = tuple(
    f"{leg}{part}" for leg in ("From", "To", "Caller", "Called") for part in ("City", "State", "Zip")
)


class Why(Enum):
    """What interrupts a call from outside its TwiML."""

    PERSON = "the person hung up"
    REST_COMPLETED = "REST Status=completed"
    REST_CANCELED = "REST Status=canceled"
    REDIRECT = "REST redirect"
    TIME_LIMIT = "TimeLimit reached"


@dataclass(slots=True)
class Interruption:
    """An interruption; `handled` is set once the line has obeyed."""

    why: Why
    handled: asyncio.Event = field(default_factory=asyncio.Event)


class Interrupted(Exception):
    """Raised inside a call's program when the call was interrupted."""

    def __init__(self, interruption: Interruption) -> None:
        super().__init__(interruption.why.value)
        self.interruption = interruption


@dataclass(slots=True)
class Recording:
    """A recording of a call (6.3)."""

    sid: str
    call_sid: str
    started: datetime
    channels: int
    track: str
    status: str = "in-progress"
    seconds: int | None = None
    callback: str = ""
    events: frozenset[str] = frozenset({"completed"})
    source: str = "StartCallRecordingTwiML"


@dataclass(slots=True)
class Voice:
    """One stretch of speech; instants in clock seconds."""

    who: str  # "agent", "person"
    session: int
    begins: float
    ends: float | None = None  # None: it goes on


@dataclass(slots=True)
class Session:
    """One relay session; instants in clock seconds."""

    opened: float  # the socket was asked for
    first_text: float | None = None  # the app's first words came in
    ended: float | None = None  # our `end`, the broken socket, the hang-up
    status: str = ""  # ended, completed, failed


@dataclass(slots=True, eq=False)
class Call:
    """One call: to a person, or of a person to the account (`inbound`)."""

    sid: str
    account_sid: str
    to: str
    from_: str
    params: dict[str, list[str]]
    created: datetime
    created_at: float  # clock seconds
    serial: int  # order of creation in the account
    nth: int  # which call to this number, from 1
    rng: Random
    person: Person
    cut: bool = False  # its first socket is cut in mid-sentence
    parent_sid: str | None = None
    direction: str = "outbound-api"
    status: str = "queued"
    started: datetime | None = None  # when dialling began
    answered: datetime | None = None
    answered_at: float = 0.0
    ended: datetime | None = None
    ended_at: float = 0.0
    updated: datetime | None = None
    queue_ms: int = 0
    answered_by: str | None = None
    amd_ms: int | None = None
    price_per_minute: float = 0.0
    price_after: float = 0.0
    sequence: int = 0
    sessions: int = 0
    recordings: list[Recording] = field(default_factory=list)
    transcript: list[dict[str, Any]] = field(default_factory=list)
    voices: list[Voice] = field(default_factory=list)
    relay: list[Session] = field(default_factory=list)
    message: str = ""  # what an answering machine recorded after its beep
    digits_heard: str = ""
    queue_name: str | None = None
    history: list[tuple[str, str]] = field(default_factory=list)  # (instant, status)
    interruption: Interruption | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def inbound(self) -> bool:
        """Whether the person called the account."""
        return self.direction == "inbound"

    def param(self, name: str, default: str = "") -> str:
        """A create (or update) parameter's first value."""
        values = self.params.get(name)
        return values[0] if values and values[0] else default

    def become(self, status: str, now: datetime) -> None:
        """Enter a state of 3.5; a terminal one is never left."""
        if self.status not in TERMINAL:
            self.status = status
            self.updated = now
            self.history.append((now.isoformat(), status))

    # -- interruptions -----------------------------------------------------------------------------

    def interrupt(self, why: Why) -> Interruption:
        """Interrupt the call; while one interruption is being obeyed a second one joins it."""
        if self.interruption is None:
            self.interruption = Interruption(why)
            self.interrupted.set()
        return self.interruption

    def resume(self) -> None:
        """Forget a redirect that has been obeyed."""
        self.interruption = None
        self.interrupted.clear()

    def check(self) -> None:
        """Raise Interrupted if the call was interrupted."""
        if self.interruption is not None:
            raise Interrupted(self.interruption)

    # -- what was said -------------------------------------------------------------------------------

    def note(self, who: str, text: str, now: float) -> None:
        """Write down what the person heard (`agent`, `say`) or said (`person`); `now` in clock seconds."""
        self.transcript.append({"at": round(now - self.answered_at, 2), "who": who, "text": text})

    def speaks(self, who: str, session: int, now: float) -> Voice:
        """Write down that somebody begins to speak; whoever asked says when it ends."""
        voice = Voice(who, session, now)
        self.voices.append(voice)
        return voice

    def fall_silent(self, now: float) -> None:
        """Nobody is heard any more: the session is over."""
        for voice in self.voices:
            if voice.ends is None:
                voice.ends = now

    def silences(self) -> list[dict[str, Any]]:
        """From one relay session to the next, in clock seconds: how long nobody was heard.

        `silence` runs from the last voice, whosever, to the agent's next; `after_end` from the session's end
        (the app's `end`, the broken socket) to the same. None: the agent was never heard again. `app` is the
        next socket's part of it that is the app's: from asking for it to the first words coming in.
        """
        found = []
        for number, session in enumerate(self.relay[:-1], start=1):
            voice = next((one for one in self.voices if one.session > number and one.who == "agent"), None)
            before = [one.ends for one in self.voices if one is not voice and one.ends is not None]
            last = max((end for end in before if voice is not None and end <= voice.begins), default=None)
            begins = None if voice is None else voice.begins
            first, opened = self.relay[number].first_text, self.relay[number].opened
            found.append(
                {
                    "session": number,
                    "status": session.status,
                    "at": None if session.ended is None else round(session.ended - self.answered_at, 3),
                    "silence": None if begins is None or last is None else round(begins - last, 3),
                    "after_end": None
                    if begins is None or session.ended is None
                    else round(begins - session.ended, 3),
                    "app": None if first is None else round(first - opened, 4),
                }
            )
        return found

    @property
    def heard(self) -> str:
        """All that the person heard, in order."""
        return "".join(line["text"] for line in self.transcript if line["who"] in {"agent", "say"})

    # -- at the wire -----------------------------------------------------------------------------------

    def seconds(self) -> int:
        """Seconds from answer to end, whole; 0 if it was never answered."""
        if self.answered is None or self.ended is None:
            return 0
        return max(1, round((self.ended - self.answered).total_seconds()))

    def webhook_fields(self) -> dict[str, str]:
        """The fields that every voice webhook carries, blank geo fields included (3.6)."""
        country = {"From": _country(self.from_), "To": _country(self.to)}
        fields = {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid,
            "CallStatus": self.status,
            "Direction": self.direction,
            "From": self.from_,
            "To": self.to,
            "Caller": self.from_,
            "Called": self.to,
        }
        fields.update(dict.fromkeys(_GEO, ""))
        if self.inbound:
            fields["StirVerstat"] = "TN-Validation-Passed-A"
        fields["FromCountry"] = fields["CallerCountry"] = country["From"]
        fields["ToCountry"] = fields["CalledCountry"] = country["To"]
        return fields

    def resource(self, now: float) -> dict[str, Any]:
        """The Call resource (3.2): every value a string or null."""
        uri = f"/{API_VERSION}/Accounts/{self.account_sid}/Calls/{self.sid}"
        ended = self.status in TERMINAL
        price = None
        if ended and self.answered is not None and now >= self.ended_at + self.price_after:
            price = f"-{ceil(self.seconds() / 60) * self.price_per_minute:.5f}"
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "parent_call_sid": self.parent_sid,
            "to": self.to,
            "to_formatted": _formatted(self.to),
            "from": self.from_,
            "from_formatted": _formatted(self.from_),
            "phone_number_sid": None,
            "status": self.status,
            "start_time": rfc2822(self.started),
            "end_time": rfc2822(self.ended),
            "duration": str(self.seconds()) if ended and self.started is not None else None,
            "price": price,
            "price_unit": "USD",
            "direction": self.direction,
            "answered_by": self.answered_by,
            "api_version": API_VERSION,
            "forwarded_from": None,
            "group_sid": None,
            "caller_name": None,
            "queue_time": str(self.queue_ms),
            "trunk_sid": None,
            "uri": f"{uri}.json",
            "date_created": rfc2822(self.created),
            "date_updated": rfc2822(self.updated or self.created),
            "subresource_uris": {
                name: f"{uri}/{path}.json"
                for name, path in (
                    ("notifications", "Notifications"),
                    ("recordings", "Recordings"),
                    ("payments", "Payments"),
                    ("events", "Events"),
                    ("siprec", "Siprec"),
                    ("streams", "Streams"),
                    ("transcriptions", "Transcriptions"),
                    ("user_defined_message_subscriptions", "UserDefinedMessageSubscriptions"),
                    ("user_defined_messages", "UserDefinedMessages"),
                )
            },
        }

    def as_json(self) -> dict[str, Any]:
        """The ledger's view of the call, for tests and people."""
        return {
            "sid": self.sid,
            "to": self.to,
            "from": self.from_,
            "parent_sid": self.parent_sid,
            "persona": self.person.persona,
            "status": self.status,
            "answered_by": self.answered_by,
            "created": self.created.isoformat(),
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "seconds": self.seconds(),
            "history": self.history,
            "params": self.params,
            "sessions": self.sessions,
            "silences": self.silences(),
            "heard": self.heard,
            "message": self.message,
            "digits_heard": self.digits_heard,
            "transcript": self.transcript,
        }


def rfc2822(instant: datetime | None) -> str | None:
    """`Fri, 18 Oct 2019 17:00:00 +0000`, or None."""
    return None if instant is None else format_datetime(instant)


def _country(number: str) -> str:
    return "US" if number.startswith("+1") and len(number) == 12 else ""


def _formatted(number: str) -> str:
    if number.startswith("+1") and len(number) == 12:
        return f"({number[2:5]}) {number[5:8]}-{number[8:]}"
    return number
