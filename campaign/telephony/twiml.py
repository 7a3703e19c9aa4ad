"""Our answers to Twilio's requests: TwiML, written by the twilio library.

The library renders any attribute that it is given, also a misspelt one, so every document here stands in a
snapshot test. Attributes and their values: twilio.com/docs/voice/twiml/connect/conversationrelay.
"""

import re
from collections.abc import Mapping

from twilio.twiml.voice_response import Connect, Dial, Start, VoiceResponse

from campaign.domain.languages import MULTI
from campaign.domain.script import Script, SpokenLanguage

CONTENT_TYPE = "text/xml; charset=utf-8"
"""Twilio refuses TwiML without one (error 12300)."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def connect_relay(
    script: Script,
    *,
    url: str,
    action: str,
    parameters: Mapping[str, str],
    recording_callback: str | None = None,
) -> str:
    """Hand an answered call to a conversation.

    Args:
        script: language, voice, hints and interruption settings; `record` starts a recording.
        url: the socket, wss://… (ws://… on a loopback address only); signed as written here.
        action: asked when the session ends, whatever ends it; its answer decides what the call does next.
        parameters: come back as `customParameters` of the session's first frame; no secrets.
        recording_callback: where the recording's events go; None: a recording of the call runs already.

    There is no welcomeGreeting: it would be repeated by each new session of the same call, and our greeting
    is a frame of ours. What the person says or keys while we speak is always reported, else "stop calling"
    over our own words would be lost.
    """
    response = VoiceResponse()
    if script.record and recording_callback is not None:
        # Before <Connect>: `Record=true` of the Calls API is silently ignored with ConversationRelay.
        start = Start()
        start.recording(
            recording_status_callback=recording_callback,
            recording_status_callback_event="in-progress completed absent",
            channels="dual",
        )
        response.append(start)
    connect = Connect(action=action, method="POST")
    mixed = script.language == MULTI
    relay = connect.conversation_relay(
        url=url,
        language=script.language,
        partial_prompts=script.partial_prompts or None,
        eot_threshold=script.eot_threshold,
        **_voice(script, mixed=mixed),
        interruptible=script.interruptible,
        interrupt_sensitivity=script.interrupt_sensitivity,
        ignore_backchannel=script.ignore_backchannel,
        report_input_during_agent_speech="any",
        dtmf_detection=True,
        # "Say stop calling or press 9" are our own words: their echo must not come back as the person's.
        echo_prompt_filtering=True,
        events="speaker-events tokens-played",
    )
    for tag, other in script.languages.items():
        relay.language(code=tag, **_voice(other, mixed=mixed))
    for name, value in parameters.items():
        relay.parameter(name=name, value=_clean(value))
    response.append(connect)
    return str(response)


def hang_up() -> str:
    """End the call without a word."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def say_and_hang_up(text: str, language: str | None = None) -> str:
    """Speak, then end the call. `language` is BCP-47; None or `multi` leaves Twilio's default."""
    response = VoiceResponse()
    response.say(_clean(text), language=_spoken_in(language))
    response.hangup()
    return str(response)


def dial(
    target: str,
    *,
    action: str,
    caller_id: str | None = None,
    ring_timeout_s: int = 30,
    say: str = "",
    language: str | None = None,
    time_limit_s: int | None = None,
) -> str:
    """Put the person through.

    Args:
        target: E.164 or sip:user@host.
        action: asked when the transfer is over or failed, with DialCallStatus.
        caller_id: what the target sees; None: the person's number.
        say: spoken before it rings.
        time_limit_s: longest transfer, seconds.
    """
    response = VoiceResponse()
    if say:
        response.say(_clean(say), language=_spoken_in(language))
    onward = Dial(
        action=action, method="POST", caller_id=caller_id, timeout=ring_timeout_s, time_limit=time_limit_s
    )
    if target.startswith(("sip:", "sips:")):
        onward.sip(target)
    else:
        onward.number(target)
    response.append(onward)
    return str(response)


def nothing() -> str:
    """An empty answer: the call goes on with what it is doing, or ends if that was all."""
    return str(VoiceResponse())


def _voice(one: Script | SpokenLanguage, *, mixed: bool) -> dict[str, str | None]:
    """By which voice a language is spoken and how it is heard; what is left out is Twilio's to choose.

    Accounts differ in their defaults, so what mixed speech and flux need is always written out. A language
    beside mixed speech is heard and spoken by the same providers, as they can't change in mid-session.
    """
    flux = (one.speech_model or "").lower().startswith("flux")
    speaks = one.tts_provider or ("ElevenLabs" if mixed else None)
    hears = one.transcription_provider or ("Deepgram" if mixed or flux else None)
    model = one.speech_model or ("nova-3-general" if mixed else None)
    return {
        "voice": one.voice and _clean(one.voice),
        "tts_provider": speaks,
        "transcription_provider": hears,
        "speech_model": model and _clean(model),
        "hints": _hints(one.hints),
    }


def _hints(hints: tuple[str, ...]) -> str | None:
    # The attribute is one comma-separated list, so a comma inside a phrase would split it.
    return ",".join(_clean(hint).replace(",", " ") for hint in hints) or None


def _spoken_in(language: str | None) -> str | None:
    return None if language in (None, "multi") else language


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 forbids; one of them would make the whole answer unreadable."""
    return _NOT_XML.sub("", text)
