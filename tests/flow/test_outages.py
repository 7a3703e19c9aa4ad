"""Twilio away: who is dialled, whom it costs, what the operator reads, and how dialling goes on by itself.

The real dialler, gateway and SQL, and the simulator at the other end of real sockets; the clock is moved.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from campaign.domain.breaker import LONGEST_S, OPENS_AT
from campaign.flow import hindrances
from campaign.flow.dialer import UNANSWERED, UNANSWERED_S, Placer
from campaign.settings import Settings
from campaign.simulator.config import ACCOUNT_SID, AUTH_TOKEN, Faults, SimulatorConfig
from campaign.simulator.server import Simulator
from campaign.store import campaigns
from campaign.store.attempts import ON_THE_LINE
from campaign.telephony.gateway import CallRequest, Gateway, Leaves, PlaceResult, Throttled
from campaign.wiring import read_rates
from tests.support.campaigns import rows, rulebook
from tests.support.clock import ManualClock
from tests.support.dialing import dialer, running_campaign
from tests.support.moved import WatchedDatabase, WatchedGateway, Work, move
from tests.support.rows import replica

OUTAGE_S = 600
BACK_S = 30
"""Within so many seconds of Twilio's return dialling goes on."""
ONCE = {"budget": 1, "min_gap_minutes": 0, "per_number_per_day": 9, "on": {}}
QUIET: dict[str, float | bool] = {
    "rest_5xx_before": 0.0,
    "rest_429": 0.0,
    "rest_hang": 0.0,
    "rest_cut_body": 0.0,
    "rest_no_sid": 0.0,
    "rest_drop_before": 0.0,
    "rest_all": False,
}


@dataclass
class Line:
    """A running campaign, its dialler, and the Twilio that fails it."""

    clock: ManualClock
    work: Work
    db: WatchedDatabase
    simulator: Simulator
    campaign_id: int
    seen: list[str] = field(default_factory=list)

    async def move(self, seconds: float, step: float = 0.5) -> None:
        await move(self.clock, self.work, seconds, step)

    def fail(self, **faults: float | bool) -> None:
        self.simulator.faults.update({**QUIET, **faults})

    def accepted(self) -> int:
        return sum(1 for create in self.simulator.creates if create.result == "accepted")

    async def told(self) -> str:
        """What keeps the campaign from dialling, as its status and the API say it."""
        async with self.db.transaction() as tx:
            await replica(tx, self.clock.now())
            row = await campaigns.find(tx, f"#{self.campaign_id}")
            found = await hindrances.of_campaign(
                tx, row, self.clock.now(), rates=read_rates(Settings()), rulebook=rulebook()
            )
        return " ".join(found)

    async def states(self) -> Counter[str]:
        found = await rows(self.db, "SELECT state, count(*) AS n FROM attempts GROUP BY 1")
        return Counter({row["state"]: row["n"] for row in found})

    async def back_after(self) -> float:
        """Twilio is back: seconds until it has taken a call again."""
        self.fail()
        before, began = self.accepted(), self.clock.monotonic()
        while self.accepted() == before:
            await self.move(0.5)
            assert self.clock.monotonic() - began <= 2 * BACK_S, await self.told()
        return self.clock.monotonic() - began

    def rung_twice(self) -> dict[str, int]:
        """Numbers that Twilio accepted a call to more than once."""
        rung = Counter(call.to for call in self.simulator.calls)
        return {number: n for number, n in rung.items() if n > 1}


@contextlib.asynccontextmanager
async def dialling(
    db_url: str,
    clock: ManualClock,
    contacts: int,
    *,
    cps: float = 1.0,
    patience: float = 10,
    through: Callable[[WatchedGateway], Placer] = lambda gateway: gateway,
    **changes: Any,
) -> AsyncIterator[Line]:
    work = Work()
    db = WatchedDatabase(db_url, work)
    config = SimulatorConfig(calls_per_second=1000, weights={"no_answer": 1}, faults=Faults())
    async with Simulator(config) as simulator:
        real = Gateway(ACCOUNT_SID, ACCOUNT_SID, AUTH_TOKEN, simulator.base_url, total_seconds=patience)
        gateway = WatchedGateway(real, work)
        campaign_id = await running_campaign(
            db, clock, contacts, **{"pacing": {"lines": 200}, "retry": ONCE, **changes}
        )
        one = dialer(db, clock, through(gateway), cps=cps, ask_twilio=gateway.account)
        task = asyncio.create_task(one.run())
        try:
            yield Line(clock, work, db, simulator, campaign_id)
        finally:
            one.stop()
            while not task.done():
                await clock.advance(0.5)
                await asyncio.sleep(0.001)
            await task
            await real.close()
            await db.close()


async def test_ten_minutes_of_503_from_all_of_twilio_cost_a_handful_of_contacts(
    db_url: str, clock: ManualClock
) -> None:
    async with dialling(db_url, clock, 60) as line:
        await line.move(5)
        before = line.accepted()
        assert before >= 4
        line.fail(rest_5xx_before=1.0, rest_all=True)
        await line.move(OUTAGE_S / 2)
        told = await line.told()
        assert "All calls are held: Twilio answered 500 for the account. This is so" in told
        assert "This is so since 2026-11-24 15:00:" in told
        assert "Nothing is to be done: at 15:0" in told
        await line.move(OUTAGE_S / 2)
        assert (await line.states())["unknown"] == OPENS_AT
        assert len(line.simulator.creates) == before + OPENS_AT, "asked, without a call, whether it is back"
        assert await line.back_after() <= BACK_S
        await line.move(60)
        assert "held:" not in await line.told()
        found = await line.states()
        assert (found["placed"] + found["ringing"], found["unknown"]) == (60 - OPENS_AT, OPENS_AT)
        assert line.rung_twice() == {}
    assert max(Counter(create.to for create in line.simulator.creates).values()) == 1


async def test_ten_minutes_in_which_only_placing_fails_try_one_call_now_and_then(
    db_url: str, clock: ManualClock
) -> None:
    async with dialling(db_url, clock, 80, cps=2, pacing={"lines": 10}) as line:
        line.fail(rest_5xx_before=1.0)
        await line.move(OUTAGE_S)
        held = (await line.states())["unknown"]
        assert 20 <= held <= 28
        assert len(line.simulator.creates) == held
        assert f"{held} numbers are held until" in await line.told()
        line.fail()
        back = await line.back_after()
        assert back <= BACK_S
        assert back <= max(LONGEST_S, ON_THE_LINE.total_seconds())
        assert line.rung_twice() == {}


@pytest.mark.parametrize("retry_after", [0.0, 7.0])
async def test_a_storm_of_429_costs_no_contact_an_attempt(
    db_url: str, clock: ManualClock, retry_after: float
) -> None:
    async with dialling(db_url, clock, 40, cps=5) as line:
        line.fail(rest_429=1.0, rest_retry_after=retry_after)
        await line.move(180)
        assert line.accepted() == 0
        tries = len(line.simulator.creates)
        assert tries <= (180 / 7 + 5 if retry_after else 16)
        assert "Twilio takes no more requests at the moment (429). This is so since" in await line.told()
        assert await line.back_after() <= BACK_S
        await line.move(90)
        assert line.accepted() == 40
        assert line.rung_twice() == {}
        used = await rows(line.db, "SELECT max(attempts) AS most FROM campaign_contacts")
        assert used == [{"most": 1}]


@pytest.mark.parametrize("fault", ["rest_hang", "rest_cut_body", "rest_no_sid", "rest_drop_before"])
async def test_answers_that_prove_nothing_hold_few_contacts_and_ring_nobody_twice(
    db_url: str, clock: ManualClock, fault: str
) -> None:
    patience = 1.0 if fault == "rest_hang" else 10
    async with dialling(db_url, clock, 60, cps=5, patience=patience) as line:
        line.fail(**{fault: 1.0})
        await line.move(180)
        held = (await line.states())["unknown"]
        assert OPENS_AT <= held <= OPENS_AT + UNANSWERED + 180 / LONGEST_S + 4
        assert await line.back_after() <= BACK_S
        await line.move(30)
        assert line.rung_twice() == {}
        assert len(line.simulator.creates) == 60
    assert max(Counter(create.to for create in line.simulator.creates).values()) == 1


async def test_while_twilio_owes_many_answers_nothing_more_is_dialled(
    db_url: str, clock: ManualClock
) -> None:
    """A Twilio that takes every call and answers none until we lose patience would cost a contact each."""
    async with dialling(db_url, clock, 60, cps=5, patience=10) as line:
        line.fail(rest_hang=1.0)
        while clock.monotonic() <= 15 or len(line.simulator.creates) < UNANSWERED:
            await clock.advance(0.3)  # far more clock seconds pass than twelve calls take, few real ones
            await asyncio.sleep(0.01)
        assert UNANSWERED <= len(line.simulator.creates) <= 5 * UNANSWERED_S + 3


class Moody:
    """A gateway that is throttled once and then fails in a way that nobody foresaw."""

    def __init__(self, gateway: WatchedGateway) -> None:
        self._gateway = gateway
        self.asked = 0

    async def place(self, request: CallRequest, leaves: Leaves) -> PlaceResult:
        self.asked += 1
        if self.asked == 1:
            await leaves()
            return Throttled(None, 20429, "Twilio says 429.")
        if self.asked == 2:
            raise RuntimeError("what is this?")
        return await self._gateway.place(request, leaves)


async def test_a_trial_call_that_fails_in_a_way_nobody_foresaw_does_not_end_dialling(
    db_url: str, clock: ManualClock
) -> None:
    async with dialling(db_url, clock, 5, through=Moody) as line:
        await line.move(30)
        assert line.accepted() >= 3
        assert line.rung_twice() == {}
