"""Answers about numbers in Postgres: the latest counts, found by index; holds; whose turn comes soon."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from campaign.domain.lookup import Finding, Known, Want
from campaign.store import lookups
from campaign.store.database import Database
from campaign.store.lookups import Hold, Kept
from tests.flow.test_facts import campaign
from tests.support.campaigns import phone, rows
from tests.support.clock import TUESDAY_MORNING

NOW = TUESDAY_MORNING
FIRST, SECOND = date(2026, 9, 1), date(2026, 10, 1)


def line(answer: str, number: str = phone(0), campaign_id: int | None = None, cost: str = "0.01") -> Kept:
    detail = {"type": answer, "carrier": 'Ann & "Sons"'}
    return Kept(number, Finding(Want.LINE_TYPE, answer, None, detail), Decimal(cost), campaign_id)


def owner(answer: str, about: date, number: str = phone(0)) -> Kept:
    return Kept(number, Finding(Want.REASSIGNED, answer, about), Decimal("0.03"), None)


async def keep(db: Database, *found: Kept, minutes: int = 0) -> None:
    async with db.transaction() as tx:
        at = NOW + timedelta(minutes=minutes)
        await lookups.keep(tx, found, source="twilio", actor="test", now=at)


async def latest(db: Database, *numbers: str) -> dict[str, list[Known]]:
    async with db.connection() as tx:
        return await lookups.latest(tx, numbers)


async def test_the_latest_answer_of_each_sort_and_each_date_of_consent_is_found(db: Database) -> None:
    await keep(db, line("mobile"), owner("no", FIRST), owner("yes", SECOND), line("fixed", phone(1)))
    await keep(db, line("fixed"), owner("no_data", FIRST), minutes=5)
    found = await latest(db, phone(0), phone(1), phone(2))
    told = {(one.want, one.about): (one.answer, one.asked_at) for one in found[phone(0)]}
    assert told == {
        (Want.LINE_TYPE, None): ("fixed", NOW + timedelta(minutes=5)),
        (Want.REASSIGNED, FIRST): ("no_data", NOW + timedelta(minutes=5)),
        (Want.REASSIGNED, SECOND): ("yes", NOW),
    }
    assert found[phone(1)][0].detail == {"type": "fixed", "carrier": 'Ann & "Sons"'}
    assert found.keys() == {phone(0), phone(1)}
    assert await latest(db) == {}


async def test_of_two_answers_of_one_instant_the_one_written_later_counts(db: Database) -> None:
    await keep(db, line("mobile"))
    await keep(db, line("pager"))
    assert [one.answer for one in (await latest(db, phone(0)))[phone(0)]] == ["pager"]


async def test_answers_are_read_by_index_whatever_the_tables_size(db: Database) -> None:
    await keep(db, line("mobile"))
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await tx.execute(text("EXPLAIN " + lookups.LATEST.text), {"phones": [phone(0)]})
        told = "\n".join(row[0] for row in plan)
    assert "ix_number_lookups_phone_what_about_asked_at" in told
    assert "Seq Scan" not in told


async def test_whose_turn_comes_soon_is_read_by_index(db: Database) -> None:
    one = await campaign(db, 1)
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        await tx.execute(text("SET LOCAL enable_bitmapscan = off"))
        given = {"ids": [one], "until": NOW, "most": 10, "now": NOW}
        plan = "\n".join(row[0] for row in await tx.execute(text("EXPLAIN " + lookups.AHEAD.text), given))
    assert "ix_campaign_contacts_due" in plan
    assert "Seq Scan on campaign_contacts" not in plan


async def test_what_answers_cost_is_added_to_their_campaigns_day(db: Database) -> None:
    one, two = await campaign(db, 1), await campaign(db, 1, name="Other")
    await rows(
        db,
        "INSERT INTO campaign_spend (campaign_id, day, attempts, reserved, spent) "
        "VALUES (:id, :day, 1, 2, 3)",
        id=one,
        day=NOW.date(),
    )
    await keep(db, line("mobile", campaign_id=one), line("mobile", phone(1), campaign_id=one))
    await keep(
        db, line("mobile", phone(2), campaign_id=two), line("unknown", phone(3), campaign_id=two, cost="0")
    )
    await keep(db, line("mobile", phone(4)))
    await keep(db)
    spent = await rows(db, "SELECT campaign_id, attempts, reserved, spent FROM campaign_spend ORDER BY 1")
    assert [tuple(row.values()) for row in spent] == [
        (one, 1, Decimal(2), Decimal("3.02")),
        (two, 0, Decimal(0), Decimal("0.01")),
    ]


@pytest.mark.parametrize(
    "wrong", [Finding(Want.REASSIGNED, "no", None), Finding(Want.LINE_TYPE, "mobile", FIRST)]
)
async def test_a_date_of_consent_belongs_to_answers_about_the_owner_only(
    db: Database, wrong: Finding
) -> None:
    with pytest.raises(IntegrityError):
        await keep(db, Kept(phone(0), wrong, Decimal(0), None))


async def test_a_hold_stands_until_it_is_released(db: Database) -> None:
    held = Hold(NOW + timedelta(seconds=30), "Twilio answered 500.", 1)
    async with db.transaction() as tx:
        assert await lookups.holds(tx) == {}
        await lookups.hold(tx, Want.LINE_TYPE, held)
        await lookups.hold(tx, Want.REASSIGNED, held)
        longer = Hold(NOW + timedelta(seconds=60), "Twilio answered 503.", 2)
        await lookups.hold(tx, Want.LINE_TYPE, longer)
        assert await lookups.holds(tx) == {Want.LINE_TYPE: longer, Want.REASSIGNED: held}
        await lookups.release(tx, [Want.LINE_TYPE])
        assert await lookups.holds(tx) == {Want.REASSIGNED: held}


async def test_only_a_contact_that_waits_is_put_off(db: Database) -> None:
    await campaign(db, 2)
    await rows(
        db,
        "UPDATE campaign_contacts SET state = 'calling', next_at = NULL WHERE phone = :phone",
        phone=phone(1),
    )
    ids = [row["id"] for row in await rows(db, "SELECT id FROM campaign_contacts")]
    until = NOW + timedelta(minutes=10)
    async with db.transaction() as tx:
        await lookups.postpone(tx, dict.fromkeys(ids, "check.line_type"), until, NOW)
    found = await rows(db, "SELECT state, next_at, waiting_for FROM campaign_contacts ORDER BY phone")
    assert [tuple(row.values()) for row in found] == [
        ("waiting", until, "check.line_type"),
        ("calling", None, None),
    ]


async def test_the_story_of_a_number_has_its_latest_answers_oldest_first(db: Database) -> None:
    for n in range(4):
        await keep(db, line(f"kind {n}"), minutes=n)
    async with db.connection() as tx:
        found = await lookups.of_phone(tx, phone(0), limit=3)
    assert [one.answer for one in found] == ["kind 1", "kind 2", "kind 3"]
    assert (found[0].cost, found[0].source, found[0].actor) == (Decimal("0.01"), "twilio", "test")
