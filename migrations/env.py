"""How Alembic reaches the database.

The address comes, first found first taken, from `campaign.store.migrate`, from `alembic -x url=…`, or from
DATABASE_URL. All migrations of one run are one transaction; a transaction's lock makes two runs at the
same time follow each other, and the second finds nothing left to do.
"""

import os

import sqlalchemy as sa
from alembic import context

from campaign.store.database import engine_url
from campaign.store.models import metadata

ONE_AT_A_TIME = 4_077_002_311  # any number that nobody else takes
WAIT_FOR_TABLES = "5s"


def address() -> str:
    """The database's address, or an explanation of how to name it."""
    given = (
        context.config.attributes.get("address")
        or context.get_x_argument(as_dictionary=True).get("url")
        or os.environ.get("DATABASE_URL")  # noqa: TID251 (alembic by hand; the service passes the address)
    )
    if not given:
        raise SystemExit(
            "No database named. Run: campaign db upgrade; or alembic -x url=postgresql://… upgrade head; "
            "or set DATABASE_URL."
        )
    return str(given)


def include_name(name: str | None, kind: str, parents: object) -> bool:
    """Autogenerate looks at our tables only, not at what others keep in the same database."""
    return kind != "table" or name in metadata.tables


def run_offline() -> None:
    """`alembic upgrade --sql`: print the statements."""
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Connect and migrate."""
    engine = sa.create_engine(
        engine_url(address()),
        poolclass=sa.NullPool,
        connect_args={"prepare_threshold": None},  # through PgBouncer nothing may stay in the session
    )
    try:
        with engine.connect() as connection:
            context.configure(
                connection=connection,
                target_metadata=metadata,
                include_name=include_name,
                compare_server_default=True,
            )
            with context.begin_transaction():
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
                connection.execute(sa.text(f"SET LOCAL lock_timeout = '{WAIT_FOR_TABLES}'"))
                context.run_migrations()
    finally:
        engine.dispose()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
