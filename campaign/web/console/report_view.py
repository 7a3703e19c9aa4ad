"""What a page of a report shows: rows of a report → figures, charts and a table, in the words of people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from campaign.domain.disposition import Category
from campaign.domain.measures import (
    SERVED_MS,
    CostRow,
    Dimension,
    FunnelRow,
    HourRow,
    LatencyRow,
    OptOutRow,
    OutcomeRow,
    RecoveryRow,
    Step,
    SummaryRow,
    TriesRow,
    rate,
)
from campaign.store.reports import WENT_ON
from campaign.web.console import report_charts, words
from campaign.web.console.report_charts import Chart, Columns

MOST_PANELS: Final = 6
"""Campaigns, lists and so on whose charts are shown beside each other; the table and the file have all."""
MOST_ROWS: Final = 200
"""Rows of the table; the file has all."""

Tile = tuple[str, str, str, str]
"""Label, value, hint, tone."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The figures and charts of one campaign, list, script, caller id or zone; `title` empty: of all."""

    title: str
    tiles: Sequence[Tile]
    charts: Sequence[Chart]


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers: headings with whether they are over numbers, and cells; `more`: rows left to the file."""

    heads: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]
    more: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """A report as its page shows it; `others`: panels that are left out."""

    panels: Sequence[Panel]
    table: Table
    others: int = 0


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


def view(name: str, rows: Sequence[Any], asked: Asked) -> View:
    """The page of a report."""
    if name == "summary":
        return _summary(rows, asked)
    grouped: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        grouped.setdefault(about(row), []).append(row)
    largest = sorted(grouped.values(), key=lambda found: -sum(_WEIGHT[name](row) for row in found))
    panels = [
        Panel(group_name(asked.by, found[0]), *_PANELS[name](found, asked)) for found in largest[:MOST_PANELS]
    ]
    if name == "costs" and len(grouped) > 1:
        panels.insert(0, Panel("", (), [_cost_of_each(rows, asked)]))
    return View(panels, _table(rows, asked), max(0, len(grouped) - MOST_PANELS))


_WEIGHT: Final[Mapping[str, Callable[[Any], float]]] = {
    "funnel": lambda row: row.attempted,
    "outcomes": lambda row: row.attempts,
    "hours": lambda row: row.placed,
    "tries": lambda row: row.tried,
    "latency": lambda row: row.calls,
    "opt-outs": lambda row: row.opt_outs,
    "recoveries": lambda row: row.calls,
    "costs": lambda row: row.attempts,
}
_Parts = tuple[Sequence[Tile], Sequence[Chart]]


def _funnel(rows: Sequence[FunnelRow], asked: Asked) -> _Parts:
    (row,) = rows
    told = [
        (_IN_ALL, row.enrolled, "neutral"),
        ("called", row.attempted, "accent"),
        ("picked up, by anyone or anything", row.answered, "accent"),
        ("a person reached", row.connected, "accent"),
        ("talked with us", row.conversed, "accent"),
        ("the right person", row.right_parties, "accent"),
        ("success", row.succeeded, "success"),
        ("asked not to be called again", row.opted_out, "dnc"),
    ]
    bars = report_charts.bars(
        "From the list to a success",
        "Step",
        ("Contacts", "Of those called"),
        [
            (label, count, (words.number(count), _of_called(label, count, row)), tone)
            for label, count, tone in told
            if count is not None
        ],
    )
    return (), [bars]


def _of_called(label: str, count: int, row: FunnelRow) -> str:
    return words.NONE if label == _IN_ALL else words.percent(count, row.attempted)


_IN_ALL: Final = "in the campaign"
_KINDS: Final = ("success", "neutral", "failure", "dnc")
_KIND_WORDS: Final = (
    ("Success", "success"),
    ("Neutral", "neutral"),
    ("Failure", "failure"),
    ("Asked not to be called", "dnc"),
)


def _outcomes(rows: Sequence[OutcomeRow], asked: Asked) -> _Parts:
    counts: dict[date, list[int]] = {}
    ended: dict[str, list[int]] = {}
    for row in rows:
        if row.day is not None:
            counts.setdefault(row.day, [0] * 4)[_KINDS.index(_tone(row))] += row.attempts
        both = ended.setdefault(row.disposition, [0, 0])
        both[0] += row.attempts
        both[1] += row.seconds
    total = sum(attempts for attempts, _ in ended.values())
    order = sorted(ended, key=lambda code: (_KINDS.index(words.disposition_tone(code)), -ended[code][0]))
    bars = report_charts.bars(
        "How attempts ended",
        "Disposition",
        ("Attempts", "Share", "Talk"),
        [
            (
                words.disposition_words(code),
                ended[code][0],
                (
                    words.number(ended[code][0]),
                    words.percent(ended[code][0], total),
                    words.duration(ended[code][1]),
                ),
                words.disposition_tone(code),
            )
            for code in order
        ],
    )
    return (), [_over_time(f"Attempts by {asked.step}", _KIND_WORDS, counts, asked), bars]


def _tone(row: OutcomeRow) -> str:
    return words.disposition_tone(row.disposition)


def _over_time(
    title: str, parts: Sequence[tuple[str, str]], counts: Mapping[date, Sequence[int]], asked: Asked
) -> Columns:
    return report_charts.columns(title, parts, counts, asked.places or sorted(counts))


def _hours(rows: Sequence[HourRow], asked: Asked) -> _Parts:
    found = {(row.weekday, row.hour): (row.answer_rate, row.placed) for row in rows}
    best = max(
        (row for row in rows if row.placed >= _ENOUGH), key=lambda row: row.answer_rate or 0, default=None
    )
    placed, answered = sum(row.placed for row in rows), sum(row.answered for row in rows)
    tiles = [
        ("Answer rate", words.percent(rate(answered, placed)), f"of {placed:,} calls", ""),
        (
            "Best hour",
            f"{report_charts.DAYS[best.weekday - 1][:3]} {best.hour:02}:00" if best else words.NONE,
            f"{words.percent(best.answer_rate)} of {best.placed:,} calls"
            if best
            else f"no hour has {_ENOUGH} calls yet",
            "success",
        ),
    ]
    return tiles, [report_charts.heat("Share of calls that were answered, in percent", found)]


_ENOUGH: Final = 30
"""Calls in an hour from which on its rate says something."""


def _tries(rows: Sequence[TriesRow], asked: Asked) -> _Parts:
    bars = report_charts.bars(
        "Share of contacts reached, call by call",
        "Call",
        ("Called", "Reached by it", "Reached so far"),
        [
            (
                _ordinal(row.number),
                row.reached_so_far,
                (
                    words.number(row.tried),
                    f"{row.reached:,} ({words.percent(row.reach_rate)})",
                    words.percent(row.reached_so_far),
                ),
                "accent",
            )
            for row in rows
        ],
        whole=1.0,
    )
    return (), [bars]


def _ordinal(number: int) -> str:
    ends = {1: "1st", 2: "2nd", 3: "3rd", 10: "10th and later"}
    return f"{ends.get(number, f'{number}th')} call"


def _latency(rows: Sequence[LatencyRow], asked: Asked) -> _Parts:
    (row,) = rows
    slow = "warning" if (row.served or 0) < 0.97 else "success"
    tiles = [
        ("Half within", _ms(row.p50_ms), f"of {row.calls:,} calls", ""),
        ("95 % within", _ms(row.p95_ms), "", ""),
        ("99 % within", _ms(row.p99_ms), "", ""),
        ("Served in 2 s", words.percent(row.served), "of people who answered", slow),
    ]
    bars = report_charts.bars(
        "From the answer to our first word",
        "Within",
        ("Calls", "Share"),
        [
            (
                "later" if bound is None else _ms(bound),
                calls,
                (words.number(calls), words.percent(calls, row.calls)),
                "success" if bound is not None and bound <= SERVED_MS else "warning",
            )
            for bound, calls in row.buckets
        ],
    )
    return tiles, [bars]


def _ms(value: int | None) -> str:
    if value is None:
        return words.NONE
    return f"{value} ms" if value < 1000 else f"{value / 1000:.3g} s"


def _opt_outs(rows: Sequence[OptOutRow], asked: Asked) -> _Parts:
    counts: dict[date, list[int]] = {}
    for row in rows:
        counts.setdefault(report_charts.first_of(row.day, asked.step), [0])[0] += row.opt_outs
    total = asked.totals.get(about(rows[0]))
    tiles = [("Opt-outs", words.number(sum(row.opt_outs for row in rows)), "in calls", "dnc")]
    if total is not None:
        hint = f"of {total.connects:,} people reached"
        tiles.append(("Opt-out rate", words.percent(total.opt_out_rate), hint, "dnc"))
    parts = [("Asked not to be called again", "dnc")]
    return tiles, [_over_time(f"Opt-outs by {asked.step}", parts, counts, asked)]


_ANSWERS: Final = {
    "resume": "resumed",
    "transfer": "transferred",
    "voicemail": "left to the voicemail",
    "goodbye": "said goodbye",
    "hang_up": "hung up",
}


def _recoveries(rows: Sequence[RecoveryRow], asked: Asked) -> _Parts:
    total = sum(row.calls for row in rows)
    resumed = sum(row.calls for row in rows if row.answer == "resume")
    on = sum(row.calls for row in rows if row.answer == "resume" and row.became == WENT_ON)
    tiles = [
        ("Broke off", words.number(total), "conversations", ""),
        ("Went on", words.percent(rate(on, resumed)), f"of {resumed:,} that were to be resumed", "success"),
    ]
    bars = report_charts.bars(
        "What was done, and what became of it",
        "We, and then",
        ("Calls", "Share"),
        [
            (
                f"{_ANSWERS.get(row.answer, row.answer)}: {row.became}",
                row.calls,
                (words.number(row.calls), words.percent(row.calls, total)),
                "success" if row.became == WENT_ON else "neutral",
            )
            for row in rows
        ],
    )
    return tiles, [bars]


def _costs(rows: Sequence[CostRow], asked: Asked) -> _Parts:
    tiles: list[Tile] = []
    charts: list[Chart] = []
    for row in rows:
        tiles += [
            (
                "Cost",
                words.money(row.cost, row.currency),
                f"{row.priced:,} of {row.attempts:,} attempts priced",
                "",
            ),
            ("Per attempt", words.money(row.per_attempt, row.currency), "", ""),
            ("Per person reached", words.money(row.per_connect, row.currency), "", ""),
            ("Per success", words.money(row.per_success, row.currency), "", "success"),
        ]
        charts.append(
            report_charts.bars(
                f"Where the money went, {row.currency}",
                "Disposition",
                ("Cost", "Share"),
                [
                    (
                        words.disposition_words(code),
                        cost,
                        (words.money(cost, row.currency), words.percent(cost, row.cost)),
                        words.disposition_tone(code),
                    )
                    for code, cost in row.disposition_costs.items()
                ],
            )
        )
    return tiles, charts


def _cost_of_each(rows: Sequence[CostRow], asked: Asked) -> Chart:
    dear = sorted(rows, key=lambda row: (row.per_success is None, row.per_success))[: 2 * MOST_PANELS]
    return report_charts.bars(
        "Cost per success",
        str(_BY_WORDS[asked.by]).capitalize(),
        ("Per success", "Successes cost"),
        [
            (
                group_name(asked.by, row),
                row.per_success,
                (words.money(row.per_success, row.currency), words.money(row.cost, row.currency)),
                "success",
            )
            for row in dear
        ],
    )


_PANELS: Final[Mapping[str, Callable[[Any, Asked], _Parts]]] = {
    "funnel": _funnel,
    "outcomes": _outcomes,
    "hours": _hours,
    "tries": _tries,
    "latency": _latency,
    "opt-outs": _opt_outs,
    "recoveries": _recoveries,
    "costs": _costs,
}


# ── all measures side by side ──────────────────────────────────────────────────────────────────────────

_RATES: Final = (
    ("Answer rate", "answer_rate", "placed", "calls", "accent"),
    ("Connect rate", "connect_rate", "placed", "calls", "accent"),
    ("Success rate", "success_rate", "connects", "reached", "success"),
    ("Opt-out rate", "opt_out_rate", "connects", "reached", "dnc"),
    ("Abandonment rate", "abandonment_rate", "connects", "reached", "failure"),
)


def _summary(rows: Sequence[SummaryRow], asked: Asked) -> View:
    largest = sorted(rows, key=lambda row: -row.attempts)[: 2 * MOST_PANELS]
    if asked.by is None or len(largest) == 1:
        panels = [Panel(group_name(asked.by, row), _tiles(row), ()) for row in largest]
        return View(panels, _side_by_side(rows, asked))
    charts = [
        report_charts.bars(
            title,
            str(_BY_WORDS[asked.by]).capitalize(),
            ("Rate", f"Of {of}"),
            [
                (
                    group_name(asked.by, row),
                    getattr(row, name),
                    (words.percent(getattr(row, name)), words.number(getattr(row, whole))),
                    tone,
                )
                for row in largest
            ],
        )
        for title, name, whole, of, tone in _RATES
    ]
    charts.append(
        report_charts.bars(
            "First word, 95 % within",
            str(_BY_WORDS[asked.by]).capitalize(),
            ("95 %", "Median"),
            [
                (
                    group_name(asked.by, row),
                    row.first_word_p95_ms,
                    (_ms(row.first_word_p95_ms), _ms(row.first_word_p50_ms)),
                    "success" if (row.first_word_p95_ms or 0) <= SERVED_MS else "warning",
                )
                for row in largest
            ],
        )
    )
    table = _side_by_side(rows, asked) if len(rows) <= MOST_PANELS else _table(rows, asked)
    return View([Panel("", (), charts)], table, max(0, len(rows) - 2 * MOST_PANELS))


def _tiles(row: SummaryRow) -> list[Tile]:
    return [
        ("Attempts", words.number(row.attempts), f"{row.placed:,} went out", ""),
        ("Answer rate", words.percent(row.answer_rate), f"{row.answered:,} answered", ""),
        ("Connect rate", words.percent(row.connect_rate), f"{row.connects:,} people reached", ""),
        ("Success rate", words.percent(row.success_rate), f"{row.successes:,} of those reached", "success"),
        ("Opt-out rate", words.percent(row.opt_out_rate), f"{row.opt_outs:,} of those reached", "dnc"),
        ("Abandoned", words.percent(row.abandonment_rate), f"{row.abandoned:,} of those reached", "failure"),
    ]


def _side_by_side(rows: Sequence[SummaryRow], asked: Asked) -> Table:
    """Measures below each other, what is compared beside each other."""
    heads = [("Measure", False), *((group_name(asked.by, row) or "All together", True) for row in rows)]
    lines = [
        [_HEADS[field.name], *(_cell(field.name, getattr(row, field.name), row) for row in rows)]
        for field in fields(SummaryRow)
        if field.name not in _ABOUT
    ]
    return Table(heads, lines)


# ── tables ─────────────────────────────────────────────────────────────────────────────────────────────

_ABOUT: Final = ("campaign_id", "campaign", "value")
_LEFT_OUT: Final = (*_ABOUT, "buckets", "disposition_costs", "words", "currency")
_BY_WORDS: Final[Mapping[Dimension | None, str]] = {
    None: "all",
    Dimension.CAMPAIGN: "campaign",
    Dimension.LIST: "list",
    Dimension.VERSION: "script",
    Dimension.CALLER_ID: "caller id",
    Dimension.ZONE: "zone",
}
_HEADS: Final = {
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


def _table(rows: Sequence[Any], asked: Asked) -> Table:
    if not rows:
        return Table((), ())
    names = [field.name for field in fields(rows[0]) if field.name not in _LEFT_OUT]
    heads = [(_HEADS[name], name not in _WORDS_OF) for name in names]
    divided = [] if asked.by is None else [(_BY_WORDS[asked.by].capitalize(), False)]
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
        return _ms(value)
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
            return _ordinal(value)
        case "disposition":
            return words.disposition_words(value)
        case "category":
            return Category(value).value
        case "answer":
            return _ANSWERS.get(str(value), str(value))
    return words.number(value) if isinstance(value, int | float) else str(value)
