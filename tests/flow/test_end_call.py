"""One call is ended by hand: at once or with a goodbye, once, and on the record."""

from datetime import timedelta

import pytest

from campaign.domain.errors import Conflict, NotFound
from campaign.flow.end_call import GOODBYE_S, end_call
from campaign.flow.live_talks import LiveTalks
from campaign.store import sweeps
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import TUESDAY_MORNING as NOW

ACTOR = "user:ana@example.com"


class Talk:
    """A conversation that this process holds."""

    def __init__(self, attempt_id: int) -> None:
        self.session = type("Session", (), {"attempt_id": attempt_id})()
        self.handed_over = False
        self.told: list[object] = []

    async def tell(self, event: object) -> None:
        self.told.append(event)

    async def cut(self, code: int) -> None:
        raise AssertionError("cut")


async def due(db: Database, at) -> list[int]:
    """Calls that the sweep ends at an instant."""
    async with db.transaction() as tx:
        return [one.id for one in await sweeps.claim_cancels(tx, at, 10)]


@pytest.mark.parametrize("state", ["placed", "ringing", "answered"])
async def test_a_call_is_ended_at_once_where_nobody_here_talks(db: Database, state: str):
    attempt = await rows.dialled(db, NOW, state=state, call_sid=rows.SID)
    ending = await end_call(db, LiveTalks(), attempt, actor=ACTOR, now=NOW, why="wrong person")
    assert (ending.politely, ending.again) == (False, False)
    assert await due(db, NOW) == [attempt]
    kept = await rows.row(db, "audit_log")
    assert (kept["actor"], kept["action"], kept["subject"]) == (ACTOR, "call.end", f"attempt:{attempt}")
    assert kept["detail"] == {"why": "wrong person", "state": state}


async def test_a_conversation_that_is_held_here_says_goodbye_before_the_line_is_cut(db: Database):
    attempt = await rows.dialled(db, NOW, state="answered", answered_at=NOW, call_sid=rows.SID)
    talks, talk = LiveTalks(), Talk(attempt)
    talks.enter(talk)  # type: ignore[arg-type]
    ending = await end_call(db, talks, attempt, actor=ACTOR, now=NOW, clock_rate=2)
    assert ending.politely
    assert [type(event).__name__ for event in talk.told] == ["StopRequested"]
    cut = NOW + timedelta(seconds=2 * GOODBYE_S)
    assert await due(db, cut - timedelta(seconds=1)) == []
    assert await due(db, cut) == [attempt]


async def test_a_second_click_changes_nothing_and_is_no_error(db: Database):
    attempt = await rows.dialled(db, NOW, state="answered", call_sid=rows.SID)
    for again in (False, True):
        ending = await end_call(db, LiveTalks(), attempt, actor=ACTOR, now=NOW)
        assert ending.again == again
    assert len(await rows.rows(db, "audit_log")) == 1


async def test_what_is_over_or_never_was_cannot_be_ended(db: Database):
    attempt = await rows.dialled(db, NOW, state="ended", settled_at=NOW)
    with pytest.raises(Conflict, match="over already"):
        await end_call(db, LiveTalks(), attempt, actor=ACTOR, now=NOW)
    with pytest.raises(NotFound):
        await end_call(db, LiveTalks(), attempt + 1, actor=ACTOR, now=NOW)
