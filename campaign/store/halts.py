"""What stops dialling: the pace's lock, calls marked to be cancelled, the switch over all campaigns."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.store.attempts import STOP_NOW
from campaign.store.database import CUT_OFF_WHEN_SILENT, Tx


async def lock_pace(tx: Tx) -> None:
    """Wait for a claim in progress, and hold off the next one.

    The dialler claims under this row's lock. A pause that takes it too is therefore in force for the very
    next claim, and sees every intent written before.
    """
    await tx.execute(
        text(f"SELECT 1 FROM pace, {CUT_OFF_WHEN_SILENT} AS cut_off WHERE id = 1 FOR UPDATE OF pace")  # noqa: S608
    )


async def cancel_calls(
    tx: Tx, campaign_id: int | None, why: str, now: datetime, *, answered: bool = False
) -> list[str]:
    """Mark calls to be cancelled at Twilio.

    Args:
        campaign_id: of one campaign; None: of all.
        answered: also calls that somebody has answered (an operator's explicit choice), and those that were
            marked for less before.

    Returns:
        sids of the calls that Twilio already knows.
    """
    rows = await tx.execute(
        text(
            """
            UPDATE attempts
               SET cancel_at = :now, cancel_why = :why
             WHERE settled_at IS NULL
               AND (cancel_at IS NULL OR :answered AND split_part(cancel_why, ':', 1) <> :stop_now)
               AND (CAST(:id AS bigint) IS NULL OR campaign_id = :id)
               AND (:answered OR answered_at IS NULL AND state <> 'answered')
               AND kind = 'campaign'
            RETURNING call_sid
            """
        ),
        {
            "id": campaign_id,
            "why": f"{STOP_NOW}: {why}" if answered else why,
            "now": now,
            "answered": answered,
            "stop_now": STOP_NOW,
        },
    )
    return [row.call_sid for row in rows if row.call_sid]


@dataclass(frozen=True, slots=True)
class Marked:
    """An attempt that was asked to end. `over`: it had ended; `again`: it was asked before."""

    state: str
    over: bool
    again: bool


async def cancel_call(tx: Tx, attempt_id: int, why: str, at: datetime) -> Marked | None:
    """Mark one call to be ended at Twilio, answered or not; None when there is no such attempt.

    Args:
        at: when the line is cut at the latest.
    """
    row = (
        await tx.execute(
            text(
                "SELECT state, settled_at, cancel_at, split_part(cancel_why, ':', 1) = :stop_now AS ending "
                "FROM attempts WHERE id = :id FOR NO KEY UPDATE"
            ),
            {"id": attempt_id, "stop_now": STOP_NOW},
        )
    ).first()
    if row is None:
        return None
    marked = Marked(row.state, row.settled_at is not None, bool(row.ending))
    if not marked.over and not marked.again:
        await tx.execute(
            text("UPDATE attempts SET cancel_at = :at, cancel_why = :why WHERE id = :id"),
            {"id": attempt_id, "at": at, "why": f"{STOP_NOW}: {why}"},
        )
    return marked


async def set_stop_all(tx: Tx, stopped: tuple[datetime, str, str] | None) -> bool:
    """Throw or lift the switch that stops all dialling.

    Args:
        stopped: (when, by whom, why); None lifts it.

    Returns:
        whether that changed anything.
    """
    at, actor, why = stopped or (None, None, None)
    changed = await tx.execute(
        text(
            """
            UPDATE installation
               SET dialling_stopped_at = :at, dialling_stopped_by = :actor, dialling_stopped_why = :why
             WHERE id = 1 AND (dialling_stopped_at IS NULL) = (CAST(:at AS timestamptz) IS NOT NULL)
            """
        ),
        {"at": at, "actor": actor, "why": why},
    )
    return bool(changed.rowcount)


async def stop_all(tx: Tx) -> tuple[datetime, str, str] | None:
    """(when, by whom, why) all dialling was stopped; None when it is not."""
    row = (
        await tx.execute(
            text(
                """
                SELECT dialling_stopped_at, dialling_stopped_by, dialling_stopped_why
                  FROM installation WHERE dialling_stopped_at IS NOT NULL
                """
            )
        )
    ).first()
    return (row[0], row[1], row[2]) if row else None


async def pace_hold(tx: Tx) -> tuple[datetime, str] | None:
    """(until when, why) the dialler holds all calls; None when it does not.

    A hold that is over stands until Twilio has taken a call again.
    """
    row = (
        await tx.execute(text("SELECT held_until, held_why FROM pace WHERE held_until IS NOT NULL"))
    ).first()
    return (row.held_until, row.held_why or "") if row else None


async def held_numbers(tx: Tx, campaign_id: int) -> tuple[int, datetime] | None:
    """(how many, until when at the latest) numbers of a campaign are held because nobody can say whether they
    were dialled; None when there are none."""
    row = (
        await tx.execute(
            text(
                "SELECT count(*) AS held, max(coalesce(hold_until, slot_at)) AS until FROM attempts "
                "WHERE campaign_id = :id AND settled_at IS NULL AND state = 'unknown'"
            ),
            {"id": campaign_id},
        )
    ).one()
    return (row.held, row.until) if row.held else None


async def calls_up(tx: Tx) -> int:
    """Calls under way of all campaigns, as far as is known."""
    found: int = (
        await tx.execute(
            text("SELECT count(*) FROM attempts WHERE settled_at IS NULL AND state <> 'unknown'")
        )
    ).scalar_one()
    return found
