"""What stands before the REST handlers: authentication, errors as JSON, and faults on purpose.

Each fault is one that a real client has met (429 before anything is done; 5xx, silence and cut
bodies before or after the call was accepted: TWILIO 4.3, RELIABILITY of an ambiguous POST).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from campaign.simulator.calls import Call
from campaign.simulator.config import chance
from campaign.simulator.ledger import Create
from campaign.simulator.rest import Refusal
from campaign.simulator.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# In this order, each thrown by itself; the first that hits is the one.
_CREATE_FAULTS = (
    "429",
    "5xx_before",
    "drop_before",
    "late_accept",
    "5xx_after",
    "drop_after",
    "hang",
    "cut_body",
    "no_sid",
)


class FaultyGate:
    """Wraps handlers, and fails creates as the faults say."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._requests = 0
        self._tries: dict[str, int] = {}

    def guarded(self, permitted: Callable[[web.Request], None] | None, handler: Handler) -> Handler:
        """The handler with authentication before it and Twilio's error JSON after it."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self._requests += 1
            try:
                if permitted is not None:
                    permitted(request)
                await self._slow(request)
                if self._world.faults.rest_all and not _is_create(request):
                    refused = self._refused_at_random()
                    if refused is not None:
                        return refused
                return await handler(request)
            except Refusal as refusal:
                return web.json_response(refusal.body(), status=refusal.status)

        return handle

    async def _slow(self, request: web.Request) -> None:
        faults = self._world.faults
        if not (faults.rest_all or _is_create(request)):
            return
        if chance(self._world.config.seed, "slow", self._requests) < faults.rest_slow:
            # The request has come whole: what it asks for is done, though whoever sent it may be gone then.
            await request.read()
            await self._world.clock.sleep(faults.rest_slow_seconds)

    def _refused_at_random(self) -> web.Response | None:
        faults, seed = self._world.faults, self._world.config.seed
        if chance(seed, "any 429", self._requests) < faults.rest_429:
            return self._too_many()
        if chance(seed, "any 5xx", self._requests) < faults.rest_5xx_before:
            return _server_error()
        return None

    def _too_many(self) -> web.Response:
        refusal = Refusal(20429, "Too Many Requests", 429)
        after = self._world.faults.rest_retry_after
        headers = {"Retry-After": f"{after:g}"} if after else None
        return web.json_response(refusal.body(), status=429, headers=headers)

    async def fail_lookup(self, request: web.Request) -> web.StreamResponse | None:
        """A look-up that fails as a whole, if the faults want it; dice on how many requests there were."""
        faults, seed = self._world.faults, self._world.config.seed
        if chance(seed, "lookup 429", self._requests) < faults.lookup_429:
            return self._too_many()
        if chance(seed, "lookup 5xx", self._requests) < faults.lookup_5xx:
            return _server_error()
        if chance(seed, "lookup hang", self._requests) < faults.lookup_hang:
            await self._world.clock.sleep(faults.rest_hang_seconds)
            return _cut(request)
        return None

    # -- creates ---------------------------------------------------------------------------------------

    def create_fault(self, entry: Create) -> str | None:
        """Which fault hits this create, if any; the dice are thrown on To and how often it was tried."""
        faults, seed = self._world.faults, self._world.config.seed
        if not any(getattr(faults, f"rest_{name}") for name in _CREATE_FAULTS):
            return None
        tries = self._tries[entry.to] = self._tries.get(entry.to, 0) + 1
        for name in _CREATE_FAULTS:
            if chance(seed, "create", name, entry.to, tries) < getattr(faults, f"rest_{name}"):
                return name
        return None

    async def fail_before(self, request: web.Request, entry: Create, fault: str) -> web.StreamResponse:
        """Fail without accepting."""
        entry.result = {"429": "429", "5xx_before": "5xx before accept"}.get(fault, "lost before accept")
        match fault:
            case "429":
                return self._too_many()
            case "5xx_before":
                return _server_error()
        return _cut(request)

    async def accept_late(
        self, request: web.Request, entry: Create, accept: Callable[[], Call]
    ) -> web.StreamResponse:
        """No answer at all; the call is accepted later."""
        world = self._world
        entry.result = "to be accepted late"

        async def later() -> None:
            await world.clock.sleep(world.faults.rest_late_seconds)
            accept()
            entry.result = "accepted late"

        task = world.activity.spawn(later(), "late accept", world.ledger.errors.append)
        await asyncio.wait({task})
        return _cut(request)

    async def fail_after(self, request: web.Request, fault: str, body: dict[str, Any]) -> web.StreamResponse:
        """Fail though the call was accepted."""
        match fault:
            case "5xx_after":
                return _server_error()
            case "hang":
                await self._world.clock.sleep(self._world.faults.rest_hang_seconds)
                return _cut(request)
            case "cut_body":
                return await _cut_body(request, json.dumps(body).encode())
            case "no_sid":
                return web.json_response(
                    {name: value for name, value in body.items() if name != "sid"}, status=201
                )
        return _cut(request)


def _is_create(request: web.Request) -> bool:
    return request.method == "POST" and request.path.endswith("/Calls.json")


def _server_error() -> web.Response:
    return web.json_response(Refusal(20500, "An internal server error has occurred", 500).body(), status=500)


def _cut(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _cut_body(request: web.Request, body: bytes) -> web.StreamResponse:
    """201, half of the body, then the connection closes."""
    response = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
