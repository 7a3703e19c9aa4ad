"""Abandoned calls slow a campaign down, then pause it, and only somebody's word lets it go on."""

from datetime import timedelta
from typing import Any

import pytest

from campaign.domain.errors import Conflict
from campaign.domain.pacing import Pace
from campaign.flow import hindrances, lifecycle, rule_records
from campaign.flow.claiming import Claimer, ClaimLimits
from campaign.flow.facts import AbandonmentCounts
from campaign.flow.outcomes import Terms
from campaign.settings import read_settings
from campaign.store import campaigns, claims
from campaign.store.database import Database
from campaign.wiring import read_rates
from tests.support.campaigns import rows, rulebook
from tests.support.clock import ManualClock
from tests.support.dialing import running_campaign

RATES = read_rates(read_settings({}, None))


async def history(db: Database, campaign_id: int, answered: int, abandoned: int, clock: ManualClock) -> None:
    """Calls of yesterday that a person answered; the first of them abandoned."""
    await rows(db, "DELETE FROM attempts WHERE settled_at IS NOT NULL")
    await rows(
        db,
        """
        WITH made AS (
            INSERT INTO attempts (marker, campaign_id, phone, caller_id, state, intent_at, slot_at, replica,
                                  settled_at, number, due_for)
            SELECT gen_random_uuid(), :id, '+12125559999', '+12025550142', 'ended', :at, :at, 'x', :at, 1,
                   'first' FROM generate_series(1, CAST(:answered AS int)) RETURNING id)
        INSERT INTO outcomes (attempt_id, campaign_id, disposition, category, final, abandoned, recorded_at)
        SELECT id, :id, 'completed', 'neutral', true, row_number() OVER () <= :abandoned, :at FROM made
        """,
        id=campaign_id,
        answered=answered,
        abandoned=abandoned,
        at=clock.now() - timedelta(days=1),
    )


def claimer() -> Claimer:
    limits = ClaimLimits(Pace(100), None, rulebook(), RATES, "one", iter(map(str, range(10_000))).__next__)
    return Claimer(limits)


async def dials(db: Database, one: Claimer, clock: ManualClock) -> int:
    async with db.transaction() as tx:
        return len((await one.claim(tx, clock)).dials)


async def test_a_campaign_near_the_ceiling_keeps_a_part_of_its_lines_and_pace(
    db: Database, clock: ManualClock
) -> None:
    one = await running_campaign(db, clock, 40, purpose="sales", pacing={"lines": 12})
    await history(db, one, 1000, 20, clock)
    dialler = claimer()
    async with db.transaction() as tx:
        (before,), _ = await claims.running(tx, clock.now(), timedelta(seconds=1))
        (slowed,), _ = await claims.running(
            tx, clock.now(), timedelta(seconds=1), slowed={one: 1 / 3}, account_pace=30
        )
    assert (before.lines, before.calls_per_second) == (12, None)
    assert (slowed.lines, slowed.calls_per_second) == (4, 10)
    await dials(db, dialler, clock)
    await clock.advance(2)
    await rows(db, "DELETE FROM attempts WHERE settled_at IS NULL")
    made = 0
    for _ in range(20):
        made += await dials(db, dialler, clock)
        await clock.advance(0.25)
    assert made == 4, "a third of its twelve lines"


@pytest.mark.parametrize(("lines", "kept", "left"), [(1, 0.1, 1), (10, 0.1, 1), (25, 0.5, 12)])
async def test_a_slowed_campaign_keeps_one_line_at_least(
    db: Database, clock: ManualClock, lines: int, kept: float, left: int
) -> None:
    one = await running_campaign(db, clock, 1, pacing={"lines": lines, "calls_per_second": 2})
    async with db.transaction() as tx:
        (slowed,), _ = await claims.running(
            tx, clock.now(), timedelta(seconds=1), slowed={one: kept}, account_pace=30
        )
    assert slowed.lines == left
    assert slowed.calls_per_second == pytest.approx(2 * kept)


async def told(db: Database, clock: ManualClock) -> str:
    async with db.connection() as tx:
        row = await campaigns.find(tx, "Minimal")
        found = await hindrances.of_campaign(tx, row, clock.now(), rates=RATES, rulebook=rulebook())
    return " ".join(found)


async def test_a_slowed_campaign_says_so(db: Database, clock: ManualClock) -> None:
    one = await running_campaign(db, clock, 1, purpose="sales")
    await history(db, one, 1000, 20, clock)
    assert "20 of 1,000 answered calls were abandoned in 30 days (2.0%)" in await told(db, clock)
    assert "it dials at 33% of its pace and lines; over it, it pauses" in await told(db, clock)
    await history(db, one, 1000, 14, clock)
    assert "abandoned" not in await told(db, clock)


async def test_over_the_ceiling_it_pauses_itself_with_the_figures_and_stays_so(
    db: Database, clock: ManualClock
) -> None:
    one = await running_campaign(db, clock, 5, purpose="sales")
    counts = AbandonmentCounts()
    assert await lifecycle.pause_abandoning(db, rulebook(), counts, clock.now()) == []
    await history(db, one, 1000, 31, clock)
    assert await dials(db, claimer(), clock) == 0, "nobody is dialled, whether or not it is paused yet"
    (waiting,) = await rows(db, "SELECT count(*) AS n FROM campaign_contacts WHERE waiting_for IS NOT NULL")
    assert waiting["n"] == 0, "no contact is put off for it"
    assert await lifecycle.pause_abandoning(db, rulebook(), counts, clock.now()) == []
    await clock.advance(60)
    (change,) = await lifecycle.pause_abandoning(db, rulebook(), counts, clock.now())
    assert change.state == "paused"
    assert "31 of 1,000 answered calls were abandoned in 30 days (3.1%); the ceiling is 3.0%" in change.why
    assert "campaign rules waive US.abandon" in change.why
    (line,) = await rows(db, "SELECT actor FROM campaign_log ORDER BY id DESC LIMIT 1")
    assert line["actor"] == "system:abandonment"

    async def resume() -> Any:
        return await lifecycle.resume(db, "Minimal", actor="ana", now=clock.now(), rulebook=rulebook())

    with pytest.raises(Conflict, match="does not go on: 31 of 1,000"):
        await resume()
    waive = {"reason": "the model was away for an hour", "until": None, "actor": "cli:anna"}
    await rule_records.waive(db, rulebook(), "US.abandon", "Minimal", now=clock.now(), **waive)
    assert (await resume()).state == "running"
    await clock.advance(120)
    assert await lifecycle.pause_abandoning(db, rulebook(), counts, clock.now()) == []
    assert await dials(db, claimer(), clock) > 0


async def test_old_calls_stop_to_weigh_after_thirty_days(db: Database, clock: ManualClock) -> None:
    one = await running_campaign(db, clock, 1, purpose="sales")
    await history(db, one, 1000, 31, clock)
    await clock.advance(timedelta(days=29, seconds=1).total_seconds())
    assert await lifecycle.pause_abandoning(db, rulebook(), AbandonmentCounts(), clock.now()) == []


def test_the_threshold_of_an_abandoned_call_is_that_of_the_packs_of_its_country() -> None:
    on = ManualClock().now().date()
    assert Terms().served_within_ms("+12125550142", "sales", on) == 2000
    assert Terms(rulebook=rulebook()).served_within_ms("+12125550142", "sales", on) == 2000
    assert Terms(clock_rate=20).served_within_ms("+12125550142", "sales", on) == 40_000
