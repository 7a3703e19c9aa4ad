"""A call to one's own number: one call, never counted, still under do-not-call and hours."""

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from campaign.domain.errors import BadInput, Conflict
from campaign.domain.pacing import Pace
from campaign.flow import own_call, suppress
from campaign.settings import Settings
from campaign.store.database import Database
from campaign.telephony.addresses import Addresses
from campaign.telephony.gateway import Gateway
from campaign.wiring import ServiceClock, read_rates, token
from tests.support.campaigns import definition, phone, rows, rulebook
from tests.support.dialing import (
    PUBLIC_URL,
    dialer,
    moved_clock,
    running_campaign,
    twilio,
    until,
    worst_second,
)

ME = phone(7)


async def call(
    db: Database, clock: ServiceClock, gateway: Gateway, number: str = ME, max_calls: int | None = None
) -> int:
    return await own_call.place(
        db,
        clock,
        gateway,
        definition(lists=["a list that need not exist"]),
        number,
        marker=token(),
        replica="test",
        actor="cli:ana",
        addresses=Addresses(PUBLIC_URL),
        pace=Pace(10),
        rulebook=rulebook(),
        rates=read_rates(Settings()),
        max_calls=max_calls,
    )


async def test_one_call_goes_out_and_counts_nowhere(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        attempt = await call(db, clock, gateway)
        assert [create.to for create in simulator.creates] == [ME]
    (row,) = await rows(
        db, "SELECT kind, state, call_sid, campaign_id FROM attempts WHERE id = :id", id=attempt
    )
    assert (row["kind"], row["state"], row["campaign_id"]) == ("test", "placed", None)
    assert row["call_sid"] == simulator.calls[0].sid
    counted = await rows(db, "SELECT 1 FROM campaign_spend UNION ALL SELECT 1 FROM caller_id_days")
    assert counted == []
    (trail,) = await rows(db, "SELECT actor, action, detail::text AS detail FROM audit_log")
    assert (trail["actor"], trail["action"]) == ("cli:ana", "call_me")
    assert ME not in trail["detail"]


async def test_it_fits_into_the_pace_of_a_running_campaign(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 60, first=100, pacing={"lines": 100})
        one = dialer(db, clock, gateway, cps=10)
        task = asyncio.create_task(one.run())

        async def calls(count: int) -> bool:
            return len(simulator.creates) >= count

        await until(lambda: calls(12), clock)
        await call(db, clock, gateway)
        mine = len(simulator.creates)
        await until(lambda: calls(mine + 12), clock)
        one.stop()
        await task
    sent = await rows(
        db, "SELECT extract(epoch FROM sent_at)::float8 AS at FROM attempts WHERE sent_at IS NOT NULL"
    )
    assert worst_second([row["at"] for row in sent]) <= 10


async def test_a_second_call_to_the_same_phone_waits_for_the_end_of_the_first(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await call(db, clock, gateway)
        with pytest.raises(Conflict, match="has not ended yet"):
            await call(db, clock, gateway)
        assert len(simulator.creates) == 1


async def test_it_takes_one_of_the_accounts_lines_and_waits_for_none(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await call(db, clock, gateway, max_calls=1)
        with pytest.raises(Conflict, match="All 1 lines of the account"):
            await call(db, clock, gateway, phone(8), max_calls=1)
        assert len(simulator.creates) == 1


async def test_ones_own_number_on_the_own_list_is_not_called_either(db: Database) -> None:
    clock = moved_clock()
    await suppress.suppress(db, None, [ME], reason="asked", source="cli", actor="test", now=clock.now())
    async with twilio(clock) as (simulator, gateway):
        with pytest.raises(Conflict, match="do-not-call list own"):
            await call(db, clock, gateway)
        assert simulator.creates == []


async def test_nobody_is_called_at_night_not_even_oneself(db: Database) -> None:
    clock = moved_clock(start=datetime(2026, 11, 24, 22, 30, tzinfo=ZoneInfo("America/New_York")))
    async with twilio(clock) as (simulator, gateway):
        with pytest.raises(Conflict, match="Waits until 2026-11-25"):
            await call(db, clock, gateway)
        assert simulator.creates == []
    assert await rows(db, "SELECT 1 FROM attempts") == []


async def test_what_is_no_number_is_told_before_anything_is_written(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (_, gateway):
        with pytest.raises(BadInput, match="no phone number"):
            await call(db, clock, gateway, "call me maybe")
    assert await rows(db, "SELECT 1 FROM attempts") == []


async def test_a_refusal_of_twilios_is_told_and_frees_the_number(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock, caller_ids=("+12025550199",)) as (_, gateway):
        with pytest.raises(Conflict, match="caller id"):
            await call(db, clock, gateway)
    (row,) = await rows(db, "SELECT state FROM attempts")
    assert row["state"] == "not_placed"
    (outcome,) = await rows(db, "SELECT disposition, campaign_id FROM outcomes")
    assert outcome == {"disposition": "not_placed", "campaign_id": None}
