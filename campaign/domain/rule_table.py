"""Reads a TOML table of a rule pack key by key: each fault is written down with its place, none raised."""

from collections.abc import Mapping
from datetime import date


class Table:
    """Reads one TOML table key by key, writing faults with their place; `finish` refuses unread keys."""

    def __init__(self, where: str, table: Mapping[str, object], faults: list[str]) -> None:
        self.where, self._left, self.faults = where, dict(table), faults

    def fault(self, key: str, why: str) -> None:
        self.faults.append(f"{self.where}: {key}: {why}" if key else f"{self.where}: {why}")

    def _take(self, key: str, kinds: type | tuple[type, ...], wanted: str, default: object) -> object:
        value = self._left.pop(key, default)
        if value is None:
            self.fault(key, f"is missing; it must be {wanted}")
        elif value is not default and (
            not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool)
        ):
            self.fault(key, f"must be {wanted}, not {value!r}")
            return None
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return str(self._take(key, str, "text", default) or "")

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value and value not in allowed:
            self.fault(key, f'"{value}" is not one of {", ".join(allowed)}')
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self._take(key, (int, float), "a number", default)
        if isinstance(value, int | float) and value < 0:
            self.fault(key, "must not be negative")
        return float(value) if isinstance(value, int | float) else 0.0

    def whole(self, key: str, default: int | None = None, least: int = 0) -> int:
        value = self._take(key, int, "a whole number", default)
        if isinstance(value, int) and value < least:
            self.fault(key, f"must be at least {least}")
        return value if isinstance(value, int) else 0

    def flag(self, key: str, default: bool) -> bool:
        return bool(self._take(key, bool, "true or false", default))

    def day(self, key: str) -> date:
        value = self._take(key, date, "a date such as 2026-11-21", None)
        return value if isinstance(value, date) else date.min

    def day_or_none(self, key: str) -> date | None:
        return self.day(key) if key in self._left else None

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def texts(self, key: str, required: bool = False, one: bool = False) -> tuple[str, ...]:
        """A list of texts (dates become their ISO form); with `one` a single text will do."""
        value = self._take(key, (list, str) if one else list, "a list of texts", None if required else [])
        entries = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        if not all(isinstance(entry, str | date) for entry in entries):
            self.fault(key, "must be a list of texts")
            return ()
        return tuple(str(entry) for entry in entries)

    def table(self, key: str, required: bool = True) -> "Table":
        value = self._take(key, dict, "a table", None if required else {})
        return Table(f"{self.where}: {key}", value if isinstance(value, dict) else {}, self.faults)

    def tables(self, key: str, required: bool = False) -> list["Table"]:
        value = self._take(key, list, f"a list of tables ([[{key}]])", None if required else [])
        entries = value if isinstance(value, list) else []
        return [
            Table(f"{self.where}: {key} {entry.get('id', f'number {i}')}", entry, self.faults)
            for i, entry in enumerate(entries, 1)
            if isinstance(entry, dict)
        ]

    def rest(self) -> dict[str, object]:
        rest, self._left = self._left, {}
        return rest

    def finish(self) -> None:
        for key in self._left:
            self.fault(key, "is not a key that is known here")
