"""What somebody sees who watches campaigns run: gathered for all who watch at once.

What changes every second (calls that are up, what is said, the pace) is read at each look, by statements
that don't grow. What is counted over all contacts and outcomes is read anew only now and then: so that
counting takes a twentieth of the time at most, however large the campaign.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from campaign.domain.campaign import stored
from campaign.domain.campaign_state import OVER
from campaign.domain.disposition import UNANSWERED, Disposition
from campaign.flow import hindrances
from campaign.flow.standing import Account, Standing, standing_of
from campaign.store import campaigns, gauges, halts, live, overview, reports
from campaign.store.campaigns import CampaignRow
from campaign.store.database import Database, Tx
from campaign.store.live import Calls, Pulse, Which
from campaign.store.overview import Figures

SHARE = 20
"""Counting takes at most one part in so many of the time."""
LEAST_S, MOST_S = 1.0, 60.0
"""Real seconds between two counts, at the least and at the most."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether Twilio takes our calls.

    Args:
        state: closed: it does; open: all calls are held for a while; trying: one call is sent to find out.
        sentence: why, and what happens next.
    """

    state: Literal["closed", "open", "trying"]
    sentence: str


@dataclass(frozen=True, slots=True)
class Money:
    """What may be spent. None: no cap."""

    currency: str
    per_day: Decimal | None
    total: Decimal | None


@dataclass(frozen=True, slots=True)
class Rates:
    """What came of the calls so far.

    Args:
        attempts: calls that ended and may have rung somebody's phone.
        answered: picked up by anyone or anything.
        connects: a human voice was reached.
    """

    attempts: int
    answered: int
    connects: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class CampaignView:
    """One campaign at one moment.

    Args:
        counted_at: when `standing` and `rates` were counted.
    """

    at: datetime
    counted_at: datetime
    standing: Standing
    rates: Rates
    pulse: Pulse
    calls: Calls
    breaker: Breaker
    money: Money
    lists: Sequence[str]

    @property
    def row(self) -> CampaignRow:
        return self.standing.row


@dataclass(frozen=True, slots=True)
class CampaignsView:
    """All campaigns at one moment; `progress`: id → (contacts, of these finished), empty before they are
    counted; `up`: id → calls that are up."""

    at: datetime
    rows: Sequence[CampaignRow]
    progress: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    up: Mapping[int, int] = field(default_factory=dict)
    breaker: Breaker | None = None


@dataclass(frozen=True, slots=True)
class CallsView:
    """The live calls of all campaigns at one moment."""

    at: datetime
    calls: Calls
    breaker: Breaker


class Counted:
    """Says when something that is slow to count should be counted again."""

    def __init__(self) -> None:
        self._next = 0.0

    @property
    def due(self) -> bool:
        return asyncio.get_running_loop().time() >= self._next

    def soon(self) -> None:
        """Count again at the next look: something has changed."""
        self._next = 0.0

    def took(self, seconds: float) -> None:
        """It was counted just now, in so many real seconds."""
        wait = min(max(SHARE * seconds, LEAST_S), MOST_S)
        self._next = asyncio.get_running_loop().time() + wait


async def breaker_of(tx: Tx, now: datetime) -> Breaker:
    """Whether Twilio takes our calls."""
    hold = await halts.pace_hold(tx)
    if hold is None:
        pace = await gauges.pace(tx)
        failures = pace.failures if pace else 0
        said = "Twilio takes our calls."
        if failures:
            said = f"The last {failures} tries failed; a few more in a row hold all calls for a while."
        return Breaker("closed", said)
    return Breaker("open" if hold[0] > now else "trying", await hindrances.held(tx, now))


class WatchedCampaign:
    """Looks at one campaign for as long as somebody watches it."""

    def __init__(self, db: Database, campaign_id: int, account: Account, which: Which = "all") -> None:
        self._db = db
        self._id = campaign_id
        self._account = account
        self._which = which
        self._counted = Counted()
        self._last: CampaignView | None = None

    async def look(self, now: datetime) -> CampaignView:
        """The campaign as it is.

        Raises:
            NotFound, DatabaseUnavailable
        """
        async with self._db.connection() as tx:
            row = await campaigns.find(tx, f"#{self._id}")
            was = self._last
            if was is not None and (row.state, row.version) != (was.row.state, was.row.version):
                self._counted.soon()
            if was is None or self._counted.due:
                standing, rates, counted_at = await self._count(tx, now)
            else:
                standing, rates, counted_at = was.standing, was.rates, was.counted_at
            budget = stored(await campaigns.definition(tx, self._id)).budget
            self._last = CampaignView(
                at=now,
                counted_at=counted_at,
                standing=standing,
                rates=rates,
                pulse=await live.pulse(tx, self._id, now),
                calls=await live.calls(tx, self._id, self._which),
                breaker=await breaker_of(tx, now),
                money=Money(budget.currency, budget.per_day, budget.total),
                lists=[one["name"] for one in await campaigns.lists_of(tx, self._id)],
            )
        return self._last

    async def _count(self, tx: Tx, now: datetime) -> tuple[Standing, Rates, datetime]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        standing = await standing_of(tx, f"#{self._id}", now, self._account)
        rates = rates_of(await overview.of_campaign(tx, self._id))
        self._counted.took(loop.time() - began)
        return standing, rates, now


def rates_of(figures: Figures) -> Rates:
    """Answer and connect rate from outcomes by disposition."""
    silent = sum(count for code, count in figures.by_disposition.items() if Disposition(code) in UNANSWERED)
    answered = sum(figures.by_disposition.values()) - silent
    return Rates(figures.attempts, answered, figures.connects, figures)


class WatchedCampaigns:
    """Looks at all campaigns for as long as somebody watches their list."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counted = Counted()
        self._progress: dict[int, tuple[int, int]] = {}
        self._states: dict[int, str] = {}

    async def look(self, now: datetime) -> CampaignsView:
        """All campaigns as they are.

        Raises:
            DatabaseUnavailable
        """
        loop = asyncio.get_running_loop()
        async with self._db.connection() as tx:
            rows = await campaigns.listed(tx)
            states = {row.id: row.state for row in rows}
            if self._counted.due or states != self._states:
                began = loop.time()
                self._progress = await reports.progress_of_all(tx)
                self._states = states
                self._counted.took(loop.time() - began)
            return CampaignsView(now, rows, self._progress, await live.up(tx), await breaker_of(tx, now))


@dataclass(frozen=True, slots=True)
class HomeView:
    """The campaigns of the front page.

    Args:
        counted_at: when how they stand was counted.
        shown: those under way before those to come; others: how many are left out.
        up: id → calls that are up at this moment.
    """

    counted_at: datetime
    shown: Sequence[Standing]
    others: int
    up: Mapping[int, int]


class WatchedHome:
    """Looks at the campaigns of the front page, for everybody who has it open.

    How a campaign stands is counted over its contacts. So it is counted once for all who look, and again only
    when a campaign's state or its definition has changed, or enough time has passed.
    """

    MOST = 12
    """Campaigns that are shown."""
    _ORDER = ("running", "stopping", "paused", "scheduled", "draft")

    def __init__(self, db: Database, account: Account) -> None:
        self._db = db
        self._account = account
        self._counted = Counted()
        self._one_at_a_time = asyncio.Lock()
        self._of: object = None
        self._shown: Sequence[Standing] = ()
        self._at: datetime | None = None

    async def look(self, now: datetime) -> HomeView:
        """The campaigns as they are, and as they were last counted.

        Raises:
            DatabaseUnavailable
        """
        async with self._one_at_a_time:
            async with self._db.connection() as tx:
                rows = [row for row in await campaigns.listed(tx) if row.state not in OVER]
                up = await live.up(tx)
                of = (tuple((row.id, row.state, row.version) for row in rows), await halts.stop_all(tx))
            rows.sort(key=lambda row: (self._ORDER.index(row.state), -row.id))
            if self._at is None or of != self._of or self._counted.due:
                began = asyncio.get_running_loop().time()
                self._shown = [await self._standing(row, now) for row in rows[: self.MOST]]
                self._of, self._at = of, now
                self._counted.took(asyncio.get_running_loop().time() - began)
            return HomeView(self._at, self._shown, len(rows) - len(self._shown), up)

    async def _standing(self, row: CampaignRow, now: datetime) -> Standing:
        async with self._db.connection() as tx:
            return await standing_of(tx, f"#{row.id}", now, self._account)


class WatchedCalls:
    """Looks at the live calls of all campaigns for as long as somebody watches them."""

    def __init__(self, db: Database, which: Which = "all") -> None:
        self._db = db
        self._which = which

    async def look(self, now: datetime) -> CallsView:
        """The calls as they are.

        Raises:
            DatabaseUnavailable
        """
        async with self._db.connection() as tx:
            return CallsView(now, await live.calls(tx, None, self._which), await breaker_of(tx, now))
