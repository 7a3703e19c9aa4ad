"""Claiming 100 due contacts out of ten thousand, of a million, of five: python -m benchmarks claims [--small]

    python -m benchmarks claims --rows 5000000     # that many instead of 10,000, 100,000 and 1,000,000

Four running campaigns share the contacts, made by SQL: six of ten are due (in groups, so that a great many
are due at one instant), three sleep until tomorrow, one is blocked. Measured on each number of contacts:

* *due*: the statement that looks for the due and locks them, and the buffers it reads;
* *claim*: the whole of it: the pace's lock, every rule decided, the intents written and committed.

Each fresh; after a fifth of the due have been called; and after as many more, while another connection holds
a snapshot, as an analyst's long query does: until it ends, nothing that was called can be cleared away.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy import text

from benchmarks import machine
from benchmarks.place import DEFINITION, TUESDAY
from campaign.domain.campaign import parse_toml
from campaign.domain.pacing import Pace
from campaign.flow import definitions, lifecycle
from campaign.flow.claiming import Claimer, ClaimLimits
from campaign.flow.due import DueContacts
from campaign.settings import read_settings
from campaign.store import claims
from campaign.store.database import Database
from campaign.wiring import ServiceClock, read_rates, read_rulebook, settle_memory, token

CAMPAIGNS = 4
EACH = 25  # of each campaign: 100 a claim
SIZES = (10_000, 100_000, 1_000_000)

_LISTS = """
    INSERT INTO contact_lists (name, columns, created_by, created_at)
    SELECT 'people' || n, '{first_name}', 'benchmark', '2026-11-01' FROM generate_series(1, 4) AS n
"""
_CONTACTS = """
    INSERT INTO contacts (list_id, line, phone, place, state, consent, consent_at, consent_source, variables,
                          created_at)
    SELECT n %% 4 + 1, n, '+1' || (ARRAY['212', '305', '617', '312'])[n / 4 %% 4 + 1]
                || (2000000 + n::bigint * 7919 %% 8000000),
           (ARRAY['US|US-NY|America/New_York', 'US|US-FL|America/New_York', 'US|US-MA|America/New_York',
                  'US|US-IL|America/Chicago'])[n / 4 %% 4 + 1],
           (ARRAY['NY', 'FL', 'MA', 'IL'])[n / 4 %% 4 + 1], 'express_written', '2026-10-01', 'web form',
           '{"first_name": "Ana"}', '2026-11-01'
      FROM generate_series(0, CAST(%s AS int) - 1) AS n
"""
_ENROLLED = """
    INSERT INTO campaign_contacts (campaign_id, contact_id, phone, priority, state, next_at, updated_at)
    SELECT k.list_id, k.id, k.phone, 0,
           CASE WHEN k.id %% 10 = 9 THEN 'blocked' ELSE 'waiting' END,
           CASE WHEN k.id %% 10 < 6 THEN now_at - make_interval(hours => (k.id / 16 %% 3)::int)
                WHEN k.id %% 10 < 9 THEN now_at + interval '1 day' END, now_at
      FROM contacts k, CAST(%s AS timestamptz) AS now_at ORDER BY k.id
"""
_CALLED = """
    WITH head AS (
        SELECT id, row_number() OVER () AS n FROM campaign_contacts
         WHERE campaign_id = %(campaign)s AND next_at <= %(now)s
         ORDER BY priority, next_at, id LIMIT %(most)s)
    UPDATE campaign_contacts cc
       SET state = CASE WHEN n %% 10 < 7 THEN 'done' ELSE 'waiting' END,
           next_at = CASE WHEN n %% 10 >= 7 THEN %(now)s + interval '3 hours' END, attempts = 1
      FROM head WHERE cc.id = head.id
"""


@dataclass(frozen=True, slots=True)
class Found:
    """Of one number of contacts in one condition: milliseconds of each time, and buffers of one look."""

    contacts: int
    condition: str
    due: Sequence[float]
    claim: Sequence[float]
    buffers: int

    def cells(self) -> list[str]:
        def at(values: Sequence[float], share: float) -> str:
            return f"{machine.percentile(values, share):.2f}"

        return [
            f"{self.contacts:,}, {self.condition}",
            f"{min(self.due):.2f}",
            f"{median(self.due):.2f}",
            at(self.due, 0.99),
            f"{self.buffers:,}",
            f"{min(self.claim):.1f}",
            f"{median(self.claim):.1f}",
            at(self.claim, 0.99),
        ]


async def prepare(url: str, contacts: int) -> None:
    """Four running campaigns over that many contacts."""
    with machine.connect(url) as connection:
        connection.execute(_LISTS)
        connection.execute(_CONTACTS, (contacts,))
    db = Database(url)
    for n in range(1, CAMPAIGNS + 1):
        wanted = parse_toml(
            DEFINITION.replace('"Benchmark"', f'"Benchmark {n}"').replace('"people"', f'"people{n}"'),
            "benchmark.toml",
        )
        await definitions.create(db, wanted, actor="benchmark", now=TUESDAY)
        await lifecycle.start(db, wanted.name, actor="benchmark", now=TUESDAY)
    await db.close()
    with machine.connect(url) as connection:
        connection.execute(_ENROLLED, (TUESDAY,))
        connection.execute("VACUUM ANALYZE contacts")
        connection.execute("VACUUM ANALYZE campaign_contacts")
        connection.execute("CHECKPOINT")


async def looks(db: Database, clock: ServiceClock, seek: DueContacts, times: int) -> list[float]:
    """Milliseconds of that many looks for 100 due contacts, nothing taken."""
    took = []
    most = dict.fromkeys(range(1, CAMPAIGNS + 1), EACH)
    for _ in range(times):
        async with db.transaction() as tx:
            began = time.perf_counter()
            found = await seek.look(tx, most, clock.now(), clock)
            took.append((time.perf_counter() - began) * 1000)
        if len(found) != CAMPAIGNS * EACH:
            raise RuntimeError(f"{len(found)} contacts were due")
    return took


async def claimed(db: Database, clock: ServiceClock, claimer: Claimer, times: int) -> list[float]:
    """Milliseconds of that many claims of 100, committed; their calls end at once, some to be retried."""
    took: list[float] = []
    tries = 300  # a process's first claims read its definitions, and wait for the tenure before it
    while len(took) < times:
        began = time.perf_counter()
        async with db.transaction() as tx:
            claim = await claimer.claim(tx, clock)
        counts = len(claim.dials) * 2 >= CAMPAIGNS * EACH
        if counts:
            took.append((time.perf_counter() - began) * 1000)
        elif (tries := tries - 1) == 0:
            raise RuntimeError(f"{len(claim.dials)} calls were claimed: {claim.why_idle}")
        async with db.transaction() as tx:
            await tx.execute(
                text(
                    """
                    WITH ended AS (
                        UPDATE attempts SET state = 'ended', settled_at = :now, ended_at = :now
                         WHERE settled_at IS NULL RETURNING campaign_contact_id AS id)
                    UPDATE campaign_contacts cc
                       SET state = CASE WHEN :counts AND cc.id % 10 < 4 THEN 'done' ELSE 'waiting' END,
                           next_at = CASE WHEN NOT :counts THEN CAST(:now AS timestamptz)
                                          WHEN cc.id % 10 >= 4
                                          THEN CAST(:now AS timestamptz) + interval '3 hours' END
                      FROM ended WHERE cc.id = ended.id
                    """  # what a claim took that doesn't count is due again, or few contacts would run out
                ),
                {"now": clock.now(), "counts": counts},
            )
        await clock.sleep(0.05)
    async with db.transaction() as tx:
        await claimer.leave(tx, clock.now())
    return took


def buffers(url: str, seek: DueContacts) -> int:
    """Pages that one look touches."""
    with machine.connect(url) as connection:
        statement = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + claims.DUE.text
        given = claims.due_arguments(dict.fromkeys(range(1, CAMPAIGNS + 1), EACH), TUESDAY, seek.begin)
        for name in given:
            statement = statement.replace(f":{name}", f"%({name})s")
        (plans,) = connection.execute(statement, given).fetchone() or (None,)
    plan = (plans if isinstance(plans, list) else json.loads(str(plans)))[0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def call(url: str, each: int) -> None:
    """As many contacts of each campaign are called: seven of ten are done, the others to be retried."""
    with machine.connect(url) as connection:
        for campaign in range(1, CAMPAIGNS + 1):
            connection.execute(_CALLED, {"campaign": campaign, "now": TUESDAY, "most": each})


async def condition(url: str, clock: ServiceClock, contacts: int, name: str, times: int) -> Found:
    """Measure, as a process does that has been claiming for a while."""
    db = Database(url)
    limits = ClaimLimits(
        pace=Pace(100_000.0),
        max_calls=CAMPAIGNS * EACH,
        rulebook=read_rulebook(),
        rates=read_rates(read_settings({}, None)),
        replica="benchmark",
        marker=token,
    )
    seek, claimer = DueContacts(), Claimer(limits)
    await looks(db, clock, seek, 3)
    due = await looks(db, clock, seek, times)
    pages = await asyncio.to_thread(buffers, url, seek)
    whole = await claimed(
        db, clock, claimer, min(times // 4, contacts * 6 // 10 // 5 // (CAMPAIGNS * EACH) - 2)
    )
    await db.close()
    return Found(contacts, name, due, whole, pages)


async def measure(url: str, contacts: int, times: int) -> list[Found]:
    """All three conditions of one database."""
    await prepare(url, contacts)
    clock = ServiceClock(TUESDAY)  # one for all: a claim's slots follow those of the one before
    churn = contacts // CAMPAIGNS * 6 // 10 // 5
    found = [await condition(url, clock, contacts, "fresh", times)]
    await asyncio.to_thread(call, url, churn)
    found.append(await condition(url, clock, contacts, "a fifth called", times))
    with machine.connect(url) as analyst:
        analyst.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        analyst.execute("SELECT count(*) FROM pace")
        await asyncio.to_thread(call, url, churn)
        found.append(await condition(url, clock, contacts, "as many more under a snapshot", times))
        analyst.execute("ROLLBACK")
    return found


def run(*, small: bool = False, rows: int | None = None) -> None:
    """Measure and print the table.

    Args:
        rows: so many contacts, instead of 10,000, 100,000 and 1,000,000.
    """
    machine.quiet()
    sizes = (rows,) if rows else (4_000,) if small else SIZES
    times = 8 if small else 200
    found: list[Found] = []
    settle_memory()
    for contacts in sizes:
        with machine.scratch_folder() as folder, machine.server(folder) as database:
            found += asyncio.run(measure(database.url, contacts, times))
    machine.show(
        f"Claiming {CAMPAIGNS * EACH} due contacts of {CAMPAIGNS} campaigns, {times} looks",
        ("contacts", "due: least ms", "p50", "p99", "buffers", "claim: least ms", "p50", "p99"),
        [*(one.cells() for one in found), ["goal", "", "2", "", "flat", "", "", ""]],
        "python -m benchmarks claims" + (" --small" if small else "") + (f" --rows {rows}" if rows else ""),
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
