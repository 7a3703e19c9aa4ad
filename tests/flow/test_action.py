"""What a call does when its session ends: resumed, put through, or over; the same answer twice."""

import asyncio
import json
from typing import Any

from campaign.flow import action, voice
from campaign.flow.action import ActionAnswer
from campaign.flow.answers import Converse, HangUp, SayAndHangUp, Transfer, token_mint
from campaign.flow.call_events import Hands, receive
from campaign.store import sessions
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import ManualClock

MINT = token_mint(b"secret")
DROPPED = {
    "SessionId": "VX" + "1" * 32,
    "SessionStatus": "failed",
    "ErrorCode": "64105",
    "ErrorMessage": "Websocket ended",
}


async def begin(db: Database, clock: ManualClock, **sections: Any) -> Converse:
    """A call in its first session."""
    await rows.dialled(db, clock.now(), state="placed", sections=sections)
    form = {"CallSid": rows.SID, "CallStatus": "in-progress"}
    answer = await voice.answer(db, "marker-1", form, clock.now(), mint=MINT)
    assert isinstance(answer, Converse)
    await opened(db, clock, 1)
    return answer


async def opened(db: Database, clock: ManualClock, ordinal: int) -> None:
    await rows.run(
        db,
        "UPDATE conversation_sessions SET opened_at = :now, replica = 'one' WHERE ordinal = :n",
        now=clock.now(),
        n=ordinal,
    )


async def ask(db: Database, clock: ManualClock, ordinal: int = 1, **form: str) -> ActionAnswer:
    base = {"CallSid": rows.SID, "CallStatus": "in-progress"}
    return await action.answer(db, "marker-1", ordinal, {**base, **form}, clock.now(), mint=MINT)


def ended(**handoff: str) -> dict[str, str]:
    return {"SessionId": "VX1", "SessionStatus": "ended", "HandoffData": json.dumps(handoff)}


async def test_a_dropped_socket_is_resumed_in_a_new_session_with_a_token_of_its_own(
    db: Database, clock: ManualClock
) -> None:
    first = await begin(db, clock)
    answer = await ask(db, clock, **DROPPED)
    assert isinstance(answer, Converse)
    assert answer.ordinal == 2
    assert answer.token != first.token
    one, two = await rows.rows(db, "conversation_sessions", "ordinal")
    assert one["closed_why"] == "failed 64105 Websocket ended"
    assert bytes(two["token_digest"]) == sessions.digest(answer.token)
    recovery = await rows.row(db, "recoveries")
    assert (recovery["answer"], recovery["session_status"], recovery["error_code"]) == (
        "resume",
        "failed",
        64105,
    )


async def test_the_same_question_asked_again_gets_the_same_answer_and_leaves_one_row(
    db: Database, clock: ManualClock
) -> None:
    await begin(db, clock)
    answers = await asyncio.gather(*(ask(db, clock, **DROPPED) for _ in range(4)))
    await opened(db, clock, 2)
    await clock.advance(2)
    answers.append(await ask(db, clock, **DROPPED))
    assert len(set(map(repr, answers))) == 1
    assert len(await rows.rows(db, "recoveries")) == 1
    assert len(await rows.rows(db, "conversation_sessions")) == 2


async def test_a_machines_verdict_between_two_asks_does_not_change_a_resume(
    db: Database, clock: ManualClock
) -> None:
    await begin(db, clock)
    first = await ask(db, clock, **DROPPED)
    await rows.run(db, "UPDATE attempts SET answered_by = 'machine_start'")
    assert await ask(db, clock, **DROPPED) == first


async def test_a_broken_server_does_not_loop_for_ever(db: Database, clock: ManualClock) -> None:
    await begin(db, clock)
    for ordinal in (1, 2, 3):
        assert isinstance(await ask(db, clock, ordinal, **DROPPED), Converse)
        await opened(db, clock, ordinal + 1)
    answer = await ask(db, clock, 4, **DROPPED)
    assert isinstance(answer, SayAndHangUp)
    assert "technical trouble" in answer.text
    assert [row["answer"] for row in await rows.rows(db, "recoveries", "session_ordinal")] == [
        "resume",
        "resume",
        "resume",
        "goodbye",
    ]


async def test_a_transfer_goes_to_the_campaigns_number_and_nowhere_else(
    db: Database, clock: ManualClock
) -> None:
    await begin(db, clock)
    answer = await ask(db, clock, **ended(reason="transfer", target="sales"))
    assert answer == Transfer("+12125550199", rows.CALLER, "marker-1", 1)
    assert (await rows.row(db, "recoveries"))["target"] == "sales"


async def test_an_invented_target_is_not_dialled(db: Database, clock: ManualClock) -> None:
    await begin(db, clock)
    answer = await ask(db, clock, **ended(reason="transfer", target="+19005551234"))
    assert isinstance(answer, SayAndHangUp)


async def test_a_machine_that_the_talk_heard_is_not_talked_to_again(db: Database, clock: ManualClock) -> None:
    await begin(db, clock)
    await rows.run(db, "UPDATE attempts SET talk_disposition = 'machine'")
    assert isinstance(await ask(db, clock, **DROPPED), HangUp)
    assert (await rows.row(db, "recoveries"))["why"] == "answered by machine_greeting"


async def test_a_message_is_left_when_the_talk_handed_over_a_machine(
    db: Database, clock: ManualClock
) -> None:
    await begin(db, clock, voicemail={"policy": "leave_message", "detection": "detect_message_end"})
    answer = await ask(db, clock, **ended(reason="machine", answered_by="machine_end_beep"))
    assert answer == SayAndHangUp("Hello Ada, please call us back.", "voicemail", "en-US")
    form = rows.form("completed", 3, clock.now(), CallDuration="20")
    await receive(db, kind="status", marker="marker-1", form=form, now=clock.now(), hands=Hands())
    assert (await rows.row(db, "outcomes"))["disposition"] == "voicemail_left"
    assert (await rows.row(db, "recoveries"))["became"] == "the message was played"


async def test_a_person_who_hung_up_ends_the_attempt_at_once(db: Database, clock: ManualClock) -> None:
    await begin(db, clock)
    answer = await ask(db, clock, CallStatus="completed", SessionStatus="completed")
    assert isinstance(answer, HangUp)
    assert (await rows.row(db, "attempts"))["state"] == "ended"
    assert len(await rows.rows(db, "outcomes")) == 1
    assert (await rows.row(db, "recoveries"))["became"] == "the call ended"


async def test_what_became_of_a_resumption_is_kept(db: Database, clock: ManualClock) -> None:
    await begin(db, clock)
    await ask(db, clock, **DROPPED)
    await opened(db, clock, 2)
    await ask(db, clock, 2, CallStatus="completed", SessionStatus="completed")
    assert [row["became"] for row in await rows.rows(db, "recoveries", "session_ordinal")] == [
        "the conversation went on",
        "the call ended",
    ]


async def test_an_opt_out_is_not_followed_by_more_talk(db: Database, clock: ManualClock) -> None:
    await begin(db, clock)
    await rows.run(db, "UPDATE attempts SET talk_disposition = 'do_not_call'")
    assert isinstance(await ask(db, clock, **DROPPED), HangUp)


async def test_a_default_conclusion_of_a_broken_socket_does_not_prevent_the_resumption(
    db: Database, clock: ManualClock
) -> None:
    await begin(db, clock)
    await rows.run(db, "UPDATE attempts SET talk_disposition = 'completed'")
    assert isinstance(await ask(db, clock, **DROPPED), Converse)


async def test_questions_about_sessions_that_are_not_ours_are_answered_by_hanging_up(
    db: Database, clock: ManualClock
) -> None:
    await begin(db, clock)
    assert isinstance(await ask(db, clock, 7, **DROPPED), HangUp)
    assert isinstance(await ask(db, clock, **{**DROPPED, "CallSid": "CA" + "f" * 32}), HangUp)
    form = {"CallSid": rows.SID, **DROPPED}
    assert isinstance(await action.answer(db, "stranger", 1, form, clock.now(), mint=MINT), HangUp)
    assert await rows.rows(db, "recoveries") == []
