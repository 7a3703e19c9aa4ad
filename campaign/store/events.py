"""The inbox of webhooks: each is inserted once, by a key of its own, and then handled.

What the forms say is read elsewhere (telephony/webhooks.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import text

from campaign.store import models
from campaign.store.attempts import COLUMNS_SQL, Attempt, from_row
from campaign.store.database import Tx, fetch_one

UNKNOWN_MARKER = "no attempt has this marker"


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One webhook that stands unhandled in the inbox."""

    id: int
    kind: str
    marker: str
    form: Mapping[str, str]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it came.

    Args:
        dedupe: the same for all deliveries of one event.
        call_sid: the call that it names.
        form: its fields; blank ones aren't kept.
    """

    kind: str
    marker: str
    dedupe: str
    call_sid: str | None
    form: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that was put into the inbox now, and the attempt it is about, its row locked.

    `attempt` is None when no attempt has the marker; the inbox says so, and the event counts as handled.
    """

    event_id: int
    attempt: Attempt | None


_TAKE = f"""
    WITH a AS (SELECT {COLUMNS_SQL} FROM attempts a WHERE a.marker = %(marker)s FOR UPDATE),
    new AS (
        INSERT INTO call_events (dedupe, kind, marker, attempt_id, call_sid, payload, received_at,
                                 handled_at, error)
        VALUES (%(dedupe)s, %(kind)s, %(marker)s, (SELECT id FROM a), %(call_sid)s,
                CAST(%(payload)s AS jsonb), %(now)s, %(now)s,
                CASE WHEN NOT EXISTS (SELECT FROM a) THEN '{UNKNOWN_MARKER}' END)
        ON CONFLICT (dedupe) DO NOTHING
        RETURNING id)
    SELECT new.id AS event_id, a.* FROM new LEFT JOIN a ON true
"""  # noqa: S608 (constants)


async def take(tx: Tx, webhook: Webhook, now: datetime) -> Taken | None:
    """Put an event into the inbox as handled, and lock its attempt: one statement.

    The caller handles it in this same transaction; when that fails, all is rolled back, and `keep` keeps it.

    Returns:
        None when the event is there already.
    """
    row = await fetch_one(tx, _TAKE, _values(webhook, now))
    if row is None:
        return None
    return Taken(row["event_id"], None if row["id"] is None else from_row(row))


async def keep(tx: Tx, webhook: Webhook, now: datetime, *, error: str) -> None:
    """Put an event into the inbox that could not be handled yet; `error` says why."""
    await tx.execute(
        text(
            """
            INSERT INTO call_events (dedupe, kind, marker, attempt_id, call_sid, payload, received_at,
                                     error)
            VALUES (:dedupe, :kind, :marker, (SELECT id FROM attempts WHERE marker = :marker), :call_sid,
                    CAST(:payload AS jsonb), :now, :error)
            ON CONFLICT (dedupe) DO NOTHING
            """
        ),
        {**_values(webhook, now), "error": error},
    )


def _values(webhook: Webhook, now: datetime) -> dict[str, object]:
    return {
        "dedupe": webhook.dedupe,
        "kind": webhook.kind,
        "marker": webhook.marker,
        "call_sid": webhook.call_sid,
        "payload": json.dumps({name: value for name, value in webhook.form.items() if value}),
        "now": now,
    }


async def mark_handled(tx: Tx, event_id: int, now: datetime, error: str | None = None) -> None:
    """The event has had its effect, or never will (then `error` says why)."""
    row = models.call_events.c
    await tx.execute(
        sa.update(models.call_events).where(row.id == event_id).values(handled_at=now, error=error)
    )


async def mark_failed(tx: Tx, event_id: int, error: str) -> None:
    """Handling failed; the event stays unhandled and is tried again."""
    row = models.call_events.c
    await tx.execute(sa.update(models.call_events).where(row.id == event_id).values(error=error))


UNHANDLED = """handled_at IS NULL AND received_at <= :before
    AND received_at >= CAST(:before AS timestamptz) - interval '1 d'"""


async def unhandled(tx: Tx, before: datetime, most: int) -> Sequence[CallEvent]:
    """Events that were received before an instant and haven't been handled, oldest first.

    Those of more than a day ago are left: Twilio was asked about their calls long since.
    """
    rows = await tx.execute(
        text(
            f"""
            SELECT id, kind, marker, payload, received_at FROM call_events
             WHERE {UNHANDLED} ORDER BY received_at LIMIT :most
            """  # noqa: S608 (a constant of this file)
        ),
        {"before": before, "most": most},
    )
    return [CallEvent(row.id, row.kind, row.marker, row.payload, row.received_at) for row in rows]


async def has(tx: Tx, attempt_id: int, kind: str, ordinal: int) -> bool:
    """Whether such an event came of that session of an attempt."""
    found = await tx.execute(
        text(
            "SELECT EXISTS (SELECT 1 FROM call_events WHERE attempt_id = :id AND kind = :kind "
            "AND payload ->> 'ordinal' = :ordinal)"
        ),
        {"id": attempt_id, "kind": kind, "ordinal": str(ordinal)},
    )
    return bool(found.scalar_one())
