"""Reports: roll-ups that the service keeps current."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from campaign.store.models.base import EMPTY_OBJECT, EMPTY_TEXTS, instant, key, metadata, one_of, reference

DIMENSIONS = ("campaign", "list", "version", "caller_id", "zone")
DAY_COUNTS = (
    "attempts", "placed", "answered", "connects", "conversations", "right_parties", "successes", "opt_outs",
    "abandoned", "seconds",
)  # fmt: skip


def _rollup(
    table: str, keys: list[sa.Column[object]], measures: list[sa.Column[object]], comment: str
) -> sa.Table:
    """A roll-up: one row for each campaign, value of a dimension, and what `keys` add."""
    return sa.Table(
        table,
        metadata,
        sa.Column("dimension", sa.Text, nullable=False),
        reference("campaign_id", "campaigns.id", cascade=True),
        sa.Column(
            "value",
            sa.Text,
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        *keys,
        *measures,
        sa.PrimaryKeyConstraint("dimension", "campaign_id", "value", *(key.name for key in keys)),
        one_of("dimension", *DIMENSIONS),
        comment=comment,
    )


def _day() -> sa.Column[object]:
    return sa.Column("day", sa.Date, nullable=False, comment="on the contact's own calendar")


def _count(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


report_queue = sa.Table(
    "report_queue",
    metadata,
    key(),
    sa.Column("attempt_id", sa.BigInteger, nullable=False),
    instant("queued_at", null=False),
    comment="Attempts whose outcome was written or refined since the roll-ups last looked at them",
)

report_facts = sa.Table(
    "report_facts",
    metadata,
    sa.Column("attempt_id", sa.BigInteger, primary_key=True, autoincrement=False),
    reference("campaign_id", "campaigns.id", cascade=True),
    sa.Column("campaign_contact_id", sa.BigInteger, nullable=False),
    sa.Column("list_id", sa.BigInteger),
    sa.Column("version", sa.Integer),
    sa.Column("caller_id", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False, comment="empty: not known; the day and hour are then UTC's"),
    _day(),
    sa.Column("hour", sa.SmallInteger, nullable=False, comment="of the intent, on the contact's own clock"),
    sa.Column("disposition", sa.Text, nullable=False),
    sa.Column("placed", sa.Boolean, nullable=False, comment="the call went out, or may have"),
    sa.Column("answered", sa.Boolean, nullable=False),
    sa.Column("abandoned", sa.Boolean, nullable=False),
    sa.Column("seconds", sa.Integer, nullable=False),
    sa.Column("cost", sa.Numeric),
    sa.Column("first_word_ms", sa.Integer),
    sa.Column("recoveries", ARRAY(sa.Text), nullable=False, server_default=EMPTY_TEXTS),
    sa.Index("ix_report_facts_campaign_contact_id", "campaign_contact_id"),
    sa.Index("ix_report_facts_campaign_id", "campaign_id"),
    comment="What each settled attempt has put into the roll-ups; names nobody, and outlives the attempt",
)

report_days = _rollup(
    "report_days",
    [_day()],
    [
        *map(_count, DAY_COUNTS),
        sa.Column("cost", sa.Numeric, nullable=False, server_default="0"),
        _count("priced"),
    ],
    "Attempts by day",
)

report_dispositions = _rollup(
    "report_dispositions",
    [_day(), sa.Column("disposition", sa.Text, nullable=False)],
    [
        _count("attempts"),
        _count("seconds"),
        sa.Column("cost", sa.Numeric, nullable=False, server_default="0"),
        _count("priced"),
    ],
    "Attempts by day and disposition",
)

report_hours = _rollup(
    "report_hours",
    [_day(), sa.Column("hour", sa.SmallInteger, nullable=False)],
    [_count("placed"), _count("answered"), _count("connects"), _count("successes")],
    "Attempts by day and hour of the contact's own clock",
)

report_first_words = _rollup(
    "report_first_words",
    [
        _day(),
        sa.Column(
            "bucket",
            sa.SmallInteger,
            nullable=False,
            comment="of FIRST_WORD_BOUNDS_MS, from 0 (domain/measures.py)",
        ),
    ],
    [_count("calls")],
    "Calls by the time from the answer to our first word",
)

report_recoveries = _rollup(
    "report_recoveries",
    [_day(), sa.Column("answer", sa.Text, nullable=False), sa.Column("became", sa.Text, nullable=False)],
    [_count("calls")],
    "Conversations that broke off, by what was answered and what became of it",
)

report_cohorts = _rollup(
    "report_cohorts",
    [_day()],
    [
        *map(
            _count,
            (
                "contacts",
                "answered",
                "connected",
                "conversed",
                "right_parties",
                "succeeded",
                "opted_out",
            ),
        )
    ],
    "Contacts by the day of their first attempt, each counted in every step that it has ever reached",
)

report_tries = _rollup(
    "report_tries",
    [_day(), sa.Column("number", sa.SmallInteger, nullable=False)],
    [_count("tried"), _count("reached")],
    "The same contacts by the attempt at which a person was first reached; the last number is and more",
)

report_enrolled = _rollup(
    "report_enrolled",
    [],
    [
        _count("contacts"),
        sa.Column("mark", sa.Text, comment="how far enrolment was when they were counted; only of campaign"),
    ],
    "Contacts enrolled, counted again when enrolment has gone on",
)

report_state = sa.Table(
    "report_state",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    instant("checked_at"),
    sa.Column(
        "found", JSONB, nullable=False, server_default=EMPTY_OBJECT, comment="what the last check found"
    ),
    instant("rebuilt_at"),
    sa.CheckConstraint("id = 1", name="one_row"),
    comment="One row: whoever changes the roll-ups locks it first",
)
