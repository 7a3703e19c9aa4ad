"""Registry files as they come: each form of a full copy, each form of a change list, and what is damaged."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain.csv_reader import RowError
from campaign.domain.errors import BadFile
from campaign.domain.registry_sheet import (
    Change,
    ChangeReader,
    Found,
    FullReader,
    area_code_in,
    area_code_of,
    latest,
)


def read(data: bytes, sizes: Sequence[int] = (), region: str | None = "US") -> Found:
    """A whole file, fed in pieces of those sizes and then the rest."""
    reader, found, at = FullReader(data[:65536], region=region), Found(), 0
    pieces = []
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    for piece, final in [*((piece, False) for piece in pieces), (data[at:], False), (b"", True)]:
        one = reader.feed(piece, final=final)
        found.numbers += one.numbers
        found.rejected += one.rejected
        found.rows += one.rows
    return found


numbers = st.builds(
    lambda area, office, line: f"{area}{office}{line:04}",
    st.integers(200, 999),
    st.integers(200, 999),
    st.integers(0, 9999),
)
FORMS = {
    "digits": lambda n: n,
    "area code apart": lambda n: f"{n[:3]},{n[3:]}",
    "with a one": lambda n: f"1{n}",
    "e164": lambda n: f"+1{n}",
    "written": lambda n: f"({n[:3]}) {n[3:6]}-{n[6:]}",
    "spaces": lambda n: f"  {n[:3]} {n[3:6]} {n[6:]} ",
    "quoted": lambda n: f'"{n}"',
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(numbers, min_size=1, max_size=40),
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_every_flat_form_is_read_to_its_last_number_however_it_is_cut(
    listed: list[str], form: str, newline: str, ended: bool, sizes: list[int]
) -> None:
    data = newline.join(map(FORMS[form], listed)) + (newline if ended else "")
    found = read(data.encode(), sizes)
    assert found.numbers == [int("1" + one) for one in listed]
    assert (found.rejected, found.rows) == ([], len(listed))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(numbers, min_size=1, max_size=30),
    st.lists(st.integers(0, 30), max_size=4, unique=True),
    st.sampled_from(["212555014", "21255501421", "abc", "112,5550142", "212,1550142", "2125550142x", "\0"]),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_a_bad_line_is_told_with_its_number_and_costs_no_other(
    listed: list[str], places: list[int], bad: str, sizes: list[int]
) -> None:
    lines: list[str] = list(listed)
    for place in sorted(places):
        lines.insert(min(place, len(lines)), bad)
    if lines[0] == bad:
        lines.insert(0, "2125550142")
    found = read("".join(line + "\n" for line in lines).encode(), sizes)
    assert found.numbers == [int("1" + line) for line in lines if line != bad]
    assert [one.line for one in found.rejected] == [n for n, line in enumerate(lines, 1) if line == bad]
    assert all(one.why for one in found.rejected)
    assert found.rows == len(lines)


@pytest.mark.parametrize(
    "data",
    [
        b"phone,reason\n2125550142,x\n3055550101,y\n",
        b"\xef\xbb\xbfphone\n2125550142\n3055550101\n",
        b"\xef\xbb\xbf2125550142\n3055550101\n",
        'id;Telephone\n1;"212 555-0142"\n2;+13055550101\n'.encode("utf-16"),
        b"2125550142\r3055550101\r",
        b"2125550142\n\n\n3055550101\n\x1a",
        b"2125550142,2026-01-01\n3055550101,2026-01-02\n",
    ],
)
def test_plain_csv_and_the_text_of_other_systems_are_read_too(data: bytes) -> None:
    found = read(data)
    assert found.numbers == [12125550142, 13055550101]
    assert found.rejected == []


def test_a_prefix_that_no_library_knows_is_kept_because_it_may_be_in_use_tomorrow() -> None:
    assert read(b"2125550142\n9999990142\n").numbers == [12125550142, 19999990142]
    assert read(b"phone,x\n9999990142,1\n").numbers == [19999990142]


def test_other_countries_numbers_are_read_by_their_own_rules() -> None:
    assert read(b"+442079460958\n020 7946 0959\n", region="GB").numbers == [442079460958, 442079460959]


def test_a_line_without_end_is_one_bad_line() -> None:
    found = read(b"2125550142\n" + b"1" * 200_000 + b"\n3055550101\n", [70_000, 70_000])
    assert found.numbers == [12125550142, 13055550101]
    assert [(one.line, one.code) for one in found.rejected] == [(2, "line_too_long")]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b'<?xml version="1.0"?><list/>', "XML"),
        (b"name,city\nAna,Rome\n", "neither a telephone column nor a number"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "PNG image"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused_in_words(data: bytes, why: str) -> None:
    with pytest.raises(BadFile, match=why):
        read(data)


# ── changes ────────────────────────────────────────────────────────────────────────────────────────────


def changes(text: str) -> list[Change | RowError]:
    data = text.encode()
    reader = ChangeReader(data, region="US")
    half = len(data) // 2
    return [*reader.feed(data[:half]), *reader.feed(data[half:]), *reader.feed(b"", final=True)]


DAY = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "listed", "at"),
    [
        ("2125550142,2026-11-20,A", True, DAY),
        ("212,5550142,2026-11-20,D", False, DAY),
        ("212,5550142,2026-11-20T14:30:05,A", True, DAY.replace(hour=14, minute=30, second=5)),
        ("2125550142,20261120,d", False, DAY),
        ("2125550142,11/20/2026,add", True, DAY),
        ("2125550142,11/20/2026 02:30 PM,Delete", False, DAY.replace(hour=14, minute=30)),
        ("2125550142,11/20/2026,14:30:00,D", False, DAY.replace(hour=14, minute=30)),
        ("2125550142,A,2026-11-20", True, DAY),
        ("2125550142,A", True, None),
        ("+1 212 555 0142,D,", False, None),
    ],
)
def test_each_form_of_a_change_is_understood(row: str, listed: bool, at: datetime | None) -> None:
    expected = [Change(12125550142, listed, at)]
    assert changes(row + "\n") == expected
    assert changes("number of phone,when,action\n" + row + "\n") == expected


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2125550142,2026-11-20", "doesn't say whether"),
        ("2125550142,A,D", "both A and D"),
        ("2125550142,X", '"X" is neither'),
        ("2125550142,2026-13-40,A", "neither"),
        ("2125550142,25:00,A", "neither"),
        ("21255501,A", "too few digits"),
        ("2125550142", "doesn't say whether"),
    ],
)
def test_a_change_that_is_not_wholly_understood_changes_nothing(row: str, why: str) -> None:
    (found,) = changes(row + "\n")
    assert isinstance(found, RowError)
    assert why in found.why


def test_of_several_changes_to_a_number_the_latest_by_date_counts() -> None:
    later = DAY.replace(day=21)
    assert latest([Change(1, False, later), Change(1, True, DAY)]) == {1: False}
    assert latest([Change(1, True, DAY), Change(1, False, DAY)]) == {1: False}
    assert latest([Change(1, True, DAY), Change(1, False, None)]) == {1: True}
    assert latest([Change(1, False, None), Change(1, True, None)]) == {1: True}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("212.txt", "212"),
        ("2026-11-20_212.txt", "212"),
        ("dnc-646-full.csv", "646"),
        ("20261120.txt", None),
        ("212_646.txt", None),
        ("112.txt", None),
    ],
)
def test_the_area_code_is_told_by_a_files_name(name: str, code: str | None) -> None:
    assert area_code_in(name) == code


def test_only_north_american_numbers_have_an_area_code() -> None:
    assert (area_code_of("+12125550142"), area_code_of("+442079460958")) == ("212", None)
