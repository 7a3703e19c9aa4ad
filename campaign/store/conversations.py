"""What happens inside conversation sessions: opened once, turns as heard, answers, how they ended.

The doors' side of sessions (expected, closed by Twilio's word) is store/sessions.py. Turns are written in
batches for many conversations at once; writing one again amends it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text

from campaign.domain.disposition import Disposition, replaces
from campaign.store.database import Tx, with_commit
from campaign.store.sessions import digest


@dataclass(frozen=True, slots=True)
class Opened:
    """A session whose token was used just now."""

    attempt_id: int
    ordinal: int
    place: str | None
    """The contact's place key (`countries|regions|zones`); None for a test call."""
    said_zone: str | None


@dataclass(frozen=True, slots=True)
class TurnRow:
    """One turn of a call; `at` aware, `text` redacted and without NUL."""

    attempt_id: int
    seq: int
    session_ordinal: int
    speaker: str
    text: str
    interrupted: bool
    latency_ms: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A typed answer; `value` is text, a number or a boolean."""

    attempt_id: int
    question: str
    value: object
    at: datetime


@dataclass(slots=True)
class TalkNews:
    """What a conversation learnt about its call and its session; None: nothing new."""

    attempt_id: int
    ordinal: int
    agent: str | None = None
    session_sid: str | None = None
    disclosed: bool | None = None
    first_word_ms: int | None = None
    first_word_at: datetime | None = None
    disposition: str | None = None
    callback_at: datetime | None = None
    closed_at: datetime | None = None
    closed_why: str | None = None


async def open_once(tx: Tx, token: str, replica: str, now: datetime) -> Opened | None:
    """Use a session's token: whoever comes second, or too late, gets None.

    Args:
        token: from the socket's path.
        replica: of this process.
    """
    found = await tx.execute(
        text(
            """
            UPDATE conversation_sessions s
               SET opened_at = :now, replica = :replica
              FROM attempts a LEFT JOIN contacts k ON k.id = a.contact_id
             WHERE a.id = s.attempt_id AND s.token_digest = :digest
               AND s.opened_at IS NULL AND s.closed_at IS NULL AND a.settled_at IS NULL
            RETURNING s.attempt_id, s.ordinal, k.place, k.said_zone
            """
        ),
        {"digest": digest(token), "replica": replica, "now": now},
    )
    row = found.first()
    return Opened(row.attempt_id, row.ordinal, row.place, row.said_zone) if row else None


async def turns(tx: Tx, attempt_id: int) -> list[TurnRow]:
    """The call's transcript so far, in order."""
    rows = await tx.execute(
        text(
            """
            SELECT attempt_id, seq, session_ordinal, speaker, text, interrupted, latency_ms, at
              FROM conversation_turns WHERE attempt_id = :id ORDER BY seq
            """
        ),
        {"id": attempt_id},
    )
    return [TurnRow(**row._mapping) for row in rows]


async def answers(tx: Tx, attempt_id: int) -> dict[str, object]:
    """The call's answers so far, by question key."""
    rows = await tx.execute(
        text("SELECT question, value FROM answers WHERE attempt_id = :id"), {"id": attempt_id}
    )
    return {row.question: row.value for row in rows}


_HOLD = text(
    """
    SELECT id, settled_at IS NOT NULL AS settled FROM attempts
     WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE
    """
)


async def hold(tx: Tx, attempt_ids: Iterable[int]) -> list[int]:
    """Lock attempts before anything of theirs is written, in the order of their ids.

    Whoever handles a webhook holds the attempt first and then changes its sessions; in any other order the
    two would wait for each other.

    Returns:
        Those among them that are settled: their outcome may know less than what is written now. Whoever
        settles another one of them later will read it.
    """
    held = await tx.execute(_HOLD, {"ids": sorted(attempt_ids)})
    return [row.id for row in held if row.settled]


_WRITE_TURNS = """
    INSERT INTO conversation_turns AS t
           (attempt_id, seq, session_ordinal, speaker, text, interrupted, latency_ms, at)
    SELECT u.attempt_id, u.seq, u.ordinal, u.speaker, u.said, u.interrupted, u.latency_ms, u.at
      FROM unnest(CAST(%(attempt_ids)s AS bigint[]), CAST(%(seqs)s AS integer[]),
                  CAST(%(ordinals)s AS smallint[]), CAST(%(speakers)s AS text[]), CAST(%(texts)s AS text[]),
                  CAST(%(interrupted)s AS boolean[]), CAST(%(latencies)s AS integer[]),
                  CAST(%(ats)s AS timestamptz[]))
           AS u (attempt_id, seq, ordinal, speaker, said, interrupted, latency_ms, at)
      JOIN attempts a ON a.id = u.attempt_id
    ON CONFLICT (attempt_id, seq) DO UPDATE
       SET text = excluded.text, interrupted = excluded.interrupted,
           latency_ms = coalesce(excluded.latency_ms, t.latency_ms)
"""


def write_turns(tx: Tx, rows: Sequence[TurnRow]) -> None:
    """Write turns of any calls with the commit, or write them again; those of calls that are gone are left
    out."""
    if not rows:
        return
    with_commit(
        tx,
        _WRITE_TURNS,
        {
            "attempt_ids": [row.attempt_id for row in rows],
            "seqs": [row.seq for row in rows],
            "ordinals": [row.session_ordinal for row in rows],
            "speakers": [row.speaker for row in rows],
            "texts": [row.text for row in rows],
            "interrupted": [row.interrupted for row in rows],
            "latencies": [row.latency_ms for row in rows],
            "ats": [row.at for row in rows],
        },
    )


_WRITE_ANSWERS = text(
    """
    INSERT INTO answers (attempt_id, question, value, at)
    SELECT u.attempt_id, u.question, CAST(u.value AS jsonb), u.at
      FROM unnest(CAST(:attempt_ids AS bigint[]), CAST(:questions AS text[]),
                  CAST(:values AS text[]), CAST(:ats AS timestamptz[]))
           AS u (attempt_id, question, value, at)
      JOIN attempts a ON a.id = u.attempt_id
    ON CONFLICT (attempt_id, question) DO UPDATE
       SET value = excluded.value, at = excluded.at, made_by = 'talk', was = NULL
    """
)


async def write_answers(tx: Tx, rows: Sequence[AnswerRow]) -> None:
    """Write answers; a later one to the same question replaces the earlier."""
    if not rows:
        return
    await tx.execute(
        _WRITE_ANSWERS,
        {
            "attempt_ids": [row.attempt_id for row in rows],
            "questions": [row.question for row in rows],
            "values": [msgspec.json.encode(row.value).decode() for row in rows],
            "ats": [row.at for row in rows],
        },
    )


_WRITE_SESSION_NEWS = text(
    """
    UPDATE conversation_sessions
       SET agent = coalesce(:agent, agent), session_sid = coalesce(session_sid, :sid),
           disclosed = disclosed OR coalesce(CAST(:disclosed AS boolean), false),
           first_word_ms = coalesce(first_word_ms, :first_word_ms),
           closed_at = coalesce(closed_at, :closed_at), closed_why = coalesce(closed_why, :why)
     WHERE attempt_id = :id AND ordinal = :ordinal
    """
)
_WRITE_CALL_NEWS = text(
    """
    UPDATE attempts
       SET talk_disposition = CASE WHEN talk_disposition <> ALL (CAST(:yielding AS text[]))
                                   THEN talk_disposition
                                   ELSE coalesce(:disposition, talk_disposition) END,
           callback_at = coalesce(:callback_at, callback_at),
           first_word_ms = coalesce(first_word_ms, greatest(0, round(1000 * extract(
               epoch FROM CAST(:first_word_at AS timestamptz) - answered_at)))::integer)
     WHERE id = :id
    """
)


_YIELDING: Mapping[str, Sequence[str]] = {
    new.value: [old.value for old in Disposition if replaces(new, old)] for new in Disposition
}
"""By conclusion, those that it takes the place of."""


async def write_news(tx: Tx, news: TalkNews) -> None:
    """Write what a conversation learnt. A conclusion that says less than the one that stands doesn't replace
    it, in whatever order sessions are written; the first word of a call is its first session's."""
    await tx.execute(
        _WRITE_SESSION_NEWS,
        {
            "id": news.attempt_id,
            "ordinal": news.ordinal,
            "agent": news.agent,
            "sid": news.session_sid,
            "disclosed": news.disclosed,
            "first_word_ms": news.first_word_ms,
            "closed_at": news.closed_at,
            "why": news.closed_why,
        },
    )
    if news.disposition is None and news.callback_at is None and news.first_word_at is None:
        return
    await tx.execute(
        _WRITE_CALL_NEWS,
        {
            "id": news.attempt_id,
            "disposition": news.disposition,
            "yielding": _YIELDING.get(news.disposition or "", []),
            "callback_at": news.callback_at,
            "first_word_at": news.first_word_at,
        },
    )


async def put_through(tx: Tx, attempt_id: int) -> None:
    """A human took the call over: that is what the conversation came to, unless it had come to more."""
    await tx.execute(
        text(
            "UPDATE attempts SET talk_disposition = :transferred WHERE id = :id "
            "AND (talk_disposition IS NULL OR talk_disposition = ANY(CAST(:yielding AS text[])))"
        ),
        {
            "id": attempt_id,
            "transferred": Disposition.TRANSFERRED.value,
            "yielding": list(_YIELDING[Disposition.TRANSFERRED.value]),
        },
    )
