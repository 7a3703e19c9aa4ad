"""Every part that pages are made of, on one page: what there is, how it looks, how it is called."""

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from campaign.domain.disposition import Disposition
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, page

router = APIRouter(include_in_schema=False)


@router.get(CONSOLE + "/design")
async def show_design(request: Request, viewer: Seen) -> HTMLResponse:
    """The design system with samples; the figures on it are made up."""
    hours = [viewer.now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=n) for n in range(24)]
    hours.reverse()
    answered = [round(18 + 14 * ((n * 7) % 11) / 11 + (8 if 8 < n < 18 else 0)) for n in range(24)]
    return page(
        request,
        viewer,
        "design.html",
        dispositions=list(Disposition),
        hours=hours,
        answered=answered,
        connected=[round(n * 0.62) for n in answered],
    )
