"""Single contacts: look at, add, edit, remove, and a contact's whole story."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from campaign.domain import phone as phones
from campaign.flow import contact_edits, explain
from campaign.store import contacts as store
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import Page, Paged, With, page_of
from campaign.web.problems import responses

router = APIRouter(prefix=API + "/contacts", tags=["Contacts"], dependencies=[guard], responses=responses())

Id = Annotated[int, Path(ge=1, lt=2**63)]
Cell = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Consent = Literal["none", "ebr", "express_oral", "express_written"]
Party = Literal["consumer", "business", "unknown"]
_EXAMPLE: dict[str, JsonValue] = {
    "list_name": "spring",
    "phones": ["+12025550123"],
    "state": "DC",
    "consent": "express_written",
    "consent_at": "2026-10-01T12:00:00Z",
    "consent_source": "web form",
    "variables": {"first_name": "Ana", "plan": "Solar 5"},
}


class ContactFields(BaseModel):
    """What may be said of a contact; on an edit, what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    phones: list[Cell] | None = Field(
        default=None, min_length=1, max_length=5, description="1 to 5 numbers in the order to be tried"
    )
    zone: Cell | None = Field(default=None, description="time zone", examples=["America/Chicago"])
    state: Cell | None = Field(default=None, description="state or region", examples=["FL"])
    postal_code: Cell | None = None
    country: Cell | None = Field(default=None, description="ISO code; also of numbers without +")
    party: Party | None = None
    consent: Consent | None = None
    consent_at: AwareDatetime | None = None
    consent_source: Cell | None = None
    do_not_call: bool | None = Field(
        default=None, description="true: all numbers go on our own do-not-call list; false changes nothing"
    )
    external_id: Cell | None = None
    variables: dict[Cell, Cell] | None = Field(
        default=None, max_length=200, description="for the script; on an edit they replace the old ones"
    )


class NewContact(ContactFields):
    """A contact to add to a list."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    list_name: Cell = Field(min_length=1, max_length=200, description="a contact list that exists")
    phones: list[Cell] = Field(min_length=1, max_length=5)


class Contact(BaseModel):
    """One person of a list."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    list_id: int
    list_name: str
    import_id: int | None = Field(description="null: added singly")
    line: int | None = Field(description="line of the imported file")
    external_id: str | None
    phones: list[str]
    place: str = Field(description="where the person may be: countries|regions|zones")
    said_zone: str | None
    state: str | None
    postal_code: str | None
    party: str
    consent: str
    consent_at: datetime | None
    consent_source: str | None
    variables: dict[str, str]
    created_at: datetime
    updated_at: datetime | None


class Removed(BaseModel):
    """What removing did."""

    id: int
    gone: bool = Field(
        description="false: the contact was called before; its record stays, and it is never called again"
    )


@router.get("", summary="Contacts of a list, in their order", responses=responses(400))
async def list_contacts(
    services: With, asked: Paged, list_id: Annotated[int, Query(ge=1, lt=2**63)]
) -> Page[Contact]:
    """Those of an import that has not finished are not shown."""
    async with services.db.connection() as tx:
        rows = await store.page(tx, list_id, after=asked.after or 0, most=asked.limit + 1)
    return page_of([Contact.model_validate(row) for row in rows], asked, [row.id for row in rows])


@router.post("", status_code=201, summary="Add a contact", responses=responses(400, 404, 409))
async def add_contact(services: With, key: SignedIn, body: NewContact, response: Response) -> Contact:
    """It is enrolled at once in the campaigns of its list, also in running ones."""
    now = services.clock.now()
    async with services.db.transaction() as tx:
        fields = body.model_dump(exclude={"list_name"}, exclude_none=True)
        made = await contact_edits.add(tx, body.list_name, fields, source="api", actor=actor_of(key), now=now)
    response.headers["Location"] = f"{API}/contacts/{made.id}"
    return Contact.model_validate(made)


@router.get("/{contact_id}", summary="One contact", responses=responses(404))
async def get_contact(services: With, contact_id: Id) -> Contact:
    """With its numbers, consent and variables."""
    async with services.db.connection() as tx:
        return Contact.model_validate(await store.get(tx, contact_id))


@router.patch("/{contact_id}", summary="Edit a contact", responses=responses(400, 404, 409))
async def edit_contact(services: With, key: SignedIn, contact_id: Id, body: ContactFields) -> Contact:
    """What is left out stays; null empties a field."""
    now = services.clock.now()
    async with services.db.transaction() as tx:
        fields = body.model_dump(exclude_unset=True)
        edited = await contact_edits.edit(tx, contact_id, fields, source="api", actor=actor_of(key), now=now)
    return Contact.model_validate(edited)


@router.delete("/{contact_id}", summary="Remove a contact", responses=responses(404, 409))
async def remove_contact(services: With, key: SignedIn, contact_id: Id) -> Removed:
    """Refused while a call to it is under way. To never call a number again, use POST /dnc."""
    async with services.db.transaction() as tx:
        gone = await store.remove(tx, contact_id, actor=actor_of(key), now=services.clock.now())
    return Removed(id=contact_id, gone=gone)


@router.get("/{contact_id}/story", summary="A contact's whole story", responses=responses(404))
async def get_story(services: With, contact_id: Id) -> dict[str, Any]:
    """For its first number: what is known of it, what forbids or delays a call by every rule as it would be
    decided now, the decisions that were kept, and every attempt."""
    async with services.db.connection() as tx:
        found = await store.get(tx, contact_id)
    number = phones.parse(found.phones[0], None)
    assert isinstance(number, phones.PhoneNumber), "stored numbers are valid"
    told = await explain.explain(
        services.db, number, services.clock.now(), rulebook=services.rulebook, rates=services.rates
    )
    return explain.to_json(told)
