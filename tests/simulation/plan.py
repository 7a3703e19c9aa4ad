"""What a seed draws: who is on the lists, what the campaigns allow, and everything that goes wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

from tests.simulation.postgres import Weather
from tests.simulation.truth import Faults, Person
from tests.support.campaigns import phone

NEW_YORK_ZONE, LOS_ANGELES_ZONE = ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles")
STARTS = (
    datetime(2026, 11, 24, 10, 0, tzinfo=NEW_YORK_ZONE),  # Los Angeles sleeps
    datetime(2026, 11, 24, 20, 58, 40, tzinfo=NEW_YORK_ZONE),  # New York closes
    datetime(2026, 11, 24, 10, 59, 20, tzinfo=NEW_YORK_ZONE),  # Los Angeles opens
    datetime(2026, 11, 24, 13, 0, tzinfo=NEW_YORK_ZONE),
)
FIRST, SECOND = "First", "Second"


@dataclass(frozen=True)
class Event:
    """Something that happens at a time (seconds): `what`, to whom or with what."""

    at: float
    what: str
    who: str = ""
    long: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What a seed drew."""

    seed: int
    start: datetime
    contacts: int
    shared: int
    cps: int
    lines: int
    max_calls: int
    redials: bool
    cap: float | None
    people: dict[str, Person]
    west: frozenset[str]
    faults: Faults
    weather: Weather
    skews: tuple[float, float]
    events: tuple[Event, ...]
    storm_s: float
    crash_steps: tuple[int | None, int | None]
    """A step of each of the first two processes at which it dies, wherever that is."""


def draw(seed: int, contacts: int = 20) -> Plan:
    """The plan of a seed.

    Args:
        contacts: enrolments of both campaigns together; some are the same number in both.
    """
    rng = Random(f"plan {seed}")
    shared = rng.randint(2, max(2, contacts // 4))
    each = (contacts + 1) // 2
    numbers = [phone(n) for n in range(2 * each - shared)]
    storm_s = rng.uniform(6, 16)
    people = {number: _person(rng) for number in numbers}
    faults, weather = _faults(rng), Weather()
    if rng.random() < 0.5:
        weather = Weather(
            lost=rng.choice((0.0, 0.001, 0.004)),
            lost_after=rng.choice((0.0, 0.001, 0.004)),
            slow=rng.choice((0.0, 0.002, 0.01)),
        )
    return Plan(
        seed=seed,
        start=rng.choice(STARTS),
        contacts=each,
        shared=shared,
        cps=rng.choice((1, 3, 6)),
        lines=rng.choice((2, 4, 20)),
        max_calls=rng.choice((3, 6, 50)),
        redials=rng.random() < 0.5,
        cap=rng.choice((None, None, 0.3, 0.6)),
        people=people,
        west=frozenset(number for number in numbers if rng.random() < 0.3),
        faults=faults,
        weather=weather,
        skews=(rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05)),
        events=tuple(sorted(_events(rng, numbers, storm_s), key=lambda e: e.at)),
        storm_s=storm_s,
        crash_steps=(_crash_step(rng), _crash_step(rng)),
    )


def _crash_step(rng: Random) -> int | None:
    return rng.randint(1, 2500) if rng.random() < 0.5 else None


def _person(rng: Random) -> Person:
    answers = rng.choices(("in-progress", "no-answer", "busy", "failed"), (5, 3, 1, 1))[0]
    says = rng.choice(((), ("Take me off your list.",), ("Yes, that is fine.",), ("Stop calling me!",)))
    return Person(answers, rng.uniform(1, 12), says, rng.choice((1.0, 6.0, 40.0)))


def _faults(rng: Random) -> Faults:
    made = Faults(latest=rng.choice((5.0, 60.0)), list_lag=rng.choice((0.0, 10.0)))
    for kind in rng.sample(Faults.kinds(), rng.randint(0, 4)):
        setattr(made, kind, rng.choice((0.05, 0.15)))
    if rng.random() < 0.3:  # a network that loses answers: calls begin of which nobody knows
        made.hang_after, made.latest = 0.5, 120.0
    made.lost = rng.choice((0.0, 0.3, 1.0))
    made.twice = rng.choice((0.0, 0.3))
    made.late = rng.choice((0.0, 0.3))
    made.ask_fails = rng.choice((0.0, 0.2))
    return made


def _events(rng: Random, numbers: list[str], storm_s: float) -> list[Event]:
    def some(what: str, most: int, who: Callable[[], str] = str, long: tuple[float, float] = (0, 0)) -> None:
        for _ in range(rng.randint(0, most)):
            made.append(Event(rng.uniform(0.5, storm_s), what, who(), rng.uniform(*long)))

    made: list[Event] = []
    process = lambda: str(rng.randint(0, 1))  # noqa: E731 (two words for a draw)
    some("crash", 3, process, (0.5, 20))
    some("freeze", 1, process, (2, 70))
    some("stop", 1, process, (0.5, 5))
    some("away", 1, long=(0.2, 2))
    some("sick", 1, long=(3, 30))
    some("opt_out", 4, lambda: rng.choice(numbers))
    some("pause", 1, lambda: rng.choice((FIRST, SECOND)), (1, 10))
    some("stop_all", 1, long=(1, 8))
    some("call_me", 2, lambda: rng.choice(numbers))
    return made
