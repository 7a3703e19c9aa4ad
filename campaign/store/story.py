"""Everything that is stored about one telephone number, for the person who asks why."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from campaign.store.claims import DueContact
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact that has the number, on one list. `imported`: False while its import is unfinished."""

    id: int
    list_name: str
    line: int | None
    imported: bool
    phone: str
    other_phones: Sequence[str]
    place: str
    said_zone: str | None
    party: str
    consent: str
    consent_at: datetime | None
    consent_source: str | None
    created_at: datetime


async def contacts_with(tx: Tx, phone: str) -> list[ContactRow]:
    """Contacts of all lists that have the number among theirs."""
    rows = await tx.execute(
        text(
            """
            SELECT k.id, l.name AS list_name, k.line,
                   k.import_id IS NULL OR i.state = 'finished' AS imported,
                   k.phone, k.other_phones, k.place, k.said_zone, k.party, k.consent, k.consent_at,
                   k.consent_source, k.created_at
              FROM contacts k
              JOIN contact_lists l ON l.id = k.list_id
              LEFT JOIN imports i ON i.id = k.import_id
             WHERE k.phone = :phone
                OR (k.other_phones <> '{}'::text[] AND k.other_phones @> ARRAY[CAST(:phone AS text)])
             ORDER BY k.id
            """
        ),
        {"phone": phone},
    )
    return [ContactRow(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A contact in a campaign, how both stand. `row`: as the dialler sees it; its `next_at` is None unless
    it waits."""

    row: DueContact
    campaign: str
    campaign_state: str
    campaign_why: str | None
    version: int
    state: str
    waiting_for: str | None
    disposition: str | None
    updated_at: datetime


_ROW = tuple(field.name for field in fields(DueContact))


async def enrolments(tx: Tx, contact_ids: Sequence[int], phone: str) -> list[Enrolment]:
    """The campaigns in which those contacts, or any with that first number, are enrolled, oldest first."""
    rows = await tx.execute(
        text(
            """
            SELECT cc.id, cc.campaign_id, cc.contact_id, cc.priority, cc.next_at, cc.due_for, cc.attempts,
                   cc.number_index, cc.decision, k.phone, k.other_phones, k.place, k.said_zone, k.state,
                   k.postal_code, k.party, k.consent, k.consent_at, k.consent_source,
                   c.name AS campaign, c.state AS campaign_state, c.state_why AS campaign_why, c.version,
                   cc.state AS standing, cc.waiting_for, cc.disposition, cc.updated_at
              FROM campaign_contacts cc
              JOIN campaigns c ON c.id = cc.campaign_id
              JOIN contacts k ON k.id = cc.contact_id
             WHERE cc.contact_id = ANY(:contacts) OR cc.phone = :phone
             ORDER BY cc.campaign_id
            """
        ),
        {"contacts": list(contact_ids), "phone": phone},
    )
    return [
        Enrolment(
            DueContact(**{name: row._mapping[name] for name in _ROW}),
            row.campaign,
            row.campaign_state,
            row.campaign_why,
            row.version,
            row.standing,
            row.waiting_for,
            row.disposition,
            row.updated_at,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class TriedRow:
    """An attempt with its outcome; the outcome's fields are None while there is none."""

    id: int
    campaign: str | None
    campaign_id: int | None
    kind: str
    phone: str
    caller_id: str
    due_for: str
    number: int
    state: str
    intent_at: datetime
    sent_at: datetime | None
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    hold_until: datetime | None
    cancel_why: str | None
    turned_away: str | None
    call_sid: str | None
    call_status: str | None
    answered_by: str | None
    error: str | None
    error_code: int | None
    disposition: str | None
    category: str | None
    seconds: int | None
    cost: Decimal | None
    summary: str | None
    summary_by: str | None
    final: bool | None
    retry_at: datetime | None


async def attempts_for(tx: Tx, phone: str, campaign_contact_ids: Sequence[int]) -> list[TriedRow]:
    """Attempts to the number, and to the other numbers of those campaign contacts, oldest first."""
    rows = await tx.execute(
        text(
            """
            SELECT a.id, c.name AS campaign, a.campaign_id, a.kind, a.phone, a.caller_id, a.due_for, a.number,
                   a.state, a.intent_at, a.sent_at, a.placed_at, a.ringing_at, a.answered_at, a.ended_at,
                   a.settled_at, a.hold_until, a.cancel_why, a.turned_away, a.call_sid, a.call_status,
                   a.answered_by, a.error, a.error_code,
                   o.disposition, o.category, o.seconds, o.cost, o.summary, o.summary_by, o.final,
                   o.retry_at
              FROM attempts a
              LEFT JOIN campaigns c ON c.id = a.campaign_id
              LEFT JOIN outcomes o ON o.attempt_id = a.id
             WHERE a.phone = :phone OR a.campaign_contact_id = ANY(:contacts)
             ORDER BY a.intent_at, a.id
            """
        ),
        {"phone": phone, "contacts": list(campaign_contact_ids)},
    )
    return [TriedRow(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened in an attempt: an event of the carrier's (`form`: as it came), a session, a
    recovery, a turn count, a wrap-up."""

    attempt_id: int
    at: datetime
    kind: str
    detail: dict[str, Any]


async def happenings(tx: Tx, attempt_ids: Sequence[int]) -> list[Happening]:
    """Events, sessions and recoveries of those attempts in the order in which they happened."""
    rows = await tx.execute(
        text(
            """
            SELECT e.attempt_id, e.received_at AS at, e.kind,
                   jsonb_strip_nulls(jsonb_build_object(
                       'form', e.payload,
                       'unhandled', CASE WHEN e.handled_at IS NULL THEN true END,
                       'error', e.error)) AS detail
              FROM call_events e WHERE e.attempt_id = ANY(:ids)
             UNION ALL
            SELECT s.attempt_id, coalesce(s.opened_at, s.created_at), 'session',
                   jsonb_strip_nulls(jsonb_build_object(
                       'ordinal', s.ordinal, 'opened', s.opened_at IS NOT NULL, 'agent', s.agent,
                       'closed_at', s.closed_at, 'closed_why', s.closed_why,
                       'first_word_ms', s.first_word_ms,
                       'turns', (SELECT count(*) FROM conversation_turns t
                                  WHERE t.attempt_id = s.attempt_id AND t.session_ordinal = s.ordinal)))
              FROM conversation_sessions s WHERE s.attempt_id = ANY(:ids)
             UNION ALL
            SELECT r.attempt_id, r.at, 'recovery',
                   jsonb_strip_nulls(jsonb_build_object(
                       'why', r.why, 'answer', r.answer, 'became', r.became, 'error_code', r.error_code))
              FROM recoveries r WHERE r.attempt_id = ANY(:ids)
             UNION ALL
            SELECT u.attempt_id, coalesce(u.finished_at, u.due_at), 'wrap_up',
                   jsonb_strip_nulls(jsonb_build_object(
                       'state', u.state, 'profile', u.profile, 'prompt_version', u.prompt_version,
                       'asked_by', u.asked_by, 'tries', u.tries, 'concluded', u.concluded,
                       'disposition', u.disposition, 'refused', u.refused, 'error', u.error,
                       'answers', (SELECT jsonb_object_agg(k, jsonb_build_object(
                                              'now', u.answers -> k,
                                              'was', (SELECT g.was FROM answers g
                                                       WHERE g.attempt_id = u.attempt_id AND g.question = k)))
                                     FROM jsonb_object_keys(u.answers) AS k)))
              FROM wrap_ups u WHERE u.attempt_id = ANY(:ids)
             ORDER BY attempt_id, at
            """
        ),
        {"ids": list(attempt_ids)},
    )
    return [Happening(row.attempt_id, row.at, row.kind, row.detail) for row in rows]
