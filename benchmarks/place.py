"""Calls placed per second on one core: python -m benchmarks place [--small]

The real dialler against a Twilio that answers at once, on a durable Postgres: every rule decided, the gate
checked, the intent committed before the POST and the SID after it. Beside it, turn by turn in the same
process: the same requests through our gateway and nothing else, and bare POSTs by aiohttp.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from uvicorn.loops.auto import auto_loop_factory

from benchmarks import machine
from campaign.domain.campaign import CampaignDefinition, parse_toml
from campaign.domain.pacing import Pace
from campaign.flow import definitions, enrol, intake, lifecycle
from campaign.flow.call_request import call_request
from campaign.flow.claiming import ClaimLimits
from campaign.flow.dialer import Dialer
from campaign.flow.intake import Options
from campaign.settings import read_settings
from campaign.store.database import Database
from campaign.telephony.addresses import Addresses
from campaign.telephony.gateway import Gateway, Placed
from campaign.telephony.transport import basic_auth
from campaign.wiring import ServiceClock, read_rates, read_rulebook, settle_memory, token

TUESDAY = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
"""10:00 in New York: the same windows are open whenever this runs."""
ACCOUNT, SECRET = "AC" + "0" * 32, "0" * 32
PUBLIC_URL = "https://calls.example.com"
IN_FLIGHT = 64
DEFINITION = """
name = "Benchmark"
purpose = "sales"
lists = ["people"]
caller_ids = ["+12025550142", "+12025550143"]
pacing = { lines = 100000 }
consent = { minimum = "express_written" }
seller = { legal_name = "Example LLC", callback_number = "+12025550142", opt_out_number = "+18335550199" }
script = { greeting = "Hello {{ first_name | there }}.", goal = "Arrange a visit." }
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What one repetition measured."""

    calls: int
    seconds: float
    cpu: float
    statements: float | None = None

    @property
    def rate(self) -> float:
        return self.calls / self.seconds


def definition() -> CampaignDefinition:
    return parse_toml(DEFINITION, "benchmark.toml")


def write_people(path: Path, count: int) -> None:
    """People in four states, with consent."""
    places = ((212, "NY", 10001), (305, "FL", 33101), (617, "MA", 2108), (312, "IL", 60601))
    with path.open("w", encoding="utf-8") as out:
        out.write("first_name,phone,state,zip,consent,consent_at,consent_source\n")
        for n in range(count):
            area, state, code = places[n % 4]
            out.write(
                f"Ana{n},+1{area}{220 + n // 40_000}{n // 4 % 10_000:04},{state},{code:05},express_written,"
                f"2026-10-01,web form\n"
            )


async def prepare(
    url: str,
    folder: Path,
    contacts: int,
    *,
    clock: ServiceClock | None = None,
    campaign: CampaignDefinition | None = None,
) -> None:
    """A running campaign over that many people: by default, the benchmarks' own on a Tuesday morning."""
    db, clock, wanted = Database(url), clock or ServiceClock(TUESDAY), campaign or definition()
    path = folder / "people.csv"
    write_people(path, contacts)
    made = await intake.begin(
        db, clock, path, "people", Options(region="US"), max_bytes=1 << 30, actor="benchmark"
    )
    await intake.run(db, clock, made.id)
    made_campaign = await definitions.create(db, wanted, actor="benchmark", now=clock.now())
    enrolled = await enrol.catch_up(db, read_rulebook(), made_campaign.id, clock.now())
    if enrolled != contacts:
        raise RuntimeError(f"{enrolled} of {contacts} people were enrolled")
    await lifecycle.start(db, wanted.name, actor="benchmark", now=clock.now())
    await db.close()


def dialer_of(db: Database, clock: ServiceClock, gateway: Gateway, cps: float, replica: str) -> Dialer:
    """The service's dialler."""

    async def nothing() -> None:
        return None

    async def fault(campaign_id: int | None, why: str) -> None:
        raise RuntimeError(why)

    return Dialer(
        db,
        clock,
        gateway,
        addresses=Addresses(PUBLIC_URL),
        limits=ClaimLimits(
            pace=Pace(cps),
            max_calls=None,
            rulebook=read_rulebook(),
            rates=read_rates(read_settings({}, None)),
            replica=replica,
            marker=token,
        ),
        pause_campaign=fault,
        before_claim=nothing,
    )


async def dial(url: str, twilio: str, contacts: int, cps: float) -> Round:
    """All of them by the dialler, from its start until the last SID is durable."""
    db, clock = Database(url), ServiceClock(TUESDAY)
    gateway = Gateway(ACCOUNT, ACCOUNT, SECRET, twilio)
    dialer = dialer_of(db, clock, gateway, cps, "benchmark")
    with machine.connect(url) as counter:
        counter.execute("SELECT pg_stat_statements_reset()")
        began, cpu = time.perf_counter(), time.process_time()
        running = asyncio.create_task(dialer.run())
        while dialer.counters.placed < contacts and time.perf_counter() - began < 60:  # noqa: ASYNC110 (a count)
            await asyncio.sleep(0.005)
        dialer.stop()
        await running
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        (statements,) = counter.execute(
            "SELECT sum(calls) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid "
            "WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%'"
        ).fetchone() or (0,)
        (placed,) = counter.execute(
            "SELECT count(*) FROM attempts WHERE state = 'placed' AND call_sid IS NOT NULL"
        ).fetchone() or (0,)
    await gateway.close()
    await db.close()
    if placed != contacts:
        raise RuntimeError(f"{placed} of {contacts} calls were placed: {dialer.counters}")
    return Round(contacts, seconds, cpu, float(str(statements)) / contacts)


async def _many(one: Callable[[int], Awaitable[None]], calls: int) -> Round:
    """That many, IN_FLIGHT at a time."""
    left = iter(range(calls))

    async def worker() -> None:
        for number in left:
            await one(number)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return Round(calls, time.perf_counter() - began, time.process_time() - cpu)


async def through_gateway(twilio: str, calls: int) -> Round:
    """Requests like the dialler's through our gateway (the twilio library over our transport)."""
    gateway, addresses, campaign = (
        Gateway(ACCOUNT, ACCOUNT, SECRET, twilio),
        Addresses(PUBLIC_URL),
        definition(),
    )

    async def one(number: int) -> None:
        request = call_request(addresses, campaign, token(), f"+1212555{number % 10_000:04}", "+12025550142")
        if not isinstance(await gateway.place(request), Placed):
            raise RuntimeError("the stub refused a call")

    try:
        return await _many(one, calls)
    finally:
        await gateway.close()


async def bare(twilio: str, calls: int) -> Round:
    """POSTs of a call by aiohttp, the answer read as JSON."""
    url = f"{twilio}/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    headers = {
        "Authorization": basic_auth(ACCOUNT, SECRET),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> None:
            body = urlencode(
                [("To", f"+1212555{number % 10_000:04}"), ("From", "+12025550142"), ("Url", PUBLIC_URL)]
            )
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.json()

        return await _many(one, calls)


def _in_loop(work: Awaitable[Round]) -> Round:
    async def run() -> Round:
        return await work

    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(run())


def best(rounds: Sequence[Round]) -> Round:
    return max(rounds, key=lambda one: one.rate)


def run(*, small: bool = False, contacts: int = 6000, cps: float = 5000, rounds: int = 2) -> None:
    """Measure and print the table."""
    machine.quiet()
    if small:
        contacts, cps, rounds = 200, 200, 1  # what a machine that is busy with tests can place in its second
    ours: list[Round] = []
    gateway: list[Round] = []
    posts: list[Round] = []
    with (
        machine.scratch_folder() as folder,
        machine.server(folder, counting=True) as database,
        machine.child("stubs", "twilio") as (_, twilio),
    ):
        settle_memory()
        asyncio.run(prepare(database.url, folder, contacts))
        for number in range(rounds):
            posts.append(_in_loop(bare(twilio, contacts)))
            gateway.append(_in_loop(through_gateway(twilio, contacts)))
            with machine.copy_of(database.url, f"round_{number}") as url:
                ours.append(_in_loop(dial(url, twilio, contacts, cps)))
    show(contacts, cps, rounds, best(posts), best(gateway), best(ours))


def show(contacts: int, cps: float, rounds: int, posts: Round, gateway: Round, ours: Round) -> None:
    def cells(name: str, one: Round, statements: str) -> list[str]:
        return [
            name,
            f"{one.rate:,.0f}",
            f"{one.cpu / one.calls * 1e6:,.0f}",
            statements,
            f"{one.rate / posts.rate:.0%}",
        ]

    machine.show(
        f"Calls placed: {contacts:,} contacts, {cps:,.0f} calls/s allowed, best of {rounds}",
        ("", "calls/s", "CPU µs/call", "statements/call", "of bare POSTs"),
        [
            cells(f"bare POST, aiohttp, {IN_FLIGHT} in flight (limit)", posts, "0"),
            cells(f"our gateway, {IN_FLIGHT} in flight, no database", gateway, "0"),
            cells("the dialler: rules, gate, durable intent and SID", ours, f"{ours.statements:.2f}"),
            ["goal", "2,500", "", "0.5", ""],
        ],
        "python -m benchmarks place" + (" --small" if contacts == 200 else ""),
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
