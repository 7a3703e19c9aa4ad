"""How fast calls start: never more than the account's calls per second in any sliding second.

Twilio accepts more than its calls per second and queues the excess for up to 24 hours (TWILIO 4.1), so a
call accepted at 20:59 could ring at midnight. We therefore pace ourselves, and counting on average won't do:
it doubles the pace at a window's edge. One process dials at a time (its tenure stands in Postgres), and it
keeps the instants of its last R calls: the next one goes out when its own slot has come *and* the call R
before it went out more than a second ago. Slots spread the calls; what a busy moment held up goes out right
after it, and the second stays exact whatever the machine does.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

MARGIN_S = 0.003
"""Added to the second (real seconds), so that jitter on the way to Twilio presses no R + 1 calls into it."""
SLACK_S = 0.005
"""Added to a second of slots (real seconds): beyond the margin it lets lateness wear off. Costs 0.5 %."""
LEAD_S = 0.03
"""A claim begins so much earlier than it takes (real seconds)."""
CATCH_UP_S = 0.25
"""Slots that have passed so recently, while a claim was being made, are still given (real seconds)."""
HORIZON_S = 0.25
"""A claim takes at most what the pace allows in this time."""
AHEAD_S = 0.02
"""A request is made ready so long before it may go out (real seconds): what that takes is not lost."""
REACH_S = 0.5
"""A slot farther away than this is not taken yet (real seconds)."""
STALE_S = 1.0
"""An intent older than this does not go out: it is gated again (real seconds)."""
TENURE_S = 5.0
"""How long the process that claimed last is the only one that dials (real seconds)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The account's allowance.

    Args:
        calls_per_second: R, in clock seconds; below 1 it is one call in 1/R seconds.
        rate: clock seconds per real second. The machine's own jitter is real, so that on a fast clock it is
            worth more clock time, and the spacing grows accordingly.
    """

    calls_per_second: float
    rate: float = 1.0

    @property
    def most(self) -> int:
        """How many calls one window may hold."""
        return max(1, int(self.calls_per_second))

    @property
    def window(self) -> timedelta:
        """The sliding window, clock time: one second, or the time that one call takes below 1 a second."""
        return timedelta(seconds=max(1.0, 1 / self.calls_per_second))

    @property
    def spacing(self) -> timedelta:
        """From slot to slot, clock time, so 99.5 % of R on a real clock."""
        return timedelta(seconds=(1 + SLACK_S * self.rate) / self.calls_per_second)

    @property
    def reach(self) -> timedelta:
        """How far ahead a slot may be taken."""
        return timedelta(seconds=REACH_S * self.rate)

    @property
    def stale(self) -> timedelta:
        """An intent older than this does not go out: it is gated again."""
        return timedelta(seconds=STALE_S * self.rate)

    @property
    def tenure(self) -> timedelta:
        """How long after a claim its process alone dials: longer than any of its intents lives."""
        return timedelta(seconds=TENURE_S * self.rate)

    def available(self, next_slot: datetime, now: datetime) -> int:
        """How many slots a claim may take now: those of the next 250 ms, at least one if it is in reach."""
        first = self._first(next_slot, now)
        if first > now + self.reach:
            return 0
        horizon = now + timedelta(seconds=HORIZON_S * self.rate)
        if first > horizon:
            return 1
        return 1 + int((horizon - first) / self.spacing)

    def slots(self, next_slot: datetime, now: datetime, count: int) -> tuple[list[datetime], datetime]:
        """The next `count` slots and the one after them. What a pause has left unused is gone."""
        first = self._first(next_slot, now)
        return [first + self.spacing * i for i in range(count)], first + self.spacing * count

    def _first(self, next_slot: datetime, now: datetime) -> datetime:
        recent = now - next_slot <= timedelta(seconds=CATCH_UP_S * self.rate)
        return next_slot if recent else now

    def quiet_after(self, next_slot: datetime) -> datetime:
        """From when on no second holds a call of those whose slots lie before `next_slot`."""
        return next_slot + timedelta(seconds=CATCH_UP_S * self.rate) + self.stale + self.window


class SlidingSecond:
    """The calls of the last window, by the monotonic clock: a clock that jumps changes nothing.

    Args:
        pace: the account's allowance.
    """

    def __init__(self, pace: Pace) -> None:
        self._span = pace.window.total_seconds() + MARGIN_S * pace.rate
        self._last: deque[float] = deque(maxlen=pace.most)

    def wait(self, monotonic: float) -> float:
        """Clock seconds until one more call may go out."""
        if len(self._last) < (self._last.maxlen or 1):
            return 0.0
        return max(0.0, self._last[0] + self._span - monotonic)

    def sent(self, monotonic: float) -> None:
        """A call goes out at this instant; to be told in their order, when `wait` is 0."""
        self._last.append(monotonic)


def share_out(
    count: int, wanting: Mapping[int, int], shares: Mapping[int, int], served: Mapping[int, float]
) -> tuple[dict[int, int], dict[int, float]]:
    """Divide slots between campaigns by their shares, fairly over time (weighted fair queueing).

    Each campaign has a virtual time that grows by 1/share with every slot; the one whose time is least is
    next, so that two campaigns sharing one call a second take turns. One that was idle starts level with
    the others instead of catching up; what one cannot use goes to the others.

    Args:
        count: slots to give.
        wanting: campaign id → how many it could use (contacts due, lines free).
        shares: campaign id → weight, at least 1.
        served: campaign id → virtual time, as returned by the call before.
    Returns:
        (campaign id → slots, whose sum is min(count, sum of wanting); the new virtual times).
    """
    given = {campaign: 0 for campaign, want in wanting.items() if want > 0}
    level = min((served[c] for c in given if c in served), default=0.0)
    times = {c: max(served.get(c, level), level) for c in given}
    for _ in range(min(count, sum(wanting[c] for c in given))):
        taker = min((c for c in given if given[c] < wanting[c]), key=lambda c: (times[c], c))
        given[taker] += 1
        times[taker] += 1 / shares.get(taker, 1)
    return given, times
