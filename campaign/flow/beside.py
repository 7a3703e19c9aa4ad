"""Work that waits for somebody else's server, beside the ticks: a heartbeat must not wait for Twilio."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from campaign.domain.errors import LeaseLost

log = structlog.get_logger(__name__)


class Beside:
    """A part of the scheduler that runs as a task of its own; a tick that finds it still running leaves it.

    Twilio may take ten seconds to answer, or not to answer, each question. Meanwhile the ticks go on: the
    heartbeat is written, the lease renewed, and what else is due done.

    Args:
        name: for logs.
        work: what is due at an instant; idempotent.
    """

    def __init__(self, name: str, work: Callable[[datetime], Awaitable[object]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, now: datetime) -> None:
        """Begin, unless it is still under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(now), name=self._name)

    async def _run(self, now: datetime) -> None:
        try:
            await self._work(now)
        except LeaseLost as lost:
            log.warning("lease_lost", part=self._name, why=lost.what)
        except Exception as error:  # the edge of the loop: the next tick tries again
            log.error("tick_part_failed", part=self._name, error=str(error), exc_info=True)

    async def close(self) -> None:
        """End what is under way; whatever it was about is due again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
