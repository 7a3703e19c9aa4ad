"""Files that were sent and wait for a person's word: kept below the data directory until they are imported.

A file is sent once, looked at, and only then imported. It lies under a name that nobody can guess, with a
note of who sent it, readable by this user only; after a day it is removed.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from campaign.domain.errors import BadFile, NotFound, TooLarge

FOLDER = "staged"
KEPT = timedelta(days=1)
MB = 1 << 20
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,100}")


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that was sent. `path`: where it lies; `file_name`: as its sender knows it."""

    token: str
    path: Path
    file_name: str
    file_bytes: int
    user_id: int
    sent_at: datetime


def stage(
    source: BinaryIO,
    *,
    data_dir: Path,
    token: str,
    file_name: str,
    user_id: int,
    max_bytes: int,
    now: datetime,
) -> Staged:
    """Keep a file that was sent; blocking, for a thread.

    Raises:
        TooLarge: it has more than `max_bytes`. BadFile: there is nothing in it.
    """
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in list(_older(folder, now - KEPT)):
        old.unlink(missing_ok=True)
    path = folder / f"{token}.csv"
    shown = Path(file_name.replace("\\", "/").replace("\0", "")).name[:200] or "upload.csv"
    with path.open("xb") as kept:
        path.chmod(0o600)
        shutil.copyfileobj(source, kept, MB)
    os.utime(path, (now.timestamp(), now.timestamp()))  # of the service's clock, which the sweep goes by
    size = path.stat().st_size
    made = Staged(token, path, shown, size, user_id, now)
    if not 0 < size <= max_bytes:
        drop(made)
        if not size:
            raise BadFile("The file is empty.", "Its first line must name the columns.")
        raise TooLarge(
            f"{shown} has {size / MB:,.1f} MB; at most {max_bytes / MB:,.0f} MB are read.",
            "Cut it in pieces (each with the header), or raise CAMPAIGN_MAX_UPLOAD_MB.",
        )
    note = asdict(made) | {"path": str(path), "sent_at": now.isoformat()}
    _note(path).write_text(json.dumps(note), encoding="utf-8")
    _note(path).chmod(0o600)
    os.utime(_note(path), (now.timestamp(), now.timestamp()))
    return made


def staged(data_dir: Path, token: str, user_id: int) -> Staged:
    """A file that this user sent.

    Raises:
        NotFound: it is not here (any more), or somebody else sent it.
    """
    path = data_dir / FOLDER / f"{token}.csv"
    try:
        if not _TOKEN.fullmatch(token) or not path.is_file():
            raise FileNotFoundError
        note = json.loads(_note(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        note = None
    if note is None or note["user_id"] != user_id:
        raise NotFound(
            "This file is not here any more: it was imported, or it waited for more than a day.",
            "Send it once more from your own computer.",
        )
    return Staged(**{**note, "path": path, "sent_at": datetime.fromisoformat(note["sent_at"])})


def handed_on(file: Staged, to: Path) -> Path:
    """The same file at a place that is the reader's own, without a copy: what is refused stays here."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.link(file.path, to)
    return to


def drop(file: Staged) -> None:
    """Remove a file that was sent."""
    file.path.unlink(missing_ok=True)
    _note(file.path).unlink(missing_ok=True)


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _older(folder: Path, than: datetime) -> Iterator[Path]:
    for one in folder.glob("*.*"):
        try:
            if one.stat().st_mtime < than.timestamp():
                yield one
        except FileNotFoundError:  # somebody else was quicker
            continue
