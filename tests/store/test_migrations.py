"""The migrations make exactly the tables that the models describe."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from campaign.store.database import engine_url
from campaign.store.models import metadata


def test_the_migrations_make_what_the_models_say(db_url: str) -> None:
    engine = sa.create_engine(engine_url(db_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
