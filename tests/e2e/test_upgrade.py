"""An upgrade while calls are in progress: the code of before fencing, itself, on the schema of today."""

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.store import migrate
from tests.support.house import (
    ALWAYS,
    NO_RETRY,
    START,
    House,
    ask,
    free_port,
    nobody_was_dialled_twice,
    twilio,
    until,
    wait_until_over,
)

pytestmark = pytest.mark.timeout(900)

REPOSITORY = Path(__file__).parents[2]
BEFORE = "3b5854def91d885a3fbe019a94da6a84f6a7484e"
"""The last commit whose schema is 0004."""
CONTACTS = 220
RATE = 30.0

CHANGES = {"schedule": ALWAYS, "pacing": {"lines": 200}, "retry": NO_RETRY}
MAKE_CAMPAIGN = f"""
import asyncio, os
from campaign.settings import parse_instant
from campaign.store.database import Database
from campaign.wiring import ServiceClock
from tests.support.dialing import running_campaign

async def main():
    db = Database(os.environ["DATABASE_URL"])
    anchor = float(os.environ["CAMPAIGN_CLOCK_ANCHOR"])
    clock = ServiceClock(parse_instant("{START}"), {RATE}, anchor)
    await running_campaign(db, clock, {CONTACTS}, **{CHANGES!r})
    await db.close()

asyncio.run(main())
"""


def git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Git on this repository, whoever owns its files."""
    command = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.fixture
def old_code(folder: Path) -> Path:
    """The whole tree of the commit before, with its package, migrations and tests."""
    packed = git("archive", BEFORE)
    if packed.returncode:
        pytest.fail(
            f"The upgrade is tested with the real code of {BEFORE[:7]}, which this clone doesn't have "
            f"({packed.stderr.decode().strip()}). Run: git fetch --unshallow"
        )
    place = folder / "before"
    place.mkdir()
    subprocess.run(["tar", "-x", "-C", str(place)], input=packed.stdout, check=True)
    return place


def run_old(house: House, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env=house.environment,
        cwd=house.folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_schema_is_migrated_under_live_calls_and_the_new_code_takes_over(
    folder: Path, empty_url: str, old_code: Path
) -> None:
    house = House(folder, empty_url, rate=RATE, cps=0.3)
    before = replace(house, more={"PYTHONPATH": str(old_code)})
    assert str(old_code) in run_old(before, "-c", "import campaign; print(campaign.__file__)")
    run_old(before, "-m", "campaign", "db", "upgrade")
    assert migrate.current(empty_url) == "0004"
    run_old(before, "-c", MAKE_CAMPAIGN)

    refused = house.run("status", check=False)
    assert refused.returncode == 4
    assert "Run: campaign db upgrade" in refused.stdout + refused.stderr

    def creates() -> int:
        return len(twilio(house, "calls")["creates"])

    def reaches(count: int) -> None:
        until(lambda: creates() >= count, 120, lambda: (creates(), before.log_of("before")[-3000:]))

    def new_ones() -> int:
        return len(ask(empty_url, "SELECT 1 FROM attempts WHERE fencing IS NOT NULL AND sent_at IS NOT NULL"))

    with house.simulator():
        with before.service("before") as old:
            reaches(8)
            migrate.upgrade(empty_url)
            reaches(creates() + 8)
            with house.service("beside", port=free_port()):
                reaches(creates() + 8)
                assert "[error" not in before.log_of("before"), before.log_of("before")[-3000:]
                old.send_signal(signal.SIGTERM)
                until(lambda: new_ones() >= 5, 120, lambda: house.log_of("beside")[-3000:])
        with house.service():
            wait_until_over(house, empty_url)
            nobody_was_dialled_twice(house, empty_url)
    versions = Counter(
        bool(row["fencing"])
        for row in ask(empty_url, "SELECT fencing FROM attempts WHERE sent_at IS NOT NULL")
    )
    assert versions[False] >= 24, "calls of the old code"
    assert versions[True] > 0, "calls of the new code"
    money = ask(empty_url, "SELECT sum(reserved) AS left FROM campaign_spend")
    assert money == [{"left": 0}]
