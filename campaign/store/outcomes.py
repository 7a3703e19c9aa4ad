"""How each attempt ended: the facts for the verdict, the outcome's row, its effect on contact and money."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from campaign.store.attempts import COLUMNS_SQL, Attempt, from_row
from campaign.store.database import Tx

URGENT = -1
"""The priority of contacts that are due for a retry or a callback: before every list's first attempts."""


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that is known of a settled attempt.

    Args:
        definition: the campaign definition that it was made with, as stored JSON; None for lost ones.
        session_opened: the conversation's socket was opened at least once.
        first_word_ms: from the answer (or the session's setup) to our first words, milliseconds.
        model: a language model, not only the scripted agent, spoke.
        voicemail_left: our message was commanded for a machine.
        answers: what was gathered, by question.
        contact_phones: the contact's numbers in order; empty without a contact.
        contact_open: the contact still waits for this attempt: no newer attempt, nobody closed it.
        old: the outcome written before, if any.
    """

    attempt: Attempt
    definition: Mapping[str, Any] | None
    session_opened: bool
    first_word_ms: int | None
    model: bool
    voicemail_left: bool
    answers: Mapping[str, Any]
    contact_phones: tuple[str, ...]
    contact_open: bool
    old: "Outcome | None"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of `outcomes`.

    Args:
        cost_lines: name → amount; `cost` is their sum, None while nothing is known of it.
        final: no retry and no callback is planned.
        abandoned: a person answered and wasn't served in time.
    """

    attempt_id: int
    campaign_id: int | None
    campaign_contact_id: int | None
    disposition: str
    category: str
    answered_by: str | None
    seconds: int
    first_word_ms: int | None
    data: Mapping[str, Any]
    cost: Decimal | None
    cost_lines: Mapping[str, str]
    final: bool
    retry_at: datetime | None
    abandoned: bool


_KNOWN = text(
    f"""
    SELECT {COLUMNS_SQL}, 
           coalesce(a.definition, v.definition) AS made_with,
           s.opened AS session_opened, s.first_word AS session_word, s.model AS model,
           EXISTS (SELECT 1 FROM recoveries r
                    WHERE r.attempt_id = a.id AND r.answer = 'voicemail') AS voicemail_left,
           (SELECT jsonb_object_agg(w.question, w.value) FROM answers w WHERE w.attempt_id = a.id) AS answers,
           k.phone AS first_phone, k.other_phones,
           cc.state AS contact_state, cc.disposition AS contact_disposition,
           EXISTS (SELECT 1 FROM attempts n
                    WHERE n.campaign_contact_id = a.campaign_contact_id AND n.id > a.id) AS superseded,
           o.disposition AS old_disposition, o.category AS old_category, o.cost AS old_cost,
           o.final AS old_final, o.retry_at AS old_retry_at, o.seconds AS old_seconds,
           o.abandoned AS old_abandoned
      FROM attempts a
      LEFT JOIN campaign_versions v ON v.campaign_id = a.campaign_id AND v.version = a.campaign_version
      LEFT JOIN campaign_contacts cc ON cc.id = a.campaign_contact_id
      LEFT JOIN contacts k ON k.id = a.contact_id
      LEFT JOIN outcomes o ON o.attempt_id = a.id
      LEFT JOIN LATERAL (
            SELECT count(c.opened_at) > 0 AS opened, (array_agg(c.first_word_ms ORDER BY c.ordinal)
                        FILTER (WHERE c.first_word_ms IS NOT NULL))[1] AS first_word,
                   bool_or(c.agent IS NOT NULL AND c.agent <> 'scripted') AS model
              FROM conversation_sessions c WHERE c.attempt_id = a.id) AS s ON true
     WHERE a.id = :id
       FOR UPDATE OF a
    """  # noqa: S608 (constants)
)


async def known(tx: Tx, attempt_id: int) -> Known | None:
    """Lock the attempt and gather what is known of it; None when there is no such attempt."""
    row = (await tx.execute(_KNOWN, {"id": attempt_id})).mappings().first()
    if row is None:
        return None
    attempt = from_row(row)
    old = None
    if row["old_disposition"] is not None:
        old = Outcome(
            attempt_id,
            attempt.campaign_id,
            attempt.campaign_contact_id,
            row["old_disposition"],
            row["old_category"],
            None,
            row["old_seconds"],
            None,
            {},
            row["old_cost"],
            {},
            row["old_final"],
            row["old_retry_at"],
            row["old_abandoned"],
        )
    phones = () if row["first_phone"] is None else (row["first_phone"], *row["other_phones"])
    untouched = row["contact_state"] == "calling" or (
        old is not None and row["contact_disposition"] == old.disposition
    )
    return Known(
        attempt=attempt,
        definition=row["made_with"],
        session_opened=bool(row["session_opened"]),
        first_word_ms=attempt.first_word_ms if attempt.first_word_ms is not None else row["session_word"],
        model=bool(row["model"]),
        voicemail_left=row["voicemail_left"],
        answers=row["answers"] or {},
        contact_phones=phones,
        contact_open=attempt.campaign_contact_id is not None and untouched and not row["superseded"],
        old=old,
    )


async def write(tx: Tx, outcome: Outcome, now: datetime) -> None:
    """Write the attempt's one outcome, or refine it; a summary that the wrap-up wrote stays."""
    await tx.execute(
        text(
            """
            INSERT INTO outcomes AS o (attempt_id, campaign_id, campaign_contact_id, disposition, category,
                   answered_by, seconds, first_word_ms, data, cost, cost_lines, final, retry_at, abandoned,
                   recorded_at)
            VALUES (:attempt_id, :campaign_id, :campaign_contact_id, :disposition, :category, :answered_by,
                    :seconds, :first_word_ms, CAST(:data AS jsonb), :cost, CAST(:cost_lines AS jsonb),
                    :final, :retry_at, :abandoned, :now)
            ON CONFLICT (attempt_id) DO UPDATE
               SET disposition = excluded.disposition, category = excluded.category,
                   answered_by = excluded.answered_by, seconds = excluded.seconds,
                   first_word_ms = excluded.first_word_ms, data = excluded.data, cost = excluded.cost,
                   cost_lines = excluded.cost_lines, final = excluded.final, retry_at = excluded.retry_at,
                   abandoned = excluded.abandoned
            """
        ),
        {
            "attempt_id": outcome.attempt_id,
            "campaign_id": outcome.campaign_id,
            "campaign_contact_id": outcome.campaign_contact_id,
            "disposition": outcome.disposition,
            "category": outcome.category,
            "answered_by": outcome.answered_by,
            "seconds": outcome.seconds,
            "first_word_ms": outcome.first_word_ms,
            "data": json.dumps(dict(outcome.data)),
            "cost": outcome.cost,
            "cost_lines": json.dumps(dict(outcome.cost_lines)),
            "final": outcome.final,
            "retry_at": outcome.retry_at,
            "abandoned": outcome.abandoned,
            "now": now,
        },
    )


async def release(
    tx: Tx,
    campaign_contact_id: int,
    *,
    disposition: str,
    attempts: int,
    retry: tuple[datetime, int, str] | None,
    why: str | None,
    now: datetime,
) -> None:
    """Give the contact back: due again at an instant, or done.

    Args:
        attempts: the contact's attempts so far that count.
        retry: (not before, which of its numbers from 0, due for what); None: done.
        why: why it is done, for people.
    """
    at, index, due_for = retry if retry is not None else (None, None, None)
    await tx.execute(
        text(
            """
            UPDATE campaign_contacts
               SET state = CASE WHEN CAST(:at AS timestamptz) IS NULL THEN 'done' ELSE 'waiting' END,
                   next_at = :at,
                   due_for = coalesce(CAST(:due_for AS text), due_for),
                   priority = CASE WHEN CAST(:due_for AS text) IN ('retry', 'callback') THEN :urgent
                                   ELSE priority END,
                   number_index = coalesce(CAST(:index AS smallint), number_index),
                   attempts = :attempts, disposition = :disposition, waiting_for = :why, updated_at = :now
             WHERE id = :id
            """
        ),
        {
            "id": campaign_contact_id,
            "at": at,
            "index": index,
            "due_for": due_for,
            "attempts": attempts,
            "disposition": disposition,
            "why": why,
            "urgent": URGENT,
            "now": now,
        },
    )


async def settle_money(tx: Tx, attempt: Attempt, spent: Decimal) -> None:
    """Let go of what was reserved for the attempt and add to what is spent.

    Args:
        spent: by how much the attempt's cost has grown since it was last settled (it may shrink).
    """
    if attempt.campaign_id is None or (not attempt.reserved and not spent):
        return
    await tx.execute(
        text(
            """
            WITH freed AS (UPDATE attempts SET reserved = 0 WHERE id = :id)
            INSERT INTO campaign_spend AS s (campaign_id, day, reserved, spent)
            VALUES (:campaign_id, :day, 0, :spent)
            ON CONFLICT (campaign_id, day) DO UPDATE
               SET reserved = s.reserved - :reserved, spent = s.spent + :spent
            """
        ),
        {
            "id": attempt.id,
            "campaign_id": attempt.campaign_id,
            "day": attempt.intent_at.astimezone(UTC).date(),
            "reserved": attempt.reserved,
            "spent": spent,
        },
    )


async def settle_recoveries(tx: Tx, attempt_id: int) -> None:
    """The call is over: say what became of each answer to `<Connect action>` of which nothing was heard."""
    await tx.execute(
        text(
            """
            UPDATE recoveries r
               SET became = CASE r.answer
                   WHEN 'resume' THEN CASE WHEN EXISTS (
                            SELECT 1 FROM conversation_sessions s WHERE s.attempt_id = r.attempt_id
                               AND s.ordinal = r.session_ordinal + 1 AND s.opened_at IS NOT NULL)
                        THEN 'the conversation went on' ELSE 'the call ended before it went on' END
                   WHEN 'transfer' THEN 'the call ended; nothing was heard of the transfer'
                   WHEN 'voicemail' THEN 'the message was played'
                   WHEN 'goodbye' THEN 'said goodbye'
                   ELSE 'the call ended' END
             WHERE r.attempt_id = :id AND r.became IS NULL
            """
        ),
        {"id": attempt_id},
    )


async def close_sessions(tx: Tx, attempt_id: int, why: str, now: datetime) -> None:
    """Close what sessions of the attempt are still open, or never were opened."""
    await tx.execute(
        text(
            "UPDATE conversation_sessions SET closed_at = :now, closed_why = :why "
            "WHERE attempt_id = :id AND closed_at IS NULL"
        ),
        {"id": attempt_id, "why": why, "now": now},
    )
