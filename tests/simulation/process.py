"""One process of the service inside the simulation: the real dialler, scheduler, webhooks and sockets."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from fastapi import FastAPI
from twilio.request_validator import RequestValidator

from campaign.cli.workers import Workers
from campaign.domain.budget import Rates
from campaign.domain.rulebook import Rulebook
from campaign.settings import Settings, read_settings
from campaign.store.database import Database
from campaign.store.leases import Replica
from campaign.telephony.gateway import Gateway
from campaign.web.app import create_app
from campaign.wiring import Agents, ServiceClock, Services
from tests.simulation.loop import Owner, SimLoop
from tests.simulation.twilio import ACCOUNT, Twilio, Wire

T = TypeVar("T")
TOKEN = "t" * 32
PUBLIC_URL = "http://127.0.0.1:8080"


class SimClock(ServiceClock):
    """The service's clock on the loop's time; `skew` is what it is wrong by."""

    def __init__(self, loop: SimLoop, start: datetime, skew: float) -> None:
        super().__init__(start)
        self._loop = loop
        self._zero = start + timedelta(seconds=skew)

    def now(self) -> datetime:
        return self._zero + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def settings(cps: float, max_calls: int) -> Settings:
    """What every process is set to."""
    return read_settings(
        {
            "DATABASE_URL": "postgresql://simulated/simulated",
            "PUBLIC_URL": PUBLIC_URL,
            "TWILIO_API_BASE_URL": "http://127.0.0.1:1",
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_CALLS_PER_SECOND": f"{cps:g}",
            "TWILIO_MAX_CALLS": str(max_calls),
        },
        None,
    )


class Process:
    """See the module.

    Args:
        ticks: seconds between two ticks of its scheduler, asked before each.
    """

    def __init__(
        self,
        loop: SimLoop,
        name: str,
        *,
        url: str,
        start: datetime,
        skew: float,
        configured: Settings,
        rulebook: Rulebook,
        rates: Rates,
        data_dir: Path,
        twilio: Twilio,
        ticks: Any,
    ) -> None:
        self.owner = Owner(name)
        self._loop = loop
        self._ticks = ticks
        clock = SimClock(loop, start, skew)
        wire = Wire(twilio)
        gateway = Gateway(ACCOUNT, ACCOUNT, TOKEN)
        gateway._client.http_client = gateway._transport = wire
        self.services = Services(
            settings=configured,
            clock=clock,
            db=Database(url, pool_size=4, pool_seconds=5.0),
            rulebook=rulebook,
            rates=rates,
            data_dir=data_dir,
            actor="simulation",
            agents=Agents(configured, clock),
            replica=Replica(id=name, role="all", host="simulated", pid=1, started_at=clock.now()),
            _gateway=gateway,
        )
        self.workers = Workers(self.services, dial=True)
        self.app: FastAPI = create_app(self.services)
        self._waiting: set[asyncio.Future[Any]] = set()
        self.sockets: set[asyncio.Future[Any]] = set()

    @property
    def answers(self) -> bool:
        """Whether its port is open."""
        return self.owner.alive

    def start(self) -> None:
        """Dial and tick from now on."""
        assert self.workers.dialer is not None
        self._loop.spawn(self.owner, self.workers.dialer.run(), "dialer")
        self._loop.spawn(self.owner, self._tick(), "ticks")

    async def _tick(self) -> None:
        while True:
            await self.workers.scheduler.tick()
            await asyncio.sleep(self._ticks())

    def gone(self) -> None:
        """Its machine is gone: whoever waits for an answer learns that the connection is closed."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_exception(ConnectionResetError("the process is gone"))

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work done in this process; ConnectionError when it dies on the way."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self._waiting.add(answer)

        async def carry_out() -> None:
            try:
                result = await work
            except Exception as error:  # for whoever asked
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

        self._loop.spawn(self.owner, carry_out())
        try:
            return await answer
        finally:
            self._waiting.discard(answer)

    async def post(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        """A webhook of Twilio's, through the whole application."""
        signed = RequestValidator(TOKEN).compute_signature(PUBLIC_URL + path, form)
        body = urlencode(form).encode()
        headers = {
            "host": "127.0.0.1:8080",
            "content-type": "application/x-www-form-urlencoded",
            "content-length": str(len(body)),
            "x-twilio-signature": signed,
        }
        return await self.within(_http(self.app, "POST", path, headers, body))


async def _http(app: Any, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
    }
    sent = False
    status, parts = 0, []
    never = asyncio.get_running_loop().create_future()

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await never
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts).decode()
