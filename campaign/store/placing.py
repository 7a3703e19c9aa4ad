"""What became of an intent: Twilio's answers, recorded; and the one intent that belongs to no campaign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from campaign.domain.attempt import SETTLED, AttemptEvent, AttemptState, after
from campaign.store import models
from campaign.store.attempts import FIRST_LOOK, HOLD, SILENCE
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class OwnCall:
    """The intent of a call to one's own number; `definition` as JSON, for it belongs to no campaign.

    A guest has no tenure; `fencing` is the number that the pace had when this was written.
    """

    marker: str
    phone: str
    caller_id: str
    slot_at: datetime
    window_closes_at: datetime | None
    definition: Any
    fencing: int


async def write_own_call(tx: Tx, call: OwnCall, *, replica: str, lease_until: datetime, now: datetime) -> int:
    """Write the intent of a call that is never counted; the attempt's id."""
    row = await tx.execute(
        models.attempts.insert().returning(models.attempts.c.id),
        {
            "marker": call.marker,
            "kind": "test",
            "definition": call.definition,
            "phone": call.phone,
            "caller_id": call.caller_id,
            "state": "placing",
            "intent_at": now,
            "slot_at": call.slot_at,
            "window_closes_at": call.window_closes_at,
            "replica": replica,
            "fencing": call.fencing,
            "lease_until": lease_until,
        },
    )
    return int(row.scalar_one())


async def record_placed(tx: Tx, placed: Sequence[tuple[int, str, str, datetime, datetime]]) -> None:
    """Record what Twilio answered with a sid, many at once.

    Args:
        placed: (attempt id, call sid, Twilio's status, sent at, answered at).
    A call event may have been quicker, or the sweep: the state only moves forward. No fencing number is asked
    for here. A sid is a fact, not a claim: Twilio made that call, whatever became of this process meanwhile,
    and a call that nobody knows of would never be followed to its end.
    """
    await tx.execute(
        text(
            """
            UPDATE attempts a
               SET call_sid = coalesce(a.call_sid, u.sid),
                   call_status = coalesce(a.call_status, u.status),
                   state = CASE WHEN a.state IN ('placing', 'unknown') THEN 'placed' ELSE a.state END,
                   sent_at = u.sent_at,
                   placed_at = least(a.placed_at, u.placed_at),
                   hold_until = NULL,
                   lease_until = NULL,
                   check_at = CASE WHEN a.settled_at IS NULL THEN greatest(a.check_at, u.placed_at + :silence)
                                   ELSE a.check_at END
              FROM unnest(CAST(:ids AS bigint[]), CAST(:sids AS text[]), CAST(:statuses AS text[]),
                          CAST(:sent AS timestamptz[]), CAST(:placed AS timestamptz[]))
                   AS u (id, sid, status, sent_at, placed_at)
             WHERE a.id = u.id
            """
        ),
        {
            "ids": [p[0] for p in placed],
            "sids": [p[1] for p in placed],
            "statuses": [p[2] for p in placed],
            "sent": [p[3] for p in placed],
            "placed": [p[4] for p in placed],
            "silence": SILENCE,
        },
    )


async def record_not_placed(
    tx: Tx,
    attempt_id: int,
    event: AttemptEvent,
    why: str,
    code: int | None,
    now: datetime,
    *,
    fencing: int,
) -> bool:
    """Record an answer without a sid: proven not placed, or (LOST) unknown and held.

    Only an attempt that is still its dialler's is touched. A call event that was quicker proves more; and
    what the sweep has taken over, because its process was silent for too long, stays unknown and held. A call
    that was not placed gives its caller id's day back.

    Args:
        fencing: the number of the tenure under which it was claimed.
    Returns:
        whether this settled the attempt, so that it must be closed.
    """
    state = after(AttemptState.PLACING, event)
    settled = state in SETTLED
    done = await tx.execute(
        text(
            """
            WITH told AS (
                UPDATE attempts
                   SET state = :state, error = :why, error_code = :code, lease_until = NULL, checks = 0,
                       settled_at = CASE WHEN :settled THEN CAST(:now AS timestamptz) END,
                       hold_until = CASE WHEN :settled THEN NULL ELSE CAST(:hold AS timestamptz) END,
                       check_at = CASE WHEN :settled THEN NULL ELSE CAST(:check AS timestamptz) END
                 WHERE id = :id AND state = 'placing' AND fencing = :fencing
                RETURNING caller_id, CAST(intent_at AT TIME ZONE 'UTC' AS date) AS day
            ), unused AS (
                UPDATE caller_id_days d SET attempts = d.attempts - 1
                  FROM told WHERE :settled AND d.caller_id = told.caller_id AND d.day = told.day
            )
            SELECT count(*) FROM told
            """
        ),
        {
            "id": attempt_id,
            "state": state.value,
            "settled": settled,
            "why": why,
            "code": code,
            "now": now,
            "hold": now + HOLD,
            "check": now + FIRST_LOOK,
            "fencing": fencing,
        },
    )
    return settled and done.scalar_one() == 1


async def any_under_way(tx: Tx) -> bool:
    """Whether calls have been placed that have not ended yet."""
    found = await tx.execute(
        text(
            "SELECT EXISTS (SELECT FROM attempts WHERE settled_at IS NULL "
            "AND state IN ('placed', 'ringing', 'answered'))"
        )
    )
    return bool(found.scalar_one())
