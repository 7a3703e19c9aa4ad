"""The breaker: what holds dialling, for how long, and what lets it go on."""

from datetime import UTC, datetime, timedelta

from campaign.domain.breaker import OPENS_AT, Breaker

START = datetime(2026, 11, 24, 15, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_429_holds_at_once_and_each_that_follows_holds_twice_as_long() -> None:
    breaker, now, holds = Breaker(), START, []
    for _ in range(9):
        until = breaker.throttled(now, now, None)
        assert until is not None
        holds.append((until - now).total_seconds())
        now = until
    assert holds == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


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
    assert breaker.failed(after(20), after(20)) == after(21)
    assert breaker.failed(after(21), after(21)) == after(23)
