"""The usual questions over any number of attempts, answered from the roll-ups (store/rollups.py).

Every statement names its dimension, the first key of each roll-up: none of them reads attempts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import text

from campaign.domain import measures
from campaign.domain.disposition import MEANING
from campaign.domain.measures import (
    CostRow,
    Dimension,
    FunnelRow,
    HourRow,
    LatencyRow,
    OptOutRow,
    OutcomeRow,
    RecoveryRow,
    Span,
    Step,
    SummaryRow,
    TriesRow,
    rate,
)
from campaign.store import rollups
from campaign.store.database import Tx
from campaign.store.models import DAY_COUNTS

About = tuple[int | None, str | None, str]
"""Campaign id, campaign and value: what a row is about."""

_OF_ONE: Final = (Dimension.CAMPAIGN, Dimension.VERSION)
"""Divided by these, every row is of one campaign; by the others it adds up all that were asked for."""


def _sums(table: str, span: Span, keys: Mapping[str, str], sums: str) -> str:
    """The inner statement: sums by what the report is divided by, and by keys (name → expression)."""
    campaign = "r.campaign_id" if span.by in _OF_ONE else "CAST(NULL AS bigint)"
    value = "''" if span.by in (None, Dimension.CAMPAIGN) else "r.value"
    listed = "".join(f", {expression} AS {name}" for name, expression in keys.items())
    grouped = ", ".join(str(n + 1) for n in range(2 + len(keys)))
    chosen = ["r.dimension = :dimension"]
    if span.campaigns:
        chosen.append("r.campaign_id = ANY(:campaigns)")
    if span.lists:
        chosen.append("r.value = ANY(:lists)")
    if span.since is not None:
        chosen.append("r.day >= :since")
    if span.until is not None:
        chosen.append("r.day <= :until")
    return (
        f"SELECT {campaign} AS campaign_id, {value} AS value{listed}, {sums} FROM {table} r "  # noqa: S608 (constants)
        f"WHERE {' AND '.join(chosen)} GROUP BY {grouped}"
    )


def _named(inner: str, span: Span, order: str) -> str:
    """With the names of campaigns and lists, in their order; the names are compared once a campaign only."""
    shown = "" if span.by in (None, Dimension.CAMPAIGN) else ", shown"
    return f"""
        SELECT s.*, c.name AS campaign,
               CASE WHEN :dimension = 'list' THEN coalesce(l.name, s.value) ELSE s.value END AS shown
          FROM ({inner}) AS s
          LEFT JOIN (SELECT id, name, row_number() OVER (ORDER BY name, id) AS place FROM campaigns) AS c
                 ON c.id = s.campaign_id
          LEFT JOIN contact_lists l ON :dimension = 'list' AND CAST(l.id AS text) = s.value
         ORDER BY c.place{shown}{order}
    """  # noqa: S608 (constants of this file)


def _given(span: Span) -> dict[str, Any]:
    given: dict[str, Any] = {"dimension": span.counted_by.value}
    if span.campaigns:
        given["campaigns"] = list(span.campaigns)
    if span.lists:
        given["lists"] = [str(one) for one in span.lists]
    if span.since is not None:
        given["since"] = span.since
    if span.until is not None:
        given["until"] = span.until
    return given


_NO_KEYS: Final[Mapping[str, str]] = {}


async def _rows(
    tx: Tx, table: str, span: Span, sums: str, keys: Mapping[str, str] = _NO_KEYS, order: str = ""
) -> list[Any]:
    statement = text(_named(_sums(table, span, keys, sums), span, order))
    return list((await tx.execute(statement, _given(span))).all())


def _about(row: Any) -> About:
    return row.campaign_id, row.campaign, row.shown


async def funnel(tx: Tx, span: Span) -> list[FunnelRow]:
    """Contacts by how far they came."""
    names = ("contacts", "answered", "connected", "conversed", "right_parties", "succeeded", "opted_out")
    sums = ", ".join(f"CAST(sum(r.{name}) AS bigint) AS {name}" for name in names)
    enrolled = await _enrolled(tx, span)
    found = {
        _about(row): [int(getattr(row, name)) for name in names]
        for row in await _rows(tx, "report_cohorts", span, sums)
    }
    about = sorted(found.keys() | enrolled.keys(), key=lambda one: (one[1] or "", one[0] or 0, one[2]))
    return [
        FunnelRow(*one, enrolled.get(one, 0) if enrolled else None, *found.get(one, [0] * len(names)))
        for one in about
    ]


async def _enrolled(tx: Tx, span: Span) -> dict[About, int]:
    if not span.whole or span.by in (Dimension.VERSION, Dimension.CALLER_ID):
        return {}
    sums = "CAST(sum(r.contacts) AS bigint) AS contacts"
    return {_about(row): row.contacts for row in await _rows(tx, "report_enrolled", span, sums)}


_STEPS: Final = {
    Step.DAY: "r.day",
    Step.WEEK: "CAST(date_trunc('week', r.day) AS date)",
    Step.MONTH: "CAST(date_trunc('month', r.day) AS date)",
    Step.ALL: "CAST(NULL AS date)",
}


async def outcomes(tx: Tx, span: Span, step: Step = Step.DAY) -> list[OutcomeRow]:
    """Attempts by disposition over time."""
    sums = "CAST(sum(r.attempts) AS bigint) AS attempts, CAST(sum(r.seconds) AS bigint) AS seconds"
    keys = {"day": _STEPS[step], "disposition": "r.disposition"}
    rows = await _rows(tx, "report_dispositions", span, sums, keys, ', s.day, s.disposition COLLATE "C"')
    return [
        OutcomeRow(campaign_id, campaign, shown, day, disposition, *_MEANING[disposition], attempts, seconds)
        for campaign_id, _, day, disposition, attempts, seconds, campaign, shown in rows
        if attempts
    ]


_MEANING: Final = {one.value: (meaning.category.value, meaning.words) for one, meaning in MEANING.items()}


async def hours(tx: Tx, span: Span) -> list[HourRow]:
    """The heat map: one row for each weekday and hour with calls."""
    names = ("placed", "answered", "connects", "successes")
    sums = ", ".join(f"CAST(sum(r.{name}) AS bigint) AS {name}" for name in names)
    keys = {"weekday": f"1 + (r.day - DATE '{_A_MONDAY}') % 7", "hour": "r.hour"}
    rows = await _rows(tx, "report_hours", span, sums, keys, ", s.weekday, s.hour")
    return [
        HourRow(
            *(campaign_id, campaign, shown, weekday, hour, placed, answered, connects, successes),
            rate(answered, placed),
            rate(connects, placed),
        )
        for campaign_id, _, weekday, hour, placed, answered, connects, successes, campaign, shown in rows
        if placed
    ]


_A_MONDAY: Final = date(1, 1, 1)
"""Before every call there ever was. Weekdays are counted from it: `extract` makes slow numerics."""


async def tries(tx: Tx, span: Span) -> list[TriesRow]:
    """How many calls it takes to reach a person."""
    sums = "CAST(sum(r.tried) AS bigint) AS tried, CAST(sum(r.reached) AS bigint) AS reached"
    rows = await _rows(tx, "report_tries", span, sums, {"number": "r.number"}, ", s.number")
    grouped: dict[About, list[tuple[int, int, int]]] = {}
    for row in rows:
        if row.tried or row.reached:
            grouped.setdefault(_about(row), []).append((row.number, row.tried, row.reached))
    return [one for about, found in grouped.items() for one in measures.tries_rows(found, about)]


async def _first_words(tx: Tx, span: Span) -> dict[About, dict[int, int]]:
    sums = "CAST(sum(r.calls) AS bigint) AS calls"
    found: dict[About, dict[int, int]] = {}
    for row in await _rows(tx, "report_first_words", span, sums, {"bucket": "r.bucket"}, ", s.bucket"):
        if row.calls:
            found.setdefault(_about(row), {})[row.bucket] = row.calls
    return found


async def latency(tx: Tx, span: Span) -> list[LatencyRow]:
    """How soon we spoke after the answer."""
    bounds = measures.FIRST_WORD_BOUNDS_MS
    return [
        LatencyRow(
            *about,
            sum(calls.values()),
            measures.percentile(calls, 0.5),
            measures.percentile(calls, 0.9),
            measures.percentile(calls, 0.95),
            measures.percentile(calls, 0.99),
            rate(measures.served(calls), sum(calls.values())),
            [(bounds[bucket] if bucket < len(bounds) else None, number) for bucket, number in calls.items()],
        )
        for about, calls in (await _first_words(tx, span)).items()
    ]


async def opt_outs(tx: Tx, span: Span) -> list[OptOutRow]:
    """People who asked in a call not to be called again, by day; days without any are left out."""
    sums = "CAST(sum(r.opt_outs) AS bigint) AS opt_outs, CAST(sum(r.connects) AS bigint) AS connects"
    rows = await _rows(tx, "report_days", span, sums, {"day": "r.day"}, ", s.day")
    return [
        OptOutRow(*_about(row), row.day, row.opt_outs, row.connects, rate(row.opt_outs, row.connects))
        for row in rows
        if row.opt_outs
    ]


async def recoveries(tx: Tx, span: Span) -> list[RecoveryRow]:
    """Conversations that broke off, by what was answered and what became of it."""
    sums = "CAST(sum(r.calls) AS bigint) AS calls"
    keys = {"answer": "r.answer", "became": "r.became"}
    order = ", s.calls DESC, s.answer, s.became"
    rows = await _rows(tx, "report_recoveries", span, sums, keys, order)
    return [RecoveryRow(*_about(row), row.answer, row.became, row.calls) for row in rows if row.calls]


async def costs(tx: Tx, span: Span) -> list[CostRow]:
    """What it cost, by currency."""
    currency = {"currency": "r.currency"}
    rows = await _rows(tx, _PRICED.format(table="report_days"), span, _COST_SUMS, currency, ", s.currency")
    split: dict[tuple[About, str], dict[str, float]] = {}
    for row in await _rows(
        tx,
        _PRICED.format(table="report_dispositions"),
        span,
        "CAST(sum(r.cost) AS float8) AS cost",
        {**currency, "disposition": "r.disposition"},
        ", s.cost DESC",
    ):
        if row.cost:
            split.setdefault((_about(row), row.currency), {})[row.disposition] = round(row.cost, 6)
    return [
        CostRow(
            *_about(row),
            row.currency,
            row.attempts,
            row.priced,
            round(row.cost, 6),
            _each(row.cost, row.attempts),
            _each(row.cost, row.connects),
            _each(row.cost, row.successes),
            split.get((_about(row), row.currency), {}),
        )
        for row in rows
        if row.attempts
    ]


_PRICED: Final = """(
    SELECT t.*, coalesce(v.definition -> 'budget' ->> 'currency', 'USD') AS currency
      FROM {table} t
      JOIN campaigns c ON c.id = t.campaign_id
      JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version)"""
_COST_SUMS: Final = ", ".join(
    [f"CAST(sum(r.{name}) AS bigint) AS {name}" for name in ("attempts", "priced", "connects", "successes")]
    + ["CAST(sum(r.cost) AS float8) AS cost"]
)


def _each(cost: float, number: int) -> float | None:
    return round(cost / number, 4) if number else None


async def summary(tx: Tx, span: Span) -> list[SummaryRow]:
    """All measures of attempts side by side."""
    sums = ", ".join(f"CAST(sum(r.{name}) AS bigint) AS {name}" for name in DAY_COUNTS)
    sums += (
        ", min(r.day) FILTER (WHERE r.attempts > 0) AS first_day,"
        " max(r.day) FILTER (WHERE r.attempts > 0) AS last_day"
    )
    words = await _first_words(tx, span)
    made = []
    for row in await _rows(tx, "report_days", span, sums):
        if not row.attempts:
            continue
        calls = words.get(_about(row), {})
        made.append(
            SummaryRow(
                *_about(row),
                row.attempts,
                row.placed,
                row.answered,
                row.connects,
                row.conversations,
                row.right_parties,
                row.successes,
                row.opt_outs,
                row.abandoned,
                row.seconds,
                answer_rate=rate(row.answered, row.placed),
                connect_rate=rate(row.connects, row.placed),
                success_rate=rate(row.successes, row.connects),
                opt_out_rate=rate(row.opt_outs, row.connects),
                abandonment_rate=rate(row.abandoned, row.connects),
                first_word_p50_ms=measures.percentile(calls, 0.5),
                first_word_p95_ms=measures.percentile(calls, 0.95),
                first_day=row.first_day,
                last_day=row.last_day,
            )
        )
    return made


async def days(tx: Tx, span: Span) -> tuple[date, date] | None:
    """The first and the last day of which anything is counted; None: nothing is."""
    sums = "min(r.day) AS first, max(r.day) AS last"
    found = await _rows(tx, "(SELECT * FROM report_days WHERE attempts > 0)", replace(span, by=None), sums)
    return (found[0].first, found[0].last) if found else None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How current the roll-ups are.

    Args:
        behind_since: outcomes of this instant are not counted yet; None: all are.
        checked_at: when they were last compared with the attempts. differed: rows that were not right then,
            by table; they were mended.
    """

    behind_since: datetime | None
    checked_at: datetime | None
    differed: dict[str, int]


async def freshness(tx: Tx) -> Freshness:
    """How current the reports are."""
    checked = await rollups.last_check(tx)
    return Freshness(await rollups.behind(tx), checked.at, dict(checked.found))
