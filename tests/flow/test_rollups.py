"""Roll-ups say what the attempts say, whatever happened in whatever order, and mend themselves."""

import contextlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.domain import measures
from campaign.domain.disposition import Disposition
from campaign.domain.measures import Dimension, Span
from campaign.flow import rollups
from campaign.store import report_rows
from campaign.store import rollups as store
from campaign.store.database import Database
from tests.support.campaigns import rows
from tests.support.clock import ManualClock
from tests.support.settled import Desk

D = Disposition

EVENT = st.tuples(
    st.sampled_from(list(Disposition)),
    st.integers(0, 1),  # campaign
    st.integers(0, 5),  # contact
    st.integers(0, 60),  # hours after the start
    st.sampled_from([None, 0, 99, 100, 101, 1999, 2000, 2001, 10_000, 60_000]),
    st.sampled_from([None, "0.1", "0.25"]),
    st.booleans(),
)
CORRECTION = st.tuples(st.integers(0, 30), st.sampled_from(list(Disposition)), st.booleans())


async def truth(db: Database) -> dict[str, Counter[tuple[Any, ...]]]:
    """The same counts, made from the operational tables by other means, for the dimensions one by one."""
    found = await rows(
        db,
        """SELECT a.id, a.campaign_id, a.campaign_contact_id, k.list_id, a.campaign_version, a.caller_id,
                  k.place, a.intent_at, a.state, a.answered_at, o.*
             FROM attempts a JOIN outcomes o ON o.attempt_id = a.id JOIN contacts k ON k.id = a.contact_id
            ORDER BY a.id""",
    )
    counted: dict[str, Counter[tuple[Any, ...]]] = {
        name: Counter() for name in ("days", "outcomes", "hours", "words", "cohorts", "tries")
    }
    calls: dict[int, list[dict[str, Any]]] = {}
    for row in found:
        name = row["place"].split("|")[2]
        known = name.startswith("America/")
        local = row["intent_at"].astimezone(ZoneInfo(name) if known else UTC)
        row["zone"], row["day"], row["hour"] = name if known else "", local.date(), local.hour
        for about in abouts(row):
            counted["days"][(*about, row["day"])] += 1
            counted["outcomes"][(*about, row["day"], row["disposition"])] += 1
            if row["state"] != "not_placed":
                counted["hours"][(*about, row["day"], row["hour"])] += 1
            if row["first_word_ms"] is not None:
                counted["words"][(*about, row["day"], measures.bucket_of(row["first_word_ms"]))] += 1
        if row["state"] != "not_placed":
            calls.setdefault(row["campaign_contact_id"], []).append(row)
    for one in calls.values():
        connected = [n for n, row in enumerate(one, 1) if row["disposition"] in measures.CONNECTS]
        for about in abouts(one[0]):
            key = (*about, one[0]["day"])
            counted["cohorts"][(*key, "contacts")] += 1
            counted["cohorts"][(*key, "connected")] += bool(connected)
            counted["cohorts"][(*key, "succeeded")] += any(
                row["disposition"] in measures.SUCCESSES for row in one
            )
            for n in range(1, min(connected[0] if connected else len(one), measures.MOST_TRIES) + 1):
                counted["tries"][(*key, n, "tried")] += 1
            if connected:
                counted["tries"][(*key, min(connected[0], measures.MOST_TRIES), "reached")] += 1
    return {name: +counter for name, counter in counted.items()}


def abouts(row: dict[str, Any]) -> Iterable[tuple[str, int, str]]:
    campaign = row["campaign_id"]
    yield "campaign", campaign, ""
    yield "list", campaign, str(row["list_id"])
    yield "version", campaign, str(row["campaign_version"])
    yield "caller_id", campaign, row["caller_id"]
    yield "zone", campaign, row["zone"]


async def stored(db: Database) -> dict[str, Counter[tuple[Any, ...]]]:
    async def counter(sql: str) -> Counter[tuple[Any, ...]]:
        return +Counter({tuple(row.values())[:-1]: row["n"] for row in await rows(db, sql)})

    about = "dimension, campaign_id, value, day"
    return {
        "days": await counter(f"SELECT {about}, attempts AS n FROM report_days"),
        "outcomes": await counter(f"SELECT {about}, disposition, attempts AS n FROM report_dispositions"),
        "hours": await counter(f"SELECT {about}, hour, placed AS n FROM report_hours"),
        "words": await counter(f"SELECT {about}, bucket, calls AS n FROM report_first_words"),
        "cohorts": await counter(
            f"SELECT {about}, s.step, s.n FROM report_cohorts CROSS JOIN LATERAL (VALUES "
            "('contacts', contacts), ('connected', connected), ('succeeded', succeeded)) AS s (step, n)"
        ),
        "tries": await counter(
            f"SELECT {about}, number, s.step, s.n FROM report_tries CROSS JOIN LATERAL (VALUES "
            "('tried', tried), ('reached', reached)) AS s (step, n)"
        ),
    }


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=st.lists(EVENT, min_size=1, max_size=14), corrections=st.lists(CORRECTION, max_size=8))
async def test_whatever_was_recorded_and_corrected_the_roll_ups_equal_a_recount(
    db: Database, events: list[Any], corrections: list[Any]
) -> None:
    await rows(db, "TRUNCATE campaigns, contact_lists, contacts, report_queue CASCADE")
    now = datetime(2026, 11, 24, 22, tzinfo=UTC)
    desk = await Desk(db, now).open()
    made = []
    keeper = rollups.RollUps(db)
    for n, (disposition, campaign, contact, after, words, cost, abandoned) in enumerate(events):
        made.append(
            await desk.attempt(
                disposition,
                campaign=campaign,
                contact=contact,
                after=after,
                first_word_ms=words,
                cost=cost,
                abandoned=abandoned,
                version=1 + n % 2,
                caller=n % 2,
            )
        )
        if n % 4 == 3:
            await keeper.tick(now)
    for which, disposition, fold in corrections:
        await desk.correct(made[which % len(made)], disposition=disposition.value, seconds=which)
        if fold:
            await keeper.tick(now)
    await rollups.catch_up(db, now)
    assert await stored(db) == await truth(db)
    sums = await rows(
        db,
        """SELECT (SELECT sum(cost) FROM report_days WHERE dimension = 'zone') AS rolled,
                  (SELECT sum(cost) FROM outcomes) AS counted,
                  (SELECT sum(abandoned) FROM report_days WHERE dimension = 'list') AS rolled_abandoned,
                  (SELECT count(*) FROM outcomes WHERE abandoned) AS counted_abandoned,
                  (SELECT sum(seconds) FROM report_dispositions WHERE dimension = 'version')
                      AS rolled_seconds,
                  (SELECT sum(seconds) FROM outcomes) AS counted_seconds""",
    )
    for name in ("", "_abandoned", "_seconds"):
        assert (sums[0]["rolled" + name] or 0) == (sums[0]["counted" + name] or 0)
    assert await rollups.check(db, now) == {}


async def test_a_fold_that_breaks_off_leaves_everything_as_it_was(db: Database, clock: ManualClock) -> None:
    desk = await Desk(db, clock.now()).open()
    attempt = await desk.attempt(D.NO_ANSWER)
    await rollups.catch_up(db, clock.now())
    await desk.correct(attempt, disposition="interested")
    before = await stored(db)
    with contextlib.suppress(ZeroDivisionError):
        async with db.transaction() as tx:
            await store.hold(tx, wait=True)
            assert (await store.fold(tx, await store.zones_known(tx))).taken == 1
            raise ZeroDivisionError  # as good as the process's end
    assert await stored(db) == before
    await rollups.catch_up(db, clock.now())
    assert await stored(db) == await truth(db)


async def test_an_outcome_that_commits_late_is_not_passed_over(db: Database, clock: ManualClock) -> None:
    """Its entry in the queue is older than those that were folded before it could be seen."""
    desk = await Desk(db, clock.now()).open()
    keeper = rollups.RollUps(db)
    late = await desk.attempt(D.BUSY, contact=1)
    await rows(db, "DELETE FROM report_queue")
    async with db.transaction() as tx:
        await store.queue(tx, late, clock.now())
        await desk.attempt(D.BUSY, contact=2)
        assert await keeper.tick(clock.now()) == 1
    assert await keeper.tick(clock.now()) == 0, "it looks on from where it was"
    assert await keeper.tick(clock.now() + timedelta(minutes=1)) == 1
    assert await stored(db) == await truth(db)


async def test_an_edited_contact_and_a_removed_attempt_leave_the_past_as_it_was(
    db: Database, clock: ManualClock
) -> None:
    desk = await Desk(db, clock.now()).open()
    attempt = await desk.attempt(D.INTERESTED, seconds=30)
    await desk.attempt(D.BUSY, contact=1)
    await rollups.catch_up(db, clock.now())
    before = await stored(db)
    await rows(db, "UPDATE contacts SET place = 'US|US-CA|America/Los_Angeles'")
    await desk.correct(attempt, seconds=31)
    await rollups.catch_up(db, clock.now())
    assert await stored(db) == before
    await rows(db, "DELETE FROM attempts WHERE id = :id", id=attempt)
    assert await rollups.check(db, clock.now()) == {}
    await rollups.rebuild(db, clock.now())
    assert await stored(db) == before


async def test_what_older_code_wrote_and_what_was_spoilt_is_found_and_mended_at_night(
    db: Database, clock: ManualClock
) -> None:
    desk = await Desk(db, clock.now()).open()
    await desk.attempt(D.INTERESTED)
    await desk.attempt(D.BUSY, campaign=1)
    await rollups.catch_up(db, clock.now())
    await desk.attempt(D.NO_ANSWER, contact=1)
    await rows(db, "DELETE FROM report_queue")  # as older code, which doesn't know of it
    await rows(db, "UPDATE report_days SET attempts = attempts + 1 WHERE campaign_id = 1 AND value = ''")
    keeper = rollups.RollUps(db)
    assert clock.now().hour != rollups.CHECK_HOUR
    for _ in range(8):
        await keeper.tick(clock.now())
    assert await stored(db) != await truth(db)
    night = clock.now().replace(hour=rollups.CHECK_HOUR) + timedelta(days=1)
    for _ in range(8):
        await keeper.tick(night)
    assert await stored(db) == await truth(db)
    async with db.connection() as tx:
        fresh = await report_rows.freshness(tx)
    assert fresh.checked_at == night
    assert fresh.differed == {"report_facts": 1, "report_days": 2}, "a row of made, a row of stored"


async def test_while_somebody_rebuilds_the_tick_waits_for_another_time(
    db: Database, clock: ManualClock
) -> None:
    desk = await Desk(db, clock.now()).open()
    await desk.attempt(D.BUSY)
    keeper = rollups.RollUps(db)
    async with db.transaction() as tx:
        await store.hold(tx, wait=True)
        assert await keeper.tick(clock.now()) == 0
    assert await keeper.tick(clock.now()) == 1


async def test_rebuilding_from_nothing_gives_the_same(db: Database, clock: ManualClock) -> None:
    desk = await Desk(db, clock.now()).open()
    for n in range(6):
        await desk.attempt(list(Disposition)[n], contact=n % 3, campaign=n % 2, first_word_ms=n * 300)
    await rollups.catch_up(db, clock.now())
    before = await stored(db)
    await rows(db, "TRUNCATE report_facts, report_days, report_cohorts, report_tries, report_hours")
    assert await rollups.rebuild(db, clock.now()) == 6
    assert await stored(db) == before


async def test_the_reports_tell_what_the_roll_ups_hold(db: Database, clock: ManualClock) -> None:
    desk = await Desk(db, clock.now()).open()
    won = await desk.attempt(D.NO_ANSWER, contact=0, cost="0.10")
    await desk.attempt(D.INTERESTED, contact=0, first_word_ms=400, cost="0.30", seconds=60, after=24)
    await desk.attempt(D.DO_NOT_CALL, contact=1, first_word_ms=2500, abandoned=True)
    await desk.attempt(D.WRONG_NUMBER, contact=5, caller=1)
    await desk.attempt(D.BUSY, campaign=1, contact=2)
    await desk.recovery(won, "resume", "the conversation went on")
    await rollups.catch_up(db, clock.now())
    async with db.connection() as tx:
        (all_,) = await report_rows.funnel(tx, Span())
        assert (all_.enrolled, all_.attempted, all_.connected, all_.right_parties) == (4, 4, 3, 2)
        assert (all_.succeeded, all_.opted_out) == (1, 1)
        both = await report_rows.summary(tx, Span(by=Dimension.CAMPAIGN))
        assert [(row.campaign, row.attempts, row.connects) for row in both] == [
            ("campaign 0", 4, 3),
            ("campaign 1", 1, 0),
        ]
        assert (both[0].success_rate, both[0].abandonment_rate) == (0.3333, 0.3333)
        (first, second) = await report_rows.tries(tx, Span(campaigns=[desk.campaigns[0]]))
        assert (first.tried, first.reached, second.tried, second.reached_so_far) == (3, 2, 1, 1.0)
        (words,) = await report_rows.latency(tx, Span())
        assert (words.calls, words.served, words.p50_ms) == (2, 0.5, 400)
        lists = await report_rows.summary(tx, Span(by=Dimension.LIST))
        assert {row.value: row.attempts for row in lists} == {"list 0": 3, "list 1": 2}
        callers = await report_rows.costs(tx, Span(by=Dimension.CALLER_ID))
        assert [(row.value, row.attempts, row.cost) for row in callers] == [
            ("+12125550100", 4, 0.4),
            ("+12125550101", 1, 0.0),
        ]
        assert callers[0].disposition_costs == {"interested": 0.3, "no_answer": 0.1}
        (back,) = await report_rows.recoveries(tx, Span())
        assert (back.answer, back.became, back.calls) == ("resume", "the conversation went on", 1)
        (asked,) = await report_rows.opt_outs(tx, Span())
        assert (asked.opt_outs, asked.connects) == (1, 2)
        today = clock.now().date()
        assert (
            sum(row.attempts for row in await report_rows.outcomes(tx, Span(since=today, until=today))) == 4
        )
        months = await report_rows.outcomes(tx, Span(by=Dimension.ZONE), measures.Step.MONTH)
        assert {row.day for row in months} == {today.replace(day=1)}
        cells = await report_rows.hours(tx, Span(by=Dimension.ZONE))
        assert {(cell.value, cell.hour) for cell in cells} >= {("America/New_York", 10), ("", 15)}


async def test_no_question_reads_attempts(db: Database, clock: ManualClock) -> None:
    """The shape of every plan, so that five million attempts take as long as a thousand."""
    from sqlalchemy import event

    desk = await Desk(db, clock.now()).open()
    await desk.attempt(D.BUSY)
    await rollups.catch_up(db, clock.now())
    asked: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        asked.append((statement, parameters))

    async with db.connection() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", note)
        for by in (None, *Dimension):
            span = Span(campaigns=[1], since=clock.now().date(), by=by)
            for ask in (
                report_rows.funnel,
                report_rows.outcomes,
                report_rows.hours,
                report_rows.tries,
                report_rows.latency,
                report_rows.opt_outs,
                report_rows.recoveries,
                report_rows.costs,
                report_rows.summary,
            ):
                await ask(tx, span)
        event.remove(tx.sync_connection, "before_cursor_execute", note)
        for statement, parameters in asked:
            plan = [row[0] for row in await tx.exec_driver_sql("EXPLAIN " + statement, parameters)]
            read = {line.split(" on ")[1].split()[0] for line in plan if " on " in line and "Scan" in line}
            assert read, plan
            assert not read & {"attempts", "outcomes", "campaign_contacts", "report_facts"}, plan
