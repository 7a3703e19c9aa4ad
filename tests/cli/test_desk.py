"""The analysts' desk on the command line: exports, webhooks, roll-ups, the analysts' login."""

import csv
import io
import json
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from campaign.domain.disposition import Disposition as D
from campaign.domain.errors import BadInput
from campaign.store.database import Database
from tests.cli.conftest import OnDb, Run
from tests.support.campaigns import rows
from tests.support.clock import TUESDAY_MORNING
from tests.support.settled import Desk


@pytest.fixture
def settled(on_db: OnDb) -> None:
    async def work(db: Database) -> None:
        # long past, by the real clock that commands go by
        desk = await Desk(db, TUESDAY_MORNING.replace(year=2020)).open()
        await desk.attempt(D.INTERESTED, cost="0.25", data={"visit": "=1+1"})
        await desk.attempt(D.BUSY, contact=1)

    on_db(work)


def test_exports_go_on_where_the_last_one_ended(cli: Run, settled: None, tmp_path: Path) -> None:
    first = cli("export --what outcomes --watermark o.mark --out o.csv")
    assert first.stderr.startswith("2 outcomes to o.csv, up to ")
    with (tmp_path / "o.csv").open(newline="") as file:
        assert [row["disposition"] for row in csv.DictReader(file)] == ["interested", "busy"]
    mark = (tmp_path / "o.mark").read_text()
    found = list(csv.DictReader(io.StringIO(cli(f"export --what outcomes --since {mark.strip()}").stdout)))
    assert found == []
    assert not list(tmp_path.glob("*.part"))


def test_an_export_to_the_terminal_is_csv_and_nothing_else(cli: Run, settled: None) -> None:
    found = list(csv.DictReader(io.StringIO(cli("export --campaign 'campaign 0' --until 2021-01-01").stdout)))
    assert len(found) == 2
    for line in ("export --format parquet", "export --since 2020-01-01 --watermark x", "export --since soon"):
        result = cli(line, code=None)
        assert isinstance(result.exception, BadInput), line


def test_endpoints_are_added_listed_tested_and_removed(cli: Run) -> None:
    made = cli("webhooks add https://crm.example.com/hooks --event outcome.recorded --description CRM")
    assert made.stdout.strip().startswith("whsec_")
    assert "crm.example.com" in cli("webhooks list").stdout
    (listed,) = json.loads(cli("webhooks list --json").stdout)
    assert listed["events"] == ["outcome.recorded"]
    assert "secret" not in listed
    assert cli("webhooks rotate 1").stdout.strip() != made.stdout.strip()
    assert json.loads(cli("webhooks replay 1 --json").stdout) == {"deliveries": 0}
    assert "Endpoint 1 is on" in cli("webhooks enable 1").stdout
    cli("webhooks deliveries 1")
    cli("webhooks remove 1")
    assert "There is no endpoint" in cli("webhooks list").stdout
    cli("webhooks add https://10.0.0.1/", code=2)
    cli("webhooks add https://crm.example.com/ --event nothing", code=2)
    cli("webhooks test 1", code=2)


def test_a_test_message_that_is_not_taken_says_why(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_API_BASE_URL", "http://127.0.0.1:9")
    cli("webhooks add http://127.0.0.1:9/hooks")
    result = cli("webhooks test 1", code=3)
    assert "Not taken: " in result.stderr
    (delivery,) = json.loads(cli("webhooks deliveries 1 --json").stdout)
    assert (delivery["type"], delivery["tries"]) == ("webhook.test", 1)


def test_roll_ups_are_compared_and_made_anew(cli: Run, on_db: OnDb, settled: None) -> None:
    assert "They agree" in cli("db rebuild-rollups --check").stdout
    on_db(lambda db: rows(db, "UPDATE report_days SET attempts = 9"))
    differs = cli("db rebuild-rollups --check", code=3)
    assert "rows of report_days" in differs.stdout
    assert "count 2 attempts" in cli("db rebuild-rollups").stdout
    assert json.loads(cli("db rebuild-rollups --check --json").stdout) == {"differ": {}}


def test_the_analysts_login_reads_the_views_and_nothing_else(
    cli: Run, on_db: OnDb, settled: None, db_url: str
) -> None:
    cli("db rebuild-rollups")
    name = f"analyst_{sa.make_url(db_url).database}"
    try:
        password = cli(f"db analyst-role --name {name}").stdout.strip()
        assert len(password) >= 40
        url = sa.make_url(db_url)
        with psycopg.connect(
            host=str(url.query["host"]), user=name, password=password, dbname=url.database, autocommit=True
        ) as analyst:
            assert analyst.execute("SELECT count(*) FROM daily WHERE dimension = 'campaign'").fetchone() == (
                1,
            )
            assert analyst.execute("SHOW statement_timeout").fetchone() == ("1min",)
            for statement in (
                "SELECT * FROM public.webhook_endpoints",
                "SELECT * FROM public.attempts",
                "CREATE TABLE analytics.mine (a int)",
                "DELETE FROM analytics.attempts",
            ):
                with pytest.raises(psycopg.Error):
                    analyst.execute(statement.encode())
        assert cli(f"db analyst-role --name {name}").stdout.strip() != password, "a new one"
        owner = on_db(lambda db: rows(db, "SELECT current_user AS name"))[0]["name"]
        for wrong in (owner, "Analyst", "a;b"):
            cli(f"db analyst-role --name {wrong!r}", code=2)
        (kept,) = on_db(
            lambda db: rows(db, "SELECT detail FROM audit_log WHERE action = 'db.analyst_role' LIMIT 1")
        )
        assert kept["detail"] == {}
    finally:
        on_db(lambda db: rows(db, f"DROP OWNED BY {name}"))
        on_db(lambda db: rows(db, f"DROP ROLE {name}"))
