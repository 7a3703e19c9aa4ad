"""What conversations say is written beside Twilio's webhooks for the same calls; neither harms the other."""

import asyncio

import pytest
from sqlalchemy import text

from campaign.domain.errors import DatabaseUnavailable
from campaign.flow.transcripts import Writer
from campaign.store import attempts, sessions
from campaign.store.conversations import TalkNews
from campaign.store.database import Database
from tests.flow.test_action import begin
from tests.support.campaigns import rows
from tests.support.clock import ManualClock
from tests.support.dialing import moved_clock, until


async def test_a_conclusion_written_while_twilio_tells_the_sessions_end_is_kept(
    db: Database, clock: ManualClock
) -> None:
    await begin(db, clock)
    writer = Writer(db, moved_clock())
    async with db.transaction() as tx:
        # As the webhook does: the attempt first, then the session; the writer comes in between.
        attempt = await attempts.by_marker(tx, "marker-1", lock=True)
        assert attempt is not None
        writer.news(TalkNews(attempt.id, 1, closed_why="over", disposition="interested"))
        await waits_for_a_lock(db)
        await sessions.close(tx, attempt.id, 1, "ended", clock.now())
    assert await writer.settle(5)
    assert writer.dropped == 0
    assert await rows(db, "SELECT talk_disposition FROM attempts") == [{"talk_disposition": "interested"}]


async def test_a_deadlock_is_told_as_something_to_try_again(db: Database, clock: ManualClock) -> None:
    await rows(
        db,
        "INSERT INTO installation (id, kind, recorded_at) VALUES (1, 'simulated', :now) "
        "ON CONFLICT DO NOTHING",
        now=clock.now(),
    )
    met = asyncio.Barrier(2)

    async def both(first: str, second: str) -> None:
        async with db.transaction() as tx:
            await tx.execute(text(f"UPDATE {first} SET id = id"))
            await met.wait()
            await tx.execute(text(f"UPDATE {second} SET id = id"))

    ended = await asyncio.gather(
        both("installation", "pace"), both("pace", "installation"), return_exceptions=True
    )
    fault = next(one for one in ended if one is not None)
    assert isinstance(fault, DatabaseUnavailable)
    with pytest.raises(DatabaseUnavailable, match="waited for each other"):
        raise fault


async def waits_for_a_lock(db: Database) -> None:
    """Until another transaction waits for a row's lock."""

    async def waiting() -> bool:
        found = await rows(
            db,
            "SELECT 1 AS x FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
        return bool(found)

    await until(waiting, moved_clock())
