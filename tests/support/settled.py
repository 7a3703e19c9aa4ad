"""Attempts that are settled, written the way the service writes them, for tests of what reports count."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from campaign.domain.disposition import MEANING, Disposition
from campaign.store import outcomes
from campaign.store.database import Database
from campaign.store.outcomes import Outcome
from tests.support import rows

ZONES = ("US|US-NY|America/New_York", "US|US-CA|America/Los_Angeles", "XX||Nowhere/Land", "US||")
CALLERS = ("+12125550100", "+12125550101")


@dataclass
class Desk:
    """A database with campaigns and contacts, to which settled attempts are added and corrected."""

    db: Database
    now: datetime
    campaigns: list[int] = field(default_factory=list)
    contacts: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    written: dict[int, Outcome] = field(default_factory=dict)

    async def open(self, campaigns: int = 2, lists: int = 2) -> "Desk":
        async with self.db.transaction() as tx:
            for n in range(campaigns):
                self.campaigns.append(await rows.campaign(tx, self.now, name=f"campaign {n}"))
            for n in range(lists):
                await rows._id(
                    tx,
                    "INSERT INTO contact_lists (name, created_by, created_at) VALUES (:name, 'test', :now) "
                    "RETURNING id",
                    name=f"list {n}",
                    now=self.now,
                )
        return self

    async def contact(self, campaign: int, n: int) -> tuple[int, int]:
        """The n-th contact of a campaign: (contact id, campaign contact id)."""
        key = (campaign, n)
        if key not in self.contacts:
            phone = f"+1212{campaign % 10}{n:06}"
            async with self.db.transaction() as tx:
                contact = await rows._id(
                    tx,
                    "INSERT INTO contacts (list_id, phone, place, created_at) VALUES "
                    "((SELECT id FROM contact_lists WHERE name = :list), :phone, :place, :now) RETURNING id",
                    list=f"list {n % 2}",
                    phone=phone,
                    place=ZONES[n % len(ZONES)],
                    now=self.now,
                )
                enrolled = await rows.enrolled(tx, self.now, campaign, contact, phone=phone)
            self.contacts[key] = (contact, enrolled)
        return self.contacts[key]

    async def attempt(
        self, disposition: Disposition, *, campaign: int = 0, contact: int = 0, **more: Any
    ) -> int:
        """A settled attempt with its outcome; returns its id.

        Args:
            more: after (hours after the start), seconds, first_word_ms, cost, abandoned, version, caller.
        """
        campaign_id = self.campaigns[campaign]
        contact_id, enrolled = await self.contact(campaign_id, contact)
        at = self.now + timedelta(hours=more.get("after", 0))
        placed = disposition is not Disposition.NOT_PLACED
        answered = MEANING[disposition].connect or disposition.value in ("machine", "voicemail_left", "fax")
        async with self.db.transaction() as tx:
            attempt = await rows.attempt(
                tx,
                at,
                marker=f"marker-{len(self.written)}",
                campaign_id=campaign_id,
                campaign_contact_id=enrolled,
                contact_id=contact_id,
                campaign_version=more.get("version", 1),
                caller_id=CALLERS[more.get("caller", 0)],
                phone=f"+1213{len(self.written):07}",
                state="ended" if placed else "not_placed",
                answered_at=at if answered else None,
                ended_at=at,
                settled_at=at,
                lease_until=None,
            )
            cost = more.get("cost")
            outcome = Outcome(
                attempt_id=attempt,
                campaign_id=campaign_id,
                campaign_contact_id=enrolled,
                disposition=disposition.value,
                category=MEANING[disposition].category.value,
                answered_by=None,
                seconds=more.get("seconds", 0),
                first_word_ms=more.get("first_word_ms"),
                data=more.get("data", {}),
                cost=None if cost is None else Decimal(cost),
                cost_lines={},
                final=True,
                retry_at=None,
                abandoned=more.get("abandoned", False),
            )
            await self._write(tx, outcome, at)
        return attempt

    async def correct(self, attempt: int, **changes: Any) -> None:
        """A late event says something else of an attempt."""
        if "disposition" in changes:
            changes["category"] = MEANING[Disposition(changes["disposition"])].category.value
        async with self.db.transaction() as tx:
            await self._write(tx, replace(self.written[attempt], **changes), self.now)

    async def _write(self, tx: Any, outcome: Outcome, at: datetime) -> None:
        known = await outcomes.known(tx, outcome.attempt_id)
        assert known is not None
        await outcomes.write(tx, known, outcome, None, at)
        self.written[outcome.attempt_id] = outcome

    async def recovery(self, attempt: int, answer: str, became: str | None) -> None:
        """A conversation that broke off."""
        await rows.run(
            self.db,
            "INSERT INTO recoveries (attempt_id, session_ordinal, why, answer, became, at) "
            "VALUES (:id, (SELECT count(*) + 1 FROM recoveries WHERE attempt_id = :id), 'x', :answer, "
            ":became, :now)",
            id=attempt,
            answer=answer,
            became=became,
            now=self.now,
        )
        await rows.run(
            self.db,
            "INSERT INTO report_queue (attempt_id, queued_at) VALUES (:id, :now)",
            id=attempt,
            now=self.now,
        )
