"""A file → contacts of a list, or numbers of a do-not-call list: streamed, in batches, each a transaction.

A batch loads its rows, keeps what it rejected and moves the import's byte offset in one transaction; so an
import that was killed goes on exactly where it stood. Its contacts are invisible to campaigns until the
whole file has been read. While Postgres loads one batch, a thread reads the next.
"""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from campaign.domain.clock import Clock
from campaign.domain.contact_sheet import (
    CONSENT_LEVELS,
    REJECT_COLUMNS,
    Attestation,
    Columns,
    ContactRow,
    RowParser,
    map_columns,
    quoted,
)
from campaign.domain.csv_reader import Dialect, EncodingScan, Row, RowError, RowReader, sniff
from campaign.domain.dnc_sheet import DncParser
from campaign.domain.errors import BadFile, BadInput, CampaignError, Conflict, TooLarge
from campaign.domain.phone import is_region
from campaign.store import contacts, dnc, imports
from campaign.store.accounts import audit
from campaign.store.database import Database, Tx
from campaign.store.imports import Import, Progress

log = structlog.get_logger(__name__)

BATCH_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 16
MOST_REMEMBERED = 1_000_000
"""Numbers of a file kept in memory (some 65 bytes each); beyond that the list itself is asked."""
CAUSE = "import"

Watcher = Callable[[Import], None]
"""Told after each batch how far an import is."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is to be read; kept with the import.

    Attributes:
        region: ISO country of numbers without "+"; None: the list's.
        mapping: field → header, for columns that aren't recognised.
        consent, consent_source, consent_at: attested for rows that say nothing themselves.
        reason: of do-not-call entries whose row gives none.
    """

    region: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    consent: str | None = None
    consent_source: str | None = None
    consent_at: datetime | None = None
    reason: str = ""

    def check(self, now: datetime) -> None:
        """Raises BadInput for what can't be meant."""
        if self.region is not None and not is_region(self.region):
            raise BadInput(f'"{self.region}" is no country.', "Write its ISO code, such as US or DE.")
        if self.consent is not None and self.consent not in CONSENT_LEVELS:
            raise BadInput(
                f'"{self.consent}" is no level of consent.', f"Levels are: {', '.join(CONSENT_LEVELS)}."
            )
        if self.consent not in (None, "none") and (not self.consent_source or self.consent_at is None):
            raise BadInput(
                "Attested consent needs its source and its date.",
                "Say how and when it was given, for example: --consent express_written "
                '--consent-source "web form, version 3" --consent-date 2026-03-31',
            )
        if self.consent_at is not None and self.consent_at > now:
            raise BadInput("The consent's date lies in the future.")

    def kept(self) -> dict[str, Any]:
        """JSON-able, and the same for the same options."""
        return {
            "region": self.region,
            "mapping": dict(self.mapping),
            "consent": self.consent,
            "consent_source": self.consent_source,
            "consent_at": self.consent_at.isoformat() if self.consent_at else None,
            "reason": self.reason,
        }

    @staticmethod
    def from_kept(kept: Mapping[str, Any]) -> "Options":
        """The inverse of `kept`."""
        at = kept.get("consent_at")
        return Options(**{**kept, "consent_at": datetime.fromisoformat(at) if at else None})

    def attestation(self, actor: str) -> Attestation | None:
        """What is vouched for, with the name of who does."""
        if self.consent is None:
            return None
        return Attestation(self.consent, self.consent_at, f"{self.consent_source} (attested by {actor})")


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
    dnc_kind: str = "campaign",
    as_of: datetime | None = None,
    file_name: str | None = None,
    max_bytes: int,
    actor: str,
    anew: bool = False,
) -> Begun:
    """Check a file and its options and write the import's row; `run` reads it.

    Args:
        path: where the file lies, and stays until the import has ended.
        list_name: of the contact list, made if need be; of the do-not-call list, None for the own one.
        kind: "contacts" or "dnc"; dnc_kind, as_of: of a new do-not-call list, see `dnc.ensure_list`.
        file_name: as the user knows it, when it isn't the path's.
        anew: read a file again that was read before (contacts that were removed come back).

    Raises:
        BadFile: no CSV, or no usable header. BadInput: options that can't be meant. TooLarge. Conflict:
        another import into the list has not finished.
    """
    now, silent = clock.now(), imports.SILENT * clock.rate
    options.check(now)
    size, digest, dialect, first, path = await asyncio.to_thread(_examine, path, max_bytes)
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
            target = await dnc.ensure_list(tx, list_name, dnc_kind, now, as_of)
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


def _examine(path: Path, max_bytes: int) -> tuple[int, bytes, Dialect, list[str], Path]:
    """One pass over the file: size, SHA-256, how to read it, its first row, its full path."""
    try:
        path = path.resolve()
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > max_bytes:
                raise TooLarge(
                    f"{path.name} has {size / 1e6:,.0f} MB; at most {max_bytes / 1e6:,.0f} MB are read.",
                    "Cut it in pieces, or raise CAMPAIGN_MAX_UPLOAD_MB.",
                )
            digest, scan, sample = hashlib.sha256(), EncodingScan(), b""
            while chunk := file.read(BATCH_BYTES):
                sample = sample or chunk[:SAMPLE_BYTES]
                digest.update(chunk)
                scan.feed(chunk)
            scan.feed(b"", final=True)
            dialect = sniff(sample, utf8=scan.is_utf8)
            return size, digest.digest(), dialect, _first_row(file, dialect), path
    except OSError as error:
        raise BadFile(
            f"{path} cannot be read: {error.strerror}.", "Check its name and permissions."
        ) from error


def _first_row(file: BinaryIO, dialect: Dialect) -> list[str]:
    file.seek(dialect.skip)
    reader = RowReader(dialect)
    found: list[Row | RowError] = []
    while not found and (chunk := file.read(SAMPLE_BYTES)):
        found = reader.feed(chunk)
    found = found or reader.finish()
    if not found:
        raise BadFile("The file is empty.", "Its first line must name the columns.")
    if isinstance(found[0], RowError):
        raise BadFile(f"The header cannot be read: {found[0].why}.", "Mend the file's first line.")
    return found[0][1]


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
    reading = await asyncio.to_thread(_Reading, row, clock.now(), batch_bytes, into_empty)
    try:
        offset = row.byte_offset
        if not row.header:
            async with db.transaction() as tx:
                await imports.set_header(tx, row.id, reading.header)
        async with aclosing(_ahead(reading)) as batches:
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


async def _load(db: Database, clock: Clock, row: Import, offset: int, batch: "_Batch") -> Import:
    """One batch, in one transaction; again, and warily, when somebody added a number of it meanwhile."""
    for wary in (False, True):
        try:
            async with db.transaction() as tx:
                progress = await batch.load(tx, row, clock.now(), wary=wary)
                await imports.advance(tx, row.id, offset, progress, clock.now())
                return await imports.get(tx, row.id)
        except contacts.NumberTaken:
            if wary:
                raise
    raise AssertionError("unreachable")


async def _ahead(reading: "_Reading") -> AsyncGenerator["_Batch", None]:
    """Batches; the next one is read while the caller works on the one before."""
    following = asyncio.create_task(asyncio.to_thread(reading.batch))
    try:
        while (batch := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(reading.batch))
            yield batch
    finally:
        await asyncio.wait([following])  # the thread must not read a closed file


class _Reading:
    """An open file and where its reader stands; works in a thread."""

    def __init__(self, row: Import, now: datetime, batch_bytes: int, into_empty: bool) -> None:
        self._row, self._batch_bytes = row, batch_bytes
        options = Options.from_kept(row.options)
        path = Path(row.stored_path or "")
        size, digest, dialect, first, path = _examine(path, row.file_bytes)
        if size != row.file_bytes or digest != row.file_sha256:
            raise BadFile(f"{row.file_name} has changed since the import began.", "Import it anew.")
        self.header = list(first)
        self._file = path.open("rb")
        self._ended = False
        resumed = row.byte_offset > 0
        self._reader = RowReader(
            dialect,
            offset=row.byte_offset if resumed else None,
            line=row.line if resumed else None,
            width=len(first),
        )
        self._file.seek(row.byte_offset if resumed else dialect.skip)
        self._take: _Contacts | _Numbers
        self.names: Sequence[str] = ()
        if row.list_id is not None:
            columns = map_columns(first, options.mapping)
            self.names = columns.names
            self._skip_header = not resumed
            self._take = _Contacts(row, columns, options, now, into_empty and not resumed)
        else:
            parser = DncParser(first, region=options.region, mapping=options.mapping)
            self.header = list(parser.header)
            self._skip_header = not resumed and parser.columns is not None
            self._take = _Numbers(parser, options.reason)

    def batch(self) -> "_Batch | None":
        """The next batch; None after the last."""
        if self._ended:
            return None
        chunk = self._file.read(self._batch_bytes)
        rows = self._reader.feed(chunk)
        if not chunk:
            self._ended = True
            rows += self._reader.finish()
        if self._skip_header and rows:
            del rows[0]
            self._skip_header = False
        batch = self._take(rows)
        batch.offset, batch.line, batch.read = self._reader.offset, self._reader.line, len(rows)
        return batch

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class _Batch(ABC):
    """Rows on their way into the database."""

    rejected: list[RowError]
    offset: int = 0
    line: int = 0
    read: int = 0
    repeated: int = 0

    @abstractmethod
    async def load(self, tx: Tx, row: Import, now: datetime, *, wary: bool) -> Progress:
        """Write the rows; part of the batch's transaction."""

    def _progress(self, taken: int, repeated: int, known: int) -> Progress:
        return Progress(self.offset, self.line, self.read, taken, repeated, known, self.rejected)


@dataclass(slots=True)
class _ContactBatch(_Batch):
    """First number → its line for COPY. `new`: the list was empty, and no number was in the file before."""

    lines: dict[str, str] = field(default_factory=dict)
    new: bool = False

    async def load(self, tx: Tx, row: Import, now: datetime, *, wary: bool) -> Progress:
        """Load what the list doesn't have; `wary` looks at the list in any case."""
        assert row.list_id is not None
        look = bool(self.lines) and (wary or not self.new)
        there = await contacts.known(tx, row.list_id, self.lines.keys()) if look else {}
        mine = sum(1 for import_id in there.values() if import_id == row.id)
        taken = [line for phone, line in self.lines.items() if phone not in there]
        if taken:
            await contacts.load(tx, taken)
        return self._progress(len(taken), self.repeated + mine, len(there) - mine)


@dataclass(slots=True)
class _NumberBatch(_Batch):
    """Number → reason."""

    entries: dict[str, str] = field(default_factory=dict)

    async def load(self, tx: Tx, row: Import, now: datetime, *, wary: bool) -> Progress:
        """Put the numbers on the list, and stop what is on its way to them."""
        assert row.dnc_list_id is not None
        phones = list(self.entries)
        added = await dnc.bulk_add(
            tx, row.dnc_list_id, list(self.entries.items()), source=CAUSE, actor=row.actor, now=now
        )
        if phones:
            await dnc.block_waiting(tx, phones, row.dnc_list_id, now)
            await dnc.queued_calls(tx, phones, row.dnc_list_id, now)
        return self._progress(added, self.repeated, len(phones) - added)


class _Contacts:
    """Rows of a contact list → batches."""

    def __init__(
        self, row: Import, columns: Columns, options: Options, now: datetime, into_empty: bool
    ) -> None:
        assert row.list_id is not None
        self._numbers: set[int] | None = set() if into_empty else None
        self._parse = RowParser(
            columns, region=options.region, now=now, attestation=options.attestation(row.actor)
        )
        self._line = contacts.CopyLines(row.list_id, row.id, now)

    def __call__(self, rows: Sequence[Row | RowError]) -> _ContactBatch:
        batch = _ContactBatch([])
        lines, parse, line_of = batch.lines, self._parse, self._line
        if self._numbers is not None and len(self._numbers) > MOST_REMEMBERED:
            self._numbers = None
        earlier = self._numbers
        batch.new = earlier is not None
        for row in rows:
            found: ContactRow | RowError = row if isinstance(row, RowError) else parse(*row)
            if isinstance(found, RowError):
                batch.rejected.append(found)
                continue
            phone = found.phones[0].e164
            if phone in lines or (earlier is not None and int(phone) in earlier):
                batch.repeated += 1
            else:
                lines[phone] = line_of(found)
        if earlier is not None:
            earlier.update(map(int, lines))
        return batch


class _Numbers:
    """Rows of a do-not-call file → batches."""

    def __init__(self, parser: DncParser, reason: str) -> None:
        self._parse, self._reason = parser, reason

    def __call__(self, rows: Sequence[Row | RowError]) -> _NumberBatch:
        batch = _NumberBatch([])
        for row in rows:
            found = row if isinstance(row, RowError) else self._parse(*row)
            if isinstance(found, RowError):
                batch.rejected.append(found)
                continue
            new = [phone.e164 for phone in found.phones if phone.e164 not in batch.entries]
            batch.entries.update(dict.fromkeys(new, found.reason or self._reason))
            batch.repeated += not new
        return batch


async def rejected_csv(db: Database, import_id: int) -> AsyncIterator[str]:
    """The rows that an import rejected, as a CSV that can be mended and imported again.

    The file's own header and cells come first, then the columns "line" and "reason", which an import of
    this very file passes over. Cells that a spreadsheet would take for formulas are disarmed. A row with too
    many or too few cells is given back with just those, so that it is rejected again until it is mended.
    """
    async with db.connection() as tx:
        row = await imports.get(tx, import_id)
        header = list(row.header)
        if tuple(header[-2:]) == REJECT_COLUMNS:
            header = header[:-2]
        yield csv_line([*header, *REJECT_COLUMNS])
        async for error in imports.all_rejected(tx, import_id):
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
