"""The red button: stop all dialling, and let it go on."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from campaign.flow import lifecycle
from campaign.web import browser
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, go_on, page
from campaign.web.deps import With

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=2000)]


@router.get(CONSOLE + "/stop-all")
async def show_stop_all(request: Request, viewer: Seen) -> HTMLResponse:
    """Whether all dialling is stopped, and the form that stops it or lets it go on."""
    return page(request, viewer, "stop_all.html")


@router.post(CONSOLE + "/stop-all")
async def stop_all(
    viewer: Seen,
    services: With,
    why: Annotated[str, Form(max_length=500)] = "",
    hang_up: Annotated[bool, Form()] = False,
    back: Text = "",
) -> Response:
    """In force for the very next call. Queued and ringing calls are cancelled."""
    changed, cancelled = await lifecycle.stop_all(
        services.db, actor=viewer.actor, now=services.clock.now(), at_once=hang_up, why=why.strip()
    )
    ending = f" {len(cancelled)} calls are being ended." if cancelled else ""
    said = f"All dialling is stopped.{ending}" if changed else f"All dialling was stopped already.{ending}"
    return await go_on(services, viewer, browser.local_path(back), said, kind="info")


@router.post(CONSOLE + "/stop-all/lift")
async def lift(viewer: Seen, services: With, back: Text = "") -> Response:
    """Campaigns go on in the state in which they are; those that were paused stay paused."""
    changed = await lifecycle.lift(services.db, actor=viewer.actor, now=services.clock.now())
    said = "Dialling goes on: each campaign as it stands." if changed else "Dialling was not stopped."
    return await go_on(services, viewer, browser.local_path(back), said)
