"""Webhook endpoints, and the outbox: what they are told, written in the transaction that it tells of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy import text

from campaign.domain.errors import Conflict, NotFound
from campaign.domain.webhooks import ROTATION, Event
from campaign.store.accounts import audit
from campaign.store.database import Tx
from campaign.store.models import webhook_deliveries, webhook_endpoints

SETTLES_S: Final = 3
"""An outcome is told so many seconds after it was first written: what the conversation concluded and
detection's verdict come within that time, and are told with it."""
LEASED: Final = timedelta(minutes=2)
"""Whoever has taken a delivery has so long before it is tried again (clock time at rate 1)."""
KEPT: Final = timedelta(days=30)
"""Deliveries are forgotten so long after they were delivered, or given up."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is told, of what, and how; see models for the columns."""

    id: int
    url: str
    description: str
    events: Sequence[str]
    numbers: str
    state: str
    state_why: str | None
    created_by: str
    created_at: datetime
    failing_since: datetime | None
    delivered_at: datetime | None


_SHOWN: Final = [webhook_endpoints.c[field.name] for field in fields(Endpoint)]


def _endpoint(row: sa.Row[Any]) -> Endpoint:
    return Endpoint(**row._mapping)


async def add(
    tx: Tx,
    *,
    url: str,
    secret: str,
    events: Sequence[str],
    numbers: str,
    description: str,
    actor: str,
    now: datetime,
) -> Endpoint:
    """A new endpoint; its address was judged before.

    Raises:
        Conflict: the address is told already.
    """
    e = webhook_endpoints.c
    if (await tx.execute(sa.select(e.id).where(e.url == url, e.state != "removed"))).first():
        raise Conflict("This address is an endpoint already.", "campaign webhooks list shows it.")
    row = await tx.execute(
        sa.insert(webhook_endpoints)
        .values(
            url=url,
            secret=secret,
            events=sorted(set(events)),
            numbers=numbers,
            description=description,
            created_by=actor,
            created_at=now,
        )
        .returning(*_SHOWN)
    )
    made = _endpoint(row.one())
    detail = {"url": url, "events": list(made.events), "numbers": numbers}
    await audit(tx, actor, "webhook.add", f"webhook:{made.id}", now, detail)
    return made


async def listed(tx: Tx) -> list[Endpoint]:
    """All endpoints that were not removed, the oldest first."""
    e = webhook_endpoints.c
    rows = await tx.execute(sa.select(*_SHOWN).where(e.state != "removed").order_by(e.id))
    return [_endpoint(row) for row in rows]


async def get(tx: Tx, endpoint_id: int) -> Endpoint:
    """One endpoint.

    Raises:
        NotFound: there is none of that number.
    """
    e = webhook_endpoints.c
    row = (await tx.execute(sa.select(*_SHOWN).where(e.id == endpoint_id, e.state != "removed"))).first()
    if row is None:
        raise NotFound(f"There is no webhook endpoint {endpoint_id}.", "campaign webhooks list shows them.")
    return _endpoint(row)


async def remove(tx: Tx, endpoint_id: int, *, actor: str, now: datetime) -> None:
    """Tell it nothing more; what was still to be told is given up.

    Raises:
        NotFound: there is none of that number.
    """
    await get(tx, endpoint_id)
    await _end(tx, endpoint_id, "removed", f"removed by {actor}", now)
    # a secret that signs nothing more is not kept
    e = webhook_endpoints.c
    forgotten = {"secret": "", "old_secret": None, "old_secret_until": None}
    await tx.execute(sa.update(webhook_endpoints).where(e.id == endpoint_id).values(**forgotten))
    await audit(tx, actor, "webhook.remove", f"webhook:{endpoint_id}", now, {})


async def disable(tx: Tx, endpoint_id: int, why: str, now: datetime) -> None:
    """Switch an endpoint off that takes nothing, and tell the others."""
    endpoint = await get(tx, endpoint_id)
    await _end(tx, endpoint_id, "disabled", why, now)
    await audit(tx, "system:webhooks", "webhook.disable", f"webhook:{endpoint_id}", now, {"why": why})
    await announce(
        tx, Event.WEBHOOK_DISABLED, {"endpoint": endpoint_id, "url": endpoint.url, "why": why}, now
    )


async def enable(tx: Tx, endpoint_id: int, *, actor: str, now: datetime) -> Endpoint:
    """Switch an endpoint on again; what was given up meanwhile is replayed when that is asked for.

    Raises:
        NotFound: there is none of that number.
    """
    await get(tx, endpoint_id)
    e = webhook_endpoints.c
    on = {"state": "active", "state_why": None, "failing_since": None}
    await tx.execute(sa.update(webhook_endpoints).where(e.id == endpoint_id).values(**on))
    await audit(tx, actor, "webhook.enable", f"webhook:{endpoint_id}", now, {})
    return await get(tx, endpoint_id)


async def _end(tx: Tx, endpoint_id: int, state: str, why: str, now: datetime) -> None:
    e, d = webhook_endpoints.c, webhook_deliveries.c
    await tx.execute(
        sa.update(webhook_endpoints).where(e.id == endpoint_id).values(state=state, state_why=why)
    )
    await tx.execute(
        sa.update(webhook_deliveries)
        .where(d.endpoint_id == endpoint_id, d.state == "waiting")
        .values(state="dead", next_at=None, error=f"the endpoint was {state}", tried_at=now)
    )


async def rotate(tx: Tx, endpoint_id: int, secret: str, *, actor: str, now: datetime) -> datetime:
    """Give an endpoint a new secret; the old one signs beside it for a day. Returns until when.

    Raises:
        NotFound: there is none of that number.
    """
    await get(tx, endpoint_id)
    e = webhook_endpoints.c
    until = now + ROTATION
    await tx.execute(
        sa.update(webhook_endpoints)
        .where(e.id == endpoint_id)
        .values(secret=secret, old_secret=e.secret, old_secret_until=until)
    )
    await audit(tx, actor, "webhook.rotate", f"webhook:{endpoint_id}", now, {})
    return until


# ── the outbox ─────────────────────────────────────────────────────────────────────────────────────────

_FOR: Final = "e.state = 'active' AND (e.events = '{}' OR CAST(:type AS text) = ANY(e.events))"


async def announce(
    tx: Tx, event: Event, data: Mapping[str, Any], now: datetime, *, phone: str | None = None
) -> None:
    """Tell every endpoint that wants to know, once this transaction is committed.

    Args:
        data: JSON; names no person.
        phone: a number that goes with it, masked or full as the endpoint has chosen.
    """
    await tx.execute(
        text(
            f"""
            INSERT INTO webhook_deliveries (endpoint_id, type, phone, data, created_at, next_at)
            SELECT e.id, CAST(:type AS text), :phone, CAST(:data AS jsonb), :now, :now
              FROM webhook_endpoints e WHERE {_FOR}
            """  # noqa: S608 (a constant)
        ),
        {"type": event.value, "phone": phone, "data": Jsonb(dict(data)), "now": now},
    )


OUTCOME_SQL: Final = f"""
    untried AS (
        SELECT endpoint_id FROM webhook_deliveries
         WHERE attempt_id = :attempt_id AND next_at IS NOT NULL AND tries = 0 FOR UPDATE
    ), told AS (
        INSERT INTO webhook_deliveries (endpoint_id, type, attempt_id, created_at, next_at)
        SELECT e.id, CAST(:type AS text), :attempt_id, :now, CAST(:now AS timestamptz) + :settles
          FROM webhook_endpoints e
         WHERE CAST(:type AS text) IS NOT NULL AND {_FOR} AND e.id NOT IN (SELECT endpoint_id FROM untried)
    )
"""  # noqa: S608 (a constant)
"""Parts of the statement that writes an outcome: tell of it. What is told is read when it is sent.

A correction that comes before the first try needs no message of its own. Such a row is locked here, so that
it can't be taken, and its data read, before this transaction is committed. `:type` null: it is no news.
"""


def settles(rate: float) -> timedelta:
    """How long after its first writing an outcome is told, at the earliest.

    Args:
        rate: clock seconds per real second.
    """
    return timedelta(seconds=SETTLES_S * rate)


async def announce_to(tx: Tx, endpoint_id: int, event: Event, data: Mapping[str, Any], now: datetime) -> int:
    """Tell one endpoint something; the delivery's id."""
    made = await tx.execute(
        sa.insert(webhook_deliveries)
        .values(endpoint_id=endpoint_id, type=event.value, data=dict(data), created_at=now, next_at=now)
        .returning(webhook_deliveries.c.id)
    )
    return int(made.scalar_one())


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that was taken to be tried, with what its endpoint's row says.

    Args:
        tries: this one included.
        secrets: that sign now.
    """

    id: int
    endpoint_id: int
    type: str
    attempt_id: int | None
    phone: str | None
    data: Mapping[str, Any]
    created_at: datetime
    tries: int
    url: str
    numbers: str
    secrets: Sequence[str]


SENDABLE = "d.next_at IS NOT NULL AND e.state = 'active'"


async def take(
    tx: Tx, now: datetime, rate: float, *, most: int = 50, only: int | None = None
) -> list[Delivery]:
    """Take deliveries that are due, the oldest first; each counts as tried from now on.

    Args:
        only: this delivery and no other, whether it is due or not.
    """
    rows = await tx.execute(
        text(
            f"""
            WITH due AS (
                SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
                 WHERE {SENDABLE}
                   AND CASE WHEN CAST(:only AS bigint) IS NULL THEN d.next_at <= :now ELSE d.id = :only END
                 ORDER BY d.next_at, d.id LIMIT :most FOR UPDATE OF d SKIP LOCKED)
            UPDATE webhook_deliveries d
               SET tries = d.tries + 1, tried_at = :now, next_at = CAST(:now AS timestamptz) + :leased
              FROM due, webhook_endpoints e
             WHERE d.id = due.id AND e.id = d.endpoint_id
            RETURNING d.id, d.endpoint_id, d.type, d.attempt_id, d.phone, d.data, d.created_at, d.tries,
                      e.url, e.numbers, CASE WHEN e.old_secret_until > :now THEN ARRAY[e.secret, e.old_secret]
                                      ELSE ARRAY[e.secret] END AS secrets
            """  # noqa: S608 (a constant of this file)
        ),
        {"now": now, "most": most, "only": only, "leased": LEASED * rate},
    )
    return sorted((Delivery(**row._mapping) for row in rows), key=lambda one: (one.created_at, one.id))


async def outcomes_of(tx: Tx, attempt_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What is told of outcomes, as they stand: attempt id → data. Those that were removed are missing."""
    rows = await tx.execute(
        text(
            """
            SELECT a.id AS attempt_id, a.campaign_id, c.name AS campaign, a.campaign_version, a.contact_id,
                   k.external_id, l.name AS list, a.phone, a.number AS attempt_number, a.due_for, a.caller_id,
                   o.disposition, o.category, o.final, o.retry_at, o.answered_by, o.seconds, o.abandoned,
                   o.data AS answers, o.summary, CAST(o.cost AS float8) AS cost,
                   coalesce(v.definition -> 'budget' ->> 'currency', 'USD') AS currency, a.intent_at,
                   a.answered_at, a.ended_at, o.recorded_at
              FROM attempts a
              JOIN outcomes o ON o.attempt_id = a.id
              JOIN campaigns c ON c.id = a.campaign_id
              JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version
              LEFT JOIN contacts k ON k.id = a.contact_id
              LEFT JOIN contact_lists l ON l.id = k.list_id
             WHERE a.id = ANY(:ids)
            """
        ),
        {"ids": list(attempt_ids)},
    )
    return {row.attempt_id: dict(row._mapping) for row in rows}


async def delivered(tx: Tx, delivery: Delivery, status: int, now: datetime) -> None:
    """The endpoint has taken it."""
    d, e = webhook_deliveries.c, webhook_endpoints.c
    await tx.execute(
        sa.update(webhook_deliveries)
        .where(d.id == delivery.id)
        .values(state="delivered", next_at=None, status=status, error=None, delivered_at=now)
    )
    await tx.execute(
        sa.update(webhook_endpoints)
        .where(e.id == delivery.endpoint_id)
        .values(delivered_at=now, failing_since=None)
    )


async def failed(
    tx: Tx, delivery: Delivery, status: int | None, error: str, next_at: datetime | None, now: datetime
) -> datetime:
    """It has not; `next_at` None: given up. Returns since when the endpoint has taken nothing."""
    d, e = webhook_deliveries.c, webhook_endpoints.c
    await tx.execute(
        sa.update(webhook_deliveries)
        .where(d.id == delivery.id, d.state == "waiting")
        .values(
            state="dead" if next_at is None else "waiting", next_at=next_at, status=status, error=error[:500]
        )
    )
    since = await tx.execute(
        sa.update(webhook_endpoints)
        .where(e.id == delivery.endpoint_id)
        .values(failing_since=sa.func.coalesce(e.failing_since, now))
        .returning(e.failing_since)
    )
    found: datetime = since.scalar_one()
    return found


async def put_back(tx: Tx, delivery_ids: Sequence[int], next_at: datetime) -> None:
    """These were taken and not tried after all."""
    d = webhook_deliveries.c
    await tx.execute(
        sa.update(webhook_deliveries)
        .where(d.id.in_(delivery_ids), d.state == "waiting")
        .values(tries=d.tries - 1, next_at=next_at)
    )


async def deliveries(
    tx: Tx, *, endpoint_id: int | None, state: str | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Deliveries, newest first, as id, endpoint_id, type, state, tries and so on."""
    d = webhook_deliveries.c
    columns = [column for column in d if column.name not in ("phone", "data")]
    query = sa.select(*columns).order_by(d.id.desc()).limit(limit)
    if endpoint_id is not None:
        query = query.where(d.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(d.state == state)
    if before is not None:
        query = query.where(d.id < before)
    return [dict(row._mapping) for row in await tx.execute(query)]


LATELY: Final = 1000
"""Messages of each endpoint among which those that wait or were given up are counted for people."""


async def lately(tx: Tx) -> dict[int, dict[str, int]]:
    """Endpoint id → state → how many of its last messages are in it."""
    rows = await tx.execute(
        text(
            """
            SELECT e.id, d.state, count(*) AS messages
              FROM webhook_endpoints e
             CROSS JOIN LATERAL (SELECT state FROM webhook_deliveries
                                  WHERE endpoint_id = e.id ORDER BY id DESC LIMIT :most) AS d
             WHERE e.state <> 'removed' GROUP BY 1, 2
            """
        ),
        {"most": LATELY},
    )
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row.id, {})[row.state] = row.messages
    return found


async def replay(
    tx: Tx,
    endpoint_id: int,
    *,
    actor: str,
    now: datetime,
    delivery_id: int | None = None,
    since: datetime | None = None,
) -> int:
    """Tell an endpoint again what was given up, or one delivery whatever became of it.

    Args:
        delivery_id: this one; None: all that were given up.
        since: of those only the ones that were written from this instant on.
    Returns:
        How many will be told again, with the message ids that they had.
    """
    endpoint = await get(tx, endpoint_id)
    if endpoint.state != "active":
        raise Conflict(
            f"Endpoint {endpoint_id} is {endpoint.state}.", f"First: campaign webhooks enable {endpoint_id}"
        )
    d = webhook_deliveries.c
    chosen = [d.endpoint_id == endpoint_id]
    if delivery_id is not None:
        chosen.append(d.id == delivery_id)
    else:
        chosen.append(d.state == "dead")
    if since is not None:
        chosen.append(d.created_at >= since)
    again = await tx.execute(
        sa.update(webhook_deliveries)
        .where(*chosen)
        .values(state="waiting", next_at=now, tries=0, delivered_at=None)
    )
    if delivery_id is not None and not again.rowcount:
        raise NotFound(f"Endpoint {endpoint_id} has no delivery {delivery_id}.")
    detail = {"deliveries": again.rowcount}
    await audit(tx, actor, "webhook.replay", f"webhook:{endpoint_id}", now, detail)
    return again.rowcount


async def forget_old(tx: Tx, now: datetime) -> int:
    """Remove deliveries that ended long ago, a few thousand at a time."""
    gone = await tx.execute(
        text(
            """
            DELETE FROM webhook_deliveries WHERE id IN (
                SELECT id FROM webhook_deliveries WHERE next_at IS NULL AND created_at < :before
                 ORDER BY id LIMIT 5000)
            """
        ),
        {"before": now - KEPT},
    )
    return gone.rowcount
