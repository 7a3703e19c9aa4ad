"""Finds every fault of a value that should become a msgspec Struct, not only the first.

msgspec stops at its first error. Here a value is walked beside its type: unknown and missing keys are named,
sound parts are left alone, and each leaf that msgspec refuses is described in words that say what is allowed.
"""

import difflib
import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from campaign.domain.toml_lines import Path

Found = tuple[Path, str]
"""A fault: where, and a sentence that says what is allowed."""

_KINDS = {
    str: "text",
    bool: "true or false",
    Decimal: "a number",
    date: "a date such as 2026-11-26",
    datetime: "a date and time with its offset, such as 2026-11-24T09:00:00-05:00",
}


def all_faults(value: object, hint: Any, path: Path = ()) -> Iterator[Found]:
    """Walk a decoded TOML or JSON value beside its type.

    Args:
        value: dicts, lists and scalars as tomllib or a JSON decoder makes them.
        hint: the type it should have: a Struct, a container, a scalar, possibly Annotated or a union.
        path: where the value stands; the beginning of every path found.
    """
    found = False
    for fault in _inside(value, hint, path):
        found = True
        yield fault
    if found:
        return
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        text, _, _ = str(error).partition(" - at `$")
        own_words = isinstance(value, Mapping) and any(_is_struct(kind) for kind in _members(hint))
        yield path, text if own_words else f"must be {describe(hint)}, not {shown(value)}"


def _inside(value: object, hint: Any, path: Path) -> Iterator[Found]:
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        yield path, "holds a character that cannot be stored (NUL or half of a surrogate pair)"
    for kind in _members(hint):
        origin, arguments = get_origin(kind), get_args(kind)
        if isinstance(value, Mapping) and _is_struct(kind):
            if _tag_fits(value, kind):
                yield from _struct_faults(value, kind, path)
                return
        elif isinstance(value, Mapping) and origin is dict:
            for key, item in value.items():
                yield from _key_faults(key, arguments[0], (*path, str(key)))
                yield from all_faults(item, arguments[1], (*path, str(key)))
            return
        elif isinstance(value, list | tuple) and origin in (tuple, list, frozenset):
            for index, item in enumerate(value):
                yield from all_faults(item, arguments[0], (*path, index))
            return


def _struct_faults(value: Mapping[str, object], kind: Any, path: Path) -> Iterator[Found]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    tag = kind.__struct_config__.tag_field
    for key, item in value.items():
        if key in fields:
            yield from all_faults(item, hints[fields[key].name], (*path, key))
        elif key != tag:
            yield (*path, key), _unknown(key, list(fields))
    for name, field in fields.items():
        if field.required and name not in value:
            yield (*path, name), f"is missing: {_purpose(hints[field.name])}"


def _key_faults(key: object, hint: Any, path: Path) -> Iterator[Found]:
    try:
        msgspec.convert(key, hint)
    except msgspec.ValidationError:
        allowed = [str(member.value) for member in hint] if _is_enum(hint) else []
        yield path, _unknown(str(key), allowed) if allowed else f"must be {describe(hint)}, not {shown(key)}"


def _unknown(key: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.6)
    guess = f"did you mean '{near[0]}'? " if near else ""
    return f"is not known here; {guess}allowed: {', '.join(allowed)}"


def _purpose(hint: Any) -> str:
    description = _meta(hint, "description")
    return f"{description}; it must be {describe(hint)}" if description else f"it must be {describe(hint)}"


def _meta(hint: Any, name: str) -> Any:
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, msgspec.Meta) and getattr(extra, name) is not None:
                return getattr(extra, name)
    return None


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _members(hint: Any) -> list[Any]:
    """The alternatives of a type, without Annotated and None."""
    bare = _bare(hint)
    parts = get_args(bare) if get_origin(bare) in (Union, types.UnionType) else (bare,)
    return [_bare(part) for part in parts if part is not types.NoneType]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _tag_fits(value: Mapping[str, object], kind: Any) -> bool:
    config = kind.__struct_config__
    return config.tag_field is None or value.get(config.tag_field) == config.tag


def describe(hint: Any) -> str:
    """Say in words what a type allows: "a whole number from 15 to 600"."""
    bare = _bare(hint)
    if get_origin(bare) in (Union, types.UnionType):
        parts = [describe(part) for part in get_args(bare) if part is not types.NoneType]
        return " or ".join(dict.fromkeys(parts))
    if (pattern_words := _meta(hint, "extra")) and "words" in pattern_words:
        return str(pattern_words["words"])
    origin, arguments = get_origin(bare), get_args(bare)
    if origin is Literal:
        return _one_of([str(value) for value in arguments])
    if _is_enum(bare):
        return _one_of([str(member.value) for member in bare])
    if origin in (tuple, list, frozenset):
        least = _meta(hint, "min_length")
        return f"a list{f' with at least {least} item' if least else ''}, each {describe(arguments[0])}"
    if _is_struct(bare) or origin is dict:
        return "a table (key = value, below a [heading])"
    if bare in (int, float):
        return f"a {'whole ' if bare is int else ''}number{_bounds(hint)}"
    if bare is str:
        most = _meta(hint, "max_length")
        return f"text of 1 to {most} characters" if most and _meta(hint, "min_length") else "text"
    return _KINDS.get(bare, "of another kind")


def _one_of(values: list[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _bounds(hint: Any) -> str:
    low, above, high = _meta(hint, "ge"), _meta(hint, "gt"), _meta(hint, "le")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if above is not None and high is not None:
        return f" above {above} and at most {high}"
    if low is not None:
        return f" of at least {low}"
    return f" above {above}" if above is not None else ""


def shown(value: object) -> str:
    """A value as it is quoted in a fault: short, and in the writer's own notation."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)} items" if len(value) != 1 else "a list of one item"
    return "nothing" if value is None else str(value)
