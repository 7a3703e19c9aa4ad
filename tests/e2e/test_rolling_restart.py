"""A service is replaced under live calls, by the commands of docs/running.md: nobody is lost, nobody notices
more than a pause.

At clock rate 1: what is counted here happens in real time. The silences themselves are measured by
`python -m benchmarks restart`; here a machine that is busy with other things must not fail the test.
"""

import contextlib
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from campaign.settings import parse_instant
from campaign.wiring import ServiceClock
from tests.support.balancer import balancer
from tests.support.dialing import running_campaign
from tests.support.house import ALWAYS, NO_RETRY, START, House, ask, free_port, twilio, until, with_db

pytestmark = pytest.mark.timeout(240)

T = TypeVar("T")
CALLS = 50
QUESTIONS = [{"key": f"q{n}", "ask": f"What comes to your mind for topic number {n}?"} for n in range(7)]
SCRIPT = {
    "greeting": "Hi {{ first_name }}, is now a good time?",
    "goal": "Ask what comes to mind.",
}


@pytest.fixture
def house(folder: Path, db_url: str) -> House:
    return House(folder, db_url, rate=1.0, cps=25, more=people(folder))


def people(folder: Path) -> dict[str, str]:
    """Everybody who picks up answers what is asked."""
    (folder / "people.toml").write_text("[weights]\ninterested = 1\n")
    return {"LOG_LEVEL": "info"}


def begin(house: House, contacts: int, questions: int = 3) -> None:
    """A campaign in which every call is answered, each question taking about six clock seconds."""
    clock = ServiceClock(parse_instant(START), house.rate, house.anchor)
    with_db(
        house.db_url,
        lambda db: running_campaign(
            db,
            clock,
            contacts,
            schedule=ALWAYS,
            pacing={"lines": 200},
            retry=NO_RETRY,
            script={**SCRIPT, "questions": QUESTIONS[:questions]},
            name="Live",
        ),
    )


def live(house: House) -> int:
    """Conversations that are going on."""
    found = ask(
        house.db_url,
        "SELECT count(*) AS n FROM conversation_sessions WHERE opened_at IS NOT NULL AND closed_at IS NULL",
    )
    return int(found[0]["n"])


def calls_of(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = twilio(house, "calls")["calls"]
    return found


def wait_until_over(house: House) -> None:
    unsettled = "SELECT state FROM attempts WHERE settled_at IS NULL"
    until(
        lambda: not ask(house.db_url, unsettled),
        90,
        lambda: (ask(house.db_url, unsettled), house.log_of("new")[-3000:]),
    )


def holder(house: House) -> str:
    """Who holds the scheduler's lease."""
    return str(ask(house.db_url, "SELECT holder FROM leases WHERE name = 'scheduler'")[0]["holder"])


def every_conversation_was_held_to_its_end(
    house: House, calls: Sequence[Mapping[str, Any]], questions: int = 3
) -> None:
    outcomes = ask(house.db_url, "SELECT disposition FROM outcomes")
    assert [row["disposition"] for row in outcomes] == ["completed"] * len(calls)
    for call in calls:
        assert call["status"] == "completed"
        assert call["heard"].count("is now a good time?") == 1, call["heard"]
        assert call["heard"].count("an AI assistant calling") == 1, call["heard"]
        for question in QUESTIONS[:questions]:
            assert question["ask"] in call["heard"], call["heard"]


@contextlib.contextmanager
def somebody_asking(url: str) -> Iterator[Counter[str]]:
    """A client that opens connection after connection while the block runs; what became of them."""
    found: Counter[str] = Counter()
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
                    found[str(answer.status)] += 1
            except OSError as error:
                found[repr(error)] += 1
            done.wait(0.02)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        yield found
    finally:
        done.set()
        asking.join()


# ── a planned restart ──────────────────────────────────────────────────────────────────────────────────


def test_fifty_live_calls_outlive_the_service_that_holds_them(house: House) -> None:
    begin(house, CALLS)
    with house.simulator("--people", str(house.folder / "people.toml")), house.service("old") as old:
        until(lambda: live(house) == CALLS, 60, lambda: (live(house), house.log_of("old")[-3000:]))
        with somebody_asking(house.url) as answers, house.service("new", "--take-over") as new:
            assert old.wait(90) == 0
            assert set(answers) == {"200"}
            wait_until_over(house)
            calls = calls_of(house)
            alerts = twilio(house, "debugger")["alerts"]
    assert len(calls) == CALLS
    every_conversation_was_held_to_its_end(house, calls)
    assert alerts == []
    ended = ask(
        house.db_url, "SELECT subject, detail FROM audit_log WHERE action = 'replica.end' ORDER BY id"
    )[0]
    assert f":{old.pid}:" in ended["subject"]
    counted = {key: ended["detail"][key] for key in ("handed_over", "ended", "cut")}
    assert counted["cut"] == 0
    assert counted["handed_over"] + counted["ended"] == CALLS
    assert counted["handed_over"] >= CALLS * 0.9
    handed_over = [silence for call in calls for silence in call["silences"]]
    assert [one["status"] for one in handed_over] == ["ended"] * counted["handed_over"]
    assert max(one["silence"] for one in handed_over) <= 10
    heard = " ".join(call["heard"] for call in calls)
    assert "cut off" not in heard  # a planned hand-over is nothing to be sorry for
    second = ask(house.db_url, "SELECT DISTINCT replica FROM conversation_sessions WHERE ordinal = 2")
    assert [row["replica"].split(":")[1] for row in second] == [str(new.pid)]


# ── a kill ─────────────────────────────────────────────────────────────────────────────────────────────


def test_conversations_of_a_killed_process_go_on_in_another_one_that_knows_them_from_postgres_alone(
    folder: Path, db_url: str
) -> None:
    house = House(folder, db_url, rate=4.0, cps=5, more=people(folder))
    ports = free_port(), free_port()
    with (
        balancer(house.port, *ports),
        house.simulator("--people", str(folder / "people.toml")),
        house.service("old", port=ports[0]) as old,
        house.service("new", port=ports[1]) as new,
    ):
        begin(house, 12, questions=7)
        greeted = "SELECT DISTINCT attempt_id FROM conversation_turns WHERE text LIKE '%good time?'"
        until(lambda: len(ask(house.db_url, greeted)) == 12, 60, lambda: house.log_of("old")[-3000:])
        assert live(house) == 12
        old.kill()
        killed = time.monotonic()
        until(lambda: f":{new.pid}:" in holder(house), 30, lambda: holder(house))
        took = time.monotonic() - killed
        wait_until_over(house)
        calls = calls_of(house)
    # Ten real seconds, and what a busy machine adds to them.
    assert took <= 15
    every_conversation_was_held_to_its_end(house, calls, questions=7)
    assert [silence["status"] for call in calls for silence in call["silences"]] == ["failed"] * 12
    sessions = ask(house.db_url, "SELECT ordinal, replica, closed_at FROM conversation_sessions")
    assert len(sessions) == 24
    for session in sessions:
        assert session["closed_at"] is not None
        assert session["replica"].split(":")[1] == str(old.pid if session["ordinal"] == 1 else new.pid)


# ── roles, and `campaign drain` ────────────────────────────────────────────────────────────────────────


def test_a_dialler_dials_nobody_until_somebody_answers_and_each_is_drained_by_name(
    folder: Path, db_url: str
) -> None:
    house = House(folder, db_url, rate=30.0, cps=0.7, more=people(folder))
    begin(house, 30)
    with house.simulator(), house.service("dialer", "--role", "dialer", port=free_port()) as dialer:
        until(lambda: "No process answers Twilio" in house.log_of("dialer"), 30, lambda: 0)
        assert twilio(house, "calls")["creates"] == []
        with house.service("web", "--role", "web") as web:
            until(lambda: calls_of(house), 30, lambda: house.log_of("dialer")[-3000:])
            assert "it held no conversation" in house.run("drain", str(dialer.pid)).stdout
            assert dialer.wait(10) == 0
            last = house.run("drain")
            assert "no other process answers Twilio" in last.stderr
            assert f"Process {web.pid}" in last.stdout
            assert web.wait(10) == 0
