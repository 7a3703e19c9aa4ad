"""Build a campaign: its definition as TOML, checked as it is written; the preview; the launch."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from msgspec import structs

from campaign.domain import campaign as domain
from campaign.domain import script as scripts
from campaign.domain.campaign import CampaignDefinition
from campaign.domain.errors import BadDefinition, CampaignError, Conflict, Fault, NotFound
from campaign.domain.toml_lines import lines_of
from campaign.flow import definitions, lifecycle
from campaign.store import campaigns, contacts, shelf, studies
from campaign.store.database import Tx
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.deps import With
from campaign.web.study_child import StudyErrand
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

NEW = CONSOLE + "/campaigns/new"
EDIT = CONSOLE + "/campaigns/{campaign_id}/edit"
PREVIEW = CONSOLE + "/campaigns/{campaign_id}/preview"
Id = Annotated[int, Path(ge=1, lt=2**63)]
Toml = Annotated[str, Form(max_length=500_000, pattern=r"^[^\x00]*$")]

BLANK = """\
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


@dataclass(frozen=True, slots=True)
class Checked:
    """A text that was checked.

    Args:
        faults: what is wrong, with lines; of one that can be used, none.
        variables: what the script says of a contact → what a contact of the first list has there; None: the
            list has no such column.
        greeting: as that contact would hear it.
    """

    definition: CampaignDefinition | None
    faults: tuple[Fault, ...]
    variables: dict[str, str | None]
    greeting: str = ""


async def _check(tx: Tx, text: str) -> Checked:
    try:
        found = domain.parse_toml(text, "The definition")
    except BadDefinition as error:
        return Checked(None, error.faults, {})
    faults = await definitions.faults_against(tx, found, lines_of(text))
    columns = await campaigns.known_lists(tx, [found.lists[0].name])
    values: dict[str, str] = {}
    if columns:
        first = await contacts.list_named(tx, found.lists[0].name)
        someone = await contacts.page(tx, first.id, most=1)
        values = dict(someone[0].variables) if someone else {}
    known = {name for names in columns.values() for name in names}
    variables = {
        name: values.get(name, "") if name in known else None
        for name in sorted(scripts.variables(found.script))
    }
    greeting = scripts.render(found.script.greeting, values) if not faults else ""
    return Checked(found, tuple(faults), variables, greeting)


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────


@router.get(NEW)
async def show_new(
    request: Request,
    viewer: Seen,
    services: With,
    into: Annotated[str, Query(alias="list", max_length=200)] = "",
    like: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> HTMLResponse:
    """A blank definition over a list, or the copy of another campaign's."""
    if like is not None:
        async with services.db.connection() as tx:
            old = domain.stored(await campaigns.definition(tx, like))
        text = domain.to_toml(structs.replace(old, name=f"{old.name[:110]} again"))
    else:
        async with services.db.connection() as tx:
            names = [into] if into else (await campaigns.list_names(tx, "contact_lists"))[:1]
        text = BLANK.replace("{list}", ", ".join(f'"{name}"' for name in names))
    return await _editor(request, viewer, services, text, None)


async def _editor(
    request: Request,
    viewer: Viewer,
    services: Services,
    text: str,
    campaign_id: int | None,
    error: CampaignError | None = None,
) -> HTMLResponse:
    async with services.db.connection() as tx:
        row = await campaigns.find(tx, f"#{campaign_id}") if campaign_id is not None else None
        checked = await _check(tx, text)
        lists = await shelf.shelf(tx, None, 20)
    shown = None if isinstance(error, BadDefinition) else error  # its faults stand at their lines
    status = error.status if error else 200
    return page(
        request, viewer, "build.html", status, text=text, row=row, checked=checked, lists=lists, error=shown
    )


@router.post(CONSOLE + "/campaigns/check")
async def check(request: Request, viewer: Seen, services: With, text: Toml = "") -> HTMLResponse:
    """What is wrong in a definition, and what its script says: the part beside the text."""
    async with services.db.connection() as tx:
        return page(request, viewer, "build_checked.html", checked=await _check(tx, text))


@router.post(NEW)
async def create(request: Request, viewer: Seen, services: With, text: Toml = "") -> Response:
    """Keep it as a draft: nobody is called before it is launched."""
    try:
        definition = domain.parse_toml(text, "The definition")
        row = await definitions.create(
            services.db, definition, actor=viewer.actor, now=viewer.now, lines=lines_of(text)
        )
    except (BadDefinition, Conflict) as error:
        return await _editor(request, viewer, services, text, None, error)
    return await go_on(services, viewer, PREVIEW.replace("{campaign_id}", str(row.id)), "The draft is kept.")


@router.get(EDIT)
async def show_edit(request: Request, viewer: Seen, services: With, campaign_id: Id) -> HTMLResponse:
    """The definition in force, to be edited."""
    async with services.db.connection() as tx:
        text = domain.to_toml(domain.stored(await campaigns.definition(tx, campaign_id)))
    return await _editor(request, viewer, services, text, campaign_id)


@router.post(EDIT)
async def edit(request: Request, viewer: Seen, services: With, campaign_id: Id, text: Toml = "") -> Response:
    """A new version, in force at once; calls that are up keep the one that they were made under."""
    try:
        definition = domain.parse_toml(text, "The definition")
        row = await definitions.edit(
            services.db,
            services.rulebook,
            f"#{campaign_id}",
            definition,
            actor=viewer.actor,
            now=viewer.now,
            lines=lines_of(text),
        )
    except (BadDefinition, Conflict) as error:
        return await _editor(request, viewer, services, text, campaign_id, error)
    to = PREVIEW.replace("{campaign_id}", str(campaign_id))
    return await go_on(services, viewer, to, f"Version {row.version} is in force.")


@router.get(CONSOLE + "/campaigns/{campaign_id}/definition.toml")
async def export(viewer: Seen, services: With, campaign_id: Id) -> Response:
    """The definition in force, as a file for the command line, Git or another installation."""
    async with services.db.connection() as tx:
        text = domain.to_toml(domain.stored(await campaigns.definition(tx, campaign_id)))
    name = f"attachment; filename=campaign-{campaign_id}.toml"
    return PlainTextResponse(
        text,
        media_type="application/toml",
        headers={"Content-Disposition": name, "Cache-Control": "no-store"},
    )


# ── preview and launch ─────────────────────────────────────────────────────────────────────────────────


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


@router.post(CONSOLE + "/campaigns/{campaign_id}/launch")
async def launch(viewer: Seen, services: With, campaign_id: Id) -> Response:
    """Start it: at once, or at its start if that lies ahead."""
    change = await lifecycle.start(
        services.db, f"#{campaign_id}", actor=viewer.actor, now=viewer.now, rulebook=services.rulebook
    )
    said = f"{change.name} is {change.state}. " + " ".join(change.warnings)
    to = PREVIEW.replace("{campaign_id}", str(campaign_id))
    return await go_on(services, viewer, to, said.strip(), kind="info" if change.warnings else "success")
