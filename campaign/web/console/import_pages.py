"""One import: how far it is while it runs, and the verdict when it has ended."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response

from campaign.store import imports, shelf
from campaign.store.accounts import audit
from campaign.store.imports import Import
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.console.list_pages import charted
from campaign.web.deps import With
from campaign.web.import_child import resume_import
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

IMPORT = CONSOLE + "/imports/{import_id}"
EXAMPLES = 20
"""So many rejected rows are shown; the download has all of them."""
Id = Annotated[int, Path(ge=1, lt=2**63)]


@router.get(IMPORT)
async def show_import(request: Request, viewer: Seen, services: With, import_id: Id) -> HTMLResponse:
    """The whole page."""
    return await _page(request, viewer, services, import_id, "import.html")


@router.get(IMPORT + "/progress")
async def progress(request: Request, viewer: Seen, services: With, import_id: Id) -> HTMLResponse:
    """The part that is fetched again while the import runs."""
    return await _page(request, viewer, services, import_id, "import_part.html")


async def _page(
    request: Request, viewer: Viewer, services: Services, import_id: int, template: str
) -> HTMLResponse:
    async with services.db.connection() as tx:
        row = await imports.get(tx, import_id)
        over = row.state in ("finished", "failed", "interrupted")
        rejected = await imports.rejected(tx, import_id, most=EXAMPLES) if row.rows_rejected and over else []
    return page(
        request,
        viewer,
        template,
        row=row,
        stands=_stands(row, viewer, services),
        why=sorted(row.rejected_why.items(), key=lambda item: -item[1]),
        rejected=rejected,
        words=REASONS,
    )


def _stands(row: Import, viewer: Viewer, services: Services) -> str:
    """Its state; one that is silent for too long was interrupted, though nobody has noted it yet."""
    silent = viewer.now - row.beat_at > imports.SILENT * services.clock.rate
    return "interrupted" if row.state == "running" and silent else row.state


@router.get(IMPORT + "/places")
async def import_places(request: Request, viewer: Seen, services: With, import_id: Id) -> HTMLResponse:
    """Where the people may be whom an import brought: a part of its page."""
    async with services.db.connection() as tx:
        row = await imports.get(tx, import_id)
        found = await shelf.places(tx, row.list_id, import_id) if row.list_id is not None else {}
    return page(request, viewer, "places.html", **charted(found))


@router.post(IMPORT + "/resume")
async def resume(request: Request, viewer: Seen, services: With, import_id: Id) -> Response:
    """Go on where it stood."""
    await resume_import(services, import_id, actor=viewer.actor, children=request.app.state.children)
    async with services.db.transaction() as tx:
        await audit(tx, viewer.actor, "import.resume", f"import:{import_id}", viewer.now, {})
    return await go_on(services, viewer, f"{CONSOLE}/imports/{import_id}")


@router.post(IMPORT + "/discard")
async def discard(viewer: Seen, services: With, import_id: Id) -> Response:
    """Throw away what an interrupted import has read."""
    async with services.db.transaction() as tx:
        await imports.interrupt_silent(tx, viewer.now, imports.SILENT * services.clock.rate)
        gone = await imports.discard(tx, import_id)
        await audit(tx, viewer.actor, "import.discard", f"import:{import_id}", viewer.now, {"contacts": gone})
    return await go_on(
        services, viewer, f"{CONSOLE}/imports/{import_id}", f"Discarded; {gone:,} contacts of it are gone."
    )


REASONS = {
    "empty": "there is no number",
    "too_short": "the number has too few digits",
    "too_long": "the number has too many digits",
    "excel_exponent": "a spreadsheet has spoilt the number",
    "too_many_cells": "more cells than the header has",
    "too_few_cells": "fewer cells than the header has",
    "cell_too_long": "a cell is too long",
    "consent": "the consent is no level that we know",
    "consent_at": "the consent's date is none, or lies ahead",
    "zone": "there is no such time zone",
    "country": "there is no such country",
    "party": "neither consumer nor business",
    "do_not_call": "do-not-call says neither yes nor no",
}
"""Code of a rejection → words; a code without words is told as it is."""
