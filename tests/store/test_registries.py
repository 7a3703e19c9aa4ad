"""The numbers of registries in Postgres: found by a claim one by one, by an import all at once."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from campaign.domain.registry_blocks import Block, pack
from campaign.store import contacts, dnc, migrate, registries
from campaign.store.database import Database, Tx
from tests.support.campaigns import make_list, phone
from tests.support.clock import TUESDAY_MORNING as NOW

DENSE = set(range(0, 9000, 3))


async def version(tx: Tx, name: str, *blocks: Block, active: bool = True) -> registries.Version:
    list_id = await dnc.ensure_list(tx, name, "registry", NOW)
    made = await registries.begin(
        tx, list_id, source="full", base=None, files=[], as_of=NOW, area_codes=None, actor="x", now=NOW
    )
    await registries.write(tx, made.id, blocks)
    if active:
        assert await registries.activate(tx, made, NOW)
    return made


async def test_numbers_are_found_in_lists_and_in_bits_of_versions_in_force_only(db: Database) -> None:
    async with db.transaction() as tx:
        await version(tx, "one", pack(1_212_555, {142, 9999}), pack(1_305_555, DENSE))
        await version(tx, "two", pack(1_212_555, {142}))
        await version(tx, "loading", pack(1_212_555, {7}), active=False)
        asked = [f"+1{area}555{n:04}" for area in (212, 305, 646) for n in (0, 7, 9, 142, 143, 8997, 9999)]
        found = {(hit.phone, hit.list_name) for hit in await dnc.hits(tx, asked)}
    assert found == {
        ("+12125550142", "one"),
        ("+12125550142", "two"),
        ("+12125559999", "one"),
        *((f"+1305555{n:04}", "one") for n in (0, 9, 8997)),
    }


async def test_long_and_short_numbers_of_other_countries_do_not_get_mixed_up(db: Database) -> None:
    numbers = ["+49301234567", "+4930123456", "+493012345678901", "+6831234"]
    for number in numbers:
        async with db.transaction() as tx:
            block, member = divmod(int(number), 10_000)
            await version(tx, number, pack(block, {member}))
            found = {hit.phone for hit in await dnc.hits(tx, numbers) if hit.list_name == number}
        assert found == {number}


async def test_an_import_counts_those_on_entries_and_on_registries_once(db: Database) -> None:
    list_id = await make_list(db)
    await make_list(db, contacts=10, imported="finished")
    async with db.transaction() as tx:
        import_id = (await tx.execute(text("SELECT max(id) FROM imports"))).scalar_one()
        own = await dnc.ensure_list(tx, None, "own", NOW)
        await dnc.bulk_add(tx, own, [(phone(1), ""), (phone(2), "")], source="cli", actor="x", now=NOW)
        await version(tx, "one", pack(1_212_555, {2, 3, 4000}))
        await version(tx, "two", pack(1_212_555, {3, 5}))
        assert await contacts.on_dnc(tx, list_id, import_id) == 4


async def test_a_claims_numbers_are_looked_up_by_the_index_though_the_planner_knows_nothing(
    db: Database,
) -> None:
    """A table that was just filled has no statistics; a claim must not read all of it, locking the pace."""
    phones = [phone(n) for n in range(100)]
    async with db.transaction() as tx:
        await tx.execute(text("ALTER TABLE registry_blocks SET (autovacuum_enabled = false)"))
        await version(tx, "one", *(pack(block, {block % 10_000}) for block in range(1_212_000, 1_252_000)))
        before = (await tx.execute(text(READ))).one()
        await dnc.hits(tx, phones)
        after = (await tx.execute(text(READ))).one()
    assert after.seq == before.seq
    assert after.fetched - before.fetched <= len(phones)


READ = """
    SELECT pg_stat_get_xact_numscans(c.oid) AS seq,
           pg_stat_get_xact_numscans(i.indexrelid) AS scans,
           pg_stat_get_xact_tuples_fetched(c.oid) AS fetched
      FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid WHERE c.relname = 'registry_blocks'
"""


async def test_blocks_are_copied_and_removed_in_steps(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "GONE_AT_ONCE", 2)
    async with db.transaction() as tx:
        one = await version(tx, "one", *(pack(block, DENSE) for block in range(7)))
        other = await version(tx, "one", active=False)
        after: int | None = -1
        copied = []
        while after is not None:
            after = await registries.copy_blocks(tx, one.id, other.id, after, 3)
            copied.append(after)
        assert copied == [2, 5, 6, None]
        there = await registries.read(tx, other.id, range(9))
        assert there == {block: pack(block, DENSE) for block in range(7)}
        assert await registries.activate(tx, other, NOW + timedelta(seconds=1))
    steps = 0
    more = True
    while more:
        async with db.transaction() as tx:
            more = await registries.drop_next(tx)
            steps += more
    assert steps == 4
    async with db.connection() as tx:
        assert await registries.count(tx, one.id) == 0
        assert await registries.count(tx, other.id) == 7 * len(DENSE)
        assert await registries.count(tx, other.id, ["212"]) == 0


async def test_changes_do_not_go_into_force_on_another_base(db: Database) -> None:
    async with db.transaction() as tx:
        one = await version(tx, "one", pack(1_212_555, {1}))
        given = {"files": [], "as_of": NOW, "area_codes": None, "actor": "x", "now": NOW}
        changes = await registries.begin(tx, one.list_id, source="changes", base=7, **given)
        assert not await registries.activate(tx, changes, NOW)


def test_code_is_shut_out_that_is_older_than_the_migration_that_made_the_blocks() -> None:
    made = [
        file.name[:4]
        for file in (migrate.migrations_dir() / "versions").glob("*.py")
        if '"registry_blocks",' in file.read_text()
    ]
    assert made == [registries.WORKS_FROM]
