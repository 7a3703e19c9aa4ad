"""How each attempt ended: the facts for the verdict, the outcome's row, its effect on contact and money."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from campaign.domain.disposition import Disposition
from campaign.domain.webhooks import Event
from campaign.store.attempts import COLUMNS_SQL, Attempt, from_row
from campaign.store.database import Tx, fetch_one, with_commit
from campaign.store.webhooks import OUTCOME_SQL, settles
from campaign.store.wrap_ups import SETTLED_FOR

URGENT = -1
"""The priority of contacts that are due for a retry or a callback: before every list's first attempts."""


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that is known of a settled attempt.

    Args:
        session_opened: the conversation's socket was opened at least once.
        first_word_ms: from the answer (or the session's setup) to our first words, milliseconds.
        model: a language model, not only the scripted agent, spoke.
        spoke_back: the person said something after a reply of ours, as no machine does; only looked up where
            a talk without a result meets detection's verdict that a machine answered, else True.
        voicemail_left: our message was commanded for a machine.
        recoveries_open: answers to `<Connect action>` of which nobody has said what became.
        answers: what was gathered, by question.
        heard: what the person said, in order, None where we said something whole in between; empty when the
            conversation itself concluded that they opted out, or that a machine spoke.
        contact_phones: the contact's numbers in order; empty without a contact.
        wrap_ups: requests to a model that wrote the call's record.
        contact_open: the contact still waits for this attempt: no newer attempt, nobody closed it.
        old: the outcome written before, if any.
        contact: the campaign contact, also of a call to us, which is no attempt of its budget.
        rang_back: what they concluded in a call to us after this one of ours was decided on.
    """

    attempt: Attempt
    session_opened: bool
    first_word_ms: int | None
    model: bool
    spoke_back: bool
    voicemail_left: bool
    recoveries_open: bool
    answers: Mapping[str, Any]
    heard: tuple[str | None, ...]
    contact_phones: tuple[str, ...]
    wrap_ups: int
    contact_open: bool
    old: "Outcome | None"
    contact: "ContactNow | None" = None
    rang_back: "RangBack | None" = None


@dataclass(frozen=True, slots=True)
class ContactNow:
    """A campaign contact as it stands: its state, attempts that count, and which of its numbers is next."""

    id: int
    state: str
    attempts: int
    number_index: int


@dataclass(frozen=True, slots=True)
class RangBack:
    """What a person concluded who called us; when they want to be called, if they asked for that."""

    disposition: str
    callback_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of `outcomes`.

    Args:
        cost_lines: name → amount; `cost` is their sum, None while nothing is known of it.
        final: no retry and no callback is planned.
        abandoned: a person answered and wasn't served in time.
        summary: by rule; one that a model wrote stays.
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
    summary: str = ""


_KNOWN = f"""
    SELECT {COLUMNS_SQL}, 
           CASE WHEN a.talk_disposition = 'completed' AND (a.answered_by LIKE 'machine%%'
                                                           OR a.answered_by = 'fax')
                THEN EXISTS (SELECT 1 FROM conversation_turns ours
                               JOIN conversation_turns theirs USING (attempt_id)
                              WHERE attempt_id = a.id AND ours.speaker = 'agent'
                                AND ours.latency_ms IS NOT NULL
                                AND theirs.speaker IN ('person', 'key') AND theirs.seq > ours.seq)
                ELSE true END AS spoke_back,
           s.opened AS session_opened, s.first_word AS session_word, s.model AS model,
           EXISTS (SELECT 1 FROM recoveries r
                    WHERE r.attempt_id = a.id AND r.answer = 'voicemail') AS voicemail_left,
           EXISTS (SELECT 1 FROM recoveries r
                    WHERE r.attempt_id = a.id AND r.became IS NULL) AS recoveries_open,
           (SELECT jsonb_object_agg(w.question, w.value) FROM answers w WHERE w.attempt_id = a.id) AS answers,
           CASE WHEN a.talk_disposition IN ('do_not_call', 'machine', 'fax') THEN NULL
                ELSE (SELECT array_agg(CASE WHEN t.speaker = 'person' THEN t.text END ORDER BY t.seq)
                        FROM conversation_turns t
                       WHERE t.attempt_id = a.id
                         AND (t.speaker = 'person' OR (t.speaker = 'agent' AND NOT t.interrupted)))
                END AS heard,
           (SELECT sum(u.requests) FROM wrap_ups u WHERE u.attempt_id = a.id) AS wrap_ups,
           k.phone AS first_phone, k.other_phones,
           cc.id AS cc_id, cc.state AS contact_state, cc.disposition AS contact_disposition,
           cc.attempts AS contact_attempts, cc.number_index AS contact_number_index,
           back.disposition AS back_disposition, back.callback_at AS back_callback_at,
           EXISTS (SELECT 1 FROM attempts n
                    WHERE n.campaign_contact_id = a.campaign_contact_id AND n.id > a.id) AS superseded,
           o.disposition AS old_disposition, o.category AS old_category, o.cost AS old_cost,
           o.final AS old_final, o.retry_at AS old_retry_at, o.seconds AS old_seconds,
           o.abandoned AS old_abandoned
      FROM attempts a
      LEFT JOIN campaign_contacts cc ON cc.id = coalesce(a.campaign_contact_id, (
            SELECT i.id FROM campaign_contacts i
             WHERE a.kind = 'inbound' AND i.contact_id = a.contact_id AND i.campaign_id = a.campaign_id))
      LEFT JOIN LATERAL (
            SELECT p.disposition, i.callback_at FROM attempts i JOIN outcomes p ON p.attempt_id = i.id
             WHERE a.kind = 'campaign' AND i.kind = 'inbound' AND i.phone = a.phone
               AND i.campaign_id = a.campaign_id AND i.intent_at >= a.intent_at
             ORDER BY i.intent_at DESC LIMIT 1) AS back ON true
      LEFT JOIN contacts k ON k.id = a.contact_id
      LEFT JOIN outcomes o ON o.attempt_id = a.id
      LEFT JOIN LATERAL (
            SELECT count(c.opened_at) > 0 AS opened, (array_agg(c.first_word_ms ORDER BY c.ordinal)
                        FILTER (WHERE c.first_word_ms IS NOT NULL))[1] AS first_word,
                   bool_or(c.agent IS NOT NULL AND c.agent <> 'scripted') AS model
              FROM conversation_sessions c WHERE c.attempt_id = a.id) AS s ON true
     WHERE a.id = %(id)s
       FOR UPDATE OF a
"""  # noqa: S608 (constants)


async def known(tx: Tx, attempt_id: int) -> Known | None:
    """Lock the attempt and gather what is known of it; None when there is no such attempt."""
    row = await fetch_one(tx, _KNOWN, {"id": attempt_id})
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
        session_opened=bool(row["session_opened"]),
        first_word_ms=attempt.first_word_ms if attempt.first_word_ms is not None else row["session_word"],
        model=bool(row["model"]),
        spoke_back=row["spoke_back"],
        voicemail_left=row["voicemail_left"],
        recoveries_open=row["recoveries_open"],
        answers=row["answers"] or {},
        heard=tuple(row["heard"] or ()),
        contact_phones=phones,
        wrap_ups=int(row["wrap_ups"] or 0),
        contact_open=attempt.campaign_contact_id is not None and untouched and not row["superseded"],
        old=old,
        contact=None
        if row["cc_id"] is None
        else ContactNow(
            row["cc_id"], row["contact_state"], row["contact_attempts"], row["contact_number_index"]
        ),
        rang_back=None
        if row["back_disposition"] is None
        else RangBack(row["back_disposition"], row["back_callback_at"]),
    )


_RANG_BACK = text(
    """
    UPDATE campaign_contacts
       SET state = CASE WHEN CAST(:next_at AS timestamptz) IS NULL THEN 'done' ELSE 'waiting' END,
           next_at = :next_at, due_for = coalesce(CAST(:due_for AS text), due_for),
           priority = CASE WHEN CAST(:next_at AS timestamptz) IS NULL THEN priority ELSE :urgent END,
           disposition = :disposition, waiting_for = :why, updated_at = :now
     WHERE id = :id AND (state = 'waiting' OR (state = 'done' AND CAST(:next_at AS timestamptz) IS NOT NULL))
    """
)


async def rang_back(tx: Tx, contact_id: int, disposition: str, step: "Release", now: datetime) -> None:
    """What a call to us means for a campaign contact that waits: it is done, or due when they asked for.

    Its attempts stay as they are. One that is being called at this moment is left to that attempt's end,
    which sees what was concluded here.
    """
    await tx.execute(
        _RANG_BACK,
        {
            "id": contact_id,
            "next_at": step.next_at,
            "due_for": step.due_for,
            "disposition": disposition,
            "why": step.why,
            "urgent": URGENT,
            "now": now,
        },
    )


@dataclass(frozen=True, slots=True)
class Release:
    """What becomes of the contact: due again at an instant, or done.

    Args:
        attempts: the contact's attempts so far that count.
        next_at: not before; None: done.
        number_index: which of its numbers, from 0; None: as it is.
        due_for: first, retry or callback; None: as it is.
        why: why it is done, for people.
    """

    attempts: int
    next_at: datetime | None = None
    number_index: int | None = None
    due_for: str | None = None
    why: str | None = None


async def opted_out(tx: Tx, attempt_id: int) -> None:
    """What a conversation came to, seen only when it was over: the person had asked not to be called."""
    await tx.execute(
        text("UPDATE attempts SET talk_disposition = :code WHERE id = :id"),
        {"id": attempt_id, "code": Disposition.DO_NOT_CALL.value},
    )


_WRITE = text(
    f"""
    WITH {OUTCOME_SQL}, contact AS (
        UPDATE campaign_contacts
           SET state = CASE WHEN CAST(:next_at AS timestamptz) IS NULL THEN 'done' ELSE 'waiting' END,
               next_at = :next_at,
               due_for = coalesce(CAST(:due_for AS text), due_for),
               priority = CASE WHEN CAST(:due_for AS text) IN ('retry', 'callback') THEN :urgent
                               ELSE priority END,
               number_index = coalesce(CAST(:number_index AS smallint), number_index),
               attempts = :attempts, disposition = :disposition, waiting_for = :why, updated_at = :now
         WHERE :release AND id = :campaign_contact_id
    ), freed AS (
        UPDATE attempts SET reserved = 0 WHERE id = :attempt_id AND reserved <> 0
    ), counted AS (
        INSERT INTO report_queue (attempt_id, queued_at)
        SELECT :attempt_id, :now WHERE CAST(:campaign_id AS bigint) IS NOT NULL
    ), due AS (
        INSERT INTO wrap_ups (attempt_id, ordinal, profile, asked_by, asked_at, due_at)
        SELECT :attempt_id, 1, :wrap_up, 'system:outcome', :now, :wrap_up_at
         WHERE CAST(:wrap_up AS text) IS NOT NULL
        ON CONFLICT DO NOTHING
    )
    INSERT INTO outcomes AS o (attempt_id, campaign_id, campaign_contact_id, disposition, category,
           answered_by, seconds, first_word_ms, data, cost, cost_lines, final, retry_at, abandoned,
           summary, summary_by, recorded_at)
    VALUES (:attempt_id, :campaign_id, :campaign_contact_id, :disposition, :category, :answered_by,
            :seconds, :first_word_ms, CAST(:data AS jsonb), :cost, CAST(:cost_lines AS jsonb),
            :final, :retry_at, :abandoned, CAST(:summary AS text),
            CASE WHEN CAST(:summary AS text) = '' THEN '' ELSE 'rule' END, :now)
    ON CONFLICT (attempt_id) DO UPDATE
       SET disposition = excluded.disposition, category = excluded.category,
           answered_by = excluded.answered_by, seconds = excluded.seconds,
           first_word_ms = excluded.first_word_ms, data = excluded.data, cost = excluded.cost,
           cost_lines = excluded.cost_lines, final = excluded.final, retry_at = excluded.retry_at,
           abandoned = excluded.abandoned,
           summary = CASE WHEN o.summary_by IN ('', 'rule') THEN excluded.summary ELSE o.summary END,
           summary_by = CASE WHEN o.summary_by IN ('', 'rule') THEN excluded.summary_by ELSE o.summary_by END
    """  # noqa: S608 (a constant)
)


_MONEY = """
    INSERT INTO campaign_spend AS s (campaign_id, day, reserved, spent)
    VALUES (%(campaign_id)s, %(day)s, 0, %(spent)s)
    ON CONFLICT (campaign_id, day) DO UPDATE
       SET reserved = s.reserved - %(reserved)s, spent = s.spent + excluded.spent
"""


async def write(
    tx: Tx,
    known: Known,
    outcome: Outcome,
    release: Release | None,
    now: datetime,
    *,
    wrap_up: str | None = None,
    event: Event | None = None,
    rate: float = 1.0,
) -> None:
    """Write the attempt's one outcome or refine it, give its contact back, leave word for reports and
    webhooks: one statement. And settle its money with the commit: all calls of a campaign that end at once
    want that row. A summary that the wrap-up wrote stays.

    Args:
        known: of the same attempt, read in this transaction: what it was reserved and cost before.
        release: what becomes of the contact; None: that is decided already, or there is none.
        wrap_up: the model profile that is to write the call's record, once; None: none is.
        event: what webhooks are told; None: it is no news to them.
        rate: clock seconds per real second.
    """
    attempt = known.attempt
    before = known.old.cost if known.old is not None else None
    given = {name: getattr(outcome, name) for name in _PLAIN}
    step = release or Release(0)
    await tx.execute(
        _WRITE,
        {
            **given,
            "data": json.dumps(dict(outcome.data)),
            "cost_lines": json.dumps(dict(outcome.cost_lines)),
            "release": release is not None,
            "next_at": step.next_at,
            "number_index": step.number_index,
            "due_for": step.due_for,
            "attempts": step.attempts,
            "why": step.why,
            "urgent": URGENT,
            "wrap_up": wrap_up,
            "wrap_up_at": now + SETTLED_FOR,
            "type": None if event is None else event.value,
            "settles": settles(rate),
            "now": now,
        },
    )
    spent = (outcome.cost or Decimal(0)) - (before or Decimal(0))
    if attempt.campaign_id is not None and (attempt.reserved or spent):
        with_commit(
            tx,
            _MONEY,
            {
                "campaign_id": attempt.campaign_id,
                "day": attempt.intent_at.astimezone(UTC).date(),
                "reserved": attempt.reserved,
                "spent": spent,
            },
        )


_PLAIN = tuple(field.name for field in fields(Outcome) if field.name not in ("data", "cost_lines"))


_SETTLE_RECOVERIES = text(
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
)


async def settle_recoveries(tx: Tx, attempt_id: int) -> None:
    """The call is over: say what became of each answer to `<Connect action>` of which nothing was heard."""
    await tx.execute(_SETTLE_RECOVERIES, {"id": attempt_id})
