"""Calls: found among all that there ever were, and one looked into from its decision to its outcome."""

import base64
import binascii
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from campaign.domain.cells import as_cell
from campaign.domain.disposition import Category, Disposition
from campaign.domain.errors import BadInput
from campaign.flow.call_story import CallStory, tell_call
from campaign.flow.intake import csv_line
from campaign.store import call_search, campaigns
from campaign.store.accounts import audit
from campaign.store.call_search import Mark, Wanted
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, page
from campaign.web.console.people import number_of
from campaign.web.console.streams import Part, stream
from campaign.web.deps import With

router = APIRouter(include_in_schema=False)

PER_PAGE = 50
MOST_ROWS = 10_000
"""Of a download: more are an export (`POST /api/v1/exports`), which a process of its own writes."""
PER_READ = 100
"""Rows of it that are read and written at once: talks in the same loop wait no longer than for a page."""
ANSWERED_BY = (
    "human",
    "machine_start",
    "machine_end_beep",
    "machine_end_silence",
    "machine_end_other",
    "fax",
    "unknown",
)
"""Twilio's words for who or what picked up."""
Id = Annotated[int, Path(ge=1, lt=2**63)]
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
Short = Annotated[str, Query(max_length=40, pattern=r"^[^\x00]*$")]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = (
    "id",
    "intent_at",
    "name",
    "phone",
    "campaign",
    "number",
    "due_for",
    "state",
    "disposition",
    "category",
    "answered_by",
    "seconds",
    "caller_id",
    "cost",
)
_PARTS = (
    Part("call-end", "call_end.html"),
    Part("call-facts", "call_facts.html"),
    Part("call-said", "call_said.html"),
    Part("call-times", "call_times.html"),
)


def _asked(
    campaign: Short = "",
    list: Short = "",
    disposition: Short = "",
    category: Short = "",
    answered_by: Short = "",
    caller_id: Short = "",
    since: Short = "",
    until: Short = "",
    shortest: Short = "",
    longest: Short = "",
    words: Text = "",
    person: Short = "",
) -> dict[str, str]:
    return {
        "campaign": campaign,
        "list": list,
        "disposition": disposition,
        "category": category,
        "answered_by": answered_by,
        "caller_id": caller_id,
        "since": since,
        "until": until,
        "shortest": shortest,
        "longest": longest,
        "words": words.strip(),
        "person": person,
    }


Filters = Annotated[dict[str, str], Depends(_asked)]
"""What calls are narrowed by: any of these together, as they stand in the address."""


@router.get(CONSOLE + "/calls")
async def show_calls(
    request: Request, viewer: Seen, services: With, filters: Filters, cursor: Short = ""
) -> HTMLResponse:
    """All calls, newest first, narrowed by filters."""
    person = filters["person"]
    async with services.db.connection() as tx:
        number = await number_of(tx, person) if person else None
        wanted = _wanted(filters, viewer, number)
        found = await call_search.search(tx, wanted, _read_mark(cursor), PER_PAGE)
        choices = {
            "campaigns": [(str(row.id), row.name) for row in await campaigns.listed(tx)],
            "lists": [(str(key), name) for key, name in await call_search.list_names(tx)],
            "caller_ids": await call_search.caller_ids(tx),
        }
    return page(
        request,
        viewer,
        "calls.html",
        found=found,
        next=_mark_text(found.next) if found.next else None,
        filters=filters,
        cursor=cursor,
        number=number,
        most_rows=MOST_ROWS,
        dispositions=[one.value for one in Disposition],
        categories=[one.value for one in Category],
        answered_by=ANSWERED_BY,
        choices=choices,
    )


@router.get(CONSOLE + "/calls.csv")
async def download_calls(viewer: Seen, services: With, filters: Filters) -> StreamingResponse:
    """The same calls as a CSV, at most `MOST_ROWS` of them; no cell is a formula to a spreadsheet."""
    async with services.db.transaction() as tx:
        number = await number_of(tx, filters["person"]) if filters["person"] else None
        detail = {key: value for key, value in filters.items() if value and key not in ("person", "words")}
        await audit(tx, viewer.actor, "calls.download", "installation", services.clock.now(), detail)
    wanted = _wanted(filters, viewer, number)

    async def lines() -> AsyncIterator[str]:
        yield csv_line(_COLUMNS)
        mark, left = None, MOST_ROWS
        while left > 0:
            async with services.db.connection() as tx:
                found = await call_search.search(tx, wanted, mark, min(left, PER_READ))
            for row in found.rows:
                yield csv_line([as_cell(getattr(row, name)) for name in _COLUMNS])
            left -= len(found.rows)
            mark = found.next
            if mark is None:
                return

    headers = {"Content-Disposition": 'attachment; filename="calls.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get(CONSOLE + "/calls/{attempt_id}")
async def show_call(request: Request, viewer: Seen, services: With, attempt_id: Id) -> HTMLResponse:
    """One call: what happened, what was said, what came of it, why it was made, what it cost."""
    view = await tell_call(services.db, attempt_id, services.clock.now())
    return page(request, viewer, "call.html", view=view)


@router.get(CONSOLE + "/calls/{attempt_id}/events")
async def call_events(request: Request, viewer: Seen, services: With, attempt_id: Id) -> Response:
    """The same while the call is up."""

    async def look(now: datetime) -> CallStory:
        return await tell_call(services.db, attempt_id, now)

    await look(services.clock.now())
    return stream(request, services, viewer, ("call", attempt_id), look, _PARTS, last=_over)


def _over(view: CallStory) -> bool:
    return not view.live


# ── filters as they stand in the address ───────────────────────────────────────────────────────────────


def _wanted(filters: dict[str, str], viewer: Viewer, number: str | None) -> Wanted:
    """What a search is for; a value that can't be used filters nothing."""
    since, until = _day(filters["since"]), _day(filters["until"])
    category = filters["category"]
    return Wanted(
        campaign_id=_whole(filters["campaign"]),
        phones=(number,) if number else (),
        list_id=_whole(filters["list"]),
        dispositions=(filters["disposition"],) if filters["disposition"] else (),
        category=category if category in set(Category) else None,
        answered_by=filters["answered_by"] or None,
        caller_id=filters["caller_id"] or None,
        since=datetime.combine(since, time(), viewer.zone) if since else None,
        until=datetime.combine(until + timedelta(days=1), time(), viewer.zone) if until else None,
        shortest=_whole(filters["shortest"]),
        longest=_whole(filters["longest"]),
        words=filters["words"],
    )


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and 1970 <= found.year <= 9000 else None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _mark_text(mark: Mark) -> str:
    text = f"{(mark.at - _EPOCH) // timedelta(microseconds=1)}.{mark.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_mark(cursor: str) -> Mark | None:
    if not cursor:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        at, _, row = text.partition(".")
        mark = Mark(_EPOCH + timedelta(microseconds=int(at)), int(row))
    except (ValueError, OverflowError, binascii.Error):
        mark = Mark(_EPOCH, -1)
    if not 0 <= mark.id < 2**63:
        raise BadInput("This is no page of calls.", "Go back to the newest ones.")
    return mark
