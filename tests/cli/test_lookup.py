"""`campaign lookup` as a person types it, and a campaign with checks in a service of its own."""

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
from campaign.cli.lookup import lookup
from campaign.wiring import ServiceClock
from tests.support.campaigns import phone
from tests.support.dialing import running_campaign
from tests.support.house import ALWAYS, NO_RETRY, House, ask, twilio, wait_until_over, with_db

NUMBER = "+12125550142"
app = typer.Typer()
app.command("lookup")(lookup)
app.command("explain")(explain)

Run = Callable[..., Result]


@pytest.fixture
def house(db_url: str, tmp_path: Path) -> House:
    return House(tmp_path, db_url, rate=20, cps=20)


@pytest.fixture
def cli(house: House, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line in this process; fails the test when its exit code is not the expected one."""
    for name in os.environ:
        if name.startswith(("TWILIO_", "LLM_", "CAMPAIGN_", "PUBLIC_URL")):
            monkeypatch.delenv(name)
    for name, value in house.ours.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(house.folder)

    def run(line: str, code: int = 0, **given: str) -> Result:
        result = CliRunner().invoke(app, shlex.split(line), **given)  # type: ignore[arg-type]
        assert result.exit_code == code, result.output
        return result

    return run


def test_the_price_is_told_before_anything_is_asked_and_the_answer_is_kept(house: House, cli: Run) -> None:
    with house.simulator("--seed", "3"):
        refused = cli(f"lookup {NUMBER}", code=1, input="n\n")
        assert "A line-type check costs about 0.01 USD. Ask?" in refused.stderr
        assert twilio(house, "report")["lookups"] == 0
        told = cli('lookup "(212) 555-0142" --consent-date 2026-10-01', input="y\n")
        assert "A line-type check and a check for a new owner costs about 0.04 USD" in told.stderr
        assert told.stdout.count(NUMBER) == 2
        assert "since 2026-10-01" in told.stdout
        again = json.loads(cli(f"lookup {NUMBER} --yes --json").stdout)
        assert [one["what"] for one in again["lookups"]] == ["line_type"]
        assert twilio(house, "report")["lookups"] == 2
        story = cli(f"explain {NUMBER}").stdout
        assert "Look-ups" in story
        assert story.count("asked by cli:") == 3
        asyncio.run(house.set_faults(lookup_not_enabled=1))
        lacking = cli(f"lookup {NUMBER} --yes", code=4)
        assert "is not enabled for this account. (60606) Ask Twilio for access" in lacking.stderr
    assert "No connection to Twilio" in cli(f"lookup {NUMBER} --yes", code=4).stderr


def test_what_is_no_number_or_has_no_price_is_refused(
    house: House, cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert '"12" is not a number' in cli("lookup 12 --yes", code=2).stderr
    rates = (Path(__file__).parents[2] / "campaign" / "rates.toml").read_text()
    (house.folder / "rates.toml").write_text(rates.partition("[lookup]")[0])
    monkeypatch.setenv("CAMPAIGN_RATES_FILE", str(house.folder / "rates.toml"))
    refused = cli(f"lookup {NUMBER} --yes", code=2).stderr
    assert "There is no price for a look-up of line_type." in refused
    assert "Add it to the rates file (CAMPAIGN_RATES_FILE), under [lookup]." in refused


@pytest.mark.timeout(120)
def test_a_campaign_with_checks_dials_only_numbers_that_were_looked_up(house: House) -> None:
    count = 12
    checks = {"line_type": True, "reassigned": True}
    (house.folder / "people.toml").write_text("[weights]\nbusy = 1\n")
    with house.simulator("--seed", "5", "--people", "people.toml"), house.service():
        clock = ServiceClock(house.settings.clock_start, house.rate, house.anchor)
        with_db(
            house.db_url,
            lambda db: running_campaign(
                db, clock, count, schedule=ALWAYS, retry=NO_RETRY, pacing={"lines": 50}, checks=checks
            ),
        )
        wait_until_over(house, house.db_url)
        dialled = {call["to"] for call in twilio(house, "calls")["creates"]}
    found = ask(house.db_url, "SELECT phone, answer FROM number_lookups")
    assert len(found) == 2 * count
    moved = {row["phone"] for row in found if row["answer"] == "yes"}
    assert moved, "the seed gives one"
    assert dialled == {phone(n) for n in range(count)} - moved
