"""What is older than its retention is removed, in windows that walk each table by its key.

A window is a bounded look at the next rows, oldest first, of which those that are due go; so a pass over a
large table costs a little of many ticks and no index of its own. Removing twice removes nothing more.
Unsettled attempts and whatever hangs on them stay, and nothing here knows the do-not-call lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from campaign.store.database import Tx

WINDOW: Final = 1000
"""Rows that one window looks at."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one look did.

    Attributes:
        through: the key up to which was looked; None: there was nothing more.
        removed: rows that are gone, or were emptied.
        old: rows of the window that are old enough: with none, all later ones are younger.
    """

    through: int | None
    removed: int
    old: int


@dataclass(frozen=True, slots=True)
class _Removal:
    """Statements of one kind. `walk`: the next rows as (id, at); each of `works` removes what hangs on those
    of them that are older than `:before`, and returns a row for each; `due`: how many rows wait for that."""

    walk: str
    works: tuple[str, ...]
    due: str


_ATTEMPTS = "SELECT id, settled_at AS at FROM attempts WHERE id > :after ORDER BY id LIMIT :size"
_DECISION_IS_OVER = """
    d.decided_at < :before AND NOT EXISTS (SELECT 1 FROM campaign_contacts cc
                 WHERE cc.id = d.campaign_contact_id AND cc.state IN ('waiting', 'calling'))"""
_CONTACT_IS_OVER = """
    greatest(k.updated_at, k.consent_at, k.created_at) < :before
    AND NOT EXISTS (SELECT 1 FROM imports i WHERE i.id = k.import_id AND i.state = 'running')
    AND NOT EXISTS (SELECT 1 FROM campaign_contacts cc
                     WHERE cc.contact_id = k.id
                       AND (cc.state IN ('waiting', 'calling')
                            OR EXISTS (SELECT 1 FROM attempts a WHERE a.campaign_contact_id = cc.id)))"""
_REMOVALS: Final[Mapping[str, _Removal]] = {
    "transcripts": _Removal(
        _ATTEMPTS,
        (
            "DELETE FROM conversation_turns t USING w WHERE t.attempt_id = w.id AND w.at < :before "
            "RETURNING 1",
        ),
        "SELECT count(*) FROM conversation_turns t JOIN attempts a ON a.id = t.attempt_id "
        "WHERE a.settled_at < :before",
    ),
    "answers": _Removal(
        _ATTEMPTS,
        (
            "DELETE FROM answers t USING w WHERE t.attempt_id = w.id AND w.at < :before RETURNING 1",
            "DELETE FROM wrap_ups u USING w WHERE u.attempt_id = w.id AND w.at < :before RETURNING 1",
            "UPDATE outcomes o SET data = '{}', summary = '', summary_by = '' FROM w "
            "WHERE o.attempt_id = w.id AND w.at < :before AND (o.data <> '{}' OR o.summary <> '') "
            "RETURNING 1",
        ),
        "SELECT count(*) FROM outcomes o JOIN attempts a ON a.id = o.attempt_id "
        "WHERE a.settled_at < :before AND (o.data <> '{}' OR o.summary <> '')",
    ),
    "webhooks": _Removal(
        "SELECT id, received_at AS at FROM call_events WHERE id > :after ORDER BY id LIMIT :size",
        (
            "DELETE FROM call_events e USING w WHERE e.id = w.id AND w.at < :before "
            "AND e.handled_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM attempts a "
            "WHERE a.id = e.attempt_id AND a.settled_at IS NULL) RETURNING 1",
        ),
        "SELECT count(*) FROM call_events e LEFT JOIN attempts a ON a.id = e.attempt_id "
        "WHERE e.received_at < :before AND e.handled_at IS NOT NULL "
        "AND (a.id IS NULL OR a.settled_at IS NOT NULL)",
    ),
    "recordings": _Removal(
        _ATTEMPTS,
        (
            "UPDATE recordings r SET delete_at = CAST(:before AS timestamptz), delete_why = 'retention' "
            "FROM w WHERE r.attempt_id = w.id AND w.at < :before AND r.delete_at IS NULL RETURNING 1",
        ),
        "SELECT count(*) FROM recordings r JOIN attempts a ON a.id = r.attempt_id "
        "WHERE a.settled_at < :before AND r.delete_at IS NULL",
    ),
    "call_records": _Removal(
        _ATTEMPTS,
        ("DELETE FROM attempts a USING w WHERE a.id = w.id AND w.at < :before RETURNING 1",),
        "SELECT count(*) FROM attempts WHERE settled_at < :before",
    ),
    "lookups": _Removal(
        "SELECT id, asked_at AS at FROM number_lookups WHERE id > :after ORDER BY id LIMIT :size",
        ("DELETE FROM number_lookups n USING w WHERE n.id = w.id AND w.at < :before RETURNING 1",),
        "SELECT count(*) FROM number_lookups WHERE asked_at < :before",
    ),
    "decisions": _Removal(
        "SELECT id, decided_at AS at FROM decisions WHERE id > :after ORDER BY id LIMIT :size",
        (f"DELETE FROM decisions d USING w WHERE d.id = w.id AND {_DECISION_IS_OVER} RETURNING 1",),  # noqa: S608 (constants of this file)
        f"SELECT count(*) FROM decisions d WHERE {_DECISION_IS_OVER}",  # noqa: S608 (as above)
    ),
    "contacts": _Removal(
        f"""SELECT k.id, k.created_at AS at, {_CONTACT_IS_OVER} AS over
              FROM contacts k WHERE k.id > :after ORDER BY k.id LIMIT :size""",  # noqa: S608 (constants of this file)
        (
            "DELETE FROM campaign_contacts cc USING w WHERE cc.contact_id = w.id AND w.over RETURNING 1",
            "DELETE FROM contacts k USING w WHERE k.id = w.id AND w.over RETURNING 1",
        ),
        f"SELECT count(*) FROM contacts k WHERE {_CONTACT_IS_OVER}",  # noqa: S608 (constants of this file)
    ),
    "rejected_rows": _Removal(
        "SELECT id, coalesce(finished_at, beat_at) AS at FROM imports "
        "WHERE id > :after AND state <> 'running' ORDER BY id LIMIT :size",
        ("DELETE FROM rejected_rows r USING w WHERE r.import_id = w.id AND w.at < :before RETURNING 1",),
        "SELECT count(*) FROM rejected_rows r JOIN imports i ON i.id = r.import_id "
        "WHERE i.state <> 'running' AND coalesce(i.finished_at, i.beat_at) < :before",
    ),
    "audit": _Removal(
        "SELECT id, at FROM audit_log WHERE id > :after ORDER BY id LIMIT :size",
        ("DELETE FROM audit_log l USING w WHERE l.id = w.id AND w.at < :before RETURNING 1",),
        "SELECT count(*) FROM audit_log WHERE at < :before",
    ),
}


def _statement(removal: _Removal) -> str:
    gone = ", ".join(f"gone_{n} AS ({work})" for n, work in enumerate(removal.works))
    counted = " + ".join(f"(SELECT count(*) FROM gone_{n})" for n in range(len(removal.works)))  # noqa: S608 (constants of this file)
    return f"""
        WITH w AS MATERIALIZED ({removal.walk}), {gone}
        SELECT max(w.id) AS through, {counted} AS removed,
               count(*) FILTER (WHERE w.at < :before) AS old FROM w
    """  # noqa: S608 (constants of this file)


_STATEMENTS: Final = {name: text(_statement(removal)) for name, removal in _REMOVALS.items()}


async def remove_window(tx: Tx, kind: str, before: datetime, after: int, size: int = WINDOW) -> Window:
    """Remove what is due among the next rows of a kind.

    Args:
        kind: a name of `domain.retention.KINDS`.
        before: what is older goes.
        after: the key up to which an earlier window looked; 0: from the oldest.
    """
    row = (await tx.execute(_STATEMENTS[kind], {"before": before, "after": after, "size": size})).one()
    return Window(row.through, row.removed, row.old)


async def due(tx: Tx, kind: str, before: datetime) -> int:
    """How many rows of a kind are older than that and not needed any more; reads whole tables."""
    return int((await tx.execute(text(_REMOVALS[kind].due), {"before": before})).scalar_one())
