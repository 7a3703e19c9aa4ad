"""Exports: asked for, written by a process of their own, fetched, and gone after a week."""

import asyncio
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from campaign.domain.errors import Conflict, NotAllowed
from campaign.flow.exports import file_name
from campaign.store import accounts, campaigns
from campaign.store import exports as store
from campaign.store.accounts import Role
from campaign.store.exports import Export
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import Page, Paged, With, page_of
from campaign.web.export_child import ExportErrand
from campaign.web.problems import responses

router = APIRouter(prefix=API + "/exports", tags=["Results"], dependencies=[guard], responses=responses())

Id = Annotated[int, Path(ge=1, lt=2**63)]
_MEDIA = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


class AskExport(BaseModel):
    """What to write, and of which time."""

    model_config = ConfigDict(extra="forbid")

    what: Literal["attempts", "contacts", "outcomes", "turns", "answers"]
    format: Literal["csv", "parquet"] = "csv"
    since: AwareDatetime | None = Field(default=None, description="rows from this instant on; none: all")
    until: AwareDatetime | None = Field(
        default=None, description="before this one; none, or too late: as far as no row can be missed"
    )
    campaign_id: int | None = Field(default=None, ge=1, lt=2**63, description="only of this campaign")


class Asked(BaseModel):
    """An export has begun."""

    id: int
    state: str = Field(examples=["running"])
    address: str = Field(description="where to see how far it is")


class Told(BaseModel):
    """How far it is, and where its file is fetched."""

    id: int
    what: str
    format: str
    since: datetime | None
    until: datetime | None = Field(description="when finished: give it as `since` of the next export")
    campaign_id: int | None
    state: str = Field(description="running, finished, failed or expired", examples=["finished"])
    rows: int
    bytes: int | None
    error: str | None = Field(description="why it failed, in sentences")
    actor: str
    asked_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    file: str | None = Field(description="where its file is fetched; null unless it is finished")


@router.post("", status_code=202, summary="Ask for an export", responses=responses(404, 409))
async def ask(services: With, key: SignedIn, request: Request, response: Response, body: AskExport) -> Asked:
    """Rows of the last minutes are left for the next export, so that none is lost or doubled between two.

    Exports of contacts are not for the role `analyst`, as contacts themselves are not.
    """
    _may(key.role, body.what)
    now = services.clock.now()
    async with services.db.transaction() as tx:
        if body.campaign_id is not None:
            await campaigns.find(tx, f"#{body.campaign_id}")
        made = await store.begin(
            tx,
            what=body.what,
            format_=body.format,
            since=body.since,
            until=body.until,
            campaign_id=body.campaign_id,
            host=services.replica.host,
            actor=actor_of(key),
            now=now,
            rate=services.clock.rate,
        )
        await accounts.audit(tx, actor_of(key), "export.ask", f"export:{made}", now, {"what": body.what})
    await ExportErrand.start(services, made, actor_of(key), request.app.state.children)
    address = f"{API}/exports/{made}"
    response.headers["Location"] = address
    return Asked(id=made, state="running", address=address)


@router.get("", summary="List exports, newest first", responses=responses(400))
async def list_exports(services: With, asked: Paged) -> Page[Told]:
    """Also those that have failed or expired."""
    async with services.db.connection() as tx:
        rows = await store.listed(tx, asked.after, asked.limit + 1)
    return page_of([_told(row, services) for row in rows], asked, [row.id for row in rows])


@router.get("/{export_id}", summary="An export, as far as it is", responses=responses(404))
async def get_export(services: With, export_id: Id) -> Told:
    """Ask again while it is running."""
    async with services.db.connection() as tx:
        return _told(await store.get(tx, export_id), services)


@router.get(
    "/{export_id}/file", summary="Its file", responses=responses(404, 409), response_class=FileResponse
)
async def get_file(services: With, key: SignedIn, export_id: Id) -> FileResponse:
    """Each download stands in the audit trail."""
    async with services.db.connection() as tx:
        row = await store.get(tx, export_id)
    _may(key.role, row.what)
    path = FilePath(row.path or "")
    if row.state != "finished":
        raise Conflict(
            f"Export {export_id} is {row.state}.", "Its file is there when it is finished, for a week."
        )
    if not await asyncio.to_thread(path.is_file):
        raise Conflict(
            f"The file of export {export_id} lies on {row.host}, not here.",
            "Fetch it from the process that runs there, or ask for a new export.",
        )
    async with services.db.transaction() as tx:
        now = services.clock.now()
        await accounts.audit(tx, actor_of(key), "export.download", f"export:{export_id}", now, {})
    name = f"{row.what}-{file_name(row.id, row.format)}"
    return FileResponse(path, media_type=_MEDIA[row.format], filename=name)


def _may(role: Role, what: str) -> None:
    if what == "contacts" and role is Role.ANALYST:
        raise NotAllowed(
            "Contacts are not for the role analyst.", "Use a key with the role operator or admin."
        )


def _told(row: Export, services: With) -> Told:
    state, error = row.state, row.error
    if state == "running" and services.clock.now() - row.beat_at > store.SILENT * services.clock.rate:
        state, error = "failed", "Its process ended before it was done. Ask for a new one."
    told = {name: getattr(row, name) for name in Told.model_fields if name not in ("state", "error", "file")}
    file = f"{API}/exports/{row.id}/file" if state == "finished" else None
    return Told(**told, state=state, error=error, file=file)
