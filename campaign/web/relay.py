"""The conversations' socket: Twilio's ConversationRelay connects here.

Checked before the handshake is accepted: Twilio's signature over the address exactly as the TwiML has it
(the same for every call of that token, and without any parameters), and the token in the path, which works
once. The setup frame must then name the attempt's own call.
"""

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from campaign.domain.errors import DatabaseUnavailable
from campaign.flow import recordings, sessions
from campaign.flow import talk as talks
from campaign.telephony import addresses as at
from campaign.telephony import signature
from campaign.telephony.addresses import Addresses
from campaign.wiring import Services

log = structlog.get_logger(__name__)

REFUSED = 1008
"""Before the handshake is accepted this makes the server answer 403."""

PATIENCE_SECONDS = 3.0
"""For so long a handshake waits for Postgres: somebody is on the line; better a late greeting than none."""
RETRY_SECONDS = 0.1

router = APIRouter(include_in_schema=False)

Token = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{20,200}$")]


class StarletteSocket:
    """`talk.RelaySocket` over Starlette's."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._code: int | None = None

    @property
    def close_code(self) -> int | None:
        return self._code

    async def receive(self) -> str | bytes | None:
        if self._code is not None:
            return None
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            self._code = message.get("code") or 1005
            return None
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes", b"")

    async def send(self, frame: str) -> None:
        if self._code is not None or self._socket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            await self._socket.send({"type": "websocket.send", "text": frame})
        except (WebSocketDisconnect, RuntimeError, OSError):
            # The peer is gone; the reader is told so by its next receive.
            return

    async def close(self, code: int) -> None:
        if self._code is not None or self._socket.application_state is not WebSocketState.CONNECTED:
            return
        try:
            await self._socket.close(code)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return


@router.websocket(at.RELAY)
async def relay(socket: WebSocket, token: Token) -> None:
    """One session's socket, from handshake to end."""
    services: Services = socket.app.state.services
    session = await _opened(socket, services, token)
    if session is None:
        await socket.close(REFUSED)
        return
    await socket.accept()
    await talks.talk(
        StarletteSocket(socket),
        session,
        keeps=services.talks.writer(services.db, services.clock),
        agents=services.agents,
        clock=services.clock,
        talks=services.talks,
        on_opt_out=talks.safe_opt_out(services.db, services.clock, services.data_dir),
        hang_up=services.gateway.hang_up,
        record=recordings.beginner(
            services.db, services.clock, services.gateway.recordings, services.addresses
        ),
        account_sid=services.settings.twilio_account_sid,
    )


async def _opened(socket: WebSocket, services: Services, token: str) -> sessions.SessionContext | None:
    """The session that this handshake may have; None: refuse it."""
    settings = services.settings
    url = Addresses(settings.public_url or "").socket(at.RELAY.format(token=token))
    given = socket.headers.get(signature.HEADER)
    if socket.url.query or not signature.valid(url, (), given, settings.auth_tokens):
        log.warning("socket_refused", why="not signed by Twilio", signed=given is not None)
        return None
    if services.talks.closed:
        log.info("socket_refused", why="this process is at its end")
        return None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            session = await _once_postgres_answers(services, token)
    except TimeoutError:
        log.warning("socket_refused", why="Postgres did not answer")
        return None
    if session is None:
        log.warning("socket_refused", why="the token is unknown, used, or of a call that is over")
    return session


async def _once_postgres_answers(services: Services, token: str) -> sessions.SessionContext | None:
    while True:
        try:
            return await sessions.open_session(
                services.db, token, services.replica.id, services.clock.now(), services.rulebook
            )
        except DatabaseUnavailable:
            await asyncio.sleep(RETRY_SECONDS)
