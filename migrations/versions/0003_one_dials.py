"""One process dials at a time: its tenure stands beside the pace.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "pace",
        sa.Column(
            "holder", sa.Text, comment="the replica that dials; the others wait for the end of its tenure"
        ),
    )
    op.add_column("pace", sa.Column("tenure_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("pace", "tenure_until")
    op.drop_column("pace", "holder")
