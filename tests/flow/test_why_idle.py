"""Why is nothing being dialled? One line that is right in every state."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from campaign.flow import enrol, lifecycle
from campaign.flow.why_idle import Why, why
from campaign.store import campaigns, reports
from campaign.store.database import Database
from tests.flow.test_hindrances import RATES, started
from tests.support.campaigns import definition, make_attempt, make_list, phone, rows, rulebook
from tests.support.clock import ManualClock

HAWAII = "US|US-HI|Pacific/Honolulu"


async def told(db: Database, clock: ManualClock, **given: Any) -> Why:
    async with db.connection() as tx:
        row = await campaigns.find(tx, "Minimal")
        status = await reports.status(tx, row.id, clock.now())
        return await why(tx, row, status, clock.now(), rulebook=rulebook(), rates=RATES, **given)


async def held(db: Database, clock: ManualClock, *groups: tuple[int, str, str | None, str]) -> None:
    """Put (number of the contact, state, rule, due_for) as the dialler would leave them."""
    for number, state, rule, due_for in groups:
        await rows(
            db,
            "UPDATE campaign_contacts SET state = :state, waiting_for = :rule, due_for = :due_for, "
            "next_at = CASE WHEN CAST(:state AS text) = 'waiting' THEN CAST(:at AS timestamptz) END "
            "WHERE phone = :phone",
            phone=phone(number),
            state=state,
            rule=rule,
            due_for=due_for,
            at=clock.now() + timedelta(hours=4),
        )


async def test_who_waits_for_what_is_told_with_the_next_opening(db: Database, clock: ManualClock) -> None:
    await started(db, clock, 6)
    await held(
        db, clock,
        (0, "waiting", "US.hours", "first"), (1, "waiting", None, "first"), (2, "waiting", None, "retry"),
        (3, "blocked", "dnc.own", "first"), (4, "blocked", "US.consent.informational", "first"),
        (5, "blocked", "dnc.own", "first"),
    )  # fmt: skip
    found = await told(db, clock)
    assert found.idle
    assert found.line == (
        "Nothing is due: 2 wait for their window (next opens 19:00 UTC), 1 waits for their retry (next "
        "19:00 UTC), 2 are blocked by our own do-not-call lists, 1 is blocked for want of consent."
    )
    assert [(reason.cause, reason.contacts, reason.rules) for reason in found.reasons] == [
        ("window", 2, {"US.hours": 1}),
        ("retry", 1, {}),
        ("own_dnc", 2, {"dnc.own": 2}),
        ("consent", 1, {"US.consent.informational": 1}),
    ]


async def test_contacts_enrolled_into_a_closed_zone_wait_for_their_window(
    db: Database, clock: ManualClock
) -> None:
    await make_list(db, contacts=3, place=HAWAII)
    await lifecycle.create(db, definition(), actor="test", now=clock.now())
    await enrol.catch_up(db, rulebook(), 1, clock.now())
    await lifecycle.start(db, "Minimal", actor="test", now=clock.now())
    await rows(
        db,
        "INSERT INTO replicas (id, role, host, pid, started_at, beat_at) "
        "VALUES ('r', 'all', 'h', 1, :now, :now)",
        now=clock.now(),
    )
    assert (await told(db, clock)).line == ("Nothing is due: 3 wait for their window (next opens 19:00 UTC).")


async def test_a_campaign_that_dials_is_not_idle(db: Database, clock: ManualClock) -> None:
    await started(db, clock, 3)
    found = await told(db, clock)
    assert (found.idle, found.line) == (
        False,
        "3 are due now; the next of them goes out when the pace and the other campaigns allow it.",
    )
    await make_attempt(db, 1, phone(0), state="ringing", now=clock.now())
    assert (await told(db, clock)).line == "It dials: 1 of 10 lines are in use, 2 are due now."
    await rows(db, "UPDATE campaigns SET lines = 1")
    assert "with all of its 1 lines in use" in (await told(db, clock)).line
    await rows(db, "UPDATE campaigns SET lines = 5")
    found = await told(db, clock, max_calls=1)
    assert not found.idle
    assert found.line.startswith("All 1 lines of the account (TWILIO_MAX_CALLS) are in use. 2 are due now")


async def test_who_is_being_called_is_told_while_nothing_else_is_due(
    db: Database, clock: ManualClock
) -> None:
    await started(db, clock, 1)
    await make_attempt(db, 1, phone(0), state="ringing", now=clock.now())
    assert (await told(db, clock)).line == "Nothing is due: 1 is being called."


async def test_all_done_is_told_so(db: Database, clock: ManualClock) -> None:
    await started(db, clock, 2)
    await rows(db, "UPDATE campaign_contacts SET state = 'done', next_at = NULL, disposition = 'interested'")
    await held(db, clock, (1, "blocked", "dnc.own", "first"))
    assert (await told(db, clock)).line == (
        "All that can be called is done: 1 done, 1 is blocked by our own do-not-call lists."
    )
    await rows(db, "UPDATE campaigns SET enrolled_at = NULL")
    assert (await told(db, clock)).line.startswith("All contacts so far are done, more are being enrolled")


HOLDS = (
    (
        "UPDATE campaigns SET state = 'draft'",
        "It is a draft with 2 contacts. Start it with: campaign start",
    ),
    (
        "UPDATE campaigns SET state = 'scheduled', starts_at = '2026-12-01T14:00:00Z'",
        "It starts by itself at 2026-12-01 14:00 UTC.",
    ),
    (
        "UPDATE campaigns SET state = 'paused', state_why = 'wrong price'",
        'It is paused since 2026-11-24 15:00 UTC (wrong price). Go on with: campaign resume "Minimal"',
    ),
    (
        "UPDATE campaigns SET state = 'stopping', state_why = 'enough'",
        "It is stopping (enough): 0 contacts",
    ),
    ("UPDATE campaigns SET state = 'stopped', state_why = 'enough'", "It was stopped for good at"),
    ("UPDATE campaigns SET state = 'completed', state_why = 'done'", "It is completed since"),
    ("UPDATE campaigns SET state = 'failed', state_why = 'no list'", "It failed at 2026-11-24 15:00 UTC"),
    (
        "UPDATE campaigns SET ends_at = '2026-11-24T15:00:00Z'",
        "Its end (2026-11-24 15:00 UTC) has passed",
    ),
    ("UPDATE campaigns SET starts_at = '2026-11-24T16:00:00Z'", "It dials from its start on"),
    ("DELETE FROM replicas", "No dialler has a heartbeat"),
    ("DELETE FROM replicas WHERE role = 'web'", "No process answers Twilio"),
    ("DELETE FROM campaign_contacts", "No contact is enrolled yet"),
    (
        "UPDATE installation SET dialling_stopped_at = '2026-11-24T14:00:00Z', "
        "dialling_stopped_by = 'cli:ana', dialling_stopped_why = 'complaint'",
        "All dialling is stopped since 2026-11-24 14:00 UTC by cli:ana (complaint).",
    ),
    (
        "INSERT INTO pace (id, next_slot_at, held_until, held_why) VALUES (1, '2026-11-24T15:00:00Z', "
        "'2026-11-24T15:01:00Z', 'Twilio is away.') ON CONFLICT (id) DO UPDATE "
        "SET held_until = excluded.held_until, held_why = excluded.held_why",
        "All calls are held: Twilio is away.",
    ),
    (
        "INSERT INTO campaign_spend (campaign_id, day, spent) VALUES (1, '2026-11-24', 19.99)",
        "The budget has no room for another call to US",
    ),
    (
        "INSERT INTO caller_id_days (caller_id, day, attempts) VALUES ('+12025550101', '2026-11-24', 7)",
        "No caller id has calls left today (+12025550101 7 of 7).",
    ),
)


async def test_each_state_and_each_hold_has_its_line(db: Database, clock: ManualClock) -> None:
    pool = [{"number": "+12025550101", "daily_cap": 7}]
    await started(db, clock, 2, budget={"total": "20"}, caller_ids=pool)
    assert not (await told(db, clock)).idle
    for statement, says in HOLDS:
        async with db.connection() as tx:  # read only, so nothing of it stays
            await tx.execute(text("SET TRANSACTION READ WRITE"))
            await tx.execute(text(statement))
            row = await campaigns.find(tx, "Minimal")
            status = await reports.status(tx, row.id, clock.now())
            found = await why(tx, row, status, clock.now(), rulebook=rulebook(), rates=RATES)
            await tx.rollback()
        assert found.idle, statement
        assert says in found.line, statement
        assert "\n" not in found.line


async def test_what_concerns_only_some_is_a_warning_and_not_the_line(
    db: Database, clock: ManualClock
) -> None:
    await started(db, clock, 2, regions=["US", "AQ"])
    await make_attempt(db, 1, phone(0), state="unknown", now=clock.now())
    await rows(db, "UPDATE attempts SET hold_until = :at", at=clock.now() + timedelta(minutes=5))
    found = await told(db, clock)
    assert not found.idle
    assert len(found.warnings) == 2
    assert any("1 number is held" in warning for warning in found.warnings)
    assert any("no price for calls to AQ" in warning for warning in found.warnings)


async def test_too_many_abandoned_calls_are_told_as_what_people_wait_for(
    db: Database, clock: ManualClock
) -> None:
    await started(db, clock, 2)
    await held(db, clock, *((n, "waiting", "US.abandon", "first") for n in range(2)))
    assert "2 wait for the share of abandoned calls to fall below the ceiling" in (await told(db, clock)).line
