"""What came of calls, for pages that are looked at again and again: of one campaign, and of one day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import text

from campaign.domain.disposition import MEANING
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class Figures:
    """Outcomes of campaigns' calls.

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


async def of_campaign(tx: Tx, campaign_id: int) -> Figures:
    """What came of all calls of a campaign so far, to the last second: all its outcomes are read."""
    rows = await tx.execute(
        text(
            """
            SELECT disposition, count(*) AS outcomes, coalesce(sum(cost), 0) AS cost
              FROM outcomes WHERE campaign_id = :id GROUP BY disposition ORDER BY 2 DESC, 1
            """
        ),
        {"id": campaign_id},
    )
    return _figures(rows.all())


OF_DAY: Final = """
    SELECT r.disposition, CAST(sum(r.attempts) AS bigint) AS outcomes, sum(r.cost) AS cost
      FROM campaigns c
      JOIN report_dispositions r
           ON r.dimension = 'campaign' AND r.campaign_id = c.id AND r.value = '' AND r.day = :day
     WHERE r.attempts > 0
     GROUP BY 1 ORDER BY 2 DESC, 1
"""
"""A few rows of the roll-up for each campaign, however many attempts there are: the front page asks often."""


async def of_day(tx: Tx, day: date) -> Figures:
    """What came of all campaigns' calls of one day of the contacts' own calendars, from the roll-ups."""
    return _figures((await tx.execute(text(OF_DAY), {"day": day})).all())


def _figures(rows: Sequence[Any]) -> Figures:
    counted = [row for row in rows if MEANING[row.disposition].counts]
    by_category = dict.fromkeys(("success", "neutral", "failure"), 0)
    for row in counted:
        by_category[MEANING[row.disposition].category.value] += row.outcomes
    return Figures(
        attempts=sum(row.outcomes for row in counted),
        connects=sum(row.outcomes for row in rows if MEANING[row.disposition].connect),
        by_disposition={row.disposition: row.outcomes for row in rows},
        by_category=by_category,
        cost=sum((row.cost for row in rows), Decimal(0)),
        opt_outs=sum(row.outcomes for row in rows if row.disposition == "do_not_call"),
    )
