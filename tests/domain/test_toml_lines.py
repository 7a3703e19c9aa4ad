import tomllib
from datetime import date
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from campaign.domain import toml_text
from campaign.domain.toml_lines import Path, dotted, line_at, lines_of

TEXT = '''\
# a comment with [brackets] and "quotes"
name = "x"          # one
a.b = 1
list = [
  1, # [2]
  "two ] # not the end",
  { deep = """
many
lines""", next = 'literal' },
]

[table]
key = """\\
  text = "no key" """
"quoted key" = 1979-05-27T07:32:00Z
[[rows]]
n = 1
[[rows]]
n = 2
[rows.inner]
m = 3
'''


def test_every_value_is_found_on_its_own_line() -> None:
    tomllib.loads(TEXT)
    lines = lines_of(TEXT)
    assert lines["name",] == 2
    assert lines["a", "b"] == 3
    assert [lines["list", n] for n in range(3)] == [5, 6, 7]
    assert lines["list", 2, "deep"] == 7
    assert lines["list", 2, "next"] == 9
    assert lines["table",] == 12
    assert lines["table", "key"] == 13
    assert lines["table", "quoted key"] == 15
    assert lines["rows", 0, "n"] == 17
    assert lines["rows", 1, "n"] == 19
    assert lines["rows", 1, "inner", "m"] == 21


def test_a_missing_key_is_shown_at_the_table_that_lacks_it() -> None:
    assert line_at(lines_of(TEXT), ("table", "nothing", "here")) == 12
    assert line_at(lines_of(TEXT), ("nothing",)) is None


def test_windows_line_ends_count_once() -> None:
    assert lines_of('a = 1\r\nb = """x\r\ny"""\r\nc = 3\r\n')["c",] == 4


def test_paths_are_written_as_people_write_them() -> None:
    assert dotted(("lists", 0, "first name")) == 'lists[0]."first name"'


keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
scalars = (
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=30)
    | st.dates(date(1900, 1, 1))
)
tables = st.dictionaries(
    keys,
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@example({"a\n": 1})
@example({"a\n": {"b": 1}})
@given(tables)
def test_what_is_written_is_read_back_and_every_key_has_a_line(table: dict[str, Any]) -> None:
    text = toml_text.dumps(table)
    assert tomllib.loads(text) == table
    simple = {
        path for path in _paths(table, ()) if not any("\\" in toml_text.dumps({str(k): 1}) for k in path)
    }
    assert simple <= set(lines_of(text))


def _paths(value: Any, path: Path) -> list[Path]:
    found: list[Path] = []
    if isinstance(value, dict):
        for key, item in value.items():
            found += [
                *([(*path, key)] if not isinstance(item, dict) or not item else []),
                *_paths(item, (*path, key)),
            ]
    return found
