"""What a serving process does besides answering: dial, tick, end gently."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from campaign.domain.errors import DatabaseUnavailable, Unavailable
from campaign.domain.pacing import Pace
from campaign.flow import enrol, lifecycle, optout_journal, reconcile
from campaign.flow.agenda import Agenda
from campaign.flow.beside import Beside
from campaign.flow.call_events import Hands
from campaign.flow.claiming import ClaimLimits
from campaign.flow.dialer import Dialer
from campaign.flow.draining import ANSWERS, heard_since
from campaign.flow.exports import Expiry
from campaign.flow.facts import AbandonmentCounts
from campaign.flow.idle_watch import IdleWatch
from campaign.flow.live_talks import Drained
from campaign.flow.lookups import Lookups
from campaign.flow.recordings import Deleter
from campaign.flow.records import Retention
from campaign.flow.registry_watch import RegistryWatch
from campaign.flow.rollups import RollUps
from campaign.flow.scheduler import Part, Scheduler, scheduling
from campaign.flow.wrap_up import WrapUps
from campaign.store import leases, placing
from campaign.store.attempts import HANGS_UP
from campaign.store.database import Database
from campaign.wiring import Services, token

log = structlog.get_logger(__name__)

ANSWERED_S = 1.0
"""For so many real seconds it counts as known that some process answers Twilio."""
LOOK_S = 0.25
"""How often a process that drains alone looks whether all is over, or another one is up (real seconds)."""
FORGET = timedelta(days=1)
FORGET_EVERY = timedelta(minutes=1)


class Workers:
    """The dialler and the scheduler of one process.

    Args:
        dial: this process claims and places calls.
        on_drain_asked: told that somebody asks this process, through the database, to drain and end.
    """

    def __init__(
        self,
        services: Services,
        *,
        dial: bool,
        on_drain_asked: Callable[[leases.DrainAsked], None] | None = None,
    ) -> None:
        self._services = services
        self._answered_until = 0.0
        self.dialer = self._make_dialer() if dial else None
        if self.dialer is not None:
            services.counters = self.dialer.counters
        lease = scheduling(services.replica)
        # Every process cancels, lease or none: a call that must end doesn't wait for one to change hands.
        cancels = Beside("cancels", self._sweeping(services.db).cancel)
        parts, agenda = self._parts(services.db.fenced(lease.check))
        self._beside = [part for part in (cancels, *parts.values()) if isinstance(part, Beside)]
        self.scheduler = Scheduler(
            services.db,
            services.clock,
            services.replica,
            parts=parts,
            own_parts={
                "cancels": cancels,
                "opt_outs": self._write_journal,
                "machines": self._relay_machines,
                "talks": self._tell_talks,
                "exports": Expiry(
                    services.db, services.data_dir, services.replica.host, services.clock.rate
                ).tick,
            },
            lease=lease,
            on_drain_asked=on_drain_asked,
            agenda=agenda,
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
            for part in self._beside:
                await part.close()

    async def drain(self, within_s: float, succeeded: Callable[[], bool] = lambda: False) -> Drained:
        """Claim nothing more and let conversations go over to another process, or else end.

        While no other process answers Twilio, this one first waits for the conversations' own ends, and for
        calls that ring: whoever picks up must be served.

        Args:
            within_s: for at most so many real seconds.
            succeeded: whether a successor takes whatever comes next.
        """
        services = self._services
        services.draining = self.scheduler.draining = True
        services.talks.drained = Drained()
        if self.dialer is not None:
            self.dialer.stop()
        await self.scheduler.tick()
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while not succeeded() and loop.time() < until:
            if not await self._under_way() or await self._others_serve():
                break
            await asyncio.sleep(LOOK_S)
        await services.talks.drain(max(0.0, until - loop.time()))
        return services.talks.drained

    async def _others_serve(self) -> bool:
        """Whether another process takes calls and sockets, so that talks can be handed over at once."""
        services = self._services
        since = heard_since(services.clock)
        try:
            async with services.db.connection() as tx:
                others = await leases.alive(tx, since)
        except DatabaseUnavailable:
            return False
        return any(one.role in ANSWERS for one in others if one.id != services.replica.id)

    async def _under_way(self) -> bool:
        """Whether conversations or calls are still under way (calls: no, when the database is away)."""
        if self._services.talks.count:
            return True
        try:
            async with self._services.db.connection() as tx:
                return await placing.any_under_way(tx)
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
            before_claim=self._before_claim,
            ask_twilio=services.gateway.account,
        )

    async def _before_claim(self) -> None:
        """What must be so before anybody is dialled: opt-outs are on the list, somebody answers the calls.

        Raises:
            Unavailable: no process answers Twilio; the dialler asks again a second later.
        """
        await self._write_journal(self._services.clock.now())
        if self._services.replica.role in ANSWERS:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._answered_until:
            if not await self._others_serve():
                raise Unavailable("No process answers Twilio (--role web or all), so nobody is dialled.")
            self._answered_until = loop.time() + ANSWERED_S

    async def _pause(self, campaign_id: int | None, why: str) -> None:
        """Pause a campaign, or (None) every one that runs, because further calls would fail alike."""
        services = self._services
        now = services.clock.now()
        await lifecycle.pause_for_fault(services.db, campaign_id, why=why, actor="system:dialer", now=now)

    def _sweeping(self, db: Database) -> reconcile.Reconciler:
        services = self._services
        hands = Hands(on_machine=services.talks.on_machine, gateway=services.gateway, terms=services.terms)
        return reconcile.Reconciler(db, services.gateway, hands, rate=services.clock.rate)

    def _parts(self, db: Database) -> tuple[dict[str, Part], Agenda]:
        """What only the lease's holder does, and what tells when; `db` is fenced by the lease."""
        services = self._services
        rulebook, rates, clock = services.rulebook, services.rates, services.clock
        sweeping = self._sweeping(db)
        counts = AbandonmentCounts()
        lookups = Lookups(
            db,
            clock,
            lambda: services.lookup,
            rulebook=rulebook,
            rates=rates,
            calls_per_second=services.settings.twilio_calls_per_second,
        )
        roll_ups = RollUps(db, clock.rate)

        def given(now: datetime) -> dict[str, object]:
            return {
                "now": now,
                "silent_since": sweeping.silent_since(now),
                "before": now - reconcile.EVENT_RETRY,
                "hangs_up": list(HANGS_UP),
                "counted": counts.fresh(now),
                "enrolling": enrol.STATES,
                "uninterested": lookups.uninterested,
                "folded": roll_ups.folded,
            }

        swept_at: datetime | None = None

        async def sweep_replicas(now: datetime) -> None:
            nonlocal swept_at
            if swept_at is None or now - swept_at >= FORGET_EVERY * clock.rate:
                swept_at = now
                async with db.transaction() as tx:
                    await leases.forget_silent(tx, now - FORGET * clock.rate)

        idle = IdleWatch(db, rulebook, rates, clock.rate, services.settings.twilio_max_calls)
        wrap_ups = WrapUps(db, clock, services.agents, services.terms)
        return {
            "reconcile": Beside("reconcile", sweeping.ask),
            "campaigns": partial(lifecycle.tick, db),
            "abandonment": partial(lifecycle.pause_abandoning, db, rulebook, counts),
            "enrolment": Beside("enrolment", partial(enrol.tick, db, rulebook)),
            "lookups": Beside("lookups", lookups.tick),
            "wrap_ups": Beside("wrap_ups", wrap_ups.tick),
            "webhooks": Beside("webhooks", services.deliveries(db).tick),
            "roll_ups": Beside("roll_ups", roll_ups.tick),
            "idle": idle.tick,
            "registries": RegistryWatch(db, rulebook),
            "replicas": sweep_replicas,
            "retention": Retention(db, services.retention).tick,
            "recordings": Beside("recordings", Deleter(db, services.gateway.recordings).tick),
        }, Agenda(given, {"roll_ups": roll_ups.restless}, clock.rate)

    async def _relay_machines(self, now: datetime) -> None:
        services = self._services
        if services.talks.count:
            await reconcile.relay_machines(services.db, services.replica.id, services.talks.on_machine)

    async def _tell_talks(self, now: datetime) -> None:
        """For the next heartbeat."""
        self._services.replica.detail["talks"] = self._services.talks.count

    async def _write_journal(self, now: datetime) -> None:
        await optout_journal.replay(self._services.db, self._services.data_dir, now)
