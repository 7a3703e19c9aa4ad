"""A clock that stands still until it is told to move on: for rehearsals, and for tests."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta


class StillClock:
    """Stands still until `advance()`; sleepers wake in the order of their times.

    Args:
        start: the first instant, aware.
    """

    rate = 1.0

    def __init__(self, start: datetime) -> None:
        self._start = start.astimezone(UTC)
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), woken))
        await woken

    @property
    def sleeping(self) -> int:
        """How many sleepers wait for their time."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    @property
    def next_wake(self) -> float | None:
        """Clock seconds until the next sleeper wakes; None: nobody sleeps."""
        return min((at - self._elapsed for at, _, woken in self._sleepers if not woken.done()), default=None)

    async def advance(self, seconds: float) -> None:
        """Move on; each sleeper whose time comes runs at its own instant before the next one wakes.

        Args:
            seconds: clock seconds, zero or more.
        """
        await self._settle()
        target = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            at, _, woken = heapq.heappop(self._sleepers)
            if woken.done():  # its task was cancelled
                continue
            self._elapsed = max(self._elapsed, at)
            woken.set_result(None)
            await self._settle()
        self._elapsed = target
        await self._settle()

    @staticmethod
    async def _settle(turns: int = 20) -> None:
        """Let the tasks that are ready run; work that waits for a socket is not waited for."""
        for _ in range(turns):
            await asyncio.sleep(0)
