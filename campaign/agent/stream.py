"""What the streams of all servers have in common: events in, speech and tool calls out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from campaign.agent.mending import mend
from campaign.agent.protocol import AgentError, Done, Piece, Text
from campaign.agent.spoken import AllOfIt, SpokenOnly
from campaign.domain.dialogue import ToolRequest

LONGEST_LINE: Final = 1_000_000
MOST_CALLS: Final = 16
"""Tool calls of one reply; more is a model gone astray."""


class Call(msgspec.Struct):
    """A tool call that is being put together."""

    index: int | None
    id: str = ""
    name: str = ""
    arguments: str = ""


class ReplyStream(ABC):
    """A reply on its way; a dialect says what words an event brings (`words`).

    Args:
        names: of the tools that the model has.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.finished = ""
        """The model's own word for why it ended; empty until it has."""
        self.calls: list[Call] = []
        self._spoken: SpokenOnly | AllOfIt = SpokenOnly(names)
        self._left = b""
        self._seen = 0

    def keep_all(self) -> None:
        """The reply is read, not spoken: nothing of its text is held back."""
        self._spoken = AllOfIt()

    @abstractmethod
    def words(self, payload: bytes) -> str:
        """Read one event; returns its text.

        Raises:
            AgentError: it says that the reply has failed.
        """

    def new_call(self, index: int | None) -> Call:
        """A tool call begins."""
        if len(self.calls) >= MOST_CALLS:
            raise AgentError("the model calls tools without end")
        call = Call(index)
        self.calls.append(call)
        return call

    def take(self, block: bytes) -> str:
        """Read part of the body; returns what of it may be spoken now. Tool calls come at the end.

        What came in one read goes out in one piece: a frame a token would cost more than all else.
        """
        lines = (self._left + block if self._left else block).split(b"\n")
        self._left = lines.pop()
        if len(self._left) > LONGEST_LINE:
            raise AgentError("the model's server sent an endless line")
        text = ""
        for line in lines:
            if line.startswith(b"data:"):
                text += self.words(line[5:].strip())
        return self._spoken.take(text) if text else ""

    @property
    def at_work(self) -> bool:
        """Whether the latest reads brought parts of a tool call: the model is busy, in silence."""
        size = len(self.calls) + sum(len(call.arguments) for call in self.calls)
        before, self._seen = self._seen, size
        return size > before or self._spoken.in_tool_text

    def whole(self, body: bytes) -> str:
        """Read an answer that came in one piece."""
        return self._spoken.take(self.words(body.strip()))

    def end(self) -> Iterator[Piece]:
        """What is left once the reply is over.

        Raises:
            AgentError: it isn't: the stream was cut off.
        """
        if not self.finished and (text := self.take(b"\n")):  # of a last line without its line break
            yield Text(text)
        if not self.finished:
            raise AgentError("the model's stream ended without a finish reason")
        rest, mended = self._spoken.end()
        if rest:
            yield Text(rest)
        for number, call in enumerate(self.calls):
            if call.name:
                yield ToolRequest(call.id or f"call{number}", call.name, mend(call.arguments))
        yield from mended
        yield Done(self.finished)


def words_of(error: object) -> str:
    """What an error object of a server says, at most 200 characters."""
    if isinstance(error, dict):
        for key in ("message", "detail", "error", "type"):
            if error.get(key):
                return words_of(error[key])
    return " ".join(str(error).split())[:200]
