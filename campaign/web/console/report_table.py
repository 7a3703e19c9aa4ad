"""The numbers of a report as a table for people: what rows are about, headings, and cells in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from campaign.domain.disposition import Category
from campaign.domain.measures import Dimension, Step, SummaryRow
from campaign.web.console import report_charts, words

MOST_ROWS: Final = 200
"""Rows of the table; the file has all."""


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers: headings with whether they are over numbers, and cells; `more`: rows left to the file."""

    heads: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a view needs to know of the question.

    Args:
        by: what it is divided by.
        places: the steps of time that charts have.
        step: what they are.
        totals: campaign, value → all measures, for reports that are told beside them.
    """

    by: Dimension | None
    places: Sequence[date]
    step: Step
    totals: Mapping[tuple[Any, ...], SummaryRow]


def about(row: Any) -> tuple[Any, ...]:
    """What a row is about."""
    return row.campaign_id, row.campaign, row.value


def group_name(by: Dimension | None, row: Any) -> str:
    """What a row is about, for people."""
    match by:
        case None:
            return ""
        case Dimension.CAMPAIGN:
            return str(row.campaign)
        case Dimension.VERSION:
            return f"{row.campaign}, script version {row.value}"
        case Dimension.CALLER_ID:
            return words.phone(row.value)
        case Dimension.LIST:
            return row.value or "List removed"
        case Dimension.ZONE:
            return row.value or "Zone not known"


def milliseconds(value: int | None) -> str:
    if value is None:
        return words.NONE
    return f"{value} ms" if value < 1000 else f"{value / 1000:.3g} s"


def ordinal(number: int) -> str:
    ends = {1: "1st", 2: "2nd", 3: "3rd", 10: "10th and later"}
    return f"{ends.get(number, f'{number}th')} call"


ANSWERS: Final = {
    "resume": "resumed",
    "transfer": "transferred",
    "voicemail": "left to the voicemail",
    "goodbye": "said goodbye",
    "hang_up": "hung up",
}


_ABOUT: Final = ("campaign_id", "campaign", "value")
_LEFT_OUT: Final = (*_ABOUT, "buckets", "disposition_costs", "words", "currency")
BY_WORDS: Final[Mapping[Dimension | None, str]] = {
    None: "all",
    Dimension.CAMPAIGN: "campaign",
    Dimension.LIST: "list",
    Dimension.VERSION: "script",
    Dimension.CALLER_ID: "caller id",
    Dimension.ZONE: "zone",
}
HEADS: Final = {
    "enrolled": "In the campaign",
    "attempted": "Called",
    "attempts": "Attempts",
    "placed": "Calls placed",
    "answered": "Answered",
    "connected": "Person reached",
    "connects": "People reached",
    "conversations": "Conversations",
    "conversed": "Talked with us",
    "right_parties": "Right parties",
    "succeeded": "Success",
    "successes": "Successes",
    "opted_out": "Opted out",
    "opt_outs": "Opt-outs",
    "abandoned": "Abandoned",
    "day": "From",
    "disposition": "Disposition",
    "category": "Category",
    "seconds": "Talk",
    "weekday": "Weekday",
    "hour": "Hour",
    "answer_rate": "Answer rate",
    "connect_rate": "Connect rate",
    "success_rate": "Success rate",
    "opt_out_rate": "Opt-out rate",
    "abandonment_rate": "Abandonment rate",
    "number": "Call",
    "tried": "Called",
    "reached": "Reached",
    "reach_rate": "Reach rate",
    "reached_so_far": "Reached so far",
    "calls": "Calls",
    "p50_ms": "Median",
    "p90_ms": "90 %",
    "p95_ms": "95 %",
    "p99_ms": "99 %",
    "served": "Served in 2 s",
    "answer": "We",
    "became": "And then",
    "priced": "Priced",
    "cost": "Cost",
    "per_attempt": "Per attempt",
    "per_connect": "Per person reached",
    "per_success": "Per success",
    "first_word_p50_ms": "First word, median",
    "first_word_p95_ms": "First word, 95 %",
    "first_day": "First day",
    "last_day": "Last day",
}
_WORDS_OF: Final = ("disposition", "category", "weekday", "answer", "became", "day")


def table_of(rows: Sequence[Any], asked: Asked) -> Table:
    if not rows:
        return Table((), ())
    names = [field.name for field in fields(rows[0]) if field.name not in _LEFT_OUT]
    heads = [(HEADS[name], name not in _WORDS_OF) for name in names]
    divided = [] if asked.by is None else [(BY_WORDS[asked.by].capitalize(), False)]
    lines = [
        [
            *([] if asked.by is None else [group_name(asked.by, row)]),
            *(_cell(name, getattr(row, name), row) for name in names),
        ]
        for row in rows[:MOST_ROWS]
    ]
    return Table([*divided, *heads], lines, len(rows) - len(lines))


def _cell(name: str, value: Any, row: Any) -> str:
    """A value of a report, by the name of its field."""
    if value is None:
        return words.NONE
    if name.endswith("rate") or name in ("served", "reached_so_far"):
        return words.percent(value)
    if name.endswith("_ms"):
        return milliseconds(value)
    if name == "cost" or name.startswith("per_"):
        return words.money(value, row.currency)
    match name:
        case "seconds":
            return words.duration(value)
        case "weekday":
            return str(report_charts.DAYS[value - 1])
        case "hour":
            return f"{value:02}:00"
        case "number":
            return ordinal(value)
        case "disposition":
            return words.disposition_words(value)
        case "category":
            return Category(value).value
        case "answer":
            return ANSWERS.get(str(value), str(value))
    return words.number(value) if isinstance(value, int | float) else str(value)


def side_by_side(rows: Sequence[SummaryRow], asked: Asked) -> Table:
    """Measures below each other, what is compared beside each other."""
    heads = [("Measure", False), *((group_name(asked.by, row) or "All together", True) for row in rows)]
    lines = [
        [HEADS[field.name], *(_cell(field.name, getattr(row, field.name), row) for row in rows)]
        for field in fields(SummaryRow)
        if field.name not in _ABOUT
    ]
    return Table(heads, lines)
