"""A contact list's CSV: which column is what, and row → contact or the reason why not.

Pure: takes the header and rows that `csv_reader` gives. Every column that isn't one of ours is kept as a
variable of the script.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import NamedTuple, TypeVar

from campaign.domain.cells import CONSENT_WORDS, COUNTRY_NAMES, DO_NOT_CALL_WORDS, PARTY_WORDS, unquoted, when
from campaign.domain.cells import quoted as quoted
from campaign.domain.csv_reader import RowError
from campaign.domain.errors import BadFile, BadInput
from campaign.domain.headers import ALIASES, FIELDS, NUMBER_FIELDS, VARIABLES, header_key
from campaign.domain.phone import PhoneNumber, Rejected, is_region, parse
from campaign.domain.place import Place, locate

MAX_CELL = 4_000
"""Characters of one cell that we keep; a longer one rejects its row."""
CONSENT_LEVELS = ("none", "ebr", "express_oral", "express_written")
REJECT_COLUMNS = ("line", "reason")
"""Appended to the rows we hand back as rejected; passed over when such a file is imported again."""

_MOST_KEPT = 20_000  # whereabouts and consents remembered while a file is read
_PLACE_FIELDS = ("zone", "state", "postal_code", "country")
_CONSENT_FIELDS = ("party", "consent", "consent_at", "consent_source")


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What a row says of where the person may be, shared by all rows that say the same.

    Attributes:
        place: everywhere the person may be, for all of the numbers together; without its evidence.
        said_zone, state, postal_code: as written in the list, None when absent.
    """

    place: Place
    said_zone: str | None
    state: str | None
    postal_code: str | None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a row says of who the person is and what they agreed to, shared like `Whereabouts`.

    Attributes:
        party: "consumer", "business" or "unknown".
        level: one of CONSENT_LEVELS; at: aware, UTC; source: how it was given.
    """

    party: str
    level: str
    at: datetime | None
    source: str | None


class ContactRow(NamedTuple):
    """One contact of a list.

    Attributes:
        line: line of the file, from 1.
        phones: one to five numbers, in order, without repetition.
        where, consent: see there; the same objects for rows that say the same.
        variables: column name → text, for the script.
        do_not_call: the list itself says that this person has asked not to be called.
    """

    line: int
    phones: tuple[PhoneNumber, ...]
    where: Whereabouts
    consent: Consent
    external_id: str | None
    variables: dict[str, str]
    do_not_call: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a file is.

    Attributes:
        header: the header's cells.
        fields: our field ("phone", "state" …) → index of its column.
        variables: (name, index) of the columns kept as variables.
        handed_back: the file is one of our rejected-rows files; its last two columns are passed over.
    """

    header: tuple[str, ...]
    fields: Mapping[str, int]
    variables: tuple[tuple[str, int], ...]
    handed_back: bool = False

    @property
    def phones(self) -> tuple[int, ...]:
        return tuple(self.fields[name] for name in NUMBER_FIELDS if name in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """All names that a script may use of this file's columns."""
        return tuple(name for name, _ in self.variables)


def map_columns(
    header: Sequence[str], mapping: Mapping[str, str] | None = None, *, numbers: bool = True
) -> Columns:
    """Tell what each column is, by its header in any case, spacing and of several languages.

    Args:
        header: the first row's cells.
        mapping: field → header, for columns that aren't recognised: {"phone": "Mobile No"}; an empty header
            says that no column is that field, whatever the columns are called.
        numbers: whether a column with telephone numbers must be there.

    Raises:
        BadInput: the mapping names an unknown field or column.
        BadFile: two columns have one name, or none holds telephone numbers.
    """
    cells = [cell.strip().lstrip("\ufeff").strip() for cell in header]
    handed_back = len(cells) > 2 and tuple(cells[-2:]) == REJECT_COLUMNS
    used = len(cells) - 2 if handed_back else len(cells)
    keys = [header_key(cell) for cell in cells[:used]]
    _refuse_duplicates(cells[:used], keys)
    fields = _mapped(cells, keys, mapping or {})
    absent = {field.strip().lower() for field, column in (mapping or {}).items() if not column.strip()}
    taken = set(fields.values())
    for index, key in enumerate(keys):
        field = None if index in taken else _free_field(key, keys, fields)
        if field and field not in absent:
            fields[field] = index
            taken.add(index)
    if numbers and not any(name in fields for name in NUMBER_FIELDS):
        raise BadFile(
            f"No column holds telephone numbers. The file's columns are: {_listed(cells)}.",
            'Name the column, for example --map phone="Mobile No"; the first line must be the header.',
            columns=cells,
        )
    variables = _variables(cells, keys, taken, used)
    return Columns(tuple(header), fields, variables, handed_back)


def _refuse_duplicates(cells: Sequence[str], keys: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for cell, key in zip(cells, keys, strict=True):
        if key and key in first:
            same = f'"{first[key]}"' if first[key] == cell else f'"{first[key]}" and "{cell}"'
            raise BadFile(
                f"Two columns have the same name: {same}.",
                "Rename one of them; of two columns with one name one would be lost.",
                column=cell,
            )
        first[key] = cell


def _mapped(cells: Sequence[str], keys: Sequence[str], mapping: Mapping[str, str]) -> dict[str, int]:
    fields: dict[str, int] = {}
    for target, column in mapping.items():
        field = target.strip().lower()
        if field not in FIELDS:
            raise BadInput(
                f'"{target}" is no field of ours (columns of the file: {_listed(cells)}).',
                f"Fields are: {', '.join(FIELDS)}.",
                columns=list(cells),
            )
        if not column.strip():
            continue
        wanted = header_key(column)
        if not wanted or wanted not in keys:
            raise BadInput(
                f'There is no column "{column}" for {field}. The file\'s columns are: {_listed(cells)}.',
                "Write the column's name as the header has it.",
                columns=list(cells),
            )
        fields[field] = keys.index(wanted)
    return fields


def _free_field(key: str, keys: Sequence[str], fields: Mapping[str, int]) -> str | None:
    """The field that a column is by its name; a second telephone column takes the next free number field."""
    field = ALIASES.get(key)
    if field in NUMBER_FIELDS:
        start = NUMBER_FIELDS.index(field)
        reserved = {ALIASES.get(other) for other in keys if other == "phone" or ALIASES.get(other) != "phone"}
        for name in NUMBER_FIELDS[start:]:
            own = name == field and (key == "phone" or field != "phone")
            if name not in fields and (own or name not in reserved):
                return name
        return None
    if field is None or field in fields:
        return None
    plain = field.replace("_", "")
    return field if key == plain or plain not in keys else None


def _variables(
    cells: Sequence[str], keys: Sequence[str], taken: set[int], used: int
) -> tuple[tuple[str, int], ...]:
    names: dict[str, int] = {}
    for index in range(used):
        if index in taken:
            continue
        name = VARIABLES.get(keys[index]) or variable_name(cells[index]) or f"column_{index + 1}"
        if name in names:
            raise BadFile(
                f'The columns "{cells[names[name]]}" and "{cells[index]}" would both be the variable '
                f'"{name}".',
                "Rename one of them.",
            )
        names[name] = index
    return tuple(names.items())


def variable_name(header: str) -> str:
    """A header as a variable of the script: "Policy No." → "policy_no", "Société" → "societe"."""
    plain = unicodedata.normalize("NFKD", header.strip().lower())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    # Among letters and digits are some, of old scripts, that no name may hold.
    plain = "".join(" " if c.isalnum() and not f"_{c}".isidentifier() else c for c in plain)
    name = re.sub(r"\W+", "_", plain).strip("_")[:60]
    return name if not name or name.isidentifier() else f"n_{name}"


def _listed(cells: Sequence[str]) -> str:
    return ", ".join(f'"{cell[:40]}"' for cell in cells[:40]) or "none"


@dataclass(frozen=True, slots=True)
class Attestation:
    """What whoever brings a list vouches for, where its rows say nothing of consent themselves.

    `level`: one of CONSENT_LEVELS; `at`: aware, UTC; `source`: how it was given, and who says so.
    """

    level: str
    at: datetime | None
    source: str | None


_Said = TypeVar("_Said")
_Found = TypeVar("_Found")


def _remembered(kept: dict[_Said, _Found], said: _Said, found: _Found) -> _Found:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[said] = found
    return found


def _picker(indexes: Sequence[int]) -> Callable[[list[str]], tuple[str, ...]]:
    """Takes the cells of these columns out of a row, always as a tuple."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda cells: tuple([cells[index] for index in indexes])


def _prefixes(phones: tuple[PhoneNumber, ...]) -> str:
    """As much of the numbers as their places depend on: the area codes, and what isn't +1 in full."""
    if len(phones) == 1:
        e164 = phones[0].e164
        return e164[:5] if e164.startswith("+1") else e164
    return "".join([_prefixes((phone,)) for phone in phones])


class RowParser:
    """Rows of one file → contacts. Remembers what rows said of place and consent; holds nothing else.

    Args:
        region: ISO country of numbers without "+".
        now: consent that is dated later is refused.
        attestation: for rows without a word about consent; one that says "no" keeps its no.
    """

    def __init__(
        self, columns: Columns, *, region: str | None, now: datetime, attestation: Attestation | None = None
    ) -> None:
        fields = columns.fields
        self._columns = columns
        self._region = region
        self._now = now
        self._unsaid = attestation or Attestation("none", None, None)
        self._width = len(columns.header)
        self._phones = columns.phones
        self._external_id = fields.get("external_id")
        self._do_not_call = fields.get("do_not_call")
        self._country_at = fields.get("country")
        # Cells are picked out together and looked up as they stand: most rows say what others said before.
        self._place_cells = _picker([fields[name] for name in _PLACE_FIELDS if name in fields])
        self._consent_cells = _picker([fields[name] for name in _CONSENT_FIELDS if name in fields])
        self._variables = columns.variables
        self._places: dict[str, Place] = {}
        self._wheres: dict[tuple[str, tuple[str, ...]], Whereabouts] = {}
        self._consents: dict[tuple[str | None, tuple[str, ...]], Consent] = {}

    def __call__(self, line: int, cells: list[str]) -> ContactRow | RowError:
        """The contact of one row, or why it is none."""
        if len(cells) != self._width:
            if len(cells) < self._width or any(cells[self._width :]):
                return self._ragged(line, cells)
            del cells[self._width :]
        if len("".join(cells)) > MAX_CELL:
            for index, cell in enumerate(cells):
                if len(cell) > MAX_CELL:
                    why = f"the cell has {len(cell):,} characters, at most {MAX_CELL:,} are kept"
                    return self._error(line, cells, index, why, "cell_too_long")
        if self._columns.handed_back:
            cells[:] = [unquoted(cell) for cell in cells]
        try:
            return self._contact(line, cells)
        except _Refused as refused:
            return self._error(line, cells, refused.index, refused.why, refused.code)

    def _contact(self, line: int, cells: list[str]) -> ContactRow:
        country, region = "", self._region
        if self._country_at is not None and (text := cells[self._country_at].strip()):
            country = region = self._country(text)
        phones = self._numbers(cells, region)
        said_there = (_prefixes(phones), self._place_cells(cells))
        where = self._wheres.get(said_there)
        if where is None:
            where = _remembered(self._wheres, said_there, self._whereabouts(cells, phones, country))
        said = (region, self._consent_cells(cells))
        consent = self._consents.get(said)
        if consent is None:
            consent = _remembered(self._consents, said, self._consent(cells, region))
        external = self._external_id
        return ContactRow(
            line,
            phones,
            where,
            consent,
            (cells[external].strip() or None) if external is not None else None,
            {name: cells[index].strip() for name, index in self._variables},
            self._do_not_call is not None and self._opted_out(cells[self._do_not_call], region),
        )

    def _opted_out(self, cell: str, region: str | None) -> bool:
        """Whether the cell says that the person must not be called; a word that nobody knows spoils the row,
        since either reading of it could be wrong."""
        found = DO_NOT_CALL_WORDS.get(re.sub(r"[\s_-]+", "", cell.casefold()))
        if found is None:
            if when(cell.strip(), region) is None:
                assert self._do_not_call is not None
                why = f'"{cell.strip()[:40]}" says neither yes nor no to calls (write yes, no or a date)'
                raise _Refused(self._do_not_call, why, "do_not_call")
            return True
        return found

    def _numbers(self, cells: list[str], region: str | None) -> tuple[PhoneNumber, ...]:
        found: tuple[PhoneNumber, ...] = ()
        for index in self._phones:
            text = cells[index]
            if not text:
                continue
            number = parse(text, region)
            if isinstance(number, Rejected):
                if number.code == "empty":
                    continue
                raise _Refused(index, number.why, number.code)
            if number not in found:
                found += (number,)
        if not found:
            raise _Refused(self._phones[0], "there is no number", "empty")
        return found

    def _cell(self, cells: list[str], name: str) -> str:
        index = self._columns.fields.get(name)
        return cells[index].strip() if index is not None else ""

    def _whereabouts(self, cells: list[str], phones: tuple[PhoneNumber, ...], country: str) -> Whereabouts:
        zone, state, postal_code = (self._cell(cells, name) for name in ("zone", "state", "postal_code"))
        try:
            places = [
                locate(number, zone=zone, postal_code=postal_code, state=state, country=country or None)
                for number in phones
            ]
        except BadInput as fault:
            raise _Refused(self._columns.fields.get("zone", 0), fault.what, "zone") from fault
        place = places[0]
        for other in places[1:]:
            place = place.union(other)
        shared = self._places.get(place.key) or _remembered(
            self._places, place.key, replace(place, evidence=())
        )
        return Whereabouts(shared, zone or None, state or None, postal_code or None)

    def _country(self, text: str) -> str:
        code = text.upper()
        found = code if is_region(code) else COUNTRY_NAMES.get(header_key(text))
        if found is None:
            index = self._columns.fields["country"]
            raise _Refused(index, f'"{text[:40]}" is no country (write its ISO code, such as US)', "country")
        return found

    def _consent(self, cells: list[str], region: str | None) -> Consent:
        fields, cell = self._columns.fields, partial(self._cell, cells)
        consent = CONSENT_WORDS.get(cell("consent").lower().replace(" ", "_").replace("-", "_"))
        if consent is None:
            why = f'"{cell("consent")[:40]}" is no level of consent (levels: {", ".join(CONSENT_LEVELS)})'
            raise _Refused(fields["consent"], why, "consent")
        party = PARTY_WORDS.get(cell("party").lower())
        if party is None:
            raise _Refused(fields["party"], "the party is neither consumer nor business", "party")
        at = None
        if cell("consent_at"):
            at = when(cell("consent_at"), region)
            if at is None:
                why = "this is no date (write it as 2026-03-31)"
                raise _Refused(fields["consent_at"], why, "consent_at")
            if at > self._now:
                raise _Refused(fields["consent_at"], "the consent's date lies in the future", "consent_at")
        if not cell("consent"):
            unsaid = self._unsaid
            return Consent(party, unsaid.level, at or unsaid.at, cell("consent_source") or unsaid.source)
        return Consent(party, consent, at, cell("consent_source") or None)

    def _ragged(self, line: int, cells: list[str]) -> RowError:
        many = "too many" if len(cells) > self._width else "too few"
        why = f"the row has {many} cells: {len(cells)}, the header has {self._width}"
        return RowError(line, "", why, f"{many.replace(' ', '_')}_cells", tuple(cells))

    def _error(self, line: int, cells: Sequence[str], index: int, why: str, code: str) -> RowError:
        return RowError(line, self._columns.header[index].strip(), why, code, tuple(cells))


def contact_from(fields: Mapping[str, str], *, region: str | None, now: datetime) -> ContactRow:
    """One contact that doesn't come from a file: the same names and the same checks as a CSV's columns.

    Args:
        fields: {"phone": "+1 212 555 0142", "first_name": "Ana", "consent": "express_written" …}.

    Raises:
        BadInput: with the name of the field that can't be used.
    """
    for name, value in fields.items():
        if "\0" in name or "\0" in value:
            raise BadInput(f"{name!r} holds a NUL character.", field=name)
    found = RowParser(map_columns(list(fields)), region=region, now=now)(1, list(fields.values()))
    if isinstance(found, RowError):
        raise BadInput(f"{found.column or 'contact'}: {found.why}.", field=found.column, code=found.code)
    return found


class _Refused(Exception):
    """Inside this module only: a cell that spoils its row."""

    def __init__(self, index: int, why: str, code: str) -> None:
        super().__init__(why)
        self.index, self.why, self.code = index, why, code
