"""When Twilio doesn't take calls: how long all dialling is held, and what lets it go on.

A 429 was not processed and holds at once (TWILIO 4.3); other failures that say nothing of the number hold
when several come in a row. After a hold calls don't go out as before: one is tried alone, for each that
fails with an unknown result keeps its contact out of reach until Twilio has been asked what became of it.

Only answers to requests sent since the last hold tell how Twilio is now: of the many that were under way when
it began, each would double the next hold, and an old success would lift it.
"""

from datetime import datetime, timedelta

OPENS_AT = 3
"""So many failures in a row hold all dialling for a while."""
THROTTLED_S = 0.5
"""The first hold after a 429 that names no time; doubled with each that follows (real seconds)."""
FAILED_S = 4.0
"""The first hold after failures in a row, counted from when the last was sent; doubled with each that follows
(real seconds)."""
LONGEST_S = 27.0
"""No hold is longer, unless Twilio names a time: dialling goes on within half a minute of Twilio's return. In
ten minutes without Twilio about twenty-five calls are tried."""
SHORTEST_S = 1.0
"""Nor is one after failures shorter, however long the last answer took (real seconds)."""


class Breaker:
    """The failures in a row, and the hold that they led to.

    Args:
        rate: clock seconds per real second; holds are about real machines.

    Attributes:
        failures: in a row, of requests that tell how Twilio is now.
        held_until: the end of the last hold.
        open: there was a hold and no call has been placed since: one at a time is tried.
        since: when the first of the failures was seen.
    """

    def __init__(self, rate: float = 1.0) -> None:
        self._rate = rate
        self.failures = 0
        self.held_until: datetime | None = None
        self.open = False
        self.since: datetime | None = None

    def is_news(self, sent_at: datetime) -> bool:
        """Whether the answer to a request tells how Twilio is now."""
        return self.held_until is None or sent_at >= self.held_until

    def throttled(self, sent_at: datetime, now: datetime, retry_after: float | None) -> datetime | None:
        """A 429 was answered; until when to hold, None: no longer than it is.

        Args:
            retry_after: real seconds that Twilio asks for; None when it names none.
        """
        if not self.is_news(sent_at):
            return None
        self._count(now)
        return self._hold(now, retry_after or _doubled(THROTTLED_S, self.failures - 1))

    def failed(self, sent_at: datetime, now: datetime) -> datetime | None:
        """A failure that says nothing of the number; until when to hold, None: no longer than it is."""
        if not self.is_news(sent_at):
            return None
        self._count(now)
        if self.failures < OPENS_AT and not self.open:
            return None
        passed = (now - sent_at).total_seconds() / self._rate
        return self._hold(now, max(_doubled(FAILED_S, self.failures - OPENS_AT) - passed, SHORTEST_S))

    def recovers(self, sent_at: datetime) -> bool:
        """Whether a call that was placed ends the failures; `recovered` says that it is written down."""
        return self.failures > 0 and self.is_news(sent_at)

    def recovered(self) -> None:
        """Twilio takes calls again."""
        self.failures, self.open, self.since = 0, False, None

    def take_up(self, failures: int, now: datetime) -> None:
        """Another process has written down a hold, which is over, and no success since."""
        if not self.open:
            self.failures = max(self.failures, failures)
            self.open, self.held_until, self.since = True, now, self.since or now

    def _count(self, now: datetime) -> None:
        self.failures += 1
        self.since = self.since or now

    def _hold(self, now: datetime, seconds: float) -> datetime:
        self.open = True
        self.held_until = now + timedelta(seconds=seconds * self._rate)
        return self.held_until


def _doubled(first: float, times: int) -> float:
    return min(first * 2.0 ** min(max(times, 0), 10), LONGEST_S)
