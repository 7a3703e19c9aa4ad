"""Bytes → rows of a CSV as people really export it; nothing here opens a file.

`sniff` tells encoding and delimiter from a file's beginning. A `RowReader` is fed bytes and gives back rows
and, for each row that cannot be one, a `RowError` with its line. One bad row never costs the others:

* a quote that is never closed would swallow the rows after it, in silence, as one huge cell. A record may
  span at most `MAX_RECORD_LINES` lines; what spans more, or has text after its closing quote, is given back
  as an error of its *first* line, and reading goes on with the very next line;
* a line is at most `MAX_LINE_CHARS` long; the rest of a longer one is thrown away unread;
* NUL (which Postgres text can't hold) and bytes that are none of the encoding's spoil only their row.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from campaign.domain.errors import BadFile
from campaign.domain.file_kind import EXPORT, refuse_other_bytes, refuse_other_texts

MAX_RECORD_LINES = 60
MAX_RECORD_CHARS = 131_072  # also csv's own limit for one cell
MAX_LINE_CHARS = 1_048_576
MAX_ERROR_CHARS = 2_000  # of an unreadable row, kept for the person who mends it

_TOO_LONG = f"the line is longer than {MAX_LINE_CHARS:,} characters"
_DELIMITERS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_UNSTORABLE_UTF16 = re.compile("[\0\ud800-\udfff\ufffd]")  # its decoder writes U+FFFD for what is no text


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read a file.

    Attributes:
        encoding: Python's name: "utf-8", "utf-16-le", "utf-16-be" or "cp1252".
        delimiter: one of comma, semicolon, tab, pipe.
        newline: "\\n" (also for "\\r\\n") or, in files of old Macs, "\\r".
        skip: bytes before the header: a byte-order mark, a line "sep=;".
        line: number of the header's line, from 1.
    """

    encoding: str
    delimiter: str
    newline: str = "\n"
    skip: int = 0
    line: int = 1


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was not taken.

    Attributes:
        line: the line of the file on which the row begins, from 1.
        column: the header of the faulty cell, "" when it is the whole row.
        why: a phrase for people. code: for programs and counts.
        cells: the row as read; of an unreadable row its raw line.
    """

    line: int
    column: str
    why: str
    code: str
    cells: tuple[str, ...] = ()


Row = tuple[int, list[str]]
"""(line on which it begins, cells)."""


class EncodingScan:
    """Whether a whole stream is UTF-8; a late "é" of Windows-1252 hides behind megabytes of ASCII.

    One damaged byte in a file of UTF-8 must not turn every other "Zoë" into "ZoÃ«": what counts is whether
    the file has more characters of UTF-8's several bytes than bytes that are none of it.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._good = self._bad = 0

    @property
    def is_utf8(self) -> bool:
        return self._bad == 0 or self._good > self._bad

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(chunk, final)
        if not text.isascii():
            strange = len(text) - len(text.encode("ascii", "ignore"))
            bad = len(text) - len(text.encode("utf-32-le", "ignore")) // 4  # leaves lone surrogates out
            self._bad += bad
            self._good += strange - bad


def sniff(sample: bytes, *, utf8: bool | None = None) -> Dialect:
    """Tell how to read a file from its beginning.

    Args:
        sample: the first bytes (64 KiB are plenty), or all of them.
        utf8: whether the whole file is UTF-8, when an `EncodingScan` has told; None judges by the sample.

    Raises:
        BadFile: empty, or no text at all.
    """
    if not sample.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        if b"\0" in sample:
            raise BadFile("The file holds nothing but NUL bytes: a copy that broke off?", EXPORT)
        raise BadFile("The file is empty.", EXPORT)
    refuse_other_bytes(sample)
    encoding, skip = _encoding(sample, utf8)
    text = sample[skip:].decode(encoding, "replace")
    _refuse_binary(text)
    refuse_other_texts(text)
    newline = "\r" if "\n" not in text and "\r" in text else "\n"
    lines = text.split(newline)
    line = 1
    declared = re.fullmatch(r'"?sep=([,;\t|])"?\r?', lines[0], re.IGNORECASE)
    if declared:
        skip += len((lines[0] + newline).encode(encoding))
        return Dialect(encoding, declared[1], newline, skip, line + 1)
    return Dialect(encoding, _delimiter(lines[:40]), newline, skip, line)


def _encoding(sample: bytes, utf8: bool | None) -> tuple[str, int]:
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name, len(bom)
    head = sample[:4096]
    for place, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = head[place::2].count(0), head[1 - place :: 2].count(0)
        if zeros > len(head) // 2 * 0.06 and others * 10 <= zeros and _is_utf16(head, zeros, name):
            return name, 0
    if utf8 is None:
        scan = EncodingScan()
        scan.feed(sample)
        utf8 = scan.is_utf8
    return ("utf-8" if utf8 else "cp1252"), 0


def _is_utf16(head: bytes, zeros: int, encoding: str) -> bool:
    """Whether the bytes, read so, have lines, and hardly anything that is no text.

    Half the bytes of Latin text are zeros then. Of a sheet in Japanese only digits, delimiters and line ends
    have one; but it has bytes beyond ASCII, and a list of numbers into which a NUL has strayed has none.
    """
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    if text.count("\ufffd") * 50 > len(text) or not ("\n" in text or "\r" in text):
        return False
    return zeros * 5 > len(head) or sum(byte > 0x7F for byte in head) * 20 > len(head)


def _refuse_binary(text: str) -> None:
    head = text.rstrip("\0")[:8192]  # zeros at its end are a copy that broke off; they cost no row
    strange = sum(c < " " and c not in "\t\r\n\f\v" for c in head)
    if strange > max(8, len(head) // 50):
        raise BadFile("This is a binary file, not a CSV file.", EXPORT)
    if "\0" in head.partition("\n")[0]:
        raise BadFile("The file's first line holds NUL bytes: it is damaged, or no CSV file.", EXPORT)


def _delimiter(lines: list[str]) -> str:
    """The candidate that cuts the most lines into as many cells as the header has."""

    def score(candidate: str) -> tuple[float, int]:
        counts = [_outside_quotes(line, candidate) for line in lines if line.strip()]
        if not counts or not counts[0]:
            return 0.0, 0
        return sum(count == counts[0] for count in counts) / len(counts), counts[0]

    best = max(_DELIMITERS, key=score)
    return best if score(best)[1] else ","


def _outside_quotes(line: str, candidate: str) -> int:
    return sum(part.count(candidate) for part in line.split('"')[::2])


class RowReader:
    """Rows of a file that is fed in pieces of any size, from byte `dialect.skip` (or `offset`) on.

    After each `feed`, `offset` (bytes from the file's start) and `line` (from 1) stand at the first row that
    was not yet given out: a new reader made with them goes on there. Blank lines and rows of empty cells are
    passed over.

    Attributes:
        width: how many cells a row should have: as many as the first row. A record of several lines that has
            another number is taken for one that an unclosed quote glued together.
    """

    def __init__(
        self, dialect: Dialect, *, offset: int | None = None, line: int | None = None, width: int = 0
    ) -> None:
        self.width = width
        self._dialect = dialect
        self._fed = dialect.skip if offset is None else offset
        self.line = dialect.line if line is None else line
        self._utf16 = dialect.encoding.startswith("utf-16")
        self._faults = "replace" if self._utf16 else "surrogateescape"
        self._unstorable = _UNSTORABLE_UTF16 if self._utf16 else _UNSTORABLE
        self._decoder = codecs.getincrementaldecoder(dialect.encoding)(self._faults)
        self._open: list[str] = []  # complete lines of a record that isn't complete
        self._tail = ""  # the beginning of a line
        self._dirty = False  # what is read now may hold what can't be stored
        self._skipping = False  # inside a line that is too long

    @property
    def offset(self) -> int:
        kept = "".join(self._open) + self._tail
        if self._dialect.newline == "\r":
            kept = kept.replace("\n", "\r")
        pending = self._decoder.getstate()[0]
        return self._fed - len(kept.encode(self._dialect.encoding, self._faults)) - len(pending)

    def feed(self, chunk: bytes) -> list[Row | RowError]:
        """Take the next bytes of the file; give the rows that are complete."""
        return list(self.stream(chunk))

    def finish(self) -> list[Row | RowError]:
        """The file has ended: give the last row, which may lack its line end."""
        return list(self.stream(b"", final=True))

    def stream(self, chunk: bytes, *, final: bool = False) -> Iterator[Row | RowError]:
        """Take the next bytes of the file; give the rows that are complete, one by one.

        To be read to its end, before which `offset` and `line` tell nothing. Rows that are let go one by one
        cost the garbage collector nothing; ten thousand held in a list cost it a quarter of an import.

        Args:
            final: the file has ended with these bytes: the last row may lack its line end.
        """
        self._fed += len(chunk)
        text = self._decoder.decode(chunk, final)
        if self._dialect.newline == "\r":
            text = text.replace("\r", "\n")
        text = self._tail + text
        if self._skipping:
            _, newline, text = text.partition("\n")
            if not newline:
                self._tail = ""
                return
            self._skipping = False
        self._dirty = (self._dirty and bool(self._open)) or self._unstorable.search(text) is not None
        lines = text.split("\n")
        self._tail = lines.pop()
        lines = [line + "\n" for line in lines]
        if final and self._tail:
            lines.append(self._tail)
            self._tail = ""
        if lines or (final and self._open):
            yield from self._records(self._open + lines, final)
        if len(self._tail) > MAX_LINE_CHARS:
            yield from self._records(self._open, final=True)
            yield _error(self.line, self._tail, _TOO_LONG, "line_too_long")
            self.line += 1
            self._tail, self._skipping = "", True

    def _records(self, lines: list[str], final: bool) -> Iterator[Row | RowError]:
        """Rows of these complete lines; keeps the lines of an unfinished record in `_open`."""
        at = 0
        self._open = []
        while at < len(lines):
            reader = csv.reader(
                map(lines.__getitem__, range(at, len(lines))), delimiter=self._dialect.delimiter, strict=True
            )
            begin = base = at
            first = self.line - at  # file line of lines[0]
            try:
                for cells in reader:
                    end = base + reader.line_num
                    if end - begin > 1 and self._glued(end - begin, cells):
                        raise csv.Error("glued")
                    if any(cells):
                        self.width = self.width or len(cells)
                        bad = self._dirty and _unstorable(first + begin, cells, self._unstorable)
                        yield bad or (first + begin, cells)
                    begin = at = end
                    self.line = first + begin
            except csv.Error as fault:
                unfinished = base + reader.line_num == len(lines) and "end of data" in str(fault)
                chars = sum(map(len, lines[begin:])) if unfinished else 0
                waits = unfinished and len(lines) - begin <= MAX_RECORD_LINES and chars <= MAX_RECORD_CHARS
                if waits and not final:
                    self._open = lines[begin:]
                    return
                later = "expected after" in str(fault) and base + reader.line_num - begin > 1
                yield _fault(first + begin, lines[begin], "glued" if later else str(fault))
                at = begin + 1
                self.line = first + at
            else:
                return

    def _glued(self, lines: int, cells: list[str]) -> bool:
        return lines > MAX_RECORD_LINES or bool(self.width and len(cells) != self.width)


def _unstorable(line: int, cells: list[str], sign: re.Pattern[str]) -> RowError | None:
    for number, cell in enumerate(cells, 1):
        match = sign.search(cell)
        if match:
            kept = tuple(_UNSTORABLE.sub("\ufffd", one)[:MAX_ERROR_CHARS] for one in cells)
            if match[0] == "\0":
                return RowError(line, "", f"cell {number} holds a NUL character", "nul", kept)
            return RowError(line, "", f"cell {number} holds bytes that are no text", "encoding", kept)
    return None


def _fault(line: int, raw: str, fault: str) -> RowError:
    if "field larger" in fault:
        return _error(line, raw, f"a cell is longer than {MAX_RECORD_CHARS:,} characters", "cell_too_long")
    if "new-line character" in fault:
        return _error(line, raw, "a line break stands outside quotes", "line_break")
    if fault == "glued" or "end of data" in fault:
        why = f"a quote opens here and isn't closed where its cell ends (within {MAX_RECORD_LINES} lines)"
    else:
        why = 'a quoted cell goes on after its closing quote (write a quote inside a cell as "")'
    return _error(line, raw, why, "quote")


def _error(line: int, raw: str, why: str, code: str) -> RowError:
    kept = _UNSTORABLE.sub("\ufffd", raw[:MAX_ERROR_CHARS].rstrip("\r\n"))
    return RowError(line, "", why, code, (kept,))
