"""The pace: never above the allowance in any sliding second, nearly all of it used, fairly shared."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.pacing import Pace, SlidingSecond, share_out

START = datetime(2026, 11, 24, 15, tzinfo=UTC)


def most_within(sends: list[float], seconds: float) -> int:
    """Most sends in any window of that many seconds."""
    ordered = sorted(sends)
    return max(bisect_left(ordered, at + seconds) - i for i, at in enumerate(ordered))


def drive(pace: Pace, seconds: float, stall: Iterable[float], every: float = 0.05) -> list[float]:
    """The instants at which a process sends that claims all the time and is busy for `stall` seconds (one
    after the other, over and over) whenever it looks whether a call may go out."""
    second, stalls = SlidingSecond(pace), cycle(stall)
    now, next_slot = 0.0, START
    waiting: deque[float] = deque()
    sends: list[float] = []
    while now < seconds:
        at = START + timedelta(seconds=now)
        if not waiting or waiting[-1] < now + 0.2:
            slots, next_slot = pace.slots(next_slot, at, pace.available(next_slot, at))
            waiting.extend((slot - START).total_seconds() for slot in slots)
        if waiting and waiting[0] <= now and second.wait(now) == 0:
            waiting.popleft()
            second.sent(now)
            sends.append(now)
            now += next(stalls)  # busy after the sending
            continue
        left = max(waiting[0] - now, second.wait(now)) if waiting else every
        now += min(left, every) + next(stalls)
    return sends


RATES = st.sampled_from([0.5, 1, 1.5, 3, 10, 50, 200])


@given(
    cps=RATES,
    stalls=st.lists(st.sampled_from([0.0, 0.0, 0.0005, 0.002, 0.02, 0.3, 1.1]), min_size=1, max_size=30),
)
def test_no_sliding_second_holds_more_than_the_allowance_however_busy_the_machine_is(
    cps: float, stalls: list[float]
) -> None:
    pace = Pace(cps)
    sends = drive(pace, 12, [*stalls, 0.0005])
    window = pace.window.total_seconds()
    assert most_within(sends, window) <= max(1, cps)


@pytest.mark.parametrize("cps", [1, 10, 50, 500])
@pytest.mark.parametrize(
    "stalls",
    [[0.0], [0.0005], [*[0.0005] * 199, 0.05]],
    ids=["a still machine", "late by half a millisecond always", "and by 50 ms now and then"],
)
def test_at_least_99_percent_of_the_allowance_is_used_when_work_is_due(cps: int, stalls: list[float]) -> None:
    sends = drive(Pace(cps), 100, stalls)
    assert len(sends) >= 0.99 * 100 * cps - 1


def test_the_call_r_before_holds_the_next_one_for_a_second_and_the_margin() -> None:
    second = SlidingSecond(Pace(2))
    second.sent(10.0)
    assert second.wait(10.2) == 0
    second.sent(10.2)
    assert second.wait(10.5) == pytest.approx(0.503)
    assert second.wait(11.003) == 0


def test_another_process_dials_only_when_no_intent_of_the_first_can_go_out_any_more() -> None:
    for cps in (0.1, 1, 50):
        pace = Pace(cps)
        assert pace.tenure > pace.stale
        # A slot may lie a quarter of a second before its intent.
        assert pace.quiet_after(START) == START + timedelta(seconds=0.25) + pace.stale + pace.window


def test_a_pause_is_not_made_up_for_by_a_burst() -> None:
    pace, long_ago = Pace(50), START - timedelta(hours=1)
    slots, _ = pace.slots(long_ago, START, pace.available(long_ago, START))
    assert slots[0] == START
    assert slots[-1] - slots[0] == pace.spacing * (len(slots) - 1)


def test_one_call_a_second_is_claimed_only_when_its_slot_is_in_reach() -> None:
    for pace in (Pace(1), Pace(0.1)):
        assert pace.available(START + timedelta(seconds=0.6), START) == 0
        assert pace.available(START + timedelta(seconds=0.4), START) == 1


def test_on_a_fast_clock_the_slots_spread_because_the_machine_stays_as_late_as_it_was() -> None:
    assert Pace(1, rate=60).spacing == timedelta(seconds=1.3)
    assert Pace(1).spacing == timedelta(seconds=1.005)


def test_two_campaigns_with_one_slot_at_a_time_take_turns() -> None:
    served: dict[int, float] = {}
    total = {1: 0, 2: 0}
    for _ in range(10):
        given_slots, served = share_out(1, {1: 5, 2: 5}, {1: 1, 2: 1}, served)
        for campaign, slots in given_slots.items():
            total[campaign] += slots
    assert total == {1: 5, 2: 5}


def test_shares_weigh_and_what_one_cannot_use_goes_to_the_others() -> None:
    assert share_out(9, {1: 9, 2: 9}, {1: 2, 2: 1}, {})[0] == {1: 6, 2: 3}
    assert share_out(9, {1: 2, 2: 9}, {1: 2, 2: 1}, {})[0] == {1: 2, 2: 7}


def test_a_campaign_that_was_idle_does_not_catch_up_in_a_burst() -> None:
    _, served = share_out(100, {1: 100}, {}, {})
    given_slots, _ = share_out(10, {1: 10, 2: 10}, {}, served)
    assert given_slots == {1: 5, 2: 5}
