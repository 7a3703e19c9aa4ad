"""What the tick asks every second must stay on indexes, however many contacts a campaign has."""

import json
from datetime import timedelta
from typing import Any

import psycopg
from sqlalchemy import text

from campaign.flow import enrol, lifecycle
from campaign.flow.due import DueContacts
from campaign.store import campaigns, claims, enrolment
from campaign.store.database import Database
from tests.support.campaigns import definition, make_list, rows, rulebook
from tests.support.clock import ManualClock


def _scanned(plan: dict[str, Any]) -> set[str]:
    """Tables that a plan reads through from end to end."""
    found = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    for part in plan.get("Plans", []):
        found |= _scanned(part)
    return found


async def _plan(db: Database, statement: Any, **given: object) -> set[str]:
    async with db.transaction() as tx:
        explained = (await tx.execute(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), given)).scalar_one()
    plans = explained if isinstance(explained, list) else json.loads(explained)
    return _scanned(plans[0]["Plan"])


async def _large(db: Database, clock: ManualClock) -> None:
    await make_list(db, contacts=9_000, imported="finished")
    await lifecycle.create(db, definition(), actor="test", now=clock.now())
    await enrol.catch_up(db, rulebook(), 1, clock.now())
    await lifecycle.start(db, "Minimal", actor="test", now=clock.now())
    await rows(
        db,
        "INSERT INTO attempts (marker, campaign_id, phone, caller_id, state, intent_at, slot_at, replica, "
        "settled_at) SELECT gen_random_uuid(), 1, phone, '+12025550142', 'ended', :now, :now, 'r', :now "
        "FROM campaign_contacts",
        now=clock.now(),
    )
    await rows(db, "ANALYZE")


async def test_looking_for_campaigns_that_are_due_reads_through_no_contacts(
    db: Database, clock: ManualClock
) -> None:
    await _large(db, clock)
    scanned = await _plan(db, campaigns._DUE, now=clock.now())
    assert not scanned & {"campaign_contacts", "attempts", "contacts"}


async def test_a_batch_is_enrolled_without_reading_through_the_contacts(
    db: Database, clock: ManualClock
) -> None:
    await _large(db, clock)
    given = {
        "campaign": 1,
        "list": 1,
        "import": 1,
        "through": 8_000,
        "priority": 0,
        "places": ["x"],
        "instants": [clock.now()],
        "most": 100,
        "now": clock.now(),
    }
    assert not await _plan(db, enrolment._ENROL, **given) & {"campaign_contacts", "contacts"}


async def test_looking_for_contacts_to_enrol_reads_through_none(db: Database, clock: ManualClock) -> None:
    await _large(db, clock)
    scanned = await _plan(db, enrolment._TASKS, states=enrol.STATES, id=None)
    assert not scanned & {"campaign_contacts", "contacts"}


# ── the claim ──────────────────────────────────────────────────────────────────────────────────────────


def _parts(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(one for part in plan.get("Plans", []) for one in _parts(part))]


async def _look(db: Database, clock: ManualClock, begin: claims.From | None = None) -> tuple[int, list[str]]:
    """What a look for 100 due contacts does: pages touched, and indexes and tables that it goes through."""
    statement = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claims.DUE.text}"
    async with db.transaction() as tx:
        given = claims.due_arguments({1: 100}, clock.now(), begin)
        explained = (await tx.execute(text(statement), given)).scalar_one()
    plan = (explained if isinstance(explained, list) else json.loads(explained))[0]["Plan"]
    parts = _parts(plan)
    assert not [one for one in parts if one.get("Rows Removed by Filter")]
    through = [one.get("Index Name") or one.get("Relation Name") for one in parts]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], [name for name in through if name]


_CALLED = """
    UPDATE campaign_contacts SET state = 'done', next_at = NULL WHERE id IN (
        SELECT id FROM campaign_contacts WHERE next_at <= :now ORDER BY next_at, id LIMIT :most)
"""


async def test_a_look_for_due_contacts_reads_no_more_when_thousands_sleep_before_them_and_behind(
    db: Database, clock: ManualClock
) -> None:
    await _large(db, clock)
    pages, through = await _look(db, clock)
    assert "ix_campaign_contacts_due" in through
    await rows(db, "UPDATE campaign_contacts SET next_at = NULL, state = 'blocked' WHERE id % 3 = 0")
    await rows(
        db,
        "UPDATE campaign_contacts SET next_at = CAST(:at AS timestamptz) WHERE id % 3 = 1",
        at=clock.now() + timedelta(days=1),
    )
    await rows(db, "ANALYZE campaign_contacts")
    await _look(db, clock)  # passes what is dead once, and says so in the index
    put_off, through = await _look(db, clock)
    assert "ix_campaign_contacts_due" in through
    assert put_off < pages + 150  # of 100 contacts, each on a page of its own at worst


async def test_a_remembered_look_reads_past_nothing_that_was_called_while_a_snapshot_is_held(
    db: Database, clock: ManualClock, db_url: str
) -> None:
    await _large(db, clock)
    seek, most = DueContacts(), {1: 100}
    pages, _ = await _look(db, clock)
    with psycopg.connect(db_url.replace("+psycopg", "")) as analyst:
        analyst.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        analyst.execute("SELECT count(*) FROM contacts")
        await rows(db, _CALLED, now=clock.now(), most=6_000)
        async with db.transaction() as tx:
            found = await seek.look(tx, most, clock.now(), clock)
        await _look(db, clock)
        full, _ = await _look(db, clock)
        remembered, through = await _look(db, clock, seek.begin)
    assert "ix_campaign_contacts_due" in through
    assert full > pages + 40  # the 6,000 lie on more pages than that
    assert remembered < pages + 20
    async with db.transaction() as tx:
        assert await claims.due(tx, most, clock.now(), seek.begin) == found
