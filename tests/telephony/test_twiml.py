"""Snapshots: the library renders any attribute it is given, so each document stands here in full."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.script import Script, SpokenLanguage
from campaign.telephony import twiml

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
PLAIN = Script(greeting="Hello.", goal="Ask.")


def relay(script: Script, **changes: object) -> str:
    given = {
        "url": "wss://example.net/twilio/relay/t0ken",
        "action": "https://example.net/twilio/action/m1/1#rc=1&rp=5xx",
        "parameters": {"attempt": "m1", "session": "1"},
    } | changes
    return twiml.connect_relay(script, **given)


def test_a_plain_script_connects_with_what_a_safe_conversation_needs_and_no_more():
    assert relay(PLAIN) == (
        HEAD
        + '<Response><Connect action="https://example.net/twilio/action/m1/1#rc=1&amp;rp=5xx" method="POST">'
        '<ConversationRelay dtmfDetection="true" echoPromptFiltering="true" '
        'events="speaker-events tokens-played" interruptible="any" '
        'language="en-US" reportInputDuringAgentSpeech="any" url="wss://example.net/twilio/relay/t0ken">'
        '<Parameter name="attempt" value="m1" /><Parameter name="session" value="1" />'
        "</ConversationRelay></Connect></Response>"
    )


def test_a_full_script_carries_its_language_voice_hints_and_interruptions():
    script = Script(
        greeting="Hallo.",
        goal="Fragen.",
        record=True,
        language="de-DE",
        voice="de-DE-Chirp3-HD-Aoede",
        tts_provider="Google",
        transcription_provider="Deepgram",
        speech_model="nova-2-general",
        hints=("Acme, Inc", "Solar"),
        interruptible="speech",
        interrupt_sensitivity="low",
        ignore_backchannel=True,
    )
    assert relay(script) == (
        HEAD + "<Response>"
        '<Connect action="https://example.net/twilio/action/m1/1#rc=1&amp;rp=5xx" method="POST">'
        '<ConversationRelay dtmfDetection="true" echoPromptFiltering="true" '
        'events="speaker-events tokens-played" '
        'hints="Acme  Inc,Solar" '
        'ignoreBackchannel="true" interruptSensitivity="low" interruptible="speech" language="de-DE" '
        'reportInputDuringAgentSpeech="any" speechModel="nova-2-general" transcriptionProvider="Deepgram" '
        'ttsProvider="Google" url="wss://example.net/twilio/relay/t0ken" voice="de-DE-Chirp3-HD-Aoede">'
        '<Parameter name="attempt" value="m1" /><Parameter name="session" value="1" />'
        "</ConversationRelay></Connect></Response>"
    )


def test_declared_languages_are_children_with_voices_of_their_own():
    script = Script(
        greeting="Hello.",
        goal="Ask.",
        languages={
            "es-MX": SpokenLanguage(voice="lucia", tts_provider="Google", hints=("Acme",)),
            "de-DE": SpokenLanguage(speech_model="nova-2-general", transcription_provider="Deepgram"),
        },
    )
    text = relay(script)
    assert '<Language code="es-MX" hints="Acme" ttsProvider="Google" voice="lucia" />' in text
    german = '<Language code="de-DE" speechModel="nova-2-general" transcriptionProvider="Deepgram" />'
    assert german in text
    assert text.index("<Language") < text.index("<Parameter")


def test_mixed_speech_and_partial_prompts_name_what_they_need_whatever_the_accounts_defaults():
    mixed = Script(greeting="Hi.", goal="Ask.", language="multi", languages={"hi-IN": SpokenLanguage()})
    needs = 'speechModel="nova-3-general" transcriptionProvider="Deepgram" ttsProvider="ElevenLabs"'
    text = relay(mixed)
    assert f'language="multi" reportInputDuringAgentSpeech="any" {needs}' in text
    assert f'<Language code="hi-IN" {needs} />' in text
    flux = relay(
        Script(greeting="Hi.", goal="Ask.", speech_model="flux", partial_prompts=True, eot_threshold=0.7)
    )
    assert 'eotThreshold="0.7"' in flux
    assert 'partialPrompts="true"' in flux
    assert 'speechModel="flux" transcriptionProvider="Deepgram"' in flux
    assert "partialPrompts" not in text


def test_a_script_that_records_starts_no_recording_before_it_was_announced():
    assert "<Recording" not in relay(Script(greeting="Hello.", goal="Ask.", record=True))


def test_there_is_never_a_welcome_greeting_which_each_new_session_would_repeat():
    assert "welcomeGreeting" not in relay(PLAIN)


def test_hanging_up_is_one_verb():
    assert twiml.hang_up() == HEAD + "<Response><Hangup /></Response>"


def test_nothing_is_an_empty_response():
    assert twiml.nothing() == HEAD + "<Response />"


def test_a_sentence_is_spoken_in_its_language_before_the_line_is_dropped():
    assert twiml.say_and_hang_up("Sorry & <goodbye>.", "en-GB") == (
        HEAD + '<Response><Say language="en-GB">Sorry &amp; &lt;goodbye&gt;.</Say><Hangup /></Response>'
    )
    assert twiml.say_and_hang_up("Bye.", "multi") == (HEAD + "<Response><Say>Bye.</Say><Hangup /></Response>")


def test_a_transfer_rings_a_number_under_our_caller_id():
    document = twiml.dial(
        "+12025550177",
        action="https://example.net/twilio/dial/m1/1",
        caller_id="+12025550199",
    )
    assert document == (
        HEAD + '<Response><Dial action="https://example.net/twilio/dial/m1/1" callerId="+12025550199" '
        'method="POST" timeout="30"><Number>+12025550177</Number></Dial></Response>'
    )


def test_a_warm_transfer_asks_what_the_target_hears_alone():
    document = twiml.dial(
        "+12025550177", action="https://e/d", whisper="https://e/twilio/whisper/m1/1", ring_timeout_s=20
    )
    assert document == (
        HEAD + '<Response><Dial action="https://e/d" method="POST" timeout="20">'
        '<Number method="POST" url="https://e/twilio/whisper/m1/1">+12025550177</Number></Dial></Response>'
    )
    assert 'url="https://e/w">sip:' in twiml.dial(
        "sip:a@example.net", action="https://e/d", whisper="https://e/w"
    )


def test_only_who_presses_the_key_is_put_through():
    assert twiml.whisper("Ada is on the line.", accept_key="", accept="https://e/a", language="en-US") == (
        HEAD + '<Response><Say language="en-US">Ada is on the line.</Say></Response>'
    )
    assert twiml.whisper("Press 1.", accept_key="1", accept="https://e/a", language=None) == (
        HEAD + '<Response><Gather action="https://e/a" input="dtmf" method="POST" numDigits="1" timeout="10">'
        "<Say>Press 1.</Say></Gather><Hangup /></Response>"
    )


def test_a_queue_is_given_a_task_and_asks_what_the_person_hears_meanwhile():
    document = twiml.enqueue(
        "WW" + "0" * 32, '{"name": "Ada & <Co>"}', action="https://e/q", wait="https://e/w"
    )
    assert document == (
        HEAD + '<Response><Enqueue action="https://e/q" method="POST" waitUrl="https://e/w" '
        f'waitUrlMethod="POST" workflowSid="WW{"0" * 32}">'
        '<Task>{"name": "Ada &amp; &lt;Co&gt;"}</Task></Enqueue></Response>'
    )
    assert twiml.keep_waiting("Stay.", "de-DE") == (
        HEAD + '<Response><Say language="de-DE">Stay.</Say><Pause length="15" /></Response>'
    )
    assert twiml.leave_queue() == HEAD + "<Response><Leave /></Response>"


def test_a_transfer_may_go_to_a_sip_address():
    assert "<Sip>sip:sales@example.net</Sip>" in twiml.dial("sip:sales@example.net", action="https://e/d")


@given(st.text())
def test_any_text_gives_a_document_that_can_be_read(text):
    for document in (
        twiml.say_and_hang_up(text),
        twiml.whisper(text, accept_key="1", accept="https://e/a", language=None),
        twiml.enqueue("WW0", text, action="https://e/q", wait="https://e/w"),
        twiml.keep_waiting(text, None),
        relay(Script(greeting="x", goal="y", voice=text, hints=(text,)), parameters={"attempt": text}),
    ):
        ElementTree.fromstring(document)


def test_the_content_type_is_one_that_twilio_takes():
    assert twiml.CONTENT_TYPE.startswith("text/xml")
