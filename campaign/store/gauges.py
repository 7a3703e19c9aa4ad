"""Figures for the metrics page, each one statement over an index: asked every few seconds for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from campaign.store.database import Tx

FIRST_WORD_MS = (250, 500, 1000, 1500, 2000, 3000, 5000, 10000)
"""Upper bounds of the buckets below, milliseconds; two seconds is where a call counts as abandoned."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Outcomes of one campaign and disposition in a span of time.

    Args:
        first_words: how many started to speak within each of FIRST_WORD_MS, cumulative, and in all.
        first_word_ms: sum of all first-word latencies.
    """

    campaign: str
    disposition: str
    count: int
    first_words: Sequence[int]
    first_word_ms: int


@dataclass(frozen=True, slots=True)
class Pace:
    """The account's pace: up to when slots are given out, and until when all dialling is held."""

    next_slot_at: datetime
    held_until: datetime | None
    failures: int


async def settled_between(tx: Tx, after: datetime, until: datetime) -> list[Settled]:
    """Outcomes recorded after one instant and at or before another, of campaigns that were alive then."""
    rows = await tx.execute(
        text(
            """
            SELECT c.name, o.disposition, count(*), coalesce(sum(o.first_word_ms), 0),
                   count(*) FILTER (WHERE o.first_word_ms <= 250),
                   count(*) FILTER (WHERE o.first_word_ms <= 500),
                   count(*) FILTER (WHERE o.first_word_ms <= 1000),
                   count(*) FILTER (WHERE o.first_word_ms <= 1500),
                   count(*) FILTER (WHERE o.first_word_ms <= 2000),
                   count(*) FILTER (WHERE o.first_word_ms <= 3000),
                   count(*) FILTER (WHERE o.first_word_ms <= 5000),
                   count(*) FILTER (WHERE o.first_word_ms <= 10000),
                   count(o.first_word_ms)
              FROM campaigns c
              JOIN outcomes o ON o.campaign_id = c.id AND o.recorded_at > :after AND o.recorded_at <= :until
             WHERE c.ended_at IS NULL OR c.ended_at > CAST(:after AS timestamptz) - interval '1 h'
             GROUP BY 1, 2
            """
        ),
        {"after": after, "until": until},
    )
    return [Settled(row[0], row[1], row[2], tuple(row[4:]), row[3]) for row in rows]


async def unsettled(tx: Tx) -> dict[str, int]:
    """Attempts that are under way or unclear, by state."""
    rows = await tx.execute(
        text("SELECT state, count(*) FROM attempts WHERE settled_at IS NULL GROUP BY state")
    )
    return {row[0]: row[1] for row in rows}


async def started(tx: Tx) -> list[tuple[str, int, float]]:
    """(campaign, attempts, money spent) since each campaign was made."""
    rows = await tx.execute(
        text(
            """
            SELECT c.name, sum(s.attempts)::bigint, sum(s.spent)::float8
              FROM campaign_spend s JOIN campaigns c ON c.id = s.campaign_id GROUP BY c.name
            """
        )
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def waiting_events(tx: Tx) -> int:
    """Webhooks in the inbox that haven't been handled."""
    count: int = (
        await tx.execute(text("SELECT count(*) FROM call_events WHERE handled_at IS NULL"))
    ).scalar_one()
    return count


async def pace(tx: Tx) -> Pace | None:
    """The account's pace, if any call was ever claimed."""
    row: Any = (
        await tx.execute(text("SELECT next_slot_at, held_until, failures FROM pace WHERE id = 1"))
    ).first()
    return None if row is None else Pace(row.next_slot_at, row.held_until, row.failures)
