"""Every tenure of the pace has a fencing number; the schema says which older code may work on it.

Only adds, so code of revision 0004 may go on: it reads and writes nothing of this.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(  # the pace first, as a claim does: so that the two can't wait for each other
        "pace",
        sa.Column(
            "fencing",
            sa.BigInteger,
            nullable=False,
            server_default="0",
            comment="the tenure's number; grows with every change of holder",
        ),
    )
    op.add_column(
        "attempts",
        sa.Column("fencing", sa.BigInteger, comment="number of the tenure under which it was claimed"),
    )
    op.add_column(
        "installation",
        sa.Column(
            "works_from",
            sa.Text,
            comment="the oldest schema revision whose code may work on this schema; null: only its own",
        ),
    )
    op.execute("UPDATE installation SET works_from = '0004'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("pace", "fencing")
    op.drop_column("attempts", "fencing")
    op.drop_column("installation", "works_from")
