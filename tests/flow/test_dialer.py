"""The dialler on a real database and real sockets: whom it dials, how fast, and what it proves."""

import asyncio
from collections import Counter
from datetime import timedelta

from campaign.flow import lifecycle, suppress
from campaign.flow.dialer import Dialer
from campaign.simulator.config import Faults
from campaign.store.database import Database
from campaign.telephony.gateway import CallRequest, Gateway, Leaves, PlaceResult
from tests.support.campaigns import phone, rows
from tests.support.dialing import dialer, dialling, moved_clock, running_campaign, twilio, until, worst_second


async def states(db: Database) -> Counter[str]:
    return Counter(
        {r["state"]: r["n"] for r in await rows(db, "SELECT state, count(*) AS n FROM attempts GROUP BY 1")}
    )


async def tried(db: Database, contacts: int) -> bool:
    """Whether so many contacts had their turn: placed, or too late on a busy machine and due again."""
    found = await states(db)
    return found["placed"] + found["not_placed"] == contacts and not found["placing"]


MINUTE_IN_3_SECONDS = 20
"""A clock for tests that wait until each call is out: one that was too late is due again a minute later."""


async def test_every_due_contact_is_dialled_once_and_its_sid_is_recorded(db: Database) -> None:
    clock = moved_clock(rate=MINUTE_IN_3_SECONDS)
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 30, pacing={"lines": 100})
        async with dialling(dialer(db, clock, gateway, cps=10)):

            async def all_placed() -> bool:
                return (await states(db))["placed"] == 30

            await until(all_placed, clock)
    assert sorted(create.to for create in simulator.creates) == [phone(n) for n in range(30)]
    found = await rows(
        db, "SELECT count(*) AS n FROM attempts WHERE call_sid LIKE 'CA%' AND sent_at >= slot_at"
    )
    assert found[0]["n"] == 30


async def sent_instants(db: Database) -> list[float]:
    sent = await rows(
        db, "SELECT extract(epoch FROM sent_at)::float8 AS at FROM attempts WHERE sent_at IS NOT NULL"
    )
    return [row["at"] for row in sent]


async def test_the_pace_is_kept_in_every_second_by_two_processes_and_shared_by_two_campaigns(
    db: Database,
) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 60, name="One", pacing={"lines": 100})
        await running_campaign(db, clock, 60, name="Two", first=100, pacing={"lines": 100})
        first = dialer(db, clock, gateway, cps=30, name="first")
        second = dialer(db, clock, gateway, cps=30, name="second")
        async with dialling(first), dialling(second):
            await until(lambda: tried(db, 120), clock)
    sent = await sent_instants(db)
    assert len(sent) == len(simulator.creates)
    assert worst_second(sent) <= 30
    claimed = await rows(db, "SELECT campaign_id FROM attempts ORDER BY intent_at, id LIMIT 60")
    of_one, of_two = Counter(row["campaign_id"] for row in claimed).values()
    assert abs(of_one - of_two) <= 12
    (dialled,) = await rows(db, "SELECT count(DISTINCT replica) AS n FROM attempts")
    assert dialled["n"] == 1, "one dials, the other stands by"


async def test_when_the_process_that_dials_ends_the_other_goes_on_and_no_second_holds_more(
    db: Database,
) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 40, pacing={"lines": 100})
        first = dialer(db, clock, gateway, cps=20, name="first")
        second = dialer(db, clock, gateway, cps=20, name="second")

        async def placed(count: int) -> bool:
            return len(simulator.creates) >= count

        async with dialling(first):
            await until(lambda: placed(10), clock)
            async with dialling(second):
                first.stop()

                await until(lambda: tried(db, 40), clock)
    replicas = await rows(db, "SELECT DISTINCT replica FROM attempts WHERE sent_at IS NOT NULL")
    assert {row["replica"] for row in replicas} == {"first", "second"}
    assert worst_second(await sent_instants(db)) <= 20
    assert len({create.to for create in simulator.creates}) == len(simulator.creates)


async def test_another_process_dials_only_after_the_tenure_of_one_that_vanished(db: Database) -> None:
    clock = moved_clock(rate=10)
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 40, pacing={"lines": 100})
        vanished = dialer(db, clock, gateway, cps=2, name="vanished")
        claim = await vanished.claim()
        (pace,) = await rows(db, "SELECT holder, tenure_until FROM pace")
        assert (len(claim.dials) > 0, pace["holder"]) == (True, "vanished")
        async with dialling(dialer(db, clock, gateway, cps=2, name="second")):

            async def some() -> bool:
                return len(simulator.creates) >= 4

            await until(some, clock)
    found = await rows(db, "SELECT min(sent_at) AS first FROM attempts WHERE replica = 'second'")
    assert found[0]["first"] > pace["tenure_until"] + timedelta(seconds=1)


async def test_a_new_process_of_the_same_name_does_not_know_the_last_second_and_waits(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (_, gateway):
        await running_campaign(db, clock, 40, pacing={"lines": 100})
        assert (await dialer(db, clock, gateway, cps=2).claim()).dials
        again = await dialer(db, clock, gateway, cps=2).claim()
        assert (list(again.dials), again.why_idle) == ([], "replica dials")


async def test_calls_that_are_ready_wait_out_a_hold(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock, faults=Faults(rest_429=1.0, rest_retry_after=5)) as (_, gateway):
        await running_campaign(db, clock, 200, pacing={"lines": 1000})
        one = dialer(db, clock, gateway, cps=200)
        async with dialling(one):

            async def given_back() -> bool:
                (settled,) = await rows(db, "SELECT count(*) AS n FROM attempts WHERE settled_at IS NOT NULL")
                return settled["n"] >= 50

            await until(given_back, clock)
        assert one.counters.placed < 40, "the rest of the first claim was never sent into the hold"


async def test_no_more_calls_are_up_than_a_campaign_has_lines_and_the_account_allows(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 20, pacing={"lines": 4})
        async with dialling(dialer(db, clock, gateway, cps=100)):

            async def four() -> bool:
                return len(simulator.creates) >= 4

            await until(four, clock)
            await asyncio.sleep(0.6)
            assert len(simulator.creates) == 4
        await rows(db, "UPDATE campaigns SET lines = 100")
        async with dialling(dialer(db, clock, gateway, cps=100, max_calls=7)):

            async def seven() -> bool:
                return len(simulator.creates) >= 7

            await until(seven, clock)
            await asyncio.sleep(0.6)
            assert len(simulator.creates) == 7


async def test_a_number_on_the_own_list_is_never_dialled_and_says_why(db: Database) -> None:
    clock = moved_clock(rate=MINUTE_IN_3_SECONDS)
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 5, pacing={"lines": 100})
        await suppress.suppress(
            db, None, [phone(2)], reason="asked", source="cli", actor="test", now=clock.now()
        )
        async with dialling(dialer(db, clock, gateway, cps=5)):

            async def four() -> bool:
                return len(simulator.creates) == 4

            await until(four, clock)
    assert phone(2) not in {create.to for create in simulator.creates}
    (row,) = await rows(db, "SELECT state, waiting_for FROM campaign_contacts WHERE phone = :p", p=phone(2))
    assert row["state"] == "blocked"


async def test_one_number_in_two_campaigns_is_never_rung_by_both_at_once(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 10, name="One", pacing={"lines": 100})
        await running_campaign(db, clock, 10, name="Two", pacing={"lines": 100})
        async with dialling(dialer(db, clock, gateway, cps=200)):

            async def each_number() -> bool:
                (found,) = await rows(db, "SELECT count(DISTINCT phone) AS n FROM attempts")
                return found["n"] == 10

            await until(each_number, clock)
            await asyncio.sleep(0.6)
    assert Counter(create.to for create in simulator.creates).most_common(1)[0][1] == 1


async def test_a_pause_holds_for_the_very_next_call(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 50, pacing={"lines": 100})
        async with dialling(dialer(db, clock, gateway, cps=20)):

            async def some() -> bool:
                return len(simulator.creates) >= 3

            await until(some, clock)
            await lifecycle.pause(db, "Minimal", actor="test", now=clock.now())
            paused_at = clock.now()
            await asyncio.sleep(1.0)
    intents = await rows(db, "SELECT count(*) AS n FROM attempts WHERE intent_at > :at", at=paused_at)
    assert intents[0]["n"] == 0
    late = [c for c in simulator.creates if c.received > paused_at + timedelta(seconds=0.5)]
    assert not late


async def test_429_makes_contacts_wait_and_loses_none(db: Database) -> None:
    clock = moved_clock(rate=20)
    faults = Faults(rest_429=0.4)
    async with twilio(clock, faults=faults) as (simulator, gateway):
        await running_campaign(
            db,
            clock,
            12,
            pacing={"lines": 100},
            retry={"budget": 3, "min_gap_minutes": 0, "per_number_per_day": 9},
        )
        async with dialling(dialer(db, clock, gateway, cps=5)):

            async def all_up() -> bool:
                return len({c.to for c in simulator.creates if c.result == "accepted"}) == 12

            await until(all_up, clock, 60)
    accepted = Counter(c.to for c in simulator.creates if c.result == "accepted")
    assert set(accepted.values()) == {1}
    used = await rows(db, "SELECT max(attempts) AS most FROM campaign_contacts")
    assert used[0]["most"] == 1


async def test_a_lost_answer_is_unknown_and_never_dialled_again(db: Database) -> None:
    clock = moved_clock(rate=20)
    async with twilio(clock, faults=Faults(rest_drop_after=0.5, rest_5xx_after=0.2)) as (simulator, gateway):
        await running_campaign(db, clock, 20, pacing={"lines": 100})
        async with dialling(dialer(db, clock, gateway, cps=5)):

            async def all_tried() -> bool:
                found = await states(db)
                return found["placed"] + found["unknown"] == 20

            await until(all_tried, clock, 60)
            await asyncio.sleep(1.0)
    assert (await states(db))["unknown"] > 0
    assert set(Counter(create.to for create in simulator.creates).values()) == {1}
    held = await rows(
        db, "SELECT count(*) AS n FROM attempts WHERE state = 'unknown' AND hold_until > intent_at"
    )
    assert held[0]["n"] == (await states(db))["unknown"]


async def test_a_bad_number_fails_its_contact_with_the_code(db: Database) -> None:
    clock = moved_clock(rate=MINUTE_IN_3_SECONDS)
    async with twilio(clock, people={phone(0): "bad_number"}) as (simulator, gateway):
        await running_campaign(db, clock, 2, pacing={"lines": 100})
        async with dialling(dialer(db, clock, gateway, cps=2.5)):

            async def both() -> bool:
                return len(simulator.creates) == 2 and not (await states(db))["placing"]

            await until(both, clock)
    (outcome,) = await rows(
        db,
        "SELECT o.disposition, a.error_code FROM outcomes o JOIN attempts a ON a.id = o.attempt_id "
        "WHERE a.phone = :p",
        p=phone(0),
    )
    assert outcome == {"disposition": "bad_number", "error_code": 21211}


async def test_a_configuration_fault_pauses_the_campaign_and_says_why(db: Database) -> None:
    clock = moved_clock()
    paused: list[tuple[int | None, str]] = []
    async with twilio(clock, caller_ids=("+12025550199",)) as (simulator, gateway):
        await running_campaign(db, clock, 10, pacing={"lines": 100})
        async with dialling(dialer(db, clock, gateway, cps=20, paused=paused)):

            async def done() -> bool:
                return bool(paused) and not (await states(db))["placing"]

            await until(done, clock)
    (campaign,) = await rows(db, "SELECT state, state_why FROM campaigns")
    assert campaign["state"] == "paused"
    assert "caller id" in campaign["state_why"]
    assert not [c for c in simulator.creates if c.result == "accepted"]
    contacts = await rows(db, "SELECT DISTINCT state, attempts FROM campaign_contacts")
    assert contacts == [{"state": "waiting", "attempts": 0}]


async def test_a_fault_that_nobody_foresaw_does_not_end_dialling(db: Database) -> None:
    clock = moved_clock()
    faults = iter([None, RuntimeError("what is this?")])

    async def fail_once() -> None:
        if fault := next(faults, None):
            raise fault

    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 40, pacing={"lines": 100})
        async with dialling(dialer(db, clock, gateway, cps=50, before_claim=fail_once)):
            await until(lambda: tried(db, 40), clock)
    assert (await states(db))["placed"] == len(simulator.creates) > 20
    assert worst_second(await sent_instants(db)) <= 50
    assert len({create.to for create in simulator.creates}) == len(simulator.creates)


class SlowConnection:
    """The gateway behind a network on which connections take longer than an intent lives."""

    def __init__(self, gateway: Gateway, seconds: float) -> None:
        self._gateway, self._seconds = gateway, seconds

    async def place(self, request: CallRequest, leaves: Leaves) -> PlaceResult:
        await asyncio.sleep(self._seconds)
        return await self._gateway.place(request, leaves)


async def test_a_call_whose_connection_took_too_long_does_not_go_out_and_uses_no_attempt(
    db: Database,
) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 3, pacing={"lines": 100})
        one = dialer(db, clock, SlowConnection(gateway, 1.2), cps=200)
        async with dialling(one):

            async def given_back() -> bool:
                return (await states(db))["not_placed"] == 3

            await until(given_back, clock)
        assert simulator.creates == []
    contacts = await rows(db, "SELECT DISTINCT state, attempts FROM campaign_contacts")
    assert contacts == [{"state": "waiting", "attempts": 0}]


async def test_what_a_claim_yields_after_the_stop_is_given_back_too(db: Database) -> None:
    clock = moved_clock()
    stops: list[Dialer] = []

    async def stop_in_the_claim() -> None:
        stops[0].stop()
        await asyncio.sleep(0.05)

    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 5, pacing={"lines": 100})
        stops.append(dialer(db, clock, gateway, cps=40, before_claim=stop_in_the_claim))
        await stops[0].run()
        assert simulator.creates == []
    assert await states(db) == {"not_placed": 5}


async def test_stopping_gives_back_what_has_not_gone_out(db: Database) -> None:
    clock = moved_clock()
    async with twilio(clock) as (simulator, gateway):
        await running_campaign(db, clock, 50, pacing={"lines": 100})
        one = dialer(db, clock, gateway, cps=40)
        task = asyncio.create_task(one.run())

        async def some() -> bool:
            return len(simulator.creates) >= 2

        await until(some, clock)
        one.stop()
        await task
    found = await states(db)
    assert not found["placing"]
    assert found["placed"] == len(simulator.creates)
    waiting = await rows(
        db, "SELECT count(*) AS n FROM campaign_contacts WHERE state = 'waiting' AND attempts = 0"
    )
    assert waiting[0]["n"] == 50 - len(simulator.creates)
