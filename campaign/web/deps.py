"""What routes ask for: the services, the signed-in key, a page of a list."""

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from campaign.domain.errors import BadInput
from campaign.wiring import Services

T = TypeVar("T")


async def _services(request: Request) -> Services:
    # async, as FastAPI calls plain functions in a thread, at several times the price of this one
    services: Services = request.app.state.services
    return services


With = Annotated[Services, Depends(_services)]
"""The open services, as a route's parameter."""


class Page(BaseModel, Generic[T]):
    """A part of a list, and where the next one begins."""

    items: list[T]
    next: str | None = Field(
        default=None,
        description="give it back as `cursor` for the next page; null at the end",
        examples=["MTAw"],
    )


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list is asked for: at most `limit` rows beyond row number `after`."""

    after: int | None
    limit: int


async def _slice(
    cursor: Annotated[str | None, Query(max_length=40, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=500, description="most items on a page")] = 50,
) -> Slice:
    return Slice(None if cursor is None else read_cursor(cursor), limit)


Paged = Annotated[Slice, Depends(_slice)]


def cursor_of(row_id: int) -> str:
    """A cursor that stands behind a row."""
    return base64.urlsafe_b64encode(str(row_id).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> int:
    """The row that a cursor stands behind.

    Raises:
        BadInput: we gave out no such cursor.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        number = int(text)
    except (ValueError, binascii.Error):
        number = -1
    if not 0 <= number < 2**63:
        raise BadInput("`cursor` is not one that we gave out.", "Use `next` of the page before, unchanged.")
    return number


def page_of(rows: list[T], asked: Slice, row_ids: list[int]) -> Page[T]:
    """A page from at most `limit + 1` rows: the one too many only says that there is more."""
    more = len(rows) > asked.limit
    kept = rows[: asked.limit]
    return Page[T](items=kept, next=cursor_of(row_ids[len(kept) - 1]) if more else None)
