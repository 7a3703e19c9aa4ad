"""The alarm clock over the tables.

APScheduler only ticks, once a second, with a memory store: whatever is due stands in the tables, so nothing
can drift, be lost or run twice. Every tick of every replica writes its heartbeat; the parts run on the
replica that holds the lease row, each an idempotent function of `now`. A part that fails is logged and
tried again at the next tick; it never stops the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from campaign.domain.clock import Clock
from campaign.domain.errors import LeaseLost
from campaign.flow.agenda import Agenda
from campaign.store import leases
from campaign.store.database import Database

log = structlog.get_logger(__name__)

TICK_S = 1.0
LEASE_S = 8.0
"""Renewed with every tick; a dead holder is replaced within 10 s."""

Part = Callable[[datetime], Awaitable[object]]


def scheduling(replica: leases.Replica) -> leases.Lease:
    """The lease of whoever runs the parts."""
    return leases.Lease("scheduler", replica.id)


class Scheduler:
    """Ticks while it is open.

    Args:
        parts: name → what is due at an instant; run in order on the lease's holder.
        own_parts: the same, but run by every replica: what only this process can do.
        replica: what this process tells of itself.
        lease: whose holder runs the parts. A part writes through `db.fenced(lease.check)`, so that one that
            outlived the lease (its process stood still) writes nothing more; None: a lease of its own.
        on_drain_asked: told, perhaps more than once, that somebody wants this replica to drain and end.
        agenda: tells which parts have something to do; None: all are run at every tick.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        replica: leases.Replica,
        parts: Mapping[str, Part],
        own_parts: Mapping[str, Part] | None = None,
        lease: leases.Lease | None = None,
        on_drain_asked: Callable[[leases.DrainAsked], None] | None = None,
        agenda: Agenda | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._replica = replica
        self._parts = dict(parts)
        self._own_parts = dict(own_parts or {})
        self._lease = lease or scheduling(replica)
        self._ticker = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._ticking = asyncio.Lock()
        self._on_drain_asked = on_drain_asked
        self._agenda = agenda
        self.draining = False
        self.last_tick: datetime | None = None
        self.holds_lease = False

    def start(self) -> None:
        """Begin to tick: every clock second, but at most 5 times a real second."""
        every = max(TICK_S / self._clock.rate, 0.2)
        self._ticker.add_job(self.tick, "interval", seconds=every, id="tick")
        self._ticker.start()

    async def stop(self) -> None:
        """Stop ticking and let go of the lease, so that another replica takes over at once."""
        if self._ticker.running:
            self._ticker.pause()
            async with self._ticking:  # APScheduler's own shutdown would cancel a tick in progress
                self._ticker.shutdown(wait=False)
        async with self._db.transaction() as tx:
            await self._lease.release(tx, self._clock.now())
            await leases.leave(tx, self._replica.id)

    async def tick(self) -> None:
        """One tick; tests call it, and one test proves that APScheduler does."""
        async with self._ticking:
            await self._tick()

    async def _tick(self) -> None:
        now = self._clock.now()
        # Leases and heartbeats are about real machines: on a fast clock they last as long in real time.
        lease = timedelta(seconds=LEASE_S * self._clock.rate)
        try:
            async with self._db.transaction() as tx:
                asked = await leases.beat(tx, self._replica, now, draining=self.draining)
                held = await self._lease.take(tx, now, lease)
        except Exception as error:  # the edge of the loop: with Postgres away the next tick tries again
            log.warning("tick_failed", error=str(error))
            self.holds_lease = False
            return
        if asked is not None and self._on_drain_asked is not None:
            self._on_drain_asked(asked)
        self.holds_lease = held
        self.last_tick = now
        parts = self._own_parts | (self._parts if self.holds_lease else {})
        due = await self._due(parts, now)
        for name, part in parts.items():
            if name not in due:
                continue
            try:
                await part(self._clock.now())
            except LeaseLost as lost:
                log.warning("lease_lost", part=name, why=lost.what)
                self.holds_lease = False
                return
            except Exception as error:  # the edge of the loop: one part's fault must not stop the others
                log.error("tick_part_failed", part=name, error=str(error), exc_info=True)

    async def _due(self, parts: Mapping[str, Part], now: datetime) -> Collection[str]:
        """The names of those to be run now: all, if nobody can tell."""
        if self._agenda is None:
            return parts.keys()
        try:
            async with self._db.connection() as tx:
                return await self._agenda.due(tx, now, parts)
        except Exception as error:  # the edge of the loop: a question's fault must not stop any part
            log.error("agenda_failed", error=str(error), exc_info=True)
            return parts.keys()
