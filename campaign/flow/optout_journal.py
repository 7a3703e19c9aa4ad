"""Opt-outs outlive a database outage: a journal in the data directory, fsynced before anyone is told.

A line is a JSON object; the whole file is replayed (each entry at most once takes effect, as adding a number
twice changes nothing) and removed only when all of it is committed. Several processes may share the
directory: writing and replaying hold an flock.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from campaign.flow.suppress import Asked, opt_out_in
from campaign.store.database import Database

log = structlog.get_logger(__name__)

NAME = "opt-outs.jsonl"


class Entry(msgspec.Struct, frozen=True):
    """One opt-out as it is kept: E.164, the person's words, conversation or keypress, when, by whom told, in
    which call (None: written by a version that didn't say)."""

    phone: str
    quote: str
    source: str
    at: datetime
    actor: str
    attempt_id: int | None = None


@contextmanager
def _locked(data_dir: Path) -> Iterator[Path]:
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / f"{NAME}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield data_dir / NAME


def _append(data_dir: Path, entry: Entry) -> None:
    with _locked(data_dir) as path:
        fresh = not path.exists()
        with path.open("ab") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            directory = os.open(data_dir, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


async def append(data_dir: Path, entry: Entry) -> None:
    """Keep an opt-out on disk; when this returns it survives a power cut.

    Raises:
        OSError: the disk is full or the directory can't be written.
    """
    await asyncio.to_thread(_append, data_dir, entry)


def _read(path: Path) -> list[Entry]:
    """All whole lines; the last one may be torn by a power cut, before anyone was told it is safe."""
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(msgspec.json.decode(line, type=Entry))
        except msgspec.DecodeError:
            log.error("opt_out_journal_torn", line=line[:60].decode("utf-8", "replace"))
    return found


async def replay(db: Database, data_dir: Path, now: datetime) -> int:
    """Write what the journal holds to the do-not-call list; to be called before anything is claimed.

    Args:
        data_dir: where the journal is.
        now: the clock's instant.

    Returns:
        How many entries were written.

    Raises:
        DatabaseUnavailable: the journal stays; nothing may be claimed.
    """
    path = data_dir / NAME
    if not path.exists():
        return 0
    entries = await asyncio.to_thread(_read_locked, data_dir)
    for entry in entries:
        async with db.transaction() as tx:
            asked = Asked(entry.phone, entry.quote, entry.source, entry.actor, entry.at, entry.attempt_id)
            await opt_out_in(tx, asked, now)
    await asyncio.to_thread(_drop, data_dir, frozenset(entries))
    if entries:
        log.info("opt_out_journal_replayed", entries=len(entries))
    return len(entries)


def _read_locked(data_dir: Path) -> list[Entry]:
    with _locked(data_dir) as path:
        return _read(path)


def _drop(data_dir: Path, written: frozenset[Entry]) -> None:
    """Remove what was written; what was appended meanwhile stays, whoever else replays at the same time."""
    with _locked(data_dir) as path:
        rest = [entry for entry in _read(path) if entry not in written]
        if not rest:
            path.unlink(missing_ok=True)
            return
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.writelines(msgspec.json.encode(entry) + b"\n" for entry in rest)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
