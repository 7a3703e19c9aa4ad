from datetime import UTC, datetime, timedelta

import pytest

from campaign.flow import enrol, lifecycle
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
