from dataclasses import replace
from datetime import timedelta
from typing import Any

from campaign.flow import enrol, lifecycle
from campaign.store import reports
from campaign.store.database import Database
from tests.support.campaigns import definition, make_attempt, make_list, phone, rows, rulebook
from tests.support.clock import ManualClock
from tests.support.rows import run


async def story(db: Database, clock: ManualClock) -> int:
    """Eight contacts: two won, one lost, one to be retried, one ringing, one waiting, two blocked."""
    await make_list(db, contacts=8)
    row = await lifecycle.create(db, definition(), actor="test", now=clock.now())
    await enrol.tick(db, rulebook(), clock.now())
    await lifecycle.start(db, row.name, actor="test", now=clock.now())
    ended: dict[str, Any] = {"state": "ended", "answered_by": "human", "seconds": 60}
    won = {"disposition": "interested", "category": "success", "first_word_ms": 400, "cost": 0.25}
    await make_attempt(db, row.id, phone(0), **ended, **won)
    await make_attempt(db, row.id, phone(1), state="ended", disposition="no_answer")
    won["first_word_ms"] = 900
    await make_attempt(db, row.id, phone(1), **ended, **won, number=2, due_for="retry")
    lost = {"disposition": "not_interested", "category": "failure", "first_word_ms": 600}
    await make_attempt(db, row.id, phone(2), **ended, **lost)
    later = clock.now() + timedelta(hours=2)
    await make_attempt(db, row.id, phone(3), state="ended", disposition="busy", retry_at=later)
    await make_attempt(db, row.id, phone(4), state="ringing")
    await rows(
        db,
        "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL, waiting_for = 'dnc.own' "
        "WHERE phone = ANY(:phones)",
        phones=[phone(6), phone(7)],
    )
    await rows(
        db,
        "INSERT INTO decisions (campaign_id, campaign_contact_id, phone, verdict, fingerprint, reasons, "
        "packs, decided_at) SELECT campaign_id, id, phone, 'block', 'x', CAST(:reasons AS jsonb), '[]', :now "
        "FROM campaign_contacts WHERE phone = :phone",
        reasons='{"reasons": [{"rule": "dnc.own", "verdict": "block", "why": "On the do-not-call list own."},'
        ' {"rule": "place.known", "verdict": "allow", "why": "Zones."}]}',
        phone=phone(7),
        now=clock.now(),
    )
    return row.id


async def test_the_report_counts_contacts_attempts_seconds_and_cost(db: Database, clock: ManualClock) -> None:
    campaign = await story(db, clock)
    async with db.connection() as tx:
        found = await reports.report(tx, campaign)
    assert [(step.step, step.contacts) for step in found.funnel] == [
        ("enrolled", 8),
        ("called", 5),
        ("answered", 3),
        ("reached", 3),
        ("talked", 3),
        ("won", 2),
    ]
    assert [(row.disposition, row.contacts, row.attempts, row.cost) for row in found.outcomes] == [
        ("interested", 2, 2, 0.5),
        ("busy", 1, 1, None),
        ("no_answer", 0, 1, None),
        ("not_interested", 1, 1, None),
    ]
    assert (found.seconds, found.cost, found.currency) == (180, 0.5, "USD")
    assert found.attempts == {"first": 5, "retry": 1, "callback": 0}
    assert (found.first_word.calls, found.first_word.p50, found.first_word.p95) == (3, 600, 900)
    assert (found.replies.turns, found.replies.p50) == (0, None)


async def test_the_report_tells_how_soon_replies_began(db: Database, clock: ManualClock) -> None:
    campaign = await story(db, clock)
    await run(
        db,
        """
        INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, latency_ms, at)
        SELECT (SELECT min(id) FROM attempts), n, 1, 'agent', 'Well.', CASE WHEN n <= 100 THEN n * 10 END, :at
          FROM generate_series(1, 110) AS n
        """,
        at=clock.now(),
    )
    async with db.connection() as tx:
        found = (await reports.report(tx, campaign)).replies
    assert (found.turns, found.p50, found.p95, found.p99, found.longest) == (100, 500, 950, 990, 1000)


async def test_who_was_not_called_is_told_with_the_reason_and_every_contact_is_accounted_for(
    db: Database, clock: ManualClock
) -> None:
    campaign = await story(db, clock)
    async with db.connection() as tx:
        found = await reports.report(tx, campaign)
    standing = {(row.state, row.rule, row.called): row for row in found.standing}
    assert set(standing) == {
        ("blocked", "dnc.own", False),
        ("calling", None, False),
        ("waiting", None, False),
        ("waiting", None, True),
    }
    blocked = standing["blocked", "dnc.own", False]
    assert (blocked.contacts, blocked.sentence) == (2, "On the do-not-call list own.")
    assert standing["waiting", None, True].next_at == clock.now() + timedelta(hours=2)
    done = 3
    assert sum(row.contacts for row in found.standing) + done == found.funnel[0].contacts


async def test_the_status_tells_what_is_up_what_is_due_and_when_the_next_is(
    db: Database, clock: ManualClock
) -> None:
    campaign = await story(db, clock)
    async with db.connection() as tx:
        found = await reports.status(tx, campaign, clock.now())
    assert found.contacts == {"done": 3, "blocked": 2, "waiting": 2, "calling": 1}
    assert (found.total, found.finished, found.calls, found.due) == (8, 5, {"ringing": 1}, 1)
    assert found.next_at == clock.now() + timedelta(hours=2)
    assert (found.waiting_for, found.blocked_by) == ({}, {"dnc.own": 2})
    assert found.dispositions == {"interested": 2, "busy": 1, "not_interested": 1}


async def test_a_campaign_without_contacts_has_an_empty_report(db: Database, clock: ManualClock) -> None:
    await make_list(db)
    row = await lifecycle.create(db, definition(), actor="test", now=clock.now())
    async with db.connection() as tx:
        found = await reports.report(tx, row.id)
        status = await reports.status(tx, row.id, clock.now())
    assert {step.contacts for step in found.funnel} == {0}
    assert (found.outcomes, found.standing, found.cost) == ([], [], None)
    assert (status.total, status.seconds_left, status.next_at) == (0, None, None)


async def test_recoveries_are_counted_by_what_became_of_them(db: Database, clock: ManualClock) -> None:
    campaign = await story(db, clock)
    await rows(
        db,
        "INSERT INTO recoveries (attempt_id, session_ordinal, why, answer, became, at) "
        "SELECT id, 1, 'the socket broke', 'resume', 'the conversation went on', :now FROM attempts LIMIT 2",
        now=clock.now(),
    )
    await rows(
        db,
        "INSERT INTO recoveries (attempt_id, session_ordinal, session_status, why, answer, became, at) "
        "SELECT id, 2, 'ended', 'ended', 'hang_up', 'the call ended', :now FROM attempts LIMIT 2",
        now=clock.now(),
    )
    counted = await rows(db, "SELECT sum(recoveries) AS n FROM analytics.attempts")
    assert counted[0]["n"] == 2, "a conversation that came to its end has nothing to recover"
    async with db.connection() as tx:
        assert await reports.recoveries(tx, campaign) == [
            reports.Recovery("resume", "the conversation went on", 2)
        ]


async def test_calls_to_us_are_told_apart_and_counted_nowhere_else(db: Database, clock: ManualClock) -> None:
    campaign = await story(db, clock)
    async with db.connection() as tx:
        before = await reports.report(tx, campaign)
    made = await rows(
        db,
        "INSERT INTO attempts (marker, kind, campaign_id, phone, caller_id, state, intent_at, slot_at, "
        "replica, settled_at) SELECT 'in-' || n, 'inbound', :id, '+12125550999', '+12025550142', 'ended', "
        ":now, :now, 'test', :now FROM generate_series(1, 3) n RETURNING id",
        id=campaign,
        now=clock.now(),
    )
    for one in made[:2]:
        await rows(
            db,
            "INSERT INTO outcomes (attempt_id, disposition, category, seconds, cost, final, recorded_at) "
            "VALUES (:id, 'interested', 'success', 30, 0.1, true, :now)",
            id=one["id"],
            now=clock.now(),
        )
    async with db.connection() as tx:
        after = await reports.report(tx, campaign)
    assert [(one.disposition, one.words, one.calls, one.seconds) for one in after.calls_in] == [
        ("interested", "interested", 2, 60),
        (None, "going on", 1, 0),
    ]
    assert replace(after, calls_in=()) == replace(before, calls_in=())
