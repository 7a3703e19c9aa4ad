import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from campaign.domain.campaign import to_json
from campaign.flow import enrol, lifecycle
from campaign.store import campaigns, enrolment
from campaign.store.database import Database
from tests.support.campaigns import LOS_ANGELES, add_contacts, definition, make_list, phone, rows, rulebook
from tests.support.clock import ManualClock

RULES = rulebook()


async def enrolled(db: Database, campaign_id: int) -> list[str]:
    found = await rows(
        db, "SELECT phone FROM campaign_contacts WHERE campaign_id = :id ORDER BY id", id=campaign_id
    )
    return [row["phone"] for row in found]


async def draft(db: Database, clock: ManualClock, **changes: object) -> int:
    row = await lifecycle.create(db, definition(**changes), actor="test", now=clock.now())
    return row.id


async def test_contacts_of_finished_imports_and_single_ones_are_enrolled(
    db: Database, clock: ManualClock
) -> None:
    list_id = await make_list(db, contacts=3)
    await add_contacts(db, list_id, 2, first=10, imported="finished")
    campaign = await draft(db, clock)
    assert await enrol.tick(db, RULES, clock.now()) == 5
    assert await enrol.tick(db, RULES, clock.now()) == 0
    assert len(await enrolled(db, campaign)) == 5


@pytest.mark.parametrize("state", ["running", "interrupted", "discarded", "failed"])
async def test_contacts_of_an_unfinished_import_are_invisible(
    db: Database, clock: ManualClock, state: str
) -> None:
    await make_list(db, contacts=4, imported=state)
    campaign = await draft(db, clock)
    assert await enrol.tick(db, RULES, clock.now()) == 0
    assert await enrolled(db, campaign) == []


async def test_an_import_that_finishes_later_is_enrolled_also_while_the_campaign_runs(
    db: Database, clock: ManualClock
) -> None:
    list_id = await make_list(db, contacts=1)
    campaign = await draft(db, clock)
    await enrol.tick(db, RULES, clock.now())
    await lifecycle.start(db, "Minimal", actor="test", now=clock.now())
    late = await add_contacts(db, list_id, 3, first=5, imported="running")
    assert await enrol.tick(db, RULES, clock.now()) == 0
    await rows(db, "UPDATE imports SET state = 'finished' WHERE id = :id", id=late)
    assert await enrol.tick(db, RULES, clock.now()) == 3
    assert len(await enrolled(db, campaign)) == 4


async def test_a_campaign_has_a_number_once_over_all_its_lists(db: Database, clock: ManualClock) -> None:
    await make_list(db, "a", contacts=3)
    await make_list(db, "b", contacts=3, first=2)
    lists = [{"name": "b", "priority": 0}, {"name": "a", "priority": 1}]
    campaign = await draft(db, clock, lists=lists)
    assert await enrol.tick(db, RULES, clock.now()) == 5
    kept = await rows(
        db,
        "SELECT cc.priority FROM campaign_contacts cc WHERE campaign_id = :id AND phone = :phone",
        id=campaign,
        phone=phone(2),
    )
    assert kept == [{"priority": 0}]


async def test_contacts_are_due_at_the_first_legal_instant_of_their_zone(
    db: Database, clock: ManualClock
) -> None:
    list_id = await make_list(db, contacts=1)
    await add_contacts(db, list_id, 1, first=1, place=LOS_ANGELES)
    await add_contacts(db, list_id, 1, first=2, place="US||")
    await draft(db, clock)
    await enrol.tick(db, RULES, clock.now())
    found = await rows(db, "SELECT phone, next_at FROM campaign_contacts ORDER BY phone")
    assert [row["next_at"] for row in found] == [
        clock.now(),
        datetime(2026, 11, 24, 17, 0, tzinfo=UTC),  # nine in Los Angeles
        clock.now(),  # no zone is known: the rules will say so
    ]


async def test_a_contact_added_singly_is_enrolled_in_the_same_transaction(
    db: Database, clock: ManualClock
) -> None:
    list_id = await make_list(db, contacts=1)
    campaign = await draft(db, clock)
    await enrol.tick(db, RULES, clock.now())
    await add_contacts(db, list_id, 1, first=7)
    (contact,) = await rows(db, "SELECT id FROM contacts WHERE phone = :phone", phone=phone(7))
    async with db.transaction() as tx:
        assert await enrol.enrol_contact(tx, contact["id"], clock.now()) == 1
    assert await enrolled(db, campaign) == [phone(0), phone(7)]


async def test_enrolling_goes_on_where_it_stood_in_batches(
    db: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrol, "BATCH", 4)
    await make_list(db, contacts=10, imported="finished")
    campaign = await draft(db, clock)
    assert await enrol.tick(db, RULES, clock.now(), batches=2) == 4  # one batch went to the single ones
    (row,) = await rows(db, "SELECT enrolled_at FROM campaigns WHERE id = :id", id=campaign)
    assert row["enrolled_at"] is None
    assert await enrol.tick(db, RULES, clock.now()) == 6
    (row,) = await rows(db, "SELECT enrolled_at FROM campaigns WHERE id = :id", id=campaign)
    assert row["enrolled_at"] == clock.now()


async def test_moving_the_hours_moves_who_waits_for_a_first_attempt(db: Database, clock: ManualClock) -> None:
    await make_list(db, contacts=2)
    campaign = await draft(db, clock)
    await enrol.tick(db, RULES, clock.now())
    later = definition(schedule={"week": {"mon-fri": "14:00-17:00"}})
    await lifecycle.edit(db, RULES, "Minimal", later, actor="test", now=clock.now())
    found = await rows(
        db, "SELECT DISTINCT next_at FROM campaign_contacts WHERE campaign_id = :id", id=campaign
    )
    assert found == [{"next_at": clock.now() + timedelta(hours=4)}]


# ── planning again ─────────────────────────────────────────────────────────────────────────────────────

_PLANNED = "SELECT count(*) AS n, min(next_at) AS at, max(next_at) AS last FROM campaign_contacts"


async def test_other_hours_that_a_killed_process_left_half_planned_are_planned_by_the_tick(
    db: Database, clock: ManualClock
) -> None:
    await make_list(db, contacts=7_000, imported="finished")
    await lifecycle.create(db, definition(), actor="test", now=clock.now())
    await enrol.catch_up(db, rulebook(), 1, clock.now())
    noon = clock.now() + timedelta(hours=2)  # it is ten o'clock where they are
    later = definition(schedule={"week": {"mon-sun": "12:00-20:00"}})
    async with db.transaction() as tx:  # an edit whose process dies before it has planned anything
        await campaigns.add_version(tx, 1, 2, to_json(later), "test", clock.now())
        await tx.execute(text("UPDATE campaigns SET version = 2"))
        await enrolment.begin_planning(tx, 1)
    assert await enrol.plan_again(db, rulebook(), 1, clock.now(), batches=1) == 1
    assert (await rows(db, "SELECT replan_after FROM campaigns"))[0]["replan_after"] == 5_000
    await enrol.tick(db, rulebook(), clock.now())
    assert await rows(db, _PLANNED) == [{"n": 7_000, "at": noon, "last": noon}]
    assert (await rows(db, "SELECT replan_after FROM campaigns"))[0]["replan_after"] is None


async def test_planning_again_waits_for_no_contact_that_is_just_called_or_suppressed(
    db: Database, clock: ManualClock
) -> None:
    await make_list(db, contacts=20, imported="finished")
    await lifecycle.create(db, definition(), actor="test", now=clock.now())
    await enrol.catch_up(db, rulebook(), 1, clock.now())
    await rows(db, "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL WHERE id > 10")
    async with db.transaction() as tx:
        await tx.execute(text("SELECT 1 FROM campaign_contacts WHERE id = 3 FOR UPDATE"))
        async with asyncio.timeout(120):
            later = definition(schedule={"week": {"mon-sun": "12:00-20:00"}})
            await lifecycle.edit(db, rulebook(), "Minimal", later, actor="test", now=clock.now())
    noon = clock.now() + timedelta(hours=2)
    found = await rows(db, "SELECT id, next_at FROM campaign_contacts ORDER BY id")
    assert [one["next_at"] for one in found if one["id"] <= 10 and one["id"] != 3] == [noon] * 9
    assert [one["next_at"] for one in found if one["id"] > 10] == [clock.now()] * 10  # judged once more
    assert found[2]["next_at"] == clock.now()
    assert (await rows(db, "SELECT replan_after FROM campaigns"))[0]["replan_after"] is None
