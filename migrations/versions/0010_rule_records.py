"""What people record about the law: waivers with a name, registrations, regions that are paused.

Only adds, so code of before may go on. It knows no waivers, which makes it stricter, and no pauses, which
would make it laxer: the first pause therefore raises `installation.works_from` (docs/decisions/0012).

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _search_at_once()
    op.create_table(
        "rule_waivers",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("campaign_id", sa.BigInteger, nullable=False),
        sa.Column("rule_id", sa.Text, nullable=False),
        *_recorded("reason"),
        sa.Column(
            "until_at", sa.DateTime(timezone=True), comment="no longer counts from then on; null: open end"
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name="fk_rule_waivers_campaign_id_campaigns",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_rule_waivers"),
        sa.CheckConstraint("length(btrim(reason)) > 0", name="reason_given"),
        comment="Rules of packs that somebody answers for not applying to one campaign",
    )
    op.create_index(
        "uq_rule_waivers_one_open",
        "rule_waivers",
        ["campaign_id", "rule_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "rule_registrations",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("pack", sa.Text, nullable=False),
        *_recorded("reference"),
        sa.PrimaryKeyConstraint("id", name="pk_rule_registrations"),
        sa.CheckConstraint("length(btrim(reference)) > 0", name="reference_given"),
        comment="What the seller has filed where a pack demands it before calling",
    )
    op.create_index(
        "uq_rule_registrations_one_open",
        "rule_registrations",
        ["pack"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "region_pauses",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("region", sa.Text, nullable=False, comment='country or region, such as "US" or "US-LA"'),
        sa.Column("first_day", sa.Date, nullable=False, comment="on the called party's calendar"),
        sa.Column("last_day", sa.Date, comment="included; null: until it is lifted"),
        *_recorded("reason"),
        sa.PrimaryKeyConstraint("id", name="pk_region_pauses"),
        sa.CheckConstraint("length(btrim(reason)) > 0", name="reason_given"),
        sa.CheckConstraint("last_day IS NULL OR last_day >= first_day", name="days_in_order"),
        comment="Countries and regions in which nobody is called by any campaign, by hand",
    )
    op.create_index(
        "uq_region_pauses_one_open",
        "region_pauses",
        ["region"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _search_at_once() -> None:
    """Claims look a person's numbers up in this index. With `fastupdate` every search also reads through the
    entries that were inserted lately: 3 ms for each number after an import, 0.02 ms without."""
    op.execute("ALTER INDEX ix_contacts_other_phones SET (fastupdate = off)")
    op.execute("SELECT gin_clean_pending_list('ix_contacts_other_phones'::regclass)")


def _recorded(why: str) -> list[sa.Column[object]]:
    at = sa.DateTime(timezone=True)
    return [
        sa.Column(why, sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", at, nullable=False),
        sa.Column("ended_at", at, comment="when it was taken back"),
        sa.Column("ended_by", sa.Text),
    ]


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER INDEX ix_contacts_other_phones SET (fastupdate = on)")
    op.drop_table("rule_waivers")
    op.drop_table("rule_registrations")
    op.drop_table("region_pauses")
