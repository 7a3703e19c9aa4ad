"""What a campaign says and asks: the `[script]` section of a campaign's definition.

The smallest script is a greeting and a goal; everything else has a default. Variables such as
`{{ first_name }}` or `{{ first_name | there }}` (after the bar: what to say when the cell is empty) are
taken from the contact's columns. A cell is data, never instructions: it is cleaned and cut before it is
said or shown to a model (`clean`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

import msgspec

from campaign.domain import inbound
from campaign.domain import transfers as targets
from campaign.domain.inbound import Inbound
from campaign.domain.phrases import PHRASES, Lines, primary
from campaign.domain.spoken import plain
from campaign.domain.transfers import Key, TransferTarget

SCRIPTED: Final = "scripted"
"""The profile name of the agent that needs no model."""

BUILT_IN_VARIABLES: Final = frozenset({"agent_name", "seller_name", "seller_phone", "target", "call_reason"})
"""Variables that the service fills itself; `target` only in lines about a transfer, `call_reason` in the
answer to a screening robot."""

LONGEST_CELL: Final = 200
"""Characters of a contact's cell that are ever said or shown to a model."""

Line = Annotated[str, msgspec.Meta(max_length=1000)]
Tag = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(multi|[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)$",
        extra={"words": 'a language such as "en-US" or "es-MX"'},
    ),
]
TtsProvider = Literal["Google", "Amazon", "ElevenLabs"]
SttProvider = Literal["Google", "Deepgram"]

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][\w .\-]*?)\s*(?:\|\s*([^{}]*?)\s*)?\}\}")
_BRACES = re.compile(r"\{\{|\}\}")


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing to find out. The answer is stored under `key`, typed by `kind`."""

    key: Key
    ask: Line
    """The question as spoken; may hold variables."""
    kind: Literal["text", "choice", "number", "date", "yes_no"] = "text"
    choices: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=80)], ...] = ()
    """Only for kind `choice`: what may be answered, as spoken."""
    required: bool = False
    """Whether the scripted agent asks a second time before going on without an answer."""


class Objection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to say when the person says something like `when`."""

    when: tuple[Annotated[str, msgspec.Meta(min_length=2, max_length=120)], ...]
    """Words or phrases, any of which is the sign; matched without case, as whole words."""
    say: Line


class Menu(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Keys that the agent may press on the line. The agent only ever names the entry's key."""

    digits: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#w]{1,32}$")]
    """What is pressed: 0-9, * and #; w waits half a second."""
    when: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """What is pressed for, as the agent is told: "the menu offers the accounts department"."""


class SpokenLanguage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A further language of the script: what is said otherwise in it, and by which voice.

    What is left out is said as in the script's own language; `lines` as in the language's own words.
    """

    greeting: Line = ""
    closing: Line = ""
    voicemail: Line = ""
    reason: Line = ""
    asks: dict[Key, Line] = {}
    """Questions as spoken in this language, by key."""
    lines: Lines = Lines()
    voice: str | None = None
    tts_provider: TtsProvider | None = None
    transcription_provider: SttProvider | None = None
    speech_model: str | None = None
    hints: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=100)], ...] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Bounds of one conversation; seconds unless said otherwise."""

    call_seconds: Annotated[int, msgspec.Meta(ge=30, le=7200)] = 600
    """Longest conversation; then a polite close."""
    turns: Annotated[int, msgspec.Meta(ge=2, le=500)] = 60
    """Most things the person says; then a polite close."""
    turn_seconds: Annotated[int, msgspec.Meta(ge=5, le=120)] = 30
    """Longest turn of ours, at 17 characters a second; then the agent is cut at a sentence's end."""
    silence_seconds: Annotated[float, msgspec.Meta(ge=3, le=60)] = 8.0
    """Silence before a nudge, before the second one, and before the goodbye."""
    first_words_seconds: Annotated[float, msgspec.Meta(ge=0.5, le=10)] = 1.8
    """From the person's last word to the bridging sentence, when no agent has said anything: silence is
    shorter than two seconds, however many models are slow one after the other."""
    reply_seconds: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 8.0
    """Longest wait for a profile's first words, however patient the profile is; then the next is asked."""
    gap_seconds: Annotated[float, msgspec.Meta(ge=0.5, le=30)] = 4.0
    """Longest wait between two pieces of a reply, however patient the profile is."""


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A campaign's script. `greeting` and `goal` are all that must be given."""

    greeting: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    """First sentence of our own after the disclosures; may hold variables."""
    goal: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    """What the call is for, in one or two sentences; the model's task."""
    agent_name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] = "Alex"
    """How the agent calls itself."""
    facts: tuple[Line, ...] = ()
    """What the agent may state; it is told to state nothing else as fact."""
    questions: tuple[Question, ...] = ()
    objections: tuple[Objection, ...] = ()
    do: tuple[Line, ...] = ()
    """What the agent should do, for the model."""
    dont: tuple[Line, ...] = ()
    """What the agent must not do, for the model."""
    closing: Line = ""
    """Said by the scripted agent when all is asked; default: the goodbye line."""
    voicemail: Line = ""
    """Message for an answering machine; whether one is left is the campaign's voicemail policy."""
    reason: Line = ""
    """Why this person is called, as one sentence; a screening robot that asks is told it."""
    transfers: dict[Key, TransferTarget] = {}
    menus: dict[Key, Menu] = {}
    """Keys that may be pressed on the line, by the agent's name for them."""
    inbound: Inbound = Inbound()
    """How calls to the caller ids are answered."""
    lines: Lines = Lines()
    """Fixed lines in other words than the language's own."""
    limits: Limits = Limits()
    profiles: tuple[Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")], ...] = (SCRIPTED,)
    """Model profiles, tried in this order; the scripted agent comes last by itself."""
    record: bool = False
    """Whether the call is recorded; then the disclosure says so."""
    language: Tag = "en-US"
    """BCP-47 tag or `multi`, for hearing and for speaking."""
    languages: dict[Tag, SpokenLanguage] = {}
    """Further languages that the call may begin in or go over to."""
    language_column: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """The contact's column that says in which of the declared languages the call begins."""
    language_values: dict[Annotated[str, msgspec.Meta(max_length=LONGEST_CELL)], Tag] = {}
    """What that column's cells mean, without case; a cell may also be a declared language itself."""
    voice: str | None = None
    """The provider's voice; none: Twilio's default for the language."""
    tts_provider: TtsProvider | None = None
    transcription_provider: SttProvider | None = None
    speech_model: str | None = None
    partial_prompts: bool = False
    """Whether what the person is still saying is told to us, so that the agent can begin early (Deepgram's
    flux only)."""
    eot_threshold: Annotated[float, msgspec.Meta(ge=0.5, le=0.9)] | None = None
    """How sure flux has to be that the person has finished, 0.5 to 0.9; none: Twilio's 0.8."""
    hints: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=100)], ...] = ()
    """Words that the transcription should expect: names, products."""
    interruptible: Literal["none", "dtmf", "speech", "any"] = "any"
    """What stops our speech; disclosures are never interruptible."""
    interrupt_sensitivity: Literal["low", "medium", "high"] | None = None
    ignore_backchannel: bool | None = None
    """Whether "uh-huh" neither interrupts nor makes a turn (Twilio's own detection)."""


def lines(script: Script) -> Lines:
    """The script's fixed lines, with the language's own where it gives none, and "-" as empty."""
    own = PHRASES.get(primary(script.language), PHRASES["en"])
    merged = {}
    for name in Lines.__struct_fields__:
        given: str = getattr(script.lines, name)
        merged[name] = "" if given.strip() == "-" else given or getattr(own, name)
    return Lines(**merged)


def disclosures(script: Script) -> tuple[str, ...]:
    """The lines that must be heard, in order: an AI speaks, how to stop the calls, the recording."""
    return tuple(filter(None, disclosure_places(script)))


def disclosure_places(script: Script) -> tuple[str, str, str]:
    """The same, each in its place; one that is not said is empty."""
    own = lines(script)
    recorded = own.disclosure_recorded if script.record else ""
    return own.disclosure_ai, own.disclosure_opt_out, recorded


DISCLOSED: Final = frozenset({"ai", "business_name", "opt_out"})
"""What the first lines of a call can tell, of what rules demand (rulebook.SAID); the number of the seller and
the purpose of the call come up in the talk itself."""

_AI_WORDS: Final = re.compile(
    r"\b(?:a ?i|artificial|automated|automatic|virtual|robots?|bots?|machine|computer|ia|automatic[oa]|"
    r"automatizad[oa]|artificielle?|automatique|automatisee?|virtuelle?|ki|kunstliche\w*|automatisch\w*|"
    r"automatisiert\w*|roboter|sprachassistent\w*|sprachcomputer)\b"
)


def says(script: Script, seller_name: str) -> frozenset[str]:
    """What the lines that are always said first tell (`DISCLOSED`), whatever the model does.

    Args:
        seller_name: the legal name of the business.
    """
    own = lines(script)
    found = set()
    # Words of our own languages can be judged; in another one whoever wrote the line answers for it.
    judged = primary(script.language) in PHRASES
    if own.disclosure_ai and (not judged or _AI_WORDS.search(plain(own.disclosure_ai))):
        found.add("ai")
    named = own.disclosure_ai + script.greeting
    if any(match[1].strip() == "seller_name" for match in _VARIABLE.finditer(named)) or seller_name in named:
        found.add("business_name")
    if own.disclosure_opt_out:
        found.add("opt_out")
    return frozenset(found)


def chain(script: Script) -> tuple[str, ...]:
    """Profiles in the order in which they are tried; the scripted agent is always the last."""
    return (*(name for name in script.profiles if name != SCRIPTED), SCRIPTED)


def clean(cell: str, limit: int = LONGEST_CELL) -> str:
    """A cell as harmless text: one line, no control or invisible characters, no braces, quotes of code,
    angle brackets or markup, at most `limit` characters."""
    kept = "".join(
        " " if char in "\r\n\t\v\f\x85\u2028\u2029" else char
        for char in cell[: limit * 4]
        if char.isprintable() or char in "\r\n\t\v\f\x85\u2028\u2029"
    )
    kept = kept.translate(_UNWANTED)
    return " ".join(kept.split())[:limit].rstrip()


_UNWANTED: Final = str.maketrans(dict.fromkeys("{}<>[]`|\\", " "))


def variables(script: Script) -> set[str]:
    """Names of all variables that the script's spoken lines hold, built-in ones left out."""
    found: set[str] = set()
    for _, text in _spoken(script):
        found.update(match[1].strip() for match in _VARIABLE.finditer(text))
    return found - BUILT_IN_VARIABLES


def render(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables filled in.

    Args:
        text: a line of the script.
        values: cells by column name; looked up as written, then without case. A missing or empty cell
            gives the default after the bar, or nothing.

    Values are cleaned (`clean`) and never rendered again, so a cell that holds `{{ x }}` stays data.
    """
    if "{{" not in text:
        return text
    folded: dict[str, str] = {}

    def fill(match: re.Match[str]) -> str:
        name = match[1].strip()
        cell = values.get(name)
        if cell is None:
            if not folded:
                folded.update((key.casefold(), value) for key, value in values.items())
            cell = folded.get(name.casefold(), "")
        said = clean(cell) or (match[2] or "")
        # "… for Harbor & Pine Solar, Inc." at a sentence's end needs one full stop, not two.
        return said.rstrip(".") if text.startswith(".", match.end()) else said

    said = _VARIABLE.sub(fill, text)
    return re.sub(r"\s+([,.!?;:])", r"\1", " ".join(said.split()))


def faults(script: Script, columns: Iterable[str] | None) -> list[tuple[str, str]]:
    """What is wrong in a script beyond its types.

    Args:
        script: a script whose types are already checked.
        columns: column names of the campaign's lists; None when they aren't known yet, and then variables
            are only checked for their form.

    Returns:
        (path within the script such as `questions[1].choices`, sentence why) pairs; empty when all is well.
    """
    found = [*_variable_faults(script, columns), *_question_faults(script)]
    for number, objection in enumerate(script.objections):
        if not objection.when:
            found.append((f"objections[{number}].when", "is empty; give the words that are its sign"))
    found += targets.faults(script.transfers, script.language)
    found += inbound.faults(script.inbound, script.language)
    if script.record and not lines(script).disclosure_recorded:
        found.append(("lines.disclosure_recorded", "can't be left out while the call is recorded (record)"))
    if not script.profiles:
        found.append(("profiles", 'is empty; name model profiles or "scripted"'))
    return found


def _spoken(script: Script) -> list[tuple[str, str]]:
    """(path, text) of everything in the script that may hold variables."""
    texts = [
        ("greeting", script.greeting),
        ("goal", script.goal),
        ("closing", script.closing),
        ("voicemail", script.voicemail),
        ("reason", script.reason),
    ]
    texts += [(f"facts[{n}]", text) for n, text in enumerate(script.facts)]
    texts += [(f"questions[{n}].ask", question.ask) for n, question in enumerate(script.questions)]
    texts += [(f"objections[{n}].say", objection.say) for n, objection in enumerate(script.objections)]
    texts += [("inbound.disclosure_ai", script.inbound.disclosure_ai)]
    texts += [("inbound.greeting", script.inbound.greeting)]
    texts += [(f"transfers.{key}.not_taken", target.not_taken) for key, target in script.transfers.items()]
    texts += [(f"do[{n}]", text) for n, text in enumerate(script.do)]
    texts += [(f"dont[{n}]", text) for n, text in enumerate(script.dont)]
    texts += [(f"lines.{name}", getattr(script.lines, name)) for name in Lines.__struct_fields__]
    for tag, one in script.languages.items():
        where = f"languages.{tag}"
        texts += [
            (f"{where}.{name}", getattr(one, name)) for name in ("greeting", "closing", "voicemail", "reason")
        ]
        texts += [(f"{where}.asks.{key}", ask) for key, ask in one.asks.items()]
        texts += [(f"{where}.lines.{name}", getattr(one.lines, name)) for name in Lines.__struct_fields__]
    return texts


def _variable_faults(script: Script, columns: Iterable[str] | None) -> list[tuple[str, str]]:
    known = None if columns is None else {column.casefold() for column in columns}
    found: list[tuple[str, str]] = []
    if known is not None and script.language_column and script.language_column.casefold() not in known:
        found.append(("language_column", f"{script.language_column!r} is no column of the campaign's lists"))
    for path, text in _spoken(script):
        if _BRACES.search(_VARIABLE.sub("", text)):
            found.append(
                (path, "holds {{ or }} that is no variable; write {{ column }} or {{ column | else }}")
            )
        for match in _VARIABLE.finditer(text):
            name = match[1].strip()
            if name in BUILT_IN_VARIABLES or known is None or name.casefold() in known:
                continue
            have = ", ".join(sorted(known)) or "none"
            found.append(
                (path, f"variable {name!r} is no column of the campaign's lists (they have: {have})")
            )
    return found


def _question_faults(script: Script) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    for number, question in enumerate(script.questions):
        where = f"questions[{number}]"
        if question.key in seen:
            found.append((f"{where}.key", f"{question.key!r} is used by an earlier question"))
        seen.add(question.key)
        if not question.ask.strip():
            found.append((f"{where}.ask", "is empty"))
        if question.kind == "choice" and len(question.choices) < 2:
            found.append((f"{where}.choices", "needs at least two choices"))
        if question.kind != "choice" and question.choices:
            found.append((f"{where}.choices", f"is only for kind 'choice', this one is {question.kind!r}"))
    return found
