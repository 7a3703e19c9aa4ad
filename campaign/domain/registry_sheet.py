"""A registry's files: bytes → the numbers that must not be called, or what changes among them.

A full copy is nearly always nothing but numbers, one a line, and there may be 250 million of them. Where
every line is as long as the first, which a few looks over all of the bytes tell, a million lines cost 0.2 s;
a piece that isn't so is read line by line; anything else (a header, quotes, another encoding) as a CSV.

Numbers are whole numbers here: E.164 without its "+". What a registry lists is kept if it has the form of a
number, though Google's library may not know its prefix: it may be in use tomorrow.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from campaign.domain.csv_reader import Dialect, Row, RowError, RowReader, sniff
from campaign.domain.dnc_sheet import DncParser
from campaign.domain.errors import BadFile
from campaign.domain.phone import NumberKind, PhoneNumber, Rejected, parse

NORTH_AMERICAN = frozenset({"US", "CA"})
"""Registries of these countries list ten-digit numbers by area code."""
MAX_LINE_BYTES = 65_536

_FLAT = re.compile(
    rb'[ \t]*"?(?:\+?1[ -]?)?\(?([2-9]\d\d)\)?"?[ ,.-]{0,2}"?([2-9]\d\d)[ .-]?(\d{4})"?[ \t\r]*'
)
_TEN = re.compile(r"(?:\+?1[ -]?)?\(?([2-9]\d\d)\)?[ ,.-]{0,2}([2-9]\d\d)[ .-]?(\d{4})", re.ASCII)


@dataclass(slots=True)
class Found:
    """What a piece of a file holds.

    Args:
        numbers: E.164 without "+", in the file's order.
        rows: how many the piece has, the rejected ones included; blank lines are none.
    """

    numbers: list[int] = field(default_factory=list)
    rejected: list[RowError] = field(default_factory=list)
    rows: int = 0


def registry_number(text: str, region: str | None) -> PhoneNumber | Rejected:
    """One cell as a number that a registry may list: of the right form, its prefix in use or not."""
    if region in NORTH_AMERICAN and (ten := _TEN.fullmatch(text.strip())):
        return PhoneNumber(f"+1{ten[1]}{ten[2]}{ten[3]}", region or "US", NumberKind.UNKNOWN)
    return parse(text, region)


class FullReader:
    """One file of a full copy, fed in pieces.

    Reads lines of ten digits, lines of "AAA,NNNNNNN", and any CSV whose header names a telephone column or
    that has nothing but numbers in its first column.

    Args:
        sample: the file's beginning, 64 KiB or all of it.
        region: ISO country of numbers without "+".
        mapping: field → header, for a telephone column that isn't recognised.

    Raises:
        BadFile: no file of numbers. BadInput: the mapping names what there isn't.
    """

    def __init__(
        self, sample: bytes, *, region: str | None, mapping: Mapping[str, str] | None = None
    ) -> None:
        dialect, first = _begin(sample)
        parser = DncParser(first, region=region, mapping=mapping, read=registry_number)
        flat = (
            region in NORTH_AMERICAN
            and parser.columns is None
            and dialect.encoding in ("utf-8", "cp1252")
            and (dialect.newline, dialect.line) == ("\n", 1)
            and _FLAT.fullmatch(_line_of(sample, dialect)) is not None
        )
        self._read: Callable[[bytes, bool], Found]
        self._read = _Lines(region).read if flat else _Rows(dialect, parser).read
        self._skip = dialect.skip

    def feed(self, piece: bytes, *, final: bool = False) -> Found:
        """The next bytes of the file; `final`: there are no more."""
        if self._skip:
            cut = min(self._skip, len(piece))
            piece, self._skip = piece[cut:], self._skip - cut
        return self._read(piece, final)


def _begin(sample: bytes) -> tuple[Dialect, list[str]]:
    """How a file is to be read, and its first row."""
    if sample.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise BadFile(
            "This is an XML or HTML file; registries are read as text.",
            "Download the flat text file (for changes: the comma-delimited one) and load that.",
        )
    dialect = sniff(sample)
    reader = RowReader(dialect)
    found = reader.feed(sample[dialect.skip :]) or reader.finish()
    if not found:
        raise BadFile("The file is empty.", "Load the registry's file as it was downloaded.")
    if isinstance(found[0], RowError):
        raise BadFile(f"The first line cannot be read: {found[0].why}.", "Mend the file's first line.")
    return dialect, found[0][1]


def _line_of(sample: bytes, dialect: Dialect) -> bytes:
    for line in sample[dialect.skip :].split(b"\n"):
        if line.strip():
            return line
    return b""


class _Lines:
    """Nothing but North American numbers, one a line."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._line = 1
        self._tail = b""
        self._skipping = False

    def read(self, piece: bytes, final: bool) -> Found:
        data = self._tail + piece
        if self._skipping:
            _, newline, data = data.partition(b"\n")
            self._skipping = not newline
            self._line += len(newline)
        end = len(data) if final else data.rfind(b"\n") + 1
        self._tail, data = data[end:], data[:end]
        quick = _equally_long(data)
        if quick is not None:
            self._line += len(quick)
            found = Found(quick, [], len(quick))
        else:
            found = self._one_by_one(data)
        if len(self._tail) > MAX_LINE_BYTES:
            found.rows += 1
            found.rejected.append(_reject(self._line, self._tail, "the line is too long", "line_too_long"))
            self._tail, self._skipping = b"", True
        return found

    def _one_by_one(self, data: bytes) -> Found:
        found = Found()
        add, match = found.numbers.append, _FLAT.fullmatch
        lines = data.split(b"\n")
        for number, line in enumerate(lines, self._line):
            if ten := match(line):
                add(int(b"1%b%b%b" % ten.groups()))
            elif line.strip(b" \t\r\x1a"):  # 0x1A: how MS-DOS ended a text
                rejected = self._carefully(number, line)
                if isinstance(rejected, int):
                    add(rejected)
                else:
                    found.rejected.append(rejected)
        found.rows = len(found.numbers) + len(found.rejected)
        self._line += len(lines) - 1
        return found

    def _carefully(self, number: int, line: bytes) -> int | RowError:
        if len(line) > MAX_LINE_BYTES:
            return _reject(number, line, "the line is too long", "line_too_long")
        read = registry_number(line.decode("utf-8", "replace").strip(), self._region)
        if isinstance(read, Rejected):
            return _reject(number, line, read.why, read.code)
        return int(read.e164)


def _equally_long(data: bytes) -> list[int] | None:
    """The numbers of lines that are all of one form: ten digits, or three, a comma and seven; else None."""
    stride = data.find(b"\n") + 1
    if not 11 <= stride <= 13 or len(data) % stride:
        return None
    count = len(data) // stride
    end = stride - 1
    if data[end::stride] != b"\n" * count:
        return None
    if data[end - 1] == 13:
        end -= 1
        if data[end::stride] != b"\r" * count:
            return None
    comma = end == 11
    if comma and data[3::stride] != b"," * count:
        return None
    digits = data.translate(None, b",\r\n")
    if len(digits) != 10 * count or not digits.isdigit() or end - comma != 10:
        return None
    office = 4 if comma else 3
    if (data[::stride] + data[office::stride]).translate(None, b"23456789"):
        return None  # an area code or an office code that begins with 0 or 1
    if comma:
        data = data.replace(b",", b"")
    ones = (b"1" + data.replace(b"\n", b"\n1")).split()
    ones.pop()  # what follows the last newline
    return list(map(int, ones))


class _Rows:
    """Any CSV with a telephone column, or whose first column has the numbers."""

    def __init__(self, dialect: Dialect, parser: DncParser) -> None:
        self._reader = RowReader(dialect)
        self._parser = parser
        self._skip_header = parser.columns is not None

    def read(self, piece: bytes, final: bool) -> Found:
        found = Found()
        for row in self._reader.stream(piece, final=final):
            if self._skip_header:
                self._skip_header = False
                continue
            found.rows += 1
            read = row if isinstance(row, RowError) else self._parser(*row)
            if isinstance(read, RowError):
                found.rejected.append(read)
            else:
                found.numbers += [int(phone.e164) for phone in read.phones]
        return found


def _reject(number: int, line: bytes, why: str, code: str) -> RowError:
    raw = line[:200].decode("utf-8", "replace").replace("\0", "\ufffd").rstrip("\r\n")
    return RowError(number, "", why, code, (raw,))


# ── changes ────────────────────────────────────────────────────────────────────────────────────────────


class Change(NamedTuple):
    """A number that came onto the registry (`listed`) or left it, and when, if the file says so."""

    number: int
    listed: bool
    at: datetime | None


_ACTIONS = {
    "a": True, "add": True, "added": True, "addition": True, "+": True, "i": True, "insert": True,
    "d": False, "del": False, "delete": False, "deleted": False, "deletion": False, "-": False,
    "r": False, "remove": False, "removed": False,
}  # fmt: skip
_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_TIME = re.compile(
    r"[T ]?(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?: ?Z| ?UTC| ?GMT| ?E[SD]T)?(?: ?([AP]M))?", re.I
)


class ChangeReader:
    """One change list, fed in pieces: rows of a number, what happened to it, and often when.

    A row's cells tell themselves what they are: the number (in one cell, or area code and the rest in two at
    its beginning), one of A, ADD, D, DELETE and their like, and a date, a time or both at once. Other cells
    make the row one that can't be read: a row that is misunderstood could take a number off.

    Args: as `FullReader`.

    Raises:
        BadFile: no file of rows.
    """

    def __init__(self, sample: bytes, *, region: str | None) -> None:
        dialect, first = _begin(sample)
        self._region = region
        self._skip = dialect.skip
        self._reader = RowReader(dialect)
        self._header = not any(map(str.isdigit, "".join(first)))

    def feed(self, piece: bytes, *, final: bool = False) -> Iterator[Change | RowError]:
        """The next bytes of the file; `final`: there are no more."""
        if self._skip:
            cut = min(self._skip, len(piece))
            piece, self._skip = piece[cut:], self._skip - cut
        for row in self._reader.stream(piece, final=final):
            if self._header:
                self._header = False
            elif isinstance(row, RowError):
                yield row
            else:
                yield self._change(row)

    def _change(self, row: Row) -> Change | RowError:
        line, cells = row
        rest = [cell.strip() for cell in cells]
        text = rest.pop(0)
        if len(text) == 3 and text.isdigit() and rest:
            text += rest.pop(0)
        number = registry_number(text, self._region)
        if isinstance(number, Rejected):
            return RowError(line, "phone", number.why, number.code, tuple(cells))
        actions: list[bool] = []
        day: date | None = None
        clock = (0, 0, 0)
        for cell in filter(None, rest):
            if cell.lower() in _ACTIONS:
                actions.append(_ACTIONS[cell.lower()])
                continue
            found = _day(cell)
            if found is not None and day is None:
                day, cell = found[0], cell[found[1] :].strip()
            if cell:
                at = _clock(cell)
                if at is None:
                    return RowError(
                        line, "", f'"{cell[:40]}" is neither A, D nor a date', "cell", tuple(cells)
                    )
                clock = at
        if len(actions) != 1:
            why = "the row doesn't say whether the number was added (A) or deleted (D)"
            return RowError(
                line, "", why if not actions else "the row says both A and D", "action", tuple(cells)
            )
        moment = datetime(day.year, day.month, day.day, *clock, tzinfo=UTC) if day else None
        return Change(int(number.e164), actions[0], moment)


def _day(text: str) -> tuple[date, int] | None:
    """A date at the beginning of a cell, and where it ends."""
    try:
        if found := _DAY.match(text):
            return date(int(found[1]), int(found[2]), int(found[3])), found.end()
        if found := _AMERICAN.match(text):
            return date(int(found[3]), int(found[1]), int(found[2])), found.end()
    except ValueError:
        pass
    return None


def _clock(text: str) -> tuple[int, int, int] | None:
    found = _TIME.fullmatch(text)
    if not found:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        hour = hour % 12 + (12 if found[4].upper() == "PM" else 0)
    return (hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


def latest(changes: Sequence[Change]) -> dict[int, bool]:
    """Number → whether it is listed after all of the changes: the latest by date counts, of one date the
    later row. Rows without a date come before those that have one."""
    found: dict[int, tuple[datetime, bool]] = {}
    never = datetime.min.replace(tzinfo=UTC)
    for number, listed, at in changes:
        before = found.get(number)
        if before is None or (at or never) >= before[0]:
            found[number] = (at or never, listed)
    return {number: listed for number, (_, listed) in found.items()}


# ── area codes ─────────────────────────────────────────────────────────────────────────────────────────

_IN_NAME = re.compile(r"(?<!\d)[2-9]\d\d(?!\d)")


def area_code_in(name: str) -> str | None:
    """The area code that a file's name tells ("2026-11-20_212.txt"); None when it names none or several."""
    found = set(_IN_NAME.findall(name))
    return found.pop() if len(found) == 1 else None


def area_code_of(e164: str) -> str | None:
    """The North American area code of a number, None for numbers elsewhere."""
    return e164[2:5] if e164.startswith("+1") else None
