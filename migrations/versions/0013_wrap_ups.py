"""Records of calls that a model writes after them, who made a summary, and answers that were corrected.

Only adds: code from before reads and writes nothing of this, and an outcome of its making has no summary.

Revision ID: 0013
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

VIEW_COMMENT = (
    "One row per call that somebody talked in: its summary, who made it, and what a wrap-up found after the call. "
    "Made from what was said, so personal data."
)
VIEW = """
    SELECT o.attempt_id,
           o.campaign_id,
           c.name AS campaign,
           a.contact_id,
           k.external_id,
           o.disposition,
           o.summary,
           o.summary_by,
           w.finished_at AS wrapped_up_at,
           w.prompt_version,
           w.concluded,
           (SELECT count(*) FROM answers g WHERE g.attempt_id = o.attempt_id AND g.made_by <> 'talk'
               AND g.was IS NULL) AS answers_added,
           (SELECT count(*) FROM answers g WHERE g.attempt_id = o.attempt_id AND g.was IS NOT NULL)
               AS answers_corrected
      FROM outcomes o
      JOIN attempts a ON a.id = o.attempt_id
      LEFT JOIN campaigns c ON c.id = o.campaign_id
      LEFT JOIN contacts k ON k.id = a.contact_id
      LEFT JOIN LATERAL (
           SELECT u.finished_at, u.prompt_version, u.concluded FROM wrap_ups u
            WHERE u.attempt_id = o.attempt_id AND u.state = 'done' ORDER BY u.ordinal DESC LIMIT 1) AS w ON true
     WHERE o.summary <> ''
"""
COLUMNS = {
    "attempt_id": "of analytics.attempts",
    "campaign_id": "of analytics.campaigns; null: a test call",
    "campaign": "its name",
    "contact_id": "of analytics.contacts",
    "external_id": "the contact's id in your own system, from the list",
    "disposition": "how it ended, see the glossary",
    "summary": "in plain sentences, with card, identity and e-mail numbers removed",
    "summary_by": "rule, or the model profile that wrote it",
    "wrapped_up_at": "when a model wrote it; null: none did",
    "prompt_version": "of our instructions and checks, for comparing; null: no model wrote it",
    "concluded": "what the conversation itself had concluded, where a model looked again",
    "answers_added": "answers that only the wrap-up found",
    "answers_corrected": "answers that the wrap-up corrected",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "wrap_ups",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("attempt_id", sa.BigInteger, nullable=False),
        sa.Column(
            "ordinal", sa.SmallInteger, nullable=False, comment="1, then one more each time it is asked for"
        ),
        sa.Column("state", sa.Text, nullable=False, server_default="due"),
        sa.Column("profile", sa.Text, nullable=False, comment="the model profile that is asked"),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column(
            "requests",
            sa.SmallInteger,
            nullable=False,
            server_default="0",
            comment="to the model, for the cost",
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("prompt_version", sa.Integer, comment="of instructions, schema and checks"),
        sa.Column("concluded", sa.Text, comment="the conversation's own conclusion"),
        sa.Column("disposition", sa.Text, comment="what the wrap-up found instead; null: nothing"),
        sa.Column("summary", sa.Text, nullable=False, server_default="", comment="redacted"),
        sa.Column(
            "answers",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'::jsonb"),
            comment="added or corrected",
        ),
        sa.Column(
            "refused",
            JSONB,
            nullable=False,
            server_default=sa.text("'[]'::jsonb"),
            comment="what did not count, and why",
        ),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wrap_ups")),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_wrap_ups_attempt_id_attempts"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("attempt_id", "ordinal", name=op.f("uq_wrap_ups_attempt_id_ordinal")),
        sa.CheckConstraint("state IN ('due', 'done', 'failed')", name=op.f("ck_wrap_ups_state_known")),
        comment="Records of calls that a model writes after them: what is due, and what was extracted",
    )
    op.create_index("ix_wrap_ups_due", "wrap_ups", ["due_at"], postgresql_where=sa.text("state = 'due'"))
    op.add_column(
        "answers",
        sa.Column(
            "made_by", sa.Text, nullable=False, server_default="talk", comment="talk, or a wrap-up's profile"
        ),
    )
    op.add_column(
        "answers",
        sa.Column("was", JSONB, comment="what the talk had gathered, where a wrap-up corrected it"),
    )
    op.add_column(
        "outcomes",
        sa.Column(
            "summary_by", sa.Text, nullable=False, server_default="", comment="rule, or a model profile"
        ),
    )
    op.execute(f"CREATE VIEW analytics.summaries AS {VIEW}")
    op.execute(f"COMMENT ON VIEW analytics.summaries IS '{VIEW_COMMENT}'")
    for column, meaning in COLUMNS.items():
        quoted = meaning.replace("'", "''")
        op.execute(f"COMMENT ON COLUMN analytics.summaries.{column} IS '{quoted}'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP VIEW analytics.summaries")
    op.drop_column("outcomes", "summary_by")
    op.drop_column("answers", "was")
    op.drop_column("answers", "made_by")
    op.drop_table("wrap_ups")
