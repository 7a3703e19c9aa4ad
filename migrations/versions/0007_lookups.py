"""What is known of numbers by look-ups, and what cannot be looked up at the moment.

Only adds, so older code may go on: it reads and writes nothing of this.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "number_lookups",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("phone", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False, comment="line_type, or reassigned: has it a new owner?"),
        sa.Column("about", sa.Date, comment="reassigned: since that date of consent"),
        sa.Column("answer", sa.Text, nullable=False, comment="a kind of line, or yes, no, no_data"),
        sa.Column(
            "detail",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'::jsonb"),
            comment="of the line: the provider's own word, carrier, error code; nothing about the person",
        ),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cost", sa.Numeric, nullable=False, server_default="0"),
        sa.Column("source", sa.Text, nullable=False, comment="who answered, e.g. twilio"),
        sa.Column("actor", sa.Text, nullable=False, comment="who asked"),
        sa.Column("campaign_id", sa.BigInteger, comment="whose money it was; null: asked by hand"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_lookups")),
        sa.CheckConstraint("what IN ('line_type', 'reassigned')", name=op.f("ck_number_lookups_what_known")),
        sa.CheckConstraint(
            "(what = 'reassigned') = (about IS NOT NULL)", name=op.f("ck_number_lookups_about_reassigned")
        ),
        comment="Every answer about a number that was paid for, or that nobody could give; the latest counts",
    )
    op.create_index(
        "ix_number_lookups_phone_what_about_asked_at",
        "number_lookups",
        ["phone", "what", "about", "asked_at"],
    )
    op.create_index(
        "ix_number_lookups_campaign_id",
        "number_lookups",
        ["campaign_id", "asked_at"],
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    )
    op.create_table(
        "lookup_holds",
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text, nullable=False, comment="for people"),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0", comment="in a row"),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_lookup_holds")),
        sa.CheckConstraint("what IN ('line_type', 'reassigned')", name=op.f("ck_lookup_holds_what_known")),
        comment="What cannot be looked up at the moment, and when it is tried again",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("lookup_holds")
    op.drop_table("number_lookups")
