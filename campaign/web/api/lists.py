"""Contact lists and the imports that fill them."""

import shutil
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from campaign.domain.contact_sheet import CONSENT_LEVELS
from campaign.domain.errors import BadInput, NotFound
from campaign.flow import intake
from campaign.store import browse
from campaign.store import imports as store
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import Page, Paged, With, page_of
from campaign.web.import_child import UPLOADS, start_import
from campaign.web.problems import responses
from campaign.wiring import token

router = APIRouter(prefix=API, tags=["Contacts"], dependencies=[guard], responses=responses())

Id = Annotated[int, Path(ge=1, lt=2**63)]
Text = Annotated[str | None, Form(max_length=500, pattern=r"^[^\x00]*$")]


class ContactList(BaseModel):
    """A list of people to call."""

    id: int
    name: str
    region: str | None = Field(description="country of numbers written without +")
    columns: list[str] = Field(description="columns that scripts may use")
    created_by: str
    created_at: datetime


class ContactListDetail(ContactList):
    """A list with the number of its contacts."""

    contacts: int


class Import(BaseModel):
    """A file that is or was read. `rows_read` = taken + repeated + known + rejected."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: str = Field(examples=["contacts"])
    list_id: int | None
    list_name: str
    file_name: str
    file_bytes: int
    state: str = Field(
        examples=["running"],
        description="running, finished, failed, interrupted (upload the same file again to go on), discarded",
    )
    byte_offset: int = Field(description="how far it has come; of `file_bytes`")
    rows_read: int
    rows_taken: int
    rows_repeated: int = Field(description="a number that stood in the file before")
    rows_known: int = Field(description="a number that the list had already")
    rows_rejected: int
    rows_on_dnc: int = Field(description="of those taken: on a do-not-call list, so never called")
    rejected_why: dict[str, int]
    rows_per_second: float | None = Field(description="since it was begun or taken up again")
    seconds_left: float | None = Field(description="while it runs: at the speed so far")
    error: str | None
    actor: str
    started_at: datetime
    finished_at: datetime | None


class ImportList(BaseModel):
    """Imports, newest first."""

    items: list[Import]


class Accepted(BaseModel):
    """The file is being read."""

    import_id: int
    address: str = Field(examples=["/api/v1/imports/7"], description="ask there how far it is")
    again: bool = Field(description="true: this very file was read before; nothing is read again")
    resumed: bool = Field(description="true: an interrupted import of this file goes on")


@router.get("/contact-lists", summary="List contact lists, newest first", responses=responses(400))
async def list_contact_lists(services: With, asked: Paged) -> Page[ContactList]:
    """Without the numbers of their contacts; one list's own address has that."""
    async with services.db.connection() as tx:
        rows = await browse.contact_list_page(tx, asked.after, asked.limit + 1)
    return page_of([ContactList(**row) for row in rows], asked, [row["id"] for row in rows])


@router.get("/contact-lists/{list_id}", summary="One contact list", responses=responses(404))
async def get_contact_list(services: With, list_id: Id) -> ContactListDetail:
    """Contacts of unfinished imports are not counted."""
    async with services.db.connection() as tx:
        row = await browse.contact_list(tx, list_id)
    if row is None:
        raise NotFound(f"There is no contact list {list_id}.", "GET /api/v1/contact-lists lists them.")
    return ContactListDetail(**row)


@router.post(
    "/contact-lists",
    status_code=202,
    summary="Upload a contact list",
    responses=responses(400, 409, 413) | {202: {"headers": {"Location": {"schema": {"type": "string"}}}}},
)
async def upload_contact_list(
    services: With,
    key: SignedIn,
    request: Request,
    response: Response,
    file: Annotated[UploadFile, Form(description="CSV as people export it: any encoding, any delimiter")],
    list_name: Annotated[str, Form(min_length=1, max_length=200, pattern=r"^[^\x00]*$")],
    region: Annotated[str | None, Form(pattern="^[A-Z]{2}$", description="of numbers without +")] = None,
    column: Annotated[
        list[str] | None,
        Form(max_length=50, description="FIELD=HEADER for columns that are not recognised: phone=Mobile No"),
    ] = None,
    consent: Annotated[
        str | None, Form(pattern=f"^({'|'.join(CONSENT_LEVELS)})$", description="attested for all rows")
    ] = None,
    consent_source: Text = None,
    consent_at: Annotated[AwareDatetime | None, Form()] = None,
) -> Accepted:
    """Answers as soon as the header is understood; the rows are read by a process of their own.

    The list is made if there is none of that name. One bad row never costs the others: `rejected.csv` at the
    import's address has them, ready to be mended and uploaded again. Contacts become visible to campaigns
    when the whole file is read.
    """
    options = intake.Options(
        region=region,
        mapping=_mapping(column or ()),
        consent=consent,
        consent_source=consent_source,
        consent_at=consent_at,
    )
    options.check(services.clock.now())
    kept = await run_in_threadpool(_keep, file, services.data_dir / UPLOADS)
    begun = await start_import(
        services,
        kept,
        list_name=list_name,
        options=options,
        file_name=File(file.filename or "upload.csv").name[:200].replace("\0", ""),
        actor=actor_of(key),
        children=request.app.state.children,
    )
    address = f"{API}/imports/{begun.id}"
    response.headers["Location"] = address
    return Accepted(import_id=begun.id, address=address, again=begun.again, resumed=begun.resumed)


@router.get("/imports", summary="List imports, newest first")
async def list_imports(
    services: With,
    list_name: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> ImportList:
    """Of all contact lists, or of one."""
    async with services.db.connection() as tx:
        rows = await store.listed(tx, kind="contacts", list_name=list_name, most=limit)
    return ImportList(items=[Import.model_validate(row) for row in rows])


@router.get("/imports/{import_id}", summary="How far an import is", responses=responses(404))
async def get_import(services: With, import_id: Id) -> Import:
    """What was read so far, and what of it was taken."""
    async with services.db.connection() as tx:
        return Import.model_validate(await store.get(tx, import_id))


@router.get(
    "/imports/{import_id}/rejected.csv",
    summary="The rejected rows, to be mended and uploaded again",
    response_class=StreamingResponse,
    responses=responses(404) | {200: {"content": {"text/csv": {}}}},
)
async def get_rejected(services: With, import_id: Id) -> StreamingResponse:
    """The file's own columns, then the line and the reason. An upload of it passes over these two."""
    async with services.db.connection() as tx:
        await store.get(tx, import_id)

    async def lines() -> AsyncIterator[str]:
        yield "\ufeff"  # so that spreadsheets read UTF-8
        async for line in intake.rejected_csv(services.db, import_id):
            yield line

    name = f"attachment; filename=rejected-{import_id}.csv"
    return StreamingResponse(lines(), media_type="text/csv", headers={"Content-Disposition": name})


def _mapping(pairs: list[str] | tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        field, given, header = pair.partition("=")
        if not given or not field.strip() or not header.strip():
            raise BadInput("`column` is not FIELD=HEADER.", "Write for example: phone=Mobile No")
        found[field.strip()] = header.strip()
    return found


def _keep(upload: UploadFile, folder: File) -> File:
    """Keep an upload below the data directory, readable by this user only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / f"{token()}.csv"
    with place.open("xb") as kept:
        place.chmod(0o600)
        shutil.copyfileobj(upload.file, kept, 1 << 20)
    return place
