"""All that is stored about one telephone number and the person behind it: to be shown, or to be erased.

The person is the number together with every contact that has it among its numbers. What is erased leaves
rows behind where totals and histories need them, under a number that nobody has: country code 999 is not
given to anybody (ITU-T E.164), so no such number can ever be dialled, and each stands for one row only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from campaign.domain.phone import mask
from campaign.store.database import Tx

ERASED: Final = "erased on request"
_CONTACT, _ATTEMPT, _ENROLMENT, _DECISION = ("+9991", "+9992", "+9993", "+9994")


def _nobody(prefix: str, key: str) -> str:
    return f"'{prefix}' || lpad(CAST({key} AS text), 11, '0')"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose data it is.

    Attributes:
        number: E.164, the one that was asked about.
        numbers: it and all other numbers of its contacts.
        contacts, enrolments, attempts: ids.
        open_attempts: of those, not settled, or settled after the instant that was asked about.
    """

    number: str
    numbers: tuple[str, ...]
    contacts: tuple[int, ...]
    enrolments: tuple[int, ...]
    attempts: tuple[int, ...]
    open_attempts: tuple[int, ...]

    @property
    def known(self) -> bool:
        """Whether anything hangs on the number besides do-not-call entries."""
        return bool(self.contacts or self.enrolments or self.attempts)


async def find(tx: Tx, number: str, settled_before: datetime) -> Person:
    """Who has the number, and what hangs on them.

    Args:
        settled_before: attempts settled later count as open: their last words may still be on their way.
    """
    found = await tx.execute(
        text(
            """
            SELECT k.id, ARRAY[k.phone] || k.other_phones AS numbers FROM contacts k
             WHERE k.phone = :number
                OR (k.other_phones <> '{}'::text[] AND k.other_phones @> ARRAY[CAST(:number AS text)])
             ORDER BY k.id
            """
        ),
        {"number": number},
    )
    contacts = [(row.id, row.numbers) for row in found]
    ids = [contact_id for contact_id, _ in contacts]
    numbers = sorted({number}.union(*(numbers for _, numbers in contacts)))
    enrolled = await tx.execute(
        text("SELECT id FROM campaign_contacts WHERE contact_id = ANY(:ids) OR phone = :number ORDER BY id"),
        {"ids": ids, "number": number},
    )
    enrolments = tuple(enrolled.scalars())
    tried = await tx.execute(
        text(
            """
            SELECT id, settled_at IS NULL OR settled_at > :before AS open FROM attempts
             WHERE phone = :number OR campaign_contact_id = ANY(:enrolments) ORDER BY id
            """
        ),
        {"number": number, "enrolments": list(enrolments), "before": settled_before},
    )
    attempts = [(row.id, row.open) for row in tried]
    return Person(
        number,
        tuple(numbers),
        tuple(ids),
        enrolments,
        tuple(attempt_id for attempt_id, _ in attempts),
        tuple(attempt_id for attempt_id, is_open in attempts if is_open),
    )


# ── erased ─────────────────────────────────────────────────────────────────────────────────────────────

_OF_ATTEMPTS: Final[Mapping[str, str]] = {
    "turns": "DELETE FROM conversation_turns WHERE attempt_id = ANY(:attempts)",
    "answers": "DELETE FROM answers WHERE attempt_id = ANY(:attempts)",
    "webhooks": "DELETE FROM call_events WHERE attempt_id = ANY(:attempts)",
    "recordings": """
        UPDATE recordings
           SET delete_at = coalesce(delete_at, :now), delete_why = 'erasure', next_try_at = :now
         WHERE attempt_id = ANY(:attempts) AND deleted_at IS NULL""",
    "sessions": "UPDATE conversation_sessions SET session_sid = NULL WHERE attempt_id = ANY(:attempts)",
    "wrap_ups": "DELETE FROM wrap_ups WHERE attempt_id = ANY(:attempts)",
    "outcomes": "UPDATE outcomes SET data = '{}', summary = '', summary_by = '' "
    "WHERE attempt_id = ANY(:attempts)",
    "attempts": f"""
        UPDATE attempts
           SET phone = {_nobody(_ATTEMPT, "id")}, marker = 'erased-' || id, call_sid = NULL,
               recording_sid = NULL, error = NULL, definition = NULL, callback_at = NULL, check_at = NULL,
               cancel_why = split_part(cancel_why, ':', 1)
         WHERE id = ANY(:attempts)""",  # noqa: S608 (constants of this file)
}
_OF_CONTACTS: Final[Mapping[str, str]] = {
    "decisions": "DELETE FROM decisions WHERE campaign_contact_id = ANY(:enrolments) OR phone = ANY(:only)",
    "enrolments": f"""
        UPDATE campaign_contacts
           SET phone = {_nobody(_ENROLMENT, "id")}, decision = NULL, next_at = NULL,
               state = CASE WHEN state = 'done' THEN state ELSE 'blocked' END,
               waiting_for = CASE WHEN state = 'done' THEN waiting_for ELSE 'contact.erased' END,
               updated_at = :now
         WHERE id = ANY(:enrolments)""",  # noqa: S608 (constants of this file)
    "contacts_removed": """
        DELETE FROM contacts k WHERE k.id = ANY(:contacts)
           AND NOT EXISTS (SELECT 1 FROM campaign_contacts cc WHERE cc.contact_id = k.id)
           AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.id = ANY(:attempts) AND a.contact_id = k.id)""",
    "contacts": f"""
        UPDATE contacts
           SET phone = {_nobody(_CONTACT, "id")}, other_phones = '{{}}', place = '||', said_zone = NULL,
               state = NULL, postal_code = NULL, external_id = NULL, party = 'unknown', consent = 'none',
               consent_at = NULL, consent_source = NULL, variables = '{{}}', updated_at = :now
         WHERE id = ANY(:contacts)""",  # noqa: S608 (constants of this file)
}
_OF_NUMBERS: Final[Mapping[str, str]] = {
    "entries": f"""
        UPDATE dnc_entries e SET reason = '{ERASED}', quote = NULL
          FROM dnc_lists l
         WHERE l.id = e.list_id AND l.kind <> 'registry' AND e.phone = ANY(:numbers)
           AND (e.reason <> '{ERASED}' OR e.quote IS NOT NULL)""",  # noqa: S608 (constants of this file)
    "revocations": "DELETE FROM consent_revocations WHERE phone = ANY(:numbers)",
    "lookups": "DELETE FROM number_lookups WHERE phone = ANY(:numbers)",
    "deliveries": "DELETE FROM webhook_deliveries WHERE phone = ANY(:numbers)",
}


async def erase(tx: Tx, person: Person, now: datetime) -> dict[str, int]:
    """Remove or empty everything that is known of a person. The caller holds the do-not-call lock, has put
    the numbers on the own list, and has seen that no attempt is open.

    Returns:
        name → rows that it touched.
    """
    given = {
        "contacts": list(person.contacts),
        "enrolments": list(person.enrolments),
        "attempts": list(person.attempts),
        "numbers": list(person.numbers),
        "only": [person.number],
        "now": now,
    }
    done: dict[str, int] = {}
    for name, statement in {**_OF_ATTEMPTS, **_OF_CONTACTS, **_OF_NUMBERS}.items():
        used = {key: value for key, value in given.items() if f":{key}" in statement}
        done[name] = (await tx.execute(text(statement), used)).rowcount
    for number in person.numbers:
        for name, rows in (await _erase_elsewhere(tx, number)).items():
            done[name] = done.get(name, 0) + rows
    return done


async def _erase_elsewhere(tx: Tx, number: str) -> dict[str, int]:
    """Where the number stands as text: rows that files rejected, webhooks of no attempt, the audit trail.

    Rejected cells hold it as people write it, so its last nine digits are compared with a cell's digits.
    """
    digits = number.removeprefix("+")
    masked = mask(number)
    statements = {
        "rejected_rows": (
            f"""
            UPDATE rejected_rows
               SET cells = array_fill(''::text, ARRAY[cardinality(cells)]), reason = '{ERASED}'
             WHERE EXISTS (SELECT 1 FROM unnest(cells) AS c (cell)
                            WHERE regexp_replace(c.cell, '\\D', '', 'g') LIKE :tail)
            """,  # noqa: S608 (constants of this file)
            {"tail": f"%{digits[-9:]}%"},
        ),
        "registry_rejects": (
            "DELETE FROM registry_rejects WHERE regexp_replace(raw, '\\D', '', 'g') LIKE :tail",
            {"tail": f"%{digits[-9:]}%"},
        ),
        "webhooks": (
            "DELETE FROM call_events WHERE attempt_id IS NULL AND payload::text LIKE :some",
            {"some": f"%{digits}%"},
        ),
        "audit": (
            """
            UPDATE audit_log
               SET subject = replace(replace(subject, :number, :masked), :digits, :masked),
                   detail = CAST(replace(replace(CAST(
                       CASE WHEN subject = 'phone:' || :number THEN detail - 'quote' - 'entry' - 'reason'
                            ELSE detail END AS text), :number, :masked), :digits, :masked) AS jsonb)
             WHERE subject = 'phone:' || :number OR detail::text LIKE :some OR subject LIKE :some
            """,
            {"number": number, "digits": digits, "masked": masked, "some": f"%{digits}%"},
        ),
        "campaign_log": (
            "UPDATE campaign_log SET why = replace(replace(why, :number, :masked), :digits, :masked) "
            "WHERE why LIKE :some",
            {"number": number, "digits": digits, "masked": masked, "some": f"%{digits}%"},
        ),
    }
    done = {}
    for name, (statement, given) in statements.items():
        done[name] = (await tx.execute(text(statement), given)).rowcount
    return done


async def at_twilio(tx: Tx, person: Person) -> list[str]:
    """Sids of the person's calls: what Twilio keeps of them is erased there, by hand."""
    rows = await tx.execute(
        text("SELECT call_sid FROM attempts WHERE id = ANY(:attempts) AND call_sid IS NOT NULL ORDER BY id"),
        {"attempts": list(person.attempts)},
    )
    return list(rows.scalars())


async def files_of(tx: Tx, person: Person) -> list[dict[str, Any]]:
    """The imported files that hold the person: id, name, and where an upload that wasn't read yet lies."""
    return await _rows(
        tx,
        """
        SELECT i.id, i.file_name, i.stored_path, i.started_at, i.actor FROM imports i
         WHERE i.id IN (SELECT import_id FROM contacts WHERE id = ANY(:contacts)) ORDER BY i.id
        """,
        contacts=list(person.contacts),
    )


# ── shown ──────────────────────────────────────────────────────────────────────────────────────────────

_PARTS: Final[Mapping[str, str]] = {
    "contacts": """
        SELECT k.id, l.name AS list, k.line, k.external_id, k.phone, k.other_phones, k.place, k.said_zone,
               k.state, k.postal_code, k.party, k.consent, k.consent_at, k.consent_source, k.variables,
               k.created_at, k.updated_at
          FROM contacts k JOIN contact_lists l ON l.id = k.list_id
         WHERE k.id = ANY(:contacts) ORDER BY k.id""",
    "campaigns": """
        SELECT cc.id, c.name AS campaign, cc.phone, cc.state, cc.next_at, cc.due_for, cc.attempts,
               cc.disposition, cc.waiting_for, cc.updated_at
          FROM campaign_contacts cc JOIN campaigns c ON c.id = cc.campaign_id
         WHERE cc.id = ANY(:enrolments) ORDER BY cc.id""",
    "decisions": """
        SELECT d.campaign_contact_id, d.phone, d.decided_at, d.reasons FROM decisions d
         WHERE d.campaign_contact_id = ANY(:enrolments) ORDER BY d.id""",
    "attempts": """
        SELECT a.id, c.name AS campaign, a.kind, a.phone, a.caller_id, a.due_for, a.number, a.intent_at,
               a.placed_at, a.ringing_at, a.answered_at, a.ended_at, a.settled_at, a.call_sid, a.call_status,
               a.answered_by, a.duration_s, a.price, a.price_unit, a.callback_at, a.turned_away,
               a.recording_sid, o.disposition, o.category, o.seconds, o.data AS answers, o.summary,
               o.summary_by, o.final, o.retry_at
          FROM attempts a
          LEFT JOIN campaigns c ON c.id = a.campaign_id
          LEFT JOIN outcomes o ON o.attempt_id = a.id
         WHERE a.id = ANY(:attempts) ORDER BY a.id""",
    "turns": """
        SELECT attempt_id, seq, speaker, text, interrupted, at FROM conversation_turns
         WHERE attempt_id = ANY(:attempts) ORDER BY attempt_id, seq""",
    "answers": """
        SELECT attempt_id, question, value, at, made_by, was FROM answers
         WHERE attempt_id = ANY(:attempts) ORDER BY attempt_id, question""",
    "wrap_ups": """
        SELECT attempt_id, ordinal, state, profile, asked_by, asked_at, finished_at, concluded, disposition,
               summary, answers, refused, error
          FROM wrap_ups WHERE attempt_id = ANY(:attempts) ORDER BY attempt_id, ordinal""",
    "webhooks": """
        SELECT attempt_id, kind, received_at, payload FROM call_events
         WHERE attempt_id = ANY(:attempts) ORDER BY id""",
    "do_not_call": """
        SELECT e.phone, l.name AS list, l.kind, e.reason, e.source, e.quote, e.actor, e.added_at
          FROM dnc_entries e JOIN dnc_lists l ON l.id = e.list_id
         WHERE e.phone = ANY(:numbers) ORDER BY e.phone, l.name""",
    "lookups": """
        SELECT phone, what, about, answer, detail, asked_at, source FROM number_lookups
         WHERE phone = ANY(:numbers) ORDER BY phone, asked_at, id""",
    "consent_revoked": """
        SELECT phone, at, quote, source, new_consent, recorded_at FROM consent_revocations
         WHERE phone = ANY(:numbers) ORDER BY phone""",
    "audit": """
        SELECT at, actor, action, subject, detail FROM audit_log
         WHERE subject = ANY(:subjects) ORDER BY id""",
}


async def everything(tx: Tx, person: Person) -> dict[str, list[dict[str, Any]]]:
    """Part → rows, each a plain mapping of columns."""
    given: Mapping[str, Sequence[object]] = {
        "contacts": list(person.contacts),
        "enrolments": list(person.enrolments),
        "attempts": list(person.attempts),
        "numbers": list(person.numbers),
        "subjects": [
            *(f"phone:{number}" for number in person.numbers),
            *(f"contact:{contact_id}" for contact_id in person.contacts),
        ],
    }
    found = {}
    for name, statement in _PARTS.items():
        used = {key: value for key, value in given.items() if f":{key}" in statement}
        found[name] = await _rows(tx, statement, **used)
    found["imports"] = await files_of(tx, person)
    return found


async def _rows(tx: Tx, statement: str, **given: object) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in await tx.execute(text(statement), given)]
