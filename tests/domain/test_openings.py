"""Mailboxes and screening robots: the measured errors, and how a call with a robot goes on."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain import relay_protocol as relay
from campaign.domain.conversation import (
    Ask,
    Closed,
    EndSession,
    FirstWord,
    HangUp,
    MachineVerdict,
    OptOut,
    Send,
    SetDisposition,
)
from campaign.domain.disposition import Disposition
from campaign.domain.screening import Robot, recognise
from tests.support.talking import AI, GREETING, SETUP, STOP, Call

OPENINGS: dict[str, Any] = runpy.run_path(
    str(Path(__file__).parents[2] / "docs" / "tools" / "make_openings.py")
)
SCREEN = "Hi, if you record your name and reason for calling, I'll see if this person is available."
REASON = {"reason": "It's about the survey that {{ first_name }} asked for."}
TOLD = "This is Alex, an AI assistant calling for Acme. It's about the survey that Sam asked for."


def test_the_page_shows_the_errors_as_they_are_measured() -> None:
    page = OPENINGS["PAGE"].read_text()
    assert page == OPENINGS["page"](), "run: python docs/tools/make_openings.py"


@pytest.mark.parametrize("part", ["tuned", "held-out"])
def test_no_person_is_taken_for_a_machine(part: str) -> None:
    counted = OPENINGS["counted"](part)
    assert counted["human", "machine"] == 0
    assert counted["human", "screening"] == 0


def test_there_are_enough_sentences_of_each_kind() -> None:
    kinds = [one.kind for one in OPENINGS["openings"]()]
    assert [kinds.count(kind) >= most for kind, most in (("human", 60), ("machine", 60), ("screening", 20))]


@pytest.mark.parametrize(
    ("said", "robot"),
    [
        (SCREEN, Robot(asks=True)),
        ("To be connected, press star.", Robot(key="*")),
        ("Press the number seven to continue.", Robot(key="7")),
        ("This line does not accept telemarketing calls.", Robot(refuses=True)),
        ("Leave your name and reason for calling after the beep and I'll call you back.", None),
        ("I don't accept sales calls.", None),
        ("Who's calling, please?", None),
        ("One moment please.", None),
        ("", None),
    ],
)
def test_what_a_robot_wants(said: str, robot: Robot | None) -> None:
    assert recognise(said) == robot


def test_a_robot_that_was_answered_may_ask_for_patience() -> None:
    assert recognise("One moment please.", waiting=True) == Robot()


@given(st.text(max_size=2000))
def test_anything_may_be_said_and_no_more_than_one_key_is_ever_pressed(said: str) -> None:
    robot = recognise(said, waiting=True)
    assert robot is None or len(robot.key) <= 1


def screened(**more: Any) -> Call:
    """A robot has asked who is calling, over our disclosures, and was answered."""
    return Call(REASON, **more).on(SETUP).after(1.0).on(relay.TokensPlayed(AI)).says(SCREEN)


def keys(call: Call) -> list[str]:
    return [
        one.frame.digits
        for one in call.all
        if isinstance(one, Send) and isinstance(one.frame, relay.SendDigits)
    ]


def test_a_robot_is_told_who_calls_and_why_and_then_we_wait() -> None:
    call = screened()
    assert call.text == TOLD
    assert call.of(Ask) == []
    call.plays(" " + STOP, " " + GREETING, TOLD)
    assert call.says("Thanks. Stay on the line.").did[1:] == []
    assert call.after(20).of(Send) == []


def test_a_robot_that_speaks_before_we_do_is_answered_with_our_first_words() -> None:
    call = Call(REASON).on(SETUP).says(SCREEN)
    assert call.text == TOLD
    assert call.of(FirstWord)


def test_when_the_person_comes_everything_begins_anew_for_them() -> None:
    call = screened().plays(" " + STOP, " " + GREETING, TOLD).says("Hello?")
    assert call.text.strip() == f"{AI} {STOP} {GREETING}"
    call.plays(AI, " " + STOP, " " + GREETING)
    asked = call.says("Yes, what is it?").of(Ask)[0]
    assert ("note", "A robot screened the call and was answered; now the person is on the line.") in [
        (one.role, one.text) for one in asked.history
    ]
    assert len([one for one in call.all if isinstance(one, FirstWord)]) == 1


def test_detections_verdict_about_a_robot_ends_nothing_before_nor_after_the_person_came() -> None:
    call = screened().on(MachineVerdict("machine_start"))
    assert call.of(EndSession) == []
    call.plays(" " + STOP, " " + GREETING, TOLD).says("Hello?").on(MachineVerdict("machine_end_other"))
    assert call.of(EndSession) == []
    call.plays(AI, " " + STOP, " " + GREETING).says("Stop calling me.").plays("You're off our list.")
    call.after(10)
    end = next(one for one in call.all if isinstance(one, EndSession))
    assert end.handoff["answered_by"] == "screened"
    assert end.handoff["reason"] == "do_not_call"


def test_a_key_that_puts_the_call_through_is_pressed_once_and_no_other() -> None:
    call = Call().on(SETUP).says("To be connected, please press 5.")
    assert keys(call) == ["5"]
    call.plays("5").says("Hello, this is Sam.")
    assert AI in call.text
    assert keys(call) == ["5"]


@pytest.mark.parametrize("leave_message", [False, True])
def test_a_mailbox_behind_a_robot_ends_the_call(leave_message: bool) -> None:
    call = screened(leave_message=leave_message).says(
        "Sam can't take your call. Please leave a message after the tone."
    )
    assert call.of(EndSession)[0].handoff["answered_by"] == "machine_greeting"
    assert call.of(SetDisposition) == [SetDisposition(Disposition.MACHINE)]


def test_nobody_is_waited_for_for_ever_behind_a_robot() -> None:
    call = screened().plays(" " + STOP, " " + GREETING, TOLD).after(41)
    assert call.of(SetDisposition) == [SetDisposition(Disposition.NO_CONVERSATION)]
    assert call.of(EndSession)[0].handoff["reason"] == "screened"
    assert call.after(3).of(HangUp)


def test_a_robot_that_hangs_up_was_no_conversation() -> None:
    assert screened().on(Closed(1000)).of(SetDisposition) == [SetDisposition(Disposition.NO_CONVERSATION)]


def test_a_robot_that_asks_again_and_again_is_given_up() -> None:
    call = screened()
    for _ in range(5):
        call.says(SCREEN)
    call.after(60)
    assert [one.handoff["reason"] for one in call.all if isinstance(one, EndSession)] == ["screened"]
    told = [one for one in call.all if isinstance(one, Send) and "survey" in getattr(one.frame, "token", "")]
    assert len(told) == 4


def test_a_robot_that_lets_no_sellers_through_is_left_alone() -> None:
    call = (
        Call().on(SETUP).says("This number does not accept solicitation calls. Friends press 1 to continue.")
    )
    assert keys(call) == []
    assert call.plays(call.text).of(EndSession)[0].handoff["reason"] == "screened"


def test_a_robot_that_asks_for_the_do_not_call_list_is_heard() -> None:
    call = Call().on(SETUP).says("Solicitors, please put this number on your do not call list and hang up.")
    assert call.of(OptOut)


def test_who_sounded_like_a_mailbox_and_is_a_person_is_talked_to() -> None:
    call = Call(leave_message=True).on(SETUP).says("You have reached my voicemail, just kidding, hello?")
    assert call.after(3).of(Send) == []
    assert call.on(MachineVerdict("human")).text.strip() == f"{AI} {STOP} {GREETING}"
