"""The files of a registry, as they were downloaded: text, or archives of text.

An archive is read member by member as a stream; nothing is unpacked to the disk. What it would unpack to is
bounded before a byte of it is read, and each member again by the size that the archive declares for it.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from campaign.domain.errors import BadFile, TooLarge

MAX_BYTES = 8_000_000_000
"""Most text of one load: twice what 320 million numbers need, one a line."""
MAX_MEMBERS = 2_000
MAX_RATIO = 200
"""How many times smaller than its text a member may be: sorted numbers shrink to a fifth or a tenth."""
SMALL = 1_000_000
"""Members up to so many bytes may be as small as they like."""
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Part:
    """A text to be read: a file, or a member of an archive.

    `name`: for people, "list.zip/212.txt" for a member. `size`: of its text, bytes.
    """

    name: str
    size: int
    path: Path
    member: str | None

    def open(self) -> "Text":
        """Its bytes, to be closed.

        Raises:
            BadFile: it can't be read, or its archive is damaged.
        """
        return Text(self)


class Text:
    """An open part."""

    def __init__(self, part: Part) -> None:
        self._name = part.name
        self._open = ExitStack()
        with self._told():
            if part.member is None:
                self._file: IO[bytes] = self._open.enter_context(part.path.open("rb"))
            else:
                archive = self._open.enter_context(zipfile.ZipFile(part.path))
                self._file = self._open.enter_context(archive.open(part.member))

    def read(self, most: int) -> bytes:
        """The next bytes; none at the end.

        Raises:
            BadFile: it can't be read on; an archive that was cut short or changed.
        """
        with self._told():
            return self._file.read(most)

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BadFile(f"{self._name} cannot be read: {error.strerror}.", "Check its name.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise BadFile(
                f"{self._name} cannot be unpacked: {error}.", "Download the archive anew."
            ) from error


def parts(paths: Sequence[Path]) -> tuple[list[Part], list[dict[str, Any]]]:
    """The texts of those files in the order of their names, and what is kept of each file for the record.

    Raises:
        BadFile: a file can't be read, or an archive isn't one of text files. TooLarge: more than MAX_BYTES.
    """
    if not paths:
        raise BadFile("No file is named.", "Name the registry's files as they were downloaded.")
    found: list[Part] = []
    files: list[dict[str, Any]] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                archive = file.read(4) == _ZIP
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = path.stat().st_size
        except OSError as error:
            raise BadFile(
                f"{path} cannot be read: {error.strerror}.", "Check its name and permissions."
            ) from error
        files.append({"name": path.name, "bytes": size, "sha256": digest})
        found += _members(path) if archive else [Part(path.name, size, path, None)]
    whole = sum(part.size for part in found)
    if whole > MAX_BYTES:
        raise TooLarge(
            f"The files hold {whole / 1e9:,.1f} GB of text; at most {MAX_BYTES / 1e9:,.0f} GB are read.",
            "The whole of the largest registry has 3 GB: check what these files are.",
        )
    return sorted(found, key=lambda part: part.name), files


def _members(path: Path) -> list[Part]:
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise BadFile(f"{path.name} cannot be unpacked: {error}.", "Download the archive anew.") from error
    members = [one for one in listed if not one.is_dir() and not _hidden(one.filename)]
    if any(one.filename == "[Content_Types].xml" for one in members):
        raise BadFile(f"{path.name} is an Excel workbook.", "Export it as CSV (UTF-8) and load that file.")
    if not members:
        raise BadFile(f"The archive {path.name} is empty.", "Download it anew.")
    if len(members) > MAX_MEMBERS:
        raise TooLarge(
            f"The archive {path.name} has {len(members):,} files; at most {MAX_MEMBERS:,} are read."
        )
    for one in members:
        if one.flag_bits & 1:
            raise BadFile(f"{path.name}/{one.filename} is encrypted.", "Unpack it, and load the text.")
        if one.file_size > max(SMALL, MAX_RATIO * one.compress_size):
            raise TooLarge(
                f"{path.name}/{one.filename} would unpack to {one.file_size / 1e6:,.0f} MB, more than "
                f"{MAX_RATIO} times its size: no list of numbers is packed like that.",
                "Check where the archive comes from.",
            )
    return [Part(f"{path.name}/{one.filename}", one.file_size, path, one.filename) for one in members]


def _hidden(name: str) -> bool:
    pure = PurePosixPath(name)
    return pure.parts[0] == "__MACOSX" or pure.name.startswith(".")
