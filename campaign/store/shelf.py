"""What people see of contact lists: the lists with their sizes, whom one holds, who calls it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.store import contacts
from campaign.store.contacts import Contact
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class Shelved:
    """A list as the page of all lists shows it.

    Args:
        contacts: without those of unfinished imports.
        open_import: one that is running or interrupted, with its state; None: there is none.
        campaigns: how many call it and are not over.
    """

    id: int
    name: str
    region: str | None
    created_by: str
    created_at: datetime
    contacts: int
    open_import: int | None
    open_state: str | None
    last_at: datetime | None
    campaigns: int


@dataclass(frozen=True, slots=True)
class Caller:
    """A campaign, and whether it calls a list."""

    id: int
    name: str
    state: str
    attached: bool


_CALLABLE = "('draft', 'scheduled', 'running', 'paused', 'stopping')"


async def shelf(tx: Tx, before: int | None, most: int) -> list[Shelved]:
    """Lists, newest first; `before` is the id of the last one seen.

    A list's contacts are counted in the index of its numbers.
    """
    rows = await tx.execute(
        text(
            f"""
            SELECT l.id, l.name, l.region, l.created_by, l.created_at,
                   (SELECT count(*) FROM contacts k WHERE k.list_id = l.id)
                       - coalesce((SELECT sum(i.rows_taken) FROM imports i
                                    WHERE i.list_id = l.id AND i.state IN ('running', 'interrupted')), 0)
                       AS contacts,
                   o.id AS open_import, o.state AS open_state,
                   (SELECT max(i.started_at) FROM imports i WHERE i.list_id = l.id) AS last_at,
                   (SELECT count(*) FROM campaign_lists cl JOIN campaigns c ON c.id = cl.campaign_id
                     WHERE cl.list_id = l.id AND c.state IN {_CALLABLE}) AS campaigns
              FROM contact_lists l
              LEFT JOIN LATERAL (
                   SELECT i.id, i.state FROM imports i
                    WHERE i.list_id = l.id AND i.state IN ('running', 'interrupted')
                    ORDER BY i.id DESC LIMIT 1) AS o ON true
             WHERE CAST(:before AS bigint) IS NULL OR l.id < :before
             ORDER BY l.id DESC LIMIT :most
            """  # noqa: S608 (constants of this file)
        ),
        {"before": before, "most": most},
    )
    return [
        Shelved(**{**row._mapping, "contacts": max(0, int(row.contacts)), "campaigns": int(row.campaigns)})
        for row in rows
    ]


async def search(tx: Tx, list_id: int, words: str, phone: str | None, most: int) -> list[Contact]:
    """Contacts of a list that have a number, or whose own id is these words, or who have them in a variable.

    Args:
        phone: E.164, when the words are a number: then only the index of numbers is asked.
    """
    if phone is not None:
        return [one for one in await contacts.with_number(tx, phone) if one.list_id == list_id][:most]
    like = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = await tx.execute(
        text(
            """
            SELECT k.id FROM contacts k
             WHERE k.list_id = :list_id
               AND (k.external_id = :words
                    OR (k.variables::text ILIKE :like
                        AND EXISTS (SELECT 1 FROM jsonb_each_text(k.variables) v WHERE v.value ILIKE :like)))
             LIMIT :most
            """
        ),
        {"list_id": list_id, "words": words, "like": f"%{like}%", "most": most},
    )
    found = sorted(rows.scalars())
    return await contacts.some(tx, found)


async def places(tx: Tx, list_id: int, import_id: int | None = None) -> dict[str, int]:
    """Where a list's contacts may be ("countries|regions|zones", as contacts.place) → how many.

    Args:
        import_id: only what this import brought.
    """
    rows = await tx.execute(
        text(
            """
            SELECT place, count(*) AS contacts FROM contacts
             WHERE list_id = :list_id AND (CAST(:import_id AS bigint) IS NULL OR import_id = :import_id)
               AND (import_id IS NULL OR import_id NOT IN (
                    SELECT i.id FROM imports i WHERE i.list_id = :list_id AND i.state <> 'finished'))
             GROUP BY place
            """
        ),
        {"list_id": list_id, "import_id": import_id},
    )
    return {row.place: row.contacts for row in rows}


async def callers(tx: Tx, list_id: int) -> Sequence[Caller]:
    """Campaigns that call a list, and those not over that could: newest first."""
    rows = await tx.execute(
        text(
            f"""
            SELECT c.id, c.name, c.state, cl.list_id IS NOT NULL AS attached
              FROM campaigns c LEFT JOIN campaign_lists cl ON cl.campaign_id = c.id AND cl.list_id = :list_id
             WHERE cl.list_id IS NOT NULL OR c.state IN {_CALLABLE}
             ORDER BY c.id DESC LIMIT 200
            """  # noqa: S608 (constants of this file)
        ),
        {"list_id": list_id},
    )
    return [Caller(**row._mapping) for row in rows]
