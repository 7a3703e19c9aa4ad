"""Do not call: lists, what stands on them, and the registries that were bought or fetched."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from campaign.store.models.base import instant, key, metadata, one_of, reference

dnc_lists = sa.Table(
    "dnc_lists",
    metadata,
    key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="own: honoured by all campaigns; campaign; registry"),
    instant("as_of", null=True),
    instant("created_at", null=False),
    sa.Column("what", sa.Text, comment="of a registry: national, state, litigator or other"),
    sa.UniqueConstraint("name"),
    one_of("kind", "own", "campaign", "registry"),
    one_of("what", "national", "state", "litigator", "other"),
    sa.Index("uq_dnc_lists_one_own", "kind", unique=True, postgresql_where=sa.text("kind = 'own'")),
)

dnc_entries = sa.Table(
    "dnc_entries",
    metadata,
    reference("list_id", "dnc_lists.id"),
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
    instant("added_at", null=False),
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
    instant("recorded_at", null=False),
    sa.CheckConstraint("phone ~ '^\\+[1-9][0-9]{5,14}$'", name="phone_e164"),
    comment="Written when a number leaves the own list; until then its entry there forbids every call",
)

registry_versions = sa.Table(
    "registry_versions",
    metadata,
    key(),
    reference("list_id", "dnc_lists.id"),
    sa.Column("number", sa.Integer, nullable=False, comment="of this registry, from 1"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment="full: a whole copy; changes: applied to base"),
    sa.Column("base", sa.Integer, comment="the version that changes were applied to"),
    sa.Column("files", JSONB, nullable=False, comment="name, bytes and SHA-256 of each file"),
    instant("as_of", null=False),
    sa.Column(
        "area_codes", ARRAY(sa.Text), comment="North American area codes that the copy covers; null: all"
    ),
    sa.Column("numbers", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_read", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rows_rejected", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("error", sa.Text, comment="why it failed, for people"),
    sa.Column("actor", sa.Text, nullable=False),
    instant("began_at", null=False),
    instant("beat_at", null=False),
    instant("loaded_at"),
    instant("retired_at"),
    sa.Column(
        "emptied", sa.Boolean, nullable=False, server_default=sa.false(), comment="its numbers are gone"
    ),
    sa.UniqueConstraint("list_id", "number"),
    one_of("state", "loading", "active", "retired", "failed"),
    one_of("source", "full", "changes"),
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
    reference("version_id", "registry_versions.id"),
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
    key(),
    reference("version_id", "registry_versions.id"),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("line", sa.BigInteger, nullable=False, comment="of the file, from 1"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("raw", sa.Text, nullable=False, comment="the row as it stands in the file, cut if long"),
    sa.Index("ix_registry_rejects_version_id", "version_id"),
    comment="Rows that a registry's file has and that could not be read: the first ten thousand of a version",
)
