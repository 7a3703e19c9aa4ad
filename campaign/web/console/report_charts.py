"""Charts as values: what the templates draw as bars, columns over time and a heat map, numbers and all.

A chart is drawn on the server, so it is there at once, in print and without scripts. Its numbers stand in
it (bars, heat map) or in a table below it (columns): they are what a screen reader reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from campaign.domain.measures import Step

WIDTH: Final = 1000
HEIGHT: Final = 220
MOST_COLUMNS: Final = 370
"""A chart over time has no more columns; days become weeks, weeks become months."""
LEVELS: Final = 8
"""Shades of the heat map."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: how long it is, 0 to 1, and what is told beside it."""

    label: str
    share: float
    cells: Sequence[str]
    tone: str = "accent"


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars below each other, as a table: what they are of, and the headings of what is told beside them."""

    title: str
    of: str
    heads: Sequence[str]
    rows: Sequence[Bar]
    kind: str = "bars"


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of a column, in the chart's own units."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column over time, with its numbers, from the bottom up."""

    label: str
    values: Sequence[int]
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns over time, of one or more parts (words, tone) on each other."""

    title: str
    parts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    highest: int
    kind: str = "columns"

    @property
    def ticks(self) -> list[str]:
        """The labels below: the first and the last, and as many between as are readable."""
        last = len(self.columns) - 1
        shown = min(4, last)
        return (
            [self.columns[round(last * n / shown)].label for n in range(shown + 1)]
            if shown
            else [self.columns[0].label]
        )

    @property
    def said(self) -> str:
        """The chart in a sentence, for whoever can't see it."""
        sums = [sum(column.values[n] for column in self.columns) for n in range(len(self.parts))]
        told = ", ".join(f"{words} {number:,}" for (words, _), number in zip(self.parts, sums, strict=True))
        return (
            f"{len(self.columns)} columns, {self.columns[0].label} to {self.columns[-1].label}; "
            f"together {told}. The numbers stand below."
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour of a weekday: its share, what it is a share of, and its shade from 0 (nothing) to LEVELS."""

    share: float | None
    calls: int
    level: int


@dataclass(frozen=True, slots=True)
class Heat:
    """A week of hours: Monday to Sunday, each with its cells from `hours[0]` o'clock on."""

    title: str
    hours: Sequence[int]
    days: Sequence[tuple[str, Sequence[Cell]]]
    kind: str = "heat"


Chart = Bars | Columns | Heat


def bars(
    title: str,
    of: str,
    heads: Sequence[str],
    rows: Sequence[tuple[str, float | None, Sequence[str], str]],
    whole: float | None = None,
) -> Bars:
    """Bars as long as their values.

    Args:
        rows: (label, value, cells, tone).
        whole: the value of the longest bar that there can be; None: the longest is as long as can be.
    """
    longest = whole or max((value or 0 for _, value, _, _ in rows), default=0) or 1
    made = [Bar(label, (value or 0) / longest, cells, tone) for label, value, cells, tone in rows]
    return Bars(title, of, heads, made)


def first_of(day: date, step: Step) -> date:
    """The first day of the week or month that a day is in."""
    if step is Step.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if step is Step.MONTH else day


def steps(first: date, last: date, step: Step) -> list[date]:
    """All steps from one day to another: also those of which nothing is counted stand in a chart."""
    found = [first_of(first, step)]
    while True:
        at = found[-1]
        following = (
            first_of(at + timedelta(days=32), step)
            if step is Step.MONTH
            else at + timedelta(days=7 if step is Step.WEEK else 1)
        )
        if following > last:
            return found
        found.append(following)


def step_for(first: date, last: date, wanted: Step | None = None, readable: int = 92) -> Step:
    """What days are added up to: what is wanted if that can be drawn, else what can be read.

    Args:
        readable: days that can be read beside each other, if none is wanted.
    """
    days = (last - first).days + 1
    chosen = wanted or (Step.DAY if days <= readable else Step.WEEK if days <= 8 * readable else Step.MONTH)
    if chosen is Step.DAY and days > MOST_COLUMNS:
        chosen = Step.WEEK
    return Step.MONTH if chosen is Step.WEEK and days > 7 * MOST_COLUMNS else chosen


def columns(
    title: str, parts: Sequence[tuple[str, str]], counts: Mapping[date, Sequence[int]], places: Sequence[date]
) -> Columns:
    """Columns over time.

    Args:
        parts: words and tone of each part, from the bottom up.
        counts: first day of a step → the parts' numbers.
        places: all steps, in order; one at least.
    """
    nothing = [0] * len(parts)
    highest = nice(max((sum(values) for values in counts.values()), default=0))
    each = WIDTH / len(places)
    made = []
    for n, place in enumerate(places):
        values = counts.get(place, nothing)
        pieces, height = [], 0.0
        for (_, tone), value in zip(parts, values, strict=True):
            if value:
                tall = HEIGHT * value / highest
                height += tall
                pieces.append(Piece(each * (n + 0.1), HEIGHT - height, each * 0.8, tall, tone))
        made.append(Column(place.isoformat(), values, pieces))
    return Columns(title, parts, made, highest)


def nice(value: int) -> int:
    """The next round number: 1, 2, 4, 5, 6, 8 or 10 times a power of ten, and even where it can be."""
    if value <= 2:
        return 2
    power: int = 10 ** (len(str(value)) - 1)
    return next(power * n for n in (1, 2, 4, 6, 8, 10, 20) if power * n >= value)


DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def heat(title: str, found: Mapping[tuple[int, int], tuple[float | None, int]]) -> Heat:
    """A heat map over the hours in which there were calls at all, and those between.

    Args:
        found: (weekday from 1, hour) → share and what it is a share of; one at least.
    """
    hours = range(min(hour for _, hour in found), max(hour for _, hour in found) + 1)
    most = max((share or 0 for share, _ in found.values()), default=0) or 1

    def cell(weekday: int, hour: int) -> Cell:
        share, calls = found.get((weekday, hour), (None, 0))
        level = 0 if share is None else round(share / most * LEVELS)
        return Cell(share, calls, level)

    return Heat(
        title, list(hours), [(day, [cell(n, hour) for hour in hours]) for n, day in enumerate(DAYS, 1)]
    )
