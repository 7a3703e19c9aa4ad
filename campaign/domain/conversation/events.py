"""What a conversation is told and what it answers with.

Beside these, every frame of `relay_protocol.Incoming` is an event, and the tools' `RecordAnswer` and
`ScheduleCallback` are commands.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from campaign.domain.dialogue import Message, ToolRequest, ToolSpec, Turn
from campaign.domain.disposition import Disposition
from campaign.domain.relay_protocol import Incoming, Outgoing
from campaign.domain.tools import Answer, RecordAnswer, ScheduleCallback

# ── events ─────────────────────────────────────────────────────────────────────────────────────────────


class AgentText(msgspec.Struct, frozen=True):
    """A piece of the reply that `Ask(generation)` began."""

    generation: int
    text: str


class AgentTool(msgspec.Struct, frozen=True):
    generation: int
    request: ToolRequest


class AgentDone(msgspec.Struct, frozen=True):
    """The reply is complete."""

    generation: int


class AgentFailed(msgspec.Struct, frozen=True):
    """The reply broke off: an error, a stream without its end, a refusal of the model's server."""

    generation: int
    why: str


class MachineVerdict(msgspec.Struct, frozen=True):
    """Twilio's answering-machine detection: human, machine_*, fax or unknown."""

    answered_by: str


class StopRequested(msgspec.Struct, frozen=True):
    """Someone outside the call ends it politely: an operator, or an opt-out recorded elsewhere."""

    reason: Literal["operator", "opt_out"]


class HandOver(msgspec.Struct, frozen=True):
    """This process wants to stop: end the session at the end of a turn, so that another one goes on with it.

    When the person has just finished speaking nobody notices but for a longer pause: what they said is
    written down, and the next session answers it. `at_any_pause`: time runs out; also while they think about
    an answer, which may be lost, so that the next session has to ask for it again.
    """

    at_any_pause: bool = False


class Closed(msgspec.Struct, frozen=True):
    """The socket is closed, by whomever."""

    code: int | None = None


class Tick(msgspec.Struct, frozen=True):
    """The deadline has come."""


Event: TypeAlias = (
    Incoming
    | AgentText
    | AgentTool
    | AgentDone
    | AgentFailed
    | MachineVerdict
    | StopRequested
    | HandOver
    | Closed
    | Tick
)

# ── commands, to be carried out in order ───────────────────────────────────────────────────────────────


class Send(msgspec.Struct, frozen=True):
    frame: Outgoing


class Ask(msgspec.Struct, frozen=True):
    """Start a reply; its pieces come back as events with this generation."""

    generation: int
    profile: str
    """Name of the model profile, or "scripted"."""
    history: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    answers: Mapping[str, Answer]
    """What has been answered so far, by question key."""
    local_now: datetime
    """The present in the person's own zone."""
    prompted_at: float = 0.0
    """When the person had finished speaking, on the stopwatch."""
    language: str = ""
    """Which of the script's languages is spoken now; empty: its own."""


class CancelAsk(msgspec.Struct, frozen=True):
    """Stop that reply; pieces of it that still come are ignored."""

    generation: int


class RecordTurn(msgspec.Struct, frozen=True):
    """Write, or write again, one line of the transcript."""

    turn: Turn


class OptOut(msgspec.Struct, frozen=True):
    """Put the person's number on the do-not-call list, and have it safe before the next command."""

    quote: str
    origin: Literal["conversation", "keypress"]


class SetDisposition(msgspec.Struct, frozen=True):
    code: Disposition


class FirstWord(msgspec.Struct, frozen=True):
    """Our first text frame of the session goes out now; milliseconds since its setup frame."""

    milliseconds: int


class Disclosed(msgspec.Struct, frozen=True):
    """Every disclosure was heard."""


class EndSession(msgspec.Struct, frozen=True):
    """Send `end` with this handoff as JSON; Twilio then asks `<Connect action>`."""

    handoff: Mapping[str, str]


class HangUp(msgspec.Struct, frozen=True):
    """The line is still up after `end`: complete the call through REST."""


class Note(msgspec.Struct, frozen=True):
    """Something for the log."""

    what: str
    failed_profile: str = ""
    """The profile whose reply failed, if that is what happened."""


Command: TypeAlias = (
    Send
    | Ask
    | CancelAsk
    | RecordTurn
    | OptOut
    | RecordAnswer
    | ScheduleCallback
    | SetDisposition
    | FirstWord
    | Disclosed
    | EndSession
    | HangUp
    | Note
)
