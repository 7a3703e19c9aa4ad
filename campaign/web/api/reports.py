"""Reports over attempts and contacts, from roll-ups: as JSON in pages, or as one CSV or Parquet file."""

import asyncio
from collections.abc import Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from campaign.domain.measures import Dimension, Span, Step
from campaign.flow.exports import arrow
from campaign.flow.report_kinds import KINDS, MEDIA, Kind, as_file
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
    list_id: Annotated[
        list[Annotated[int, Field(ge=1, lt=2**63)]],
        Query(
            description="calls to these contact lists only; then divided by campaign or list", max_length=200
        ),
    ] = [],  # noqa: B006 (FastAPI copies it)
) -> Span:
    return Span(tuple(campaign_id), since, until, by, tuple(list_id))


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


def _answers(name: str, kind: Kind) -> None:
    """The route that answers one report in pages."""
    row: Any = kind.row

    async def in_steps(
        services: With, span: Asked, step: InSteps = Step.DAY, cursor: Cursor = None, limit: Limit = 1000
    ) -> Any:
        async with services.db.connection() as tx:
            return Report[row](**await _page(tx, await kind.rows(tx, span, step), cursor, limit))

    async def whole(services: With, span: Asked, cursor: Cursor = None, limit: Limit = 1000) -> Any:
        async with services.db.connection() as tx:
            return Report[row](**await _page(tx, await kind.rows(tx, span), cursor, limit))

    router.add_api_route(
        f"/{name}",
        in_steps if kind.in_steps else whole,
        methods=["GET"],
        name=name.replace("-", "_"),
        summary=kind.title,
        description=kind.about,
        response_model=Report[row],
        responses=responses(400),
    )


# ── the same as files ──────────────────────────────────────────────────────────────────────────────────


class CsvResponse(Response):
    """A CSV file to save."""

    media_type = MEDIA["csv"]


class ParquetResponse(Response):
    """A Parquet file to save."""

    media_type = MEDIA["parquet"]


_FILES: dict[str, tuple[str, type[Response]]] = {
    "csv": ("CSV", CsvResponse),
    "parquet": ("Parquet", ParquetResponse),
}


def _files(name: str, kind: Kind, format_: str) -> None:
    """The route that answers one report as a file."""
    words, response = _FILES[format_]

    async def file(services: With, span: Asked, step: Step) -> Response:
        if format_ == "parquet":
            arrow()
        async with services.db.connection() as tx:
            rows = await kind.rows(tx, span, step)
        content = await asyncio.to_thread(as_file, rows, kind.row, format_)
        return response(content, headers={"Content-Disposition": f'attachment; filename="{name}.{format_}"'})

    async def in_steps(services: With, span: Asked, step: Step = Step.DAY) -> Response:
        return await file(services, span, step)

    async def whole(services: With, span: Asked) -> Response:
        return await file(services, span, Step.DAY)

    router.add_api_route(
        f"/{name}.{format_}",
        in_steps if kind.in_steps else whole,
        methods=["GET"],
        name=f"{name}_{format_}",
        summary=f"The report {name} as one {words} file",
        description=f"Columns: {', '.join(field.name for field in fields(kind.row))}.",
        response_class=response,
        responses=responses(400),
    )


for _name, _kind in KINDS.items():
    _answers(_name, _kind)
for _format in _FILES:
    for _name, _kind in KINDS.items():
        _files(_name, _kind, _format)
