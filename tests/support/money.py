"""Whether the money of the campaigns adds up, at any moment."""

from typing import Any

from campaign.store.database import Database
from tests.support.campaigns import rows

_UNBALANCED = """
    WITH asked AS (
        SELECT campaign_id, CAST(asked_at AT TIME ZONE 'UTC' AS date) AS day, 0 AS attempts,
               CAST(0 AS numeric) AS reserved, sum(cost) AS spent
          FROM number_lookups WHERE campaign_id IS NOT NULL AND cost <> 0
         GROUP BY 1, 2
    ), dialled AS (
        SELECT a.campaign_id, CAST(a.intent_at AT TIME ZONE 'UTC' AS date) AS day, count(*) AS attempts,
               sum(a.reserved) AS reserved, sum(coalesce(o.cost, 0)) AS spent
          FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id
         WHERE a.campaign_id IS NOT NULL
         GROUP BY 1, 2
    ), calls AS (
        SELECT campaign_id, day, sum(attempts) AS attempts, sum(reserved) AS reserved, sum(spent) AS spent
          FROM (SELECT * FROM asked UNION ALL SELECT * FROM dialled) AS parts
         GROUP BY 1, 2
    )
    SELECT campaign_id, day, s.attempts AS counted, c.attempts, s.reserved AS kept, c.reserved,
           s.spent AS paid, c.spent
      FROM campaign_spend s FULL JOIN calls c USING (campaign_id, day)
     WHERE (s.attempts, s.reserved, s.spent) IS DISTINCT FROM (c.attempts, c.reserved, c.spent)
"""
_RESERVED_FOR_NOTHING = (
    "SELECT id, state, reserved FROM attempts WHERE settled_at IS NOT NULL AND reserved <> 0"
)


async def unbalanced(db: Database) -> list[dict[str, Any]]:
    """What does not add up: days of campaigns whose sums are not those of their attempts, made by the UTC day
    of the intent, and of their look-ups; and settled attempts that money is still reserved for. Nothing, at
    any moment between two transactions.

    For databases in which every settled attempt came to its end by the service's own code.
    """
    return await rows(db, _UNBALANCED) + await rows(db, _RESERVED_FOR_NOTHING)
