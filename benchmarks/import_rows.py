"""Rows imported per second, beside the limit: COPY of the same rows into the same table in the same order.

    python benchmarks/import_rows.py [ROWS] [RUNS]

Both run against one embedded server in one process, turn by turn. The file is made here, always the same: US
numbers of 3,000 prefixes, 1 % bad numbers, 0.5 % bad zones, 2 % repeated, a zone, state, postal code, consent
and three variables a row. The limit is what the contacts table itself costs: the rows that our import took,
written out by COPY and loaded again by one COPY, all indexes in place.
"""

import asyncio
import random
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psycopg
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from campaign.flow import intake
from campaign.flow.intake import Options
from campaign.store import migrate
from campaign.store.contacts import _COLUMNS
from campaign.store.database import Database
from campaign.store.embedded import attach


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


async def main(folder: Path, rows: int, runs: int) -> None:
    """Run and print the table."""
    path = folder / "people.csv"
    size = make_file(path, rows)
    attachment = attach(folder / "data")
    results = []
    try:
        await asyncio.to_thread(migrate.upgrade, attachment.url)
        for run in range(runs):
            db = Database(attachment.url)
            seconds, taken = await ours(db, path, f"run {run}")
            await db.close()
            bound = await asyncio.to_thread(limit, attachment.url, f"run {run}", folder / "rows")
            results.append((seconds, taken, bound))
    finally:
        attachment.close(stop=True)
    seconds, taken, bound = (median(column) for column in zip(*results, strict=True))
    table = Table(title=f"{rows:,} rows, {size / 1e6:.0f} MB, {taken:,.0f} taken; median of {runs} runs")
    for name in ("", "seconds", "rows/s", "of the limit"):
        table.add_column(name, justify="right")
    table.add_row("COPY of the taken rows (limit)", f"{bound:.2f}", f"{taken / bound:,.0f}", "100 %")
    table.add_row(
        "campaign contacts import", f"{seconds:.2f}", f"{rows / seconds:,.0f}", f"{bound / seconds:.0%}"
    )
    console = Console()
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"Peak memory of the importing process: {peak:.0f} MB")


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[1:3]]
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)  # Postgres runs as another user when this one is root
        asyncio.run(main(Path(scratch), *(wanted + [200_000, 3][len(wanted) :])))
