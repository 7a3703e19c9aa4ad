"""All tables. Alembic's migrations make them; this file says what they mean.

One dialect: PostgreSQL 15 or newer. Every constraint has a name. Times are `timestamptz` and written from
the service's clock (`:now`), never by the database. Words are the glossary's (docs/glossary.md).

    contact_lists ─< imports ─< rejected_rows        dnc_lists ─< dnc_entries
                                                     dnc_lists ─< registry_versions ─< registry_blocks,
                                                                                       registry_rejects
          └────────< contacts
    campaigns ─< campaign_versions, campaign_lists, campaign_dnc_lists, campaign_log, campaign_spend
          └────< campaign_contacts ─< decisions
                        └──────────< attempts ─< call_events, conversation_sessions ─< conversation_turns
                                         └─────< recoveries, answers, recordings, outcomes (one, at the end)
    campaigns ─< rule_waivers       rule_registrations, region_pauses: of the whole installation
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

EMPTY_OBJECT = sa.text("'{}'::jsonb")
EMPTY_LIST = sa.text("'[]'::jsonb")
EMPTY_TEXTS = sa.text("'{}'::text[]")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True)


def _at(name: str, *, null: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _ref(name: str, target: str, *, null: bool = False, cascade: bool = False) -> sa.Column[int]:
    return sa.Column(
        name,
        sa.BigInteger,
        sa.ForeignKey(target, ondelete="CASCADE" if cascade else None),
        nullable=null,
    )


# ── the installation itself ────────────────────────────────────────────────────────────────────────────

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, comment="real or simulated; recorded at first use, never changed"),
    _at("recorded_at"),
    _at("dialling_stopped_at"),
    sa.Column("dialling_stopped_by", sa.Text),
    sa.Column("dialling_stopped_why", sa.Text),
    sa.Column(
        "works_from",
        sa.Text,
        comment="the oldest schema revision whose code may work on this schema; null: only its own",
    ),
    sa.CheckConstraint("id = 1", name="one_row"),
    _one_of("kind", "real", "simulated"),
    comment="One row: what kind of database this is, and the switch that stops all dialling",
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("prefix", sa.Text, nullable=False, comment="the first characters, to recognise a key by"),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the whole key (256 random bits)"),
    sa.Column("created_by", sa.Text, nullable=False),
    _at("created_at", null=False),
    _at("revoked_at"),
    _at("last_used_at"),
    sa.UniqueConstraint("digest"),
    _one_of("role", "admin", "operator", "uploader", "analyst"),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    _id(),
    _at("at", null=False),
    sa.Column(
        "actor",
        sa.Text,
        nullable=False,
        comment="cli:<os user>, key:<name>, user:<email>, system:<part>",
    ),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, comment="what it was done to, e.g. campaign:12"),
    sa.Column("detail", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    sa.Index("ix_audit_log_subject", "subject"),
    sa.Index("ix_audit_log_actor", "actor", "id"),
)

users = sa.Table(
    "users",
    metadata,
    _id(),
    sa.Column("email", sa.Text, nullable=False, comment="in lower case; what one signs in with"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, comment="argon2id; null: none chosen yet"),
    sa.Column("created_by", sa.Text, nullable=False),
    _at("created_at", null=False),
    _at("password_at"),
    _at("signed_in_at"),
    _at("disabled_at"),
    sa.UniqueConstraint("email"),
    _one_of("role", "admin", "operator", "uploader", "analyst"),
    sa.CheckConstraint("email = lower(email)", name="email_lower"),
    comment="People who may sign in to the console",
)

sign_ins = sa.Table(
    "sign_ins",
    metadata,
    _id(),
    _ref("user_id", "users.id", cascade=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the cookie (256 random bits)"),
    sa.Column("how", sa.Text, nullable=False, server_default="password"),
    sa.Column("address", sa.Text, nullable=False, server_default=""),
    sa.Column("browser", sa.Text, nullable=False, server_default=""),
    _at("created_at", null=False),
    _at("seen_at", null=False),
    _at("expires_at", null=False),
    sa.Column("flash", JSONB, comment="messages for the next page that is shown"),
    sa.UniqueConstraint("digest"),
    sa.Index("ix_sign_ins_user_id", "user_id"),
    _one_of("how", "password", "openid"),
    comment="Browsers that are signed in to the console",
)

one_time_links = sa.Table(
    "one_time_links",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True, comment="SHA-256 of the link's token"),
    sa.Column(
        "user_id",
        sa.BigInteger,
        sa.ForeignKey("users.id", ondelete="CASCADE"),
        comment="null: to make the first user",
    ),
    sa.Column("created_by", sa.Text, nullable=False),
    _at("expires_at", null=False),
    comment="Links that let somebody choose a password, once",
)

failed_sign_ins = sa.Table(
    "failed_sign_ins",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="user:<digest of the address>, address:<IP>"),
    sa.Column("failures", sa.Integer, nullable=False),
    _at("last_at", null=False),
    _at("locked_until"),
    comment="Failed tries to sign in since the last success, by user and by network address",
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("fencing", sa.BigInteger, nullable=False, comment="grows with every change of holder"),
    _at("expires_at", null=False),
)

replicas = sa.Table(
    "replicas",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    _at("started_at", null=False),
    _at("beat_at", null=False),
    sa.Column("draining", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("detail", JSONB, nullable=False, server_default=EMPTY_OBJECT),
)

pace = sa.Table(
    "pace",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    _at("next_slot_at", null=False),
    _at("held_until"),
    sa.Column("held_why", sa.Text),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("holder", sa.Text, comment="the replica that dials; the others wait for the end of its tenure"),
    _at("tenure_until"),
    sa.Column(
        "fencing",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="the tenure's number; grows with every change of holder",
    ),
    sa.CheckConstraint("id = 1", name="one_row"),
    comment="One row: the account's next free slot. Whoever claims contacts locks it first",
)

# ── lists and contacts ─────────────────────────────────────────────────────────────────────────────────

contact_lists = sa.Table(
    "contact_lists",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("region", sa.Text, comment="ISO country for numbers written without +"),
    sa.Column("columns", ARRAY(sa.Text), nullable=False, server_default=EMPTY_TEXTS),
    sa.Column("created_by", sa.Text, nullable=False),
    _at("created_at", null=False),
    sa.UniqueConstraint("name"),
    sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
)

imports = sa.Table(
    "imports",
    metadata,
    _id(),
    sa.Column("kind", sa.Text, nullable=False, comment="contacts or dnc"),
    _ref("list_id", "contact_lists.id", null=True, cascade=True),
    _ref("dnc_list_id", "dnc_lists.id", null=True, cascade=True),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("stored_path", sa.Text, comment="an uploaded file's place under the data directory"),
    sa.Column("file_bytes", sa.BigInteger, nullable=False),
    sa.Column("file_sha256", sa.LargeBinary),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("byte_offset", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("line", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("options", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    sa.Column("header", ARRAY(sa.Text), nullable=False, server_default=EMPTY_TEXTS),
    sa.Column("rows_read", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_taken", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_repeated", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_known", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_rejected", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_on_dnc", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rejected_why", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    sa.Column("error", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    _at("started_at", null=False),
    _at("beat_at", null=False),
    _at("finished_at"),
    sa.Column(
        "resumed_at", sa.DateTime(timezone=True), comment="when it was last taken up again; null: never"
    ),
    sa.Column(
        "resumed_offset",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="the byte at which it was last taken up again",
    ),
    _one_of("kind", "contacts", "dnc"),
    _one_of("state", "running", "finished", "interrupted", "discarded", "failed"),
    sa.Index("ix_imports_list_id", "list_id"),
    comment="A file being read: its contacts are invisible to campaigns until it is finished",
)

rejected_rows = sa.Table(
    "rejected_rows",
    metadata,
    _ref("import_id", "imports.id", cascade=True),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("column_name", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("cells", ARRAY(sa.Text), nullable=False),
    sa.PrimaryKeyConstraint("import_id", "line"),
)

contacts = sa.Table(
    "contacts",
    metadata,
    _id(),
    _ref("list_id", "contact_lists.id", cascade=True),
    sa.Column("import_id", sa.BigInteger, comment="null: added singly"),
    sa.Column("line", sa.BigInteger, comment="line of the imported file, from 1"),
    sa.Column("external_id", sa.Text),
    sa.Column("phone", sa.Text, nullable=False, comment="the first number, E.164"),
    sa.Column("other_phones", ARRAY(sa.Text), nullable=False, server_default=EMPTY_TEXTS),
    sa.Column(
        "place",
        sa.Text,
        nullable=False,
        comment="where the person may be: countries|regions|zones, all evidence together",
    ),
    sa.Column("said_zone", sa.Text, comment="time zone named by the list or the person"),
    sa.Column("state", sa.Text, comment="region column of the list, e.g. FL"),
    sa.Column("postal_code", sa.Text),
    sa.Column("party", sa.Text, nullable=False, server_default="unknown"),
    sa.Column("consent", sa.Text, nullable=False, server_default="none"),
    _at("consent_at"),
    sa.Column("consent_source", sa.Text),
    sa.Column("variables", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    _at("created_at", null=False),
    _at("updated_at"),
    sa.UniqueConstraint("list_id", "phone"),
    sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{5,14}$'", name="phone_e164"),
    sa.CheckConstraint("cardinality(other_phones) <= 4", name="numbers_at_most_five"),
    _one_of("party", "consumer", "business", "unknown"),
    _one_of("consent", "none", "ebr", "express_oral", "express_written"),
    sa.Index("ix_contacts_phone", "phone"),
    sa.Index(
        "ix_contacts_other_phones",
        "other_phones",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},  # claims search it: no list of late entries to read through
        postgresql_where=sa.text("other_phones <> '{}'::text[]"),
    ),
    sa.Index(
        "ix_contacts_import_id",
        "import_id",
        postgresql_where=sa.text("import_id IS NOT NULL"),
        postgresql_using="brin",
    ),
)

# ── do not call ────────────────────────────────────────────────────────────────────────────────────────

dnc_lists = sa.Table(
    "dnc_lists",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="own: honoured by all campaigns; campaign; registry"),
    _at("as_of", null=True),
    _at("created_at", null=False),
    sa.Column("what", sa.Text, comment="of a registry: national, state, litigator or other"),
    sa.UniqueConstraint("name"),
    _one_of("kind", "own", "campaign", "registry"),
    _one_of("what", "national", "state", "litigator", "other"),
    sa.Index("uq_dnc_lists_one_own", "kind", unique=True, postgresql_where=sa.text("kind = 'own'")),
)

dnc_entries = sa.Table(
    "dnc_entries",
    metadata,
    _ref("list_id", "dnc_lists.id"),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column(
        "source",
        sa.Text,
        nullable=False,
        comment="conversation, keypress, inbound, api, import, cli, console",
    ),
    sa.Column("quote", sa.Text, comment="the person's own words"),
    sa.Column("actor", sa.Text, nullable=False),
    _at("added_at", null=False),
    sa.PrimaryKeyConstraint("phone", "list_id"),
    sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{5,14}$'", name="phone_e164"),
)

consent_revocations = sa.Table(
    "consent_revocations",
    metadata,
    sa.Column("phone", sa.Text, primary_key=True),
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
    _at("recorded_at", null=False),
    sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{5,14}$'", name="phone_e164"),
    comment="Written when a number leaves the own list; until then its entry there forbids every call",
)

registry_versions = sa.Table(
    "registry_versions",
    metadata,
    _id(),
    _ref("list_id", "dnc_lists.id"),
    sa.Column("number", sa.Integer, nullable=False, comment="of this registry, from 1"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment="full: a whole copy; changes: applied to base"),
    sa.Column("base", sa.Integer, comment="the version that changes were applied to"),
    sa.Column("files", JSONB, nullable=False, comment="name, bytes and SHA-256 of each file"),
    _at("as_of", null=False),
    sa.Column(
        "area_codes", ARRAY(sa.Text), comment="North American area codes that the copy covers; null: all"
    ),
    sa.Column("numbers", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_read", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_rejected", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("error", sa.Text, comment="why it failed, for people"),
    sa.Column("actor", sa.Text, nullable=False),
    _at("began_at", null=False),
    _at("beat_at", null=False),
    _at("loaded_at"),
    _at("retired_at"),
    sa.Column(
        "emptied", sa.Boolean, nullable=False, server_default=sa.false(), comment="its numbers are gone"
    ),
    sa.UniqueConstraint("list_id", "number"),
    _one_of("state", "loading", "active", "retired", "failed"),
    _one_of("source", "full", "changes"),
    sa.Index(
        "uq_registry_versions_one_active",
        "list_id",
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    ),
    sa.Index(
        "uq_registry_versions_one_loading",
        "list_id",
        unique=True,
        postgresql_where=sa.text("state = 'loading'"),
    ),
    comment="Copies of registries, each loaded beside the one in force; the rows are kept for the record",
)

registry_blocks = sa.Table(
    "registry_blocks",
    metadata,
    _ref("version_id", "registry_versions.id"),
    sa.Column(
        "block", sa.BigInteger, nullable=False, comment="an E.164 number without + and its last four digits"
    ),
    sa.Column("numbers", sa.SmallInteger, nullable=False, comment="how many of the 10,000 are listed"),
    sa.Column("few", ARRAY(sa.SmallInteger), comment="their last four digits, when they are few"),
    sa.Column("bits", sa.LargeBinary, comment="a bit for each of the 10,000, as get_bit counts"),
    sa.PrimaryKeyConstraint("version_id", "block"),
    sa.CheckConstraint("(few IS NULL) <> (bits IS NULL)", name="few_or_bits"),
    comment="Numbers of registries: one row for ten thousand that differ in their last four digits only",
)

registry_rejects = sa.Table(
    "registry_rejects",
    metadata,
    _id(),
    _ref("version_id", "registry_versions.id"),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("line", sa.BigInteger, nullable=False, comment="of the file, from 1"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("raw", sa.Text, nullable=False, comment="the row as it stands in the file, cut if long"),
    sa.Index("ix_registry_rejects_version_id", "version_id"),
    comment="Rows that a registry's file has and that could not be read: the first ten thousand of a version",
)

# ── look-ups ───────────────────────────────────────────────────────────────────────────────────────────

number_lookups = sa.Table(
    "number_lookups",
    metadata,
    _id(),
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
    _at("asked_at", null=False),
    sa.Column("cost", sa.Numeric, nullable=False, server_default="0"),
    sa.Column("source", sa.Text, nullable=False, comment="who answered, e.g. twilio"),
    sa.Column("actor", sa.Text, nullable=False, comment="who asked"),
    sa.Column("campaign_id", sa.BigInteger, comment="whose money it was; null: asked by hand"),
    _one_of("what", "line_type", "reassigned"),
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
    _at("held_until", null=False),
    sa.Column("why", sa.Text, nullable=False, comment="for people"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0", comment="in a row"),
    _one_of("what", "line_type", "reassigned"),
    comment="What cannot be looked up at the moment, and when it is tried again",
)

# ── campaigns ──────────────────────────────────────────────────────────────────────────────────────────

campaigns = sa.Table(
    "campaigns",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_why", sa.Text, comment="why it is in this state, for people"),
    _at("state_at", null=False),
    sa.Column("version", sa.Integer, nullable=False, comment="the definition in force"),
    _at("starts_at"),
    _at("ends_at"),
    _at("started_at"),
    _at("ended_at"),
    sa.Column("calls_per_second", sa.Numeric, comment="null: the account's"),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("share", sa.Integer, nullable=False, server_default="1"),
    _at("enrolled_at"),
    sa.Column("created_by", sa.Text, nullable=False),
    _at("created_at", null=False),
    sa.Column(
        "replan_after",
        sa.BigInteger,
        comment="after an edit: campaign contacts beyond this one are still to be planned again; null: none",
    ),
    sa.UniqueConstraint("name"),
    _one_of("state", "draft", "scheduled", "running", "paused", "stopping", "stopped", "completed", "failed"),
    sa.CheckConstraint("lines > 0", name="lines_positive"),
    sa.CheckConstraint("share > 0", name="share_positive"),
)

campaign_versions = sa.Table(
    "campaign_versions",
    metadata,
    _ref("campaign_id", "campaigns.id", cascade=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("definition", JSONB, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    _at("created_at", null=False),
    sa.PrimaryKeyConstraint("campaign_id", "version"),
    comment="Definitions never change; an edit is a new version, and every attempt names its own",
)

campaign_lists = sa.Table(
    "campaign_lists",
    metadata,
    _ref("campaign_id", "campaigns.id", cascade=True),
    _ref("list_id", "contact_lists.id"),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="0", comment="smaller goes first"),
    sa.PrimaryKeyConstraint("campaign_id", "list_id"),
    sa.Index("ix_campaign_lists_list_id", "list_id"),
)

campaign_enrolments = sa.Table(
    "campaign_enrolments",
    metadata,
    _ref("campaign_id", "campaigns.id", cascade=True),
    _ref("list_id", "contact_lists.id", cascade=True),
    sa.Column("import_id", sa.BigInteger, nullable=False, comment="0: contacts that were added singly"),
    sa.Column("through_contact_id", sa.BigInteger, nullable=False, server_default="0"),
    _at("finished_at"),
    sa.PrimaryKeyConstraint("campaign_id", "list_id", "import_id"),
    comment="How far the contacts of each finished import are enrolled in each campaign",
)

campaign_dnc_lists = sa.Table(
    "campaign_dnc_lists",
    metadata,
    _ref("campaign_id", "campaigns.id", cascade=True),
    _ref("dnc_list_id", "dnc_lists.id"),
    sa.PrimaryKeyConstraint("campaign_id", "dnc_list_id"),
)

campaign_log = sa.Table(
    "campaign_log",
    metadata,
    _id(),
    _ref("campaign_id", "campaigns.id", cascade=True),
    _at("at", null=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("from_state", sa.Text),
    sa.Column("to_state", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Index("ix_campaign_log_campaign_id_at", "campaign_id", "at"),
)

campaign_spend = sa.Table(
    "campaign_spend",
    metadata,
    _ref("campaign_id", "campaigns.id", cascade=True),
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
    _id(),
    _ref("campaign_id", "campaigns.id", cascade=True),
    _ref("contact_id", "contacts.id"),
    sa.Column("phone", sa.Text, nullable=False, comment="the contact's first number"),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    _at("next_at"),
    sa.Column("due_for", sa.Text, nullable=False, server_default="first", comment="first, retry, callback"),
    sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("number_index", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("disposition", sa.Text, comment="of the last attempt; final when state is done"),
    sa.Column("waiting_for", sa.Text, comment="the rule that blocks or defers; its words are in decisions"),
    sa.Column("decision", sa.Text, comment="fingerprint of the last decision kept"),
    _at("updated_at", null=False),
    sa.UniqueConstraint("campaign_id", "phone"),
    _one_of("state", "waiting", "calling", "done", "blocked"),
    _one_of("due_for", "first", "retry", "callback"),
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
    _id(),
    _ref("campaign_id", "campaigns.id", cascade=True),
    _ref("campaign_contact_id", "campaign_contacts.id", cascade=True),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    _at("until_at"),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("reasons", JSONB, nullable=False),
    sa.Column("packs", JSONB, nullable=False),
    sa.Column("facts", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    _at("decided_at", null=False),
    sa.Column("made_with", sa.Text, comment="versions of the data that rules are read by, e.g. tzdata's"),
    _one_of("verdict", "allow", "defer", "block"),
    sa.Index("ix_decisions_campaign_contact_id", "campaign_contact_id"),
    sa.Index("ix_decisions_phone", "phone"),
    comment="The decision of each dial (decided_at is its intent_at) and every other one that differs from "
    "the one before, with each rule's verdict",
)

studies = sa.Table(
    "studies",
    metadata,
    _id(),
    sa.Column("kind", sa.Text, nullable=False),
    _ref("campaign_id", "campaigns.id", null=True, cascade=True),
    sa.Column("state", sa.Text, nullable=False, server_default="running"),
    sa.Column("asked", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    sa.Column("actor", sa.Text, nullable=False),
    _at("asked_at", null=False),
    _at("beat_at", null=False),
    _at("finished_at"),
    sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("total", sa.BigInteger),
    sa.Column("result", JSONB),
    sa.Column("error", sa.Text),
    _one_of("kind", "preview", "replay"),
    _one_of("state", "running", "finished", "failed"),
    comment="Previews and replays that were asked for through the API, with what they found",
)

# ── what people record about the law ───────────────────────────────────────────────────────────────────


def _recorded(why: str) -> list[sa.schema.SchemaItem]:
    """Why, who, when; and who took it back, and when."""
    at = sa.DateTime(timezone=True)
    return [
        sa.Column(why, sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", at, nullable=False),
        sa.Column("ended_at", at, comment="when it was taken back"),
        sa.Column("ended_by", sa.Text),
        sa.CheckConstraint(f"length(btrim({why})) > 0", name=f"{why}_given"),
    ]


def _one_open(table: str, *columns: str) -> sa.Index:
    name = f"uq_{table}_one_open"
    return sa.Index(name, *columns, unique=True, postgresql_where=sa.text("ended_at IS NULL"))


rule_waivers = sa.Table(
    "rule_waivers",
    metadata,
    _id(),
    _ref("campaign_id", "campaigns.id", cascade=True),
    sa.Column("rule_id", sa.Text, nullable=False),
    *_recorded("reason"),
    sa.Column(
        "until_at", sa.DateTime(timezone=True), comment="no longer counts from then on; null: open end"
    ),
    _one_open("rule_waivers", "campaign_id", "rule_id"),
    comment="Rules of packs that somebody answers for not applying to one campaign",
)

rule_registrations = sa.Table(
    "rule_registrations",
    metadata,
    _id(),
    sa.Column("pack", sa.Text, nullable=False),
    *_recorded("reference"),
    _one_open("rule_registrations", "pack"),
    comment="What the seller has filed where a pack demands it before calling",
)

region_pauses = sa.Table(
    "region_pauses",
    metadata,
    _id(),
    sa.Column("region", sa.Text, nullable=False, comment='country or region, such as "US" or "US-LA"'),
    sa.Column("first_day", sa.Date, nullable=False, comment="on the called party's calendar"),
    sa.Column("last_day", sa.Date, comment="included; null: until it is lifted"),
    *_recorded("reason"),
    sa.CheckConstraint("last_day IS NULL OR last_day >= first_day", name="days_in_order"),
    _one_open("region_pauses", "region"),
    comment="Countries and regions in which nobody is called by any campaign, by hand",
)

# ── attempts and what came of them ─────────────────────────────────────────────────────────────────────

attempts = sa.Table(
    "attempts",
    metadata,
    _id(),
    sa.Column("marker", sa.Text, nullable=False, comment="random; a path segment of every webhook address"),
    sa.Column(
        "kind",
        sa.Text,
        nullable=False,
        server_default="campaign",
        comment="campaign, test, or inbound: the person called us, which is no dial and uses no budget",
    ),
    _ref("campaign_id", "campaigns.id", null=True, cascade=True),
    _ref("campaign_contact_id", "campaign_contacts.id", null=True, cascade=True),
    _ref("contact_id", "contacts.id", null=True),
    sa.Column("campaign_version", sa.Integer),
    sa.Column("definition", JSONB, comment="only of a test call: the script it was placed with"),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("caller_id", sa.Text, nullable=False),
    sa.Column("due_for", sa.Text, nullable=False, server_default="first"),
    sa.Column(
        "number", sa.SmallInteger, nullable=False, server_default="1", comment="of the contact, from 1"
    ),
    sa.Column("state", sa.Text, nullable=False),
    _at("intent_at", null=False),
    _at("slot_at", null=False),
    _at("window_closes_at"),
    sa.Column("replica", sa.Text, nullable=False),
    _at("lease_until"),
    _at("sent_at"),
    _at("placed_at"),
    _at("ringing_at"),
    _at("answered_at"),
    _at("ended_at"),
    _at("settled_at"),
    _at("hold_until"),
    _at("check_at"),
    sa.Column("checks", sa.SmallInteger, nullable=False, server_default="0"),
    _at("cancel_at"),
    sa.Column("cancel_why", sa.Text),
    sa.Column("call_sid", sa.Text),
    sa.Column("call_status", sa.Text, comment="Twilio's own word"),
    sa.Column("answered_by", sa.Text),
    sa.Column("machine_detection_ms", sa.Integer),
    sa.Column("sip_code", sa.Integer),
    sa.Column("error_code", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Column("queue_ms", sa.Integer),
    sa.Column("duration_s", sa.Integer),
    sa.Column("price", sa.Numeric),
    sa.Column("price_unit", sa.Text),
    sa.Column("reserved", sa.Numeric, nullable=False, server_default="0"),
    sa.Column("first_word_ms", sa.Integer, comment="answer to the first word of ours, milliseconds"),
    sa.Column("talk_disposition", sa.Text, comment="what the conversation itself concluded"),
    _at("callback_at"),
    sa.Column("turned_away", sa.Text, comment="why the TwiML fetch turned an answered call away"),
    sa.Column("recording_sid", sa.Text),
    sa.Column("fencing", sa.BigInteger, comment="number of the tenure under which it was claimed"),
    sa.UniqueConstraint("marker"),
    sa.UniqueConstraint("call_sid"),
    _one_of("kind", "campaign", "test", "inbound"),
    _one_of("state", "placing", "unknown", "placed", "ringing", "answered", "ended", "not_placed"),
    sa.CheckConstraint(
        "(state IN ('ended', 'not_placed')) = (settled_at IS NOT NULL)", name="settled_when_final"
    ),
    sa.Index(
        "uq_attempts_one_unsettled_per_phone",
        "phone",
        unique=True,
        postgresql_where=sa.text("settled_at IS NULL AND kind <> 'inbound'"),
    ),
    sa.Index(
        "ix_attempts_inbound_unsettled",
        "phone",
        postgresql_where=sa.text("settled_at IS NULL AND kind = 'inbound'"),
    ),
    sa.Index(
        "ix_attempts_unsettled",
        "campaign_id",
        postgresql_where=sa.text("settled_at IS NULL"),
    ),
    sa.Index("ix_attempts_phone_intent_at", "phone", "intent_at"),
    sa.Index("ix_attempts_campaign_contact_id", "campaign_contact_id"),
    sa.Index("ix_attempts_campaign_id_intent_at", "campaign_id", "intent_at"),
    sa.Index("ix_attempts_intent_at_id", "intent_at", "id"),
    sa.Index(
        "ix_attempts_unpriced",
        "check_at",
        postgresql_where=sa.text("settled_at IS NOT NULL AND check_at IS NOT NULL"),
    ),
    comment="One try to reach one number; the row is committed before the call is placed",
)

call_events = sa.Table(
    "call_events",
    metadata,
    _id(),
    sa.Column("dedupe", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("marker", sa.Text, nullable=False),
    _ref("attempt_id", "attempts.id", null=True, cascade=True),
    sa.Column("call_sid", sa.Text),
    sa.Column("payload", JSONB, nullable=False),
    _at("received_at", null=False),
    _at("handled_at"),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("dedupe"),
    _one_of(
        "kind",
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
    ),
    sa.Index("ix_call_events_attempt_id", "attempt_id"),
    sa.Index("ix_call_events_unhandled", "received_at", postgresql_where=sa.text("handled_at IS NULL")),
    comment="The inbox of Twilio's webhooks: inserted once, then handled",
)

conversation_sessions = sa.Table(
    "conversation_sessions",
    metadata,
    _id(),
    _ref("attempt_id", "attempts.id", cascade=True),
    sa.Column("ordinal", sa.SmallInteger, nullable=False, comment="1, then one more per resumption"),
    sa.Column("token_digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the single-use token"),
    sa.Column("session_sid", sa.Text, comment="Twilio's VX…"),
    sa.Column("replica", sa.Text),
    sa.Column("agent", sa.Text),
    _at("created_at", null=False),
    _at("opened_at"),
    _at("closed_at"),
    sa.Column("closed_why", sa.Text),
    sa.Column("first_word_ms", sa.Integer, comment="setup frame to our first text frame, milliseconds"),
    sa.Column("disclosed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("token_digest"),
    sa.UniqueConstraint("attempt_id", "ordinal"),
)

conversation_turns = sa.Table(
    "conversation_turns",
    metadata,
    _ref("attempt_id", "attempts.id", cascade=True),
    sa.Column("seq", sa.Integer, nullable=False, comment="order within the call, over all its sessions"),
    sa.Column("session_ordinal", sa.SmallInteger, nullable=False),
    sa.Column("speaker", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False, comment="as heard, redacted"),
    sa.Column("interrupted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("latency_ms", sa.Integer, comment="prompt in to first text out, milliseconds"),
    _at("at", null=False),
    sa.PrimaryKeyConstraint("attempt_id", "seq"),
    _one_of("speaker", "agent", "person", "key", "note"),
    sa.Index(
        "ix_conversation_turns_words",
        sa.text("to_tsvector('simple'::regconfig, text)"),
        postgresql_using="gin",
    ),
)

answers = sa.Table(
    "answers",
    metadata,
    _ref("attempt_id", "attempts.id", cascade=True),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("value", JSONB, nullable=False, comment="typed, as gathered; not redacted, under retention"),
    _at("at", null=False),
    sa.Column(
        "made_by", sa.Text, nullable=False, server_default="talk", comment="talk, or a wrap-up's profile"
    ),
    sa.Column("was", JSONB, comment="what the talk had gathered, where a wrap-up corrected it"),
    sa.PrimaryKeyConstraint("attempt_id", "question"),
)

wrap_ups = sa.Table(
    "wrap_ups",
    metadata,
    _id(),
    _ref("attempt_id", "attempts.id", cascade=True),
    sa.Column(
        "ordinal", sa.SmallInteger, nullable=False, comment="1, then one more each time it is asked for"
    ),
    sa.Column("state", sa.Text, nullable=False, server_default="due"),
    sa.Column("profile", sa.Text, nullable=False, comment="the model profile that is asked"),
    sa.Column("asked_by", sa.Text, nullable=False),
    _at("asked_at", null=False),
    _at("due_at", null=False),
    _at("lease_until"),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column(
        "requests", sa.SmallInteger, nullable=False, server_default="0", comment="to the model, for the cost"
    ),
    _at("finished_at"),
    sa.Column("prompt_version", sa.Integer, comment="of instructions, schema and checks"),
    sa.Column("concluded", sa.Text, comment="the conversation's own conclusion"),
    sa.Column("disposition", sa.Text, comment="what the wrap-up found instead; null: nothing"),
    sa.Column("summary", sa.Text, nullable=False, server_default="", comment="redacted"),
    sa.Column("answers", JSONB, nullable=False, server_default=EMPTY_OBJECT, comment="added or corrected"),
    sa.Column(
        "refused", JSONB, nullable=False, server_default=EMPTY_LIST, comment="what did not count, and why"
    ),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("attempt_id", "ordinal"),
    _one_of("state", "due", "done", "failed"),
    sa.Index("ix_wrap_ups_due", "due_at", postgresql_where=sa.text("state = 'due'")),
    comment="Records of calls that a model writes after them: what is due, and what was extracted",
)

recoveries = sa.Table(
    "recoveries",
    metadata,
    _id(),
    _ref("attempt_id", "attempts.id", cascade=True),
    sa.Column("session_ordinal", sa.SmallInteger, nullable=False),
    sa.Column("session_status", sa.Text),
    sa.Column("error_code", sa.Integer),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("became", sa.Text),
    _at("at", null=False),
    sa.Column("target", sa.Text, comment="of a transfer: the key of the script's target"),
    sa.UniqueConstraint("attempt_id", "session_ordinal"),
    _one_of("answer", "resume", "transfer", "voicemail", "goodbye", "hang_up"),
    comment="Each answer to <Connect action>: why it was asked, what was answered, what became of it",
)

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("sid", sa.Text, primary_key=True, comment="Twilio's RE…; the sound itself lies there"),
    sa.Column(
        "attempt_id",
        sa.BigInteger,
        sa.ForeignKey("attempts.id", ondelete="SET NULL"),
        comment="null: the attempt is gone, and the sound must go too",
    ),
    sa.Column("status", sa.Text, nullable=False, comment="Twilio's word: in-progress, completed, absent"),
    sa.Column("seconds", sa.Integer),
    _at("started_at", null=False),
    _at("delete_at"),
    sa.Column("delete_why", sa.Text, comment="retention or erasure"),
    _at("deleted_at"),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    _at("next_try_at"),
    sa.Column("error", sa.Text, comment="why the last try to delete it failed"),
    sa.Index("ix_recordings_attempt_id", "attempt_id"),
    sa.Index(
        "ix_recordings_to_delete",
        "next_try_at",
        postgresql_where=sa.text("deleted_at IS NULL AND (delete_at IS NOT NULL OR attempt_id IS NULL)"),
    ),
    comment="Recordings at Twilio, and their deletion there, which is asked for until it has happened",
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column(
        "attempt_id",
        sa.BigInteger,
        sa.ForeignKey("attempts.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    _ref("campaign_id", "campaigns.id", null=True, cascade=True),
    _ref("campaign_contact_id", "campaign_contacts.id", null=True, cascade=True),
    sa.Column("disposition", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("answered_by", sa.Text),
    sa.Column("seconds", sa.Integer, nullable=False, server_default="0"),
    sa.Column("first_word_ms", sa.Integer),
    sa.Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    sa.Column("summary", sa.Text, nullable=False, server_default=""),
    sa.Column("cost", sa.Numeric),
    sa.Column("cost_lines", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    sa.Column("final", sa.Boolean, nullable=False, comment="false: a retry or callback is planned"),
    _at("retry_at"),
    sa.Column("abandoned", sa.Boolean, nullable=False, server_default=sa.false()),
    _at("recorded_at", null=False),
    sa.Column("summary_by", sa.Text, nullable=False, server_default="", comment="rule, or a model profile"),
    _one_of("category", "success", "neutral", "failure"),
    sa.Index("ix_outcomes_campaign_id_recorded_at", "campaign_id", "recorded_at"),
    comment="How each attempt ended: exactly one row",
)

# ── reports: roll-ups that the service keeps current ───────────────────────────────────────────────────

DIMENSIONS = ("campaign", "list", "version", "caller_id", "zone")


def _rollup(
    table: str, keys: list[sa.Column[object]], measures: list[sa.Column[object]], comment: str
) -> sa.Table:
    """A roll-up: one row for each campaign, value of a dimension, and what `keys` add."""
    return sa.Table(
        table,
        metadata,
        sa.Column("dimension", sa.Text, nullable=False),
        _ref("campaign_id", "campaigns.id", cascade=True),
        sa.Column(
            "value",
            sa.Text,
            nullable=False,
            comment="of the dimension: list id, version, caller id, zone; empty for campaign",
        ),
        *keys,
        *measures,
        sa.PrimaryKeyConstraint("dimension", "campaign_id", "value", *(key.name for key in keys)),
        _one_of("dimension", *DIMENSIONS),
        comment=comment,
    )


def _day() -> sa.Column[object]:
    return sa.Column("day", sa.Date, nullable=False, comment="on the contact's own calendar")


def _count(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


report_queue = sa.Table(
    "report_queue",
    metadata,
    _id(),
    sa.Column("attempt_id", sa.BigInteger, nullable=False),
    _at("queued_at", null=False),
    comment="Attempts whose outcome was written or refined since the roll-ups last looked at them",
)

report_facts = sa.Table(
    "report_facts",
    metadata,
    sa.Column("attempt_id", sa.BigInteger, primary_key=True, autoincrement=False),
    _ref("campaign_id", "campaigns.id", cascade=True),
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
        *map(
            _count,
            (
                "attempts",
                "placed",
                "answered",
                "connects",
                "conversations",
                "right_parties",
                "successes",
                "opt_outs",
                "abandoned",
                "seconds",
            ),
        ),
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
    _at("checked_at"),
    sa.Column(
        "found", JSONB, nullable=False, server_default=EMPTY_OBJECT, comment="what the last check found"
    ),
    _at("rebuilt_at"),
    sa.CheckConstraint("id = 1", name="one_row"),
    comment="One row: whoever changes the roll-ups locks it first",
)

# ── what leaves the house: files and webhooks ──────────────────────────────────────────────────────────

exports = sa.Table(
    "exports",
    metadata,
    _id(),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True)),
    sa.Column("until", sa.DateTime(timezone=True), comment="the watermark: rows before it, and no others"),
    _ref("campaign_id", "campaigns.id", null=True, cascade=True),
    sa.Column("state", sa.Text, nullable=False, server_default="running"),
    sa.Column("host", sa.Text, nullable=False, comment="on whose disk the file lies"),
    sa.Column("path", sa.Text),
    sa.Column("rows", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("error", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    _at("asked_at", null=False),
    _at("beat_at", null=False),
    _at("finished_at"),
    _at("expires_at"),
    _one_of("what", "attempts", "contacts", "outcomes", "turns", "answers"),
    _one_of("format", "csv", "parquet"),
    _one_of("state", "running", "finished", "failed", "expired"),
    comment="Files asked for through the API, with where they lie until they expire",
)

webhook_endpoints = sa.Table(
    "webhook_endpoints",
    metadata,
    _id(),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("events", ARRAY(sa.Text), nullable=False, server_default=EMPTY_TEXTS, comment="empty: all"),
    sa.Column("numbers", sa.Text, nullable=False, server_default="masked"),
    sa.Column("secret", sa.Text, nullable=False, comment="whsec_…; signs, so it is kept as it is"),
    sa.Column("old_secret", sa.Text, comment="signs too, until old_secret_until"),
    _at("old_secret_until"),
    sa.Column("state", sa.Text, nullable=False, server_default="active"),
    sa.Column("state_why", sa.Text),
    sa.Column("created_by", sa.Text, nullable=False),
    _at("created_at", null=False),
    _at("failing_since"),
    _at("delivered_at"),
    _one_of("numbers", "masked", "full"),
    _one_of("state", "active", "disabled", "removed"),
    sa.CheckConstraint("length(url) BETWEEN 1 AND 2000", name="url_length"),
    comment="Who is told of outcomes and events",
)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    _id(),
    _ref("endpoint_id", "webhook_endpoints.id", cascade=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("attempt_id", sa.BigInteger, comment="of an outcome's event; its data is read when it is sent"),
    sa.Column("phone", sa.Text, comment="of an opt-out's event"),
    sa.Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    _at("created_at", null=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    _at("next_at"),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    _at("tried_at"),
    sa.Column("status", sa.SmallInteger, comment="HTTP status of the last answer"),
    sa.Column("error", sa.Text, comment="why the last try failed"),
    _at("delivered_at"),
    _one_of("state", "waiting", "delivered", "dead"),
    sa.CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="waiting_has_next_at"),
    sa.Index("ix_webhook_deliveries_due", "next_at", postgresql_where=sa.text("next_at IS NOT NULL")),
    sa.Index(
        "ix_webhook_deliveries_attempt_id",
        "attempt_id",
        postgresql_where=sa.text("attempt_id IS NOT NULL AND next_at IS NOT NULL"),
    ),
    sa.Index("ix_webhook_deliveries_endpoint_id", "endpoint_id", "id"),
    comment="The outbox: one row for each event and endpoint, written with what it tells of",
)
