"""The money guard: reserved before the dial, settled once, by any number of processes; no cap is passed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from campaign.flow import call_events
from campaign.flow.call_events import Hands
from campaign.flow.dialer import Dialer
from campaign.flow.outcomes import Terms
from campaign.flow.reconcile import Reconciler
from campaign.settings import Settings
from campaign.store.database import Database
from campaign.telephony.gateway import CallRequest, Leaves, NotSent, PlaceResult
from campaign.wiring import read_rates
from tests.support import rows as one_row
from tests.support.campaigns import rows
from tests.support.clock import ManualClock
from tests.support.dialing import dialer, running_campaign
from tests.support.money import unbalanced
from tests.support.twilio import FakeTwilio

HANDS = Hands(terms=Terms(read_rates(Settings())))
MINUTE = Decimal("0.0915")
"""What the longest call of these tests may cost: one minute, with detection."""
ONE_MINUTE: dict[str, Any] = {"longest_call_seconds": 60}


class Nobody:
    """A gateway for diallers that only claim."""

    async def place(self, request: CallRequest, leaves: Leaves) -> PlaceResult:
        return NotSent("these tests place nothing")


def process(db: Database, clock: ManualClock, name: str, cps: float = 20) -> Dialer:
    return dialer(db, clock, Nobody(), cps=cps, name=name)


async def total(db: Database) -> Decimal:
    """Reserved and spent over all days."""
    (row,) = await rows(db, "SELECT coalesce(sum(reserved + spent), 0) AS total FROM campaign_spend")
    return Decimal(row["total"])


async def tell(db: Database, marker: str, sid: str, status: str, now: datetime, **more: str) -> None:
    form = {"CallSid": sid, "CallStatus": status, **more}
    await call_events.receive(db, kind="status", marker=marker, form=form, now=now, hands=HANDS)


async def end(db: Database, attempt: dict[str, Any], seconds: int | None, now: datetime) -> None:
    """A call comes to its end: answered for so many seconds, or (None) busy."""
    sid = f"CA{attempt['id']:032d}"
    if seconds is None:
        await tell(db, attempt["marker"], sid, "busy", now)
    else:
        await tell(db, attempt["marker"], sid, "in-progress", now)
        await tell(db, attempt["marker"], sid, "completed", now, CallDuration=str(seconds))


async def open_attempts(db: Database) -> Sequence[dict[str, Any]]:
    return await rows(
        db, "SELECT id, marker, reserved, phone FROM attempts WHERE settled_at IS NULL ORDER BY id"
    )


async def test_the_longest_call_is_reserved_before_the_dial_and_what_it_cost_is_spent_after(
    db: Database, clock: ManualClock
) -> None:
    await running_campaign(db, clock, 1, **ONE_MINUTE, pacing={"lines": 9})
    await process(db, clock, "one").claim()
    (attempt,) = await open_attempts(db)
    assert attempt["reserved"] == MINUTE
    assert await total(db) == MINUTE
    await end(db, attempt, 30, clock.now())
    (spend,) = await rows(db, "SELECT reserved, spent FROM campaign_spend")
    (outcome,) = await rows(db, "SELECT cost FROM outcomes")
    assert (spend["reserved"], spend["spent"]) == (0, outcome["cost"])
    assert 0 < outcome["cost"] <= MINUTE
    assert await unbalanced(db) == []


@pytest.mark.parametrize("seed", range(4))
async def test_no_cap_is_passed_by_several_processes_whatever_ends_when(
    db: Database, clock: ManualClock, seed: int
) -> None:
    """Two processes claim at once while calls end at once; each process is silent now and then, so that
    the other takes over."""
    dice = Random(seed)
    cap = MINUTE * 6
    budget = {"budget": {"per_day": str(cap)}} if seed % 2 else {"budget": {"total": str(cap)}}
    await running_campaign(db, clock, 80, **ONE_MINUTE, **budget, pacing={"lines": 50})
    both = [process(db, clock, "one"), process(db, clock, "two")]
    for _ in range(14):
        await clock.advance(dice.choice([0.2, 0.5, 1, 7]))
        ends = [
            end(db, attempt, dice.choice([None, 1, 59]), clock.now())
            for attempt in await open_attempts(db)
            if dice.random() < 0.5
        ]
        claims = [one.claim() for one in both if dice.random() < 0.8]
        await asyncio.gather(*claims, *ends)
        assert await total(db) <= cap
        assert await unbalanced(db) == []
    for attempt in await open_attempts(db):
        await end(db, attempt, None, clock.now())
    (spend,) = await rows(db, "SELECT sum(reserved) AS reserved, sum(spent) AS spent FROM campaign_spend")
    assert spend["reserved"] == 0
    assert 0 < spend["spent"] <= cap


async def test_whatever_becomes_of_an_intent_nothing_stays_reserved(db: Database, clock: ManualClock) -> None:
    """Given back, crashed and never found, crashed and found, ended, and the price that comes late."""
    await running_campaign(db, clock, 4, **ONE_MINUTE, pacing={"lines": 9})
    async with FakeTwilio() as twilio:
        claim = await process(db, clock, "vanishes").claim()
        assert len(claim.dials) == 4
        given_back, found, lost, ended = await open_attempts(db)
        await one_row.run(
            db, "UPDATE attempts SET lease_until = :at WHERE id = :id", id=given_back["id"], at=clock.now()
        )
        await end(db, ended, 45, clock.now())
        sweep = Reconciler(db, twilio.gateway, HANDS)
        twilio.call(found["id"], found["phone"], "completed", clock.now(), duration="59")
        twilio.call(ended["id"], ended["phone"], "completed", clock.now(), duration="45")
        for _ in range(40):
            await clock.advance(30)
            await sweep.tick(clock.now())
            assert await unbalanced(db) == []
        assert await open_attempts(db) == []
        for call in twilio.calls.values():
            call["price"] = "-0.0500"
        await clock.advance(3600)
        await sweep.tick(clock.now())
        assert await unbalanced(db) == []
    costs = await rows(db, "SELECT attempt_id, cost, cost_lines FROM outcomes ORDER BY attempt_id")
    lines = {row["attempt_id"]: row["cost_lines"] for row in costs}
    assert {lines[found["id"]]["connect"], lines[ended["id"]]["connect"]} == {"0.0500"}
    assert lines[lost["id"]] == lines[given_back["id"]] == {}


async def test_money_belongs_to_the_utc_day_of_the_intent_whenever_the_call_ends(db: Database) -> None:
    before_midnight = datetime(2026, 11, 24, 23, 59, 58, tzinfo=UTC)
    clock = ManualClock(before_midnight)
    await running_campaign(
        db,
        clock,
        9,
        **ONE_MINUTE,
        budget={"per_day": str(MINUTE * 2)},
        pacing={"lines": 9},
        schedule={"week": {"mon-sun": "08:00-20:00"}},
    )
    one = process(db, clock, "one")
    assert len((await one.claim()).dials) == 2, "the day's money is reserved"
    assert not (await one.claim()).dials
    await clock.advance(4)
    assert len((await one.claim()).dials) == 2, "a new day, and its whole money"
    for attempt in await open_attempts(db):
        await end(db, attempt, 30, clock.now())
    days = await rows(db, "SELECT day, attempts, reserved, spent FROM campaign_spend ORDER BY day")
    assert [day["day"] - before_midnight.date() for day in days] == [timedelta(0), timedelta(days=1)]
    assert {(day["attempts"], day["reserved"]) for day in days} == {(2, 0)}
    assert all(0 < day["spent"] <= MINUTE * 2 for day in days)
    assert await unbalanced(db) == []
