"""One outcome per attempt, whatever is learnt when; the contact's next step; the money."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from campaign.domain.budget import Rates
from campaign.domain.disposition import Disposition
from campaign.flow import outcomes
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import ManualClock

RATES = Rates(
    currency="USD",
    connect_per_minute={"US": Decimal("0.014")},
    relay_per_minute=Decimal("0.07"),
    detection_per_call=Decimal("0.0075"),
    recording_per_minute=Decimal("0.0025"),
    model_per_minute=Decimal("0.02"),
)


async def close(db: Database, attempt: int, now: datetime, rates: Rates | None = None) -> Disposition | None:
    async with db.transaction() as tx:
        return await outcomes.close(tx, attempt, now, outcomes.Terms(rates))


async def over(db: Database, now: datetime, status: str = "completed", **columns: Any) -> int:
    """An attempt whose call is over."""
    return await rows.dialled(
        db,
        now,
        **{
            "state": "ended",
            "call_status": status,
            "call_sid": rows.SID,
            "ended_at": now,
            "settled_at": now,
            **columns,
        },
    )


async def set_(db: Database, assignments: str, **given: Any) -> None:
    await rows.run(db, f"UPDATE attempts SET {assignments}", **given)


async def talked(
    db: Database, attempt: int, now: datetime, *, agent: str = "scripted", ms: int = 900
) -> None:
    await rows.run(
        db,
        "INSERT INTO conversation_sessions (attempt_id, ordinal, token_digest, agent, created_at, opened_at, "
        "closed_at, first_word_ms) VALUES (:id, 1, 'x', :agent, :now, :now, :now, :ms)",
        id=attempt,
        agent=agent,
        now=now,
        ms=ms,
    )


async def test_an_attempt_that_is_not_over_has_no_outcome(db: Database, clock: ManualClock) -> None:
    attempt = await rows.dialled(db, clock.now(), state="answered")
    assert await close(db, attempt, clock.now()) is None
    assert await close(db, 4711, clock.now()) is None
    assert await rows.rows(db, "outcomes") == []


async def test_closing_again_changes_nothing(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    attempt = await over(db, now, "busy", reserved=Decimal("1.5"))
    await rows.run(
        db, "INSERT INTO campaign_spend (campaign_id, day, reserved) VALUES (1, :d, 1.5)", d=now.date()
    )
    await close(db, attempt, now, RATES)
    before = [await rows.rows(db, t) for t in ("outcomes", "campaign_contacts", "campaign_spend", "attempts")]
    for minutes in (1, 2):
        await close(db, attempt, now + timedelta(minutes=minutes), RATES)
    after = [await rows.rows(db, t) for t in ("outcomes", "campaign_contacts", "campaign_spend", "attempts")]
    assert after == before
    assert before[2][0]["reserved"] == 0


async def test_the_conversations_word_that_comes_after_the_end_refines_the_outcome(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    attempt = await over(db, now, answered_at=now - timedelta(seconds=40), duration_s=40)
    assert await close(db, attempt, now) is Disposition.ABANDONED
    assert (await rows.row(db, "campaign_contacts"))["state"] == "waiting"
    await talked(db, attempt, now)
    await set_(db, "talk_disposition = 'interested'")
    await rows.run(
        db,
        "INSERT INTO answers (attempt_id, question, value, at) VALUES (:id, 'size', '120', :now)",
        id=attempt,
        now=now,
    )
    assert await close(db, attempt, now) is Disposition.INTERESTED
    outcome = await rows.row(db, "outcomes")
    assert (outcome["category"], outcome["final"], outcome["retry_at"]) == ("success", True, None)
    assert (outcome["seconds"], outcome["first_word_ms"], outcome["data"]) == (40, 900, {"size": 120})
    assert not outcome["abandoned"]
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["next_at"], contact["disposition"]) == ("done", None, "interested")


async def test_what_is_written_beside_the_call_events_is_joined_by_refining(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    attempt = await over(db, now, answered_at=now, duration_s=40)
    async with db.transaction() as tx:
        live = await rows.attempt(tx, now, marker="marker-2", phone="+12125550143", state="answered")
    await close(db, attempt, now)
    await set_(db, "talk_disposition = 'not_interested'")
    assert await outcomes.refine(db, [attempt, live], now) == 1
    assert (await rows.row(db, "outcomes"))["disposition"] == "not_interested"


async def test_a_late_fact_never_disturbs_a_contact_that_is_dialled_again(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    attempt = await over(db, now, "no-answer")
    await close(db, attempt, now)
    async with db.transaction() as tx:
        await rows.attempt(tx, now, marker="marker-2", campaign_id=1, campaign_contact_id=1, number=2)
    await rows.run(db, "UPDATE campaign_contacts SET state = 'calling', next_at = NULL, attempts = 2")
    await set_(db, "call_status = 'busy' WHERE marker = 'marker-1'")
    await close(db, attempt, now)
    assert (await rows.row(db, "outcomes"))["disposition"] == "busy"
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["attempts"]) == ("calling", 2)


async def test_a_contact_whom_somebody_blocked_meanwhile_stays_blocked(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    attempt = await over(db, now, "no-answer")
    await close(db, attempt, now)
    await rows.run(
        db,
        "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL, disposition = 'do_not_call'",
    )
    await set_(db, "answered_by = 'machine_start', call_status = 'completed', answered_at = :now", now=now)
    await close(db, attempt, now)
    assert (await rows.row(db, "campaign_contacts"))["state"] == "blocked"


@pytest.mark.parametrize("due_for", ["first", "retry", "callback"])
async def test_what_never_left_gives_the_contact_back_uncounted(
    db: Database, clock: ManualClock, due_for: str
) -> None:
    now = clock.now()
    attempt = await rows.dialled(db, now, state="not_placed", settled_at=now, due_for=due_for)
    assert await close(db, attempt, now) is Disposition.NOT_PLACED
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["attempts"], contact["due_for"]) == ("waiting", 0, due_for)
    assert contact["next_at"] == now + timedelta(minutes=1)
    assert (await rows.row(db, "outcomes"))["cost"] == 0


async def test_a_refused_number_goes_on_to_the_contacts_next_number(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    other = "+12125550177"
    attempt = await rows.dialled(
        db, now, others=(other,), state="not_placed", settled_at=now, error_code=21211
    )
    assert await close(db, attempt, now) is Disposition.BAD_NUMBER
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["number_index"]) == ("waiting", 1)


async def test_a_callback_is_due_when_the_person_said(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    at = now + timedelta(days=1, hours=5)
    attempt = await over(db, now, talk_disposition="callback", callback_at=at, answered_at=now)
    assert await close(db, attempt, now) is Disposition.CALLBACK
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["due_for"], contact["next_at"], contact["priority"]) == ("callback", at, -1)
    outcome = await rows.row(db, "outcomes")
    assert (outcome["final"], outcome["retry_at"]) == (False, at)


async def test_a_callback_beyond_the_budget_that_was_cancelled_is_still_owed(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    await over(db, now, "canceled", due_for="callback", number=4)
    (attempt,) = await rows.rows(db, "attempts")
    assert await close(db, attempt["id"], now) is Disposition.CANCELED
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["attempts"], contact["due_for"]) == ("waiting", 3, "callback")


async def test_a_test_call_has_an_outcome_and_touches_no_campaign(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    async with db.transaction() as tx:
        attempt = await rows.attempt(
            tx, now, kind="test", state="ended", settled_at=now, ended_at=now, call_status="busy"
        )
    assert await close(db, attempt, now, RATES) is Disposition.BUSY
    outcome = await rows.row(db, "outcomes")
    assert (outcome["campaign_id"], outcome["final"]) == (None, True)
    assert await rows.rows(db, "campaign_spend") == []


async def test_the_cost_is_an_estimate_until_twilio_names_its_price(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    attempt = await over(db, now, answered_at=now, duration_s=61, reserved=Decimal(2))
    await talked(db, attempt, now, agent="default")
    await rows.run(
        db, "INSERT INTO campaign_spend (campaign_id, day, reserved) VALUES (1, :d, 2)", d=now.date()
    )
    await close(db, attempt, now, RATES)
    outcome = await rows.row(db, "outcomes")
    lines = {"connect": "0.0280", "relay": "0.1400", "detection": "0.0075", "model": "0.0400"}
    assert (outcome["cost_lines"], outcome["cost"]) == (lines, Decimal("0.2155"))
    await set_(db, "price = -0.05, price_unit = 'USD'")
    await close(db, attempt, now, RATES)
    outcome = await rows.row(db, "outcomes")
    assert outcome["cost_lines"]["connect"] == "0.0500"
    spend = await rows.row(db, "campaign_spend")
    assert (spend["reserved"], spend["spent"]) == (0, outcome["cost"]) == (0, Decimal("0.2375"))


async def test_first_words_that_came_too_late_count_as_abandoned(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    attempt = await over(db, now, answered_at=now, duration_s=30)
    await talked(db, attempt, now, ms=2600)
    await set_(db, "talk_disposition = 'completed'")
    await close(db, attempt, now)
    outcome = await rows.row(db, "outcomes")
    assert (outcome["disposition"], outcome["abandoned"]) == ("completed", True)


async def test_a_person_who_hung_up_before_we_could_speak_was_not_abandoned_by_us(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    attempt = await over(db, now, answered_at=now, duration_s=1)
    await close(db, attempt, now)
    assert not (await rows.row(db, "outcomes"))["abandoned"]


async def test_a_talk_that_heard_nobody_yields_to_the_machines_verdict(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    attempt = await over(db, now, answered_at=now, duration_s=20, answered_by="machine_start")
    await talked(db, attempt, now)
    await set_(db, "talk_disposition = 'no_conversation'")
    assert await close(db, attempt, now) is Disposition.MACHINE


@pytest.mark.parametrize(
    ("answered_by", "more", "told"),
    [
        ("machine_start", [], Disposition.MACHINE),
        ("fax", [], Disposition.FAX),
        ("machine_start", [("agent", 300)], Disposition.MACHINE),
        ("machine_start", [("agent", 300), ("person", None)], Disposition.COMPLETED),
        ("human", [], Disposition.COMPLETED),
        (None, [], Disposition.COMPLETED),
    ],
)
async def test_a_talk_without_result_in_which_nobody_ever_answered_us_yields_to_detection(
    db: Database,
    clock: ManualClock,
    answered_by: str | None,
    more: list[tuple[str, int | None]],
    told: Disposition,
) -> None:
    """A machine's greeting is speech too; who answers what we replied is a person, whatever detectors say."""
    now = clock.now()
    attempt = await over(db, now, answered_at=now, duration_s=20, answered_by=answered_by)
    await talked(db, attempt, now)
    await set_(db, "talk_disposition = 'completed'")
    for seq, (speaker, latency) in enumerate([("agent", None), ("person", None), *more]):
        await rows.run(
            db,
            "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, latency_ms, "
            "at) VALUES (:id, :seq, 1, :speaker, 'Well.', :latency, :now)",
            id=attempt,
            seq=seq,
            speaker=speaker,
            latency=latency,
            now=now,
        )
    assert await close(db, attempt, now) is told


async def test_nobody_knows_and_the_outcome_says_so(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    attempt = await rows.dialled(db, now, state="ended", ended_at=now, settled_at=now)
    assert await close(db, attempt, now) is Disposition.UNKNOWN
    assert (await rows.row(db, "outcomes"))["seconds"] == 0
