"""A campaign's definition: one TOML file, or the same as JSON, checked by one validator.

`parse_toml` and `from_json` return the same frozen value or raise `BadDefinition` with every fault found,
each with its key, its line and what is allowed. Units stand in the names: `ring_timeout_seconds`,
`after_minutes`. What `[script]` may hold is told in domain/script.py.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, cast

import msgspec
from msgspec import Meta

from campaign.domain import languages, toml_text
from campaign.domain import script as scripts
from campaign.domain.calling_window import WeeklyHours, WindowError
from campaign.domain.definition_check import Found, all_faults
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.errors import BadDefinition, Fault
from campaign.domain.lookup import REASSIGNED_DAYS
from campaign.domain.script import Script
from campaign.domain.toml_lines import Path, dotted, line_at, lines_of

E164 = Annotated[
    str,
    Meta(
        pattern=r"^\+[1-9][0-9]{6,14}$",
        extra={"words": 'a number with + and country code, without spaces, such as "+12025550142"'},
    ),
]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
_TOLL_FREE: Final = re.compile(r"^\+1(800|833|844|855|866|877|888)[2-9][0-9]{6}$")
_NANP: Final = re.compile(r"^\+1([2-9][0-9]{2}){2}[0-9]{4}$")


class Purpose(StrEnum):
    SALES = "sales"
    INFORMATIONAL = "informational"


class Consent(StrEnum):
    """Levels of consent, weakest first; the order is that of `CONSENT_LEVELS`."""

    NONE = "none"
    EBR = "ebr"
    EXPRESS_ORAL = "express_oral"
    EXPRESS_WRITTEN = "express_written"


CONSENT_LEVELS: Final = tuple(Consent)


class VoicemailPolicy(StrEnum):
    HANG_UP = "hang_up"
    LEAVE_MESSAGE = "leave_message"
    TALK = "talk"


class Detection(StrEnum):
    """Answering-machine detection: none, Twilio's `Enable`, or `DetectMessageEnd` (waits for the beep)."""

    OFF = "off"
    ENABLE = "enable"
    DETECT_MESSAGE_END = "detect_message_end"


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Seller(_Section, frozen=True):
    """On whose behalf is called; said in the call's first words."""

    legal_name: Annotated[Name, Meta(description="the registered name of the business that calls")]
    callback_number: Annotated[E164, Meta(description="the seller's own number, told to the person")]
    opt_out_number: (
        Annotated[E164, Meta(description="a number that takes people off the list; toll-free in the US")]
        | None
    ) = None


class ListRef(_Section, frozen=True):
    """A contact list that the campaign calls; a smaller priority goes first."""

    name: Name
    priority: Annotated[int, Meta(ge=0, le=1000)] = 0


class CallerId(_Section, frozen=True):
    """One number of the pool from which calls are made."""

    number: E164
    daily_cap: (
        Annotated[int, Meta(ge=1, le=1_000_000, description="most calls from it a day (UTC)")] | None
    ) = None


class Schedule(_Section, frozen=True):
    """When the campaign runs, and its hours on the contact's own wall clock."""

    start: Annotated[datetime, Meta(tz=True, description="starts by itself then; none: by hand")] | None = (
        None
    )
    end: Annotated[datetime, Meta(tz=True, description="nothing is dialled from then on")] | None = None
    week: dict[str, str | tuple[str, ...]] = msgspec.field(default_factory=lambda: {"mon-fri": "09:00-17:00"})
    restricted_dates: tuple[date, ...] = ()

    def hours(self) -> WeeklyHours:
        """The week as intervals; the law's hours bind besides (domain/rules.py)."""
        return WeeklyHours.parse(self.week)


class Pacing(_Section, frozen=True):
    """How fast the campaign starts calls, within what the account allows."""

    calls_per_second: Annotated[float, Meta(gt=0, le=1000, description="none: the account's")] | None = None
    lines: Annotated[int, Meta(ge=1, le=100_000, description="most calls in progress at once")] = 10
    share: Annotated[int, Meta(ge=1, le=1000, description="weight among campaigns that run together")] = 1


class RetryRule(_Section, frozen=True):
    """When to try again after one disposition.

    `after_minutes` are the waits after the contact's first, second … attempt; the last one repeats.
    `attempts`: with that many attempts in all, this disposition is final. It never raises the budget.
    """

    after_minutes: Annotated[tuple[Annotated[int, Meta(ge=1, le=60 * 24 * 60)], ...], Meta(min_length=1)]
    attempts: Annotated[int, Meta(ge=1, le=50)] | None = None


_DAY_MINUTES: Final = 24 * 60
DEFAULT_RETRIES: Final = {
    Disposition.BUSY: RetryRule(after_minutes=(15, 60, 240)),
    Disposition.NO_ANSWER: RetryRule(after_minutes=(120, _DAY_MINUTES)),
    Disposition.MACHINE: RetryRule(after_minutes=(240, _DAY_MINUTES)),
    Disposition.FAILED: RetryRule(after_minutes=(60,), attempts=2),
    Disposition.NO_CONVERSATION: RetryRule(after_minutes=(_DAY_MINUTES,), attempts=2),
    Disposition.ABANDONED: RetryRule(after_minutes=(_DAY_MINUTES,), attempts=2),
    Disposition.TURNED_AWAY: RetryRule(after_minutes=(_DAY_MINUTES,), attempts=2),
}


class RetryPolicy(_Section, frozen=True):
    """Further attempts. One budget per contact, whatever the reasons and however many numbers.

    A disposition that is not in `on` is final. `[retry.on]` replaces the defaults as a whole.
    """

    budget: Annotated[
        int, Meta(ge=1, le=50, description="most attempts per contact, all reasons together")
    ] = 3
    min_gap_minutes: Annotated[int, Meta(ge=0, le=60 * _DAY_MINUTES)] = 60
    per_number_per_day: Annotated[int, Meta(ge=1, le=50, description="most attempts in 24 hours")] = 2
    on: dict[Disposition, RetryRule] = msgspec.field(default_factory=lambda: dict(DEFAULT_RETRIES))


class Voicemail(_Section, frozen=True):
    """What is done when a machine picks up; the message itself is `script.voicemail`."""

    policy: VoicemailPolicy = VoicemailPolicy.HANG_UP
    detection: Detection = Detection.ENABLE


class Budget(_Section, frozen=True):
    """Most that may be spent, in the currency of the rates in the settings; none: no cap."""

    per_day: Decimal | None = None
    total: Decimal | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", extra={"words": 'three letters such as "USD"'})] = (
        "USD"
    )


class ConsentDemand(_Section, frozen=True):
    """Consent that each contact must have; the law of the place may demand more, never less."""

    minimum: Consent = Consent.NONE


class Checks(_Section, frozen=True):
    """What is looked up about each number before it is dialled, for a price (`[lookup]` of the rates)."""

    line_type: Annotated[bool, Meta(description="mobile, landline, toll-free …")] = False
    reassigned: Annotated[bool, Meta(description="has it a new owner since consent was given?")] = False
    reassigned_days: Annotated[
        int, Meta(ge=1, le=REASSIGNED_DAYS, description="so long an answer about the owner holds")
    ] = REASSIGNED_DAYS


class WrapUp(_Section, frozen=True):
    """What is done once a call is over; without a profile its summary is made by rule, at once."""

    profile: (
        Annotated[
            str,
            Meta(
                pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$",
                description="model profile that writes the summary and finds missed answers; none: by rule",
            ),
        ]
        | None
    ) = None


class CampaignDefinition(_Section, frozen=True):
    """One configured calling programme over contact lists, as its users write it."""

    name: Annotated[str, Meta(min_length=1, max_length=120, description="how the campaign is called")]
    purpose: Annotated[Purpose, Meta(description="why people are called; the law differs, so no default")]
    seller: Annotated[Seller, Meta(description="on whose behalf is called")]
    lists: Annotated[tuple[ListRef, ...], Meta(min_length=1, description="the contact lists to call")]
    caller_ids: Annotated[
        tuple[CallerId, ...], Meta(min_length=1, description="the numbers from which is called")
    ]
    script: Annotated[Script, Meta(description="what is said and asked")]
    regions: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$",
                    extra={"words": 'a country ("US") or a region of one ("US-FL")'},
                ),
            ],
            ...,
        ],
        Meta(min_length=1, description="where may be called"),
    ] = ("US",)
    dnc_lists: tuple[Name, ...] = ()
    schedule: Schedule = Schedule()
    pacing: Pacing = Pacing()
    retry: RetryPolicy = RetryPolicy()
    ring_timeout_seconds: Annotated[
        int, Meta(ge=15, le=600, description="seconds of ringing before it counts as no answer")
    ] = 30
    longest_call_seconds: Annotated[
        int, Meta(ge=30, le=14_400, description="the line is cut then; money is reserved for it")
    ] = 600
    voicemail: Voicemail = Voicemail()
    budget: Budget = Budget()
    consent: ConsentDemand = ConsentDemand()
    checks: Checks = Checks()
    wrap_up: WrapUp = WrapUp()

    @property
    def conversation_seconds(self) -> int:
        """Longest conversation: the script's limit, but closing politely before the line is cut."""
        return min(self.script.limits.call_seconds, self.longest_call_seconds - 15)


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────


def parse_toml(text: str, name: str) -> CampaignDefinition:
    """Read a definition from TOML.

    Args:
        text: the file's text.
        name: what to call it in messages, e.g. the file's name.

    Raises:
        BadDefinition: with every fault found, each with its line.
    """
    try:
        table = tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise BadDefinition(name, [_syntax_fault(str(error))]) from None
    except RecursionError:
        raise BadDefinition(name, [Fault("", None, "is nested too deeply")]) from None
    return _read(table, name, lines_of(text))


def from_json(obj: object, name: str = "definition") -> CampaignDefinition:
    """Read a definition from decoded JSON (dicts, lists, text, numbers).

    Raises:
        BadDefinition: with every fault found; JSON has no lines.
    """
    return _read(obj, name, {})


def stored(obj: Mapping[str, Any]) -> CampaignDefinition:
    """A definition as `to_json` wrote it, without checking again what was checked when it was saved."""
    return msgspec.convert(obj, CampaignDefinition)


def _syntax_fault(message: str) -> Fault:
    match = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if match is None:
        return Fault("", None, f"not valid TOML: {message}")
    column = f" (column {match[2]})"
    return Fault("", int(match[1]), f"not valid TOML: {message[: match.start()].lower()}{column}")


def _read(obj: object, name: str, lines: dict[Path, int]) -> CampaignDefinition:
    if not isinstance(obj, Mapping):
        raise BadDefinition(name, [Fault("", None, "must be a table (an object) with at least a name")])
    full = _long_form(obj)
    found = list(all_faults(full, CampaignDefinition))
    if not found:
        definition = msgspec.convert(full, CampaignDefinition)
        found = list(_cross_faults(definition))
        if not found:
            return definition
    raise BadDefinition(name, located(found, lines))


def located(found: Collection[Found], lines: dict[Path, int]) -> list[Fault]:
    """Faults with the lines on which they stand, in the order of the text."""
    faults = [Fault(dotted(path), line_at(lines, path), why) for path, why in found]
    return sorted(faults, key=lambda fault: (fault.line is not None, fault.line or 0))


def long_lists(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Write out plain list names and plain caller ids as the tables that they stand for."""
    full = dict(obj)
    for key, field in (("lists", "name"), ("caller_ids", "number")):
        if isinstance(full.get(key), list | tuple):
            full[key] = [{field: item} if isinstance(item, str) else item for item in full[key]]
    return full


def _long_form(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Write out the short forms: plain list names, plain caller ids, detection by the voicemail policy."""
    full = long_lists(obj)
    voicemail = full.get("voicemail")
    if isinstance(voicemail, Mapping) and "detection" not in voicemail:
        by_policy = {"leave_message": "detect_message_end", "talk": "off"}
        fitting = by_policy.get(str(voicemail.get("policy")), "enable")
        full["voicemail"] = {**voicemail, "detection": fitting}
    return full


# ── what spans several keys ────────────────────────────────────────────────────────────────────────────


def _cross_faults(it: CampaignDefinition) -> Iterator[Found]:
    if it.name != it.name.strip() or not it.name.isprintable():
        yield ("name",), "must not begin or end with a space, nor hold line breaks or control characters"
    elif it.name[0] in "#-":
        yield ("name",), 'must not begin with "#" (a campaign\'s number) or "-" (an option of a command)'
    yield from _number_faults(it)
    yield from _schedule_faults(it.schedule)
    yield from _retry_faults(it)
    yield from _voicemail_faults(it)
    for key, amount in (("per_day", it.budget.per_day), ("total", it.budget.total)):
        if amount is not None and not (amount.is_finite() and 0 < amount <= 10_000_000):
            yield ("budget", key), "must be above 0 and at most 10000000"
    if it.wrap_up.profile == scripts.SCRIPTED:
        yield ("wrap_up", "profile"), "names the scripted agent, which writes nothing; leave it out: by rule"
    for text, why in (*scripts.faults(it.script, None), *languages.faults(it.script)):
        yield ("script", *_path(text)), why


def _number_faults(it: CampaignDefinition) -> Iterator[Found]:
    numbers: list[tuple[Path, str]] = [(("seller", "callback_number"), it.seller.callback_number)]
    if it.seller.opt_out_number:
        numbers.append((("seller", "opt_out_number"), it.seller.opt_out_number))
    numbers += [(("caller_ids", n, "number"), caller.number) for n, caller in enumerate(it.caller_ids)]
    for path, number in numbers:
        if number.startswith("+1") and not _NANP.match(number):
            yield path, f'"{number}" is no North American number: after +1 come ten digits'
        elif number.startswith("+1900") and path == ("seller", "callback_number"):
            yield path, "must not be a 900 number (47 CFR 64.1200(b)(2))"
    for key, names in (
        ("lists", [ref.name for ref in it.lists]),
        ("caller_ids", [caller.number for caller in it.caller_ids]),
        ("dnc_lists", list(it.dnc_lists)),
        ("regions", list(it.regions)),
    ):
        for n, one in enumerate(names):
            if one in names[:n]:
                yield (key, n), f'"{one}" is named twice'


def _schedule_faults(schedule: Schedule) -> Iterator[Found]:
    if schedule.start and schedule.end and schedule.end <= schedule.start:
        yield ("schedule", "end"), "must be later than schedule.start"
    wrong = False
    for key, value in schedule.week.items():
        try:
            WeeklyHours.parse({key: value})
        except WindowError as error:
            wrong = True
            yield ("schedule", "week", key), str(error)
    if wrong:
        return
    try:
        hours = schedule.hours()
    except WindowError as error:  # a day that two keys name
        yield ("schedule", "week"), str(error)
    else:
        if not any(hours.days):
            yield ("schedule", "week"), 'opens on no day; write for example "mon-fri" = "09:00-17:00"'


def _retry_faults(it: CampaignDefinition) -> Iterator[Found]:
    for disposition, rule in it.retry.on.items():
        path: Path = ("retry", "on", disposition.value)
        if MEANING[disposition].final:
            yield path, f"is always final ({MEANING[disposition].words}); leave it out"
        elif disposition in _OWN_RETRY:
            yield path, f"{_OWN_RETRY[disposition]}; leave it out"
        elif rule == DEFAULT_RETRIES.get(disposition):
            continue  # nobody wrote it: a budget of one is enough to say that nobody is called twice
        elif rule.attempts is not None and rule.attempts > it.retry.budget:
            yield (*path, "attempts"), f"is more than retry.budget ({it.retry.budget})"


_OWN_RETRY: Final = {
    Disposition.BAD_NUMBER: "goes on to the contact's next number by itself",
    Disposition.CANCELED: "is tried again by itself, as it used no attempt",
    Disposition.NOT_PLACED: "is tried again by itself, as it used no attempt",
    Disposition.FAX: "is always final",
}
RETRIED: Final = tuple(one.value for one in Disposition if not MEANING[one].final and one not in _OWN_RETRY)
"""Codes of the dispositions for which `[retry.on]` may have a rule."""


def _voicemail_faults(it: CampaignDefinition) -> Iterator[Found]:
    policy, detection = it.voicemail.policy, it.voicemail.detection
    if policy is VoicemailPolicy.HANG_UP and detection is Detection.OFF:
        yield ("voicemail", "detection"), 'must be on to hang up on machines; or write policy = "talk"'
    if policy is not VoicemailPolicy.LEAVE_MESSAGE:
        return
    if detection is not Detection.DETECT_MESSAGE_END:
        yield ("voicemail", "detection"), 'must be "detect_message_end" to leave a message after the beep'
    if not it.script.voicemail.strip():
        yield ("script", "voicemail"), 'is needed for voicemail.policy = "leave_message": the message itself'
    in_us = any(region.partition("-")[0] == "US" for region in it.regions)
    toll_free = it.seller.opt_out_number is not None and _TOLL_FREE.match(it.seller.opt_out_number)
    if it.purpose is Purpose.SALES and in_us and not toll_free:
        yield (
            ("seller", "opt_out_number"),
            "must be a toll-free number (+1 800, 833, 844, 855, 866, 877, 888) to leave sales messages "
            '(47 CFR 64.1200(b)(3)); or write voicemail.policy = "hang_up"',
        )


def template_faults(
    definition: CampaignDefinition,
    columns_by_list: Mapping[str, Collection[str]],
    lines: dict[Path, int] | None = None,
) -> list[Fault]:
    """Check the script's variables against the columns of every list.

    Args:
        definition: a definition that has been read.
        columns_by_list: list name → its columns (header cells). A list without columns yet is passed over.
        lines: of the TOML text (`toml_lines.lines_of`), for the faults' lines; None when there are none.

    Returns:
        One fault per variable and place, naming the lists that lack it; empty when all is well.
    """
    lacking: dict[tuple[str, str], list[str]] = {}
    for name, columns in columns_by_list.items():
        if columns:
            for text, why in scripts.faults(definition.script, columns):
                lacking.setdefault((text, why), []).append(name)
    found: list[Found] = [
        (("script", *_path(text)), f"{why}; list {', '.join(repr(name) for name in names)}")
        for (text, why), names in lacking.items()
    ]
    return located(found, lines or {})


def _path(text: str) -> Path:
    """ "questions[1].ask" as ("questions", 1, "ask")."""
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", text))


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────


def to_json(definition: CampaignDefinition) -> dict[str, Any]:
    """The canonical form as JSON values, every default written out; `from_json` reads it back equal.

    `checks` and `wrap_up` stand in it only when they say something: code from before there were such sections
    refuses a definition that has them, rather than dial without, and reads all others.
    """
    plain = cast("dict[str, Any]", msgspec.to_builtins(definition))
    if definition.checks == Checks():
        del plain["checks"]
    if definition.wrap_up == WrapUp():
        del plain["wrap_up"]
    return plain


def to_toml(definition: CampaignDefinition) -> str:
    """The canonical form as TOML; `parse_toml` reads it back equal."""
    return toml_text.dumps(msgspec.to_builtins(definition, builtin_types=(datetime, date, Decimal)))


def json_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """The definition's JSON schema for OpenAPI: (its own schema, components by name).

    References point to `#/components/schemas/<name>`. The short forms (a plain list name, a plain caller
    id, a number for money) are part of it.
    """
    (own,), parts = msgspec.json.schema_components(
        [CampaignDefinition], ref_template="#/components/schemas/{name}"
    )
    fields = parts["CampaignDefinition"]["properties"]
    for key in ("lists", "caller_ids"):
        fields[key]["items"] = {"anyOf": [{"type": "string"}, fields[key]["items"]]}
    for key in ("per_day", "total"):
        parts["Budget"]["properties"][key]["anyOf"].append({"type": "number", "exclusiveMinimum": 0})
    return own, parts
