"""Transactions, the words for a database that is away, bulk loads, and real against simulated."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.errors import Conflict, DatabaseUnavailable, SettingsError
from campaign.store.database import (
    Database,
    Kind,
    Tx,
    claim_kind,
    copy_in,
    engine_url,
    safe_url,
    with_commit,
)
from campaign.store.models import installation
from tests.support.clock import ManualClock

NOTES = sa.Table(
    "notes",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("word", sa.Text, unique=True),
    sa.Column("at", sa.DateTime(timezone=True)),
    sa.Column("words", sa.ARRAY(sa.Text)),
    sa.Column("extra", sa.dialects.postgresql.JSONB),
    sa.Column("small", sa.SmallInteger),
    sa.Column("digest", sa.LargeBinary),
    sa.Column("day", sa.Date),
    sa.Column("price", sa.Numeric(12, 6)),
    sa.Column("flag", sa.Boolean),
    sa.Column("share", sa.Float),
)


@pytest.fixture
async def notes(empty_url: str) -> AsyncIterator[Database]:
    """A database with one table of all the kinds of columns that ours have."""
    database = Database(empty_url, pool_size=2)
    async with database.transaction() as tx:
        await tx.run_sync(NOTES.metadata.create_all)
    yield database
    await database.close()


async def words(tx: Tx) -> list[str]:
    return list((await tx.execute(sa.select(NOTES.c.word).order_by(NOTES.c.id))).scalars())


async def add(tx: Tx, word: str) -> None:
    await tx.execute(sa.insert(NOTES).values(word=word))


async def cut_all(database: Database) -> None:
    """As an administrator does, or a restart: every session ends."""
    own = Database(database.url.replace("postgresql://", "postgresql+psycopg://"), pool_size=1)
    async with own.transaction() as tx:
        await tx.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    await own.close()


async def test_a_transaction_is_committed_at_its_end(notes: Database) -> None:
    async with notes.transaction() as tx:
        await add(tx, "kept")
    async with notes.connection() as tx:
        assert await words(tx) == ["kept"]


async def test_an_error_rolls_everything_back(notes: Database) -> None:
    async def work() -> None:
        async with notes.transaction() as tx:
            await add(tx, "lost")
            raise KeyError("anything")

    with pytest.raises(KeyError):
        await work()
    async with notes.connection() as tx:
        assert await words(tx) == []


async def test_a_cancelled_task_rolls_back_and_gives_its_connection_back(notes: Database) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with notes.transaction() as tx:
            await add(tx, "lost")
            begun.set()
            await tx.execute(sa.text("SELECT pg_sleep(60)"))

    tasks = [asyncio.create_task(work())]
    await begun.wait()
    tasks[0].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await tasks[0]
    async with notes.connection() as tx, notes.connection():
        assert await words(tx) == []


async def test_transactions_are_read_committed_and_leave_no_state_behind(notes: Database) -> None:
    async with notes.transaction() as tx:
        assert (await tx.execute(sa.text("SHOW transaction_isolation"))).scalar_one() == "read committed"
        await tx.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
    async with notes.connection() as tx:
        assert (await tx.execute(sa.text("SHOW transaction_read_only"))).scalar_one() == "on"
        assert (await tx.execute(sa.text("SELECT count(*) FROM pg_prepared_statements"))).scalar_one() == 0
        assert (await tx.execute(sa.text("SHOW lock_timeout"))).scalar_one() == "0"
    async with notes.transaction() as tx:
        await add(tx, "written after a read-only one")


async def test_looking_up_may_not_write(notes: Database) -> None:
    with pytest.raises(sa.exc.InternalError, match="read-only transaction"):
        async with notes.connection() as tx:
            await add(tx, "no")


async def test_no_statement_is_ever_prepared_so_that_pgbouncer_serves(notes: Database) -> None:
    async with notes.transaction() as tx:
        for number in range(20):
            await add(tx, f"word {number}")
        assert (await tx.execute(sa.text("SELECT count(*) FROM pg_prepared_statements"))).scalar_one() == 0


async def test_a_broken_constraint_keeps_its_own_error(notes: Database) -> None:
    async def work() -> None:
        async with notes.transaction() as tx:
            await add(tx, "twice")
            await add(tx, "twice")

    with pytest.raises(sa.exc.IntegrityError):
        await work()


async def test_the_servers_clock_is_aware_and_advances(notes: Database) -> None:
    first, second = await notes.now(), await notes.now()
    assert first.utcoffset() == timedelta(0)
    assert first < second


async def test_a_connection_lost_in_the_middle_is_named_and_the_next_transaction_works(
    notes: Database,
) -> None:
    async def work() -> None:
        async with notes.transaction() as tx:
            await add(tx, "lost")
            await cut_all(notes)
            await words(tx)

    with pytest.raises(DatabaseUnavailable, match=r"The connection to Postgres at .* was lost") as caught:
        await work()
    assert caught.value.data["at_commit"] is False
    async with notes.transaction() as tx:
        assert await words(tx) == []


async def test_a_connection_lost_while_committing_says_that_nobody_knows(notes: Database) -> None:
    async def work() -> None:
        async with notes.transaction() as tx:
            await add(tx, "perhaps")
            await cut_all(notes)

    with pytest.raises(
        DatabaseUnavailable, match="whether the transaction took effect is not known"
    ) as caught:
        await work()
    assert caught.value.data["at_commit"] is True


ADD_LAST = "INSERT INTO notes (word) VALUES (%(word)s)"


async def test_what_goes_with_the_commit_comes_last_and_takes_effect_with_all_else(notes: Database) -> None:
    async with notes.transaction() as tx:
        with_commit(tx, ADD_LAST, {"word": "last"})
        await add(tx, "first")
        assert await words(tx) == ["first"]
    async with notes.transaction() as tx:
        assert await words(tx) == ["first", "last"]


async def test_what_goes_with_the_commit_is_forgotten_when_there_is_none(notes: Database) -> None:
    one = Database(notes.url.replace("postgresql://", "postgresql+psycopg://"), pool_size=1)

    async def work() -> None:
        async with one.transaction() as tx:
            with_commit(tx, ADD_LAST, {"word": "never"})
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await work()
    async with one.transaction() as tx:
        await add(tx, "on the same connection")
    async with one.connection() as tx:
        assert await words(tx) == ["on the same connection"]
    await one.close()


async def test_what_fails_with_the_commit_undoes_all(notes: Database) -> None:
    async def work() -> None:
        async with notes.transaction() as tx:
            await add(tx, "twice")
            with_commit(tx, ADD_LAST, {"word": "twice"})

    with pytest.raises(sa.exc.IntegrityError):
        await work()
    async with notes.transaction() as tx:
        assert await words(tx) == []


async def test_what_goes_with_the_commit_may_be_larger_than_what_the_network_takes_at_once(
    notes: Database,
) -> None:
    lines = ["x" * 1000] * 5000
    async with asyncio.timeout(80), notes.transaction() as tx:
        with_commit(tx, ADD_LAST, {"word": "first"})
        with_commit(tx, "INSERT INTO notes (words) VALUES (%(words)s)", {"words": lines})
        with_commit(tx, ADD_LAST, {"word": "last"})
        with_commit(tx, "INSERT INTO notes (words) VALUES (%(words)s)", {"words": lines})
    async with notes.connection() as tx:
        found = await tx.execute(sa.text("SELECT word, cardinality(words) AS n FROM notes ORDER BY id"))
        assert [tuple(row) for row in found] == [
            ("first", None),
            (None, len(lines)),
            ("last", None),
            (None, len(lines)),
        ]


async def test_a_connection_lost_with_the_last_words_says_that_nobody_knows(notes: Database) -> None:
    async def work() -> None:
        async with notes.transaction() as tx:
            with_commit(tx, ADD_LAST, {"word": "perhaps"})
            await cut_all(notes)

    with pytest.raises(
        DatabaseUnavailable, match="whether the transaction took effect is not known"
    ) as caught:
        await work()
    assert caught.value.data["at_commit"] is True


async def test_idle_connections_that_died_cost_one_failure_and_not_one_each(notes: Database) -> None:
    async with notes.connection(), notes.connection():
        pass
    await cut_all(notes)
    with pytest.raises(DatabaseUnavailable):
        async with notes.connection() as tx:
            await words(tx)
    async with notes.connection() as one, notes.connection() as two:
        assert await words(one) == await words(two) == []


async def test_a_connection_lost_in_a_bulk_load_is_named(notes: Database) -> None:
    async def rows() -> AsyncIterator[tuple[str]]:
        yield ("first",)
        await cut_all(notes)
        for number in range(100_000):
            yield (f"word {number}",)

    with pytest.raises(DatabaseUnavailable, match="was lost"):
        async with notes.transaction() as tx:
            await copy_in(tx, NOTES, ["word"], rows())
    async with notes.connection() as tx:
        assert await words(tx) == []


async def fault(address: str) -> DatabaseUnavailable:
    database = Database(address)
    try:
        with pytest.raises(DatabaseUnavailable) as caught:
            await database.now()
    finally:
        await database.close()
    assert "hunter2" not in str(caught.value)
    assert caught.value.do
    return caught.value


async def test_a_server_that_is_not_there_is_named_with_host_port_and_database() -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else can take the port
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        error = await fault(f"postgresql://me:hunter2@127.0.0.1:{port}/sales")
    assert error.what == (f"Postgres at 127.0.0.1:{port}, database sales cannot be used: Connection refused.")
    assert error.do == "Check that the server runs, and host and port in DATABASE_URL."


async def test_a_host_without_address_is_named() -> None:
    error = await fault("postgres://me:hunter2@no.such.host.invalid/sales")
    assert "Postgres at no.such.host.invalid:5432, database sales cannot be used" in error.what


async def test_a_missing_database_is_named_with_what_makes_it(empty_url: str) -> None:
    error = await fault(engine_url(empty_url).set(database="nix").render_as_string())
    assert 'database "nix" does not exist' in error.what
    assert error.do == "Create the database (createdb), or correct DATABASE_URL."


async def test_a_stranger_is_told_to_check_user_and_password(empty_url: str) -> None:
    error = await fault(engine_url(empty_url).set(username="who", password="hunter2").render_as_string(False))
    assert 'role "who" does not exist' in error.what
    assert error.do == "Check user and password in DATABASE_URL."


class Refusing(asyncio.Protocol):
    """A server that answers every start-up message with one error."""

    def __init__(self, code: str, text: str) -> None:
        fields = f"SFATAL\0VFATAL\0C{code}\0M{text}\0\0".encode()
        self.answer = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data[4:8] == b"\x04\xd2\x16\x2f" or data[4:8] == b"\x04\xd2\x16\x30":  # SSL or GSS asked: no
            self.transport.write(b"N")
        else:
            self.transport.write(self.answer)
            self.transport.close()


@pytest.mark.parametrize(
    ("code", "text", "advice"),
    [
        ("28P01", 'password authentication failed for user "me"', "Check user and password"),
        ("28000", "no pg_hba.conf entry for host", "Check user and password"),
        ("57P03", "the database system is starting up", "try again in some seconds"),
        ("53300", "sorry, too many clients already", "Raise max_connections"),
        ("XX000", "something else", "Check that the server runs"),
    ],
)
async def test_each_refusal_comes_with_its_advice(code: str, text: str, advice: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Refusing(code, text), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        error = await fault(f"postgresql://me:hunter2@127.0.0.1:{port}/sales")
    finally:
        server.close()
        await server.wait_closed()
    assert text in error.what
    assert advice in error.do


async def test_a_pool_in_use_says_so(notes: Database) -> None:
    small = Database(engine_url(notes.url).render_as_string(), pool_size=1, pool_seconds=0.05)
    async with small.connection():
        with pytest.raises(
            DatabaseUnavailable, match=r"All of our connections to Postgres at .* stayed in use"
        ):
            await small.now()
    await small.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_form_of_address_is_taken(scheme: str) -> None:
    url = engine_url(f"{scheme}://me:p%40ss@db.example:6432/sales?sslmode=require ")
    assert (
        url.render_as_string(False) == "postgresql+psycopg://me:p%40ss@db.example:6432/sales?sslmode=require"
    )


@pytest.mark.parametrize(
    "address", ["", "sales", "mysql://me:hunter2@db/sales", "postgres://me:hunter2@db:port/x"]
)
def test_what_is_no_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(SettingsError, match=r"DATABASE_URL .* It looks like postgresql://") as caught:
        engine_url(address)
    assert "hunter2" not in str(caught.value)


@given(password=st.text(min_size=12, alphabet=st.characters(codec="ascii", categories=["L", "N", "P"])))
def test_no_password_is_shown_wherever_it_stands(password: str) -> None:
    url = sa.URL.create("postgresql", "me", password, "db", database="sales")
    shown = safe_url(url.update_query_dict({"password": password, "sslpassword": password}))
    assert shown == "postgresql://me@db/sales"


async def test_rows_are_loaded_by_copy_with_all_our_types(notes: Database) -> None:
    at = datetime(2026, 11, 24, 15, tzinfo=UTC)
    columns = ["word", "at", "words", "extra", "small", "digest", "day", "price", "flag", "share"]
    rows = [
        ("größer\t\n\\N", at, ["a", 'b"', ""], {"k": [1, None]}, 3, b"\0\xff", at.date(), 1, True, 0.5),
        (None, None, None, None, None, None, None, None, None, None),
        ("", at, [], [], -1, b"", at.date(), 2, False, -1.0),
    ]
    async with notes.transaction() as tx:
        assert await copy_in(tx, NOTES, columns, rows) == 3
        stored = await tx.execute(sa.select(*(NOTES.c[name] for name in columns)).order_by(NOTES.c.id))
        assert [tuple(row) for row in stored] == rows


async def test_a_bulk_load_is_part_of_its_transaction(notes: Database) -> None:
    async def work() -> None:
        async with notes.transaction() as tx:
            await add(tx, "one")
            await copy_in(tx, NOTES, ["word"], (word for word in [("two",), ("three",)]))
            assert await words(tx) == ["one", "two", "three"]
            raise KeyError("anything")

    with pytest.raises(KeyError):
        await work()
    async with notes.connection() as tx:
        assert await words(tx) == []


async def test_a_bulk_load_that_breaks_a_constraint_raises_as_an_insert_does(notes: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        async with notes.transaction() as tx:
            await copy_in(tx, NOTES, ["word"], [("twice",), ("twice",)])


async def test_a_source_that_fails_leaves_nothing(notes: Database) -> None:
    async def rows() -> AsyncIterator[tuple[str]]:
        yield ("one",)
        raise KeyError("the source")

    with pytest.raises(KeyError):
        async with notes.transaction() as tx:
            await copy_in(tx, NOTES, ["word"], rows())
    async with notes.connection() as tx:
        assert await words(tx) == []


async def test_a_database_is_what_it_was_at_first_use(db: Database, clock: ManualClock) -> None:
    async with db.transaction() as tx:
        await claim_kind(tx, "real", clock.now())
    first = clock.now()
    await clock.advance(60)
    async with db.transaction() as tx:
        await claim_kind(tx, "real", clock.now())
        row = (await tx.execute(sa.select(installation))).one()
        assert (row.kind, row.recorded_at) == ("real", first)


@pytest.mark.parametrize(
    ("stands", "comes", "sentence"),
    [
        ("real", "simulated", "This database holds real calls, but Twilio is a simulator"),
        ("simulated", "real", "This database holds calls of a simulator, but Twilio is the real one"),
    ],
)
async def test_real_and_simulated_calls_never_share_a_database(
    db: Database, clock: ManualClock, stands: Kind, comes: Kind, sentence: str
) -> None:
    async with db.transaction() as tx:
        await claim_kind(tx, stands, clock.now())
    with pytest.raises(Conflict, match=sentence):
        async with db.transaction() as tx:
            await claim_kind(tx, comes, clock.now())
    async with db.connection() as tx:
        assert (await tx.execute(sa.select(installation.c.kind))).scalar_one() == stands


async def test_of_two_first_uses_at_once_one_wins(db: Database, clock: ManualClock) -> None:
    async def claim(kind: Kind) -> None:
        async with db.transaction() as tx:
            await claim_kind(tx, kind, clock.now())

    results = await asyncio.gather(claim("real"), claim("simulated"), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "NoneType"]
