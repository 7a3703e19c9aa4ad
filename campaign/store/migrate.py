"""Bringing the schema to the code's version. Alembic's migrations are the only way tables come to be.

Alembic is loaded by whoever migrates: a service that only looks which version is there would carry 7 MB of it
for ever.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from psycopg.errors import LockNotAvailable

from campaign.domain.errors import Conflict, SchemaMismatch
from campaign.store.database import Database, engine_url, unavailable
from campaign.store.models import installation

if TYPE_CHECKING:
    from alembic.config import Config


def migrations_dir() -> Path:
    """`campaign/_migrations` in an installed wheel, `migrations` beside the package in a checkout."""
    package = Path(__file__).parents[1]
    packed = package / "_migrations"
    return packed if packed.is_dir() else package.parent / "migrations"


def config(address: str | None = None) -> "Config":
    """Alembic's configuration without its file; `address` is the database for `env.py`."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    if address is not None:
        made.attributes["address"] = address
    return made


@functools.cache
def revisions() -> tuple[str, ...]:
    """All that this code knows, oldest first: each file's name begins with its revision's number."""
    return tuple(sorted(file.name[:4] for file in (migrations_dir() / "versions").glob("[0-9]*_*.py")))


def head() -> str:
    """The revision that the code needs."""
    return revisions()[-1]


def upgrade(address: str, revision: str = "head") -> None:
    """Bring the schema up to a revision; two at once wait for each other.

    Raises:
        DatabaseUnavailable: the database is away.
        Conflict: other work held a table for too long; nothing was changed.
    """
    from alembic import command

    with _faults_named(address):
        command.upgrade(config(address), revision)


def downgrade(address: str, revision: str) -> None:
    """Bring the schema down to a revision, or to "base"; tables made since go with their rows.

    Raises:
        DatabaseUnavailable: the database is away.
        Conflict: other work held a table for too long; nothing was changed.
    """
    from alembic import command

    with _faults_named(address):
        command.downgrade(config(address), revision)


def current(address: str) -> str | None:
    """The revision that the database is at; None when it has no schema of ours.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    engine = sa.create_engine(
        engine_url(address),
        poolclass=sa.NullPool,
        connect_args={"prepare_threshold": None},  # through PgBouncer nothing may stay in the session
    )
    try:
        with _faults_named(address), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def _revision(connection: sa.Connection) -> str | None:
    """What Alembic has written down in its table; None when there is no such table."""
    if connection.execute(sa.text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found


async def require_current(db: Database) -> None:
    """Refuse to work on a schema that this code can't work on.

    Raises:
        SchemaMismatch: see `mismatch`.
    """
    if (fault := await mismatch(db)) is not None:
        raise fault


async def mismatch(db: Database) -> SchemaMismatch | None:
    """Why this code can't work on the database's schema and which command to run; None when it can.

    It can on its own schema, and on a newer one that says so: in a rolling upgrade the schema goes first, and
    processes of the version before go on and may start anew. So each schema names the oldest revision whose
    code may work on it (docs/decisions/0008).
    """
    async with db.connection() as tx:
        found = await tx.run_sync(_revision)
        if found == head():
            return None
        if found is None or found in revisions():
            return SchemaMismatch(
                f"The database's schema is at {found or 'no version'}, the code needs {head()}.",
                "Run: campaign db upgrade",
            )
        works_from = (await tx.execute(sa.select(installation.c.works_from))).scalar()
    if works_from in revisions():
        return None
    return SchemaMismatch(
        f"The database's schema is at {found}, which is newer than this code ({head()}) "
        f"and needs code of {works_from or found} or newer.",
        "Run the newer version of the service.",
    )


@contextmanager
def _faults_named(address: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise Conflict(
                "Other work held a table for longer than the migration waits for it; nothing was changed.",
                "Run it again when the service is quiet, or stop the service first.",
            ) from error
        fault = unavailable(error, engine_url(address))
        if fault is None:
            raise
        raise fault from error
