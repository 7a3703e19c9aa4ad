"""A process that stood still past its lease, and goes on, changes nothing that another has taken over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from campaign.domain.attempt import AttemptEvent
from campaign.domain.errors import DatabaseUnavailable, LeaseLost
from campaign.flow import call_events, enrol, lifecycle
from campaign.flow.call_events import Hands
from campaign.flow.claiming import Claim
from campaign.flow.dialer import Dialer
from campaign.flow.reconcile import Reconciler
from campaign.flow.scheduler import LEASE_S, Scheduler
from campaign.store import claims, halts, leases, placing, sweeps
from campaign.store.claims import Tenure
from campaign.store.database import Database
from campaign.telephony.gateway import (
    CallRequest,
    Leaves,
    NotSent,
    Placed,
    PlaceResult,
    Throttled,
    UnknownResult,
)
from tests.support.campaigns import phone, rows, rulebook
from tests.support.clock import ManualClock
from tests.support.dialing import dialer, dialling, moved_clock, running_campaign, until
from tests.support.twilio import FakeTwilio

NOT_SENT = AttemptEvent.NOT_SENT
SID = "CA" + "7" * 32
TAKEN_OVER = 7.0
"""Clock seconds after a claim: its tenure has ended and a whole second has passed."""


class Held:
    """A gateway whose answer comes when the test says so: Twilio is slow, or this process stands still."""

    def __init__(self, result: PlaceResult) -> None:
        self.result = result
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def place(self, request: CallRequest, leaves: Leaves) -> PlaceResult:
        await leaves()
        self.asked.set()
        await self.answers.wait()
        return self.result


NOBODY = Held(NotSent("never asked"))


def two(db: Database, clock: ManualClock, cps: float = 4) -> tuple[Dialer, Dialer]:
    return (
        dialer(db, clock, NOBODY, cps=cps, name="first"),
        dialer(db, clock, NOBODY, cps=cps, name="second"),
    )


async def pace(db: Database) -> dict[str, Any]:
    (row,) = await rows(db, "SELECT * FROM pace")
    return row


async def taken_over(db: Database, clock: ManualClock) -> tuple[Dialer, Dialer, Claim]:
    """The first process claims and stands still, the second takes over; with the first one's claim."""
    await running_campaign(db, clock, 40, pacing={"lines": 100})
    first, second = two(db, clock)
    claim = await first.claim()
    assert claim.dials
    await clock.advance(TAKEN_OVER)
    assert (await second.claim()).dials
    return first, second, claim


# ── the dialler: the pace ──────────────────────────────────────────────────────────────────────────────


async def test_the_paces_number_grows_with_every_change_of_holder_and_stands_in_every_intent(
    db: Database, clock: ManualClock
) -> None:
    first, second, _ = await taken_over(db, clock)
    assert (await second.claim()).why_idle == "" and (await pace(db))["fencing"] == 2  # noqa: PT018
    await clock.advance(1)
    assert (await second.claim()).dials
    await clock.advance(TAKEN_OVER)
    assert not (await first.claim()).dials  # what it believed is over: a newcomer from here on
    assert (await first.claim()).dials
    assert (await pace(db))["fencing"] == 3
    numbers = await rows(db, "SELECT DISTINCT replica, fencing FROM attempts ORDER BY fencing")
    assert [(row["replica"], row["fencing"]) for row in numbers] == [
        ("first", 1),
        ("second", 2),
        ("first", 3),
    ]


async def test_a_dialler_that_was_paused_claims_nothing_beside_the_one_that_took_over(
    db: Database, clock: ManualClock
) -> None:
    first, second, _ = await taken_over(db, clock)
    before = await pace(db)
    await clock.advance(0.5)
    for _ in range(3):
        assert not (await first.claim()).dials
    assert await pace(db) == before
    assert (await second.claim()).dials, "the one that took over goes on"
    assert {d["replica"] for d in await rows(db, "SELECT replica FROM attempts WHERE fencing > 1")} == {
        "second"
    }


async def test_a_dialler_whose_tenure_ran_out_goes_on_when_nobody_took_over(
    db: Database, clock: ManualClock
) -> None:
    await running_campaign(db, clock, 40, pacing={"lines": 100})
    first, _ = two(db, clock)
    assert (await first.claim()).dials
    await clock.advance(60)
    assert (await first.claim()).dials
    assert (await pace(db))["fencing"] == 1


async def test_a_process_of_a_version_without_fencing_takes_over_all_the_same(
    db: Database, clock: ManualClock
) -> None:
    await running_campaign(db, clock, 40, pacing={"lines": 100})
    first, _ = two(db, clock)
    assert (await first.claim()).dials
    await clock.advance(TAKEN_OVER)
    until_ = clock.now() + timedelta(seconds=5)
    await rows(db, "UPDATE pace SET holder = 'old version', tenure_until = :until", until=until_)
    before = await pace(db)
    assert not (await first.claim()).dials
    assert await pace(db) == before


async def test_an_ending_process_does_not_end_the_tenure_of_the_one_that_took_over(
    db: Database, clock: ManualClock
) -> None:
    first, _, _ = await taken_over(db, clock)
    before = await pace(db)
    first.stop()
    await first.run()  # at once: it leaves
    assert await pace(db) == before


async def test_neither_holds_nor_lifts_of_a_past_tenure_count(db: Database, clock: ManualClock) -> None:
    await taken_over(db, clock)
    past, present = Tenure("first", 1), Tenure("second", 2)
    later = clock.now() + timedelta(seconds=60)
    async with db.transaction() as tx:
        await claims.hold_pace(tx, later, "stale news", failures=3, tenure=past, tenure_until=later)
    assert (await pace(db))["held_until"] is None
    async with db.transaction() as tx:
        await claims.hold_pace(tx, later, "429", failures=1, tenure=present, tenure_until=later)
        await claims.end_hold(tx, past)
    row = await pace(db)
    assert (row["held_until"], row["held_why"], row["failures"]) == (later, "429", 1)


async def test_a_throttled_answer_to_a_past_tenure_holds_nobody_else(db: Database) -> None:
    clock = moved_clock()
    await running_campaign(db, clock, 1, pacing={"lines": 100})
    gateway = Held(Throttled(60.0, 20429, "Twilio says 429"))
    async with dialling(dialer(db, clock, gateway, cps=10, name="first")):
        await asyncio.wait_for(gateway.asked.wait(), 20)
        await rows(db, "UPDATE pace SET holder = 'second', fencing = fencing + 1")
        gateway.answers.set()
        await until(lambda: settled(db), clock)
    assert (await pace(db))["held_until"] is None
    assert (await pace(db))["holder"] == "second"


# ── the dialler: its intents ───────────────────────────────────────────────────────────────────────────


async def settled(db: Database) -> bool:
    return bool(await rows(db, "SELECT 1 FROM attempts WHERE settled_at IS NOT NULL"))


async def attempt(db: Database) -> dict[str, Any]:
    (row,) = await rows(db, "SELECT * FROM attempts")
    return row


async def swept(db: Database, now: datetime) -> None:
    async with db.transaction() as tx:
        assert len(await sweeps.lose(tx, now + timedelta(seconds=60), now)) == 1


async def over(db: Database, now: datetime) -> None:
    (row,) = await rows(db, "SELECT marker FROM attempts")
    form = {"CallSid": SID, "CallStatus": "busy", "SequenceNumber": "3"}
    await call_events.receive(db, kind="status", marker=row["marker"], form=form, now=now, hands=Hands())


Overtaken = Callable[[Database, datetime], Any]


@pytest.mark.parametrize("overtaken", [swept, over], ids=["the sweep", "the call's own end"])
@pytest.mark.parametrize(
    "result",
    [NotSent("no connection"), UnknownResult("the answer was lost"), Throttled(1.0, 20429, "429")],
    ids=["not sent", "lost", "throttled"],
)
async def test_what_was_taken_over_is_not_given_back(
    db: Database, overtaken: Overtaken, result: PlaceResult
) -> None:
    clock = moved_clock()
    await running_campaign(db, clock, 1, pacing={"lines": 100})
    gateway = Held(result)
    async with dialling(dialer(db, clock, gateway, cps=10)):
        await asyncio.wait_for(gateway.asked.wait(), 20)
        await overtaken(db, clock.now())
        before = await attempt(db)
        contacts, callers = await story(db)
        gateway.answers.set()
    assert await attempt(db) == before
    assert await story(db) == (contacts, callers)


async def story(db: Database) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How the contact stands, and what is counted."""
    return (
        await rows(db, "SELECT state, next_at, attempts, disposition FROM campaign_contacts"),
        await rows(db, "SELECT attempts FROM caller_id_days UNION ALL SELECT reserved FROM campaign_spend"),
    )


async def test_nobody_gives_back_the_intent_of_another_tenure(db: Database, clock: ManualClock) -> None:
    _, _, claim = await taken_over(db, clock)
    lost = claim.dials[0]
    async with db.transaction() as tx:
        assert not await placing.record_not_placed(
            tx, lost.attempt_id, NOT_SENT, "not mine", None, clock.now(), fencing=2
        )
        assert await placing.record_not_placed(
            tx, lost.attempt_id, NOT_SENT, "mine", None, clock.now(), fencing=lost.fencing
        )


@pytest.mark.parametrize("overtaken", [swept, over], ids=["the sweep", "the call's own end"])
async def test_a_sid_is_a_fact_and_recorded_whoever_has_taken_over(
    db: Database, overtaken: Overtaken
) -> None:
    clock = moved_clock()
    await running_campaign(db, clock, 1, pacing={"lines": 100})
    gateway = Held(Placed(SID, "queued"))
    async with dialling(dialer(db, clock, gateway, cps=10)):
        await asyncio.wait_for(gateway.asked.wait(), 20)
        await overtaken(db, clock.now())
        state = (await attempt(db))["state"]
        gateway.answers.set()
    row = await attempt(db)
    assert row["call_sid"] == SID
    assert row["state"] == {"unknown": "placed", "ended": "ended"}[state]


# ── standing still under a lock ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lock", [claims.lock_pace, halts.lock_pace])
async def test_who_stands_still_under_the_paces_lock_is_cut_off(db: Database, lock: Any) -> None:
    show = text("SHOW idle_in_transaction_session_timeout")
    async with db.transaction() as tx:
        await lock(tx)
        assert (await tx.execute(show)).scalar_one() == "5s"
    async with db.transaction() as tx:
        assert (await tx.execute(show)).scalar_one() == "0"


async def stand_still(db: Database) -> None:
    """A transaction that is silent until the server cuts it off."""
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pace SET failures = 7"))
        backend = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        await tx.execute(text("SELECT set_config('idle_in_transaction_session_timeout', '1ms', true)"))

        async def gone() -> bool:
            return not await rows(db, "SELECT 1 FROM pg_stat_activity WHERE pid = :pid", pid=backend)

        await until(gone, moved_clock())
        await tx.execute(text("UPDATE pace SET failures = 8"))


async def test_being_cut_off_is_told_as_a_lost_connection_and_undoes_the_transaction(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="was lost"):
        await stand_still(db)
    assert (await pace(db))["failures"] == 0


# ── the scheduler's lease ──────────────────────────────────────────────────────────────────────────────


class Node:
    """A scheduling process: its lease, its fenced way into the database, its scheduler."""

    def __init__(self, db: Database, clock: ManualClock, name: str) -> None:
        replica = leases.Replica(name, "all", "host", 1, clock.now())
        self.lease = leases.Lease("scheduler", name)
        self.db = db.fenced(self.lease.check)
        self.parts: dict[str, Any] = {}
        self._args = (db, clock, replica)

    def scheduler(self, **parts: Any) -> Scheduler:
        db, clock, replica = self._args
        return Scheduler(db, clock, replica, parts, lease=self.lease)


async def write(db: Database, word: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pace SET held_why = :word"), {"word": word})


async def test_a_part_that_outlives_the_lease_writes_nothing_and_the_tick_ends(
    db: Database, clock: ManualClock
) -> None:
    a, b = Node(db, clock, "a"), Node(db, clock, "b")
    ran: list[str] = []

    async def paused(now: datetime) -> None:
        await write(a.db, "a before")
        await clock.advance(LEASE_S + 1)  # the process stands still here
        await successor.tick()
        await write(a.db, "a after")

    async def next_part(now: datetime) -> None:
        ran.append("a's next part")

    async def takes_over(now: datetime) -> None:
        await write(b.db, "b")

    successor = b.scheduler(part=takes_over)
    holder = a.scheduler(paused=paused, next=next_part)
    await holder.tick()
    assert (await pace(db))["held_why"] == "b"
    assert ran == []
    assert (holder.holds_lease, successor.holds_lease) == (False, True)
    await successor.tick()
    assert (await pace(db))["held_why"] == "b"


async def test_nobody_takes_the_lease_over_while_its_holder_is_in_a_transaction(
    db: Database, clock: ManualClock
) -> None:
    a, b = Node(db, clock, "a"), Node(db, clock, "b")
    order: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def waiting() -> bool:
        return bool(
            await rows(
                db,
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock'",
            )
        )

    async def slow(now: datetime) -> None:
        async with a.db.transaction() as tx:
            await clock.advance(LEASE_S + 1)
            tasks.append(asyncio.create_task(successor.tick()))
            await until(waiting, moved_clock())
            await tx.execute(text("UPDATE pace SET held_why = 'a'"))
            order.append("a")

    async def part(now: datetime) -> None:
        order.append("b")

    successor = b.scheduler(part=part)
    await a.scheduler(slow=slow).tick()
    await tasks[0]
    assert order == ["a", "b"]
    assert (await pace(db))["held_why"] == "a"


async def test_a_replica_without_the_lease_waits_for_no_lock(db: Database, clock: ManualClock) -> None:
    a, b = Node(db, clock, "a"), Node(db, clock, "b")
    successor = b.scheduler()

    async def slow(now: datetime) -> None:
        async with a.db.transaction():
            await asyncio.wait_for(successor.tick(), 20)

    await a.scheduler(slow=slow).tick()
    assert not successor.holds_lease
    assert await rows(db, "SELECT 1 FROM replicas WHERE id = 'b'"), "and its heartbeat is written"


async def test_a_lease_that_was_taken_over_is_not_let_go_by_the_one_that_had_it(
    db: Database, clock: ManualClock
) -> None:
    a, b = Node(db, clock, "a"), Node(db, clock, "b")
    holder, successor = a.scheduler(), b.scheduler()
    await holder.tick()
    await clock.advance(LEASE_S + 1)
    await successor.tick()
    before = await rows(db, "SELECT * FROM leases")
    await holder.stop()
    assert await rows(db, "SELECT * FROM leases") == before


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    async with FakeTwilio() as fake:
        yield fake


async def test_every_shared_part_of_a_paused_process_stops(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await running_campaign(db, clock, 3, schedule={"end": "2026-11-24T16:00:00Z"})
    (first, _) = two(db, clock)
    assert (await first.claim()).dials
    await rows(db, "UPDATE campaign_enrolments SET finished_at = NULL")
    a, b = Node(db, clock, "a"), Node(db, clock, "b")
    await a.scheduler().tick()
    await clock.advance(3600 * 3)
    await b.scheduler().tick()
    before = await everything(db)
    reconciler = Reconciler(a.db, twilio.gateway, Hands())
    for part in (
        lambda: lifecycle.tick(a.db, clock.now()),
        lambda: enrol.tick(a.db, rulebook(), clock.now()),
        lambda: reconciler.tick(clock.now()),
    ):
        with pytest.raises(LeaseLost, match="this one writes nothing"):
            await part()
    assert await everything(db) == before
    assert twilio.asked == []
    assert (await Reconciler(b.db, twilio.gateway, Hands()).tick(clock.now())).lost, "there was much to do"
    assert await everything(db) != before


async def everything(db: Database) -> list[Any]:
    tables = ("attempts", "campaigns", "campaign_contacts", "campaign_enrolments", "campaign_log", "replicas")
    return [await rows(db, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


async def test_a_reconciler_that_loses_the_lease_while_it_asks_writes_nothing_of_what_it_learned(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await running_campaign(db, clock, 1)
    (first, _) = two(db, clock)
    assert (await first.claim()).dials
    await rows(db, "UPDATE attempts SET state = 'placed', call_sid = :sid, lease_until = NULL", sid=SID)
    await clock.advance(60)
    twilio.calls[SID] = {"sid": SID, "status": "busy", "to": phone(0), "date_created": None}
    a, b = Node(db, clock, "a"), Node(db, clock, "b")

    class Overtaken:
        """Twilio's API, in whose answer time passes."""

        async def fetch(self, sid: str) -> Any:
            facts = await twilio.gateway.fetch(sid)
            await clock.advance(LEASE_S + 1)
            await b.scheduler().tick()
            return facts

        cancel = hang_up = find = fetch

    reconciler = Reconciler(a.db, Overtaken(), Hands())
    holder = a.scheduler(reconcile=reconciler.tick)
    await holder.tick()
    assert not holder.holds_lease
    assert (await attempt(db))["state"] == "placed"
    assert await Reconciler(b.db, twilio.gateway, Hands()).tick(clock.now() + timedelta(minutes=2))
    assert (await attempt(db))["state"] == "ended"
    assert (await rows(db, "SELECT cost FROM outcomes")) == [{"cost": Decimal(0)}]
