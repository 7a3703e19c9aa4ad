"""`campaign rules show` and `campaign rules replay` as a person types them."""

import asyncio
import csv
import json
from pathlib import Path

import pytest

from campaign.store.database import Database
from tests.cli.conftest import Run
from tests.flow.test_ledger import dialled_twice
from tests.flow.test_replay import CAP
from tests.support.campaigns import phone, rows
from tests.support.clock import ManualClock


@pytest.fixture
def dials(db_url: str, tmp_path: Path) -> None:
    """Three contacts of a campaign with an ugly name, each dialled twice on 2026-11-24; and a pack file."""
    (tmp_path / "bill.toml").write_text(CAP)

    async def make() -> None:
        db = Database(db_url)
        await dialled_twice(db, ManualClock())
        await rows(db, "UPDATE campaigns SET name = '=1+1'")
        await db.close()

    asyncio.run(make())


REPLAY = "rules replay --pack bill.toml --since 2026-11-24 --until 2026-11-26"


@pytest.mark.usefixtures("dials")
def test_replay_lists_what_would_differ_and_counts_it_by_rule(cli: Run) -> None:
    told = cli(REPLAY).stdout
    assert "6 dials judged again under US-NY draft-1: 3 would not have been made." in told
    assert "3 by US-NY.cap" in told
    assert "1 of 1 attempts to this person in 24 h" in told
    assert phone(0) not in told
    assert phone(0) in cli(f"{REPLAY} --numbers").stdout
    assert "… and 2 more; --csv FILE has them all." in cli(f"{REPLAY} --most 1").stdout


@pytest.mark.usefixtures("dials")
def test_replay_as_json_is_one_document_and_as_csv_safe_for_spreadsheets(cli: Run, tmp_path: Path) -> None:
    told = json.loads(cli(f"{REPLAY} --json --csv out.csv --most 2").stdout)
    assert (told["dials"], told["differ"], told["by_rule"]) == (6, 3, {"US-NY.cap": 3})
    assert (told["packs"], len(told["differences"])) == ({"US-NY": "draft-1"}, 2)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        sheet = list(csv.DictReader(file))
    assert len(sheet) == 3
    assert {row["campaign"] for row in sheet} == {"'=1+1"}
    assert {(row["was"], row["would_be"]) for row in sheet} == {("allow", "defer")}


@pytest.mark.usefixtures("dials")
def test_without_a_file_dials_are_checked_against_the_packs_of_today(cli: Run) -> None:
    told = cli("rules replay --since 2026-11-24 --until 2026-11-26").stdout
    assert told == "6 dials judged again under the packs of today: 0 would not have been made.\n"


@pytest.mark.usefixtures("dials")
def test_only_the_time_that_was_asked_for_is_judged(cli: Run) -> None:
    noon = "2026-11-24T12:00:00-05:00"
    assert (
        json.loads(cli(f"rules replay --pack bill.toml --since {noon} --until 2026-11-26 --json").stdout)[
            "dials"
        ]
        == 3
    )
    assert (
        "0 dials judged" in cli("rules replay --pack bill.toml --since 2026-11-25 --until 2026-11-26").stdout
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("rules replay --pack nowhere.toml --since 2026-11-24", "cannot be read"),
        ("rules replay --pack bill.toml --since soon", '"soon" is no instant'),
        ("rules replay --pack bill.toml --since 2026-11-24T10:00", "no instant with an offset"),
        ("rules replay --pack bad.toml --since 2026-11-24", "The rule packs cannot be used"),
        ("rules replay --pack latin.toml --since 2026-11-24", "no UTF-8 text"),
        ("rules replay --pack bill.toml --since 2026-11-24 --csv .", "cannot be written"),
        ("rules replay --pack bill.toml --since 2026-11-24 --campaign No", 'There is no campaign "No"'),
    ],
)
def test_what_cannot_be_used_is_told_in_words(cli: Run, tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "bill.toml").write_text(CAP)
    (tmp_path / "bad.toml").write_text('[[pack]]\nid = "XX"\n')
    (tmp_path / "latin.toml").write_bytes(b'id = "caf\xe9"')
    assert says in cli(line, code=None).stderr


# ── show ────────────────────────────────────────────────────────────────────────────────────────────────


def test_rules_show_tells_the_law_of_a_number_on_a_date(cli: Run) -> None:
    told = cli("rules show --number +12155550142 --at 2026-10-17").stdout
    assert "may be in US-PA; America/New_York." in told
    assert "US-PA.hours.old: calls only mon-sun 08:00-21:00" in told
    assert "US-PA.hours.2026" not in told
    assert "not reviewed by a lawyer" in told
    assert "US-FL" not in told
    assert "US-PA.hours.2026" in cli("rules show --number +12155550142 --at 2026-10-18").stdout


def test_rules_show_without_options_shows_every_pack_and_what_is_only_proposed(cli: Run) -> None:
    told = cli("rules show").stdout
    assert "PROPOSED, not applied" in told
    assert "STAYED until then" in told
    packs = json.loads(cli("rules show --json").stdout)
    assert len(packs) > 30
    assert all(rule["source"] and rule["demand"] for pack in packs for rule in pack["rules"])


def test_rules_show_says_when_nobody_may_be_called_there(cli: Run) -> None:
    assert "No pack covers that place" in cli("rules show --number +5511961234567").stdout


def test_a_date_that_is_none_is_refused(cli: Run) -> None:
    assert '"soon" is not a date' in cli("rules show --at soon", code=2).stderr
