"""Exports: what they read, up to where it is certain, and the rows that tell of those asked for by API."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg.rows import tuple_row

from campaign.domain.errors import Conflict, NotFound
from campaign.store.database import Database, Tx
from campaign.store.models import exports

LAG: Final = timedelta(minutes=2)
"""Rows younger than this are left for the next export. A row's instant is read off the clock before the
transaction that writes it; so long may pass between the two (clock time at rate 1)."""
AT_ONCE: Final = 2000
"""Rows in memory at a time."""
KEPT: Final = timedelta(days=7)
"""A finished file is kept so long."""
SILENT: Final = timedelta(seconds=60)
"""A running export that was not heard of for so long (clock time at rate 1) has lost its process."""
MOST_AT_ONCE: Final = 2

_ATTEMPTS: Final = """
    SELECT v.*, a.settled_at FROM analytics.attempts v JOIN attempts a ON a.id = v.attempt_id
     WHERE a.settled_at < %(until)s AND (%(since)s::timestamptz IS NULL OR a.settled_at >= %(since)s)
       AND (%(campaign)s::bigint IS NULL OR a.campaign_id = %(campaign)s)
     ORDER BY a.id
"""
_OUTCOMES: Final = """
    SELECT o.attempt_id, o.campaign_id, c.name AS campaign, a.contact_id, k.external_id, a.phone,
           o.disposition, o.category, o.answered_by, o.seconds, o.first_word_ms, o.cost::float8 AS cost,
           o.final, o.retry_at,
           o.abandoned, o.data AS answers, o.summary, o.recorded_at
      FROM outcomes o
      JOIN attempts a ON a.id = o.attempt_id
      JOIN campaigns c ON c.id = o.campaign_id
      LEFT JOIN contacts k ON k.id = a.contact_id
     WHERE o.recorded_at < %(until)s AND (%(since)s::timestamptz IS NULL OR o.recorded_at >= %(since)s)
       AND (%(campaign)s::bigint IS NULL OR o.campaign_id = %(campaign)s)
     ORDER BY o.attempt_id
"""
_CONTACTS: Final = """
    SELECT v.* FROM analytics.contacts v
     WHERE v.updated_at < %(until)s AND (%(since)s::timestamptz IS NULL OR v.updated_at >= %(since)s)
       AND (%(campaign)s::bigint IS NULL OR v.campaign_id = %(campaign)s)
     ORDER BY v.campaign_contact_id
"""
_PARTS: Final = """
    SELECT v.* FROM analytics.{view} v JOIN attempts a ON a.id = v.attempt_id
     WHERE a.kind = 'campaign' AND a.settled_at < %(until)s
       AND (%(since)s::timestamptz IS NULL OR a.settled_at >= %(since)s)
       AND (%(campaign)s::bigint IS NULL OR a.campaign_id = %(campaign)s)
     ORDER BY v.attempt_id, {order}
"""
_READ: Final = {
    "attempts": _ATTEMPTS,
    "outcomes": _OUTCOMES,
    "contacts": _CONTACTS,
    "turns": _PARTS.format(view="transcripts", order="v.seq"),
    "answers": _PARTS.format(view="answers", order="v.question"),
}
WHATS: Final = tuple(_READ)


async def certain_until(db: Database, now: datetime, rate: float) -> datetime:
    """The instant before which no row can appear any more.

    Whatever is committed from now on was begun no earlier than the oldest transaction that is still open, and
    its instant read off the clock at most LAG before that.
    """
    return now - (LAG + await db.oldest_writer()) * rate


@dataclass(frozen=True, slots=True)
class Column:
    """A column as Postgres names and types it."""

    name: str
    type: str


_TYPES: Final = {
    16: "bool",
    20: "int8",
    21: "int4",
    23: "int4",
    25: "text",
    701: "float8",
    1082: "date",
    1114: "timestamp",
    1184: "timestamptz",
    3802: "json",
    1009: "texts",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows; every batch, also the only and empty one, names the columns."""

    columns: Sequence[Column]
    rows: Sequence[tuple[Any, ...]]


async def read(
    tx: Tx, what: str, since: datetime | None, until: datetime, campaign_id: int | None
) -> AsyncIterator[Batch]:
    """The rows of an export in batches, through a cursor of the server's: memory is bounded."""
    driver = (await tx.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    given = {"since": since, "until": until, "campaign": campaign_id}
    async with driver.cursor("export", row_factory=tuple_row) as cursor:
        await cursor.execute(_READ[what].encode(), given)
        description = cursor.description
        assert description is not None
        columns = [Column(one.name, _TYPES[one.type_code]) for one in description]
        first = True
        while rows := await cursor.fetchmany(AT_ONCE):
            first = False
            yield Batch(columns, rows)
        if first:
            yield Batch(columns, [])


# ── those asked for by API ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Export:
    """An export as it stands; see models for the columns."""

    id: int
    what: str
    format: str
    since: datetime | None
    until: datetime | None
    campaign_id: int | None
    state: str
    host: str
    path: str | None
    rows: int
    bytes: int | None
    error: str | None
    actor: str
    asked_at: datetime
    beat_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


_COLUMNS: Final = [exports.c[field.name] for field in fields(Export)]


async def begin(
    tx: Tx,
    *,
    what: str,
    format_: str,
    since: datetime | None,
    until: datetime | None,
    campaign_id: int | None,
    host: str,
    actor: str,
    now: datetime,
    rate: float,
) -> int:
    """A new export, as running; its number.

    Raises:
        Conflict: as many as may run at once are running.
    """
    running = sa.select(sa.func.count()).where(
        exports.c.state == "running", exports.c.beat_at > now - SILENT * rate
    )
    if (await tx.execute(running)).scalar_one() >= MOST_AT_ONCE:
        raise Conflict(
            f"{MOST_AT_ONCE} exports are running already.", "Ask again when one of them is finished."
        )
    made = await tx.execute(
        sa.insert(exports)
        .values(
            what=what,
            format=format_,
            since=since,
            until=until,
            campaign_id=campaign_id,
            host=host,
            actor=actor,
            asked_at=now,
            beat_at=now,
        )
        .returning(exports.c.id)
    )
    return int(made.scalar_one())


async def get(tx: Tx, export_id: int) -> Export:
    """One export.

    Raises:
        NotFound: there is none.
    """
    row = (await tx.execute(sa.select(*_COLUMNS).where(exports.c.id == export_id))).first()
    if row is None:
        raise NotFound(f"There is no export {export_id}.", "POST /api/v1/exports asks for one.")
    return Export(**row._mapping)


async def listed(tx: Tx, before: int | None, limit: int) -> list[Export]:
    """Exports, newest first."""
    query = sa.select(*_COLUMNS).order_by(exports.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(exports.c.id < before)
    return [Export(**row._mapping) for row in await tx.execute(query)]


async def beat(tx: Tx, export_id: int, rows: int, now: datetime) -> None:
    """Say how far it is, and that its process lives."""
    await _running(tx, export_id, rows=rows, beat_at=now)


async def finish(
    tx: Tx, export_id: int, *, path: str, rows: int, size: int, until: datetime, now: datetime, rate: float
) -> None:
    """The file is whole."""
    done = {"state": "finished", "path": path, "rows": rows, "bytes": size, "until": until}
    times = {"finished_at": now, "beat_at": now, "expires_at": now + KEPT * rate}
    await _running(tx, export_id, **done, **times)


async def fail(tx: Tx, export_id: int, error: str, now: datetime) -> None:
    """It has come to nothing."""
    await _running(tx, export_id, state="failed", error=error, finished_at=now, beat_at=now)


async def _running(tx: Tx, export_id: int, **values: Any) -> None:
    chosen = sa.update(exports).where(exports.c.id == export_id, exports.c.state == "running")
    await tx.execute(chosen.values(**values))


async def expired(tx: Tx, host: str, now: datetime) -> list[Export]:
    """Finished exports of a host whose time is over; marked as expired, their files are the caller's to
    remove."""
    rows = await tx.execute(
        sa.update(exports)
        .where(exports.c.host == host, exports.c.state == "finished", exports.c.expires_at <= now)
        .values(state="expired")
        .returning(*_COLUMNS)
    )
    return [Export(**row._mapping) for row in rows]
