"""Who is found and asked to drain: the one that is meant, and nobody else."""

import os
from dataclasses import dataclass

import pytest

from campaign.domain.errors import Conflict
from campaign.flow import draining
from campaign.flow.live_talks import Drained
from campaign.flow.scheduler import Scheduler
from campaign.store import accounts, leases
from campaign.store.database import Database
from campaign.store.leases import DrainAsked, Replica
from tests.support.clock import ManualClock

HERE = "this-machine"
GONE = 2**22 + 1
"""No process number of Linux."""


@dataclass
class Process:
    db: Database
    clock: ManualClock
    replica: Replica


def replica(
    clock: ManualClock,
    name: str,
    *,
    role: str = "all",
    host: str = HERE,
    pid: int | None = None,
    port: int | None = None,
) -> Replica:
    pid = os.getpid() if pid is None else pid
    return Replica(f"{host}:{pid}:{name}", role, host, pid, clock.now(), {"port": port, "talks": 3})


@pytest.fixture
def me(db: Database, clock: ManualClock) -> Process:
    return Process(db, clock, replica(clock, "me", port=8080))


async def beats(me: Process, *others: Replica) -> None:
    async with me.db.transaction() as tx:
        for other in others:
            await leases.beat(tx, other, me.clock.now())


async def test_the_holder_of_a_port_is_found_among_the_living_of_this_machine(me: Process) -> None:
    old = replica(me.clock, "old", port=8080)
    killed = replica(me.clock, "killed", pid=GONE, port=8080)
    elsewhere = replica(me.clock, "elsewhere", host="another-machine", pid=GONE, port=8080)
    beside = replica(me.clock, "beside", role="dialer", port=8081)
    await beats(me, old, killed, elsewhere, beside)
    assert (await draining.holder_of(me, 8080)).id == old.id
    assert {one.id for one in await draining.running(me)} == {old.id, elsewhere.id, beside.id}


async def test_a_port_is_not_taken_from_a_stranger(me: Process) -> None:
    silent = replica(me.clock, "silent", port=8080)
    await beats(me, silent)
    await me.clock.advance(draining.SILENT_S + 1)
    with pytest.raises(Conflict, match="no service of this database"):
        await draining.holder_of(me, 8080)


async def test_a_port_that_is_just_being_taken_over_is_left_to_who_does_so(me: Process) -> None:
    await beats(me, replica(me.clock, "one", port=8080), replica(me.clock, "two", port=8080))
    with pytest.raises(Conflict, match="just being taken over"):
        await draining.holder_of(me, 8080)


async def test_of_two_who_take_a_port_over_at_the_same_moment_neither_goes_on(me: Process) -> None:
    old, rival = replica(me.clock, "old", port=8080), replica(me.clock, "rival", port=8080)
    await beats(me, old, me.replica)
    assert [one.id for one in await draining.require_no_rival(me, 8080)] == [old.id]
    await beats(me, rival)
    for one in (me, Process(me.db, me.clock, rival)):
        with pytest.raises(Conflict, match="just being taken over"):
            await draining.require_no_rival(one, 8080)


async def test_where_twilio_is_answered_nobody_takes_over_who_would_not(me: Process) -> None:
    me.replica = replica(me.clock, "me", role="dialer")
    await beats(me, replica(me.clock, "old", port=8080))
    with pytest.raises(Conflict, match="--role all"):
        await draining.holder_of(me, 8080)


async def test_a_request_reaches_its_process_with_the_next_heartbeat_and_no_other(me: Process) -> None:
    told: dict[str, list[DrainAsked]] = {"one": [], "two": []}
    schedulers = {
        name: Scheduler(me.db, me.clock, replica(me.clock, name), {}, on_drain_asked=told[name].append)
        for name in told
    }
    for scheduler in schedulers.values():
        await scheduler.tick()
    one = replica(me.clock, "one").id
    assert await draining.ask(me, one, DrainAsked("cli:ana"))
    assert not await draining.ask(me, "nobody", DrainAsked("cli:ana"))
    for scheduler in schedulers.values():
        await scheduler.tick()
    assert told == {"one": [DrainAsked("cli:ana")], "two": []}
    # A successor that comes later has more to say.
    await draining.ask(me, one, DrainAsked("cli:ana", "next", led_away=True))
    await schedulers["one"].tick()
    assert told["one"][-1] == DrainAsked("cli:ana", "next", led_away=True)
    async with me.db.connection() as tx:
        trail = await accounts.audit_trail(tx, subject=f"replica:{one}")
        found = await leases.running(tx, me.clock.now())
    assert [entry.actor for entry in trail] == ["cli:ana", "cli:ana"]
    assert {(row.talks, row.asked_by) for row in found} == {(3, "cli:ana"), (3, None)}


async def test_what_became_of_a_process_is_kept_when_its_row_is_gone(me: Process) -> None:
    assert await draining.ended(me.db, me.replica.id) is None
    await draining.record(me, "SIGTERM", Drained(handed_over=3, ended=1))
    assert await draining.ended(me.db, me.replica.id) == Drained(handed_over=3, ended=1)


async def test_a_process_is_named_by_its_number_its_machine_and_number_or_its_whole_name(me: Process) -> None:
    await beats(me, me.replica, replica(me.clock, "far", host="another-machine", pid=7))
    found = await draining.running(me)
    far = f"another-machine:{7}"
    for word in ("7", far, f"{far}:far"):
        assert [one.host for one in draining.named(found, word)] == ["another-machine"]
    assert draining.named(found, "8") == []
    assert draining.named(found, "another-machine") == []
