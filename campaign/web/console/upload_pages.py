"""Upload a list: send a file, see how it is understood, say what is what, and let it be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import UploadFile

from campaign.domain.contact_sheet import CONSENT_LEVELS
from campaign.domain.errors import BadFile, BadInput, CampaignError, TooLarge
from campaign.domain.headers import FIELDS
from campaign.domain.phone import is_region
from campaign.flow import first_rows
from campaign.flow.first_rows import FirstRows
from campaign.flow.intake import Begun, Options
from campaign.store import campaigns
from campaign.web import uploads
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page, query
from campaign.web.deps import With
from campaign.web.import_child import UPLOADS, ImportRefused, start_import
from campaign.web.uploads import Staged
from campaign.wiring import Services, token

router = APIRouter(include_in_schema=False)

UPLOAD = CONSOLE + "/lists/upload"
SENT = CONSOLE + "/lists/uploads/{token}"
Name = Annotated[str, Query(max_length=200, alias="list")]


@router.get(UPLOAD)
async def show_upload(request: Request, viewer: Seen, services: With, into: Name = "") -> HTMLResponse:
    """Where a file is dropped or chosen."""
    return _upload_page(request, viewer, services, into)


def _upload_page(
    request: Request,
    viewer: Viewer,
    services: Services,
    into: str,
    error: CampaignError | None = None,
) -> HTMLResponse:
    most = services.settings.max_upload_bytes
    status = 200 if error is None else error.status
    return page(
        request, viewer, "upload.html", status, error=error, into=into, most=most, most_mb=most // uploads.MB
    )


@router.post(UPLOAD)
async def upload(request: Request, viewer: Seen, services: With) -> Response:
    """Keep the file, and go on to its first rows. Who asks is known before the file is read."""
    try:
        form = await request.form(max_files=1, max_fields=10)
        into, file = str(form.get("list") or "")[:200], form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise BadFile("No file was chosen.", "Choose a CSV.")
        sent = await run_in_threadpool(
            uploads.stage,
            file.file,
            data_dir=services.data_dir,
            token=token(),
            file_name=file.filename,
            user_id=viewer.user.id,
            max_bytes=services.settings.max_upload_bytes,
            now=viewer.now,
        )
        try:
            await run_in_threadpool(first_rows.look, sent.path, mapping=None, region="US", now=viewer.now)
        except BadInput:
            uploads.drop(sent)
            raise
    except (BadInput, TooLarge) as error:
        return _upload_page(request, viewer, services, into, error)
    finally:
        await request.close()
    path = SENT.replace("{token}", sent.token)
    return await go_on(services, viewer, path + (query({"list": into}) if into else ""))


# ── what is what ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says of a file.

    Args:
        what: for each column a field of ours, or "" for a variable; None: not said yet, so guessed.
        faults: field of the form → what is wrong with it.
    """

    what: tuple[str, ...] | None
    list_name: str
    region: str
    consent: str
    consent_source: str
    consent_date: str
    consent_at: datetime | None
    faults: Mapping[str, str]

    def options(self, header: tuple[str, ...]) -> Options:
        """As an import takes them."""
        given = bool(self.consent) and self.consent != "none"
        return Options(
            region=self.region if is_region(self.region) else None,
            mapping={} if self.what is None else first_rows.chosen(header, self.what),
            consent=self.consent or None,
            consent_source=self.consent_source if given else None,
            consent_at=self.consent_at if given else None,
        )


async def _asked(request: Request, viewer: Viewer) -> Asked:
    form = await request.form(max_fields=600)

    def said(name: str, most: int = 500) -> str:
        return str(form.get(name) or "").replace("\0", "").strip()[:most]

    what = tuple(str(one) for one in form.getlist("what"))
    faults: dict[str, str] = {}
    for field in {one for one in what if one}:
        if field not in FIELDS:
            faults["what"] = f"“{field[:40]}” is no field of ours."
        elif what.count(field) > 1:
            faults["what"] = f"Two columns are “{FIELD_WORDS[field]}”: leave it with one of them."
    if not 1 <= len(said("list_name", 201)) <= 200:
        faults["list_name"] = "Name the list: 1 to 200 characters."
    region = said("region", 10).upper()
    if not is_region(region):
        faults["region"] = "This is no country. Write its two letters, such as US or DE."
    consent, source, day = said("consent", 40), said("consent_source"), said("consent_date", 10)
    at = None
    if consent and consent not in CONSENT_LEVELS:
        faults["consent"] = "Choose one of these."
    if consent and consent != "none":
        at = _instant(day, viewer)
        if at is None:
            faults["consent_date"] = "Say when it was given, at the latest."
        elif at > viewer.now:
            faults["consent_date"] = "This day lies in the future."
        if len(source) < 3:
            faults["consent_source"] = "Say how it was given: the form, the contract, the call."
    return Asked(what, said("list_name"), region, consent, source, day, at, faults)


def _instant(day: str, viewer: Viewer) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(day), time(), viewer.zone).astimezone(UTC)
    except ValueError:
        return None


async def _look(viewer: Viewer, sent: Staged, asked: Asked) -> FirstRows:
    """How the file is understood; a choice that can't be meant leaves the guess, and is told as a fault."""
    clear = "what" not in asked.faults
    head = await run_in_threadpool(first_rows.look, sent.path, mapping=None, region=None, now=viewer.now)
    if asked.what is None or not clear:
        options = Options(region=asked.region if is_region(asked.region) else None)
    else:
        options = asked.options(head.header)
    return await run_in_threadpool(
        first_rows.look,
        sent.path,
        mapping=options.mapping or None,
        region=options.region,
        now=viewer.now,
        attestation=options.attestation(viewer.actor),
    )


@router.get(SENT)
async def show_sent(
    request: Request, viewer: Seen, services: With, token: str, into: Name = ""
) -> HTMLResponse:
    """The file's columns as we guess them, its first rows, and what else there is to say."""
    sent = uploads.staged(services.data_dir, token, viewer.user.id)
    name = into or Path(sent.file_name).stem[:200]
    asked = Asked(None, name, "US", "", "", "", None, {})
    return await _sent_page(request, viewer, services, sent, asked)


async def _sent_page(
    request: Request,
    viewer: Viewer,
    services: Services,
    sent: Staged,
    asked: Asked,
    error: CampaignError | None = None,
) -> HTMLResponse:
    found = await _look(viewer, sent, asked)
    async with services.db.connection() as tx:
        lists = await campaigns.list_names(tx, "contact_lists")
    refused = error is not None or bool(asked.faults)
    return page(
        request,
        viewer,
        "upload_columns.html",
        (error.status if error else 422) if refused else 200,
        sent=sent,
        asked=asked,
        found=found,
        what=list(asked.what) if asked.what and len(asked.what) == len(found.header) else found.what,
        lists=lists,
        error=error,
        words=FIELD_WORDS,
        levels=LEVEL_WORDS,
        address=SENT.replace("{token}", sent.token),
    )


@router.post(SENT + "/look")
async def look_again(request: Request, viewer: Seen, services: With, token: str) -> HTMLResponse:
    """What the first rows become by what was chosen: a part of the page."""
    sent = uploads.staged(services.data_dir, token, viewer.user.id)
    asked = await _asked(request, viewer)
    found = await _look(viewer, sent, asked)
    return page(request, viewer, "upload_rows.html", found=found, asked=asked, words=FIELD_WORDS)


@router.post(SENT + "/import")
async def begin(request: Request, viewer: Seen, services: With, token: str) -> Response:
    """Let the file be read, by a process of its own; the page of the import tells how far it is."""
    sent = uploads.staged(services.data_dir, token, viewer.user.id)
    asked = await _asked(request, viewer)
    if asked.faults:
        return await _sent_page(request, viewer, services, sent, asked)
    found = await _look(viewer, sent, asked)
    if found.fault is not None:
        none = BadFile(found.fault.what, "Choose “Phone number” for the column that holds them.")
        return await _sent_page(request, viewer, services, sent, asked, none)
    try:
        begun = await _start(request, viewer, services, sent, asked, found)
    except ImportRefused as error:
        return await _sent_page(request, viewer, services, sent, asked, error)
    uploads.drop(sent)
    said = ""
    if begun.again:
        said = "This very file was imported before, in the same way: nothing has changed."
    elif begun.resumed:
        said = "This file's interrupted import goes on where it stood."
    return await go_on(services, viewer, f"{CONSOLE}/imports/{begun.id}", said, kind="info")


async def _start(
    request: Request, viewer: Viewer, services: Services, sent: Staged, asked: Asked, found: FirstRows
) -> Begun:
    place = services.data_dir / UPLOADS / f"{token()}.csv"  # its own: the button may be pressed twice
    kept = await run_in_threadpool(uploads.handed_on, sent, place)
    return await start_import(
        services,
        kept,
        list_name=asked.list_name,
        options=asked.options(found.header),
        file_name=sent.file_name,
        actor=viewer.actor,
        children=request.app.state.children,
    )


@router.post(SENT + "/drop")
async def drop(viewer: Seen, services: With, token: str) -> Response:
    """Not this file after all."""
    uploads.drop(uploads.staged(services.data_dir, token, viewer.user.id))
    return await go_on(services, viewer, UPLOAD, "The file is removed; nothing of it was taken.", kind="info")


FIELD_WORDS = {
    "phone": "Phone number",
    "phone_2": "Second number",
    "phone_3": "Third number",
    "phone_4": "Fourth number",
    "phone_5": "Fifth number",
    "zone": "Time zone",
    "state": "State or region",
    "postal_code": "Postal code",
    "country": "Country",
    "party": "Consumer or business",
    "consent": "Consent: which",
    "consent_at": "Consent: when",
    "consent_source": "Consent: how given",
    "do_not_call": "Do not call",
    "external_id": "Your own id",
}
"""Field of a sheet → what people call it."""

LEVEL_WORDS = {
    "none": "no consent",
    "ebr": "established business relationship",
    "express_oral": "express consent, given orally",
    "express_written": "express written consent",
}
"""Level of consent → what it is."""
