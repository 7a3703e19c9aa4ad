"""The commands as a person types them, against a real database."""

import csv
import io
import json
from pathlib import Path

import pytest

from campaign.flow import lifecycle
from campaign.store.database import Database
from tests.cli.conftest import OnDb, Run
from tests.support.campaigns import make_attempt, make_list, phone, rows


def with_list(on_db: OnDb, contacts: int = 3) -> None:
    on_db(lambda db: make_list(db, contacts=contacts, columns=["first_name"]))


def test_both_samples_are_valid_without_a_database(cli: Run) -> None:
    for sample in ("campaign.toml", "minimal.toml"):
        assert "is valid" in cli(f"validate {sample} --offline").stdout


def test_validate_names_every_fault_with_its_line_and_ends_with_2(cli: Run, tmp_path: Path) -> None:
    text = (tmp_path / "campaign.toml").read_text()
    (tmp_path / "bad.toml").write_text(
        text.replace("share = 1 ", "shares = 1 ").replace('policy = "leave_message"', 'policy = "shout"')
    )
    result = cli("validate bad.toml --offline", code=2)
    assert "bad.toml has 2 faults" in result.stderr
    assert "did you mean 'share'?" in result.stderr
    found = json.loads(cli("validate bad.toml --offline --json", code=2).stdout)
    assert [fault["path"] for fault in found["faults"]] == ["pacing.shares", "voicemail.policy"]
    assert all(fault["line"] for fault in found["faults"])


def test_validate_looks_at_the_lists_of_the_database(cli: Run, on_db: OnDb) -> None:
    assert 'no contact list "sample"' in cli("validate minimal.toml", code=2).stderr
    with_list(on_db)
    assert "is valid" in cli("validate minimal.toml").stdout


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nowhere.toml", None, "cannot be read"),
        ("latin.toml", b'name = "caf\xe9"', "no UTF-8 text"),
        ("binary.toml", b"\x00\x01", "not valid TOML"),
        ("broken.json", b'{"name": ', "line 1"),
        ("empty.toml", b"", "name: is missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(
    cli: Run, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert says in cli(f"create {name}", code=2).stderr


def test_a_campaign_from_file_to_running_and_paused(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    assert "with 3 contacts" in cli("create minimal.toml").stdout
    started = cli("start Minimal")
    assert "is running." in started.stdout
    assert "No dialler has a heartbeat" in started.stderr
    assert "campaign serve" in started.stderr
    status = cli("status Minimal")
    assert "0 of 3 contacts" in status.stdout
    assert "No dialler has a heartbeat" in status.stdout
    assert "is paused." in cli("pause Minimal --why lunch").stdout
    assert "is paused already." in cli("pause '#1'").stdout
    found = json.loads(cli("status Minimal --json").stdout)
    assert (found["state"], found["state_why"], found["contacts"]) == ("paused", "lunch", {"waiting": 3})
    assert "can't be redialled" not in cli("resume Minimal").stderr


def test_an_action_that_the_state_forbids_says_what_can_be_done(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml")
    result = cli("pause Minimal", code=3)
    assert "is draft" in result.stderr
    assert "What can be done: start, stop, edit" in result.stderr


def test_what_show_prints_can_be_edited_and_put_in_force(cli: Run, on_db: OnDb, tmp_path: Path) -> None:
    with_list(on_db)
    cli("create minimal.toml")
    text = cli("show Minimal").stdout
    (tmp_path / "edited.toml").write_text(text.replace("lines = 10", "lines = 44"))
    assert "at version 2" in cli("edit Minimal edited.toml").stdout
    assert json.loads(cli("show Minimal --json").stdout)["pacing"]["lines"] == 44
    assert json.loads(cli("show Minimal --version 1 --json").stdout)["pacing"]["lines"] == 10


def test_stop_all_and_lift(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml --start")
    assert "All dialling is stopped." in cli("stop --all --why complaint").stdout
    assert "complaint" in cli("status Minimal").stdout
    assert "Dialling goes on." in cli("stop --lift").stdout
    assert json.loads(cli("stop --lift --json").stdout) == {
        "dialling_stopped": False,
        "changed": False,
        "calls_cancelled": 0,
    }


@pytest.mark.parametrize("line", ["stop", "stop X --all", "stop --all --lift", "stop --lift --now"])
def test_stop_wants_exactly_one_thing(cli: Run, line: str) -> None:
    assert "Name one campaign" in cli(line, code=2).stderr


def test_stop_is_final(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml --start")
    assert "is stopping." in cli("stop Minimal --now").stdout
    assert "is stopping" in cli("start Minimal", code=3).stderr


def test_list_shows_all_campaigns_and_how_to_make_the_first(cli: Run, on_db: OnDb) -> None:
    assert "campaign create" in cli("list").stderr
    with_list(on_db)
    cli("create minimal.toml")
    assert "Minimal" in cli("status").stdout
    (found,) = json.loads(cli("list --json").stdout)
    assert (found["name"], found["state"], found["contacts"], found["finished"]) == ("Minimal", "draft", 3, 0)


def finished(on_db: OnDb) -> None:
    async def work(db: Database) -> None:
        (row,) = await rows(db, "SELECT id FROM campaigns")
        (now,) = (await rows(db, "SELECT max(updated_at) AS now FROM campaign_contacts"))[0].values()
        await make_attempt(
            db, row["id"], phone(0), state="ended", disposition="interested", category="success",
            seconds=61, first_word_ms=512, cost=0.42, now=now,
        )  # fmt: skip
        await make_attempt(db, row["id"], phone(1), state="ended", disposition="no_answer", now=now)
        await rows(
            db,
            "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL, waiting_for = '=1+1' "
            "WHERE phone = :phone",
            phone=phone(2),
        )
        await lifecycle.tick(db, now)

    on_db(work)


def test_the_report_in_all_three_formats(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml --start")
    finished(on_db)
    table = cli("report Minimal").stdout
    for words in ("called at least once", "no answer", "512 ms", "0.42 USD", "Who was not called"):
        assert words in table
    found = json.loads(cli("report Minimal --format json").stdout)
    assert found == json.loads(cli("report Minimal --json").stdout)
    assert found["state"] == "completed"
    assert found["funnel"][1] == {"step": "called", "words": "called at least once", "contacts": 2}


def test_the_reports_csv_holds_nothing_that_a_spreadsheet_would_run(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml --start")
    finished(on_db)
    sheet = list(csv.DictReader(io.StringIO(cli("report Minimal --format csv").stdout)))
    (won,) = [row for row in sheet if row["item"] == "interested"]
    assert (won["section"], won["contacts"], won["seconds"], won["cost"]) == ("outcome", "1", "61", "0.42")
    (blocked,) = [row for row in sheet if row["section"] == "blocked"]
    assert blocked["item"] == "'=1+1"


def test_help_fills_the_terminals_lines(cli: Run) -> None:
    assert "SIGTERM, Ctrl-C and `campaign drain` end it gently" in cli("serve --help").output
    assert "campaign explain" in cli("explain --help").output
    assert "never cost the others. The same file again" in cli("contacts import --help").output


def test_a_redial_of_nobody_says_so_and_changes_nothing(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml --start")
    assert "No contact has ended with busy" in cli("redial Minimal -d busy").stderr
    assert "is running" in cli("redial Minimal -d busy").output


def test_a_campaign_that_is_over_says_how_to_make_another(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml")
    cli("stop Minimal")
    assert 'campaign show "Minimal" > again.toml' in cli("start Minimal", code=3).stderr


def test_an_edit_that_is_refused_says_what_to_do_first(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml --start")
    assert 'Pause it first: campaign pause "Minimal"' in cli("edit Minimal minimal.toml", code=3).stderr


def test_redial_of_a_completed_campaign_pauses_it(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml --start")
    finished(on_db)
    result = cli("redial Minimal -d no_answer -d busy --attempts 2")
    assert "is paused." in result.stdout
    assert "To be called again after no_answer: 1 contact." in result.stdout
    assert "never redialled" in cli("redial Minimal -d do_not_call", code=2).stderr


def test_watching_a_campaign_that_is_over_ends_at_once(cli: Run, on_db: OnDb) -> None:
    with_list(on_db)
    cli("create minimal.toml --start")
    finished(on_db)
    assert "3 of 3 contacts (100%)" in cli("status Minimal --watch").stdout


def test_an_unknown_campaign_is_an_error_with_the_names_there_are(cli: Run) -> None:
    assert "There are none yet" in cli("report Nobody", code=2).stderr


def test_every_command_teaches_with_an_example(cli: Run) -> None:
    for command in ("create", "validate", "edit", "start", "pause", "resume", "stop", "redial", "status"):
        assert "Example" in cli(f"{command} --help").stdout
