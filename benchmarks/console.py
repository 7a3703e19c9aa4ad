"""The console while a campaign runs: python -m benchmarks console [--small] [--viewers N] [--calls M]

The whole house at real time, as users run it: `campaign serve`, `campaign simulator`, a durable Postgres.
One campaign of M calls is placed at the account's pace in three parts of equal length: nobody looks on,
N viewers do, nobody does again. Each viewer is an admin of its own who holds the stream of the campaign's
live page open and meanwhile walks from page to page, half a second after the last one came.

Told is how long each page took, from its request to its last byte, and what became of the pace: calls that
were sent a second, the fullest second, and by how much a second had more or fewer than the pace allows.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp

from benchmarks import machine
from benchmarks.pace import most_within
from campaign.domain.sign_in import ABSOLUTE
from campaign.settings import parse_instant
from campaign.store import users
from campaign.store.accounts import Role
from campaign.store.database import Database
from campaign.web.browser import COOKIE
from campaign.wiring import ServiceClock
from tests.support.campaigns import rows
from tests.support.dialing import running_campaign
from tests.support.house import START, House

GOAL_MS = 200.0
THINK_S = 0.5
WAIT_S = 120.0
"""A campaign that places nothing for so long has paused itself."""
CPS = 5.0
TALKERS = "[weights]\ninterested = 2\nnot_interested = 2\nno_answer = 4\nbusy = 2\n"
NOBODY = "[weights]\nno_answer = 1\nbusy = 1\n"
"""For the small form: people whom a busy machine keeps waiting count as abandoned, and pause the campaign."""
PAGES = (
    "/console",
    "/console/today",
    "/console/campaigns",
    "/console/campaigns/1",
    "/console/live",
    "/console/calls",
    "/console/calls?disposition=no_answer",
    "/console/calls/{call}",
    "/console/people/a{call}",
    "/console/lists",
    "/console/audit",
)
STREAM = "/console/campaigns/1/events"


@dataclass
class Seen:
    """What viewers met: page → milliseconds, and the streams' events with their longest silence."""

    pages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    events: int = 0
    silence_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """One third of the campaign: instants at which its calls were sent, in clock seconds."""

    name: str
    sent: Sequence[float]

    @property
    def seconds(self) -> Sequence[int]:
        """Calls in each whole second, from the first call on."""
        first = self.sent[0]
        counts = [0] * int(self.sent[-1] - first)
        for at in self.sent:
            if int(at - first) < len(counts):
                counts[int(at - first)] += 1
        return counts

    def cells(self, cps: float) -> list[str]:
        rate = (len(self.sent) - 1) / (self.sent[-1] - self.sent[0])
        off = max((abs(n - cps) for n in self.seconds), default=0.0)
        return [f"{len(self.sent):,}", f"{rate:.2f}", f"{most_within(self.sent, 1.0)}", f"{off:.0f}"]


class Stage:
    """A house with a running campaign, and the sessions of those who will look on."""

    def __init__(self, folder: Path, url: str, *, rate: float, small: bool) -> None:
        people = folder / "people.toml"
        people.write_text(NOBODY if small else TALKERS, encoding="utf-8")
        self.people = str(people)
        self.house = House(folder, url, rate=rate, cps=CPS)

    async def begin(self, db: Database, calls: int, viewers: int) -> list[str]:
        """The campaign runs; the viewers' sessions."""
        clock = ServiceClock(parse_instant(START), self.house.rate, self.house.anchor)
        tokens = await sign_in(db, viewers, clock.now())
        await running_campaign(
            db,
            clock,
            calls,
            schedule={"week": {"mon-sun": "08:00-20:00"}},
            pacing={"lines": 1000},
            retry={"budget": 1, "min_gap_minutes": 0, "per_number_per_day": 9, "on": {}},
            name="Live",
        )
        return tokens


async def sign_in(db: Database, people: int, now: datetime) -> list[str]:
    """So many admins who are signed in; their sessions' tokens."""
    tokens = []
    for n in range(people):
        token = f"viewer-{n}-of-the-benchmark".ljust(43, "x")
        async with db.transaction() as tx:
            user = await users.insert(
                tx,
                email=f"viewer{n}@example.com",
                name=f"Viewer {n}",
                role=Role.ADMIN,
                password_hash=None,
                actor="benchmark",
                now=now,
            )
            await users.sign_in(
                tx,
                user,
                token,
                how="password",
                address="127.0.0.1",
                browser="",
                now=now,
                until=now + ABSOLUTE,
            )
        tokens.append(token)
    return tokens


async def sent(db: Database) -> list[float]:
    found = await rows(
        db,
        "SELECT extract(epoch FROM sent_at)::float8 AS at FROM attempts WHERE sent_at IS NOT NULL ORDER BY 1",
    )
    return [row["at"] for row in found]


async def until_sent(db: Database, calls: int) -> None:
    """Wait until so many calls were sent.

    Raises:
        RuntimeError: none is sent any more.
    """
    had, since = 0, time.monotonic()
    while True:
        found = await rows(
            db,
            "SELECT (SELECT count(*) FROM attempts WHERE sent_at IS NOT NULL) AS n, state, state_why "
            "FROM campaigns",
        )
        if found[0]["n"] >= calls:
            return
        if found[0]["n"] > had:
            had, since = found[0]["n"], time.monotonic()
        if time.monotonic() - since > WAIT_S:
            raise RuntimeError(f"no call for {WAIT_S:.0f} s: {found[0]}")
        await asyncio.sleep(0.2)


async def walk(session: aiohttp.ClientSession, first: int, calls: Sequence[int], seen: Seen) -> None:
    """From page to page for ever."""
    step = first
    while True:
        page = PAGES[step % len(PAGES)]
        path = page.format(call=calls[step % len(calls)])
        begun = time.perf_counter()
        async with session.get(path) as answer:
            await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path} answers {answer.status}")
        seen.pages[page].append((time.perf_counter() - begun) * 1000)
        step += 1
        await asyncio.sleep(THINK_S)


async def listen(session: aiohttp.ClientSession, seen: Seen) -> None:
    """Hold the campaign's stream; open it again when the service lets it go, as browsers do."""
    heard = time.monotonic()
    while True:
        async with session.get(STREAM, timeout=aiohttp.ClientTimeout(total=None)) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{STREAM} answers {answer.status}")
            async for line in answer.content:
                if line.strip():
                    continue
                seen.events += 1
                seen.silence_s = max(seen.silence_s, time.monotonic() - heard)
                heard = time.monotonic()


@contextlib.asynccontextmanager
async def looking_on(
    url: str, tokens: Sequence[str], calls: Sequence[int], seen: Seen
) -> AsyncIterator[None]:
    """All viewers look on while the block runs. One who is refused a page ends it all."""
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        tasks = []
        for n, token in enumerate(tokens):
            session = await stack.enter_async_context(aiohttp.ClientSession(url, cookies={COOKIE: token}))
            tasks += [
                group.create_task(walk(session, n, calls, seen)),
                group.create_task(listen(session, seen)),
            ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def measure(stage: Stage, calls: int, viewers: int) -> tuple[list[Part], Seen]:
    """The three parts, and what the viewers of the second met."""
    db, seen = Database(stage.house.db_url), Seen()
    try:
        tokens = await stage.begin(db, 2 * calls, viewers)
        third = calls // 3
        await until_sent(db, third)
        known = [row["id"] for row in await rows(db, "SELECT id FROM attempts WHERE sent_at IS NOT NULL")]
        async with looking_on(stage.house.url, tokens, known, seen):
            began = len(await sent(db))
            await until_sent(db, began + third)
        ended = len(await sent(db))
        await until_sent(db, ended + third)
        at = await sent(db)
        parts = (("nobody looks on", 0), (f"{viewers} viewers", began), ("nobody again", ended))
        return [Part(name, at[first : first + third]) for name, first in parts], seen
    finally:
        await db.close()


def page_rows(pages: Mapping[str, Sequence[float]]) -> list[list[str]]:
    told = []
    for page in PAGES:
        took = pages.get(page, ())
        if took:
            worst = [machine.percentile(took, share) for share in (0.5, 0.95)]
            told.append([page, f"{len(took):,}", *(f"{one:.0f}" for one in worst), f"{max(took):.0f}"])
    return told


def run(*, small: bool = False, viewers: int | None = None, calls: int | None = None) -> None:
    """Measure and print the tables.

    Args:
        viewers: 20 without.
        calls: that are measured, a third of them while viewers look on; 1,500 without, 4,500 at the most.
    """
    if calls is not None and not 30 <= calls <= 4500:
        raise SystemExit("--calls takes 30 to 4500.")
    machine.quiet()
    how_many = viewers or (3 if small else 20)
    placed = calls or (45 if small else 1500)
    with machine.scratch_folder() as folder, machine.server(folder) as database:
        stage = Stage(folder, database.url, rate=3.0 if small else 1.0, small=small)
        with stage.house.simulator("--people", stage.people), stage.house.service():
            parts, seen = asyncio.run(measure(stage, placed, how_many))
    chosen = " --small" if small else ""
    chosen += f" --viewers {viewers}" if viewers else ""
    chosen += f" --calls {calls}" if calls else ""
    command = f"python -m benchmarks console{chosen}"
    machine.show(
        f"The console while a campaign runs, {how_many} viewers "
        f"({seen.events:,} events by their streams, longest silence {seen.silence_s:.1f} s)",
        ("", "asked", "p50 ms", "p95 ms", "max ms"),
        [*page_rows(seen.pages), ["goal", "", "", f"{GOAL_MS:.0f}", ""]],
        command,
    )
    machine.show(
        f"The pace meanwhile: {CPS:g} calls a second allowed",
        ("", "calls", "a second", "fullest second", "greatest deviation in a second"),
        [[part.name, *part.cells(CPS)] for part in parts] + [["goal", "", f"{CPS:g}", f"{CPS:g}", "0"]],
        command,
    )
