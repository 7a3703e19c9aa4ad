"""Reports from roll-ups, exports, webhooks: what the analysts' desk and other systems live on.

All that has an outcome is queued, so that the roll-ups count it within some minutes of the first start; until then reports
are of a part, and say since when they are behind. Code of the revision before works with this schema, but leaves nothing
in the queue; the nightly comparison finds what it wrote.

Revision ID: 0015
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BOUNDS_MS = (
    100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000, 1200, 1400, 1600, 1800, 2000, 2500,
    3000, 4000, 5000, 10000,
)  # fmt: skip
CATEGORY = """
    CASE WHEN r.disposition IN ('interested', 'transferred') THEN 'success'
         WHEN r.disposition IN ('not_interested', 'do_not_call', 'wrong_number', 'fax', 'failed', 'bad_number',
                                'abandoned', 'turned_away') THEN 'failure'
         ELSE 'neutral' END"""
_ABOUT = """
               r.dimension,
               r.campaign_id,
               c.name AS campaign,
               CASE r.dimension WHEN 'list' THEN coalesce(l.name, r.value) ELSE r.value END AS value,
               r.day"""
_ABOUT_WORDS = {
    "dimension": "campaign, list, version, caller_id or zone: every attempt is in one row of each, so choose one",
    "campaign_id": "of analytics.campaigns",
    "campaign": "its name",
    "value": "of the dimension: list, version of the definition, caller id, time zone; empty for campaign",
    "day": "of the call, on the contact's own calendar (UTC where the zone is not known)",
}


def _from(table: str) -> str:
    return f"""
          FROM {table} r
          JOIN campaigns c ON c.id = r.campaign_id
          LEFT JOIN contact_lists l ON r.dimension = 'list' AND CAST(l.id AS text) = r.value"""


def _percentile(share: str, name: str) -> str:
    edges = f"(ARRAY[{', '.join(map(str, BOUNDS_MS))}])"
    last = len(BOUNDS_MS)
    return f"""
          LEFT JOIN LATERAL (
               SELECT CASE WHEN b.bucket >= {last} THEN {BOUNDS_MS[-1]}
                           ELSE CAST(round(b.low + ({edges}[b.bucket + 1] - b.low)
                                           * ({share} * b.total - (b.upto - b.calls)) / b.calls) AS int) END AS ms
                 FROM (SELECT w.bucket, w.calls, coalesce({edges}[w.bucket], 0) AS low,
                              sum(w.calls) OVER (ORDER BY w.bucket) AS upto, sum(w.calls) OVER () AS total
                         FROM report_first_words w
                        WHERE w.dimension = r.dimension AND w.campaign_id = r.campaign_id AND w.value = r.value
                          AND w.day = r.day AND w.calls > 0) AS b
                WHERE b.upto >= {share} * b.total
                ORDER BY b.bucket LIMIT 1) AS {name} ON true"""  # noqa: S608 (constants of this file)


VIEWS = {
    "daily": (
        """All measures of attempts by campaign, day and one dimension, from roll-ups: quick over any number of
        attempts, and a second or two behind them.""",
        f"""
        SELECT {_ABOUT},
               r.attempts,
               r.placed,
               r.answered,
               r.connects,
               r.conversations,
               r.right_parties,
               r.successes,
               r.opt_outs,
               r.abandoned,
               r.seconds,
               CAST(r.cost AS float8) AS cost,
               r.priced,
               coalesce(v.definition -> 'budget' ->> 'currency', 'USD') AS currency,
               p50.ms AS first_word_p50_ms,
               p95.ms AS first_word_p95_ms{_from("report_days")}
          JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version{_percentile("0.5", "p50")}{_percentile("0.95", "p95")}
         WHERE r.attempts <> 0
        """,
        {
            **_ABOUT_WORDS,
            "attempts": "settled attempts, also those that never went out",
            "placed": "calls that went out, or may have; rates of calls are shares of these",
            "answered": "anyone or anything picked up",
            "connects": "a human voice was reached",
            "conversations": "they talked with us",
            "right_parties": "conversations, without those in which the number was another's",
            "successes": "outcomes of the category success",
            "opt_outs": "people who asked in the call not to be called again",
            "abandoned": "a person answered and was not served in time",
            "seconds": "of connection, together",
            "cost": "together, in currency; of those attempts that have a price",
            "priced": "attempts that have a price",
            "currency": "of the costs",
            "first_word_p50_ms": "median from the answer to our first word, milliseconds, read from buckets",
            "first_word_p95_ms": "95th percentile of the same",
        },
    ),
    "daily_outcomes": (
        """Attempts by campaign, day, one dimension and disposition, from roll-ups.""",
        f"""
        SELECT {_ABOUT},
               r.disposition,{CATEGORY} AS category,
               r.attempts,
               r.seconds,
               CAST(r.cost AS float8) AS cost{_from("report_dispositions")}
         WHERE r.attempts <> 0
        """,
        {
            **_ABOUT_WORDS,
            "disposition": "how the attempts ended",
            "category": "success, neutral or failure",
            "attempts": "how many",
            "seconds": "of connection, together",
            "cost": "together, in the campaign's currency; of those that have a price",
        },
    ),
    "hours": (
        """Calls by campaign, one dimension, day and hour of the contact's own clock, from roll-ups: add them up
        over weekdays for a heat map.""",
        f"""
        SELECT {_ABOUT},
               CAST(extract(isodow FROM r.day) AS int) AS weekday,
               r.hour,
               r.placed,
               r.answered,
               r.connects,
               r.successes{_from("report_hours")}
         WHERE r.placed <> 0
        """,  # noqa: S608 (constants of this file)
        {
            **_ABOUT_WORDS,
            "weekday": "1 Monday to 7 Sunday",
            "hour": "0 to 23, on the contact's own clock",
            "placed": "calls that went out, or may have",
            "answered": "of these, anyone or anything picked up",
            "connects": "of these, a human voice was reached",
            "successes": "of these, outcomes of the category success",
        },
    ),
    "funnel": (
        """Contacts by campaign, one dimension and the day of their first call, from roll-ups. Each is counted in
        every step that it has ever reached, so a funnel never widens.""",
        f"""
        SELECT {_ABOUT},
               r.contacts,
               r.answered,
               r.connected,
               r.conversed,
               r.right_parties,
               r.succeeded,
               r.opted_out{_from("report_cohorts")}
         WHERE r.contacts <> 0
        """,
        {
            **_ABOUT_WORDS,
            "value": "of the dimension, at the contact's first call",
            "day": "of the contact's first call, on its own calendar",
            "contacts": "first called on that day",
            "answered": "of these, anyone or anything ever picked up",
            "connected": "of these, a person was ever reached",
            "conversed": "of these, who ever talked with us",
            "right_parties": "of these, without those at whose number somebody else lives",
            "succeeded": "of these, with an outcome of the category success",
            "opted_out": "of these, who asked in a call not to be called again",
        },
    ),
    "tries": (
        """How many calls it takes to reach a person, by campaign, one dimension and the day of the contact's first
        call, from roll-ups.""",
        f"""
        SELECT {_ABOUT},
               r.number,
               r.tried,
               r.reached{_from("report_tries")}
         WHERE r.tried <> 0 OR r.reached <> 0
        """,
        {
            **_ABOUT_WORDS,
            "value": "of the dimension, at the contact's first call",
            "day": "of the contact's first call, on its own calendar",
            "number": "which call to the contact; 10 stands for itself and more",
            "tried": "contacts who were called so often before a person was reached",
            "reached": "of these, contacts of whom a person was reached by that call",
        },
    ),
    "recovery_results": (
        """Conversations that broke off or handed over, by campaign, day and one dimension, from roll-ups.""",
        f"""
        SELECT {_ABOUT},
               r.answer,
               r.became,
               r.calls{_from("report_recoveries")}
         WHERE r.calls <> 0
        """,
        {
            **_ABOUT_WORDS,
            "answer": "what the call did next: resume, transfer, voicemail, goodbye or hang_up",
            "became": "what became of it",
            "calls": "how many",
        },
    ),
    "opt_outs": (
        """One row per number on our own do-not-call list. Numbers of people are in it: grant the schema only to
        those who may see them.""",
        """
        SELECT e.phone,
               e.source,
               e.reason,
               e.quote,
               e.actor,
               e.added_at
          FROM dnc_entries e
          JOIN dnc_lists l ON l.id = e.list_id
         WHERE l.kind = 'own'
        """,
        {
            "phone": "E.164",
            "source": "conversation, keypress, api, import, cli or console",
            "reason": "why, in words",
            "quote": "the person's own words, card and identity numbers removed; null unless said in a call",
            "actor": "who put it there",
            "added_at": "when",
        },
    ),
}
"""View → (what a row is, its SELECT, column → meaning)."""


TABLES = (
    "report_queue",
    "report_state",
    "webhook_endpoints",
    "exports",
    "report_cohorts",
    "report_days",
    "report_dispositions",
    "report_enrolled",
    "report_facts",
    "report_first_words",
    "report_hours",
    "report_recoveries",
    "report_tries",
    "webhook_deliveries",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "report_queue",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_queue")),
        comment="Attempts whose outcome was written or refined since the roll-ups last looked at them",
    )
    op.create_table(
        "report_state",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "found",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="what the last check found",
        ),
        sa.Column("rebuilt_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_report_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_state")),
        comment="One row: whoever changes the roll-ups locks it first",
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "events",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'::text[]"),
            nullable=False,
            comment="empty: all",
        ),
        sa.Column("numbers", sa.Text(), server_default="masked", nullable=False),
        sa.Column("secret", sa.Text(), nullable=False, comment="whsec_…; signs, so it is kept as it is"),
        sa.Column("old_secret", sa.Text(), nullable=True, comment="signs too, until old_secret_until"),
        sa.Column("old_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("state_why", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("numbers IN ('masked', 'full')", name=op.f("ck_webhook_endpoints_numbers_known")),
        sa.CheckConstraint(
            "state IN ('active', 'disabled', 'removed')", name=op.f("ck_webhook_endpoints_state_known")
        ),
        sa.CheckConstraint("length(url) BETWEEN 1 AND 2000", name=op.f("ck_webhook_endpoints_url_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
        comment="Who is told of outcomes and events",
    )
    op.create_table(
        "exports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the watermark: rows before it, and no others",
        ),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("host", sa.Text(), nullable=False, comment="on whose disk the file lies"),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("format IN ('csv', 'parquet')", name=op.f("ck_exports_format_known")),
        sa.CheckConstraint(
            "state IN ('running', 'finished', 'failed', 'expired')", name=op.f("ck_exports_state_known")
        ),
        sa.CheckConstraint(
            "what IN ('attempts', 'contacts', 'outcomes', 'turns', 'answers')",
            name=op.f("ck_exports_what_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_exports_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        comment="Files asked for through the API, with where they lie until they expire",
    )
    op.create_table(
        "report_cohorts",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="on the contact's own calendar"),
        sa.Column("contacts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("answered", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("connected", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("right_parties", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("succeeded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("opted_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "dimension IN ('campaign', 'list', 'version', 'caller_id', 'zone')",
            name=op.f("ck_report_cohorts_dimension_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_cohorts_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dimension", "campaign_id", "value", "day", name=op.f("pk_report_cohorts")),
        comment="Contacts by the day of their first attempt, each counted in every step that it has ever reached",
    )
    op.create_table(
        "report_days",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="on the contact's own calendar"),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("placed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("answered", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("connects", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversations", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("right_parties", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("successes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("opt_outs", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("abandoned", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seconds", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("priced", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "dimension IN ('campaign', 'list', 'version', 'caller_id', 'zone')",
            name=op.f("ck_report_days_dimension_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_days_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dimension", "campaign_id", "value", "day", name=op.f("pk_report_days")),
        comment="Attempts by day",
    )
    op.create_table(
        "report_dispositions",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="on the contact's own calendar"),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seconds", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("priced", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "dimension IN ('campaign', 'list', 'version', 'caller_id', 'zone')",
            name=op.f("ck_report_dispositions_dimension_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_dispositions_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "dimension", "campaign_id", "value", "day", "disposition", name=op.f("pk_report_dispositions")
        ),
        comment="Attempts by day and disposition",
    )
    op.create_table(
        "report_enrolled",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        sa.Column("contacts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "mark",
            sa.Text(),
            nullable=True,
            comment="how far enrolment was when they were counted; only of campaign",
        ),
        sa.CheckConstraint(
            "dimension IN ('campaign', 'list', 'version', 'caller_id', 'zone')",
            name=op.f("ck_report_enrolled_dimension_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_enrolled_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("dimension", "campaign_id", "value", name=op.f("pk_report_enrolled")),
        comment="Contacts enrolled, counted again when enrolment has gone on",
    )
    op.create_table(
        "report_facts",
        sa.Column("attempt_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_contact_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("caller_id", sa.Text(), nullable=False),
        sa.Column(
            "zone", sa.Text(), nullable=False, comment="empty: not known; the day and hour are then UTC's"
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="on the contact's own calendar"),
        sa.Column(
            "hour", sa.SmallInteger(), nullable=False, comment="of the intent, on the contact's own clock"
        ),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("placed", sa.Boolean(), nullable=False, comment="the call went out, or may have"),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("abandoned", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=True),
        sa.Column("first_word_ms", sa.Integer(), nullable=True),
        sa.Column(
            "recoveries", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_facts_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_report_facts")),
        comment="What each settled attempt has put into the roll-ups; names nobody, and outlives the attempt",
    )
    op.create_index(
        "ix_report_facts_campaign_contact_id", "report_facts", ["campaign_contact_id"], unique=False
    )
    op.create_index("ix_report_facts_campaign_id", "report_facts", ["campaign_id"], unique=False)
    op.create_table(
        "report_first_words",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="on the contact's own calendar"),
        sa.Column(
            "bucket",
            sa.SmallInteger(),
            nullable=False,
            comment="of FIRST_WORD_BOUNDS_MS, from 0 (domain/measures.py)",
        ),
        sa.Column("calls", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "dimension IN ('campaign', 'list', 'version', 'caller_id', 'zone')",
            name=op.f("ck_report_first_words_dimension_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_first_words_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "dimension", "campaign_id", "value", "day", "bucket", name=op.f("pk_report_first_words")
        ),
        comment="Calls by the time from the answer to our first word",
    )
    op.create_table(
        "report_hours",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="on the contact's own calendar"),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.Column("placed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("answered", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("connects", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("successes", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "dimension IN ('campaign', 'list', 'version', 'caller_id', 'zone')",
            name=op.f("ck_report_hours_dimension_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_hours_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "dimension", "campaign_id", "value", "day", "hour", name=op.f("pk_report_hours")
        ),
        comment="Attempts by day and hour of the contact's own clock",
    )
    op.create_table(
        "report_recoveries",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="on the contact's own calendar"),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("became", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "dimension IN ('campaign', 'list', 'version', 'caller_id', 'zone')",
            name=op.f("ck_report_recoveries_dimension_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_recoveries_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "dimension", "campaign_id", "value", "day", "answer", "became", name=op.f("pk_report_recoveries")
        ),
        comment="Conversations that broke off, by what was answered and what became of it",
    )
    op.create_table(
        "report_tries",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Text(),
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        sa.Column("day", sa.Date(), nullable=False, comment="on the contact's own calendar"),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("tried", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reached", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "dimension IN ('campaign', 'list', 'version', 'caller_id', 'zone')",
            name=op.f("ck_report_tries_dimension_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_report_tries_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "dimension", "campaign_id", "value", "day", "number", name=op.f("pk_report_tries")
        ),
        comment="The same contacts by the attempt at which a person was first reached; the last number is and more",
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("endpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column(
            "attempt_id",
            sa.BigInteger(),
            nullable=True,
            comment="of an outcome's event; its data is read when it is sent",
        ),
        sa.Column("phone", sa.Text(), nullable=True, comment="of an opt-out's event"),
        sa.Column(
            "data",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True, comment="HTTP status of the last answer"),
        sa.Column("error", sa.Text(), nullable=True, comment="why the last try failed"),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_at IS NOT NULL)",
            name=op.f("ck_webhook_deliveries_waiting_has_next_at"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'dead')", name=op.f("ck_webhook_deliveries_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_endpoint_id_webhook_endpoints"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        comment="The outbox: one row for each event and endpoint, written with what it tells of",
    )
    op.create_index(
        "ix_webhook_deliveries_attempt_id",
        "webhook_deliveries",
        ["attempt_id"],
        unique=False,
        postgresql_where=sa.text("attempt_id IS NOT NULL AND next_at IS NOT NULL"),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id", "webhook_deliveries", ["endpoint_id", "id"], unique=False
    )
    op.execute("INSERT INTO report_state (id) VALUES (1)")
    op.execute(
        "INSERT INTO report_queue (attempt_id, queued_at) SELECT attempt_id, recorded_at FROM outcomes "
        "WHERE campaign_id IS NOT NULL ORDER BY attempt_id"
    )
    for view, (comment, select, columns) in VIEWS.items():
        op.execute(f"CREATE VIEW analytics.{view} AS {select}")
        op.execute(f"COMMENT ON VIEW analytics.{view} IS {_quoted(comment)}")
        for column, meaning in columns.items():
            op.execute(f"COMMENT ON COLUMN analytics.{view}.{column} IS {_quoted(meaning)}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW analytics.{view}")
    for table in reversed(TABLES):
        op.drop_table(table)


def _quoted(words: str) -> str:
    one_line = " ".join(words.split()).replace("'", "''")
    return f"'{one_line}'"
