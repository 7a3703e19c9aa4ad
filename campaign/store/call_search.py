"""Finding calls among all that there ever were: any filters together, newest first, a page at a time.

Every search is bounded, whatever it asks for. Attempts are read by time, newest first, through an index that
fits (of the campaign, the number, or all), at most LOOKS of them a page; who finds less than a page among
them may look on from there. Words come from an index of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from campaign.store.database import Tx

LOOKS = 20_000
"""So many attempts are looked through for one page."""
FEW = 2_000
"""Words that stand in no more turns than this are looked up by the index; more frequent ones are found among
the calls that are looked through."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls; None, and empty, is no filter.

    Args:
        phones: any of these numbers.
        list_id: whose contacts were called.
        dispositions: any of these.
        since, until: when they were decided on; the second exclusive.
        shortest, longest: seconds of connection, inclusive.
        words: all of them were said in one turn; "a phrase" in quotes, or, and -not are understood.
    """

    campaign_id: int | None = None
    phones: Sequence[str] = ()
    list_id: int | None = None
    dispositions: Sequence[str] = ()
    category: str | None = None
    answered_by: str | None = None
    caller_id: str | None = None
    state: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    shortest: int | None = None
    longest: int | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page ends: the next one begins beyond it."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call as a list shows it; the outcome's fields are None while there is none."""

    id: int
    campaign_id: int | None
    campaign: str | None
    phone: str
    name: str | None
    place: str | None
    caller_id: str
    state: str
    kind: str
    number: int
    due_for: str
    intent_at: datetime
    answered_by: str | None
    disposition: str | None
    category: str | None
    seconds: int | None
    cost: Decimal | None
    recorded: bool

    @property
    def mark(self) -> Mark:
        return Mark(self.intent_at, self.id)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of calls.

    Args:
        next: where the next page begins; None at the end of all calls.
        looked_back_to: set when the page isn't full because so many were looked through: back to then.
    """

    rows: Sequence[CallRow]
    next: Mark | None
    looked_back_to: datetime | None = None


async def search(tx: Tx, wanted: Wanted, after: Mark | None, limit: int, looks: int = LOOKS) -> Found:
    """A page of calls, newest first.

    Args:
        after: the mark of the page before.
        limit: calls on a page.
        looks: most attempts to look through.
    """
    said = await _with_words(tx, wanted.words) if wanted.words else None
    inner, outer, given = _conditions(wanted, after, said)
    looks = looks if outer != "true" else limit + 1
    rows = (
        await tx.execute(
            text(
                f"""
                WITH looked AS (
                    SELECT a.id, a.campaign_id, a.contact_id, a.phone, a.caller_id, a.state, a.kind, a.number,
                           a.due_for, a.intent_at, a.answered_by, a.recording_sid
                      FROM attempts a WHERE {inner}
                     ORDER BY a.intent_at DESC, a.id DESC LIMIT :looks)
                SELECT a.id, a.campaign_id, c.name AS campaign, a.phone, k.variables ->> 'first_name' AS name,
                       k.place, a.caller_id, a.state, a.kind, a.number, a.due_for, a.intent_at, a.answered_by,
                       o.disposition, o.category, o.seconds, o.cost, a.recording_sid IS NOT NULL AS recorded
                  FROM looked a
                  LEFT JOIN LATERAL (  -- LIMIT: by its key for each of them, never by a scan of all outcomes
                       SELECT * FROM outcomes WHERE attempt_id = a.id LIMIT 1) AS o ON true
                  LEFT JOIN campaigns c ON c.id = a.campaign_id
                  LEFT JOIN contacts k ON k.id = a.contact_id
                 WHERE {outer}
                 ORDER BY a.intent_at DESC, a.id DESC LIMIT :limit
                """  # noqa: S608 (constants of this file)
            ),
            {**given, "looks": looks, "limit": limit + 1},
        )
    ).all()
    found = [CallRow(**row._mapping) for row in rows]
    if len(found) > limit:
        return Found(found[:limit], found[limit - 1].mark)
    if outer == "true":
        return Found(found, None)
    last = (
        await tx.execute(
            text(
                f"""
                SELECT a.intent_at, a.id FROM attempts a WHERE {inner}
                 ORDER BY a.intent_at DESC, a.id DESC OFFSET :skipped LIMIT 1
                """  # noqa: S608 (constants of this file)
            ),
            {**given, "skipped": looks - 1},
        )
    ).first()
    return Found(found, None) if last is None else Found(found, Mark(last.intent_at, last.id), last.intent_at)


async def _with_words(tx: Tx, words: str) -> list[int] | None:
    """The calls in which words were said; None when they are too many to name them all."""
    rows = await tx.execute(
        text(
            """
            SELECT attempt_id FROM conversation_turns
             WHERE to_tsvector('simple', text) @@ websearch_to_tsquery('simple', :words) LIMIT :most
            """
        ),
        {"words": words, "most": FEW + 1},
    )
    found = list(rows.scalars())
    return None if len(found) > FEW else sorted(set(found))


def _conditions(
    wanted: Wanted, after: Mark | None, said: list[int] | None
) -> tuple[str, str, dict[str, Any]]:
    """SQL for what an index serves, for the rest, and the values."""
    inner: list[str] = []
    outer: list[str] = []
    given: dict[str, Any] = {}

    def ask(where: list[str], condition: str, **values: object) -> None:
        if all(value is not None and value != [] for value in values.values()):
            where.append(condition)
            given.update(values)

    ask(inner, "a.campaign_id = :campaign_id", campaign_id=wanted.campaign_id)
    ask(inner, "a.phone = ANY(:phones)", phones=list(wanted.phones))
    ask(inner, "a.intent_at >= :since", since=wanted.since)
    ask(inner, "a.intent_at < :until", until=wanted.until)
    if after is not None:
        ask(inner, "(a.intent_at, a.id) < (:after_at, :after_id)", after_at=after.at, after_id=after.id)
    if said is not None:
        inner.append("a.id = ANY(:said)")
        given["said"] = said
    elif wanted.words:
        ask(
            outer,
            """EXISTS (SELECT FROM conversation_turns t WHERE t.attempt_id = a.id
                        AND to_tsvector('simple', t.text) @@ websearch_to_tsquery('simple', :words))""",
            words=wanted.words,
        )
    ask(outer, "k.list_id = :list_id", list_id=wanted.list_id)
    ask(outer, "o.disposition = ANY(:dispositions)", dispositions=list(wanted.dispositions))
    ask(outer, "o.category = :category", category=wanted.category)
    ask(outer, "a.answered_by = :answered_by", answered_by=wanted.answered_by)
    ask(outer, "a.caller_id = :caller_id", caller_id=wanted.caller_id)
    ask(outer, "a.state = :state", state=wanted.state)
    ask(outer, "o.seconds >= :shortest", shortest=wanted.shortest)
    ask(outer, "o.seconds <= :longest", longest=wanted.longest)
    return " AND ".join(inner) or "true", " AND ".join(outer) or "true", given


async def caller_ids(tx: Tx) -> list[str]:
    """Numbers that calls were made from, those used last first."""
    rows = await tx.execute(
        text("SELECT caller_id FROM caller_id_days GROUP BY 1 ORDER BY max(day) DESC, 1 LIMIT 200")
    )
    return list(rows.scalars())


async def list_names(tx: Tx) -> list[tuple[int, str]]:
    """Contact lists by name: (id, name)."""
    rows = await tx.execute(text("SELECT id, name FROM contact_lists ORDER BY name LIMIT 500"))
    return [(row.id, row.name) for row in rows]


async def phone_of(tx: Tx, *, attempt_id: int | None = None, contact_id: int | None = None) -> str | None:
    """The number that a call was made to, or a contact's first; None when there is no such row."""
    table, key = ("attempts", attempt_id) if attempt_id is not None else ("contacts", contact_id)
    found: str | None = (
        await tx.execute(text(f"SELECT phone FROM {table} WHERE id = :id"), {"id": key})  # noqa: S608 - constants
    ).scalar()
    return found


async def reference_of(tx: Tx, phone: str) -> str | None:
    """What stands for a number in addresses: "c12", a contact that has it first, or "a34", a call to it."""
    row = (
        await tx.execute(
            text(
                """
                SELECT 'c' || (SELECT id FROM contacts WHERE phone = :phone
                                ORDER BY id DESC LIMIT 1) AS contact,
                       'a' || (SELECT id FROM attempts WHERE phone = :phone
                                ORDER BY intent_at DESC LIMIT 1) AS attempt
                """
            ),
            {"phone": phone},
        )
    ).one()
    found: str | None = row.contact or row.attempt
    return found
