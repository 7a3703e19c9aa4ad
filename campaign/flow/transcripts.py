"""Writes what conversations say, at most a fifth of a second behind, never in the way of a turn.

One writer for all conversations of a process: a turn that is amended before it was written is written once,
and many conversations share a transaction. With Postgres away rows wait and talks go on; afterwards they are
written in portions, so that no transaction gets big. Turns that wait are bounded in number, and the oldest
are dropped beyond that; what a conversation came to (its conclusion, a callback, an answer to a question) is
never dropped: there is one row of each at most, so the number of calls that were up bounds them. Opt-outs
don't come this way (flow/optout_journal.py).
"""

import asyncio
from dataclasses import dataclass, fields
from itertools import islice
from typing import TypeVar

import structlog

from campaign.domain.clock import Clock
from campaign.domain.errors import DatabaseUnavailable
from campaign.flow import outcomes
from campaign.flow.outcomes import REAL_TIME, Terms
from campaign.store import conversations
from campaign.store.conversations import AnswerRow, TalkNews, TurnRow
from campaign.store.database import Database

K = TypeVar("K")
V = TypeVar("V")

log = structlog.get_logger(__name__)

BEHIND = 0.5
"""Real seconds that a row may wait for company: each transaction costs as much as three turns of a talk."""
AGAIN = 0.5
"""Real seconds before the database is tried again."""
PORTION = 2000
"""Turns and answers that are written in one transaction at most: after an outage what is written stays
written, and the calls that a transaction holds meanwhile are soon free for Twilio's next word about them."""
PORTION_OF_NEWS = 200
"""Likewise for what conversations came to, which costs a statement or two each."""
MOST_WAITING = 20_000
"""Turns that may wait for the database (some 10 MB: a hundred calls' talk for half an hour); beyond them the
oldest are dropped."""


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
        self._bound()
        self._wake()

    def _bound(self) -> None:
        while len(self._turns) > MOST_WAITING:
            self._turns.pop(next(iter(self._turns)))
            self.dropped += 1

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
            if self.waiting < PORTION:
                await self._pause(BEHIND)
            batch = self._portion()
            try:
                await self._write(batch)
            except DatabaseUnavailable as error:
                self._take_back(batch)
                log.warning("transcripts_wait", rows=self.waiting, error=error.what)
                self._hurry.clear()
                await self._pause(AGAIN)
            except Exception as error:  # the loop's edge: what can't be written must not stop what follows
                await self._one_by_one(batch, error)
        self._idle.set()

    def _portion(self) -> "_Batch":
        """What is written next: conclusions before talk, older rows before newer ones."""
        news = _take(self._news, PORTION_OF_NEWS)
        answers = _take(self._answers, PORTION)
        return _Batch(_take(self._turns, PORTION - len(answers)), answers, news)

    async def _write(self, batch: "_Batch") -> None:
        async with self._db.transaction() as tx:
            settled = await conversations.hold(tx, batch.attempts)
            conversations.write_turns(tx, list(batch.turns.values()))
            await conversations.write_answers(tx, list(batch.answers.values()))
            for one in batch.news.values():
                await conversations.write_news(tx, one)
        # What a conversation concluded may come after the call's last callback.
        told = {attempt_id for attempt_id, _ in (*batch.news, *batch.answers)}
        await outcomes.refine(self._db, sorted(told.intersection(settled)), self._clock.now(), self._terms)

    def _take_back(self, batch: "_Batch") -> None:
        """It was not written; what came meanwhile is newer."""
        self._turns = {**batch.turns, **self._turns}
        self._bound()
        self._answers = {**batch.answers, **self._answers}
        for later in self._news.values():
            _join(batch.news, later)
        self._news = batch.news

    async def _one_by_one(self, batch: "_Batch", error: Exception) -> None:
        """Something in it can't be written, whatever it is: only its own conversation loses by that."""
        if len(batch.attempts) == 1:
            log.error("transcripts_lost", rows=len(batch.turns), error=str(error)[:500], exc_info=True)
            self.dropped += len(batch.turns)
            return
        for part in batch.by_attempt():
            try:
                await self._write(part)
            except DatabaseUnavailable:
                self._take_back(part)
            except Exception as its_own:  # as above
                await self._one_by_one(part, its_own)

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


@dataclass(slots=True)
class _Batch:
    """Rows that are written together."""

    turns: dict[tuple[int, int], TurnRow]
    answers: dict[tuple[int, str], AnswerRow]
    news: dict[tuple[int, int], TalkNews]

    @property
    def attempts(self) -> set[int]:
        return {key[0] for key in (*self.turns, *self.answers, *self.news)}

    def by_attempt(self) -> "list[_Batch]":
        return [
            _Batch(
                {key: row for key, row in self.turns.items() if key[0] == attempt},
                {key: row for key, row in self.answers.items() if key[0] == attempt},
                {key: row for key, row in self.news.items() if key[0] == attempt},
            )
            for attempt in sorted(self.attempts)
        ]


def _take(rows: dict[K, V], most: int) -> dict[K, V]:
    """The first so many of them, which are no longer in there."""
    return {key: rows.pop(key) for key in list(islice(rows, most))}


def _join(into: dict[tuple[int, int], TalkNews], later: TalkNews) -> None:
    known = into.setdefault((later.attempt_id, later.ordinal), later)
    for field in fields(later):
        value = getattr(later, field.name)
        if value is not None:
            setattr(known, field.name, value)
