"""The agent that needs no model."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.agent.protocol import Context, Done, Text
from campaign.agent.scripted import NOT_THEN, ScriptedAgent, respond
from campaign.domain.dialogue import Message, ToolRequest
from campaign.domain.script import Script
from campaign.domain.tools import RecordAnswer, meaning, specs

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=ZoneInfo("America/New_York"))
SCRIPT: dict[str, Any] = {
    "greeting": "Hi, is now a good time?",
    "goal": "Book a demo.",
    "questions": [
        {
            "key": "demo",
            "ask": "Would you like a demo, {{ first_name }}?",
            "kind": "yes_no",
            "required": True,
        },
        {"key": "plan", "ask": "Which plan?", "kind": "choice", "choices": ["Basic", "Premium"]},
        {"key": "people", "ask": "How many people?", "kind": "number"},
    ],
    "objections": [{"when": ["too expensive", "price"], "say": "It pays for itself."}],
    "transfers": {"sales": {"to": "+12125550199", "name": "our sales team"}},
    "closing": "Lovely, someone will write to you. Goodbye.",
}


class Talk:
    """A dialogue with the agent: what was said, answered and called."""

    def __init__(self, **more: Any) -> None:
        self.script = msgspec.convert({**SCRIPT, **more}, Script)
        self.history = [Message("agent", self.script.greeting)]
        self.answers: dict[str, Any] = {}
        self.tools: list[str] = []

    def says(self, text: str) -> str:
        self.history.append(Message("person", text))
        return self.goes_on()

    def goes_on(self) -> str:
        said = ""
        self.tools = []
        context = Context(self.script, {"first_name": "Sam"}, dict(self.answers), NOW)
        for piece in respond(self.history, context):
            if isinstance(piece, Text):
                said += piece.text
                continue
            self.tools.append(f"{piece.name} {piece.arguments}")
            meant = meaning(self.script, piece, NOW)
            if isinstance(meant, RecordAnswer):
                self.answers[meant.key] = meant.value
        if said:
            self.history.append(Message("agent", said))
        return said


def test_it_works_through_the_questions_and_closes() -> None:
    talk = Talk()
    assert talk.says("Yes, sure.") == "Would you like a demo, Sam?"
    assert talk.says("I'd love to.").endswith("Which plan?")
    assert talk.says("The second one").endswith("How many people?")
    assert talk.says("About twenty five").endswith("Goodbye.")
    assert talk.answers == {"demo": True, "plan": "Premium", "people": 25}
    assert talk.tools[-1] == 'end_call {"reason":"interested"}'


def test_a_bad_time_leads_to_a_callback() -> None:
    talk = Talk()
    assert "good time for us to call" in talk.says("I'm driving, call me back.")
    assert (
        talk.says("tomorrow at three") == "Great. I'll call you tomorrow at 3 PM. Talk to you then. Goodbye."
    )
    assert talk.tools == [
        'schedule_callback {"when":"tomorrow at three"}', 'end_call {"reason":"callback"}',
    ]  # fmt: skip


def test_a_callback_with_its_time_is_agreed_at_once() -> None:
    assert "on Friday at 10:30 AM" in Talk().says("Call me on Friday at ten thirty.")


def test_a_time_that_is_none_is_asked_for_once_more() -> None:
    talk = Talk()
    talk.says("Can you call me back?")
    assert "didn't get the time" in talk.says("Well, whenever.")
    assert "another time" in talk.says("I don't know.")
    assert talk.tools == ['end_call {"reason":"callback"}']


@pytest.mark.parametrize("said", ["No thanks.", "I'm not interested.", "No.", "We don't need that."])
def test_a_refusal_ends_the_call_politely(said: str) -> None:
    talk = Talk()
    assert "Goodbye" in talk.says(said)
    assert talk.tools == ['end_call {"reason":"not_interested"}']


def test_a_no_to_the_first_question_is_an_answer() -> None:
    talk = Talk()
    talk.says("Yes.")
    talk.says("No, thanks.")
    assert talk.answers == {"demo": False}


def test_a_lack_of_interest_is_no_answer_to_a_question_about_something_else() -> None:
    home = {"key": "owns_home", "ask": "Do you own your home?", "kind": "yes_no"}
    talk = Talk(questions=[home])
    talk.says("Yes.")
    assert "Thank you for your time" in talk.says("No, really, I am not interested. Goodbye.")
    assert talk.answers == {}
    assert talk.tools == ['end_call {"reason":"not_interested"}']
    talk = Talk(questions=[{**home, "ask": "Are you interested in a demo?"}])
    talk.says("Hello.")
    talk.says("I'm not interested.")
    assert talk.answers == {"owns_home": False}


def test_an_objection_is_answered_from_the_script_and_the_question_asked_again() -> None:
    talk = Talk()
    talk.says("Yes.")
    assert talk.says("Isn't that too expensive?") == "It pays for itself. Would you like a demo, Sam?"


def test_a_human_is_put_through() -> None:
    talk = Talk()
    talk.says("Can I talk to a real person?")
    assert talk.tools == ['transfer {"to":"sales"}']
    assert "call you back" in Talk(transfers={}).says("I want a human.")


def test_a_wrong_number_is_excused() -> None:
    talk = Talk()
    talk.says("There's no one by that name here, wrong number.")
    assert talk.tools == ['end_call {"reason":"wrong_number"}']


@pytest.mark.parametrize(
    "said",
    ["You have the wrong number.", "There is nobody of that name here. Goodbye.", "No one called that here."],
)
def test_however_somebody_else_says_so_it_is_a_wrong_number(said: str) -> None:
    talk = Talk()
    talk.says("Yes.")
    talk.says(said)
    assert talk.tools == ['end_call {"reason":"wrong_number"}']


@pytest.mark.parametrize(
    "said",
    ["I can't talk now. Can you call me tomorrow at three?", "No, I'm driving, call me tomorrow at three."],
)
def test_a_callback_asked_for_instead_of_an_answer_is_a_callback_and_no_answer(said: str) -> None:
    talk = Talk()
    assert talk.says("Yes.") == "Would you like a demo, Sam?"
    assert "tomorrow at 3 PM" in talk.says(said)
    assert talk.answers == {}
    assert talk.tools[-1] == 'end_call {"reason":"callback"}'


@pytest.mark.parametrize("said", ["I can't take your call right now.", "She can't come to the phone."])
def test_who_cannot_take_the_call_now_has_not_said_no(said: str) -> None:
    talk = Talk()
    talk.says("Yes.")
    talk.says(said)
    assert not any("not_interested" in tool for tool in talk.tools)
    assert talk.answers == {}


def test_a_time_for_a_call_is_no_number_of_people() -> None:
    talk = Talk()
    talk.answers = {"demo": True, "plan": "Basic"}
    talk.history += [Message("person", "Basic."), Message("agent", "Great. How many people?")]
    assert "today at 3 PM" in talk.says("I can't talk now, call me at three.")
    assert "people" not in talk.answers


@pytest.mark.parametrize(
    ("said", "heard", "reason"),
    [
        ("Can you call me tomorrow at three?", "Great.", "callback"),
        ("Can you call me tomorrow at three?", "", "callback"),
        ("You have the wrong number.", "I'm sorry for", "wrong_number"),
        ("No thanks, I'm not interested.", "I understand.", "not_interested"),
    ],
)
def test_what_the_person_said_before_the_line_dropped_is_answered_after_it(
    said: str, heard: str, reason: str
) -> None:
    talk = Talk()
    talk.history += [Message("person", said), *([Message("agent", heard)] if heard else [])]
    talk.history.append(Message("agent", "Sorry, we were cut off for a moment."))
    talk.goes_on()
    assert talk.tools[-1] == f'end_call {{"reason":"{reason}"}}'


def test_what_another_agent_broke_off_is_answered_anew() -> None:
    talk = Talk()
    talk.history += [
        Message("person", "Yes."),
        Message("agent", "Would you like a demo, Sam?"),
        Message("person", "I'd love to."),
        Message("agent", "Won"),
        Message("agent", "Sorry, I had a little trouble there."),
    ]
    assert talk.goes_on().endswith("Which plan?")
    assert talk.answers == {"demo": True}


def test_what_it_does_not_understand_is_asked_again_with_the_choices_then_left() -> None:
    talk = Talk()
    talk.says("Yes.")
    talk.says("Yes.")
    assert talk.says("The blue one") == "Sorry, I didn't get that. Which plan? You can say Basic, Premium."
    assert talk.says("Blue!") == "Never mind. How many people?"
    talk.says("Lots and lots")
    assert talk.says("Very many").endswith("Goodbye.")


def test_a_question_it_cannot_answer_is_passed_on() -> None:
    talk = Talk()
    talk.says("Yes.")
    assert "colleagues" in talk.says("What does it weigh?")


def test_a_nudge_does_not_hide_the_open_question() -> None:
    talk = Talk()
    talk.says("Yes.")
    talk.history.append(Message("agent", "Are you still there?"))
    talk.says("Yes.")
    assert talk.answers == {"demo": True}


def test_it_takes_over_in_the_middle_and_after_a_dropped_line() -> None:
    talk = Talk()
    talk.answers = {"demo": True}
    talk.history.append(Message("agent", "Sorry, we were cut off for a moment."))
    assert talk.goes_on() == "Which plan?"


def test_a_question_that_was_cut_off_while_it_was_asked_still_counts() -> None:
    talk = Talk()
    talk.history += [Message("person", "Yes."), Message("agent", "Would you like a demo")]
    talk.says("Yes!")
    assert talk.answers == {"demo": True}


def test_a_script_without_questions_is_closed_after_a_word() -> None:
    talk = Talk(questions=[])
    assert talk.says("Okay.").endswith("Goodbye.")
    assert talk.tools == ['end_call {"reason":"completed"}']


async def test_as_an_agent_it_ends_every_reply() -> None:
    script = msgspec.convert(SCRIPT, Script)
    agent = ScriptedAgent()
    context = Context(script, {}, {}, NOW)
    pieces = [piece async for piece in agent.reply([Message("person", "Yes.")], specs(script), context)]
    assert isinstance(pieces[-1], Done)
    await agent.warm()
    await agent.close()


@given(st.lists(st.text(max_size=40), min_size=1, max_size=25))
def test_whatever_is_said_it_answers_and_comes_to_an_end(lines: list[str]) -> None:
    talk = Talk()
    for line in [*lines, *["hm"] * 12]:
        said = talk.says(line)
        assert said or talk.tools
        if any(name.startswith(("end_call", "transfer")) for name in talk.tools):
            return
    raise AssertionError("it never ends")


def test_pieces_are_text_and_tools_only() -> None:
    talk = Talk()
    context = Context(talk.script, {}, {}, NOW)
    assert all(isinstance(one, Text | ToolRequest) for one in respond([], context))


@pytest.mark.parametrize(
    ("said", "tools"),
    [
        ("Okay, bye.", ['end_call {"reason":"completed"}']),
        (
            "No, goodbye.",
            ['record_answer {"question":"demo","value":false}', 'end_call {"reason":"not_interested"}'],
        ),
        (
            "Yes please, bye!",
            ['record_answer {"question":"demo","value":true}', 'end_call {"reason":"interested"}'],
        ),
    ],
)
def test_who_takes_their_leave_is_let_go(said: str, tools: list[str]) -> None:
    talk = Talk()
    talk.says("Yes, sure.")
    assert "Goodbye" in talk.says(said)
    assert talk.tools == tools


def test_a_time_that_the_rules_forbid_is_not_agreed_on() -> None:
    context = Context(
        msgspec.convert(SCRIPT, Script), {}, {}, NOW, next_callable=lambda at: at.replace(hour=23)
    )
    history = [
        Message("agent", "Hi, is now a good time?"),
        Message("person", "Call me back tomorrow at three."),
    ]
    said = respond(history, context)
    assert [piece.text for piece in said if isinstance(piece, Text)] == [NOT_THEN]
    history += [Message("agent", NOT_THEN), Message("person", "Then at four.")]
    assert [piece.name for piece in respond(history, context) if isinstance(piece, ToolRequest)] == [
        "end_call"
    ]
