"""How soon each profile's replies began in this process, for the metrics page: counts, no samples."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

BOUNDS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.25, 1.5, 1.8, 2.0, 3.0, 5.0)
"""Upper bounds of the buckets, clock seconds: fine where models are, and at the limits of our patience."""


@dataclass(slots=True)
class Times:
    """One profile's replies.

    Args:
        buckets: how many began within each of BOUNDS and not within the one before, and later.
        seconds: of all of them together.
    """

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


class ReplyTimes:
    """Counted since the process started; from the person's last word to the first of a reply."""

    def __init__(self) -> None:
        self._times: dict[str, Times] = defaultdict(Times)
        self._failures: dict[str, int] = defaultdict(int)

    def began(self, profile: str, seconds: float) -> None:
        """A profile's first words went out."""
        times = self._times[profile]
        times.buckets[bisect_left(BOUNDS, seconds)] += 1
        times.seconds += seconds

    def failed(self, profile: str) -> None:
        """A profile failed or took too long."""
        self._failures[profile] += 1

    @property
    def times(self) -> Mapping[str, Times]:
        """By profile."""
        return self._times

    @property
    def failures(self) -> Mapping[str, int]:
        """By profile."""
        return self._failures
