"""The window is open exactly when every wall clock says so, and next_open is the first such instant."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaign.domain.calling_window import (
    ALWAYS,
    HORIZON,
    CallingWindow,
    Clause,
    WeeklyHours,
    WindowError,
    known_zone,
)

ZONES = sorted(available_timezones() - {"localtime"})
LEGAL = WeeklyHours.parse({"mon-sun": "08:00-21:00"})
minutes = st.integers(0, 24 * 60)
intervals = st.lists(minutes, max_size=4, unique=True).map(
    lambda cuts: [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in pairs(sorted(cuts))]
)
weeks = st.fixed_dictionaries(dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), intervals))
instants = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def pairs(cuts: list[int]) -> list[tuple[int, int]]:
    return list(zip(cuts[::2], cuts[1::2], strict=False))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def wall_clock_says_open(hours: WeeklyHours, zone: str, at: datetime, barred: set[date]) -> bool:
    """The definition itself, by zoneinfo and nothing else."""
    local = at.astimezone(ZoneInfo(zone))
    second = local.hour * 3600 + local.minute * 60 + local.second
    return local.date() not in barred and any(s <= second < e for s, e in hours.on(local.date()))


def changes_of_the_clock(zone: str, year: int) -> list[datetime]:
    """Every instant of that year at which the zone's offset changes, to the second."""
    info, found = ZoneInfo(zone), []
    at, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while at < end:
        later = at + timedelta(hours=12)
        if at.astimezone(info).utcoffset() != later.astimezone(info).utcoffset():
            low, high = at, later
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
                same = middle.astimezone(info).utcoffset() == at.astimezone(info).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        at = later
    return found


@settings(max_examples=300, deadline=None)
@given(weeks, st.lists(st.sampled_from(ZONES), min_size=1, max_size=4), instants)
def test_the_window_is_open_exactly_when_every_wall_clock_is_inside(
    week: dict[str, list[str]], zones: list[str], at: datetime
) -> None:
    hours = WeeklyHours.parse(week)
    barred = {at.astimezone(ZoneInfo(zones[0])).date() + timedelta(days=2)}
    window = CallingWindow.over_zones(hours, zones, barred)
    for offset in (0, 1, 3600, 86_400, 2 * 86_400, 3 * 86_400 - 1):
        moment = at + timedelta(seconds=offset)
        expected = all(wall_clock_says_open(hours, zone, moment, barred) for zone in zones)
        assert window.is_open(moment) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_around_every_change_of_the_clock_the_window_follows_the_wall(zone: str) -> None:
    hours = WeeklyHours.parse({"mon-sun": ["00:30-02:30", "08:00-21:00", "23:00-24:00"]})
    window = CallingWindow.over_zones(hours, [zone])
    for year in (2026, 2027):
        for change in changes_of_the_clock(zone, year):
            for seconds in (-7200, -3600, -1801, -1, 0, 1, 1800, 3599, 3600, 7200):
                at = change + timedelta(seconds=seconds)
                assert window.is_open(at) == wall_clock_says_open(hours, zone, at, set())
                opening = window.next_open(at)
                assert opening is not None
                assert opening == first_open_minute(window, at, timedelta(hours=12))


def first_open_minute(window: CallingWindow, after: datetime, within: timedelta) -> datetime:
    """By brute force: the instant itself, else the first whole minute that is open."""
    if window.is_open(after):
        return after
    at = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while not window.is_open(at):
        at += timedelta(minutes=1)
        assert at - after < within + timedelta(minutes=1)
    return at


@settings(max_examples=60, deadline=None)
@given(weeks, st.lists(st.sampled_from(ZONES), min_size=1, max_size=3), instants)
def test_next_open_is_the_first_open_instant_by_brute_force(
    week: dict[str, list[str]], zones: list[str], at: datetime
) -> None:
    hours = WeeklyHours.parse(week)
    window = CallingWindow.over_zones(hours, zones)
    opening = window.next_open(at)
    tested = [at + timedelta(minutes=5 * n, seconds=n % 60) for n in range(9 * 24 * 12)]
    if opening is None:
        assert not any(window_open(hours, zones, moment) for moment in tested)
        return
    assert at <= opening <= at + HORIZON
    assert window_open(hours, zones, opening)
    assert not any(window_open(hours, zones, moment) for moment in tested if moment < opening)
    if opening > at:
        assert not window_open(hours, zones, opening - timedelta(seconds=1))
    closing = window.closes_at(opening)
    if closing is not None:
        assert not window_open(hours, zones, closing)
        assert window_open(hours, zones, closing - timedelta(seconds=1))
        assert all(window_open(hours, zones, m) for m in tested if opening <= m < closing)


def window_open(hours: WeeklyHours, zones: list[str], at: datetime) -> bool:
    return all(wall_clock_says_open(hours, zone, at, set()) for zone in zones)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(ZONES), min_size=1, max_size=4), instants)
@example(["America/New_York"], datetime(2027, 3, 14, 6, 59, 59, tzinfo=UTC))
def test_no_instant_outside_eight_to_nine_is_open_in_any_zone(zones: list[str], at: datetime) -> None:
    window = CallingWindow.over_zones(LEGAL, zones)
    moment = window.next_open(at)
    if moment is not None:
        for zone in zones:
            assert 8 <= moment.astimezone(ZoneInfo(zone)).hour < 21


@given(instants, st.integers(0, 7200))
def test_an_opening_leaves_more_than_the_margin(at: datetime, margin: int) -> None:
    window = CallingWindow.over_zones(LEGAL, ["America/New_York", "America/Los_Angeles"])
    opening = window.next_open(at, margin)
    assert opening is not None
    closing = window.closes_at(opening)
    assert closing is not None
    assert (closing - opening).total_seconds() > margin


def test_questions_in_any_order_get_the_same_answers() -> None:
    asked = CallingWindow.over_zones(LEGAL, ["Europe/Berlin", "Asia/Kolkata"])
    moments = [utc("2026-10-25T00:00+00:00") + timedelta(minutes=37 * n) for n in range(200)]
    for moment in [*reversed(moments), *moments[::7], *moments]:
        fresh = CallingWindow.over_zones(LEGAL, ["Europe/Berlin", "Asia/Kolkata"])
        assert asked.next_open(moment) == fresh.next_open(moment)
        assert asked.is_open(moment) == fresh.is_open(moment)
        assert asked.closes_at(moment) == fresh.closes_at(moment)


def test_hours_are_half_open() -> None:
    window = CallingWindow.over_zones(LEGAL, ["America/New_York"])
    assert window.is_open(utc("2026-11-20T08:00:00-05:00"))
    assert window.is_open(utc("2026-11-20T20:59:59.999999-05:00"))
    assert not window.is_open(utc("2026-11-20T21:00:00-05:00"))
    assert not window.is_open(utc("2026-11-20T07:59:59.999999-05:00"))


def test_eight_in_the_morning_is_eight_by_the_wall_on_the_day_the_clocks_change() -> None:
    window = CallingWindow.over_zones(LEGAL, ["America/New_York"])
    assert window.next_open(utc("2027-03-13T21:00-05:00")) == utc("2027-03-14T08:00-04:00")
    assert window.next_open(utc("2026-10-31T21:00-04:00")) == utc("2026-11-01T08:00-05:00")


def test_zones_that_moved_in_november_2026_follow_the_new_clock() -> None:
    window = CallingWindow.over_zones(LEGAL, ["America/Vancouver"])
    # British Columbia stopped changing its clocks: an older database would say 16:00 UTC.
    assert window.next_open(utc("2026-11-20T06:00+00:00")) == utc("2026-11-20T15:00+00:00")


def test_the_closing_comes_from_the_tightest_zone() -> None:
    window = CallingWindow.over_zones(LEGAL, ["America/New_York", "America/Chicago"])
    at = utc("2026-11-20T12:00-05:00")
    assert window.closes_at(at) == utc("2026-11-20T21:00-05:00")
    clause = window.closing_clause(at)
    assert clause is not None
    assert clause.zone == "America/New_York"


def test_the_zone_that_blocks_is_named() -> None:
    window = CallingWindow.over_zones(LEGAL, ["America/New_York", "America/Chicago"])
    assert [c.zone for c in window.shut_clauses(utc("2026-11-20T08:30-05:00"))] == ["America/Chicago"]


def test_restricted_dates_are_shut_on_the_local_calendar() -> None:
    window = CallingWindow.over_zones(ALWAYS, ["Asia/Tokyo"], [date(2026, 12, 31)])
    assert window.is_open(utc("2026-12-30T23:59:59+09:00"))
    assert not window.is_open(utc("2026-12-31T00:00:00+09:00"))
    assert window.next_open(utc("2026-12-31T12:00:00+09:00")) == utc("2027-01-01T00:00:00+09:00")


def test_two_windows_meet_where_both_are_open() -> None:
    morning = CallingWindow.over_zones(WeeklyHours.parse({"mon-sun": "08:00-12:00"}), ["Europe/London"])
    late = CallingWindow.over_zones(WeeklyHours.parse({"mon-sun": "11:00-20:00"}), ["Europe/London"])
    both = morning & late
    assert both.next_open(utc("2026-11-20T00:00+00:00")) == utc("2026-11-20T11:00+00:00")
    assert both.closes_at(utc("2026-11-20T11:30+00:00")) == utc("2026-11-20T12:00+00:00")


def test_a_window_that_never_opens_says_so() -> None:
    apart = CallingWindow.over_zones(
        WeeklyHours.parse({"mon-sun": "09:00-10:00"}), ["Asia/Tokyo", "America/New_York"]
    )
    assert apart.next_open(utc("2026-11-20T00:00+00:00")) is None
    shut = CallingWindow.over_zones(WeeklyHours.parse({}), ["Asia/Tokyo"])
    assert shut.next_open(utc("2026-11-20T00:00+00:00")) is None


def test_a_window_that_never_shuts_has_no_closing() -> None:
    window = CallingWindow.over_zones(ALWAYS, ["Asia/Tokyo"])
    assert window.is_open(utc("2026-11-20T00:00+00:00"))
    assert window.closes_at(utc("2026-11-20T00:00+00:00")) is None


def test_a_clause_binds_only_between_its_dates() -> None:
    old = Clause("America/New_York", LEGAL, to_date=date(2026, 10, 17))
    new = Clause(
        "America/New_York", WeeklyHours.parse({"mon-sat": "09:00-19:00"}), from_date=date(2026, 10, 18)
    )
    window = CallingWindow([old, new])
    assert window.is_open(utc("2026-10-17T20:30-04:00"))
    assert not window.is_open(utc("2026-10-18T14:00-04:00"))
    assert not window.is_open(utc("2026-10-19T08:30-04:00"))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"mon-fri": "09:00-17:00"}, "mon-fri 09:00-17:00"),
        ({"mon": "09:00-12:00, 13:00-24:00", "tue": []}, "mon 09:00-12:00 and 13:00-24:00"),
        ({"sat-mon": "10:00-14:00"}, "mon 10:00-14:00, sat-sun 10:00-14:00"),
        ({"Monday, wed": "9:00-10:00"}, "mon 09:00-10:00, wed 09:00-10:00"),
        ({"sun": "closed"}, "never"),
    ],
)
def test_weekly_hours_are_read_and_told(table: dict[str, object], words: str) -> None:
    assert WeeklyHours.parse(table).in_words() == words


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"funday": "09:00-17:00"}, '"funday" is not a day'),
        ({"mon-tue-wed": "09:00-17:00"}, "is not a day or a range"),
        ({"mon-fri": "09:00-17:00", "tue": "10:00-11:00"}, '"tue" is given twice'),
        ({"mon": "nine to five"}, '"nine to five" on "mon" is not hours'),
        ({"mon": "09:00-25:00"}, "the latest is 24:00"),
        ({"mon": "09:75-10:00"}, "the latest is 24:00"),
        ({"mon": "22:00-06:00"}, "ends before it starts"),
        ({"mon": "09:00-09:00"}, "ends before it starts"),
        ({"mon": ["09:00-12:00", "11:00-13:00"]}, "overlap"),
        ({"mon": 9}, "must be text"),
        ({"mon": ["closed", "09:00-12:00"]}, "is not hours"),
    ],
)
def test_hours_that_cannot_be_meant_are_refused_in_words(table: dict[str, object], why: str) -> None:
    with pytest.raises(WindowError, match=why):
        WeeklyHours.parse(table)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(WindowError, match="Mars/Olympus"):
        CallingWindow.over_zones(LEGAL, ["Mars/Olympus"])
    assert not known_zone("../etc/passwd")
    assert not known_zone("")
