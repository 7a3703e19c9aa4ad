"""What every benchmark shares: the scratch server, child processes, the table."""

import contextlib
import logging
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import psycopg
import sqlalchemy as sa
import structlog
from rich.console import Console
from rich.table import Table

from campaign.store import migrate
from campaign.store.embedded import Attachment, attach

PACKAGES = ("aiohttp", "fastapi", "psycopg", "sqlalchemy", "twilio", "uvicorn", "uvloop", "websockets")


def quiet() -> None:
    """Only warnings are logged: printing lines isn't what is measured."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A directory that is gone afterwards, and that Postgres may enter when root starts it."""
    with tempfile.TemporaryDirectory(prefix="campaign-benchmark-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def server(folder: Path, *, counting: bool = False) -> Iterator[Attachment]:
    """A durable embedded server with a migrated database.

    Args:
        counting: with pg_stat_statements, which needs a second start.
    """
    if counting:
        first = attach(folder / "data")
        execute(first.url, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        first.close(stop=True)
    attachment = attach(folder / "data")
    try:
        migrate.upgrade(attachment.url)
        if counting:
            execute(attachment.url, "CREATE EXTENSION pg_stat_statements")
        yield attachment
    finally:
        attachment.close(stop=True)


def connect(url: str, database: str | None = None) -> "psycopg.Connection[tuple[object, ...]]":
    """A plain connection to a database of the embedded server."""
    address = sa.make_url(url)
    return psycopg.connect(
        host=str(address.query["host"]),
        port=str(address.query["port"]),
        user=address.username,
        dbname=database or address.database,
        autocommit=True,
    )


def execute(url: str, statement: str) -> None:
    with connect(url) as connection:
        connection.execute(statement)


@contextlib.contextmanager
def copy_of(url: str, name: str) -> Iterator[str]:
    """A copy of a database, dropped afterwards; its address. Nobody may be connected to the original."""
    address = sa.make_url(url)
    with connect(url, "postgres") as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {address.database}")
        admin.execute("CHECKPOINT")
    try:
        yield address.set(database=name).render_as_string(hide_password=False)
    finally:
        with connect(url, "postgres") as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def child(module: str, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A child process of this package while the block runs, and the first line that it prints.

    It is told to end by the end of its standard input.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"benchmarks.{module} did not start (exit code {process.wait(10)})")
        yield process, line
    finally:
        process.stdin.close()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], command: str) -> None:
    """Print the table, the machine, the versions and the command that made it."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console = Console(width=120)
    console.print(table)
    console.print(machine_line(), style="dim")
    console.print(f"Reproduce: {command}", style="dim")


def machine_line() -> str:
    """Processor, cores, load, and the versions that matter."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} cores (load {load:.1f}), Python {platform.python_version()}, {versions}"
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
