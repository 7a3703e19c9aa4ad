"""The one clock that everything takes as a parameter (decision: time is never read, always passed in)."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol


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
