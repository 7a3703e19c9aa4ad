"""`campaign talk`: rehearsals on the command line, without a database."""

import json
from pathlib import Path

from typer.testing import CliRunner

from campaign.cli.app import build
from tests.cli.conftest import Run
from tests.support.campaigns import SAMPLES

LIST = SAMPLES.parents[1] / "contacts.sample.csv"
AT = "--at 2026-11-24T10:00:00-05:00"


def test_a_file_of_lines_is_rehearsed_and_compared(cli: Run, tmp_path: Path) -> None:
    lines = tmp_path / "person.txt"
    lines.write_text("# interested at once\nYes, sure.\nYes, I own it.\nmetal\nFriday\n")
    said = cli(f"talk campaign.toml --contact first_name=Ana --replay {lines} {AT}").stdout
    assert "agent  Hi Ana, I'm calling because you asked us" in said
    assert "Outcome: interested (success)" in said
    assert "Answer: roof = metal" in said
    assert "Summary: They are interested." in said

    right = tmp_path / "right.txt"
    right.write_text(said)
    assert (
        "As in"
        in cli(f"talk campaign.toml --contact first_name=Ana --replay {lines} {AT} --expect {right}").stderr
    )
    differs = cli(
        f"talk campaign.toml --contact first_name=Eve --replay {lines} {AT} --expect {right}", code=1
    )
    assert "+agent  Hi Eve" in differs.stderr


def test_variables_come_from_a_row_of_a_list(cli: Run, tmp_path: Path) -> None:
    lines = tmp_path / "person.txt"
    lines.write_text("/hangup\n")
    said = json.loads(cli(f"talk campaign.toml --csv {LIST} --row 2 --replay {lines} --json").stdout)
    assert any(line["text"].startswith("Hi Ben,") for line in said["dialogue"])
    assert said["disposition"] == "no_conversation"
    assert (
        "no row 9999" in cli(f"talk campaign.toml --csv {LIST} --row 9999 --replay {lines}", code=None).stderr
    )


def test_another_language_and_typed_lines(cli: Run) -> None:
    words = ["talk", "campaign.toml", "--language", "es-MX", "--contact", "first_name=Ana"]
    said = CliRunner().invoke(build("talk"), words, input="/dance\n/9\n")
    assert said.exit_code == 0
    assert "inteligencia artificial" in said.stdout
    assert "There is no '/dance'" in said.stderr
    assert "Outcome: asked not to be called" in said.stdout


def test_what_cant_be_rehearsed_says_why(cli: Run, tmp_path: Path) -> None:
    assert "no model profile 'nemo'" in cli("talk campaign.toml --profile nemo", code=None).stderr
    assert "cannot be read" in cli("talk nowhere.toml", code=None).stderr
    assert "names no variable" in cli("talk campaign.toml --contact first_name", code=None).stderr
    other = tmp_path / "other.csv"
    other.write_text("phone\n+12025550123\n")
    wrong = cli(f"talk campaign.toml --csv {other} --profile scripted", code=None).stderr
    assert "first_name" in wrong
