"""Conversations without a phone: the real machine, the real loop, and a person in text."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaign.agent.protocol import Agent, AgentError, Context, Done, Piece, Text
from campaign.agent.scripted import ScriptedAgent
from campaign.domain.campaign import CampaignDefinition, from_json, to_json
from campaign.domain.dialogue import Message, ToolRequest, ToolSpec
from campaign.domain.disposition import Disposition
from campaign.domain.errors import BadInput
from campaign.flow.answers import with_own
from campaign.flow.rehearsal import Standing, rehearse, so_far
from campaign.flow.text_line import Line, Reader, Sheet, move
from tests.support.campaigns import definition as sample
from tests.support.clock import TUESDAY_MORNING

ZONE = ZoneInfo("America/New_York")


class Named(dict[str, Agent]):
    def named(self, profile: str) -> Agent | None:
        return self.get(profile)


def defined(**sections: Any) -> CampaignDefinition:
    plain = to_json(sample())
    plain["script"] = {
        "greeting": "Hi {{ first_name | there }}, do you have a minute?",
        "goal": "Book a demo.",
        "questions": [
            {"key": "demo", "ask": "Would you like a demo?", "kind": "yes_no", "required": True},
            {"key": "people", "ask": "How many people work with you?", "kind": "number"},
        ],
        **sections.pop("script", {}),
    }
    return from_json({**plain, **sections})


def hold(lines: str, agents: dict[str, Agent] | None = None, **sections: Any) -> Sheet:
    """A whole rehearsal; the person does what the lines say."""
    shown: list[Line] = []
    campaign = defined(**sections)
    sheet = asyncio.run(
        rehearse(
            campaign,
            with_own({"first_name": "Ana"}, campaign),
            Reader(lines),
            Named({"scripted": ScriptedAgent(), **(agents or {})}),
            at=TUESDAY_MORNING,
            zone=ZONE,
            show=shown.append,
            stopwatch=count(0.0, 0.01).__next__ if agents else None,
        )
    )
    assert shown == sheet.lines
    return sheet


def told(sheet: Sheet, who: str) -> list[str]:
    return [line.text for line in sheet.lines if line.who == who]


def test_a_rehearsal_goes_as_the_call_would() -> None:
    sheet = hold("Yes.\nYes please.\nabout forty\n")
    ours = told(sheet, "agent")
    assert "AI assistant" in ours[0]
    assert ours[2] == "Hi Ana, do you have a minute?"
    assert ours[3] == "Would you like a demo?"
    assert sheet.answers == {"demo": True, "people": 40}
    assert (sheet.disposition, sheet.disclosed) == (Disposition.INTERESTED, True)
    assert told(sheet, "tool")[-1] == 'end_call {"reason":"interested"}'
    assert told(sheet, "note") == ["we hang up"]


def test_the_same_lines_give_the_same_rehearsal() -> None:
    lines = "/silence\nwhat?\n/interrupt hold on\nyes\n/12#\n"
    assert hold(lines).lines == hold(lines).lines


def test_silence_is_asked_after_twice_and_then_the_call_ends() -> None:
    sheet = hold("/silence\n/silence\n/silence\n")
    assert told(sheet, "agent")[3:] == [
        "Are you still there?",
        "I can't hear you. Are you there?",
        "I can't hear anyone, so I'll let you go. Goodbye.",
    ]
    assert sheet.disposition is Disposition.NO_CONVERSATION


@pytest.mark.parametrize("lines", ["/9", "yes\nStop calling me.", "/interrupt take me off your list"])
def test_an_opt_out_is_shown_with_its_words_and_ends_the_call(lines: str) -> None:
    sheet = hold(lines)
    assert sheet.disposition is Disposition.DO_NOT_CALL
    assert sheet.opted_out
    assert any("do-not-call list" in note for note in told(sheet, "note"))
    assert told(sheet, "agent")[-1].startswith("You're off our list")


def test_an_interruption_cuts_what_was_heard_but_never_the_disclosures() -> None:
    sheet = hold("/interrupt wait, who is this?\nyes\n")
    stored = [row for row in sheet.turns.values() if row.speaker == "agent"]
    cut = [row for row in stored if row.interrupted]
    assert [row.text for row in cut] == ["Hi Ana, do you"]
    assert sheet.disclosed


def test_keys_are_given_to_the_conversation_together() -> None:
    assert told(hold("/12#\n"), "key") == ["1 2 #"]
    assert [row.text for row in hold("/12#\n").turns.values() if row.speaker == "key"] == ["12#"]


@pytest.mark.parametrize(
    ("voicemail", "says"),
    [
        ({"policy": "hang_up", "detection": "enable"}, "a machine: we hang up without a message"),
        (
            {"policy": "leave_message", "detection": "detect_message_end"},
            "the message is left after the beep:",
        ),
    ],
)
def test_a_machine_ends_the_talk_as_the_policy_says(voicemail: dict[str, str], says: str) -> None:
    sheet = hold("/machine", voicemail=voicemail, script={"voicemail": "Please call {{ seller_phone }}."})
    assert says in told(sheet, "note")
    assert sheet.disposition is Disposition.MACHINE


def test_a_transfer_is_told_with_the_name_of_the_target() -> None:
    people = {"sales": {"to": "+12025550150", "name": "one of our advisers"}}
    sheet = hold("Let me talk to a real person", script={"transfers": people})
    assert told(sheet, "note") == ["the call is put through to one of our advisers"]


def test_who_hangs_up_is_told() -> None:
    sheet = hold("/hangup")
    assert told(sheet, "note") == ["they hung up"]
    assert sheet.disposition is Disposition.NO_CONVERSATION


class Odd:
    """A model that calls a tool with a number of its own, says something, and then breaks."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Message]] = []

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context
    ) -> AsyncIterator[Piece]:
        self.asked.append(history)
        if len(self.asked) > 1:
            raise AgentError("gone")
        yield Text("Sure, ")
        yield ToolRequest("1", "transfer", '{"to":"+15550001111"}')
        yield Text("one second.")
        yield Done()

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


def test_a_models_tools_are_shown_also_refused_ones_and_the_scripted_agent_takes_over() -> None:
    sheet = hold("yes\nyes\n", {"odd": Odd()}, script={"profiles": ["odd"]})
    assert told(sheet, "tool")[0] == 'transfer {"to":"+15550001111"}'
    assert "Would you like a demo?" in told(sheet, "agent")


def test_an_unknown_command_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="There is no '/dance'") as refused:
        move("/dance")
    assert "/silence" in refused.value.do


def standing(*lines: str, **sections: Any) -> Standing:
    """How it stands after these things."""
    campaign = defined(**sections)
    values = with_own({"first_name": "Ana"}, campaign)
    agents = Named({"scripted": ScriptedAgent()})
    moves = [move(line) for line in lines]
    return asyncio.run(so_far(campaign, values, moves, agents, at=TUESDAY_MORNING, zone=ZONE))


def test_a_rehearsal_is_played_up_to_the_persons_turn():
    first = standing()
    assert not first.over
    assert "Hi Ana, do you have a minute?" in first.lines[-1].text
    assert all(line.who == "agent" for line in first.lines)
    second = standing("yes")
    assert second.lines[: len(first.lines)] == first.lines
    assert second.lines[-1].text == "Would you like a demo?"
    assert not second.answers
    third = standing("yes", "yes please")
    assert third.answers == {"demo": True}
    assert not third.over


def test_a_rehearsal_is_over_when_somebody_hangs_up():
    asked = standing("stop calling me")
    assert asked.over
    assert asked.disposition is Disposition.DO_NOT_CALL
    assert standing("/hangup", "yes").over
    silent = standing("/silence", "/silence", "/silence", "hello?")
    assert silent.over
    assert silent.lines[-1].text == "we hang up"


def test_models_are_not_asked_in_a_rehearsal_that_is_played_again():
    assert standing("yes", script={"profiles": ["a_model"]}).lines == standing("yes").lines
