"""Writes TOML: the standard library reads it only. Plain tables, arrays and scalars; nulls are left out."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def dumps(table: Mapping[str, Any]) -> str:
    """Write a table as TOML text that tomllib reads back equal.

    Args:
        table: text, numbers, booleans, dates, aware datetimes, Decimals, lists and further tables.
    """
    return "\n".join(_table(table, ())).strip() + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...], brackets: int = 1) -> Iterator[str]:
    below = {key: value for key, value in table.items() if isinstance(value, Mapping) or _of_tables(value)}
    plain = {key: value for key, value in table.items() if key not in below}
    if path and (plain or brackets == 2 or not below):
        yield ""
        yield f"{'[' * brackets}{'.'.join(_key(part) for part in path)}{']' * brackets}"
    for key, value in plain.items():
        if value is not None:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in below.items():
        if isinstance(value, Mapping):
            yield from _table(value, (*path, key))
        else:
            for item in value:
                yield from _table(item, (*path, key), 2)


def _of_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = [f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        items = [_value(item) for item in value]
        one_line = f"[{', '.join(items)}]"
        return one_line if len(one_line) <= 90 else "[\n" + "".join(f"  {item},\n" for item in items) + "]"
    return repr(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or _plain(char) for char in text) + '"'


def _plain(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x20 or ord(char) == 0x7F else char
