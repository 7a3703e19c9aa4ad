"""Conversation sessions as the TwiML doors see them, and the answers to `<Connect action>`.

What happens inside a session (opened, turns, closed by the talk) is written by store/conversations.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import text

from campaign.store.attempts import FORBIDDEN_SQL
from campaign.store.database import Tx


def digest(token: str) -> bytes:
    """What is stored of a session's token."""
    return sha256(token.encode()).digest()


_EXPECT = text(
    """
    INSERT INTO conversation_sessions AS s (attempt_id, ordinal, token_digest, created_at)
    VALUES (:attempt_id, :ordinal, :digest, :now)
    ON CONFLICT (attempt_id, ordinal) DO UPDATE SET token_digest = excluded.token_digest
     WHERE s.opened_at IS NULL AND s.closed_at IS NULL
    RETURNING s.id
    """
)


async def expect(tx: Tx, attempt_id: int, ordinal: int, token: str, now: datetime) -> bool:
    """Expect a session: its socket may be opened once, with this token.

    When Twilio asks for the same TwiML again the row is there already; while it is unopened it takes the
    token of this answer (the one before never reached Twilio, or is the same).

    Returns:
        False when that session has been opened or closed: then nobody can open it again.
    """
    rows = await tx.execute(
        _EXPECT, {"attempt_id": attempt_id, "ordinal": ordinal, "digest": digest(token), "now": now}
    )
    return rows.first() is not None


async def open_now(tx: Tx, attempt_id: int) -> bool:
    """Whether a session of the attempt is open at this moment."""
    found = await tx.execute(
        text(
            "SELECT EXISTS (SELECT 1 FROM conversation_sessions "
            "WHERE attempt_id = :id AND opened_at IS NOT NULL AND closed_at IS NULL)"
        ),
        {"id": attempt_id},
    )
    return bool(found.scalar_one())


_CLOSE = text(
    """
    UPDATE conversation_sessions
       SET closed_at = coalesce(closed_at, :now), closed_why = coalesce(closed_why, :why),
           session_sid = coalesce(session_sid, :sid)
     WHERE attempt_id = :id AND ordinal = :ordinal
    """
)


async def close(
    tx: Tx, attempt_id: int, ordinal: int, why: str, now: datetime, session_sid: str | None = None
) -> None:
    """A session is over, by Twilio's word; what the talk wrote of its end stays."""
    await tx.execute(
        _CLOSE, {"id": attempt_id, "ordinal": ordinal, "why": why, "now": now, "sid": session_sid}
    )


ORPHANED = """a.id = s.attempt_id AND a.settled_at IS NULL AND a.state = 'answered'
    AND s.closed_at IS NULL AND s.opened_at IS NOT NULL AND s.replica IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM replicas r WHERE r.id = s.replica AND r.beat_at >= :silent_since)"""


async def close_orphans(tx: Tx, now: datetime, silent_since: datetime) -> int:
    """Close sessions of live calls whose replica is gone, so that nobody takes them for conversations.

    Returns:
        How many.
    """
    done = await tx.execute(
        text(
            f"""
            UPDATE conversation_sessions s
               SET closed_at = :now, closed_why = 'the process that held it is gone'
              FROM attempts a
             WHERE {ORPHANED}
            """  # noqa: S608 (a constant of this file)
        ),
        {"now": now, "silent_since": silent_since},
    )
    return done.rowcount


async def close_leftovers(tx: Tx, attempt_ids: Sequence[int], now: datetime) -> None:
    """Close what is still open, or was never opened, of calls that are long over."""
    if not attempt_ids:
        return
    await tx.execute(
        text(
            """
            UPDATE conversation_sessions SET closed_at = :now, closed_why = 'the call is over'
             WHERE attempt_id = ANY(:ids) AND closed_at IS NULL
            """
        ),
        {"ids": list(attempt_ids), "now": now},
    )


async def machines(tx: Tx, replica: str) -> list[tuple[int, str]]:
    """Open sessions of this replica on calls that a machine or a fax has answered: (attempt id, verdict).

    Without campaigns that talk to machines.
    """
    rows = await tx.execute(
        text(
            """
            SELECT a.id, a.answered_by
              FROM conversation_sessions s JOIN attempts a ON a.id = s.attempt_id
              LEFT JOIN campaign_versions v
                ON v.campaign_id = a.campaign_id AND v.version = a.campaign_version
             WHERE a.settled_at IS NULL AND a.state = 'answered'
               AND coalesce(a.definition, v.definition) #>> '{voicemail,policy}' IS DISTINCT FROM 'talk'
               AND (a.answered_by LIKE 'machine%' OR a.answered_by = 'fax')
               AND s.replica = :replica AND s.opened_at IS NOT NULL AND s.closed_at IS NULL
            """
        ),
        {"replica": replica},
    )
    return [(row.id, row.answered_by) for row in rows]


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around an attempt when one of its sessions is over.

    Args:
        expected: there is such a session, opened or not.
        answered: what was answered when it ended; None when nobody has asked yet.
        variables: the contact's columns; empty for a test call.
        on_dnc: as `attempts.on_dnc`.
        transfer: key of the script's target that the session ended with.
        transfers_before: hand-overs that earlier sessions of the call ended with.
    """

    expected: bool
    answered: str | None
    variables: Mapping[str, str]
    on_dnc: bool
    transfer: str | None
    transfers_before: int


_AROUND = text(
    f"""
    SELECT EXISTS (SELECT 1 FROM conversation_sessions s
                    WHERE s.attempt_id = a.id AND s.ordinal = :ordinal) AS expected,
           (SELECT r.answer FROM recoveries r
             WHERE r.attempt_id = a.id AND r.session_ordinal = :ordinal) AS answered,
           (SELECT r.target FROM recoveries r
             WHERE r.attempt_id = a.id AND r.session_ordinal = :ordinal) AS transfer,
           (SELECT count(*) FROM recoveries r WHERE r.attempt_id = a.id AND r.answer = 'transfer'
               AND r.session_ordinal < :ordinal) AS transfers_before,
           k.variables, {FORBIDDEN_SQL} AS on_dnc
      FROM attempts a LEFT JOIN contacts k ON k.id = a.contact_id
     WHERE a.id = :id
    """  # noqa: S608 (a constant)
)


async def around(tx: Tx, attempt_id: int, ordinal: int) -> Around:
    """What stands around an attempt that this transaction holds: a statement of its own after the lock, so
    that what the holder before wrote is seen."""
    row = (await tx.execute(_AROUND, {"id": attempt_id, "ordinal": ordinal})).one()
    variables = {name: str(value) for name, value in (row.variables or {}).items()}
    return Around(row.expected, row.answered, variables, row.on_dnc, row.transfer, row.transfers_before)


_RECORD_RECOVERY = text(
    """
    WITH counted AS (INSERT INTO report_queue (attempt_id, queued_at) VALUES (:attempt_id, :now))
    INSERT INTO recoveries (attempt_id, session_ordinal, session_status, error_code, why, answer, target, at)
    VALUES (:attempt_id, :ordinal, :status, :error_code, :why, :answer, :target, :now)
    ON CONFLICT (attempt_id, session_ordinal) DO NOTHING
    """
)


async def record_recovery(
    tx: Tx,
    attempt_id: int,
    ordinal: int,
    *,
    answer: str,
    why: str,
    session_status: str | None,
    error_code: int | None,
    now: datetime,
    target: str | None = None,
) -> None:
    """Keep what was answered and why; the first answer to a session's end stays.

    Args:
        target: key of the script's transfer target, of a hand-over.
    """
    await tx.execute(
        _RECORD_RECOVERY,
        {
            "attempt_id": attempt_id,
            "ordinal": ordinal,
            "status": session_status,
            "error_code": error_code,
            "why": why,
            "answer": answer,
            "target": target,
            "now": now,
        },
    )


async def why_resumed(tx: Tx, attempt_id: int, ordinal: int) -> tuple[str, str | None]:
    """Why the call went on after that session, empty when nobody asked what to do then; and the key of the
    target of the hand-over that nobody took, if there was one."""
    found = await tx.execute(
        text("SELECT why, target FROM recoveries WHERE attempt_id = :id AND session_ordinal = :ordinal"),
        {"id": attempt_id, "ordinal": ordinal},
    )
    row = found.first()
    return ("", None) if row is None else (row.why, row.target)


async def set_became(tx: Tx, attempt_id: int, ordinal: int, became: str, now: datetime) -> None:
    """Say what became of an answer."""
    await tx.execute(
        text(
            """
            WITH counted AS (INSERT INTO report_queue (attempt_id, queued_at) VALUES (:id, :now))
            UPDATE recoveries SET became = :became WHERE attempt_id = :id AND session_ordinal = :ordinal
            """
        ),
        {"id": attempt_id, "ordinal": ordinal, "became": became, "now": now},
    )
