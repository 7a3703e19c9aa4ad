"""Kills and restarts, met by the service as a process."""

import os
import signal
import time
from pathlib import Path
from typing import TypeVar

import pytest

from campaign.settings import parse_instant
from campaign.store import migrate
from campaign.store.embedded import attach, status
from campaign.wiring import ServiceClock
from tests.support.dialing import running_campaign
from tests.support.house import (
    ALWAYS,
    NO_RETRY,
    START,
    House,
    ask,
    free_port,
    nobody_was_dialled_twice,
    standing,
    twilio,
    until,
    wait_until_over,
    with_db,
)

pytestmark = pytest.mark.timeout(900)

T = TypeVar("T")
RATE = 30.0


@pytest.fixture
def house(folder: Path, db_url: str) -> House:
    """About twenty calls in a real second."""
    return House(folder, db_url, rate=RATE, cps=0.7)


def begin(house: House, contacts: int, url: str | None = None) -> None:
    """A campaign without retries, running: whoever is rung twice was rung twice by mistake."""
    clock = ServiceClock(parse_instant(START), house.rate, house.anchor)
    with_db(
        url or house.db_url,
        lambda db: running_campaign(
            db, clock, contacts, schedule=ALWAYS, pacing={"lines": 200}, retry=NO_RETRY, name="Bad day"
        ),
    )


# ── ends ───────────────────────────────────────────────────────────────────────────────────────────────


def test_after_kill_9_and_restart_nobody_is_dialled_twice_and_every_attempt_has_an_outcome(
    house: House,
) -> None:
    begin(house, 60)
    with house.simulator():
        with house.service() as service:
            until(lambda: len(twilio(house, "calls")["creates"]) >= 20, 30, lambda: house.log_of()[-3000:])
            service.kill()
        assert standing(house.db_url)["unsettled"] > 0
        with house.service():
            wait_until_over(house, house.db_url)
            nobody_was_dialled_twice(house, house.db_url)
            # Whoever was about to be dialled at the kill counts as perhaps rung, and had one attempt.
            dialled = {create["to"] for create in twilio(house, "calls")["creates"]}
            told = ask(house.db_url, "SELECT phone, disposition FROM campaign_contacts")
            assert len(told) == 60
            assert {c["disposition"] for c in told if c["phone"] not in dialled} <= {"unknown"}


def test_sigterm_ends_gently_and_leaves_nothing_claimed(house: House) -> None:
    begin(house, 200)
    with house.simulator():
        with house.service() as service:
            answered = "SELECT 1 FROM attempts WHERE state = 'answered'"
            until(lambda: len(ask(house.db_url, answered)) >= 5, 30, lambda: house.log_of()[-3000:])
            began = time.monotonic()
            service.send_signal(signal.SIGTERM)
            assert service.wait(90) == 0
            took = time.monotonic() - began
        assert took < 75
        assert ask(house.db_url, "SELECT * FROM attempts WHERE state = 'placing'") == []
        assert ask(house.db_url, "SELECT * FROM attempts WHERE state = 'answered'") == []
        assert ask(house.db_url, "SELECT * FROM conversation_sessions WHERE closed_at IS NULL AND "
                   "opened_at IS NOT NULL") == []  # fmt: skip
        assert standing(house.db_url)["left"] > 0
        placed = len(twilio(house, "calls")["creates"])
        time.sleep(0.5)
        assert len(twilio(house, "calls")["creates"]) == placed


def test_conversations_that_outlast_the_drain_are_cut_in_bounded_time(folder: Path, db_url: str) -> None:
    house = House(folder, db_url, rate=1.0, cps=10, more={"CAMPAIGN_DRAIN_SECONDS": "1"})
    begin(house, 20)
    with house.simulator("--people", str(talkers(folder))), house.service() as service:
        answered = "SELECT 1 FROM conversation_sessions WHERE opened_at IS NOT NULL"
        until(lambda: len(ask(db_url, answered)) >= 1, 40, lambda: house.log_of()[-3000:])
        began = time.monotonic()
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
        assert time.monotonic() - began < 15
        assert ask(db_url, "SELECT * FROM attempts WHERE state = 'placing'") == []


def talkers(folder: Path) -> Path:
    people = folder / "people.toml"
    people.write_text("[weights]\nrambler = 1\n")
    return people


def test_a_database_that_restarts_in_mid_campaign_costs_no_call(folder: Path) -> None:
    house = House(folder, "", rate=RATE, cps=0.7)
    attachment = attach(folder, durable=False)
    try:
        migrate.upgrade(attachment.url)
        begin(house, 60, attachment.url)
        with house.simulator(), house.service():
            until(lambda: len(twilio(house, "calls")["creates"]) >= 15, 30, lambda: house.log_of()[-3000:])
            told = status(folder)
            assert told.server_pid is not None
            os.kill(told.server_pid, signal.SIGKILL)
            until(lambda: works(attachment.url), 20, lambda: "Postgres did not come back")
            wait_until_over(house, attachment.url)
            nobody_was_dialled_twice(house, attachment.url)
    finally:
        attachment.close(stop=True)


def works(url: str) -> bool:
    try:
        return bool(ask(url, "SELECT 1 AS x"))
    except Exception:
        return False


# ── two processes, one database ────────────────────────────────────────────────────────────────────────


def test_a_web_process_and_a_dialler_share_the_work(house: House) -> None:
    begin(house, 40)
    with (
        house.simulator(),
        house.service("web", "--role", "web") as web,
        house.service("dialer", "--role", "dialer", port=free_port()) as dialer,
    ):
        until(
            lambda: not (standing(house.db_url)["left"] or standing(house.db_url)["unsettled"]),
            120,
            lambda: (standing(house.db_url), house.log_of("web")[-2000:], house.log_of("dialer")[-2000:]),
        )
        nobody_was_dialled_twice(house, house.db_url)
        placed_by = {
            row["replica"].split(":")[1] for row in ask(house.db_url, "SELECT replica FROM attempts")
        }
        talked = ask(house.db_url, "SELECT DISTINCT replica FROM conversation_sessions WHERE opened_at "
                     "IS NOT NULL")  # fmt: skip
        assert placed_by == {str(dialer.pid)}
        assert {row["replica"].split(":")[1] for row in talked} == {str(web.pid)}


def test_stop_all_holds_for_the_next_call_and_cancels_what_is_queued(folder: Path, db_url: str) -> None:
    house = House(folder, db_url, rate=RATE, cps=0.7)
    begin(house, 300)
    with house.simulator(), house.service():
        until(lambda: len(twilio(house, "calls")["creates"]) >= 10, 30, lambda: house.log_of()[-3000:])
        house.run("stop", "--all", "--why", "a complaint")
        stopped = ask(db_url, "SELECT dialling_stopped_at AS at FROM installation")[0]["at"]
        waiting = "SELECT 1 FROM attempts WHERE settled_at IS NULL AND state <> 'answered'"
        until(lambda: not ask(db_url, waiting), 60, lambda: ask(db_url, waiting.replace("1", "*", 1)))
        assert stopped is not None
        placed = len(twilio(house, "calls")["creates"])
        assert ask(db_url, f"SELECT id FROM attempts WHERE intent_at > '{stopped.isoformat()}'") == []
        shown = house.run("status", "Bad day").stdout
        assert "a complaint" in shown
        assert len(twilio(house, "calls")["creates"]) == placed < 300
        house.run("stop", "--lift")
        until(lambda: len(twilio(house, "calls")["creates"]) > placed, 30, lambda: house.log_of()[-3000:])
