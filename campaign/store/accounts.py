"""API keys and the audit trail.

A key is 256 random bits and is shown once; the table holds its SHA-256. A slow hash would defend a weak
secret against guessing; there is nothing to guess here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.store.database import Tx
from campaign.store.models import api_keys, audit_log

KEY_MARK = "cc_"
"""Every key starts so: people and secret scanners recognise one that has leaked."""
SHOWN = len(KEY_MARK) + 8
USE_NOTED_EVERY = timedelta(minutes=1)


class Role(StrEnum):
    """What a key or a user may do; `admin` may all."""

    ADMIN = "admin"
    OPERATOR = "operator"
    UPLOADER = "uploader"
    ANALYST = "analyst"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, without its secret. `prefix` is what people recognise it by."""

    id: int
    name: str
    role: Role
    prefix: str
    created_by: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to what, and when."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def digest(key: str) -> bytes:
    """What the table knows a key by."""
    return hashlib.sha256(key.encode()).digest()


async def create_key(tx: Tx, *, name: str, role: Role, secret: str, actor: str, now: datetime) -> ApiKey:
    """Store a new key and note it in the audit trail.

    Args:
        name: whose or what for, 1 to 100 printable characters.
        secret: the whole key, `cc_…` with at least 256 random bits behind; kept only as a digest.
    Raises:
        BadInput: no usable name.
        Conflict: a key of that name is in force.
    """
    name = name.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise BadInput("A key needs a name of 1 to 100 printable characters.", "Say whose it is or what for.")
    taken = sa.select(api_keys.c.id).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    if (await tx.execute(taken)).first():
        raise Conflict(f"A key named {name!r} is in force.", "Take another name, or revoke that one first.")
    row = await tx.execute(
        sa.insert(api_keys)
        .values(
            name=name,
            role=role.value,
            prefix=secret[:SHOWN],
            digest=digest(secret),
            created_by=actor,
            created_at=now,
        )
        .returning(api_keys)
    )
    key = _key(row.one())
    await audit(tx, actor, "key.create", f"key:{key.id}", now, {"name": name, "role": role.value})
    return key


async def list_keys(tx: Tx, *, revoked: bool = False) -> list[ApiKey]:
    """Keys by age, those in force or, with `revoked`, all."""
    query = sa.select(api_keys).order_by(api_keys.c.id)
    if not revoked:
        query = query.where(api_keys.c.revoked_at.is_(None))
    return [_key(row) for row in await tx.execute(query)]


async def revoke_key(tx: Tx, which: str, *, actor: str, now: datetime) -> ApiKey:
    """Take a key out of force, for the very next request.

    Args:
        which: its name, its number or its shown prefix.
    Raises:
        NotFound: no key in force is called so.
        Conflict: more than one is.
    """
    names = [api_keys.c.name == which, api_keys.c.prefix == which]
    if which.isascii() and which.isdigit() and len(which) < 19:
        names.append(api_keys.c.id == int(which))
    meant = sa.select(api_keys.c.id).where(sa.or_(*names), api_keys.c.revoked_at.is_(None))
    ids = list((await tx.execute(meant)).scalars())
    if not ids:
        raise NotFound(f"No key in force is called {which!r}.", "`campaign keys list` shows them.")
    if len(ids) > 1:
        raise Conflict(f"{which!r} may mean several keys.", "Name the one by its prefix (cc_…).")
    row = (
        await tx.execute(
            sa.update(api_keys).where(api_keys.c.id == ids[0]).values(revoked_at=now).returning(api_keys)
        )
    ).one()
    key = _key(row)
    await audit(tx, actor, "key.revoke", f"key:{key.id}", now, {"name": key.name})
    return key


async def find_key(tx: Tx, secret: str) -> ApiKey | None:
    """The key in force with this secret, or None."""
    query = sa.select(api_keys).where(api_keys.c.digest == digest(secret), api_keys.c.revoked_at.is_(None))
    row = (await tx.execute(query)).first()
    return _key(row) if row else None


async def note_use(tx: Tx, key: ApiKey, now: datetime) -> None:
    """Remember when a key was last used."""
    await tx.execute(sa.update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=now))


def use_is_news(key: ApiKey, now: datetime) -> bool:
    """Whether the last use noted is old enough to note another: reading must not cost a write each time."""
    return key.last_used_at is None or now - key.last_used_at >= USE_NOTED_EVERY


async def audit(
    tx: Tx, actor: str, action: str, subject: str, now: datetime, detail: Mapping[str, Any] | None = None
) -> None:
    """Note who did what, in the transaction that does it.

    Args:
        actor: `cli:<os user>`, `key:<name>`, `user:<e-mail>` or `system:<part>`.
        action: `<thing>.<verb>`, e.g. `campaign.pause`.
        subject: `<thing>:<id>`.
        detail: JSON-able facts; no secrets.
    """
    await tx.execute(
        sa.insert(audit_log).values(
            at=now, actor=actor, action=action, subject=subject, detail=dict(detail or {})
        )
    )


async def audit_trail(
    tx: Tx,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """The trail, newest first.

    Args:
        actor: only what this one did, e.g. `user:ana@example.com`.
        action: only actions that are or begin with it: `campaign.pause`, or `campaign` for all of a kind.
        subject: only what was done to it.
        since, until: only entries of this time; `until` itself is left out.
        before_id: only entries older than this one, for paging.
        limit: most entries.
    """
    query = sa.select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if actor is not None:
        query = query.where(audit_log.c.actor == actor)
    if action is not None:
        query = query.where(audit_log.c.action.startswith(action, autoescape=True))
    if subject is not None:
        query = query.where(audit_log.c.subject == subject)
    if since is not None:
        query = query.where(audit_log.c.at >= since)
    if until is not None:
        query = query.where(audit_log.c.at < until)
    if before_id is not None:
        query = query.where(audit_log.c.id < before_id)
    return [AuditEntry(**row._mapping) for row in await tx.execute(query)]


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        prefix=row.prefix,
        created_by=row.created_by,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
