"""What conversations say is written beside Twilio's webhooks for the same calls; neither harms the other."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import text

from campaign.domain.errors import DatabaseUnavailable
from campaign.flow.transcripts import MOST_WAITING, PORTION, Writer
from campaign.store import attempts, sessions
from campaign.store.conversations import AnswerRow, TalkNews, TurnRow
from campaign.store.database import Database
from campaign.store.embedded import Attachment
from tests.conftest import admin
from tests.flow.test_action import begin
from tests.support import rows as builders
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
    assert await writer.settle(30)
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


async def conversations(db: Database, clock: ManualClock, number: int) -> list[int]:
    """So many attempts that are in conversation."""
    async with db.transaction() as tx:
        return [
            await builders.attempt(
                tx, clock.now(), marker=f"m{n}", phone=f"+1212555{n:04d}", state="answered"
            )
            for n in range(number)
        ]


def turn(attempt: int, seq: int, clock: ManualClock, words: str = "Hello") -> TurnRow:
    return TurnRow(attempt, seq, 1, "person", words, False, None, clock.now())


@contextlib.contextmanager
def away(server: Attachment, name: str) -> Iterator[None]:
    """The database takes no connections, and has cut those that there were."""
    with admin(server) as connection:
        connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")


async def test_with_the_database_away_the_oldest_turns_give_way_and_no_conclusion_does(
    db: Database, db_url: str, clock: ManualClock, server: Attachment
) -> None:
    one, other = await conversations(db, clock, 2)
    writer = Writer(db, moved_clock())
    name = sa.make_url(db_url).database
    assert name is not None
    with away(server, name):
        writer.news(TalkNews(one, 1, disposition="do_not_call"))
        writer.answer(AnswerRow(one, "wants", True, clock.now()))
        for seq in range(MOST_WAITING + 500):
            writer.turn(turn(other, seq, clock))
            if seq % 1000 == 0:
                await asyncio.sleep(0)
        assert not await writer.settle(0.3)

        async def bounded() -> bool:  # what is being tried at the moment waits nowhere
            return (writer.waiting, writer.dropped) == (MOST_WAITING + 2, 500)

        await until(bounded, moved_clock())
    assert await writer.settle(30)
    assert await rows(db, "SELECT min(seq) AS first, count(*) AS n FROM conversation_turns") == [
        {"first": 500, "n": MOST_WAITING}
    ]
    portions = await rows(db, "SELECT count(*) AS n FROM conversation_turns GROUP BY xmin::text")
    assert max(one["n"] for one in portions) <= PORTION
    told = await rows(db, "SELECT talk_disposition AS told FROM attempts ORDER BY id")
    assert told == [{"told": "do_not_call"}, {"told": None}]
    assert await rows(db, "SELECT value FROM answers") == [{"value": True}]


async def test_what_cannot_be_written_of_one_conversation_costs_no_other_its_conclusion(
    db: Database, clock: ManualClock
) -> None:
    first, broken, last = await conversations(db, clock, 3)
    await rows(db, "ALTER TABLE conversation_turns ADD CONSTRAINT planted CHECK (text <> 'poison')")
    writer = Writer(db, moved_clock())
    for attempt in (first, broken, last):
        writer.turn(turn(attempt, 0, clock, "poison" if attempt == broken else "Hello"))
        writer.news(TalkNews(attempt, 1, disposition="interested"))
    assert await writer.settle(30)
    told = await rows(db, "SELECT id FROM attempts WHERE talk_disposition = 'interested' ORDER BY id")
    assert [row["id"] for row in told] == [first, last]
    assert writer.dropped == 1


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
