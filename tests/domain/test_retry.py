from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.campaign import RetryPolicy, RetryRule
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.retry import Exhausted, Retry, plan

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
POLICY = RetryPolicy()

policies = st.builds(
    RetryPolicy,
    budget=st.integers(1, 6),
    min_gap_minutes=st.integers(0, 300),
    on=st.dictionaries(
        st.sampled_from(list(Disposition)),
        st.builds(
            RetryRule,
            after_minutes=st.lists(st.integers(1, 3000), min_size=1, max_size=3).map(tuple),
            attempts=st.none() | st.integers(1, 6),
        ),
    ),
)


def minutes(found: Retry | Exhausted) -> float:
    assert isinstance(found, Retry)
    return (found.at - NOW).total_seconds() / 60


@given(
    policies,
    st.lists(
        st.tuples(st.sampled_from(list(Disposition)), st.none() | st.timedeltas(timedelta(-1), timedelta(9))),
        min_size=40,
        max_size=60,
    ),
    st.integers(1, 5),
)
def test_no_story_uses_more_than_the_one_budget_and_one_promised_callback(
    policy: RetryPolicy, story: list[tuple[Disposition, timedelta | None]], numbers: int
) -> None:
    made, index, now = 0, 0, NOW
    for disposition, asked in story:
        made += MEANING[disposition].counts
        found = plan(policy, disposition, made, index, numbers, now, now + asked if asked else None)
        if isinstance(found, Exhausted):
            break
        assert made < policy.budget + (found.due_for == "callback")
        assert found.at >= now
        assert index <= found.number_index < numbers
        now, index = found.at, found.number_index
    assert made <= policy.budget + 1


@pytest.mark.parametrize("disposition", [d for d in Disposition if MEANING[d].final])
def test_a_final_disposition_is_never_retried_whatever_the_campaign_says(disposition: Disposition) -> None:
    policy = RetryPolicy(on={disposition: RetryRule(after_minutes=(1,))})
    assert isinstance(plan(policy, disposition, 1, 0, 2, NOW, NOW), Exhausted)


def test_the_waits_follow_one_another_and_the_last_one_repeats() -> None:
    policy = RetryPolicy(budget=9, on={Disposition.BUSY: RetryRule(after_minutes=(70, 90, 200))})
    waits = [minutes(plan(policy, Disposition.BUSY, made, 0, 1, NOW)) for made in (1, 2, 3, 4, 5)]
    assert waits == [70, 90, 200, 200, 200]


def test_the_gap_between_two_attempts_is_kept_even_after_a_busy_signal() -> None:
    assert minutes(plan(POLICY, Disposition.BUSY, 1, 0, 1, NOW)) == POLICY.min_gap_minutes == 60


def test_a_rule_may_end_sooner_than_the_budget() -> None:
    policy = RetryPolicy(budget=5, on={Disposition.MACHINE: RetryRule(after_minutes=(90,), attempts=2)})
    assert minutes(plan(policy, Disposition.MACHINE, 1, 0, 1, NOW)) == 90
    assert isinstance(plan(policy, Disposition.MACHINE, 2, 0, 1, NOW), Exhausted)


def test_a_disposition_without_a_rule_is_final_and_says_so() -> None:
    found = plan(RetryPolicy(on={}), Disposition.NO_ANSWER, 1, 0, 1, NOW)
    assert found == Exhausted("the campaign does not retry: no answer")


def test_a_callback_is_due_when_the_person_asked_for_it() -> None:
    asked = NOW + timedelta(minutes=10)
    assert plan(POLICY, Disposition.CALLBACK, 1, 1, 2, NOW, asked) == Retry(asked, 1, "callback")


def test_a_callback_promised_on_the_last_attempt_is_made_once_beyond_the_budget() -> None:
    asked = NOW + timedelta(hours=2)
    last = POLICY.budget
    assert plan(POLICY, Disposition.CALLBACK, last, 0, 1, NOW, asked) == Retry(asked, 0, "callback")
    assert plan(POLICY, Disposition.CALLBACK, last, 0, 1, NOW) == Retry(
        NOW + timedelta(days=1), 0, "callback"
    )
    assert isinstance(plan(POLICY, Disposition.CALLBACK, last + 1, 0, 1, NOW, asked), Exhausted)
    assert isinstance(plan(POLICY, Disposition.BUSY, last + 1, 0, 1, NOW), Exhausted)


def test_a_callback_asked_for_in_the_past_is_due_now() -> None:
    assert plan(POLICY, Disposition.CALLBACK, 1, 0, 1, NOW, NOW - timedelta(1)) == Retry(NOW, 0, "callback")


def test_a_callback_without_a_time_is_due_a_day_later() -> None:
    found = plan(POLICY, Disposition.CALLBACK, 1, 0, 1, NOW)
    assert found == Retry(NOW + timedelta(days=1), 0, "callback")


def test_a_bad_number_goes_on_to_the_next_number_at_once_and_never_back() -> None:
    assert plan(POLICY, Disposition.BAD_NUMBER, 1, 0, 2, NOW) == Retry(NOW, 1, "retry")
    assert isinstance(plan(POLICY, Disposition.BAD_NUMBER, 2, 1, 2, NOW), Exhausted)


def test_an_attempt_that_never_left_us_uses_nothing_and_keeps_its_reason() -> None:
    assert plan(POLICY, Disposition.NOT_PLACED, 0, 0, 1, NOW) == Retry(NOW + timedelta(minutes=1), 0, "first")
    found = plan(POLICY, Disposition.CANCELED, 2, 0, 1, NOW)
    assert found == Retry(NOW + timedelta(hours=1), 0, "retry")
