"""What leaves the house: files and webhooks."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from campaign.store.models.base import EMPTY_OBJECT, EMPTY_TEXTS, instant, key, metadata, one_of, reference

exports = sa.Table(
    "exports",
    metadata,
    key(),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True)),
    sa.Column("until", sa.DateTime(timezone=True), comment="the watermark: rows before it, and no others"),
    reference("campaign_id", "campaigns.id", null=True, cascade=True),
    sa.Column("state", sa.Text, nullable=False, server_default="running"),
    sa.Column("host", sa.Text, nullable=False, comment="on whose disk the file lies"),
    sa.Column("path", sa.Text),
    sa.Column("rows", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("error", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    instant("asked_at", null=False),
    instant("beat_at", null=False),
    instant("finished_at"),
    instant("expires_at"),
    one_of("what", "attempts", "contacts", "outcomes", "turns", "answers"),
    one_of("format", "csv", "parquet"),
    one_of("state", "running", "finished", "failed", "expired"),
    comment="Files asked for through the API, with where they lie until they expire",
)

webhook_endpoints = sa.Table(
    "webhook_endpoints",
    metadata,
    key(),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("events", ARRAY(sa.Text), nullable=False, server_default=EMPTY_TEXTS, comment="empty: all"),
    sa.Column("numbers", sa.Text, nullable=False, server_default="masked"),
    sa.Column("secret", sa.Text, nullable=False, comment="whsec_…; signs, so it is kept as it is"),
    sa.Column("old_secret", sa.Text, comment="signs too, until old_secret_until"),
    instant("old_secret_until"),
    sa.Column("state", sa.Text, nullable=False, server_default="active"),
    sa.Column("state_why", sa.Text),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", null=False),
    instant("failing_since"),
    instant("delivered_at"),
    one_of("numbers", "masked", "full"),
    one_of("state", "active", "disabled", "removed"),
    sa.CheckConstraint("length(url) BETWEEN 1 AND 2000", name="url_length"),
    comment="Who is told of outcomes and events",
)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    key(),
    reference("endpoint_id", "webhook_endpoints.id", cascade=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("attempt_id", sa.BigInteger, comment="of an outcome's event; its data is read when it is sent"),
    sa.Column("phone", sa.Text, comment="of an opt-out's event"),
    sa.Column("data", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    instant("created_at", null=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    instant("next_at"),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    instant("tried_at"),
    sa.Column("status", sa.SmallInteger, comment="HTTP status of the last answer"),
    sa.Column("error", sa.Text, comment="why the last try failed"),
    instant("delivered_at"),
    one_of("state", "waiting", "delivered", "dead"),
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
