"""The roll-ups that reports read are kept current by the scheduler's tick, and compared every night.

Nothing that dials waits for this: outcomes only leave an id in a queue, and a reader never waits for a fold.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from campaign.domain.errors import Conflict
from campaign.store import campaigns, rollups
from campaign.store.database import Database, Tx

log = structlog.get_logger(__name__)

AT_ONCE: Final = 1000
"""Attempts folded in one transaction. Those of one hour and a few campaigns share their rows of the roll-ups;
corrections of old ones touch some seventy rows each."""
BATCHES: Final = 5
"""Transactions a tick: the queue may be long, after the first start with roll-ups, while calls go on."""
LOOK_AGAIN: Final = timedelta(minutes=1)
"""How often the queue is looked at from its beginning."""
COUNT_EVERY: Final = timedelta(seconds=30)
"""How often contacts are counted while they are being enrolled."""
CHECK_HOUR: Final = 3
"""UTC hour of the nightly comparison."""
CHECKED_AT_ONCE: Final = 50_000


class RollUps:
    """Keeps the roll-ups current.

    Args:
        db: of the scheduler's lease holder.
        rate: clock seconds per real second.
    """

    def __init__(self, db: Database, rate: float = 1.0) -> None:
        self._db = db
        self._rate = rate
        self._zones: list[str] | None = None
        self._after = 0
        self._from_start: datetime | None = None
        self._counted: datetime | None = None
        self._checking: _Check | None = None

    @property
    def folded(self) -> int:
        """The last entry of the queue that was folded: later ones are new."""
        return self._after

    def restless(self, now: datetime) -> bool:
        """Whether there is something to do besides the queue."""
        return self._checking is not None or self._counting_due(now)

    def _counting_due(self, now: datetime) -> bool:
        return self._counted is None or now - self._counted >= COUNT_EVERY * self._rate

    async def tick(self, now: datetime) -> int:
        """What is due at an instant; returns how many entries of the queue were folded."""
        folded = await self._fold(now)
        if self._counting_due(now):
            await self._count_enrolled()
            self._counted = now
        await self._check(now)
        return folded

    async def _fold(self, now: datetime) -> int:
        if self._from_start is None or now - self._from_start >= LOOK_AGAIN * self._rate:
            self._after, self._from_start = 0, now
        folded = 0
        for _ in range(BATCHES):
            async with self._db.transaction() as tx:
                if not await rollups.hold(tx, wait=False):
                    break
                done = await rollups.fold(tx, await self._known(tx), after=self._after, most=AT_ONCE)
            self._after = done.through
            folded += done.taken
            if done.taken < AT_ONCE:
                break
        return folded

    async def _known(self, tx: Tx) -> list[str]:
        if self._zones is None:
            self._zones = await rollups.zones_known(tx)
        return self._zones

    async def _count_enrolled(self) -> None:
        async with self._db.connection() as tx:
            moved = await rollups.enrolment_moved(tx)
        for campaign_id, mark in moved:
            async with self._db.transaction() as tx:
                if await rollups.hold(tx, wait=False):
                    await rollups.count_enrolled(tx, campaign_id, mark)

    async def _check(self, now: datetime) -> None:
        """A piece of the nightly comparison a tick, from three o'clock UTC on."""
        if self._checking is None:
            if now.hour != CHECK_HOUR:
                return
            async with self._db.connection() as tx:
                last = (await rollups.last_check(tx)).at
                if last is not None and last.date() >= now.date():
                    return
                self._checking = _Check([row.id for row in await campaigns.listed(tx)])
        async with self._db.transaction() as tx:
            done = await self._checking.piece(tx, await self._known(tx), now)
            if done:
                await rollups.note_check(tx, now, self._checking.found)
        if done:
            if self._checking.found:
                log.error("roll_ups_differed", **self._checking.found, do="mended; if it recurs, report it")
            self._checking = None


class _Check:
    """One comparison: first every attempt with its fact, then each campaign's facts with its roll-ups."""

    def __init__(self, campaign_ids: Sequence[int], *, mend: bool = True) -> None:
        self.found: dict[str, int] = {}
        self._campaigns = list(campaign_ids)
        self._mend = mend
        self._after: int | None = 0

    async def piece(self, tx: Tx, zones: Sequence[str], now: datetime) -> bool:
        """The next piece; True when that was the last."""
        if self._after is not None:
            missed, self._after = await rollups.unfolded(
                tx, zones, now, after=self._after, most=CHECKED_AT_ONCE
            )
            if missed:
                self._add({"report_facts": missed})
            return False
        if self._campaigns:
            if not await rollups.hold(tx, wait=False):
                return False
            campaign_id = self._campaigns.pop()
            differs = await rollups.differing(tx, campaign_id)
            self._add(differs)
            if differs and self._mend:
                await rollups.mend(tx, campaign_id)
        return not self._campaigns

    def _add(self, found: Mapping[str, int]) -> None:
        for name, rows in found.items():
            self.found[name] = self.found.get(name, 0) + rows


async def catch_up(db: Database, now: datetime) -> int:
    """Fold all that is queued; returns how many entries there were."""
    folded, done = 0, AT_ONCE
    made = RollUps(db)
    while done:
        done = await made.tick(now)
        folded += done
    return folded


async def check(db: Database, now: datetime) -> dict[str, int]:
    """Compare the roll-ups with the attempts, and change nothing: table → rows that differ.

    What is queued counts as counted only when it has been folded, so it is folded first.

    Raises:
        Conflict: somebody else is at work on the roll-ups.
    """
    await catch_up(db, now)
    found: dict[str, int] = {}
    async with db.transaction() as tx:
        if not await rollups.hold(tx, wait=False):
            raise Conflict(
                "The roll-ups are being rebuilt or checked already.", "Try again when that is done."
            )
        zones = await rollups.zones_known(tx)
        look = _Check([row.id for row in await campaigns.listed(tx)], mend=False)
        while not await look.piece(tx, zones, now):
            pass
        found = look.found
    if "report_facts" in found:
        await catch_up(db, now)
    return found


async def rebuild(db: Database, now: datetime) -> int:
    """Make the roll-ups anew from everything; returns how many attempts they count."""
    async with db.transaction() as tx:
        count = await rollups.rebuild(tx, await rollups.zones_known(tx), now)
        for campaign_id, mark in await rollups.enrolment_moved(tx):
            await rollups.count_enrolled(tx, campaign_id, mark)
    return count
