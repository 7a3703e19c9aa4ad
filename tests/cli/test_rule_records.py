"""`campaign rules waive`, `registered`, `pause` and `records` as a person types them."""

import asyncio
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from campaign.cli.rule_records import app as rules
from campaign.cli.status import status
from campaign.store.database import Database
from tests.flow.test_facts import campaign

app = typer.Typer()
app.add_typer(rules, name="rules")
app.command()(status)

Run = Callable[..., Result]


@pytest.fixture
def cli(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line on a database with one campaign, "Minimal"."""
    for name in os.environ:
        if name.startswith(("TWILIO_", "LLM_", "CAMPAIGN_", "PUBLIC_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", db_url)
    monkeypatch.setenv("CAMPAIGN_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    async def make() -> None:
        db = Database(db_url)
        await campaign(db, 1)
        await db.close()

    asyncio.run(make())

    def run(line: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, shlex.split(line))
        assert result.exit_code == code, result.output
        return result

    return run


def test_a_waiver_stands_with_its_name_in_the_records_the_packs_and_the_status(cli: Run) -> None:
    told = cli('rules waive US-TX.registration --campaign Minimal --reason "exempt, memo 12"').stdout
    assert "US-TX.registration is waived by cli:" in told
    assert "because: exempt, memo 12." in told
    for line in ("rules records", "rules show --number +15125550142", "status Minimal"):
        assert "because: exempt, memo 12." in cli(line).stdout, line
    packs = json.loads(cli("rules show --number +15125550142 --json").stdout)
    rules = {rule["id"]: rule for pack in packs for rule in pack["rules"]}
    assert rules["US-TX.registration"]["waived"][0]["campaign"] == "Minimal"
    assert not rules["US-TX.hours"]["waived"]
    assert not rules["US-TX.hours"]["waivable"]
    cli("rules unwaive US-TX.registration --campaign Minimal")
    assert "Nothing is recorded" in cli("rules records").stdout


def test_what_cannot_be_waived_is_refused_with_the_reason(cli: Run) -> None:
    refused = cli('rules waive US.hours --campaign Minimal --reason "please"', 2)
    assert "can't be waived: a call at a forbidden hour can't be undone" in refused.output
    assert "not a date" in cli("rules waive US.abandon --campaign Minimal --reason x --until soon", 2).output


def test_registrations_and_pauses_are_recorded_listed_and_taken_back(cli: Run) -> None:
    cli('rules registered US-TX --reference "SOS 2026-0412"')
    told = cli('rules pause us-la --reason "hurricane" --to 2030-01-01').stdout
    assert "Nobody in US-LA is called now to 2030-01-01." in told
    listed = cli("rules records").stdout
    assert "US-TX is registered: SOS 2026-0412 (cli:" in listed
    assert "Calls to US-LA are paused from " in listed
    assert len(json.loads(cli("rules records --json").stdout)["pauses"]) == 1
    assert "0 contacts will be judged again" in cli("rules unpause US-LA").stdout
    cli("rules unregistered US-TX")
    assert "Nothing is recorded" in cli("rules records").stdout
