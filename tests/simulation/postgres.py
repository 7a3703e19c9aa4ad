"""Real Postgres under a simulated loop: one statement in flight at a time, and the seed says what it suffers.

psycopg waits for its socket in `AsyncConnection.wait`; here that waits without the loop, so that no other
task runs while the server works, and what it does can't depend on how quick it is. Before and after each
exchange the task steps aside for a seeded time: there other tasks run, there the process may crash (a commit
that nobody learnt of), and there the connection may be lost. A statement that waits for a lock is parked
until whoever holds it has let go.
"""

import asyncio
import select
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import psycopg
from psycopg import waiting
from psycopg.pq import ConnStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn

from tests.simulation.loop import OWNER, Owner, SimLoop

BLOCKED_AFTER_MS = 3
"""An answer that takes longer may be waiting for a lock: then the server is asked."""
LETS_GO = ("_commit_gen", "_rollback_gen", "_exit_gen")
"""After these somebody who waits for a lock may have it (`_exit_gen` ends a pipeline, with its commit)."""
NOTHING_TO_SAY = ("_commit_gen", "_rollback_gen", "_set_read_only_gen")
"""Outside a transaction these say nothing to the server."""


@dataclass
class Weather:
    """What the database suffers now; all probabilities are per exchange.

    Args:
        away: nobody can connect, and connections are gone.
        lost: a connection breaks before a statement is sent.
        lost_after: it breaks when the server has done it, be it a commit, and before we learn that.
        slow: an exchange takes up to two seconds.
    """

    away: bool = False
    lost: float = 0.0
    lost_after: float = 0.0
    slow: float = 0.0


class Server:
    """The server of many runs, with the schema in one database.

    Sessions that their process left are cleaned and kept for the next that connects: a new one costs
    milliseconds, and as many again until it knows the tables.

    Args:
        url: its address.
        link: a connection of our own.
    """

    def __init__(self, url: str, link: "psycopg.Connection[Any]") -> None:
        self.url = url
        self.link = link
        closed = psycopg.connect(link.info.dsn)
        closed.close()
        self._closed = closed.pgconn
        self._spare: list[PGconn] = []

    def spare(self) -> "psycopg.AsyncConnection[Any] | None":
        """A connection that nobody can tell from a new one; None when there is no session for it."""
        if not self._spare:
            return None
        session = self._spare.pop()
        session.nonblocking = 1
        return psycopg.AsyncConnection(session)

    def take_back(self, link: "psycopg.AsyncConnection[Any]") -> bool:
        """Undo what a connection has open and close it, for a process that won't touch it again.

        Returns:
            False when its session is of no more use: then nothing was done.
        """
        session = link.pgconn
        usable = (TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR)
        if (
            session.status != ConnStatus.OK
            or session.pipeline_status != PipelineStatus.OFF
            or session.transaction_status not in usable
        ):
            return False
        session.nonblocking = 0
        if session.transaction_status != TransactionStatus.IDLE:
            session.exec_(b"ROLLBACK")
        session.exec_(b"DISCARD ALL")
        link.pgconn = self._closed
        self._spare.append(session)
        return True

    def close(self) -> None:
        """End all sessions."""
        while self._spare:
            self._spare.pop().finish()
        self.link.close()


@dataclass(eq=False)
class _Parked:
    link: "psycopg.AsyncConnection[Any]"
    generator: Generator[Any, Any, Any]
    woken: "asyncio.Future[Any]"
    owner: Owner | None


class SimPostgres:
    """Stands in psycopg's place of waiting while the block lasts.

    Args:
        server: the one that does the work.
    """

    def __init__(self, loop: SimLoop, rng: Random, server: Server) -> None:
        self._loop = loop
        self._server = server
        self._rng = rng
        self._observer = server.link  # sees who waits for a lock
        self._links: list[tuple[Owner | None, psycopg.AsyncConnection[Any]]] = []
        self._parked: list[_Parked] = []
        self._let_go = False
        self.weather = Weather()
        self.exchanges = 0
        self.trace: Any = None
        loop.when_idle = self._serve_parked

    def __enter__(self) -> "SimPostgres":
        self._kept = psycopg.AsyncConnection.wait, waiting.wait_conn_async
        sim = self

        async def wait(link: Any, generator: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            return await sim._wait(link, generator)

        async def connect(generator: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            return await sim._connect(generator)

        psycopg.AsyncConnection.wait = wait
        waiting.wait_conn_async = connect
        return self

    def __exit__(self, *_: object) -> None:
        psycopg.AsyncConnection.wait, waiting.wait_conn_async = self._kept
        for _, link in self._links:
            if not self._server.take_back(link):
                link.pgconn.finish()

    # ── exchanges ──────────────────────────────────────────────────────────────────────────────────────

    async def _connect(self, generator: Generator[Any, Any, Any]) -> Any:
        await self._aside()
        if self.weather.away:
            generator.close()
            raise psycopg.OperationalError("connection failed: Connection refused (simulated)")
        link = self._server.spare()
        if link is None:
            link = _driven_connection(generator)
        else:
            generator.close()
        self._links.append((OWNER.get(), link))
        return link

    async def _wait(self, link: "psycopg.AsyncConnection[Any]", generator: Generator[Any, Any, Any]) -> Any:
        owner = OWNER.get()
        faulty = owner is not None
        what = _named(generator)
        if what in NOTHING_TO_SAY and link.pgconn.transaction_status == TransactionStatus.IDLE:
            return _finished(generator)
        self.exchanges += 1
        await self._aside()
        if faulty and (self.weather.away or self._happens(self.weather.lost)):
            generator.close()
            self._cut(link)
            raise psycopg.OperationalError("the connection is lost (simulated)")
        if link.pgconn.status != ConnStatus.OK:  # cut meanwhile: the driver's own waiting looks first, too
            generator.close()
            raise psycopg.OperationalError("the connection is closed")
        if self.trace is not None:
            self.trace("sql", owner.name if owner else "world", what)
        try:
            value = await self._carried_out(link, generator, owner)
        except psycopg.Error:  # a statement that fails ends its transaction, and lets go of its locks
            self._let_go = True
            raise
        if what in LETS_GO:
            self._let_go = True
            self._serve_parked()
        await self._aside()
        if faulty and self._happens(self.weather.lost_after):
            self._cut(link)
            raise psycopg.OperationalError("the connection is lost (simulated)")
        return value

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._rng.random() < probability

    async def _aside(self) -> None:
        slow = self.weather.slow and self._rng.random() < self.weather.slow
        await asyncio.sleep(self._rng.uniform(0.05, 2.0) if slow else self._rng.uniform(0.0001, 0.003))

    async def _carried_out(
        self, link: "psycopg.AsyncConnection[Any]", generator: Generator[Any, Any, Any], owner: Owner | None
    ) -> Any:
        try:
            wanted = next(generator)
        except StopIteration as done:
            return done.value
        done, value = self._drive(link, generator, wanted)
        if done:
            return value
        parked = _Parked(link, generator, self._loop.create_future(), owner)
        self._parked.append(parked)
        try:
            return await parked.woken
        except asyncio.CancelledError:
            if parked in self._parked:
                self._parked.remove(parked)
                link.pgconn.finish()  # as psycopg does with a statement that it can't cancel in time
            raise

    def _drive(
        self, link: "psycopg.AsyncConnection[Any]", generator: Generator[Any, Any, Any], wanted: Any
    ) -> tuple[bool, Any]:
        """Carry an exchange through; (False, None) when the server waits for a lock."""
        poll = select.poll()
        descriptor = link.pgconn.socket
        poll.register(descriptor, _flags(wanted))
        began = time.monotonic()
        try:
            while True:
                events = poll.poll(BLOCKED_AFTER_MS)
                if not events:
                    if self._waits_for_a_lock(link):
                        link.__dict__["_sim_wanted"] = wanted
                        return False, None
                    assert time.monotonic() - began < 60, "the server doesn't answer"
                    continue
                wanted = generator.send(_readiness(events[0][1]))
                poll.modify(descriptor, _flags(wanted))
        except StopIteration as done:
            return True, done.value

    def _waits_for_a_lock(self, link: "psycopg.AsyncConnection[Any]") -> bool:
        (blockers,) = self._observer.execute(
            "SELECT cardinality(pg_blocking_pids(%s))", (link.pgconn.backend_pid,)
        ).fetchone() or (0,)
        return bool(blockers)

    def _serve_parked(self) -> bool:
        """Wake whoever got their lock, if somebody has let go of one since this was last asked."""
        woke = False
        again, self._let_go = self._let_go and bool(self._parked), False
        while again:
            again = False
            for parked in tuple(self._parked):
                if parked.owner is not None and parked.owner.frozen:
                    continue  # its answer waits in the socket
                if not _readable(parked.link) and self._waits_for_a_lock(parked.link):
                    continue
                try:
                    done, value = self._drive(
                        parked.link, parked.generator, parked.link.__dict__["_sim_wanted"]
                    )
                except Exception as error:  # a deadlock, a constraint: for whoever waits for it
                    self._parked.remove(parked)
                    woke = again = True
                    if not parked.woken.done():
                        parked.woken.set_exception(error)
                    continue
                if done:
                    self._parked.remove(parked)
                    woke = again = True
                    if not parked.woken.done():
                        parked.woken.set_result(value)
        return woke

    # ── losses ─────────────────────────────────────────────────────────────────────────────────────────

    def _cut(self, link: "psycopg.AsyncConnection[Any]") -> None:
        """The connection is gone for both sides; the server has undone what was open before this returns."""
        for parked in [p for p in self._parked if p.link is link]:
            self._parked.remove(parked)
        if link.pgconn.status == ConnStatus.OK:
            pid = link.pgconn.backend_pid
            self._observer.execute("SELECT pg_terminate_backend(%s)", (pid,))
            # Its own way of waiting takes a tenth of a second.
            while self._observer.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone():
                pass
        link.pgconn.finish()
        self._forget(link)

    def _forget(self, link: "psycopg.AsyncConnection[Any]") -> None:
        self._let_go = True
        self._links = [(owner, other) for owner, other in self._links if other is not link]

    def cut_all(self) -> None:
        """The server is gone: every connection of every process breaks."""
        for owner, link in tuple(self._links):
            if owner is not None:
                self._lose(link)

    def cut_silent(self, owner: Owner) -> None:
        """The server undoes what a frozen process has open: it was silent in a transaction for too long."""
        for whose, link in tuple(self._links):
            silent = link.pgconn.transaction_status == TransactionStatus.INTRANS
            if whose is owner and owner.frozen and owner.alive and silent:
                self._cut(link)

    def crash(self, owner: Owner) -> None:
        """A process is gone: the server undoes what it had open."""
        for whose, link in tuple(self._links):
            if whose is not owner:
                continue
            if any(parked.link is link for parked in self._parked) or not self._server.take_back(link):
                self._lose(link)
            else:
                self._forget(link)

    def _lose(self, link: "psycopg.AsyncConnection[Any]") -> None:
        waiting_for = [p for p in self._parked if p.link is link]
        self._cut(link)
        for parked in waiting_for:
            if not parked.woken.done() and (parked.owner is None or parked.owner.alive):
                parked.woken.set_exception(psycopg.OperationalError("the connection is lost (simulated)"))


def _named(generator: Any) -> str:
    """What an exchange is about, for the trace: the statement's first words, or the driver's own step."""
    frame = getattr(generator, "gi_frame", None)
    query = frame.f_locals.get("query") if frame is not None else None
    if isinstance(query, bytes):
        query = query.decode()
    if isinstance(query, str):
        return " ".join(query.split())[:70]
    code = getattr(generator, "gi_code", None)
    return code.co_name if code is not None else "exchange"


def _finished(generator: Generator[Any, Any, Any]) -> Any:
    try:
        next(generator)
    except StopIteration as done:
        return done.value
    raise AssertionError("it has something to say after all")


def _driven_connection(generator: Generator[Any, Any, Any]) -> Any:
    descriptor, wanted = next(generator)
    try:
        while True:
            poll = select.poll()
            poll.register(descriptor, _flags(wanted))
            events = poll.poll(5000)
            assert events, "the server doesn't take connections"
            descriptor, wanted = generator.send(_readiness(events[0][1]))
    except StopIteration as done:
        return done.value


def _flags(wanted: int) -> int:
    flags = 0
    if wanted & waiting.WAIT_R:
        flags |= select.POLLIN
    if wanted & waiting.WAIT_W:
        flags |= select.POLLOUT
    return flags


def _readiness(events: int) -> Any:
    ready = 0
    if events & ~select.POLLOUT:
        ready |= waiting.READY_R
    if events & select.POLLOUT:
        ready |= waiting.READY_W
    return ready


def _readable(link: "psycopg.AsyncConnection[Any]") -> bool:
    poll = select.poll()
    with suppress(ValueError, OSError):
        poll.register(link.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))
    return True


def remember(link: "psycopg.Connection[Any]") -> None:
    """Keep the rows that migrations made, and make the function `sim.reset()` that goes back to them."""
    tables = [
        row[0]
        for row in link.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND relname <> 'alembic_version' ORDER BY relname"
        )
    ]
    link.execute("CREATE SCHEMA sim")
    back = []
    for table in tables:
        (any_rows,) = link.execute(f"SELECT EXISTS (SELECT FROM {table})").fetchone() or (False,)
        if any_rows:
            link.execute(f"CREATE TABLE sim.{table} AS TABLE {table}")
            back.append(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM sim.{table};")
    looks = " ".join(
        f"IF EXISTS (SELECT FROM {table}) THEN full_ones := array_append(full_ones, '{table}'); END IF;"
        for table in tables
    )
    link.execute(
        f"""
        CREATE FUNCTION sim.reset() RETURNS void LANGUAGE plpgsql AS $body$
        DECLARE full_ones text[] := '{{}}'; sequence record;
        BEGIN
            {looks}
            EXECUTE 'TRUNCATE ' || array_to_string(full_ones, ', ') || ' CASCADE';
            {" ".join(back)}
            FOR sequence IN SELECT sequencename AS name FROM pg_sequences
                             WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
                EXECUTE format('ALTER SEQUENCE %I RESTART WITH 1000', sequence.name);
            END LOOP;
        END $body$
        """
    )
    for (name,) in link.execute(
        "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
    ).fetchall():
        link.execute(f"ALTER SEQUENCE {name} RESTART WITH 1000")
    # Once all of them: a table that was never truncated is planned otherwise than one that was.
    link.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
    for statement in back:
        link.execute(statement)


def reset(link: "psycopg.Connection[Any]") -> None:
    """Empty every table that has rows, but for those that a fresh schema has."""
    link.execute("SELECT sim.reset()")
