"""Calls to us, hand-overs with a target, recordings and their deletion at Twilio.

A call that a person makes to us is an attempt of kind `inbound`: it has a record, a transcript and an outcome, but is
no dial, so the index that allows one unsettled attempt per number leaves it out. Each recovery names the target of its
transfer. A recording has a row of its own, which outlives its attempt until the sound at Twilio is deleted.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_EVENTS = ("status", "amd", "twiml", "action", "recording", "dial", "found")
_NEW_EVENTS = (
    "status",
    "amd",
    "twiml",
    "action",
    "recording",
    "dial",
    "queue",
    "accept",
    "incoming",
    "gathered",
    "found",
)
_SOURCES = "conversation, keypress, api, import, cli, console"
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "recoveries", sa.Column("target", sa.Text, comment="of a transfer: the key of the script's target")
    )
    _known("call_events", _NEW_EVENTS)
    _known("attempts", ("campaign", "test", "inbound"))
    op.alter_column(
        "attempts",
        "kind",
        comment="campaign, test, or inbound: the person called us, which is no dial and uses no budget",
    )
    op.alter_column("dnc_entries", "source", comment=_SOURCES.replace("keypress,", "keypress, inbound,"))
    _one_unsettled("settled_at IS NULL AND kind <> 'inbound'")
    op.create_index(
        "ix_attempts_inbound_unsettled",
        "attempts",
        ["phone"],
        postgresql_where=sa.text("settled_at IS NULL AND kind = 'inbound'"),
    )
    op.create_table(
        "recordings",
        sa.Column("sid", sa.Text, nullable=False, comment="Twilio's RE…; the sound itself lies there"),
        sa.Column(
            "attempt_id", sa.BigInteger, comment="null: the attempt is gone, and the sound must go too"
        ),
        sa.Column("status", sa.Text, nullable=False, comment="Twilio's word: in-progress, completed, absent"),
        sa.Column("seconds", sa.Integer),
        sa.Column("started_at", _AT, nullable=False),
        sa.Column("delete_at", _AT),
        sa.Column("delete_why", sa.Text, comment="retention or erasure"),
        sa.Column("deleted_at", _AT),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("next_try_at", _AT),
        sa.Column("error", sa.Text, comment="why the last try to delete it failed"),
        sa.PrimaryKeyConstraint("sid", name="pk_recordings"),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name="fk_recordings_attempt_id_attempts", ondelete="SET NULL"
        ),
        comment="Recordings at Twilio, and their deletion there, which is asked for until it has happened",
    )
    op.create_index("ix_recordings_attempt_id", "recordings", ["attempt_id"])
    op.create_index(
        "ix_recordings_to_delete",
        "recordings",
        ["next_try_at"],
        postgresql_where=sa.text("deleted_at IS NULL AND (delete_at IS NOT NULL OR attempt_id IS NULL)"),
    )
    op.execute(
        "INSERT INTO recordings (sid, attempt_id, status, started_at) "
        "SELECT DISTINCT ON (recording_sid) recording_sid, id, 'completed', coalesce(answered_at, intent_at) "
        "FROM attempts WHERE recording_sid IS NOT NULL"
    )


def _known(table: str, kinds: tuple[str, ...]) -> None:
    name = op.f(f"ck_{table}_kind_known")
    op.drop_constraint(name, table)
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(name, table, f"kind IN ({listed})")


def _one_unsettled(where: str) -> None:
    op.drop_index("uq_attempts_one_unsettled_per_phone", "attempts")
    op.create_index(
        "uq_attempts_one_unsettled_per_phone",
        "attempts",
        ["phone"],
        unique=True,
        postgresql_where=sa.text(where),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("recordings")
    op.execute("DELETE FROM attempts WHERE kind = 'inbound'")
    op.drop_index("ix_attempts_inbound_unsettled", "attempts")
    _one_unsettled("settled_at IS NULL")
    op.alter_column("attempts", "kind", comment="campaign or test")
    op.alter_column("dnc_entries", "source", comment=_SOURCES)
    _known("attempts", ("campaign", "test"))
    op.execute("DELETE FROM call_events WHERE kind IN ('queue', 'accept', 'incoming', 'gathered')")
    _known("call_events", _EVENTS)
    op.drop_column("recoveries", "target")
