"""`campaign explain` as a person types it."""

import asyncio
import json

import pytest

from campaign.store.database import Database
from tests.cli.conftest import Run
from tests.flow.test_facts import campaign
from tests.support.campaigns import phone


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
