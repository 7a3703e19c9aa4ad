"""An import knows since when, and from which byte on, it is being read: so it can say how long it still takes.

Only adds: code of the revision before reads and writes nothing of this.

Revision ID: 0011
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "imports",
        sa.Column(
            "resumed_at", sa.DateTime(timezone=True), comment="when it was last taken up again; null: never"
        ),
    )
    op.add_column(
        "imports",
        sa.Column(
            "resumed_offset",
            sa.BigInteger,
            nullable=False,
            server_default="0",
            comment="the byte at which it was last taken up again",
        ),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("imports", "resumed_offset")
    op.drop_column("imports", "resumed_at")
