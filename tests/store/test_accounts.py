from datetime import UTC, datetime, timedelta

import pytest

from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.store import accounts
from campaign.store.accounts import Role
from campaign.store.database import Database, Tx

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
SECRET = "cc_" + "s" * 43


async def make(tx: Tx, name: str = "dashboard", secret: str = SECRET) -> accounts.ApiKey:
    return await accounts.create_key(
        tx, name=name, role=Role.ANALYST, secret=secret, actor="cli:ana", now=NOW
    )


async def test_a_key_is_found_by_its_secret_and_shows_only_its_first_characters(db: Database):
    async with db.transaction() as tx:
        made = await make(tx)
    async with db.connection() as tx:
        found = await accounts.find_key(tx, SECRET)
        assert await accounts.find_key(tx, SECRET + "x") is None
    assert found == made
    assert made.prefix == "cc_ssssssss"
    assert SECRET not in repr(made)


async def test_a_revoked_key_opens_nothing_and_its_name_is_free_again(db: Database):
    async with db.transaction() as tx:
        await make(tx)
        await accounts.revoke_key(tx, "dashboard", actor="cli:ana", now=NOW)
        assert await accounts.find_key(tx, SECRET) is None
        await make(tx, secret=SECRET + "2")
        assert [key.name for key in await accounts.list_keys(tx)] == ["dashboard"]
        assert len(await accounts.list_keys(tx, revoked=True)) == 2


@pytest.mark.parametrize("by", ["name", "id", "prefix"])
async def test_a_key_is_revoked_by_name_number_or_prefix(db: Database, by: str):
    async with db.transaction() as tx:
        made = await make(tx)
        revoked = await accounts.revoke_key(tx, str(getattr(made, by)), actor="cli:ana", now=NOW)
    assert revoked.revoked_at == NOW


async def test_what_is_not_in_force_cannot_be_revoked(db: Database):
    async with db.transaction() as tx:
        for which in ("nobody", "7", "9" * 30, "²"):
            with pytest.raises(NotFound, match="keys list"):
                await accounts.revoke_key(tx, which, actor="cli:ana", now=NOW)


async def test_an_ambiguous_name_revokes_nothing(db: Database):
    async with db.transaction() as tx:
        first = await make(tx)
        await make(tx, str(first.id), SECRET + "2")
        with pytest.raises(Conflict, match="prefix"):
            await accounts.revoke_key(tx, str(first.id), actor="cli:ana", now=NOW)
        assert len(await accounts.list_keys(tx)) == 2


async def test_two_keys_in_force_never_share_a_name(db: Database):
    async with db.transaction() as tx:
        await make(tx)
        with pytest.raises(Conflict):
            await make(tx, secret=SECRET + "2")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
async def test_a_key_needs_a_name_that_can_be_shown(db: Database, name: str):
    async with db.transaction() as tx:
        with pytest.raises(BadInput):
            await make(tx, name)


async def test_a_use_is_noted_at_most_once_a_minute(db: Database):
    async with db.transaction() as tx:
        key = await make(tx)
        assert accounts.use_is_news(key, NOW)
        await accounts.note_use(tx, key, NOW)
        used = await accounts.find_key(tx, SECRET)
    assert used is not None
    assert used.last_used_at == NOW
    assert not accounts.use_is_news(used, NOW + timedelta(seconds=59))
    assert accounts.use_is_news(used, NOW + timedelta(seconds=60))


async def test_the_trail_tells_who_made_and_revoked_a_key_newest_first(db: Database):
    async with db.transaction() as tx:
        made = await make(tx)
        await accounts.revoke_key(tx, made.name, actor="key:boss", now=NOW + timedelta(hours=1))
        trail = await accounts.audit_trail(tx, subject=f"key:{made.id}")
        assert [(entry.actor, entry.action) for entry in trail] == [
            ("key:boss", "key.revoke"),
            ("cli:ana", "key.create"),
        ]
        older = await accounts.audit_trail(tx, before_id=trail[0].id, limit=10)
        assert [entry.action for entry in older] == ["key.create"]
        assert SECRET not in str(trail)
