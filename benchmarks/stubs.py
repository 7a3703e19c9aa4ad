"""The far ends, each a process of its own: python -m benchmarks.stubs twilio|llm|llm-paced

They answer at once and do nothing else, so that what is measured is our side: Twilio's REST API (every POST
is a call taken: 201), and an OpenAI-compatible model (12 tokens as server-sent events; all in one write, or
paced: one every 20 ms, the first at once). Plain protocols on uvloop, about 20 µs an answer. The address is
printed; the end of standard input ends the process.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import uvloop

TOKENS = ("Of", " course", ",", " I", " can", " tell", " you", " more", " about", " that", " right", " now.")
TOKEN_SECONDS = 0.02


def call_taken(number: int) -> bytes:
    """What Twilio answers to a POST of Calls.json."""
    sid = f"CA{number:032x}"
    account = "AC" + "0" * 32
    body = {
        "account_sid": account, "annotation": None, "answered_by": None, "api_version": "2010-04-01",
        "caller_name": None, "date_created": "Tue, 24 Nov 2026 15:00:00 +0000",
        "date_updated": "Tue, 24 Nov 2026 15:00:00 +0000", "direction": "outbound-api", "duration": None,
        "end_time": None, "forwarded_from": None, "from": "+12025550142",
        "from_formatted": "(202) 555-0142", "group_sid": None, "parent_call_sid": None,
        "phone_number_sid": "PN" + "0" * 32, "price": None, "price_unit": "USD", "queue_time": "0",
        "sid": sid, "start_time": None, "status": "queued", "to": "+12125550100",
        "to_formatted": "(212) 555-0100", "trunk_sid": None,
        "uri": f"/2010-04-01/Accounts/{account}/Calls/{sid}.json",
        "subresource_uris": {
            name: f"/2010-04-01/Accounts/{account}/Calls/{sid}/{name.title()}.json"
            for name in ("notifications", "recordings", "payments", "events", "siprec", "streams")
        },
    }  # fmt: skip
    text = json.dumps(body).encode()
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(text) + text


def reply_streamed() -> list[bytes]:
    """What a model answers: 12 tokens and the end, each in an HTTP chunk of its own."""

    def event(delta: dict[str, str], finish: str | None) -> bytes:
        chunk = {
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "stub",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }  # fmt: skip
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    events = [event({"content": token}, None) for token in TOKENS]
    events.append(event({}, "stop") + b"data: [DONE]\n\n")
    chunks = [b"%x\r\n%s\r\n" % (len(text), text) for text in events]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [head + chunks[0], *chunks[1:-1], chunks[-1] + b"0\r\n\r\n"]


def reply_whole() -> bytes:
    """The same in one piece, as OpenAI's newer API answers who doesn't want a stream."""
    said = {"type": "output_text", "text": "".join(TOKENS), "annotations": []}
    message = {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [said],
    }
    body = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "stub", "status": "completed",
        "output": [message], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
    }  # fmt: skip
    text = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(text), text)  # fmt: skip


class Far(asyncio.Protocol):
    """Answers every complete request. GET /arrivals answers when each call came, seconds, and forgets it."""

    calls = 0
    arrivals: ClassVar[list[float]] = []

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._left = b""

    def connection_made(self, transport: Any) -> None:  # uvloop's transport derives from nothing
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._left += data
        while (end := self._left.find(b"\r\n\r\n")) >= 0:
            head = self._left[:end].lower()
            length = 0
            if (at := head.find(b"content-length:")) >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._left) < end + 4 + length:
                return
            self._left = self._left[end + 4 + length :]
            self._answer(head)

    def _answer(self, path: bytes) -> None:
        if path.startswith(b"head"):
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        elif path.startswith(b"get /arrivals"):
            text = json.dumps(Far.arrivals).encode()
            Far.arrivals.clear()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        elif self._kind == "twilio":
            Far.calls += 1
            Far.arrivals.append(time.monotonic())
            self._transport.write(call_taken(Far.calls))
        elif b"/responses" in path[:60]:
            self._transport.write(WHOLE)
        elif self._kind == "llm":
            self._transport.write(REPLY)
        else:
            self._pace(PIECES)

    def _pace(self, pieces: Sequence[bytes]) -> None:
        """A token now, the others one by one; a connection that is gone takes none."""
        if not self._transport.is_closing():
            self._transport.write(pieces[0])
            if len(pieces) > 1:
                asyncio.get_running_loop().call_later(TOKEN_SECONDS, self._pace, pieces[1:])


PIECES = reply_streamed()
REPLY = b"".join(PIECES)
WHOLE = reply_whole()


async def main(kind: str) -> None:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Far(kind), "127.0.0.1", 0, backlog=1024)
    host, port = listening.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    listening.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
