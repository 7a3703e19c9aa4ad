"""Rows imported per second, beside the limit: COPY of the same rows into the same table in the same order.

    python -m benchmarks import [--small] [--rows N]

Both run against one embedded server in one process, turn by turn. The file is made here, always the same: US
numbers of 3,000 prefixes, 1 % bad numbers, 0.5 % bad zones, 2 % repeated, a zone, state, postal code, consent
and three variables a row. The limit is what the contacts table itself costs: the rows that our import took,
written out by COPY and loaded again by one COPY, all indexes in place. Beside the seconds stands the time
of the processor on both sides, which other work on the machine changes least.
"""

import asyncio
import random
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psycopg
import sqlalchemy as sa

from benchmarks import machine
from benchmarks.cpu import cpu_seconds
from campaign.flow import intake
from campaign.flow.intake import Options
from campaign.store.contacts import _COLUMNS
from campaign.store.database import Database


class WallClock:
    """The machine's own clock."""

    rate = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def make_file(path: Path, rows: int) -> int:
    """A contact list of that many rows, the same for the same number; returns its bytes."""
    dice = random.Random(7)
    prefixes = [
        f"{dice.choice((212, 305, 415, 713, 850, 312, 602))}{n}" for n in range(200, 1000) for _ in range(4)
    ]
    zones = ["America/New_York", "Central", "", "", ""]
    earlier: list[str] = []
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("first_name,last_name,phone,company,product,state,zip,timezone,consent,consent_at\n")
        for n in range(rows):
            phone = f"({dice.choice(prefixes)[:3]}) {dice.choice(prefixes)[3:]}-{dice.randrange(10_000):04}"
            luck = dice.random()
            if luck < 0.01:
                phone = "1.21255E+10"
            elif luck < 0.03 and earlier:
                phone = dice.choice(earlier)
            elif len(earlier) < 1_000:
                earlier.append(phone)
            zone = "Mars/Olympus" if 0.03 < luck < 0.035 else zones[n % 5]
            out.write(
                f"Ana{n},Smith,{phone},Example {n % 977} Ltd,solar,FL,{32_000 + n % 900},{zone},"
                f"express_written,2026-03-31\n"
            )
    return path.stat().st_size


@dataclass(frozen=True, slots=True)
class Cost:
    """Of `rows` rows: seconds, and processor seconds of this process and of its server processes."""

    rows: int
    seconds: float
    client: float
    server: float

    def cells(self) -> list[str]:
        each = 1e6 / self.rows
        return [
            f"{self.seconds:.2f}",
            f"{self.rows / self.seconds:,.0f}",
            f"{self.client * each:.1f}",
            f"{self.server * each:.1f}",
        ]


def server_seconds(url: str) -> float:
    """Processor time of all server processes that serve somebody else in this database."""
    with machine.connect(url) as connection:
        serving = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    return sum(cpu_seconds(int(str(pid))) for (pid,) in serving)


async def ours(url: str, path: Path, name: str) -> Cost:
    """One import into a new list."""
    db, clock = Database(url), WallClock()
    used, started = time.process_time(), time.perf_counter()
    made = await intake.begin(
        db, clock, path, name, Options(region="US"), max_bytes=2 << 30, actor="benchmark"
    )
    row = await intake.run(db, clock, made.id)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    served = await asyncio.to_thread(server_seconds, url)
    await db.close()
    return Cost(row.rows_read, seconds, used, served)


def limit(url: str, list_name: str, copy: Path) -> Cost:
    """One COPY of the rows that are on the list, in their order, into the same table."""
    address = sa.make_url(url)
    with psycopg.connect(
        host=str(address.query["host"]),
        port=str(address.query["port"]),
        user=address.username,
        dbname=address.database,
    ) as connection:
        connection.execute(
            "CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT k.* FROM contacts k JOIN contact_lists l "
            "ON l.id = k.list_id WHERE l.name = %s ORDER BY k.id",
            (list_name,),
        )
        with copy.open("wb") as out, connection.cursor().copy(f"COPY kept ({_COLUMNS}) TO STDOUT") as rows:
            for block in rows:
                out.write(block)
        connection.execute("DELETE FROM contacts")
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM contacts")
        connection.autocommit = False
        served, used = cpu_seconds(connection.info.backend_pid), time.process_time()
        started = time.perf_counter()
        cursor = connection.cursor()
        with (
            copy.open("rb") as source,
            cursor.copy(f"COPY contacts ({_COLUMNS}) FROM STDIN") as rows,
        ):
            while block := source.read(1 << 20):
                rows.write(block)
        connection.commit()
        took = Cost(
            cursor.rowcount,
            time.perf_counter() - started,
            time.process_time() - used,
            cpu_seconds(connection.info.backend_pid) - served,
        )
        connection.execute("DELETE FROM contacts")
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM contacts")
    return took


async def measure(url: str, folder: Path, rows: int, runs: int) -> tuple[list[tuple[Cost, Cost]], float]:
    """(our import, the limit) of each run, turn by turn, and the most memory held by then, MB."""
    path = folder / "people.csv"
    make_file(path, rows)
    results = []
    for number in range(runs):
        import_ = await ours(url, path, f"run {number}")
        bound = await asyncio.to_thread(limit, url, f"run {number}", folder / "rows")
        results.append((import_, bound))
    return results, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each."""
    return Cost(
        costs[0].rows,
        median(one.seconds for one in costs),
        median(one.client for one in costs),
        median(one.server for one in costs),
    )


def run(*, small: bool = False, rows: int | None = None) -> None:
    """Measure and print the table.

    Args:
        rows: of the file; from half a million on there is but one run.
    """
    machine.quiet()
    how_many = rows or (2_000 if small else 200_000)
    runs = 1 if small or how_many >= 500_000 else 3
    with machine.scratch_folder() as folder, machine.server(folder) as database:
        results, peak = asyncio.run(measure(database.url, folder, how_many, runs))
    import_, bound = (middle(costs) for costs in zip(*results, strict=True))
    share = median(bound.seconds / import_.seconds for import_, bound in results)
    machine.show(
        f"Import: {how_many:,} rows, {bound.rows:,} taken, median of {runs}; peak memory {peak:.0f} MB",
        ("", "seconds", "rows/s", "our CPU µs/row", "server's CPU µs/row", "of the limit"),
        [
            ["COPY of the taken rows (limit)", *bound.cells(), "100%"],
            ["the import", *import_.cells(), f"{share:.0%}"],
            ["goal", "", "100,000", "", "", "60%"],
        ],
        "python -m benchmarks import" + (" --small" if small else "") + (f" --rows {rows}" if rows else ""),
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
