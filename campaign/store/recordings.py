"""Recordings, whose sound lies at the carrier: what is known of them, and their deletion there.

The wish to delete is a column of the row, and the row outlives its attempt, so no crash and no outage forgets
it: a row is asked about until the carrier has said that the sound is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.store.database import Tx

FIRST_AGAIN = timedelta(minutes=1)
LONGEST_AGAIN = timedelta(hours=6)

_HEARD = text(
    """
    INSERT INTO recordings AS r (sid, attempt_id, status, seconds, started_at)
    VALUES (:sid, :attempt_id, :status, :seconds, :now)
    ON CONFLICT (sid) DO UPDATE
       SET status = CASE WHEN r.status = 'in-progress' THEN excluded.status ELSE r.status END,
           seconds = coalesce(excluded.seconds, r.seconds)
    """
)


async def heard(tx: Tx, attempt_id: int, sid: str, status: str, seconds: int | None, now: datetime) -> None:
    """A recording of a call was begun, or is over; told in any order, and more than once.

    Args:
        status: in-progress, completed or absent.
    """
    given = {"sid": sid, "attempt_id": attempt_id, "status": status, "seconds": seconds, "now": now}
    await tx.execute(_HEARD, given)


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording; `delete_at`: since when it is to be deleted."""

    sid: str
    status: str
    seconds: int | None
    started_at: datetime
    delete_at: datetime | None
    deleted_at: datetime | None


async def of_attempt(tx: Tx, attempt_id: int) -> Recording | None:
    """The attempt's recording: the longest, should there be several."""
    found = await tx.execute(
        text(
            "SELECT sid, status, seconds, started_at, delete_at, deleted_at FROM recordings "
            "WHERE attempt_id = :id ORDER BY seconds DESC NULLS LAST, started_at LIMIT 1"
        ),
        {"id": attempt_id},
    )
    row = found.first()
    return None if row is None else Recording(**row._mapping)


@dataclass(frozen=True, slots=True)
class ToDelete:
    """A recording whose deletion is due; `why`: retention, erasure, or that its attempt is gone."""

    sid: str
    why: str
    tries: int


DELETABLE = """deleted_at IS NULL AND (delete_at IS NOT NULL OR attempt_id IS NULL)
    AND (next_try_at IS NULL OR next_try_at <= :now)"""


async def claim_due(tx: Tx, now: datetime, most: int) -> Sequence[ToDelete]:
    """Recordings to delete now; each is pushed on before it is asked for, so that nobody asks twice."""
    rows = await tx.execute(
        text(
            f"""
            UPDATE recordings r
               SET tries = least(r.tries + 1, 1000),
                   next_try_at = :now + least(:longest, :first * power(2, least(r.tries, 12)))
             WHERE r.sid IN (SELECT sid FROM recordings WHERE {DELETABLE}
                              ORDER BY next_try_at NULLS FIRST LIMIT :most FOR UPDATE SKIP LOCKED)
            RETURNING r.sid, coalesce(r.delete_why, 'its attempt is gone') AS why, r.tries
            """  # noqa: S608 (a constant of this file)
        ),
        {"now": now, "most": most, "first": FIRST_AGAIN, "longest": LONGEST_AGAIN},
    )
    return [ToDelete(row.sid, row.why, row.tries) for row in rows]


async def deleted(tx: Tx, sid: str, now: datetime) -> None:
    """The carrier has it no more."""
    await tx.execute(
        text("UPDATE recordings SET deleted_at = :now, next_try_at = NULL, error = NULL WHERE sid = :sid"),
        {"sid": sid, "now": now},
    )


async def not_deleted(tx: Tx, sid: str, error: str) -> None:
    """The carrier could not be asked, or refused; it is tried again."""
    await tx.execute(
        text("UPDATE recordings SET error = :error WHERE sid = :sid"), {"sid": sid, "error": error[:300]}
    )
