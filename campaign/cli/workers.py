"""What a serving process does besides answering: dial, tick, end gently."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial

import structlog

from campaign.domain.errors import DatabaseUnavailable
from campaign.domain.pacing import Pace
from campaign.flow import enrol, lifecycle, optout_journal, reconcile
from campaign.flow.beside import Beside
from campaign.flow.call_events import Hands
from campaign.flow.claiming import ClaimLimits
from campaign.flow.dialer import Dialer
from campaign.flow.scheduler import Part, Scheduler, scheduling
from campaign.store import leases, placing
from campaign.store.database import Database
from campaign.wiring import Services, token

log = structlog.get_logger(__name__)

SILENT_S = 15.0
"""A replica without a heartbeat for so many real seconds is gone."""
FORGET = timedelta(days=1)


class Workers:
    """The dialler and the scheduler of one process.

    Args:
        dial: this process claims and places calls.
        tick: this process takes part in scheduling.
    """

    def __init__(self, services: Services, *, dial: bool, tick: bool = True) -> None:
        self._services = services
        self.dialer = self._make_dialer() if dial else None
        if self.dialer is not None:
            services.counters = self.dialer.counters
        lease = scheduling(services.replica)
        fenced = services.db.fenced(lease.check)
        hands = Hands(on_machine=services.talks.on_machine, gateway=services.gateway, terms=services.terms)
        asking = reconcile.Reconciler(fenced, services.gateway, hands, rate=services.clock.rate)
        # Every process cancels, lease or none: a call that must end doesn't wait for one to change hands.
        ending = reconcile.Reconciler(services.db, services.gateway, hands, rate=services.clock.rate)
        self._cancels = Beside("cancels", ending.cancel)
        self._questions = Beside("reconcile", asking.tick)
        self._enrolment = Beside("enrolment", partial(enrol.tick, fenced, services.rulebook))
        self.scheduler = Scheduler(
            services.db,
            services.clock,
            services.replica,
            parts=self._parts(fenced) if tick else {},
            own_parts={
                "cancels": self._cancels,
                "opt_outs": self._write_journal,
                "machines": self._relay_machines,
            },
            lease=lease,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Dial and tick while the block runs; at its end nothing stays claimed."""
        await self.scheduler.tick()
        self.scheduler.start()
        dialling = asyncio.create_task(self.dialer.run(), name="dialer") if self.dialer else None
        try:
            yield
        finally:
            if self.dialer is not None and dialling is not None:
                self.dialer.stop()
                await asyncio.gather(dialling, return_exceptions=True)
            with contextlib.suppress(Exception):  # the database is away: the lease runs out by itself
                await self.scheduler.stop()
            for part in (self._cancels, self._questions, self._enrolment):
                await part.close()

    async def drain(self, within_s: float) -> None:
        """Claim nothing more and let what is under way end, for at most so many real seconds.

        Calls that this process has placed and nobody has answered yet are waited for too: whoever picks up
        must be served.
        """
        services = self._services
        services.draining = self.scheduler.draining = True
        if self.dialer is not None:
            self.dialer.stop()
        await self.scheduler.tick()
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        if not await self._others_serve():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._all_over()
        await services.talks.drain(max(0.0, until - loop.time()))

    async def _others_serve(self) -> bool:
        """Whether another process takes calls and sockets, so that talks can be handed over at once."""
        services = self._services
        since = services.clock.now() - timedelta(seconds=SILENT_S * services.clock.rate)
        try:
            async with services.db.connection() as tx:
                others = await leases.alive(tx, since)
        except DatabaseUnavailable:
            return False
        return any(one.role in ("all", "web") for one in others if one.id != services.replica.id)

    async def _all_over(self) -> None:
        while self._services.talks.count or await self._calls_up():  # noqa: ASYNC110 (also other replicas' word)
            await asyncio.sleep(0.1)

    async def _calls_up(self) -> bool:
        """Whether calls that this process placed are still under way (no, when the database is away)."""
        try:
            async with self._services.db.connection() as tx:
                return await placing.any_under_way(tx, self._services.replica.id)
        except DatabaseUnavailable as error:
            log.warning("drain_blind", error=error.what)
            return False

    def _make_dialer(self) -> Dialer:
        services = self._services
        settings = services.settings
        return Dialer(
            services.db,
            services.clock,
            services.gateway,
            addresses=services.addresses,
            limits=ClaimLimits(
                pace=Pace(settings.twilio_calls_per_second, services.clock.rate),
                max_calls=settings.twilio_max_calls,
                rulebook=services.rulebook,
                rates=services.rates,
                replica=services.replica.id,
                marker=token,
            ),
            pause_campaign=self._pause,
            before_claim=lambda: self._write_journal(services.clock.now()),
            ask_twilio=services.gateway.account,
        )

    async def _pause(self, campaign_id: int | None, why: str) -> None:
        """Pause a campaign, or (None) every one that runs, because further calls would fail alike."""
        services = self._services
        now = services.clock.now()
        await lifecycle.pause_for_fault(services.db, campaign_id, why=why, actor="system:dialer", now=now)

    def _parts(self, db: Database) -> dict[str, Part]:
        """What only the lease's holder does; `db` is fenced by the lease."""
        services = self._services

        async def sweep_replicas(now: datetime) -> None:
            async with db.transaction() as tx:
                await leases.forget_silent(tx, now - FORGET * services.clock.rate)

        return {
            "reconcile": self._questions,
            "campaigns": partial(lifecycle.tick, db),
            "enrolment": self._enrolment,
            "replicas": sweep_replicas,
        }

    async def _relay_machines(self, now: datetime) -> None:
        services = self._services
        if services.talks.count:
            await reconcile.relay_machines(services.db, services.replica.id, services.talks.on_machine)

    async def _write_journal(self, now: datetime) -> None:
        await optout_journal.replay(self._services.db, self._services.data_dir, now)
