"""A call is handed over to a human: who hears what, and what follows when somebody or nobody takes it."""

import json
from typing import Any

import pytest

from campaign.flow import action, handover
from campaign.flow.answers import (
    Converse,
    HangUp,
    LeaveQueue,
    PutTogether,
    Queue,
    SayAndHangUp,
    Transfer,
    Wait,
    Whisper,
    token_mint,
)
from campaign.flow.call_events import Hands, receive
from campaign.flow.sessions import open_session
from campaign.store.database import Database
from tests.flow.test_action import begin, ended, opened
from tests.support import rows
from tests.support.clock import ManualClock

MINT = token_mint(b"secret")
WORKFLOW = "WW" + "0" * 32
QUESTIONS = [
    {"key": "roof_age", "ask": "How old is your roof?", "kind": "number"},
    {"key": "note", "ask": "Anything else?"},
]
LEG = {"CallSid": "CA" + "9" * 32, "ParentCallSid": rows.SID}


async def hand_over(db: Database, clock: ManualClock, **target: Any) -> Any:
    """A call whose first session has ended with a transfer."""
    script = {
        **rows.DEFINITION["script"],
        "questions": QUESTIONS,
        "transfers": {"sales": {"name": "our sales team", **(target or {"to": "+12125550199"})}},
    }
    await begin(db, clock, script=script)
    await rows.run(
        db,
        "INSERT INTO answers (attempt_id, question, value, at) SELECT id, a.q, CAST(a.v AS jsonb), :now "
        "FROM attempts CROSS JOIN (VALUES ('roof_age', '12'), "
        "('note', '\"my card is 4111 1111 1111 1111\"')) AS a (q, v)",
        now=clock.now(),
    )
    form = {"CallSid": rows.SID, "CallStatus": "in-progress", **ended(reason="transfer", target="sales")}
    return await action.answer(db, "marker-1", 1, form, clock.now(), mint=MINT)


async def over(db: Database, clock: ManualClock, ordinal: int = 1, **form: str) -> handover.AfterTransfer:
    base = {"CallSid": rows.SID, "CallStatus": "in-progress"}
    return await handover.over(db, "marker-1", ordinal, {**base, **form}, clock.now(), mint=MINT)


async def test_nobody_is_told_beforehand_of_a_cold_transfer(db: Database, clock: ManualClock) -> None:
    answer = await hand_over(db, clock, to="sip:desk@example.net", ring_seconds=20)
    assert answer == Transfer("sip:desk@example.net", rows.CALLER, "marker-1", 1, 20, whisper=False)


async def test_who_takes_a_warm_transfer_hears_who_it_is_and_no_secret(
    db: Database, clock: ManualClock
) -> None:
    answer = await hand_over(db, clock, to="+12125550199", mode="warm", accept_key="1")
    assert answer == Transfer("+12125550199", rows.CALLER, "marker-1", 1, 30, whisper=True)
    heard = await handover.whisper(db, "marker-1", 1, LEG)
    assert isinstance(heard, Whisper)
    assert heard.text.startswith("A call of Example Energy LLC. On the line is Ada. roof age: 12.")
    assert heard.text.endswith("Press 1 to take the call.")
    assert "4111" not in heard.text
    assert rows.PHONE not in heard.text


async def test_the_words_for_the_target_are_for_the_leg_of_our_own_call_only(
    db: Database, clock: ManualClock
) -> None:
    await hand_over(db, clock, to="+12125550199", mode="warm", accept_key="1")
    other = {**LEG, "ParentCallSid": "CA" + "8" * 32}
    assert isinstance(await handover.whisper(db, "marker-1", 1, other), HangUp)
    assert isinstance(await handover.whisper(db, "marker-1", 2, LEG), HangUp)
    assert isinstance(await handover.whisper(db, "stranger", 1, LEG), HangUp)


@pytest.mark.parametrize(
    ("key", "bridged", "transferred"),
    [("1", "", True), ("2", "", False), ("", "", False), ("", "false", False), ("", "true", True)],
)
async def test_where_a_key_takes_the_call_a_voicemail_box_does_not(
    db: Database, clock: ManualClock, key: str, bridged: str, transferred: bool
) -> None:
    await hand_over(db, clock, to="+12125550199", mode="warm", accept_key="1")
    if key:
        pressed = await handover.accept(db, "marker-1", 1, {**LEG, "Digits": key}, clock.now())
        assert isinstance(pressed, PutTogether if key == "1" else HangUp)
    form = {"DialCallStatus": "completed"} | ({"DialBridged": bridged} if bridged else {})
    answer = await over(db, clock, **form)
    assert isinstance(answer, HangUp if transferred else Converse)
    told = (await rows.row(db, "attempts"))["talk_disposition"]
    assert told == ("transferred" if transferred else None)


async def test_a_queue_of_humans_is_told_the_answers_but_no_number(db: Database, clock: ManualClock) -> None:
    answer = await hand_over(db, clock, workflow=WORKFLOW)
    assert isinstance(answer, Queue)
    assert (answer.workflow, answer.marker, answer.ordinal) == (WORKFLOW, "marker-1", 1)
    told = json.loads(answer.task)
    assert told["name"] == "Ada"
    assert told["answers"]["roof_age"] == "12"
    assert "4111" not in answer.task
    assert rows.PHONE[-7:] not in answer.task


async def test_a_person_waits_in_the_queue_no_longer_than_the_script_says(
    db: Database, clock: ManualClock
) -> None:
    await hand_over(db, clock, workflow=WORKFLOW, queue_seconds=60)
    form = {"CallSid": rows.SID, "QueueTime": "59"}
    assert isinstance(await handover.wait(db, "marker-1", 1, form), Wait)
    assert isinstance(await handover.wait(db, "marker-1", 1, {**form, "QueueTime": "60"}), LeaveQueue)
    assert isinstance(await handover.wait(db, "stranger", 1, form), LeaveQueue)


TAKEN = [
    {"DialCallStatus": "completed"},
    {"DialCallStatus": "answered", "DialBridged": "true"},
    {"QueueResult": "bridged"},
    {"QueueResult": "redirected-from-bridged"},
]
NOT_TAKEN = [
    *({"DialCallStatus": status} for status in ("busy", "no-answer", "failed", "canceled")),
    {"DialCallStatus": "completed", "DialBridged": "false"},
    {"DialCallStatus": ""},
    *({"QueueResult": result} for result in ("leave", "queue-full", "error", "system-error", "hangup")),
]


@pytest.mark.parametrize("form", TAKEN, ids=str)
async def test_who_was_taken_by_a_human_was_transferred(
    db: Database, clock: ManualClock, form: dict[str, str]
) -> None:
    await hand_over(db, clock)
    assert isinstance(await over(db, clock, **form), HangUp)
    done = rows.form("completed", 3, clock.now(), CallDuration="40")
    await receive(db, kind="status", marker="marker-1", form=done, now=clock.now(), hands=Hands())
    assert (await rows.row(db, "outcomes"))["disposition"] == "transferred"


@pytest.mark.parametrize("form", NOT_TAKEN, ids=str)
async def test_when_nobody_takes_it_the_agent_is_back_and_knows_of_it(
    db: Database, clock: ManualClock, form: dict[str, str]
) -> None:
    await hand_over(db, clock)
    answer = await over(db, clock, **form)
    assert isinstance(answer, Converse)
    assert answer.ordinal == 2
    assert await over(db, clock, **form) == answer, "the same question gets the same answer"
    session = await open_session(db, answer.token, "one", clock.now())
    assert session is not None
    assert session.resumed is not None
    assert session.resumed.not_taken == (
        "I'm sorry, I couldn't reach our sales team. When would be a good time for us to call you?"
    )
    done = rows.form("completed", 3, clock.now(), CallDuration="40")
    await receive(db, kind="status", marker="marker-1", form=done, now=clock.now(), hands=Hands())
    assert (await rows.row(db, "outcomes"))["disposition"] != "transferred"


async def test_the_second_time_that_nobody_takes_it_is_the_last(db: Database, clock: ManualClock) -> None:
    await hand_over(db, clock)
    assert isinstance(await over(db, clock, DialCallStatus="busy"), Converse)
    await opened(db, clock, 2)
    again = {"CallSid": rows.SID, "CallStatus": "in-progress", **ended(reason="transfer", target="sales")}
    assert isinstance(await action.answer(db, "marker-1", 2, again, clock.now(), mint=MINT), Transfer)
    answer = await over(db, clock, 2, DialCallStatus="no-answer")
    assert isinstance(answer, SayAndHangUp)
    assert "nobody is free" in answer.text


async def test_who_hangs_up_while_it_rings_was_not_transferred(db: Database, clock: ManualClock) -> None:
    await hand_over(db, clock)
    answer = await over(db, clock, CallStatus="completed", DialCallStatus="canceled")
    assert isinstance(answer, HangUp)
    assert (await rows.row(db, "attempts"))["talk_disposition"] is None


async def test_the_end_of_a_transfer_corrects_an_outcome_that_stood_before_it(
    db: Database, clock: ManualClock
) -> None:
    await hand_over(db, clock)
    done = rows.form("completed", 3, clock.now(), CallDuration="40")
    await receive(db, kind="status", marker="marker-1", form=done, now=clock.now(), hands=Hands())
    assert (await rows.row(db, "outcomes"))["disposition"] != "transferred"
    await over(db, clock, CallStatus="completed", DialCallStatus="completed")
    assert (await rows.row(db, "outcomes"))["disposition"] == "transferred"


async def test_what_is_not_about_a_transfer_of_ours_is_hung_up(db: Database, clock: ManualClock) -> None:
    await hand_over(db, clock)
    assert isinstance(await over(db, clock, 7, DialCallStatus="busy"), HangUp)
    other = {"CallSid": "CA" + "f" * 32, "DialCallStatus": "busy"}
    assert isinstance(await over(db, clock, **other), HangUp)
