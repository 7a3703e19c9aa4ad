"""What the tick asks every second must stay on indexes, however many contacts a campaign has."""

import json
from typing import Any

from sqlalchemy import text

from campaign.flow import enrol, lifecycle
from campaign.store import campaigns, enrolment
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
