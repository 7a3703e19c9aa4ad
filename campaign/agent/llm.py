"""An agent that asks an OpenAI-compatible chat model, streamed: OpenAI, Mistral, Hugging Face, vLLM, Ollama …

The client is aiohttp, as a turn costs a third of what other clients cost. The stream is read leniently
(unknown fields, missing indexes, comments, whole answers instead of streams) but its end strictly: without
a finish reason the reply has failed. A model that writes a tool call into its text never has it spoken:
it is mended into a call or dropped.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import msgspec

from campaign.agent import prompt
from campaign.agent.protocol import AgentError, Context, Done, Piece, Text
from campaign.domain.clock import Clock
from campaign.domain.dialogue import Message, ToolRequest, ToolSpec

LONGEST_RETRY_AFTER: Final = 1.0
"""Seconds worth waiting on a busy line; beyond them another profile answers."""
STAYS_WARM: Final = 30.0
"""Clock seconds after a request within which a connection is likely still open."""
KEEP_ALIVE: Final = 60.0
"""Seconds for which an unused connection is kept."""
LONGEST_LINE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """A model to talk to.

    Args:
        name: as campaigns name it.
        base_url: up to and including the version, e.g. `https://api.mistral.ai/v1`.
        model: as the server names it.
        api_key: sent as a bearer token; never shown.
        params: further members of the request, such as temperature.
        connect_seconds, read_seconds, total_seconds: time-outs of the connection, between two reads, and of
            the whole reply; a conversation has shorter ones of its own.
    """

    name: str
    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    params: Mapping[str, object] = field(default_factory=dict)
    connect_seconds: float = 3.0
    read_seconds: float = 10.0
    total_seconds: float = 30.0


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _ToolDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | list[dict[str, object]] | None = None
    tool_calls: list[_ToolDelta] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    error: object = None


_chunk: Final = msgspec.json.Decoder(_Chunk)


class LlmAgent:
    """One profile's agent, shared by all conversations.

    Args:
        profile: which model, and how long to wait.
        clock: for how long a Retry-After holds.
        session: an aiohttp session to share; made at first use when None.
    """

    def __init__(self, profile: Profile, clock: Clock, session: aiohttp.ClientSession | None = None) -> None:
        self.profile = profile
        self._clock = clock
        self._session = session
        self._owned = session is None
        self._held_until = 0.0
        self._warm_until = 0.0
        self._url = profile.base_url.rstrip("/") + "/chat/completions"
        self._headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if profile.api_key:
            self._headers["Authorization"] = f"Bearer {profile.api_key}"
        self._timeout = aiohttp.ClientTimeout(
            total=profile.total_seconds,
            sock_connect=profile.connect_seconds,
            sock_read=profile.read_seconds,
        )

    async def warm(self) -> None:
        """Open a connection unless one was used just now; what the server answers doesn't matter."""
        now = self._clock.monotonic()
        if now < self._warm_until or now < self._held_until:
            return
        self._warm_until = now + STAYS_WARM
        try:
            async with self._http().head(self.profile.base_url, timeout=self._timeout, headers=self._headers):
                pass
        except (TimeoutError, aiohttp.ClientError, OSError):
            return

    async def close(self) -> None:
        if self._owned and self._session is not None:
            await self._session.close()

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context
    ) -> AsyncIterator[Piece]:
        """See `protocol.Agent.reply`."""
        body = self._body(history, tools, context)
        try:
            response = await self._send(body)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AgentError(f"{self.profile.name}: {type(error).__name__}: {error}") from error
        stream = _Stream()
        try:
            async for payloads in _payloads(response):
                # What came in one read goes out in one piece: a frame a token would cost more than all else.
                if text := stream.take(payloads):
                    yield Text(text)
            for piece in stream.end():
                yield piece
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise AgentError(f"{self.profile.name}: {type(error).__name__}: {error}") from error
        finally:
            # Read to its end, the connection goes back to the pool; else it is cut, which stops the model.
            response.release() if stream.finished and response.content.at_eof() else response.close()

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
                json_serialize=lambda value: msgspec.json.encode(value).decode(),
            )
        return self._session

    async def _send(self, body: bytes) -> aiohttp.ClientResponse:
        """The open response of a request that the server accepted; a short Retry-After is honoured once."""
        for tries_left in (1, 0):
            if self._clock.monotonic() < self._held_until:
                raise AgentError(f"{self.profile.name}: its server asked us to wait")
            response = await self._http().post(
                self._url, data=body, headers=self._headers, timeout=self._timeout
            )
            if response.status == 200:
                self._warm_until = self._clock.monotonic() + STAYS_WARM
                return response
            wait = _retry_after(response.headers.get("Retry-After"))
            text = (await response.content.read(500)).decode("utf-8", "replace")
            response.close()
            if (
                response.status in (429, 503)
                and tries_left
                and wait is not None
                and wait <= LONGEST_RETRY_AFTER
            ):
                await asyncio.sleep(wait)
                continue
            if wait is not None and wait > LONGEST_RETRY_AFTER:
                self._held_until = self._clock.monotonic() + min(wait, 300.0)
            raise AgentError(f"{self.profile.name}: HTTP {response.status}: {text[:200]}")
        raise AgentError(f"{self.profile.name}: no answer")

    def _body(self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context) -> bytes:
        memory = context.memory
        if "system" not in memory:
            memory["system"] = prompt.system(context)
            memory["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                }
                for tool in tools
            ]
        return msgspec.json.encode(
            {
                "model": self.profile.model,
                "messages": [{"role": "system", "content": memory["system"]}, *messages(history)],
                "tools": memory["tools"],
                "stream": True,
                **self.profile.params,
            }
        )


def messages(history: Sequence[Message]) -> list[dict[str, object]]:
    """The history in the chat API's form.

    Roles alternate and begin with the user, as some models' templates demand: neighbours of one role are
    joined, and the service's own notes stand in brackets on the user's side.
    """
    told: list[dict[str, object]] = []

    def add(role: str, text: str) -> None:
        if told and told[-1]["role"] == role and "tool_calls" not in told[-1]:
            told[-1]["content"] = f"{told[-1]['content']}\n{text}".strip()
        elif text:
            told.append({"role": role, "content": text})

    for message in history:
        match message.role:
            case "person":
                add("user", prompt.heard(message.text))
            case "note":
                add("user", f"(Note of the phone system: {message.text})")
            case "tool":
                told.append({"role": "tool", "tool_call_id": message.tool_id, "content": message.text})
            case "agent":
                if not told:
                    add("user", "(The call is connected.)")
                if message.tools:
                    calls = [
                        {
                            "id": call.id,
                            "type": "function",
                            "function": {"name": call.name, "arguments": call.arguments},
                        }
                        for call in message.tools
                    ]
                    told.append({"role": "assistant", "content": message.text, "tool_calls": calls})
                else:
                    add("assistant", message.text)
    if not told or told[-1]["role"] == "assistant":
        add("user", "(Note of the phone system: the line dropped for a moment. Go on.)")
    return told


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header; dates aren't worth waiting for and count as long."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return 60.0


async def _payloads(response: aiohttp.ClientResponse) -> AsyncIterator[list[bytes]]:
    """The data of the server-sent events that each read completed; a body that is no event stream comes
    whole."""
    if "event-stream" not in response.headers.get("Content-Type", "event-stream"):
        yield [await response.read()]
        return
    left = b""
    async for block in response.content.iter_any():
        lines = (left + block).split(b"\n")
        left = lines.pop()
        if len(left) > LONGEST_LINE:
            raise AgentError("the model's server sent an endless line")
        yield [line[5:].strip() for line in lines if line.startswith(b"data:")]
    if left.startswith(b"data:"):
        yield [left[5:].strip()]


class _Stream:
    """Chunks in, pieces out."""

    def __init__(self) -> None:
        self.finished = ""
        self._calls: dict[int, tuple[str, str, str]] = {}
        self._spoken = SpokenOnly()

    def take(self, payloads: Iterable[bytes]) -> str:
        """Read chunks; returns what of them may be spoken now. Their tool calls come at the end."""
        return self._spoken.take("".join(map(self._words, payloads)))

    def _words(self, payload: bytes) -> str:
        """Read one chunk; returns its text."""
        if not payload or payload == b"[DONE]":
            return ""
        try:
            chunk = _chunk.decode(payload)
        except msgspec.DecodeError:
            return ""  # a keep-alive, a vendor's own event; what matters is whether a finish reason comes
        if chunk.error is not None and not chunk.choices:
            raise AgentError(f"the model's server said: {str(chunk.error)[:200]}")
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        if choice.finish_reason:
            self.finished = choice.finish_reason
        delta = choice.delta or choice.message
        if delta is None:
            return ""
        for call in delta.tool_calls or ():
            self._add(call)
        return _text(delta.content)

    def _add(self, call: _ToolDelta) -> None:
        """Fragments belong together by index; without one, a new id or name begins a new call."""
        function = call.function or _Function()
        latest = max(self._calls, default=-1)
        index = call.index
        if index is None:
            begins = latest < 0 or (call.id and call.id != self._calls[latest][0]) or function.name
            index = latest + 1 if begins else latest
        known_id, name, arguments = self._calls.get(index, ("", "", ""))
        given = function.arguments
        more = msgspec.json.encode(given).decode() if isinstance(given, dict) else given or ""
        self._calls[index] = (known_id or call.id or "", name or function.name or "", arguments + more)

    def end(self) -> Iterator[Piece]:
        """What is left once the body has ended."""
        if not self.finished:
            raise AgentError("the model's stream ended without a finish reason")
        rest, mended = self._spoken.end()
        if rest:
            yield Text(rest)
        for index, (known_id, name, arguments) in sorted(self._calls.items()):
            if name:
                yield ToolRequest(known_id or f"call_{index}", name, arguments or "{}")
        yield from mended
        yield Done(self.finished)


def _text(content: str | list[dict[str, object]] | None) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return content or ""


_MARKERS: Final = ("[TOOL_CALLS]", "<tool_call>", "<function", "<|", "```", '{"name"', '[{"name"', '{ "name"')
_THOUGHT: Final = ("<think>", "</think>")
_ANY_MARKER: Final = re.compile("|".join(map(re.escape, (*_MARKERS, _THOUGHT[0]))))
_OPENING: Final = re.compile(r"[\[<`{]")
"""What every marker begins with."""


class SpokenOnly:
    """Lets only speech through: holds back tool calls that a model writes as text, and its thinking."""

    def __init__(self) -> None:
        self._held = ""
        self._tool_text = False
        self._thinking = False

    def take(self, text: str) -> str:
        """More of the model's text; returns what may be spoken now."""
        if not self._held and not self._thinking and not _OPENING.search(text):
            return text
        self._held += text
        spoken = ""
        while not self._tool_text:
            if self._thinking:
                _, found, after = self._held.partition(_THOUGHT[1])
                if not found:
                    self._held = self._held[-len(_THOUGHT[1]) :]
                    break
                self._thinking, self._held = False, after
                continue
            marker = _ANY_MARKER.search(self._held)
            cut = marker.start() if marker else len(self._held) - _partial_marker(self._held)
            spoken, self._held = spoken + self._held[:cut], self._held[cut:]
            if marker is None:
                break
            if marker[0] == _THOUGHT[0]:
                self._thinking, self._held = True, self._held[len(_THOUGHT[0]) :]
            else:
                self._tool_text = True
        return spoken

    def end(self) -> tuple[str, list[ToolRequest]]:
        """What was still held back as speech, and the tool calls found in the text."""
        if self._thinking:
            return "", []
        if not self._tool_text:
            return self._held, []
        return "", list(_mended(self._held))


def _partial_marker(text: str) -> int:
    """How many characters at the end may be the beginning of a marker."""
    for length in range(min(len(text), 12), 0, -1):
        tail = text[-length:]
        if any(marker.startswith(tail) for marker in (*_MARKERS, _THOUGHT[0])):
            return length
    return 0


_OBJECT_START: Final = re.compile(r"\{\s*\"name\"")


def _mended(text: str) -> Iterator[ToolRequest]:
    """Tool calls written as JSON objects with a name and arguments, wherever they stand."""
    for number, start in enumerate(match.start() for match in _OBJECT_START.finditer(text)):
        depth = 0
        for end in range(start, len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                break
        try:
            found = msgspec.json.decode(text[start : end + 1])
        except msgspec.DecodeError:
            continue
        arguments = found.get("arguments", found.get("parameters", {}))
        given = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        if isinstance(found.get("name"), str):
            yield ToolRequest(f"mended_{number}", found["name"], given)
