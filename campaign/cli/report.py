"""`campaign report`: what became of a campaign."""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from campaign.cli.campaign_view import report_view
from campaign.cli.common import out, print_json, run
from campaign.domain.cells import quoted
from campaign.store import campaigns, reports
from campaign.store.reports import Report
from campaign.wiring import Services


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def report(
    name: Annotated[str, typer.Argument(help="The campaign's name, or #12 for its number.")],
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="table for people, csv for sheets, json for programs.")
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """What became of a campaign: the funnel, outcomes, who was not called and why, latency, cost.

    Works at any time, also while the campaign runs. For single attempts and transcripts see the SQL views
    in the schema "analytics" (docs/data-dictionary.md), or the API.

    Example: campaign report "Solar spring check-in" --format csv > report.csv
    """

    async def main(services: Services) -> Report:
        async with services.db.connection() as tx:
            return await reports.report(tx, (await campaigns.find(tx, name)).id)

    found = run(main)
    match Format.JSON if as_json else format_:
        case Format.TABLE:
            out.print(report_view(found))
        case Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerows(csv_rows(found))
        case Format.JSON:
            print_json(asdict(found))


HEADER = ("section", "item", "category", "contacts", "attempts", "seconds", "cost", "words")


def csv_rows(found: Report) -> Iterator[Sequence[str]]:
    """The report as one table with a header; no cell that a spreadsheet would run as a formula."""
    yield HEADER
    for row in _rows(found):
        yield ["" if cell is None else quoted(str(cell)) for cell in row]


def _rows(found: Report) -> Iterator[Sequence[object]]:
    yield "campaign", found.campaign, found.state, None, None, found.seconds, found.cost, found.state_why
    for step in found.funnel:
        yield "funnel", step.step, None, step.contacts, None, None, None, step.words
    for row in found.outcomes:
        yield (
            "outcome",
            row.disposition,
            row.category,
            row.contacts,
            row.attempts,
            row.seconds,
            row.cost,
            row.words,
        )
    for one in found.standing:
        called = "called before" if one.called else "never called"
        yield one.state, one.rule, called, one.contacts, None, None, None, one.sentence
    for why, attempts in found.attempts.items():
        yield "attempts", why, None, None, attempts, None, None, None
    for recovery in found.recoveries:
        yield "recovery", recovery.answer, None, None, recovery.calls, None, None, recovery.became
    for one_in in found.calls_in:
        how = one_in.disposition, None, None, one_in.calls, one_in.seconds, one_in.cost
        yield "call_to_us", *how, one_in.words
    for item in ("p50", "p95", "p99", "longest"):
        value = getattr(found.first_word, item)
        words = None if value is None else f"{value} ms from the answer to our first word"
        yield "first_word", item, None, None, found.first_word.calls, None, None, words
    for item in ("p50", "p95", "p99", "longest"):
        value = getattr(found.replies, item)
        words = None if value is None else f"{value} ms from the person's last word to our reply's first"
        yield "replies", item, None, None, found.replies.turns, None, None, words
    yield "abandoned", None, None, None, found.abandoned, None, None, None
