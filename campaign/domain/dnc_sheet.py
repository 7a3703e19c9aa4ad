"""A do-not-call file: a CSV with a telephone column, or nothing but numbers, one a line.

Also the national registry's flat form, area code and number apart: "212,5550142".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from campaign.domain.cells import unquoted
from campaign.domain.contact_sheet import Columns, map_columns
from campaign.domain.csv_reader import RowError
from campaign.domain.errors import BadFile
from campaign.domain.headers import NUMBER_FIELDS, header_key
from campaign.domain.phone import PhoneNumber, Rejected, parse

_REASONS = {"reason", "note", "notes", "comment", "why", "grund", "motif", "motivo"}
_SHOULD_BE_DIGITS = re.compile(r"[\d\s()+.\-/'*#]+")


class DncRow(NamedTuple):
    """Numbers of one row that must not be called, and the reason that the file gives ("" when none)."""

    line: int
    phones: tuple[PhoneNumber, ...]
    reason: str


class DncParser:
    """Rows of one file → do-not-call numbers.

    Attributes:
        columns: what the columns are; None when the file has no header and its first row is data.
    """

    def __init__(
        self,
        first: Sequence[str],
        *,
        region: str | None,
        mapping: Mapping[str, str] | None = None,
        read: Callable[[str, str | None], PhoneNumber | Rejected] = parse,
    ):
        """Args: `first`: the file's first row; `region`: ISO country of numbers without "+"; `read`: how a
        cell and that country make a number.

        Raises:
            BadFile: the first row is neither a header with a telephone column nor a number.
            BadInput: the mapping names an unknown field or column.
        """
        self._region, self._read = region, read
        self.columns: Columns | None = None
        self._reason: int | None = None
        self._apart = len(first) == 2 and all(map(str.isdigit, first)) and len(first[0]) == 3
        if not mapping and _SHOULD_BE_DIGITS.fullmatch(first[0]) and any(map(str.isdigit, first[0])):
            self.header: tuple[str, ...] = ("phone", *(f"column_{n}" for n in range(2, len(first) + 1)))
            return
        self.columns = map_columns(first, mapping, numbers=False)
        self.header = self.columns.header
        if not any(name in self.columns.fields for name in NUMBER_FIELDS):
            raise BadFile(
                f'The first line has neither a telephone column nor a number: "{first[0][:60]}".',
                'Give the file a header such as "phone", or name the column with --map phone=….',
            )
        wanted = [index for name, index in self.columns.variables if header_key(name) in _REASONS]
        self._reason = wanted[0] if wanted else None

    def __call__(self, line: int, cells: list[str]) -> DncRow | RowError:
        """The numbers of one row, or why it has none. A doubtful row is an error, never dropped."""
        if self._apart and len(cells) == 2:
            return self._row(line, cells, ["".join(cells)], "")
        if self.columns is None:
            return self._row(line, cells, cells[:1], "")
        if len(cells) != len(self.columns.header):
            why = f"the row has {len(cells)} cells, the header has {len(self.columns.header)}"
            return RowError(line, "", why, "cells", tuple(cells))
        if self.columns.handed_back:
            cells[:] = [unquoted(cell) for cell in cells]
        reason = cells[self._reason].strip()[:500] if self._reason is not None else ""
        return self._row(line, cells, [cells[i] for i in self.columns.phones if cells[i].strip()], reason)

    def _row(self, line: int, cells: list[str], texts: list[str], reason: str) -> DncRow | RowError:
        found: list[PhoneNumber] = []
        for text in texts:
            number = self._read(text, self._region)
            if isinstance(number, Rejected):
                return RowError(line, "phone", number.why, number.code, tuple(cells))
            found.append(number)
        if not found:
            return RowError(line, "phone", "there is no number", "empty", tuple(cells))
        return DncRow(line, tuple(found), reason)
