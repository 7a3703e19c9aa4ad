"""What people record about the law: waivers, registrations, regions that are paused."""

import sqlalchemy as sa

from campaign.store.models.base import key, metadata, reference


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
    key(),
    reference("campaign_id", "campaigns.id", cascade=True),
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
    key(),
    sa.Column("pack", sa.Text, nullable=False),
    *_recorded("reference"),
    _one_open("rule_registrations", "pack"),
    comment="What the seller has filed where a pack demands it before calling",
)

region_pauses = sa.Table(
    "region_pauses",
    metadata,
    key(),
    sa.Column("region", sa.Text, nullable=False, comment='country or region, such as "US" or "US-LA"'),
    sa.Column("first_day", sa.Date, nullable=False, comment="on the called party's calendar"),
    sa.Column("last_day", sa.Date, comment="included; null: until it is lifted"),
    *_recorded("reason"),
    sa.CheckConstraint("last_day IS NULL OR last_day >= first_day", name="days_in_order"),
    _one_open("region_pauses", "region"),
    comment="Countries and regions in which nobody is called by any campaign, by hand",
)
