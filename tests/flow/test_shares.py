"""One pace and one line budget over all processes: whose turn it is, and never more calls than lines."""

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from campaign.flow.dialer import Dialer
from campaign.store.database import Database
from campaign.telephony.gateway import CallRequest, Leaves, NotSent, PlaceResult
from tests.support.campaigns import phone, rows
from tests.support.clock import ManualClock
from tests.support.dialing import dialer, running_campaign


class Nobody:
    """A gateway for diallers that only claim."""

    async def place(self, request: CallRequest, leaves: Leaves) -> PlaceResult:
        return NotSent("these tests place nothing")


def process(
    db: Database, clock: ManualClock, name: str = "one", cps: float = 8, lines: int | None = None
) -> Dialer:
    return dialer(db, clock, Nobody(), cps=cps, name=name, max_calls=lines)


async def claims_for(one: Dialer, clock: ManualClock, seconds: float) -> None:
    """Claims as often as the dialler makes them."""
    until = clock.now() + timedelta(seconds=seconds)
    while clock.now() < until:
        claim = await one.claim()
        await clock.advance(max(claim.wait_s, 0.01))


async def by_campaign(db: Database) -> Counter[str]:
    found = await rows(
        db,
        "SELECT c.name, count(*) AS n FROM attempts a JOIN campaigns c ON c.id = a.campaign_id GROUP BY 1",
    )
    return Counter({row["name"]: row["n"] for row in found})


async def two_campaigns(db: Database, clock: ManualClock, **pacing: Any) -> None:
    await running_campaign(db, clock, 200, name="One", pacing={"lines": 500, "share": 1, **pacing})
    await running_campaign(
        db, clock, 200, name="Three", first=1000, pacing={"lines": 500, "share": 3, **pacing}
    )


async def test_callbacks_and_retries_go_before_first_attempts(db: Database, clock: ManualClock) -> None:
    await running_campaign(db, clock, 90, pacing={"lines": 100})
    late = [phone(n) for n in (61, 75, 89)]
    await clock.advance(60)  # all the others have been due for a minute
    await rows(
        db,
        "UPDATE campaign_contacts SET priority = -1, due_for = CASE phone WHEN :callback THEN 'callback' "
        "ELSE 'retry' END, next_at = :now WHERE phone = ANY(:late)",
        late=late,
        callback=late[1],
        now=clock.now(),
    )
    await claims_for(process(db, clock), clock, 1)
    order = [row["phone"] for row in await rows(db, "SELECT phone FROM attempts ORDER BY slot_at")]
    assert sorted(order[:3]) == late
    assert len(order) > 3
    assert not set(order[3:]) & set(late)


async def test_shares_of_one_and_three_are_kept_while_both_have_work(
    db: Database, clock: ManualClock
) -> None:
    await two_campaigns(db, clock)
    await claims_for(process(db, clock), clock, 10)
    placed = await by_campaign(db)
    assert placed.total() >= 60
    assert abs(placed["Three"] - 3 * placed["One"]) <= 4


async def test_shares_hold_when_another_process_takes_over_in_between(
    db: Database, clock: ManualClock
) -> None:
    """What a process has in mind of the turns goes with it: each change costs a turn at the most."""
    await two_campaigns(db, clock)
    changes = 4
    for n in range(changes):
        await claims_for(process(db, clock, f"process {n}"), clock, 3)
        await clock.advance(7)
    placed = await by_campaign(db)
    assert placed.total() >= 60
    assert abs(placed["Three"] - 3 * placed["One"]) <= 4 * changes


async def test_one_call_at_a_time_is_shared_too(db: Database, clock: ManualClock) -> None:
    await two_campaigns(db, clock)
    await claims_for(process(db, clock, cps=1), clock, 40)
    placed = await by_campaign(db)
    assert placed.total() >= 36
    assert abs(placed["Three"] - 3 * placed["One"]) <= 4


async def test_when_lines_are_short_they_are_shared_as_they_become_free(
    db: Database, clock: ManualClock
) -> None:
    await two_campaigns(db, clock)
    one = process(db, clock, cps=50, lines=5)
    for _ in range(60):
        await one.claim()
        await settle(db, clock, "id = (SELECT min(id) FROM attempts WHERE settled_at IS NULL)")
        await clock.advance(0.5)
    placed = await by_campaign(db)
    assert placed.total() >= 60
    assert abs(placed["Three"] - 3 * placed["One"]) <= 4


async def test_a_campaign_has_the_whole_when_the_other_has_none(db: Database, clock: ManualClock) -> None:
    await two_campaigns(db, clock)
    await rows(
        db,
        "UPDATE campaign_contacts SET next_at = :later WHERE campaign_id = "
        "(SELECT id FROM campaigns WHERE name = 'Three')",
        later=clock.now() + timedelta(hours=1),
    )
    alone = process(db, clock)
    await claims_for(alone, clock, 5)
    placed = await by_campaign(db)
    assert placed["Three"] == 0
    assert placed["One"] >= 8 * 5 * 0.95 - 1
    await rows(db, "UPDATE campaign_contacts SET next_at = :now WHERE next_at > :now", now=clock.now())
    await claims_for(alone, clock, 5)
    since = await by_campaign(db) - placed
    assert abs(since["Three"] - 3 * since["One"]) <= 4, "the other starts level, without catching up"


async def settle(db: Database, clock: ManualClock, which: str) -> None:
    await rows(
        db,
        f"UPDATE attempts SET state = 'ended', settled_at = :now WHERE settled_at IS NULL AND {which}",
        now=clock.now(),
    )


@pytest.mark.parametrize("seed", range(3))
async def test_two_processes_never_have_more_calls_than_the_account_or_a_campaign_has_lines(
    db: Database, clock: ManualClock, seed: int
) -> None:
    dice = Random(seed)
    await running_campaign(db, clock, 150, name="Few", pacing={"lines": 3})
    await running_campaign(db, clock, 150, name="Many", first=1000, pacing={"lines": 50})
    both = [process(db, clock, name, cps=20, lines=9) for name in ("one", "two")]
    most = 0
    for _ in range(25):
        await clock.advance(dice.choice([0.1, 0.3, 1, 7]))
        await asyncio.gather(*(one.claim() for one in both if dice.random() < 0.8))
        up = await rows(
            db,
            "SELECT c.name, count(*) AS n FROM attempts a JOIN campaigns c ON c.id = a.campaign_id "
            "WHERE a.settled_at IS NULL GROUP BY 1",
        )
        lines = {row["name"]: row["n"] for row in up}
        assert lines.get("Few", 0) <= 3
        assert sum(lines.values()) <= 9
        most = max(most, sum(lines.values()))
        await settle(db, clock, f"mod(id, 3) = {dice.randrange(3)}")
    assert most == 9, "and all of them are used"
    dialled_by = {row["replica"] for row in await rows(db, "SELECT DISTINCT replica FROM attempts")}
    assert dialled_by == {"one", "two"}
