"""Call some again: a campaign's finished contacts put back in the queue, by how their last call ended."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain.campaign import stored
from campaign.domain.campaign_state import ALLOWED, CampaignAction, CampaignState
from campaign.domain.disposition import NEVER_REDIALLED
from campaign.domain.errors import BadInput, CampaignError, Conflict
from campaign.flow import lifecycle
from campaign.store import campaigns, enrolment
from campaign.web.auth import CONSOLE
from campaign.web.console import words
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

AGAIN = CONSOLE + "/campaigns/{campaign_id}/again"
Id = Annotated[int, Path(ge=1, lt=2**63)]
Chosen = Annotated[tuple[str, ...], Form(max_length=50)]
Named = Annotated[tuple[str, ...], Query(max_length=50)]
Attempts = Annotated[int, Form(ge=1, le=50)]


@router.get(AGAIN)
async def show_again(
    request: Request,
    viewer: Seen,
    services: With,
    campaign_id: Id,
    disposition: Named = (),
) -> HTMLResponse:
    """How the finished contacts' last calls ended, and how many would be called again."""
    return await _page(request, viewer, services, campaign_id, disposition)


@router.post(AGAIN + "/count")
async def count(
    request: Request,
    viewer: Seen,
    services: With,
    campaign_id: Id,
    disposition: Chosen = (),
) -> HTMLResponse:
    """How many would be called again by what is ticked: a part of the page."""
    async with services.db.connection() as tx:
        found = await enrolment.endings(tx, campaign_id)
    return page(request, viewer, "again_sum.html", people=_sum(found, disposition))


@router.post(AGAIN)
async def call_again(
    request: Request,
    viewer: Seen,
    services: With,
    campaign_id: Id,
    disposition: Chosen = (),
    attempts: Attempts = 1,
) -> Response:
    """Put them back in the queue; a completed campaign is paused by it until somebody resumes it."""
    try:
        change = await lifecycle.redial(
            services.db,
            f"#{campaign_id}",
            disposition,
            attempts,
            actor=viewer.actor,
            now=services.clock.now(),
        )
    except (BadInput, Conflict) as error:
        return await _page(request, viewer, services, campaign_id, disposition, attempts, error)
    request.app.state.feeds.hurry()
    people = sum(change.contacts.values())
    said = f"{people:,} {'person is' if people == 1 else 'people are'} in the queue again."
    if change.state != CampaignState.RUNNING:
        said += f" {change.name} is {change.state}: resume it when they shall be called."
    told = words.advice(" ".join([said if change.changed or people else "", *change.warnings])).strip()
    return await go_on(
        services,
        viewer,
        f"{CONSOLE}/campaigns/{campaign_id}",
        told,
        kind="success" if people else "info",
    )


async def _page(
    request: Request,
    viewer: Viewer,
    services: Services,
    campaign_id: int,
    chosen: Sequence[str],
    attempts: int = 1,
    error: CampaignError | None = None,
) -> HTMLResponse:
    async with services.db.connection() as tx:
        row = await campaigns.find(tx, f"#{campaign_id}")
        budget = stored(await campaigns.definition(tx, campaign_id)).retry.budget
        found = await enrolment.endings(tx, campaign_id)
    return page(
        request,
        viewer,
        "again.html",
        error.status if error else 200,
        row=row,
        budget=budget,
        endings={code: people for code, people in found.items() if code not in NEVER_REDIALLED},
        never={code: people for code, people in found.items() if code in NEVER_REDIALLED},
        chosen=chosen,
        attempts=attempts,
        people=_sum(found, chosen),
        possible=(CampaignState(row.state), CampaignAction.REDIAL) in ALLOWED,
        error=error,
    )


def _sum(endings: Mapping[str, int], chosen: Sequence[str]) -> int | None:
    """How many contacts ended in one of the chosen ways; None when none is chosen."""
    if not chosen:
        return None
    return sum(people for code, people in endings.items() if code in chosen and code not in NEVER_REDIALLED)
