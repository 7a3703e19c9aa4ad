"""Campaigns: what they are, which contacts they have, what was decided about them and what they spent."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from campaign.store.models.base import EMPTY_OBJECT, instant, key, metadata, one_of, reference

campaigns = sa.Table(
    "campaigns",
    metadata,
    key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_why", sa.Text, comment="why it is in this state, for people"),
    instant("state_at", null=False),
    sa.Column("version", sa.Integer, nullable=False, comment="the definition in force"),
    instant("starts_at"),
    instant("ends_at"),
    instant("started_at"),
    instant("ended_at"),
    sa.Column("calls_per_second", sa.Numeric, comment="null: the account's"),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("share", sa.Integer, nullable=False, server_default="1"),
    instant("enrolled_at"),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", null=False),
    sa.Column(
        "replan_after",
        sa.BigInteger,
        comment="after an edit: campaign contacts beyond this one are still to be planned again; null: none",
    ),
    sa.UniqueConstraint("name"),
    one_of("state", "draft", "scheduled", "running", "paused", "stopping", "stopped", "completed", "failed"),
    sa.CheckConstraint("lines > 0", name="lines_positive"),
    sa.CheckConstraint("share > 0", name="share_positive"),
)

campaign_versions = sa.Table(
    "campaign_versions",
    metadata,
    reference("campaign_id", "campaigns.id", cascade=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("definition", JSONB, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", null=False),
    sa.PrimaryKeyConstraint("campaign_id", "version"),
    comment="Definitions never change; an edit is a new version, and every attempt names its own",
)

campaign_lists = sa.Table(
    "campaign_lists",
    metadata,
    reference("campaign_id", "campaigns.id", cascade=True),
    reference("list_id", "contact_lists.id"),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="0", comment="smaller goes first"),
    sa.PrimaryKeyConstraint("campaign_id", "list_id"),
    sa.Index("ix_campaign_lists_list_id", "list_id"),
)

campaign_enrolments = sa.Table(
    "campaign_enrolments",
    metadata,
    reference("campaign_id", "campaigns.id", cascade=True),
    reference("list_id", "contact_lists.id", cascade=True),
    sa.Column("import_id", sa.BigInteger, nullable=False, comment="0: contacts that were added singly"),
    sa.Column("through_contact_id", sa.BigInteger, nullable=False, server_default="0"),
    instant("finished_at"),
    sa.PrimaryKeyConstraint("campaign_id", "list_id", "import_id"),
    comment="How far the contacts of each finished import are enrolled in each campaign",
)

campaign_dnc_lists = sa.Table(
    "campaign_dnc_lists",
    metadata,
    reference("campaign_id", "campaigns.id", cascade=True),
    reference("dnc_list_id", "dnc_lists.id"),
    sa.PrimaryKeyConstraint("campaign_id", "dnc_list_id"),
)

campaign_log = sa.Table(
    "campaign_log",
    metadata,
    key(),
    reference("campaign_id", "campaigns.id", cascade=True),
    instant("at", null=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("from_state", sa.Text),
    sa.Column("to_state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Index("ix_campaign_log_campaign_id_at", "campaign_id", "at"),
)

campaign_spend = sa.Table(
    "campaign_spend",
    metadata,
    reference("campaign_id", "campaigns.id", cascade=True),
    sa.Column("day", sa.Date, nullable=False, comment="UTC day of the intent"),
    sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reserved", sa.Numeric, nullable=False, server_default="0"),
    sa.Column("spent", sa.Numeric, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("campaign_id", "day"),
)

caller_id_days = sa.Table(
    "caller_id_days",
    metadata,
    sa.Column("caller_id", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("caller_id", "day"),
)

campaign_contacts = sa.Table(
    "campaign_contacts",
    metadata,
    key(),
    reference("campaign_id", "campaigns.id", cascade=True),
    reference("contact_id", "contacts.id"),
    sa.Column("phone", sa.Text, nullable=False, comment="the contact's first number"),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    instant("next_at"),
    sa.Column("due_for", sa.Text, nullable=False, server_default="first", comment="first, retry, callback"),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("number_index", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("disposition", sa.Text, comment="of the last attempt; final when state is done"),
    sa.Column("waiting_for", sa.Text, comment="the rule that blocks or defers; its words are in decisions"),
    sa.Column("decision", sa.Text, comment="fingerprint of the last decision kept"),
    instant("updated_at", null=False),
    sa.UniqueConstraint("campaign_id", "phone"),
    one_of("state", "waiting", "calling", "done", "blocked"),
    one_of("due_for", "first", "retry", "callback"),
    sa.CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="waiting_has_next_at"),
    sa.Index(
        "ix_campaign_contacts_due",
        "campaign_id",
        "priority",
        "next_at",
        "id",
        postgresql_where=sa.text("next_at IS NOT NULL"),
    ),
    sa.Index("ix_campaign_contacts_contact_id", "contact_id"),
    sa.Index("ix_campaign_contacts_phone", "phone"),
    comment="A contact enrolled in a campaign: one budget of attempts, unique by its first number",
)

decisions = sa.Table(
    "decisions",
    metadata,
    key(),
    reference("campaign_id", "campaigns.id", cascade=True),
    reference("campaign_contact_id", "campaign_contacts.id", cascade=True),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    instant("until_at"),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("reasons", JSONB, nullable=False),
    sa.Column("packs", JSONB, nullable=False),
    sa.Column("facts", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    instant("decided_at", null=False),
    sa.Column("made_with", sa.Text, comment="versions of the data that rules are read by, e.g. tzdata's"),
    one_of("verdict", "allow", "defer", "block"),
    sa.Index("ix_decisions_campaign_contact_id", "campaign_contact_id"),
    sa.Index("ix_decisions_phone", "phone"),
    comment="The decision of each dial (decided_at is its intent_at) and every other one that differs from "
    "the one before, with each rule's verdict",
)

studies = sa.Table(
    "studies",
    metadata,
    key(),
    sa.Column("kind", sa.Text, nullable=False),
    reference("campaign_id", "campaigns.id", null=True, cascade=True),
    sa.Column("state", sa.Text, nullable=False, server_default="running"),
    sa.Column("asked", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    sa.Column("actor", sa.Text, nullable=False),
    instant("asked_at", null=False),
    instant("beat_at", null=False),
    instant("finished_at"),
    sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("total", sa.BigInteger),
    sa.Column("result", JSONB),
    sa.Column("error", sa.Text),
    one_of("kind", "preview", "replay"),
    one_of("state", "running", "finished", "failed"),
    comment="Previews and replays that were asked for through the API, with what they found",
)
