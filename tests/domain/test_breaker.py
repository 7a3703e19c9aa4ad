"""The breaker: what holds dialling, for how long, and what lets it go on."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from campaign.domain.breaker import LONGEST_S, OPENS_AT, Breaker

START = datetime(2026, 11, 24, 15, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_429_holds_at_once_and_each_that_follows_holds_twice_as_long() -> None:
    breaker, now, holds = Breaker(), START, []
    for _ in range(8):
        until = breaker.throttled(now, now, None)
        assert until is not None
        holds.append((until - now).total_seconds())
        now = until
    assert holds == [0.5, 1, 2, 4, 8, 16, 27, 27]


def test_the_time_that_twilio_names_is_kept() -> None:
    assert Breaker().throttled(START, START, 7.0) == after(7)
    assert Breaker(rate=10).throttled(START, START, 7.0) == after(70)


def test_what_was_under_way_when_the_hold_began_neither_doubles_nor_lifts_it() -> None:
    breaker = Breaker()
    assert breaker.throttled(after(0.1), after(0.2), None) == after(0.7)
    assert breaker.throttled(after(0.15), after(0.3), None) is None
    assert breaker.failed(after(0.15), after(0.3)) is None
    assert not breaker.recovers(after(0.15))
    assert breaker.failures == 1
    assert breaker.recovers(after(0.7))


def test_failures_hold_only_when_several_come_in_a_row() -> None:
    breaker = Breaker()
    for n in range(OPENS_AT - 1):
        assert breaker.failed(after(n), after(n)) is None
    assert breaker.recovers(after(OPENS_AT))
    breaker.recovered()
    for n in range(OPENS_AT - 1):
        assert breaker.failed(after(10 + n), after(10 + n)) is None
    assert breaker.failed(after(20), after(20)) == after(24)
    assert breaker.failed(after(24), after(24)) == after(32)


def test_a_hold_is_counted_from_the_sending_of_the_call_that_failed() -> None:
    breaker, now, tried = Breaker(), START, []
    while now < after(600):
        tried.append(now)
        failed_at = now + timedelta(seconds=10)  # no answer: the time-out
        now = breaker.failed(now, failed_at) or failed_at
    pauses = [(b - a).total_seconds() for a, b in pairwise(tried)]
    assert pauses[-1] == LONGEST_S
    assert max(pauses) == LONGEST_S
    assert min(pauses) >= 10


def test_in_ten_minutes_without_twilio_few_calls_are_tried() -> None:
    breaker, now, tried = Breaker(), START, 0
    while now < after(600):
        tried += 1
        now = breaker.failed(now, now) or now
    assert tried <= 28


def test_after_a_hold_one_failure_opens_it_again_and_a_success_closes_it() -> None:
    breaker = Breaker()
    until = breaker.throttled(START, START, None)
    assert until is not None
    assert (breaker.open, breaker.since) == (True, START)
    again = breaker.failed(until, until)
    assert again is not None
    assert breaker.recovers(again)
    breaker.recovered()
    assert (breaker.open, breaker.failures, breaker.since) == (False, 0, None)
    assert breaker.failed(after(99), after(99)) is None


def test_a_process_that_takes_over_goes_on_where_the_other_stood() -> None:
    breaker = Breaker()
    breaker.take_up(6, START)
    assert (breaker.open, breaker.failures) == (True, 6)
    assert breaker.is_news(START)
    assert breaker.failed(START, START) == after(LONGEST_S)
