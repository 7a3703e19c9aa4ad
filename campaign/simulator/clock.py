"""The simulator's own clock: it may start elsewhere and run faster than the wall.

Every wait and every date of the simulator is on this clock. Only the budgets of real network
requests keep a floor in real seconds (`real`): at sixty times the speed a 15 s budget would be
250 ms, which measures the host and not the service.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any


class SimulatorClock:
    """Wall time, a stopwatch and a pause on one scale.

    Arguments:
        start: the aware instant shown at `anchor`; None takes the host's time.
        rate: clock seconds per real second, above 0.
        anchor: the real instant, in Unix seconds, at which the clock shows `start`; None is now.
            Give the same three values to two processes and their clocks agree.

    Raises ValueError for a naive start or a rate that is not above 0.
    """

    def __init__(self, start: datetime | None = None, rate: float = 1.0, anchor: float | None = None) -> None:
        if rate <= 0:
            raise ValueError(f"clock rate is {rate}; it must be above 0")
        if start is not None and start.tzinfo is None:
            raise ValueError(f"clock start {start} has no time zone; write it as 2026-11-24T10:00:00-05:00")
        real_now = time.time()
        real_anchor = real_now if anchor is None else anchor
        self.rate = rate
        self._start = (datetime.fromtimestamp(real_anchor, UTC) if start is None else start).astimezone(UTC)
        # Counted on the monotonic clock, so that a jump of the host's clock moves nothing.
        self._zero = time.monotonic() - (real_now - real_anchor)

    def monotonic(self) -> float:
        """Clock seconds since the anchor; never goes back."""
        return (time.monotonic() - self._zero) * self.rate

    def now(self) -> datetime:
        """The present instant on this clock, in UTC."""
        return self._start + timedelta(seconds=self.monotonic())

    def at(self, monotonic: float) -> datetime:
        """The instant that belongs to a value of `monotonic`."""
        return self._start + timedelta(seconds=monotonic)

    async def sleep(self, seconds: float) -> None:
        """Pause for that many clock seconds; zero or less yields once."""
        await asyncio.sleep(max(0.0, seconds) / self.rate)

    async def wait(self, event: asyncio.Event, seconds: float, floor: float = 0.0) -> bool:
        """Wait for the event at most that many clock seconds (and at least `floor` real ones).

        Returns True when the event came, False when the time ran out.
        """
        if event.is_set():
            return True
        try:
            async with asyncio.timeout(max(seconds / self.rate, floor)):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True

    def real(self, seconds: float, floor: float) -> float:
        """Clock seconds as real seconds, never less than `floor` real seconds."""
        return max(seconds / self.rate, floor)


class Activity:
    """Counts what is under way, so that a test can wait until nothing is."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(
        self, work: Coroutine[Any, Any, None], name: str, on_error: Callable[[str], None]
    ) -> asyncio.Task[None]:
        """Run the work as a task that counts as activity; an error goes to `on_error` as a sentence."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # the edge of the task: one broken call must not stop the others
                on_error(f"{name}: {type(error).__name__}: {error}")

        task = asyncio.get_running_loop().create_task(guarded(), name=name)
        self.begin()
        self._tasks.add(task)
        task.add_done_callback(self._done)
        # A task cancelled before its first step has never awaited the work.
        task.add_done_callback(lambda _: work.close())
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.end()

    def begin(self) -> None:
        """Something is under way that is not a task."""
        self._count += 1
        self._idle.clear()

    def end(self) -> None:
        """What `begin` began is over."""
        self._count -= 1
        if self._count == 0:
            self._idle.set()

    @property
    def count(self) -> int:
        """How many pieces of work are under way."""
        return self._count

    async def wait_idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()

    async def cancel(self) -> None:
        """Cancel all that is under way and wait until it has ended."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
