"""`campaign dnc registry`, as a person and as a program use it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from campaign.cli import dnc
from campaign.domain.errors import BadInput

Call = Callable[..., Result]
NATIONAL = ("--name", "us-national-dnc")


@pytest.fixture
def call(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs `campaign dnc …` against a fresh database; fails when its exit code isn't the one expected."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", db_url)
    monkeypatch.setenv("CAMPAIGN_DATA_DIR", str(tmp_path / "data"))

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(dnc.app, words)
        assert result.exit_code == code, result.output
        return result

    return run


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_registry_is_loaded_changed_and_shown(call: Call, tmp_path: Path) -> None:
    (tmp_path / "212.txt").write_text("212,5550142\n212,5550143\n")
    (tmp_path / "646.txt").write_text("646,5550110\n")
    (tmp_path / "changes.txt").write_text("212,5550150,2026-10-02,A\n212,5550143,2026-10-02,D\n")
    load = ("registry", "load", "212.txt", "646.txt", *NATIONAL)
    said = call(*load, "--as-of", "2026-10-01", "--area-codes-by-name").output
    assert "version 1 of 2026-10-01 is in force: 3 numbers in 2 area codes, from 3 rows." in said
    changed = told(call("registry", "changes", "changes.txt", *NATIONAL, "--as-of", "2026-10-02", "--json"))
    assert (changed["number"], changed["numbers"], changed["source"]) == (2, 3, "changes")
    listed = {one["name"]: one for one in told(call("registry", "list", "--json"))}
    national = listed["us-national-dnc"]
    assert (national["version"], national["area_codes"]) == (2, ["212", "646"])
    assert national["expires_at"].startswith("2026-11-02")
    assert national["demanded_by"] == [{"rule_id": "US.dnc.national", "max_age_days": 31, "same_day": False}]
    assert listed["ca-dncl"]["version"] is None
    assert "not loaded" in listed["ca-dncl"]["fault"]
    table = call("registry", "list").output
    assert "us-national-dnc" in table
    assert "not loaded" in table
    versions = told(call("registry", "list", "--versions", "--json"))
    assert [(one["number"], one["state"]) for one in versions] == [(2, "active"), (1, "retired")]
    assert "retired" in call("registry", "list", "--versions").output
    hits = told(call("check", "+12125550150", "--json", code=3))["hits"]
    assert [(hit["list_name"], hit["version"]) for hit in hits] == [("us-national-dnc", 2)]
    call("check", "+12125550143")


def test_what_the_files_cover_must_be_said(call: Call, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("2125550142\n")
    load = ("registry", "load", "list.txt", *NATIONAL, "--as-of", "2026-10-01")
    for options in ((), ("--all", "--area-codes", "212"), ("--area-codes", ", ")):
        result = CliRunner().invoke(dnc.app, [*load, *options])
        assert isinstance(result.exception, BadInput), options
    assert "1 number, from 1 row" in call(*load, "--all").output


def test_rejected_rows_are_told_and_written(call: Call, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text('2125550142\njunk, "and" more\n')
    load = ("registry", "load", "list.txt", *NATIONAL, "--as-of", "2026-10-01", "--all")
    assert "1 of 2 rows cannot be read" in call(*load, code=2).output
    assert "1 row could not be read" in call(*load, "--accept-rejected").output
    rows = call("registry", "rejected", "us-national-dnc").stdout.splitlines()
    assert rows[0] == "file,line,reason,row"
    assert rows[1].startswith("list.txt,2,")
    assert rows[1].endswith('"junk, ""and"" more"')
    call("registry", "rejected", "us-national-dnc", "--version", "1", "--out", "bad.csv")
    assert (tmp_path / "bad.csv").read_text().count("\n") == 2
    assert "no version 7" in call("registry", "rejected", "us-national-dnc", "--version", "7", code=2).output
