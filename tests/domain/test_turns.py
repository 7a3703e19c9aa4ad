"""Turns as they are heard: listeners' sounds, unfinished words, keys for menus, other languages."""

from typing import Any

import pytest

from campaign.domain import relay_protocol as relay
from campaign.domain.conversation import (
    AgentDone,
    AgentFailed,
    AgentText,
    AgentTool,
    Ask,
    CancelAsk,
    Closed,
    EndSession,
    OptOut,
    RecordTurn,
    Resumed,
    Send,
    SetDisposition,
)
from campaign.domain.dialogue import Turn
from campaign.domain.disposition import Disposition
from campaign.domain.tools import RecordAnswer
from tests.support.talking import AI, GREETING, SETUP, STOP, Call, tool

LONG = "Our panels last for decades. The survey is free. It takes about an hour."


def explaining(script: dict[str, Any] | None = None, text: str = LONG) -> Call:
    """We are in the middle of an explanation, its first sentence heard."""
    call = Call(script).greeted().says("Tell me more.").replies(text)
    return call.on(relay.SpeakerEvent("agent", True), relay.TokensPlayed(text.split(". ")[0] + "."))


# ── a listener's sounds ────────────────────────────────────────────────────────────────────────────────

SOUNDS = [
    "uh-huh",
    "Mhm.",
    "Okay, okay",
    "sí, claro",
    "Ja, genau.",
    "d'accord",
    "va bene",
    "haan ji",
    "हाँ जी",
]


@pytest.mark.parametrize("sound", SOUNDS)
def test_a_sound_of_listening_over_our_words_is_no_turn(sound: str) -> None:
    call = explaining().says(sound)
    assert [type(one) for one in call.did] == [RecordTurn]
    call.plays(" The survey is free.", " It takes about an hour.")
    history = call.says("And what does it cost?").of(Ask)[0].history
    assert [one.text for one in history if one.role == "person"] == [
        "Tell me more.",
        "And what does it cost?",
    ]


@pytest.mark.parametrize("sound", SOUNDS)
def test_what_a_sound_of_listening_cut_off_is_said_to_its_end(sound: str) -> None:
    call = explaining().on(relay.TokensPlayed(" The survey"), relay.Interrupt("The survey", 300)).says(sound)
    assert call.text == "The survey is free. It takes about an hour."
    assert call.of(Ask) == []


def test_a_reply_that_was_cut_while_it_came_is_taken_up_by_the_agent() -> None:
    call = Call().greeted().says("Tell me more.")
    generation = call.of(Ask)[0].generation
    call.on(AgentText(generation, "Our panels last. The survey"), relay.TokensPlayed("Our panels last."))
    call.on(relay.Interrupt("", 0)).says("mhm")
    assert call.of(Ask)[0].history[-1].text == "Our panels last."


@pytest.mark.parametrize("answer", ["Uh-huh.", "Okay.", "ja", "sí", "Yes."])
@pytest.mark.parametrize("heard", ["whole", "partly", "cut"])
def test_after_a_question_the_same_sound_is_its_answer(answer: str, heard: str) -> None:
    call = Call().greeted().says("Go on then.").replies("I see. Would you like a demo?")
    call.on(relay.SpeakerEvent("agent", True), relay.TokensPlayed("I see."))
    match heard:
        case "whole":
            call.plays(" Would you like a demo?")
        case "cut":
            call.on(relay.TokensPlayed(" Would you like"), relay.Interrupt("Would you like", 500))
    assert call.says(answer).of(Ask)[0].history[-1].text == answer


def test_a_sound_while_the_agent_thinks_does_not_ask_it_anew() -> None:
    call = Call().greeted().says("How much is it?")
    assert call.says("Mhm.").of(CancelAsk) == []
    assert call.replies("It's free.").text == "It's free."


def test_who_takes_leave_over_our_goodbye_ends_it() -> None:
    call = (
        Call()
        .greeted()
        .says("No.")
        .replies("All right. Have a good day.", tool("end_call", reason="completed"))
    )
    call.on(relay.TokensPlayed("All right."), relay.Interrupt("", 0)).says("Thanks, bye.")
    assert call.of(Ask) == []
    call.plays("Have a good day.")
    assert any(isinstance(one, EndSession) for one in call.all)


@pytest.mark.parametrize(
    "words", ["okay but how much", "no", "yes I want that", "stop", "mhm wait a second please"]
)
def test_more_than_a_sound_is_a_turn(words: str) -> None:
    call = explaining().says(words)
    assert call.of(Ask) or call.of(OptOut)


# ── words that are not finished ────────────────────────────────────────────────────────────────────────

FLUX = {"partial_prompts": True, "speech_model": "flux"}


def partial(text: str) -> relay.Prompt:
    return relay.Prompt(voice_prompt=text, lang="en", last=False)


def begun(*partials: str) -> tuple[Call, int]:
    """An agent that has begun on unfinished words; with its generation."""
    call = Call(FLUX).greeted().on(*map(partial, partials))
    asked = [one for one in call.all if isinstance(one, Ask)]
    return call, asked[-1].generation if asked else 0


def test_words_that_stand_still_or_end_a_sentence_are_answered_early() -> None:
    assert begun("Yes please.")[1]
    assert begun("Yes please", "yes, please")[1]
    call, none = begun("Yes")
    assert not none
    call.after(0.25)
    assert call.of(Ask)[0].history[-1].text == "Yes"


def test_an_early_reply_waits_for_the_final_words_and_goes_out_with_them() -> None:
    call, generation = begun("Yes please.")
    call.on(AgentText(generation, "Good. "), AgentText(generation, "When?"), AgentDone(generation))
    assert call.did == []
    call.says("yes, please!")
    assert call.of(Ask) == []
    assert call.text == "Good. When?"
    call.plays("Good.", " When?")
    assert call.of(RecordTurn)[-1].turn.latency_ms == 0


def test_an_early_reply_may_go_on_after_the_final_words() -> None:
    call, generation = begun("Yes please.")
    call.on(AgentText(generation, "Good. ")).says("Yes please.")
    assert call.text == "Good. "
    assert call.on(AgentText(generation, "When?"), AgentDone(generation)).text == "When?"


@pytest.mark.parametrize("final", ["Yes please. But not today.", "No please.", "Yes"])
def test_an_early_reply_to_other_words_never_was(final: str) -> None:
    call, generation = begun("Yes please.")
    call.on(
        AgentText(generation, "Good. Bye."),
        AgentTool(generation, tool("record_answer", question="demo", value="yes")),
        AgentTool(generation, tool("do_not_call", quote="x")),
        AgentTool(generation, tool("end_call", reason="interested")),
        AgentDone(generation),
    )
    assert call.did == []
    call.says(final)
    assert call.text == ""
    assert call.of(CancelAsk) == [CancelAsk(generation)]
    asked = call.of(Ask)[0]
    assert asked.answers == {}
    assert [one.text for one in asked.history][-2:] == [GREETING, final]
    assert [one for one in call.all if isinstance(one, RecordAnswer | OptOut | SetDisposition)] == []
    assert call.on(AgentText(generation, "Good.")).did == []


def test_tools_of_an_early_reply_take_effect_with_the_final_words() -> None:
    call, generation = begun("Yes please.")
    call.on(
        AgentTool(generation, tool("record_answer", question="demo", value="yes")),
        AgentText(generation, "Good. Bye."),
        AgentTool(generation, tool("end_call", reason="interested")),
        AgentDone(generation),
    )
    call.says("Yes please.")
    assert call.of(RecordAnswer) == [RecordAnswer("demo", True)]
    assert call.plays("Good.", " Bye.").of(EndSession)


@pytest.mark.parametrize("after", ["opt-out", "key", "hang-up", "more words", "failure"])
def test_nothing_is_left_of_an_early_reply_that_is_overtaken(after: str) -> None:
    call, generation = begun("Yes please.")
    match after:
        case "opt-out":
            call.says("Yes please stop calling me.")
        case "key":
            call.on(relay.Dtmf("1"))
        case "hang-up":
            call.on(Closed(1000))
        case "more words":
            call.on(partial("Yes please I have a question"))
        case "failure":
            call.on(AgentFailed(generation, "down"))
            assert call.says("Yes please.").of(Ask)
            return
    assert CancelAsk(generation) in call.did
    assert call.on(AgentText(generation, "Good."), AgentDone(generation)).of(Send) == []


def test_replies_are_begun_early_only_so_often_in_a_turn() -> None:
    call = Call(FLUX).greeted()
    for number in range(9):
        call.on(partial(f"Well {number}."))
    assert len([one for one in call.all if isinstance(one, Ask)]) == 3


def test_nothing_begins_early_unless_the_script_says_so_nor_while_we_speak_nor_on_an_opt_out() -> None:
    assert Call().greeted().on(partial("Yes please.")).of(Ask) == []
    assert Call(FLUX).on(SETUP).after(1).on(partial("Yes please.")).of(Ask) == []
    assert Call(FLUX).greeted().on(partial("Stop calling me.")).of(Ask) == []


# ── menus ──────────────────────────────────────────────────────────────────────────────────────────────

MENUS = {"menus": {"accounts": {"digits": "2w#", "when": "the menu offers accounts"}}}


def digits(call: Call) -> list[str]:
    return [one.frame.digits for one in call.of(Send) if isinstance(one.frame, relay.SendDigits)]


def test_keys_are_pressed_behind_our_words_and_their_report_is_no_speech() -> None:
    call = Call(MENUS).greeted().says("For accounts press two.")
    call.replies("One moment.", tool("send_digits", menu="accounts"))
    frames = [one.frame for one in call.of(Send)]
    assert [type(frame).__name__ for frame in frames] == ["Text", "Text", "SendDigits"]
    assert digits(call) == ["2w#"]
    call.plays("One moment.", "2w#")
    assert "2w#" not in [turn.text for turn in call.heard.values()]
    assert not call.conversation.transcript.speech.pending


@pytest.mark.parametrize("menu", ["2", "sales", "+19005550100", "", None])
def test_no_key_is_pressed_that_no_menu_lists(menu: object) -> None:
    call = Call(MENUS).greeted().says("Press two.").replies("Fine.", tool("send_digits", menu=menu))
    assert digits(call) == []
    assert "no menu" in call.of(Ask)[0].history[-1].text


def test_menus_are_bounded() -> None:
    call = Call(MENUS).greeted()
    pressed = 0
    for _ in range(15):
        call.says("For accounts press two.").replies("One moment.", tool("send_digits", menu="accounts"))
        pressed += len(digits(call))
        call.plays("One moment.", "2w#")
    assert pressed == 10


# ── languages ──────────────────────────────────────────────────────────────────────────────────────────

SPANISH: dict[str, Any] = {
    "languages": {
        "es-MX": {
            "greeting": "Hola {{ first_name }}, ¿tiene un momento?",
            "asks": {"demo": "¿Quiere una demo?"},
        }
    }
}
MIXED: dict[str, Any] = {"language": "multi", "languages": {"hi-IN": {"greeting": "Namaste!"}}}


def switches(call: Call) -> list[str | None]:
    return [
        one.frame.tts_language
        for one in call.all
        if isinstance(one, Send) and isinstance(one.frame, relay.Language)
    ]


@pytest.mark.parametrize("said", ["¿Habla español?", "In Spanish please.", "No hablo inglés.", "Spanish"])
def test_who_asks_for_a_declared_language_hears_it_from_then_on(said: str) -> None:
    call = Call(SPANISH).greeted().says(said)
    assert switches(call) == ["es-MX"]
    assert call.text == "Claro, seguimos en español. Hola Sam, ¿tiene un momento?"
    call.plays("Claro, seguimos en español.", " Hola Sam, ¿tiene un momento?")
    asked = call.says("Sí, dígame.").of(Ask)[0]
    assert asked.language == "es-MX"
    call.replies("Bien.").plays("Bien.")
    assert call.after(8.1).text == "¿Sigue ahí?"
    assert "no volveremos a llamarle" in call.says("Stop").text


@pytest.mark.parametrize(
    "said", ["I don't speak Spanish.", "My Spanish teacher says so.", "Do you speak French?"]
)
def test_who_does_not_ask_for_a_declared_language_goes_on(said: str) -> None:
    assert switches(Call(SPANISH).greeted().says(said)) == []


def test_a_person_who_clearly_speaks_another_language_is_answered_in_it() -> None:
    call = Call(MIXED).greeted()
    spoken = []
    for said, lang in [
        ("haan", "hi"),
        ("mujhe solar ke baare mein batao", "hi"),
        ("आगे बताइए यह क्या है", "hi"),
        ("okay and what does it cost", "en"),
        ("ji", "hi"),
        ("haan", "hi"),
    ]:
        call.on(relay.Prompt(voice_prompt=said, lang=lang))
        spoken.append(call.of(Ask)[0].language)
        call.replies("Good.").plays("Good.")
    assert spoken == ["multi", "hi-IN", "hi-IN", "multi", "multi", "hi-IN"]
    assert switches(call) == []  # mixed speech goes on being heard as it is


def test_without_mixed_speech_the_line_itself_goes_over() -> None:
    call = Call(SPANISH).greeted().on(relay.Prompt(voice_prompt="sí claro, dígame más", lang="es"))
    assert switches(call) == ["es-MX"]


def test_the_model_may_choose_among_the_declared_languages_only() -> None:
    call = Call(SPANISH).greeted().says("Que tal").replies(tool("switch_language", to="fr-FR"))
    assert switches(call) == []
    call.replies(tool("switch_language", to="es-MX"))
    assert switches(call) == ["es-MX"]
    assert call.of(Ask)[0].language == "es-MX"


def test_a_disclosure_is_said_in_the_language_of_the_moment_and_not_twice() -> None:
    call = Call(SPANISH).on(SETUP).after(1.0)
    call.on(relay.TokensPlayed(AI), relay.Interrupt("", 0)).says("Spanish please")
    assert "Say stop" not in call.text
    assert "Diga no me llamen más" in call.text
    assert "inteligencia artificial" not in call.text


def taken_up(*said: tuple[str, str]) -> Call:
    turns = tuple(Turn(seq, who, text, 0.0) for seq, (who, text) in enumerate(said, 1))  # type: ignore[arg-type]
    return Call(SPANISH, resumed=Resumed(turns, {})).on(SETUP)


def test_a_later_session_of_the_call_goes_on_in_the_language_that_it_went_over_to() -> None:
    note = ("note", "(language: es-MX)")
    call = taken_up(("agent", AI), ("agent", STOP), ("person", "Spanish"), note, ("agent", "Claro, ¿sí?"))
    assert switches(call) == ["es-MX"]
    assert call.text == "Perdone, se cortó un momento, ¿puede repetirlo?"


def test_nothing_that_was_heard_in_another_language_is_disclosed_again() -> None:
    spanish = "Hola, soy Alex, un asistente de inteligencia artificial, y llamo de parte de Acme."
    call = taken_up(("agent", spanish), ("person", "Sí"))
    assert AI not in call.text
    assert STOP in call.text


def test_a_call_that_ends_in_another_language_has_its_result() -> None:
    call = Call(SPANISH).greeted().says("Spanish please").plays("Claro.").says("Sí.")
    call.replies("Adiós.", tool("end_call", reason="interested"))
    assert call.of(SetDisposition) == [SetDisposition(Disposition.INTERESTED)]
