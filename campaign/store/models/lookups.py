"""What was looked up about numbers, and who waits for it."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from campaign.store.models.base import EMPTY_OBJECT, instant, key, metadata, one_of

number_lookups = sa.Table(
    "number_lookups",
    metadata,
    key(),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False, comment="line_type, or reassigned: has it a new owner?"),
    sa.Column("about", sa.Date, comment="reassigned: since that date of consent"),
    sa.Column("answer", sa.Text, nullable=False, comment="a kind of line, or yes, no, no_data"),
    sa.Column(
        "detail",
        JSONB,
        nullable=False,
        server_default=EMPTY_OBJECT,
        comment="of the line: the provider's own word, carrier, error code; nothing about the person",
    ),
    instant("asked_at", null=False),
    sa.Column("cost", sa.Numeric, nullable=False, server_default="0"),
    sa.Column("source", sa.Text, nullable=False, comment="who answered, e.g. twilio"),
    sa.Column("actor", sa.Text, nullable=False, comment="who asked"),
    sa.Column("campaign_id", sa.BigInteger, comment="whose money it was; null: asked by hand"),
    one_of("what", "line_type", "reassigned"),
    sa.CheckConstraint("(what = 'reassigned') = (about IS NOT NULL)", name="about_reassigned"),
    sa.Index("ix_number_lookups_phone_what_about_asked_at", "phone", "what", "about", "asked_at"),
    sa.Index(
        "ix_number_lookups_campaign_id",
        "campaign_id",
        "asked_at",
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    ),
    comment="Every answer about a number that was paid for, or that nobody could give; the latest counts",
)

lookup_holds = sa.Table(
    "lookup_holds",
    metadata,
    sa.Column("what", sa.Text, primary_key=True),
    instant("held_until", null=False),
    sa.Column("why", sa.Text, nullable=False, comment="for people"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0", comment="in a row"),
    one_of("what", "line_type", "reassigned"),
    comment="What cannot be looked up at the moment, and when it is tried again",
)
