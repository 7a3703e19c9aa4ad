"""The conversations of this process: counted, told, drained."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal, Protocol

import structlog

from campaign.domain.clock import Clock
from campaign.domain.conversation import Event, HandOver, MachineVerdict, StopRequested
from campaign.flow.outcomes import REAL_TIME, Terms
from campaign.flow.reply_times import ReplyTimes
from campaign.flow.sessions import SessionContext
from campaign.flow.transcripts import Writer
from campaign.store.database import Database

log = structlog.get_logger(__name__)

SETTLE = 2.0
"""Real seconds that the end of a talk waits for its last rows."""
LEAST_DRAIN = 3.0
"""Real seconds that a turn is given to end, however little time is left for draining."""


class Talking(Protocol):
    """A conversation that is going on here (flow/talk.py)."""

    session: SessionContext
    handed_over: bool
    """Whether it ended so that another process goes on with it."""

    @property
    def replying(self) -> bool: ...

    @property
    def closing(self) -> bool: ...

    async def tell(self, event: Event) -> None:
        """Let something happen in it that came from elsewhere."""
        ...

    async def cut(self, code: int) -> None:
        """Close its socket."""
        ...


@dataclass
class Drained:
    """What became of the conversations of a process that ended."""

    handed_over: int = 0
    """Ended by us at the end of a turn, for another process to go on with."""
    ended: int = 0
    """Came to their own end."""
    cut: int = 0
    """Were still going on when time was up; their sockets were closed with 1012."""


@dataclass
class LiveTalks:
    """The conversations that this process holds.

    Going on → draining (each is handed over at the end of a turn; one that begins now is handed over before
    its first word) → closed (no socket is taken).
    """

    terms: Terms = REAL_TIME
    hand_over: HandOver | None = None
    """What a conversation is told that begins now."""
    closed: bool = False
    """Sockets are refused: their process is at its very end."""
    reply_times: ReplyTimes = field(default_factory=ReplyTimes)
    drained: Drained = field(default_factory=Drained)
    """Counted since it was last set anew."""
    _talks: dict[int, Talking] = field(default_factory=dict)
    _writers: dict[int, Writer] = field(default_factory=dict)
    _nobody: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def count(self) -> int:
        """How many conversations are going on here."""
        return len(self._talks)

    @property
    def replying(self) -> bool:
        """Whether an agent is being asked in any of them."""
        return any(talk.replying for talk in self._talks.values())

    @property
    def closing(self) -> bool:
        """Whether all of them are at their last words, or beyond."""
        return all(talk.closing for talk in self._talks.values())

    @property
    def draining(self) -> bool:
        """Whether conversations are handed over to another process."""
        return self.hand_over is not None

    async def on_machine(self, attempt_id: int, answered_by: str) -> bool:
        """Tell the attempt's conversation that a machine or a fax answers; False: there is none here."""
        talk = self._talks.get(attempt_id)
        if talk is None:
            return False
        await talk.tell(MachineVerdict(answered_by))
        return True

    def has(self, attempt_id: int) -> bool:
        """Whether the attempt's conversation is going on here."""
        return attempt_id in self._talks

    async def stop(self, attempt_id: int, reason: Literal["operator", "opt_out"]) -> bool:
        """End the attempt's conversation politely; False: there is none here."""
        talk = self._talks.get(attempt_id)
        if talk is None:
            return False
        await talk.tell(StopRequested(reason))
        return True

    async def drain(self, seconds: float) -> None:
        """Hand conversations over, each at the end of a turn; at the end none is left and none is taken.

        A socket that comes meanwhile is taken nevertheless: refused, it would be told to Twilio as a fault
        (64102), and what is refused is a call that a person has just answered. What a new session would have
        said first is said by the process that it is handed over to.

        Args:
            seconds: real seconds for that (at least three). In the second half any pause will do. What is
                left then is cut with close code 1012, and Twilio's `<Connect action>` resumes it elsewhere
                too.
        """
        half = max(seconds, LEAST_DRAIN) / 2
        for event in (HandOver(), HandOver(at_any_pause=True)):
            self.hand_over = event
            told = [talk.tell(event) for talk in self._talks.values()]
            await asyncio.gather(*told, return_exceptions=True)  # who fails ends by itself (flow/talk.py)
            await self._until_nobody(half)
        self.closed = True
        for talk in tuple(self._talks.values()):
            self.drained.cut += not talk.handed_over
            await talk.cut(1012)
        await self._until_nobody(SETTLE + 1.0)
        for writer in self._writers.values():
            await writer.settle(SETTLE)

    async def _until_nobody(self, seconds: float) -> None:
        self._nobody.clear()
        if not self._talks:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._nobody.wait()
        except TimeoutError:
            log.info("talks_left", count=self.count)

    def enter(self, talk: Talking) -> None:
        self._talks[talk.session.attempt_id] = talk

    def leave(self, talk: Talking) -> None:
        if self._talks.get(talk.session.attempt_id) is talk:
            del self._talks[talk.session.attempt_id]
        if talk.handed_over:
            self.drained.handed_over += 1
        elif not self.closed:
            self.drained.ended += 1
        if not self._talks:
            self._nobody.set()

    def writer(self, db: Database, clock: Clock) -> Writer:
        """The process's transcript writer for a database."""
        return self._writers.setdefault(id(db), Writer(db, clock, self.terms))
