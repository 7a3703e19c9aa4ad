"""The console's users, the browsers that are signed in, one-time links and failed tries.

What a cookie or a link carries is 256 random bits; the tables hold their SHA-256 (accounts.digest).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as upsert

from campaign.domain.errors import Conflict, NotFound
from campaign.domain.sign_in import FORGOTTEN_AFTER, IDLE
from campaign.store.accounts import Role, digest
from campaign.store.database import Tx
from campaign.store.models import failed_sign_ins, one_time_links, sign_ins, users


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in, without the password's hash."""

    id: int
    email: str
    name: str
    role: Role
    created_by: str
    created_at: datetime
    password_at: datetime | None
    signed_in_at: datetime | None
    disabled_at: datetime | None

    @property
    def actor(self) -> str:
        """Who acts, for the audit trail."""
        return f"user:{self.email}"


@dataclass(frozen=True, slots=True)
class SignIn:
    """One browser that is signed in. `flash`: messages that wait for the next page."""

    id: int
    user_id: int
    how: str
    address: str
    browser: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    flash: list[Mapping[str, str]]


_USER = [column for column in users.c if column.name != "password_hash"]
_SIGN_IN = [column for column in sign_ins.c if column.name != "digest"]


async def any_user(tx: Tx) -> bool:
    """Whether anybody was ever made a user."""
    return (await tx.execute(sa.select(users.c.id).limit(1))).first() is not None


async def only_one_at_a_time(tx: Tx) -> None:
    """Hold off everybody else who would make a first user or take away the last admin, to the end of the
    transaction."""
    await tx.execute(sa.text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


async def insert(
    tx: Tx, *, email: str, name: str, role: Role, password_hash: str | None, actor: str, now: datetime
) -> User:
    """Make a user.

    Raises:
        Conflict: the address has one.
    """
    if (await tx.execute(sa.select(users.c.id).where(users.c.email == email))).first():
        raise Conflict(f"{email} is a user already.", "Change its role, or enable it again.")
    row = await tx.execute(
        sa.insert(users)
        .values(
            email=email,
            name=name,
            role=role.value,
            password_hash=password_hash,
            created_by=actor,
            created_at=now,
            password_at=None if password_hash is None else now,
        )
        .returning(*_USER)
    )
    return _user(row.one())


async def listed(tx: Tx) -> list[User]:
    """All users, by name, disabled ones last."""
    query = sa.select(*_USER).order_by(users.c.disabled_at.isnot(None), sa.func.lower(users.c.name))
    return [_user(row) for row in await tx.execute(query)]


async def find(tx: Tx, email: str) -> User:
    """The user with that address.

    Raises:
        NotFound: nobody has it.
    """
    row = (await tx.execute(sa.select(*_USER).where(users.c.email == email))).first()
    if row is None:
        raise NotFound(f"There is no user {email}.", "`campaign users list` shows them.")
    return _user(row)


async def by_id(tx: Tx, user_id: int) -> User:
    """The user with that number.

    Raises:
        NotFound: there is none.
    """
    row = (await tx.execute(sa.select(*_USER).where(users.c.id == user_id))).first()
    if row is None:
        raise NotFound(f"There is no user {user_id}.", "The list of users shows them.")
    return _user(row)


async def password_of(tx: Tx, email: str) -> tuple[User, str | None] | None:
    """A user who is not disabled, and the hash of the password; None: nobody."""
    query = sa.select(*_USER, users.c.password_hash).where(
        users.c.email == email, users.c.disabled_at.is_(None)
    )
    row = (await tx.execute(query)).first()
    return None if row is None else (_user(row), row.password_hash)


async def change(tx: Tx, user_id: int, **values: object) -> User:
    """Set columns of a user.

    Raises:
        NotFound: there is none.
    """
    row = (
        await tx.execute(sa.update(users).where(users.c.id == user_id).values(**values).returning(*_USER))
    ).first()
    if row is None:
        raise NotFound(f"There is no user {user_id}.", "The list of users shows them.")
    return _user(row)


async def other_admins(tx: Tx, user_id: int) -> int:
    """Admins in force besides one user."""
    query = sa.select(sa.func.count()).where(
        users.c.role == Role.ADMIN.value, users.c.disabled_at.is_(None), users.c.id != user_id
    )
    found: int = (await tx.execute(query)).scalar_one()
    return found


# ── browsers that are signed in ────────────────────────────────────────────────────────────────────────


async def sign_in(
    tx: Tx,
    user: User,
    token: str,
    *,
    how: str,
    address: str,
    browser: str,
    now: datetime,
    until: datetime,
) -> int:
    """Remember a browser by its cookie; its number. What has expired is forgotten.

    Args:
        until: when it must sign in anew, whatever it does.
    """
    await tx.execute(sa.delete(sign_ins).where(_over(now)))
    await tx.execute(sa.update(users).where(users.c.id == user.id).values(signed_in_at=now))
    row = await tx.execute(
        sa.insert(sign_ins)
        .values(
            user_id=user.id,
            digest=digest(token),
            how=how,
            address=address[:100],
            browser=browser[:300],
            created_at=now,
            seen_at=now,
            expires_at=until,
        )
        .returning(sign_ins.c.id)
    )
    number: int = row.scalar_one()
    return number


def _over(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(sign_ins.c.expires_at <= now, sign_ins.c.seen_at <= now - IDLE)


async def signed_in(tx: Tx, token: str, now: datetime) -> tuple[User, SignIn] | None:
    """Who holds a cookie; None: nobody, or no longer (timed out, signed out, disabled)."""
    query = (
        sa.select(
            *(column.label(f"user_{column.name}") for column in _USER),
            *(column.label(f"of_{column.name}") for column in _SIGN_IN),
        )
        .join_from(sign_ins, users)
        .where(sign_ins.c.digest == digest(token), users.c.disabled_at.is_(None), ~_over(now))
    )
    row = (await tx.execute(query)).first()
    if row is None:
        return None
    found = row._mapping
    user = User(
        **{
            **{column.name: found[f"user_{column.name}"] for column in _USER},
            "role": Role(found["user_role"]),
        }
    )
    return user, _sign_in({column.name: found[f"of_{column.name}"] for column in _SIGN_IN})


async def sign_ins_of(tx: Tx, user_id: int, now: datetime) -> list[SignIn]:
    """The browsers in which a user is signed in, newest first."""
    query = (
        sa.select(*_SIGN_IN)
        .where(sign_ins.c.user_id == user_id, ~_over(now))
        .order_by(sign_ins.c.seen_at.desc(), sign_ins.c.id.desc())
    )
    return [_sign_in(row._mapping) for row in await tx.execute(query)]


async def note_seen(tx: Tx, sign_in_id: int, now: datetime) -> None:
    """Remember that a browser is in use."""
    await tx.execute(sa.update(sign_ins).where(sign_ins.c.id == sign_in_id).values(seen_at=now))


async def sign_out(tx: Tx, user_id: int, *, only: int | None = None, keep: int | None = None) -> int:
    """Forget browsers of a user; how many.

    Args:
        only: just this one.
        keep: all but this one.
    """
    query = sa.delete(sign_ins).where(sign_ins.c.user_id == user_id)
    if only is not None:
        query = query.where(sign_ins.c.id == only)
    if keep is not None:
        query = query.where(sign_ins.c.id != keep)
    return (await tx.execute(query)).rowcount


async def leave_message(tx: Tx, sign_in_id: int, kind: str, text: str) -> None:
    """Keep a message for the next page that this browser is shown (at most ten)."""
    said = sa.func.coalesce(sign_ins.c.flash, sa.text("'[]'::jsonb"))
    await tx.execute(
        sa.update(sign_ins)
        .where(sign_ins.c.id == sign_in_id, sa.func.jsonb_array_length(said) < 10)
        .values(
            flash=said.op("||")(
                sa.func.jsonb_build_array(
                    sa.func.jsonb_build_object(
                        sa.cast("kind", sa.Text),
                        sa.cast(kind, sa.Text),
                        sa.cast("text", sa.Text),
                        sa.cast(text[:1000], sa.Text),
                    )
                )
            )
        )
    )


async def take_messages(tx: Tx, sign_in_id: int) -> None:
    """Forget the messages: they are being shown."""
    await tx.execute(sa.update(sign_ins).where(sign_ins.c.id == sign_in_id).values(flash=sa.null()))


# ── one-time links ─────────────────────────────────────────────────────────────────────────────────────


async def make_link(
    tx: Tx, token: str, user_id: int | None, *, actor: str, until: datetime, now: datetime
) -> None:
    """Keep a link; those of the same user made before are void.

    Args:
        user_id: who may choose a password by it; None: to make the first user.
    """
    gone = one_time_links.c.expires_at <= now
    if user_id is not None:
        gone = sa.or_(gone, one_time_links.c.user_id == user_id)
    await tx.execute(sa.delete(one_time_links).where(gone))
    await tx.execute(
        sa.insert(one_time_links).values(
            digest=digest(token), user_id=user_id, created_by=actor, expires_at=until
        )
    )


async def link(tx: Tx, token: str, now: datetime) -> tuple[int | None] | None:
    """(the user of a link in force,), where None is the first user to be made; None: no such link."""
    row = (
        await tx.execute(
            sa.select(one_time_links.c.user_id).where(
                one_time_links.c.digest == digest(token), one_time_links.c.expires_at > now
            )
        )
    ).first()
    return None if row is None else (row.user_id,)


async def use_link(tx: Tx, token: str) -> bool:
    """Take a link out of force; False when somebody else was quicker."""
    gone = await tx.execute(sa.delete(one_time_links).where(one_time_links.c.digest == digest(token)))
    return gone.rowcount == 1


async def void_first_links(tx: Tx) -> None:
    """There is a first user: nobody becomes one by a link any more."""
    await tx.execute(sa.delete(one_time_links).where(one_time_links.c.user_id.is_(None)))


# ── failed tries ───────────────────────────────────────────────────────────────────────────────────────


async def count_failure(tx: Tx, key: str, now: datetime) -> tuple[int, datetime | None]:
    """One more failure of a key: how many there are now in a row, and until when it may not try.

    A try of a key that must wait doesn't count: it was not looked at. The key's row stays locked to the end
    of the transaction, so that of many tries at once each knows of all before it.
    """
    stale = failed_sign_ins.c.last_at < now - FORGOTTEN_AFTER
    waits = failed_sign_ins.c.locked_until > now
    row = await tx.execute(
        upsert(failed_sign_ins)
        .values(key=key, failures=1, last_at=now)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "failures": sa.case(
                    (waits, failed_sign_ins.c.failures), (stale, 1), else_=failed_sign_ins.c.failures + 1
                ),
                "last_at": sa.case((waits, failed_sign_ins.c.last_at), else_=sa.cast(now, sa.DateTime(True))),
            },
        )
        .returning(failed_sign_ins.c.failures, failed_sign_ins.c.locked_until)
    )
    failures, until = row.one()
    return failures, until if until is not None and until > now else None


async def lock_key(tx: Tx, key: str, until: datetime) -> None:
    """Let a key try nothing until then."""
    await tx.execute(
        sa.update(failed_sign_ins).where(failed_sign_ins.c.key == key).values(locked_until=until)
    )


async def take_back(tx: Tx, key: str, free: int) -> None:
    """A try that was counted proved right: one failure less, and no wait if that leaves fewer than `free`."""
    left = failed_sign_ins.c.failures - 1
    await tx.execute(
        sa.update(failed_sign_ins)
        .where(failed_sign_ins.c.key == key, failed_sign_ins.c.failures > 0)
        .values(
            failures=left,
            locked_until=sa.case((left < free, sa.null()), else_=failed_sign_ins.c.locked_until),
        )
    )


async def forgive(tx: Tx, keys: list[str], now: datetime) -> bool:
    """Forget the failures of keys, and all old ones; whether one of the keys had any."""
    had = await tx.execute(sa.delete(failed_sign_ins).where(failed_sign_ins.c.key.in_(keys)))
    await tx.execute(sa.delete(failed_sign_ins).where(failed_sign_ins.c.last_at < now - FORGOTTEN_AFTER))
    return bool(had.rowcount)


def _user(row: Any) -> User:
    values = {column.name: row._mapping[column.name] for column in _USER}
    return User(**{**values, "role": Role(row.role)})


def _sign_in(values: Any) -> SignIn:
    return SignIn(**{**values, "flash": values["flash"] or []})
