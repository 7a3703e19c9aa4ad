"""ConversationRelay's WebSocket messages: read what Twilio sends, write what we send.

Source: Twilio's "ConversationRelay WebSocket messages" page (2026-08) and frames recorded on real calls in
August 2026. Unknown types, names and fields are kept and never fatal, as Twilio adds them over time.
Transcripts are untrusted text.
"""

import re
from typing import Final, Literal, TypeAlias

import msgspec

# ── what Twilio sends ──────────────────────────────────────────────────────────────────────────────────


class Setup(msgspec.Struct, frozen=True, tag_field="type", tag="setup", rename="camel"):
    """First frame, once a socket. Outbound calls: `call_status` IN_PROGRESS (upper case), direction
    `outbound-api`; `custom_parameters` is always present on the wire."""

    session_id: str
    call_sid: str
    account_sid: str = ""
    from_: str = msgspec.field(default="", name="from")
    to: str = ""
    direction: str = ""
    call_type: str = ""
    call_status: str = ""
    parent_call_sid: str | None = None
    forwarded_from: str | None = None
    caller_name: str | None = None
    custom_parameters: dict[str, str] = {}


class Prompt(msgspec.Struct, frozen=True, tag_field="type", tag="prompt", rename="camel"):
    """What the person said. With partial prompts the text is cumulative and `last` false until the final."""

    voice_prompt: str
    lang: str = ""
    last: bool = True


class Dtmf(msgspec.Struct, frozen=True, tag_field="type", tag="dtmf", rename="camel"):
    """One key: 0-9, * or #."""

    digit: str


class Interrupt(msgspec.Struct, frozen=True, tag_field="type", tag="interrupt", rename="camel"):
    """Twilio stopped speaking and dropped all that was queued.

    `utterance_until_interrupt` is only the chunk being spoken at the cut, and the milliseconds count from
    that chunk's start; older documentation had them as a string.
    """

    utterance_until_interrupt: str = ""
    duration_until_interrupt_ms: float | str = 0

    @property
    def milliseconds(self) -> float:
        """Milliseconds spoken of the chunk; 0 when unreadable."""
        try:
            return float(self.duration_until_interrupt_ms)
        except ValueError:
            return 0.0


class RelayError(msgspec.Struct, frozen=True, tag_field="type", tag="error", rename="camel"):
    """One of our frames was refused; the session goes on (ten in a row close it)."""

    description: str = ""


class _Info(msgspec.Struct, frozen=True, tag_field="type", tag="info", rename="camel"):
    name: str = ""
    value: str | bool | float | None = None


class SpeakerEvent(msgspec.Struct, frozen=True):
    """`info` agentSpeaking or clientSpeaking: who began (`on`) or stopped speaking."""

    who: Literal["agent", "person"]
    on: bool


class TokensPlayed(msgspec.Struct, frozen=True):
    """`info` tokensPlayed: a chunk of our text that was spoken to its end, or the fragment of it that was
    spoken when it was cut."""

    text: str


class Unknown(msgspec.Struct, frozen=True):
    """A frame that we don't know or can't read; kept for the log, otherwise without effect."""

    why: str
    text: str


_Known: TypeAlias = Setup | Prompt | Dtmf | Interrupt | RelayError | _Info
Incoming: TypeAlias = Setup | Prompt | Dtmf | Interrupt | RelayError | SpeakerEvent | TokensPlayed | Unknown

_decoder: Final[msgspec.json.Decoder[_Known]] = msgspec.json.Decoder(_Known)
_SPEAKERS: Final[dict[str, Literal["agent", "person"]]] = {
    "agentSpeaking": "agent",
    "clientSpeaking": "person",
}


def decode(data: str | bytes) -> Incoming:
    """Read one frame. Never raises: what can't be read comes back as `Unknown` with the reason."""
    try:
        frame = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        return Unknown(why=str(error), text=text[:500])
    if not isinstance(frame, _Info):
        return frame
    if frame.name == "tokensPlayed" and isinstance(frame.value, str):
        return TokensPlayed(frame.value)
    who = _SPEAKERS.get(frame.name)
    if who is not None and frame.value is not None:
        return SpeakerEvent(who, frame.value is True or str(frame.value).lower() in ("on", "true"))
    return Unknown(why=f"info {frame.name!r}", text=str(frame.value)[:500])


# ── what we send ───────────────────────────────────────────────────────────────────────────────────────


class Text(msgspec.Struct, frozen=True, tag_field="type", tag="text", rename="camel", omit_defaults=True):
    """A piece of speech. Pieces are joined as they are; the one with `last` closes our turn (its token may
    be empty). `last` is always written: Twilio's default is false."""

    token: str
    last: bool
    interruptible: bool | None = None
    preemptible: bool | None = None
    lang: str | None = None


class Play(msgspec.Struct, frozen=True, tag_field="type", tag="play", rename="camel", omit_defaults=True):
    """A media file in the same queue as speech."""

    source: str
    loop: int = 1
    preemptible: bool = False
    interruptible: bool | None = None


class SendDigits(msgspec.Struct, frozen=True, tag_field="type", tag="sendDigits", rename="camel"):
    """Keys pressed for the person's side: 0-9, w (a pause), # and *; queued behind speech."""

    digits: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9w#*]{1,64}", self.digits):
            raise ValueError(f"digits {self.digits!r} may only hold 0-9, w, # and *")


class Language(
    msgspec.Struct, frozen=True, tag_field="type", tag="language", rename="camel", omit_defaults=True
):
    """Switch the language of what is spoken or heard from now on; one of the two must be given."""

    tts_language: str | None = None
    transcription_language: str | None = None


class End(msgspec.Struct, frozen=True, tag_field="type", tag="end", rename="camel", omit_defaults=True):
    """End the session, not the call: Twilio then asks `<Connect action>`. `handoff_data` is a string, for
    us a JSON object, that arrives there verbatim. Speech still queued is cut off."""

    handoff_data: str | None = None


Outgoing: TypeAlias = Text | Play | SendDigits | Language | End

_encoder: Final = msgspec.json.Encoder()


def encode(frame: Outgoing) -> str:
    """One frame as JSON text."""
    return _encoder.encode(frame).decode()
