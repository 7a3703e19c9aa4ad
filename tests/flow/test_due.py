"""Who is due is found, wherever a process remembers that its last look began."""

import random
from datetime import timedelta

import pytest

from campaign.flow import enrol, lifecycle
from campaign.flow.due import FULL_S, DueContacts
from campaign.store.database import Database
from tests.support.campaigns import definition, make_list, rows, rulebook
from tests.support.clock import ManualClock

ALL = {1: 1_000}


async def waiting(db: Database, clock: ManualClock, contacts: int) -> None:
    """A running campaign over so many contacts, all due at one instant."""
    await make_list(db, contacts=contacts, imported="finished")
    await lifecycle.create(db, definition(), actor="test", now=clock.now())
    await enrol.catch_up(db, rulebook(), 1, clock.now())
    await lifecycle.start(db, "Minimal", actor="test", now=clock.now())


async def found(db: Database, clock: ManualClock, seek: DueContacts, most: int) -> list[int]:
    async with db.transaction() as tx:
        return [row.id for row in await seek.look(tx, {1: most}, clock.now(), clock)]


async def put(db: Database, clock: ManualClock, contact: int, seconds: float | None) -> None:
    """Say when a contact is due, from now; None: it is done."""
    at = None if seconds is None else clock.now() + timedelta(seconds=seconds)
    await rows(
        db,
        "UPDATE campaign_contacts SET next_at = CAST(:at AS timestamptz), "
        "state = CASE WHEN CAST(:at AS timestamptz) IS NULL THEN 'done' ELSE 'waiting' END WHERE id = :id",
        id=contact,
        at=at,
    )


async def test_contacts_of_one_instant_go_in_the_order_of_the_list(db: Database, clock: ManualClock) -> None:
    await waiting(db, clock, 20)
    seek, order = DueContacts(), []
    while batch := await found(db, clock, seek, 6):
        order += batch
        for one in batch:
            await put(db, clock, one, None)
    assert order == sorted(order)
    assert len(order) == 20


async def test_who_is_written_behind_the_place_is_found_at_once_when_few_are_due(
    db: Database, clock: ManualClock
) -> None:
    await waiting(db, clock, 5)
    seek = DueContacts()
    first = await found(db, clock, seek, 10)
    await put(db, clock, first[0], None)
    assert await found(db, clock, seek, 10) == first[1:]
    await put(db, clock, first[0], -3_600)
    assert (await found(db, clock, seek, 10))[0] == first[0]


async def test_who_is_written_behind_the_place_is_found_within_a_second_when_many_are_due(
    db: Database, clock: ManualClock
) -> None:
    await waiting(db, clock, 20)
    seek = DueContacts()
    first = await found(db, clock, seek, 5)
    for one in first:
        await put(db, clock, one, None)
    assert await found(db, clock, seek, 5) == [one + 5 for one in first]
    await put(db, clock, first[0], -3_600)
    assert first[0] not in await found(db, clock, seek, 5)
    await clock.advance(FULL_S)
    assert (await found(db, clock, seek, 5))[0] == first[0]


async def test_after_a_slow_full_look_the_next_one_waits_a_hundred_times_as_long(
    db: Database, clock: ManualClock
) -> None:
    class Slow(ManualClock):
        took = 0.5

        def monotonic(self) -> float:
            self._elapsed += self.took
            return super().monotonic()

    slow = Slow(clock.now())
    await waiting(db, clock, 5)
    seek = DueContacts()
    first = await found(db, slow, seek, 10)
    Slow.took = 0.0
    await put(db, clock, first[0], -3_600)  # behind: nothing before `first[0]` and its instant is looked at
    assert await found(db, slow, seek, 10) == first[1:]
    await slow.advance(40)
    assert await found(db, slow, seek, 10) == first[1:]
    await slow.advance(15)
    assert await found(db, slow, seek, 10) == first


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_written_meanwhile_everybody_is_found_once_a_second_has_passed(
    db: Database, clock: ManualClock, seed: int
) -> None:
    dice = random.Random(seed)
    await waiting(db, clock, 30)
    await rows(db, "UPDATE campaign_contacts SET priority = id % 3 - 1")
    await rows(
        db,
        "UPDATE campaign_lists SET priority = 0; INSERT INTO contact_lists (name, columns, created_by, "
        "created_at) VALUES ('other', '{}', 'test', now())",
    )
    await rows(db, "INSERT INTO campaign_lists (campaign_id, list_id, priority) VALUES (1, 2, 1)")
    seek = DueContacts()
    for _ in range(25):
        seen = set(await found(db, clock, seek, dice.choice((1, 4, 40))))
        due = {row["id"] for row in await rows(db, _DUE, now=clock.now())}
        assert seen <= due
        for one in seen:
            await put(db, clock, one, dice.choice((None, -3_600, -1, 0, 1, 60)))
        for one in dice.sample(range(1, 31), 3):
            await put(db, clock, one, dice.choice((None, -3_600, -1, 0, 1, 60)))
        await clock.advance(dice.choice((0, 0.25, 0.5, 2)))
    await clock.advance(FULL_S)
    due = {row["id"] for row in await rows(db, _DUE, now=clock.now())}
    assert set(await found(db, clock, seek, 1_000)) == due


_DUE = "SELECT id FROM campaign_contacts WHERE next_at <= :now"
