"""A small service at the other end of the wire: TwiML, callbacks and a relay socket, all recorded."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from campaign.simulator import ACCOUNT_SID, AUTH_TOKEN, Simulator, SimulatorConfig
from campaign.simulator.calls import Call

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
            frame: dict[str, Any]
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


EVENTS = ["initiated", "ringing", "answered", "completed"]
PERSON = "+12125550100"
US = "+12125550199"
RELAY = 'events="speaker-events tokens-played" dtmfDetection="true"'


class Rig:
    """A service, a simulator and the official client between them."""

    def __init__(self, service: Service, simulator: Simulator) -> None:
        self.service = service
        self.simulator = simulator
        self._http = TwilioHttpClient(timeout=10)
        self.client = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=self._http, environment={})
        self.client.api.base_url = simulator.base_url

    def close(self) -> None:
        self._http.session.close()

    async def call(self, to: str = PERSON, **params: Any) -> Any:
        """Create a call with the official client and all four events."""
        if "twiml" not in params:
            params.setdefault("url", self.service.url("/voice"))
        params.setdefault("status_callback", self.service.url("/status"))
        params.setdefault("status_callback_event", EVENTS)
        return await asyncio.to_thread(self.client.calls.create, to=to, from_=US, **params)

    async def finish(self) -> Call:
        """Wait until nothing is under way; the first call."""
        async with asyncio.timeout(80):
            await self.simulator.wait_idle()
        assert self.simulator.ledger.errors == []
        return self.simulator.calls[0]

    def statuses(self) -> list[str]:
        return [params["CallStatus"] for params in self.service.of("/status")]

    def codes(self) -> list[int]:
        return [alert.code for alert in self.simulator.debugger]


@asynccontextmanager
async def rig(talk: Talk | None = None, persona: str = "interested", **config: Any) -> AsyncIterator[Rig]:
    """A rig whose one person has the persona; config as of SimulatorConfig.

    Unless said otherwise: a fast clock, 100 calls a second, and all other numbers are busy.
    """
    people = {PERSON: persona, **config.pop("people", {})}
    given: dict[str, Any] = {
        "clock_rate": 60.0,
        "calls_per_second": 100.0,
        "patience_floor": 0.3,
        "weights": {"busy": 1.0},
    }
    given.update(config)
    async with (
        Service(talk) as service,
        Simulator(SimulatorConfig(people=people, **given)) as simulator,
    ):
        service.answers["/action"] = "<Response><Hangup/></Response>"
        service.answers["/voice"] = service.relay_twiml(RELAY)
        made = Rig(service, simulator)
        try:
            yield made
        finally:
            made.close()
