"""Past dials with the decisions by which they were made, in pages: for judging them once more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from campaign.domain.errors import NotFound
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class PastDial:
    """An attempt and the decision behind it.

    Args:
        exact: the decision is that of this very dial. Dials of before schema 0008 that were decided like the
            one before have none of their own; then it is the last one that allowed the contact's number.
        decision, facts: as they were kept (domain/decision.py, domain/facts.py); None: none was kept.
    """

    attempt_id: int
    campaign: str
    phone: str
    at: datetime
    exact: bool
    decision: dict[str, Any] | None
    facts: dict[str, Any] | None


PAGE = text(
    """
    SELECT a.id AS attempt_id, c.name AS campaign, a.phone, a.intent_at AS at,
           d.decided_at = a.intent_at IS TRUE AS exact, d.reasons AS decision, d.facts
      FROM (SELECT * FROM attempts
             WHERE campaign_id = :campaign AND kind = 'campaign' AND state <> 'not_placed'
               AND (intent_at, id) > (:after_at, :after_id) AND intent_at < :until
             ORDER BY intent_at, id LIMIT :most) AS a
      JOIN campaigns c ON c.id = a.campaign_id
      LEFT JOIN LATERAL (
            SELECT * FROM decisions
             WHERE campaign_contact_id = a.campaign_contact_id AND phone = a.phone AND verdict = 'allow'
               AND decided_at <= a.intent_at
             ORDER BY decided_at DESC LIMIT 1) AS d ON true
     ORDER BY a.intent_at, a.id
    """
)
"""Keyset pages by (campaign_id, intent_at): a cursor would hold one transaction open for as long as a replay
takes, and with it every dead row of the busiest tables."""


async def page(
    tx: Tx, campaign_id: int, after: tuple[datetime, int], until: datetime, most: int
) -> list[PastDial]:
    """The next dials of a campaign in the order of their intents; what was proven unplaced is left out.

    Args:
        after: (instant, attempt id) of the last one seen.
        until: before this instant.
    """
    rows = await tx.execute(
        PAGE,
        {"campaign": campaign_id, "after_at": after[0], "after_id": after[1], "until": until, "most": most},
    )
    return [PastDial(**row._mapping) for row in rows]


async def count(tx: Tx, since: datetime, until: datetime, campaign: str | None = None) -> dict[int, int]:
    """Campaign id → its dials from `since` until before `until`; campaigns without any are left out.

    Raises:
        NotFound: there is no campaign of that name.
    """
    known = (
        await tx.execute(
            text("SELECT id FROM campaigns WHERE CAST(:name AS text) IS NULL OR name = :name ORDER BY id"),
            {"name": campaign},
        )
    ).scalars()
    ids = list(known)
    if campaign is not None and not ids:
        raise NotFound(f'There is no campaign "{campaign}".', "campaign list shows them all.")
    rows = await tx.execute(
        text(
            """
            SELECT w.id, n.dials
              FROM unnest(CAST(:ids AS bigint[])) AS w (id)
             CROSS JOIN LATERAL (
                    SELECT count(*) AS dials FROM attempts
                     WHERE campaign_id = w.id AND intent_at >= :since AND intent_at < :until
                       AND kind = 'campaign' AND state <> 'not_placed') AS n
             WHERE n.dials > 0 ORDER BY w.id
            """
        ),
        {"ids": ids, "since": since, "until": until},
    )
    return {row.id: row.dials for row in rows}
