"""Calls to us: which campaign they belong to, their record, and what was said before."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from campaign.store.attempts import SILENCE
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class Behind:
    """The campaign that a call to us belongs to, in its version in force.

    Args:
        contact_id: of the caller; None: a stranger.
        last_call_at: when we called them last; None: never.
    """

    campaign_id: int
    version: int
    contact_id: int | None
    last_call_at: datetime | None


_CALLED = text(
    """
    SELECT a.campaign_id, c.version, a.contact_id, a.intent_at
      FROM attempts a JOIN campaigns c ON c.id = a.campaign_id
     WHERE a.phone = :caller AND a.caller_id = :called AND a.kind = 'campaign' AND a.intent_at > :since
       AND a.state <> 'not_placed' AND c.state <> 'failed'
     ORDER BY a.intent_at DESC LIMIT 1
    """
)
_USING = text(
    """
    SELECT c.id AS campaign_id, c.version, CAST(NULL AS bigint) AS contact_id,
           CAST(NULL AS timestamptz) AS intent_at
      FROM campaigns c JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version
     WHERE v.definition -> 'caller_ids'
           @> jsonb_build_array(jsonb_build_object('number', CAST(:called AS text)))
     ORDER BY c.started_at DESC NULLS LAST, c.id DESC LIMIT 1
    """
)


async def behind(tx: Tx, caller: str | None, called: str, since: datetime) -> Behind | None:
    """The campaign that called this number last from that caller id; else the one that uses the caller id.

    Args:
        caller: E.164; None: withheld.
        called: our number.
        since: calls before it are forgotten.
    """
    row = None
    if caller is not None:
        row = (await tx.execute(_CALLED, {"caller": caller, "called": called, "since": since})).first()
    row = row or (await tx.execute(_USING, {"called": called})).first()
    return None if row is None else Behind(row.campaign_id, row.version, row.contact_id, row.intent_at)


_WRITE = text(
    """
    INSERT INTO attempts (marker, kind, campaign_id, campaign_version, contact_id, phone, caller_id, state,
                          intent_at, slot_at, answered_at, replica, call_sid, call_status, check_at)
    VALUES (:marker, 'inbound', :campaign_id, :version, :contact_id, :caller, :called, 'answered',
            :now, :now, :now, :replica, :call_sid, 'in-progress', :check_at)
    ON CONFLICT (call_sid) DO NOTHING
    """
)


async def write(
    tx: Tx,
    *,
    marker: str,
    call_sid: str,
    caller: str,
    called: str,
    behind: Behind | None,
    replica: str,
    now: datetime,
) -> None:
    """Keep a call to us as an attempt of kind `inbound`; the same call again changes nothing.

    It counts as answered at once: our answer to this request is what answers it. It names no campaign
    contact, so that nothing which counts dials or budgets sees it (docs/decisions/0016).
    """
    await tx.execute(
        _WRITE,
        {
            "marker": marker,
            "campaign_id": behind and behind.campaign_id,
            "version": behind and behind.version,
            "contact_id": behind and behind.contact_id,
            "caller": caller,
            "called": called,
            "replica": replica,
            "call_sid": call_sid,
            "now": now,
            "check_at": now + SILENCE,
        },
    )


@dataclass(frozen=True, slots=True)
class EarlierCall:
    """A call before: ours, or one of theirs."""

    attempt_id: int
    at: datetime
    disposition: str | None


async def earlier(tx: Tx, attempt_id: int, most: int = 3) -> list[EarlierCall]:
    """The last calls with the same person in the same campaign, newest first."""
    rows = await tx.execute(
        text(
            """
            SELECT e.id, e.intent_at, o.disposition
              FROM attempts a JOIN attempts e ON e.phone = a.phone AND e.campaign_id = a.campaign_id
              LEFT JOIN outcomes o ON o.attempt_id = e.id
             WHERE a.id = :id AND e.id < a.id AND e.state <> 'not_placed'
             ORDER BY e.intent_at DESC LIMIT :most
            """
        ),
        {"id": attempt_id, "most": most},
    )
    return [EarlierCall(row.id, row.intent_at, row.disposition) for row in rows]


async def said(tx: Tx, attempt_ids: list[int], most: int = 12) -> dict[int, list[tuple[str, str]]]:
    """Attempt → its last turns as (speaker, text), in order."""
    rows = await tx.execute(
        text(
            """
            SELECT attempt_id, speaker, text FROM (
                SELECT t.*, row_number() OVER (PARTITION BY attempt_id ORDER BY seq DESC) AS n
                  FROM conversation_turns t WHERE attempt_id = ANY(:ids) AND speaker IN ('agent', 'person')) t
             WHERE n <= :most ORDER BY attempt_id, seq
            """
        ),
        {"ids": attempt_ids, "most": most},
    )
    found: dict[int, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row.attempt_id, []).append((row.speaker, row.text))
    return found


async def answered(tx: Tx, attempt_ids: list[int]) -> dict[str, Any]:
    """Answers given in those calls by question, later ones winning."""
    rows = await tx.execute(
        text("SELECT question, value FROM answers WHERE attempt_id = ANY(:ids) ORDER BY at"),
        {"ids": attempt_ids},
    )
    return {row.question: row.value for row in rows}


async def concluded(tx: Tx, attempt_id: int, disposition: str) -> None:
    """What a call without a conversation came to."""
    await tx.execute(
        text("UPDATE attempts SET talk_disposition = :code WHERE id = :id"),
        {"id": attempt_id, "code": disposition},
    )
