"""The installation itself: what kind it is, who may sign in, and what its processes share."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from campaign.store.models.base import EMPTY_OBJECT, instant, key, metadata, one_of, reference

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, comment="real or simulated; recorded at first use, never changed"),
    instant("recorded_at"),
    instant("dialling_stopped_at"),
    sa.Column("dialling_stopped_by", sa.Text),
    sa.Column("dialling_stopped_why", sa.Text),
    sa.Column(
        "works_from",
        sa.Text,
        comment="the oldest schema revision whose code may work on this schema; null: only its own",
    ),
    sa.CheckConstraint("id = 1", name="one_row"),
    one_of("kind", "real", "simulated"),
    comment="One row: what kind of database this is, and the switch that stops all dialling",
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("prefix", sa.Text, nullable=False, comment="the first characters, to recognise a key by"),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the whole key (256 random bits)"),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", null=False),
    instant("revoked_at"),
    instant("last_used_at"),
    sa.UniqueConstraint("digest"),
    one_of("role", "admin", "operator", "uploader", "analyst"),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    key(),
    instant("at", null=False),
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
    key(),
    sa.Column("email", sa.Text, nullable=False, comment="in lower case; what one signs in with"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, comment="argon2id; null: none chosen yet"),
    sa.Column("created_by", sa.Text, nullable=False),
    instant("created_at", null=False),
    instant("password_at"),
    instant("signed_in_at"),
    instant("disabled_at"),
    sa.UniqueConstraint("email"),
    one_of("role", "admin", "operator", "uploader", "analyst"),
    sa.CheckConstraint("email = lower(email)", name="email_lower"),
    comment="People who may sign in to the console",
)

sign_ins = sa.Table(
    "sign_ins",
    metadata,
    key(),
    reference("user_id", "users.id", cascade=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the cookie (256 random bits)"),
    sa.Column("how", sa.Text, nullable=False, server_default="password"),
    sa.Column("address", sa.Text, nullable=False, server_default=""),
    sa.Column("browser", sa.Text, nullable=False, server_default=""),
    instant("created_at", null=False),
    instant("seen_at", null=False),
    instant("expires_at", null=False),
    sa.Column("flash", JSONB, comment="messages for the next page that is shown"),
    sa.UniqueConstraint("digest"),
    sa.Index("ix_sign_ins_user_id", "user_id"),
    one_of("how", "password", "openid"),
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
    instant("expires_at", null=False),
    comment="Links that let somebody choose a password, once",
)

failed_sign_ins = sa.Table(
    "failed_sign_ins",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="user:<digest of the address>, address:<IP>"),
    sa.Column("failures", sa.Integer, nullable=False),
    instant("last_at", null=False),
    instant("locked_until"),
    comment="Failed tries to sign in since the last success, by user and by network address",
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("fencing", sa.BigInteger, nullable=False, comment="grows with every change of holder"),
    instant("expires_at", null=False),
)

replicas = sa.Table(
    "replicas",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    instant("started_at", null=False),
    instant("beat_at", null=False),
    sa.Column("draining", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("detail", JSONB, nullable=False, server_default=EMPTY_OBJECT),
)

pace = sa.Table(
    "pace",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    instant("next_slot_at", null=False),
    instant("held_until"),
    sa.Column("held_why", sa.Text),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("holder", sa.Text, comment="the replica that dials; the others wait for the end of its tenure"),
    instant("tenure_until"),
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
