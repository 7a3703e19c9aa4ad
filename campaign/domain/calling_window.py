"""When a person may be called, by the clock on their own wall.

A calling window is a conjunction of clauses. Each clause is weekly hours, closed days or a pause, read on
one zone's wall clock; the window is open at an instant if and only if every clause is open there. So a
number with three plausible zones gets three clauses per rule, and several rules are simply more clauses.

All arithmetic is on UTC seconds. A zone is cut into stretches of constant offset (`_stretches`), inside
which the wall clock is a straight line; nothing is ever computed as "local time plus a timedelta", which
is an hour wrong across a change of the clocks. Hours are half-open: 08:00-21:00 holds 08:00:00 and not
21:00:00.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from math import floor
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON = timedelta(days=60)
"""How far ahead an opening is looked for; a window that stays shut longer is said never to open."""

_DAY = 86_400
_EPOCH = date(1970, 1, 1)
_CHUNK_BITS = 24  # a stretch table covers 2**24 s, about 194 days
_PROBE = 6 * 3600  # finer than any two clock changes of one zone lie apart
_INTERVAL = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")


class WindowError(ValueError):
    """Weekly hours, a date or a zone that cannot be read; str() says which and why."""


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Opening hours for a week of wall-clock time.

    `days` holds seven tuples, Monday first, each of half-open intervals (start, end) in seconds after
    midnight, sorted and disjoint, 0 <= start < end <= 86400. A day without intervals is closed.
    """

    days: tuple[tuple[tuple[int, int], ...], ...]

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> "WeeklyHours":
        """Read {"mon-fri": "09:00-12:00, 13:00-17:00", "sat": ["10:00-14:00"]}.

        Keys are a day, a range ("sat-mon" goes round the week) or several by comma; a day that is not
        named is closed, and "closed" or an empty list says so outright. "24:00" is the end of a day.

        Raises:
            WindowError: an unknown day, a day named twice, hours that do not parse or that overlap.
        """
        days: dict[int, tuple[tuple[int, int], ...]] = {}
        for key, value in table.items():
            intervals = _intervals(key, value)
            for day in days_of(key):
                if day in days:
                    raise WindowError(f'"{DAYS[day]}" is given twice; name each day once')
                days[day] = intervals
        return cls(tuple(days.get(day, ()) for day in range(7)))

    def on(self, day: date) -> tuple[tuple[int, int], ...]:
        """The intervals of that date's weekday, in seconds after midnight."""
        return self.days[day.weekday()]

    def in_words(self) -> str:
        """As a person would write it: "mon-fri 09:00-17:00, sat 10:00-14:00"."""
        parts: list[str] = []
        first = 0
        while first < 7:
            last = first
            while last < 6 and self.days[last + 1] == self.days[first]:
                last += 1
            if self.days[first]:
                name = DAYS[first] if first == last else f"{DAYS[first]}-{DAYS[last]}"
                parts.append(f"{name} {hours_in_words(self.days[first])}")
            first = last + 1
        return ", ".join(parts) or "never"


ALWAYS = WeeklyHours((((0, _DAY),),) * 7)


def hours_in_words(intervals: Sequence[tuple[int, int]]) -> str:
    """One day's intervals: "09:00-12:00 and 13:00-17:00", or "closed"."""
    text = [f"{s // 3600:02}:{s // 60 % 60:02}-{e // 3600:02}:{e // 60 % 60:02}" for s, e in intervals]
    return " and ".join(text) or "closed"


def days_of(key: str) -> list[int]:
    """The days that a key of weekly hours names, Monday as 0.

    Raises:
        WindowError: it names something else.
    """
    found: list[int] = []
    for part in key.lower().split(","):
        ends = [end.strip()[:3] if end.strip() in _LONG_DAYS else end.strip() for end in part.split("-")]
        if not 1 <= len(ends) <= 2 or any(end not in DAYS for end in ends):
            raise WindowError(
                f'"{key}" is not a day or a range of days; write for example "mon-fri" or "sat"'
            )
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        found += [(first + i) % 7 for i in range((last - first) % 7 + 1)]
    return found


_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _intervals(key: str, value: object) -> tuple[tuple[int, int], ...]:
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise WindowError(f'the hours of "{key}" must be text such as "09:00-17:00", or a list of such texts')
    found: list[tuple[int, int]] = []
    for text in texts:
        if text.strip().lower() == "closed" and len(texts) == 1:
            return ()
        match = _INTERVAL.fullmatch(text.strip())
        if not match:
            raise WindowError(f'"{text.strip()}" on "{key}" is not hours; write for example "09:00-17:00"')
        h1, m1, h2, m2 = map(int, match.groups())
        start, end = h1 * 3600 + m1 * 60, h2 * 3600 + m2 * 60
        if m1 > 59 or m2 > 59 or end > _DAY:
            raise WindowError(f'"{text.strip()}" on "{key}" is not a time of day; the latest is 24:00')
        if start >= end:
            raise WindowError(
                f'"{text.strip()}" on "{key}" ends before it starts; hours over midnight are written on '
                "two days (22:00-24:00 and 00:00-06:00)"
            )
        found.append((start, end))
    found.sort()
    for (_, end), (start, _) in pairwise(found):
        if start < end:
            raise WindowError(f'the hours of "{key}" overlap: {hours_in_words(found)}')
    return tuple(found)


def known_zone(name: str) -> bool:
    """Whether the time-zone database has that zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=8192)
def _stretches(zone: str, chunk: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Stretches of constant offset within one chunk: (starts in UTC seconds, offsets in seconds)."""
    info = ZoneInfo(zone)

    def offset(at: int) -> int:
        delta = datetime.fromtimestamp(at, info).utcoffset()
        assert delta is not None  # a ZoneInfo always has one
        return round(delta.total_seconds())

    first, end = chunk << _CHUNK_BITS, (chunk + 1) << _CHUNK_BITS
    starts, offsets = [first], [offset(first)]
    for probe in range(first, end, _PROBE):
        low, high = probe, min(probe + _PROBE, end - 1)
        if offset(high) == offsets[-1]:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
        starts.append(high)
        offsets.append(offset(high))
    return tuple(starts), tuple(offsets)


def _offset_at(zone: str, at: int) -> tuple[int, int]:
    """(offset in seconds, UTC second until which it certainly holds)."""
    chunk = at >> _CHUNK_BITS
    starts, offsets = _stretches(zone, chunk)
    index = bisect_right(starts, at) - 1
    return offsets[index], (starts[index + 1] if index + 1 < len(starts) else (chunk + 1) << _CHUNK_BITS)


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule's hours on one zone's wall clock.

    Args:
        zone: IANA name; the wall clock by which it is read.
        hours: weekly hours of the days on which the clause is not closed altogether.
        closed: local date → the name of the closed day, or None when it is not one.
        from_date, to_date: local dates, both included, between which the clause binds; outside it is open.
        rule_id: whose clause it is, for the explanation.
        waived_until: UTC second before which it does not bind; None: it is not waived.
    """

    zone: str
    hours: WeeklyHours
    closed: Callable[[date], str | None] | None = None
    from_date: date | None = None
    to_date: date | None = None
    rule_id: str = ""
    waived_until: int | None = None

    def step(self, at: int) -> tuple[bool, int]:
        """(open at that UTC second?, the UTC second until which this certainly stays so)."""
        if self.waived_until is not None and at < self.waived_until:
            return True, self.waived_until
        offset, until = _offset_at(self.zone, at)
        day, second = divmod(at + offset, _DAY)
        midnight = at - second + _DAY
        local = _EPOCH + timedelta(days=day)
        if (self.from_date and local < self.from_date) or (self.to_date and local > self.to_date):
            return True, min(until, midnight)
        if self.closed is not None and self.closed(local) is not None:
            return False, min(until, midnight)
        for start, end in self.hours.days[local.weekday()]:
            if second < start:
                return False, min(until, at + start - second)
            if second < end:
                return True, min(until, at + end - second)
        return False, min(until, midnight)

    def local(self, at: datetime) -> datetime:
        """That instant on this clause's wall clock."""
        return at.astimezone(ZoneInfo(self.zone))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in UTC seconds, over which a window is open throughout or shut throughout.

    `end` is where that changes, or None when it does not within the horizon. `start` is the instant that
    was asked about, not where the stretch began.
    """

    open: bool
    start: int
    end: int | None


class CallingWindow:
    """The intersection of clauses: open when all are open.

    A window without clauses is always open: whoever builds one for a place without a known zone must
    refuse first. The last few spans are kept, so asking again and again costs two comparisons.
    """

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self.clauses = tuple(clauses)
        self._spans: tuple[Span, ...] = ()

    @classmethod
    def over_zones(
        cls, hours: WeeklyHours, zones: Iterable[str], restricted: Iterable[date] = ()
    ) -> "CallingWindow":
        """Weekly hours in every one of those zones, without the restricted local dates.

        Raises:
            WindowError: a zone that the time-zone database does not know.
        """
        barred = frozenset(restricted)
        closed = (lambda day: "restricted date" if day in barred else None) if barred else None
        names = tuple(zones)
        for zone in names:
            if not known_zone(zone):
                raise WindowError(f'"{zone}" is not a time zone that the time-zone database knows')
        return cls(Clause(zone, hours, closed) for zone in names)

    def __and__(self, other: "CallingWindow") -> "CallingWindow":
        return CallingWindow(self.clauses + other.clauses)

    def span(self, at: datetime) -> Span:
        """The stretch around that (aware) instant, up to the horizon."""
        return self._span(floor(at.timestamp()))

    def _span(self, second: int) -> Span:
        for known in self._spans:
            if known.start <= second and known.end is not None and second < known.end:
                return known
        state, until = self._step(second)
        horizon = second + round(HORIZON.total_seconds())
        end: int | None = until
        while end is not None:
            if end >= horizon:
                end = None
                break
            following, until = self._step(end)
            if following != state:
                break
            end = until
        span = Span(state, second, end)
        self._spans = (span, *self._spans[:3])
        return span

    def _step(self, at: int) -> tuple[bool, int]:
        """As Clause.step, for all clauses together."""
        steps = [clause.step(at) for clause in self.clauses]
        shut = [until for is_open, until in steps if not is_open]
        if shut:
            return False, max(shut)
        return True, min((until for _, until in steps), default=at + _DAY)

    def is_open(self, at: datetime) -> bool:
        """Whether every clause is open at that aware instant."""
        return self.span(at).open

    def closes_at(self, at: datetime) -> datetime | None:
        """The end of the opening that holds at that instant, in UTC.

        None when the window is shut then, or when it does not shut within the horizon.
        """
        span = self.span(at)
        return _instant(span.end) if span.open and span.end is not None else None

    def next_open(self, after: datetime, margin: int = 0) -> datetime | None:
        """The first instant at or after `after` that is open and stays open for more than `margin` seconds.

        Returns `after` itself (in UTC) when that is such an instant; None when there is none within 60
        days of it.
        """
        span = self.span(after)
        horizon = after.timestamp() + HORIZON.total_seconds()
        if span.open and (span.end is None or span.end - after.timestamp() > margin):
            return after.astimezone(UTC)
        while span.end is not None and span.end < horizon:
            start = span.end
            span = self._span(start)
            if span.open and (span.end is None or span.end - start > margin):
                return _instant(start)
        return None

    def shut_clauses(self, at: datetime) -> list[Clause]:
        """The clauses that are shut at that instant: whose clock, and by which rule."""
        second = floor(at.timestamp())
        return [clause for clause in self.clauses if not clause.step(second)[0]]

    def closing_clause(self, at: datetime) -> Clause | None:
        """The clause that ends the opening that holds at that instant; None as for closes_at."""
        span = self.span(at)
        if not span.open or span.end is None:
            return None
        return next(clause for clause in self.clauses if not clause.step(span.end)[0])


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
