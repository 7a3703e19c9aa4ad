"""ConversationRelay's frames."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.relay_protocol import (
    Dtmf,
    End,
    Interrupt,
    Language,
    Play,
    Prompt,
    RelayError,
    SendDigits,
    Setup,
    SpeakerEvent,
    Text,
    TokensPlayed,
    Unknown,
    decode,
    encode,
)

SETUP = {
    "type": "setup", "sessionId": "VX1", "accountSid": "AC1", "parentCallSid": "", "callSid": "CA1",
    "from": "+1", "to": "+2", "forwardedFrom": "", "callType": "PSTN", "callerName": "",
    "direction": "outbound-api", "callStatus": "IN_PROGRESS", "customParameters": {"a": "b"},
}  # fmt: skip


def test_the_setup_frame_as_recorded() -> None:
    frame = decode(json.dumps(SETUP))
    assert isinstance(frame, Setup)
    assert (frame.call_sid, frame.account_sid, frame.from_, frame.call_status) == (
        "CA1", "AC1", "+1", "IN_PROGRESS",
    )  # fmt: skip
    assert frame.custom_parameters == {"a": "b"}


@pytest.mark.parametrize(
    ("frame", "read"),
    [
        ({"type": "prompt", "voicePrompt": "Hi.", "lang": "en", "last": True}, Prompt("Hi.", "en", True)),
        ({"type": "prompt", "voicePrompt": "Hi.", "conversationId": "x"}, Prompt("Hi.", "", True)),
        ({"type": "dtmf", "digit": "9"}, Dtmf("9")),
        ({"type": "error", "description": "code: 64107"}, RelayError("code: 64107")),
        ({"type": "info", "name": "agentSpeaking", "value": "on"}, SpeakerEvent("agent", True)),
        ({"type": "info", "name": "clientSpeaking", "value": "off", "ts": 1}, SpeakerEvent("person", False)),
        ({"type": "info", "name": "tokensPlayed", "value": " Hi."}, TokensPlayed(" Hi.")),
    ],
)
def test_frames_are_read_whatever_else_they_hold(frame: dict[str, object], read: object) -> None:
    assert decode(json.dumps(frame)) == read
    assert decode(json.dumps(frame).encode()) == read


@pytest.mark.parametrize(("value", "milliseconds"), [(684, 684), (684.5, 684.5), ("684", 684), ("soon", 0)])
def test_the_length_until_an_interruption_is_a_number_or_a_string(value: object, milliseconds: float) -> None:
    frame = decode(json.dumps({"type": "interrupt", "durationUntilInterruptMs": value}))
    assert isinstance(frame, Interrupt)
    assert frame.milliseconds == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "null", "[]", '{"type":"tomorrow"}', '{"type":"info","name":"new","value":"x"}',
        '{"type":"prompt"}', '{"type":"dtmf","digit":5}', '{"no":"type"}', "\ud800",
    ],
)  # fmt: skip
def test_unknown_and_broken_frames_are_kept_and_never_fatal(text: str) -> None:
    assert isinstance(decode(text), Unknown)


@given(st.one_of(st.text(), st.binary()))
def test_anything_may_come(data: str | bytes) -> None:
    decode(data)


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        (Text("Hi", last=False), {"type": "text", "token": "Hi", "last": False}),
        (Text("", last=True), {"type": "text", "token": "", "last": True}),
        (
            Text("Hi", last=False, interruptible=False),
            {"type": "text", "token": "Hi", "last": False, "interruptible": False},
        ),
        (Play("https://example.com/a.wav"), {"type": "play", "source": "https://example.com/a.wav"}),
        (SendDigits("1w#"), {"type": "sendDigits", "digits": "1w#"}),
        (Language(tts_language="es-ES"), {"type": "language", "ttsLanguage": "es-ES"}),
        (End('{"reason":"x"}'), {"type": "end", "handoffData": '{"reason":"x"}'}),
        (End(), {"type": "end"}),
    ],
)
def test_frames_are_written_as_twilio_wants_them(frame: Text, sent: dict[str, object]) -> None:
    assert json.loads(encode(frame)) == sent


def test_digits_are_only_digits() -> None:
    with pytest.raises(ValueError, match="may only hold"):
        SendDigits("+1 900")
