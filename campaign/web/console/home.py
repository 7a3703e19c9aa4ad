"""The front page: what runs, what is wrong and what to do, what came of today's calls."""

from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from campaign.domain.campaign_state import OVER
from campaign.flow.standing import Standing, standing_of
from campaign.store import campaigns, overview
from campaign.store.campaigns import CampaignRow
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, page
from campaign.web.deps import With
from campaign.wiring import Services

MOST_SHOWN = 12
"""Campaigns on the front page: those under way before those to come."""
_ORDER = ("running", "stopping", "paused", "scheduled", "draft")

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
    midnight = viewer.now.astimezone(viewer.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    async with services.db.connection() as tx:
        rows = [row for row in await campaigns.listed(tx) if row.state not in OVER]
        today = await overview.figures(tx, midnight)
    rows.sort(key=lambda row: (_ORDER.index(row.state), -row.id))
    shown = [await _standing(services, row, viewer.now) for row in rows[:MOST_SHOWN]]
    return page(request, viewer, "today.html", today=today, shown=shown, others=len(rows) - len(shown))


async def _standing(services: Services, row: CampaignRow, now: datetime) -> Standing:
    async with services.db.connection() as tx:
        return await standing_of(tx, f"#{row.id}", now, services.account)
