"""`campaign explain` and `campaign rules show` as a person types them."""

import asyncio
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from campaign.cli.explain import explain
from campaign.cli.rules import app as rules_app
from campaign.store.database import Database
from tests.flow.test_facts import campaign
from tests.support.campaigns import phone

app = typer.Typer()
app.command()(explain)
app.add_typer(rules_app, name="rules")

Run = Callable[..., Result]


@pytest.fixture
def cli(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line on a fresh database; fails the test when its exit code is not the expected one."""
    for name in os.environ:
        if name.startswith(("TWILIO_", "LLM_", "CAMPAIGN_", "PUBLIC_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", db_url)
    monkeypatch.setenv("CAMPAIGN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(line: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, shlex.split(line))
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def one_campaign(db_url: str) -> None:
    """A campaign that waits for phone(0)."""

    async def make() -> None:
        db = Database(db_url)
        await campaign(db, 1)
        await db.close()

    asyncio.run(make())


@pytest.mark.usefixtures("one_campaign")
def test_explain_tells_a_number_however_it_is_written(cli: Run) -> None:
    told = cli('explain "(212) 555-0000"').stdout
    assert told.startswith(phone(0))
    assert "Campaign Minimal" in told
    assert "It waits for its first call" in told
    assert "This call needs express consent; none is recorded. [US.consent.informational: 47 CFR" in told


@pytest.mark.usefixtures("one_campaign")
def test_explain_as_json_is_one_document(cli: Run) -> None:
    told = json.loads(cli(f"explain {phone(0)} --campaign Minimal --json").stdout)
    assert told["number"] == phone(0)
    (part,) = told["campaigns"]
    assert part["decision_now"]["verdict"] == "block"
    assert part["decision_now"]["reasons"][0]["rule"]


def test_a_number_that_is_none_is_refused_in_words(cli: Run) -> None:
    assert '"12" is not a number that can be called' in cli("explain 12", code=2).stderr
    assert '"XX" is no country' in cli("explain 12 --region XX", code=2).stderr


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
