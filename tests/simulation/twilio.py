"""Twilio as the simulation needs it: requests in, phones that ring, callbacks out; and everything that goes
wrong between.

It stands where the twilio library meets HTTP, so the library and our gateway are the real ones. What it does
is taken from Twilio's documentation and recorded calls, as the service's own protocol facts are; what it
remembers (`Ring`) is the truth that the judge holds our rows against.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any
from urllib.parse import urlsplit

from twilio.http.response import Response

from campaign.telephony.calls import TooLate
from campaign.telephony.transport import _LEAVES, NotSentFault, ThrottledFault, UnknownFault
from tests.simulation.loop import OWNER, SimLoop
from tests.simulation.truth import Faults, Person, Ring, Sent

ACCOUNT = "AC" + "0" * 32
OVER = ("completed", "busy", "no-answer", "failed", "canceled")
TOTAL_S = 10.0
"""The transport's own longest wait for an answer."""

Ask = Callable[[str, dict[str, str]], Awaitable[tuple[int, str]]]
"""Posts a form to a path of the service: (status, body). Raises ConnectionError when nobody listens."""


class Twilio:
    """See the module.

    Args:
        start: the instant of loop time 0.
        ask: how callbacks reach the service.
        converse: holds a ConversationRelay session: (socket url, call) → how it ended, as form fields.
        person: who is behind a number.
    """

    def __init__(
        self,
        loop: SimLoop,
        rng: Random,
        start: datetime,
        *,
        cps: float,
        ask: Ask,
        converse: Callable[[str, Ring], Awaitable[dict[str, str]]],
        person: Callable[[str], Person],
        trace: Callable[..., None],
    ) -> None:
        self._loop = loop
        self._rng = rng
        self._start = start
        self._every = 1 / cps
        self._next_start = 0.0
        self._ask = ask
        self._converse = converse
        self._person = person
        self._trace = trace
        self.faults = Faults()
        self.rings: dict[str, Ring] = {}
        self.sent: list[Sent] = []
        self.cancels: list[tuple[float, str]] = []
        self.requests = 0

    def at(self, elapsed: float) -> datetime:
        """The instant of a loop time."""
        return (self._start + timedelta(seconds=elapsed)).astimezone(UTC)  # as Twilio writes all its times

    # ── the wire ───────────────────────────────────────────────────────────────────────────────────────

    def _draw(self) -> str:
        """Which fault a request that places a call suffers; "" for none."""
        roll = self._rng.random()
        for kind in Faults.kinds():
            roll -= getattr(self.faults, kind)
            if roll < 0:
                return kind
        return ""

    async def request(
        self, method: str, uri: str, params: Mapping[str, Any] | None, data: Mapping[str, Any] | None
    ) -> Response:
        """One request of the library's, as our transport would carry it."""
        self.requests += 1
        owner = OWNER.get()
        parts = urlsplit(uri)
        placing = method.upper() == "POST" and parts.path.endswith("/Calls.json")
        fault = self._draw() if placing else ""
        await asyncio.sleep(self._rng.uniform(0.001, 0.03))
        if fault == "refused":
            raise NotSentFault("No connection to Twilio (simulated).")
        leaves = _LEAVES.get()
        if placing and leaves is not None:
            try:
                await leaves()
            except TooLate as why:
                raise NotSentFault(str(why)) from why
        answer: asyncio.Future[tuple[int, str, dict[str, str]]] = self._loop.create_future()
        if placing:
            assert data is not None
            marker = urlsplit(str(data["Url"])).path.rsplit("/", 1)[1]
            process = owner.name if owner else ""
            self.sent.append(Sent(self._loop.time(), marker, str(data["To"]), process, fault))
            self._trace("post", process, f"{data['To']} {fault}")
            work = self._create(dict(data), marker, fault, answer)
        else:
            work = self._look(method.upper(), parts.path, dict(params or {}), dict(data or {}), answer)
        self._loop.spawn(None, work)
        try:
            async with asyncio.timeout(TOTAL_S):
                status, body, headers = await answer
        except (TimeoutError, ConnectionError) as lost:
            raise UnknownFault(
                f"No complete answer from Twilio: {type(lost).__name__} (simulated)."
            ) from lost
        if status == 429:
            raise ThrottledFault(
                float(headers["Retry-After"]) if "Retry-After" in headers else None, 20429, "429"
            )
        return Response(status, body, headers)

    async def _answer(
        self, answer: "asyncio.Future[Any]", status: int, body: Any, headers: dict[str, str] | None = None
    ) -> None:
        await asyncio.sleep(self._rng.uniform(0.01, 0.3))
        if not answer.done():
            text = body if isinstance(body, str) else json.dumps(body)
            answer.set_result((status, text, headers or {}))

    async def _create(
        self, data: dict[str, Any], marker: str, fault: str, answer: "asyncio.Future[Any]"
    ) -> None:
        await asyncio.sleep(self._rng.uniform(0.002, 0.1))
        sick = {"status": 503, "code": 20503, "message": "Service unavailable"}
        match fault:
            case "throttled":
                headers = {"Retry-After": "1"} if self._rng.random() < 0.5 else {}
                return await self._answer(
                    answer, 429, {"status": 429, "code": 20429, "message": "Too many"}, headers
                )
            case "sick":
                return await self._answer(answer, 503, sick)
            case "hang":
                return None
            case "reset":
                if not answer.done():
                    answer.set_exception(ConnectionResetError())
                return None
            case "hang_after":
                await asyncio.sleep(self._rng.uniform(0, self.faults.latest))
        ring = self._new(data, marker)
        match fault:
            case "hang_after":
                return None
            case "sick_after":
                return await self._answer(answer, 503, sick)
            case "cut":
                return await self._answer(answer, 201, json.dumps(self._resource(ring))[:40])
            case "no_sid":
                return await self._answer(answer, 201, {**self._resource(ring), "sid": None})
        ring.heard_from = self._loop.time()
        await self._answer(answer, 201, self._resource(ring))
        return None

    def _new(self, data: dict[str, Any], marker: str) -> Ring:
        sid = f"CA{len(self.rings) + 1:032x}"
        ring = Ring(
            sid=sid,
            marker=marker,
            to=str(data["To"]),
            caller=str(data["From"]),
            url=str(data["Url"]),
            callback=str(data["StatusCallback"]),
            timeout=float(data["Timeout"]),
            limit=float(data["TimeLimit"]),
            created=self._loop.time(),
        )
        self.rings[sid] = ring
        self._trace("call", "twilio", f"{ring.to} created")
        self._loop.spawn(None, self._live(ring))
        return ring

    # ── looking and changing ───────────────────────────────────────────────────────────────────────────

    async def _look(
        self,
        method: str,
        path: str,
        params: dict[str, Any],
        data: dict[str, Any],
        answer: "asyncio.Future[Any]",
    ) -> None:
        await asyncio.sleep(self._rng.uniform(0.002, 0.2))
        if self._rng.random() < self.faults.ask_fails:
            return await self._answer(answer, 503, {"status": 503, "code": 20503, "message": "unavailable"})
        found = re.search(r"/Calls/(CA[0-9a-f]{32})\.json$", path)
        if found is None:
            page = self._page(params)
            self._trace(
                "list", "twilio", f"{params.get('To')} {params.get('Status', '')} {len(page['calls'])}"
            )
            return await self._answer(answer, 200, page)
        ring = self.rings.get(found.group(1))
        if ring is None:
            return await self._answer(answer, 404, {"status": 404, "code": 20404, "message": "not found"})
        if method == "POST":
            wanted = str(data["Status"])
            self.cancels.append((self._loop.time(), ring.sid))
            if ring.status in OVER or (wanted == "canceled" and ring.status == "in-progress"):
                return await self._answer(
                    answer, 400, {"status": 400, "code": 21220, "message": "Call state"}
                )
            self._over(ring, "completed" if ring.status == "in-progress" else "canceled")
        return await self._answer(answer, 200, self._resource(ring))

    def _page(self, params: dict[str, Any]) -> dict[str, Any]:
        until = self._loop.time() - self.faults.list_lag
        calls = [
            self._resource(ring)
            for ring in reversed(self.rings.values())
            if ring.created <= until
            and params.get("To") in (None, ring.to)
            and params.get("Status") in (None, ring.status)
        ]
        return {"calls": calls, "next_page_uri": None, "page": 0, "page_size": 100}

    def _resource(self, ring: Ring) -> dict[str, Any]:
        def at(elapsed: float | None) -> str | None:
            return None if elapsed is None else format_datetime(self.at(int(elapsed)))

        over = ring.ended is not None
        return {
            "sid": ring.sid,
            "account_sid": ACCOUNT,
            "status": ring.status,
            "to": ring.to,
            "from": ring.caller,
            "direction": "outbound-api",
            "date_created": at(ring.created),
            "start_time": at(ring.ringing),
            "end_time": at(ring.ended),
            "duration": str(self._seconds(ring)) if over else None,
            "price": "-0.014" if over and self._loop.time() > (ring.ended or 0) + 60 else None,
            "price_unit": "USD",
            "answered_by": None,
            "queue_time": "0",
        }

    def _seconds(self, ring: Ring) -> int:
        return 0 if ring.answered is None or ring.ended is None else max(1, round(ring.ended - ring.answered))

    # ── a call ─────────────────────────────────────────────────────────────────────────────────────────

    async def _live(self, ring: Ring) -> None:
        start = max(self._loop.time(), self._next_start)
        self._next_start = start + self._every
        await asyncio.sleep(start - self._loop.time() + self._rng.uniform(0.05, 0.3))
        if ring.status in OVER:
            return
        self._tell(ring, "initiated")
        await asyncio.sleep(self._rng.uniform(0.3, 1.5))
        if ring.status in OVER:
            return
        person = self._person(ring.to)
        if person.answers == "failed":
            self._over(ring, "failed")
            return
        ring.status, ring.ringing = "ringing", self._loop.time()
        self._trace("ring", "twilio", ring.to)
        self._tell(ring, "ringing")
        await asyncio.sleep(min(person.after, ring.timeout))
        if ring.status in OVER:
            return
        if person.answers == "busy" or person.answers == "no-answer" or person.after > ring.timeout:
            self._over(ring, "busy" if person.answers == "busy" else "no-answer")
            return
        ring.status, ring.answered = "in-progress", self._loop.time()
        self._tell(ring, "answered")
        await self._follow(ring, urlsplit(ring.url).path, person)

    async def _follow(self, ring: Ring, path: str, person: Person) -> None:
        """What the service's TwiML says, one document after the other."""
        more: dict[str, str] = {}
        while ring.status not in OVER:
            document = await self._fetch(ring, path, more)
            if document is None:
                break  # the carrier says so in words of its own, which aren't ours
            relay = re.search(r'<ConversationRelay[^>]* url="([^"]+)"', document)
            action = re.search(r'<Connect[^>]* action="([^"]+)"', document)
            if relay is None or action is None:
                for said in re.findall(r"<Say[^>]*>([^<]*)</Say>", document):
                    ring.heard.append((self._loop.time(), said))
                    await asyncio.sleep(len(said) / 15)
                break
            more = await self._converse(relay.group(1), ring)
            path = urlsplit(action.group(1)).path
        if ring.status not in OVER:
            self._over(ring, "completed")
        elif more:
            await self._fetch(ring, path, more)

    async def _fetch(self, ring: Ring, path: str, more: Mapping[str, str]) -> str | None:
        form = {**self._form(ring), **more}
        for _ in range(2):
            try:
                async with asyncio.timeout(8):
                    status, body = await self._ask(path, form)
            except (TimeoutError, ConnectionError):
                continue
            if status == 200:
                ring.heard_from = ring.heard_from or self._loop.time()
                return body
        return None

    def _over(self, ring: Ring, status: str) -> None:
        if ring.status in OVER:
            return
        ring.status, ring.ended = status, self._loop.time()
        self._trace("over", "twilio", f"{ring.to} {status}")
        self._tell(ring, status)

    def hang_up(self, ring: Ring) -> None:
        """The person hangs up."""
        self._over(ring, "completed")

    # ── callbacks ──────────────────────────────────────────────────────────────────────────────────────

    def _form(self, ring: Ring) -> dict[str, str]:
        return {
            "AccountSid": ACCOUNT,
            "CallSid": ring.sid,
            "From": ring.caller,
            "To": ring.to,
            "CallStatus": ring.status,
            "Direction": "outbound-api",
            "ApiVersion": "2010-04-01",
        }

    def _tell(self, ring: Ring, event: str) -> None:
        status = "in-progress" if event == "answered" else event
        form = {
            **self._form(ring),
            "CallStatus": status,
            "Timestamp": format_datetime(self.at(int(self._loop.time()))),
            "SequenceNumber": str(ring.sequence),
            "CallbackSource": "call-progress-events",
        }
        ring.sequence += 1
        if status in OVER:
            form["CallDuration"] = str(self._seconds(ring))
        times = 0 if self._rng.random() < self.faults.lost else 1
        if times and self._rng.random() < self.faults.twice:
            times = 2
        for _ in range(times):
            late = self._rng.random() < self.faults.late
            wait = self._rng.uniform(1, 90) if late else self._rng.uniform(0.02, 0.5)
            self._loop.spawn(None, self._deliver(ring, form, wait))

    async def _deliver(self, ring: Ring, form: dict[str, str], wait: float) -> None:
        await asyncio.sleep(wait)
        for pause in (1.0, 5.0, 0.0):
            try:
                async with asyncio.timeout(15):
                    status, _ = await self._ask(urlsplit(ring.callback).path, form)
            except (TimeoutError, ConnectionError):
                status = 0
            if 200 <= status < 300:
                ring.heard_from = ring.heard_from or self._loop.time()
                return
            if pause:
                await asyncio.sleep(pause)


class Wire:
    """What stands in the place of one process's `Transport`."""

    is_async = True

    def __init__(self, twilio: Twilio) -> None:
        self._twilio = twilio

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        return await self._twilio.request(method, uri, params, data)

    async def close(self) -> None:
        return None
