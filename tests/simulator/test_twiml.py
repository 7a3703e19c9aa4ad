import pytest
from twilio.twiml.voice_response import Connect, Start, VoiceResponse

from campaign.simulator.twiml import RELAY_ATTRIBUTES, TwimlError, Verb, parse, relay_settings


def relay(**attributes: str) -> Verb:
    response, connect = VoiceResponse(), Connect(action="/action")
    connect.conversation_relay(**{"url": "wss://calls.example/ws", **attributes})
    response.append(connect)
    (verb,) = parse(str(response), "").verbs
    return verb.children[0]


def test_what_the_official_library_renders_is_read_without_a_warning() -> None:
    response, start, connect = VoiceResponse(), Start(), Connect(action="/action", method="POST")
    start.recording(
        recording_status_callback="/r", recording_status_callback_event="completed", channels="dual"
    )
    response.append(start)
    noun = connect.conversation_relay(
        url="wss://calls.example/ws",
        welcome_greeting="Hi",
        language="en-US",
        tts_provider="ElevenLabs",
        voice="UgBBYS2sOqTuMpoF3BR0",
        transcription_provider="Deepgram",
        speech_model="flux",
        eot_threshold="0.7",
        interruptible="speech",
        report_input_during_agent_speech="any",
        preemptible=True,
        dtmf_detection=True,
        hints="Acme,Ada",
        events="speaker-events tokens-played",
        ignore_backchannel=True,
        speech_timeout="700",
        partial_prompts=True,
    )
    noun.parameter(name="attempt", value="7")
    noun.language(code="es-ES", tts_provider="Google", voice="es-ES-Neural2-A")
    response.append(connect)
    response.say("Goodbye.", voice="alice")
    response.dial("+12125550100", caller_id="+12125550101", timeout=20)
    response.redirect("/more", method="POST")
    document = parse(str(response), "")
    assert document.warnings == ()
    assert [verb.name for verb in document.verbs] == ["Start", "Connect", "Say", "Dial", "Redirect"]
    settings = relay_settings(document.verbs[1].children[0])
    assert settings.faults == ()
    assert settings.interruptible == {"speech"}
    assert settings.report_during_speech == {"speech", "dtmf"}
    assert settings.parameters == {"attempt": "7"}
    assert settings.partial_prompts
    assert settings.prompt_language == "en"


def test_defaults_are_those_of_2026() -> None:
    settings = relay_settings(relay())
    assert settings.interruptible == {"speech", "dtmf"}
    assert settings.report_during_speech == frozenset()
    assert not settings.dtmf_detection
    assert settings.events == frozenset()
    assert settings.prompt_language == "en-US"


@pytest.mark.parametrize(
    "attributes",
    [
        {"url": "https://calls.example/ws"},
        {"url": "ws://calls.example/ws"},
        {"interruptible": "sometimes"},
        {"speech_timeout": "599"},
        {"speech_timeout": "5001"},
        {"eot_threshold": "0.95", "speech_model": "flux"},
        {"eot_threshold": "0.7"},
        {"tts_provider": "alice"},
        {"events": "speaker_events"},
        {"language": "English"},
        {"dtmf_detection": "yes"},
    ],
)
def test_wrong_values_are_faults(attributes: dict[str, str]) -> None:
    assert relay_settings(relay(**attributes)).faults


def test_partial_prompts_need_flux() -> None:
    assert not relay_settings(relay(partial_prompts="true")).partial_prompts


def test_the_removed_attribute_is_a_warning() -> None:
    document = parse(
        '<Response><Connect><ConversationRelay url="wss://x" interruptByDtmf="true"/></Connect></Response>',
        "",
    )
    assert [code for code, _ in document.warnings] == [12200]
    assert "interruptByDtmf" not in RELAY_ATTRIBUTES


@pytest.mark.parametrize("text", ["", "hello", "<Say>x</Say>", "<Response>", "{}"])
def test_what_is_no_response_document_is_an_error(text: str) -> None:
    with pytest.raises(TwimlError) as caught:
        parse(text, "")
    assert caught.value.code == 12100


def test_unknown_verbs_are_left_out_with_a_warning() -> None:
    document = parse("<Response><Sing/><Hangup/></Response>", "")
    assert [verb.name for verb in document.verbs] == ["Hangup"]
    assert document.warnings[0][0] == 12200
