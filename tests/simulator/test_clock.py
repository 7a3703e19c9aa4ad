import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from campaign.simulator.clock import Activity, SimulatorClock

TUESDAY = datetime(2026, 11, 24, 10, 0, tzinfo=timezone(timedelta(hours=-5)))


def test_two_clocks_with_one_anchor_agree() -> None:
    anchor = time.time() - 2.5
    first, second = (SimulatorClock(TUESDAY, 60, anchor) for _ in range(2))
    assert abs((first.now() - second.now()).total_seconds()) < 1
    assert timedelta(seconds=150) <= first.now() - TUESDAY < timedelta(seconds=200)
    assert first.now().tzinfo is UTC


def test_the_plain_clock_is_the_hosts() -> None:
    assert abs((SimulatorClock().now() - datetime.now(UTC)).total_seconds()) < 1


def test_a_clock_without_zone_or_with_no_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        SimulatorClock(datetime(2026, 11, 24, 10, 0))
    with pytest.raises(ValueError, match="above 0"):
        SimulatorClock(rate=0)


async def test_sleep_runs_on_the_clock() -> None:
    clock = SimulatorClock(TUESDAY, 1000)
    before = clock.monotonic()
    await clock.sleep(30)
    assert 30 <= clock.monotonic() - before < 3000
    assert clock.at(clock.monotonic()) >= TUESDAY


async def test_waiting_tells_whether_the_event_came() -> None:
    clock, event = SimulatorClock(rate=1000), asyncio.Event()
    assert not await clock.wait(event, 5)
    event.set()
    assert await clock.wait(event, 5)


async def test_activity_is_idle_when_all_tasks_ended_and_errors_are_told() -> None:
    activity = Activity()
    errors: list[str] = []

    async def broken() -> None:
        raise RuntimeError("out of tune")

    activity.spawn(broken(), "violin", errors.append)
    await activity.wait_idle()
    assert errors == ["violin: RuntimeError: out of tune"]
