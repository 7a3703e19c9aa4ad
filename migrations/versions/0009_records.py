"""Consent that ended: kept when a number leaves the own do-not-call list, so that old consent stays dead.

Only adds a table that older code neither reads nor writes.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "consent_revocations",
        sa.Column("phone", sa.Text, nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="consent to calls of this number counts only when it is dated later",
        ),
        sa.Column("quote", sa.Text, comment="the person's own words"),
        sa.Column("source", sa.Text, nullable=False, comment="where it was asked: as in dnc_entries"),
        sa.Column("new_consent", sa.Text, comment="where the consent comes from that allowed the removal"),
        sa.Column("actor", sa.Text, nullable=False, comment="who took the number off the list"),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("phone", name="pk_consent_revocations"),
        sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{5,14}$'", name=op.f("ck_consent_revocations_phone_e164")),
        comment="Written when a number leaves the own list; until then its entry there forbids every call",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("consent_revocations")
