"""What may not ring any more is cancelled at Twilio within two seconds; real processes, real time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from campaign.flow import lifecycle, suppress
from campaign.settings import parse_instant
from campaign.store.database import Database
from campaign.wiring import ServiceClock
from tests.support.campaigns import rows
from tests.support.dialing import running_campaign
from tests.support.house import START, House, open_folder

pytestmark = pytest.mark.timeout(120)

T = TypeVar("T")
SOON = timedelta(seconds=2)
ALWAYS = {"week": {"mon-sun": "08:00-20:00"}}
NO_RETRY = {"budget": 1, "min_gap_minutes": 0, "per_number_per_day": 9, "on": {}}


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as place:
        yield place


def with_db(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    async def main() -> T:
        db = Database(url)
        try:
            return await work(db)
        finally:
            await db.close()

    return asyncio.run(main())


def ask(url: str, sql: str) -> list[dict[str, Any]]:
    return with_db(url, lambda db: rows(db, sql))


def until(true: Callable[[], bool], seconds: float, told: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.05)


def patient(folder: Path) -> tuple[str, str]:
    """People whose telephones ring and ring."""
    people = folder / "people.toml"
    people.write_text("[weights]\nno_answer = 1\n")
    return "--people", str(people)


def ringing(house: House) -> list[str]:
    calls = asyncio.run(house.twilio("calls"))["calls"]
    return [call["to"] for call in calls if call["status"] == "ringing"]


def ended(house: House) -> dict[str, tuple[str, datetime]]:
    """Number → (how, when) its call ended at Twilio."""
    calls = asyncio.run(house.twilio("calls"))["calls"]
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
        assert "Cancelling 4 calls." in house.run("stop", "--all", "--why", "a complaint").stdout
        (wish,) = ask(db_url, "SELECT dialling_stopped_at AS at FROM installation")
        all_cancelled(house, numbers, wish["at"])
        outcomes = ask(db_url, "SELECT disposition FROM outcomes")
        assert [one["disposition"] for one in outcomes] == ["canceled"] * 4
