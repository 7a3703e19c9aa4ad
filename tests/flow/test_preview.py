"""Before a campaign starts: what would become of its contacts, and that the dialler then does just that."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.domain.errors import NotFound
from campaign.flow import definitions, enrol, lifecycle
from campaign.flow import preview as previews
from campaign.flow.preview import Preview, preview
from campaign.store import dnc
from campaign.store.database import Database
from tests.flow.test_facts import RATES
from tests.flow.test_shares import claims_for, process
from tests.support.campaigns import definition, make_list, phone, rows, rulebook
from tests.support.clock import TUESDAY_MORNING, ManualClock

NOW = TUESDAY_MORNING
HAWAII = "US|US-HI|Pacific/Honolulu"
NOWHERE = "US||"


async def draft(db: Database, contacts: int, **changes: Any) -> int:
    """A draft over contacts of New York with written consent."""
    await make_list(db, "people", contacts)
    await rows(
        db,
        "UPDATE contacts SET consent = 'express_written', consent_source = 'web form', consent_at = :at",
        at=datetime(2026, 10, 1, tzinfo=UTC),
    )
    made = await definitions.create(
        db, definition(name="Minimal", lists=["people"], **changes), actor="test", now=NOW
    )
    await enrol.catch_up(db, rulebook(), made.id, NOW)
    return made.id


async def alter(db: Database, sql: str, *numbers: int, **given: Any) -> None:
    await rows(
        db, f"UPDATE contacts SET {sql} WHERE phone = ANY(:phones)", phones=[phone(n) for n in numbers],
        **given,
    )  # fmt: skip


async def forbid(db: Database, number: int) -> None:
    async with db.transaction() as tx:
        await dnc.add(
            tx, list_name=None, phone=phone(number), reason="asked", source="cli", quote=None, actor="test",
            now=NOW,
        )  # fmt: skip


async def look(db: Database, at: datetime | None = None, now: datetime = NOW, **given: Any) -> Preview:
    return await preview(
        db, "Minimal", now, rulebook=rulebook(), rates=RATES, calls_per_second=1.0, at=at, **given
    )


async def test_who_is_called_waits_and_is_blocked_is_counted_by_reason(db: Database) -> None:
    await draft(db, 10)
    await alter(db, "place = :place", 1, 2, 3, place=HAWAII)
    await alter(db, "consent = 'none'", 4)
    await alter(db, "place = :place", 5, place=NOWHERE)
    await forbid(db, 6)
    await forbid(db, 7)
    found = await look(db)
    assert (found.contacts, found.now, found.waiting, found.blocked, found.too_late) == (10, 3, 3, 4, 0)
    (wait,) = found.waits
    assert (wait.cause, wait.contacts) == ("window", 3)
    assert wait.until == datetime(2026, 11, 24, 19, 0, tzinfo=UTC), "nine in Honolulu"
    assert "Pacific/Honolulu" in wait.why
    blocked = {one.rule: (one.cause, one.contacts) for one in found.blocks}
    assert blocked["dnc.own"] == ("own_dnc", 2)
    assert blocked["place.known"] == ("place", 1)
    assert sum(contacts for cause, contacts in blocked.values() if cause == "consent") == 1
    assert found.summary == (
        "3 will be called now, 3 wait until 19:00 UTC, 4 are blocked (own DNC 2, no consent 1, "
        "unknown place 1)"
    )
    assert [asdict(one) for one in found.countries] == [
        {"country": "US", "contacts": 10, "now": 3, "waits": 3, "blocked": 4}
    ]
    assert all(phone(n) not in str(asdict(found)) for n in range(10)), "numbers are masked"


async def test_the_campaigns_own_standing_hides_nothing_and_is_told_apart(db: Database) -> None:
    pool = [{"number": "+12025550101", "daily_cap": 2}]
    one = await draft(db, 5, caller_ids=pool, budget={"total": "20"})
    spent = "INSERT INTO campaign_spend (campaign_id, day, spent) VALUES (:id, :day, 19.99)"
    await rows(db, spent, id=one, day=NOW.astimezone(UTC).date())
    await lifecycle.stop_all(db, actor="cli:ana", now=NOW, why="complaint")
    found = await look(db)
    assert (found.now, found.waits, found.blocks) == (5, [], [])
    told = "\n".join(found.hindrances)
    assert "All dialling is stopped" in told
    assert "No dialler has a heartbeat" in told
    assert "19.99 of 20.00 USD (budget.total)" in told
    assert "The caller ids have 2 calls left" in told


async def test_it_is_judged_for_the_start_or_for_the_instant_that_was_asked_for(db: Database) -> None:
    start = NOW + timedelta(days=1, hours=-4)  # six in New York
    await draft(db, 2, schedule={"start": start.isoformat(), "week": {"mon-sun": "09:00-17:00"}})
    found = await look(db)
    assert (found.at, found.now, found.waiting) == (start, 0, 2)
    found = await look(db, at=start + timedelta(hours=5))
    assert (found.now, found.waiting) == (2, 0)
    sunday = datetime(2026, 11, 29, 15, tzinfo=UTC)
    assert (await look(db, at=sunday)).now == 2
    christmas_night = datetime(2026, 12, 25, 3, tzinfo=UTC)
    assert (await look(db, at=christmas_night)).now == 0


async def test_who_would_wait_past_the_campaigns_end_is_told_as_never_called(db: Database) -> None:
    await draft(db, 4, schedule={"end": (NOW + timedelta(hours=3)).isoformat()})
    await alter(db, "place = :place", 1, 2, place=HAWAII)
    found = await look(db)
    assert (found.now, found.waiting, found.too_late) == (2, 0, 2)
    assert "2 would wait past the campaign's end" in found.summary


async def test_retries_that_are_planned_wait_for_their_instant_and_the_blocked_are_judged_again(
    db: Database,
) -> None:
    await draft(db, 4)
    at = NOW + timedelta(hours=2, minutes=20)
    plan = "UPDATE campaign_contacts SET due_for = :why, next_at = :at, attempts = 1 WHERE phone = :phone"
    await rows(db, plan, why="retry", at=at, phone=phone(0))
    await rows(db, plan, why="callback", at=at, phone=phone(1))
    await rows(
        db,
        "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL, waiting_for = 'dnc.own' "
        "WHERE phone = :phone",
        phone=phone(2),
    )
    await rows(db, "UPDATE campaign_contacts SET state = 'done', next_at = NULL WHERE phone = :phone",
               phone=phone(3))  # fmt: skip
    found = await look(db)
    assert (found.contacts, found.done) == (3, 1)
    assert found.now == 1, "what blocked it is there no more"
    assert {(one.cause, one.until) for one in found.waits} == {
        ("retry", at.replace(minute=0)),
        ("callback", at.replace(minute=0)),
    }


async def test_duration_and_cost_are_told_as_a_range(db: Database) -> None:
    await draft(db, 6, pacing={"lines": 2}, longest_call_seconds=120)
    found = await look(db)
    assert found.seconds == (90, 360), "six calls over two lines: thirty seconds each, two minutes each"
    least, most = found.cost
    assert 0 < least < most
    assert found.currency == "USD"


async def test_pages_follow_one_another_and_progress_is_told(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "PAGE", 3)
    await draft(db, 7)
    told: list[tuple[int, int]] = []
    found = await look(db, progress=lambda done, total: told.append((done, total)))
    assert found.now == found.contacts == 7
    assert told == [(0, 7), (3, 7), (6, 7), (7, 7)]


async def test_a_campaign_that_is_not_there_is_named(db: Database) -> None:
    with pytest.raises(NotFound):
        await look(db)


async def test_nothing_is_written_by_looking(db: Database) -> None:
    await draft(db, 3)
    before = await rows(db, "SELECT * FROM campaign_contacts ORDER BY id")
    await look(db)
    assert await rows(db, "SELECT * FROM campaign_contacts ORDER BY id") == before
    assert await rows(db, "SELECT * FROM decisions") == []


CONTACT = st.tuples(
    st.sampled_from(
        ["US|US-NY|America/New_York", HAWAII, NOWHERE, "US|US-FL|America/Chicago,America/New_York"]
    ),
    st.sampled_from(["none", "express_oral", "express_written"]),
    st.booleans(),
)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(contacts=st.lists(CONTACT, min_size=1, max_size=12), hour=st.integers(0, 23))
def test_what_is_previewed_is_what_the_dialler_then_does(
    db_url: str, contacts: list[tuple[str, str, bool]], hour: int
) -> None:
    async def both() -> None:
        db = Database(db_url)
        clock = ManualClock(TUESDAY_MORNING + timedelta(hours=hour))
        try:
            await rows(db, "TRUNCATE contact_lists, contacts, campaigns, dnc_entries, attempts, pace CASCADE")
            await rows(db, "INSERT INTO pace (id, next_slot_at) VALUES (1, :now)", now=clock.now())
            await draft(db, len(contacts), pacing={"lines": 100})
            for n, (place, consent, forbidden) in enumerate(contacts):
                await alter(db, "place = :place, consent = :consent", n, place=place, consent=consent)
                if forbidden:
                    await forbid(db, n)
            found = await look(db, now=clock.now())
            assert found.now + found.waiting + found.blocked == len(contacts)
            await lifecycle.start(db, "Minimal", actor="test", now=clock.now())
            await rows(db, "UPDATE campaign_contacts SET next_at = :now", now=clock.now())
            await claims_for(process(db, clock, cps=100), clock, 1)
            states = "SELECT state, count(*) AS n FROM campaign_contacts GROUP BY state"
            really = {row["state"]: row["n"] for row in await rows(db, states)}
            assert really.get("calling", 0) == found.now
            assert really.get("waiting", 0) == found.waiting
            assert really.get("blocked", 0) == found.blocked
        finally:
            await db.close()

    asyncio.run(both())
