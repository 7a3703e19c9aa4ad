"""A backup was restored: who was called since is not called again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from campaign.domain.errors import Conflict, TwilioError
from campaign.flow import lifecycle, restored
from campaign.flow.outcomes import REAL_TIME
from campaign.store.database import Database
from campaign.wiring import token
from tests.support.campaigns import definition, phone, rows
from tests.support.clock import ManualClock
from tests.support.dialing import dialer, running_campaign
from tests.support.twilio import FakeTwilio, rfc2822

CALLER = definition().caller_ids[0].number


@pytest.fixture
async def twilio() -> AsyncIterator[FakeTwilio]:
    async with FakeTwilio() as fake:
        yield fake


async def write_down(
    db: Database, clock: ManualClock, twilio: FakeTwilio, hours: float = 5, **more: Any
) -> restored.Report:
    return await restored.write_down(
        db,
        twilio.gateway,
        clock.now() - timedelta(hours=hours),
        now=clock.now(),
        actor="cli:ana",
        marker=token,
        terms=REAL_TIME,
        **more,
    )


async def backup_is_restored(db: Database, clock: ManualClock, twilio: FakeTwilio) -> None:
    """Nobody of twelve was called, as far as the database knows; Twilio knows better."""
    await running_campaign(db, clock, 12, pacing={"lines": 100}, retry={"budget": 2})
    await lifecycle.stop_all(db, actor="cli:ana", now=clock.now(), why="restored from a backup")
    began = clock.now() - timedelta(minutes=3)

    def made(serial: int, to: str, status: str, **more: Any) -> None:
        at = began + timedelta(seconds=serial)
        over = status not in ("queued", "ringing", "in-progress")
        twilio.call(
            serial,
            to,
            status,
            at,
            **{
                "from": CALLER,
                "start_time": None if status == "queued" else rfc2822(at),
                "end_time": rfc2822(at + timedelta(seconds=30)) if over else None,
                "duration": "30" if status == "completed" else "0" if over else None,
                **more,
            },
        )

    made(1, phone(0), "busy")
    made(2, phone(1), "no-answer")
    made(3, phone(2), "completed", answered_by="human")
    made(4, phone(3), "completed", answered_by="machine_start")
    made(5, phone(4), "ringing")
    made(6, phone(5), "queued")
    made(7, phone(6), "busy")
    made(8, phone(6), "no-answer")
    made(9, phone(7), "busy", **{"from": "+12025550199"})
    made(10, "+12125559999", "completed")
    made(11, phone(8), "busy", date_created=rfc2822(clock.now() - timedelta(days=1)))
    made(12, phone(9), "completed", direction="inbound")


async def test_calls_made_since_the_backup_are_written_down_and_nobody_is_dialled_again(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await backup_is_restored(db, clock, twilio)
    report = await write_down(db, clock, twilio)
    assert (report.listed, len(report.written)) == (10, 8)
    assert {one.phone for one in report.nobodys} == {phone(7), "+12125559999"}
    assert report.answered == {phone(2), "+12125559999"}

    told = {row["phone"]: row for row in await rows(db, "SELECT * FROM campaign_contacts")}
    assert {n: (told[phone(n)]["state"], told[phone(n)]["attempts"]) for n in range(8)} == {
        0: ("waiting", 1),
        1: ("waiting", 1),
        2: ("done", 1),
        3: ("waiting", 1),
        4: ("calling", 1),
        5: ("calling", 1),
        6: ("done", 2),
        7: ("waiting", 0),
    }
    assert told[phone(2)]["disposition"] == "completed"
    assert all(told[phone(n)]["next_at"] > clock.now() for n in (0, 1, 3))

    await lifecycle.lift(db, actor="cli:ana", now=clock.now())
    claim = await dialer(db, clock, twilio.gateway, cps=1000).claim()
    assert {dial.phone for dial in claim.dials} == {phone(n) for n in (7, 8, 9, 10, 11)}


async def test_writing_them_down_again_changes_nothing(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await backup_is_restored(db, clock, twilio)
    await write_down(db, clock, twilio)
    before = await rows(db, "SELECT * FROM attempts ORDER BY id")
    again = await write_down(db, clock, twilio)
    assert (again.listed, again.written) == (10, [])
    assert again.answered == {phone(2), "+12125559999"}
    assert await rows(db, "SELECT * FROM attempts ORDER BY id") == before


async def test_whoever_answered_may_be_put_on_the_do_not_call_list(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await backup_is_restored(db, clock, twilio)
    await write_down(db, clock, twilio)
    report = await write_down(db, clock, twilio, answered_to_dnc=True)
    assert report.listed_as_do_not_call == 2
    listed = await rows(db, "SELECT phone FROM dnc_entries ORDER BY phone")
    assert [row["phone"] for row in listed] == sorted([phone(2), "+12125559999"])


async def test_while_dialling_goes_on_it_is_refused(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await backup_is_restored(db, clock, twilio)
    await lifecycle.lift(db, actor="cli:ana", now=clock.now())
    with pytest.raises(Conflict, match="could be called again"):
        await write_down(db, clock, twilio)
    assert await rows(db, "SELECT 1 FROM attempts") == []


async def test_with_twilio_away_nothing_is_concluded(
    db: Database, clock: ManualClock, twilio: FakeTwilio
) -> None:
    await backup_is_restored(db, clock, twilio)
    twilio.fail = 503
    with pytest.raises(TwilioError):
        await write_down(db, clock, twilio)
    assert await rows(db, "SELECT 1 FROM attempts") == []
