"""Recordings of calls: begun once they were announced, listened to by the few who may, deleted for good.

Not by `<Start><Recording>`, which records from the answer on, seconds before anybody was told: a recording is
begun through REST when every disclosure was heard, "this call is recorded" among them (docs/decisions/0016).
The sound stays at the carrier; deleting it there is asked for until it has happened.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import structlog

from campaign.domain.attempt import AttemptEvent
from campaign.domain.clock import Clock
from campaign.domain.errors import Conflict, NotFound, TwilioError
from campaign.flow.sessions import SessionContext
from campaign.store import attempts, recordings
from campaign.store.accounts import audit
from campaign.store.attempts import Told
from campaign.store.database import Database
from campaign.telephony.addresses import Addresses
from campaign.telephony.gateway import CallNotFound

log = structlog.get_logger(__name__)

AT_ONCE = 20
"""Recordings that are deleted in one tick."""

Begins = Callable[[SessionContext], Awaitable[None]]
"""Begins the recording of a session's call."""


class Recorder(Protocol):
    """Recordings at the carrier (telephony/recordings.py)."""

    async def begin(self, call_sid: str, callback: str) -> str | None: ...
    async def delete(self, sid: str) -> None: ...
    def listen(self, sid: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...


def beginner(db: Database, clock: Clock, recorder: Recorder, addresses: Addresses) -> Begins:
    """How a recording is begun; a call that can't be recorded goes on without."""

    async def begin(session: SessionContext) -> None:
        if session.call_sid is None:
            return
        try:
            sid = await recorder.begin(session.call_sid, addresses.recording(session.marker))
        except TwilioError as error:
            log.warning("recording_not_begun", attempt=session.attempt_id, error=error.what)
            return
        if sid is None:
            return
        now = clock.now()
        async with db.transaction() as tx:
            told = Told(at=now, event=AttemptEvent.ACCEPTED, call_sid=session.call_sid, recording_sid=sid)
            await attempts.apply(tx, session.attempt_id, told, now)
            await recordings.heard(tx, session.attempt_id, sid, "in-progress", None, now)

    return begin


async def to_listen(db: Database, attempt_id: int, *, actor: str, now: datetime) -> str:
    """The sid of an attempt's recording, for who wants to listen to it; the audit trail keeps who.

    Raises:
        NotFound: no such attempt, or it has no recording, or the recording is deleted.
        Conflict: the call is still being recorded.
    """
    async with db.transaction() as tx:
        if await attempts.by_id(tx, attempt_id) is None:
            raise NotFound(f"There is no attempt {attempt_id}.", "GET /api/v1/attempts lists them.")
        found = await recordings.of_attempt(tx, attempt_id)
        if found is None or found.status == "absent":
            do = "`record = true` in the script makes one."
            raise NotFound(f"Attempt {attempt_id} has no recording.", do)
        if found.delete_at is not None or found.deleted_at is not None:
            do = "See: campaign records retention"
            raise NotFound(f"The recording of attempt {attempt_id} is deleted.", do)
        if found.status == "in-progress":
            raise Conflict("The call is still being recorded.", "Ask again when it is over.")
        await audit(tx, actor, "recording.listen", f"attempt:{attempt_id}", now, {"sid": found.sid})
        return found.sid


class Deleter:
    """Deletes at the carrier what retention and erasure want gone; a tick does what is due."""

    def __init__(self, db: Database, recorder: Recorder, actor: str = "system:recordings") -> None:
        self._db = db
        self._recorder = recorder
        self._actor = actor

    async def tick(self, now: datetime) -> int:
        """What is due at an instant; returns how many are gone.

        Raises:
            DatabaseUnavailable: the next tick tries again.
        """
        async with self._db.transaction() as tx:
            due = await recordings.claim_due(tx, now, AT_ONCE)
        gone = 0
        for one in due:
            try:
                await self._recorder.delete(one.sid)
            except CallNotFound:
                pass  # it is gone already
            except TwilioError as error:
                log.warning("recording_not_deleted", sid=one.sid, tries=one.tries, error=error.what)
                async with self._db.transaction() as tx:
                    await recordings.not_deleted(tx, one.sid, error.what)
                continue
            async with self._db.transaction() as tx:
                await recordings.deleted(tx, one.sid, now)
                detail = {"why": one.why, "tries": one.tries}
                await audit(tx, self._actor, "recording.delete", f"recording:{one.sid}", now, detail)
            gone += 1
        return gone
