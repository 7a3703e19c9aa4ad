from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.clock import SLEW, STEP_S, Offset


def test_a_correction_of_eight_milliseconds_is_no_step_and_is_made_in_the_end() -> None:
    offset = Offset(100.0, 100.0, 0.0).corrected(99.992, 30.0)
    assert offset.at(30.0) == 100.0
    assert offset.at(31.0) == pytest.approx(100.0 - SLEW)
    assert offset.at(60.0) == pytest.approx(99.992)


def test_who_was_wrong_by_more_than_a_second_is_put_right_at_once() -> None:
    assert Offset(100.0, 100.0, 0.0).corrected(103.0, 30.0).at(30.0) == 103.0


@given(
    st.lists(st.tuples(st.floats(0.01, 60), st.floats(-0.4, 0.4)), max_size=8),
    st.lists(st.floats(0, 600), min_size=2, max_size=20),
)
def test_whatever_is_measured_no_span_is_told_wrong_by_more_than_its_share(
    measured: list[tuple[float, float]], looks: list[float]
) -> None:
    offset, at, changes = Offset(0.0, 0.0, 0.0), 0.0, [(0.0, Offset(0.0, 0.0, 0.0))]
    for later, value in measured:
        at += later
        offset = offset.corrected(value, at)
        changes.append((at, offset))
    assert STEP_S > 0.8

    def shown(instant: float) -> float:
        return instant + next(known for since, known in reversed(changes) if since <= instant).at(instant)

    for first, second in pairwise(sorted(looks)):
        span = second - first
        assert abs(shown(second) - shown(first) - span) <= SLEW * span + 1e-9
