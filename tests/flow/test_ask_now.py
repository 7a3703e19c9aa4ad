"""An operator asks Twilio now: what is settled by it, what stays unknown, what is told when it is away."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from campaign.domain.attempt import AttemptState
from campaign.flow.ask_now import Answer, ask_now
from campaign.flow.call_events import Hands
from campaign.flow.reconcile import HOLD, Reconciler
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import ManualClock
from tests.support.twilio import FakeTwilio, sid


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    async with FakeTwilio() as fake:
        yield fake


async def ask(db: Database, clock: ManualClock, twilio: FakeTwilio, campaign_id: int | None = None) -> Answer:
    return await ask_now(db, Reconciler(db, twilio.gateway, Hands()), clock, campaign_id)


async def unsettled(db: Database, clock: ManualClock) -> None:
    """Fifty of each: unknown a minute ago, placed, being placed by a replica that is gone."""
    now = clock.now()
    async with db.transaction() as tx:
        campaign_id = await rows.campaign(tx, now)
        for number in range(150):
            phone = f"+1212555{number:04d}"
            contact_id = await rows.contact(tx, now, phone=phone)
            place = await rows.enrolled(tx, now, campaign_id, contact_id, phone=phone)
            state = ("unknown", "placed", "placing")[number // 50]
            await rows.attempt(
                tx,
                now - timedelta(minutes=1),
                marker=f"m{number}",
                phone=phone,
                campaign_id=campaign_id,
                campaign_version=1,
                contact_id=contact_id,
                campaign_contact_id=place,
                state=state,
                call_sid=sid(number) if state == "placed" else None,
                hold_until=now + HOLD if state == "unknown" else None,
                check_at=None if state == "placing" else now + timedelta(seconds=30),
                lease_until=now - timedelta(seconds=1) if state == "placing" else None,
            )


async def test_all_that_twilio_knows_is_settled_at_once_and_the_rest_is_named(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await unsettled(db, clock)
    for number in range(0, 150, 2):
        twilio.call(number, f"+1212555{number:04d}", "busy", clock.now() - timedelta(seconds=50))
    for number in range(51, 100, 2):
        twilio.call(number, f"+1212555{number:04d}", "ringing", clock.now() - timedelta(seconds=50))
    answer = await ask(db, clock, twilio)
    assert answer.before == {AttemptState.UNKNOWN: 100, AttemptState.PLACED: 50}
    assert answer.after == {AttemptState.ENDED: 75, AttemptState.RINGING: 25, AttemptState.UNKNOWN: 50}
    assert (answer.settled, answer.trouble) == (75, None)
    assert len(await rows.rows(db, "outcomes")) == 75
    assert {one.campaign for one in answer.unknown} == {"autumn"}
    assert all(one.held_until is not None and one.held_until > clock.now() for one in answer.unknown)
    asked = len(twilio.asked)
    again = await ask(db, clock, twilio)
    assert (sum(again.before.values()), again.settled) == (75, 0)
    assert len(twilio.asked) - asked == 50 * 2 + 25


async def test_only_one_campaign_is_asked_about_if_it_is_named(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await unsettled(db, clock)
    async with db.transaction() as tx:
        other = await rows.campaign(tx, clock.now(), name="winter")
        await tx.execute(
            text("UPDATE attempts SET campaign_id = :id WHERE phone = '+12125550060'"), {"id": other}
        )
    answer = await ask(db, clock, twilio, other)
    assert sum(answer.before.values()) == 1
    assert twilio.asked == [("fetch", sid(60))]


async def test_a_twilio_that_is_away_is_told_and_nothing_is_concluded(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await unsettled(db, clock)
    twilio.fail = 503
    answer = await ask(db, clock, twilio)
    assert answer.trouble is not None
    assert "503" in answer.trouble.what
    assert (answer.settled, len(answer.unknown)) == (0, 100)
    assert len(twilio.asked) <= 20
    assert await rows.rows(db, "outcomes") == []


async def test_with_nothing_unsettled_nothing_is_asked(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    answer = await ask(db, clock, twilio)
    assert (sum(answer.before.values()), twilio.asked) == (0, [])
