"""A dialler on a real database, with the simulator at the other end of a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from campaign.domain.clock import Clock
from campaign.domain.pacing import Pace
from campaign.flow import definitions, enrol, lifecycle
from campaign.flow.claiming import ClaimLimits
from campaign.flow.dialer import Dialer, Placer
from campaign.settings import read_settings
from campaign.simulator.config import ACCOUNT_SID, AUTH_TOKEN, Faults, SimulatorConfig
from campaign.simulator.server import Simulator
from campaign.store.database import Database
from campaign.telephony.addresses import Addresses
from campaign.telephony.gateway import Gateway
from campaign.wiring import ServiceClock, read_rates, token
from tests.support.campaigns import definition, make_list, rows, rulebook
from tests.support.clock import TUESDAY_MORNING
from tests.support.patience import PATIENCE

PUBLIC_URL = "http://127.0.0.1:9"
"""Nobody listens there: these tests look at what is dialled, not at what is said."""


def moved_clock(rate: float = 1.0, start: datetime = TUESDAY_MORNING) -> ServiceClock:
    """The service's clock, showing Tuesday morning now."""
    return ServiceClock(start, rate)


@contextlib.asynccontextmanager
async def twilio(
    clock: ServiceClock, cps: float = 1000, **config: Any
) -> AsyncIterator[tuple[Simulator, Gateway]]:
    """A simulator and a gateway to it. People's phones ring and nobody answers."""
    simulator = Simulator(
        SimulatorConfig(
            calls_per_second=cps,
            weights={"no_answer": 1},
            clock_start=clock.now(),
            clock_rate=clock.rate,
            faults=config.pop("faults", Faults()),
            **config,
        )
    )
    async with simulator:
        gateway = Gateway(ACCOUNT_SID, ACCOUNT_SID, AUTH_TOKEN, simulator.base_url, total_seconds=2)
        try:
            yield simulator, gateway
        finally:
            await gateway.close()


@contextlib.asynccontextmanager
async def dialling(one: Dialer) -> AsyncIterator[None]:
    """The dialler runs while the block does, and is stopped gently."""
    task = asyncio.create_task(one.run())
    try:
        yield
    finally:
        one.stop()
        await task


async def nothing() -> None:
    return None


def dialer(
    db: Database,
    clock: Clock,
    gateway: Placer,
    *,
    cps: float,
    max_calls: int | None = None,
    paused: list[tuple[int | None, str]] | None = None,
    name: str = "replica",
    before_claim: Callable[[], Coroutine[Any, Any, None]] = nothing,
    ask_twilio: Callable[[], Coroutine[Any, Any, object]] | None = None,
) -> Dialer:
    """A dialler as the service wires it."""

    async def pause(campaign_id: int | None, why: str) -> None:
        if paused is not None:
            paused.append((campaign_id, why))
        await lifecycle.pause_for_fault(db, campaign_id, why=why, actor="system:dialer", now=clock.now())

    return Dialer(
        db,
        clock,
        gateway,
        addresses=Addresses(PUBLIC_URL),
        limits=ClaimLimits(
            pace=Pace(cps, clock.rate),
            max_calls=max_calls,
            rulebook=rulebook(),
            rates=read_rates(read_settings({}, None)),
            replica=name,
            marker=token,
        ),
        pause_campaign=pause,
        before_claim=before_claim,
        ask_twilio=ask_twilio,
    )


async def running_campaign(
    db: Database, clock: Clock, contacts: int, *, name: str = "Minimal", first: int = 0, **changes: Any
) -> int:
    """A list, a campaign over it, started; the campaign's id."""
    now = clock.now()
    await make_list(db, f"list of {name}", contacts, first=first, columns=("first_name", "phone"))
    consent = {"consent": "express_written", "consent_at": datetime(2026, 10, 1, tzinfo=UTC)}
    await _consent(db, f"list of {name}", consent)
    made = await definitions.create(
        db,
        definition(name=name, lists=[f"list of {name}"], **changes),
        actor="test",
        now=now,
    )
    await enrol.catch_up(db, rulebook(), made.id, now)
    await lifecycle.start(db, name, actor="test", now=now)
    return made.id


async def _consent(db: Database, list_name: str, consent: dict[str, Any]) -> None:
    await rows(
        db,
        "UPDATE contacts SET consent = :consent, consent_at = :consent_at, consent_source = 'web form' "
        "WHERE list_id = (SELECT id FROM contact_lists WHERE name = :name)",
        name=list_name,
        **consent,
    )


async def until(condition: Any, clock: ServiceClock, seconds: float = 30) -> None:
    """Wait until a condition holds, looking often; fails after the real seconds that a quiet machine may
    take, times PATIENCE."""
    async with asyncio.timeout(seconds * PATIENCE):
        while not await condition():  # noqa: ASYNC110 (the condition stands in a database or another process)
            await asyncio.sleep(0.01)


def worst_second(instants: Sequence[float]) -> int:
    """Most instants in any window of one second."""
    ordered = sorted(instants)
    return max(sum(1 for later in ordered[i:] if later < at + 1) for i, at in enumerate(ordered))
