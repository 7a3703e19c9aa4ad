"""Looks for due contacts may begin within one instant; imports say how long they still take.

The index of due contacts ends with the contact's id: whole zone groups are due at one instant, and a look begins where
the last one found something. Building it anew takes a second for a million waiting contacts, in which none is claimed.
Code of the revision before works with it as with the old one. An import knows since when, and from which byte on, it
is being read. A campaign knows how far its contacts have been planned again after an edit.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
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
    op.add_column(
        "campaigns",
        sa.Column(
            "replan_after",
            sa.BigInteger,
            comment="after an edit: campaign contacts beyond this one are still to be planned again; null: none",
        ),
    )
    _index("campaign_id", "priority", "next_at", "id")


def _index(*columns: str) -> None:
    op.drop_index("ix_campaign_contacts_due", "campaign_contacts")
    op.create_index(
        "ix_campaign_contacts_due",
        "campaign_contacts",
        list(columns),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _index("campaign_id", "priority", "next_at")
    op.drop_column("campaigns", "replan_after")
    op.drop_column("imports", "resumed_offset")
    op.drop_column("imports", "resumed_at")
