"""Contact lists and single contacts."""

import pytest

from campaign.domain.contact_sheet import ContactRow, contact_from
from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.store import contacts
from campaign.store.database import Database, Tx
from tests.support import rows
from tests.support.clock import TUESDAY_MORNING as NOW

PHONE, OTHER = "+12125550142", "+13055550101"


def row(**fields: str) -> ContactRow:
    return contact_from({"phone": PHONE, "first_name": "Ana", **fields}, region="US", now=NOW)


async def people(tx: Tx) -> int:
    return (await contacts.ensure_list(tx, "people", "US", "cli:ana", NOW)).id


async def test_a_list_is_made_once_and_keeps_its_country(db: Database) -> None:
    async with db.transaction() as tx:
        first = await contacts.ensure_list(tx, " people ", None, "cli:ana", NOW)
        second = await contacts.ensure_list(tx, "people", "US", "cli:bob", NOW)
        third = await contacts.ensure_list(tx, "people", "DE", "cli:bob", NOW)
    assert (first.id, first.created_by) == (second.id, "cli:ana")
    assert (first.region, second.region, third.region) == (None, "US", "US")
    assert [one["action"] for one in await rows.rows(db, "audit_log", "id")] == ["list.create"]


async def test_a_list_without_a_name_or_an_unknown_one_is_refused(db: Database) -> None:
    async with db.transaction() as tx:
        with pytest.raises(BadInput):
            await contacts.ensure_list(tx, "  ", None, "cli:ana", NOW)
        with pytest.raises(NotFound, match='"nobody"'):
            await contacts.list_named(tx, "nobody")


async def test_the_columns_of_a_list_grow_in_order_without_repetition(db: Database) -> None:
    async with db.transaction() as tx:
        list_id = await people(tx)
        await contacts.add_columns(tx, list_id, ["b", "a"])
        await contacts.add_columns(tx, list_id, ["a", "c"])
        assert (await contacts.list_named(tx, "people")).columns == ["b", "a", "c"]


async def test_a_contact_is_added_found_by_any_number_and_paged(db: Database) -> None:
    async with db.transaction() as tx:
        list_id = await people(tx)
        one = await contacts.add(tx, list_id, row(phone_2=OTHER), actor="cli:ana", now=NOW)
        two = await contacts.add(tx, list_id, row(phone="+14155550101"), actor="cli:ana", now=NOW)
        assert [found.id for found in await contacts.with_number(tx, PHONE)] == [one]
        assert [found.id for found in await contacts.with_number(tx, OTHER)] == [one]
        assert [found.id for found in await contacts.page(tx, list_id, most=1)] == [one]
        assert [found.id for found in await contacts.page(tx, list_id, after=one)] == [two]
        (kept,) = await contacts.lists(tx)
    assert kept.contacts == 2


async def test_one_list_has_a_first_number_once(db: Database) -> None:
    async with db.transaction() as tx:
        list_id = await people(tx)
        one = await contacts.add(tx, list_id, row(), actor="cli:ana", now=NOW)
        two = await contacts.add(tx, list_id, row(phone=OTHER), actor="cli:ana", now=NOW)
        with pytest.raises(Conflict, match="already"):
            await contacts.add(tx, list_id, row(), actor="cli:ana", now=NOW)
        with pytest.raises(Conflict, match="Another contact"):
            await contacts.replace(tx, two, row(), actor="cli:ana", now=NOW)
        await contacts.replace(tx, one, row(state="FL"), actor="cli:ana", now=NOW)
        changed = await contacts.get(tx, one)
    assert (changed.state, changed.updated_at) == ("FL", NOW)
    assert changed.place.startswith("US|US-FL,US-NY|")


async def test_a_contact_that_was_never_called_is_removed_with_its_enrolments(db: Database) -> None:
    async with db.transaction() as tx:
        campaign_id = await rows.campaign(tx, NOW)
        contact_id = await rows.contact(tx, NOW)
        await rows.enrolled(tx, NOW, campaign_id, contact_id, state="waiting")
        assert await contacts.remove(tx, contact_id, actor="cli:ana", now=NOW)
    assert await rows.rows(db, "contacts") == []
    assert await rows.rows(db, "campaign_contacts") == []


async def test_a_contact_that_was_called_stays_in_the_books_and_is_blocked(db: Database) -> None:
    await rows.dialled(db, NOW, state="ended", settled_at=NOW)
    await rows.run(db, "UPDATE campaign_contacts SET state = 'waiting', next_at = :now", now=NOW)
    contact_id = (await rows.row(db, "contacts"))["id"]
    async with db.transaction() as tx:
        assert not await contacts.remove(tx, contact_id, actor="cli:ana", now=NOW)
    kept = await rows.row(db, "campaign_contacts")
    assert (kept["state"], kept["waiting_for"]) == ("blocked", "contact.removed")


async def test_a_contact_on_the_telephone_is_not_removed(db: Database) -> None:
    await rows.dialled(db, NOW, state="answered", answered_at=NOW)
    contact_id = (await rows.row(db, "contacts"))["id"]
    async with db.transaction() as tx:
        with pytest.raises(Conflict, match="under way"):
            await contacts.remove(tx, contact_id, actor="cli:ana", now=NOW)


async def test_a_batch_with_a_number_that_is_taken_is_refused_whole(db: Database) -> None:
    async with db.transaction() as tx:
        list_id = await people(tx)
        await contacts.add(tx, list_id, row(), actor="cli:ana", now=NOW)
    line_of = contacts.CopyLines(list_id, 1, NOW)
    lines = [line_of(replace_phone(OTHER)), line_of(row())]
    with pytest.raises(contacts.NumberTaken):
        async with db.transaction() as tx:
            await contacts.load(tx, lines)
    async with db.transaction() as tx:
        assert await contacts.known(tx, list_id, [PHONE, OTHER]) == {PHONE: None}
        assert not await contacts.is_empty(tx, list_id)
        assert await contacts.load(tx, lines[:1]) == 1


def replace_phone(phone: str) -> ContactRow:
    return row(phone=phone)
