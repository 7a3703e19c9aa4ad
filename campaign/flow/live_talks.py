"""The conversations of this process: counted, told, drained."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal, Protocol

import structlog

from campaign.domain.clock import Clock
from campaign.domain.conversation import Event, HandOver, MachineVerdict, StopRequested
from campaign.flow.outcomes import REAL_TIME, Terms
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

    async def tell(self, event: Event) -> None:
        """Let something happen in it that came from elsewhere."""
        ...

    async def cut(self, code: int) -> None:
        """Close its socket."""
        ...


@dataclass
class LiveTalks:
    """The conversations that this process holds."""

    terms: Terms = REAL_TIME
    _talks: dict[int, Talking] = field(default_factory=dict)
    _writers: dict[int, Writer] = field(default_factory=dict)
    _draining: bool = False
    _nobody: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def count(self) -> int:
        """How many conversations are going on here."""
        return len(self._talks)

    @property
    def draining(self) -> bool:
        """Whether new sockets are refused, so that another process takes them."""
        return self._draining

    async def on_machine(self, attempt_id: int, answered_by: str) -> bool:
        """Tell the attempt's conversation that a machine or a fax answers; False: there is none here."""
        talk = self._talks.get(attempt_id)
        if talk is None:
            return False
        await talk.tell(MachineVerdict(answered_by))
        return True

    async def stop(self, attempt_id: int, reason: Literal["operator", "opt_out"]) -> bool:
        """End the attempt's conversation politely; False: there is none here."""
        talk = self._talks.get(attempt_id)
        if talk is None:
            return False
        await talk.tell(StopRequested(reason))
        return True

    async def drain(self, seconds: float) -> None:
        """Refuse new sockets and hand conversations over, each at the end of a turn.

        Args:
            seconds: real seconds for that (at least three); what is left then is cut with close code 1012,
                and Twilio's `<Connect action>` resumes it elsewhere too.
        """
        self._draining = True
        for talk in tuple(self._talks.values()):
            await talk.tell(HandOver())
        await self._until_nobody(max(seconds, LEAST_DRAIN))
        for talk in tuple(self._talks.values()):
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
        if not self._talks:
            self._nobody.set()

    def writer(self, db: Database, clock: Clock) -> Writer:
        """The process's transcript writer for a database."""
        return self._writers.setdefault(id(db), Writer(db, clock, self.terms))
