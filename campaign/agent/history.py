"""A session's requests as bytes: what was encoded for one turn is not encoded again for the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from campaign.agent.prompt import heard
from campaign.domain.dialogue import Message, ToolRequest

CONNECTED: Final = "(The call is connected.)"
DROPPED: Final = "(Note of the phone system: the line dropped for a moment. Go on.)"


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring entries of a history that are of one side: the person's and the service's notes, or the
    agent's with the results of its tools.

    Args:
        start: place of the first one in the history.
        last: whether nothing follows.
    """

    entries: Sequence[Message]
    start: int
    last: bool

    @property
    def ours(self) -> bool:
        """Whether it is the agent's."""
        return self.entries[0].role in ("agent", "tool")

    @property
    def awaits_us(self) -> bool:
        """Whether it ends with results of tools, to which the agent has yet to say something."""
        spoke = next((one for one in reversed(self.entries) if one.role == "agent"), None)
        return self.entries[-1].role == "tool" and spoke is not None and bool(spoke.tools)

    @property
    def said(self) -> str:
        """What was said in it; never empty, for servers refuse empty messages."""
        lines = [_told(one) for one in self.entries if one.role != "tool"]
        return "\n".join(filter(None, lines)).strip() or "…"

    def calls(self, place: int) -> list[tuple[str, ToolRequest, str]]:
        """The tool calls of its entry at `place`, each with an id and its result.

        The ids are our own: nine letters and digits, as Mistral demands of everybody's, and unique in the
        request, as not every server's are.
        """
        found = []
        for number, call in enumerate(self.entries[place].tools):
            at = place + 1 + number
            known = at < len(self.entries) and self.entries[at].role == "tool"
            result = self.entries[at].text if known else "Done."
            found.append((f"{self.start + place:06d}{number:03d}", call, result))
        return found


def _told(one: Message) -> str:
    match one.role:
        case "note":
            return f"(Note of the phone system: {one.text})"
        case "person":
            return heard(one.text)
        case _:
            return one.text


AsTold: TypeAlias = Callable[[Run], list[dict[str, object]]]
"""A run as the messages of a dialect."""


def runs(history: Sequence[Message], start: int = 0) -> list[Run]:
    """The runs of a history from an entry on that begins one."""
    found: list[Run] = []
    end = len(history)
    while start < end:
        ours = history[start].role in ("agent", "tool")
        stop = start + 1
        while stop < end and (history[stop].role in ("agent", "tool")) == ours:
            stop += 1
        found.append(Run(history[start:stop], start, stop == end))
        start = stop
    return found


class Encoded:
    """The requests of one session in one dialect.

    Args:
        head, tail: what stands before and after the messages in every one.
        told: the dialect.
    """

    def __init__(self, head: bytes, tail: bytes, told: AsTold) -> None:
        self._head = head
        self._tail = tail
        self._told = told
        self._history: Sequence[Message] = ()
        self._parts: list[bytes] = []
        self._starts: list[int] = []

    def request(self, history: Sequence[Message]) -> bytes:
        """The body of a request for this history.

        Runs of entries that are the same objects as last time keep their bytes, except the last one, which
        may have grown.
        """
        same = 0
        for known, given in zip(self._history, history, strict=False):
            if known is not given:
                break
            same += 1
        self._history = history
        start = 0
        while self._starts:
            start = self._starts.pop()
            self._parts.pop()
            if start < same:
                break
        fresh = runs(history, start)
        for run in fresh:
            self._starts.append(run.start)
            self._parts.append(b",".join(map(msgspec.json.encode, self._told(run))))
        parts = self._parts
        if not history or history[0].role in ("agent", "tool"):  # the first one to speak is always a user
            parts = [_user(CONNECTED), *parts]
        if fresh and fresh[-1].ours and not fresh[-1].awaits_us:
            parts = [*parts, _user(DROPPED)]
        return b"%s%s%s" % (self._head, b",".join(parts), self._tail)


def _user(text: str) -> bytes:
    return msgspec.json.encode({"role": "user", "content": text})
