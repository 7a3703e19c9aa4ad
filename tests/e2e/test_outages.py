"""Cancelled at Twilio within two seconds, and a database that goes away again and again: real processes."""

import os
import signal
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from campaign.domain.errors import CampaignError
from campaign.flow import lifecycle, suppress
from campaign.settings import parse_instant
from campaign.store import migrate
from campaign.store.embedded import attach, status
from campaign.wiring import ServiceClock
from tests.support.dialing import running_campaign
from tests.support.house import ALWAYS, NO_RETRY, START, House, ask, twilio, until, with_db

pytestmark = pytest.mark.timeout(900)

T = TypeVar("T")
SOON = timedelta(seconds=2)


def patient(folder: Path) -> tuple[str, str]:
    """People whose telephones ring and ring."""
    people = folder / "people.toml"
    people.write_text("[weights]\nno_answer = 1\n")
    return "--people", str(people)


def ringing(house: House) -> list[str]:
    calls = twilio(house, "calls")["calls"]
    return [call["to"] for call in calls if call["status"] == "ringing"]


def ended(house: House) -> dict[str, tuple[str, datetime]]:
    """Number → (how, when) its call ended at Twilio."""
    calls = twilio(house, "calls")["calls"]
    last = {call["to"]: call["history"][-1] for call in calls}
    return {to: (how, datetime.fromisoformat(at)) for to, (at, how) in last.items()}


def begin(house: House, name: str, first: int, contacts: int = 4) -> ServiceClock:
    clock = ServiceClock(parse_instant(START), house.rate, house.anchor)
    with_db(
        house.db_url,
        lambda db: running_campaign(
            db, clock, contacts, name=name, first=first, schedule=ALWAYS, retry=NO_RETRY
        ),
    )
    until(lambda: len(ringing(house)) == contacts, 20, lambda: house.log_of()[-3000:])
    return clock


def all_cancelled(house: House, numbers: list[str], wished: datetime) -> None:
    def over() -> bool:
        last = ended(house)
        return all(last[number][0] == "canceled" for number in numbers)

    until(over, 10, lambda: (ended(house), house.log_of()[-3000:]))
    took = max(ended(house)[number][1] - wished for number in numbers)
    assert took <= SOON, took


def test_a_wish_that_stands_in_the_database_ends_what_rings_within_two_seconds(
    folder: Path, db_url: str
) -> None:
    """The wish comes from a process that doesn't speak with Twilio: the service alone carries it out."""
    house = House(folder, db_url, rate=1.0, cps=10)
    with house.simulator(*patient(folder)), house.service():
        clock = begin(house, "Paused", 0)
        numbers = ringing(house)
        wished = clock.now()
        with_db(db_url, lambda db: lifecycle.pause(db, "Paused", actor="test", now=clock.now()))
        all_cancelled(house, numbers, wished)

        clock = begin(house, "Opt-out", 10)
        numbers = ringing(house)
        wished = clock.now()
        with_db(
            db_url,
            lambda db: suppress.suppress(
                db, None, numbers[:1], reason="asked", source="api", actor="test", now=clock.now()
            ),
        )
        all_cancelled(house, numbers[:1], wished)
        assert sorted(ringing(house)) == sorted(numbers[1:])

        wished = clock.now()
        with_db(db_url, lambda db: lifecycle.stop_all(db, actor="test", now=clock.now(), why="a complaint"))
        all_cancelled(house, numbers[1:], wished)
        until(
            lambda: not ask(db_url, "SELECT 1 FROM attempts WHERE settled_at IS NULL"), 10,
            lambda: ask(db_url, "SELECT * FROM attempts WHERE settled_at IS NULL"),
        )  # fmt: skip
        shown = house.run("status", "Opt-out").stdout
        assert "0 of 10 lines" in shown
        assert "a complaint" in shown


def test_a_command_ends_what_rings_even_when_no_service_runs(folder: Path, db_url: str) -> None:
    house = House(folder, db_url, rate=1.0, cps=10)
    with house.simulator(*patient(folder)):
        with house.service() as service:
            begin(house, "Orphaned", 0)
            numbers = ringing(house)
            service.kill()
            service.wait()
        assert sorted(ringing(house)) == sorted(numbers)
        said = house.run("reconcile").stdout
        assert "4 attempts had no outcome. Twilio says:" in said
        assert "4 under way (4 ringing)" in said
        assert "Cancelling 4 calls." in house.run("stop", "--all", "--why", "a complaint").stdout
        (wish,) = ask(db_url, "SELECT dialling_stopped_at AS at FROM installation")
        all_cancelled(house, numbers, wish["at"])
        outcomes = ask(db_url, "SELECT disposition FROM outcomes")
        assert [one["disposition"] for one in outcomes] == ["canceled"] * 4
        assert "Nothing is unsettled" in house.run("reconcile", "Orphaned").stdout
        assert '"asked": 0' in house.run("reconcile", "--json").stdout
        for statement in (
            "DELETE FROM outcomes",
            "DELETE FROM call_events",
            "DELETE FROM attempts",
            "UPDATE campaign_contacts SET state = 'waiting', attempts = 0, next_at = updated_at",
        ):
            ask(db_url, statement)  # as a backup of before the calls has it
        said = house.run("reconcile", "--restored-since", "2026-11-24").stdout
        assert "Twilio has made 4 calls since then." in said
        assert "4 were not in this database and are written down as attempts." in said
        assert [one["attempts"] for one in ask(db_url, "SELECT attempts FROM campaign_contacts")] == [0] * 4
        waits = ask(db_url, "SELECT min(next_at) > max(updated_at) AS later FROM campaign_contacts")
        assert waits == [{"later": True}]


# ── Postgres away ──────────────────────────────────────────────────────────────────────────────────────

CONTACTS = 90
PAUSES = (0.6, 1.7, 3.1)
"""Real seconds from one end of the database to the next; the house's clock runs ten times faster."""
BACK_S = 30.0


def works(url: str) -> bool:
    try:
        return bool(ask(url, "SELECT 1 AS x"))
    except CampaignError:
        return False


def standing(url: str) -> tuple[int, int]:
    """(attempts made, contacts that are not done or whose attempt is not settled).

    An intent that grew too old while the database was away is given back, and its contact tried again.
    """
    (found,) = ask(
        url,
        "SELECT (SELECT count(*) FROM attempts) AS made, "
        "(SELECT count(*) FROM attempts WHERE settled_at IS NULL) "
        "+ (SELECT count(*) FROM campaign_contacts WHERE state <> 'done' "
        "AND disposition IS DISTINCT FROM 'callback') AS open",
    )
    return found["made"], found["open"]


def end_the_database(folder: Path, url: str) -> None:
    """As a crash does: no farewell to anybody. Its keeper brings it back."""
    told = status(folder)
    assert told.server_pid is not None
    os.kill(told.server_pid, signal.SIGKILL)
    until(lambda: works(url), 20, lambda: "Postgres did not come back")


def goes_on(house: House, url: str) -> None:
    """A further call is made, or all have been."""
    made = standing(url)[0]

    def further() -> bool:
        now_made, now_open = standing(url)
        return now_made > made or not now_open

    until(further, BACK_S, lambda: house.log_of()[-3000:])


def test_a_database_that_goes_away_again_and_again_costs_no_call_no_opt_out_and_no_outcome(
    folder: Path,
) -> None:
    house = House(folder, "", rate=10.0, cps=1.2)
    people = folder / "people.toml"
    people.write_text("[weights]\ninterested = 4\ndo_not_call = 4\nrambler = 2\nbusy = 1\nno_answer = 1\n")
    attachment = attach(folder, durable=False)
    url = attachment.url
    try:
        migrate.upgrade(url)
        clock = ServiceClock(parse_instant(START), house.rate, house.anchor)
        with_db(
            url,
            lambda db: running_campaign(
                db, clock, CONTACTS, schedule=ALWAYS, pacing={"lines": 60}, retry=NO_RETRY
            ),
        )
        with house.simulator("--people", str(people)), house.service() as service:
            talking = "SELECT 1 FROM conversation_sessions WHERE opened_at IS NOT NULL AND closed_at IS NULL"
            until(lambda: len(ask(url, talking)) >= 3, 30, lambda: house.log_of()[-3000:])
            for pause in PAUSES:
                time.sleep(pause)
                end_the_database(folder, url)
                goes_on(house, url)
            until(
                lambda: standing(url)[1] == 0,
                90,
                lambda: (standing(url), house.log_of()[-3000:]),
            )
            assert service.poll() is None
            calls = twilio(house, "calls")["calls"]
            made = standing(url)[0]
            outcomes = ask(url, "SELECT attempt_id FROM outcomes")
            until(lambda: not (folder / "opt-outs.jsonl").exists(), 20, lambda: "the journal was not written")
            listed = {row["phone"] for row in ask(url, "SELECT phone FROM dnc_entries")}
            closed = ask(url, "SELECT closed_why FROM conversation_sessions WHERE closed_why LIKE 'failed%'")
    finally:
        attachment.close(stop=True)
    rung = Counter(call["to"] for call in calls if not call["parent_sid"])
    assert {number: n for number, n in rung.items() if n > 1} == {}
    assert len(outcomes) == made >= CONTACTS
    stopped = {call["to"] for call in calls if call["persona"] == "do_not_call" and acknowledged(call)}
    assert len(stopped) > 5
    assert stopped <= listed, "whoever heard that they won't be called again stands on the list"
    talked = [call for call in calls if call["sessions"]]
    assert len(talked) > 40
    assert [call["to"] for call in talked if call["sessions"] > 1] == [], "no socket was closed under a talk"
    assert closed == []


def acknowledged(call: dict[str, Any]) -> bool:
    """Whether the person asked to be taken off the list and heard an answer to it."""
    said = [line["who"] == "person" and "list" in line["text"] for line in call["transcript"]]
    return True in said and any(
        line["who"] != "person" for line in call["transcript"][said.index(True) + 1 :]
    )
