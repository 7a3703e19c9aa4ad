"""Live: the calls that are up in all campaigns, with what is being said; and ending one of them."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain.campaign_state import CampaignState
from campaign.domain.errors import NotFound
from campaign.flow.end_call import end_call
from campaign.flow.watch import WatchedCalls, WatchedCampaigns
from campaign.store.live import MOST_CALLS, WHICH, Which
from campaign.web import browser
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, go_on, page
from campaign.web.console.streams import Part, once, stream
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

What = Annotated[str, Path(max_length=20)]
State = Annotated[str, Query(max_length=20)]
Id = Annotated[int, Path(ge=1, lt=2**63)]
_CALLS = (Part("live-calls", "live_calls.html"),)
_CAMPAIGNS = (Part("campaign-rows", "campaign_rows.html"),)


def which_of(text: str) -> Which:
    """Which calls to show, as an address says it; all for anything else."""
    return next((one for one in WHICH if one == text), "all")


def state_of(text: str) -> str:
    """Campaigns of which state to show; empty, all, for anything that is none."""
    return next((one.value for one in CampaignState if one == text), "")


@router.get(CONSOLE + "/live")
async def show_live(request: Request, viewer: Seen, show: str = "all") -> HTMLResponse:
    """The calls of all campaigns that are up."""
    return page(request, viewer, "live.html", which=which_of(show), most=MOST_CALLS)


@router.get(CONSOLE + "/live/{what}/events")
async def live_events(
    request: Request, viewer: Seen, services: With, what: What, state: State = ""
) -> Response:
    """`campaigns`: the rows of their list; `all`, `talking`, `ringing`: live calls of all campaigns."""
    look, parts, context = _watched(services, what, state)
    return stream(request, services, viewer, ("live", what), look.look, parts, context)


@router.get(CONSOLE + "/live/{what}/now")
async def live_now(
    request: Request, viewer: Seen, services: With, what: What, state: State = ""
) -> HTMLResponse:
    """The same once."""
    look, parts, context = _watched(services, what, state)
    return await once(request, services, viewer, look.look, parts, context)


def _watched(
    services: Services, what: str, state: str
) -> tuple[WatchedCampaigns | WatchedCalls, tuple[Part, ...], dict[str, object]]:
    if what == "campaigns":
        return WatchedCampaigns(services.db), _CAMPAIGNS, {"state": state_of(state)}
    if what not in WHICH:
        raise NotFound("There is no such live page.", "The navigation leads to all pages.")
    which = which_of(what)
    return (
        WatchedCalls(services.db, which),
        _CALLS,
        {"which": which, "here": CONSOLE + "/live", "several": True},
    )


@router.post(CONSOLE + "/calls/{attempt_id}/end")
async def end_one_call(
    request: Request,
    viewer: Seen,
    services: With,
    attempt_id: Id,
    back: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """End one call: with a goodbye where its conversation is held here, else at once."""
    ending = await end_call(
        services.db,
        services.talks,
        attempt_id,
        actor=viewer.actor,
        now=services.clock.now(),
        clock_rate=services.clock.rate,
    )
    request.app.state.feeds.hurry()
    if ending.again:
        said = f"Call {attempt_id} was asked to end already."
    elif ending.politely:
        said = f"Call {attempt_id} ends: we say goodbye, and the line is cut within seconds."
    else:
        said = f"Call {attempt_id} is being ended."
    to = browser.local_path(back) if back else f"{CONSOLE}/calls/{attempt_id}"
    return await go_on(services, viewer, to, said, kind="info")
