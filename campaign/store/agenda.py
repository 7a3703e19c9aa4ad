"""What the scheduler's parts would find to do, asked in one statement: mostly it is nothing.

Each part looks for its work in a transaction of its own, behind the lease's fence. A dozen such looks a
second took more of the processor than all else that an idle service does. A question here has the condition
by which its part finds its work.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlalchemy import text
from sqlalchemy.sql.elements import TextClause

from campaign.store import (
    campaigns,
    enrolment,
    events,
    lookups,
    recordings,
    sessions,
    sweeps,
    webhooks,
    wrap_ups,
)
from campaign.store.database import Tx

QUESTIONS: Mapping[str, Sequence[str]] = {
    "cancels": (
        f"SELECT FROM attempts a WHERE {sweeps.FORBIDDEN_BY_NOW}",
        f"SELECT FROM attempts a WHERE {sweeps.TO_END}",
    ),
    "reconcile": (
        f"SELECT FROM attempts a WHERE {sweeps.LOST}",
        f"SELECT FROM attempts a WHERE {sweeps.UNKNOWN}",
        f"SELECT FROM attempts a WHERE {sweeps.SILENT}",
        f"SELECT FROM attempts a WHERE {sweeps.UNPRICED}",
        f"SELECT FROM conversation_sessions s JOIN attempts a ON {sessions.ORPHANED}",
        f"SELECT FROM call_events WHERE {events.UNHANDLED}",
    ),
    "campaigns": (campaigns.DUE,),
    "abandonment": (
        "SELECT FROM campaigns WHERE state = 'running' AND id <> ALL(CAST(:counted AS bigint[]))",
    ),
    "enrolment": (enrolment.UNFINISHED,),
    "lookups": (
        f"SELECT FROM campaigns WHERE {lookups.DIALLING} "
        "AND id || ':' || version <> ALL(CAST(:uninterested AS text[]))",
    ),
    "wrap_ups": (f"SELECT FROM wrap_ups WHERE {wrap_ups.CLAIMABLE}",),
    "webhooks": (
        "SELECT FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id "
        f"WHERE {webhooks.SENDABLE} AND d.next_at <= :now",
    ),
    "roll_ups": ("SELECT FROM report_queue WHERE id > :folded",),
    "recordings": (f"SELECT FROM recordings WHERE {recordings.DELETABLE}",),
}
"""Part → statements; each finds a row when there is work for the part."""


_BY_INDEX = text("SET LOCAL enable_seqscan = off")


@lru_cache(maxsize=8)
def _statement(parts: tuple[str, ...]) -> TextClause:
    answers = (
        f"CASE WHEN {' OR '.join(f'EXISTS ({question})' for question in QUESTIONS[part])} THEN '{part}' END"
        for part in parts
    )
    return text(f"SELECT array_remove(ARRAY[{', '.join(answers)}], NULL)")


async def due(tx: Tx, parts: Sequence[str], given: Mapping[str, object]) -> frozenset[str]:
    """Those of the parts that have something to do.

    Every question has an index that finds its few rows. Statistics know of them what was so when they were
    gathered: half a million attempts after which nobody had looked yet took 200 ms to be read through, each
    second. So to the end of `tx` no table is read through that has an index.

    Args:
        parts: of QUESTIONS.
        given: what their statements want to know.
    """
    if not parts:
        return frozenset()
    await tx.execute(_BY_INDEX)
    found: Sequence[str] = (await tx.execute(_statement(tuple(parts)), dict(given))).scalar_one()
    return frozenset(found)
