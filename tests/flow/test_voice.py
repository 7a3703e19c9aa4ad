"""The last gate: what a call hears when somebody has picked up."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from campaign.flow import voice
from campaign.flow.answers import Converse, HangUp, SayAndHangUp, token_mint
from campaign.store import sessions
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import ManualClock

MINT = token_mint(b"one secret for all replicas")
FORM = {"CallSid": rows.SID, "CallStatus": "in-progress", "FromCity": ""}


async def ask(db: Database, clock: ManualClock, **more: Any) -> voice.VoiceAnswer:
    return await voice.answer(db, "marker-1", {**FORM, **more}, clock.now(), mint=MINT)


async def forbid(db: Database, clock: ManualClock, kind: str = "own") -> None:
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "WITH l AS (INSERT INTO dnc_lists (name, kind, created_at) VALUES (:kind || ' test', :kind, "
                ":now) ON CONFLICT DO NOTHING RETURNING id), own AS (SELECT id FROM l UNION SELECT id "
                "FROM dnc_lists WHERE kind = :kind) INSERT INTO dnc_entries (list_id, phone, reason, source, "
                "actor, added_at) SELECT id, :phone, 'asked', 'cli', 'test', :now FROM own"
            ),
            {"kind": kind, "phone": rows.PHONE, "now": clock.now()},
        )


async def test_an_answered_call_gets_its_conversation(db: Database, clock: ManualClock) -> None:
    attempt = await rows.dialled(db, clock.now(), state="placed")
    answer = await ask(db, clock)
    assert isinstance(answer, Converse)
    assert (answer.attempt_id, answer.ordinal, answer.script.agent_name) == (attempt, 1, "Alex")
    row = await rows.row(db, "attempts")
    assert (row["state"], row["call_sid"], row["answered_at"]) == ("answered", rows.SID, clock.now())
    session = await rows.row(db, "conversation_sessions")
    assert bytes(session["token_digest"]) == sessions.digest(answer.token)
    assert (await rows.row(db, "call_events"))["kind"] == "twiml"


async def test_the_same_fetch_twice_gets_the_same_answer_from_whichever_replica(
    db: Database, clock: ManualClock
) -> None:
    await rows.dialled(db, clock.now(), state="placed")
    answers = await asyncio.gather(*(ask(db, clock) for _ in range(4)))
    assert len(set(map(repr, answers))) == 1
    assert len(await rows.rows(db, "conversation_sessions")) == 1


async def test_once_the_conversation_was_opened_a_replayed_fetch_opens_no_other(
    db: Database, clock: ManualClock
) -> None:
    await rows.dialled(db, clock.now(), state="placed")
    await ask(db, clock)
    await rows.run(db, "UPDATE conversation_sessions SET opened_at = :now", now=clock.now())
    assert isinstance(await ask(db, clock), HangUp)


async def test_a_fetch_may_be_the_first_that_we_hear_of_a_call(db: Database, clock: ManualClock) -> None:
    await rows.dialled(db, clock.now(), state="unknown", hold_until=clock.now() + timedelta(minutes=15))
    assert isinstance(await ask(db, clock), Converse)
    assert (await rows.row(db, "attempts"))["state"] == "answered"


async def test_unknown_settled_and_foreign_calls_are_hung_up_on(db: Database, clock: ManualClock) -> None:
    assert isinstance(await ask(db, clock), HangUp)
    now = clock.now()
    await rows.dialled(db, now, state="placed", call_sid="CA" + "f" * 32)
    assert isinstance(await ask(db, clock), HangUp)
    assert isinstance(await ask(db, clock, CallSid=""), HangUp)
    await rows.run(db, "UPDATE attempts SET state = 'ended', settled_at = :now, call_sid = NULL", now=now)
    assert isinstance(await ask(db, clock), HangUp)
    assert await rows.rows(db, "conversation_sessions") == []
    assert {event["error"] for event in await rows.rows(db, "call_events")} >= {
        "no attempt has this marker",
        "the request names no call",
    }


async def test_a_person_put_on_the_list_while_it_rang_hears_who_called(
    db: Database, clock: ManualClock
) -> None:
    await rows.dialled(db, clock.now(), state="ringing")
    await forbid(db, clock)
    answer = await ask(db, clock)
    assert isinstance(answer, SayAndHangUp)
    assert "Example Energy LLC" in answer.text
    assert "8 0 0 5 5 5 0 1 0 0" in answer.text
    assert (await rows.row(db, "attempts"))["turned_away"] == "do_not_call"
    assert await rows.rows(db, "conversation_sessions") == []
    assert await ask(db, clock) == answer


async def test_a_registrys_entry_was_judged_by_the_gate_and_turns_nobody_away(
    db: Database, clock: ManualClock
) -> None:
    await rows.dialled(db, clock.now(), state="ringing")
    await forbid(db, clock, "registry")
    assert isinstance(await ask(db, clock), Converse)


async def test_a_campaigns_list_turns_away_in_that_campaign_only(db: Database, clock: ManualClock) -> None:
    await rows.dialled(db, clock.now(), state="ringing")
    await forbid(db, clock, "campaign")
    assert isinstance(await ask(db, clock), Converse)
    await rows.run(
        db,
        "INSERT INTO campaign_dnc_lists SELECT 1, id FROM dnc_lists WHERE kind = 'campaign'",
    )
    assert isinstance(await ask(db, clock), SayAndHangUp)


async def test_the_window_closes_at_its_instant(db: Database, clock: ManualClock) -> None:
    closes = clock.now() + timedelta(seconds=30)
    await rows.dialled(db, clock.now(), state="ringing", window_closes_at=closes)
    await clock.advance(29.999)
    assert isinstance(await ask(db, clock), Converse)
    await clock.advance(0.001)
    answer = await ask(db, clock)
    assert isinstance(answer, SayAndHangUp)
    assert (answer.why, (await rows.row(db, "attempts"))["turned_away"]) == ("window", "window")


async def test_a_pause_or_a_stop_never_cuts_a_call_that_was_answered(
    db: Database, clock: ManualClock
) -> None:
    await rows.dialled(db, clock.now(), state="ringing", campaign_state="stopped")
    await rows.run(db, "UPDATE installation SET dialling_stopped_at = :now", now=clock.now())
    assert isinstance(await ask(db, clock), Converse)


async def test_a_machine_known_before_the_fetch_meets_the_campaigns_policy(
    db: Database, clock: ManualClock
) -> None:
    await rows.dialled(db, clock.now(), state="ringing")
    assert await ask(db, clock, AnsweredBy="machine_start") == HangUp("a machine answered")


async def test_a_message_is_left_after_the_beep_with_the_contacts_name(
    db: Database, clock: ManualClock
) -> None:
    leave = {"voicemail": {"policy": "leave_message", "detection": "detect_message_end"}}
    await rows.dialled(db, clock.now(), state="ringing", sections=leave)
    answer = await ask(db, clock, AnsweredBy="machine_end_beep")
    assert answer == SayAndHangUp("Hello Ada, please call us back.", "voicemail", "en-US")
    assert (await rows.row(db, "recoveries"))["answer"] == "voicemail"


async def test_a_test_call_converses_by_its_own_definition(db: Database, clock: ManualClock) -> None:
    async with db.transaction() as tx:
        await rows.attempt(tx, clock.now(), kind="test", state="placed")
    await rows.run(db, "UPDATE attempts SET definition = CAST(:d AS jsonb)", d=json.dumps(rows.definition()))
    answer = await ask(db, clock)
    assert isinstance(answer, Converse)
    assert answer.script.goal.startswith("Find out")


def test_tokens_of_different_sessions_and_secrets_differ() -> None:
    other = token_mint(b"another secret")
    made = {MINT("a", 1), MINT("a", 2), MINT("b", 1), other("a", 1)}
    assert len(made) == 4
    assert all(len(token) == 43 and "/" not in token for token in made)
