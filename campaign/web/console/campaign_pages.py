"""Campaigns: all of them, and one as it runs; start, pause, resume, stop."""

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain.campaign_state import CampaignState
from campaign.domain.errors import BadInput, Conflict
from campaign.flow import lifecycle
from campaign.flow.lifecycle import Change
from campaign.flow.watch import CampaignsView, WatchedCampaign
from campaign.store import campaigns
from campaign.store.live import MOST_CALLS
from campaign.web.auth import CONSOLE
from campaign.web.console import words
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.console.live_pages import state_of, which_of
from campaign.web.console.streams import Part, once, stream
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

Id = Annotated[int, Path(ge=1, lt=2**63)]
Why = Annotated[str, Form(max_length=500)]
Show = Annotated[str, Query(max_length=20)]
_PARTS = (
    Part("campaign-state", "campaign_state.html"),
    Part("campaign-buttons", "campaign_buttons.html"),
    Part("campaign-alerts", "campaign_alerts.html"),
    Part("campaign-figures", "campaign_figures.html"),
    Part("campaign-contacts", "campaign_contacts.html"),
    Part("live-calls", "live_calls.html"),
)


@router.get(CONSOLE + "/campaigns")
async def show_campaigns(request: Request, viewer: Seen, services: With, state: Show = "") -> HTMLResponse:
    """All campaigns at once; their figures come a moment later."""
    async with services.db.connection() as tx:
        view = CampaignsView(viewer.now, await campaigns.listed(tx))
    states = [one.value for one in CampaignState]
    return page(request, viewer, "campaigns.html", view=view, state=state_of(state), states=states)


@router.get(CONSOLE + "/campaigns/{campaign_id}")
async def show_campaign(
    request: Request, viewer: Seen, services: With, campaign_id: Id, show: Show = "all"
) -> HTMLResponse:
    """One campaign at once; its figures and calls come a moment later, and again every second."""
    async with services.db.connection() as tx:
        row = await campaigns.find(tx, f"#{campaign_id}")
        history = await campaigns.history(tx, campaign_id)
        lists = await campaigns.lists_of(tx, campaign_id)
    return page(
        request,
        viewer,
        "campaign.html",
        row=row,
        history=list(reversed(history)),
        lists=lists,
        which=which_of(show),
        most=MOST_CALLS,
    )


@router.get(CONSOLE + "/campaigns/{campaign_id}/events")
async def campaign_events(
    request: Request, viewer: Seen, services: With, campaign_id: Id, show: Show = "all"
) -> Response:
    """What changes on the page of a campaign."""
    async with services.db.connection() as tx:
        await campaigns.find(tx, f"#{campaign_id}")
    which = which_of(show)
    watched = WatchedCampaign(services.db, campaign_id, services.account, which)
    key = ("campaign", campaign_id, which)
    return stream(request, services, viewer, key, watched.look, _PARTS, _context(campaign_id, which))


@router.get(CONSOLE + "/campaigns/{campaign_id}/now")
async def campaign_now(
    request: Request, viewer: Seen, services: With, campaign_id: Id, show: Show = "all"
) -> HTMLResponse:
    """The same once."""
    which = which_of(show)
    watched = WatchedCampaign(services.db, campaign_id, services.account, which)
    return await once(request, services, viewer, watched.look, _PARTS, _context(campaign_id, which))


def _context(campaign_id: int, which: str) -> dict[str, object]:
    return {"which": which, "here": f"{CONSOLE}/campaigns/{campaign_id}", "several": False}


# ── what an operator does ──────────────────────────────────────────────────────────────────────────────


@router.post(CONSOLE + "/campaigns/{campaign_id}/start")
async def start(request: Request, viewer: Seen, services: With, campaign_id: Id) -> Response:
    """Calls begin at once, or at the campaign's start if that is still to come."""
    doing = lifecycle.start(
        services.db,
        f"#{campaign_id}",
        actor=viewer.actor,
        now=services.clock.now(),
        rulebook=services.rulebook,
    )
    return await _done(request, services, viewer, campaign_id, doing)


@router.post(CONSOLE + "/campaigns/{campaign_id}/pause")
async def pause(request: Request, viewer: Seen, services: With, campaign_id: Id, why: Why = "") -> Response:
    """Nobody is dialled from the very next call on; what is queued or rings is cancelled."""
    doing = lifecycle.pause(
        services.db, f"#{campaign_id}", actor=viewer.actor, now=services.clock.now(), why=why.strip()
    )
    return await _done(request, services, viewer, campaign_id, doing)


@router.post(CONSOLE + "/campaigns/{campaign_id}/resume")
async def resume(request: Request, viewer: Seen, services: With, campaign_id: Id) -> Response:
    """After a pause; contacts that were blocked are judged once more."""
    doing = lifecycle.resume(
        services.db,
        f"#{campaign_id}",
        actor=viewer.actor,
        now=services.clock.now(),
        rulebook=services.rulebook,
    )
    return await _done(request, services, viewer, campaign_id, doing)


@router.post(CONSOLE + "/campaigns/{campaign_id}/stop")
async def stop(
    request: Request,
    viewer: Seen,
    services: With,
    campaign_id: Id,
    why: Why = "",
    hang_up: Annotated[bool, Form()] = False,
) -> Response:
    """Final. Conversations that go on are not cut, unless `hang_up` says so."""
    doing = lifecycle.stop(
        services.db,
        f"#{campaign_id}",
        actor=viewer.actor,
        now=services.clock.now(),
        at_once=hang_up,
        why=why.strip(),
    )
    return await _done(request, services, viewer, campaign_id, doing)


async def _done(
    request: Request, services: Services, viewer: Viewer, campaign_id: int, doing: Awaitable[Change]
) -> Response:
    """Do it, and back to the campaign's page, which says what came of it or why it was refused."""
    to = f"{CONSOLE}/campaigns/{campaign_id}"
    try:
        change = await doing
    except (BadInput, Conflict) as error:
        said = words.advice(f"{error.what} {error.do}".strip())
        return await go_on(services, viewer, to, said, kind="failure")
    request.app.state.feeds.hurry()
    ended = len(change.cancelled)
    already = "" if change.changed else " already"
    said = f"{change.name} {'was' if already else 'is'} {change.state}{already}."
    if ended:
        said += f" {ended:,} call{' is' if ended == 1 else 's are'} being ended."
    kind = "info" if change.warnings or not change.changed else "success"
    told = words.advice(" ".join([said, *change.warnings]))
    return await go_on(services, viewer, to, told, kind=kind)
