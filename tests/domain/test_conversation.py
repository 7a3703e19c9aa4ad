"""The conversation as events in, commands out, with no socket."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain import relay_protocol as relay
from campaign.domain.conversation import (
    AgentDone,
    AgentFailed,
    AgentText,
    AgentTool,
    Ask,
    CancelAsk,
    Closed,
    Disclosed,
    EndSession,
    Event,
    FirstWord,
    HandOver,
    HangUp,
    MachineVerdict,
    OptOut,
    RecordTurn,
    Resumed,
    Send,
    SetDisposition,
    StopRequested,
)
from campaign.domain.dialogue import Patience, ToolRequest, Turn
from campaign.domain.disposition import Disposition
from campaign.domain.script import Script
from campaign.domain.tools import RecordAnswer, ScheduleCallback
from tests.support.talking import AI, GREETING, SETUP, STOP, Call, tool

# ── opening ────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_said_before_the_line_is_quiet_or_a_second_has_passed() -> None:
    call = Call().on(SETUP)
    assert call.did == []
    assert call.after(0.99).did == []
    assert call.after(0.02).text.endswith(GREETING)


def test_the_greeting_begins_as_soon_as_the_person_stops_speaking() -> None:
    call = Call().on(SETUP, relay.SpeakerEvent("person", True))
    call.now += 0.4
    call.on(relay.SpeakerEvent("person", False))
    assert call.of(FirstWord) == [FirstWord(400)]
    frames = [one.frame for one in call.of(Send)]
    assert [frame.token.strip() for frame in frames] == [AI, STOP, GREETING]
    assert [frame.interruptible for frame in frames] == [False, False, None]
    assert [frame.last for frame in frames] == [False, False, True]


def test_the_first_hello_is_answered_by_the_greeting_alone() -> None:
    call = Call().on(SETUP, relay.SpeakerEvent("person", False))
    call.says("Hello?")
    assert call.of(Ask) == []
    assert call.of(RecordTurn)[0].turn.text == "Hello?"


def test_a_word_over_the_disclosures_is_answered_by_the_greeting_after_them() -> None:
    call = Call().on(SETUP).after(1.0).on(relay.TokensPlayed(AI))
    call.now += 3
    assert call.says("Hello? Who is it?").of(Ask) == []
    call.plays(" " + STOP, " " + GREETING)
    assert "Hello? Who is it?" in [one.text for one in call.says("Yes.").of(Ask)[0].history]


def test_a_person_who_is_heard_but_never_transcribed_is_asked_in_the_end() -> None:
    call = Call().greeted().on(relay.SpeakerEvent("person", True))
    assert "still there" in call.after(46).text


def test_disclosures_count_only_when_they_were_heard() -> None:
    call = Call().on(SETUP).after(1.0)
    assert call.of(Disclosed) == []
    assert call.plays(AI).of(Disclosed) == []
    assert call.plays(" " + STOP).of(Disclosed) == [Disclosed()]
    assert [turn.text for turn in call.heard.values()] == [AI, STOP]


def test_a_disclosure_that_was_cut_off_is_said_again_before_the_next_reply() -> None:
    call = Call().on(SETUP).after(1.0)
    call.on(relay.TokensPlayed("Hello, this"), relay.Interrupt("Hello, this", 300))
    assert call.says("Who is this?").text.startswith(AI + " " + STOP)
    assert call.of(Ask)
    call.plays(AI, STOP)
    assert call.of(Disclosed) == [Disclosed()]
    assert AI not in call.replies("Alex.").text


def test_the_recording_is_disclosed_only_when_there_is_one() -> None:
    assert "recorded" not in Call().on(SETUP).after(1).text
    assert "This call is recorded." in Call({"record": True}).on(SETUP).after(1).text


# ── turns ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reply_goes_out_piece_by_piece_and_is_closed_once() -> None:
    call = Call().greeted().says("Yes.")
    asked = call.of(Ask)[0]
    assert asked.profile == "clever"
    assert [(one.role, one.text) for one in asked.history[-2:]] == [("agent", GREETING), ("person", "Yes.")]
    call.now += 0.3
    call.replies("Would you ", "like a demo?")
    assert [(one.frame.token, one.frame.last) for one in call.of(Send)] == [
        ("Would you ", False), ("like a demo?", False), ("", True),
    ]  # fmt: skip
    call.plays("Would you like a demo?")
    assert call.of(RecordTurn)[0].turn.latency_ms == 300


def test_markup_and_emoji_are_never_spoken() -> None:
    call = Call().greeted().says("Yes.")
    assert call.replies("**Great** 🎉 `ok`\n", "# Next").text == "Great  ok  Next"


def test_an_interruption_cuts_turn_and_history_at_what_was_heard() -> None:
    call = Call().greeted().says("Tell me.")
    generation = call.of(Ask)[0].generation
    call.on(AgentText(generation, "Sentence 1 of twelve: the quick fox. Sentence 2 of"))
    call.on(relay.TokensPlayed("Sentence 1 of twelve:"), relay.TokensPlayed(" the quick fox."))
    call.on(relay.TokensPlayed(" Sentence 2"), relay.Interrupt("Sentence 2", 684))
    assert call.of(CancelAsk) == [CancelAsk(generation)]
    turn = call.of(RecordTurn)[-1].turn
    assert turn.text == "Sentence 1 of twelve: the quick fox. Sentence 2"
    assert turn.interrupted
    assert call.on(AgentText(generation, " twelve: more."), AgentDone(generation)).did == []
    history = call.says("Stop there for a second.").of(Ask)[0].history
    assert history[-2].text == "Sentence 1 of twelve: the quick fox. Sentence 2"


def test_without_reports_of_what_was_played_the_sent_text_is_cut_after_the_fragment() -> None:
    call = Call().on(SETUP).after(1.0).after(20)
    call.says("Tell me.")
    call.replies("One two three four.")
    call.on(relay.Interrupt("two", "120"))
    assert call.heard[max(call.heard)].text == "One two"


def test_a_new_prompt_replaces_a_reply_that_has_not_begun() -> None:
    call = Call().greeted().says("Yes.")
    first = call.of(Ask)[0].generation
    call.says("I mean no.")
    assert call.of(CancelAsk) == [CancelAsk(first)]
    assert call.of(Ask)[0].generation == first + 1
    assert call.on(AgentText(first, "Great!")).did == []


def test_a_backchannel_while_we_speak_changes_nothing() -> None:
    call = Call().greeted().says("Yes.")
    call.replies("A long explanation. And more of it.")
    call.on(relay.SpeakerEvent("agent", True), relay.TokensPlayed("A long explanation."))
    assert call.says("uh-huh").of(Ask) == []
    call.plays(" And more of it.")
    assert call.says("okay").of(Ask)


def test_numbers_split_over_turns_are_redacted_in_all_of_them() -> None:
    call = Call().greeted()
    for said in ("my card is 4111 1111", "1111 1111"):
        call.says(said).replies("Go on.").plays("Go on.")
    kept = [turn.text for turn in call.heard.values() if turn.speaker == "person"]
    assert kept == ["my card is [card]", "[card ending 1111]"]
    history = [one for one in call.all if isinstance(one, Ask)][-1].history
    assert any("4111" in message.text for message in history)


def test_keys_that_belong_together_are_one_turn() -> None:
    call = Call().greeted().on(relay.Dtmf("1"), relay.Dtmf("0"), relay.Dtmf("9"))
    assert call.of(OptOut) == []
    call.after(1.6)
    assert call.of(RecordTurn)[0].turn.speaker == "key"
    assert call.of(Ask)[0].history[-1].text == "(pressed the keys 1 0 9)"


def test_a_reply_beyond_the_longest_turn_is_cut_at_a_sentence() -> None:
    call = Call({"limits": {"turn_seconds": 5}}).greeted().says("Tell me everything.")
    generation = call.of(Ask)[0].generation
    call.on(AgentText(generation, "word " * 20 + "end."))
    assert call.of(CancelAsk) == [CancelAsk(generation)]
    assert call.on(AgentText(generation, " more")).did == []


# ── tools ──────────────────────────────────────────────────────────────────────────────────────────────


def test_answers_are_recorded_typed_and_known_to_the_next_reply() -> None:
    call = Call().greeted().says("Yes.")
    call.replies(tool("record_answer", question="demo", value="yes"))
    assert call.of(RecordAnswer) == [RecordAnswer("demo", True)]
    again = call.of(Ask)[0]
    assert again.answers == {"demo": True}
    assert [one.role for one in again.history[-2:]] == ["agent", "tool"]


def test_end_call_waits_until_the_last_words_were_heard() -> None:
    call = Call().greeted().says("No thanks.")
    call.replies("All right. ", "Goodbye.", tool("end_call", reason="not_interested"))
    assert call.of(SetDisposition) == [SetDisposition(Disposition.NOT_INTERESTED)]
    assert call.of(EndSession) == []
    call.on(relay.TokensPlayed("All right."))
    assert call.of(EndSession) == []
    call.on(relay.TokensPlayed(" Goodbye."))
    assert call.of(EndSession) == [EndSession({"reason": "ended", "attempt": "m1"})]


def test_end_call_without_words_says_goodbye() -> None:
    call = Call().greeted().says("Bye.").replies(tool("end_call", reason="completed"))
    assert "Goodbye." in call.text


def test_last_words_that_are_never_confirmed_end_by_their_length() -> None:
    call = Call().greeted().says("Bye.").replies("Goodbye then.", tool("end_call", reason="completed"))
    assert call.after(0.9).of(EndSession) == []
    assert call.after(2.5).of(EndSession)


@pytest.mark.parametrize("words", ["", "Goodbye, Sam. "])
@pytest.mark.parametrize("how", ["breaks off", "stalls"])
def test_an_end_that_the_model_asked_for_comes_though_its_stream_fails(words: str, how: str) -> None:
    call = Call().greeted().says("No thanks.")
    generation = call.of(Ask)[0].generation
    call.on(AgentText(generation, words), AgentTool(generation, tool("end_call", reason="not_interested")))
    if how == "breaks off":
        call.on(AgentFailed(generation, "the stream broke"))
    call.after(30)
    assert len([one for one in call.all if isinstance(one, Ask)]) == 1
    assert [one.handoff["reason"] for one in call.all if isinstance(one, EndSession)] == ["ended"]
    assert [one.code for one in call.all if isinstance(one, SetDisposition)] == [Disposition.NOT_INTERESTED]
    said = [
        one.frame.token for one in call.all if isinstance(one, Send) and isinstance(one.frame, relay.Text)
    ]
    assert "oodbye" in said[-1] or "oodbye" in said[-2]


def test_a_line_that_stays_up_is_hung_up_so_that_it_is_down_two_seconds_after_the_end() -> None:
    call = Call().greeted().says("Bye.").replies("Bye.", tool("end_call", reason="completed"))
    call.plays("Bye.")
    assert call.of(EndSession)
    assert call.after(1.4).of(HangUp) == []
    assert call.after(0.2).of(HangUp) == [HangUp()]


def test_an_interrupted_goodbye_goes_on_once() -> None:
    call = Call().greeted().says("Fine.").replies("Goodbye, Sam.", tool("end_call", reason="completed"))
    call.on(relay.TokensPlayed("Good"), relay.Interrupt("Good", 100))
    assert call.of(EndSession) == []
    assert call.says("Wait, how much is it?").of(Ask)
    call.replies("Free. Goodbye, Sam.", tool("end_call", reason="completed"))
    call.on(relay.TokensPlayed("Free."), relay.Interrupt("Free.", 100))
    assert call.of(EndSession)


def test_a_transfer_names_the_target_by_its_key() -> None:
    call = Call().greeted().says("A human please.").replies(tool("transfer", to="sales"))
    assert "our sales team" in call.text
    assert call.of(SetDisposition) == []
    call.plays(call.text)
    assert call.of(SetDisposition) == []  # whether a human takes it is heard from the carrier
    assert call.of(EndSession) == [EndSession({"reason": "transfer", "target": "sales", "attempt": "m1"})]


def test_a_line_that_drops_before_the_call_is_put_through_has_not_transferred_anybody() -> None:
    call = Call().greeted().says("A human please.").replies(tool("transfer", to="sales"))
    assert call.on(Closed(1006)).of(SetDisposition) == [SetDisposition(Disposition.COMPLETED)]


def test_a_number_as_transfer_target_is_refused_and_the_model_told() -> None:
    call = Call().greeted().says("Connect me to 900.").replies(tool("transfer", to="+19005550100"))
    assert call.of(EndSession) == []
    assert "no transfer target" in call.of(Ask)[0].history[-1].text


def test_a_callback_is_kept_in_the_persons_own_zone_and_survives_the_end() -> None:
    call = Call().greeted().says("Call me tomorrow at three.")
    call.replies(tool("schedule_callback", when="2026-11-25T15:00"), "Fine, tomorrow at three. Goodbye.")
    at = call.of(ScheduleCallback)[0].at
    assert at == datetime(2026, 11, 25, 15, 0, tzinfo=ZoneInfo("America/New_York"))
    assert call.of(SetDisposition) == [SetDisposition(Disposition.CALLBACK)]


def test_tools_alone_cannot_go_on_for_ever() -> None:
    call = Call().greeted().says("Yes.")
    for _ in range(20):
        call.replies(tool("record_answer", question="demo", value="yes"))
        if call.of(EndSession):
            break
    assert len([one for one in call.all if isinstance(one, Ask)]) < 16


# ── opt-out ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_opt_out_is_safe_before_it_is_acknowledged_and_then_the_line_is_dropped() -> None:
    call = Call().greeted().says("Please stop calling me.")
    kinds = [type(one) for one in call.did]
    assert kinds.index(OptOut) < kinds.index(Send)
    assert call.of(OptOut) == [OptOut("Please stop calling me.", "conversation")]
    assert call.of(SetDisposition) == [SetDisposition(Disposition.DO_NOT_CALL)]
    assert "?" not in call.text
    assert call.plays(call.text).of(EndSession)[0].handoff["reason"] == "do_not_call"


def test_an_opt_out_stops_a_reply_in_progress() -> None:
    call = Call().greeted().says("Yes.")
    generation = call.of(Ask)[0].generation
    call.says("No, take me off your list.")
    assert call.of(CancelAsk) == [CancelAsk(generation)]
    assert call.on(AgentText(generation, "But")).did == []


@pytest.mark.parametrize("moment", ["opening", "greeting", "reply", "closing"])
def test_key_nine_opts_out_at_any_moment(moment: str) -> None:
    call = Call().on(SETUP) if moment == "opening" else Call().on(SETUP).after(1.0)
    if moment in ("reply", "closing"):
        call.plays(AI, STOP, GREETING).says("Yes.")
    if moment == "closing":
        call.replies("Bye.", tool("end_call", reason="completed"))
    call.on(relay.Dtmf("9"))
    assert call.of(OptOut) == [OptOut("pressed 9", "keypress")]
    call.after(30)
    assert any(isinstance(one, EndSession) for one in call.all)


def test_an_opt_out_in_an_unfinished_transcript_waits_for_its_end() -> None:
    call = Call().greeted()
    call.on(relay.Prompt(voice_prompt="do not call me", last=False))
    assert call.of(OptOut) == []
    call.says("Do not call me tomorrow, call Friday.")
    assert call.after(5).of(OptOut) == []


def test_an_opt_out_whose_end_never_comes_counts() -> None:
    call = Call().greeted().on(relay.Prompt(voice_prompt="take me off your list", last=False))
    assert call.after(1.3).of(OptOut) == [OptOut("take me off your list", "conversation")]


def test_hanging_up_in_the_middle_of_an_opt_out_counts() -> None:
    call = Call().greeted().on(relay.Prompt(voice_prompt="take me off your list", last=False), Closed(1000))
    assert call.of(OptOut) == [OptOut("take me off your list", "conversation")]
    assert call.of(SetDisposition) == [SetDisposition(Disposition.DO_NOT_CALL)]


def test_the_models_opt_out_is_kept_in_the_persons_own_words() -> None:
    call = Call().greeted().says("Scratch this number from everything you have.")
    call.replies(tool("do_not_call", quote="I made this up"))
    assert call.of(OptOut)[0].quote == "Scratch this number from everything you have."


def test_an_opt_out_is_made_only_once() -> None:
    call = Call().greeted().says("Stop calling me.").says("I said stop calling.")
    assert len([one for one in call.all if isinstance(one, OptOut)]) == 1


# ── failure and silence ────────────────────────────────────────────────────────────────────────────────


def test_slow_first_words_are_bridged_once_then_the_next_profile_answers() -> None:
    call = Call(patience=lambda _: Patience(first_token_seconds=8)).greeted().says("Yes.")
    assert call.after(1.7).text == ""
    assert call.after(0.2).text == "One moment, please."
    call.plays("One moment, please.")
    call.after(6.2)
    assert [one.profile for one in call.of(Ask)] == ["scripted"]
    assert call.of(CancelAsk)


@pytest.mark.parametrize("models", [1, 2, 3])
def test_by_default_something_is_said_within_two_seconds_however_many_models_are_silent(models: int) -> None:
    call = Call({"profiles": [f"model{n}" for n in range(models)]}).greeted().says("Yes.")
    call.after(1.6)
    assert [one.profile for one in call.of(Ask)] == ["model1" if models > 1 else "scripted"]
    assert call.after(0.3).text == "One moment, please."


def test_a_model_at_work_on_a_tool_call_is_waited_for_and_bridged_once() -> None:
    call = Call().greeted().says("Yes.")
    generation = call.of(Ask)[0].generation
    for _ in range(3):
        call.after(1.0).on(AgentText(generation, ""))
    assert [one.profile for one in call.all if isinstance(one, Ask)] == ["clever"]
    call.on(AgentTool(generation, ToolRequest("c", "record_answer", "{}")), AgentDone(generation))
    call.after(1.4)
    sent = "".join(one.frame.token for one in call.all if isinstance(one, Send) and "token" in dir(one.frame))
    assert sent.count("One moment, please.") == 1


def test_a_profile_that_answered_is_trusted_again() -> None:
    call = Call().greeted()
    for _ in range(3):
        call.says("Yes, I do.").on(AgentFailed(call.of(Ask)[-1].generation, "down"))
        call.replies("Fine.")
        call.says("And then what?")
        assert call.of(Ask)[-1].profile == "clever"
        call.replies("Good.")


def test_a_reply_without_end_is_cut_off() -> None:
    call = Call(patience=lambda _: Patience(total_seconds=5)).greeted().says("Yes.")
    generation = call.of(Ask)[0].generation
    for _ in range(6):
        call.after(1.0).on(AgentText(generation, "and "))
    assert CancelAsk(generation) in call.all


def test_a_stream_that_breaks_off_is_excused_and_the_next_profile_goes_on() -> None:
    call = Call().greeted().says("Yes.")
    generation = call.of(Ask)[0].generation
    call.on(AgentText(generation, "Well, I "), AgentFailed(generation, "no finish reason"))
    assert "trouble" in call.text
    assert call.of(Ask)[0].profile == "scripted"


def test_a_gap_in_a_reply_counts_as_failure() -> None:
    call = Call().greeted().says("Yes.")
    generation = call.of(Ask)[0].generation
    call.on(AgentText(generation, "Well, I "))
    call.after(1.6)
    assert call.of(CancelAsk) == [CancelAsk(generation)]
    assert call.of(Ask)[0].profile == "scripted"


def test_when_every_profile_fails_the_call_is_closed_politely() -> None:
    call = Call().greeted().says("Yes.")
    for _ in range(2):
        generation = [one.generation for one in call.all if isinstance(one, Ask)][-1]
        call.on(AgentFailed(generation, "down"))
    assert "technical trouble" in call.text
    assert call.plays(call.text).of(EndSession)[0].handoff["reason"] == "trouble"


def test_a_profile_that_failed_twice_is_not_asked_again() -> None:
    call = Call().greeted()
    for _ in range(2):
        generation = call.says("Yes.").of(Ask)[0].generation
        call.on(AgentFailed(generation, "down"))
        call.replies("Would you like a demo?").plays("Would you like a demo?")
    assert call.says("Yes.").of(Ask)[0].profile == "scripted"


def test_an_empty_reply_is_a_failure() -> None:
    call = Call().greeted().says("Yes.").replies()
    assert call.of(Ask)[0].profile == "scripted"


def test_silence_is_nudged_twice_then_the_call_ends() -> None:
    call = Call().greeted()
    assert call.after(8.1).text == "Are you still there?"
    call.plays("Are you still there?")
    assert call.after(8.1).text == "I can't hear you. Are you there?"
    call.plays("I can't hear you.", " Are you there?")
    assert "Goodbye" in call.after(8.1).text
    assert call.of(SetDisposition) == [SetDisposition(Disposition.NO_CONVERSATION)]
    call.plays("I can't hear anyone, so I'll let you go.", " Goodbye.")
    assert call.of(EndSession)


def test_an_answer_resets_the_silence() -> None:
    call = Call().greeted().after(8.1).plays("Are you still there?")
    call.says("Yes, sorry.").replies("Good.").plays("Good.")
    assert call.after(8.1).text == "Are you still there?"


def test_silence_is_not_counted_while_the_person_speaks() -> None:
    call = Call().greeted().on(relay.SpeakerEvent("person", True))
    assert call.after(30).text == ""


def test_the_longest_call_ends_politely() -> None:
    call = Call({"limits": {"call_seconds": 30}}).greeted().on(relay.SpeakerEvent("person", True))
    call.after(30)
    assert "enough of your time" in call.text


def test_a_session_that_has_less_time_left_ends_politely_within_it() -> None:
    call = Call(longest=12.0).greeted().on(relay.SpeakerEvent("person", True))
    assert "enough of your time" in call.after(12).text


def test_the_most_turns_end_politely() -> None:
    call = Call({"limits": {"turns": 2}}).greeted()
    for _ in range(2):
        call.says("And then?").replies("More.").plays("More.")
    assert "enough of your time" in call.says("And then?").text


# ── from outside ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verdict", ["machine_start", "machine_end_beep", "machine_end_other", "fax"])
def test_a_machine_ends_the_session_without_another_word(verdict: str) -> None:
    call = Call().greeted().on(MachineVerdict(verdict))
    assert call.of(EndSession) == [EndSession({"reason": "machine", "answered_by": verdict, "attempt": "m1"})]
    assert call.text == ""
    assert call.after(5).of(HangUp) == []


@pytest.mark.parametrize("verdict", ["human", "unknown"])
def test_a_person_is_talked_to(verdict: str) -> None:
    assert Call().greeted().on(MachineVerdict(verdict)).did == []


def test_a_campaign_may_talk_to_machines() -> None:
    assert Call(talk_to_machines=True).greeted().on(MachineVerdict("machine_start")).did == []
    talking = Call(talk_to_machines=True).greeted().says("Please leave a message after the tone.")
    assert talking.of(Ask)


BEEP = "Please leave a message after the beep."


def test_a_machine_that_detection_never_told_of_is_known_by_its_greeting() -> None:
    call = Call().on(SETUP).says("Hi, you have reached my voicemail.")
    assert call.of(EndSession)[0].handoff["answered_by"] == "machine_greeting"
    assert call.of(SetDisposition) == [SetDisposition(Disposition.MACHINE)]
    assert call.text == ""
    late = Call().greeted().says("I can't come to the phone.").replies("Well").says(BEEP)
    assert late.of(EndSession)


def test_a_person_who_speaks_of_beeps_later_on_is_no_machine() -> None:
    call = Call().greeted().says("Yes.").replies("Would you like a demo?").plays("Would you like a demo?")
    call.now += 60
    assert call.says("Call me tomorrow, and if I'm out, leave a message after the beep.").of(Ask)


def test_who_leaves_messages_listens_to_a_greeting_in_silence_until_the_verdict() -> None:
    call = Call(leave_message=True).on(SETUP).says("Hi, you have reached my voicemail.")
    assert call.after(20).did == []
    assert call.on(relay.SpeakerEvent("person", True), relay.SpeakerEvent("person", False)).did == []
    call.says(BEEP).on(relay.Interrupt("", 0), relay.Prompt(voice_prompt="beep", last=False))
    call.says("mumble")
    assert [type(one) for one in call.did] == [RecordTurn]
    assert call.after(10).did == []
    call.on(MachineVerdict("machine_end_beep"))
    assert call.of(EndSession)[0].handoff["answered_by"] == "machine_end_beep"


def test_a_greeting_that_detection_never_hears_the_end_of_is_hung_up_on_in_the_end() -> None:
    call = Call(leave_message=True).greeted().says(BEEP).after(41)
    assert call.of(EndSession)[0].handoff["answered_by"] == "machine_greeting"


def test_a_greeting_and_then_three_silences_are_no_conversation() -> None:
    call = Call().on(SETUP).says("Hello, it's Pat, you know what to do.").after(1)
    call.plays(AI, " " + STOP, " " + GREETING)
    assert SetDisposition(Disposition.NO_CONVERSATION) in call.after(60).of(SetDisposition)
    talked = Call().greeted().says("Yes.").replies("Would you like a demo?").after(80).on(Closed(1000))
    assert talked.of(SetDisposition) == [SetDisposition(Disposition.COMPLETED)]


def test_an_operator_ends_the_call_politely() -> None:
    call = Call().greeted().on(StopRequested("operator"))
    assert "Goodbye" in call.text
    assert call.plays(call.text).of(EndSession)[0].handoff["reason"] == "stopped"


HANDED_OVER = [EndSession({"reason": "handover", "attempt": "m1"})]


def test_a_hand_over_waits_until_the_person_has_finished_and_what_they_said_is_written_down() -> None:
    call = Call().greeted().says("Yes.").on(HandOver())
    assert call.of(EndSession) == []
    call.replies("Would you like a demo?").plays("Would you like a demo?")
    assert call.of(EndSession) == []
    call.says("Tuesday at ten.")
    assert [one.turn.text for one in call.of(RecordTurn)] == ["Tuesday at ten."]
    assert call.of(Ask) == []
    assert call.of(EndSession) == HANDED_OVER
    assert call.on(Closed(1000)).of(SetDisposition) == []


def test_a_hand_over_does_not_wait_for_ever_for_a_person_who_says_nothing() -> None:
    call = Call().greeted().on(HandOver())
    assert call.of(EndSession) == []
    call.after(20)
    assert call.of(Send) == []
    assert call.of(EndSession) == HANDED_OVER


def test_when_time_runs_out_any_pause_will_do_for_a_hand_over() -> None:
    call = Call().greeted().says("Yes.").on(HandOver(), HandOver(at_any_pause=True))
    assert call.of(EndSession) == []
    call.replies("Would you like a demo?")
    assert call.of(EndSession) == []
    call.plays("Would you like a demo?")
    assert call.of(EndSession) == HANDED_OVER
    assert Call().greeted().on(HandOver(at_any_pause=True)).of(EndSession) == HANDED_OVER


def test_a_hand_over_never_comes_before_an_opt_out_or_a_goodbye() -> None:
    call = Call().greeted().on(HandOver()).says("Stop calling me.")
    assert call.of(OptOut)
    assert call.of(EndSession) == []
    call.plays(call.text)
    assert call.of(EndSession)[0].handoff["reason"] == "do_not_call"


def test_a_call_that_begins_in_an_ending_process_is_handed_over_before_a_word() -> None:
    call = Call().on(HandOver(), SETUP)
    assert call.of(Send) == []
    assert call.of(EndSession) == HANDED_OVER
    again = Call(resumed=Resumed((), {}, handed_over=True)).on(HandOver(), SETUP)
    assert again.of(EndSession) == []
    assert GREETING in again.text


def test_a_call_that_is_hung_up_says_whether_there_was_a_conversation() -> None:
    assert Call().greeted().on(Closed(1000)).of(SetDisposition) == [
        SetDisposition(Disposition.NO_CONVERSATION)
    ]
    talked = Call().greeted().says("Yes.").on(Closed(1000))
    assert talked.of(SetDisposition) == [SetDisposition(Disposition.COMPLETED)]
    assert talked.of(Send) == []


# ── taken up again ─────────────────────────────────────────────────────────────────────────────────────


def turns(*said: tuple[str, str]) -> tuple[Turn, ...]:
    return tuple(Turn(seq + 1, speaker, text, 0.0) for seq, (speaker, text) in enumerate(said))  # type: ignore[arg-type]


def resumed(*said: tuple[str, str], concluded: Disposition | None = None, **answers: bool) -> Call:
    return Call(resumed=Resumed(turns(*said), answers, disposition=concluded)).on(SETUP)


def test_a_resumed_call_says_one_bridging_sentence_and_nothing_twice() -> None:
    call = resumed(("agent", AI), ("agent", STOP), ("agent", GREETING))
    assert call.text == "Sorry, we were cut off for a moment, could you say that again?"
    assert call.of(Ask) == []
    assert call.of(FirstWord) == [FirstWord(0)]


def test_a_resumed_call_says_disclosures_that_were_not_confirmed() -> None:
    call = resumed(("agent", AI), ("agent", "Say stop calling"), ("person", "Who is it?"))
    assert call.text == f"{STOP} Sorry, we were cut off for a moment."
    assert call.of(Ask)[0].history[1].text == "Say stop calling"


def test_a_resumed_call_answers_what_was_left_unanswered() -> None:
    call = resumed(("agent", AI), ("agent", STOP), ("agent", GREETING), ("person", "Yes."), demo=True)
    asked = call.of(Ask)[0]
    assert asked.answers == {"demo": True}
    assert ("person", "Yes.") in [(one.role, one.text) for one in asked.history]


def test_what_was_concluded_before_the_line_dropped_outlives_a_session_without_any_result() -> None:
    call = resumed(("agent", GREETING), ("person", "Call me at three."), concluded=Disposition.CALLBACK)
    assert call.of(Ask)
    assert call.on(Closed(1000)).of(SetDisposition) == []


def test_a_call_that_dropped_in_its_last_words_is_only_taken_leave_of() -> None:
    call = resumed(("agent", GREETING), ("person", "Wrong number."), concluded=Disposition.WRONG_NUMBER)
    assert call.text.endswith("Thank you for your time. Goodbye.")
    assert call.of(Ask) == []
    assert call.plays(*call.text.split(". ")).of(EndSession)[0].handoff["reason"] == "ended"
    call.on(Closed(1000))
    assert [one for one in call.all if isinstance(one, SetDisposition)] == []
    opted_out = resumed(("agent", GREETING), ("person", "Stop."), concluded=Disposition.DO_NOT_CALL)
    assert "won't call you again" in opted_out.text


def test_a_machine_that_was_heard_before_the_line_dropped_is_not_talked_to_after_it() -> None:
    call = resumed(("agent", AI), ("person", "You have reached my voicemail."))
    assert call.text == ""
    assert call.of(SetDisposition) == [SetDisposition(Disposition.MACHINE)]
    assert call.of(EndSession)


def test_an_ending_without_a_name_undoes_nothing() -> None:
    call = Call().greeted().says("Yes.").replies("Fine, bye.", tool("end_call", reason="interested"))
    call.on(relay.TokensPlayed("Fine,"), relay.Interrupt("Fine,", 100)).says("Wait, what does it cost?")
    call.replies("Nothing. Goodbye.", tool("end_call", reason="completed")).plays("Nothing.", " Goodbye.")
    call.on(Closed(1000))
    told = [one.code for one in call.all if isinstance(one, SetDisposition)]
    assert told == [Disposition.INTERESTED]


def test_a_call_that_broke_before_its_greeting_is_greeted() -> None:
    assert resumed(("agent", AI)).text == f"{STOP} {GREETING}"


def test_after_a_planned_hand_over_the_person_is_answered_as_if_nothing_had_been() -> None:
    said = turns(("agent", AI), ("agent", STOP), ("agent", GREETING), ("person", "Yes."))
    call = Call(resumed=Resumed(said, {}, handed_over=True)).on(SETUP)
    assert call.text == ""
    assert call.of(Ask)[0].history[-1].text == "Yes."
    assert call.replies("Would you like a demo?").text == "Would you like a demo?"


def test_after_a_hand_over_in_a_pause_the_question_that_was_left_is_asked_for_again() -> None:
    said = turns(("agent", AI), ("agent", STOP), ("agent", GREETING))
    call = Call(resumed=Resumed(said, {}, handed_over=True)).on(SETUP)
    assert call.text.endswith("could you say that again?")


def test_turns_of_a_resumed_call_go_on_counting() -> None:
    call = resumed(("agent", AI), ("agent", STOP), ("agent", GREETING)).says("Yes.")
    assert call.of(RecordTurn)[0].turn.seq > 3


def test_a_resumed_session_never_takes_the_number_of_a_turn_that_is_still_being_written() -> None:
    """Transcripts are written a moment behind: the session before may have turns that nobody has read yet."""
    second = Call(resumed=Resumed(turns(("agent", AI)), {}, ordinal=2)).on(SETUP).says("Yes.")
    third = Call(resumed=Resumed(turns(("agent", AI)), {}, ordinal=3)).on(SETUP).says("Yes.")
    most = Script(greeting="x", goal="y").limits.turns  # of either side
    first_of_second = min(record.turn.seq for record in second.of(RecordTurn))
    first_of_third = min(record.turn.seq for record in third.of(RecordTurn))
    assert first_of_second > 2 * most
    assert first_of_third > first_of_second + 2 * most


# ── whatever happens ───────────────────────────────────────────────────────────────────────────────────

SAID = [
    "yes", "no.", "stop calling me", "uh-huh", "okay", "bye", "Spanish please", "in English please", "Hello?",
    "Please state your name and reason for calling.", "Press 1 to be connected.", "One moment please.",
    "Please leave a message after the tone.", "sí claro, dígame más",
]  # fmt: skip
EVERYTHING = {
    "partial_prompts": True,
    "speech_model": "flux",
    "languages": {"es-MX": {"greeting": "Hola."}},
    "menus": {"accounts": {"digits": "2", "when": "accounts"}},
}
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(relay.Prompt, voice_prompt=st.text(max_size=30), last=st.booleans()),
    st.builds(
        relay.Prompt,
        voice_prompt=st.sampled_from(SAID),
        lang=st.sampled_from(["en", "es", "multi", ""]),
        last=st.booleans(),
    ),
    st.builds(relay.Dtmf, digit=st.sampled_from("0123456789*#")),
    st.builds(relay.Interrupt, st.text(max_size=10), st.floats(0, 5000)),
    st.builds(relay.SpeakerEvent, st.sampled_from(["agent", "person"]), st.booleans()),
    st.builds(relay.TokensPlayed, st.text(max_size=60)),
    st.builds(relay.RelayError, st.text(max_size=10)),
    st.builds(MachineVerdict, st.sampled_from(["human", "unknown", "machine_start"])),
    st.builds(AgentText, st.integers(1, 6), st.sampled_from(["Hello. ", "Well", " and so on."])),
    st.builds(AgentDone, st.integers(1, 6)),
    st.builds(AgentFailed, st.integers(1, 6), st.just("x")),
    st.builds(
        AgentTool,
        st.integers(1, 6),
        st.builds(
            tool,
            st.sampled_from(
                [
                    "end_call",
                    "do_not_call",
                    "record_answer",
                    "transfer",
                    "send_digits",
                    "switch_language",
                    "nonsense",
                ]
            ),
            question=st.just("demo"),
            value=st.sampled_from(["yes", "perhaps"]),
            to=st.sampled_from(["sales", "+1900", "es-MX", "en-US"]),
            menu=st.sampled_from(["accounts", "911"]),
        ),
    ),
    st.just(SETUP),
    st.just(HandOver()),
    st.just(StopRequested("operator")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.floats(0, 3)), max_size=40), st.sampled_from([None, EVERYTHING]))
def test_whatever_happens_the_call_ends_and_its_rules_hold(
    story: list[tuple[Event, float]], script: dict[str, Any] | None
) -> None:
    call = Call(script).on(SETUP)
    for event, wait in story:
        call.on(event).after(wait)
    call.after(2000)
    ends = [one for one in call.all if isinstance(one, EndSession)]
    assert len(ends) == 1
    assert call.conversation.deadline() is None
    after_the_end = call.all[call.all.index(ends[0]) + 1 :]
    assert [one for one in after_the_end if isinstance(one, Send | Ask)] == []
    opted_out = [one for one in call.all if isinstance(one, OptOut)]
    assert len(opted_out) <= 1
    said = [one.frame for one in call.all if isinstance(one, Send) and isinstance(one.frame, relay.Text)]
    first = next((frame.token.strip() for frame in said if frame.token), AI)
    # Nothing comes before the disclosures but an opt-out's acknowledgement, and what a robot is told.
    assert first == AI or "off our list" in first or first.startswith("This is Alex, an AI assistant")
    pressed = {
        one.frame.digits
        for one in call.all
        if isinstance(one, Send) and isinstance(one.frame, relay.SendDigits)
    }
    assert pressed <= {"1", "2"}
    switched = [
        one.frame for one in call.all if isinstance(one, Send) and isinstance(one.frame, relay.Language)
    ]
    assert {frame.tts_language for frame in switched} <= {"es-MX", "en-US"}
    call.on(Closed(1000))
    assert call.on(relay.Prompt(voice_prompt="stop calling me")).did == []
    codes = [one.code for one in call.all if isinstance(one, SetDisposition)]
    assert Disposition.DO_NOT_CALL not in codes[:-1]
