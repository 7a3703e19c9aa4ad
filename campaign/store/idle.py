"""Running campaigns that could dial and have not."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class Idle:
    """A campaign that has been waiting in an open window.

    Args:
        since: of the last dial, or since it runs, or since its first contact has been due, whichever is last.
    """

    campaign_id: int
    since: datetime


async def idle(tx: Tx, now: datetime, within: timedelta) -> list[Idle]:
    """Running campaigns with a contact that has been due for so long, and no call made or up in that time.

    A contact is due from its next legal instant on, so its window is open as far as was known then. Reads one
    entry of an index for each running campaign and priority.
    """
    rows = await tx.execute(
        text(
            """
            SELECT c.id AS campaign_id, greatest(c.state_at, first.next_at, last.intent_at) AS since
              FROM campaigns c
              CROSS JOIN LATERAL (
                   SELECT cc.next_at FROM campaign_contacts cc
                    WHERE cc.campaign_id = c.id AND cc.next_at <= :before
                    ORDER BY cc.priority, cc.next_at, cc.id LIMIT 1) AS first
              LEFT JOIN LATERAL (
                   SELECT a.intent_at FROM attempts a WHERE a.campaign_id = c.id
                    ORDER BY a.intent_at DESC LIMIT 1) AS last ON true
             WHERE c.state = 'running' AND c.state_at <= :before
               AND (last.intent_at IS NULL OR last.intent_at <= :before)
               AND NOT EXISTS (SELECT FROM attempts a WHERE a.campaign_id = c.id AND a.settled_at IS NULL)
             ORDER BY c.id
            """
        ),
        {"before": now - within},
    )
    return [Idle(row.campaign_id, row.since) for row in rows]
