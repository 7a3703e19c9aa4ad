"""The one clock that everything takes as a parameter (decision: time is never read, always passed in)."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol


class Clock(Protocol):
    """Wall time, a stopwatch and a pause, all on the same scale.

    A clock may start elsewhere and run `rate` times faster than the wall; then `sleep(60)` waits
    60 / rate real seconds, and `now()` and `monotonic()` advance by 60.
    """

    rate: float
    """Clock seconds per real second; 1.0 for the real clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC, the same for all replicas to within milliseconds."""
        ...

    def monotonic(self) -> float:
        """Clock seconds since an arbitrary start; never goes back."""
        ...

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Pause for that many clock seconds; zero or less yields once."""
        ...


SLEW: Final = 0.0005
"""Seconds by which a correction moves the clock in a second: what lies between two instants of it,
such as the second that holds so many calls, stays true within that share."""
STEP_S: Final = 1.0
"""A larger correction is made at once: the clock was wrong by more than its answers can be late."""


@dataclass(frozen=True, slots=True)
class Offset:
    """What is added to a stopwatch for the time of day; a correction is made little by little.

    Each measurement is off by some milliseconds, more so on a busy machine. Taken over at once it would let
    the clock stand still or leap, and a second of calls would look too full in the record.

    Args:
        value: seconds, as it stood at `since`.
        aim: where it is going.
        since: the stopwatch then, seconds.
    """

    value: float
    aim: float
    since: float

    def at(self, stopwatch: float) -> float:
        """The offset at a reading of the stopwatch, not before `since`."""
        most = SLEW * (stopwatch - self.since)
        return self.value + max(-most, min(most, self.aim - self.value))

    def corrected(self, measured: float, stopwatch: float) -> "Offset":
        """From now on towards what was measured now."""
        value = self.at(stopwatch)
        if abs(measured - value) > STEP_S:
            value = measured
        return Offset(value, measured, stopwatch)
