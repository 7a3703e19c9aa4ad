"""Twilio's callbacks: any order, any repetition, one outcome."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from campaign.domain.attempt import AttemptState
from campaign.flow import action, call_events, voice
from campaign.flow.answers import Converse, token_mint
from campaign.flow.call_events import Hands, told_by
from campaign.store import attempts
from campaign.store.attempts import Attempt
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import TUESDAY_MORNING, ManualClock

HANDS = Hands()
MINT = token_mint(b"test")


async def receive(
    db: Database,
    kind: Any,
    form: dict[str, str],
    now: datetime,
    *,
    hands: Hands = HANDS,
    marker: str = "marker-1",
) -> None:
    await call_events.receive(db, kind=kind, marker=marker, form=form, now=now, hands=hands)


def four(now: datetime, sid: str = rows.SID) -> dict[str, dict[str, str]]:
    """The four callbacks of a call that was answered for 36 seconds."""
    at = [now + timedelta(seconds=s) for s in (1, 2, 10, 46)]
    return {
        "initiated": rows.form("initiated", 0, at[0], sid=sid),
        "ringing": rows.form("ringing", 1, at[1], sid=sid, StirStatus="A"),
        "in-progress": rows.form("in-progress", 2, at[2], sid=sid, StirStatus="A"),
        "completed": rows.form(
            "completed", 3, at[3], sid=sid, CallDuration="36", Duration="1", SipResponseCode="200"
        ),
    }


def verdict(answered_by: str, sid: str = rows.SID) -> dict[str, str]:
    return {"CallSid": sid, "AnsweredBy": answered_by, "MachineDetectionDuration": "3200"}


# ── every order ────────────────────────────────────────────────────────────────────────────────────────

WORDS = ("initiated", "ringing", "in-progress", "completed")


def joined(words: Sequence[str], now: datetime) -> Attempt:
    """The row after those words, joined without a database."""
    forms = {
        **four(now),
        "amd": verdict("human"),
        "recording": {"CallSid": rows.SID, "RecordingSid": "RE1", "RecordingStatus": "completed"},
    }
    row = unsettled(now)
    for word in words:
        told = told_by(word if word in ("amd", "recording") else "status", forms[word], now)
        row = replace(row, **attempts.merged(row, told, now))
    return row


def unsettled(now: datetime) -> Attempt:
    blank: dict[str, Any] = dict.fromkeys(attempts.COLUMNS)
    return Attempt(
        **{**blank, "id": 1, "state": AttemptState.PLACING, "intent_at": now, "slot_at": now, "checks": 0}
    )


def test_the_row_is_the_same_after_all_orders_with_any_word_told_twice() -> None:
    now = TUESDAY_MORNING
    expected = joined((*WORDS, "amd", "recording"), now)
    assert (expected.state, expected.call_status) == (AttemptState.ENDED, "completed")
    assert (expected.duration_s, expected.answered_by, expected.recording_sid) == (36, "human", "RE1")
    assert expected.answered_at == now + timedelta(seconds=10)
    assert expected.ended_at == now + timedelta(seconds=46)
    for order in permutations((*WORDS, "amd", "recording")):
        for twice in WORDS:
            assert joined((*order, twice), now) == expected, (order, twice)
            assert joined((twice, *order), now) == expected, (twice, order)


@given(words=st.lists(st.sampled_from([*WORDS, "amd", "recording"]), max_size=12))
def test_a_repetition_of_the_whole_story_changes_nothing(words: list[str]) -> None:
    now = TUESDAY_MORNING
    once = joined([*words, *WORDS, "amd", "recording"], now)
    assert once == joined((*WORDS, "amd", "recording"), now)


def orders() -> Iterator[tuple[int, tuple[str, ...]]]:
    """All orders of the four call events, detection's verdict and the session's end; one word is told
    twice, a different one and at a different place each time."""
    for number, order in enumerate(permutations((*WORDS, "amd", "action"))):
        twice = order[number % 6]
        place = (number // 6) % 7
        yield number, (*order[:place], twice, *order[place:])


async def tell(db: Database, number: int, words: Sequence[str], now: datetime, verdict_is: str) -> None:
    sid = f"CA{number:032d}"
    marker = f"marker-{number}"
    told = four(now, sid)
    answer = await voice.answer(
        db, marker, {"CallSid": sid, "CallStatus": "in-progress"}, now + timedelta(seconds=10), mint=MINT
    )
    assert isinstance(answer, Converse)
    for word in words:
        later = now + timedelta(seconds=60)
        if word == "action":
            form = {
                "CallSid": sid,
                "CallStatus": "completed",
                "SessionId": "VX1",
                "SessionStatus": "completed",
            }
            await action.answer(db, marker, 1, form, later, mint=MINT)
        elif word == "amd":
            await receive(db, "amd", verdict(verdict_is, sid), later, marker=marker)
        else:
            await receive(db, "status", told[word], later, marker=marker)


OPERATIONAL = {"id", "marker", "phone", "call_sid", "campaign_contact_id", "contact_id", "attempt_id"}
"""Columns that differ from attempt to attempt by their nature."""
WISHES = {"cancel_at", "cancel_why"}
"""Whether we wished to hang up on a machine before Twilio told us that the call was over anyway."""


async def final_rows(db: Database) -> set[str]:
    found = set()
    async with db.connection() as tx:
        query = """
            SELECT row_to_json(a) AS a, row_to_json(o) AS o, row_to_json(cc) AS c, row_to_json(r) AS r
              FROM attempts a JOIN outcomes o ON o.attempt_id = a.id
              JOIN campaign_contacts cc ON cc.id = a.campaign_contact_id
              LEFT JOIN recoveries r ON r.attempt_id = a.id
        """
        for row in (await tx.execute(text(query))).mappings():
            kept = {
                f"{table}.{name}": value
                for table in "aocr"
                for name, value in (row[table] or {}).items()
                if name not in OPERATIONAL | WISHES
            }
            found.add(repr(sorted(kept.items(), key=str)))
    return found


@pytest.mark.parametrize("verdict_is", ["human", "machine_start"])
async def test_every_order_with_a_repetition_ends_in_the_same_rows(
    db: Database, clock: ManualClock, verdict_is: str
) -> None:
    now = clock.now()
    # Whether the rows join alike in all orders is proven above; here the whole way, a part of the orders.
    sequences = list(orders())[:: 4 if verdict_is == "human" else 12]
    async with db.transaction() as tx:
        campaign_id = await rows.campaign(tx, now)
        for number, _ in sequences:
            phone = f"+1212555{number:04d}"
            contact_id = await rows.contact(tx, now, phone=phone)
            place = await rows.enrolled(tx, now, campaign_id, contact_id, phone=phone)
            await rows.attempt(
                tx,
                now,
                marker=f"marker-{number}",
                phone=phone,
                campaign_id=campaign_id,
                campaign_version=1,
                contact_id=contact_id,
                campaign_contact_id=place,
            )
    few = asyncio.Semaphore(8)

    async def one(number: int, words: Sequence[str]) -> None:
        async with few:
            await tell(db, number, words, now, verdict_is)

    await asyncio.gather(*(one(number, words) for number, words in sequences))
    assert len(await rows.rows(db, "outcomes")) == len(sequences)
    finals = await final_rows(db)
    assert len(finals) == 1, "\n".join(list(finals)[:2])


# ── single events ──────────────────────────────────────────────────────────────────────────────────────


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


async def test_a_thousand_replays_of_a_captured_callback_change_nothing(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    await rows.dialled(db, now)
    for form in four(now).values():
        await receive(db, "status", form, now)
    before = await final_rows(db)
    for _ in range(250):
        await asyncio.gather(*(receive(db, "status", form, now) for form in four(now).values()))
    assert await final_rows(db) == before
    assert len(await rows.rows(db, "call_events")) == 4


async def test_the_same_callback_at_two_replicas_at_once_counts_once(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    await rows.dialled(db, now, reserved=1)
    await rows.run(
        db, "INSERT INTO campaign_spend (campaign_id, day, reserved) VALUES (1, :d, 3)", d=now.date()
    )
    form = rows.form("busy", 1, now)
    await asyncio.gather(*(receive(db, "status", form, now) for _ in range(6)))
    assert len(await rows.rows(db, "call_events")) == 1
    assert (await rows.row(db, "campaign_spend"))["reserved"] == 2


async def test_a_callback_that_is_quicker_than_the_answer_to_our_post_binds_the_call(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    await rows.dialled(db, now)
    await receive(db, "status", rows.form("ringing", 1, now), now)
    row = await rows.row(db, "attempts")
    assert (row["state"], row["call_sid"]) == ("ringing", rows.SID)


async def test_an_unknown_marker_is_kept_and_troubles_nobody(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    await receive(db, "status", rows.form("ringing", 1, now), now, marker="stranger")
    event = await rows.row(db, "call_events")
    assert event["attempt_id"] is None
    assert event["error"] == "no attempt has this marker"
    assert await call_events.sweep(db, now + timedelta(hours=1), now, HANDS) == 0


async def test_another_call_with_the_same_marker_never_touches_the_attempt(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    await rows.dialled(db, now)
    await receive(db, "status", rows.form("ringing", 1, now), now)
    other = rows.form("completed", 3, now, sid="CA" + "f" * 32)
    await receive(db, "status", other, now)
    assert (await rows.row(db, "attempts"))["state"] == "ringing"
    assert "not CAffff" in (await rows.row(db, "call_events", "call_sid <> :sid", sid=rows.SID))["error"]


async def test_an_event_whose_handling_fails_is_kept_and_handled_by_the_sweep(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    await rows.dialled(db, now)
    await rows.run(db, "ALTER TABLE outcomes ADD CONSTRAINT broken CHECK (disposition <> 'busy')")
    await receive(db, "status", rows.form("busy", 1, now), now)
    assert (await rows.row(db, "attempts"))["state"] == "placing"
    event = await rows.row(db, "call_events")
    assert event["handled_at"] is None
    assert "broken" in event["error"]
    assert await call_events.sweep(db, now, now, HANDS) == 0
    await rows.run(db, "ALTER TABLE outcomes DROP CONSTRAINT broken")
    assert await call_events.sweep(db, now, now, HANDS) == 1
    assert (await rows.row(db, "outcomes"))["disposition"] == "busy"
    assert (await rows.row(db, "call_events"))["error"] is None


async def test_a_status_that_twilio_may_add_one_day_is_harmless(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    await rows.dialled(db, now)
    await receive(db, "status", rows.form("on-hold", 1, now, CallDuration="x", Timestamp="?"), now)
    assert (await rows.row(db, "attempts"))["state"] == "placing"


async def test_a_late_verdict_of_a_machine_refines_the_outcome_and_the_retry(
    db: Database, clock: ManualClock
) -> None:
    now = clock.now()
    await rows.dialled(db, now)
    for form in four(now).values():
        await receive(db, "status", form, now)
    assert (await rows.row(db, "outcomes"))["disposition"] == "abandoned"
    await receive(db, "amd", verdict("machine_start"), now)
    outcome = await rows.row(db, "outcomes")
    assert (outcome["disposition"], outcome["abandoned"]) == ("machine", False)
    contact = await rows.row(db, "campaign_contacts")
    assert contact["next_at"] == now + timedelta(seconds=46, minutes=240)
    assert contact["disposition"] == "machine"


# ── machines ───────────────────────────────────────────────────────────────────────────────────────────


class Line:
    """Hangs up, and remembers what."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def hang_up(self, sid: str) -> None:
        self.ended.append(sid)


async def answered(db: Database, now: datetime, **sections: Any) -> None:
    await rows.dialled(db, now, sections=sections, state="answered", call_sid=rows.SID, answered_at=now)


async def test_a_machine_without_a_talk_is_hung_up_on_at_once(db: Database, clock: ManualClock) -> None:
    now, line = clock.now(), Line()
    await answered(db, now)
    await receive(db, "amd", verdict("machine_start"), now, hands=Hands(gateway=line))
    assert line.ended == [rows.SID]
    row = await rows.row(db, "attempts")
    assert (row["answered_by"], row["cancel_why"]) == ("machine_start", "machine")


async def test_a_live_talk_is_told_of_the_machine_instead(db: Database, clock: ManualClock) -> None:
    now, line, told = clock.now(), Line(), []

    async def on_machine(attempt_id: int, answered_by: str) -> bool:
        told.append(answered_by)
        return True

    await answered(db, now)
    await receive(db, "amd", verdict("machine_start"), now, hands=Hands(on_machine, line))
    assert (told, line.ended) == (["machine_start"], [])


async def test_a_person_or_an_unsure_detector_changes_nothing(db: Database, clock: ManualClock) -> None:
    now, line = clock.now(), Line()
    await answered(db, now)
    for word in ("unknown", "human"):
        await receive(db, "amd", verdict(word), now, hands=Hands(gateway=line))
    assert line.ended == []
    assert (await rows.row(db, "attempts"))["answered_by"] == "human"


async def test_a_campaign_that_talks_to_machines_hangs_up_on_faxes_only(
    db: Database, clock: ManualClock
) -> None:
    now, line = clock.now(), Line()
    await answered(db, now, voicemail={"policy": "talk", "detection": "enable"})
    await receive(db, "amd", verdict("machine_start"), now, hands=Hands(gateway=line))
    assert line.ended == []
