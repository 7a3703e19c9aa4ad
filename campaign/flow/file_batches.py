"""A file on its way in: looked over once, then read in batches, in a thread beside the database."""

import asyncio
import hashlib
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from campaign.domain.contact_sheet import (
    CONSENT_LEVELS,
    Attestation,
    Columns,
    ContactRow,
    RowParser,
    map_columns,
)
from campaign.domain.csv_reader import Dialect, EncodingScan, Row, RowError, RowReader, sniff
from campaign.domain.dnc_sheet import DncParser
from campaign.domain.errors import BadFile, BadInput, TooLarge
from campaign.domain.phone import is_region
from campaign.store import contacts, dnc
from campaign.store.database import Tx
from campaign.store.imports import Import, Progress

BATCH_BYTES = 1 << 21
FIRST_BYTES = 1 << 17
"""The first batch is small, so that Postgres soon has something to do; each is twice as large as the last."""
PIECE_BYTES = 1 << 16
READ_BYTES = 1 << 20
TURN_SECONDS = 0.0001
USUAL_TURN_SECONDS = sys.getswitchinterval()
SAMPLE_BYTES = 1 << 16
MB = 1 << 20
SEEN_BITS = 134_217_689
"""A prime: numbers of one file are remembered by their remainder, in 16 MB at most."""
CAUSE = "import"


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


def examine(path: Path, max_bytes: int) -> tuple[int, bytes, Dialect, list[str], Path]:
    """One pass over the file: size, SHA-256, how to read it, its first row, its full path."""
    try:
        path = path.resolve()
        str(path).encode()
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > max_bytes:
                raise TooLarge(
                    f"{path.name} has {size / MB:,.1f} MB; at most {max_bytes / MB:,.0f} MB are read.",
                    "Cut it in pieces (each with the header), or raise CAMPAIGN_MAX_UPLOAD_MB.",
                )
            digest, scan, sample = hashlib.sha256(), EncodingScan(), b""
            while chunk := file.read(READ_BYTES):
                sample = sample or chunk[:SAMPLE_BYTES]
                digest.update(chunk)
                scan.feed(chunk)
            scan.feed(b"", final=True)
            dialect = sniff(sample, utf8=scan.is_utf8)
            return size, digest.digest(), dialect, _first_row(file, dialect), path
    except UnicodeEncodeError as error:
        raise BadFile("The file's name is not UTF-8.", "Rename it, or a folder that it lies in.") from error
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


async def ahead(reading: "Reading") -> AsyncGenerator["Batch", None]:
    """Batches; the next one is read while the caller works on the one before.

    Meanwhile the threads take turns fifty times as often as usual: else the caller, woken some hundred
    times a second to feed Postgres, waits 5 ms each time for the thread that reads, and Postgres with it.
    """
    sys.setswitchinterval(TURN_SECONDS)
    following = asyncio.create_task(asyncio.to_thread(reading.batch))
    try:
        while (batch := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(reading.batch))
            yield batch
    finally:
        await asyncio.wait([following])  # the thread must not read a closed file
        sys.setswitchinterval(USUAL_TURN_SECONDS)


class Reading:
    """An open file and where its reader stands; works in a thread."""

    def __init__(self, row: Import, now: datetime, batch_bytes: int, into_empty: bool) -> None:
        self._row, self._batch_bytes = row, batch_bytes
        self._next_bytes = min(FIRST_BYTES, batch_bytes)
        options = Options.from_kept(row.options)
        path = Path(row.stored_path or "")
        size, digest, dialect, first, path = examine(path, row.file_bytes)
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

    def batch(self) -> "Batch | None":
        """The next batch; None after the last."""
        if self._ended:
            return None
        rows = self._rows(self._next_bytes)
        self._next_bytes = min(2 * self._next_bytes, self._batch_bytes)
        if self._skip_header:
            self._skip_header = next(rows, None) is None
        batch = self._take(rows)
        batch.offset, batch.line = self._reader.offset, self._reader.line
        return batch

    def _rows(self, most: int) -> Iterator[Row | RowError]:
        """The rows of so many bytes, read in pieces: no step over one of them holds up the other thread."""
        while most > 0 and not self._ended:
            piece = self._file.read(min(most, PIECE_BYTES))
            self._ended = not piece
            most -= len(piece)
            yield from self._reader.stream(piece, final=self._ended)

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class Batch(ABC):
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
class _ContactBatch(Batch):
    """First number → its line for COPY. `doubtful`: those that the list may have already; `opted_out`: all
    numbers of those whom the file itself says not to call."""

    lines: dict[str, str] = field(default_factory=dict)
    opted_out: dict[str, str] = field(default_factory=dict)
    doubtful: Collection[str] = ()

    async def load(self, tx: Tx, row: Import, now: datetime, *, wary: bool) -> Progress:
        """Load what the list doesn't have; `wary` looks for each number, not only for the doubtful ones."""
        assert row.list_id is not None
        look = self.lines.keys() if wary else self.doubtful
        there = await contacts.known(tx, row.list_id, look) if look else {}
        mine = sum(1 for import_id in there.values() if import_id == row.id)
        lines = self.lines
        taken = [lines[phone] for phone in lines if phone not in there] if there else list(lines.values())
        if taken:
            await contacts.load(tx, taken)
        if self.opted_out:
            own = await dnc.ensure_list(tx, None, dnc.OWN, now)
            await _stop(tx, own, self.opted_out, row.actor, now)
        return self._progress(len(taken), self.repeated + mine, len(there) - mine)


@dataclass(slots=True)
class _NumberBatch(Batch):
    """Number → reason."""

    entries: dict[str, str] = field(default_factory=dict)

    async def load(self, tx: Tx, row: Import, now: datetime, *, wary: bool) -> Progress:
        """Put the numbers on the list, and stop what is on its way to them."""
        assert row.dnc_list_id is not None
        added = await _stop(tx, row.dnc_list_id, self.entries, row.actor, now)
        return self._progress(added, self.repeated, len(self.entries) - added)


async def _stop(tx: Tx, list_id: int, entries: Mapping[str, str], actor: str, now: datetime) -> int:
    """Numbers with their reasons onto a do-not-call list; what is on its way to them stops."""
    phones = list(entries)
    added = await dnc.bulk_add(tx, list_id, list(entries.items()), source=CAUSE, actor=actor, now=now)
    if phones:
        await dnc.block_waiting(tx, phones, list_id, now)
        await dnc.queued_calls(tx, phones, list_id, now)
    return added


class _Seen:
    """Whether a number was in the file before, in a bit for each remainder.

    A "no" is certain; a "perhaps" is looked up. In a file of a million new numbers four in a thousand are
    looked up in vain, and no number costs memory of its own.
    """

    def __init__(self) -> None:
        self._bits = bytearray(SEEN_BITS // 8 + 1)

    def before(self, number: int) -> bool:
        """Whether it perhaps was; from now on it was."""
        at = number % SEEN_BITS
        bit = 1 << (at & 7)
        here = self._bits[at >> 3]
        self._bits[at >> 3] = here | bit
        return here & bit != 0


class _Contacts:
    """Rows of a contact list → batches. `into_empty`: whether the list had no contacts when it began."""

    def __init__(
        self, row: Import, columns: Columns, options: Options, now: datetime, into_empty: bool
    ) -> None:
        assert row.list_id is not None
        self._seen = _Seen() if into_empty else None
        self._parse = RowParser(
            columns, region=options.region, now=now, attestation=options.attestation(row.actor)
        )
        self._line = contacts.CopyLines(row.list_id, row.id, now)
        self._marked = f"marked do-not-call in the list {row.file_name}"[:500]

    def __call__(self, rows: Iterable[Row | RowError]) -> _ContactBatch:
        batch = _ContactBatch([])
        lines, reject, parse, line_of = batch.lines, batch.rejected.append, self._parse, self._line
        before = self._seen.before if self._seen is not None else None
        doubtful: list[str] = []
        for row in rows:
            found: ContactRow | RowError = row if isinstance(row, RowError) else parse(*row)
            if isinstance(found, RowError):
                reject(found)
                continue
            phone = found.phones[0].e164
            if found.do_not_call:
                batch.opted_out.update((one.e164, self._marked) for one in found.phones)
            if phone in lines:
                batch.repeated += 1
                continue
            if before is not None and before(int(phone)):
                doubtful.append(phone)
            lines[phone] = line_of(found)
        batch.doubtful = lines.keys() if before is None else doubtful
        batch.read = len(lines) + batch.repeated + len(batch.rejected)
        return batch


class _Numbers:
    """Rows of a do-not-call file → batches."""

    def __init__(self, parser: DncParser, reason: str) -> None:
        self._parse, self._reason = parser, reason

    def __call__(self, rows: Iterable[Row | RowError]) -> _NumberBatch:
        batch = _NumberBatch([])
        for row in rows:
            batch.read += 1
            found = row if isinstance(row, RowError) else self._parse(*row)
            if isinstance(found, RowError):
                batch.rejected.append(found)
                continue
            new = [phone.e164 for phone in found.phones if phone.e164 not in batch.entries]
            batch.entries.update(dict.fromkeys(new, found.reason or self._reason))
            batch.repeated += not new
        return batch
