"""The life of a call as its callbacks tell it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest

from campaign.simulator.line import machine_beep
from tests.simulator.service import PERSON, Hook, rig

PAUSE = "<Response><Pause length='3'/><Hangup/></Response>"


def once(event: asyncio.Event, status: str) -> Callable[[Hook], str]:
    """An answer to callbacks that sets the event when the call has that status."""

    def answer(hook: Hook) -> str:
        if hook.params["CallStatus"] == status:
            event.set()
        return ""

    return answer


async def test_an_answered_call_reports_four_events_in_order_and_signed() -> None:
    async with rig() as made:
        await made.call(twiml=PAUSE)
        await made.finish()
        posts = made.service.of("/status")
        assert [(p["CallStatus"], p["SequenceNumber"]) for p in posts] == [
            ("initiated", "0"),
            ("ringing", "1"),
            ("in-progress", "2"),
            ("completed", "3"),
        ]
        assert all(hook.signed for hook in made.service.hooks)
        assert posts[1]["StirStatus"] == "C"
        assert posts[0]["ToCity"] == ""
        assert posts[3]["CallDuration"] in ("3", "4")
        assert (posts[3]["Duration"], posts[3]["SipResponseCode"]) == ("1", "200")
        stamps = [parsedate_to_datetime(p["Timestamp"]) for p in posts]
        assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("persona", "statuses", "sip"),
    [
        ("busy", ["initiated", "ringing", "busy"], "486"),
        ("no_answer", ["initiated", "ringing", "no-answer"], "480"),
        ("failed", ["initiated", "failed"], "404"),
    ],
)
async def test_calls_that_nobody_answers_end_with_their_status(
    persona: str, statuses: list[str], sip: str
) -> None:
    async with rig(persona=persona) as made:
        await made.call(timeout=20)
        call = await made.finish()
        assert made.statuses() == statuses
        last = made.service.of("/status")[-1]
        assert (last["SipResponseCode"], last["CallDuration"]) == (sip, "0")
        assert made.service.of("/voice") == []
        assert call.status == statuses[-1]


async def test_a_telephone_rings_no_longer_than_the_timeout() -> None:
    async with rig(persona="no_answer") as made:
        await made.call(timeout=10)
        call = await made.finish()
        at = {status: datetime.fromisoformat(instant) for instant, status in call.history}
        assert 10.0 <= (at["no-answer"] - at["ringing"]).total_seconds() < 13.0


async def test_only_subscribed_events_are_sent_and_completed_is_the_default() -> None:
    async with rig(persona="busy") as made:
        await made.call(status_callback_event=None)
        await made.finish()
        assert made.statuses() == ["busy"]
    async with rig() as made:
        await made.call(status_callback_event=["answered"], twiml=PAUSE)
        await made.finish()
        assert [(p["CallStatus"], p["SequenceNumber"]) for p in made.service.of("/status")] == [
            ("in-progress", "2")
        ]


async def test_events_joined_by_spaces_are_no_events() -> None:
    async with rig(persona="busy") as made:
        await made.call(status_callback_event="initiated ringing")  # a common mistake
        await made.finish()
        assert made.statuses() == []
        assert 21626 in made.codes()


async def test_a_ringing_call_is_cancelled() -> None:
    async with rig(persona="no_answer") as made:
        ringing = asyncio.Event()
        made.service.answers["/status"] = once(ringing, "ringing")
        created = await made.call()
        await ringing.wait()
        updated = await asyncio.to_thread(created.update, status="canceled")
        assert updated.status == "canceled"
        await made.finish()
        assert made.statuses() == ["initiated", "ringing", "canceled"]


async def test_cancelling_leaves_a_call_in_progress_alone_and_completing_ends_it() -> None:
    async with rig() as made:
        answered = asyncio.Event()
        made.service.answers["/status"] = once(answered, "in-progress")
        created = await made.call(twiml="<Response>" + "<Pause length='14'/>" * 40 + "</Response>")
        await answered.wait()
        assert (await asyncio.to_thread(created.update, status="canceled")).status == "in-progress"
        assert (await asyncio.to_thread(created.update, status="completed")).status == "completed"
        call = await made.finish()
        assert call.seconds() < 300
        assert made.statuses()[-1] == "completed"


async def test_a_time_limit_ends_the_call() -> None:
    async with rig(persona="silent") as made:
        await made.call(time_limit=20, twiml="<Response>" + "<Pause length='14'/>" * 5 + "</Response>")
        call = await made.finish()
        assert 20 <= call.seconds() <= 23
        assert 32015 in made.codes()


@pytest.mark.parametrize(
    ("persona", "detection", "verdict"),
    [
        ("interested", "Enable", "human"),
        ("silent", "Enable", "unknown"),
        ("voicemail", "Enable", "machine_start"),
        ("voicemail", "DetectMessageEnd", "machine_end_beep"),
    ],
)
async def test_the_machine_verdict_comes_while_the_call_runs(
    persona: str, detection: str, verdict: str
) -> None:
    async with rig(persona=persona) as made:
        await made.call(
            twiml="<Response><Pause length='14'/></Response>",
            machine_detection=detection,
            async_amd="true",
            async_amd_status_callback=made.service.url("/amd"),
        )
        call = await made.finish()
        posts = made.service.of("/amd")
        assert [p["AnsweredBy"] for p in posts] == [verdict]
        assert set(posts[0]) == {"AccountSid", "CallSid", "AnsweredBy", "MachineDetectionDuration"}
        assert call.answered_by == verdict
        assert made.service.of("/status")[-1]["AnsweredBy"] == verdict


async def test_a_synchronous_verdict_comes_with_the_request_for_twiml() -> None:
    async with rig(persona="voicemail") as made:
        made.service.answers["/voice"] = "<Response><Say>Please call us back.</Say></Response>"
        await made.call(machine_detection="DetectMessageEnd", timeout=30)
        call = await made.finish()
        (request,) = made.service.of("/voice")
        assert request["AnsweredBy"] == "machine_end_beep"
        assert int(request["MachineDetectionDuration"]) >= machine_beep() * 1000
        assert call.message == "Please call us back."


async def test_send_digits_disables_machine_detection() -> None:
    async with rig() as made:
        await made.call(
            twiml=PAUSE, machine_detection="Enable", async_amd="true", send_digits="12w",
            async_amd_status_callback=made.service.url("/amd"),
        )  # fmt: skip
        call = await made.finish()
        assert call.answered_by is None
        assert made.service.of("/amd") == []


async def test_the_ledger_counts_rings_per_number() -> None:
    async with rig(persona="busy") as made:
        await made.call(twiml=PAUSE)
        await made.call(twiml=PAUSE)
        await made.call("+12125550200", twiml=PAUSE)
        await made.finish()
        report = made.simulator.report()
        assert report["rung_more_than_once"] == {PERSON: 2}
        assert report["creates"] == 3
        assert report["results"] == {"accepted": 3}
