"""`campaign records`: kept how long and why, one person shown, one person erased."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from campaign.cli import contacts, dnc, records

Call = Callable[..., Result]
NUMBER = "+12125550142"


@pytest.fixture
def call(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command against a fresh database; fails when its exit code isn't the one expected."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", db_url)
    monkeypatch.setenv("CAMPAIGN_DATA_DIR", str(tmp_path / "data"))
    apps = {"contacts": contacts.app, "dnc": dnc.app, "records": records.app}

    def run(app: str, *words: str, code: int = 0, typed: str | None = None) -> Result:
        result = CliRunner().invoke(apps[app], words, input=typed)
        assert result.exit_code == code, result.output
        return result

    return run


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def test_each_kind_of_record_is_told_with_its_days_and_by_whose_word(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGN_RETENTION", "webhooks=30, contacts=0")
    found = {one["kind"]: one for one in told(call("records", "retention", "--json"))}
    assert (found["call_records"]["days"], found["call_records"]["rule"]) == (1827, "US.records")
    assert (found["webhooks"]["days"], found["webhooks"]["why"]) == (30, "CAMPAIGN_RETENTION says so")
    assert found["contacts"]["days"] is None
    shown = call("records", "retention", "--run").output
    assert "never removed" in shown
    assert "demanded by US.records" in shown


def test_a_setting_below_the_law_is_refused_with_the_rule(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGN_RETENTION", "call_records=365")
    refused = call("records", "retention", code=2).output
    assert "US.records" in refused
    assert "call_records=1827" in refused


def test_a_person_is_shown_and_then_erased_and_stays_suppressed(call: Call, tmp_path: Path) -> None:
    call("contacts", "add", "--list", "autumn", f"phone={NUMBER}", "first_name=Ana")
    call("records", "export", NUMBER, "--out", "person.json")
    shown = json.loads((tmp_path / "person.json").read_text())
    assert shown["contacts"][0]["variables"]["first_name"] == "Ana"
    assert (tmp_path / "person.json").stat().st_mode & 0o077 == 0
    call("records", "erase", NUMBER, "--reason", "letter of 3 May", code=1, typed="n\n")
    assert told(call("contacts", "show", NUMBER, "--json"))
    done = told(call("records", "erase", NUMBER, "--reason", "letter of 3 May", "--yes", "--json"))
    assert (done["number"], done["suppressed"]) == ("+1212•••0142", 1)
    assert told(call("contacts", "show", NUMBER, "--json")) == []
    assert told(call("dnc", "check", NUMBER, "--json", code=3))["hits"][0]["reason"] == "erased on request"
    assert told(call("records", "export", NUMBER))["do_not_call"][0]["phone"] == NUMBER
    assert "on the do-not-call list" in call("records", "erase", NUMBER, "--reason", "again", "--yes").output
    call("records", "erase", "+12125550143", "--reason", "unknown", "--yes", code=2)


def test_a_number_comes_off_the_list_by_a_reason_and_a_contact_goes_on_it_by_its_row(call: Call) -> None:
    call("contacts", "add", "--list", "autumn", f"phone={NUMBER}", "phone_2=+13055550101", "opt_out=yes")
    assert told(call("dnc", "check", "+13055550101", "--json", code=3))["listed"]
    assert "reason" in call("dnc", "remove", NUMBER, code=2).output
    ended = call("dnc", "remove", NUMBER, "--reason", "asked to be called again").output
    assert "counts no more" in ended
    mended = call("dnc", "remove", "+13055550101", "--reason", "wrong row", "--mistake").output
    assert "counts no more" not in mended
    added = told(call("dnc", "add", NUMBER, "--all-numbers", "--json"))
    assert added["added"] == 2
