"""A conversation told of events, and what it did: for tests without a socket."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from campaign.domain import relay_protocol as relay
from campaign.domain.conversation import (
    AgentDone,
    AgentFailed,
    AgentText,
    AgentTool,
    Ask,
    CancelAsk,
    Closed,
    Command,
    Conversation,
    EndSession,
    Event,
    RecordTurn,
    Send,
    Tick,
)
from campaign.domain.dialogue import ToolRequest, Turn
from campaign.domain.script import Script

START = datetime(2026, 11, 24, 10, 0, tzinfo=ZoneInfo("America/New_York"))
SETUP = relay.Setup(session_id="VX1", call_sid="CA1")
AI = "Hello, this is Alex, an AI assistant calling for Acme."
STOP = "Say stop calling or press 9 and we won't call again."
GREETING = "Hi Sam, is now a good time?"
SCRIPT: dict[str, Any] = {
    "greeting": "Hi {{ first_name }}, is now a good time?",
    "goal": "Book a demo.",
    "questions": [{"key": "demo", "ask": "Would you like a demo?", "kind": "yes_no"}],
    "transfers": {"sales": {"to": "+12125550199", "name": "our sales team"}},
    "profiles": ["clever"],
}


_calls: list["Call"] = []


def nothing_is_left() -> None:
    """However a conversation ended: once its socket is closed it waits for nothing, and no agent is asked."""
    for call in _calls:
        call.on(Closed(1000))
        assert call.conversation.deadline() is None
        asked = {one.generation for one in call.all if isinstance(one, Ask)}
        given_up = {one.generation for one in call.all if isinstance(one, CancelAsk)}
        assert asked <= given_up | call.ended, "an agent is still asked"
        assert call.on(Tick(), relay.Prompt(voice_prompt="Hello?"), relay.Dtmf("9")).did == []
        assert len([one for one in call.all if isinstance(one, EndSession)]) <= 1
    _calls.clear()


class Call:
    """A conversation and its stopwatch; `did` is what the last event led to."""

    def __init__(self, script: dict[str, Any] | None = None, **more: Any) -> None:
        self.now = 100.0
        self.conversation = Conversation(
            msgspec.convert({**SCRIPT, **(script or {})}, Script),
            {"first_name": "Sam", "seller_name": "Acme"},
            started=self.now,
            started_at=START,
            attempt="m1",
            phone="+12125550142",
            **more,
        )
        self.ended: set[int] = set()
        """Replies whose stream has come to an end."""
        _calls.append(self)
        self.did: list[Command] = []
        self.all: list[Command] = []

    def on(self, *events: Event) -> "Call":
        self.did = []
        for event in events:
            if isinstance(event, AgentDone | AgentFailed):
                self.ended.add(event.generation)
            self.did += self.conversation.receive(event, self.now)
        self.all += self.did
        return self

    def after(self, seconds: float) -> "Call":
        """Time passes, with a tick at each deadline on the way."""
        self.did = []
        target = self.now + seconds
        while (deadline := self.conversation.deadline()) is not None and deadline <= target:
            self.now = max(self.now, deadline)
            done = self.conversation.receive(Tick(), self.now)
            self.did += done
            self.all += done
        self.now = target
        return self

    def says(self, text: str) -> "Call":
        return self.on(relay.Prompt(voice_prompt=text, lang="en", last=True))

    def plays(self, *chunks: str) -> "Call":
        events: list[Event] = [relay.TokensPlayed(chunk) for chunk in chunks]
        return self.on(*events, relay.SpeakerEvent("agent", False))

    def greeted(self) -> "Call":
        self.on(SETUP).after(1.0)
        return self.plays(AI, " " + STOP, " " + GREETING)

    def replies(self, *pieces: str | ToolRequest) -> "Call":
        """The agent answers what it was last asked."""
        generation = [one.generation for one in self.all if isinstance(one, Ask)][-1]
        events: list[Event] = [
            AgentText(generation, piece) if isinstance(piece, str) else AgentTool(generation, piece)
            for piece in pieces
        ]
        return self.on(*events, AgentDone(generation))

    def of(self, kind: type) -> list[Any]:
        return [one for one in self.did if isinstance(one, kind)]

    @property
    def text(self) -> str:
        return "".join(one.frame.token for one in self.of(Send) if isinstance(one.frame, relay.Text))

    @property
    def heard(self) -> dict[int, Turn]:
        return {one.turn.seq: one.turn for one in self.all if isinstance(one, RecordTurn)}


def tool(name: str, **arguments: object) -> ToolRequest:
    return ToolRequest("t1", name, msgspec.json.encode(arguments).decode())
