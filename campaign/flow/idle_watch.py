"""Tells when a running campaign has dialled nobody for minutes although somebody could be called."""

from datetime import datetime, timedelta
from typing import Final

import structlog

from campaign.domain.budget import Rates
from campaign.domain.rulebook import Rulebook
from campaign.domain.webhooks import Event
from campaign.flow import why_idle
from campaign.store import campaigns, idle, reports, webhooks
from campaign.store.database import Database

log = structlog.get_logger(__name__)

WITHIN: Final = timedelta(minutes=10)
"""Nothing dialled for so long, in an open window (clock time at rate 1)."""
LOOK_EVERY: Final = timedelta(minutes=1)


class IdleWatch:
    """One message for each time that a campaign stands still, with the reason in words.

    Args:
        db: of the scheduler's lease holder. A new holder may tell once more of what still stands.
        rate: clock seconds per real second.
    """

    def __init__(
        self, db: Database, rulebook: Rulebook, rates: Rates, rate: float = 1.0, max_calls: int | None = None
    ) -> None:
        self._db = db
        self._rulebook = rulebook
        self._rates = rates
        self._rate = rate
        self._max_calls = max_calls
        self._looked: datetime | None = None
        self._told: dict[int, datetime] = {}

    async def tick(self, now: datetime) -> list[int]:
        """What is due at an instant; returns the campaigns that were told of."""
        if self._looked is not None and now - self._looked < LOOK_EVERY * self._rate:
            return []
        self._looked = now
        async with self._db.connection() as tx:
            found = {one.campaign_id: one.since for one in await idle.idle(tx, now, WITHIN * self._rate)}
        self._told = {key: since for key, since in self._told.items() if key in found}
        fresh = [key for key in found if key not in self._told]
        for campaign_id in fresh:
            await self._tell(campaign_id, found[campaign_id], now)
            self._told[campaign_id] = found[campaign_id]
        return fresh

    async def _tell(self, campaign_id: int, since: datetime, now: datetime) -> None:
        async with self._db.transaction() as tx:
            row = await campaigns.find(tx, f"#{campaign_id}")
            told = await why_idle.why(
                tx,
                row,
                await reports.status(tx, campaign_id, now),
                now,
                rulebook=self._rulebook,
                rates=self._rates,
                clock_rate=self._rate,
                max_calls=self._max_calls,
            )
            data = {
                "campaign_id": campaign_id,
                "campaign": row.name,
                "since": since.isoformat(),
                "minutes": round((now - since).total_seconds() / 60),
                "why": told.line,
                "warnings": told.warnings,
            }
            await webhooks.announce(tx, Event.CAMPAIGN_IDLE, data, now)
        log.warning("campaign_idle", campaign=row.name, since=since.isoformat(), why=told.line)
