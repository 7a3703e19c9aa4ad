"""One contact: added, looked at, edited, removed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain.errors import BadInput, CampaignError, Conflict
from campaign.flow import contact_edits
from campaign.store import contacts, shelf
from campaign.store.contacts import Contact
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.console.list_pages import list_of
from campaign.web.console.upload_pages import LEVEL_WORDS
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

LIST = CONSOLE + "/lists/{list_id}"
CONTACT = CONSOLE + "/contacts/{contact_id}"
MOST_VARIABLES = 60
"""Columns of a list that its form has fields for."""
_PLAIN = ("zone", "state", "postal_code", "country", "party", "consent", "consent_source", "external_id")
Id = Annotated[int, Path(ge=1, lt=2**63)]
Given = Mapping[str, Any]


@router.get(LIST + "/contacts/new")
async def show_new(request: Request, viewer: Seen, services: With, list_id: Id) -> HTMLResponse:
    """An empty form."""
    return await _form(request, viewer, services, list_id, {}, None)


@router.post(LIST + "/contacts")
async def add(request: Request, viewer: Seen, services: With, list_id: Id) -> Response:
    """Add somebody to the list; campaigns that call it take the person up at once."""
    given = await _given(request)
    async with services.db.connection() as tx:
        head = await list_of(tx, list_id)
    try:
        async with services.db.transaction() as tx:
            made = await contact_edits.add(
                tx,
                head["name"],
                {name: value for name, value in given.items() if value is not None},
                source="console",
                actor=viewer.actor,
                now=viewer.now,
            )
    except (BadInput, Conflict) as error:
        return await _form(request, viewer, services, list_id, given, None, error)
    return await go_on(services, viewer, f"{CONSOLE}/contacts/{made.id}", "The contact is on the list.")


@router.get(CONTACT)
async def show_contact(request: Request, viewer: Seen, services: With, contact_id: Id) -> HTMLResponse:
    """What is known of a contact, in the form in which it is edited."""
    async with services.db.connection() as tx:
        found = await contacts.get(tx, contact_id)
    return await _form(request, viewer, services, found.list_id, contact_edits.fields_of(found), found)


@router.post(CONTACT)
async def edit(request: Request, viewer: Seen, services: With, contact_id: Id) -> Response:
    """Write a contact anew; what the form has no field for stays."""
    given = await _given(request)
    async with services.db.connection() as tx:
        found = await contacts.get(tx, contact_id)
    written = {name: value for name, value in given["variables"].items() if value or name in found.variables}
    variables = {**found.variables, **written}
    if given["consent_at"] == _day(found.consent_at):
        given["consent_at"] = found.consent_at  # to the second, as it was
    try:
        async with services.db.transaction() as tx:
            await contact_edits.edit(
                tx,
                contact_id,
                {**given, "variables": variables},
                source="console",
                actor=viewer.actor,
                now=viewer.now,
            )
    except (BadInput, Conflict) as error:
        return await _form(request, viewer, services, found.list_id, given, found, error)
    return await go_on(services, viewer, f"{CONSOLE}/contacts/{contact_id}", "Saved.")


@router.post(CONTACT + "/remove")
async def remove(viewer: Seen, services: With, contact_id: Id) -> Response:
    """Take a contact off its list; who was called before stays in the books and is called no more."""
    async with services.db.transaction() as tx:
        found = await contacts.get(tx, contact_id)
        gone = await contacts.remove(tx, contact_id, actor=viewer.actor, now=viewer.now)
    said = (
        "The contact is removed."
        if gone
        else "This contact was called before: its record stays in the books, and nobody calls it again."
    )
    return await go_on(services, viewer, f"{CONSOLE}/lists/{found.list_id}", said)


async def _given(request: Request) -> dict[str, Any]:
    """The form's fields as `contact_edits` takes them; an empty field is None."""
    form = await request.form(max_fields=200)

    def said(name: str) -> str | None:
        return str(form.get(name) or "").replace("\0", "").strip()[:4000] or None

    given: dict[str, Any] = {name: said(name) for name in _PLAIN}
    numbers = [said(f"phone_{n}") for n in range(1, 6)]
    given["phones"] = [one for one in numbers if one]
    given["consent_at"] = said("consent_at")
    given["variables"] = {
        str(name)[4:][:100]: str(value).replace("\0", "").strip()[:4000]
        for name, value in form.multi_items()
        if str(name).startswith("var.")
    }
    return given


def _day(at: datetime | str | None) -> str:
    """A consent's day as files write it: of the instant in UTC, whoever looks and wherever."""
    return at.astimezone(UTC).date().isoformat() if isinstance(at, datetime) else at or ""


async def _form(
    request: Request,
    viewer: Viewer,
    services: Services,
    list_id: int,
    given: Given,
    found: Contact | None,
    error: CampaignError | None = None,
) -> HTMLResponse:
    async with services.db.connection() as tx:
        head = await list_of(tx, list_id)
        callers = [one for one in await shelf.callers(tx, list_id) if one.attached]
    variables = given.get("variables") or {}
    names = [*dict.fromkeys([*head["columns"], *variables])][:MOST_VARIABLES]
    field = str(error.data.get("field") or "") if error else ""
    return page(
        request,
        viewer,
        "contact.html",
        error.status if error else 200,
        head=head,
        found=found,
        given={**dict.fromkeys(_PLAIN), **given},
        phones=[*(given.get("phones") or []), *[""] * 5][:5],
        day=_day(given.get("consent_at")),
        variables={name: variables.get(name, "") for name in names},
        callers=callers,
        error=error,
        faults={field: error.what.partition(": ")[2] or error.what} if error and field else {},
        levels=LEVEL_WORDS,
    )
