"""What Twilio's webhooks say, read into our own words: the only file that knows how their fields are named.

A second carrier of the same protocol has a file like this one (docs/decisions/0016 says what else). Forms are
kept in the inbox as they came; whoever handles them reads them here.

Fields: twilio.com/docs/voice/twiml (requests), /voice/twiml/connect (action), /voice/twiml/dial,
/voice/twiml/enqueue, /voice/twiml/gather, /voice/api/call-resource (status callbacks),
/voice/answering-machine-detection, /voice/twiml/recording.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

Form = Mapping[str, str]
Kind = Literal[
    "voice", "status", "amd", "action", "recording", "dial", "queue", "wait", "whisper", "accept",
    "incoming", "gathered",
]  # fmt: skip

REQUIRED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "voice": ("CallStatus", "From", "To"),
    "status": ("CallStatus", "From", "To"),
    "amd": ("AnsweredBy",),
    "action": ("CallStatus", "SessionId", "SessionStatus"),
    "recording": ("RecordingSid", "RecordingStatus"),
    "dial": ("DialCallStatus",),
    "queue": ("QueueResult",),
    "wait": ("QueueTime",),
    "whisper": ("ParentCallSid",),
    "accept": ("ParentCallSid", "Digits"),
    "incoming": ("CallStatus", "From", "To"),
    "gathered": ("CallStatus", "From", "To"),
}
"""Fields besides CallSid and AccountSid without which a request of the kind is not what it says."""

_IDENTITY: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("CallStatus", "SequenceNumber"),
    "amd": ("AnsweredBy",),
    "twiml": (),
    "action": ("ordinal", "SessionId", "SessionStatus"),
    "recording": ("RecordingSid", "RecordingStatus"),
    "dial": ("ordinal", "DialCallSid", "DialCallStatus"),
    "queue": ("ordinal", "QueueResult"),
    "accept": ("ordinal", "Digits"),
    "found": ("CallStatus",),
    "incoming": (),
    "gathered": ("Digits", "SpeechResult"),
}
"""What tells two events of one kind and one call apart; Twilio has no event id."""

WITHHELD: Final = "anonymous"
"""Stands where a caller keeps the number back."""
_NO_NUMBER: Final = frozenset({"", "anonymous", "restricted", "unavailable", "unknown", "+266696687",
                               "+7378742833", "+2562533", "+8656696", "+86282452253"})  # fmt: skip
"""What Twilio puts into `From` then (support.twilio.com/hc/en-us/articles/223179988): words, or the keys of a
telephone that spell them."""


def dedupe_key(kind: str, marker: str, form: Form) -> str:
    """The same for all deliveries of one event. Joined as JSON, so that no value can imitate another."""
    parts = [marker, kind, form.get("CallSid", ""), *(form.get(name, "") for name in _IDENTITY[kind])]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def call_sid(form: Form) -> str:
    """The call that a request is about; empty when it names none."""
    return form.get("CallSid", "")


def account_sid(form: Form) -> str:
    """The account that a request is about."""
    return form.get("AccountSid", "")


def call_status(form: Form) -> str:
    """The call's status in a request: queued, ringing, in-progress, completed …; empty without one."""
    return form.get("CallStatus", "")


def parent_sid(form: Form) -> str:
    """The call that this leg was made for; empty for a first leg."""
    return form.get("ParentCallSid", "")


def in_progress(form: Form) -> bool:
    """Whether somebody is still on the line of whom the request is."""
    return call_status(form) in ("", "in-progress", "ringing")


@dataclass(frozen=True, slots=True)
class News:
    """What a callback tells of a call; None where it is silent. `at`: the carrier's own time of it."""

    call_sid: str | None
    call_status: str
    at: datetime | None
    answered_by: str | None
    machine_detection_ms: int | None
    sip_code: int | None
    duration_s: int | None
    recording_sid: str | None


def told(form: Form) -> News:
    """Reads a status, machine-detection or recording callback, or a fetch of TwiML."""
    return News(
        call_sid=call_sid(form) or None,
        call_status=call_status(form),
        at=_timestamp(form.get("Timestamp", "")),
        answered_by=form.get("AnsweredBy") or None,
        machine_detection_ms=_whole(form.get("MachineDetectionDuration")),
        sip_code=_whole(form.get("SipResponseCode")),
        duration_s=_whole(form.get("CallDuration")),
        recording_sid=form.get("RecordingSid") or None,
    )


def in_words(form: Form) -> dict[str, str]:
    """What an event of the inbox says, for a story: status, session_status, answered_by, error_code."""
    said = {
        "status": form.get("CallStatus") or form.get("SessionStatus") or form.get("RecordingStatus"),
        "session_status": form.get("SessionStatus"),
        "answered_by": form.get("AnsweredBy"),
        "error_code": form.get("ErrorCode"),
    }
    return {name: value for name, value in said.items() if value}


def found(sid: str, status: str) -> Form:
    """What a look-up found, as an event for the inbox."""
    return {"CallSid": sid, "CallStatus": status}


# ── what becomes of the line ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SessionOver:
    """A `<Connect action>`: a conversation session is over.

    Args:
        status: ended (by us), completed (the call is over) or failed.
        error_code, error_message: of a failed one.
        handoff: what we sent with `end`, as it came back.
    """

    call_sid: str
    call_status: str
    session_id: str | None
    status: str
    error_code: int | None
    error_message: str
    handoff: str | None

    @property
    def why(self) -> str:
        """For the record: how it ended."""
        code = "" if self.error_code is None else str(self.error_code)
        return " ".join(part for part in (self.status, code, self.error_message) if part)[:200] or "over"


def session_over(form: Form) -> SessionOver:
    """Reads a `<Connect action>`."""
    code = form.get("ErrorCode", "")
    return SessionOver(
        call_sid=call_sid(form),
        call_status=call_status(form),
        session_id=form.get("SessionId") or None,
        status=form.get("SessionStatus", ""),
        error_code=int(code) if code.isascii() and code.isdigit() and len(code) < 9 else None,
        error_message=form.get("ErrorMessage", ""),
        handoff=form.get("HandoffData"),
    )


@dataclass(frozen=True, slots=True)
class TransferOver:
    """A `<Dial action>` or an `<Enqueue action>`: a hand-over is over.

    Args:
        taken: whether somebody took it; None: the request doesn't say.
        bridged: the carrier says that both sides were connected; None: it doesn't say.
        word: the carrier's own, for the record.
    """

    taken: bool | None
    bridged: bool | None
    word: str


_QUEUE_TAKEN: Final = frozenset({"bridged", "bridging-in-process", "redirected-from-bridged", "redirected"})
"""`redirected`: TaskRouter's conference instruction takes the call out of the queue that way."""


def transfer_over(form: Form) -> TransferOver:
    """Reads the end of a `<Dial>` or an `<Enqueue>`."""
    result = form.get("QueueResult", "")
    if result:
        return TransferOver(result in _QUEUE_TAKEN, None, result)
    status = form.get("DialCallStatus", "")
    bridged = {"true": True, "false": False}.get(form.get("DialBridged", "").lower())
    # A target that refused within its whisper has answered: "completed", but never bridged.
    answered = status in ("completed", "answered") and bridged is not False
    return TransferOver(answered if status else None, bridged, status)


def is_of_queue(form: Form) -> bool:
    """Whether a hand-over was to a queue."""
    return "QueueResult" in form


def waited_seconds(form: Form) -> int:
    """How long a person has been in the queue."""
    return _whole(form.get("QueueTime")) or 0


def keys(form: Form) -> str:
    """What was keyed in answer to a `<Gather>`."""
    return form.get("Digits", "")


def speech(form: Form) -> str:
    """What was said in answer to a `<Gather>`."""
    return form.get("SpeechResult", "")


# ── a call to us ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Incoming:
    """Somebody calls one of our numbers.

    Args:
        caller: E.164 as the network gave it; None: withheld.
        called: our number.
    """

    call_sid: str
    caller: str | None
    called: str


def incoming(form: Form) -> Incoming:
    """Reads the voice webhook of a call to us."""
    caller = form.get("From", "")
    return Incoming(call_sid(form), None if caller.lower() in _NO_NUMBER else caller, form.get("To", ""))


# ── values ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a callback tells of a recording: in-progress, completed, absent; its length in seconds."""

    sid: str
    status: str
    seconds: int | None


def recorded(form: Form) -> Recorded | None:
    """Reads a recording's status callback; None when it names no recording."""
    sid = form.get("RecordingSid")
    if not sid:
        return None
    return Recorded(sid, form.get("RecordingStatus", ""), _whole(form.get("RecordingDuration")))


def _timestamp(text: str) -> datetime | None:
    """RFC 2822 as Twilio writes it, e.g. `Sun, 30 Aug 2026 08:33:32 +0000`."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else None


def _whole(text: str | None) -> int | None:
    """A whole number of a field; None without one."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None
