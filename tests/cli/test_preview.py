"""`campaign preview`, `campaign why` and what `campaign start` tells, as a person types them."""

import json
from typing import Any

import pytest

from campaign.cli import preview as command
from campaign.store.database import Database
from tests.cli.conftest import OnDb, Run
from tests.support.campaigns import make_list, phone, rows

TUESDAY = "2026-12-01T10:00:00-05:00"


@pytest.fixture
def draft(cli: Run, on_db: OnDb) -> None:
    """A draft with five contacts in New York, one of them without consent, one in Hawaii."""

    async def people(db: Database) -> Any:
        await make_list(db, contacts=5)
        await rows(
            db,
            "UPDATE contacts SET consent = 'express_written', consent_source = 'form', "
            "consent_at = '2026-10-01T00:00:00Z'",
        )
        await rows(db, "UPDATE contacts SET consent = 'none' WHERE phone = :phone", phone=phone(0))
        hawaii = "US|US-HI|Pacific/Honolulu"
        await rows(
            db, "UPDATE contacts SET place = :place WHERE phone = :phone", place=hawaii, phone=phone(1)
        )

    on_db(people)
    cli("create minimal.toml")


@pytest.mark.usefixtures("draft")
def test_preview_tells_who_would_be_called_and_who_not_and_why(cli: Run) -> None:
    told = cli(f"preview Minimal --at {TUESDAY}").stdout
    assert "Minimal (draft), 5 contacts judged for 2026-12-01 15:00 UTC" in told
    assert "3 will be called now, 1 waits until 19:00 UTC, 1 is blocked (no consent 1)." in told
    assert "Besides: No dialler has a heartbeat" in told
    assert "Pacific/Honolulu" in told
    assert "US.consent.informational" in told
    assert "US 5" in told
    assert phone(0) not in told, "numbers are masked"
    found = json.loads(cli(f"preview Minimal --at {TUESDAY} --json").stdout)
    assert (found["now"], found["waiting"], found["blocked"]) == (3, 1, 1)
    assert found["summary"].startswith("3 will be called now")
    assert found["cost"][0] < found["cost"][1]


@pytest.mark.usefixtures("draft")
def test_an_instant_needs_its_offset_and_the_campaign_must_exist(cli: Run) -> None:
    assert "no instant with an offset" in cli("preview Minimal --at 2026-12-01T10:00", code=2).stderr
    assert "no instant" in cli("preview Minimal --at soon", code=2).stderr
    assert 'There is no campaign "Other"' in cli("preview Other", code=None).stderr


@pytest.mark.usefixtures("draft")
def test_start_tells_in_one_line_what_will_become_of_the_contacts(
    cli: Run, on_db: OnDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = cli("start Minimal").stdout
    assert 'Campaign "Minimal" is running.' in told
    assert "1 is blocked (no consent 1)." in told
    assert "blocked" not in cli("start Minimal").stdout, "nothing was started by this"
    cli("pause Minimal")
    monkeypatch.setattr(command, "AT_ONCE", 4)
    assert 'campaign preview "Minimal"' in cli("start Minimal").stdout


@pytest.mark.usefixtures("draft")
def test_why_answers_in_one_line(cli: Run) -> None:
    assert cli("why Minimal").stdout == (
        'It is a draft with 5 contacts. Start it with: campaign start "Minimal"\n'
    )
    cli("start Minimal")
    told = cli("why Minimal").stdout
    assert told.startswith("No dialler has a heartbeat")
    assert told.count("\n") == 1
    assert told.strip() in cli("status Minimal").stdout
    found = json.loads(cli("why Minimal --json").stdout)
    assert (found["idle"], found["state"]) == (True, "running")
    assert cli("why").stdout == f"Minimal: {told}"
    assert [one["campaign"] for one in json.loads(cli("why --json").stdout)] == ["Minimal"]
    status = json.loads(cli("status Minimal --json").stdout)
    assert status["why_idle"] == found["line"]
    cli("stop Minimal")
    assert "is stopping" in cli("why").stdout
    assert "is stopping" in cli("why Minimal").stdout


@pytest.mark.usefixtures("draft")
def test_status_counts_who_waits_for_what_in_words_with_the_rules(cli: Run, on_db: OnDb) -> None:
    cli("start Minimal")
    on_db(
        lambda db: rows(
            db,
            "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL, waiting_for = 'dnc.own' "
            "WHERE phone = :phone",
            phone=phone(0),
        )
    )
    on_db(
        lambda db: rows(
            db,
            "UPDATE campaign_contacts SET waiting_for = 'US.hours', next_at = '2099-01-01T14:00:00Z' "
            "WHERE state = 'waiting'",
        )
    )
    told = cli("status Minimal").stdout
    assert "4 wait for their window (next opens 2099-01-01 14:00 UTC) [US.hours]" in told
    assert "1 is blocked by our own do-not-call lists [dnc.own]" in told
