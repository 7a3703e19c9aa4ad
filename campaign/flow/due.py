"""Looks for due contacts, and remembers from where on there are any.

What was called leaves dead entries at the head of the index of due contacts. Postgres clears them away, but
not while somebody holds an older snapshot, as an analyst's long query does: each look would read past all
that was called since. So a process remembers, per campaign and priority, the first contact that its last
look found, and begins there.

What comes to lie before that place (a contact whose instant had passed when it was written, or that somebody
held locked) is found by the full look: one a second, and always when the others have found less than was
asked for. Only where full looks take long are they rarer, so that they take a hundredth of the time. Nothing
is dialled that a full look wouldn't find; it may be dialled that much later.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from campaign.domain.clock import Clock
from campaign.store import claims
from campaign.store.claims import DueContact, From
from campaign.store.database import Tx

FULL_S = 1.0
"""Real seconds between full looks."""
SLOW_S = 0.01
"""A full look that takes longer (real seconds) reads past much that is dead."""
REST = 100
"""After a slow full look, so many times as long passes until the next."""


class DueContacts:
    """The looks of one process.

    Attributes:
        begin: where the next look begins.
    """

    def __init__(self) -> None:
        self.begin = From({}, {})
        self._full_at = float("-inf")
        self._slow = self._short = False

    async def look(self, tx: Tx, most: Mapping[int, int], now: datetime, clock: Clock) -> list[DueContact]:
        """Lock and read due contacts.

        Args:
            tx: the claim's transaction.
            most: campaign id → how many at the most.
            now: what is due by then.
        """
        if clock.monotonic() < self._full_at and (self._slow or not self._short):
            found = await claims.due(tx, most, now, self.begin)
            self._short = _is_short(found, most)
            if self._slow or not self._short:
                self._remember(found)
                return found
        began = clock.monotonic()
        found = await claims.due(tx, most, now)
        ended = clock.monotonic()
        took_s = (ended - began) / clock.rate
        self._slow = took_s > SLOW_S
        self._full_at = ended + (max(FULL_S, REST * took_s) if self._slow else FULL_S) * clock.rate
        self._short = _is_short(found, most)
        counts = Counter(row.campaign_id for row in found)
        for campaign_id, wanted in most.items():
            if counts[campaign_id] < wanted:  # all of its priorities were read to their end
                self.begin.floors[campaign_id] = now
        self._remember(found)
        return found

    def _remember(self, found: list[DueContact]) -> None:
        # Backwards, so that the first of each campaign and priority is what stays.
        for row in reversed(found):
            self.begin.first[row.campaign_id, row.priority] = (row.next_at, row.id)


def _is_short(found: list[DueContact], most: Mapping[int, int]) -> bool:
    counts = Counter(row.campaign_id for row in found)
    return any(counts[campaign_id] < wanted for campaign_id, wanted in most.items())
