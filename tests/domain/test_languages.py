"""Which language a call begins in, who asks for another, and what cannot be heard or spoken together."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.campaign import parse_toml, template_faults
from campaign.domain.errors import BadDefinition
from campaign.domain.languages import asked_for, declared, faults, in_language, of_contact
from campaign.domain.opt_out import recognise
from campaign.domain.phrases import PHRASES
from campaign.domain.script import Script, disclosures, lines

MINIMAL = Path(__file__).parents[2] / "docs" / "samples" / "minimal.toml"
BASE: dict[str, Any] = {
    "greeting": "Hi.", "goal": "Talk.", "voice": "en-voice", "questions": [{"key": "demo", "ask": "A demo?"}],
    "languages": {
        "es-MX": {"greeting": "Hola.", "voice": "es-voice", "asks": {"demo": "¿Una demo?"}},
        "de-DE": {"lines": {"nudge": "Hallo?"}},
    },
    "language_column": "Lang", "language_values": {"Spanish": "es-MX", "alemán": "de-DE"},
}  # fmt: skip


def script(**more: Any) -> Script:
    return msgspec.convert({**BASE, **more}, Script)


def test_a_script_in_another_language_says_what_is_given_and_keeps_the_rest() -> None:
    spanish, german = in_language(script(), "es-MX"), in_language(script(), "de-DE")
    assert (spanish.language, spanish.greeting, spanish.voice) == ("es-MX", "Hola.", "es-voice")
    assert spanish.questions[0].ask == "¿Una demo?"
    assert (german.greeting, german.voice, german.questions[0].ask) == ("Hi.", None, "A demo?")
    assert lines(german).nudge == "Hallo?"
    assert "KI-Assistent" in disclosures(german)[0]
    assert set(declared(spanish)) == {"en-US", "es-MX", "de-DE"}


@given(st.lists(st.sampled_from(["en-US", "es-MX", "de-DE", "fr-FR"]), max_size=6))
def test_however_often_it_goes_over_the_way_back_is_whole(tags: list[str]) -> None:
    one = script()
    for tag in tags:
        one = in_language(one, tag)
    back = in_language(one, "en-US")
    assert (back.greeting, back.voice, back.questions, back.lines) == (
        script().greeting, script().voice, script().questions, script().lines,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "tag"),
    [
        ("Spanish", "es-MX"), (" spanish ", "es-MX"), ("Alemán", "de-DE"), ("es-mx", "es-MX"),
        ("es", "es-MX"),
        ("de", "de-DE"), ("en-US", "en-US"), ("Klingon", "en-US"), ("", "en-US"), ("fr", "en-US"),
    ],
)  # fmt: skip
def test_a_contacts_column_says_the_language_and_what_it_does_not_know_is_the_campaigns(
    cell: str, tag: str
) -> None:
    assert of_contact(script(), {"lang": cell}) == tag


def test_without_a_column_the_call_begins_in_the_campaigns_language() -> None:
    assert of_contact(script(language_column="", language_values={}), {"Lang": "es"}) == "en-US"
    assert of_contact(script(), {}) == "en-US"


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        ("Do you speak Spanish?", "es"), ("Spanish please", "es"), ("¿Habla usted español?", "es"),
        ("No hablo inglés", "es"), ("en español, por favor", "es"), ("Parlez-vous français ?", "fr"),
        ("Je ne parle pas anglais.", "fr"), ("Sprechen Sie Deutsch?", "de"), ("auf Deutsch bitte", "de"),
        ("ich spreche kein Englisch", "de"), ("Parla italiano?", "it"), ("em português, por favor", "pt"),
        ("can we talk in Hindi?", "hi"), ("hindi mein baat karo", "hi"), ("हिंदी में बात कीजिए", "hi"),
        ("English please", "en"), ("in English, please", "en"), ("अंग्रेज़ी में बोलिए", "en"),
        ("I don't speak Spanish", ""), ("my Spanish teacher", ""), ("I love French food", ""),
        ("I'm learning German at school", ""), ("yes please", ""), ("", ""),
    ],
)  # fmt: skip
def test_who_asks_for_a_language(said: str, tag: str) -> None:
    assert asked_for(said) == tag


@pytest.mark.parametrize(
    ("more", "path", "words"),
    [
        ({"language": "multi", "transcription_provider": "Google"}, "transcription_provider", "Deepgram"),
        ({"language": "multi", "speech_model": "flux"}, "speech_model", "nova-3-general"),
        ({"language": "multi", "tts_provider": "Amazon"}, "tts_provider", "ElevenLabs"),
        ({"partial_prompts": True}, "partial_prompts", "flux"),
        ({"eot_threshold": 0.7, "speech_model": "nova-3-general"}, "eot_threshold", "flux"),
        ({"speech_model": "flux", "transcription_provider": "Google"}, "speech_model", "Deepgram"),
        ({"speech_model": "telephony", "transcription_provider": "Deepgram"}, "speech_model", "Google"),
        ({"language": "es-MX"}, "languages.es-MX", "own language"),
        ({"languages": {"multi": {}}, "language_values": {}}, "languages.multi", "mixed speech"),
        ({"languages": {"sv-SE": {}}, "language_values": {}}, "languages.sv-SE.lines.goodbye", "own words"),
        ({"languages": {"es-MX": {"asks": {"x": "y"}}}}, "languages.es-MX.asks.x", "no question"),
        ({"language_values": {"French": "fr-FR"}}, "language_values.French", "not declared"),
        ({"language_column": ""}, "language_values", "language_column"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told_in_words(more: dict[str, Any], path: str, words: str) -> None:
    found = dict(faults(script(**more)))
    assert words in found[path]


@pytest.mark.parametrize(
    "more",
    [
        {}, {"language": "multi"}, {"language": "multi", "speech_model": "nova-2-general"},
        {"speech_model": "flux", "partial_prompts": True, "eot_threshold": 0.6},
    ],
)  # fmt: skip
def test_what_fits_together_has_no_fault(more: dict[str, Any]) -> None:
    assert faults(script(**more)) == []


@pytest.mark.parametrize("tag", PHRASES)
def test_the_words_that_we_tell_people_to_say_stop_the_calls(tag: str) -> None:
    said = {
        "en": "stop calling", "es": "no me llamen más", "fr": "ne m'appelez plus", "de": "nicht mehr anrufen",
        "it": "non chiamatemi più", "pt": "não me ligue mais", "nl": "bel mij niet meer",
        "pl": "nie dzwońcie więcej", "hi": "दोबारा कॉल मत करो",
    }[tag]  # fmt: skip
    assert said.casefold() in PHRASES[tag].disclosure_opt_out.casefold()
    assert recognise(said, tag)


def test_a_campaign_file_is_told_the_line_of_what_does_not_fit_together() -> None:
    text = MINIMAL.read_text() + 'language = "multi"\ntranscription_provider = "Google"\n'
    with pytest.raises(BadDefinition) as caught:
        parse_toml(text, "a.toml")
    (fault,) = caught.value.faults
    assert (fault.path, fault.line) == ("script.transcription_provider", len(text.splitlines()))
    assert "Deepgram" in fault.why


def test_a_language_column_that_no_list_has_is_told() -> None:
    text = MINIMAL.read_text() + 'language_column = "Sprache"\n'
    definition = parse_toml(text, "a.toml")
    assert template_faults(definition, {"sample": ["first_name", "sprache"]}) == []
    (fault,) = template_faults(definition, {"sample": ["first_name"]})
    assert fault.path == "script.language_column"
