"""How one value of a definition is written in one field of a form, and read from it again."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that no field of a browser keeps."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value becomes a field's text, and how the text, if it isn't empty, becomes a value.

    Args:
        empty: a value that means the same as leaving the key out; None: there is none.
        lines: whether the field has more than one line.
    """

    read: Callable[[str], object]
    show: Callable[[Any], str]
    empty: object = None
    lines: bool = False

    def said(self, text: str) -> object:
        """What the field says; None: what holds when the key is left out."""
        if not text.strip():
            return None
        value = self.read(text)
        return None if self.empty is not None and same(value, self.empty) else value

    def shown(self, value: object) -> str | None:
        """The field's text; None when it can't say that value."""
        if self.empty is not None and same(value, self.empty):
            return ""
        try:
            text = self.show(value)
        except (TypeError, ValueError, AttributeError):
            return None
        if not text.strip() or _CONTROL.search(text) or ("\n" in text and not self.lines):
            return None
        return text if same(self.read(text), value) else None


def same(one: object, other: object) -> bool:
    """Whether two decoded values are equal, with their types: 1 is neither true nor 1.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def _number(text: str) -> object:
    text = text.strip()
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d{1,3})?", text) else text


def _plain_number(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _day(text: str) -> object:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text
    except ValueError:
        return text


def _parted(text: str, by: str, item: Callable[[str], object]) -> list[object]:
    return [item(part.strip()) for part in text.split(by) if part.strip()]


def _week_lines(text: str) -> object:
    week: dict[str, object] = {}
    for line in filter(None, map(str.strip, text.split("\n"))):
        days, _, hours = line.partition(" ")
        if days in week:
            return text
        week[days] = hours
    return week


_FLAGS: Final = {"true": True, "false": False}

LINE: Final = Kind(str, lambda value: "" + value, empty="")
WORD: Final = Kind(str.strip, lambda value: "" + value, empty="")
PROSE: Final = Kind(str, lambda value: "" + value, empty="", lines=True)


def choice(usual: str) -> Kind:
    """One of several, of which `usual` is meant when the key is left out."""
    return replace(WORD, empty=usual)


NEEDED: Final = replace(PROSE, empty=None)
"""A longer text that must be there, even if it is empty."""
MAYBE: Final = Kind(str.strip, lambda value: "" + value)
"""A text that, unlike the others, isn't the same when it is empty as when it is left out."""
NUMBER: Final = Kind(_number, _plain_number)
FLAG: Final = Kind(lambda text: _FLAGS.get(text, text), lambda value: json.dumps(value), empty=False)
YES_NO: Final = Kind(lambda text: _FLAGS.get(text, text), lambda value: json.dumps(value))
LINES: Final = Kind(lambda text: _parted(text, "\n", str), "\n".join, empty=[], lines=True)
COMMAS: Final = Kind(lambda text: _parted(text, ",", str), ", ".join, empty=[])
NAMES: Final = replace(COMMAS, empty=None)
"""The same, where an empty list is something else than none."""
NUMBERS: Final = Kind(
    lambda text: _parted(text, ",", _number), lambda value: ", ".join(map(_plain_number, value)), empty=[]
)
DATES: Final = Kind(
    lambda text: _parted(text, ",", _day), lambda value: ", ".join(one.isoformat() for one in value), empty=[]
)
WEEK_LINES: Final = Kind(
    _week_lines,
    lambda value: "\n".join(f"{days} {hours}" for days, hours in value.items()),
    empty={},
    lines=True,
)
"""A week as "mon-fri 09:00-17:00", a line for each."""
