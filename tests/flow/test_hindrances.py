from datetime import timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest

from campaign.domain.budget import parse_rates
from campaign.flow import enrol, hindrances, lifecycle
from campaign.store import campaigns
from campaign.store.database import Database
from tests.support.campaigns import definition, make_list, rows, rulebook
from tests.support.clock import ManualClock

RATES = parse_rates((resources.files("campaign") / "rates.toml").read_text("utf-8"), "rates.toml")


async def started(db: Database, clock: ManualClock, contacts: int = 1, **changes: Any) -> None:
    await make_list(db, contacts=contacts)
    await lifecycle.create(db, definition(**changes), actor="test", now=clock.now())
    await enrol.tick(db, rulebook(), clock.now())
    await lifecycle.start(db, "Minimal", actor="test", now=clock.now())
    await rows(
        db,
        "INSERT INTO replicas (id, role, host, pid, started_at, beat_at) "
        "VALUES ('r', 'dialer', 'h', 1, :now, :now), ('w', 'web', 'h', 2, :now, :now)",
        now=clock.now(),
    )


async def told(db: Database, clock: ManualClock, name: str = "Minimal") -> list[str]:
    async with db.connection() as tx:
        row = await campaigns.find(tx, name)
        return await hindrances.of_campaign(tx, row, clock.now(), rates=RATES, rulebook=rulebook())


async def test_a_campaign_that_can_dial_has_no_hindrance(db: Database, clock: ManualClock) -> None:
    await started(db, clock)
    assert await told(db, clock) == []


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE replicas SET role = 'web'", "No dialler has a heartbeat"),
        ("UPDATE replicas SET beat_at = beat_at - interval '1 minute'", "No dialler has a heartbeat"),
        ("DELETE FROM replicas WHERE role = 'web'", "No process answers Twilio"),
        (
            "INSERT INTO pace (id, next_slot_at, held_until, held_why) "
            "VALUES (1, :now, :later, 'Twilio is away.') "
            "ON CONFLICT (id) DO UPDATE SET held_until = :later, held_why = 'Twilio is away.'",
            "All calls are held: Twilio is away. Nothing is to be done: at 15:01:00 UTC one call is tried",
        ),
        ("DELETE FROM campaign_contacts", "No contact is enrolled"),
    ],
)
async def test_each_hindrance_is_told_in_a_sentence(
    db: Database, clock: ManualClock, statement: str, says: str
) -> None:
    await started(db, clock)
    given = {"now": clock.now(), "later": clock.now() + timedelta(minutes=1)}
    await rows(db, statement, **{key: value for key, value in given.items() if f":{key}" in statement})
    (sentence,) = await told(db, clock)
    assert says in sentence


async def test_a_stop_of_everything_is_told_with_who_and_how_to_lift_it(
    db: Database, clock: ManualClock
) -> None:
    await started(db, clock)
    await lifecycle.stop_all(db, actor="cli:ana", now=clock.now(), why="complaint")
    (sentence,) = await told(db, clock)
    assert "by cli:ana (complaint)" in sentence
    assert "campaign stop --lift" in sentence


async def test_a_budget_without_room_for_the_longest_call_is_told(db: Database, clock: ManualClock) -> None:
    await started(db, clock, budget={"per_day": "5", "total": "100"})
    assert await told(db, clock) == []
    await rows(
        db,
        "INSERT INTO campaign_spend (campaign_id, day, spent) SELECT id, :day, :spent FROM campaigns",
        day=clock.now().date(),
        spent=Decimal("4.99"),
    )
    (sentence,) = await told(db, clock)
    assert "4.99 of 5.00 USD (budget.per_day)" in sentence


async def test_a_region_without_a_price_is_told(db: Database, clock: ManualClock) -> None:
    await started(db, clock, regions=["US", "AQ"])
    (sentence,) = await told(db, clock)
    assert "no price for calls to AQ" in sentence


async def test_a_campaign_that_is_not_meant_to_dial_has_no_hindrance(
    db: Database, clock: ManualClock
) -> None:
    await started(db, clock)
    await lifecycle.pause(db, "Minimal", actor="test", now=clock.now())
    await rows(db, "DELETE FROM replicas")
    assert await told(db, clock) == []
