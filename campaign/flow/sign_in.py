"""Who may come in to the console: passwords, one-time links, lock-out; and what admins do with users.

A try is counted before the password is checked, and taken back when it was right: however many tries run
at once, no more than the free ones are ever checked.
"""

import contextlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from campaign.domain import sign_in as rules
from campaign.domain.errors import BadInput, Conflict, NotAllowed, NotFound, NotSignedIn, TooManyTries
from campaign.flow.passwords import Passwords
from campaign.store import users
from campaign.store.accounts import Role, audit, digest
from campaign.store.database import Database, Tx
from campaign.store.users import User

log = structlog.get_logger(__name__)

OPENID = "system:openid"
FIRST_LINK = timedelta(hours=24)
PASSWORD_LINK = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Browser:
    """Who asks: the network address, what it calls itself, and the cookie that it gets when let in."""

    address: str
    name: str
    token: str = field(repr=False)


def _user_key(email: str) -> str:
    # A digest: what is typed here by mistake may be a password.
    return f"user:{digest(email).hex()}"


async def _count_try(db: Database, email: str, address: str, now: datetime) -> None:
    """Count a try as failed until it proves right.

    Raises:
        TooManyTries: the user or the address must wait.
    """
    limits = {_user_key(email): rules.TRIES_BY_USER, f"address:{address}": rules.TRIES_BY_ADDRESS}
    until: datetime | None = None
    async with db.transaction() as tx:
        for key in sorted(limits):
            failures, waits = await users.count_failure(tx, key, now)
            if waits is not None:
                until = max(waits, until or waits)
            elif wait := rules.wait_after(failures, limits[key]):
                await users.lock_key(tx, key, now + wait)
    if until is not None:
        seconds = int((until - now).total_seconds()) + 1
        minutes = -(-seconds // 60)
        wait_for = f"{seconds} seconds" if seconds < 100 else f"{minutes} minutes"
        raise TooManyTries(
            "Too many failed tries to sign in.",
            f"Wait {wait_for}, then try again; an admin can unlock you at once (Users, or "
            "`campaign users unlock`).",
            seconds=seconds,
        )


async def sign_in(
    db: Database, passwords: Passwords, *, email: str, password: str, browser: Browser, now: datetime
) -> User:
    """Let somebody in by e-mail address and password.

    Raises:
        NotSignedIn: the two don't fit; not told is which is wrong.
        TooManyTries: the user or the address failed too often.
    """
    email = email.strip().lower()[: rules.LONGEST_EMAIL]
    await _count_try(db, email, browser.address, now)
    async with db.connection() as tx:
        found = await users.password_of(tx, email)
    user, kept = found or (None, None)
    right = await passwords.match(kept, password[: rules.LONGEST])
    if not right or user is None or kept is None:
        log.warning("sign_in_failed", address=browser.address)
        raise NotSignedIn(
            "E-mail address and password don't fit.", "Try again, or ask an admin for a new link."
        )
    fresh = await passwords.hashed(password) if passwords.is_outdated(kept) else None
    async with db.transaction() as tx:
        if fresh is not None:
            await users.change(tx, user.id, password_hash=fresh)
        await let_in(tx, user, browser, how="password", now=now)
    return user


async def let_in(tx: Tx, user: User, browser: Browser, *, how: str, now: datetime) -> None:
    """Sign a browser in, whose user has proven who it is, and forget the user's failures."""
    await users.forgive(tx, [_user_key(user.email)], now)
    await users.take_back(tx, f"address:{browser.address}", rules.TRIES_BY_ADDRESS)
    await users.sign_in(
        tx,
        user,
        browser.token,
        how=how,
        address=browser.address,
        browser=browser.name,
        now=now,
        until=now + rules.ABSOLUTE,
    )
    detail = {"address": browser.address, "how": how}
    await audit(tx, user.actor, "user.sign_in", f"user:{user.id}", now, detail)


async def sign_in_elsewhere(
    db: Database, *, email: str, name: str, role: Role | None, browser: Browser, now: datetime
) -> User:
    """Let somebody in whom an OpenID provider vouches for.

    Args:
        email: the address, verified by the provider.
        role: what the provider's groups make of it, also of somebody who is new; None: only who is a user
            already comes in, in the role that it has.

    Raises:
        BadInput: the address can't be used.
        NotAllowed: nobody has added the address, or its user is disabled.
    """
    email = rules.email_of(email)
    async with db.transaction() as tx:
        try:
            user = await users.find(tx, email)
        except NotFound:
            if role is None:
                raise NotAllowed(f"{email} is no user here.", "Ask an admin to add you.") from None
            shown = " ".join(name.split())[: rules.LONGEST_NAME]
            shown = shown if shown.isprintable() and shown else email
            user = await users.insert(
                tx, email=email, name=shown, role=role, password_hash=None, actor=OPENID, now=now
            )
            await users.void_first_links(tx)
            detail = {"email": email, "role": role.value}
            await audit(tx, OPENID, "user.create", f"user:{user.id}", now, detail)
        if user.disabled_at is not None:
            raise NotAllowed(f"{email} is disabled.", "Ask an admin.")
        if role is not None:
            with contextlib.suppress(Conflict):  # the last admin stays one, whatever the provider says
                user = await set_role(tx, user, role, actor=OPENID, now=now)
        await let_in(tx, user, browser, how="openid", now=now)
    return user


# ── one-time links ─────────────────────────────────────────────────────────────────────────────────────


async def first_link(db: Database, token: str, *, actor: str, now: datetime) -> bool:
    """Keep a link for making the first user; False when there is one."""
    async with db.transaction() as tx:
        if await users.any_user(tx):
            return False
        await users.make_link(tx, token, None, actor=actor, until=now + FIRST_LINK, now=now)
    return True


async def behind_link(db: Database, token: str, now: datetime) -> User | None:
    """Whose link it is; None: the first user's, who is to be made.

    Raises:
        NotFound: it is no link in force.
    """
    async with db.connection() as tx:
        found = await users.link(tx, token, now)
        if found is None:
            raise NotFound(
                "This link is no longer in force: it was used, is too old, or a newer one was made.",
                "Ask an admin for a new one, or run `campaign users password EMAIL` on the server.",
            )
        return None if found[0] is None else await users.by_id(tx, found[0])


async def first_user(
    db: Database,
    passwords: Passwords,
    *,
    link: str,
    email: str,
    name: str,
    password: str,
    browser: Browser,
    now: datetime,
) -> User:
    """Make the first user, an admin, and let it in.

    Raises:
        BadInput: address, name or password can't be used.
        Conflict: there is a user by now.
        NotFound: the link is not in force.
    """
    email, name = rules.email_of(email), rules.name_of(name)
    rules.check_password(password, email)
    await behind_link(db, link, now)
    kept = await passwords.hashed(password)
    async with db.transaction() as tx:
        await users.only_one_at_a_time(tx)
        if await users.any_user(tx):
            raise Conflict("The first user has been made.", "Sign in, or ask an admin to add you.")
        if not await users.use_link(tx, link):
            raise NotFound("This link has just been used.", "Sign in.")
        user = await users.insert(
            tx, email=email, name=name, role=Role.ADMIN, password_hash=kept, actor="first-run link", now=now
        )
        await users.void_first_links(tx)
        await audit(tx, user.actor, "user.create", f"user:{user.id}", now, {"email": email, "role": "admin"})
        await let_in(tx, user, browser, how="password", now=now)
    return user


async def password_by_link(
    db: Database, passwords: Passwords, *, link: str, password: str, browser: Browser, now: datetime
) -> User:
    """Let a user choose a password by a one-time link, and in; other browsers are signed out.

    Raises:
        BadInput: the password can't be used.
        NotFound: the link is not in force, or its user is disabled.
    """
    user = await behind_link(db, link, now)
    if user is None or user.disabled_at is not None:
        raise NotFound("This link is not in force.", "Ask an admin.")
    rules.check_password(password, user.email)
    kept = await passwords.hashed(password)
    async with db.transaction() as tx:
        if not await users.use_link(tx, link):
            raise NotFound("This link has just been used.", "Sign in.")
        await _set_password(tx, user, kept, actor=user.actor, now=now)
        await users.sign_out(tx, user.id)
        await let_in(tx, user, browser, how="password", now=now)
    return user


async def change_password(
    db: Database,
    passwords: Passwords,
    user: User,
    *,
    current: str,
    fresh: str,
    keep: int,
    address: str,
    now: datetime,
) -> None:
    """Change one's own password; the user's other browsers are signed out.

    Args:
        keep: number of the browser that asks.

    Raises:
        BadInput: the current password is wrong, or the new one can't be used.
        TooManyTries: too many wrong ones.
    """
    rules.check_password(fresh, user.email)
    await _count_try(db, user.email, address, now)
    async with db.connection() as tx:
        found = await users.password_of(tx, user.email)
    if found is None or not await passwords.match(found[1], current[: rules.LONGEST]):
        raise BadInput("The current password is not right.", "Type it again, or ask an admin for a link.")
    kept = await passwords.hashed(fresh)
    async with db.transaction() as tx:
        await users.take_back(tx, f"address:{address}", rules.TRIES_BY_ADDRESS)
        await _set_password(tx, user, kept, actor=user.actor, now=now)
        await users.sign_out(tx, user.id, keep=keep)


async def _set_password(tx: Tx, user: User, kept: str, *, actor: str, now: datetime) -> None:
    await users.change(tx, user.id, password_hash=kept, password_at=now)
    await users.forgive(tx, [_user_key(user.email)], now)
    await audit(tx, actor, "user.password", f"user:{user.id}", now, {"email": user.email})


# ── what admins do ─────────────────────────────────────────────────────────────────────────────────────


async def add(tx: Tx, *, email: str, name: str, role: Role, link: str, actor: str, now: datetime) -> User:
    """Make a user, and the link by which a password is chosen.

    Raises:
        BadInput: address or name can't be used.
        Conflict: the address has a user.
    """
    email = rules.email_of(email)
    user = await users.insert(
        tx,
        email=email,
        name=rules.name_of(name),
        role=role,
        password_hash=None,
        actor=actor,
        now=now,
    )
    await users.void_first_links(tx)
    await users.make_link(tx, link, user.id, actor=actor, until=now + PASSWORD_LINK, now=now)
    await audit(tx, actor, "user.create", f"user:{user.id}", now, {"email": email, "role": role.value})
    return user


async def set_role(tx: Tx, user: User, role: Role, *, actor: str, now: datetime) -> User:
    """Give a user another role, in force for the very next request.

    Raises:
        Conflict: nobody would be admin any more.
    """
    if user.role is role:
        return user
    if user.role is Role.ADMIN:
        await _not_the_last_admin(tx, user)
    changed = await users.change(tx, user.id, role=role.value)
    detail = {"email": user.email, "from": user.role.value, "to": role.value}
    await audit(tx, actor, "user.role", f"user:{user.id}", now, detail)
    return changed


async def disable(tx: Tx, user: User, *, actor: str, now: datetime) -> User:
    """Shut a user out: signed out everywhere at once.

    Raises:
        Conflict: nobody would be admin any more.
    """
    if user.disabled_at is not None:
        return user
    if user.role is Role.ADMIN:
        await _not_the_last_admin(tx, user)
    changed = await users.change(tx, user.id, disabled_at=now)
    await users.sign_out(tx, user.id)
    await audit(tx, actor, "user.disable", f"user:{user.id}", now, {"email": user.email})
    return changed


async def enable(tx: Tx, user: User, *, actor: str, now: datetime) -> User:
    """Let a disabled user sign in again."""
    if user.disabled_at is None:
        return user
    changed = await users.change(tx, user.id, disabled_at=None)
    await audit(tx, actor, "user.enable", f"user:{user.id}", now, {"email": user.email})
    return changed


async def new_link(tx: Tx, user: User, link: str, *, actor: str, now: datetime) -> None:
    """A new link by which a user chooses a password; the old password stays until then."""
    await users.make_link(tx, link, user.id, actor=actor, until=now + PASSWORD_LINK, now=now)
    await audit(tx, actor, "user.link", f"user:{user.id}", now, {"email": user.email})


async def unlock(tx: Tx, user: User, *, actor: str, now: datetime) -> bool:
    """Let a user who failed too often try again at once; whether there was any failure."""
    had = await users.forgive(tx, [_user_key(user.email)], now)
    await audit(tx, actor, "user.unlock", f"user:{user.id}", now, {"email": user.email})
    return had


async def _not_the_last_admin(tx: Tx, user: User) -> None:
    await users.only_one_at_a_time(tx)
    if not await users.other_admins(tx, user.id):
        raise Conflict(
            f"{user.email} is the last admin: nobody could manage users any more.",
            "Make somebody else an admin first.",
        )
