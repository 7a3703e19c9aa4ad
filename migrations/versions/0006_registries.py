"""Registries have versions, and their numbers stand in blocks of ten thousand.

Only adds, so code of revision 0004 may go on for as long as no registry has a version: it would not see that
version's numbers. Whoever activates the first one therefore raises `installation.works_from`
(campaign/store/registries.py). Entries that were imported into a registry before stay where they are and go
on to count.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _at(name: str, *, null: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "dnc_lists",
        sa.Column("what", sa.Text, comment="of a registry: national, state, litigator or other"),
    )
    op.create_check_constraint(
        op.f("ck_dnc_lists_what_known"), "dnc_lists", "what IN ('national', 'state', 'litigator', 'other')"
    )
    op.create_table(
        "registry_versions",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column(
            "list_id",
            sa.BigInteger,
            sa.ForeignKey("dnc_lists.id", name="fk_registry_versions_list_id_dnc_lists"),
            nullable=False,
        ),
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
        sa.PrimaryKeyConstraint("id", name="pk_registry_versions"),
        sa.UniqueConstraint("list_id", "number", name="uq_registry_versions_list_id_number"),
        sa.CheckConstraint(
            "state IN ('loading', 'active', 'retired', 'failed')",
            name=op.f("ck_registry_versions_state_known"),
        ),
        sa.CheckConstraint("source IN ('full', 'changes')", name=op.f("ck_registry_versions_source_known")),
        comment="Copies of registries, each loaded beside the one in force; the rows are kept for the record",
    )
    for state in ("active", "loading"):
        op.create_index(
            f"uq_registry_versions_one_{state}",
            "registry_versions",
            ["list_id"],
            unique=True,
            postgresql_where=sa.text(f"state = '{state}'"),
        )
    op.create_table(
        "registry_blocks",
        sa.Column(
            "version_id",
            sa.BigInteger,
            sa.ForeignKey("registry_versions.id", name="fk_registry_blocks_version_id_registry_versions"),
            nullable=False,
        ),
        sa.Column(
            "block",
            sa.BigInteger,
            nullable=False,
            comment="an E.164 number without + and its last four digits",
        ),
        sa.Column("numbers", sa.SmallInteger, nullable=False, comment="how many of the 10,000 are listed"),
        sa.Column("few", ARRAY(sa.SmallInteger), comment="their last four digits, when they are few"),
        sa.Column("bits", sa.LargeBinary, comment="a bit for each of the 10,000, as get_bit counts"),
        sa.PrimaryKeyConstraint("version_id", "block", name="pk_registry_blocks"),
        sa.CheckConstraint("(few IS NULL) <> (bits IS NULL)", name=op.f("ck_registry_blocks_few_or_bits")),
        comment="Numbers of registries: one row for ten thousand that differ in their last four digits only",
    )
    op.create_table(
        "registry_rejects",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column(
            "version_id",
            sa.BigInteger,
            sa.ForeignKey("registry_versions.id", name="fk_registry_rejects_version_id_registry_versions"),
            nullable=False,
        ),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("line", sa.BigInteger, nullable=False, comment="of the file, from 1"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False, comment="the row as it stands in the file, cut if long"),
        sa.PrimaryKeyConstraint("id", name="pk_registry_rejects"),
        comment="Rows that a registry's file has and that could not be read: the first ten thousand of a version",
    )
    op.create_index("ix_registry_rejects_version_id", "registry_rejects", ["version_id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("registry_rejects")
    op.drop_table("registry_blocks")
    op.drop_table("registry_versions")
    op.drop_column("dnc_lists", "what")
