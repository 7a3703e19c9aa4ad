"""What decisions look at, read for a whole batch in few statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """How a campaign stands. `all_stopped`: `stop --all` is in force."""

    id: int
    name: str
    state: str
    version: int
    starts_at: datetime | None
    ends_at: datetime | None
    all_stopped: bool


async def campaigns(tx: Tx, ids: Sequence[int]) -> dict[int, CampaignRow]:
    """Those campaigns, with the switch that stops all dialling."""
    rows = await tx.execute(
        text(
            """
            SELECT c.id, c.name, c.state, c.version, c.starts_at, c.ends_at,
                   EXISTS (SELECT FROM installation i WHERE i.dialling_stopped_at IS NOT NULL) AS all_stopped
              FROM campaigns c WHERE c.id = ANY(:ids)
            """
        ),
        {"ids": list(ids)},
    )
    return {row.id: CampaignRow(**row._mapping) for row in rows}


async def abandonment(
    tx: Tx, ids: Sequence[int], since: datetime, connects: Sequence[str]
) -> dict[int, tuple[int, int]]:
    """Campaign → (calls answered by a person, of these abandoned), by outcomes recorded after `since`.

    Args:
        connects: the dispositions that mean that a person answered.
    """
    rows = await tx.execute(
        text(
            """
            SELECT campaign_id, count(*) AS answered, count(*) FILTER (WHERE abandoned) AS abandoned
              FROM outcomes
             WHERE campaign_id = ANY(:ids) AND recorded_at > :since
               AND (abandoned OR disposition = ANY(:connects))
             GROUP BY campaign_id
            """
        ),
        {"ids": list(ids), "since": since, "connects": list(connects)},
    )
    return {row.campaign_id: (row.answered, row.abandoned) for row in rows}


@dataclass(frozen=True, slots=True)
class Tries:
    """What was tried at one number: instants that count, and since when an attempt is under way."""

    attempts: tuple[datetime, ...]
    unsettled_since: datetime | None


TRIED = text(
    """
    SELECT n.phone,
           array_agg(a.intent_at) FILTER (WHERE a.counts) AS attempts,
           min(a.intent_at) FILTER (WHERE a.unsettled) AS unsettled_since
      FROM unnest(CAST(:phones AS text[])) AS n (phone)
     CROSS JOIN LATERAL (
            SELECT a.intent_at, false AS unsettled,
                   a.kind = 'campaign' AND a.state <> 'not_placed'
                   AND NOT (a.call_status = 'canceled' AND a.ringing_at IS NULL
                            AND a.answered_at IS NULL) IS TRUE AS counts
              FROM attempts a WHERE a.phone = n.phone AND a.intent_at > :since
             UNION ALL
            SELECT a.intent_at, true, false
              FROM attempts a WHERE a.phone = n.phone AND a.settled_at IS NULL) AS a
     GROUP BY n.phone
    """
)
"""Attempts that rang or may have rung count towards caps: not test calls, not what was proven unplaced, not
what was cancelled while it still queued."""


async def tried(tx: Tx, phones: Sequence[str], since: datetime) -> dict[str, Tries]:
    """Phone → attempts by any campaign after `since`, and any attempt that has not ended."""
    rows = await tx.execute(TRIED, {"phones": list(phones), "since": since})
    return {row.phone: Tries(tuple(row.attempts or ()), row.unsettled_since) for row in rows}
