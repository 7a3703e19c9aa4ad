"""Reports over attempts and contacts, from roll-ups: as JSON in pages, or as one CSV file."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from campaign.domain.cells import as_cell
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
    cells,
)
from campaign.flow.intake import csv_line
from campaign.store import report_rows
from campaign.store.database import Tx
from campaign.web.auth import API, guard
from campaign.web.deps import With, cursor_of, read_cursor
from campaign.web.problems import responses

router = APIRouter(prefix=API + "/reports", tags=["Reports"], dependencies=[guard], responses=responses())

Row = TypeVar("Row")
MOST_ROWS = 5000


class Report(BaseModel, Generic[Row]):
    """A part of a report, and how current it is."""

    items: list[Row]
    next: str | None = Field(
        default=None, description="give it back as `cursor` for the next page; null at the end"
    )
    behind_since: datetime | None = Field(
        description="outcomes of this instant are not counted yet; null: all are (usually within two seconds)"
    )
    checked_at: datetime | None = Field(
        description="when the figures were last compared with the attempts themselves"
    )


def _span(
    campaign_id: Annotated[
        list[Annotated[int, Field(ge=1, lt=2**63)]],
        Query(
            description="of these campaigns; give it several times to compare them; none: all", max_length=200
        ),
    ] = [],  # noqa: B006 (FastAPI copies it)
    since: Annotated[date | None, Query(description="from this day of the contacts' calendars on")] = None,
    until: Annotated[date | None, Query(description="up to this day, included")] = None,
    by: Annotated[Dimension | None, Query(description="what to divide by; none: all together")] = None,
) -> Span:
    return Span(tuple(campaign_id), since, until, by)


Asked = Annotated[Span, Depends(_span)]
Cursor = Annotated[str | None, Query(max_length=40, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="most rows on a page")]
InSteps = Annotated[Step, Query(description="what days are added up to")]


async def _page(tx: Tx, rows: Sequence[Row], cursor: str | None, limit: int) -> dict[str, Any]:
    begin = 0 if cursor is None else read_cursor(cursor)
    end = begin + limit
    fresh = await report_rows.freshness(tx)
    return {
        "items": list(rows[begin:end]),
        "next": cursor_of(end) if end < len(rows) else None,
        "behind_since": fresh.behind_since,
        "checked_at": fresh.checked_at,
    }


@router.get("/funnel", summary="How far contacts came", responses=responses(400))
async def funnel(
    services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000
) -> Report[FunnelRow]:
    """Each contact is counted on the day of its first call, in every step that it has ever reached."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.funnel(tx, span), cursor, limit))


@router.get("/outcomes", summary="Outcomes over time", responses=responses(400))
async def outcomes(
    services: With, span: Asked, step: InSteps = Step.DAY, cursor: Cursor = None, limit: Limit = 1000
) -> Report[OutcomeRow]:
    """Attempts by disposition, by day, week or month."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.outcomes(tx, span, step), cursor, limit))


@router.get("/hours", summary="Answer rates by weekday and hour", responses=responses(400))
async def hours(services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000) -> Report[HourRow]:
    """On the contact's own clock; a cell without calls has no row."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.hours(tx, span), cursor, limit))


@router.get("/tries", summary="Attempts to reach a person", responses=responses(400))
async def tries(services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000) -> Report[TriesRow]:
    """By the day of the contact's first call."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.tries(tx, span), cursor, limit))


@router.get("/latency", summary="From the answer to our first word", responses=responses(400))
async def latency(
    services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000
) -> Report[LatencyRow]:
    """Percentiles, and the share of people who were served within two seconds."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.latency(tx, span), cursor, limit))


@router.get("/opt-outs", summary="People who asked not to be called again", responses=responses(400))
async def opt_outs(
    services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000
) -> Report[OptOutRow]:
    """In calls, by day. Requests by other channels stand in GET /api/v1/dnc."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.opt_outs(tx, span), cursor, limit))


@router.get("/recoveries", summary="Conversations that broke off", responses=responses(400))
async def recoveries(
    services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000
) -> Report[RecoveryRow]:
    """What was answered, and what became of it."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.recoveries(tx, span), cursor, limit))


@router.get("/costs", summary="What it cost, and per outcome", responses=responses(400))
async def costs(services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000) -> Report[CostRow]:
    """One row for each currency. Prices come some minutes after the call: see `priced`."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.costs(tx, span), cursor, limit))


@router.get("/summary", summary="All measures side by side", responses=responses(400))
async def summary(
    services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000
) -> Report[SummaryRow]:
    """With by=campaign and several campaign_id it compares campaigns."""
    async with services.db.connection() as tx:
        return Report(**await _page(tx, await report_rows.summary(tx, span), cursor, limit))


# ── the same as files ──────────────────────────────────────────────────────────────────────────────────


class CsvResponse(StreamingResponse):
    """A CSV file to save."""

    media_type = "text/csv; charset=utf-8"


def table(rows: Sequence[object], kind: type[Any]) -> Iterator[str]:
    """A report as CSV, line by line; no cell that a spreadsheet would run as a formula."""
    names = [field.name for field in fields(kind)]
    yield csv_line(names)
    for row in rows:
        yield csv_line([as_cell(cell) for cell in cells(row).values()])


def _file(name: str, rows: Sequence[object], kind: type[Any]) -> CsvResponse:
    filename = f'attachment; filename="{name}.csv"'
    return CsvResponse(table(rows, kind), headers={"Content-Disposition": filename})


_KINDS: dict[str, tuple[Any, type[Any]]] = {
    "funnel": (report_rows.funnel, FunnelRow),
    "outcomes": (report_rows.outcomes, OutcomeRow),
    "hours": (report_rows.hours, HourRow),
    "tries": (report_rows.tries, TriesRow),
    "latency": (report_rows.latency, LatencyRow),
    "opt-outs": (report_rows.opt_outs, OptOutRow),
    "recoveries": (report_rows.recoveries, RecoveryRow),
    "costs": (report_rows.costs, CostRow),
    "summary": (report_rows.summary, SummaryRow),
}


def _file_route(name: str) -> None:
    rows_of, kind = _KINDS[name]

    async def in_steps(services: With, span: Asked, step: InSteps = Step.DAY) -> CsvResponse:
        async with services.db.connection() as tx:
            return _file(name, await report_rows.outcomes(tx, span, step), kind)

    async def whole(services: With, span: Asked) -> CsvResponse:
        async with services.db.connection() as tx:
            return _file(name, await rows_of(tx, span), kind)

    router.add_api_route(
        f"/{name}.csv",
        in_steps if rows_of is report_rows.outcomes else whole,
        methods=["GET"],
        name=f"{name}_csv",
        summary=f"The report {name} as one CSV file",
        description=f"Columns: {', '.join(field.name for field in fields(kind))}.",
        response_class=CsvResponse,
        responses=responses(400),
    )


for _name in _KINDS:
    _file_route(_name)
