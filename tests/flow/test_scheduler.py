"""The alarm clock: one replica ticks the parts, another takes over, one part's fault stops no other."""

import asyncio
from datetime import datetime, timedelta

from campaign.flow.scheduler import LEASE_S, Scheduler
from campaign.store import leases
from campaign.store.database import Database
from tests.support.clock import ManualClock


def replica(name: str, clock: ManualClock) -> leases.Replica:
    return leases.Replica(name, "all", "host", 1, clock.now())


class Calls:
    """A part that counts its ticks."""

    def __init__(self) -> None:
        self.at: list[datetime] = []

    async def __call__(self, now: datetime) -> None:
        self.at.append(now)


async def test_only_the_holder_of_the_lease_runs_the_parts(db: Database, clock: ManualClock) -> None:
    first, second = Calls(), Calls()
    a = Scheduler(db, clock, replica("a", clock), {"part": first})
    b = Scheduler(db, clock, replica("b", clock), {"part": second})
    for _ in range(5):
        await a.tick()
        await b.tick()
        await clock.advance(1)
    assert (len(first.at), len(second.at)) == (5, 0)
    assert a.holds_lease
    assert not b.holds_lease


async def test_a_silent_holder_is_replaced_within_10_seconds_and_does_not_come_back_beside_the_new_one(
    db: Database, clock: ManualClock
) -> None:
    first, second = Calls(), Calls()
    a = Scheduler(db, clock, replica("a", clock), {"part": first})
    b = Scheduler(db, clock, replica("b", clock), {"part": second})
    await a.tick()
    seconds = 0
    while not second.at:
        await clock.advance(1)
        seconds += 1
        await b.tick()
    assert seconds <= LEASE_S + 1 <= 10
    await a.tick()
    assert len(first.at) == 1
    async with db.transaction() as tx:
        held = await leases.scheduler(tx)
    assert held is not None
    assert held[0] == "b"


async def test_a_clean_end_hands_the_lease_over_at_once(db: Database, clock: ManualClock) -> None:
    second = Calls()
    a = Scheduler(db, clock, replica("a", clock), {})
    b = Scheduler(db, clock, replica("b", clock), {"part": second})
    await a.tick()
    await a.stop()
    await b.tick()
    assert second.at
    async with db.transaction() as tx:
        assert [r[0] for r in await leases.alive(tx, clock.now() - timedelta(seconds=5))] == ["b"]


async def test_one_parts_fault_stops_no_other(db: Database, clock: ManualClock) -> None:
    after = Calls()

    async def broken(now: datetime) -> None:
        raise RuntimeError("planted")

    scheduler = Scheduler(db, clock, replica("a", clock), {"broken": broken, "after": after})
    await scheduler.tick()
    await scheduler.tick()
    assert len(after.at) == 2


async def test_what_only_this_process_can_do_runs_on_every_replica(db: Database, clock: ManualClock) -> None:
    own = Calls()
    a = Scheduler(db, clock, replica("a", clock), {})
    b = Scheduler(db, clock, replica("b", clock), {}, own_parts={"own": own})
    await a.tick()
    await b.tick()
    assert len(own.at) == 1


async def test_apscheduler_calls_the_tick(db: Database) -> None:
    ticked = asyncio.Event()

    async def part(now: datetime) -> None:
        ticked.set()

    clock = ManualClock()
    clock.rate = 20.0
    scheduler = Scheduler(db, clock, replica("a", clock), {"part": part})
    scheduler.start()
    await asyncio.wait_for(ticked.wait(), 10)
    await scheduler.stop()


async def test_the_fencing_number_grows_with_every_change_of_holder(db: Database, clock: ManualClock) -> None:
    ttl = timedelta(seconds=5)
    async with db.transaction() as tx:
        assert await leases.acquire(tx, "x", "a", clock.now(), ttl) == 1
        assert await leases.acquire(tx, "x", "a", clock.now(), ttl) == 1
        assert await leases.acquire(tx, "x", "b", clock.now(), ttl) is None
    await clock.advance(6)
    async with db.transaction() as tx:
        assert await leases.acquire(tx, "x", "b", clock.now(), ttl) == 2
        assert await leases.acquire(tx, "x", "a", clock.now(), ttl) is None
