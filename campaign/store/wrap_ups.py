"""The queue of calls whose record a model is to write, and the history of what it wrote."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from campaign.domain.disposition import Disposition
from campaign.store.database import Tx

SETTLED_FOR = timedelta(seconds=5)
"""A call's last turns may be written so long after its outcome; then it is due."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A wrap-up that one process holds until its lease runs out.

    Args:
        tries: how often it has been claimed, this time included.
    """

    id: int
    attempt_id: int
    profile: str
    tries: int


CLAIMABLE = "state = 'due' AND due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)"
_CLAIM = text(
    f"""
    UPDATE wrap_ups w
       SET lease_until = :lease_until, tries = w.tries + 1, requests = w.requests + 1
     WHERE w.id = (SELECT id FROM wrap_ups WHERE {CLAIMABLE}
                    ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING w.id, w.attempt_id, w.profile, w.tries
    """  # noqa: S608 (a constant of this file)
)


async def claim(tx: Tx, now: datetime, lease_until: datetime) -> Claimed | None:
    """Take the next one that is due; None: there is none. Its first request to the model is counted now, so
    that one which a killed process had sent is paid for too."""
    row = (await tx.execute(_CLAIM, {"now": now, "lease_until": lease_until})).first()
    return None if row is None else Claimed(**row._mapping)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the person of an attempt may be; as in `contacts`."""

    place: str | None
    said_zone: str | None


async def whereabouts(tx: Tx, attempt_id: int) -> Whereabouts:
    """Where the person of an attempt may be; nowhere known for a test call."""
    found = await tx.execute(
        text(
            "SELECT k.place, k.said_zone FROM attempts a LEFT JOIN contacts k ON k.id = a.contact_id "
            "WHERE a.id = :id"
        ),
        {"id": attempt_id},
    )
    row = found.first()
    return Whereabouts(row.place, row.said_zone) if row else Whereabouts(None, None)


async def held(tx: Tx, claimed: Claimed) -> bool:
    """Lock it and say whether it is still ours: due, and claimed by nobody else since."""
    found = await tx.execute(
        text("SELECT state = 'due' AND tries = :tries FROM wrap_ups WHERE id = :id FOR UPDATE"),
        {"id": claimed.id, "tries": claimed.tries},
    )
    return bool(found.scalar())


async def concluded(tx: Tx, attempt_id: int, now_stands: str | None) -> str | None:
    """What the conversation itself concluded, where the present conclusion is an earlier wrap-up's."""
    found = await tx.execute(
        text(
            """
            SELECT concluded FROM wrap_ups
             WHERE attempt_id = :id AND state = 'done' AND disposition = :stands ORDER BY ordinal LIMIT 1
            """
        ),
        {"id": attempt_id, "stands": now_stands},
    )
    before: str | None = found.scalar()
    return before or now_stands


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a wrap-up; see the table."""

    prompt_version: int
    concluded: str | None
    disposition: str | None
    summary: str
    answers: Mapping[str, Any]
    refused: Sequence[str]
    mended: bool


async def done(tx: Tx, claimed: Claimed, result: Result, now: datetime) -> None:
    """Keep what it found, as history."""
    await tx.execute(
        text(
            """
            UPDATE wrap_ups
               SET state = 'done', finished_at = :now, lease_until = NULL, error = NULL,
                   requests = requests + :more, prompt_version = :version, concluded = :concluded,
                   disposition = :disposition, summary = :summary, answers = CAST(:answers AS jsonb),
                   refused = CAST(:refused AS jsonb)
             WHERE id = :id
            """
        ),
        {
            "id": claimed.id,
            "now": now,
            "more": int(result.mended),
            "version": result.prompt_version,
            "concluded": result.concluded,
            "disposition": result.disposition,
            "summary": result.summary,
            "answers": json.dumps(dict(result.answers)),
            "refused": json.dumps(list(result.refused)),
        },
    )


async def failed(
    tx: Tx, claimed: Claimed, why: str, now: datetime, again_at: datetime | None, *, more: int = 0
) -> None:
    """It did not work: due again later, or given up.

    Args:
        again_at: None: given up; the summary by rule stays.
        more: requests beyond the first.
    """
    await tx.execute(
        text(
            """
            UPDATE wrap_ups
               SET error = :why, lease_until = NULL, requests = requests + :more,
                   state = CASE WHEN CAST(:again_at AS timestamptz) IS NULL THEN 'failed' ELSE 'due' END,
                   due_at = coalesce(:again_at, due_at),
                   finished_at = CASE WHEN CAST(:again_at AS timestamptz) IS NULL
                                      THEN CAST(:now AS timestamptz) END
             WHERE id = :id
            """
        ),
        {"id": claimed.id, "why": why[:500], "now": now, "again_at": again_at, "more": more},
    )


async def correct(tx: Tx, attempt_id: int, found: Mapping[str, Any], profile: str, now: datetime) -> None:
    """Add answers that were missed, and correct others; what the talk had gathered stays beside."""
    for question, value in found.items():
        await tx.execute(
            text(
                """
                INSERT INTO answers AS g (attempt_id, question, value, at, made_by)
                VALUES (:id, :question, CAST(:value AS jsonb), :now, :profile)
                ON CONFLICT (attempt_id, question) DO UPDATE
                   SET value = excluded.value, at = excluded.at, made_by = excluded.made_by,
                       was = CASE WHEN g.made_by = 'talk' THEN g.value ELSE g.was END
                 WHERE g.value IS DISTINCT FROM excluded.value
                """
            ),
            {
                "id": attempt_id,
                "question": question,
                "value": json.dumps(value),
                "now": now,
                "profile": profile,
            },
        )


async def write_summary(tx: Tx, attempt_id: int, summary: str, profile: str) -> None:
    """The outcome's summary, in the place of the one by rule."""
    await tx.execute(
        text("UPDATE outcomes SET summary = :summary, summary_by = :profile WHERE attempt_id = :id"),
        {"id": attempt_id, "summary": summary, "profile": profile},
    )


async def conclude(tx: Tx, attempt_id: int, disposition: str | None) -> None:
    """What the talk counts as having concluded; an opt-out is never undone."""
    await tx.execute(
        text(
            "UPDATE attempts SET talk_disposition = :code "
            "WHERE id = :id AND talk_disposition IS DISTINCT FROM :opted_out"
        ),
        {"id": attempt_id, "code": disposition, "opted_out": Disposition.DO_NOT_CALL.value},
    )


_ASK = text(
    """
    INSERT INTO wrap_ups (attempt_id, ordinal, profile, asked_by, asked_at, due_at)
    SELECT a.id, coalesce((SELECT max(u.ordinal) FROM wrap_ups u WHERE u.attempt_id = a.id), 0) + 1,
           :profile, :actor, :now, :now
      FROM attempts a JOIN outcomes o ON o.attempt_id = a.id
     WHERE a.campaign_id = :campaign_id AND a.settled_at IS NOT NULL
       AND EXISTS (SELECT 1 FROM conversation_turns t
                    WHERE t.attempt_id = a.id AND t.speaker IN ('person', 'key'))
       AND NOT EXISTS (SELECT 1 FROM wrap_ups u WHERE u.attempt_id = a.id
                          AND (u.state = 'due' OR (u.state = 'done' AND NOT :again)))
    ON CONFLICT (attempt_id, ordinal) DO NOTHING
    """
)


async def ask(tx: Tx, campaign_id: int, profile: str, *, again: bool, actor: str, now: datetime) -> int:
    """Make the talks of a campaign due; those that wait already are left.

    Args:
        again: also those of which a record was written.

    Returns:
        how many are due now because of it.
    """
    given = {"campaign_id": campaign_id, "profile": profile, "again": again, "actor": actor, "now": now}
    return (await tx.execute(_ASK, given)).rowcount


@dataclass(frozen=True, slots=True)
class Standing:
    """How many of a campaign's wrap-ups are in each state."""

    due: int
    done: int
    failed: int


async def standing(tx: Tx, campaign_id: int) -> Standing:
    """How far the wrap-ups of a campaign are; each call counts by its latest."""
    found = await tx.execute(
        text(
            """
            SELECT count(*) FILTER (WHERE state = 'due') AS due,
                   count(*) FILTER (WHERE state = 'done') AS done,
                   count(*) FILTER (WHERE state = 'failed') AS failed
              FROM (SELECT DISTINCT ON (u.attempt_id) u.state
                      FROM wrap_ups u JOIN attempts a ON a.id = u.attempt_id
                     WHERE a.campaign_id = :campaign_id ORDER BY u.attempt_id, u.ordinal DESC) AS latest
            """
        ),
        {"campaign_id": campaign_id},
    )
    return Standing(**found.one()._mapping)
