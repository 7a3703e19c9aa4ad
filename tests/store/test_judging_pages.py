"""What previews and replays read comes in pages, each by one probe of an index, whatever the tables' size."""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.sql.elements import TextClause

from campaign.store import candidates, dials
from campaign.store.database import Database
from tests.flow.test_facts import campaign
from tests.support.campaigns import make_attempt, phone, rows

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


async def plan(db: Database, statement: TextClause, **given: object) -> str:
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        await tx.execute(text("SET LOCAL enable_bitmapscan = off"))
        await tx.execute(text("SET LOCAL enable_sort = off"))
        return "\n".join(row[0] for row in await tx.execute(text("EXPLAIN " + statement.text), given))


async def test_contacts_to_judge_are_read_by_the_campaigns_key(db: Database) -> None:
    one = await campaign(db, 3)
    told = await plan(db, candidates.PAGE, id=one, after="", most=2)
    assert "uq_campaign_contacts_campaign_id" in told
    assert "Sort" not in told


async def test_each_contact_that_waits_or_is_blocked_is_on_one_page(db: Database) -> None:
    one, two = await campaign(db, 7), await campaign(db, 2, name="Other")
    await rows(
        db,
        "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL WHERE phone = :phone",
        phone=phone(1),
    )
    await rows(
        db,
        "UPDATE campaign_contacts SET state = 'done', next_at = NULL WHERE phone = :phone",
        phone=phone(2),
    )
    seen, after = [], ""
    async with db.connection() as tx:
        while True:
            found, after = await candidates.page(tx, one, after, 3)
            seen += [(row.campaign_id, row.phone) for row in found]
            if len(found) < 3:
                break
        assert await candidates.counts(tx, one) == {"waiting": 5, "blocked": 1, "done": 1}
        assert sum((await candidates.counts(tx, two)).values()) == 2
    assert seen == [(one, phone(n)) for n in (0, 1, 3, 4, 5, 6)]


async def test_past_dials_are_read_by_campaign_and_instant(db: Database) -> None:
    one = await campaign(db, 1)
    told = await plan(db, dials.PAGE, campaign=one, after_at=LONG_AGO, after_id=0, until=LATER, most=10)
    assert "ix_attempts_campaign_id_intent_at" in told
    assert "ix_decisions_" in told, "of the contact or of its number: few rows either way"


async def test_dials_of_one_instant_are_each_on_one_page(db: Database) -> None:
    one = await campaign(db, 5)
    made = [await make_attempt(db, one, phone(n), state="ringing") for n in range(5)]
    seen, after = [], (LONG_AGO, 0)
    async with db.connection() as tx:
        while page := await dials.page(tx, one, after, LATER, 2):
            seen += [dial.attempt_id for dial in page]
            after = (page[-1].at, page[-1].attempt_id)
        assert await dials.count(tx, LONG_AGO, LATER) == {one: 5}
    assert seen == made
