"""The tests' own clock keeps time as a clock must."""

import asyncio
from datetime import UTC, datetime, timedelta

from campaign.domain.clock import Clock
from tests.support.clock import ManualClock


async def test_it_stands_until_it_is_moved(clock: ManualClock) -> None:
    as_a_clock: Clock = clock
    assert as_a_clock.now() == datetime(2026, 11, 24, 15, tzinfo=UTC)
    assert as_a_clock.now().tzinfo is UTC
    await clock.advance(90)
    assert clock.now() == datetime(2026, 11, 24, 15, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90


async def test_sleepers_wake_in_the_order_of_their_times_each_at_its_own(clock: ManualClock) -> None:
    start, woken = clock.now(), list[tuple[str, timedelta]]()

    async def sleeper(name: str, seconds: float, again: float = 0) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now() - start))
        if again:
            await sleeper(f"{name} again", again)

    tasks = [
        asyncio.create_task(sleeper(*each)) for each in (("late", 9.0), ("early", 1.0, 2.0), ("next", 2.0))
    ]
    await clock.advance(5)
    assert woken == [
        ("early", timedelta(seconds=1)),
        ("next", timedelta(seconds=2)),
        ("early again", timedelta(seconds=3)),
    ]
    assert clock.sleeping == 1
    await clock.advance(4)
    assert woken[-1] == ("late", timedelta(seconds=9))
    await asyncio.gather(*tasks)


async def test_a_cancelled_sleeper_is_forgotten(clock: ManualClock) -> None:
    task = asyncio.create_task(clock.sleep(5))
    await clock.advance(1)
    assert clock.sleeping == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleeping == 0
    await clock.advance(10)
    assert clock.monotonic() == 11


async def test_a_sleep_of_nothing_yields_once(clock: ManualClock) -> None:
    await asyncio.wait_for(clock.sleep(0), 1)
    await asyncio.wait_for(clock.sleep(-1), 1)
