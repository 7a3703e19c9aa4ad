"""Twilio's callbacks: any order, any repetition, one outcome."""

from datetime import datetime, timedelta
from typing import Any

from campaign.flow import call_events
from campaign.flow.call_events import Hands
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import ManualClock

HANDS = Hands()


async def receive(db: Database, kind: Any, form: dict[str, str], now: datetime, hands: Hands = HANDS) -> None:
    await call_events.receive(db, kind=kind, marker="marker-1", form=form, now=now, hands=hands)


def four(now: datetime) -> dict[str, dict[str, str]]:
    """The four callbacks of a call that was answered for 36 seconds."""
    at = [now + timedelta(seconds=s) for s in (1, 2, 10, 46)]
    return {
        "initiated": rows.form("initiated", 0, at[0]),
        "ringing": rows.form("ringing", 1, at[1], StirStatus="A"),
        "in-progress": rows.form("in-progress", 2, at[2], StirStatus="A"),
        "completed": rows.form("completed", 3, at[3], CallDuration="36", Duration="1", SipResponseCode="200"),
    }


async def test_a_call_that_nobody_answers_ends_in_one_outcome_and_a_planned_retry(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    await rows.dialled(db, now)
    await receive(db, "status", rows.form("initiated", 0, now), now)
    await receive(db, "status", rows.form("ringing", 1, now), now)
    ended = now + timedelta(seconds=31)
    await receive(db, "status", rows.form("no-answer", 2, ended, SipResponseCode="480"), ended)
    outcome = await rows.row(db, "outcomes")
    assert (outcome["disposition"], outcome["final"]) == ("no_answer", False)
    assert outcome["retry_at"] == ended + timedelta(minutes=120)
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["next_at"]) == ("waiting", outcome["retry_at"])
    assert (contact["due_for"], contact["attempts"], contact["priority"]) == ("retry", 1, -1)
