"""What a page of a report shows: rows of a report → figures, charts and a table, in the words of people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from campaign.domain.measures import (
    SERVED_MS,
    CostRow,
    FunnelRow,
    HourRow,
    LatencyRow,
    OptOutRow,
    OutcomeRow,
    RecoveryRow,
    SummaryRow,
    TriesRow,
    rate,
)
from campaign.store.reports import WENT_ON
from campaign.web.console import report_charts, words
from campaign.web.console.report_charts import Chart, Columns
from campaign.web.console.report_table import (
    ANSWERS,
    BY_WORDS,
    Asked,
    Table,
    about,
    group_name,
    milliseconds,
    ordinal,
    side_by_side,
    table_of,
)

MOST_PANELS: Final = 6
"""Campaigns, lists and so on whose charts are shown beside each other; the table and the file have all."""

Tile = tuple[str, str, str, str]
"""Label, value, hint, tone."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The figures and charts of one campaign, list, script, caller id or zone; `title` empty: of all."""

    title: str
    tiles: Sequence[Tile]
    charts: Sequence[Chart]


@dataclass(frozen=True, slots=True)
class View:
    """A report as its page shows it; `others`: panels that are left out."""

    panels: Sequence[Panel]
    table: Table
    others: int = 0


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
    return View(panels, table_of(rows, asked), max(0, len(grouped) - MOST_PANELS))


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
                ordinal(row.number),
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


def _latency(rows: Sequence[LatencyRow], asked: Asked) -> _Parts:
    (row,) = rows
    slow = "warning" if (row.served or 0) < 0.97 else "success"
    tiles = [
        ("Half within", milliseconds(row.p50_ms), f"of {row.calls:,} calls", ""),
        ("95 % within", milliseconds(row.p95_ms), "", ""),
        ("99 % within", milliseconds(row.p99_ms), "", ""),
        ("Served in 2 s", words.percent(row.served), "of people who answered", slow),
    ]
    bars = report_charts.bars(
        "From the answer to our first word",
        "Within",
        ("Calls", "Share"),
        [
            (
                "later" if bound is None else milliseconds(bound),
                calls,
                (words.number(calls), words.percent(calls, row.calls)),
                "success" if bound is not None and bound <= SERVED_MS else "warning",
            )
            for bound, calls in row.buckets
        ],
    )
    return tiles, [bars]


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
                f"{ANSWERS.get(row.answer, row.answer)}: {row.became}",
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
        str(BY_WORDS[asked.by]).capitalize(),
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
        return View(panels, side_by_side(rows, asked))
    charts = [
        report_charts.bars(
            title,
            str(BY_WORDS[asked.by]).capitalize(),
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
            str(BY_WORDS[asked.by]).capitalize(),
            ("95 %", "Median"),
            [
                (
                    group_name(asked.by, row),
                    row.first_word_p95_ms,
                    (milliseconds(row.first_word_p95_ms), milliseconds(row.first_word_p50_ms)),
                    "success" if (row.first_word_p95_ms or 0) <= SERVED_MS else "warning",
                )
                for row in largest
            ],
        )
    )
    table = side_by_side(rows, asked) if len(rows) <= MOST_PANELS else table_of(rows, asked)
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
