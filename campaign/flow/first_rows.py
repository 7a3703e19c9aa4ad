"""The first rows of a file, read as an import would read them: for people, before anything is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from campaign.domain.contact_sheet import Attestation, Columns, ContactRow, RowParser, map_columns
from campaign.domain.csv_reader import Dialect, Row, RowError, RowReader, sniff
from campaign.domain.errors import BadFile
from campaign.domain.headers import FIELDS

LOOKED_AT = 1 << 17
"""Bytes from the file's start that are looked at: so few that it may be done in any process, in a thread."""
SHOWN = 8


@dataclass(frozen=True, slots=True)
class FirstRows:
    """How a file is understood, and what its first rows become.

    Args:
        header: names of its columns.
        columns: what each of them is; None: `fault` says why nothing can be read so.
        rows: the first rows as they stand in the file.
        read: what each becomes: a contact, or why it is rejected.
        whole: these are all rows of the file.
    """

    dialect: Dialect
    header: tuple[str, ...]
    columns: Columns | None
    rows: tuple[tuple[str, ...], ...]
    read: tuple[ContactRow | RowError, ...]
    whole: bool
    fault: BadFile | None = None

    @property
    def what(self) -> list[str]:
        """For each column its field, or "" for a variable."""
        fields = {} if self.columns is None else {at: name for name, at in self.columns.fields.items()}
        return [fields.get(at, "") for at in range(len(self.header))]

    @property
    def variables(self) -> dict[int, str]:
        """Column → the name that a script may say it by."""
        return {} if self.columns is None else {at: name for name, at in self.columns.variables}


def look(
    path: Path,
    *,
    mapping: Mapping[str, str] | None,
    region: str | None,
    now: datetime,
    attestation: Attestation | None = None,
    shown: int = SHOWN,
) -> FirstRows:
    """Look at a file's beginning.

    Args:
        mapping: field → header, as of an import.
        region: ISO country of numbers without "+".
        attestation: what is vouched for, where rows say nothing of consent.
        shown: how many rows.

    Raises:
        BadFile: it is no CSV, it is empty, or two columns have one name. That no column holds telephone
            numbers is no error here but the `fault`: whoever looks can say which one does.
        BadInput: the mapping can't be meant.
    """
    with path.open("rb") as file:
        sample = file.read(LOOKED_AT)
        whole = not file.read(1)
    dialect = sniff(sample)
    found = _rows(sample[dialect.skip :], dialect, whole, shown + 1)
    if not found:
        raise BadFile("The file is empty.", "Its first line must name the columns.")
    if isinstance(found[0], RowError):
        raise BadFile(f"The header cannot be read: {found[0].why}.", "Mend the file's first line.")
    header = tuple(found[0][1])
    fault, columns = None, None
    map_columns(header, mapping, numbers=False)
    try:
        columns = map_columns(header, mapping)
    except BadFile as error:
        fault = error
    rest, whole = found[1:], whole and len(found) <= shown
    read: list[ContactRow | RowError] = []
    if columns is not None:
        parse = RowParser(columns, region=region, now=now, attestation=attestation)
        read = [row if isinstance(row, RowError) else parse(row[0], list(row[1])) for row in rest]
    cells = tuple(tuple(row.cells if isinstance(row, RowError) else row[1]) for row in rest)
    return FirstRows(dialect, header, columns, cells, tuple(read), whole, fault)


def _rows(sample: bytes, dialect: Dialect, whole: bool, most: int) -> list[Row | RowError]:
    return list(islice(RowReader(dialect).stream(sample, final=whole), most))


def chosen(header: Sequence[str], what: Sequence[str]) -> dict[str, str]:
    """What people chose for each column, as an import's mapping that leaves nothing to guessing.

    Args:
        what: for each column a field of ours, or "" for a variable.
    """
    named = {field: cell.strip() for cell, field in zip(header, what, strict=False) if field}
    return {field: named.get(field, "") for field in FIELDS}
