"""The tools that an agent may call: their schemas from the script, and what a call of one means.

Authority is in code: arguments are keys of the campaign, never a number, an address or another person's
data. What can't be carried out comes back as a sentence for the model (`Refusal`).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from math import isfinite
from typing import Final, TypeAlias

import msgspec

from campaign.domain.dialogue import ToolRequest, ToolSpec
from campaign.domain.disposition import Disposition
from campaign.domain.script import Question, Script, clean
from campaign.domain.spoken import choice, day, moment, number, yes_no
from campaign.domain.transfers import open_at, opens

Answer: TypeAlias = str | int | float | bool
"""A typed answer: text, choice and date (ISO) as str, numbers, yes/no as bool."""

END_REASONS: Final[dict[str, Disposition]] = {
    "interested": Disposition.INTERESTED,
    "not_interested": Disposition.NOT_INTERESTED,
    "callback": Disposition.CALLBACK,
    "wrong_number": Disposition.WRONG_NUMBER,
    "completed": Disposition.COMPLETED,
}
FURTHEST_CALLBACK: Final = timedelta(days=60)
CALLBACK_HOURS: Final = (8, 21)
"""Local hours within which a callback is promised where nobody says what the rules are."""
CALLBACK_SLACK: Final = timedelta(minutes=5)
"""A callback may be promised for the very minute at which a window opens, or a little before."""
LARGEST_NUMBER: Final = 1e15
LONGEST_ANSWER: Final = 2000
LONGEST_ARGUMENTS: Final = 20_000

NextCallable: TypeAlias = Callable[[datetime], datetime | None]
"""The first instant at or after this one at which the rules of the person's place and the campaign's schedule
allow a call; None when there is none."""


class EndCall(msgspec.Struct, frozen=True):
    reason: Disposition


class DoNotCall(msgspec.Struct, frozen=True):
    quote: str


class RecordAnswer(msgspec.Struct, frozen=True):
    """A question of the script was answered; `value` is typed by the question's kind."""

    key: str
    value: Answer


class ScheduleCallback(msgspec.Struct, frozen=True):
    """The person asked to be called at this instant (aware, in their own zone)."""

    at: datetime


class Transfer(msgspec.Struct, frozen=True):
    target: str


class PressKeys(msgspec.Struct, frozen=True):
    """Press the keys of one of the script's menus."""

    menu: str


class SwitchLanguage(msgspec.Struct, frozen=True):
    """Go on in another of the script's declared languages."""

    tag: str


class Refusal(msgspec.Struct, frozen=True):
    """Why a tool call has no effect, as a sentence for the agent."""

    why: str


Meaning: TypeAlias = (
    EndCall | DoNotCall | RecordAnswer | ScheduleCallback | Transfer | PressKeys | SwitchLanguage | Refusal
)


def specs(script: Script) -> tuple[ToolSpec, ...]:
    """The tools of a script; those without anything to name are left out."""
    found = [
        _spec(
            "end_call",
            "End the call. Say your last words in the same reply; they are spoken to the end first.",
            reason={"type": "string", "enum": list(END_REASONS), "description": "how the call went"},
        ),
        _spec(
            "do_not_call",
            "The person asks not to be called again. Nothing more needs to be said.",
            quote={"type": "string", "description": "the person's own words"},
        ),
        _spec(
            "schedule_callback",
            "The person asks to be called at another time.",
            when={"type": "string", "description": "their local time, as YYYY-MM-DDTHH:MM"},
        ),
    ]
    if script.questions:
        keys = [question.key for question in script.questions]
        found.append(
            _spec(
                "record_answer",
                "Keep the person's answer to one of the questions.",
                question={"type": "string", "enum": keys},
                value={"type": "string", "description": "; ".join(map(_expected, script.questions))},
            )
        )
    if script.transfers:
        names = "; ".join(f"{key}: {target.name}" for key, target in script.transfers.items())
        found.append(
            _spec(
                "transfer",
                "Put the person through to a human, when they ask for it.",
                to={"type": "string", "enum": list(script.transfers), "description": names},
            )
        )
    if script.menus:
        menus = "; ".join(f"{key}: {menu.when}" for key, menu in script.menus.items())
        found.append(
            _spec(
                "send_digits",
                "Press the keys of a phone menu that a machine on the line offers; never for a person.",
                menu={"type": "string", "enum": list(script.menus), "description": menus},
            )
        )
    if script.languages:
        found.append(
            _spec(
                "switch_language",
                "Go on in another language, when the person speaks it or asks for it.",
                to={"type": "string", "enum": [script.language, *script.languages]},
            )
        )
    return tuple(found)


def meaning(
    script: Script,
    request: ToolRequest,
    local_now: datetime,
    next_callable: NextCallable | None = None,
) -> Meaning:
    """What a tool call means.

    Args:
        script: the campaign's script.
        request: the call as the agent made it; its arguments may be anything.
        local_now: the present in the person's own zone.
        next_callable: when the person may be called; None: nobody knows, and daytime is kept.
    """
    try:
        if len(request.arguments) > LONGEST_ARGUMENTS:
            raise ValueError
        given = msgspec.json.decode(request.arguments or "{}")
    except (ValueError, RecursionError):  # a DecodeError is a ValueError, and so is a number of 5000 digits
        return Refusal("The arguments are not valid JSON; call the tool again with a JSON object.")
    if not isinstance(given, dict):
        return Refusal("The arguments must be a JSON object.")
    match request.name:
        case "end_call":
            return EndCall(END_REASONS.get(str(given.get("reason", "")), Disposition.COMPLETED))
        case "do_not_call":
            return DoNotCall(clean(str(given.get("quote", "")), 300))
        case "record_answer":
            return _record(script, given.get("question"), given.get("value"), local_now)
        case "schedule_callback":
            return _callback(str(given.get("when", "")), local_now, next_callable)
        case "transfer":
            target = str(given.get("to", ""))
            if target in script.transfers:
                return _transfer(script, target, local_now)
            allowed = ", ".join(script.transfers) or "nobody"
            return Refusal(f"There is no transfer target {clean(target, 40)!r}; allowed: {allowed}.")
        case "send_digits":
            menu = str(given.get("menu", ""))
            if menu in script.menus:
                return PressKeys(menu)
            allowed = ", ".join(script.menus) or "none"
            return Refusal(f"There is no menu {clean(menu, 40)!r}; the menus are: {allowed}.")
        case "switch_language":
            tag = str(given.get("to", ""))
            if tag in (script.language, *script.languages):
                return SwitchLanguage(tag)
            allowed = ", ".join((script.language, *script.languages))
            return Refusal(f"The language {clean(tag, 20)!r} is not to be had; there are: {allowed}.")
        case _:
            return Refusal(f"There is no tool {clean(request.name, 40)!r}.")


def answer(question: Question, value: object, local_now: datetime) -> Answer | None:
    """An answer as its question's kind, or None when it is none.

    Args:
        question: decides the type.
        value: a JSON value from a model, or the person's words.
        local_now: the present in the person's own zone, for days such as "tomorrow".
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) <= LARGEST_NUMBER:
        return None  # an infinity, "not a number", or one that nobody says on the phone
    text = str(value).strip()[:LONGEST_ANSWER]
    match question.kind:
        case "text":
            return clean(text, 500) or None
        case "choice":
            return choice(text, question.choices)
        case "number":
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
            said = number(text)
            return said if said is not None and isfinite(said) and abs(said) <= LARGEST_NUMBER else None
        case "yes_no":
            return yes_no({"true": "yes", "false": "no"}.get(text.lower(), text))
        case "date":
            found = day(text, local_now.date())
            return found.isoformat() if found else None


def _spec(name: str, description: str, **properties: dict[str, object]) -> ToolSpec:
    return ToolSpec(
        name,
        description,
        {
            "type": "object",
            "properties": properties,
            "required": [key for key in properties if key != "quote"],
            "additionalProperties": False,
        },
    )


def _expected(question: Question) -> str:
    match question.kind:
        case "choice":
            return f"{question.key}: one of {', '.join(question.choices)}"
        case "number":
            return f"{question.key}: a number"
        case "date":
            return f"{question.key}: a day as YYYY-MM-DD"
        case "yes_no":
            return f"{question.key}: yes or no"
        case "text":
            return f"{question.key}: their words, short"


def _record(script: Script, key: object, value: object, local_now: datetime) -> Meaning:
    question = next((question for question in script.questions if question.key == key), None)
    if question is None:
        allowed = ", ".join(question.key for question in script.questions) or "none"
        return Refusal(f"There is no question {clean(str(key), 40)!r}; the questions are: {allowed}.")
    kept = None if value is None else answer(question, value, local_now)
    if kept is None:
        return Refusal(f"That is no answer to it. Expected {_expected(question)}.")
    return RecordAnswer(question.key, kept)


def _transfer(script: Script, key: str, local_now: datetime) -> Meaning:
    target = script.transfers[key]
    if open_at(target, local_now):
        return Transfer(key)
    opening = opens(target, local_now)
    when = f" until {opening.astimezone(local_now.tzinfo):%A at %H:%M} their time" if opening else ""
    return Refusal(f"{target.name} is closed{when}. Say so, and arrange a callback instead.")


def _callback(when: str, local_now: datetime, next_callable: NextCallable | None) -> Meaning:
    at = moment(when[:200], local_now)
    if at is None:
        return Refusal("That is no time in the future; ask for a day and a time.")
    if at - local_now > FURTHEST_CALLBACK:
        return Refusal(f"That is more than {FURTHEST_CALLBACK.days} days away; ask for a nearer day.")
    if next_callable is None:
        first, last = CALLBACK_HOURS
        if first <= at.hour < last:
            return ScheduleCallback(at)
        return Refusal(f"We only call between {first}:00 and {last}:00 their time; ask for another time.")
    allowed = next_callable(at)
    if allowed is None:
        return Refusal("We may not call then, nor later; don't promise a callback.")
    if allowed - at <= CALLBACK_SLACK:
        return ScheduleCallback(max(at, allowed).astimezone(local_now.tzinfo))
    nearest = allowed.astimezone(local_now.tzinfo)
    return Refusal(
        f"We may not call at that time. The next time that we may is {nearest:%A, %B} {nearest.day} at "
        f"{nearest:%H:%M} their time; offer that or ask for another."
    )
