"""`analytics.attempts.recoveries` counts no ordinary endings: a conversation that came to its end has none.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EVERY_ANSWER = "WHERE (r.attempt_id = a.id))"
RECOVERIES = "WHERE (r.attempt_id = a.id) AND (r.answer <> 'hang_up' OR r.session_status = 'failed'))"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    define(view().replace(EVERY_ANSWER, RECOVERIES))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    counted = "( SELECT count(*) AS count\n           FROM recoveries r\n          "
    before, _, rest = view().partition(counted)
    _, _, after = rest.partition(" AS recoveries")
    define(f"{before}{counted}{EVERY_ANSWER} AS recoveries{after}")


def view() -> str:
    """The view as Postgres prints it."""
    return str(op.get_bind().scalar(sa.text("SELECT pg_get_viewdef('analytics.attempts'::regclass)")))


def define(query: str) -> None:
    op.get_bind().exec_driver_sql(f"CREATE OR REPLACE VIEW analytics.attempts AS {query}".replace("%", "%%"))
