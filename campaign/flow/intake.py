"""A file → contacts of a list, or numbers of a do-not-call list: streamed, in batches, each a transaction.

A batch loads its rows, keeps what it rejected and moves the import's byte offset in one transaction; so an
import that was killed goes on exactly where it stood. Its contacts are invisible to campaigns until the
whole file has been read. While Postgres loads one batch, a thread reads the next.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from campaign.domain.cells import quoted
from campaign.domain.clock import Clock
from campaign.domain.contact_sheet import REJECT_COLUMNS, map_columns
from campaign.domain.dnc_sheet import DncParser
from campaign.domain.errors import BadFile, CampaignError, Conflict
from campaign.flow.file_batches import BATCH_BYTES, Batch, Reading, ahead, examine
from campaign.flow.file_batches import Options as Options
from campaign.store import contacts, dnc, imports
from campaign.store.accounts import audit
from campaign.store.database import Database
from campaign.store.imports import Import

log = structlog.get_logger(__name__)

Watcher = Callable[[Import], None]
"""Told after each batch how far an import is."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An import made ready. `again`: the same file was read before, so there is nothing to do;
    `resumed`: an interrupted one goes on."""

    id: int
    again: bool = False
    resumed: bool = False


async def begin(
    db: Database,
    clock: Clock,
    path: Path,
    list_name: str | None,
    options: Options,
    *,
    kind: str = "contacts",
    file_name: str | None = None,
    max_bytes: int,
    actor: str,
    anew: bool = False,
) -> Begun:
    """Check a file and its options and write the import's row; `run` reads it.

    Args:
        path: where the file lies, and stays until the import has ended.
        list_name: of the contact list, made if need be; of the do-not-call list, None for the own one.
        kind: "contacts" or "dnc" (the own list or a campaign's; a registry is loaded by registries.py).
        file_name: as the user knows it, when it isn't the path's.
        anew: read a file again that was read before (contacts that were removed come back).

    Raises:
        BadFile: no CSV, or no usable header. BadInput: options that can't be meant. TooLarge. Conflict:
        another import into the list has not finished.
    """
    now, silent = clock.now(), imports.SILENT * clock.rate
    options.check(now)
    size, digest, dialect, first, path = await asyncio.to_thread(examine, path, max_bytes)
    if kind == "contacts":
        map_columns(first, options.mapping)
    else:
        DncParser(first, region=options.region, mapping=options.mapping)
    async with db.transaction() as tx:
        if kind == "contacts":
            into = await contacts.ensure_list(tx, list_name or "", options.region, actor, now)
            options, target = replace(options, region=options.region or into.region), into.id
            earlier = None if anew else await imports.same_file(tx, target, digest, options.kept())
            if earlier is not None:
                return Begun(earlier.id, again=True)
            await imports.interrupt_silent(tx, now, silent)
            left = await imports.unfinished(tx, target, digest, options.kept())
            if left is not None:
                await imports.resume(tx, left, now, silent, path=str(path))
                return Begun(left, resumed=True)
        else:
            target = await dnc.ensure_list(tx, list_name, "campaign", now)
        made = await imports.begin(
            tx,
            kind=kind,
            target=target,
            file_name=file_name or path.name,
            stored_path=str(path),
            file_bytes=size,
            sha256=digest,
            options=options.kept(),
            actor=actor,
            now=now,
            silent=silent,
        )
        await audit(tx, actor, "import.begin", f"import:{made}", now, {"kind": kind, "file": path.name})
    log.info("import_begun", import_id=made, encoding=dialect.encoding, delimiter=dialect.delimiter)
    return Begun(made)


async def resume(db: Database, clock: Clock, import_id: int) -> Import:
    """Take an interrupted import up again; `run` reads on.

    Raises:
        NotFound: there is none of that number. Conflict: it runs, or it has ended for good.
    """
    async with db.transaction() as tx:
        return await imports.resume(tx, import_id, clock.now(), imports.SILENT * clock.rate)


async def run(
    db: Database,
    clock: Clock,
    import_id: int,
    *,
    watch: Watcher | None = None,
    batch_bytes: int = BATCH_BYTES,
) -> Import:
    """Read a begun import to its end.

    Returns:
        the import as it stands then.

    Raises:
        CampaignError: the import has failed (the file has changed or gone) or was interrupted (the database
        was away); its row says so.
    """
    async with db.transaction() as tx:
        row = await imports.get(tx, import_id)
    if row.state != "running":
        return row
    try:
        await _read_all(db, clock, row, watch, batch_bytes)
    except BadFile as error:
        async with db.transaction() as tx:
            await imports.fail(tx, import_id, clock.now(), error.what)
        raise
    except BaseException as error:  # also a cancelled task: what was read stays, and can be gone on with
        await _interrupted(db, import_id, clock.now(), error)
        raise
    async with db.transaction() as tx:
        return await imports.get(tx, import_id)


async def _interrupted(db: Database, import_id: int, now: datetime, error: BaseException) -> None:
    why = error.what if isinstance(error, CampaignError) else f"interrupted ({type(error).__name__})"
    try:
        async with db.transaction() as tx:
            await imports.end(tx, import_id, "interrupted", now, why)
    except CampaignError:
        log.warning("import_left_running", import_id=import_id)  # its silence will tell


async def _read_all(db: Database, clock: Clock, row: Import, watch: Watcher | None, batch_bytes: int) -> None:
    async with db.connection() as tx:
        into_empty = row.list_id is not None and await contacts.is_empty(tx, row.list_id)
    reading = await asyncio.to_thread(Reading, row, clock.now(), batch_bytes, into_empty)
    try:
        offset = row.byte_offset
        if not row.header:
            async with db.transaction() as tx:
                await imports.set_header(tx, row.id, reading.header)
        async with aclosing(ahead(reading)) as batches:
            async for batch in batches:
                stands = await _load(db, clock, row, offset, batch)
                offset = stands.byte_offset
                if watch is not None:
                    watch(stands)
        async with db.transaction() as tx:
            on_dnc = 0
            if row.list_id is not None:
                await contacts.add_columns(tx, row.list_id, reading.names)
                on_dnc = await contacts.on_dnc(tx, row.list_id, row.id)
            if not await imports.end(tx, row.id, "finished", clock.now(), on_dnc=on_dnc):
                raise Conflict(f"Import {row.id} was taken over or discarded by somebody else.")
    finally:
        reading.close()


async def _load(db: Database, clock: Clock, row: Import, offset: int, batch: Batch) -> Import:
    """One batch, in one transaction; again, and warily, when somebody added a number of it meanwhile."""
    for wary in (False, True):
        try:
            async with db.transaction() as tx:
                progress = await batch.load(tx, row, clock.now(), wary=wary)
                return await imports.advance(tx, row, offset, progress, clock.now())
        except contacts.NumberTaken:
            if wary:
                raise
    raise AssertionError("unreachable")


async def rejected_csv(db: Database, import_id: int) -> AsyncIterator[str]:
    """The rows that an import rejected, as a CSV that can be mended and imported again.

    The file's own header and cells come first, then the columns "line" and "reason", which an import of
    this very file passes over. Cells that a spreadsheet would take for formulas are disarmed. A row with too
    many or too few cells is given back with just those, so that it is rejected again until it is mended.

    It is made as it is read: a million rows need no more memory than a page of them.

    Raises:
        NotFound: there is no import of that number.
    """
    async with db.connection() as tx:
        row = await imports.get(tx, import_id)
    header = list(row.header)
    if tuple(header[-2:]) == REJECT_COLUMNS:
        header = header[:-2]
    yield csv_line([*header, *REJECT_COLUMNS])
    async for error in imports.all_rejected(db, import_id):
        cells = error.cells
        if tuple(row.header[-2:]) == REJECT_COLUMNS and len(cells) == len(row.header):
            cells = cells[:-2]
        why = f"{error.column}: {error.why}" if error.column else error.why
        yield csv_line([*map(quoted, cells), str(error.line), why])


def csv_line(cells: Sequence[str]) -> str:
    """One line of a CSV, quoted where need be."""
    return (
        ",".join(
            '"' + cell.replace('"', '""') + '"' if any(c in cell for c in ',"\r\n') else cell
            for cell in cells
        )
        + "\r\n"
    )
