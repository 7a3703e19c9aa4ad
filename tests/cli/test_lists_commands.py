"""`campaign contacts` and `campaign dnc`, as a person and as a program use them."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from campaign.cli import contacts, dnc
from campaign.domain.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "contacts.sample.csv"
Call = Callable[..., Result]


@pytest.fixture
def call(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command against a fresh database; fails when its exit code isn't the one expected."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", db_url)
    monkeypatch.setenv("CAMPAIGN_DATA_DIR", str(tmp_path / "data"))
    apps = {"contacts": contacts.app, "dnc": dnc.app}

    def run(app: str, *words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(apps[app], words)
        assert result.exit_code == code, result.output
        return result

    return run


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def test_the_sample_list_shows_what_an_import_does(call: Call) -> None:
    row = told(call("contacts", "import", str(SAMPLE), "--list", "sample", "--json"))
    assert (row["state"], row["rows_read"], row["rows_taken"], row["rows_repeated"]) == (
        "finished",
        58,
        54,
        1,
    )
    assert row["rejected_why"] == {"too_short": 1, "excel_exponent": 1, "zone": 1}
    again = told(call("contacts", "import", str(SAMPLE), "--list", "sample", "--json"))
    assert (again["again"], again["id"]) == (True, row["id"])
    assert "nothing has changed" in call("contacts", "import", str(SAMPLE), "--list", "sample").output
    listed = told(call("contacts", "lists", "--json"))
    assert [(one["name"], one["contacts"], one["region"]) for one in listed] == [("sample", 54, "US")]
    table = list(csv.reader(io.StringIO(call("contacts", "rejected", str(row["id"])).stdout)))
    assert table[0][-2:] == ["line", "reason"]
    assert len(table) == 4
    assert len(told(call("contacts", "imports", "--json"))) == 1


def test_mended_rows_are_imported_from_the_file_that_was_handed_back(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("phone,name\n12,Ana\n")
    call("contacts", "import", "in.csv", "--list", "people")
    call("contacts", "rejected", "1", "--out", "mend.csv")
    mended = (tmp_path / "mend.csv").read_text("utf-8-sig").replace("12,Ana", "212-555-0142,Ana")
    (tmp_path / "mend.csv").write_text(mended)
    assert told(call("contacts", "import", "mend.csv", "--list", "people", "--json"))["rows_taken"] == 1


def test_rejected_rows_are_printed_and_written_as_csv_and_as_json(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("phone,name\n12,Ana\n2125550142,Bea\n13,Zoë\n")
    call("contacts", "import", "in.csv", "--list", "people")
    printed = call("contacts", "rejected", "1").stdout
    assert [line.split(",")[:3] for line in printed.splitlines()] == [
        ["phone", "name", "line"],
        ["12", "Ana", "2"],
        ["13", "Zoë", "4"],
    ]
    assert call("contacts", "rejected", "1", "--out", "mend.csv").output == "2 rejected rows in mend.csv.\n"
    assert (tmp_path / "mend.csv").read_text("utf-8-sig").splitlines() == printed.splitlines()
    assert [one["line"] for one in told(call("contacts", "rejected", "1", "--json"))] == [2, 4]
    (tmp_path / "good.csv").write_text("phone,name\n2125550143,Cem\n")
    assert told(call("contacts", "import", "good.csv", "--list", "people", "--json"))["rows_rejected"] == 0
    assert told(call("contacts", "rejected", "2", "--json")) == []
    call("contacts", "rejected", "3", code=2)
    call("contacts", "rejected", "3", "--out", "none.csv", code=2)
    assert not (tmp_path / "none.csv").exists()


def test_a_list_of_very_many_columns_is_shown_by_the_first_of_them(call: Call, tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(10_000))
    (tmp_path / "wide.csv").write_text(f"phone,{names}\n2125550142{',v' * 10_000}\n")
    assert told(call("contacts", "import", "wide.csv", "--list", "wide", "--json"))["rows_taken"] == 1
    assert "and 9,970 more" in " ".join(call("contacts", "lists").output.split())
    assert len(told(call("contacts", "lists", "--json"))[0]["columns"]) == 10_000


def test_an_import_tells_the_first_rejected_rows_and_their_reasons(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("phone,name\n12,Ana\n2125550142,Ben\n")
    said = call("contacts", "import", "in.csv", "--list", "people").output
    assert said.startswith("Import 1 of in.csv: 1 contact taken into 'people' of 2 rows.")
    assert "line 2, phone: the number has too few digits" in said
    shown = call("contacts", "show", "2125550142").output
    assert "US; US-NY; America/New_York" in shown
    assert "UTC" in shown


def test_options_of_an_import_are_obeyed_and_checked(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("Kunde,Erreichbar\nAna,030 1234567\n")
    base = ("contacts", "import", "in.csv", "--list", "people")
    assert "No column holds telephone numbers" in call(*base, code=2).output
    assert "Narnia" in call(*base, "--map", "phone=Erreichbar", "--region", "Narnia", code=2).output.title()
    attested = ("--consent", "ebr", "--consent-source", "invoices", "--consent-date", "2026-03-31")
    row = told(call(*base, "--map", "phone=Erreichbar", "--region", "de", *attested, "--json"))
    assert row["rows_taken"] == 1
    (found,) = told(call("contacts", "show", "+49301234567", "--json"))
    assert (found["consent"], found["variables"]) == ("ebr", {"kunde": "Ana"})
    assert found["consent_source"].startswith("invoices (attested by cli:")


def test_a_contact_is_added_changed_and_removed(call: Call) -> None:
    words = ("phone=212-555-0142", "first_name=Ana", "consent=express_written")
    (made,) = told(call("contacts", "add", "--list", "people", *words, "--json"))
    assert (made["phones"], made["place"]) == (["+12125550142"], "US|US-NY|America/New_York")
    number = str(made["id"])
    (changed,) = told(call("contacts", "edit", number, "state=FL", "first_name=Bea", "--json"))
    assert changed["variables"] == {"first_name": "Bea"}
    assert (changed["state"], changed["consent"]) == ("FL", "express_written")
    assert "Bea" in call("contacts", "show", number).output
    assert "is removed" in call("contacts", "remove", number).output
    assert told(call("contacts", "show", "+12125550142", "--json")) == []
    assert "no contact" in call("contacts", "remove", number, code=2).output


def test_a_word_without_an_equals_sign_is_explained() -> None:
    with pytest.raises(BadInput, match="NAME=VALUE"):
        contacts.pairs(["phone"])


def test_a_number_goes_on_the_list_is_found_and_taken_off(call: Call) -> None:
    added = told(call("dnc", "add", "(212) 555-0142", "--quote", "never again", "--json"))
    assert (added["phone"], added["added"]) == ("+12125550142", 1)
    assert "already" in call("dnc", "add", "2125550142").output
    found = told(call("dnc", "check", "+12125550142", "--json", code=3))
    assert (found["listed"], found["hits"][0]["quote"]) == (True, "never again")
    call("dnc", "remove", "2125550142", "--reason", "typed wrongly")
    assert "no do-not-call list" in call("dnc", "check", "2125550142").output
    assert "does not stand" in call("dnc", "remove", "2125550142", "--reason", "again", code=2).output


def test_do_not_call_files_go_on_the_own_list_or_a_named_one(call: Call, tmp_path: Path) -> None:
    own = told(call("dnc", "import", str(ROOT / "docs" / "samples" / "dnc.sample.csv"), "--json"))
    assert (own["list_name"], own["rows_taken"]) == ("own", 5)
    (tmp_path / "registry.txt").write_text("212,5550142\n305,5550101\n")
    registry = ("registry.txt", "--name", "us-national-dnc", "--as-of", "2026-11-01")
    result = CliRunner().invoke(dnc.app, ["registry", "load", *registry])
    assert isinstance(result.exception, BadInput)
    call("dnc", "registry", "load", *registry, "--area-codes", "212,305")
    listed = {one["name"]: one for one in told(call("dnc", "lists", "--json"))}
    assert listed["us-national-dnc"]["entries"] == 2
    assert listed["us-national-dnc"]["as_of"].startswith("2026-11-01")
