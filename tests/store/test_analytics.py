import re
from pathlib import Path

from sqlalchemy import text

from campaign.domain.disposition import MEANING, Disposition
from campaign.flow import enrol, lifecycle
from campaign.store import analytics, reports
from campaign.store.database import Database
from tests.support.campaigns import definition, make_attempt, make_list, phone, rows, rulebook
from tests.support.clock import ManualClock

PAGE = Path(__file__).parents[2] / "docs" / "data-dictionary.md"
MIGRATION = Path(__file__).parents[2] / "migrations" / "versions" / "0002_analytics.py"


async def campaign_of(db: Database, clock: ManualClock) -> int:
    await make_list(db, contacts=5)
    row = await lifecycle.create(db, definition(), actor="test", now=clock.now())
    await enrol.tick(db, rulebook(), clock.now())
    for n, disposition in enumerate(["interested", "no_answer", "abandoned"]):
        category = MEANING[Disposition(disposition)].category.value
        await make_attempt(
            db,
            row.id,
            phone(n),
            state="ended",
            disposition=disposition,
            category=category,
            cost=0.5,
            seconds=n,
        )
    await make_attempt(db, row.id, phone(3), state="ringing")
    return row.id


async def test_the_data_dictionary_is_current(db: Database) -> None:
    async with db.connection() as tx:
        made = analytics.dictionary(await analytics.views(tx))
    assert PAGE.read_text() == made, "run: python docs/tools/make_data_dictionary.py"


async def test_every_view_and_every_column_says_what_it_means(db: Database) -> None:
    async with db.connection() as tx:
        found = await analytics.views(tx)
    assert {view.name for view in found} >= {
        "attempts",
        "contacts",
        "campaigns",
        "outcomes_daily",
        "transcripts",
        "decisions",
    }
    silent = [f"{v.name}.{c.name}" for v in found for c in v.columns if not c.comment]
    assert silent == []
    assert all(view.comment for view in found)
    odd = [f"{v.name}.{c.name}" for v in found for c in v.columns if c.type == "numeric"]
    assert odd == [], "BI tools read numeric as text"


async def test_the_statements_in_the_dictionary_run(db: Database, clock: ManualClock) -> None:
    await campaign_of(db, clock)
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    statements = [one.strip() for block in blocks for one in block.split(";") if one.strip()]
    assert len(statements) >= 6
    async with db.transaction() as tx:
        for statement in statements:
            await tx.exec_driver_sql(statement)
        await tx.execute(text("DROP OWNED BY analyst"))
        await tx.execute(text("DROP ROLE analyst"))


async def test_the_views_reconcile_with_the_report_and_with_each_other(
    db: Database, clock: ManualClock
) -> None:
    campaign = await campaign_of(db, clock)
    async with db.connection() as tx:
        funnel = {step.step: step.contacts for step in await reports.funnel(tx, campaign)}
    (row,) = await rows(db, "SELECT * FROM analytics.campaigns WHERE campaign_id = :id", id=campaign)
    assert {name: row[name] for name in ("enrolled", "called", "answered", "reached")} == {
        name: funnel[name] for name in ("enrolled", "called", "answered", "reached")
    }
    assert row["successes"] == funnel["won"] == 1
    assert row["enrolled"] == row["waiting"] + row["calling"] + row["done"] + row["blocked"]
    (daily,) = await rows(db, "SELECT sum(attempts) AS n, sum(cost) AS cost FROM analytics.outcomes_daily")
    assert (daily["n"], daily["cost"]) == (3, 1.5)
    assert row["cost"] == 1.5
    assert row["attempts"] == len(await rows(db, "SELECT FROM analytics.attempts")) == 4


async def test_attempts_tell_the_hour_on_the_contacts_own_clock(db: Database, clock: ManualClock) -> None:
    await campaign_of(db, clock)
    found = await rows(
        db, "SELECT DISTINCT zone, extract(hour FROM local_time) AS hour FROM analytics.attempts"
    )
    assert found == [{"zone": "America/New_York", "hour": 10}]
    await rows(db, "UPDATE contacts SET place = 'US||Nowhere/Land'")
    found = await rows(db, "SELECT DISTINCT zone, local_time FROM analytics.attempts")
    assert found == [{"zone": "Nowhere/Land", "local_time": None}]


async def test_decisions_have_a_row_for_each_rule_that_says_no(db: Database, clock: ManualClock) -> None:
    await campaign_of(db, clock)
    await rows(
        db,
        "INSERT INTO decisions (campaign_id, campaign_contact_id, phone, verdict, fingerprint, reasons, "
        "packs, decided_at) SELECT campaign_id, id, phone, 'block', 'x', CAST(:reasons AS jsonb), '[]', :now "
        "FROM campaign_contacts ORDER BY id LIMIT 1",
        reasons='{"reasons": [{"rule": "dnc.own", "verdict": "block", "why": "a", "source": ""}, '
        '{"rule": "US.hours", "verdict": "defer", "why": "b"}, {"rule": "place.known", "verdict": "allow"}]}',
        now=clock.now(),
    )
    found = await rows(db, "SELECT rule, rule_verdict FROM analytics.decisions ORDER BY rule")
    assert found == [
        {"rule": "US.hours", "rule_verdict": "defer"},
        {"rule": "dnc.own", "rule_verdict": "block"},
    ]


def test_the_funnel_of_the_view_counts_the_same_dispositions_as_reached_as_the_service() -> None:
    listed = re.search(r"o\.disposition IN \((.*?)\)", MIGRATION.read_text(), re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"'(\w+)'", listed[1])) == {d.value for d, m in MEANING.items() if m.connect}
