"""`/health` and `/ready`: what a monitor, a load balancer and `campaign doctor` ask, without a key.

No detail that a stranger could use, and no cost either: Postgres is asked at most once a second.
"""

import asyncio
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from campaign.domain.errors import DatabaseUnavailable
from campaign.settings import Settings
from campaign.store import leases
from campaign.web.deps import With
from campaign.wiring import Services

FRESH_SECONDS = 1.0
ANSWER_SECONDS = 2.0

router = APIRouter(tags=["Service"])


class Health(BaseModel):
    """How the service is. `ok` is what a monitor should watch."""

    ok: bool
    database: bool = Field(description="whether Postgres answers")
    scheduler: bool = Field(description="whether some replica holds the scheduler's lease")
    scheduler_beat_until: datetime | None = Field(description="until when that lease is renewed")
    draining: bool = Field(description="whether this process is about to end")
    role: str = Field(description="what this process does", examples=["all", "web", "dialer", "scheduler"])
    proof: str | None = Field(
        default=None, description="only for ?nonce=…: proves to `campaign doctor` whose service answers"
    )


@dataclass
class Pulse:
    """What was last heard of Postgres, shared by all who ask."""

    heard_at: float | None = None
    database: bool = False
    lease_until: datetime | None = None

    def __post_init__(self) -> None:
        self._asking = asyncio.Lock()

    async def feel(self, services: Services) -> None:
        """Ask Postgres, unless that was done within the last second."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if self.heard_at is not None and loop.time() - self.heard_at < FRESH_SECONDS:
                return
            try:
                async with asyncio.timeout(ANSWER_SECONDS), services.db.connection() as tx:
                    lease = await leases.scheduler(tx)
            except (DatabaseUnavailable, TimeoutError):
                self.database = False
            else:
                self.database, self.lease_until = True, lease[1] if lease else None
            self.heard_at = loop.time()


def health_proof(settings: Settings, nonce: str) -> str | None:
    """What only a service with the same auth token can say to a nonce; None without a token."""
    if not settings.auth_tokens:
        return None
    return hmac.digest(settings.auth_tokens[0].encode(), f"health {nonce}".encode(), "sha256").hex()


@router.get("/health", summary="How the service is", responses={503: {"model": Health}})
async def health(
    request: Request,
    response: Response,
    services: With,
    nonce: Annotated[str | None, Query(pattern="^[A-Za-z0-9_-]{1,64}$")] = None,
) -> Health:
    """200 when Postgres answers and a scheduler is at work, else 503."""
    pulse: Pulse = request.app.state.pulse
    await pulse.feel(services)
    lease = pulse.lease_until if pulse.database else None
    scheduler = lease is not None and lease > services.clock.now() - timedelta(seconds=2)
    told = Health(
        ok=pulse.database and scheduler,
        database=pulse.database,
        scheduler=scheduler,
        scheduler_beat_until=lease,
        draining=services.draining,
        role=services.replica.role,
        proof=health_proof(services.settings, nonce) if nonce else None,
    )
    response.status_code = 200 if told.ok else 503
    return told


@router.get("/ready", summary="Whether to send requests here", responses={503: {}})
async def ready(request: Request, services: With) -> Response:
    """200 when this process takes requests and calls; 503 while it drains or Postgres is away."""
    pulse: Pulse = request.app.state.pulse
    await pulse.feel(services)
    return Response(status_code=503 if services.draining or not pulse.database else 204)


class LetGo:
    """ASGI: a process that drains closes each connection after its answer, so that whoever keeps connections
    (Twilio, a proxy) opens the next one to another process."""

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and self._services.draining:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)
