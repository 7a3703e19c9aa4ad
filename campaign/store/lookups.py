"""What was looked up about numbers, what cannot be looked up now, and whose turn comes soon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from campaign.domain.lookup import Finding, Known, Want
from campaign.store.claims import DueContact
from campaign.store.database import Tx

LATEST = text(
    """
    SELECT n.phone, l.what, l.about, l.answer, l.detail, l.asked_at
      FROM unnest(CAST(:phones AS text[])) AS n (phone)
     CROSS JOIN LATERAL (
            SELECT DISTINCT ON (what, about) what, about, answer, detail, asked_at
              FROM number_lookups
             WHERE phone = n.phone
             ORDER BY what, about, asked_at DESC, id DESC) AS l
    """
)


async def latest(tx: Tx, phones: Sequence[str]) -> dict[str, list[Known]]:
    """Phone → the latest answer about its line, and about its owner since each date of consent."""
    found: dict[str, list[Known]] = {}
    for row in await tx.execute(LATEST, {"phones": list(phones)}):
        known = Known(Want(row.what), row.answer, row.about, row.asked_at, row.detail)
        found.setdefault(row.phone, []).append(known)
    return found


@dataclass(frozen=True, slots=True)
class Kept:
    """A finding to keep: what was found of which number, what it cost, for which campaign."""

    phone: str
    finding: Finding
    cost: Decimal
    campaign_id: int | None


_KEEP = text(
    """
    INSERT INTO number_lookups (phone, what, about, answer, detail, asked_at, cost, source, actor,
                                campaign_id)
    SELECT phone, what, about, answer, detail, :now, cost, :source, :actor, campaign_id
      FROM unnest(CAST(:phone AS text[]), CAST(:what AS text[]), CAST(:about AS date[]),
                  CAST(:answer AS text[]), CAST(:cost AS numeric[]), CAST(:campaign AS bigint[]))
           WITH ORDINALITY AS f (phone, what, about, answer, cost, campaign_id, n)
      JOIN LATERAL (SELECT CAST(:details AS jsonb) -> CAST(n - 1 AS int) AS detail) AS d ON true
    """
).bindparams(bindparam("details", type_=JSONB))

_SPEND = text(
    """
    INSERT INTO campaign_spend AS s (campaign_id, day, spent)
    VALUES (:id, :day, :cost)
    ON CONFLICT (campaign_id, day) DO UPDATE SET spent = s.spent + excluded.spent
    """
)


async def keep(tx: Tx, found: Sequence[Kept], *, source: str, actor: str, now: datetime) -> None:
    """Write findings, and what they cost to their campaign's spending of the (UTC) day.

    Args:
        found: of one campaign at the most: rows of several campaigns' money, locked together, could wait
            for a claim's and it for them.
    """
    if not found:
        return
    await tx.execute(
        _KEEP,
        {
            "phone": [k.phone for k in found],
            "what": [k.finding.want.value for k in found],
            "about": [k.finding.about for k in found],
            "answer": [k.finding.answer for k in found],
            "details": [dict(k.finding.detail) for k in found],
            "cost": [k.cost for k in found],
            "campaign": [k.campaign_id for k in found],
            "source": source,
            "actor": actor,
            "now": now,
        },
    )
    cost = sum((k.cost for k in found), Decimal(0))
    if cost and found[0].campaign_id is not None:
        # Last, as it takes the row that every call of a campaign changes when it ends: its money.
        await tx.execute(_SPEND, {"id": found[0].campaign_id, "cost": cost, "day": now.date()})


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that cannot be looked up until an instant, why, and how often in a row it failed."""

    until: datetime
    why: str
    failures: int


async def holds(tx: Tx) -> dict[Want, Hold]:
    """What failed last; a hold that is over stays until a look-up succeeds."""
    rows = await tx.execute(text("SELECT what, held_until, why, failures FROM lookup_holds"))
    return {Want(row.what): Hold(row.held_until, row.why, row.failures) for row in rows}


async def hold(tx: Tx, want: Want, held: Hold) -> None:
    """Hold look-ups of one sort."""
    await tx.execute(
        text(
            """
            INSERT INTO lookup_holds (what, held_until, why, failures)
            VALUES (:what, :until, :why, :failures)
            ON CONFLICT (what) DO UPDATE
               SET held_until = excluded.held_until, why = excluded.why, failures = excluded.failures
            """
        ),
        {"what": want.value, "until": held.until, "why": held.why, "failures": held.failures},
    )


async def release(tx: Tx, wants: Sequence[Want]) -> None:
    """They are answered again."""
    await tx.execute(
        text("DELETE FROM lookup_holds WHERE what = ANY(:wants)"), {"wants": [w.value for w in wants]}
    )


DIALLING = """state = 'running' AND (starts_at IS NULL OR starts_at <= :now)
    AND (ends_at IS NULL OR ends_at > :now)"""


async def running(tx: Tx, now: datetime) -> list[tuple[int, int]]:
    """(id, version) of the campaigns that may dial now."""
    rows = await tx.execute(
        text(f"SELECT id, version FROM campaigns WHERE {DIALLING} ORDER BY id"),  # noqa: S608 (a constant)
        {"now": now},
    )
    return [(row.id, row.version) for row in rows]


AHEAD = text(
    """
    SELECT d.id, d.campaign_id, d.contact_id, d.priority, d.next_at, d.due_for, d.attempts, d.number_index,
           d.decision, k.phone, k.other_phones, k.place, k.said_zone, k.state, k.postal_code, k.party,
           k.consent, k.consent_at, k.consent_source
      FROM unnest(CAST(:ids AS bigint[])) AS r (campaign_id)
     CROSS JOIN LATERAL (
            SELECT ahead.*
              FROM (SELECT -1 AS priority
                     UNION
                    SELECT l.priority FROM campaign_lists l WHERE l.campaign_id = r.campaign_id) AS level
             CROSS JOIN LATERAL (
                    SELECT cc.*
                      FROM campaign_contacts cc
                     WHERE cc.campaign_id = r.campaign_id
                       AND cc.priority = level.priority
                       AND cc.next_at <= :until
                     ORDER BY cc.next_at
                     LIMIT :most) AS ahead
             ORDER BY greatest(ahead.next_at, :now), ahead.priority, ahead.next_at
             LIMIT :most) AS d
      JOIN contacts k ON k.id = d.contact_id
     ORDER BY d.campaign_id, greatest(d.next_at, :now), d.priority, d.next_at
    """
)
"""Contacts in the order in which they will be dialled: those that are due now as the claim takes them
(store/claims.py: DUE), then whoever is due later. One index probe per campaign and priority level."""


async def ahead(
    tx: Tx, campaign_ids: Sequence[int], *, until: datetime, most: int, now: datetime
) -> list[DueContact]:
    """Contacts of each of those campaigns that are due now or soon; nothing is locked.

    Args:
        until: nobody who is due later.
        most: contacts per campaign.
    """
    given = {"ids": list(campaign_ids), "until": until, "most": most, "now": now}
    return [DueContact(**row._mapping) for row in await tx.execute(AHEAD, given)]


async def postpone(tx: Tx, reasons: Mapping[int, str], until: datetime, now: datetime) -> None:
    """Put off contacts whose numbers can't be looked up for now, so that the others pass.

    Args:
        reasons: campaign contact → the rule that it waits for.
    """
    if not reasons:
        return
    await tx.execute(
        text(
            """
            UPDATE campaign_contacts cc
               SET next_at = :until, waiting_for = u.why, updated_at = :now
              FROM unnest(CAST(:ids AS bigint[]), CAST(:why AS text[])) AS u (id, why)
             WHERE cc.id = u.id AND cc.state = 'waiting' AND cc.next_at < :until
            """
        ),
        {"ids": list(reasons), "why": list(reasons.values()), "until": until, "now": now},
    )


@dataclass(frozen=True, slots=True)
class LookupRow:
    """An answer that was kept, as the story of its number tells it."""

    what: str
    about: date | None
    answer: str
    detail: Mapping[str, str | int]
    asked_at: datetime
    cost: Decimal
    source: str
    actor: str


async def of_phone(tx: Tx, phone: str, *, limit: int = 20) -> list[LookupRow]:
    """The latest answers about a number, oldest first."""
    rows = await tx.execute(
        text(
            """
            SELECT what, about, answer, detail, asked_at, cost, source, actor FROM number_lookups
             WHERE phone = :phone ORDER BY asked_at DESC, id DESC LIMIT :limit
            """
        ),
        {"phone": phone, "limit": limit},
    )
    return [LookupRow(**row._mapping) for row in rows][::-1]
