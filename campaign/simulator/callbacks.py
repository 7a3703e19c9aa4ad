"""Webhooks to the service: signed, within Twilio's budgets, and as faulty as the faults say.

Sources: signature TWILIO 5.1; budgets, retries and connection overrides TWILIO 3.7.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import aiohttp
from yarl import URL

from campaign.simulator.clock import Activity, SimulatorClock
from campaign.simulator.config import SimulatorConfig, chance
from campaign.simulator.ledger import Alert, Delivery, Ledger
from campaign.simulator.signing import signature

TOTAL_SECONDS = 15.0  # 3.7: hard ceiling, connect included
CONNECT_SECONDS = 5.0  # 3.7: per try


def route(config: SimulatorConfig, url: str) -> tuple[URL, dict[str, str]]:
    """Where a URL is really requested, and the headers that a TLS-terminating proxy adds.

    A host named in `config.routes` stands for a service on this machine: https://calls.example/x is
    then asked for at http://127.0.0.1:8000/x, while the signature covers the URL as written.
    """
    parts = urlsplit(url.partition("#")[0])
    target = config.routes.get(parts.netloc)
    if target is None:
        return URL(parts.geturl(), encoded=True), {}
    plain = {"https": "http", "wss": "ws"}.get(parts.scheme, parts.scheme)
    headers = {
        "Host": parts.netloc,
        "X-Forwarded-Host": parts.netloc,
        "X-Forwarded-Proto": {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme),
    }
    return URL(parts._replace(scheme=plain, netloc=target).geturl(), encoded=True), headers


@dataclass(frozen=True, slots=True)
class Reply:
    """The service's answer to a webhook; `status` None means that there was none."""

    status: int | None
    body: str = ""
    content_type: str = ""
    error: str = ""
    code: int = 0  # the debugger code of the failure: 11200, 11205; 0 for 2xx


@dataclass(frozen=True, slots=True)
class Overrides:
    """Connection overrides of a URL's fragment (3.7), in milliseconds where they are times."""

    connect_ms: float = CONNECT_SECONDS * 1000
    read_ms: float = TOTAL_SECONDS * 1000
    total_ms: float = TOTAL_SECONDS * 1000
    retries: int = 1
    policies: frozenset[str] = frozenset({"ct"})

    @classmethod
    def of(cls, fragment: str) -> "Overrides":
        """Read `rc=3&rp=ct,rt,5xx`; what is wrong or unknown keeps its default."""
        given = dict(parse_qsl(fragment))

        def milliseconds(name: str, lowest: float, default: float) -> float:
            text = given.get(name, "")
            return float(text) if text.isdigit() and lowest <= int(text) <= 15_000 else default

        retries = given.get("rc", "")
        policies = frozenset(given.get("rp", "ct").split(","))
        known = policies <= {"4xx", "5xx", "ct", "rt", "all"}
        return cls(
            milliseconds("ct", 100, CONNECT_SECONDS * 1000),
            milliseconds("rt", 100, TOTAL_SECONDS * 1000),
            milliseconds("tt", 100, TOTAL_SECONDS * 1000),
            int(retries) if retries.isdigit() and int(retries) <= 5 else 1,
            policies if known else frozenset({"ct"}),
        )

    def again(self, why: str) -> bool:
        """Whether a try that ended so ("ct", "rt", "4xx", "5xx") is made again."""
        return "all" in self.policies or why in self.policies


class Webhooks:
    """Sends form requests to the service."""

    def __init__(
        self, config: SimulatorConfig, clock: SimulatorClock, ledger: Ledger, activity: Activity
    ) -> None:
        self._config = config
        self._clock = clock
        self._ledger = ledger
        self._activity = activity
        self._http: aiohttp.ClientSession | None = None
        self._chains: dict[str, asyncio.Task[None]] = {}
        self._held: dict[str, tuple[str, Delivery]] = {}

    async def open(self) -> None:
        """Make the connection pool; needs the running loop."""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the pool."""
        if self._http is not None:
            await self._http.close()

    @property
    def http(self) -> aiohttp.ClientSession:
        """The pool, also used for WebSockets."""
        if self._http is None:
            raise RuntimeError("the simulator has not been started: use `async with Simulator(...)`")
        return self._http

    # -- requests whose answer matters -----------------------------------------------------------

    async def request(
        self, kind: str, call_sid: str, url: str, params: Mapping[str, str], method: str = "POST"
    ) -> Reply:
        """Ask the service and return its answer; never raises for what the service does."""
        delivery = Delivery(kind, call_sid, url, dict(params), self._clock.now())
        self._ledger.deliveries.append(delivery)
        return await self._send(delivery, method)

    async def _send(self, delivery: Delivery, method: str) -> Reply:
        overrides = Overrides.of(urlsplit(delivery.url).fragment)
        token = str(uuid4())
        reply = Reply(None, error="not tried", code=11200)
        began = self._clock.monotonic()
        for _ in range(1 + overrides.retries):
            reply, why = await self._try(delivery, method, overrides, token)
            if not why or not overrides.again(why):
                break
        delivery.seconds = self._clock.monotonic() - began
        delivery.status, delivery.error, delivery.body = reply.status, reply.error or None, reply.body[:4000]
        if reply.code:
            text = f"{delivery.kind} webhook {delivery.url}: {reply.error}"
            self._ledger.alerts.append(Alert(reply.code, text, delivery.call_sid, self._clock.now()))
        return reply

    async def _try(
        self, delivery: Delivery, method: str, overrides: Overrides, token: str
    ) -> tuple[Reply, str]:
        url = delivery.url.partition("#")[0]
        headers = {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "I-Twilio-Idempotency-Token": token,
        }
        body: bytes | None = None
        if method == "GET":
            url += ("&" if "?" in url else "?") + urlencode(delivery.params)
            headers["X-Twilio-Signature"] = signature(self._config.auth_token, url)
        else:
            headers["X-Twilio-Signature"] = signature(self._config.auth_token, url, delivery.params)
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
            body = urlencode(delivery.params).encode()
        floor = self._config.network_floor
        timeout = aiohttp.ClientTimeout(
            total=self._clock.real(overrides.total_ms / 1000, floor),
            sock_connect=self._clock.real(overrides.connect_ms / 1000, floor),
            sock_read=self._clock.real(overrides.read_ms / 1000, floor),
        )
        address, proxy_headers = route(self._config, url)
        headers |= proxy_headers
        try:
            async with self.http.request(
                method,
                address,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                raw = await response.content.read(512 * 1024)
                text = raw.decode("utf-8", "replace")
                if 200 <= response.status < 300:
                    return Reply(response.status, text, response.headers.get("Content-Type", "")), ""
                why = "5xx" if response.status >= 500 else "4xx"
                return Reply(response.status, text, "", f"HTTP {response.status}", 11200), why
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Reply(None, error=f"could not connect: {error}", code=11205), "ct"
        except TimeoutError:
            return Reply(None, error="no answer in time", code=11200), "rt"
        except (aiohttp.ClientError, ValueError) as error:
            return Reply(None, error=f"{type(error).__name__}: {error}", code=11200), "rt"

    # -- callbacks, whose answer doesn't matter -----------------------------------------------------

    def notify(
        self,
        kind: str,
        call_sid: str,
        key: tuple[object, ...],
        url: str,
        params: Mapping[str, str],
        method: str = "POST",
    ) -> None:
        """Send a callback in the background, in the order of the call's callbacks, faults applied.

        Arguments:
            key: what the faults' dice are thrown on, e.g. (To, which call to it, "completed"), so
                that the same seed loses the same callbacks.
        """
        faults = self._config.faults
        delivery = Delivery(kind, call_sid, url, dict(params), self._clock.now())
        self._ledger.deliveries.append(delivery)
        throw = {
            name: chance(self._config.seed, name, *key) for name in ("loss", "late", "reorder", "duplicate")
        }
        if throw["loss"] < faults.callback_loss:
            delivery.fault = "lost"
            self._release(call_sid)
            return
        if throw["late"] < faults.callback_late:
            delivery.fault = "late"
            delay = faults.callback_late_seconds * chance(self._config.seed, "how late", *key)
            self._spawn(self._later(delivery, method, delay), kind)
        elif throw["reorder"] < faults.callback_reorder and call_sid not in self._held:
            delivery.fault = "reordered"
            self._held[call_sid] = (method, delivery)
            # Nothing may follow: then it goes out by itself after a while.
            self._spawn(self._release_later(call_sid, delivery), kind)
            return
        else:
            self._chain(delivery, method)
        self._release(call_sid)
        if throw["duplicate"] < faults.callback_duplicate:
            twin = Delivery(kind, call_sid, url, dict(params), self._clock.now(), fault="duplicate")
            self._ledger.deliveries.append(twin)
            delay = 5.0 * chance(self._config.seed, "how long doubled", *key)
            self._spawn(self._later(twin, method, delay), kind)

    def _chain(self, delivery: Delivery, method: str) -> None:
        before = self._chains.get(delivery.call_sid)

        async def after() -> None:
            if before is not None:
                await asyncio.wait({before})
            await self._send(delivery, method)

        task = self._spawn(after(), delivery.kind)
        self._chains[delivery.call_sid] = task
        task.add_done_callback(lambda done: self._forget(delivery.call_sid, done))

    def _forget(self, call_sid: str, task: asyncio.Task[None]) -> None:
        if self._chains.get(call_sid) is task:
            del self._chains[call_sid]

    def _release(self, call_sid: str) -> None:
        held = self._held.pop(call_sid, None)
        if held is not None:
            self._chain(held[1], held[0])

    async def _release_later(self, call_sid: str, delivery: Delivery) -> None:
        await self._clock.sleep(10.0)
        if self._held.get(call_sid, (None, None))[1] is delivery:
            self._release(call_sid)

    async def _later(self, delivery: Delivery, method: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self._send(delivery, method)

    def _spawn(self, work: Coroutine[Any, Any, None], kind: str) -> asyncio.Task[None]:
        return self._activity.spawn(work, f"{kind} callback", self._ledger.errors.append)
