"""Contact lists, the contacts on them, and the files that they came from."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from campaign.store.models.base import EMPTY_OBJECT, EMPTY_TEXTS, instant, key, metadata, one_of, reference

contact_lists = sa.Table(
    "contact_lists",
    metadata,
    key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("region", sa.Text, comment="ISO country for numbers written without +"),
    sa.Column("columns", ARRAY(sa.Text), nullable=False, server_default=EMPTY_TEXTS),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", null=False),
    sa.UniqueConstraint("name"),
    sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
)

imports = sa.Table(
    "imports",
    metadata,
    key(),
    sa.Column("kind", sa.Text, nullable=False, comment="contacts or dnc"),
    reference("list_id", "contact_lists.id", null=True, cascade=True),
    reference("dnc_list_id", "dnc_lists.id", null=True, cascade=True),
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
    instant("started_at", null=False),
    instant("beat_at", null=False),
    instant("finished_at"),
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
    one_of("kind", "contacts", "dnc"),
    one_of("state", "running", "finished", "interrupted", "discarded", "failed"),
    sa.Index("ix_imports_list_id", "list_id"),
    comment="A file being read: its contacts are invisible to campaigns until it is finished",
)

rejected_rows = sa.Table(
    "rejected_rows",
    metadata,
    reference("import_id", "imports.id", cascade=True),
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
    key(),
    reference("list_id", "contact_lists.id", cascade=True),
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
    instant("consent_at"),
    sa.Column("consent_source", sa.Text),
    sa.Column("variables", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    instant("created_at", null=False),
    instant("updated_at"),
    sa.UniqueConstraint("list_id", "phone"),
    sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{5,14}$'", name="phone_e164"),
    sa.CheckConstraint("cardinality(other_phones) <= 4", name="numbers_at_most_five"),
    one_of("party", "consumer", "business", "unknown"),
    one_of("consent", "none", "ebr", "express_oral", "express_written"),
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
