"""`campaign drain` where there is nothing to end, or it isn't clear what, or nobody reacts."""

import asyncio
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from campaign.cli import drain
from campaign.cli.app import build
from campaign.store import leases
from campaign.store.database import Database

app = build()
HOST = socket.gethostname()


@pytest.fixture(autouse=True)
def environment(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", db_url)
    monkeypatch.setenv("CAMPAIGN_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["drain", *words])
    assert result.exit_code == code, result.output
    return result


def beating(db_url: str, *pids: int) -> None:
    """Processes with a heartbeat, which read nothing."""

    async def main() -> None:
        db, now = Database(db_url), datetime.now(UTC)
        async with db.transaction() as tx:
            for pid in pids:
                one = leases.Replica(f"{HOST}:{pid}:x", "all", HOST, pid, now, {"port": 8080, "talks": 2})
                await leases.beat(tx, one, now)
        await db.close()

    asyncio.run(main())


def test_with_no_process_there_is_nothing_to_drain() -> None:
    assert "nothing to drain" in run(code=2).output
    assert "campaign serve" in run("--list").output
    assert json.loads(run("--list", "--json").stdout) == {"processes": []}


def test_with_several_processes_it_asks_which_and_with_a_wrong_name_where_to_look(db_url: str) -> None:
    beating(db_url, os.getpid(), os.getppid())
    said = run(code=2).output
    assert f"campaign drain {HOST}:{os.getpid()}    # all, port 8080, 2 conversations" in said
    assert "campaign drain --all" in said
    assert "--list" in run("nobody", code=2).output


def test_the_list_shows_each_process_with_its_conversations(db_url: str) -> None:
    beating(db_url, os.getpid())
    shown = run("--list").output
    for word in (str(os.getpid()), HOST, "8080", "2"):
        assert word in shown
    told = json.loads(run("--list", "--json").stdout)["processes"][0]
    assert (told["pid"], told["port"], told["talks"], told["draining"]) == (os.getpid(), 8080, 2, False)


def test_who_does_not_react_is_told_with_the_signal_to_send(
    db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "REACTS_S", 0.0)
    beating(db_url, os.getpid())
    said = run(str(os.getpid()), code=1).output
    assert "doesn't react" in said
    assert f"kill {os.getpid()}" in said


def test_without_waiting_it_says_that_it_has_asked(db_url: str) -> None:
    beating(db_url, os.getpid())
    assert "is asked to drain and end" in run("--no-wait").output
    assert json.loads(run("--list", "--json").stdout)["processes"][0]["asked_by"].startswith("cli:")
