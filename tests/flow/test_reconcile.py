"""Whatever nobody told us is asked about, once in a while, until it is known."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from campaign.flow import call_events
from campaign.flow.call_events import Hands
from campaign.flow.reconcile import Reconciler, relay_machines
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import ManualClock
from tests.support.twilio import FakeTwilio, rfc2822, sid


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    async with FakeTwilio() as fake:
        yield fake


@pytest.fixture
def sweep(db: Database, twilio: FakeTwilio) -> Reconciler:
    return Reconciler(db, twilio.gateway, Hands(gateway=twilio.gateway))


async def run(sweep: Reconciler, clock: ManualClock, seconds: int, step: int = 1) -> None:
    """One tick a second, as the scheduler does; or fewer, where seconds don't matter."""
    for _ in range(0, seconds, step):
        await clock.advance(step)
        await sweep.tick(clock.now())


async def state(db: Database) -> str:
    value: str = (await rows.row(db, "attempts"))["state"]
    return value


async def beat(db: Database, now: datetime) -> None:
    async with db.transaction() as tx:
        await rows.replica(tx, now)


async def unknown(db: Database, now: datetime, **columns: Any) -> int:
    return await rows.dialled(
        db,
        now,
        **{
            "state": "unknown",
            "hold_until": now + timedelta(minutes=15),
            "check_at": now + timedelta(seconds=10),
            "lease_until": None,
            **columns,
        },
    )


# ── lost ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_attempt_whose_replica_died_is_unknown_and_held_not_dialled_again(
    db: Database, clock: ManualClock, sweep: Reconciler
) -> None:
    await rows.dialled(db, clock.now())
    await run(sweep, clock, 29)
    assert await state(db) == "placing"
    await run(sweep, clock, 1)
    row = await rows.row(db, "attempts")
    assert (row["state"], row["hold_until"]) == ("unknown", clock.now() + timedelta(minutes=15))


async def test_a_replica_without_heartbeat_loses_its_attempts_before_their_leases_end(
    db: Database, clock: ManualClock, sweep: Reconciler
) -> None:
    await beat(db, clock.now() - timedelta(seconds=31))
    await rows.dialled(db, clock.now())
    await sweep.tick(clock.now())
    assert await state(db) == "unknown"


# ── unknown ────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_unknown_result_is_looked_up_after_10_and_30_seconds_and_then_every_40(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    begin = clock.now()
    await unknown(db, begin)
    times = []
    for _ in range(200):
        before = len(twilio.asked)
        await run(sweep, clock, 1)
        if len(twilio.asked) > before:
            times.append((clock.now() - begin).total_seconds())
    assert times == [10, 30, 70, 110, 150, 190]


@pytest.mark.parametrize(
    ("status", "reached"),
    [("queued", "placed"), ("ringing", "ringing"), ("in-progress", "answered"), ("busy", "ended")],
)
async def test_a_call_that_twilio_lists_settles_the_doubt(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio, status: str, reached: str
) -> None:
    await unknown(db, clock.now())
    call = twilio.call(7, rows.PHONE, status, clock.now() + timedelta(seconds=2))
    await run(sweep, clock, 10)
    row = await rows.row(db, "attempts")
    assert (row["state"], row["call_sid"]) == (reached, call)
    assert (await rows.row(db, "call_events"))["kind"] == "found"
    assert len(await rows.rows(db, "outcomes")) == (1 if reached == "ended" else 0)


async def test_calls_of_earlier_attempts_other_people_and_earlier_times_are_not_taken_for_ours(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    now = clock.now()
    await unknown(db, now)
    async with db.transaction() as tx:
        await rows.attempt(
            tx, now - timedelta(seconds=50), marker="before", state="ended", settled_at=now, call_sid=sid(1)
        )
    twilio.call(1, rows.PHONE, "completed", now - timedelta(seconds=50))
    twilio.call(2, rows.PHONE, "completed", now - timedelta(seconds=61))
    twilio.call(3, "+12125559999", "ringing", now)
    await run(sweep, clock, 61)
    assert (await rows.row(db, "attempts", "marker = 'marker-1'"))["state"] == "unknown"


async def test_when_the_hold_is_over_and_twilio_knows_nothing_it_is_closed_as_unknown(
    db: Database, clock: ManualClock, sweep: Reconciler
) -> None:
    await unknown(db, clock.now())
    await clock.advance(14 * 60)
    await run(sweep, clock, 59)
    assert await state(db) == "unknown"
    await run(sweep, clock, 1)
    assert await state(db) == "ended"
    assert (await rows.row(db, "outcomes"))["disposition"] == "unknown"


async def test_a_hold_is_not_over_before_twilio_has_answered(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    await unknown(db, clock.now())
    twilio.fail = 503
    await clock.advance(20 * 60)
    await run(sweep, clock, 90, step=5)
    assert await state(db) == "unknown"
    twilio.fail = None
    twilio.call(7, rows.PHONE, "completed", clock.now() - timedelta(minutes=20), duration="12")
    await run(sweep, clock, 60, step=5)
    assert (await rows.row(db, "attempts"))["call_sid"] == sid(7)


AGAIN = {"retry": {"budget": 3, "on": {"unknown": {"after_minutes": [60]}}}}


@pytest.mark.parametrize("chosen", [False, True])
async def test_an_unknown_result_is_dialled_again_only_if_the_campaign_says_so_and_only_after_the_hold(
    db: Database, clock: ManualClock, sweep: Reconciler, chosen: bool
) -> None:
    begin = clock.now()
    await unknown(db, begin, sections=AGAIN if chosen else {})
    await clock.advance(14 * 60)
    await run(sweep, clock, 59)
    assert await rows.rows(db, "outcomes") == []
    await run(sweep, clock, 1)
    contact = await rows.row(db, "campaign_contacts")
    outcome = await rows.row(db, "outcomes")
    assert (outcome["disposition"], outcome["final"]) == ("unknown", not chosen)
    if chosen:
        again = begin + timedelta(minutes=15 + 60)
        assert (contact["state"], contact["next_at"]) == ("waiting", again)
    else:
        assert (contact["state"], contact["next_at"]) == ("done", None)


async def test_what_twilio_could_not_be_asked_about_is_not_dialled_again_even_if_the_campaign_says_so(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    await unknown(db, clock.now(), sections=AGAIN)
    twilio.fail = 503
    await clock.advance((24 * 60 + 14) * 60)
    await run(sweep, clock, 40, step=20)
    assert await state(db) == "unknown"
    await run(sweep, clock, 80, step=20)
    assert await state(db) == "ended"
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["next_at"], contact["disposition"]) == ("done", None, "unknown")


async def test_a_call_that_twilio_took_and_forgot_is_not_dialled_again_as_unknown(
    db: Database, clock: ManualClock, sweep: Reconciler
) -> None:
    await rows.dialled(db, clock.now(), sections=AGAIN, state="placed", call_sid=sid(7))
    await run(sweep, clock, 400, step=10)
    assert (await rows.row(db, "outcomes"))["disposition"] == "unknown"
    assert (await rows.row(db, "campaign_contacts"))["state"] == "done"


async def test_a_call_of_which_only_the_verdict_was_heard_is_found(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    """The process died before it could write the call's SID; all that ever came with the SID is a verdict."""
    now = clock.now()
    await rows.dialled(db, now)
    call = twilio.call(7, rows.PHONE, "completed", now, duration="9", answered_by="human")
    form = {"CallSid": call, "AnsweredBy": "human"}
    await call_events.receive(db, kind="amd", marker="marker-1", form=form, now=now, hands=Hands())
    await run(sweep, clock, 60)
    assert await state(db) == "ended"


# ── silence ────────────────────────────────────────────────────────────────────────────────────────────


async def test_with_every_callback_lost_the_outcome_is_there_within_a_minute(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    now = clock.now()
    call = twilio.call(7, rows.PHONE, "ringing", now)
    await rows.dialled(db, now, state="placed", call_sid=call, placed_at=now)
    await run(sweep, clock, 31)
    assert await state(db) == "ringing"
    twilio.calls[call] |= {"status": "in-progress", "start_time": rfc2822(now)}
    await run(sweep, clock, 31)
    assert await state(db) == "answered"
    twilio.calls[call] |= {"status": "completed", "duration": "30", "end_time": rfc2822(clock.now())}
    await run(sweep, clock, 61)
    outcome = await rows.row(db, "outcomes")
    assert (outcome["disposition"], outcome["seconds"]) == ("abandoned", 30)


PLACES = ("placing", "unknown", "placed", "ringing", "answered", "talking")


async def one_of_each(db: Database, now: datetime, truths: range) -> dict[str, int]:
    """Attempts in every unsettled state, of a replica that is gone; number → when Twilio knows the end."""
    known: dict[str, int] = {}
    async with db.transaction() as tx:
        await rows.replica(tx, now - timedelta(seconds=1))
        for place in PLACES:
            for truth in truths:
                number = len(known)
                phone = f"+1212555{number:04d}"
                known[phone] = truth
                more: dict[str, Any] = {"lease_until": None, "call_sid": sid(number)}
                if place in ("placing", "unknown"):
                    more = {"call_sid": None}
                if place == "unknown":
                    hold = {
                        "hold_until": now + timedelta(minutes=15),
                        "check_at": now + timedelta(seconds=10),
                    }
                    more |= {"lease_until": None, **hold}
                state = "answered" if place == "talking" else place
                attempt = await rows.attempt(tx, now, marker=f"m{number}", phone=phone, state=state, **more)
                if place == "talking":
                    await tx.execute(
                        text(
                            "INSERT INTO conversation_sessions (attempt_id, ordinal, token_digest, replica, "
                            "created_at, opened_at) VALUES (:id, 1, :digest, 'one', :now, :now)"
                        ),
                        {"id": attempt, "digest": str(number), "now": now},
                    )
    return known


@pytest.mark.parametrize("changes_hands", [False, True])
async def test_whatever_an_attempts_state_what_twilio_knows_is_in_its_row_within_a_minute(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio, changes_hands: bool
) -> None:
    """All callbacks are lost, the replica has vanished; with a lease that changes hands nobody sweeps for ten
    seconds in every fifty."""
    begin = clock.now()
    known = await one_of_each(db, begin, range(0, 101, 9))
    placed_before = {
        one["phone"]: one["call_sid"] for one in await rows.rows(db, "attempts") if one["call_sid"]
    }
    for phone, call_sid in placed_before.items():
        twilio.call(int(call_sid[2:]), phone, "ringing", begin)
    waited: dict[str, float] = {}
    for second in range(170):
        for number, (phone, truth) in enumerate(known.items()):
            if truth == second:
                twilio.call(number, phone, "busy", begin, end_time=rfc2822(clock.now()))
        if not changes_hands or second % 50 < 40:
            await sweep.tick(clock.now())
        for one in await rows.rows(db, "attempts"):
            if one["settled_at"] is not None and one["phone"] not in waited:
                waited[one["phone"]] = second - known[one["phone"]]
        await clock.advance(1)
    assert len(waited) == len(known)
    assert max(waited.values()) <= 60
    assert {one["disposition"] for one in await rows.rows(db, "outcomes")} == {"busy"}


async def test_a_call_in_conversation_is_not_asked_about(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    now = clock.now()
    attempt = await rows.dialled(db, now, state="answered", call_sid=sid(7), answered_at=now)
    await rows.run(
        db,
        "INSERT INTO conversation_sessions (attempt_id, ordinal, token_digest, replica, created_at, "
        "opened_at) VALUES (:id, 1, 'x', 'one', :now, :now)",
        id=attempt,
        now=now,
    )
    for _ in range(12):
        await beat(db, clock.now())
        await run(sweep, clock, 10, step=5)
    assert twilio.asked == []
    twilio.call(7, rows.PHONE, "completed", now, duration="100")
    await run(sweep, clock, 95, step=5)  # the replica beats no more
    session = await rows.row(db, "conversation_sessions")
    assert session["closed_why"] == "the process that held it is gone"
    assert await state(db) == "ended"


async def test_a_call_that_twilio_has_forgotten_is_closed_after_a_while(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    await rows.dialled(db, clock.now(), state="placed", call_sid=sid(7))
    await run(sweep, clock, 200, step=10)
    assert await state(db) == "placed"
    await run(sweep, clock, 130, step=10)
    assert (await rows.row(db, "outcomes"))["disposition"] == "unknown"


# ── cancelling ─────────────────────────────────────────────────────────────────────────────────────────


async def on_own_list(db: Database, now: datetime) -> None:
    await rows.run(
        db,
        "INSERT INTO dnc_lists (name, kind, created_at) VALUES ('own', 'own', :now) ON CONFLICT DO NOTHING",
        now=now,
    )
    await rows.run(
        db,
        "INSERT INTO dnc_entries (list_id, phone, reason, source, actor, added_at) "
        "SELECT id, :phone, 'asked', 'cli', 'test', :now FROM dnc_lists WHERE kind = 'own'",
        phone=rows.PHONE,
        now=now,
    )


@pytest.mark.parametrize("why", ["paused", "stopped", "stop all", "window", "do not call"])
@pytest.mark.parametrize("status", ["queued", "ringing"])
async def test_what_may_not_ring_any_more_is_cancelled_within_two_seconds(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio, why: str, status: str
) -> None:
    now = clock.now()
    call = twilio.call(7, rows.PHONE, status, now)
    closes = now + timedelta(seconds=1) if why == "window" else None
    await rows.dialled(db, now, state="placed", call_sid=call, window_closes_at=closes)
    await sweep.tick(now)
    assert twilio.asked == []
    if why in ("paused", "stopped"):
        await rows.run(db, f"UPDATE campaigns SET state = '{why}'")
    elif why == "stop all":
        await rows.run(db, "UPDATE installation SET dialling_stopped_at = :now", now=now)
    elif why == "do not call":
        await on_own_list(db, now)
    await run(sweep, clock, 2)
    assert twilio.asked == [("canceled", call)]
    assert twilio.calls[call]["status"] == "canceled"
    outcome = await rows.row(db, "outcomes")
    assert (outcome["disposition"], outcome["final"]) == ("canceled", False)
    assert (await rows.row(db, "campaign_contacts"))["attempts"] == 0


async def test_a_person_who_answered_meanwhile_is_left_to_talk(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    call = twilio.call(7, rows.PHONE, "in-progress", clock.now())
    await rows.dialled(db, clock.now(), state="placed", call_sid=call, campaign_state="paused")
    await run(sweep, clock, 10)
    assert twilio.asked == [("canceled", call)]
    assert (await state(db), twilio.calls[call]["status"]) == ("answered", "in-progress")


async def test_an_operators_stop_at_once_ends_answered_calls_too(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    call = twilio.call(7, rows.PHONE, "in-progress", clock.now())
    await rows.dialled(db, clock.now(), state="answered", call_sid=call, campaign_state="stopped")
    await run(sweep, clock, 2)
    assert twilio.asked == []
    await rows.run(
        db, "UPDATE attempts SET cancel_at = :now, cancel_why = 'stop_now: by ana'", now=clock.now()
    )
    await run(sweep, clock, 2)
    assert twilio.asked == [("completed", call)]
    assert await state(db) == "ended"


async def test_a_call_that_ended_by_itself_before_the_cancel_is_looked_up(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    call = twilio.call(7, rows.PHONE, "busy", clock.now())
    await rows.dialled(db, clock.now(), state="ringing", call_sid=call, campaign_state="paused")
    await run(sweep, clock, 2)
    assert (await rows.row(db, "outcomes"))["disposition"] == "busy"


async def test_a_machine_that_could_not_be_hung_up_on_is_hung_up_on_by_the_sweep(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    call = twilio.call(7, rows.PHONE, "in-progress", clock.now(), answered_by="machine_start")
    await rows.dialled(db, clock.now(), state="answered", call_sid=call)
    form = {"CallSid": call, "AnsweredBy": "machine_start"}
    await call_events.receive(db, kind="amd", marker="marker-1", form=form, now=clock.now(), hands=Hands())
    await run(sweep, clock, 2)
    assert twilio.asked == [("completed", call)]
    assert (await rows.row(db, "outcomes"))["disposition"] == "machine"


# ── prices, events, machines ───────────────────────────────────────────────────────────────────────────


async def test_the_price_is_asked_for_with_growing_spacing_and_refines_the_cost(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    now = clock.now()
    call = twilio.call(7, rows.PHONE, "completed", now, duration="30")
    await rows.dialled(db, now, state="answered", call_sid=call, answered_at=now)
    form = rows.form("completed", 3, now, sid=call, CallDuration="30")
    await call_events.receive(db, kind="status", marker="marker-1", form=form, now=now, hands=Hands())
    await clock.advance(119)
    await sweep.tick(clock.now())
    assert twilio.asked == []
    await run(sweep, clock, 1)
    assert twilio.asked == [("fetch", call)]
    twilio.calls[call]["price"] = "-0.01400"
    await clock.advance(480)
    await sweep.tick(clock.now())
    row = await rows.row(db, "attempts")
    assert (row["price"], row["check_at"]) == (Decimal("-0.014"), None)
    assert (await rows.row(db, "outcomes"))["cost"] == Decimal("0.014")
    await clock.advance(86400)
    await sweep.tick(clock.now())
    assert len(twilio.asked) == 2


async def test_what_a_conversation_wrote_after_the_end_is_joined_at_the_latest_with_the_price(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    now = clock.now()
    call = twilio.call(7, rows.PHONE, "completed", now, duration="30")
    await rows.dialled(db, now, state="answered", call_sid=call, answered_at=now)
    form = rows.form("completed", 3, now, sid=call, CallDuration="30")
    await call_events.receive(db, kind="status", marker="marker-1", form=form, now=now, hands=Hands())
    await rows.run(db, "UPDATE attempts SET talk_disposition = 'interested'")
    await clock.advance(120)
    await sweep.tick(clock.now())
    assert (await rows.row(db, "outcomes"))["disposition"] == "interested"
    assert (await rows.row(db, "campaign_contacts"))["state"] == "done"


async def test_a_price_that_never_comes_is_given_up_after_a_day(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    now = clock.now()
    call = twilio.call(7, rows.PHONE, "completed", now)
    await rows.dialled(
        db, now, state="ended", settled_at=now, call_status="completed", call_sid=call, check_at=now
    )
    for _ in range(40):
        await sweep.tick(clock.now())
        await clock.advance(3600)
    assert len(twilio.asked) == 5
    assert (await rows.row(db, "attempts"))["check_at"] is None


async def test_events_that_failed_are_handled_again(
    db: Database, clock: ManualClock, sweep: Reconciler
) -> None:
    await rows.dialled(db, clock.now(), state="ringing", call_sid=rows.SID)
    await rows.run(db, "ALTER TABLE outcomes ADD CONSTRAINT broken CHECK (disposition <> 'busy')")
    form = rows.form("busy", 2, clock.now())
    await call_events.receive(db, kind="status", marker="marker-1", form=form, now=clock.now(), hands=Hands())
    await run(sweep, clock, 6)
    assert await state(db) == "ringing"
    await rows.run(db, "ALTER TABLE outcomes DROP CONSTRAINT broken")
    await run(sweep, clock, 1)
    assert await state(db) == "ended"


async def test_a_verdict_that_another_process_received_reaches_the_talk(
    db: Database, clock: ManualClock
) -> None:
    told: list[tuple[int, str]] = []

    async def on_machine(attempt_id: int, answered_by: str) -> bool:
        told.append((attempt_id, answered_by))
        return True

    attempt = await rows.dialled(
        db, clock.now(), state="answered", call_sid=rows.SID, answered_by="machine_end_beep"
    )
    assert await relay_machines(db, "one", on_machine) == 0
    await rows.run(
        db,
        "INSERT INTO conversation_sessions (attempt_id, ordinal, token_digest, replica, created_at, "
        "opened_at) VALUES (:id, 1, 'x', 'one', :now, :now)",
        id=attempt,
        now=clock.now(),
    )
    assert await relay_machines(db, "two", on_machine) == 0
    assert await relay_machines(db, "one", on_machine) == 1
    assert told == [(attempt, "machine_end_beep")]


# ── Twilio away, two replicas ──────────────────────────────────────────────────────────────────────────


async def test_with_twilio_away_one_question_is_tried_now_and_then_and_all_is_settled_soon_after(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    async with db.transaction() as tx:
        for number in range(250):
            await rows.attempt(
                tx,
                clock.now(),
                marker=f"m{number}",
                phone=f"+1212555{number:04d}",
                state="placed",
                call_sid=sid(number),
            )
    twilio.fail = 503
    await run(sweep, clock, 600, step=3)
    assert 600 / 18 <= len(twilio.asked) <= 20 + 600 / 15 + 4
    twilio.fail = None
    for number in range(250):
        twilio.call(number, f"+1212555{number:04d}", "completed", clock.now(), duration="5")
    await run(sweep, clock, 30)
    settled = await rows.rows(db, "outcomes")
    assert len(settled) > 0, "it goes on within half a minute"
    await run(sweep, clock, 30)
    assert len(await rows.rows(db, "outcomes")) == 250


async def test_a_time_that_twilio_names_is_kept(
    db: Database, clock: ManualClock, sweep: Reconciler, twilio: FakeTwilio
) -> None:
    await rows.dialled(db, clock.now(), state="placed", call_sid=sid(7))
    twilio.fail, twilio.retry_after = 429, 25
    await run(sweep, clock, 55)
    assert len(twilio.asked) == 1


async def test_two_replicas_that_sweep_at_once_ask_once(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    now = clock.now()
    call = twilio.call(7, rows.PHONE, "completed", now, duration="5")
    await rows.dialled(db, now, state="placed", call_sid=call)
    await clock.advance(31)
    both = [Reconciler(db, twilio.gateway, Hands()) for _ in range(2)]
    await asyncio.gather(*(one.tick(clock.now()) for one in both))
    assert twilio.asked == [("fetch", call)]
    assert len(await rows.rows(db, "outcomes")) == 1
