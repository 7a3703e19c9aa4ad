"""Replicas killed and stopped in mid-campaign, as processes: python -m benchmarks.process_runs [--small]

Two `campaign serve` on one durable Postgres, behind one address; a Twilio that loses, delays, doubles and
reorders its callbacks, and answers POSTs wrongly, late, in part or never. By a plan that a seed gives, a
replica is killed by SIGKILL 0.5 to 3 s after it serves and started again, or stopped for longer than what it
holds lasts (tenure 5 s, leases 8 and 30 s) and woken. Meanwhile numbers that are due next go on the
do-not-call list, and hours close and open. At the end all that rang, by the simulator's ledger, is held
against the tables (ledgers.py). The campaign retries nothing: a number called twice is a double dial.

The clock runs `rate` times faster, so that 15 minutes' hold of an unknown result is waited for; leases and
tenure are about machines and last as long in real time as ever.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from msgspec.structs import replace

from benchmarks import machine, place
from benchmarks.ledgers import Opening, Suppressed, Verdict, judge
from benchmarks.replicas import Forwarder, Process, Struck, carry_out, free_port, plan, until
from campaign.domain.campaign import CampaignDefinition, Purpose, RetryPolicy, Schedule
from campaign.domain.pacing import Pace
from campaign.settings import parse_instant, process_environment
from campaign.simulator.config import ACCOUNT_SID, AUTH_TOKEN
from campaign.store import accounts
from campaign.store.accounts import KEY_MARK, Role
from campaign.store.database import Database
from campaign.wiring import ServiceClock, token

START = "2026-11-24T10:00:00-05:00"
"""A Tuesday: ten o'clock in New York, nine in Chicago."""
SLOW_S = 2.5
"""Twilio takes so long to answer any POST (clock seconds), so that kills find some under way."""
FAULTS: Mapping[str, float] = {
    "callback_loss": 0.10,
    "callback_duplicate": 0.10,
    "callback_late": 0.10,
    "callback_reorder": 0.10,
    "rest_429": 0.01,
    "rest_5xx_before": 0.01,
    "rest_5xx_after": 0.01,
    "rest_drop_before": 0.01,
    "rest_drop_after": 0.01,
    "rest_hang": 0.01,
    "rest_late_accept": 0.01,
    "rest_cut_body": 0.01,
    "rest_no_sid": 0.01,
    "rest_slow": 1.0,
    "rest_slow_seconds": SLOW_S,
    "list_lag_seconds": 10.0,
    "relay_drop": 0.02,
}
PEOPLE = """
[weights]
interested = 6
not_interested = 8
do_not_call = 3
wrong_number = 3
voicemail = 8
busy = 25
no_answer = 35
bad_number = 4
failed = 8
"""
NO_RETRY = RetryPolicy(budget=1, min_gap_minutes=0, per_number_per_day=9, on={})
UNDONE = """
    SELECT (SELECT count(*) FROM attempts WHERE settled_at IS NULL)
         + (SELECT count(*) FROM campaign_contacts WHERE state = 'calling'
               OR (state = 'waiting' AND disposition IS DISTINCT FROM 'callback'))
"""
DUE_NEXT = "SELECT phone FROM campaign_contacts WHERE state = 'waiting' ORDER BY next_at, id LIMIT 12"


@dataclass(frozen=True, slots=True)
class Form:
    """How much of it.

    Args:
        kills: SIGKILLs; about a tenth as many stops come on top.
        calls_per_second: of the account, in clock seconds.
        break_after, break_minutes: the campaign's break begins so many clock minutes after ten o'clock, on
            the contacts' own clocks, and lasts so long.
        longest_s: real seconds after which the run is given up.
    """

    contacts: int = 3000
    kills: int = 200
    seed: int = 1
    rate: float = 10.0
    calls_per_second: float = 2.0
    suppress_every_s: float = 4.0
    break_after: int = 20
    break_minutes: int = 8
    longest_s: float = 1800.0


FULL = Form()
SMALL = Form(
    contacts=100, kills=6, rate=45.0, calls_per_second=0.4, suppress_every_s=1.0, break_after=8,
    break_minutes=5, longest_s=300.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProcessRunResult:
    """One run: what was done to the replicas, and what came of it."""

    form: Form
    seconds: float
    """Real time, from the first replica's start until all was settled."""
    struck: Struck
    suppressed: int
    settled: bool
    """Whether everything came to its end within the form's time."""
    verdict: Verdict
    logged: Mapping[str, int] = field(default_factory=dict)
    """Lines that the replicas logged as errors, by their event."""

    @property
    def broken(self) -> list[str]:
        """What must be 0 and is not, in sentences; empty when all is well."""
        verdict = self.verdict
        found = [] if self.settled else [f"not settled within {self.form.longest_s:.0f} s"]
        for what, cases in (
            ("double dials", verdict.double_dials),
            ("dials after do-not-call", verdict.dials_after_dnc),
            ("dials outside hours", verdict.dials_outside_hours),
            ("lost outcomes", verdict.lost_outcomes),
            ("pace exceeded", verdict.pace_exceeded),
        ):
            if cases:
                found.append(f"{what}: {len(cases)}, as: " + "; ".join(cases[:5]))
        if self.struck.kills < self.form.kills:
            found.append(f"only {self.struck.kills} of {self.form.kills} kills were carried out")
        return found


class House:
    """A simulator and two replicas behind one address; see the module's text."""

    def __init__(self, folder: Path, url: str, form: Form) -> None:
        self.form = form
        self.folder = folder
        self.anchor = time.time()
        self.clock = ServiceClock(parse_instant(START), form.rate, self.anchor)
        self.public_port, self._twilio_port = free_port(), free_port()
        self.twilio_url = f"http://127.0.0.1:{self._twilio_port}"
        self.url = f"http://127.0.0.1:{self.public_port}"
        self._environment = process_environment(
            {
                "DATABASE_URL": url,
                "CAMPAIGN_DATA_DIR": str(folder),
                "PUBLIC_URL": self.url,
                "TWILIO_API_BASE_URL": self.twilio_url,
                "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
                "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
                "TWILIO_CALLS_PER_SECOND": f"{form.calls_per_second:g}",
                "CAMPAIGN_CLOCK": START,
                "CAMPAIGN_CLOCK_RATE": f"{form.rate:g}",
                "CAMPAIGN_CLOCK_ANCHOR": f"{self.anchor:.6f}",
                "LOG_LEVEL": "warning",
                "LOG_FORMAT": "json",
            },
            hermetic=True,
        )
        self.simulator = self._make_simulator()
        ports = [free_port() for _ in range(2)]
        self.replicas = [
            Process(
                folder, f"replica {n}", ["-m", "campaign", "serve", "--port", str(port)], self._environment
            )
            for n, port in enumerate(ports, 1)
        ]
        self.forwarder = Forwarder(self.public_port, list(zip(self.replicas, ports, strict=True)))

    def _make_simulator(self) -> Process:
        form, people = self.form, self.folder / "people.toml"
        people.write_text(PEOPLE, encoding="utf-8")
        faults = [f"--fault={name}={value:g}" for name, value in FAULTS.items()]
        arguments = [
            *("-m", "campaign", "simulator", "--port", str(self._twilio_port), "--people", str(people)),
            *("--cps", f"{form.calls_per_second * 1.5:g}", "--seed", str(form.seed), "--clock", START),
            *("--clock-rate", f"{form.rate:g}", "--clock-anchor", f"{self.anchor:.6f}", *faults),
        ]
        return Process(self.folder, "simulator", arguments, self._environment)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[aiohttp.ClientSession]:
        """All of it while the block runs; yields an HTTP session. Ended by their ids whatever happens."""
        async with contextlib.AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            stack.enter_context(self.simulator.existing())
            await self.simulator.until_ready()
            await stack.enter_async_context(self.forwarder.open())
            for replica in self.replicas:
                stack.enter_context(replica.existing())
            for replica in self.replicas:
                await replica.until_ready()
            yield session

    async def twilio(self, session: aiohttp.ClientSession, what: str) -> Any:
        """What the simulator saw: calls, report, deliveries, health."""
        async with session.get(f"{self.twilio_url}/simulator/{what}") as answer:
            return await answer.json()

    def errors(self) -> dict[str, int]:
        """Errors in the replicas' logs, by their event."""
        found: dict[str, int] = {}
        for replica in self.replicas:
            for line in replica.log.read_text(errors="replace").splitlines():
                if '"level": "error"' in line:
                    event = line.partition('"event": "')[2].partition('"')[0]
                    found[event] = found.get(event, 0) + 1
        return found


def campaign_of(form: Form) -> tuple[CampaignDefinition, Opening]:
    """A campaign that retries nothing and has a break.

    It sells nothing: of people who answer while a replica is killed, more go unserved than a sales campaign
    may abandon, and the law's rule would end the run.
    """
    begins = datetime(2026, 11, 24, 10, form.break_after, tzinfo=UTC)
    opening = Opening(
        time_of_day(8),
        begins.time(),
        (begins + timedelta(minutes=form.break_minutes)).time(),
        time_of_day(20),
    )
    week = f"08:00-{opening.break_from:%H:%M}, {opening.break_to:%H:%M}-20:00"
    campaign = replace(
        place.definition(),
        name="Crash run",
        purpose=Purpose.INFORMATIONAL,
        schedule=Schedule(week={"mon-sun": week}),
        retry=NO_RETRY,
    )
    return campaign, opening


async def _suppress(house: House, session: aiohttp.ClientSession, url: str, key: str) -> list[Suppressed]:
    """Now and then put a number on the do-not-call list that is due next, until cancelled.

    Asked of whichever replica answers, and asked again until one says that the number stands there.
    """
    dice, done = Random(f"do not call {house.form.seed}"), []
    headers = {"Authorization": f"Bearer {key}"}
    try:
        while True:
            await asyncio.sleep(dice.uniform(0.5, 1.5) * house.form.suppress_every_s)
            with machine.connect(url) as connection:
                due = [str(row[0]) for row in connection.execute(DUE_NEXT).fetchall()]
            if not due:
                continue
            body = {"phone": dice.choice(due), "reason": "asked for it"}
            answered = False
            while not answered:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.post(
                        f"{house.url}/api/v1/dnc",
                        json=body,
                        headers=headers,
                        timeout=aiohttp.ClientTimeout(5),
                    ) as answer:
                        answered = answer.status == 200
                if not answered:
                    await asyncio.sleep(0.2)
            done.append(Suppressed(body["phone"], house.clock.now()))
    except asyncio.CancelledError:
        return done


async def run(url: str, folder: Path, form: Form = FULL) -> ProcessRunResult:
    """One run on an empty, migrated database.

    Args:
        url: the database's address.
        folder: an existing one, for logs and files.
    Raises:
        RuntimeError: a process did not start.
    """
    house = House(folder, url, form)
    campaign, opening = campaign_of(form)
    await place.prepare(url, folder, form.contacts, clock=house.clock, campaign=campaign)
    key = KEY_MARK + token()
    db = Database(url)
    async with db.transaction() as tx:
        await accounts.create_key(
            tx, name="crash run", role=Role.OPERATOR, secret=key, actor="benchmark", now=house.clock.now()
        )
    await db.close()

    async def is_over() -> bool:
        with machine.connect(url) as connection:
            (left,) = connection.execute(UNDONE).fetchone() or (1,)
        return left == 0

    began, struck = time.monotonic(), Struck()
    async with house.open() as session:
        suppressing = asyncio.create_task(_suppress(house, session, url, key))
        with contextlib.suppress(TimeoutError):  # then kills are missing, which the result tells
            async with asyncio.timeout(form.longest_s):
                await carry_out(plan(form.seed, form.kills), house.replicas, struck)
        settled = await until(is_over, form.longest_s - (time.monotonic() - began))
        suppressing.cancel()
        suppressed = await suppressing
        seconds = time.monotonic() - began

        async def is_quiet() -> bool:
            return bool((await house.twilio(session, "health"))["under_way"] == 0)

        await until(is_quiet, 60)
        verdict = judge(
            url,
            await house.twilio(session, "calls"),
            await house.twilio(session, "report"),
            (await house.twilio(session, "deliveries"))["deliveries"],
            suppressed=suppressed,
            opening=opening,
            calls_per_second=form.calls_per_second,
            rate=form.rate,
            on_the_way=Pace(form.calls_per_second, form.rate).stale,
            shift=timedelta(seconds=SLOW_S),
        )
    return ProcessRunResult(form, seconds, struck, len(suppressed), settled, verdict, house.errors())


def lines(result: ProcessRunResult) -> list[tuple[str, str, str]]:
    """The result as a table's lines: what, found, goal. A cell may have several lines."""
    verdict, struck = result.verdict, result.struck
    faults = {name: count for name, count in verdict.results.items() if name != "accepted"}
    webhooks = {name: count for name, count in verdict.deliveries.items() if name}
    return [
        ("contacts", f"{result.form.contacts:,}", ""),
        ("SIGKILLs", f"{struck.kills:,}", ""),
        ("SIGSTOPs, of them longer than every lease", f"{struck.stops:,}, {struck.long_stops:,}", ""),
        ("POSTs, calls made of them", f"{verdict.creates:,}, {verdict.calls:,}", ""),
        ("POSTs answered wrongly, late or not", _told(faults), ""),
        ("webhooks lost, late, doubled, out of order", _told(webhooks), ""),
        ("numbers put on the do-not-call list", f"{result.suppressed:,}", ""),
        ("POSTs to them already on their way", str(verdict.dnc_on_their_way), "nobody talked to"),
        ("unknown results", _told(verdict.settled) or "0", "each settled"),
        ("slowest that Twilio's word settled, clock seconds", f"{verdict.slowest_s:.0f}", ""),
        ("most POSTs to arrive in a second of the clock", str(verdict.worst_second), ""),
        ("double dials", str(len(verdict.double_dials)), "0"),
        ("dials after do-not-call", str(len(verdict.dials_after_dnc)), "0"),
        ("dials outside hours", str(len(verdict.dials_outside_hours)), "0"),
        ("lost outcomes", str(len(verdict.lost_outcomes)), "0"),
        ("pace exceeded", str(len(verdict.pace_exceeded)), "0"),
    ]


def show(result: ProcessRunResult, command: str) -> None:
    """Print the table."""
    machine.show(
        f"Two replicas, killed and stopped: seed {result.form.seed}, {result.seconds:.0f} s at "
        f"{result.form.rate:g} times the clock",
        ("", "found", "goal"),
        lines(result),
        command,
    )
    for fault in result.broken:
        print(f"BROKEN: {fault}")
    if result.logged:
        print(f"logged as errors: {_told(result.logged)}")


def _told(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))


def run_here(form: Form) -> ProcessRunResult:
    """One run on a server of its own."""
    machine.quiet()
    with machine.scratch_folder() as folder, machine.server(folder) as database:
        return asyncio.run(run(database.url, folder, form))


def bench(*, small: bool = False) -> None:
    """Run, print the table; ends the program with 1 when what must be 0 isn't."""
    result = run_here(SMALL if small else FULL)
    show(result, "python -m benchmarks.process_runs" + (" --small" if small else ""))
    if result.broken:
        sys.exit(1)


if __name__ == "__main__":
    bench(small="--small" in sys.argv)
