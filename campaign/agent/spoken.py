"""What of a model's text may be spoken: neither its thinking nor a tool call that it writes as words.

Models that were trained on another template write their tool calls into the text, each family in its own
dialect. Such a call is held back, and at the reply's end mended into a real one or dropped.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from campaign.agent.mending import mend, objects
from campaign.domain.dialogue import ToolRequest

_MARKERS: Final = (
    "[TOOL_CALLS]", "[{", "<tool", "<function", "<invoke", "<parameter", "<|", "<｜", "```", "functions.",
)  # fmt: skip
"""Beginnings of tool calls in text: Mistral, plain JSON, Hermes and Qwen, Llama, Claude, special tokens."""
_THOUGHTS: Final = ("<think>", "<thinking>", "<reasoning>", "[THINK]")
_THOUGHT_ENDS: Final = ("</think>", "</thinking>", "</reasoning>", "[/THINK]")
_ALL: Final = (*_MARKERS, *_THOUGHTS, *_THOUGHT_ENDS)
_THOUGHT_END: Final = re.compile("|".join(map(re.escape, _THOUGHT_ENDS)))
_LONGEST_END: Final = max(map(len, _THOUGHT_ENDS))
_OPENING: Final = re.compile(r"[\[<`{_(]")
"""Without any of these characters a text holds no marker."""
_KEYWORD: Final = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([\w.:+\-]+))""")
_PARAMETER: Final = re.compile(r"""<parameter(?:=|\s+name=["'])(\w+)["']?\s*>(.*?)</parameter>""", re.DOTALL)


class _Signs:
    """The signs of tool calls and thoughts in a text, for the tools that a model has."""

    def __init__(self, names: tuple[str, ...]) -> None:
        own = [rf"\[?\b{re.escape(name)}" + ("" if "_" in name else r"\s*\(") for name in names]
        object_start = r"\{\s*[\"']"
        fixed = map(re.escape, _ALL)
        self.any = re.compile("|".join((*fixed, object_start, *own)))
        starts = {"{", *(marker[:n] for marker in _ALL for n in range(1, len(marker)))}
        for name in names:
            starts |= {before + name[:n] for before in ("", "[") for n in range(1, len(name) + 1)}
        self._starts = starts
        self._longest = max(map(len, starts))
        self.words = frozenset(one for one in starts if one.isalpha())

    def tail(self, text: str) -> int:
        """How many characters at the end may be the beginning of a sign."""
        bare = text.rstrip()
        if bare.endswith("{"):
            return len(text) - len(bare) + 1
        for length in range(min(len(text), self._longest), 0, -1):
            if text[-length:] in self._starts:
                before = text[-length - 1 : -length]
                if not (text[-length].isalpha() and (before.isalnum() or before == "_")):
                    return length
        return 0


@lru_cache(maxsize=64)
def _signs(names: tuple[str, ...]) -> _Signs:
    return _Signs(names)


class SpokenOnly:
    """Lets only speech through.

    Args:
        names: of the tools that the model has.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = tuple(names)
        self._signs = _signs(self._names)
        self._held = ""
        self._before = ""
        self._thinking = False
        self.in_tool_text = False

    def take(self, text: str) -> str:
        """More of the model's text; returns what may be spoken now."""
        if not self._held and not self._thinking and text and not _OPENING.search(text):
            last = text[-1]
            word = text.rpartition(" ")[2]
            if word != "functions." and (
                not last.isalpha() or (word.isalpha() and word not in self._signs.words)
            ):
                self._before = last
                return text
        self._held += text
        spoken = ""
        while not self.in_tool_text:
            if self._thinking:
                found = _THOUGHT_END.search(self._held)
                if not found:
                    self._held = self._held[-_LONGEST_END:]
                    break
                self._thinking, self._held, self._before = False, self._held[found.end() :], ""
                continue
            seen = self._before + self._held
            skip = len(self._before)
            sign = self._signs.any.search(seen, skip)
            cut = sign.start() if sign else max(skip, len(seen) - self._signs.tail(seen))
            spoken += seen[skip:cut]
            self._before, self._held = seen[max(cut - 1, 0) : cut], seen[cut:]
            if sign is None:
                break
            if sign[0] in _THOUGHTS:
                self._thinking = True
            if sign[0] in _THOUGHTS or sign[0] in _THOUGHT_ENDS:
                self._held, self._before = self._held[len(sign[0]) :], ""
            else:
                self.in_tool_text = True
        return spoken

    def end(self) -> tuple[str, list[ToolRequest]]:
        """What was still held back as speech, and the tool calls found in the text."""
        if self._thinking:
            return "", []
        if not self.in_tool_text:
            return self._held, []
        found = list(_found(self._held[:MOST_TEXT], self._names))
        return "", [ToolRequest(f"mended{number}", name, given) for number, (name, given) in enumerate(found)]


MOST_TEXT: Final = 8000
"""Characters of tool calls in text that are looked at."""


def _found(text: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(name, arguments as JSON) of the calls in a text, whatever the dialect."""
    known = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b") if names else re.compile(r"(?!)")
    any_found = False
    end_before = 0
    for start, end, value in objects(text):
        for name, given in _named(value):
            if not names or name in names:
                any_found = True
                yield name, mend(given)
        if not _is_named(value):
            near = [match[0] for match in known.finditer(text, max(end_before, start - 80), start)]
            if near:
                any_found = True
                yield near[-1], mend(value)
        end_before = end
    if any_found:
        return
    for match in known.finditer(text):
        rest = text[match.end() :]
        if rest.lstrip().startswith("("):
            given = {key: a or b or c for key, a, b, c in _KEYWORD.findall(rest.partition(")")[0])}
            yield match[0], mend(given)
        elif parameters := _PARAMETER.findall(rest):
            yield match[0], mend({key: value.strip() for key, value in parameters})
            return


def _is_named(value: object) -> bool:
    return any(True for _ in _named(value))


def _named(value: object) -> Iterator[tuple[str, object]]:
    """The calls in an object that names its tool, in one of the usual ways."""
    if not isinstance(value, dict):
        return
    for inner in value.get("tool_calls") or ():
        yield from _named(inner)
    inner = value.get("function")
    if isinstance(inner, dict):
        yield from _named(inner)
        return
    name = next((value[key] for key in ("name", "tool", "tool_name", "function") if value.get(key)), None)
    if isinstance(name, str):
        keys = ("arguments", "parameters", "args", "input")
        yield name.removeprefix("functions."), next((value[key] for key in keys if key in value), {})


class AllOfIt:
    """Lets all text through, for replies that nobody hears."""

    in_tool_text = False

    def take(self, text: str) -> str:
        """More of the model's text, as it came."""
        return text

    def end(self) -> tuple[str, list[ToolRequest]]:
        """Nothing was held back."""
        return "", []
