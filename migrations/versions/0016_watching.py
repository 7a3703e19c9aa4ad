"""Calls are found by time over all campaigns, and by what was said in them.

Only indexes, so code of the revision before goes on as ever. Building them on a large database takes its time,
in which nobody writes to the two tables: upgrade between campaigns.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index("ix_attempts_intent_at_id", "attempts", ["intent_at", "id"])
    op.create_index(
        "ix_conversation_turns_words",
        "conversation_turns",
        [sa.text("to_tsvector('simple'::regconfig, text)")],
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_conversation_turns_words", "conversation_turns")
    op.drop_index("ix_attempts_intent_at_id", "attempts")
