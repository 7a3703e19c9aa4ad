"""The conversations' socket: Twilio's ConversationRelay connects here.

Checked before the handshake is accepted: Twilio's signature over the address exactly as the TwiML has it
(the same for every call of that token, and without any parameters), and the token in the path, which works
once. The setup frame must then name the attempt's own call.
"""

import asyncio
import re

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

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

_PATH = re.compile(at.RELAY.format(token="([A-Za-z0-9_-]{20,200})"))


class Door:
    """ASGI: leads conversations past whatever is there for requests.

    A socket is open as long as its call lasts, and so is every layer that it came through; each word that is
    said passes them. As a route of the application a call held 14 KB more.
    """

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = _PATH.fullmatch(scope["path"]) if scope["type"] == "websocket" else None
        if wanted is None:
            await self._app(scope, receive, send)
            return
        session = await _opened(scope, self._services, wanted[1])
        socket = AsgiSocket(receive, send)
        if session is None:
            await socket.close(REFUSED)
            return
        scope["headers"] = []  # the server keeps the scope as long as the socket
        await socket.accept()
        await _talk(socket, session, self._services)


class AsgiSocket:
    """`talk.RelaySocket` over the server's own two functions."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._code: int | None = None

    @property
    def close_code(self) -> int | None:
        return self._code

    async def accept(self) -> None:
        """Answer the handshake."""
        await self._receive()  # "websocket.connect", always the first
        await self._tell({"type": "websocket.accept"})

    async def receive(self) -> str | bytes | None:
        if self._code is not None:
            return None
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._code = message.get("code") or 1005
            return None
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def send(self, frame: str) -> None:
        await self._tell({"type": "websocket.send", "text": frame})

    async def close(self, code: int) -> None:
        await self._tell({"type": "websocket.close", "code": code})

    async def _tell(self, message: dict[str, object]) -> None:
        if self._code is not None:
            return
        try:
            await self._send(message)
        except (RuntimeError, OSError):
            # The peer is gone, or we closed before; the reader is told so by its next receive.
            return


async def _talk(socket: AsgiSocket, session: sessions.SessionContext, services: Services) -> None:
    await talks.talk(
        socket,
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


async def _opened(scope: Scope, services: Services, token: str) -> sessions.SessionContext | None:
    """The session that this handshake may have; None: refuse it."""
    settings = services.settings
    url = Addresses(settings.public_url or "").socket(at.RELAY.format(token=token))
    given = Headers(scope=scope).get(signature.HEADER)
    if scope["query_string"] or not signature.valid(url, (), given, settings.auth_tokens):
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
