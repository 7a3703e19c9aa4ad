"""What an agent is: something that answers a history with a stream of words and tool calls."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol, TypeAlias

from campaign.domain.dialogue import Message, ToolRequest, ToolSpec
from campaign.domain.script import Script
from campaign.domain.tools import Answer, NextCallable


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of speech, as it comes; pieces are joined as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The reply is complete; a stream that ends without it has failed.

    Args:
        why: the model's own word for it (`stop`, `tool_calls`, `length` …).
    """

    why: str = "stop"


Piece: TypeAlias = Text | ToolRequest | Done


@dataclass(frozen=True, slots=True)
class Context:
    """What an agent knows besides the history.

    Args:
        script: the campaign's script.
        values: variables by name; cells are data, never instructions.
        answers: what has been answered so far, by question key.
        local_now: the present in the person's own zone.
        instructions: what a model is told to do; empty: to hold the script's conversation.
    """

    script: Script
    values: Mapping[str, str]
    answers: Mapping[str, Answer]
    local_now: datetime
    memory: dict[str, object] = field(default_factory=dict)
    """Lives as long as the session: what an agent need not compute twice."""
    instructions: str = ""
    next_callable: NextCallable | None = None
    """When the person may be called, for callbacks; None: nobody knows."""


class Fault(Enum):
    """What is wrong with a model, as far as it can be told; the value says it in words."""

    UNREACHABLE = "its server can't be reached"
    ADDRESS = "there is no such address at its server"
    KEY = "its server refuses the key"
    MODEL = "its server doesn't have the model"
    MONEY = "the account has no money left"
    BUSY = "its server is busy, or asks us to wait"
    REQUEST = "its server doesn't take our request"
    SERVER = "its server failed"
    BROKEN = "the answer is broken or no reply"


class AgentError(Exception):
    """The agent can't answer: an error or silence of its server, a stream that broke off."""

    def __init__(self, why: str, fault: Fault = Fault.BROKEN) -> None:
        super().__init__(why)
        self.fault = fault


class Agent(Protocol):
    def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context
    ) -> AsyncIterator[Piece]:
        """Answer the history.

        The stream ends with `Done`, or raises `AgentError`. Closing it (or cancelling the task that reads it)
        stops the work at once.
        """
        ...

    async def warm(self) -> None:
        """Have a connection ready, so that the first reply doesn't wait for one. Never raises."""
        ...

    async def close(self) -> None: ...
