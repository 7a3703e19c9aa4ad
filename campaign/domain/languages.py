"""The languages of a script: which one a call begins in, when it goes over, and what fits together.

A script in another of its languages is a script again (`in_language`), so whoever speaks needs no second way
of looking things up. Only declared languages are ever spoken: the person, or a model, can choose among them.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from campaign.domain.opt_out import fold
from campaign.domain.phrases import PHRASES, Lines, primary
from campaign.domain.script import Script, SpokenLanguage
from campaign.domain.spoken import plain

MULTI: Final = "multi"
"""Speech that mixes languages: Deepgram hears it, ElevenLabs speaks it."""
CLEARLY: Final = 3
"""Words in another language with which a person clearly speaks it; fewer have to come twice in a row."""

_OWN: Final = ("greeting", "closing", "voicemail", "reason")
_VOICE: Final = ("voice", "tts_provider", "transcription_provider", "speech_model", "hints", "lines")


def declared(script: Script) -> tuple[str, ...]:
    """Every language of the script, its own first."""
    return (script.language, *script.languages)


def in_language(script: Script, tag: str) -> Script:
    """The script as it is spoken in one of its languages; its former language becomes one of the others.

    Args:
        tag: one of `declared(script)`; any other leaves the script as it is.
    """
    chosen = script.languages.get(tag)
    if chosen is None or tag == script.language:
        return script
    former = SpokenLanguage(
        **{name: getattr(script, name) for name in (*_OWN, *_VOICE)},
        asks={question.key: question.ask for question in script.questions},
    )
    others = {script.language: former, **script.languages}
    del others[tag]
    questions = tuple(
        msgspec.structs.replace(question, ask=chosen.asks.get(question.key) or question.ask)
        for question in script.questions
    )
    return msgspec.structs.replace(
        script,
        language=tag,
        languages=others,
        questions=questions,
        **{name: getattr(chosen, name) or getattr(script, name) for name in _OWN},
        **{name: getattr(chosen, name) for name in _VOICE},
    )


def of_contact(script: Script, values: Mapping[str, str]) -> str:
    """The language that a call begins in: the contact's own if its column names a declared one.

    Args:
        values: the contact's cells by column.
    """
    if not script.language_column:
        return script.language
    wanted = script.language_column.casefold()
    cell = next((value for key, value in values.items() if key.casefold() == wanted), "").strip().casefold()
    meant = {key.strip().casefold(): tag for key, tag in script.language_values.items()}
    return _declared_as(script, meant.get(cell, cell)) or script.language


def _declared_as(script: Script, tag: str) -> str:
    """The declared language that a tag, or its primary subtag alone, names; empty when none does."""
    tags = declared(script)
    exact = [one for one in tags if one.casefold() == tag.casefold()]
    same = [one for one in tags if tag and primary(one) == primary(tag)]
    return (exact or same or [""])[0]


# ── in mid-call ────────────────────────────────────────────────────────────────────────────────────────

_NAMES: Final[Mapping[str, str]] = {
    "en": "english|ingles|anglais|englisch|inglese|engels|angielsku?|angrezi",
    "es": "spanish|espanol|castellano|espagnol|spanisch|spagnolo|espanhol|spaans",
    "fr": "french|francais|frances|franzosisch|francese|frans",
    "de": "german|deutsch|aleman|allemand|tedesco|alemao|duits|niemiecku?",
    "it": "italian|italiano|italien|italienisch",
    "pt": "portuguese|portugues|portugais|portugiesisch|portoghese",
    "nl": "dutch|nederlands|niederlandisch|neerlandais|holandes",
    "pl": "polish|polsku|polski|polnisch|polonais|polaco",
    "hi": "hindi",
}
_SELF: Final[Mapping[str, str]] = {
    # Who says in a language that they have no other asks for this one.
    "es": r"no (?:hablo|entiendo) (?:el )?(?:ingles|aleman|frances)|hablo (?:solo )?espanol|solo espanol",
    "fr": r"(?:je )?(?:ne )?(?:parle|comprends) pas (?:l )?(?:anglais|allemand|langlais)|je parle francais",
    "de": r"(?:spreche|verstehe) (?:leider )?kein englisch|ich spreche (?:nur )?deutsch",
    "it": r"non (?:parlo|capisco) (?:l )?inglese|parlo (?:solo )?italiano",
    "pt": r"nao (?:falo|entendo) (?:o )?ingles|falo (?:so )?portugues",
    "nl": r"(?:spreek|versta) (?:helaas )?geen engels",
    "pl": r"nie (?:mowie|rozumiem) po angielsku",
    "hi": r"(?:mujhe )?(?:english|angrezi) nahi(?:n)? (?:aati|aata|samajh)",
    "en": r"i only speak english|no (?:hablo|speak) (?:spanish|espanol)",
}
_ASKING: Final = (
    r"(?:do|can|could|would|may) (?:you|we|i) (?:please )?(?:speak|talk|have (?:this|it)|do this|"
    r"continue|switch|go on)(?: \w+){0,3}? (?:in |to )?(?:NAME)|"
    r"(?:in|auf|en|em|po|op) (?:NAME)(?: (?:please|por favor|bitte|sil vous plait|s il vous plait|per favore|"
    r"alstublieft|prosze|instead|then|better))|"
    r"(?:NAME) (?:please|por favor|bitte|sil vous plait|s il vous plait|per favore|alstublieft|prosze)|"
    r"(?:habla|hablas|hablan|puede hablar|podemos hablar|podria hablar)(?: usted)? (?:en )?(?:NAME)|"
    r"(?:parlez|parles|parler)(?: vous| tu)? (?:en )?(?:NAME)|"
    r"(?:sprechen|sprichst|reden)(?: sie| du| wir)? (?:auf )?(?:NAME)|"
    r"(?:parla|parlate|parlare) (?:in )?(?:NAME)|(?:fala|falar|falam) (?:em )?(?:NAME)|"
    r"(?:spreekt|spreken)(?: u| we)? (?:NAME)|"
    r"(?:NAME) (?:me|mein) (?:baat|bol\w*)(?: \w+){0,2}|"
    r"(?:lets|let us|please) (?:speak|talk|switch to|use|go on in)(?: in)? (?:NAME)|"
    r"(?:i|id|we) (?:would )?(?:prefer|rather speak|like to speak|want to speak)(?: to you)?(?: in)? (?:NAME)"
)
_REQUESTS: Final = {
    tag: re.compile(rf"(?<!dont )(?<!not )\b(?:{_ASKING.replace('NAME', name)}|{_SELF[tag]})\b|^(?:{name})$")
    for tag, name in _NAMES.items()
}


_NAMED: Final = re.compile("|".join(_NAMES.values()))
_HINDI: Final = re.compile(r"हि(?:ं|न्)दी (?:में|मे|बोल)|^\s*हि(?:ं|न्)दी(?: प्लीज़?)?[\s।.?!]*$")
_ENGLISH: Final = re.compile(r"अंग्रेज़?ी (?:में|मे|बोल)|^\s*(?:अंग्रेज़?ी|इंग्लिश)(?: प्लीज़?)?[\s।.?!]*$")
"""Devanagari, whose vowel signs `plain` does not keep."""


def asked_for(said: str) -> str:
    """The language (primary subtag) that the person asks to be spoken to in; empty when they ask for none."""
    if _HINDI.search(said[:500]):
        return "hi"
    if _ENGLISH.search(said[:500]):
        return "en"
    words = plain(fold(said[:500]))
    if not _NAMED.search(words):
        return ""
    return next((tag for tag, request in _REQUESTS.items() if request.search(words)), "")


class Ear:
    """Notices, prompt by prompt, that the person wants another of the script's languages."""

    def __init__(self) -> None:
        self._other = ""

    def wanted(self, script: Script, said: str, heard_as: str) -> str:
        """The declared language to go over to; empty: go on as it is.

        Args:
            script: in the language of the moment.
            said: a final transcript.
            heard_as: `lang` of the prompt: a tag, or a primary subtag alone, as the transcription has it.
        """
        if not script.languages:
            return ""
        now = primary(script.language)
        asked = asked_for(said)
        if asked:
            self._other = ""
            tag = _declared_as(script, asked)
            return tag if tag and asked != now and tag != script.language else ""
        heard = primary(heard_as) if heard_as else now
        tag = _declared_as(script, heard) if heard != now and heard_as != MULTI else ""
        if not tag or tag == script.language:
            self._other = ""
            return ""
        if len(said.split()) >= CLEARLY or self._other == tag:
            self._other = ""
            return tag
        self._other = tag
        return ""


# ── what fits together ─────────────────────────────────────────────────────────────────────────────────

_MIXED_MODELS: Final = ("nova-2-general", "nova-3-general")


def faults(script: Script) -> list[tuple[str, str]]:
    """What can't be heard or spoken as it is declared, in the form of `script.faults`.

    Source: the attribute table of Twilio's ConversationRelay page (2026-06): `multi` needs Deepgram's nova
    models and ElevenLabs, partial prompts and eotThreshold need Deepgram's flux.
    """
    found = [*_ears(script), *_mixed(script), *_words(script, script.language, script.lines)]
    for tag, one in script.languages.items():
        where = f"languages.{tag}"
        if tag == script.language:
            found.append((where, "is the script's own language already; leave it out"))
        if tag == MULTI:
            found.append((where, 'is no language to go over to; write language = "multi" for mixed speech'))
        found += [(f"{where}.{path}", why) for path, why in _ears(one)]
        keys = {question.key for question in script.questions}
        found += [(f"{where}.asks.{key}", "is the key of no question") for key in one.asks if key not in keys]
        found += [(f"{where}.{path}", why) for path, why in _words(script, tag, one.lines)]
    if script.language_values and not script.language_column:
        found.append(("language_values", "says what a column's cells mean; name it in language_column"))
    for cell, tag in script.language_values.items():
        if tag not in declared(script):
            have = ", ".join(declared(script))
            found.append((f"language_values.{cell}", f"{tag!r} is not declared; declared are: {have}"))
    return found


def _words(script: Script, tag: str, own: Lines) -> list[tuple[str, str]]:
    """Fixed lines that are neither given nor known in that language."""
    if primary(tag) in PHRASES:
        return []
    return [
        (f"lines.{name}", f"is needed: there are no own words for {tag!r}")
        for name in Lines.__struct_fields__
        if _needed(script, name) and not getattr(own, name)
    ]


def _needed(script: Script, line: str) -> bool:
    """Whether a script needs that fixed line."""
    if line == "disclosure_recorded":
        return script.record
    if line.startswith("transfer"):
        return bool(script.transfers)
    return line != "switched" or bool(script.languages)


def _ears(one: Script | SpokenLanguage) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    model = (one.speech_model or "").lower()
    if model.startswith(("nova", "flux")) and one.transcription_provider == "Google":
        found.append(
            (
                "speech_model",
                f'{one.speech_model!r} is Deepgram\'s; write transcription_provider = "Deepgram"',
            )
        )
    if model.startswith("telephony") and one.transcription_provider == "Deepgram":
        found.append(
            ("speech_model", f'{one.speech_model!r} is Google\'s; write transcription_provider = "Google"')
        )
    return found


def _mixed(script: Script) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    flux = (script.speech_model or "").lower().startswith("flux")
    for name in ("partial_prompts", "eot_threshold"):
        if getattr(script, name) and not flux:
            found.append((name, 'needs Deepgram\'s flux, which tells it; write speech_model = "flux"'))
    if script.language != MULTI:
        return found
    if script.transcription_provider == "Google":
        found.append(
            ("transcription_provider", 'only Deepgram hears mixed speech (language = "multi"); leave it out')
        )
    if script.speech_model and script.speech_model not in _MIXED_MODELS:
        models = " or ".join(_MIXED_MODELS)
        found.append(
            ("speech_model", f"{script.speech_model!r} does not hear mixed speech; only {models} do")
        )
    if script.tts_provider not in (None, "ElevenLabs"):
        found.append(
            ("tts_provider", f"{script.tts_provider} does not speak mixed languages; only ElevenLabs does")
        )
    return found
