"""A registry of ten million numbers loaded, and a million contacts compared with it, beside a plain table.

    python -m benchmarks dnc [--small]

The file is made here, always the same: one ten-digit number a line, in order, over 360 area codes, as the
national registry is downloaded. Both sides read that very file on one embedded server: ours by its loader
(`campaign dnc registry load`), the limit by one COPY into a table of bigints and its primary key. Both then
answer how many of the same million contacts are listed, and which numbers of a claim's hundred.

The whole American registry (about 250 million numbers) fills every block of those area codes with bits. Such
a version is made of random bits and compared too, so that its size and its comparison are measured; only the
time to load it is extrapolated, by the rate at which a file as dense as that is read.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from sqlalchemy import text

from benchmarks import machine
from benchmarks.import_rows import WallClock
from campaign.domain.registry_blocks import BYTES, Block, Blocks
from campaign.domain.registry_sheet import FullReader
from campaign.flow import registries
from campaign.flow.registries import Order
from campaign.store import contacts, dnc
from campaign.store import registries as store
from campaign.store.database import Database
from campaign.wiring import read_rulebook

NAME = "us-national-dnc"
WHOLE = 250_000_000
OFFICES = range(200, 992)
CLAIM = 100


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: area codes, numbers of the file, contacts."""

    areas: int
    numbers: int
    contacts: int

    @property
    def blocks(self) -> list[int]:
        """E.164 without + and without the last four digits."""
        return [(1000 + area) * 1000 + office for area in range(200, 200 + self.areas) for office in OFFICES]


LARGE, SMALL = Size(360, 10_000_000, 1_000_000), Size(3, 20_000, 2_000)


def make_file(path: Path, size: Size) -> None:
    """The registry's file: so many numbers, spread evenly, in order."""
    dice = random.Random(11)
    blocks = size.blocks
    each = size.numbers // len(blocks)
    more = size.numbers - each * len(blocks)
    everyone = range(10_000)
    with path.open("w") as out:
        for place, block in enumerate(blocks):
            begin = str(block)[1:]
            chosen = sorted(dice.sample(everyone, each + (place < more)))
            out.write("".join(f"{begin}{n:04}\n" for n in chosen))


def dense_rate(size: Size) -> float:
    """Numbers a second of reading a file as dense as the whole registry, without storing it."""
    dice = random.Random(5)
    blocks = size.blocks[: 2_400 if size is LARGE else 20]
    each = WHOLE // (360 * len(OFFICES))
    data = "".join(
        f"{str(block)[1:]}{n:04}\n" for block in blocks for n in sorted(dice.sample(range(10_000), each))
    ).encode()
    started = time.perf_counter()
    reader, kept, found = FullReader(data[:65_536], region="US"), Blocks(), 0
    for at in range(0, len(data), registries.PIECE_BYTES):
        kept.add(reader.feed(data[at : at + registries.PIECE_BYTES]).numbers)
        found += sum(one.numbers for one in kept.complete())
    found += sum(one.numbers for one in kept.complete(final=True))
    assert found == each * len(blocks)
    return found / (time.perf_counter() - started)


def random_blocks(size: Size) -> Iterator[Block]:
    """Every block of the area codes with a bit in eleven set: as many numbers as the whole registry has."""
    drawn = [int.from_bytes(os.urandom(BYTES * 64), "little") for _ in range(5)]
    for place, block in enumerate(size.blocks):
        turn = (place * 37) % 60 * 8 * BYTES // 60
        one = drawn[0] >> turn & drawn[1] >> (turn * 2 % 4096) & drawn[2] >> (turn * 3 % 8192)
        bits = (one & (drawn[3] | drawn[4] >> turn)) & ((1 << 8 * BYTES) - 1)
        yield Block(block, bits.bit_count(), None, bits.to_bytes(BYTES, "little"))


async def fill_contacts(db: Database, url: str, size: Size) -> int:
    """A list of contacts of those area codes, of one finished import; the list's id."""
    dice = random.Random(3)
    blocks, now = size.blocks, datetime.now(UTC)
    phones = {f"+{dice.choice(blocks)}{dice.randrange(10_000):04}" for _ in range(size.contacts)}
    async with db.transaction() as tx:
        list_id = (await contacts.ensure_list(tx, "people", "US", "benchmark", now)).id
        import_id = (
            await tx.execute(
                text(
                    "INSERT INTO imports (kind, list_id, file_name, file_bytes, state, actor, started_at, "
                    "beat_at) VALUES ('contacts', :list, 'x', 1, 'finished', 'x', :now, :now) RETURNING id"
                ),
                {"list": list_id, "now": now},
            )
        ).scalar_one()
        driver = (await tx.get_raw_connection()).driver_connection
        assert isinstance(driver, psycopg.AsyncConnection)
        async with (
            driver.cursor() as cursor,
            cursor.copy("COPY contacts (list_id, import_id, phone, place, created_at) FROM STDIN") as copy,
        ):
            await copy.write("".join(f"{list_id}\t{import_id}\t{one}\tUS||UTC\t{now}\n" for one in phones))
    with machine.connect(url) as connection:
        connection.execute("VACUUM ANALYZE contacts")
    return list_id


async def timed(work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = await work()
    return time.perf_counter() - started, found


async def scrub(db: Database, list_id: int) -> tuple[float, int]:
    """Seconds (median of 3) to compare all contacts, and how many are listed: the import's own statement."""

    async def once() -> int:
        async with db.connection() as tx:
            import_id = (await tx.execute(text("SELECT max(id) FROM imports"))).scalar_one()
            return await contacts.on_dnc(tx, list_id, import_id)

    runs = [await timed(once) for _ in range(3)]
    return median(seconds for seconds, _ in runs), runs[0][1]


async def look_ups(db: Database, size: Size) -> float:
    """Milliseconds (median of 200) to look up a claim's numbers: the claim's own statement."""
    dice, blocks = random.Random(9), size.blocks
    took = []
    for _ in range(200):
        phones = [f"+{dice.choice(blocks)}{dice.randrange(10_000):04}" for _ in range(CLAIM)]
        async with db.connection() as tx:
            started = time.perf_counter()
            await dnc.hits(tx, phones)
            took.append(time.perf_counter() - started)
    return median(took) * 1000


def bytes_of(url: str, table: str) -> float:
    """A table with its indexes, MB."""
    with machine.connect(url) as connection:
        row = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
    assert row is not None
    return int(str(row[0])) / 1e6


def limit(url: str, path: Path, size: Size) -> tuple[float, float, int, float]:
    """The same by a table of bigints: seconds to load, seconds to compare, hits, ms a claim."""
    dice, blocks = random.Random(9), [str(block)[1:] for block in size.blocks]
    with machine.connect(url) as connection:
        connection.execute("CREATE TABLE plain (n bigint)")
        started = time.perf_counter()
        with path.open("rb") as source, connection.cursor().copy("COPY plain FROM STDIN") as rows:
            while piece := source.read(1 << 20):
                rows.write(piece)
        connection.execute("ALTER TABLE plain ADD PRIMARY KEY (n)")
        loading = time.perf_counter() - started
        connection.execute("VACUUM ANALYZE plain")
        compared, hits = [], 0
        for _ in range(3):
            started = time.perf_counter()
            row = connection.execute(
                "SELECT count(*) FROM contacts k JOIN plain p ON p.n = CAST(substr(k.phone, 3) AS bigint)"
            ).fetchone()
            compared.append(time.perf_counter() - started)
            assert row is not None
            hits = int(str(row[0]))
        took = []
        for _ in range(200):
            numbers = [int(f"{dice.choice(blocks)}{dice.randrange(10_000):04}") for _ in range(CLAIM)]
            started = time.perf_counter()
            connection.execute("SELECT n FROM plain WHERE n = ANY(%s)", (numbers,)).fetchall()
            took.append(time.perf_counter() - started)
    return loading, median(compared), hits, median(took) * 1000


async def whole_registry(db: Database, url: str, size: Size) -> int:
    """Put a version in force that is as large as the whole registry; how many numbers it has."""
    now = datetime.now(UTC)
    numbers = 0

    def counted() -> Iterator[Block]:
        nonlocal numbers
        for block in random_blocks(size):
            numbers += block.numbers
            yield block

    async with db.transaction() as tx:
        list_id = await dnc.ensure_list(tx, NAME, "registry", now)
        version = await store.begin(
            tx, list_id, source="full", base=None, files=[], as_of=now, area_codes=None, actor="x", now=now
        )
        await store.write(tx, version.id, counted())
        await store.set_numbers(tx, version.id, numbers)
        await store.activate(tx, version, now)
    await registries.drop_old(db)
    with machine.connect(url) as connection:
        connection.execute("VACUUM FULL registry_blocks")
        connection.execute("ANALYZE registry_blocks")
    return numbers


async def measure(url: str, folder: Path, size: Size) -> list[list[str]]:
    """The rows of the table."""
    path = folder / "registry.txt"
    make_file(path, size)
    db = Database(url)
    try:
        list_id = await fill_contacts(db, url, size)
        order = Order(NAME, datetime.now(UTC))
        used = time.process_time()
        loading, version = await timed(
            lambda: registries.load(db, WallClock(), read_rulebook(), [path], order, actor="benchmark")
        )
        used = time.process_time() - used
        with machine.connect(url) as connection:
            connection.execute("VACUUM ANALYZE registry_blocks")
        ours, hits = await scrub(db, list_id)
        claim = await look_ups(db, size)
        megabytes = bytes_of(url, "registry_blocks")
        plain_load, plain, plain_hits, plain_claim = await asyncio.to_thread(limit, url, path, size)
        assert (version.numbers, hits) == (size.numbers, plain_hits), (version.numbers, hits, plain_hits)
        plain_megabytes = bytes_of(url, "plain")
        machine.execute(url, "DROP TABLE plain")
        rate = dense_rate(size)
        numbers = await whole_registry(db, url, size)
        whole, whole_hits = await scrub(db, list_id)
        whole_claim, whole_megabytes = await look_ups(db, size), bytes_of(url, "registry_blocks")
    finally:
        await db.close()
    blocks = len(size.blocks)
    scaled = WHOLE / size.numbers
    return [
        cells(
            "a bigint a row (limit)",
            size.numbers,
            plain_load,
            plain_megabytes,
            plain,
            plain_hits,
            plain_claim,
        ),
        cells("blocks, as loaded", size.numbers, loading, megabytes, ours, hits, claim),
        ["  of it our own CPU", "", f"{used:.1f}", "", "", "", ""],
        cells("blocks of the whole registry", numbers, None, whole_megabytes, whole, whole_hits, whole_claim),
        [
            "extrapolated: a bigint a row",
            f"{WHOLE:,}",
            f"{plain_load * scaled:.0f}",
            f"{plain_megabytes * scaled:,.0f}",
            "",
            "",
            "",
        ],
        [
            f"extrapolated: blocks ({rate / 1e6:.1f} M numbers/s read)",
            f"{WHOLE:,}",
            f"{WHOLE / rate:.0f}",
            f"{whole_megabytes * (360 * len(OFFICES)) / blocks:,.0f}",
            "",
            "",
            "",
        ],
        ["goal", "", "", "500", "1.5", "", ""],
    ]


def cells(
    name: str, numbers: int, loading: float | None, megabytes: float, compared: float, hits: int, claim: float
) -> list[str]:
    return [
        name,
        f"{numbers:,}",
        "" if loading is None else f"{loading:.1f}",
        f"{megabytes:,.0f}",
        f"{compared:.2f}",
        f"{hits:,}",
        f"{claim:.2f}",
    ]


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    machine.quiet()
    size = SMALL if small else LARGE
    with machine.scratch_folder() as folder, machine.server(folder) as database:
        table = asyncio.run(measure(database.url, folder, size))
    machine.show(
        f"Do not call: {size.numbers:,} numbers loaded, {size.contacts:,} contacts compared",
        ("", "numbers", "load s", "MB", "compare s", "listed", f"ms for {CLAIM}"),
        table,
        "python -m benchmarks dnc" + (" --small" if small else ""),
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
