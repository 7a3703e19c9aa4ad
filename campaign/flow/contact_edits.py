"""Single contacts written by people and programs: read by the same rules as an imported file's rows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaign.domain.contact_sheet import Columns, ContactRow, RowParser, variable_name
from campaign.domain.csv_reader import RowError
from campaign.domain.errors import BadInput
from campaign.domain.headers import FIELDS, NUMBER_FIELDS
from campaign.flow import enrol, suppress
from campaign.store import contacts as store
from campaign.store.database import Tx


async def add(
    tx: Tx, list_name: str, fields: Mapping[str, Any], *, source: str, actor: str, now: datetime
) -> store.Contact:
    """Add a contact to a list; it is enrolled at once in the campaigns of the list, also in running ones.

    Args:
        fields: `phones` (1 to 5 texts in their order), `variables` (name → text), and any other of FIELDS.
        source: the door that it came by: "api" or "console", for a do-not-call entry of its own.

    Raises:
        NotFound: there is no such list. BadInput: naming the field that can't be used. Conflict: the list
        has a contact with this first number.
    """
    found = await store.list_named(tx, list_name)
    row = row_of(fields, found.region, now)
    contact_id = await store.add(tx, found.id, row, actor=actor, now=now)
    await store.add_columns(tx, found.id, list(row.variables))
    await suppress.as_marked(tx, row, source=source, actor=actor, now=now)
    await enrol.enrol_contact(tx, contact_id, now)
    return await store.get(tx, contact_id)


async def edit(
    tx: Tx, contact_id: int, fields: Mapping[str, Any], *, source: str, actor: str, now: datetime
) -> store.Contact:
    """Change some fields of a contact; None empties one, what is left out stays.

    Raises:
        NotFound: there is no such contact. BadInput, Conflict: as for `add`.
    """
    before = await store.get(tx, contact_id)
    found = await store.list_named(tx, before.list_name)
    row = row_of(fields_of(before) | dict(fields), found.region, now)
    await store.replace(tx, contact_id, row, actor=actor, now=now)
    await store.add_columns(tx, found.id, list(row.variables))
    await suppress.as_marked(tx, row, source=source, actor=actor, now=now)
    return await store.get(tx, contact_id)


def fields_of(contact: store.Contact) -> dict[str, Any]:
    """A contact as the fields that `add` takes."""
    return {
        "phones": list(contact.phones),
        "zone": contact.said_zone,
        "state": contact.state,
        "postal_code": contact.postal_code,
        "party": contact.party,
        "consent": contact.consent,
        "consent_at": contact.consent_at,
        "consent_source": contact.consent_source,
        "external_id": contact.external_id,
        "variables": dict(contact.variables),
    }


def row_of(given: Mapping[str, Any], region: str | None, now: datetime) -> ContactRow:
    """The fields as a row of a sheet.

    Raises:
        BadInput: a field can't be used.
    """
    cells: dict[str, str] = dict(zip(NUMBER_FIELDS, given.get("phones") or (), strict=False))
    for name in FIELDS:
        value = given.get(name)
        if name not in NUMBER_FIELDS and value is not None:
            cells[name] = value.isoformat() if isinstance(value, datetime) else str(value)
    variables = {variable_name(name): text for name, text in (given.get("variables") or {}).items()}
    if "" in variables:
        raise BadInput("A variable needs a name with letters or digits.")
    header = (*cells, *(f"variables.{name}" for name in variables))
    columns = Columns(
        header,
        {name: place for place, name in enumerate(cells)},
        tuple((name, len(cells) + place) for place, name in enumerate(variables)),
    )
    row = RowParser(columns, region=region, now=now)(1, [*cells.values(), *variables.values()])
    if isinstance(row, RowError):
        raise BadInput(f"`{row.column}`: {row.why}.", field=row.column, code=row.code)
    return row
