"""When Twilio doesn't take calls: how long all dialling is held, and when it goes on.

A 429 was not processed and holds at once (TWILIO 4.3); other failures that say nothing of the number hold
when several come in a row. Only answers to requests sent since the last hold tell how Twilio is now: of the
many that were under way when it began, each would double the next hold, and an old success would lift it.
"""

from datetime import datetime, timedelta

OPENS_AT = 5
"""So many failures in a row hold all dialling for a while."""
THROTTLED_S = 0.5
"""The first hold after a 429 that names no time; doubled with each that follows (real seconds)."""
FAILED_S = 1.0
"""The first hold after failures in a row; doubled with each that follows (real seconds)."""
LONGEST_S = 60.0


class Breaker:
    """The failures in a row, and the hold that they led to.

    Args:
        rate: clock seconds per real second; holds are about real machines.
    """

    def __init__(self, rate: float = 1.0) -> None:
        self._rate = rate
        self.failures = 0
        self.held_until: datetime | None = None

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
        self.failures += 1
        return self._hold(now, retry_after or _doubled(THROTTLED_S, self.failures - 1))

    def failed(self, sent_at: datetime, now: datetime) -> datetime | None:
        """A failure that says nothing of the number; until when to hold, None: no longer than it is."""
        if not self.is_news(sent_at):
            return None
        self.failures += 1
        if self.failures < OPENS_AT:
            return None
        return self._hold(now, _doubled(FAILED_S, self.failures - OPENS_AT))

    def recovers(self, sent_at: datetime) -> bool:
        """Whether a call that was placed ends the failures; `recovered` says that it is written down."""
        return self.failures > 0 and self.is_news(sent_at)

    def recovered(self) -> None:
        """Twilio takes calls again."""
        self.failures = 0

    def _hold(self, now: datetime, seconds: float) -> datetime:
        self.held_until = now + timedelta(seconds=seconds * self._rate)
        return self.held_until


def _doubled(first: float, times: int) -> float:
    return min(first * 2.0 ** min(times, 10), LONGEST_S)
