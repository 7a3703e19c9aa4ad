"""Which attempts somebody must do something about: the sweep's SQL.

Each claim is one statement that pushes `check_at` (or `cancel_at`) on before anything is asked, so that two
replicas never ask the same question, and no lock is held over I/O. All of it reads unsettled attempts, or
those that wait for a price, by their partial indexes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import text

from campaign.domain.attempt import AttemptState
from campaign.store import models
from campaign.store.attempts import (
    COLUMNS_SQL,
    FIRST_LOOK,
    FORBIDDEN_SQL,
    HANGS_UP,
    HOLD,
    SILENCE,
    Attempt,
    from_row,
)
from campaign.store.database import Tx

SECOND_LOOK = timedelta(seconds=20)
"""From the first look-up of an unknown result to the second."""
AGAIN = timedelta(seconds=40)
"""How often Twilio is asked about what stays unsettled: with a scheduler's lease that changes hands (10 s) on
top, and the questions before it in the queue, what Twilio knows is in our row within a minute."""


LOST = """a.settled_at IS NULL AND a.state = 'placing'
    AND (coalesce(a.lease_until, a.slot_at + interval '60 s') <= :now
         OR EXISTS (SELECT 1 FROM replicas r WHERE r.id = a.replica AND r.beat_at < :silent_since))"""


async def lose(tx: Tx, now: datetime, silent_since: datetime) -> Sequence[int]:
    """Attempts that were being placed by a replica that is gone, or whose lease is over, become unknown.

    Nobody can say whether their POST went out, so their numbers are held and Twilio is asked.

    Args:
        silent_since: replicas whose last heartbeat is older are gone.
    Returns:
        The attempts' ids.
    """
    rows = await tx.execute(
        text(
            f"""
            UPDATE attempts a
               SET state = 'unknown', hold_until = :hold, check_at = :first, checks = 0, lease_until = NULL,
                   error = coalesce(error, 'the replica that placed it did not say what became of it')
             WHERE {LOST}
            RETURNING a.id
            """  # noqa: S608 (a constant of this file)
        ),
        {"now": now, "hold": now + HOLD, "first": now + FIRST_LOOK, "silent_since": silent_since},
    )
    return rows.scalars().all()


_TALKING = """
    EXISTS (SELECT 1 FROM conversation_sessions s JOIN replicas r ON r.id = s.replica
             WHERE s.attempt_id = a.id AND s.opened_at IS NOT NULL AND s.closed_at IS NULL
               AND r.beat_at >= :silent_since)"""
UNKNOWN = "a.settled_at IS NULL AND a.state = 'unknown' AND coalesce(a.check_at, :now) <= :now"
SILENT = f"""a.settled_at IS NULL AND a.state IN ('placed', 'ringing', 'answered')
    AND a.call_sid IS NOT NULL AND coalesce(a.check_at, a.slot_at + interval '30 s') <= :now
    AND NOT {_TALKING}"""
UNPRICED = "a.settled_at IS NOT NULL AND a.check_at <= :now AND a.call_sid IS NOT NULL"


class Due(NamedTuple):
    """Whether there is anything that `claim_unknown`, `claim_silent` and `claim_unpriced` would find."""

    unknown: bool
    silent: bool
    unpriced: bool


async def due(tx: Tx, now: datetime, silent_since: datetime) -> Due:
    """What Twilio is to be asked about: mostly nothing, and one statement tells."""
    found = await tx.execute(
        text(
            f"""
            SELECT EXISTS (SELECT FROM attempts a WHERE {UNKNOWN}) AS unknown,
                   EXISTS (SELECT FROM attempts a WHERE {SILENT}) AS silent,
                   EXISTS (SELECT FROM attempts a WHERE {UNPRICED}) AS unpriced
            """  # noqa: S608 (constants of this file)
        ),
        {"now": now, "silent_since": silent_since},
    )
    return Due(*found.one())


async def claim_unknown(tx: Tx, now: datetime, most: int) -> list[Attempt]:
    """Attempts with an unknown result whose time to be looked up has come: after 10 and 30 s, then every
    40 s, and when the hold ends."""
    return await _claim(
        tx,
        UNKNOWN,
        "check_at = CASE WHEN a.hold_until > :now THEN least(a.hold_until, :now + {0}) ELSE :now + {0} END, "
        "checks = least(a.checks + 1, 1000)".format("CASE a.checks WHEN 0 THEN :soon ELSE :often END"),
        {"now": now, "most": most, "soon": SECOND_LOOK, "often": AGAIN},
    )


async def claim_silent(tx: Tx, now: datetime, most: int, silent_since: datetime) -> list[Attempt]:
    """Calls of which nothing has been heard for a while, without those that are in conversation."""
    return await _claim(
        tx,
        SILENT,
        "check_at = :now + CASE WHEN a.state = 'answered' THEN :often ELSE :silence END, "
        "checks = least(a.checks + 1, 1000)",
        {"now": now, "most": most, "silent_since": silent_since, "often": AGAIN, "silence": SILENCE},
    )


TO_END = """a.settled_at IS NULL AND a.cancel_at <= :now AND a.call_sid IS NOT NULL
    AND (a.state IN ('placed', 'ringing') OR split_part(a.cancel_why, ':', 1) = ANY(:hangs_up))"""


async def claim_cancels(tx: Tx, now: datetime, most: int) -> list[Attempt]:
    """Calls that must end now: cancelled while nobody has answered, hung up for one of HANGS_UP."""
    return await _claim(
        tx,
        TO_END,
        "cancel_at = :now + interval '2 s'",
        {"now": now, "most": most, "hangs_up": list(HANGS_UP)},
    )


async def claim_unpriced(tx: Tx, now: datetime, most: int) -> list[Attempt]:
    """Settled calls without a price: asked after 2 and 10 minutes, 1, 6 and 24 hours, then no more."""
    return await _claim(
        tx,
        UNPRICED,
        "check_at = a.settled_at + CASE a.checks WHEN 0 THEN interval '10 min' WHEN 1 THEN interval '1 h' "
        "WHEN 2 THEN interval '6 h' WHEN 3 THEN interval '24 h' END, checks = least(a.checks + 1, 1000)",
        {"now": now, "most": most},
    )


async def _claim(tx: Tx, which: str, change: str, given: Mapping[str, object]) -> list[Attempt]:
    rows = await tx.execute(
        text(
            f"""
            UPDATE attempts a SET {change}
             WHERE a.id IN (SELECT a.id FROM attempts a WHERE {which}
                             ORDER BY a.check_at NULLS FIRST LIMIT :most FOR UPDATE SKIP LOCKED)
            RETURNING {COLUMNS_SQL}
            """  # noqa: S608 (constants of this file)
        ),
        given,
    )
    return [from_row(row) for row in rows.mappings()]


async def priced(tx: Tx, attempt_id: int) -> None:
    """The price is known or never will be: ask no more."""
    row = models.attempts.c
    await tx.execute(
        sa.update(models.attempts)
        .where(row.id == attempt_id, row.settled_at.is_not(None))
        .values(check_at=None)
    )


FORBIDDEN_BY_NOW = f"""a.settled_at IS NULL AND a.cancel_at IS NULL
    AND a.state IN ('placing', 'unknown', 'placed', 'ringing')
    AND (a.window_closes_at <= :now
         OR EXISTS (SELECT 1 FROM attempts i WHERE i.phone = a.phone
                       AND i.settled_at IS NULL AND i.kind = 'inbound')
         OR EXISTS (SELECT 1 FROM installation i WHERE i.dialling_stopped_at IS NOT NULL)
         OR EXISTS (SELECT 1 FROM campaigns c
                     WHERE c.id = a.campaign_id AND c.state <> 'running')
         OR {FORBIDDEN_SQL})"""  # noqa: S608 (a constant)


async def mark_cancels(tx: Tx, now: datetime) -> int:
    """Mark what may no longer be dialled although Twilio has it: queued, ringing, or not known yet.

    A closed window, a campaign that no longer runs, a switch that stops all dialling, a number put on a
    do-not-call list, a person who is calling us meanwhile. Never a call that a person has answered. Every
    replica does this, so rows that another one is marking, or that a webhook is about, are left to the next
    time.

    Returns:
        How many were marked.
    """
    done = await tx.execute(
        text(
            f"""
            UPDATE attempts a
               SET cancel_at = :now,
                   cancel_why = CASE
                       WHEN {FORBIDDEN_SQL} THEN 'do_not_call'
                       WHEN a.window_closes_at <= :now THEN 'window'
                       WHEN EXISTS (SELECT 1 FROM attempts i WHERE i.phone = a.phone
                                       AND i.settled_at IS NULL AND i.kind = 'inbound') THEN 'they_called'
                       ELSE 'stopped' END
             WHERE a.id IN (
                   SELECT a.id FROM attempts a WHERE {FORBIDDEN_BY_NOW} FOR UPDATE OF a SKIP LOCKED)
            """  # noqa: S608 (constants of this file)
        ),
        {"now": now},
    )
    return done.rowcount


async def known_sids(tx: Tx, call_sids: Sequence[str]) -> set[str]:
    """Those calls that are bound to an attempt already."""
    rows = await tx.execute(
        sa.select(models.attempts.c.call_sid).where(models.attempts.c.call_sid.in_(call_sids))
    )
    return {sid for sid in rows.scalars() if sid is not None}


async def hurry(
    tx: Tx, campaign_id: int | None, now: datetime, silent_since: datetime
) -> dict[int, AttemptState]:
    """Have Twilio asked now about all that is unsettled, without calls that are in conversation.

    Args:
        campaign_id: of one campaign; None: of all.
    Returns:
        The attempts' ids and states.
    """
    rows = await tx.execute(
        text(
            f"""
            UPDATE attempts a SET check_at = :now
             WHERE a.settled_at IS NULL AND (CAST(:campaign AS bigint) IS NULL OR a.campaign_id = :campaign)
               AND (a.state = 'unknown' OR a.state IN ('placed', 'ringing', 'answered')
                                           AND a.call_sid IS NOT NULL AND NOT {_TALKING})
            RETURNING a.id, a.state
            """  # noqa: S608 (constants of this file)
        ),
        {"campaign": campaign_id, "now": now, "silent_since": silent_since},
    )
    return {row.id: AttemptState(row.state) for row in rows}


async def not_asked_yet(tx: Tx, attempt_ids: Collection[int], now: datetime) -> int:
    """How many of those that were hurried at an instant wait to be asked about still."""
    found = await tx.execute(
        text(
            "SELECT count(*) FROM attempts WHERE id = ANY(:ids) AND settled_at IS NULL AND check_at <= :now"
        ),
        {"ids": list(attempt_ids), "now": now},
    )
    return int(found.scalar_one())


@dataclass(frozen=True, slots=True)
class Standing:
    """How an attempt stands, for an operator.

    Args:
        since: when its intent was written.
        held_until: until when its number is held, of an unknown one.
        why: why its result is unknown.
    """

    attempt_id: int
    campaign: str | None
    phone: str
    state: AttemptState
    since: datetime
    held_until: datetime | None
    why: str | None


async def standing(tx: Tx, attempt_ids: Collection[int]) -> list[Standing]:
    """How attempts stand now, oldest first."""
    rows = await tx.execute(
        text(
            """
            SELECT a.id AS attempt_id, c.name AS campaign, a.phone, a.state, a.intent_at AS since,
                   a.hold_until AS held_until, a.error AS why
              FROM attempts a LEFT JOIN campaigns c ON c.id = a.campaign_id
             WHERE a.id = ANY(:ids) ORDER BY a.id
            """
        ),
        {"ids": list(attempt_ids)},
    )
    return [Standing(**{**row._mapping, "state": AttemptState(row.state)}) for row in rows]
