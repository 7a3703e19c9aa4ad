"""The house: every table of the service.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False, comment="the first characters, to recognise a key by"),
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the whole key (256 random bits)"
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('admin', 'operator', 'uploader', 'analyst')", name=op.f("ck_api_keys_role_known")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="cli:<os user>, key:<name>, system:<part>"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it was done to, e.g. campaign:12"),
        sa.Column("detail", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_subject", "audit_log", ["subject"], unique=False)
    op.create_table(
        "caller_id_days",
        sa.Column("caller_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("caller_id", "day", name=op.f("pk_caller_id_days")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_why", sa.Text(), nullable=True, comment="why it is in this state, for people"),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="the definition in force"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("calls_per_second", sa.Numeric(), nullable=True, comment="null: the account's"),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("share", sa.Integer(), server_default="1", nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'scheduled', 'running', 'paused', 'stopping', 'stopped', 'completed', 'failed')",
            name=op.f("ck_campaigns_state_known"),
        ),
        sa.CheckConstraint("lines > 0", name=op.f("ck_campaigns_lines_positive")),
        sa.CheckConstraint("share > 0", name=op.f("ck_campaigns_share_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("name", name=op.f("uq_campaigns_name")),
    )
    op.create_table(
        "contact_lists",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True, comment="ISO country for numbers written without +"),
        sa.Column("columns", ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name=op.f("ck_contact_lists_name_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_lists")),
        sa.UniqueConstraint("name", name=op.f("uq_contact_lists_name")),
    )
    op.create_table(
        "dnc_lists",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="own: honoured by all campaigns; campaign; registry"
        ),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('own', 'campaign', 'registry')", name=op.f("ck_dnc_lists_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dnc_lists")),
        sa.UniqueConstraint("name", name=op.f("uq_dnc_lists_name")),
    )
    op.create_index(
        "uq_dnc_lists_one_own", "dnc_lists", ["kind"], unique=True, postgresql_where=sa.text("kind = 'own'")
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=True,
            comment="real or simulated; recorded at first use, never changed",
        ),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dialling_stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dialling_stopped_by", sa.Text(), nullable=True),
        sa.Column("dialling_stopped_why", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('real', 'simulated')", name=op.f("ck_installation_kind_known")),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        comment="One row: what kind of database this is, and the switch that stops all dialling",
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("fencing", sa.BigInteger(), nullable=False, comment="grows with every change of holder"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "pace",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("next_slot_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_why", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_pace_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pace")),
        comment="One row: the account's next free slot. Whoever claims contacts locks it first",
    )
    op.create_table(
        "replicas",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("draining", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("detail", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replicas")),
    )
    op.create_table(
        "campaign_dnc_lists",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("dnc_list_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_dnc_lists_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["dnc_list_id"], ["dnc_lists.id"], name=op.f("fk_campaign_dnc_lists_dnc_list_id_dnc_lists")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "dnc_list_id", name=op.f("pk_campaign_dnc_lists")),
    )
    op.create_table(
        "campaign_enrolments",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False, comment="0: contacts that were added singly"),
        sa.Column("through_contact_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_enrolments_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["list_id"],
            ["contact_lists.id"],
            name=op.f("fk_campaign_enrolments_list_id_contact_lists"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "list_id", "import_id", name=op.f("pk_campaign_enrolments")),
        comment="How far the contacts of each finished import are enrolled in each campaign",
    )
    op.create_table(
        "campaign_lists",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "priority", sa.SmallInteger(), server_default="0", nullable=False, comment="smaller goes first"
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_lists_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["contact_lists.id"], name=op.f("fk_campaign_lists_list_id_contact_lists")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "list_id", name=op.f("pk_campaign_lists")),
    )
    op.create_index("ix_campaign_lists_list_id", "campaign_lists", ["list_id"], unique=False)
    op.create_table(
        "campaign_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_log_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_log")),
    )
    op.create_index("ix_campaign_log_campaign_id_at", "campaign_log", ["campaign_id", "at"], unique=False)
    op.create_table(
        "campaign_spend",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="UTC day of the intent"),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("spent", sa.Numeric(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_spend_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "day", name=op.f("pk_campaign_spend")),
    )
    op.create_table(
        "campaign_versions",
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", JSONB(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_versions_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "version", name=op.f("pk_campaign_versions")),
        comment="Definitions never change; an edit is a new version, and every attempt names its own",
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=True, comment="null: added singly"),
        sa.Column("line", sa.BigInteger(), nullable=True, comment="line of the imported file, from 1"),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=False, comment="the first number, E.164"),
        sa.Column("other_phones", ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column(
            "place",
            sa.Text(),
            nullable=False,
            comment="where the person may be: countries|regions|zones, all evidence together",
        ),
        sa.Column("said_zone", sa.Text(), nullable=True, comment="time zone named by the list or the person"),
        sa.Column("state", sa.Text(), nullable=True, comment="region column of the list, e.g. FL"),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("party", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("consent", sa.Text(), server_default="none", nullable=False),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consent_source", sa.Text(), nullable=True),
        sa.Column("variables", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "consent IN ('none', 'ebr', 'express_oral', 'express_written')",
            name=op.f("ck_contacts_consent_known"),
        ),
        sa.CheckConstraint(
            "party IN ('consumer', 'business', 'unknown')", name=op.f("ck_contacts_party_known")
        ),
        sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{5,14}$'", name=op.f("ck_contacts_phone_e164")),
        sa.CheckConstraint("cardinality(other_phones) <= 4", name=op.f("ck_contacts_numbers_at_most_five")),
        sa.ForeignKeyConstraint(
            ["list_id"],
            ["contact_lists.id"],
            name=op.f("fk_contacts_list_id_contact_lists"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("list_id", "phone", name=op.f("uq_contacts_list_id_phone")),
    )
    op.create_index(
        "ix_contacts_import_id",
        "contacts",
        ["import_id"],
        unique=False,
        postgresql_where=sa.text("import_id IS NOT NULL"),
        postgresql_using="brin",
    )
    op.create_index(
        "ix_contacts_other_phones",
        "contacts",
        ["other_phones"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("other_phones <> '{}'::text[]"),
    )
    op.create_index("ix_contacts_phone", "contacts", ["phone"], unique=False)
    op.create_table(
        "dnc_entries",
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="conversation, keypress, api, import, cli, console"
        ),
        sa.Column("quote", sa.Text(), nullable=True, comment="the person's own words"),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{5,14}$'", name=op.f("ck_dnc_entries_phone_e164")),
        sa.ForeignKeyConstraint(["list_id"], ["dnc_lists.id"], name=op.f("fk_dnc_entries_list_id_dnc_lists")),
        sa.PrimaryKeyConstraint("phone", "list_id", name=op.f("pk_dnc_entries")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="contacts or dnc"),
        sa.Column("list_id", sa.BigInteger(), nullable=True),
        sa.Column("dnc_list_id", sa.BigInteger(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column(
            "stored_path",
            sa.Text(),
            nullable=True,
            comment="an uploaded file's place under the data directory",
        ),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("byte_offset", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("line", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("options", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("header", ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_taken", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_repeated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_known", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_rejected", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows_on_dnc", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected_why", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('contacts', 'dnc')", name=op.f("ck_imports_kind_known")),
        sa.CheckConstraint(
            "state IN ('running', 'finished', 'interrupted', 'discarded', 'failed')",
            name=op.f("ck_imports_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["dnc_list_id"],
            ["dnc_lists.id"],
            name=op.f("fk_imports_dnc_list_id_dnc_lists"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["list_id"],
            ["contact_lists.id"],
            name=op.f("fk_imports_list_id_contact_lists"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        comment="A file being read: its contacts are invisible to campaigns until it is finished",
    )
    op.create_index("ix_imports_list_id", "imports", ["list_id"], unique=False)
    op.create_table(
        "campaign_contacts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False, comment="the contact's first number"),
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "due_for", sa.Text(), server_default="first", nullable=False, comment="first, retry, callback"
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("number_index", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "disposition", sa.Text(), nullable=True, comment="of the last attempt; final when state is done"
        ),
        sa.Column(
            "waiting_for",
            sa.Text(),
            nullable=True,
            comment="the rule that blocks or defers; its words are in decisions",
        ),
        sa.Column("decision", sa.Text(), nullable=True, comment="fingerprint of the last decision kept"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_at IS NOT NULL)",
            name=op.f("ck_campaign_contacts_waiting_has_next_at"),
        ),
        sa.CheckConstraint(
            "due_for IN ('first', 'retry', 'callback')", name=op.f("ck_campaign_contacts_due_for_known")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'calling', 'done', 'blocked')",
            name=op.f("ck_campaign_contacts_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_contacts_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_campaign_contacts_contact_id_contacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_contacts")),
        sa.UniqueConstraint("campaign_id", "phone", name=op.f("uq_campaign_contacts_campaign_id_phone")),
        comment="A contact enrolled in a campaign: one budget of attempts, unique by its first number",
    )
    op.create_index("ix_campaign_contacts_contact_id", "campaign_contacts", ["contact_id"], unique=False)
    op.create_index(
        "ix_campaign_contacts_due",
        "campaign_contacts",
        ["campaign_id", "priority", "next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_campaign_contacts_phone", "campaign_contacts", ["phone"], unique=False)
    op.create_table(
        "rejected_rows",
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("cells", ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_rejected_rows_import_id_imports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_rejected_rows")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "marker", sa.Text(), nullable=False, comment="random; a path segment of every webhook address"
        ),
        sa.Column("kind", sa.Text(), server_default="campaign", nullable=False, comment="campaign or test"),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("campaign_contact_id", sa.BigInteger(), nullable=True),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("campaign_version", sa.Integer(), nullable=True),
        sa.Column(
            "definition", JSONB(), nullable=True, comment="only of a test call: the script it was placed with"
        ),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("caller_id", sa.Text(), nullable=False),
        sa.Column("due_for", sa.Text(), server_default="first", nullable=False),
        sa.Column(
            "number", sa.SmallInteger(), server_default="1", nullable=False, comment="of the contact, from 1"
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("intent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("slot_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replica", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ringing_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checks", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("cancel_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_why", sa.Text(), nullable=True),
        sa.Column("call_sid", sa.Text(), nullable=True),
        sa.Column("call_status", sa.Text(), nullable=True, comment="Twilio's own word"),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("machine_detection_ms", sa.Integer(), nullable=True),
        sa.Column("sip_code", sa.Integer(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("queue_ms", sa.Integer(), nullable=True),
        sa.Column("duration_s", sa.Integer(), nullable=True),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("price_unit", sa.Text(), nullable=True),
        sa.Column("reserved", sa.Numeric(), server_default="0", nullable=False),
        sa.Column(
            "first_word_ms",
            sa.Integer(),
            nullable=True,
            comment="answer to the first word of ours, milliseconds",
        ),
        sa.Column(
            "talk_disposition", sa.Text(), nullable=True, comment="what the conversation itself concluded"
        ),
        sa.Column("callback_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "turned_away",
            sa.Text(),
            nullable=True,
            comment="why the TwiML fetch turned an answered call away",
        ),
        sa.Column("recording_sid", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('ended', 'not_placed')) = (settled_at IS NOT NULL)",
            name=op.f("ck_attempts_settled_when_final"),
        ),
        sa.CheckConstraint("kind IN ('campaign', 'test')", name=op.f("ck_attempts_kind_known")),
        sa.CheckConstraint(
            "state IN ('placing', 'unknown', 'placed', 'ringing', 'answered', 'ended', 'not_placed')",
            name=op.f("ck_attempts_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_contact_id"],
            ["campaign_contacts.id"],
            name=op.f("fk_attempts_campaign_contact_id_campaign_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_attempts_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_attempts_contact_id_contacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("call_sid", name=op.f("uq_attempts_call_sid")),
        sa.UniqueConstraint("marker", name=op.f("uq_attempts_marker")),
        comment="One try to reach one number; the row is committed before the call is placed",
    )
    op.create_index("ix_attempts_campaign_contact_id", "attempts", ["campaign_contact_id"], unique=False)
    op.create_index(
        "ix_attempts_campaign_id_intent_at", "attempts", ["campaign_id", "intent_at"], unique=False
    )
    op.create_index("ix_attempts_phone_intent_at", "attempts", ["phone", "intent_at"], unique=False)
    op.create_index(
        "ix_attempts_unpriced",
        "attempts",
        ["check_at"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NOT NULL AND check_at IS NOT NULL"),
    )
    op.create_index(
        "ix_attempts_unsettled",
        "attempts",
        ["campaign_id"],
        unique=False,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index(
        "uq_attempts_one_unsettled_per_phone",
        "attempts",
        ["phone"],
        unique=True,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=False),
        sa.Column("campaign_contact_id", sa.BigInteger(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("reasons", JSONB(), nullable=False),
        sa.Column("packs", JSONB(), nullable=False),
        sa.Column("facts", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("verdict IN ('allow', 'defer', 'block')", name=op.f("ck_decisions_verdict_known")),
        sa.ForeignKeyConstraint(
            ["campaign_contact_id"],
            ["campaign_contacts.id"],
            name=op.f("fk_decisions_campaign_contact_id_campaign_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_decisions_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        comment="Every decision that differs from the one before, with each rule's verdict",
    )
    op.create_index("ix_decisions_campaign_contact_id", "decisions", ["campaign_contact_id"], unique=False)
    op.create_index("ix_decisions_phone", "decisions", ["phone"], unique=False)
    op.create_table(
        "answers",
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column(
            "value", JSONB(), nullable=False, comment="typed, as gathered; not redacted, under retention"
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_answers_attempt_id_attempts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("attempt_id", "question", name=op.f("pk_answers")),
    )
    op.create_table(
        "call_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("dedupe", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("marker", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=True),
        sa.Column("call_sid", sa.Text(), nullable=True),
        sa.Column("payload", JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('status', 'amd', 'twiml', 'action', 'recording', 'dial', 'found')",
            name=op.f("ck_call_events_kind_known"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
            name=op.f("fk_call_events_attempt_id_attempts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_events")),
        sa.UniqueConstraint("dedupe", name=op.f("uq_call_events_dedupe")),
        comment="The inbox of Twilio's webhooks: inserted once, then handled",
    )
    op.create_index("ix_call_events_attempt_id", "call_events", ["attempt_id"], unique=False)
    op.create_index(
        "ix_call_events_unhandled",
        "call_events",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("handled_at IS NULL"),
    )
    op.create_table(
        "conversation_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False, comment="1, then one more per resumption"),
        sa.Column(
            "token_digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the single-use token"
        ),
        sa.Column("session_sid", sa.Text(), nullable=True, comment="Twilio's VX…"),
        sa.Column("replica", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_why", sa.Text(), nullable=True),
        sa.Column(
            "first_word_ms",
            sa.Integer(),
            nullable=True,
            comment="setup frame to our first text frame, milliseconds",
        ),
        sa.Column("disclosed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
            name=op.f("fk_conversation_sessions_attempt_id_attempts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_sessions")),
        sa.UniqueConstraint(
            "attempt_id", "ordinal", name=op.f("uq_conversation_sessions_attempt_id_ordinal")
        ),
        sa.UniqueConstraint("token_digest", name=op.f("uq_conversation_sessions_token_digest")),
    )
    op.create_table(
        "conversation_turns",
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "seq", sa.Integer(), nullable=False, comment="order within the call, over all its sessions"
        ),
        sa.Column("session_ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False, comment="as heard, redacted"),
        sa.Column("interrupted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "latency_ms", sa.Integer(), nullable=True, comment="prompt in to first text out, milliseconds"
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "speaker IN ('agent', 'person', 'key', 'note')", name=op.f("ck_conversation_turns_speaker_known")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
            name=op.f("fk_conversation_turns_attempt_id_attempts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_id", "seq", name=op.f("pk_conversation_turns")),
    )
    op.create_table(
        "outcomes",
        sa.Column("attempt_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.Column("campaign_contact_id", sa.BigInteger(), nullable=True),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_word_ms", sa.Integer(), nullable=True),
        sa.Column("data", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=True),
        sa.Column("cost_lines", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False, comment="false: a retry or callback is planned"),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("abandoned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "category IN ('success', 'neutral', 'failure')", name=op.f("ck_outcomes_category_known")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_outcomes_attempt_id_attempts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["campaign_contact_id"],
            ["campaign_contacts.id"],
            name=op.f("fk_outcomes_campaign_contact_id_campaign_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_outcomes_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_outcomes")),
        comment="How each attempt ended: exactly one row",
    )
    op.create_index(
        "ix_outcomes_campaign_id_recorded_at", "outcomes", ["campaign_id", "recorded_at"], unique=False
    )
    op.create_table(
        "recoveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("session_ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("session_status", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("became", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "answer IN ('resume', 'transfer', 'voicemail', 'goodbye', 'hang_up')",
            name=op.f("ck_recoveries_answer_known"),
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["attempts.id"],
            name=op.f("fk_recoveries_attempt_id_attempts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recoveries")),
        sa.UniqueConstraint(
            "attempt_id", "session_ordinal", name=op.f("uq_recoveries_attempt_id_session_ordinal")
        ),
        comment="Each answer to <Connect action>: why it was asked, what was answered, what became of it",
    )
    op.execute("INSERT INTO installation (id) VALUES (1)")
    op.execute("INSERT INTO pace (id, next_slot_at) VALUES (1, '2000-01-01T00:00:00Z')")
    op.execute("INSERT INTO dnc_lists (name, kind, created_at) VALUES ('own', 'own', '2000-01-01T00:00:00Z')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("recoveries")
    op.drop_table("outcomes")
    op.drop_table("conversation_turns")
    op.drop_table("conversation_sessions")
    op.drop_table("call_events")
    op.drop_table("answers")
    op.drop_table("decisions")
    op.drop_table("attempts")
    op.drop_table("rejected_rows")
    op.drop_table("campaign_contacts")
    op.drop_table("imports")
    op.drop_table("dnc_entries")
    op.drop_table("contacts")
    op.drop_table("campaign_versions")
    op.drop_table("campaign_spend")
    op.drop_table("campaign_log")
    op.drop_table("campaign_lists")
    op.drop_table("campaign_enrolments")
    op.drop_table("campaign_dnc_lists")
    op.drop_table("replicas")
    op.drop_table("pace")
    op.drop_table("leases")
    op.drop_table("installation")
    op.drop_table("dnc_lists")
    op.drop_table("contact_lists")
    op.drop_table("campaigns")
    op.drop_table("caller_id_days")
    op.drop_table("audit_log")
    op.drop_table("api_keys")
