"""An agent that asks a chat model, streamed: OpenAI's API as many servers speak it, or Anthropic's.

Whatever the server does, the reply ends with `Done` or with an `AgentError` that says what was wrong.
How long a conversation waits for it is its own matter (`Profile.patience`); here only a whole reply is
bounded, for those who ask outside of one.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from campaign.agent import anthropic, chat
from campaign.agent.history import Encoded
from campaign.agent.profile import Profile
from campaign.agent.protocol import AgentError, Context, Fault, Piece, Text
from campaign.agent.stream import ReplyStream, words_of
from campaign.agent.wire import Exchange, Wire, WireError
from campaign.domain.clock import Clock
from campaign.domain.dialogue import Message, ToolSpec
from campaign.domain.script import Script

__all__ = ["LlmAgent", "Profile"]

SPARE: Final = 3.0
"""A Retry-After is waited for if it leaves this share of the patience for the first word."""
LONGEST_HOLD: Final = 300.0
"""Seconds for which a server that asks us to wait is believed."""
STAYS_COLD: Final = 5.0
"""Seconds in which a server that could not be reached is not warmed again."""
_PROBE: Final = Script(greeting="Hello.", goal="Say one word: hello.")
_BUSY: Final = (429, 503, 529)


@dataclass(frozen=True, slots=True)
class _Dialect:
    path: str
    headers: Callable[[Profile], list[tuple[str, str]]]
    begin: Callable[[Profile, Sequence[ToolSpec], Context], Encoded]
    stream: Callable[[Iterable[str]], ReplyStream]


_CHAT: Final = _Dialect(chat.PATH, chat.headers, chat.begin, chat.Stream)
_ANTHROPIC: Final = _Dialect(anthropic.PATH, anthropic.headers, anthropic.begin, anthropic.Stream)


class LlmAgent:
    """One profile's agent, shared by all conversations.

    Args:
        profile: which model, and how.
        clock: for how long a Retry-After holds.

    Raises:
        WireError: the key can't stand in a header.
    """

    def __init__(self, profile: Profile, clock: Clock) -> None:
        self.profile = profile
        self.patience = profile.patience
        self._clock = clock
        self._dialect = _ANTHROPIC if profile.kind == "anthropic" else _CHAT
        self._held_until = -math.inf
        self._cold_until = -math.inf
        self._wire = Wire(
            profile.base_url,
            [
                ("Content-Type", "application/json"),
                ("Accept", "text/event-stream"),
                *self._dialect.headers(profile),
            ],
            connect_seconds=profile.connect_seconds,
            total_seconds=profile.patience.total_seconds + 5.0,
        )

    async def warm(self) -> None:
        """Have a connection ready, unless one waits or the server is away."""
        now = self._clock.monotonic()
        if self._wire.warm or now < self._cold_until or now < self._held_until:
            return
        try:
            await self._wire.open()
        except WireError:
            self._cold_until = now + STAYS_COLD

    async def close(self) -> None:
        await self._wire.close()

    async def probe(self) -> int:
        """Ask for a word, as a conversation would; returns the milliseconds until the first one.

        Raises:
            AgentError: what is wrong.
        """
        began = asyncio.get_running_loop().time()
        context = Context(_PROBE, {}, {}, self._clock.now())
        async for piece in self.reply([Message("person", "Hello?")], (), context):
            if isinstance(piece, Text) and piece.text:
                break
        return round((asyncio.get_running_loop().time() - began) * 1000)

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context
    ) -> AsyncIterator[Piece]:
        """See `protocol.Agent.reply`."""
        exchange = await self._send(self._body(history, tools, context))
        stream = self._dialect.stream([tool.name for tool in tools])
        if context.instructions:
            stream.keep_all()
        over = False
        try:
            if _streams(exchange):
                while block := await exchange.read():
                    if text := stream.take(block):
                        yield Text(text)
                    elif stream.at_work:
                        yield Text("")
                    if stream.finished:
                        over = True
                        break
            elif text := stream.whole(await self._whole(exchange)):
                yield Text(text)
            for piece in stream.end():
                yield piece
        except WireError as error:
            raise self._failed(str(error), Fault.BROKEN) from error
        except AgentError as error:
            raise self._failed(str(error), error.fault) from error
        finally:
            # Read to its end, the connection goes back to the pool; else it is cut, which stops the model.
            self._wire.release(exchange, over=over)

    async def _send(self, body: bytes) -> Exchange:
        """The answer's beginning, of a request that the server took; a short Retry-After is honoured once."""
        for waited in (False, True):
            if self._clock.monotonic() < self._held_until:
                raise self._failed("its server asked us to wait", Fault.BUSY)
            try:
                exchange = await self._wire.send("POST", self._dialect.path, body)
            except WireError as error:
                raise self._failed(str(error), Fault.UNREACHABLE) from error
            if exchange.status == 200:
                return exchange
            try:
                said = (await self._whole(exchange))[:2000]
            except WireError:
                said = b""
            finally:
                self._wire.release(exchange)
            wait = _retry_after(exchange.headers.get("retry-after"))
            if wait is not None and exchange.status in _BUSY:
                if not waited and wait <= self.patience.first_token_seconds / SPARE:
                    await self._clock.sleep(wait * self._clock.rate)
                    continue
                hold = min(wait, LONGEST_HOLD) * self._clock.rate
                self._held_until = self._clock.monotonic() + hold
            raise self._failed(f"HTTP {exchange.status}: {_said(said)}", _fault(exchange.status, said))
        raise self._failed("its server is busy", Fault.BUSY)

    async def _whole(self, exchange: Exchange) -> bytes:
        parts = []
        size = 0
        while (block := await exchange.read()) and size < MOST_WHOLE:
            parts.append(block)
            size += len(block)
        return b"".join(parts)

    def _body(self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context) -> bytes:
        key = f"requests to {self.profile.name}"
        known = context.memory.get(key)
        if not isinstance(known, Encoded):
            known = context.memory[key] = self._dialect.begin(self.profile, tools, context)
        return known.request(history)

    def _failed(self, why: str, fault: Fault) -> AgentError:
        key = self.profile.api_key
        return AgentError(f"{self.profile.name}: {why.replace(key, '…') if key else why}", fault)


MOST_WHOLE: Final = 1_000_000
"""Bytes of an answer that isn't a stream."""


def _streams(exchange: Exchange) -> bool:
    """Whether the answer is a stream of events, by what it says it is; a page for people is neither."""
    kind = exchange.headers.get("content-type", "text/event-stream").lower()
    if "html" in kind:
        raise AgentError("its server answers with a web page, not with a reply", Fault.BROKEN)
    return "json" not in kind


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header; None: there is none."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return LONGEST_HOLD  # a date: whatever it is, not worth waiting for while somebody is on the line
    return max(0.0, seconds) if math.isfinite(seconds) else LONGEST_HOLD


def _said(body: bytes) -> str:
    """What the body of a refusal says, in few words."""
    text = body.decode("utf-8", "replace")
    try:
        return words_of(json.loads(text))
    except ValueError:
        return "a web page" if "<html" in text.lower() else words_of(text)


def _fault(status: int, body: bytes) -> Fault:
    told = body.lower()
    match status:
        case 401 | 403:
            return Fault.KEY
        case 404:
            return Fault.MODEL if b"model" in told else Fault.ADDRESS
        case 405:
            return Fault.ADDRESS
        case 402:
            return Fault.MONEY
        case 429:
            return Fault.MONEY if b"quota" in told or b"billing" in told else Fault.BUSY
        case 503 | 529:
            return Fault.BUSY
        case 400 | 422:
            named = b"model" in told and any(
                word in told for word in (b"not found", b"not exist", b"invalid model", b"not supported")
            )
            return Fault.MODEL if named else Fault.REQUEST
        case _:
            return Fault.SERVER
