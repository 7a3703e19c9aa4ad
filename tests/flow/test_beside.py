"""Work beside the ticks: one at a time, its faults told, ended with the process."""

import asyncio
from datetime import datetime

from campaign.flow.beside import Beside
from tests.support.clock import ManualClock


async def test_a_tick_does_not_wait_for_work_and_does_not_begin_it_twice(clock: ManualClock) -> None:
    begun: list[datetime] = []
    go_on = asyncio.Event()

    async def work(now: datetime) -> None:
        begun.append(now)
        await go_on.wait()

    part = Beside("part", work)
    for _ in range(3):
        await part(clock.now())
        await clock.advance(1)
    assert len(begun) == 1
    go_on.set()
    await clock.advance(1)
    await part(clock.now())
    await clock.advance(1)
    assert len(begun) == 2
    await part.close()


async def test_work_that_fails_is_tried_again_at_the_next_tick(clock: ManualClock) -> None:
    tries = 0

    async def work(now: datetime) -> None:
        nonlocal tries
        tries += 1
        raise RuntimeError("planted")

    part = Beside("part", work)
    for _ in range(2):
        await part(clock.now())
        await clock.advance(1)
    assert tries == 2
    await part.close()


async def test_closing_ends_what_is_under_way(clock: ManualClock) -> None:
    ended = asyncio.Event()

    async def work(now: datetime) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    part = Beside("part", work)
    await part.close()
    await part(clock.now())
    await clock.advance(1)
    await part.close()
    assert ended.is_set()
