"""The words that agents and conversations share: messages, tool requests, turns, patience."""

from typing import Literal

import msgspec


class ToolRequest(msgspec.Struct, frozen=True):
    """An agent wants a tool called; `arguments` is JSON text, as it came, unchecked."""

    id: str
    name: str
    arguments: str


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as an agent sees it; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: dict[str, object]


class Message(msgspec.Struct, frozen=True):
    """One entry of the history that an agent answers to.

    `person` said it, `agent` said it (cut at what was heard; with the tools it called), `tool` is a tool's
    result (`tool_id` names the request), `note` is told by the service itself.
    """

    role: Literal["person", "agent", "tool", "note"]
    text: str
    tools: tuple[ToolRequest, ...] = ()
    tool_id: str = ""


class Turn(msgspec.Struct, frozen=True):
    """One line of the transcript, as heard and redacted; writing it again under its `seq` amends it."""

    seq: int
    """Order within the call, over all its sessions, from 1."""
    speaker: Literal["agent", "person", "key", "note"]
    text: str
    at: float
    """When it began, on the conversation's stopwatch (monotonic clock seconds)."""
    interrupted: bool = False
    latency_ms: int | None = None
    """Of the agent's turns: final prompt in to first text out, milliseconds."""


class Patience(msgspec.Struct, frozen=True):
    """How long an agent may take, clock seconds; then it has failed and the next one answers."""

    first_token_seconds: float = 1.5
    """From the question to the first word: with the scripted agent next, something is said within 2 s."""
    gap_seconds: float = 1.5
    """Between two words."""
    total_seconds: float = 20.0
    """For a whole reply."""
