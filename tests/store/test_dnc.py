"""Do-not-call entries, and what they stop."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from campaign.domain.errors import BadInput, Conflict, DatabaseUnavailable, NotFound
from campaign.flow.suppress import suppress
from campaign.store import dnc
from campaign.store.database import Database, Tx
from tests.support import rows
from tests.support.clock import TUESDAY_MORNING as NOW

PHONE, OTHER = "+12125550142", "+13055550101"


async def remove(tx: Tx, phone: str = PHONE, **how: Any) -> dnc.Removed | None:
    given = {"new_consent": "web form of 2026-12-01", **how}
    return await dnc.remove(
        tx, list_name=None, phone=phone, reason="they called us", actor="cli:ana", now=NOW, **given
    )


async def add(tx: Tx, phone: str = PHONE, list_name: str | None = None, quote: str | None = None) -> bool:
    return await dnc.add(
        tx,
        list_name=list_name,
        phone=phone,
        reason="asked",
        source="conversation",
        quote=quote,
        actor="system:talk",
        now=NOW,
    )


async def test_an_entry_keeps_its_proof_and_a_second_one_changes_nothing(db: Database) -> None:
    async with db.transaction() as tx:
        assert await add(tx, quote="take me off your list")
        assert not await add(tx, quote="something else")
        (hit,) = await dnc.check(tx, PHONE)
    assert (hit.list_name, hit.kind, hit.quote) == ("own", "own", "take me off your list")
    assert (hit.reason, hit.source, hit.actor, hit.added_at) == ("asked", "conversation", "system:talk", NOW)


async def test_a_removal_is_kept_in_the_audit_trail(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx)
        assert await remove(tx)
        assert not await remove(tx)
        assert await dnc.check(tx, PHONE) == []
    trail = await rows.rows(db, "audit_log", "id")
    assert [(row["action"], row["actor"]) for row in trail] == [
        ("dnc.add", "system:talk"),
        ("dnc.remove", "cli:ana"),
    ]


async def test_what_a_person_asked_for_in_a_call_comes_off_only_with_new_consent(db: Database) -> None:
    async with db.transaction() as tx:
        await add(tx, quote="take me off your list")
        with pytest.raises(Conflict, match="take me off your list"):
            await remove(tx, new_consent=None)
        with pytest.raises(Conflict):
            await remove(tx, new_consent=None, mistake=True)
        with pytest.raises(BadInput, match="reason"):
            await dnc.remove(tx, list_name=None, phone=PHONE, reason=" ", actor="cli:ana", now=NOW)
        removed = await remove(tx)
        assert removed is not None
        assert removed.consent_ended_at == NOW
        (hit,) = await dnc.hits(tx, [PHONE])
        assert (hit.kind, hit.added_at) == (dnc.REVOKED, NOW)
    kept = await rows.row(db, "audit_log", "action = 'dnc.remove'")
    assert kept["detail"]["entry"]["quote"] == "take me off your list"
    assert kept["detail"]["new_consent"] == "web form of 2026-12-01"


async def test_a_mistaken_entry_leaves_consent_as_it_was_and_any_other_ends_it(db: Database) -> None:
    async with db.transaction() as tx:
        for phone in (PHONE, OTHER):
            await dnc.add(
                tx,
                list_name=None,
                phone=phone,
                reason="asked by e-mail",
                source="cli",
                quote=None,
                actor="cli:ana",
                now=NOW,
            )
        mistaken = await remove(tx, new_consent=None, mistake=True)
        asked = await remove(tx, OTHER, new_consent=None)
        assert mistaken is not None
        assert asked is not None
        assert (mistaken.consent_ended_at, asked.consent_ended_at) == (None, NOW)
        assert [hit.phone for hit in await dnc.hits(tx, [PHONE, OTHER])] == [OTHER]


async def test_hits_are_of_the_own_list_of_registries_and_of_the_lists_that_count(db: Database) -> None:
    async with db.transaction() as tx:
        mine = await dnc.ensure_list(tx, "partners", "campaign", NOW)
        theirs = await dnc.ensure_list(tx, "elsewhere", "campaign", NOW)
        national = await dnc.ensure_list(tx, "us-national-dnc", "registry", NOW, NOW)
        for list_id in (mine, theirs, national):
            await dnc.bulk_add(tx, list_id, [(PHONE, "")], source="import", actor="cli:ana", now=NOW)
        await add(tx)
        found = await dnc.hits(tx, [PHONE, OTHER], [mine])
        assert await dnc.hits(tx, []) == []
    assert [hit.list_name for hit in found] == ["own", "partners", "us-national-dnc"]


async def test_a_list_keeps_its_kind(db: Database) -> None:
    async with db.transaction() as tx:
        await dnc.ensure_list(tx, "partners", "campaign", NOW)
        with pytest.raises(Conflict, match="of kind campaign"):
            await dnc.ensure_list(tx, "partners", "registry", NOW)


async def test_a_list_that_is_not_there_is_named(db: Database) -> None:
    async with db.transaction() as tx:
        with pytest.raises(NotFound, match='"nobody"'):
            await add(tx, list_name="nobody")


async def test_many_numbers_go_on_a_list_once(db: Database) -> None:
    async with db.transaction() as tx:
        list_id = await dnc.ensure_list(tx, None, "own", NOW)
        entries = [(f"+1212555{n:04}", "") for n in range(500)]
        assert await dnc.bulk_add(tx, list_id, entries, source="import", actor="x", now=NOW) == 500
        assert await dnc.bulk_add(tx, list_id, entries, source="import", actor="x", now=NOW) == 0
        (own,) = await dnc.lists(tx)
    assert own.entries == 500


async def test_an_entry_waits_for_intents_being_written_and_is_seen_by_the_next(db: Database) -> None:
    async with db.transaction() as claim:
        await dnc.lock_shared(claim)

        async def opt_out() -> None:
            async with db.transaction() as tx:
                await add(tx)

        entry = asyncio.create_task(opt_out())
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(40):
            async with db.connection() as look:
                while not (await look.execute(text(waiting))).scalar_one():
                    pass  # each look is a round trip
        assert await dnc.check(claim, PHONE) == []
    await entry
    async with db.transaction() as claim:
        await dnc.lock_shared(claim)
        assert len(await dnc.check(claim, PHONE)) == 1


class Twilio:
    """Stands for the gateway: remembers what was cancelled, or is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.cancelled: list[str] = []
        self._away = away

    async def cancel(self, sid: str) -> None:
        if self._away:
            raise DatabaseUnavailable("away")
        self.cancelled.append(sid)


async def stop(db: Database, twilio: Twilio | None, *phones: str, list_name: str | None = None) -> int:
    done = await suppress(
        db,
        twilio,
        phones,
        reason="asked",
        source="api",
        actor="key:crm",
        now=NOW,
        list_name=list_name,
    )
    return done.blocked


async def waiting(
    db: Database, phone: str = PHONE, others: tuple[str, ...] = (), name: str = "autumn"
) -> int:
    async with db.transaction() as tx:
        campaign_id = await rows.campaign(tx, NOW, name=name)
        contact_id = await rows.contact(tx, NOW, phone=phone, others=others)
        return await rows.enrolled(tx, NOW, campaign_id, contact_id, phone=phone, state="waiting")


async def test_who_waits_for_a_call_waits_no_longer(db: Database) -> None:
    place = await waiting(db)
    assert await stop(db, None, PHONE) == 1
    row = await rows.row(db, "campaign_contacts", "id = :id", id=place)
    assert (row["state"], row["next_at"], row["disposition"]) == ("blocked", None, "do_not_call")
    async with db.transaction() as tx:
        await remove(tx)
        assert await dnc.unblock(tx, PHONE, NOW) == 1


async def test_a_contact_whose_turn_is_another_number_goes_on_waiting(db: Database) -> None:
    place = await waiting(db, phone=PHONE, others=(OTHER,))
    assert await stop(db, None, OTHER) == 0
    await rows.run(db, "UPDATE campaign_contacts SET number_index = 1 WHERE id = :id", id=place)
    assert await stop(db, None, OTHER) == 1


async def test_a_campaigns_list_stops_only_that_campaign(db: Database) -> None:
    place = await waiting(db)
    async with db.transaction() as tx:
        await dnc.ensure_list(tx, "partners", "campaign", NOW)
    assert await stop(db, None, PHONE, list_name="partners") == 0
    await rows.run(
        db,
        "INSERT INTO campaign_dnc_lists SELECT cc.campaign_id, l.id FROM dnc_lists l, campaign_contacts cc "
        "WHERE l.name = 'partners' AND cc.id = :id",
        id=place,
    )
    assert await stop(db, None, PHONE, list_name="partners") == 1


async def test_a_registry_blocks_nobody_by_itself(db: Database) -> None:
    await waiting(db)
    async with db.transaction() as tx:
        await dnc.ensure_list(tx, "us-national-dnc", "registry", NOW, NOW)
    assert await stop(db, None, PHONE, list_name="us-national-dnc") == 0


@pytest.mark.parametrize(
    ("state", "sid", "cancelled"),
    [
        ("placing", None, []),
        ("placed", rows.SID, [rows.SID]),
        ("ringing", rows.SID, [rows.SID]),
    ],
)
async def test_calls_on_their_way_are_cancelled(
    db: Database, state: str, sid: str | None, cancelled: list[str]
) -> None:
    await rows.dialled(db, NOW, state=state, call_sid=sid)
    twilio = Twilio()
    await stop(db, twilio, PHONE)
    assert twilio.cancelled == cancelled
    row = await rows.row(db, "attempts")
    assert (row["cancel_at"], row["cancel_why"]) == (NOW, "do_not_call")


async def test_a_call_that_somebody_answered_is_left_alone(db: Database) -> None:
    await rows.dialled(db, NOW, state="answered", call_sid=rows.SID, answered_at=NOW)
    twilio = Twilio()
    await stop(db, twilio, PHONE)
    assert twilio.cancelled == []
    assert (await rows.row(db, "attempts"))["cancel_at"] is None


async def test_with_twilio_away_the_entry_stands_and_the_mark_stays_for_the_sweep(db: Database) -> None:
    await rows.dialled(db, NOW, state="ringing", call_sid=rows.SID)
    await stop(db, Twilio(away=True), PHONE)
    assert (await rows.row(db, "attempts"))["cancel_at"] == NOW
    async with db.connection() as tx:
        assert len(await dnc.check(tx, PHONE)) == 1
