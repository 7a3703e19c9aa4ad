"""The pace: never above the allowance in any sliding second, nearly all of it used, fairly shared."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.pacing import Pace, share_out

START = datetime(2026, 11, 24, 15, tzinfo=UTC)


def worst_second(sends: list[datetime]) -> int:
    """Most sends in any window of one second."""
    ordered = sorted(sends)
    return max(bisect_left(ordered, at + timedelta(seconds=1)) - i for i, at in enumerate(ordered))


@given(
    cps=st.sampled_from([0.5, 1, 3, 10, 50, 500]),
    late=st.lists(st.floats(0, 1), min_size=1, max_size=50),
    gaps=st.lists(st.floats(0, 0.4), min_size=1, max_size=20),
)
def test_no_sliding_second_holds_more_than_the_allowance_however_late_the_sends_are(
    cps: float, late: list[float], gaps: list[float]
) -> None:
    pace = Pace(cps)
    now, next_slot, sends = START, START - timedelta(days=1), []
    for round_ in range(40):
        count = pace.available(next_slot, now)
        slots, next_slot = pace.slots(next_slot, now, count)
        for i, slot in enumerate(slots):
            assert slot >= now
            sends.append(slot + pace.lateness * late[(round_ + i) % len(late)])
        now += timedelta(seconds=gaps[round_ % len(gaps)])
    if sends:
        assert worst_second(sends) <= max(1, cps)


@pytest.mark.parametrize("cps", [1, 10, 50, 500])
def test_at_least_99_percent_of_the_allowance_is_used_when_work_is_due(cps: int) -> None:
    pace = Pace(cps)
    now, next_slot, sends = START, START, 0
    while now < START + timedelta(seconds=100):
        count = pace.available(next_slot, now)
        slots, next_slot = pace.slots(next_slot, now, count)
        sends += sum(slot < START + timedelta(seconds=100) for slot in slots)
        now += timedelta(seconds=0.05)
    assert sends >= 0.99 * 100 * cps


def test_a_pause_is_not_made_up_for_by_a_burst() -> None:
    pace = Pace(50)
    slots, _ = pace.slots(
        START - timedelta(hours=1), START, pace.available(START - timedelta(hours=1), START)
    )
    assert worst_second(slots) <= 50
    assert slots[0] == START + timedelta(seconds=0.03)


def test_one_call_a_second_is_claimed_only_when_its_slot_is_in_reach() -> None:
    pace = Pace(1)
    assert pace.available(START + timedelta(seconds=2), START) == 0
    assert pace.available(START + timedelta(seconds=0.9), START) == 1


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
