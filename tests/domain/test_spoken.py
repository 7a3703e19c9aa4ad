"""What simple answers mean."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.spoken import choice, clock_time, day, moment, number, yes_no

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=ZoneInfo("America/New_York"))  # a Tuesday


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Yes", True), ("yeah sure", True), ("Of course!", True), ("no problem", True), ("why not", True),
        ("No", False), ("nope", False), ("not really", False), ("No thanks", False), ("I don't", False),
        ("sí, claro", True), ("nein", False), ("oui", True), ("yes I do", True),
        ("No, sure, I mean no", False), ("Well no, yes I know", False),
        ("it was in March, no, April, when the roof was done, so I suppose yes, tell me more.", True),
        ("he said that it never pays to hurry, so we waited, but yes, why not.", True),
        ("My brother never did, the fool; anyway, sure.", True),
        ("Sure, we looked at it, yes, my brother too, so I guess no, thanks.", False),
        ("it was in March, no, April, when we said yes", None), ("yes, but no kids", None),
        ("I don't, but sure I can talk", False),
        ("It was years ago, never again, but yes, no, I can't", None),
        ("maybe", None), ("I'm not sure", None), ("what?", None), ("", None), ("blue", None),
    ],
)  # fmt: skip
def test_yes_and_no(said: str, meant: bool | None) -> None:
    assert yes_no(said) is meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("5", 5), ("about 1,200 dollars", 1200), ("3.5", 3.5), ("twenty five", 25),
        ("a hundred and ten", 110),
        ("two thousand five hundred", 2500), ("a couple", 2), ("none of it", None), ("between 3 and 5", None),
        ("I have three dogs", 3), ("3 thousand", 3000), ("", None),
        ("Oh, that reminds me, we had three people there", 3), ("oh", None), ("zero", 0),
    ],
)  # fmt: skip
def test_numbers(said: str, meant: float | None) -> None:
    assert number(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("the basic plan please", "Basic plan"), ("premium", "Premium plan"),
        ("the second one", "Premium plan"),
        ("the last", "Family plan"), ("basic or premium", None), ("hm", None), ("a plan", None),
    ],
)  # fmt: skip
def test_choices(said: str, meant: str | None) -> None:
    assert choice(said, ("Basic plan", "Premium plan", "Family plan")) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("tomorrow", date(2026, 11, 25)), ("on Friday", date(2026, 11, 27)),
        ("next Friday", date(2026, 12, 4)),
        ("Tuesday", date(2026, 12, 1)), ("December 3rd", date(2026, 12, 3)), ("the 30th", date(2026, 11, 30)),
        ("the 3rd of January", date(2027, 1, 3)), ("November fifth 1980", date(1980, 11, 5)),
        ("the twenty fifth", date(2026, 11, 25)), ("2026-12-01", date(2026, 12, 1)),
        ("the day after tomorrow", date(2026, 11, 26)), ("in two weeks", date(2026, 12, 8)),
        ("next week", date(2026, 11, 30)), ("whenever", None),
    ],
)  # fmt: skip
def test_days(said: str, meant: date | None) -> None:
    assert day(said, NOW.date()) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("at three", "15:00"), ("3 pm", "15:00"), ("3:30 p.m.", "15:30"), ("at 10", "10:00"),
        ("9 am", "09:00"),
        ("half past ten", "10:30"), ("quarter to four", "15:45"), ("three thirty", "15:30"),
        ("15:30", "15:30"),
        ("noon", "12:00"), ("in the morning", "10:00"), ("tomorrow evening", "18:00"),
        ("seven in the evening", "19:00"), ("five o'clock", "17:00"), ("eventually", None),
    ],
)  # fmt: skip
def test_times_of_day(said: str, meant: str | None) -> None:
    found = clock_time(said)
    assert (found and f"{found:%H:%M}") == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("tomorrow at three", "2026-11-25 15:00"), ("Call me Friday morning", "2026-11-27 10:00"),
        ("in two hours", "2026-11-24 12:00"), ("in half an hour", "2026-11-24 10:30"),
        ("at four", "2026-11-24 16:00"),
        ("at nine", "2026-11-25 09:00"), ("next Monday at 10:30", "2026-11-30 10:30"),
        ("December 3rd at two", "2026-12-03 14:00"), ("2026-11-30T16:00", "2026-11-30 16:00"),
        ("tomorrow", "2026-11-25 10:00"), ("2020-01-01T10:00", None), ("no", None), ("later", None),
    ],
)  # fmt: skip
def test_moments_are_in_the_persons_own_zone(said: str, meant: str | None) -> None:
    found = moment(said, NOW)
    assert (found and f"{found:%Y-%m-%d %H:%M}") == meant
    assert found is None or found.tzinfo is NOW.tzinfo


@given(st.text(max_size=200))
def test_anything_may_be_said(said: str) -> None:
    yes_no(said)
    number(said)
    choice(said, ("a b", "c"))
    found = moment(said, NOW)
    assert found is None or found > NOW
