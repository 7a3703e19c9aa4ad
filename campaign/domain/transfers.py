"""Hand-over to a human: the targets of a script, when they are open, and what whoever takes the call is told.

A target is a number, a SIP address or a TaskRouter workflow (Twilio Flex). The agent only ever names its key.
What a human is told beforehand is made here, in code, from the answers and the contact's first name: never
from a model's words, and nothing in it that redaction would take out of a transcript.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from campaign.domain.calling_window import WeeklyHours, WindowError, known_zone
from campaign.domain.phrases import primary
from campaign.domain.redaction import redact

Key = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]

_NUMBER_OR_SIP = re.compile(r"^(\+[1-9]\d{5,14}|sips?:[^\s<>\"']+@[^\s<>\"']+)$")
_WORKFLOW = re.compile(r"^WW[0-9a-f]{32}$")
LONGEST_SUMMARY: Final = 400
"""Characters that a human hears before the person: about half a minute."""
LONGEST_ANSWER: Final = 80


class TransferTarget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a person may be put through to: `to` or `workflow`, one of them."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    """As spoken: "I'm putting you through to NAME"."""
    to: str = ""
    """An E.164 number or a `sip:` address."""
    workflow: str = ""
    """SID of a TaskRouter workflow (WW…), for a queue of Twilio Flex."""
    mode: Literal["cold", "warm"] = "cold"
    """Warm: who answers hears a short summary first; only for `to`."""
    accept_key: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#]?$")] = ""
    """Warm only: who answers must press it, so that a voicemail box never counts as a human."""
    ring_seconds: Annotated[int, msgspec.Meta(ge=5, le=120)] = 30
    """How long it rings."""
    queue_seconds: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 120
    """How long a person waits in the queue of a workflow."""
    week: dict[str, str | tuple[str, ...]] = {}
    """Opening hours, as in `[schedule]`; none: always open."""
    zone: str = ""
    """The time zone of the opening hours, such as America/New_York."""
    not_taken: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """Said by the agent when it is back because nobody took the call: it asks when to call."""


def open_at(target: TransferTarget, at: datetime) -> bool:
    """Whether somebody can be expected there at an instant (aware)."""
    if not target.week:
        return True
    local = at.astimezone(ZoneInfo(target.zone))
    second = local.hour * 3600 + local.minute * 60 + local.second
    return any(first <= second < last for first, last in WeeklyHours.parse(target.week).on(local.date()))


def opens(target: TransferTarget, at: datetime) -> datetime | None:
    """When it opens next after an instant at which it is closed; None: not within a week."""
    zone, hours = ZoneInfo(target.zone), WeeklyHours.parse(target.week)
    local = at.astimezone(zone)
    for days in range(8):
        day = local.date() + timedelta(days=days)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        for first, _ in hours.on(day):
            opening = midnight + timedelta(seconds=first)
            if opening > local:
                return opening
    return None


def faults(targets: Mapping[str, TransferTarget], language: str) -> Iterator[tuple[str, str]]:
    """What is wrong in a script's targets beyond their types: (path within the script, sentence why)."""
    spoken = primary(language) in TRANSFER_LINES
    for key, target in targets.items():
        where = f"transfers.{key}"
        if bool(target.to) == bool(target.workflow):
            yield where, "needs `to` (a number or sip:user@host) or `workflow` (WW…), one of them"
        if target.to and not _NUMBER_OR_SIP.match(target.to):
            yield f"{where}.to", f"{target.to!r} is neither +<country><number> nor sip:user@host"
        if target.workflow and not _WORKFLOW.match(target.workflow):
            yield f"{where}.workflow", f"{target.workflow!r} is no SID of a workflow: WW and 32 digits, 0-f"
        if target.mode == "warm" and target.workflow:
            yield f"{where}.mode", "is for `to`; who takes a task of a queue sees its attributes instead"
        if target.accept_key and target.mode != "warm":
            yield f"{where}.accept_key", 'needs mode = "warm": the summary is where it is asked for'
        if not spoken and not target.not_taken:
            yield f"{where}.not_taken", f"is needed: there are no own words for {language!r}"
        yield from _hours_faults(where, target)


def _hours_faults(where: str, target: TransferTarget) -> Iterator[tuple[str, str]]:
    try:
        WeeklyHours.parse(target.week)
    except WindowError as error:
        yield f"{where}.week", str(error)
    if target.week and not known_zone(target.zone):
        yield f"{where}.zone", f"{target.zone!r} is no time zone; write for example America/New_York"


# ── what is told to whoever takes the call ─────────────────────────────────────────────────────────────


def safe_answers(answers: Mapping[str, object], questions: Mapping[str, str]) -> dict[str, str]:
    """Answers as short redacted text, by question key, in the script's order.

    Args:
        answers: typed, by question key.
        questions: key → kind, of the script.
    """
    kept = {}
    for key in questions:
        if key in answers:
            kept[key] = redact(in_words(answers[key]))[:LONGEST_ANSWER]
    return kept


def in_words(value: object) -> str:
    """A typed answer as a person says it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def summary(seller: str, first_name: str, answers: Mapping[str, str], accept_key: str, language: str) -> str:
    """What a human hears before they are put through, at most LONGEST_SUMMARY characters.

    Args:
        seller: legal name; first_name: of the contact, perhaps empty.
        answers: as `safe_answers` gives them.
        accept_key: the key that takes the call, or empty.
    """
    own = TRANSFER_LINES.get(primary(language), TRANSFER_LINES["en"])
    who = redact(first_name)[:LONGEST_ANSWER] or own.somebody
    said = "".join(f" {key.replace('_', ' ')}: {value}." for key, value in answers.items())
    press = f" {own.press_to_take.format(key=accept_key)}" if accept_key else ""
    room = LONGEST_SUMMARY - len(press)
    return (own.summary.format(seller=seller.rstrip("."), who=who) + said)[:room].rstrip() + press


def task(
    campaign: str, attempt_id: int, first_name: str, answers: Mapping[str, str], language: str
) -> dict[str, object]:
    """The attributes of a task in a queue; no number, no transcript, nothing that redaction takes out."""
    return {
        "type": "campaign_call",
        "campaign": campaign,
        "attempt_id": attempt_id,
        "name": redact(first_name)[:LONGEST_ANSWER],
        "answers": dict(answers),
        "language": language,
    }


# ── our own words ──────────────────────────────────────────────────────────────────────────────────────


class TransferLines(msgspec.Struct, frozen=True):
    """What the service says around a hand-over. `not_taken` may hold {target}."""

    not_taken: str
    """The agent is back, as nobody took the call: says so and offers a callback."""
    waiting: str
    """Said to a person who waits in a queue."""
    summary: str
    somebody: str
    press_to_take: str


TRANSFER_LINES: Final[Mapping[str, TransferLines]] = {
    "en": TransferLines(
        not_taken="I'm sorry, I couldn't reach {target}. When would be a good time for us to call you?",
        waiting="Please stay on the line. Somebody will be with you shortly.",
        summary="A call of {seller}. On the line is {who}.",
        somebody="somebody who asked for you",
        press_to_take="Press {key} to take the call.",
    ),
    "es": TransferLines(
        not_taken="Lo siento, no he podido localizar a {target}. ¿Cuándo le viene bien que le llamemos?",
        waiting="Por favor, siga en línea. Enseguida le atienden.",
        summary="Una llamada de {seller}. Al teléfono está {who}.",
        somebody="una persona que ha preguntado por usted",
        press_to_take="Pulse {key} para aceptar la llamada.",
    ),
    "fr": TransferLines(
        not_taken="Je suis désolé, je n'ai pas pu joindre {target}. Quand pouvons-nous vous rappeler ?",
        waiting="Veuillez rester en ligne. On va vous répondre.",
        summary="Un appel de {seller}. En ligne : {who}.",
        somebody="une personne qui vous a demandé",
        press_to_take="Appuyez sur {key} pour prendre l'appel.",
    ),
    "de": TransferLines(
        not_taken="Es tut mir leid, ich konnte {target} nicht erreichen. Wann dürfen wir Sie anrufen?",
        waiting="Bitte bleiben Sie in der Leitung. Gleich ist jemand für Sie da.",
        summary="Ein Anruf von {seller}. Am Apparat ist {who}.",
        somebody="jemand, der nach Ihnen gefragt hat",
        press_to_take="Drücken Sie die {key}, um das Gespräch anzunehmen.",
    ),
}


def not_taken_line(target: TransferTarget, language: str) -> str:
    """What the agent says when it is back, because nobody took the call; may hold variables."""
    own = TRANSFER_LINES.get(primary(language), TRANSFER_LINES["en"])
    return target.not_taken or own.not_taken.format(target=target.name)


def waiting_line(language: str) -> str:
    """What a person hears who waits in a queue."""
    return TRANSFER_LINES.get(primary(language), TRANSFER_LINES["en"]).waiting
