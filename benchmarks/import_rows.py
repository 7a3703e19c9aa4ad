"""Rows imported per second, beside the limit: COPY of the same rows into the same table in the same order.

    python -m benchmarks import [--small]

Both run against one embedded server in one process, turn by turn. The file is made here, always the same: US
numbers of 3,000 prefixes, 1 % bad numbers, 0.5 % bad zones, 2 % repeated, a zone, state, postal code, consent
and three variables a row. The limit is what the contacts table itself costs: the rows that our import took,
written out by COPY and loaded again by one COPY, all indexes in place.
"""

import asyncio
import random
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psycopg
import sqlalchemy as sa

from benchmarks import machine
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


async def ours(db: Database, path: Path, name: str) -> tuple[float, int]:
    """Seconds and rows taken of one import into a new list."""
    clock = WallClock()
    started = time.perf_counter()
    made = await intake.begin(
        db, clock, path, name, Options(region="US"), max_bytes=2 << 30, actor="benchmark"
    )
    row = await intake.run(db, clock, made.id)
    return time.perf_counter() - started, row.rows_taken


def limit(url: str, list_name: str, copy: Path) -> float:
    """Seconds of one COPY of the rows that are on the list, in their order, into the same table."""
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
        started = time.perf_counter()
        with (
            copy.open("rb") as source,
            connection.cursor().copy(f"COPY contacts ({_COLUMNS}) FROM STDIN") as rows,
        ):
            while block := source.read(1 << 20):
                rows.write(block)
        connection.commit()
        took = time.perf_counter() - started
        connection.execute("DELETE FROM contacts")
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM contacts")
    return took


async def measure(url: str, folder: Path, rows: int, runs: int) -> list[tuple[float, int, float]]:
    """(our seconds, rows taken, seconds of the limit) of each run, turn by turn."""
    path = folder / "people.csv"
    make_file(path, rows)
    results = []
    for run_number in range(runs):
        db = Database(url)
        seconds, taken = await ours(db, path, f"run {run_number}")
        await db.close()
        bound = await asyncio.to_thread(limit, url, f"run {run_number}", folder / "rows")
        results.append((seconds, taken, bound))
    return results


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    machine.quiet()
    rows, runs = (2_000, 1) if small else (200_000, 3)
    with machine.scratch_folder() as folder, machine.server(folder) as database:
        results = asyncio.run(measure(database.url, folder, rows, runs))
    seconds, taken, bound = (median(column) for column in zip(*results, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    machine.show(
        f"Import: {rows:,} rows, {taken:,.0f} taken, median of {runs}; peak memory {peak:.0f} MB",
        ("", "seconds", "rows/s", "of the limit"),
        [
            ["COPY of the taken rows (limit)", f"{bound:.2f}", f"{taken / bound:,.0f}", "100%"],
            ["the import", f"{seconds:.2f}", f"{rows / seconds:,.0f}", f"{bound / seconds:.0%}"],
            ["goal", "", "100,000", "60%"],
        ],
        "python -m benchmarks import" + (" --small" if small else ""),
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
