"""Webhooks out: what stands in the outbox is sent, tried again over three days, and given up visibly.

Order: deliveries of one endpoint go out in the order in which they were written, eight at a time; one that is
tried again comes after later ones. So a receiver goes by `recorded_at` and the outcome's own fields, never by
the order of arrival, and knows a message that it has had by its webhook-id.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import structlog

from campaign.domain.clock import Clock
from campaign.domain.errors import BadInput
from campaign.domain.phone import mask
from campaign.domain.webhooks import (
    GIVE_UP,
    VERSION,
    Event,
    Target,
    forbidden,
    headers,
    retry_after,
    target_of,
)
from campaign.store import webhooks
from campaign.store.database import Database, Tx
from campaign.store.webhooks import Delivery

log = structlog.get_logger(__name__)

AT_ONCE: Final = 8
"""Requests to one endpoint at a time."""
TAKEN: Final = 50
ROUNDS: Final = 10
TIMEOUT_S: Final = 10.0
"""Real seconds for a whole request, name resolution and TLS included."""
MOST_BYTES: Final = 256 * 1024
READ_BYTES: Final = 2048
"""As much of an answer's body is looked at, and no more."""
HELD: Final = timedelta(seconds=30)
"""So long the rest waits after an endpoint has failed."""
FORGET_EVERY: Final = timedelta(hours=1)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one try.

    Args:
        status: HTTP status; None: there was no answer.
        error: why it failed, for people; empty: it was taken.
    """

    status: int | None
    error: str = ""


class Deliveries:
    """Sends what is due.

    Args:
        db: of the scheduler's lease holder.
        loopback: this machine may be called, in plain http; only where Twilio is a simulator.
        dice: a number from 0 to 1, anew at each call.
        rate: clock seconds per real second.
        resolver: how host names are resolved.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        loopback: bool,
        dice: Callable[[], float],
        rate: float = 1.0,
        resolver: Resolve = resolve,
    ) -> None:
        self._db = db
        self._clock = clock
        self._loopback = loopback
        self._dice = dice
        self._rate = rate
        self._resolve = resolver
        self._tls: ssl.SSLContext | None = None
        self._forgot: datetime | None = None

    async def tick(self, now: datetime) -> int:
        """Send what is due at an instant; returns how many were tried."""
        tried = 0
        for _ in range(ROUNDS):
            async with self._db.transaction() as tx:
                taken = await webhooks.take(tx, now, self._rate, most=TAKEN)
            if not taken:
                break
            tried += await self._send_all(taken)
            if len(taken) < TAKEN:
                break
        if self._forgot is None or now - self._forgot >= FORGET_EVERY:
            self._forgot = now
            async with self._db.transaction() as tx:
                await webhooks.forget_old(tx, now)
        return tried

    async def send_now(self, delivery_id: int) -> Result | None:
        """Try one delivery at once; None: it is not waiting, or its endpoint is switched off."""
        async with self._db.transaction() as tx:
            taken = await webhooks.take(tx, self._clock.now(), self._rate, only=delivery_id)
        if not taken:
            return None
        bodies = await self._bodies(taken)
        result = await self._try(taken[0], bodies.get(taken[0].id))
        await self._record(taken[0], result)
        return result

    async def _send_all(self, taken: Sequence[Delivery]) -> int:
        bodies = await self._bodies(taken)
        by_endpoint: dict[int, list[Delivery]] = {}
        for one in taken:
            by_endpoint.setdefault(one.endpoint_id, []).append(one)
        tried = await asyncio.gather(*(self._send_to(queue, bodies) for queue in by_endpoint.values()))
        return sum(tried)

    async def _send_to(self, queue: Sequence[Delivery], bodies: dict[int, bytes]) -> int:
        """One endpoint's deliveries, a few at a time; after a failure the rest waits."""
        for begin in range(0, len(queue), AT_ONCE):
            wave = queue[begin : begin + AT_ONCE]
            results = await asyncio.gather(*(self._try(one, bodies.get(one.id)) for one in wave))
            for one, result in zip(wave, results, strict=True):
                await self._record(one, result)
            if any(result.error for result in results):
                rest = [one.id for one in queue[begin + AT_ONCE :]]
                if rest:
                    async with self._db.transaction() as tx:
                        await webhooks.put_back(tx, rest, self._clock.now() + HELD * self._rate)
                return begin + len(wave)
        return len(queue)

    async def _bodies(self, taken: Iterable[Delivery]) -> dict[int, bytes]:
        """Delivery id → what is sent. Outcomes are read now, so that they are told as they stand."""
        taken = list(taken)
        ids = sorted({one.attempt_id for one in taken if one.attempt_id is not None})
        async with self._db.connection() as tx:
            outcomes = await webhooks.outcomes_of(tx, ids) if ids else {}
        made = {}
        for one in taken:
            data = dict(one.data)
            if one.attempt_id is not None:
                if one.attempt_id not in outcomes:
                    continue
                data = outcomes[one.attempt_id]
            if one.phone is not None:
                data["phone"] = one.phone
            if "phone" in data and one.numbers != "full":
                data["phone"] = mask(data["phone"])
            made[one.id] = payload(one.type, one.created_at, data)
        return made

    async def _try(self, delivery: Delivery, body: bytes | None) -> Result:
        if body is None:
            return Result(None, "gone: the attempt was removed before this could be sent")
        if len(body) > MOST_BYTES:
            return Result(None, f"too large: {len(body)} bytes, at most {MOST_BYTES} are sent")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                target = target_of(delivery.url, loopback=self._loopback)
                address = await self._address(target)
                return await self._post(delivery, target, address, body)
        except TimeoutError:
            return Result(None, f"no answer within {TIMEOUT_S:g} s")
        except BadInput as error:
            return Result(None, error.what)
        except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
            return Result(None, f"{type(error).__name__}: {error}"[:300])

    async def _address(self, target: Target) -> str:
        """The one address that is called: resolved once, judged, and then pinned.

        Raises:
            BadInput: an address of the name is none that may be called.
        """
        found = await self._resolve(target.host, target.port)
        plain = target.scheme == "http"
        for address in found:
            if why := forbidden(address, loopback=self._loopback):
                raise BadInput(f"refused: {target.host} is {why}")
            if plain and forbidden(address) == "":
                raise BadInput(f"refused: plain http to {target.host}, which is not this machine")
        if not found:
            raise BadInput(f"refused: {target.host} has no address")
        return found[0]

    async def _post(self, delivery: Delivery, target: Target, address: str, body: bytes) -> Result:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        literal = f"[{address}]" if ":" in address else address
        url = f"{target.scheme}://{literal}:{target.port}{target.path}"
        default = target.port == (443 if target.scheme == "https" else 80)
        host = f"[{target.host}]" if ":" in target.host else target.host
        sent = {
            "host": host if default else f"{host}:{target.port}",
            "content-type": "application/json",
            "user-agent": f"calling-campaign-webhooks/{VERSION}",
            **headers(message_id(delivery.id), self._clock.now(), body, delivery.secrets),
        }
        # The certificate is checked against the name, though the connection goes to the pinned address.
        pinned = {"sni_hostname": target.host}
        # A client of its own for each request: connections are shared by address, and hosts may share one.
        async with (
            httpx.AsyncClient(
                verify=self._tls, trust_env=False, follow_redirects=False, timeout=TIMEOUT_S
            ) as client,
            client.stream("POST", url, content=body, headers=sent, extensions=pinned) as answer,
        ):
            if 200 <= answer.status_code < 300:
                return Result(answer.status_code)
            said = b""
            async for piece in answer.aiter_raw(READ_BYTES):
                said = (said + piece)[:READ_BYTES]
                if len(said) >= READ_BYTES:
                    break
            words = " ".join(said.decode("utf-8", "replace").split())[:200]
            return Result(answer.status_code, f"HTTP {answer.status_code} {words}".strip())

    async def _record(self, delivery: Delivery, result: Result) -> None:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            if not result.error:
                await webhooks.delivered(tx, delivery, result.status or 0, now)
                return
            wait = retry_after(delivery.tries, self._dice())
            lost = result.status is None and result.error.startswith(("gone", "too large"))
            next_at = None if wait is None or lost else now + wait * self._rate
            since = await webhooks.failed(tx, delivery, result.status, result.error, next_at, now)
            if result.status == 410:
                await webhooks.disable(tx, delivery.endpoint_id, "it answered 410 Gone", now)
            elif now - since >= GIVE_UP * self._rate:
                why = f"it has taken nothing since {since:%Y-%m-%d %H:%M} UTC; last: {result.error}"
                await webhooks.disable(tx, delivery.endpoint_id, why, now)
            else:
                log.warning(
                    "webhook_failed", delivery=delivery.id, endpoint=delivery.endpoint_id, error=result.error
                )
                return
            log.error("webhook_disabled", endpoint=delivery.endpoint_id, error=result.error)


def message_id(delivery_id: int) -> str:
    """What a receiver knows a message by: the same at every try."""
    return f"msg_{delivery_id}"


def payload(type_: str, at: datetime, data: dict[str, Any]) -> bytes:
    """The body of a message: type, timestamp (of the event), version, data."""
    document = {"type": type_, "timestamp": at, "version": VERSION, "data": data}
    return json.dumps(document, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot send {type(value).__name__}")


async def tell_state(
    tx: Tx, campaign_id: int, name: str, before: str, after: str, why: str, actor: str, now: datetime
) -> None:
    """A campaign's state has changed; told in the transaction that changed it."""
    data = {
        "campaign_id": campaign_id,
        "campaign": name,
        "from": before,
        "to": after,
        "why": why,
        "actor": actor,
    }
    await webhooks.announce(tx, Event.CAMPAIGN_STATE, data, now)
    if after == "paused" and actor.startswith("system:"):
        await webhooks.announce(tx, Event.CAMPAIGN_PAUSED_ITSELF, data, now)
