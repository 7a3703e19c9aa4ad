"""What came of all campaigns since an instant, for the console's front page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text

from campaign.domain.disposition import MEANING
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class Figures:
    """Outcomes of campaigns' calls since an instant.

    Args:
        attempts: that ended and may have rung somebody's phone.
        connects: a human voice was reached.
        by_disposition: code → outcomes, most first.
        by_category: success, neutral, failure → outcomes of calls that counted.
        cost: of all of them, as far as it is known.
    """

    attempts: int
    connects: int
    by_disposition: dict[str, int]
    by_category: dict[str, int]
    cost: Decimal
    opt_outs: int


async def figures(tx: Tx, since: datetime, campaign_ids: Sequence[int] | None = None) -> Figures:
    """What came of calls since an instant.

    Args:
        campaign_ids: of these campaigns; None: of all. Each is one range of an index.
    """
    rows = (
        await tx.execute(
            text(
                """
                SELECT found.disposition, found.category,
                       CAST(sum(found.outcomes) AS bigint) AS outcomes, sum(found.cost) AS cost
                  FROM campaigns
                 CROSS JOIN LATERAL (
                       SELECT disposition, category, count(*) AS outcomes, coalesce(sum(cost), 0) AS cost
                         FROM outcomes
                        WHERE campaign_id = campaigns.id AND recorded_at >= :since
                        GROUP BY disposition, category) AS found
                 WHERE CAST(:ids AS bigint[]) IS NULL OR campaigns.id = ANY(:ids)
                 GROUP BY 1, 2 ORDER BY 3 DESC, 1
                """
            ),
            {"since": since, "ids": None if campaign_ids is None else list(campaign_ids)},
        )
    ).all()
    counted = [row for row in rows if MEANING[row.disposition].counts]
    by_category = dict.fromkeys(("success", "neutral", "failure"), 0)
    for row in counted:
        by_category[row.category] += row.outcomes
    return Figures(
        attempts=sum(row.outcomes for row in counted),
        connects=sum(row.outcomes for row in rows if MEANING[row.disposition].connect),
        by_disposition={row.disposition: row.outcomes for row in rows},
        by_category=by_category,
        cost=sum((row.cost for row in rows), Decimal(0)),
        opt_outs=sum(row.outcomes for row in rows if row.disposition == "do_not_call"),
    )
