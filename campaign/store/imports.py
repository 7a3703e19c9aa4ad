"""Imports: a file being read is a row with a byte offset; what it rejected is kept for mending."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import text

from campaign.domain.csv_reader import RowError
from campaign.domain.errors import Conflict, NotFound
from campaign.domain.webhooks import Event
from campaign.store.database import Database, Tx, copy_in
from campaign.store.models import imports, rejected_rows
from campaign.store.webhooks import announce

SILENT = timedelta(seconds=30)
"""An import that has not shown itself for so long has been killed. On a fast clock: so many times longer."""


@dataclass(frozen=True, slots=True)
class Import:
    """A file that is, or was, being read; see models for the columns.

    Counts: `rows_read` = taken + repeated (in the file) + known (on the list) + rejected; `rows_on_dnc` of
    those taken. For do-not-call files "known" are entries that stood there already.
    """

    id: int
    kind: str
    list_id: int | None
    dnc_list_id: int | None
    list_name: str
    file_name: str
    stored_path: str | None
    file_bytes: int
    file_sha256: bytes | None
    state: str
    byte_offset: int
    line: int
    options: Mapping[str, Any]
    header: Sequence[str]
    rows_read: int
    rows_taken: int
    rows_repeated: int
    rows_known: int
    rows_rejected: int
    rows_on_dnc: int
    rejected_why: Mapping[str, int]
    error: str | None
    actor: str
    started_at: datetime
    beat_at: datetime
    finished_at: datetime | None
    resumed_at: datetime | None
    resumed_offset: int

    @property
    def rows_per_second(self) -> float | None:
        """Rows read a second since it was begun or taken up again; None before the first batch."""
        speed = self._bytes_per_second()
        return round(self.rows_read / self.byte_offset * speed, 1) if speed else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the speed so far; None when it isn't running, or not known yet."""
        speed = self._bytes_per_second()
        if self.state != "running" or not speed:
            return None
        return round((self.file_bytes - self.byte_offset) / speed, 1)

    def _bytes_per_second(self) -> float:
        took = (self.beat_at - (self.resumed_at or self.started_at)).total_seconds()
        return (self.byte_offset - self.resumed_offset) / took if took > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What one batch adds, and where it ends."""

    byte_offset: int
    line: int
    read: int
    taken: int
    repeated: int
    known: int
    rejected: Sequence[RowError]


_COLUMNS = """
    i.id, i.kind, i.list_id, i.dnc_list_id, coalesce(l.name, d.name) AS list_name, i.file_name, i.stored_path,
    i.file_bytes, i.file_sha256, i.state, i.byte_offset, i.line, i.options, i.header, i.rows_read,
    i.rows_taken, i.rows_repeated, i.rows_known, i.rows_rejected, i.rows_on_dnc, i.rejected_why, i.error,
    i.actor, i.started_at, i.beat_at, i.finished_at, i.resumed_at, i.resumed_offset
"""
_FROM = (
    "imports i LEFT JOIN contact_lists l ON l.id = i.list_id LEFT JOIN dnc_lists d ON d.id = i.dnc_list_id"
)


async def begin(
    tx: Tx,
    *,
    kind: str,
    target: int,
    file_name: str,
    stored_path: str,
    file_bytes: int,
    sha256: bytes,
    options: Mapping[str, Any],
    actor: str,
    now: datetime,
    silent: timedelta = SILENT,
) -> int:
    """Begin an import.

    Args:
        kind: "contacts" or "dnc"; target: id of the list of that kind.
        stored_path: where the file is read from; options: how, JSON-able.

    Raises:
        Conflict: another import into the same list is under way.
    """
    which = "list_id" if kind == "contacts" else "dnc_list_id"
    table = "contact_lists" if kind == "contacts" else "dnc_lists"
    # The list's row is the lock: two imports that begin at once follow one another.
    await tx.execute(text(f"SELECT 1 FROM {table} WHERE id = :id FOR UPDATE"), {"id": target})  # noqa: S608
    await interrupt_silent(tx, now, silent)
    await _refuse_second(tx, which, target)
    made = await tx.execute(
        sa.insert(imports)
        .values(
            kind=kind,
            file_name=file_name[:300],
            stored_path=stored_path,
            file_bytes=file_bytes,
            file_sha256=sha256,
            state="running",
            options=dict(options),
            actor=actor,
            started_at=now,
            beat_at=now,
            **{which: target},
        )
        .returning(imports.c.id)
    )
    return int(made.scalar_one())


async def _refuse_second(tx: Tx, which: str, target: int) -> None:
    """An import whose contacts are there but invisible would hide its numbers from the next one."""
    unfinished = "('running', 'interrupted')" if which == "list_id" else "('running')"
    row = (
        await tx.execute(
            text(
                f"SELECT id, state FROM imports WHERE {which} = :id AND state IN {unfinished} "  # noqa: S608
                "ORDER BY id LIMIT 1"
            ),
            {"id": target},
        )
    ).first()
    if row is None:
        return
    if row.state == "running":
        raise Conflict(
            f"Import {row.id} into this list is under way.",
            "Wait until it has finished; if it was killed, it can be taken up again in half a minute.",
            import_id=row.id,
        )
    raise Conflict(
        f"Import {row.id} into this list was interrupted.",
        f"Take it up again with: campaign contacts resume {row.id}, or throw it away with: "
        f"campaign contacts discard {row.id}",
        import_id=row.id,
    )


async def unfinished(tx: Tx, list_id: int, sha256: bytes, options: Mapping[str, Any]) -> int | None:
    """An interrupted import of the very same file, read in the same way."""
    rows = await tx.execute(
        text(
            """
            SELECT id, options FROM imports
             WHERE list_id = :list_id AND file_sha256 = :sha256 AND state = 'interrupted' ORDER BY id
            """
        ),
        {"list_id": list_id, "sha256": sha256},
    )
    return next((int(row.id) for row in rows if dict(row.options) == dict(options)), None)


async def resume(
    tx: Tx, import_id: int, now: datetime, silent: timedelta = SILENT, path: str | None = None
) -> Import:
    """Take an interrupted import up again.

    Args:
        path: where the same file lies now; None: where it lay.

    Raises:
        NotFound: there is none of that number. Conflict: it runs, or it has ended for good.
    """
    await interrupt_silent(tx, now, silent)
    done = await tx.execute(
        text(
            """
            UPDATE imports
               SET state = 'running', beat_at = :now, error = NULL,
                   resumed_at = :now, resumed_offset = byte_offset,
                   stored_path = coalesce(CAST(:path AS text), stored_path)
             WHERE id = :id AND state = 'interrupted'
            """
        ),
        {"id": import_id, "now": now, "path": path},
    )
    row = await get(tx, import_id)
    if not done.rowcount:
        raise Conflict(f"Import {import_id} is {row.state}; only an interrupted one can be taken up again.")
    return row


async def set_header(tx: Tx, import_id: int, header: Sequence[str]) -> None:
    """Keep the file's header, for handing rejected rows back."""
    await tx.execute(sa.update(imports).where(imports.c.id == import_id).values(header=list(header)))


async def advance(tx: Tx, row: Import, before: int, batch: Progress, now: datetime) -> Import:
    """Keep where a batch ended and what it counted, in the transaction that loaded it.

    Args:
        row: the import, as it once was; before: the byte offset at which the batch began.

    Returns:
        the import as it stands now.

    Raises:
        Conflict: somebody else has taken the import over, or discarded it.
    """
    why: dict[str, int] = {}
    for error in batch.rejected:
        why[error.code] = why.get(error.code, 0) + 1
    done = await tx.execute(
        text(
            """
            UPDATE imports i
               SET byte_offset = :offset, line = :line, beat_at = :now,
                   rows_read = rows_read + :read, rows_taken = rows_taken + :taken,
                   rows_repeated = rows_repeated + :repeated, rows_known = rows_known + :known,
                   rows_rejected = rows_rejected + :rejected,
                   rejected_why = rejected_why || coalesce((
                       SELECT jsonb_object_agg(u.code, u.n + coalesce((i.rejected_why ->> u.code)::bigint, 0))
                         FROM unnest(CAST(:codes AS text[]), CAST(:counts AS bigint[])) AS u (code, n)), '{}')
             WHERE id = :id AND state = 'running' AND byte_offset = :before
            RETURNING byte_offset, line, beat_at, rows_read, rows_taken, rows_repeated, rows_known,
                      rows_rejected, rejected_why
            """
        ),
        {
            "id": row.id,
            "before": before,
            "offset": batch.byte_offset,
            "line": batch.line,
            "now": now,
            "read": batch.read,
            "taken": batch.taken,
            "repeated": batch.repeated,
            "known": batch.known,
            "rejected": len(batch.rejected),
            "codes": list(why),
            "counts": list(why.values()),
        },
    )
    stands = done.first()
    if stands is None:
        raise Conflict(f"Import {row.id} was taken over or discarded by somebody else.")
    if batch.rejected:
        rows = ((row.id, e.line, e.column, e.code, e.why, list(e.cells)) for e in batch.rejected)
        names = ("import_id", "line", "column_name", "code", "reason", "cells")
        await copy_in(tx, rejected_rows, names, rows)
    return replace(row, **stands._mapping)


async def end(
    tx: Tx, import_id: int, state: str, now: datetime, error: str | None = None, on_dnc: int = 0
) -> bool:
    """A running import has finished, failed or been interrupted.

    Args:
        state: "finished", "failed" or "interrupted"; error: why, for people.
        on_dnc: contacts taken whose number stands on a do-not-call list.

    Returns:
        False when it wasn't running any more.
    """
    done = await tx.execute(
        sa.update(imports)
        .where(imports.c.id == import_id, imports.c.state == "running")
        .values(
            state=state,
            error=error,
            rows_on_dnc=on_dnc,
            beat_at=now,
            finished_at=now if state == "finished" else None,
        )
    )
    if done.rowcount and state in ("finished", "failed"):
        row = await get(tx, import_id)
        told = ("kind", "list_name", "file_name", "state", "error", "actor")
        counts = ("rows_read", "rows_taken", "rows_repeated", "rows_known", "rows_rejected", "rows_on_dnc")
        data = {"import_id": import_id, **{name: getattr(row, name) for name in (*told, *counts)}}
        await announce(tx, Event.IMPORT_ENDED, data, now)
    return bool(done.rowcount)


async def fail(tx: Tx, import_id: int, now: datetime, error: str) -> None:
    """A running import can never finish: what it has loaded goes at once."""
    if await end(tx, import_id, "failed", now, error):
        await tx.execute(
            text(
                "DELETE FROM contacts k USING imports i "
                "WHERE i.id = :id AND k.list_id = i.list_id AND k.import_id = i.id"
            ),
            {"id": import_id},
        )


async def interrupt_silent(tx: Tx, now: datetime, silent: timedelta = SILENT) -> int:
    """Imports whose process was killed become interrupted, so that they can be taken up or discarded."""
    done = await tx.execute(
        sa.update(imports)
        .where(imports.c.state == "running", imports.c.beat_at < now - silent)
        .values(state="interrupted", error="the process that read the file is gone")
    )
    return int(done.rowcount)


async def discard(tx: Tx, import_id: int) -> int:
    """Throw away what an interrupted import has read.

    Returns:
        how many contacts went.

    Raises:
        NotFound: there is none of that number. Conflict: it is running or finished.
    """
    row = await get(tx, import_id)
    done = await tx.execute(
        sa.update(imports)
        .where(imports.c.id == import_id, imports.c.state == "interrupted")
        .values(state="discarded")
    )
    if not done.rowcount:
        raise Conflict(f"Import {import_id} is {row.state}; only an interrupted one can be discarded.")
    if row.list_id is None:
        return 0  # numbers on a do-not-call list stay there
    gone = await tx.execute(
        text("DELETE FROM contacts WHERE list_id = :list_id AND import_id = :id"),
        {"list_id": row.list_id, "id": import_id},
    )
    return int(gone.rowcount)


async def get(tx: Tx, import_id: int) -> Import:
    """One import.

    Raises:
        NotFound: there is none of that number.
    """
    found = (
        await tx.execute(text(f"SELECT {_COLUMNS} FROM {_FROM} WHERE i.id = :id"), {"id": import_id})  # noqa: S608
    ).first()
    if found is None:
        raise NotFound(f"There is no import {import_id}.", "See them with: campaign contacts imports")
    return Import(**found._mapping)


async def listed(tx: Tx, *, kind: str, list_name: str | None = None, most: int = 50) -> list[Import]:
    """Imports of a kind, newest first."""
    rows = await tx.execute(
        text(
            f"""
            SELECT {_COLUMNS} FROM {_FROM}
             WHERE i.kind = :kind AND (CAST(:name AS text) IS NULL OR coalesce(l.name, d.name) = :name)
             ORDER BY i.id DESC LIMIT :most
            """  # noqa: S608 (constants of this file)
        ),
        {"kind": kind, "name": list_name, "most": most},
    )
    return [Import(**row._mapping) for row in rows]


async def same_file(tx: Tx, list_id: int, sha256: bytes, options: Mapping[str, Any]) -> Import | None:
    """The latest finished import of the very same file into a contact list, read in the same way."""
    for one in (
        await tx.execute(
            text(
                f"""
                SELECT {_COLUMNS} FROM {_FROM}
                 WHERE i.list_id = :list_id AND i.file_sha256 = :sha256 AND i.state = 'finished'
                 ORDER BY i.id DESC
                """  # noqa: S608 (constants of this file)
            ),
            {"list_id": list_id, "sha256": sha256},
        )
    ).all():
        found = Import(**one._mapping)
        if dict(found.options) == dict(options):
            return found
    return None


async def rejected(tx: Tx, import_id: int, *, after: int = 0, most: int = 1000) -> list[RowError]:
    """Rows that an import rejected, by line.

    Args:
        after: only of lines beyond this one; most: at most so many.
    """
    rows = await tx.execute(
        text(
            """
            SELECT line, column_name, reason, code, cells FROM rejected_rows
             WHERE import_id = :id AND line > :after ORDER BY line LIMIT :most
            """
        ),
        {"id": import_id, "after": after, "most": most},
    )
    return [RowError(r.line, r.column_name, r.reason, r.code, tuple(r.cells)) for r in rows]


async def all_rejected(db: Database, import_id: int) -> AsyncIterator[RowError]:
    """All rows that an import rejected, by line: read page by page, as they are asked for.

    Each page is a statement of its own, so that whoever takes them slowly holds no connection meanwhile,
    and a million of them need no more memory than a page.
    """
    after = 0
    while True:
        async with db.connection() as tx:
            page = await rejected(tx, import_id, after=after)
        if not page:
            return
        for one in page:
            yield one
        after = page[-1].line
