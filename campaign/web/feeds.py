"""What many people watch at once: each question is asked by one poller a process, and only while somebody
watches (decision 0021).

A feed looks once a second and hands what it found to all its viewers. One that can't look (Postgres is away)
says so and keeps what it last saw; one that nobody watches any more ends. Viewers and feeds are bounded.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import structlog

from campaign.domain.errors import CampaignError, DatabaseUnavailable, Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

EVERY_S = 1.0
"""Real seconds between two looks."""
PATIENCE_S = 10.0
"""A look that takes longer is given up."""
MOST_VIEWERS = 200
"""Of a process: more are turned away, and their pages try again by themselves."""
MOST_FEEDS = 50
"""Questions at once of a process: each costs some statements a second."""


@dataclass(frozen=True, slots=True)
class Beat(Generic[T]):
    """One look. Equal `number`: the same look.

    Args:
        seen: what was seen last; None while nothing has been seen.
        trouble: why there is nothing newer; empty when there is.
        over: there will be no more: what was watched is gone.
    """

    number: int
    seen: T | None
    trouble: str = ""
    over: bool = False


class Feed(Generic[T]):
    """One question, asked over and over while somebody watches.

    Args:
        look: asks it, at an instant of the service's clock.
        now: that clock.
    """

    def __init__(self, look: Callable[[datetime], Awaitable[T]], now: Callable[[], datetime]) -> None:
        self._look = look
        self._now = now
        self._beat: Beat[T] = Beat(0, None)
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self.viewers = 0
        self.memo: dict[Hashable, object] = {}
        """What viewers have made of the present look, for others who want the same; emptied by the next."""

    async def watch(self) -> AsyncIterator[Beat[T]]:
        """Every look from now on, the last one at once if there is one; one that is missed is left out."""
        shown = 0
        while True:
            async with self._news:
                while self._beat.number <= shown:
                    await self._news.wait()
                beat = self._beat
            shown = beat.number
            yield beat
            if beat.over:
                return

    def hurry(self) -> None:
        """Look again now: something was just changed here."""
        self._wake.set()

    def begin(self) -> None:
        """Look on, if nobody did until now."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="feed")

    async def end(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while not self._beat.over:
            await self._tell(await self._once())
            self._wake.clear()
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _once(self) -> Beat[T]:
        number, seen = self._beat.number + 1, self._beat.seen
        try:
            async with asyncio.timeout(PATIENCE_S):
                return Beat(number, await self._look(self._now()))
        except (DatabaseUnavailable, TimeoutError) as error:
            log.warning("feed_blind", error=str(error)[:200])
            return Beat(number, seen, "The database does not answer.")
        except CampaignError as error:
            return Beat(number, seen, error.what, over=True)
        except Exception as error:  # the loop's edge: viewers must be told, and the next look may do
            log.error("feed_failed", error=str(error)[:500], exc_info=True)
            return Beat(number, seen, "Something failed inside the service; its log tells more.")

    async def _tell(self, beat: Beat[T]) -> None:
        async with self._news:
            self._beat = beat
            self.memo.clear()
            self._news.notify_all()


class Feeds:
    """All feeds of a process, by what they are about."""

    def __init__(self) -> None:
        self._feeds: dict[Hashable, Feed[object]] = {}

    @property
    def viewers(self) -> int:
        """How many watch something."""
        return sum(feed.viewers for feed in self._feeds.values())

    @property
    def about(self) -> frozenset[Hashable]:
        """What is watched by somebody."""
        return frozenset(self._feeds)

    def require_room(self, key: Hashable) -> None:
        """Raises Unavailable when too many watch already."""
        if self.viewers >= MOST_VIEWERS or (key not in self._feeds and len(self._feeds) >= MOST_FEEDS):
            raise Unavailable(
                "Too many people watch live pages of this process.", "Close some; this one tries again."
            )

    @asynccontextmanager
    async def watching(self, key: Hashable, make: Callable[[], Feed[T]]) -> AsyncIterator[Feed[T]]:
        """Watch what a key stands for; `make` is called when nobody does yet.

        Raises:
            Unavailable: too many watch already.
        """
        self.require_room(key)
        feed: Feed[T] = self._feeds.setdefault(key, make())  # type: ignore[assignment,arg-type]  # one type a key
        feed.viewers += 1
        try:
            feed.begin()
            yield feed
        finally:
            feed.viewers -= 1
            if not feed.viewers:
                self._feeds.pop(key, None)
                await asyncio.shield(feed.end())

    def hurry(self) -> None:
        """All look again now: somebody has just changed something."""
        for feed in self._feeds.values():
            feed.hurry()
