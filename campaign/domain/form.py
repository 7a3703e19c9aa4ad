"""A campaign's definition as the fields of a form, and back: two views of one document.

A form is a mapping of names to texts, as browsers send it: `pacing.lines`, `schedule.week.mon`,
`script.questions.0.ask`. `fields_of` makes it of a definition's table (decoded TOML), `table_of` the other
way. Nothing is judged here: what a field says goes into the table as it is, and domain/campaign.py, the one
validator, says what is wrong with it; `field_at` tells at which field a fault stands.

Nothing is ever lost: a field takes a value only if reading the field gives that very value again. All else
(a table without fields, an unknown key, a text with control characters) stays as TOML in the field `rest`.
"""

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from campaign.domain import toml_text
from campaign.domain.campaign import long_lists
from campaign.domain.definition_check import Found
from campaign.domain.form_kinds import (
    DATES,
    FLAG,
    LINE,
    LINES,
    MAYBE,
    NAMES,
    NEEDED,
    NUMBER,
    PROSE,
    WEEK_LINES,
    WORD,
    YES_NO,
    choice,
)
from campaign.domain.form_parts import (
    Column,
    Fields,
    Moment,
    One,
    Retries,
    Rows,
    Table,
    Week,
    place_of,
)
from campaign.domain.phrases import Lines
from campaign.domain.script import Limits
from campaign.domain.toml_lines import Path

REST: Final = "rest"
"""The field of all that no other field can say, as TOML."""

Part = One | Rows | Week | Moment | Retries
PARTS: Final[tuple[Part, ...]] = (
    One("name", LINE),
    One("purpose", WORD),
    One("regions", NAMES),
    Rows("lists", (Column("name", LINE), Column("priority", NUMBER)), needed=True, short=True),
    One("dnc_lists", LINES),
    Rows("caller_ids", (Column("number", WORD), Column("daily_cap", NUMBER)), needed=True, short=True),
    One("seller.legal_name", LINE),
    One("seller.callback_number", WORD),
    One("seller.opt_out_number", MAYBE),
    Moment("schedule.start"),
    Moment("schedule.end"),
    Week(),
    One("schedule.restricted_dates", DATES),
    One("pacing.lines", NUMBER),
    One("pacing.calls_per_second", NUMBER),
    One("pacing.share", NUMBER),
    One("retry.budget", NUMBER),
    One("retry.min_gap_minutes", NUMBER),
    One("retry.per_number_per_day", NUMBER),
    Retries(),
    One("ring_timeout_seconds", NUMBER),
    One("longest_call_seconds", NUMBER),
    One("voicemail.policy", choice("hang_up")),
    One("voicemail.detection", WORD),
    One("budget.per_day", NUMBER),
    One("budget.total", NUMBER),
    One("budget.currency", WORD),
    One("consent.minimum", choice("none")),
    One("checks.line_type", FLAG),
    One("checks.reassigned", FLAG),
    One("checks.reassigned_days", NUMBER),
    One("wrap_up.profile", MAYBE),
    One("script.agent_name", LINE),
    One("script.greeting", PROSE),
    One("script.goal", PROSE),
    One("script.facts", LINES),
    Rows(
        "script.questions",
        (
            Column("key", WORD),
            Column("ask", LINE),
            Column("kind", choice("text"), decides=False),
            Column("choices", LINES),
            Column("required", FLAG, decides=False),
        ),
    ),
    Rows("script.objections", (Column("when", LINES), Column("say", NEEDED))),
    One("script.do", LINES),
    One("script.dont", LINES),
    One("script.closing", PROSE),
    One("script.voicemail", PROSE),
    One("script.reason", LINE),
    Rows(
        "script.transfers",
        (
            Column("key", WORD),
            Column("name", LINE),
            Column("to", WORD),
            Column("workflow", WORD),
            Column("mode", choice("cold"), decides=False),
            Column("accept_key", WORD),
            Column("ring_seconds", NUMBER),
            Column("queue_seconds", NUMBER),
            Column("week", WEEK_LINES),
            Column("zone", WORD),
            Column("not_taken", LINE),
        ),
        keyed=True,
    ),
    Rows("script.menus", (Column("key", WORD), Column("digits", WORD), Column("when", LINE)), keyed=True),
    One("script.profiles", NAMES),
    One("script.record", FLAG),
    One("script.language", WORD),
    One("script.language_column", LINE),
    One("script.voice", MAYBE),
    One("script.tts_provider", WORD),
    One("script.transcription_provider", WORD),
    One("script.speech_model", MAYBE),
    One("script.partial_prompts", FLAG),
    One("script.eot_threshold", NUMBER),
    One("script.hints", LINES),
    One("script.interruptible", choice("any")),
    One("script.interrupt_sensitivity", WORD),
    One("script.ignore_backchannel", YES_NO),
    One("script.inbound.days", NUMBER),
    One("script.inbound.disclosure_ai", LINE),
    One("script.inbound.greeting", LINE),
    *(One(f"script.limits.{name}", NUMBER) for name in Limits.__struct_fields__),
    *(One(f"script.lines.{name}", LINE) for name in Lines.__struct_fields__),
)
"""All parts of the form, in the order in which the TOML is written."""

_BY_NAME: Final = {part.name: part for part in PARTS}
_ORDER: Final = {name: number for number, name in enumerate(dict.fromkeys(part.path[0] for part in PARTS))}
_SECTIONS: Final = sorted(
    {part.path[:depth] for part in PARTS for depth in range(1, len(part.path))}, key=len, reverse=True
)


# ── the two ways ───────────────────────────────────────────────────────────────────────────────────────


def fields_of(table: Mapping[str, Any]) -> Fields:
    """The form's fields for a definition's table.

    Args:
        table: decoded TOML; it need not be a definition that can be used.
    """
    left = deepcopy(long_lists(table))
    fields: Fields = {}
    for part in PARTS:
        part.show(left, fields)
    for path in _SECTIONS:
        place, key = place_of(left, path)
        if place.get(key) == {}:
            del place[key]
    fields[REST] = toml_text.dumps(left) if left else ""
    return fields


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form that was filled in says.

    Args:
        table: the definition's table, for the validator.
        fields: the form as it is shown again: rows without a gap.
        moved: fields whose rows have another number than they were sent with → their names then.
        faults: what can't be told to the validator at all.
    """

    table: Table
    fields: Fields
    moved: Mapping[str, str]
    faults: tuple[Found, ...]


def table_of(sent: Mapping[str, str]) -> Filled:
    """The definition's table that a form says.

    Args:
        sent: the fields by name; unknown ones are passed over, missing ones are empty.
    """
    fields = {name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in sent.items()}
    moved: Fields = {}
    for part in PARTS:
        if isinstance(part, Rows):
            fields, names = part.compact(fields)
            moved |= names
    faults: list[Found] = []
    table: Table = {}
    try:
        table = tomllib.loads(fields.get(REST, ""))
    except (ValueError, RecursionError) as error:
        why = "is nested too deeply" if isinstance(error, RecursionError) else f"is not valid TOML: {error}"
        faults.append(((REST,), why))
    for name in ("seller", "script"):  # so that what is missing in them is told at its field
        table.setdefault(name, {})
    for part in PARTS:
        faults.extend(part.read(fields, table))
    ordered = dict(sorted(table.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER))))
    return Filled(ordered, fields, moved, tuple(faults))


def field_at(path: Path, fields: Mapping[str, str]) -> str:
    """The name of the field at which a fault stands; `REST` when none says it."""
    if path:
        for part in PARTS:
            for name in part.names(path, dict(fields)):
                return name
    return REST


def rows(fields: Mapping[str, str], name: str, spare: int = 1) -> range:
    """The numbers of the rows that a form shows: those that say something, and empty ones for more."""
    part = _BY_NAME[name]
    assert isinstance(part, Rows)
    used = len(part.indices(fields))
    return range(max(used, min(used + spare, part.most)))


def without_row(fields: Mapping[str, str], name: str, number: int) -> Fields:
    """The form without one of its rows."""
    return {key: text for key, text in fields.items() if not key.startswith(f"{name}.{number}.")}


ROWS: Final = tuple(part.name for part in PARTS if isinstance(part, Rows))
"""Names of the parts that have rows."""
