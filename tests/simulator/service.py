"""A small service at the other end of the wire: TwiML, callbacks and a relay socket, all recorded."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator

from campaign.simulator import AUTH_TOKEN

Talk = Callable[["Session"], Awaitable[None]]


@dataclass
class Hook:
    """One webhook request as it came in."""

    path: str
    params: dict[str, str]
    signed: bool
    headers: dict[str, str]


@dataclass
class Session:
    """One relay socket."""

    ws: web.WebSocketResponse
    path: str
    signed: bool
    headers: dict[str, str]
    frames: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, **frame: Any) -> None:
        await self.ws.send_str(json.dumps(frame))

    async def say(self, text: str, **more: Any) -> None:
        await self.send(type="text", token=text, last=True, **more)

    async def next(self, kind: str | None = None, **fields: Any) -> dict[str, Any]:
        """The next frame of that type and with those fields; StopAsyncIteration when the socket ends."""
        while True:
            message = await self.ws.receive()
            if message.type is not WSMsgType.TEXT:
                self.close_code = self.ws.close_code
                raise StopAsyncIteration
            try:
                frame = json.loads(message.data)
            except ValueError:
                frame = {"type": "not json", "text": message.data}
            self.frames.append(frame)
            if kind in (None, frame["type"]) and all(
                frame.get(name) == value for name, value in fields.items()
            ):
                return frame

    async def drain(self) -> None:
        """Read until the socket ends."""
        try:
            while True:
                await self.next()
        except StopAsyncIteration:
            return

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]


class Service:
    """Serves `answers[path]` (TwiML or a function of the hook) and runs `talk` on each socket."""

    def __init__(self, talk: Talk | None = None) -> None:
        self.hooks: list[Hook] = []
        self.sessions: list[Session] = []
        self.answers: dict[str, str | Callable[[Hook], str]] = {}
        self.statuses: dict[str, int] = {}
        self.content_type = "text/xml"
        self.talk = talk
        self.base_url = ""
        self.errors: list[BaseException] = []
        self._validator = RequestValidator(AUTH_TOKEN)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "Service":
        app = web.Application()
        app.router.add_get("/relay/{rest:.*}", self._relay)
        app.router.add_route("*", "/{rest:.*}", self._hook)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        if self.errors:
            raise self.errors[0]

    def url(self, path: str) -> str:
        return f"{self.base_url}{path}"

    def relay_url(self, path: str = "/relay/one") -> str:
        return self.url(path).replace("http", "ws", 1)

    def relay_twiml(self, attributes: str = "", action: str | None = "/action", children: str = "") -> str:
        act = f' action="{self.url(action)}"' if action else ""
        return (
            f'<Response><Connect{act}><ConversationRelay url="{self.relay_url()}" {attributes}>'
            f"{children}</ConversationRelay></Connect></Response>"
        )

    def of(self, path: str) -> list[dict[str, str]]:
        return [hook.params for hook in self.hooks if hook.path == path]

    async def _hook(self, request: web.Request) -> web.Response:
        url = self.url(request.path_qs)
        signature = request.headers.get("X-Twilio-Signature", "")
        form = await request.post()
        params = {name: str(value) for name, value in form.items()}
        signed = self._validator.validate(url, params, signature)
        hook = Hook(request.path, params or dict(request.query), signed, dict(request.headers))
        self.hooks.append(hook)
        answer = self.answers.get(request.path, "")
        text = answer if isinstance(answer, str) else answer(hook)
        status = self.statuses.get(request.path, 200 if text else 204)
        return web.Response(status=status, text=text, content_type=self.content_type if text else None)

    async def _relay(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        url = self.relay_url(urlsplit(str(request.url)).path)
        signed = self._validator.compute_signature(url, {}) == request.headers.get("X-Twilio-Signature")
        session = Session(ws, request.path, signed, dict(request.headers))
        self.sessions.append(session)
        try:
            if self.talk is not None:
                await self.talk(session)
            else:
                await session.drain()
        except StopAsyncIteration:
            pass
        except Exception as error:
            self.errors.append(error)
        session.close_code = ws.close_code
        session.ended.set()
        return ws
