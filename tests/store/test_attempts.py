"""The sweep runs every second, and each webhook asks: none of it may read through a whole table."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from campaign.domain.attempt import AttemptEvent
from campaign.flow import inbox, outcomes
from campaign.store import attempts, events, sessions, sweeps
from campaign.store.attempts import AnotherCall, Told
from campaign.store.database import Database, Tx
from tests.support import rows
from tests.support.clock import ManualClock

MANY = 20_000


async def fill(db: Database, clock: ManualClock) -> None:
    """Twenty thousand attempts of the past, with their events, sessions and outcomes."""
    await rows.dialled(db, clock.now(), state="placed", call_sid=rows.SID)
    statements = (
        f"INSERT INTO attempts (marker, phone, caller_id, state, intent_at, slot_at, replica, settled_at, "
        f"ended_at, call_sid, call_status) SELECT 'old-' || n, '+1212' || (5000000 + n), '+12125550100', "
        f"'ended', at, at, 'gone', at, at, 'CB' || n, 'completed' FROM "
        f"(SELECT n, CAST(:now AS timestamptz) - n * interval '1 min' AS at "
        f"FROM generate_series(1, {MANY}) n) g",
        "INSERT INTO call_events (dedupe, kind, marker, attempt_id, payload, received_at, handled_at) "
        "SELECT marker, 'status', marker, id, '{}', intent_at, intent_at FROM attempts",
        "INSERT INTO conversation_sessions (attempt_id, ordinal, token_digest, created_at, opened_at) "
        "SELECT id, 1, CAST(marker AS bytea), intent_at, intent_at FROM attempts WHERE state = 'ended'",
    )
    for statement in statements:
        given = {"now": clock.now()} if ":now" in statement else {}
        await rows.run(db, statement, **given)
    for table in ("attempts", "call_events", "conversation_sessions", "campaign_contacts"):
        await rows.run(db, f"ANALYZE {table}")


async def test_nothing_that_runs_every_second_reads_through_a_table(db: Database, clock: ManualClock) -> None:
    await fill(db, clock)
    now = clock.now() + timedelta(seconds=40)
    silent = now - timedelta(seconds=30)
    async with db.transaction() as tx:
        before = await read_through(tx)
        await sweeps.lose(tx, now, silent)
        await sweeps.mark_cancels(tx, now)
        await sessions.close_orphans(tx, now, silent)
        await sessions.close_leftovers(tx, [1, 2, 3], now)
        await sweeps.claim_cancels(tx, now, 60)
        await sweeps.claim_unknown(tx, now, 60)
        assert [found.id for found in await sweeps.claim_silent(tx, now, 60, silent)] == [1]
        await sweeps.claim_unpriced(tx, now, 60)
        await events.unhandled(tx, now, 100)
        await sessions.machines(tx, "one")
        await sweeps.known_sids(tx, [rows.SID])
        taken = await inbox.take(tx, "status", "marker-1", rows.form("busy", 1, now), now)
        assert taken is not None
        assert taken.attempt is not None
        told = Told(at=now, event=AttemptEvent.OVER, call_status="busy")
        await attempts.apply_locked(tx, taken.attempt, told, now)
        await outcomes.close(tx, 1, now)
        assert await read_through(tx) == before
        await tx.execute(text("SELECT count(*) FROM attempts WHERE replica = 'nobody'"))
        assert await read_through(tx) == {**before, "attempts": before["attempts"] + 1}  # it is seen


async def read_through(tx: Tx) -> dict[str, int]:
    """How often this connection has read each large table from end to end, as far as it hasn't reported."""
    found = await tx.execute(
        text(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname IN "
            "('attempts', 'call_events', 'conversation_sessions', 'outcomes')"
        )
    )
    return {row.relname: row.seq_scan for row in found}


async def test_an_attempt_is_found_by_marker_sid_and_id(db: Database, clock: ManualClock) -> None:
    await rows.dialled(db, clock.now(), state="placed", call_sid=rows.SID)
    async with db.transaction() as tx:
        one = await attempts.by_marker(tx, "marker-1", lock=True)
        assert one is not None
        assert one == await attempts.by_sid(tx, rows.SID) == await attempts.by_id(tx, one.id)
        assert await attempts.by_marker(tx, "stranger") is None
        assert await attempts.apply(tx, 4711, Told(at=clock.now()), clock.now()) is None


async def test_a_second_call_for_one_attempt_is_an_error_and_changes_nothing(
    db: Database, clock: ManualClock
) -> None:
    attempt = await rows.dialled(db, clock.now(), state="placed", call_sid=rows.SID)
    before = await rows.row(db, "attempts")
    told = Told.of_status("completed", clock.now(), call_sid="CA" + "f" * 32)
    async with db.transaction() as tx:
        with pytest.raises(AnotherCall):
            await attempts.apply(tx, attempt, told, clock.now())
    assert await rows.row(db, "attempts") == before


async def test_twilios_whole_seconds_never_put_a_step_before_the_intent(
    db: Database, clock: ManualClock
) -> None:
    intent = clock.now() + timedelta(milliseconds=700)
    attempt = await rows.dialled(db, intent)
    async with db.transaction() as tx:
        told = Told.of_status("ringing", clock.now(), call_sid=rows.SID)
        after = await attempts.apply(tx, attempt, told, intent)
    assert after is not None
    assert after.ringing_at == intent
