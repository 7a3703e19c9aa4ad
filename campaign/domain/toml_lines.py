"""On which line of a TOML text each value stands, so that a fault can point at it.

`tomllib` gives values without places. This scanner runs only over text that tomllib has accepted, so it may
trust the syntax: it follows keys, table headers, arrays and inline tables, and skips everything else.
"""

import re

Path = tuple[str | int, ...]
"""Where a value is: keys and, inside arrays, indices from 0."""

_SPACE = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)


def lines_of(text: str) -> dict[Path, int]:
    """Map every key, table and array item of a valid TOML text to its line, counted from 1.

    Args:
        text: TOML that tomllib has already parsed without an error.
    """
    return _Scanner(text).run()


def dotted(path: Path) -> str:
    """A path as people write it: ("lists", 0, "name") is `lists[0].name`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            shown = step if _BARE_KEY.fullmatch(step) else f'"{step}"'
            text += f".{shown}" if text else shown
    return text


def undotted(text: str) -> Path:
    """The path that `dotted` wrote so; keys that hold quotation marks excepted."""
    steps = re.findall(r'\[(\d+)\]|"([^"]*)"|([A-Za-z0-9_-]+)', text)
    return tuple(int(index) if index else quoted or bare for index, quoted, bare in steps)


def line_at(lines: dict[Path, int], path: Path) -> int | None:
    """The line of a path, or of the nearest thing around it that stands in the text."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.arrays: dict[Path, int] = {}
        self.counted = (0, 1)

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self._skip(_FILLER)
            if self.at >= len(self.text):
                return self.lines
            if self.text.startswith("[[", self.at):
                table = self._header(2)
            elif self.text.startswith("[", self.at):
                table = self._header(1)
            else:
                self._pair(table)

    def _header(self, brackets: int) -> Path:
        line = self._line()
        self.at += brackets
        path = self._into_arrays(self._key())
        self.at += brackets
        if brackets == 2:
            self.lines.setdefault(path, line)
            index = self.arrays.get(path, -1) + 1
            self.arrays[path] = index
            path = (*path, index)
        self.lines[path] = line
        return path

    def _into_arrays(self, keys: tuple[str, ...]) -> Path:
        """A header below an array of tables means the array's last table."""
        path: Path = ()
        for number, key in enumerate(keys):
            path = (*path, key)
            if number < len(keys) - 1 and path in self.arrays:
                path = (*path, self.arrays[path])
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for key in self._key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            if self.text[self.at] in "\"'":
                parts.append(self._string()[1:-1])
            else:
                match = _BARE_KEY.match(self.text, self.at)
                assert match is not None  # tomllib has accepted the text
                parts.append(match.group())
                self.at = match.end()
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _value(self, path: Path) -> None:
        opening = self.text[self.at]
        if opening in "\"'":
            self._string()
        elif opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        index = 0
        self.at += 1
        while True:
            self._skip(_FILLER)
            if self.text[self.at] == "]":
                break
            if self.text[self.at] == ",":
                self.at += 1
                index += 1
                continue
            self.lines[(*path, index)] = self._line()
            self._value((*path, index))
        self.at += 1

    def _inline_table(self, path: Path) -> None:
        self.at += 1
        while True:
            self._skip(_FILLER)
            if self.text[self.at] == "}":
                break
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path)
        self.at += 1

    def _string(self) -> str:
        for pattern in _STRINGS:
            match = pattern.match(self.text, self.at)
            if match:
                self.at = match.end()
                return match.group()
        raise AssertionError("tomllib has accepted the text, so a string must end")

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        assert match is not None  # every pattern here matches the empty text
        self.at = match.end()

    def _line(self) -> int:
        """The line of the present place; it only ever goes on, so each newline is counted once."""
        at, line = self.counted
        line += self.text.count("\n", at, self.at)
        self.counted = (self.at, line)
        return line
