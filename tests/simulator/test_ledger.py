from hypothesis import given
from hypothesis import strategies as st

from campaign.simulator.ledger import worst_window


@given(st.lists(st.integers(0, 4000).map(lambda ms: ms / 1000), max_size=40))
def test_the_worst_window_is_the_fullest_second_from_any_event(times: list[float]) -> None:
    expected = max((sum(start <= at < start + 1.0 for at in times) for start in times), default=0)
    assert worst_window(times) == expected


def test_events_a_whole_second_apart_share_no_window() -> None:
    assert worst_window([0.0, 1.0, 2.0]) == 1
    assert worst_window([0.0, 0.999, 1.0, 1.5]) == 3
