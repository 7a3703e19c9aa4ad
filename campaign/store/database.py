"""Connections and transactions: SQLAlchemy's async Core over psycopg 3.

No session state is kept in the server (no session locks, no LISTEN, no SET outside a transaction, no
prepared statements), so everything works through PgBouncer in transaction mode.
"""

import copy
import re
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString

import msgspec
import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.generators import send
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from campaign.domain.errors import Conflict, DatabaseUnavailable, SettingsError
from campaign.store.models import installation

Kind = Literal["real", "simulated"]
"""What a database holds: calls to people, or calls to the simulator."""

Tx = AsyncConnection
"""An open transaction: what every function of the store takes first."""

Fence = Callable[[Tx], Awaitable[None]]
"""Raises when who began the transaction may not write any more."""

CUT_OFF_WHEN_SILENT = "set_config('idle_in_transaction_session_timeout', '5s', true)"
"""SQL for a statement that locks what everybody needs: from there to its end its transaction may be silent
for 5 s at the most (real time); then the server undoes it. For that transaction only: no session state."""
CONNECT_SECONDS = 5
POOL_SECONDS = 10.0
SECRET_PARAMETERS = ("password", "sslpassword")
SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")


def engine_url(address: str) -> sa.URL:
    """The address for SQLAlchemy with psycopg as the driver.

    Args:
        address: `postgres://…`, `postgresql://…` or `postgresql+psycopg://…`.

    Raises:
        SettingsError: it is no address of a PostgreSQL database. The text of it is not repeated, for it
            may hold a password.
    """
    example = "It looks like postgresql://user:password@host:5432/database."
    try:
        url = sa.make_url(address.strip())
    except (sa.exc.ArgumentError, ValueError) as error:
        raise SettingsError("DATABASE_URL is not an address of a database.", example) from error
    if url.drivername not in SCHEMES:
        raise SettingsError(f"DATABASE_URL names {url.drivername}; only PostgreSQL will do.", example)
    return url.set(drivername="postgresql+psycopg")


def safe_url(url: sa.URL) -> str:
    """The address for logs and messages, without any password."""
    query = url.difference_update_query(SECRET_PARAMETERS).query
    shown = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, query)
    return shown.render_as_string()


class Database:
    """A pool of connections to one database.

    Args:
        address: see `engine_url`.
        pool_size: most connections held and used at once.
        pool_seconds: how long to wait for one of them when all are in use.
    """

    def __init__(self, address: str, *, pool_size: int = 10, pool_seconds: float = POOL_SECONDS) -> None:
        url = engine_url(address)
        self.url = safe_url(url)
        self._address = url
        self._fence: Fence | None = None
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_seconds,
            isolation_level="READ COMMITTED",
            connect_args={"prepare_threshold": None, "connect_timeout": CONNECT_SECONDS},
        )

    def fenced(self, fence: "Fence") -> "Database":
        """The same pool, for work that only the holder of a lease may do.

        Args:
            fence: is asked first in every transaction and raises when the lease is another's by now. It
                locks what it asked about until the transaction's end, so that the answer stays true.
        """
        same = copy.copy(self)
        same._fence = fence
        return same

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A READ COMMITTED transaction: committed at the end of the block, rolled back on any error.

        Raises:
            DatabaseUnavailable: no connection, or lost on the way; `data["at_commit"]` is True when it was
                lost while committing, so that nobody knows whether the transaction took effect. Broken
                connections leave the pool; the next transaction gets a fresh one.
        """
        progress = _Progress()
        with _faults_named(self._address, progress):
            async with self._engine.begin() as tx:
                tx.info[_LAST_WORDS] = []  # the connection's: what a transaction before left is void
                if self._fence is not None:
                    await self._fence(tx)
                yield tx
                progress.at_commit = True
                await _commit_with_last_words(tx)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        """A READ ONLY transaction, for looking things up."""
        with _faults_named(self._address):
            async with self._engine.connect() as tx:
                await tx.execution_options(postgresql_readonly=True)
                yield tx

    async def now(self) -> datetime:
        """The server's clock, aware: the one that all replicas take their offset from, and no other use."""
        with _faults_named(self._address):
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                told: datetime = (await connection.execute(sa.text("SELECT clock_timestamp()"))).scalar_one()
        return told

    async def oldest_writer(self) -> timedelta:
        """How long the oldest transaction that has written anything here has been open by now (real time).

        For whoever must know which rows may still be committed; only that server knows how long it is.
        """
        with _faults_named(self._address):
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                found = await connection.execute(
                    sa.text(
                        "SELECT clock_timestamp() - min(xact_start) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND backend_xid IS NOT NULL"
                    )
                )
                age: timedelta | None = found.scalar_one()
        return age or timedelta(0)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


async def fetch_one(tx: Tx, statement: str, values: Mapping[str, object]) -> dict[str, Any] | None:
    """The first row that a statement finds or returns, by column; None when there is none.

    Straight from the driver: SQLAlchemy takes a hundred microseconds more for a row of forty columns, which
    counts where every webhook reads one.

    Args:
        statement: with psycopg's own placeholders, `%(name)s`.
    """
    driver = (await tx.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    async with driver.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement.encode(), values)
        return await cursor.fetchone()


_LAST_WORDS = "statements to send with the commit"


def with_commit(tx: Tx, statement: LiteralString, values: Mapping[str, object]) -> None:
    """Carry a statement out together with the commit: both go to the server in one message.

    For rows that many transactions change, such as a campaign's money. Otherwise such a row stays locked
    until this process, however busy, has come round to commit; meanwhile everyone who wants it waits, each
    with a connection of the pool in hand.

    Args:
        tx: of `Database.transaction`.
        statement: with psycopg's own placeholders, `%(name)s`; its rows are not read.
    """
    tx.info[_LAST_WORDS].append((statement, values))


async def _commit_with_last_words(tx: Tx) -> None:
    """Commit now if there are such statements; the commit that follows finds nothing left to do."""
    statements: list[tuple[LiteralString, Mapping[str, object]]] = tx.info[_LAST_WORDS]
    if not statements:
        return
    driver = (await tx.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    try:
        async with driver.pipeline():
            for statement, values in statements:
                await driver.execute(statement, values)
                await _send_to_the_end(driver)
            await driver.commit()
    except psycopg.IntegrityError as error:
        raise sa.exc.IntegrityError("with the commit", None, error) from error


async def _send_to_the_end(driver: "psycopg.AsyncConnection[Any]") -> None:
    """Hand all that was asked for in a pipeline to the network.

    In a pipeline psycopg flushes once and then waits for answers only. What the kernel didn't take then, of
    anything larger than its buffer (some 200 kB on a local socket, at first 16 kB on a network), would stay
    here, and the server would wait for the rest of it: both for ever, with the transaction's locks held. In
    the end COMMIT is small, and is sent when there is room for it.
    """
    if driver.pgconn.flush():
        await driver.wait(send(driver.pgconn))


@dataclass(slots=True)
class _Progress:
    at_commit: bool = False


@contextmanager
def _faults_named(url: sa.URL, progress: _Progress | None = None) -> Iterator[None]:
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, psycopg.OperationalError, psycopg.InternalError) as error:
        fault = unavailable(error, url, at_commit=progress is not None and progress.at_commit)
        if fault is None:
            raise
        raise fault from error


def unavailable(error: Exception, url: sa.URL, *, at_commit: bool = False) -> DatabaseUnavailable | None:
    """The error to show when the database is away or undid it; None when it is about a statement.

    Args:
        error: what SQLAlchemy or psycopg raised.
        url: the database's address; its password is not shown.
        at_commit: the connection was lost while committing.
    """
    where = f"Postgres at {_place(url)}"
    if isinstance(error, sa.exc.TimeoutError):
        return DatabaseUnavailable(
            f"All of our connections to {where} stayed in use for too long.",
            "Some work holds its transaction too long, or the pool is too small.",
        )
    driver = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if not isinstance(driver, psycopg.Error):
        return None
    text = _told(driver)
    state = driver.sqlstate or ""
    lost = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    if lost or state[:2] == "08" or state in ("25P03", "57P01", "57P02", "57P05"):
        doubt = " while committing: whether the transaction took effect is not known" if at_commit else ""
        return DatabaseUnavailable(
            f"The connection to {where} was lost{doubt} ({text}).",
            "It is made anew by itself; if this goes on, look at the server's log.",
            at_commit=at_commit,
        )
    if state in ("40001", "40P01"):
        return DatabaseUnavailable(
            f"Two transactions in {where} waited for each other, and it undid this one.",
            "Nothing of it took effect; it is done again where that is safe.",
        )
    if state[:2] == "53":  # no disk, no memory, too many connections
        return DatabaseUnavailable(f"{where} is out of resources: {text}.", "Give the server more of them.")
    if isinstance(driver, psycopg.OperationalError) and not state:
        return DatabaseUnavailable(f"{where} cannot be used: {text}.", _advice(text))
    return None


def _place(url: sa.URL) -> str:
    named = url.host or url.query.get("host") or "the local socket"
    host = named if isinstance(named, str) else ",".join(named)
    return (
        f"{host}, database {url.database or url.username}"
        if host.startswith("/")
        else (f"{host}:{url.port or 5432}, database {url.database or url.username}")
    )


def _told(error: psycopg.Error) -> str:
    """The first line of what the driver says, without the parts that repeat the address."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    return lines[0].rpartition("failed: ")[2].removeprefix("FATAL:").strip().rstrip(".")


ADVICE = (
    (("starting up", "shutting down", "recovery"), "It will be back shortly: try again in some seconds."),
    (("authentication", "no password", "role ", "pg_hba"), "Check user and password in DATABASE_URL."),
    (("too many", "connection slots"), "Raise max_connections of the server, or run fewer processes."),
)


def _advice(text: str) -> str:
    if "database" in text and "does not exist" in text:
        return "Create the database (createdb), or correct DATABASE_URL."
    for signs, advice in ADVICE:
        if any(sign in text for sign in signs):
            return advice
    return "Check that the server runs, and host and port in DATABASE_URL."


async def copy_in(
    tx: Tx,
    table: sa.Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]] | AsyncIterable[Sequence[object]],
) -> int:
    """Load rows by binary COPY, some ten times faster than INSERT; part of the transaction.

    Args:
        tx: the transaction.
        table: the table to load into.
        columns: names of the columns that a row has, in its order.
        rows: the rows, streamed; a value for a jsonb column is a plain Python value.

    Returns:
        The number of rows.

    Raises:
        sqlalchemy.exc.IntegrityError: a row breaks a constraint; the transaction is spoilt.
    """
    chosen = [table.c[name] for name in columns]
    types = [_psycopgs_name(column.type.compile(dialect=tx.dialect)) for column in chosen]
    json_places = [place for place, column in enumerate(chosen) if isinstance(column.type, sa.JSON)]
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(*filter(None, (table.schema, table.name))),
        sql.SQL(", ").join(sql.Identifier(name) for name in columns),
    )
    driver = (await tx.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    count = 0
    try:
        async with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            async for row in _streamed(rows):
                await copy.write_row(_with_json(row, json_places) if json_places else row)
                count += 1
    except psycopg.IntegrityError as error:
        raise sa.exc.IntegrityError(statement.as_string(), None, error) from error
    return count


def _psycopgs_name(type_in_sql: str) -> str:
    """`NUMERIC(12, 6)` is known as `numeric`, `FLOAT` by its size."""
    name = re.sub(r"\(.*?\)", "", type_in_sql).lower()
    return {"float": "float8"}.get(name, name)


async def _streamed(
    rows: Iterable[Sequence[object]] | AsyncIterable[Sequence[object]],
) -> AsyncIterator[Sequence[object]]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


def _with_json(row: Sequence[object], places: Sequence[int]) -> list[object]:
    cells = list(row)
    for place in places:
        if cells[place] is not None:
            cells[place] = Jsonb(cells[place], dumps=msgspec.json.encode)
    return cells


async def claim_kind(tx: Tx, kind: Kind, now: datetime) -> None:
    """Record at first use what the database holds, or check that it holds that.

    Args:
        tx: a transaction.
        kind: what this process would write into it.
        now: the clock's instant.

    Raises:
        Conflict: it holds the other kind. Calls of a rehearsal must never mix with calls to people.
    """
    claimed = await tx.execute(
        sa.update(installation)
        .where(installation.c.id == 1, sa.or_(installation.c.kind.is_(None), installation.c.kind == kind))
        .values(kind=kind, recorded_at=sa.func.coalesce(installation.c.recorded_at, now))
    )
    if claimed.rowcount:
        return
    stands = (await tx.execute(sa.select(installation.c.kind))).scalar_one_or_none()
    if kind == "simulated":
        raise Conflict(
            "This database holds real calls, but Twilio is a simulator on this machine: nothing was started.",
            "Take another database for the rehearsal (DATABASE_URL or CAMPAIGN_DATA_DIR), "
            "or unset TWILIO_API_BASE_URL.",
            kind=stands,
        )
    raise Conflict(
        "This database holds calls of a simulator, but Twilio is the real one: nothing was started.",
        "Take another database for real calls (DATABASE_URL or CAMPAIGN_DATA_DIR), "
        "or set TWILIO_API_BASE_URL to the simulator.",
        kind=stands,
    )
