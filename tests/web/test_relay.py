"""The conversations' socket: who gets in, and that a conversation is held over it."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from twilio.request_validator import RequestValidator

from campaign.domain.conversation import HandOver
from campaign.store import sessions
from campaign.wiring import Services
from tests.support.clock import ManualClock
from tests.support.rows import dialled, row
from tests.web.conftest import ACCOUNT, PUBLIC_URL, TOKEN

SID = "CA" + "7" * 32
SECRET = "s" * 43
ADDRESS = PUBLIC_URL.replace("http", "ws", 1) + f"/twilio/relay/{SECRET}"


def signed(address: str = ADDRESS, token: str = TOKEN) -> str:
    return RequestValidator(token).compute_signature(address, {})


class Peer:
    """A WebSocket client of an ASGI application, without a network."""

    def __init__(self, app: FastAPI, path: str, signature: str | None, query: bytes = b"") -> None:
        headers = [(b"host", b"internal:1")]
        if signature is not None:
            headers.append((b"x-twilio-signature", signature.encode()))
        scope: dict[str, Any] = {
            "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws",
            "path": path, "raw_path": path.encode(), "query_string": query, "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("internal", 1), "subprotocols": [], "state": {},
        }  # fmt: skip
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self._in.get, self.out.put))

    async def first(self) -> str:
        """What the handshake was answered with."""
        return str((await asyncio.wait_for(self.out.get(), 5))["type"])

    def frame(self, **fields: Any) -> None:
        self._in.put_nowait({"type": "websocket.receive", "text": json.dumps(fields)})

    async def text(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.out.get(), 5)
        assert message["type"] == "websocket.send", message
        said: dict[str, Any] = json.loads(message["text"])
        return said

    async def leave(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.task, 10)


@pytest.fixture
async def attempt(services: Services, clock: ManualClock) -> int:
    """An answered call whose conversation is expected."""
    attempt_id = await dialled(
        services.db, clock.now(), state="answered", call_sid=SID, answered_at=clock.now()
    )
    async with services.db.transaction() as tx:
        assert await sessions.expect(tx, attempt_id, 1, SECRET, clock.now())
    return attempt_id


async def test_a_conversation_is_held_over_the_socket(
    app: FastAPI, services: Services, attempt: int, clock: ManualClock
) -> None:
    peer = Peer(app, f"/twilio/relay/{SECRET}", signed())
    assert await peer.first() == "websocket.accept"
    peer.frame(type="setup", sessionId="VX1", callSid=SID, accountSid=ACCOUNT)
    peer.frame(type="info", name="clientSpeaking", value="off")
    assert "AI assistant" in (await peer.text())["token"]
    assert services.talks.count == 1
    await peer.leave()
    assert services.talks.count == 0
    assert (await row(services.db, "conversation_sessions"))["closed_at"] is not None


@pytest.mark.parametrize(
    ("signature", "path", "query"),
    [
        (None, SECRET, b""),
        ("", SECRET, b""),
        (signed(token="another token"), SECRET, b""),
        (signed(ADDRESS.replace("ws", "http", 1)), SECRET, b""),
        (signed(ADDRESS + "/"), SECRET, b""),
        (signed(), "x" * 43, b""),
        (signed(ADDRESS.replace(SECRET, "x" * 43)), "x" * 43, b""),
        (signed(), SECRET, b"a=b"),
    ],
)
async def test_a_socket_without_signature_or_token_is_refused(
    app: FastAPI, services: Services, attempt: int, signature: str | None, path: str, query: bytes
) -> None:
    peer = Peer(app, f"/twilio/relay/{path}", signature, query)
    assert await peer.first() == "websocket.close"
    await peer.leave()
    assert services.talks.count == 0
    assert (await row(services.db, "conversation_sessions"))["opened_at"] is None


async def test_the_token_works_once_whoever_signs(app: FastAPI, attempt: int) -> None:
    one = Peer(app, f"/twilio/relay/{SECRET}", signed())
    assert await one.first() == "websocket.accept"
    two = Peer(app, f"/twilio/relay/{SECRET}", signed())
    assert await two.first() == "websocket.close"
    await two.leave()
    await one.leave()


async def test_the_old_auth_token_is_believed_while_tokens_rotate(app: FastAPI, attempt: int) -> None:
    peer = Peer(app, f"/twilio/relay/{SECRET}", signed(token="the old auth token"))
    assert await peer.first() == "websocket.accept"
    await peer.leave()


async def test_another_account_or_call_is_cut_off_without_a_word(app: FastAPI, attempt: int) -> None:
    peer = Peer(app, f"/twilio/relay/{SECRET}", signed())
    assert await peer.first() == "websocket.accept"
    peer.frame(type="setup", sessionId="VX1", callSid=SID, accountSid="AC" + "9" * 32)
    assert (await asyncio.wait_for(peer.out.get(), 5))["type"] == "websocket.close"
    await peer.leave()


async def test_a_call_that_reaches_a_draining_process_is_handed_over_before_a_word(
    app: FastAPI, services: Services, attempt: int
) -> None:
    services.talks.hand_over = HandOver()
    peer = Peer(app, f"/twilio/relay/{SECRET}", signed())
    assert await peer.first() == "websocket.accept"
    peer.frame(type="setup", sessionId="VX1", callSid=SID, accountSid=ACCOUNT)
    first = await peer.text()
    assert first["type"] == "end"
    assert json.loads(first["handoffData"])["reason"] == "handover"
    await peer.leave()
    assert services.talks.drained.handed_over == 1


async def test_a_process_at_its_end_refuses_new_sockets_and_leaves_their_token_unused(
    app: FastAPI, services: Services, attempt: int
) -> None:
    await services.talks.drain(0)
    peer = Peer(app, f"/twilio/relay/{SECRET}", signed())
    assert await peer.first() == "websocket.close"
    await peer.leave()
    assert (await row(services.db, "conversation_sessions"))["opened_at"] is None
