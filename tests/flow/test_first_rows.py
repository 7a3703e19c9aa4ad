"""The beginning of a file as people see it before anything of it is taken."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaign.domain.csv_reader import RowError
from campaign.domain.errors import BadFile
from campaign.flow.first_rows import LOOKED_AT, chosen, look

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def sheet(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sheet.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_column_is_told_and_each_row_is_read_or_refused(tmp_path: Path):
    path = sheet(tmp_path, "Name\tMobile No\tzip\nAna\t202-555-0123\t20001\nBen\t12\t\n")
    found = look(path, mapping=None, region="US", now=NOW)
    assert found.what == ["", "phone", "postal_code"]
    assert found.variables == {0: "name"}
    assert (found.dialect.delimiter, found.whole, found.fault) == ("\t", True, None)
    assert [isinstance(one, RowError) for one in found.read] == [False, True]


def test_what_people_chose_leaves_nothing_to_guessing(tmp_path: Path):
    path = sheet(tmp_path, "phone,mobile,state\n1,202-555-0123,NY\n")
    mapping = chosen(("phone", "mobile", "state"), ["", "phone", ""])
    found = look(path, mapping=mapping, region="US", now=NOW)
    assert found.what == ["", "phone", ""]


def test_only_the_beginning_of_a_large_file_is_read(tmp_path: Path):
    path = sheet(tmp_path, "phone,note\n" + f"202-555-0123,{'x' * 900}\n" * (LOOKED_AT // 500))
    found = look(path, mapping=None, region="US", now=NOW, shown=3)
    assert (len(found.rows), found.whole) == (3, False)


def test_without_numbers_the_fault_is_told_beside_the_rows(tmp_path: Path):
    found = look(sheet(tmp_path, "a,b\n1,2\n"), mapping=None, region="US", now=NOW)
    assert found.columns is None
    assert found.rows == (("1", "2"),)
    assert "No column holds telephone numbers" in str(found.fault)


@pytest.mark.parametrize("text", ["", "\n\n", "a,A\n1,2\n"])
def test_what_can_be_read_in_no_way_is_refused(tmp_path: Path, text: str):
    with pytest.raises(BadFile):
        look(sheet(tmp_path, text), mapping=None, region="US", now=NOW)
