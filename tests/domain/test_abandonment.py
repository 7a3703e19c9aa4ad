"""The share of abandoned calls: what slows a campaign down, what stops it, and whose ceiling counts."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.abandonment import LEAST_PACE, Counted, ceiling, served_within_s
from tests.domain.test_rulebook import RULEBOOK

TODAY = date(2026, 11, 20)
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("answered", "abandoned", "pace", "over"),
    [
        (0, 0, 1.0, False),
        (10, 1, 1.0, False),  # one of the first ten is no rate yet
        (1000, 14, 1.0, False),
        (1000, 15, 0.5, False),  # 1.5 %: half of the ceiling
        (1000, 20, 1 / 3, False),
        (1000, 30, LEAST_PACE, False),  # 3 % is allowed still
        (1000, 31, LEAST_PACE, True),
        (100, 3, LEAST_PACE, False),
        (50, 4, LEAST_PACE, True),  # judged as if a hundred had answered
    ],
)
def test_from_half_of_the_ceiling_on_a_campaign_slows_down_and_over_it_it_stops(
    answered: int, abandoned: int, pace: float, over: bool
) -> None:
    counted = Counted(answered, abandoned)
    assert counted.pace(0.03) == pytest.approx(pace)
    assert counted.over(0.03) is over


@given(st.integers(0, 100_000), st.integers(0, 5_000), st.floats(0.001, 1))
def test_more_abandoned_calls_never_quicken_a_campaign_nor_let_it_go_on(
    answered: int, abandoned: int, rate: float
) -> None:
    one, more = Counted(answered, abandoned), Counted(answered, abandoned + 1)
    assert LEAST_PACE <= more.pace(rate) <= one.pace(rate) <= 1
    assert more.over(rate) >= one.over(rate)


def test_the_strictest_ceiling_of_all_regions_counts() -> None:
    """47 CFR 64.1200(a)(7): 3 %; Canada has 5 %."""
    us = ceiling(RULEBOOK, frozenset({"US"}), "sales", NONE, TODAY)
    assert us is not None
    assert (us.rule_id, us.max_rate) == ("US.abandon", 0.03)
    canada = ceiling(RULEBOOK, frozenset({"CA-ON"}), "sales", NONE, TODAY)
    assert canada is not None
    assert (canada.rule_id, canada.max_rate) == ("CA.abandon", 0.05)
    assert ceiling(RULEBOOK, frozenset({"US-TX", "CA"}), "sales", NONE, TODAY) == us
    assert ceiling(RULEBOOK, frozenset({"US"}), "informational", NONE, TODAY) is None
    assert ceiling(RULEBOOK, frozenset({"FR"}), "sales", NONE, TODAY) is None


def test_a_waived_ceiling_leaves_the_next_one() -> None:
    both = frozenset({"US", "CA"})
    left = ceiling(RULEBOOK, both, "sales", frozenset({"US.abandon"}), TODAY)
    assert left is not None
    assert left.rule_id == "CA.abandon"
    assert ceiling(RULEBOOK, both, "sales", frozenset({"US.abandon", "CA.abandon"}), TODAY) is None


def test_the_threshold_is_the_packs_and_two_seconds_where_it_says_nothing() -> None:
    assert served_within_s(RULEBOOK, ("US",), "sales", TODAY) == 2
    assert served_within_s(RULEBOOK, ("FR",), "sales", TODAY) == 2


def test_the_figures_are_told() -> None:
    assert Counted(640, 12).in_words() == "12 of 640 answered calls were abandoned in 30 days (1.9%)"
    assert Counted(0, 0).in_words() == "0 of 0 answered calls were abandoned in 30 days"
