"""The inbox of Twilio's webhooks: each is inserted once, by a key of its own, and then handled."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import text

from campaign.store import models
from campaign.store.attempts import COLUMNS_SQL, Attempt, from_row
from campaign.store.database import Tx, fetch_one

_IDENTITY = {
    "status": ("CallStatus", "SequenceNumber"),
    "amd": ("AnsweredBy",),
    "twiml": (),
    "action": ("ordinal", "SessionId", "SessionStatus"),
    "recording": ("RecordingSid", "RecordingStatus"),
    "dial": ("ordinal", "DialCallSid", "DialCallStatus"),
    "found": ("CallStatus",),
}
"""What tells two events of one kind and one call apart; Twilio has no event id."""


UNKNOWN_MARKER = "no attempt has this marker"


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One webhook that stands unhandled in the inbox."""

    id: int
    kind: str
    marker: str
    form: Mapping[str, str]
    received_at: datetime


def dedupe_key(kind: str, marker: str, form: Mapping[str, str]) -> str:
    """The same for all deliveries of one event. Joined as JSON, so that no value can imitate another."""
    parts = [marker, kind, form.get("CallSid", ""), *(form.get(name, "") for name in _IDENTITY[kind])]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


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


async def take(tx: Tx, kind: str, marker: str, form: Mapping[str, str], now: datetime) -> Taken | None:
    """Put an event into the inbox as handled, and lock its attempt: one statement.

    The caller handles it in this same transaction; when that fails, all is rolled back, and `keep` keeps it.

    Args:
        form: the form's fields; blank ones aren't kept.
    Returns:
        None when the event is there already.
    """
    row = await fetch_one(tx, _TAKE, _values(kind, marker, form, now))
    if row is None:
        return None
    return Taken(row["event_id"], None if row["id"] is None else from_row(row))


async def keep(tx: Tx, kind: str, marker: str, form: Mapping[str, str], now: datetime, *, error: str) -> None:
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
        {**_values(kind, marker, form, now), "error": error},
    )


def _values(kind: str, marker: str, form: Mapping[str, str], now: datetime) -> dict[str, object]:
    return {
        "dedupe": dedupe_key(kind, marker, form),
        "kind": kind,
        "marker": marker,
        "call_sid": form.get("CallSid") or None,
        "payload": json.dumps({name: value for name, value in form.items() if value}),
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


async def unhandled(tx: Tx, before: datetime, most: int) -> Sequence[CallEvent]:
    """Events that were received before an instant and haven't been handled, oldest first.

    Those of more than a day ago are left: Twilio was asked about their calls long since.
    """
    rows = await tx.execute(
        text(
            """
            SELECT id, kind, marker, payload, received_at FROM call_events
             WHERE handled_at IS NULL AND received_at <= :before
               AND received_at >= CAST(:before AS timestamptz) - interval '1 d'
             ORDER BY received_at LIMIT :most
            """
        ),
        {"before": before, "most": most},
    )
    return [CallEvent(row.id, row.kind, row.marker, row.payload, row.received_at) for row in rows]
