"""Exports: rows of results as CSV or Parquet files, whole or by time; two runs neither lose nor double a row.

The rows of an export are those whose instant (settled_at of attempts, turns and answers; recorded_at of
outcomes; updated_at of contacts) lies in [since, until). `until` is never later than it is certain that no
row before it can still be committed; it is told at the end, and is the next run's `since`. A row that is
corrected after it was exported, as when its price comes, stands as it was in the file: read the last days
again, by attempt_id.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from campaign.domain.cells import as_cell
from campaign.domain.errors import BadInput
from campaign.flow.intake import csv_line
from campaign.store import accounts, campaigns
from campaign.store import exports as store
from campaign.store.database import Database
from campaign.store.exports import Batch, Column


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: so many rows, of the time from since (None: from the first) to until."""

    rows: int
    since: datetime | None
    until: datetime


class Sheet(Protocol):
    """A file that takes rows."""

    def write(self, batch: Batch) -> None: ...


Open = Callable[[], AbstractContextManager[Sheet]]
"""Opens a file, and closes it whole or, after an error, as it is."""


class CsvSheet:
    """UTF-8, CRLF, a header; what a spreadsheet would run as a formula is disarmed, phone numbers stay."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._begun = False

    def write(self, batch: Batch) -> None:
        if not self._begun:
            self._begun = True
            self._out.write(csv_line([column.name for column in batch.columns]).encode())
        lines = [csv_line([as_cell(value) for value in row]) for row in batch.rows]
        self._out.write("".join(lines).encode())


class ParquetSheet:
    """Typed columns, zstd; JSON values as text."""

    def __init__(self, out: IO[bytes]) -> None:
        self._arrow, self._parquet = arrow()
        self._out = out
        self._writer: Any = None
        self._schema: Any = None

    def write(self, batch: Batch) -> None:
        if self._writer is None:
            self._schema = self._arrow.schema([(one.name, self._type(one)) for one in batch.columns])
            self._writer = self._parquet.ParquetWriter(self._out, self._schema, compression="zstd")
        arrays = [
            self._arrow.array([_typed(column, row[n]) for row in batch.rows], type=field.type)
            for n, (column, field) in enumerate(zip(batch.columns, self._schema, strict=True))
        ]
        if batch.rows:
            self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the footer, without which the file is none."""
        if self._writer is not None:
            self._writer.close()

    def _type(self, column: Column) -> Any:
        arrow = self._arrow
        return {
            "bool": arrow.bool_(),
            "int4": arrow.int32(),
            "int8": arrow.int64(),
            "float8": arrow.float64(),
            "text": arrow.string(),
            "json": arrow.string(),
            "date": arrow.date32(),
            "timestamp": arrow.timestamp("us"),
            "timestamptz": arrow.timestamp("us", tz="UTC"),
            "texts": arrow.list_(arrow.string()),
        }[column.type]


def _typed(column: Column, value: Any) -> Any:
    if column.type == "json" and value is not None:
        return json.dumps(value, ensure_ascii=False)
    return value


def arrow() -> tuple[Any, Any]:
    """The libraries that write Parquet; only an installation that asked for them has them.

    Raises:
        BadInput: it hasn't.
    """
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise BadInput(
            "Parquet files need pyarrow, which is not installed here.",
            "Install it: pip install 'calling-campaign[parquet]'. Or take --format csv.",
        ) from None


def opened(path: Path, format_: str) -> Open:
    """A file of a format at a place, opened when it is time.

    Raises:
        BadInput: the format can't be written here.
    """
    if format_ == "parquet":
        arrow()

    @contextmanager
    def open_() -> Iterator[Sheet]:
        with path.open("wb") as out:
            if format_ == "csv":
                yield CsvSheet(out)
            else:
                made = ParquetSheet(out)
                try:
                    yield made
                finally:
                    made.close()

    return open_


def streamed(out: IO[bytes]) -> Open:
    """CSV into something that is open already, and stays so."""

    @contextmanager
    def open_() -> Iterator[Sheet]:
        yield CsvSheet(out)
        out.flush()

    return open_


async def export(
    db: Database,
    what: str,
    into: Open,
    *,
    since: datetime | None,
    until: datetime | None,
    campaign: str | None,
    actor: str,
    now: datetime,
    rate: float = 1.0,
    progress: Callable[[int], None] | None = None,
) -> Exported:
    """Write rows to a file; audited.

    Args:
        what: of `store.exports.WHATS`.
        into: opens the file, once it is known that there is something to write to it.
        since: rows from this instant on; until: before this one, or as far as is certain if that is earlier.
        campaign: only of this one, by name or #number.
        progress: told how many rows were written so far.

    Raises:
        NotFound: there is no such campaign.
        BadInput: the span is empty, or ends before anything is certain.
    """
    certain = await store.certain_until(db, now, rate)
    end = certain if until is None else min(until, certain)
    if since is not None and since >= end:
        raise BadInput(
            f"Nothing between {since.isoformat()} and {end.isoformat()} can be exported yet.",
            "Rows are exported once they are some minutes old, so that none can be missed: try again later.",
        )
    rows = 0
    # One read-only transaction: one snapshot for the whole file. It holds up nobody who writes.
    async with db.connection() as tx:
        campaign_id = None if campaign is None else (await campaigns.find(tx, campaign)).id
        with into() as file:
            async for batch in store.read(tx, what, since, end, campaign_id):
                file.write(batch)
                rows += len(batch.rows)
                if progress is not None:
                    progress(rows)
    detail = {
        "what": what,
        "rows": rows,
        "since": since.isoformat() if since else None,
        "until": end.isoformat(),
        "campaign": campaign_id,
    }
    async with db.transaction() as tx:
        await accounts.audit(tx, actor, "export.write", f"export:{what}", now, detail)
    return Exported(rows, since, end)


# ── watermarks ─────────────────────────────────────────────────────────────────────────────────────────


def read_mark(path: Path) -> datetime | None:
    """Up to where the runs before have exported; None: there was none.

    Raises:
        BadInput: the file holds something else.
    """
    try:
        text = path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    try:
        mark = datetime.fromisoformat(text)
    except ValueError:
        mark = None
    if mark is None or mark.tzinfo is None:
        raise BadInput(f"{path} holds no watermark of an export.", "Name another file, or remove it.")
    return mark


def write_mark(path: Path, until: datetime) -> None:
    """Keep up to where was exported; at once or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(until.isoformat() + "\n", "utf-8")
    fresh.replace(path)


# ── files asked for by API ─────────────────────────────────────────────────────────────────────────────


def folder_of(data_dir: Path) -> Path:
    """Where files lie until they are fetched; only this user may read them."""
    folder = data_dir / "exports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class Expiry:
    """Removes files of this host whose time is over, and what killed processes have left."""

    def __init__(self, db: Database, data_dir: Path, host: str, rate: float = 1.0) -> None:
        self._db = db
        self._folder = data_dir / "exports"
        self._host = host
        self._every = 60.0 * rate
        self._looked: datetime | None = None

    async def tick(self, now: datetime) -> int:
        """What is due at an instant; returns how many files went."""
        if self._looked is not None and (now - self._looked).total_seconds() < self._every:
            return 0
        self._looked = now
        if not self._folder.is_dir():
            return 0
        async with self._db.transaction() as tx:
            over = await store.expired(tx, self._host, now)
            for one in over:
                await accounts.audit(tx, "system:exports", "export.expire", f"export:{one.id}", now, {})
        kept = await self._kept()
        gone = [path for path in self._folder.iterdir() if path.name not in kept]
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    async def _kept(self) -> set[str]:
        async with self._db.connection() as tx:
            rows = await store.listed(tx, None, 1000)
        alive = [row for row in rows if row.host == self._host and row.state in ("running", "finished")]
        return {name for row in alive for name in (file_name(row.id, row.format), part_name(row.id))}


def file_name(export_id: int, format_: str) -> str:
    """The name of a finished file."""
    return f"export-{export_id}.{format_}"


def part_name(export_id: int) -> str:
    """Its name while it is being written."""
    return f"export-{export_id}.part"
