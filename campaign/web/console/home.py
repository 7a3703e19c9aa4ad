"""The front page: what runs, what is wrong and what to do, what came of today's calls."""

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from campaign.store import overview
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, page
from campaign.web.deps import With

STALE = timedelta(seconds=15)
"""Counts older than this are told to be."""

doors = APIRouter(include_in_schema=False)
"""Without a guard: leads to what has one."""
router = APIRouter(include_in_schema=False)


@doors.get("/")
async def front_door() -> RedirectResponse:
    """Whoever opens the bare address means the console."""
    return RedirectResponse(CONSOLE, 303)


@router.get(CONSOLE)
async def home(request: Request, viewer: Seen) -> HTMLResponse:
    """The page at once; its figures come a moment later (they are counted over all contacts)."""
    return page(request, viewer, "home.html")


@router.get(CONSOLE + "/today")
async def today(request: Request, viewer: Seen, services: With) -> HTMLResponse:
    """Today's figures and the campaigns, a part of the front page."""
    async with services.db.connection() as tx:
        figures = await overview.of_day(tx, viewer.now.astimezone(viewer.zone).date())
    view = await request.app.state.home.look(viewer.now)
    old = viewer.now - view.counted_at > STALE * services.clock.rate
    return page(request, viewer, "today.html", today=figures, view=view, shown=view.shown, old=old)
