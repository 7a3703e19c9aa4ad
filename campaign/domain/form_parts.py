"""The parts of a definition's form: fields of their own, rows, the week, instants, further attempts.

Each part takes out of a definition's table what its fields can say (`show`), puts into a table what they say
(`read`), and tells at which of them a fault stands (`names`). See domain/form.py for the whole.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaign.domain.calling_window import DAYS, WeeklyHours, WindowError, days_of, known_zone
from campaign.domain.campaign import DEFAULT_RETRIES, RETRIED, Schedule
from campaign.domain.definition_check import Found
from campaign.domain.form_kinds import NUMBER, NUMBERS, Kind, same
from campaign.domain.toml_lines import Path

Table = dict[str, Any]
Fields = dict[str, str]

MOST_ROWS: Final = 50
MOST_KEYED: Final = 20
"""Rows of one kind that a form shows; a longer list stays as TOML. A browser's form may have 1,000 fields."""
_TWICE: Final = "stands under “Everything else” too: take it out there, or empty this field"


@dataclass(frozen=True, slots=True)
class One:
    """A field of its own."""

    name: str
    kind: Kind

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))

    def show(self, table: Table, fields: Fields) -> None:
        """Take out of the table what the field can say."""
        place, key = place_of(table, self.path)
        text = self.kind.shown(place[key]) if key in place else ""
        fields[self.name] = text or ""
        if text is not None:
            place.pop(key, None)

    def read(self, fields: Fields, table: Table) -> Iterator[Found]:
        """Put into the table what the field says."""
        value = self.kind.said(fields.get(self.name, ""))
        if value is not None:
            yield from put(table, self.path, value)

    def names(self, path: Path, fields: Fields) -> Iterator[str]:
        """Where a fault at that path is shown, the best field first."""
        if path[: len(self.path)] == self.path or self.path[: len(path)] == path:
            yield self.name


@dataclass(frozen=True, slots=True)
class Column:
    """A field of each row.

    Args:
        decides: whether a row is a row because of it: a choice always says something.
    """

    name: str
    kind: Kind
    decides: bool = True


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of tables, or, with `keyed`, a table of tables whose keys are the first column.

    Args:
        needed: at least one row is, so an empty list is a row in which all is missing.
        short: whether a row that says its first column only may be written as that alone.
    """

    name: str
    columns: tuple[Column, ...]
    keyed: bool = False
    needed: bool = False
    short: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))

    @property
    def most(self) -> int:
        """Rows that the form shows."""
        return MOST_KEYED if self.keyed else MOST_ROWS

    def show(self, table: Table, fields: Fields) -> None:
        """All rows, or none of them when one can't be shown whole."""
        place, key = place_of(table, self.path)
        found = self._listed(place.get(key, []))
        if found is None or len(found) > self.most:
            return
        made: Fields = {}
        for number, row in enumerate(found):
            if not isinstance(row, dict) or row.keys() - {column.name for column in self.columns}:
                return
            decided = False
            for column in self.columns:
                text = column.kind.shown(row[column.name]) if column.name in row else ""
                if text is None:
                    return
                decided = decided or (column.decides and bool(text))
                made[f"{self.name}.{number}.{column.name}"] = text
            if not decided:
                return
        fields |= made
        place.pop(key, None)

    def _listed(self, value: object) -> Sequence[object] | None:
        if not self.keyed:
            return value if isinstance(value, list) else None
        if not isinstance(value, dict):
            return [] if value == [] else None
        first = self.columns[0].name
        rows = [row if isinstance(row, dict) else None for row in value.values()]
        if not all(row is not None and first not in row for row in rows) or not all(value):
            return None
        return [{first: key, **(row or {})} for key, row in zip(value, rows, strict=True)]

    def indices(self, fields: Mapping[str, str]) -> list[int]:
        """Of the rows that say something."""
        deciding = {column.name for column in self.columns if column.decides}
        found = set()
        for name, text in fields.items():
            if name.startswith(self.name + ".") and text.strip():
                number, _, column = name[len(self.name) + 1 :].partition(".")
                if column in deciding and re.fullmatch(r"\d{1,4}", number):
                    found.add(int(number))
        return sorted(found)

    def compact(self, fields: Fields) -> tuple[Fields, Fields]:
        """The fields with the rows numbered from 0, empty ones left out; and which were named otherwise."""
        kept = {name: text for name, text in fields.items() if not name.startswith(self.name + ".")}
        moved: Fields = {}
        for number, index in enumerate(self.indices(fields)):
            for column in self.columns:
                name, old = (f"{self.name}.{n}.{column.name}" for n in (number, index))
                kept[name] = fields.get(old, "")
                if number != index:
                    moved[name] = old
        return kept, moved

    def read(self, fields: Fields, table: Table) -> Iterator[Found]:
        """Put the rows into the table, in their order."""
        rows: list[Table] = []
        for index in self.indices(fields):
            row: Table = {}
            for column in self.columns:
                value = column.kind.said(fields.get(f"{self.name}.{index}.{column.name}", ""))
                if value is not None:
                    row[column.name] = value
            rows.append(row)
        if not rows:
            place, key = place_of(table, self.path)
            if self.needed and key not in place:
                yield from put(table, self.path, [{}])
            return
        first = self.columns[0].name
        if not self.keyed:
            short = self.short and all(row.keys() == {first} for row in rows)
            yield from put(table, self.path, [row[first] for row in rows] if short else rows)
            return
        by_key: Table = {}
        for row in rows:
            key = str(row.pop(first, ""))
            if key in by_key:
                yield (*self.path, key), f'"{key}" is used by an earlier row'
            by_key.setdefault(key, row)
        yield from put(table, self.path, by_key)

    def names(self, path: Path, fields: Fields) -> Iterator[str]:
        """Where a fault at that path is shown."""
        if path[: len(self.path)] != self.path:
            return
        rest = path[len(self.path) :]
        index = rest[0] if rest else 0
        first = self.columns[0].name
        if self.keyed and rest:
            keys = [fields.get(f"{self.name}.{number}.{first}", "") for number in self.indices(fields)]
            index = keys.index(str(rest[0])) if rest[0] in keys else 0
        known = {column.name for column in self.columns}
        column = rest[1] if len(rest) > 1 and rest[1] in known else first
        yield f"{self.name}.{index}.{column}"


@dataclass(frozen=True, slots=True)
class Week:
    """The hours of each weekday. How the days were grouped is kept while nobody changes an hour."""

    name: str = "schedule.week"

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))

    def show(self, table: Table, fields: Fields) -> None:
        """Each day's hours, those of a week that isn't named too: they are what holds."""
        place, key = place_of(table, self.path)
        week = place.get(key, dict(Schedule().week))
        texts = _day_texts(week)
        fields |= {f"{self.name}.{day}": text for day, text in zip(DAYS, texts or [""] * 7, strict=True)}
        if texts is not None:
            fields[f"{self.name}.was"] = json.dumps(week)
            place.pop(key, None)

    def read(self, fields: Fields, table: Table) -> Iterator[Found]:
        """Days that follow one another with the same hours are one line."""
        texts = [fields.get(f"{self.name}.{day}", "").strip() for day in DAYS]
        place, key = place_of(table, self.path)
        if not any(texts) and (key in place or f"{self.name}.mon" not in fields):
            return
        try:
            was = json.loads(fields.get(f"{self.name}.was", ""))
        except (ValueError, RecursionError):
            was = None
        if isinstance(was, dict) and _day_texts(was) == texts:
            yield from put(table, self.path, was)
            return
        week: Table = {}
        for text, days in groupby(zip(texts, DAYS, strict=True), key=lambda pair: pair[0]):
            names = [day for _, day in days]
            if text:
                week[names[0] if len(names) == 1 else f"{names[0]}-{names[-1]}"] = text
        yield from put(table, self.path, week)

    def names(self, path: Path, fields: Fields) -> Iterator[str]:
        """The first day that the fault tells of."""
        if path[: len(self.path)] != self.path:
            return
        try:
            day = days_of(str(path[len(self.path)]))[0] if len(path) > len(self.path) else 0
        except WindowError:
            day = 0
        yield f"{self.name}.{DAYS[day]}"


def _day_texts(week: object) -> list[str] | None:
    """A week's hours day by day; None when they can't be told so without a loss."""
    if not isinstance(week, dict):
        return None
    try:
        hours = WeeklyHours.parse(week)
    except WindowError:
        return _raw_day_texts(week)
    return [
        ", ".join(f"{s // 3600:02}:{s // 60 % 60:02}-{e // 3600:02}:{e // 60 % 60:02}" for s, e in day)
        for day in hours.days
    ]


def _raw_day_texts(week: Mapping[str, object]) -> list[str] | None:
    """The same of hours that can't be read, as they were written."""
    texts = [""] * 7
    for key, hours in week.items():
        try:
            days = days_of(key)
        except WindowError:
            return None
        parts = [hours] if isinstance(hours, str) else hours
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            return None
        text = ", ".join(parts).strip()
        if not text or not text.isprintable() or any(texts[day] for day in days):
            return None
        for day in days:
            texts[day] = text
    return texts


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant: the time on a wall clock, and that clock's zone or its offset from UTC."""

    name: str

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))

    def show(self, table: Table, fields: Fields) -> None:
        """As a field for date and time has it, with the offset beside."""
        place, key = place_of(table, self.path)
        fields[self.name] = ""
        value = place.get(key)
        if not isinstance(value, datetime) or value.microsecond:
            return
        local = value.replace(tzinfo=None).isoformat(timespec="seconds" if value.second else "minutes")
        offset = value.isoformat()[-6:] if value.tzinfo else ""
        if not same(_instant(local, offset), value):
            return
        fields |= {self.name: local, f"{self.name}.zone": offset}
        del place[key]

    def read(self, fields: Fields, table: Table) -> Iterator[Found]:
        """The instant, with the offset that its zone has then."""
        local, zone = (fields.get(name, "").strip() for name in (self.name, f"{self.name}.zone"))
        if not local:
            return
        value = _instant(local, zone)
        if value is None:
            yield self.path, f'"{zone[:60]}" is no time zone; write for example America/New_York, or -05:00'
        else:
            yield from put(table, self.path, value)

    def names(self, path: Path, fields: Fields) -> Iterator[str]:
        """The field of the time."""
        if path[: len(self.path)] == self.path:
            yield self.name


def _instant(local: str, zone: str) -> object:
    """An instant with a fixed offset; the text itself when it is no time; None: no such zone."""
    try:
        at = datetime.fromisoformat(local) if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{5,8}", local) else None
    except ValueError:
        at = None
    if at is None or not zone:
        return at or local
    if match := re.fullmatch(r"([+-])(\d\d):([0-5]\d)", zone):
        hours = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if hours >= timedelta(days=1):
            return None
        return at.replace(tzinfo=timezone(-hours if match[1] == "-" else hours))
    if not known_zone(zone):
        return None
    offset = at.replace(tzinfo=ZoneInfo(zone)).utcoffset()
    # Before clocks were set by railways a place's offset had seconds; TOML knows none.
    minutes = round(offset.total_seconds() / 60) if offset else 0
    return at.replace(tzinfo=timezone(timedelta(minutes=minutes)))


@dataclass(frozen=True, slots=True)
class Retries:
    """When it is tried again after what; those that hold by default are shown as such."""

    name: str = "retry.on"

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))

    def show(self, table: Table, fields: Fields) -> None:
        """A row per disposition after which it can be tried again; one without minutes is final."""
        place, key = place_of(table, self.path)
        on = place.get(key, _default_retries())
        for code in RETRIED:
            rule = on.get(code) if isinstance(on, dict) else None
            known = isinstance(rule, dict) and not rule.keys() - {"after_minutes", "attempts"}
            minutes = NUMBERS.shown(rule.get("after_minutes")) if known and rule else None
            attempts = NUMBER.shown(rule["attempts"]) if known and rule and "attempts" in rule else ""
            said = bool(minutes) and attempts is not None
            fields[f"{self.name}.{code}.after_minutes"] = (minutes or "") if said else ""
            fields[f"{self.name}.{code}.attempts"] = (attempts or "") if said else ""
            if said:
                del on[code]
        if on == {}:
            place.pop(key, None)

    def read(self, fields: Fields, table: Table) -> Iterator[Found]:
        """All rows: they replace the defaults as a whole."""
        if f"{self.name}.{RETRIED[0]}.after_minutes" not in fields:
            return
        on: Table = {}
        for code in RETRIED:
            said = {
                key: kind.said(fields.get(f"{self.name}.{code}.{key}", ""))
                for key, kind in (("after_minutes", NUMBERS), ("attempts", NUMBER))
            }
            if rule := {key: value for key, value in said.items() if value is not None}:
                on[code] = rule
        place, key = place_of(table, self.path)
        if key not in place and same(on, _default_retries()):
            return
        if not on and key not in place:
            yield from put(table, self.path, {})
        for code, rule in on.items():
            yield from put(table, (*self.path, code), rule)

    def names(self, path: Path, fields: Fields) -> Iterator[str]:
        """The disposition's waits, or its attempts."""
        if path[: len(self.path)] != self.path:
            return
        code = path[len(self.path)] if len(path) > len(self.path) else RETRIED[0]
        if code in RETRIED:
            key = "attempts" if path[len(self.path) + 1 :][:1] == ("attempts",) else "after_minutes"
            yield f"{self.name}.{code}.{key}"


def _default_retries() -> Table:
    made: Table = {}
    for code, rule in DEFAULT_RETRIES.items():
        made[code.value] = {"after_minutes": list(rule.after_minutes)}
        if rule.attempts is not None:
            made[code.value]["attempts"] = rule.attempts
    return made


# ── places in a table ───────────────────────────────────────────────────────────────────────────────────


def place_of(table: Table, path: tuple[str, ...]) -> tuple[Table, str]:
    """The table in which a path's last key stands, and that key; an empty table when there is none."""
    place: object = table
    for step in path[:-1]:
        place = place.get(step, {}) if isinstance(place, dict) else {}
    return (place if isinstance(place, dict) else {}), path[-1]


def put(table: Table, path: tuple[str, ...], value: object) -> Iterator[Found]:
    """Put a value at its place, unless something else stands there."""
    place = table
    for step in path[:-1]:
        inner = place.setdefault(step, {})
        if not isinstance(inner, dict):
            yield path, _TWICE
            return
        place = inner
    if path[-1] in place:
        yield path, _TWICE
    else:
        place[path[-1]] = value
