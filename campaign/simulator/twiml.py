"""TwiML read into verbs, and the attributes of <ConversationRelay> checked.

Sources: attributes, values and defaults TWILIO 1.2 and 1.3, of Gather, Enqueue and Sip
twilio.com/docs/voice/twiml; unknown attribute = warning 12200 and
no effect, wrong value = 64101 (1.2); Recording 6.3; accepted content types 3.7.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.etree import ElementTree

CONTENT_TYPES = frozenset({"text/xml", "application/xml"})

_BOOL = re.compile(r"(?i:true|false)")
_HOW = re.compile(r"(?i:none|dtmf|speech|any|true|false)")
_LANGUAGE = re.compile(r"multi|[a-z]{2,3}(-[A-Za-z]{4})?(-([A-Z]{2}|\d{3}))?")
_ANY = re.compile(r"(?s).*")
_EVENTS = re.compile(r"\s*((speaker-events|tokens-played)\s*)*")
_DEBUG = re.compile(r"\s*((debugging|speaker-events|tokens-played)\s*)*")

RELAY_ATTRIBUTES: Mapping[str, re.Pattern[str]] = {
    "url": _ANY,
    "welcomeGreeting": _ANY,
    "welcomeGreetingInterruptible": _HOW,
    "language": _LANGUAGE,
    "ttsLanguage": _LANGUAGE,
    "transcriptionLanguage": _LANGUAGE,
    "ttsProvider": re.compile(r"(?i:google|amazon|elevenlabs)"),
    "voice": re.compile(r"\S+"),
    "transcriptionProvider": re.compile(r"(?i:google|deepgram)"),
    "speechModel": re.compile(r"\S+"),
    "eotThreshold": re.compile(r"0?\.[5-8]\d*|0?\.90*"),
    "eagerEotThreshold": re.compile(r"0?\.[3-8]\d*|0?\.90*"),
    "partialPrompts": _BOOL,
    "partialPromptOnHangup": _BOOL,
    "speechTimeout": re.compile(r"auto|[6-9]\d\d|[1-4]\d{3}|5000"),
    "turnDetection": _BOOL,
    "interruptible": _HOW,
    "interruptSensitivity": re.compile(r"low|medium|high"),
    "ignoreBackchannel": _BOOL,
    "reportInputDuringAgentSpeech": _HOW,
    "preemptible": _BOOL,
    "dtmfDetection": _BOOL,
    "hints": _ANY,
    "events": _EVENTS,
    "debug": _DEBUG,
    "deepgramSmartFormat": _BOOL,
    "asrSmartFormat": _BOOL,
    "elevenlabsTextNormalization": re.compile(r"on|auto|off"),
    "ttsTextNormalization": re.compile(r"on|auto|off"),
    "ttsLanguageTextNormalization": _BOOL,
    "elevenlabsLanguageTextNormalization": _BOOL,
    "backgroundNoiseReduction": _ANY,
    "echoPromptFiltering": _BOOL,
    "includeInPrompt": re.compile(r"\s*((turn-state|prompt-segments)\s*)*"),
    "applicationReconnect": _BOOL,
    "customerName": _ANY,
    "profanityFilter": _BOOL,
    "intelligenceService": _ANY,
    "conversationConfiguration": _ANY,
    "conversationId": _ANY,
}
"""Every attribute of 1.2 and the values it may have. `interruptByDtmf` was removed: 12200."""

LANGUAGE_ATTRIBUTES = frozenset(
    [
        "code",
        "ttsProvider",
        "voice",
        "transcriptionProvider",
        "speechModel",
        "hints",
        "asrSmartFormat",
        "ttsTextNormalization",
        "ttsLanguageTextNormalization",
    ]
)
OTHER_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "Say": frozenset({"voice", "loop", "language"}),
    "Play": frozenset({"loop", "digits"}),
    "Pause": frozenset({"length"}),
    "Hangup": frozenset(),
    "Leave": frozenset(),
    "Gather": frozenset(
        [
            "action",
            "method",
            "input",
            "timeout",
            "numDigits",
            "finishOnKey",
            "language",
            "hints",
            "speechTimeout",
            "speechModel",
            "profanityFilter",
            "partialResultCallback",
            "actionOnEmptyResult",
            "bargeIn",
            "enhanced",
        ]
    ),
    "Task": frozenset({"priority", "timeout"}),
    "Redirect": frozenset({"method"}),
    "Dial": frozenset(
        [
            "action",
            "method",
            "timeout",
            "callerId",
            "timeLimit",
            "answerOnBridge",
            "hangupOnStar",
            "record",
            "ringTone",
            "sequential",
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "trim",
            "recordingTrack",
            "referUrl",
            "referMethod",
            "events",
        ]
    ),
    "Connect": frozenset({"action", "method"}),
    "Start": frozenset({"action", "method"}),
    "Enqueue": frozenset({"action", "method", "maxQueueSize", "waitUrl", "waitUrlMethod", "workflowSid"}),
    "Recording": frozenset(
        [
            "recordingStatusCallback",
            "recordingStatusCallbackMethod",
            "recordingStatusCallbackEvent",
            "trim",
            "track",
            "channels",
            "recordingConfigurationId",
        ]
    ),
    "Language": LANGUAGE_ATTRIBUTES,
    "Parameter": frozenset({"name", "value"}),
    "ConversationRelay": frozenset(RELAY_ATTRIBUTES),
    "Sip": frozenset(
        [
            "url",
            "method",
            "username",
            "password",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "machineDetection",
            "amdStatusCallback",
        ]
    ),
    "Number": frozenset(
        [
            "sendDigits",
            "url",
            "method",
            "statusCallback",
            "statusCallbackEvent",
            "statusCallbackMethod",
            "byoc",
            "machineDetection",
            "amdStatusCallback",
        ]
    ),
}
VERBS = frozenset(
    ["Say", "Play", "Pause", "Hangup", "Redirect", "Dial", "Connect", "Start", "Enqueue", "Gather", "Leave"]
)


class TwimlError(Exception):
    """The document can't be run; `code` is the debugger's (12100 parse, 12300 content type)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Verb:
    """One element."""

    name: str
    attributes: Mapping[str, str]
    text: str
    children: tuple["Verb", ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """An attribute's value."""
        return self.attributes.get(name, default)

    def child(self, name: str) -> "Verb | None":
        """The first child of that name."""
        return next((child for child in self.children if child.name == name), None)


@dataclass(frozen=True, slots=True)
class Document:
    """The verbs of a <Response>, the address it came from and what the debugger says about it."""

    verbs: tuple[Verb, ...]
    base_url: str
    warnings: tuple[tuple[int, str], ...] = ()


def parse(text: str, base_url: str) -> Document:
    """Read TwiML. Raises TwimlError 12100 if it is not XML with the root <Response>."""
    try:
        root = ElementTree.fromstring(text.strip())
    except ElementTree.ParseError as error:
        raise TwimlError(12100, f"document parse failure: {error}") from error
    if root.tag != "Response":
        raise TwimlError(12100, f"the root element is <{root.tag}>, not <Response>")
    warnings: list[tuple[int, str]] = []
    verbs = []
    for element in root:
        verb = _verb(element, warnings)
        if verb.name in VERBS:
            verbs.append(verb)
        else:
            warnings.append((12200, f"Element '{verb.name}' is not simulated or not allowed"))
    return Document(tuple(verbs), base_url, tuple(warnings))


def _verb(element: ElementTree.Element, warnings: list[tuple[int, str]]) -> Verb:
    allowed = OTHER_ATTRIBUTES.get(element.tag)
    attributes = dict(element.attrib)
    if allowed is not None:
        for name in attributes.keys() - allowed:
            warnings.append(
                (12200, f"Attribute '{name}' is not allowed to appear in element '{element.tag}'.")
            )
            del attributes[name]
    children = tuple(_verb(child, warnings) for child in element)
    # Text inside child elements (SSML in <Say>) is spoken too.
    return Verb(element.tag, attributes, "".join(element.itertext()).strip(), children)


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """What a <ConversationRelay> asks for, defaults filled in (1.2)."""

    url: str
    welcome_greeting: str = ""
    welcome_interruptible: frozenset[str] = frozenset({"speech", "dtmf"})
    interruptible: frozenset[str] = frozenset({"speech", "dtmf"})
    report_during_speech: frozenset[str] = frozenset()
    preemptible: bool = False
    dtmf_detection: bool = False
    partial_prompts: bool = False
    events: frozenset[str] = frozenset()
    prompt_language: str = "en-US"
    mixed: bool = False  # `multi`: the language of each prompt is recognised
    ignore_backchannel: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()  # wrong values: the session ends with 64101


def _how(text: str) -> frozenset[str]:
    match text.lower():
        case "any" | "true":
            return frozenset({"speech", "dtmf"})
        case "speech":
            return frozenset({"speech"})
        case "dtmf":
            return frozenset({"dtmf"})
    return frozenset()


def relay_settings(verb: Verb) -> RelaySettings:
    """Read the attributes of a <ConversationRelay>; what is wrong stands in `faults`."""
    faults = [
        f"Invalid value ({value}) for attribute {name}"
        for name, value in verb.attributes.items()
        if RELAY_ATTRIBUTES[name].fullmatch(value) is None
    ]
    url = verb.get("url")
    parts = urlsplit(url)
    # Twilio takes wss only; the simulator takes ws as well, on loopback.
    if parts.scheme != "wss" and not (
        parts.scheme == "ws" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    ):
        faults.append(f"Invalid value ({url}) for attribute url: it must be wss:// (ws:// on loopback)")
    model = verb.get("speechModel", "nova-3-general")
    deepgram = verb.get("transcriptionProvider", "Deepgram").lower() == "deepgram"
    flux = deepgram and model.startswith("flux")
    language = verb.get("transcriptionLanguage") or verb.get("language", "en-US")
    if "multi" in (language, verb.get("ttsLanguage") or verb.get("language")):
        if not (deepgram and model in ("nova-2-general", "nova-3-general")):
            faults.append(f"Invalid value ({model}) for attribute speechModel: multi needs Deepgram nova")
        if verb.get("ttsProvider", "ElevenLabs").lower() != "elevenlabs":
            faults.append(f"Invalid value ({verb.get('ttsProvider')}) for attribute ttsProvider with multi")
    for name in ("eotThreshold", "eagerEotThreshold"):
        if verb.get(name) and not flux:
            faults.append(f"Invalid value ({verb.get(name)}) for attribute {name}: only with Deepgram flux")
    for child in verb.children:
        code = child.get("code")
        if child.name == "Language" and _LANGUAGE.fullmatch(code) is None:
            faults.append(f"Invalid value ({code}) for attribute code of Language")
    return RelaySettings(
        url=url,
        welcome_greeting=verb.get("welcomeGreeting"),
        welcome_interruptible=_how(verb.get("welcomeGreetingInterruptible", "any")),
        interruptible=_how(verb.get("interruptible", "any")),
        report_during_speech=_how(verb.get("reportInputDuringAgentSpeech", "none")),
        preemptible=verb.get("preemptible").lower() == "true",
        dtmf_detection=verb.get("dtmfDetection").lower() == "true",
        partial_prompts=verb.get("partialPrompts").lower() == "true" and flux,
        events=frozenset((verb.get("events") + " " + verb.get("debug")).split()) - {"debugging"},
        prompt_language="en" if language == "multi" else language.partition("-")[0] if flux else language,
        mixed=language == "multi",
        ignore_backchannel=verb.get("ignoreBackchannel").lower() == "true",
        parameters={
            child.get("name"): child.get("value") for child in verb.children if child.name == "Parameter"
        },
        faults=tuple(faults),
    )
