"""Campaigns, their versions, lists, log and spend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import text

from campaign.domain.errors import Conflict, NotFound
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign as it stands."""

    id: int
    name: str
    state: str
    state_why: str | None
    state_at: datetime
    version: int
    starts_at: datetime | None
    ends_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    calls_per_second: float | None
    lines: int
    share: int
    enrolled_at: datetime | None
    created_by: str
    created_at: datetime


_COLUMNS = ", ".join(field.name for field in fields(CampaignRow)).replace(
    "calls_per_second", "CAST(calls_per_second AS float8) AS calls_per_second"
)


async def find(tx: Tx, name: str, *, lock: bool = False) -> CampaignRow:
    """The campaign of that name, or `#12` by its number.

    Args:
        lock: hold its row until the end of the transaction. New attempts refer to the row and are not
            held up (a plain FOR UPDATE would stop the dialler).

    Raises:
        NotFound: there is none; names the nearest ones.
    """
    by_id = name.startswith("#") and name[1:].isdigit()
    where = "id = CAST(:key AS bigint)" if by_id else "name = :key"
    row = (
        await tx.execute(
            text(f"SELECT {_COLUMNS} FROM campaigns WHERE {where}{' FOR NO KEY UPDATE' if lock else ''}"),  # noqa: S608 - constants
            {"key": name[1:] if by_id else name},
        )
    ).first()
    if row is not None:
        return CampaignRow(**row._mapping)
    known = list((await tx.execute(text("SELECT name FROM campaigns ORDER BY id DESC LIMIT 20"))).scalars())
    shown = ", ".join(f'"{one}"' for one in known)
    raise NotFound(
        f'There is no campaign "{name}".',
        f"There are: {shown}." if known else "There are none yet: campaign create FILE makes one.",
        known=known,
    )


async def listed(tx: Tx, states: Sequence[str] = ()) -> list[CampaignRow]:
    """All campaigns, newest first; only those in some states if any are named."""
    rows = await tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM campaigns "  # noqa: S608 - constants
            "WHERE :every OR state = ANY(:states) ORDER BY id DESC"
        ),
        {"every": not states, "states": list(states)},
    )
    return [CampaignRow(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class Settings:
    """What of a definition stands in the campaign's own row, where the dialler reads it."""

    starts_at: datetime | None
    ends_at: datetime | None
    calls_per_second: float | None
    lines: int
    share: int


async def insert(tx: Tx, name: str, settings: Settings, actor: str, now: datetime) -> int:
    """A new draft; its id.

    Raises:
        Conflict: the name is taken.
    """
    made = (
        await tx.execute(
            text(
                """
                INSERT INTO campaigns (name, state, state_why, state_at, version, starts_at, ends_at,
                                       calls_per_second, lines, share, created_by, created_at)
                VALUES (:name, 'draft', 'created', :now, 1, :starts_at, :ends_at,
                        :calls_per_second, :lines, :share, :actor, :now)
                ON CONFLICT (name) DO NOTHING
                RETURNING id
                """
            ),
            {"name": name, "actor": actor, "now": now, **_given(settings)},
        )
    ).scalar()
    if made is None:
        raise Conflict(
            f'There is a campaign "{name}" already.',
            "Choose another name; to change the one there is, pause it and use: campaign edit",
        )
    return int(made)


def _given(settings: Settings) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in fields(Settings)}


async def add_version(
    tx: Tx, campaign_id: int, version: int, definition: Mapping[str, Any], actor: str, now: datetime
) -> None:
    """Keep a definition. Versions never change; attempts name the one they were made under."""
    await tx.execute(
        text(
            """
            INSERT INTO campaign_versions (campaign_id, version, definition, created_by, created_at)
            VALUES (:id, :version, :definition, :actor, :now)
            """
        ),
        {
            "id": campaign_id,
            "version": version,
            "definition": Jsonb(definition),
            "actor": actor,
            "now": now,
        },
    )


async def use_version(tx: Tx, campaign_id: int, version: int, settings: Settings) -> None:
    """Put a version in force; contacts that were enrolled so far stay."""
    await tx.execute(
        text(
            """
            UPDATE campaigns
               SET version = :version, starts_at = :starts_at, ends_at = :ends_at,
                   calls_per_second = :calls_per_second, lines = :lines, share = :share, enrolled_at = NULL
             WHERE id = :id
            """
        ),
        {"id": campaign_id, "version": version, **_given(settings)},
    )


async def definition(tx: Tx, campaign_id: int, version: int | None = None) -> dict[str, Any]:
    """A definition as it was stored; the one in force unless a version is named.

    Raises:
        NotFound: there is no such version.
    """
    found = (
        await tx.execute(
            text(
                """
                SELECT v.definition
                  FROM campaign_versions v JOIN campaigns c ON c.id = v.campaign_id
                 WHERE v.campaign_id = :id AND v.version = coalesce(CAST(:version AS int), c.version)
                """
            ),
            {"id": campaign_id, "version": version},
        )
    ).scalar()
    if found is None:
        raise NotFound(f"Campaign {campaign_id} has no version {version}.")
    return dict(found)


async def set_state(
    tx: Tx, row: CampaignRow, state: str, why: str, actor: str, now: datetime, *, over: bool
) -> None:
    """Write a change of state and its line in the log.

    Args:
        row: the campaign as it stood, its row locked.
        over: the campaign has ended with this.
    """
    await tx.execute(
        text(
            """
            UPDATE campaigns
               SET state = :state, state_why = :why, state_at = :now,
                   started_at = CASE WHEN :state = 'running' THEN coalesce(started_at, :now)
                                     ELSE started_at END,
                   ended_at = CASE WHEN :over THEN :now END
             WHERE id = :id
            """
        ),
        {"id": row.id, "state": state, "why": why, "now": now, "over": over},
    )
    await log(tx, row.id, row.state, state, why, actor, now)


async def log(
    tx: Tx, campaign_id: int, from_state: str | None, to_state: str, why: str, actor: str, now: datetime
) -> None:
    """One line of a campaign's history."""
    await tx.execute(
        text(
            """
            INSERT INTO campaign_log (campaign_id, at, actor, from_state, to_state, why)
            VALUES (:id, :now, :actor, :from_state, :to_state, :why)
            """
        ),
        {
            "id": campaign_id,
            "now": now,
            "actor": actor,
            "from_state": from_state,
            "to_state": to_state,
            "why": why,
        },
    )


async def history(tx: Tx, campaign_id: int) -> list[dict[str, Any]]:
    """The campaign's log, oldest first: at, actor, from_state, to_state, why."""
    rows = await tx.execute(
        text(
            "SELECT at, actor, from_state, to_state, why FROM campaign_log "
            "WHERE campaign_id = :id ORDER BY id"
        ),
        {"id": campaign_id},
    )
    return [dict(row._mapping) for row in rows]


# ── lists ──────────────────────────────────────────────────────────────────────────────────────────────


async def known_lists(tx: Tx, names: Sequence[str]) -> dict[str, list[str]]:
    """Columns of those contact lists that exist: list name → column names."""
    rows = await tx.execute(
        text("SELECT name, columns FROM contact_lists WHERE name = ANY(:names)"), {"names": list(names)}
    )
    return {row.name: list(row.columns) for row in rows}


async def list_names(tx: Tx, table: str) -> list[str]:
    """Names of all contact lists, or of all DNC lists, for messages.

    Args:
        table: "contact_lists" or "dnc_lists".
    """
    statement = {
        "contact_lists": "SELECT name FROM contact_lists ORDER BY name LIMIT 50",
        "dnc_lists": "SELECT name FROM dnc_lists ORDER BY name LIMIT 50",
    }[table]
    return list((await tx.execute(text(statement))).scalars())


async def known_dnc_lists(tx: Tx, names: Sequence[str]) -> set[str]:
    """Those of the named DNC lists that exist."""
    rows = await tx.execute(
        text("SELECT name FROM dnc_lists WHERE name = ANY(:names)"), {"names": list(names)}
    )
    return set(rows.scalars())


async def attach_lists(tx: Tx, campaign_id: int, priorities: Mapping[str, int]) -> None:
    """Attach contact lists by name, or change their priority.

    The lists' rows are locked first: a contact that is being added singly holds its list's row, so that
    either that contact sees the campaign here, or the enrolment of the list sees the contact.
    """
    await tx.execute(
        text("SELECT id FROM contact_lists WHERE name = ANY(:names) ORDER BY id FOR UPDATE"),
        {"names": list(priorities)},
    )
    await tx.execute(
        text(
            """
            INSERT INTO campaign_lists (campaign_id, list_id, priority)
            SELECT :id, l.id, p.priority
              FROM unnest(CAST(:names AS text[]), CAST(:priorities AS smallint[])) AS p (name, priority)
              JOIN contact_lists l USING (name)
            ON CONFLICT (campaign_id, list_id) DO UPDATE SET priority = excluded.priority
            """
        ),
        {"id": campaign_id, "names": list(priorities), "priorities": list(priorities.values())},
    )


async def detach_lists(tx: Tx, campaign_id: int, keep: Sequence[str]) -> None:
    """Detach the lists that are not named, with their contacts; only for a campaign that never dialled."""
    gone = {"id": campaign_id, "keep": list(keep)}
    await tx.execute(
        text(
            """
            WITH gone AS (
                SELECT cl.list_id FROM campaign_lists cl JOIN contact_lists l ON l.id = cl.list_id
                 WHERE cl.campaign_id = :id AND l.name <> ALL(:keep)
            ), contacts_gone AS (
                DELETE FROM campaign_contacts cc USING contacts k
                 WHERE cc.campaign_id = :id AND k.id = cc.contact_id
                   AND k.list_id IN (SELECT list_id FROM gone)
            ), enrolments_gone AS (
                DELETE FROM campaign_enrolments
                 WHERE campaign_id = :id AND list_id IN (SELECT list_id FROM gone)
            )
            DELETE FROM campaign_lists
             WHERE campaign_id = :id AND list_id IN (SELECT list_id FROM gone)
            """
        ),
        gone,
    )


async def lists_of(tx: Tx, campaign_id: int) -> list[dict[str, Any]]:
    """The campaign's lists in their order: id, name, priority."""
    rows = await tx.execute(
        text(
            """
            SELECT l.id, l.name, cl.priority
              FROM campaign_lists cl JOIN contact_lists l ON l.id = cl.list_id
             WHERE cl.campaign_id = :id ORDER BY cl.priority, l.name
            """
        ),
        {"id": campaign_id},
    )
    return [dict(row._mapping) for row in rows]


async def set_dnc_lists(tx: Tx, campaign_id: int, names: Sequence[str]) -> None:
    """Honour exactly these DNC lists besides the own list."""
    await tx.execute(text("DELETE FROM campaign_dnc_lists WHERE campaign_id = :id"), {"id": campaign_id})
    await tx.execute(
        text(
            """
            INSERT INTO campaign_dnc_lists (campaign_id, dnc_list_id)
            SELECT :id, id FROM dnc_lists WHERE name = ANY(:names)
            """
        ),
        {"id": campaign_id, "names": list(names)},
    )


# ── what the tick looks for ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Due:
    """A campaign whose state should change by itself, and why."""

    name: str
    action: str
    why: str


DUE = """
    SELECT c.name, 'begin' AS action, 'its start has come' AS why
      FROM campaigns c
     WHERE c.state = 'scheduled' AND coalesce(c.starts_at, :now) <= :now
       AND (c.ends_at IS NULL OR c.ends_at > :now)
    UNION ALL
    SELECT c.name, 'finish', 'stopped; no call is up any more'
      FROM campaigns c
     WHERE c.state = 'stopping'
       AND NOT EXISTS (SELECT FROM attempts a WHERE a.campaign_id = c.id AND a.settled_at IS NULL)
    UNION ALL
    SELECT c.name, 'complete', 'its end has come'
      FROM campaigns c
     WHERE c.state IN ('running', 'scheduled') AND c.ends_at <= :now
       AND NOT EXISTS (SELECT FROM attempts a WHERE a.campaign_id = c.id AND a.settled_at IS NULL)
    UNION ALL
    SELECT c.name, 'complete', 'every contact has come to an end'
      FROM campaigns c
     WHERE c.state = 'running' AND c.enrolled_at IS NOT NULL
       AND (c.ends_at IS NULL OR c.ends_at > :now)
       AND (SELECT cc.id FROM campaign_contacts cc
             WHERE cc.campaign_id = c.id AND cc.next_at IS NOT NULL
             ORDER BY cc.priority, cc.next_at LIMIT 1) IS NULL
       AND (SELECT cc.id FROM campaign_contacts cc
             WHERE cc.campaign_id = c.id ORDER BY cc.phone LIMIT 1) IS NOT NULL
       AND NOT EXISTS (SELECT FROM attempts a WHERE a.campaign_id = c.id AND a.settled_at IS NULL)
"""
"""The contacts are asked for in the order of an index, one row: statistics are wrong just when a campaign
comes to its end, and a plan made by them would read through all its contacts every second."""


_DUE = text(DUE)


async def due(tx: Tx, now: datetime) -> list[Due]:
    """Campaigns to begin, finish or complete now."""
    return [Due(row.name, row.action, row.why) for row in await tx.execute(_DUE, {"now": now})]


async def any_calling(tx: Tx, campaign_id: int) -> bool:
    """Whether a contact is still with an attempt. No index serves this: ask it last, and rarely."""
    found: bool = (
        await tx.execute(
            text(
                """
                SELECT EXISTS (SELECT FROM campaign_contacts
                                WHERE campaign_id = :id AND state = 'calling')
                """
            ),
            {"id": campaign_id},
        )
    ).scalar_one()
    return found
