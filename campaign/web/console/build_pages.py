"""Build a campaign: its definition as a form or as TOML, checked as it is written, kept as a draft."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from msgspec import structs

from campaign.domain import campaign as domain
from campaign.domain.errors import BadDefinition, CampaignError, Conflict
from campaign.domain.toml_lines import lines_of
from campaign.flow import definitions
from campaign.store import campaigns, shelf
from campaign.web.auth import CONSOLE
from campaign.web.console import document as documents
from campaign.web.console.document import Document, View
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.console.preview_pages import PREVIEW
from campaign.web.console.rehearsal_pages import START
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

NEW = CONSOLE + "/campaigns/new"
EDIT = CONSOLE + "/campaigns/{campaign_id}/edit"
Id = Annotated[int, Path(ge=1, lt=2**63)]

BLANK: Final = """\
# A campaign. Everything that is not written here has a default.
name = "Autumn"
purpose = "informational"            # or "sales": other rules hold then
lists = [{list}]
caller_ids = ["+12025550142"]        # your numbers at Twilio
regions = ["US"]                     # where may be called

[seller]                             # on whose behalf
legal_name = "Example, Inc."
callback_number = "+12025550142"

[pacing]
lines = 5                            # calls at once

[schedule]
# start = 2026-12-01T09:00:00-05:00  # none: when it is launched
# end = 2026-12-05T18:00:00-05:00

[schedule.week]                      # in the called person's own time, inside what the law allows
mon-fri = "09:00-17:00"

[script]
greeting = "Hello {{ first_name | there }}, this is a short call about your appointment."
goal = "Tell the person that their appointment is confirmed."
"""
"""What a new campaign begins with."""

ZONES: Final = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "UTC",
)
"""Zones that are offered for a start and an end; others can be written."""


@router.get(NEW)
async def show_new(
    request: Request,
    viewer: Seen,
    services: With,
    into: Annotated[str, Query(alias="list", max_length=200)] = "",
    like: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    view: View = "form",
) -> HTMLResponse:
    """A blank definition over a list, or the copy of another campaign's."""
    async with services.db.connection() as tx:
        if like is not None:
            old = domain.stored(await campaigns.definition(tx, like))
            text = domain.to_toml(structs.replace(old, name=f"{old.name[:110]} again"))
        else:
            names = [into] if into else (await campaigns.list_names(tx, "contact_lists"))[:1]
            text = BLANK.replace("{list}", ", ".join(f'"{name}"' for name in names))
    return await _editor(request, viewer, services, documents.of_text(text, view), None)


@router.get(EDIT)
async def show_edit(
    request: Request, viewer: Seen, services: With, campaign_id: Id, view: View = "form"
) -> HTMLResponse:
    """The definition in force, to be edited."""
    async with services.db.connection() as tx:
        text = domain.to_toml(domain.stored(await campaigns.definition(tx, campaign_id)))
    return await _editor(request, viewer, services, documents.of_text(text, view), campaign_id)


async def _editor(
    request: Request,
    viewer: Viewer,
    services: Services,
    document: Document,
    campaign_id: int | None,
    error: CampaignError | None = None,
) -> HTMLResponse:
    async with services.db.connection() as tx:
        row = await campaigns.find(tx, f"#{campaign_id}") if campaign_id is not None else None
        checked = await documents.check(tx, document)
        lists = await shelf.shelf(tx, None, 20)
    shown = None if isinstance(error, BadDefinition) else error  # its faults stand at their places
    return page(
        request,
        viewer,
        "build.html",
        error.status if error else 200,
        document=document,
        row=row,
        checked=checked,
        lists=lists,
        profiles=["scripted", *services.settings.profiles],
        retried=domain.RETRIED,
        places=[*ZONES, *({viewer.zone.key} - {*ZONES})],
        error=shown,
        refused=isinstance(error, BadDefinition),
        told=START,
    )


@router.post(CONSOLE + "/campaigns/check")
async def check(request: Request, viewer: Seen, services: With) -> HTMLResponse:
    """What is wrong in a definition, and what its script says: the part beside it."""
    document, _ = await documents.sent(request)
    async with services.db.connection() as tx:
        checked = await documents.check(tx, document)
    shown = checked.named(document.moved)
    return page(request, viewer, "build_checked.html", document=document, checked=shown)


@router.post(NEW)
async def create(request: Request, viewer: Seen, services: With) -> Response:
    """Keep it as a draft: nobody is called before it is launched."""
    document, do = await documents.sent(request)
    if do not in ("", "keep"):
        return await _changed(request, viewer, services, document, do, None)
    try:
        row = await definitions.create(
            services.db,
            document.definition(),
            actor=viewer.actor,
            now=viewer.now,
            lines=lines_of(document.text),
        )
    except (BadDefinition, Conflict) as error:
        return await _editor(request, viewer, services, document, None, error)
    return await go_on(services, viewer, PREVIEW.replace("{campaign_id}", str(row.id)), "The draft is kept.")


@router.post(EDIT)
async def edit(request: Request, viewer: Seen, services: With, campaign_id: Id) -> Response:
    """A new version, in force at once; calls that are up keep the one that they were made under."""
    document, do = await documents.sent(request)
    if do not in ("", "keep"):
        return await _changed(request, viewer, services, document, do, campaign_id)
    try:
        row = await definitions.edit(
            services.db,
            services.rulebook,
            f"#{campaign_id}",
            document.definition(),
            actor=viewer.actor,
            now=viewer.now,
            lines=lines_of(document.text),
        )
    except (BadDefinition, Conflict) as error:
        return await _editor(request, viewer, services, document, campaign_id, error)
    to = PREVIEW.replace("{campaign_id}", str(campaign_id))
    return await go_on(services, viewer, to, f"Version {row.version} is in force.")


async def _changed(
    request: Request,
    viewer: Viewer,
    services: Services,
    document: Document,
    do: str,
    campaign_id: int | None,
) -> Response:
    """The same document in its other view, with a row more or less, or as a file: nothing is kept yet."""
    if do == "download":
        return _file(document.text, "campaign.toml")
    return await _editor(request, viewer, services, document, campaign_id)


@router.get(CONSOLE + "/campaigns/{campaign_id}/definition.toml")
async def export(viewer: Seen, services: With, campaign_id: Id) -> Response:
    """The definition in force, as a file for the command line, Git or another installation."""
    async with services.db.connection() as tx:
        text = domain.to_toml(domain.stored(await campaigns.definition(tx, campaign_id)))
    return _file(text, f"campaign-{campaign_id}.toml")


def _file(text: str, name: str) -> Response:
    return PlainTextResponse(
        text,
        media_type="application/toml",
        headers={"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "no-store"},
    )
