"""Who a campaign would call, what it costs and how long it takes, before it is launched."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain.errors import NotFound
from campaign.store import campaigns, studies
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, go_on, page
from campaign.web.deps import With
from campaign.web.study_child import StudyErrand

router = APIRouter(include_in_schema=False)

PREVIEW = CONSOLE + "/campaigns/{campaign_id}/preview"
Id = Annotated[int, Path(ge=1, lt=2**63)]


@router.get(PREVIEW)
async def show_preview(
    request: Request,
    viewer: Seen,
    services: With,
    campaign_id: Id,
    study: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> HTMLResponse:
    """Who would be called, and the button that launches."""
    async with services.db.connection() as tx:
        row = await campaigns.find(tx, f"#{campaign_id}")
        lists = await campaigns.lists_of(tx, campaign_id)
    return page(request, viewer, "preview.html", row=row, lists=lists, study=study)


@router.post(PREVIEW)
async def ask_preview(request: Request, viewer: Seen, services: With, campaign_id: Id) -> Response:
    """Judge every contact as if the campaign were running, in a process of its own; nobody is called."""
    async with services.db.transaction() as tx:
        row = await campaigns.find(tx, f"#{campaign_id}")
        made = await studies.begin(
            tx, "preview", {"at": None}, campaign_id=row.id, actor=viewer.actor, now=viewer.now
        )
    await StudyErrand.start(services, made, viewer.actor, request.app.state.children)
    to = PREVIEW.replace("{campaign_id}", str(campaign_id))
    return await go_on(services, viewer, f"{to}?study={made}")


@router.get(PREVIEW + "/{study_id}")
async def preview_part(
    request: Request, viewer: Seen, services: With, campaign_id: Id, study_id: Id
) -> HTMLResponse:
    """A preview as far as it is: the part that is fetched again while it runs."""
    async with services.db.connection() as tx:
        found = await studies.get(tx, study_id, "preview")
    if found.campaign_id != campaign_id:
        raise NotFound(f"Preview {study_id} is of another campaign.")
    silent = viewer.now - found.beat_at > studies.SILENT * services.clock.rate
    stands = "failed" if found.state == "running" and silent else found.state
    return page(
        request, viewer, "preview_part.html", study=found, stands=stands, told=found.result, id=campaign_id
    )
