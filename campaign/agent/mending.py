"""Arguments of tool calls as models write them, made JSON objects again.

Only the form is mended, never a value: what was cut off in its middle is dropped, so that half a date or
half a number is never taken for a whole one. Whether the arguments mean anything is decided elsewhere
(domain/tools.py).
"""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

LONGEST: Final = 4000
"""Characters of arguments that are looked at."""

_decoder: Final = json.JSONDecoder(strict=False)
_COMMA: Final = re.compile(r",\s*([}\]])")


def mend(given: object) -> str:
    """The arguments as the text of a JSON object; `{}` when nothing can be made of them."""
    if isinstance(given, str):
        try:
            value = msgspec.json.decode(given)
        except msgspec.DecodeError:
            value = _read(given[:LONGEST])
        else:
            if isinstance(value, dict):
                return given
        if isinstance(value, str):  # encoded twice
            value = _read(value[:LONGEST])
    else:
        value = given
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else "{}"


def objects(text: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(start, end, value) of the objects in a text, outermost ones, broken ones mended."""
    at = 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, end = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = _end(text, at)
            value = _read(text[at:end])
        if isinstance(value, dict):
            yield at, end, value
            at = end
        else:
            at += 1


def _end(text: str, start: int) -> int:
    """Where the object that begins there closes its last brace, or the text's end."""
    depth = 0
    quote = ""
    escaped = False
    for place in range(start, len(text)):
        char = text[place]
        if quote:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == quote:
                quote = ""
        elif char == '"':
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return place + 1
    return len(text)


def _read(text: str) -> object:
    """The first object in a text that is nearly JSON; None when there is none."""
    start = text.find("{")
    if start < 0:
        return None
    text = text[start:]
    closed, complete = _closed(text)
    for attempt in (text, _COMMA.sub(r"\1", text), closed):
        if attempt:
            try:
                return _decoder.raw_decode(attempt)[0]
            except (ValueError, RecursionError):
                continue
    try:  # as Python writes it: 'single quotes', True, None
        value: object = ast.literal_eval(text[: text.rfind("}") + 1])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    else:
        return value
    try:
        return _decoder.raw_decode(complete)[0]
    except (ValueError, RecursionError):
        return None


def _closed(text: str) -> tuple[str, str]:
    """The text with every bracket closed that is open at its end, empty unless that end is whole; and the
    same at the end of its last complete member."""
    open_here: list[str] = []
    complete = "{}"
    in_string = escaped = False
    for place, char in enumerate(text):
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
            continue
        if char == '"':
            in_string = True
        elif char in "{[":
            open_here.append("}" if char == "{" else "]")
        elif char in "}]" and open_here:
            open_here.pop()
        elif char == ",":
            complete = text[:place] + "".join(reversed(open_here))
    # A number may have lost its last digits, a string its last words; what ends in a mark of its own has not.
    whole = not in_string and text.rstrip()[-1:] in ('"', "}", "]", "e", "l")
    return (text + "".join(reversed(open_here)) if whole else "", complete)
