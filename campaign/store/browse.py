"""Pages of lists for the API: newest first, from a row on, at most so many.

A cursor is a row's id. Where an index by time serves the filter better than the ids do, the page is ordered
by time and the cursor's row tells its time: no page gets slower the further back it lies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from campaign.store.database import Tx
from campaign.store.models import (
    answers,
    attempts,
    campaigns,
    contact_lists,
    contacts,
    conversation_sessions,
    conversation_turns,
    decisions,
    imports,
    outcomes,
    recoveries,
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a page is about; None is no filter. `since` is inclusive, `until` exclusive."""

    campaign_id: int | None = None
    phone: str | None = None
    state: str | None = None
    disposition: str | None = None
    category: str | None = None
    verdict: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def contact_list_page(tx: Tx, after: int | None, limit: int) -> Sequence[Row]:
    """Contact lists, newest first."""
    query = sa.select(contact_lists).order_by(contact_lists.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(contact_lists.c.id < after)
    return await _rows(tx, query)


async def contact_list(tx: Tx, list_id: int) -> Row | None:
    """One list with the number of its contacts (those of unfinished imports not counted)."""
    visible = sa.or_(contacts.c.import_id.is_(None), _finished(contacts.c.import_id))
    count = sa.select(sa.func.count()).where(contacts.c.list_id == list_id, visible).scalar_subquery()
    query = sa.select(contact_lists, count.label("contacts")).where(contact_lists.c.id == list_id)
    return await _row(tx, query)


async def list_head(tx: Tx, list_id: int) -> Row | None:
    """One list, whose contacts aren't counted."""
    return await _row(tx, sa.select(contact_lists).where(contact_lists.c.id == list_id))


async def attempt_page(tx: Tx, wanted: Filters, after: int | None, limit: int) -> Sequence[Row]:
    """Attempts with their outcomes, newest first."""
    a, o = attempts.c, outcomes.c
    query = _attempts().limit(limit)
    query = _by(query, (a.campaign_id, wanted.campaign_id), (a.phone, wanted.phone), (a.state, wanted.state))
    query = _by(query, (o.disposition, wanted.disposition), (o.category, wanted.category))
    query = _between(query, a.intent_at, wanted)
    by_time = wanted.campaign_id is not None or wanted.phone is not None
    return await _rows(tx, _from(query, a.id, a.intent_at if by_time else None, after))


async def attempt(tx: Tx, attempt_id: int) -> Row | None:
    """One attempt with its outcome."""
    return await _row(tx, _attempts().where(attempts.c.id == attempt_id))


async def outcome_page(tx: Tx, wanted: Filters, after: int | None, limit: int) -> Sequence[Row]:
    """Outcomes with the numbers they are about, newest first."""
    o, a = outcomes.c, attempts.c
    query = (
        sa.select(outcomes, a.phone, a.contact_id, campaigns.c.name.label("campaign"))
        .join(attempts, a.id == o.attempt_id)
        .join(campaigns, campaigns.c.id == o.campaign_id, isouter=True)
        .limit(limit)
    )
    query = _by(query, (o.campaign_id, wanted.campaign_id), (a.phone, wanted.phone))
    query = _by(query, (o.disposition, wanted.disposition), (o.category, wanted.category))
    query = _between(query, o.recorded_at, wanted)
    by_time = o.recorded_at if wanted.campaign_id is not None else None
    return await _rows(tx, _from(query, o.attempt_id, by_time, after))


async def decision_page(tx: Tx, wanted: Filters, after: int | None, limit: int) -> Sequence[Row]:
    """Decisions, newest first: why contacts were called, deferred or blocked."""
    d = decisions.c
    query = sa.select(decisions).limit(limit)
    query = _by(
        query, (d.campaign_id, wanted.campaign_id), (d.phone, wanted.phone), (d.verdict, wanted.verdict)
    )
    return await _rows(tx, _from(_between(query, d.decided_at, wanted), d.id, None, after))


async def transcript(tx: Tx, attempt_id: int) -> Mapping[str, Sequence[Row]]:
    """All that was said in a call: `turns`, `sessions`, `answers`, `recoveries`, each in its order."""
    found: dict[str, Sequence[Row]] = {}
    for name, table, order in (
        ("turns", conversation_turns, conversation_turns.c.seq),
        ("sessions", conversation_sessions, conversation_sessions.c.ordinal),
        ("answers", answers, answers.c.at),
        ("recoveries", recoveries, recoveries.c.session_ordinal),
    ):
        query = sa.select(table).where(table.c.attempt_id == attempt_id).order_by(order)
        found[name] = await _rows(tx, query)
    return found


async def contact_of(tx: Tx, contact_id: int) -> Row | None:
    """Of a contact: where it may be, its first name, its list."""
    k = contacts.c
    query = (
        sa.select(
            k.id,
            k.place,
            k.variables["first_name"].astext.label("first_name"),
            contact_lists.c.name.label("list_name"),
        )
        .join(contact_lists, contact_lists.c.id == k.list_id)
        .where(k.id == contact_id)
    )
    return await _row(tx, query)


def _attempts() -> sa.Select[Any]:
    o = outcomes.c
    return (
        sa.select(
            attempts,
            campaigns.c.name.label("campaign"),
            o.disposition,
            o.category,
            o.summary,
            o.summary_by,
            o.data,
            o.cost,
            o.cost_lines,
            o.recorded_at,
            o.final,
            o.retry_at,
            o.abandoned,
        )
        .join(outcomes, o.attempt_id == attempts.c.id, isouter=True)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id, isouter=True)
    )


def _finished(import_id: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return sa.exists().where(imports.c.id == import_id, imports.c.state == "finished")


def _by(query: sa.Select[Any], *pairs: tuple[sa.ColumnElement[Any], object]) -> sa.Select[Any]:
    for column, value in pairs:
        if value is not None:
            query = query.where(column == value)
    return query


def _between(query: sa.Select[Any], column: sa.ColumnElement[Any], wanted: Filters) -> sa.Select[Any]:
    if wanted.since is not None:
        query = query.where(column >= wanted.since)
    if wanted.until is not None:
        query = query.where(column < wanted.until)
    return query


def _from(
    query: sa.Select[Any],
    row_id: sa.Column[Any],
    at: sa.Column[Any] | None,
    after: int | None,
) -> sa.Select[Any]:
    """Newest first, beyond the cursor's row; by time where `at` is given, else by id."""
    if at is None:
        query = query.order_by(row_id.desc())
        return query if after is None else query.where(row_id < after)
    query = query.order_by(at.desc(), row_id.desc())
    if after is None:
        return query
    mark = at.table.alias("mark")
    its_time = sa.select(mark.c[at.name]).where(mark.c[row_id.name] == after)
    return query.where(sa.tuple_(at, row_id) < sa.tuple_(its_time.scalar_subquery(), after))


async def _rows(tx: Tx, query: sa.Select[Any]) -> Sequence[Row]:
    return [row._asdict() for row in await tx.execute(query)]


async def _row(tx: Tx, query: sa.Select[Any]) -> Row | None:
    row = (await tx.execute(query)).first()
    return None if row is None else row._asdict()
