"""Recordings: begun when they were announced, deleted for good, whatever fails meanwhile."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from campaign.domain.errors import Conflict, NotFound
from campaign.domain.retention import KINDS, Keep
from campaign.flow import records
from campaign.flow.call_events import Hands, receive
from campaign.flow.recordings import Deleter, to_listen
from campaign.flow.records import Retention
from campaign.store.database import Database
from campaign.telephony.gateway import CallNotFound, TwilioAway
from tests.support import rows
from tests.support.clock import ManualClock

SID = "RE" + "1" * 32


@dataclass
class Twilio:
    """Has recordings, unless it is away."""

    has: set[str] = field(default_factory=lambda: {SID})
    away: bool = False
    asked: int = 0

    async def begin(self, call_sid: str, callback: str) -> str | None:
        raise AssertionError("nothing is recorded here")

    async def delete(self, sid: str) -> None:
        self.asked += 1
        if self.away:
            raise TwilioAway("Twilio is away.")
        if sid not in self.has:
            raise CallNotFound("There is no such recording.")
        self.has.discard(sid)

    @asynccontextmanager
    async def listen(self, sid: str) -> AsyncIterator[AsyncIterator[bytes]]:
        raise AssertionError("nobody listens here")
        yield


async def recorded(db: Database, clock: ManualClock, status: str = "completed") -> int:
    """A call that ended, and its recording."""
    at = clock.now()
    attempt = await rows.dialled(db, at, state="answered", call_sid=rows.SID)
    form = rows.form("completed", 3, at, CallDuration="40")
    await receive(db, kind="status", marker="marker-1", form=form, now=at, hands=Hands())
    for word in ("in-progress", "completed")[: 2 if status == "completed" else 1]:
        told = {"CallSid": rows.SID, "RecordingSid": SID, "RecordingStatus": word}
        told |= {"RecordingDuration": "38"} if word == "completed" else {}
        await receive(db, kind="recording", marker="marker-1", form=told, now=at, hands=Hands())
    return attempt


async def test_who_listens_is_kept(db: Database, clock: ManualClock) -> None:
    attempt = await recorded(db, clock)
    assert await to_listen(db, attempt, actor="key:ana", now=clock.now()) == SID
    trail = await rows.row(db, "audit_log", "action = 'recording.listen'")
    assert (trail["actor"], trail["subject"]) == ("key:ana", f"attempt:{attempt}")
    kept = await rows.row(db, "recordings")
    assert (kept["status"], kept["seconds"]) == ("completed", 38)


async def test_nobody_listens_to_a_call_that_goes_on_or_was_not_recorded(
    db: Database, clock: ManualClock
) -> None:
    with pytest.raises(NotFound):
        await to_listen(db, 4711, actor="key:ana", now=clock.now())
    attempt = await recorded(db, clock, "in-progress")
    with pytest.raises(Conflict):
        await to_listen(db, attempt, actor="key:ana", now=clock.now())
    await rows.run(db, "DELETE FROM recordings")
    with pytest.raises(NotFound):
        await to_listen(db, attempt, actor="key:ana", now=clock.now())


async def test_an_erased_person_s_recording_is_deleted_once_twilio_is_back(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    await recorded(db, clock)
    twilio = Twilio(away=True)
    deleter = Deleter(db, twilio)
    assert await deleter.tick(clock.now()) == 0
    assert twilio.asked == 0, "nothing is to be deleted yet"
    await clock.advance(120)
    await records.erase(db, tmp_path, rows.PHONE, reason="asked", actor="cli:ana", now=clock.now())
    attempt = (await rows.row(db, "recordings"))["attempt_id"]
    with pytest.raises(NotFound):
        await to_listen(db, attempt, actor="key:ana", now=clock.now())
    assert await deleter.tick(clock.now()) == 0
    assert (await rows.row(db, "recordings"))["error"] == "Twilio is away."
    assert await deleter.tick(clock.now()) == 0
    assert twilio.asked == 1, "not again at once"
    twilio.away = False
    await clock.advance(3600)
    assert await deleter.tick(clock.now()) == 1
    assert twilio.has == set()
    kept = await rows.row(db, "recordings")
    assert (kept["deleted_at"], kept["error"]) == (clock.now(), None)
    assert (await rows.row(db, "audit_log", "action = 'recording.delete'"))["detail"]["why"] == "erasure"
    assert await deleter.tick(clock.now()) == 0


async def test_a_recording_that_is_gone_already_counts_as_deleted(db: Database, clock: ManualClock) -> None:
    await recorded(db, clock)
    await rows.run(db, "UPDATE recordings SET delete_at = :now", now=clock.now())
    assert await Deleter(db, Twilio(has=set())).tick(clock.now()) == 1


async def test_retention_deletes_recordings_before_and_with_their_calls(
    db: Database, clock: ManualClock
) -> None:
    await recorded(db, clock)
    kinds = {kind.name: kind for kind in KINDS}
    sound, calls = Keep(kinds["recordings"], 30, None, False), Keep(kinds["call_records"], 60, None, False)
    await clock.advance(timedelta(days=29).total_seconds())
    assert await Retention(db, [sound, calls]).run(clock.now()) == {"recordings": 0, "call_records": 0}
    await clock.advance(timedelta(days=2).total_seconds())
    assert await Retention(db, [sound, calls]).run(clock.now()) == {"recordings": 1, "call_records": 0}
    twilio = Twilio()
    assert await Deleter(db, twilio).tick(clock.now()) == 1
    assert twilio.has == set()


async def test_a_recording_outlives_its_attempt_until_it_is_deleted(db: Database, clock: ManualClock) -> None:
    await recorded(db, clock)
    await rows.run(db, "DELETE FROM attempts")
    twilio = Twilio()
    assert await Deleter(db, twilio).tick(clock.now()) == 1
    assert twilio.has == set()
