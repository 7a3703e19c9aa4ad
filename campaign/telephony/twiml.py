"""Our answers to Twilio's requests: TwiML, written by the twilio library.

The library renders any attribute that it is given, also a misspelt one, so every document here stands in a
snapshot test. Attributes and their values: twilio.com/docs/voice/twiml/connect/conversationrelay.
"""

import re
from collections.abc import Mapping

from twilio.twiml.voice_response import Connect, Dial, Enqueue, Gather, VoiceResponse

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
) -> str:
    """Hand an answered call to a conversation.

    Args:
        script: language, voice, hints and interruption settings. A recording is begun later, once it was
            announced (flow/recordings.py).
        url: the socket, wss://… (ws://… on a loopback address only); signed as written here.
        action: asked when the session ends, whatever ends it; its answer decides what the call does next.
        parameters: come back as `customParameters` of the session's first frame; no secrets.

    There is no welcomeGreeting: it would be repeated by each new session of the same call, and our greeting
    is a frame of ours. What the person says or keys while we speak is always reported, else "stop calling"
    over our own words would be lost.
    """
    response = VoiceResponse()
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
    whisper: str | None = None,
) -> str:
    """Put the person through.

    Args:
        target: E.164 or sip:user@host.
        action: asked when the transfer is over or failed, with DialCallStatus.
        caller_id: what the target sees; None: the person's number.
        whisper: asked when the target has answered: what it hears alone, before both sides are connected.
    """
    response = VoiceResponse()
    onward = Dial(action=action, method="POST", caller_id=caller_id, timeout=ring_timeout_s)
    asked = {"url": whisper, "method": "POST"} if whisper is not None else {}
    if target.startswith(("sip:", "sips:")):
        onward.sip(target, **asked)
    else:
        onward.number(target, **asked)
    response.append(onward)
    return str(response)


def whisper(text: str, *, accept_key: str, accept: str, language: str | None) -> str:
    """What the target of a transfer hears alone. With a key, only who presses it is put through.

    Args:
        accept: asked with the key that was pressed.
    """
    response = VoiceResponse()
    if accept_key:
        gather = Gather(input="dtmf", num_digits=1, timeout=10, action=accept, method="POST")
        gather.say(_clean(text), language=_spoken_in(language))
        response.append(gather)
        response.hangup()
    else:
        response.say(_clean(text), language=_spoken_in(language))
    return str(response)


def enqueue(workflow: str, task: str, *, action: str, wait: str) -> str:
    """Put the person into the queue of a TaskRouter workflow.

    Args:
        task: the task's attributes, a JSON object.
        action: asked when the person has left the queue, with QueueResult.
        wait: asked for what the person hears, and again whenever that has been played.
    """
    response = VoiceResponse()
    queue = Enqueue(
        None, action=action, method="POST", wait_url=wait, wait_url_method="POST", workflow_sid=workflow
    )
    queue.task(_clean(task))
    response.append(queue)
    return str(response)


def gather(text: str, otherwise: str, *, action: str, number: bool, language: str | None) -> str:
    """Speak to a caller, wait for a key or a word, and end the call when neither comes.

    Args:
        action: asked with what was keyed in or said.
        number: a telephone number is keyed in, ended by #; else one key, or something said.
    """
    response = VoiceResponse()
    spoken = _spoken_in(language)
    if number:
        asks = Gather(input="dtmf", finish_on_key="#", timeout=10, action=action, method="POST")
    else:
        asks = Gather(
            input="dtmf speech", num_digits=1, timeout=6, speech_timeout="auto", action=action,
            method="POST", language=spoken,
        )  # fmt: skip
    asks.say(_clean(text), language=spoken)
    response.append(asks)
    response.say(_clean(otherwise), language=spoken)
    response.hangup()
    return str(response)


def keep_waiting(text: str, language: str | None) -> str:
    """What a person in a queue hears, until it is asked for again."""
    response = VoiceResponse()
    response.say(_clean(text), language=_spoken_in(language))
    response.pause(length=15)
    return str(response)


def leave_queue() -> str:
    """Take the person out of the queue; what follows is the queue's action."""
    response = VoiceResponse()
    response.leave()
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
