"""Contact lists and contacts: single ones by hand, millions by COPY."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa
from sqlalchemy import text

from campaign.domain.contact_sheet import Consent, ContactRow, Whereabouts
from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.store.accounts import audit
from campaign.store.database import Tx
from campaign.store.dnc import ON_VERSIONS
from campaign.store.models import contact_lists, contacts

# Contacts of an import that has not finished are invisible everywhere but to that import.
_VISIBLE = """
    (k.import_id IS NULL
     OR EXISTS (SELECT 1 FROM imports i WHERE i.id = k.import_id AND i.state = 'finished'))
"""
_COLUMNS = (
    "list_id, import_id, line, external_id, phone, other_phones, place, said_zone, state, postal_code, "
    "party, consent, consent_at, consent_source, variables, created_at"
)


@dataclass(frozen=True, slots=True)
class ContactList:
    """A list to call. `columns`: names that scripts may use; `region`: country of numbers without "+"."""

    id: int
    name: str
    region: str | None
    columns: Sequence[str]
    created_by: str
    created_at: datetime
    contacts: int


@dataclass(frozen=True, slots=True)
class Contact:
    """One person of a list; see models for the columns.

    `phones` are in order; the first is unique in the list.
    """

    id: int
    list_id: int
    list_name: str
    import_id: int | None
    line: int | None
    external_id: str | None
    phones: Sequence[str]
    place: str
    said_zone: str | None
    state: str | None
    postal_code: str | None
    party: str
    consent: str
    consent_at: datetime | None
    consent_source: str | None
    variables: Mapping[str, str]
    created_at: datetime
    updated_at: datetime | None


async def ensure_list(tx: Tx, name: str, region: str | None, actor: str, now: datetime) -> ContactList:
    """A contact list by name, made if it isn't there yet.

    Args:
        region: ISO country for a new list; an old list keeps its own unless it had none.

    Raises:
        BadInput: the name is empty or too long.
    """
    name = name.strip()
    if not 1 <= len(name) <= 200:
        raise BadInput("The name of a contact list has 1 to 200 characters.")
    made = await tx.execute(
        text(
            """
            INSERT INTO contact_lists AS l (name, region, created_by, created_at)
            VALUES (:name, :region, :actor, :now)
            ON CONFLICT (name) DO UPDATE SET region = coalesce(l.region, excluded.region)
            RETURNING id, (xmax = 0) AS made
            """
        ),
        {"name": name, "region": region, "actor": actor, "now": now},
    )
    row = made.one()
    if row.made:
        await audit(tx, actor, "list.create", f"list:{row.id}", now, {"name": name, "region": region})
    return await list_named(tx, name)


async def list_named(tx: Tx, name: str) -> ContactList:
    """A contact list by name; its contacts aren't counted here.

    Raises:
        NotFound: there is none of that name.
    """
    row = (await tx.execute(sa.select(contact_lists).where(contact_lists.c.name == name))).first()
    if row is None:
        raise NotFound(
            f'There is no contact list "{name}".',
            "See them with: campaign contacts lists. Make one by: campaign contacts import FILE --list NAME",
            list=name,
        )
    return ContactList(**row._mapping, contacts=0)


async def lists(tx: Tx) -> list[ContactList]:
    """All lists by name, with the number of their contacts."""
    rows = await tx.execute(
        text(
            f"""
            SELECT l.id, l.name, l.region, l.columns, l.created_by, l.created_at,
                   (SELECT count(*) FROM contacts k WHERE k.list_id = l.id AND {_VISIBLE}) AS contacts
              FROM contact_lists l ORDER BY l.name
            """  # noqa: S608 (constants of this file)
        )
    )
    return [ContactList(**row._mapping) for row in rows]


async def add_columns(tx: Tx, list_id: int, names: Sequence[str]) -> None:
    """Names of variables that contacts of the list now have; those it had stay in front."""
    await tx.execute(
        text(
            """
            UPDATE contact_lists l
               SET columns = l.columns || ARRAY(SELECT u.name FROM unnest(CAST(:names AS text[]))
                                                WITH ORDINALITY AS u (name, n)
                                                WHERE u.name <> ALL (l.columns) ORDER BY u.n)
             WHERE l.id = :id
            """
        ),
        {"id": list_id, "names": list(names)},
    )


# ── loading ────────────────────────────────────────────────────────────────────────────────────────────


class CopyLines:
    """Contacts → lines of COPY's text format; pure, so that it can run in a thread beside the database.

    Args:
        list_id, import_id: of all the contacts; now: when they came to be.
    """

    def __init__(self, list_id: int, import_id: int, now: datetime) -> None:
        self._head = f"{list_id}\t{import_id}\t"
        self._tail = f"\t{now.isoformat()}\n"
        self._json = msgspec.json.Encoder().encode
        # Rows that say the same share one object; looked up by its id, which is its own while it is kept.
        self._wheres: dict[int, tuple[Whereabouts, str]] = {}
        self._consents: dict[int, tuple[Consent, str]] = {}

    def __call__(self, row: ContactRow) -> str:
        """One line, with its line end."""
        line, phones, place, said, external_id, texts, _ = row
        others = "{" + ",".join([p.e164 for p in phones[1:]]) + "}" if len(phones) > 1 else "{}"
        variables = self._json(texts).decode()
        if "\\" in variables:
            variables = variables.replace("\\", "\\\\")
        _, where = self._wheres.get(id(place)) or self._where(place)
        _, consent = self._consents.get(id(said)) or self._consent(said)
        external = _NULL if external_id is None else _cell(external_id)
        return (
            f"{self._head}{line}\t{external}\t{phones[0].e164}\t{others}\t"
            f"{where}\t{consent}\t{variables}{self._tail}"
        )

    def _where(self, where: Whereabouts) -> tuple[Whereabouts, str]:
        if len(self._wheres) >= _MOST_KEPT:
            self._wheres.clear()
        cells = (where.said_zone, where.state, where.postal_code)
        text = "\t".join([where.place.key, *map(_cell, cells)])
        return self._wheres.setdefault(id(where), (where, text))

    def _consent(self, consent: Consent) -> tuple[Consent, str]:
        if len(self._consents) >= _MOST_KEPT:
            self._consents.clear()
        at = _NULL if consent.at is None else consent.at.isoformat()
        text = "\t".join([consent.party, consent.level, at, _cell(consent.source)])
        return self._consents.setdefault(id(consent), (consent, text))


_MOST_KEPT = 20_000  # whereabouts and consents whose text is remembered
_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _cell(value: str | None) -> str:
    if value is None:
        return _NULL
    return value if value.isalnum() else value.translate(_ESCAPES)


class NumberTaken(Conflict):
    """A contact with this first number came onto the list at the same moment."""


async def load(tx: Tx, lines: Sequence[str]) -> int:
    """Load contacts by one COPY, in the order given.

    The transaction's commit doesn't wait for the disk. Should the server crash, contacts may be gone, but
    together with all else that the transaction wrote; so the import's byte offset must be part of it. The
    next commit that does wait, as that of the import's end does, makes everything before it durable.

    Args:
        lines: as `CopyLines` makes them.

    Raises:
        NumberTaken: a number is on the list already; the transaction is spoilt.
    """
    driver = (await tx.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    try:
        async with driver.cursor() as cursor:
            await cursor.execute("SET LOCAL synchronous_commit = off")
            async with cursor.copy(f"COPY contacts ({_COLUMNS}) FROM STDIN") as copy:
                await copy.write("".join(lines))
            return cursor.rowcount
    except psycopg.errors.UniqueViolation as error:
        raise NumberTaken("A number of this batch came onto the list at the same moment.") from error


async def known(tx: Tx, list_id: int, phones: Collection[str]) -> dict[str, int | None]:
    """Those first numbers that a list has already, with the import that brought them (None: singly)."""
    # Without statistics of a table that is just being filled, the planner reads all of it for each batch.
    await tx.execute(text("SET LOCAL enable_seqscan = off"))
    rows = await tx.execute(
        text("SELECT phone, import_id FROM contacts WHERE list_id = :list_id AND phone = ANY(:phones)"),
        {"list_id": list_id, "phones": list(phones)},
    )
    found = {row.phone: row.import_id for row in rows}
    await tx.execute(text("SET LOCAL enable_seqscan = on"))
    return found


async def is_empty(tx: Tx, list_id: int) -> bool:
    """Whether a list has no contacts at all, those of unfinished imports included."""
    found = await tx.execute(
        text("SELECT NOT EXISTS (SELECT 1 FROM contacts WHERE list_id = :id)"), {"id": list_id}
    )
    return bool(found.scalar_one())


async def on_dnc(tx: Tx, list_id: int, import_id: int) -> int:
    """How many contacts of an import have a first number that stands on any do-not-call list now."""
    # Told which versions, the planner knows that it compares with a whole table.
    versions = await tx.execute(text("SELECT id FROM registry_versions WHERE state = 'active'"))
    found = await tx.execute(
        text(
            f"""
            WITH n AS NOT MATERIALIZED (
                SELECT k.id, k.phone, CAST(substr(k.phone, 2) AS bigint) AS digits
                  FROM contacts k WHERE k.list_id = :list_id AND k.import_id = :import_id
            ), listed AS (
                SELECT n.id FROM n JOIN dnc_entries e ON e.phone = n.phone
                 UNION
                SELECT n.id FROM n {ON_VERSIONS}
            )
            SELECT count(*) FROM listed
            """  # noqa: S608 (a constant)
        ),
        {"list_id": list_id, "import_id": import_id, "versions": list(versions.scalars())},
    )
    return int(found.scalar_one())


# ── single contacts ────────────────────────────────────────────────────────────────────────────────────


async def add(tx: Tx, list_id: int, row: ContactRow, *, actor: str, now: datetime) -> int:
    """Add one contact; campaigns that the list is attached to enrol it by `flow.enrol.enrol_contact`.

    Returns:
        its id.

    Raises:
        Conflict: the list has a contact with this first number.
    """
    there = await known(tx, list_id, [row.phones[0].e164])
    made = None
    if not there:
        made = (
            await tx.execute(
                sa.dialects.postgresql.insert(contacts)
                .values(list_id=list_id, created_at=now, **_values(row))
                .on_conflict_do_nothing()
                .returning(contacts.c.id)
            )
        ).scalar()
    if made is None:
        raise Conflict(
            "The list has a contact with this first number already.", "Edit that one, or remove it first."
        )
    await audit(tx, actor, "contact.add", f"contact:{made}", now, {"list_id": list_id})
    return int(made)


async def replace(tx: Tx, contact_id: int, row: ContactRow, *, actor: str, now: datetime) -> None:
    """Write a contact anew; its first number may not become another's.

    Raises:
        NotFound: there is no such contact. Conflict: the first number belongs to another contact.
    """
    before = await get(tx, contact_id)
    others = await known(tx, before.list_id, [row.phones[0].e164])
    if others and row.phones[0].e164 != before.phones[0]:
        raise Conflict("Another contact of the list has this first number.", "Remove one of the two.")
    await tx.execute(
        sa.update(contacts).where(contacts.c.id == contact_id).values(updated_at=now, **_values(row))
    )
    await audit(tx, actor, "contact.edit", f"contact:{contact_id}", now)


def _values(row: ContactRow) -> dict[str, Any]:
    return {
        "external_id": row.external_id,
        "phone": row.phones[0].e164,
        "other_phones": [phone.e164 for phone in row.phones[1:]],
        "place": row.where.place.key,
        "said_zone": row.where.said_zone,
        "state": row.where.state,
        "postal_code": row.where.postal_code,
        "party": row.consent.party,
        "consent": row.consent.level,
        "consent_at": row.consent.at,
        "consent_source": row.consent.source,
        "variables": row.variables,
    }


async def remove(tx: Tx, contact_id: int, *, actor: str, now: datetime) -> bool:
    """Remove a contact. One that was ever called keeps its record for the books and is only blocked.

    Returns:
        True when the row is gone, False when it stays blocked.

    Raises:
        NotFound: there is no such contact. Conflict: a call to it is under way.
    """
    found = await get(tx, contact_id)
    called = await tx.execute(
        text(
            """
            SELECT count(*) AS attempts, count(*) FILTER (WHERE settled_at IS NULL) AS open
              FROM attempts WHERE contact_id = :id
            """
        ),
        {"id": contact_id},
    )
    row = called.one()
    if row.open:
        raise Conflict(f"A call to contact {contact_id} is under way.", "Try again when it has ended.")
    await audit(tx, actor, "contact.remove", f"contact:{contact_id}", now, {"list": found.list_name})
    if row.attempts:
        await tx.execute(
            text(
                """
                UPDATE campaign_contacts
                   SET state = 'blocked', next_at = NULL, waiting_for = 'contact.removed', updated_at = :now
                 WHERE contact_id = :id AND state IN ('waiting', 'blocked')
                """
            ),
            {"id": contact_id, "now": now},
        )
        return False
    await tx.execute(text("DELETE FROM campaign_contacts WHERE contact_id = :id"), {"id": contact_id})
    await tx.execute(sa.delete(contacts).where(contacts.c.id == contact_id))
    return True


_SELECT = f"""
    SELECT k.id, k.list_id, l.name AS list_name, k.import_id, k.line, k.external_id,
           ARRAY[k.phone] || k.other_phones AS phones, k.place, k.said_zone, k.state, k.postal_code, k.party,
           k.consent, k.consent_at, k.consent_source, k.variables, k.created_at, k.updated_at
      FROM contacts k JOIN contact_lists l ON l.id = k.list_id
     WHERE {_VISIBLE}
"""  # noqa: S608 (constants of this file)


async def get(tx: Tx, contact_id: int) -> Contact:
    """One contact.

    Raises:
        NotFound: there is none of that number, or its import has not finished.
    """
    row = (await tx.execute(text(f"{_SELECT} AND k.id = :id"), {"id": contact_id})).first()
    if row is None:
        raise NotFound(f"There is no contact {contact_id}.")
    return Contact(**row._mapping)


async def with_number(tx: Tx, phone: str) -> list[Contact]:
    """All contacts, of any list, that have a number among theirs."""
    rows = await tx.execute(
        text(
            f"""
            {_SELECT} AND (k.phone = :phone
                           OR (k.other_phones <> '{{}}'::text[]
                               AND k.other_phones @> ARRAY[CAST(:phone AS text)]))
             ORDER BY k.id
            """
        ),
        {"phone": phone},
    )
    return [Contact(**row._mapping) for row in rows]


async def some(tx: Tx, ids: Sequence[int]) -> list[Contact]:
    """These contacts in the order of their ids; those that aren't there, or not yet, are left out."""
    rows = await tx.execute(text(f"{_SELECT} AND k.id = ANY(:ids) ORDER BY k.id"), {"ids": list(ids)})
    return [Contact(**row._mapping) for row in rows]


async def page(tx: Tx, list_id: int, *, after: int = 0, most: int = 100) -> list[Contact]:
    """Contacts of a list in the order in which they came; `after` is the id of the last one seen."""
    rows = await tx.execute(
        text(f"{_SELECT} AND k.list_id = :list_id AND k.id > :after ORDER BY k.id LIMIT :most"),
        {"list_id": list_id, "after": after, "most": most},
    )
    return [Contact(**row._mapping) for row in rows]
