"""A model's server that fails in every way we know, in OpenAI's dialect and in Anthropic's, on a real socket.

What it answers is written byte by byte, so it can be silent, be cut off or be no HTTP at all at any point.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypeAlias

Dialect: TypeAlias = Literal["chat", "anthropic"]
PATHS = {"chat": "/v1/chat/completions", "anthropic": "/v1/messages"}


class Then(Enum):
    """What the server does instead of writing."""

    STALL = "say nothing more, and keep the line open"
    CUT = "break the connection"
    FOR_EVER = "write the last part again and again"


Part: TypeAlias = bytes | Then | asyncio.Event
Answer: TypeAlias = Sequence[Part]
"""What is written, in order; an event is waited for."""


def http(status: str, body: bytes, **headers: str) -> list[Part]:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ["\r\n".join(lines).encode() + b"\r\n\r\n" + body]


def refusal(status: str, message: str = "no", **headers: str) -> list[Part]:
    """An error as servers of models send it."""
    body = json.dumps({"error": {"message": message, "type": "error"}}).encode()
    return http(status, body, Content_Type="application/json", **headers)


def page(status: str) -> list[Part]:
    """A web page, as a gateway shows it to people."""
    return http(status, b"<!doctype html><html><h1>Bad gateway</h1></html>", Content_Type="text/html")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def streamed(*parts: Part) -> list[Part]:
    """Events, each in an HTTP chunk of its own, and the end; after `Then` nothing more comes."""
    found: list[Part] = [HEAD]
    for part in parts:
        found.append(b"%x\r\n%s\r\n" % (len(part), part) if isinstance(part, bytes) else part)
    return found if parts and isinstance(parts[-1], Then) else [*found, b"0\r\n\r\n"]


def event(value: Any, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


# ── the two dialects ───────────────────────────────────────────────────────────────────────────────────


def chunk(content: Any = None, finish: str | None = None, **delta: Any) -> bytes:
    """A piece of OpenAI's stream."""
    given = {"content": content, **delta} if content is not None else delta
    return event({"choices": [{"index": 0, "delta": given, "finish_reason": finish}]})


DONE = b"data: [DONE]\n\n"


def says(dialect: Dialect, *words: str, finish: str | None = "stop") -> list[bytes]:
    """The events of a reply in words; without a finish reason it breaks off."""
    if dialect == "chat":
        found = [chunk("", role="assistant"), *map(chunk, words)]
        return [*found, chunk(None, finish), DONE] if finish else found
    found = [
        event({"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}}),
        event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        event({"type": "ping"}, "ping"),
    ]
    for word in words:
        delta = {"type": "text_delta", "text": word}
        found.append(event({"type": "content_block_delta", "index": 0, "delta": delta}))
    return [*found, *anthropic_end({"stop": "end_turn"}.get(finish, finish))] if finish else found


def anthropic_end(why: str) -> list[bytes]:
    return [
        event({"type": "message_delta", "delta": {"stop_reason": why}, "usage": {"output_tokens": 9}}),
        event({"type": "message_stop"}),
    ]


def calls(dialect: Dialect, name: str, *fragments: str, words: str = "") -> list[bytes]:
    """The events of a reply that calls a tool, its arguments in fragments, perhaps after some words."""
    if dialect == "chat":
        found = [chunk(words)] if words else []
        first = {"index": 0, "id": "call_abc", "type": "function", "function": {"name": name}}
        found.append(chunk(tool_calls=[first]))
        found += [chunk(tool_calls=[{"index": 0, "function": {"arguments": one}}]) for one in fragments]
        return [*found, chunk(None, "tool_calls"), DONE]
    found = says("anthropic", words, finish=None) if words else []
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    found.append(event({"type": "content_block_start", "index": 1, "content_block": block}))
    for one in fragments:
        delta = {"type": "input_json_delta", "partial_json": one}
        found.append(event({"type": "content_block_delta", "index": 1, "delta": delta}))
    return [*found, event({"type": "content_block_stop", "index": 1}), *anthropic_end("tool_use")]


# ── the server ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Model:
    """A running server. Answers are given in their order, the last one again and again.

    Args:
        dialect: what it speaks; other paths are answered 404.
    """

    dialect: Dialect = "chat"
    answers: list[Answer] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    """Somebody broke off an answer."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    def will(self, *answers: Answer) -> None:
        self.answers = list(answers)

    async def requests(self, count: int) -> None:
        """Wait until so many have come."""
        while len(self.asked) < count:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 5)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.cut.set()
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return False
        request, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if request.split(" ")[1] != PATHS[self.dialect]:
            writer.write(
                b"".join(p for p in refusal("404 Not Found", "no such path") if isinstance(p, bytes))
            )
            return True
        self.asked.append(json.loads(body))
        self.headers.append(headers)
        self.news.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        gone = asyncio.ensure_future(reader.read(1))
        try:
            return await self._write(answer, writer, gone)
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await gone

    async def _write(
        self, answer: Answer, writer: asyncio.StreamWriter, gone: "asyncio.Future[bytes]"
    ) -> bool:
        last = b""
        for part in answer:
            if isinstance(part, bytes):
                last = part
                writer.write(part)
                await writer.drain()
            elif isinstance(part, asyncio.Event):
                await part.wait()
            elif part is Then.CUT:
                return False
            elif part is Then.STALL:
                await gone
                raise ConnectionError
            else:
                while not gone.done():
                    writer.write(last)
                    await writer.drain()
                    await asyncio.sleep(0)
                raise ConnectionError
        return True


@contextlib.asynccontextmanager
async def model(dialect: Dialect = "chat") -> AsyncIterator[Model]:
    """A server while the block runs."""
    one = Model(dialect)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield one
    finally:
        server.close()
        for task in asyncio.all_tasks():
            if "Model.serve" in repr(task):
                task.cancel()
        await asyncio.sleep(0)
