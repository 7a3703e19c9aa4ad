"""A real Postgres for every test that asks: one server for the whole run, a fresh database for each test.

The server is the embedded one, shared by all workers of pytest-xdist through its keeper and gone when the
last of them has ended. The schema is migrated once, into a template; a test's database is a copy of it.
"""

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
import sqlalchemy as sa
import structlog

from campaign.store import migrate
from campaign.store.database import Database
from campaign.store.embedded import Attachment, attach
from tests.support.clock import ManualClock
from tests.support.memory import keep_files_in_memory

TEMPLATE = "template_campaign"

keep_files_in_memory()  # before anything asks for a temporary folder

hypothesis.settings.register_profile("house", hypothesis.settings(), deadline=None)  # busy is no bug
hypothesis.settings.load_profile("house")
# as the service's log has it: the default one draws every local of every frame, which can take minutes
_PLAIN = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: whoever has done its share takes from what others have left, and what is long and
    begun last is waited for by all."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/simulation/"))


Admin = psycopg.Connection[tuple[object, ...]]


def admin(server: Attachment) -> Admin:
    """A connection for making and dropping databases."""
    url = sa.make_url(server.url)
    return psycopg.connect(
        host=str(url.query["host"]),
        port=str(url.query["port"]),
        user=url.username,
        dbname="postgres",
        autocommit=True,
    )


def address_of(server: Attachment, database: str) -> str:
    return sa.make_url(server.url).set(database=database).render_as_string(hide_password=False)


def remove_what_killed_runs_left() -> None:
    """A killed run takes its server with it, but not the directory."""
    for place in Path(tempfile.gettempdir()).glob("campaign-tests-*"):
        with contextlib.suppress(OSError), (place / "users.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(lock.fileno()).st_mtime > 600:
                shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[Attachment]:
    """The session's server, with the migrated template in it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"alone{os.getpid()}"
    remove_what_killed_runs_left()
    # Not pytest's own temporary directory: the server's user may not enter it when root runs the tests.
    place = Path(tempfile.gettempdir()) / f"campaign-tests-{run[:16]}"
    attachment = attach(place, durable=False)
    try:
        with (place / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = place / "template.done"
            if not done.exists():
                with admin(attachment) as connection:
                    connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
                    connection.execute(f"CREATE DATABASE {TEMPLATE}")
                migrate.upgrade(address_of(attachment, TEMPLATE))
                done.touch()
        yield attachment
    finally:
        if attachment.close(stop=True):  # the last worker tidies up
            shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def maker(server: Attachment) -> Iterator[Admin]:
    """A connection that stays for all databases that a worker makes."""
    with admin(server) as connection:
        yield connection


_numbers = itertools.count(1)


@pytest.fixture
def empty_url(server: Attachment, maker: Admin) -> Iterator[str]:
    """The address of a fresh database without any table."""
    yield from fresh_database(server, maker, "template0")


@pytest.fixture
def db_url(server: Attachment, maker: Admin) -> Iterator[str]:
    """The address of a fresh database with the whole schema, dropped after the test."""
    yield from fresh_database(server, maker)


def fresh_database(server: Attachment, maker: Admin, template: str = TEMPLATE) -> Iterator[str]:
    """The address of a copy of a template, made file by file: that takes a third of the time that writing
    each of its pages to the log does. It is dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    maker.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield address_of(server, name)
    maker.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def db(db_url: str) -> AsyncIterator[Database]:
    """The service's way into a fresh database."""
    database = Database(db_url)
    yield database
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    """A clock at Tuesday, 2026-11-24, 10:00 in New York, which a test moves by `await clock.advance(s)`."""
    return ManualClock()
