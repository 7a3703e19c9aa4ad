"""Decisions name the data they were made with; studies: previews and replays that were asked for.

Only adds, so code of revision 0004 may go on: it reads and writes nothing of this.

Revision ID: 0008
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "decisions",
        sa.Column("made_with", sa.Text, comment="versions of the data that rules are read by, e.g. tzdata's"),
    )
    op.create_table_comment(
        "decisions",
        "The decision of each dial (decided_at is its intent_at) and every other one that differs from "
        "the one before, with each rule's verdict",
        existing_comment="Every decision that differs from the one before, with each rule's verdict",
    )
    op.create_table(
        "studies",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("asked", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("result", JSONB(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('preview', 'replay')", name=op.f("ck_studies_kind_known")),
        sa.CheckConstraint("state IN ('running', 'finished', 'failed')", name=op.f("ck_studies_state_known")),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_studies_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        comment="Previews and replays that were asked for through the API, with what they found",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("studies")
    op.create_table_comment(
        "decisions",
        "Every decision that differs from the one before, with each rule's verdict",
        existing_comment="The decision of each dial (decided_at is its intent_at) and every other one that "
        "differs from the one before, with each rule's verdict",
    )
    op.drop_column("decisions", "made_with")
