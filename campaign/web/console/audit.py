"""The audit trail: who did what to what, and when; for admins."""

from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from campaign.store import accounts
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, page
from campaign.web.deps import With, cursor_of, read_cursor

router = APIRouter(include_in_schema=False)

PER_PAGE = 50
Filter = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
Day = Annotated[str, Query(max_length=10)]


@router.get(CONSOLE + "/audit")
async def show_audit(
    request: Request,
    viewer: Seen,
    services: With,
    actor: Filter = "",
    action: Filter = "",
    subject: Filter = "",
    since: Day = "",
    until: Day = "",
    cursor: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """What was done, newest first, of one actor, one kind of action, one subject, some days."""
    first, last = _day(since), _day(until)
    async with services.db.connection() as tx:
        rows = await accounts.audit_trail(
            tx,
            actor=actor.strip() or None,
            action=action.strip() or None,
            subject=subject.strip() or None,
            since=datetime.combine(first, time(), viewer.zone) if first else None,
            until=datetime.combine(last + timedelta(days=1), time(), viewer.zone) if last else None,
            before_id=read_cursor(cursor) if cursor else None,
            limit=PER_PAGE + 1,
        )
    kept = rows[:PER_PAGE]
    return page(
        request,
        viewer,
        "audit.html",
        entries=kept,
        next=cursor_of(kept[-1].id) if len(rows) > PER_PAGE else None,
        filters={"actor": actor, "action": action, "subject": subject, "since": since, "until": until},
        cursor=cursor,
    )


def _day(text: str) -> date | None:
    """A day as a form's date field sends it; what is none filters nothing."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
