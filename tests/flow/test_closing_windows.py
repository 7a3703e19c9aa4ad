"""A window closes while a campaign dials: nobody's telephone rings after it, in any zone, on any day."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaign.domain.rules import DIAL_MARGIN
from campaign.flow import definitions, enrol, lifecycle
from campaign.flow.call_events import Hands
from campaign.flow.reconcile import Reconciler
from campaign.simulator.config import ACCOUNT_SID, AUTH_TOKEN, SimulatorConfig
from campaign.simulator.server import Simulator
from campaign.store.database import Database
from campaign.telephony.gateway import Gateway
from tests.support.campaigns import definition, make_list, rows, rulebook
from tests.support.clock import ManualClock
from tests.support.dialing import dialer
from tests.support.moved import WatchedDatabase, WatchedGateway, Work, move

PLACES = {
    "east": "US|US-NY|America/New_York",
    "central": "US|US-IL|America/Chicago",
    "no summer time": "US|US-AZ|America/Phoenix",
    "one of two": "US|US-TN|America/Chicago,America/New_York",
}
EACH = 40
CLOSES = time(21, 0)
NEW_YORK = ZoneInfo("America/New_York")


async def begin(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    for number, (name, place) in enumerate(PLACES.items()):
        await make_list(db, name, EACH, first=number * EACH, place=place, now=now)
    await rows(
        db,
        "UPDATE contacts SET consent = 'express_written', consent_at = :at, consent_source = 'web form'",
        at=now - timedelta(days=30),
    )
    made = await definitions.create(
        db,
        definition(
            lists=list(PLACES),
            schedule={"week": {"mon-sun": "08:00-21:00"}},
            pacing={"lines": 1000},
            retry={"budget": 1, "min_gap_minutes": 0, "per_number_per_day": 9, "on": {}},
        ),
        actor="test",
        now=now,
    )
    await enrol.catch_up(db, rulebook(), made.id, now)
    await lifecycle.start(db, "Minimal", actor="test", now=now)
    # all places take turns, so that each has contacts left when its window closes
    await rows(db, "UPDATE campaign_contacts SET next_at = :now - (id % 37) * interval '1 s'", now=now)


@pytest.mark.parametrize(
    "day",
    [date(2026, 11, 24), date(2026, 11, 1)],
    ids=["a Tuesday", "clocks went back"],
)
async def test_nothing_is_placed_in_the_last_minute_and_what_rings_at_the_end_is_cancelled(
    db_url: str, day: date
) -> None:
    closes = datetime.combine(day, CLOSES, NEW_YORK).astimezone(UTC)
    clock, work = ManualClock(closes - timedelta(seconds=DIAL_MARGIN + 20)), Work()
    db = WatchedDatabase(db_url, work)
    async with Simulator(SimulatorConfig(calls_per_second=1000, weights={"no_answer": 1})) as simulator:
        real = Gateway(ACCOUNT_SID, ACCOUNT_SID, AUTH_TOKEN, simulator.base_url)
        gateway = WatchedGateway(real, work)
        await begin(db, clock)
        one = dialer(db, clock, gateway, cps=1)
        sweep = Reconciler(db, gateway, Hands())
        dialling = asyncio.create_task(one.run())
        while clock.now() < closes - timedelta(seconds=1):
            await move(clock, work, 1)
            await sweep.cancel(clock.now())
        calls = "SELECT count(*) AS n FROM attempts a JOIN contacts k ON k.id = a.contact_id WHERE "
        up_before = (await rows(db, calls + "settled_at IS NULL AND place LIKE '%New_York%'"))[0]["n"]
        await move(clock, work, 2)
        await sweep.cancel(clock.now())
        (up,) = await rows(db, calls + "settled_at IS NULL AND place LIKE '%New_York%'")
        dialled = await rows(
            db,
            "SELECT k.place, coalesce(a.sent_at, a.slot_at) AS at, o.disposition FROM attempts a "
            "JOIN contacts k ON k.id = a.contact_id LEFT JOIN outcomes o ON o.attempt_id = a.id",
        )
        one.stop()
        while not dialling.done():
            await clock.advance(0.5)
            await asyncio.sleep(0.001)
        await dialling
        await real.close()
        await db.close()
    assert up_before > 5, "calls were ringing when the window closed"
    assert up["n"] == 0, "a second later none of them does"
    for one_call in dialled:
        for zone in one_call["place"].split("|")[2].split(","):
            local = one_call["at"].astimezone(ZoneInfo(zone))
            last = datetime.combine(local.date(), CLOSES, ZoneInfo(zone)) - timedelta(seconds=DIAL_MARGIN)
            assert local <= last + timedelta(seconds=1), one_call
    assert {one_call["disposition"] for one_call in dialled if "New_York" in one_call["place"]} == {
        "canceled"
    }
    others = [call for call in dialled if "New_York" not in call["place"]]
    if day.weekday() < 5:
        assert [call for call in others if call["at"] > closes - timedelta(seconds=5)], "others go on"
    assert not [call for call in others if call["disposition"]]
