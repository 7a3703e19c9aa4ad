"""How fast calls start: the account's slots, and how campaigns share them.

Twilio accepts more than its calls per second and queues the excess for up to 24 hours (TWILIO 4.1), so a
call accepted at 20:59 could ring at midnight. We therefore pace ourselves, below the allowance in *every*
sliding second: counting on average doubles the pace at a window's edge. All processes take slots from one
row in Postgres, spaced a little wider than 1/R, and a slot that was missed by more than `lateness` is
forfeited: then the sends of any second lie in slots of at most 1 s + lateness, which are at most R.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

LATENESS_S = 0.003
"""A slot more than this late is forfeited (real seconds)."""
MARGIN_S = 0.002
"""Spared for the way to Twilio, so that jitter does not press two slots into one second."""
LEAD_S = 0.03
"""A slot is taken at least so far ahead: committing the intent takes some of it (real seconds)."""
HORIZON_S = 0.25
"""A claim takes at most what the pace allows in this time."""
REACH_S = 1.0
"""A slot farther away than this is not taken yet; an intent older than this is gated again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The account's allowance.

    Args:
        calls_per_second: R, in clock seconds.
        rate: clock seconds per real second. The machine's own jitter is real, so that on a fast clock it is
            worth more clock time, and the spacing grows accordingly.
    """

    calls_per_second: float
    rate: float = 1.0

    @property
    def lateness(self) -> timedelta:
        """How late a slot may be used, clock time."""
        return timedelta(seconds=LATENESS_S * self.rate)

    @property
    def spacing(self) -> timedelta:
        """From slot to slot, clock time: (1 s + lateness + margin) / R, so 99.5 % of R on a real clock."""
        return timedelta(seconds=(1 + (LATENESS_S + MARGIN_S) * self.rate) / self.calls_per_second)

    @property
    def reach(self) -> timedelta:
        """How far ahead a slot may be taken, and how old an intent may be when it goes out."""
        return timedelta(seconds=max(REACH_S * self.rate, self.spacing.total_seconds()))

    def available(self, next_slot: datetime, now: datetime) -> int:
        """How many slots a claim may take now: those of the next 250 ms, at least one if it is in reach."""
        first = max(next_slot, now)
        if first > now + self.reach:
            return 0
        horizon = now + timedelta(seconds=HORIZON_S * self.rate)
        if first > horizon:
            return 1
        return 1 + int((horizon - first) / self.spacing)

    def slots(
        self, next_slot: datetime, now: datetime, count: int, writing_s: float = 0.0
    ) -> tuple[list[datetime], datetime]:
        """The next `count` slots and the one after them; none is nearer than the time it takes to commit.

        Args:
            writing_s: real seconds that the intents take to write, besides the commit.
        """
        first = max(next_slot, now + timedelta(seconds=(LEAD_S + writing_s) * self.rate))
        return [first + self.spacing * i for i in range(count)], first + self.spacing * count


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
