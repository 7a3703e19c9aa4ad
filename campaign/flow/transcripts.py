"""Writes what conversations say, at most a fifth of a second behind, never in the way of a turn.

One writer for all conversations of a process: a turn that is amended before it was written is written once,
and many conversations share a transaction. With Postgres away rows wait, bounded in number; talks go on.
"""

import asyncio
from dataclasses import fields

import structlog

from campaign.domain.clock import Clock
from campaign.domain.errors import DatabaseUnavailable
from campaign.flow import outcomes
from campaign.flow.outcomes import REAL_TIME, Terms
from campaign.store import conversations
from campaign.store.conversations import AnswerRow, TalkNews, TurnRow
from campaign.store.database import Database

log = structlog.get_logger(__name__)

BEHIND = 0.15
"""Real seconds that a row may wait for company."""
AGAIN = 0.5
"""Real seconds before the database is tried again."""
MOST_WAITING = 20_000
"""Turns that may wait for the database; beyond them the oldest are dropped."""


class Writer:
    """The process's writer; its task lives only while there is something to write.

    Args:
        db: where to.
        clock: for pauses.
        terms: for outcomes that what is written here refines.
    """

    def __init__(self, db: Database, clock: Clock, terms: Terms = REAL_TIME) -> None:
        self._db = db
        self._clock = clock
        self._terms = terms
        self._turns: dict[tuple[int, int], TurnRow] = {}
        self._answers: dict[tuple[int, str], AnswerRow] = {}
        self._news: dict[tuple[int, int], TalkNews] = {}
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Rows that aren't in the database yet."""
        return len(self._turns) + len(self._answers) + len(self._news)

    def turn(self, row: TurnRow) -> None:
        """A turn, or a turn again."""
        self._turns[row.attempt_id, row.seq] = row
        while len(self._turns) > MOST_WAITING:
            self._turns.pop(next(iter(self._turns)))
            self.dropped += 1
        self._wake()

    def answer(self, row: AnswerRow) -> None:
        """An answer; the latest one counts."""
        self._answers[row.attempt_id, row.question] = row
        self._wake()

    def news(self, news: TalkNews) -> None:
        """Something new about a session; joined with what already waits."""
        _join(self._news, news)
        self._wake()

    def hurry(self) -> None:
        """Write now: someone is about to ask."""
        self._hurry.set()

    async def settle(self, seconds: float) -> bool:
        """Write all that waits now; False when it took longer than so many real seconds."""
        self._hurry.set()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        self._idle.clear()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="transcripts")

    async def _run(self) -> None:
        while self.waiting:
            await self._pause(BEHIND)
            turns, self._turns = self._turns, {}
            answers, self._answers = self._answers, {}
            news, self._news = self._news, {}
            try:
                async with self._db.transaction() as tx:
                    settled = await conversations.hold(tx, {key[0] for key in (*turns, *answers, *news)})
                    conversations.write_turns(tx, list(turns.values()))
                    await conversations.write_answers(tx, list(answers.values()))
                    for one in news.values():
                        await conversations.write_news(tx, one)
                # What a conversation concluded may come after the call's last callback.
                told = {attempt_id for attempt_id, _ in (*news, *answers)}
                await outcomes.refine(
                    self._db, sorted(told.intersection(settled)), self._clock.now(), self._terms
                )
            except DatabaseUnavailable as error:
                log.warning("transcripts_wait", rows=self.waiting + len(turns), error=error.what)
                self._turns = {**turns, **self._turns}
                self._answers = {**answers, **self._answers}
                for later in self._news.values():
                    _join(news, later)
                self._news = news
                self._hurry.clear()
                await self._pause(AGAIN)
            except Exception as error:  # the loop's edge: one bad batch must not stop all that follow
                log.error("transcripts_lost", rows=len(turns), error=str(error)[:500], exc_info=True)
                self.dropped += len(turns)
        self._idle.set()

    async def _pause(self, seconds: float) -> None:
        """So many real seconds, or until someone is in a hurry."""
        pause = asyncio.ensure_future(self._clock.sleep(seconds * self._clock.rate))
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait((pause, hurry), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            hurry.cancel()
        self._hurry.clear()


def _join(into: dict[tuple[int, int], TalkNews], later: TalkNews) -> None:
    known = into.setdefault((later.attempt_id, later.ordinal), later)
    for field in fields(later):
        value = getattr(later, field.name)
        if value is not None:
            setattr(known, field.name, value)
