"""`campaign wrap-up`: asked for on the command line, done by the service."""

import json

from tests.cli.conftest import Run
from tests.support.campaigns import SAMPLES

LIST = SAMPLES.parents[1] / "contacts.sample.csv"


def test_records_are_asked_for_and_a_campaign_without_a_profile_says_so(cli: Run) -> None:
    cli(f"contacts import {LIST} --list sample --region US")
    cli("create minimal.toml")
    said = cli("wrap-up Minimal", code=None)
    assert "names no model profile" in said.stderr
    assert "--profile NAME" in said.stderr
    asked = json.loads(cli("wrap-up Minimal --again --profile default --json").stdout)
    assert asked == {"made_due": 0, "due": 0, "done": 0, "failed": 0}
    assert "0 calls became due" in cli("wrap-up Minimal --profile default").stdout
