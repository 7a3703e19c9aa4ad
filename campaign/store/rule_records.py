"""What people record about the law: waived rules, registrations, regions in which nobody is called.

Rows are never changed but for being taken back, so that who answered for what, and when, stays known.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text

from campaign.domain.facts import Pause, Registered, Waiver
from campaign.store.database import Tx

PAUSES_SINCE = "0010"
"""The revision whose code first knew pauses: what is older would dial into a region that is paused."""


@dataclass(frozen=True, slots=True)
class KeptWaiver:
    """A waiver that has not been taken back, with the name of its campaign; its end may have passed."""

    campaign: str
    waiver: Waiver


@dataclass(frozen=True, slots=True)
class KeptPause:
    """A region's pause that has not been lifted, and who made it when; its last day may have passed."""

    pause: Pause
    actor: str
    at: datetime


# ── waivers ────────────────────────────────────────────────────────────────────────────────────────────


async def waive(tx: Tx, campaign_id: int, waiver: Waiver) -> None:
    """Record a waiver; one that the campaign has for that rule already is taken back by this."""
    await unwaive(tx, campaign_id, waiver.rule_id, waiver.actor, waiver.at)
    await tx.execute(
        text(
            "INSERT INTO rule_waivers (campaign_id, rule_id, reason, actor, at, until_at) "
            "VALUES (:campaign, :rule, :reason, :actor, :at, :until)"
        ),
        {
            "campaign": campaign_id,
            "rule": waiver.rule_id,
            "reason": waiver.reason,
            "actor": waiver.actor,
            "at": waiver.at,
            "until": waiver.until,
        },
    )


async def unwaive(tx: Tx, campaign_id: int, rule_id: str, actor: str, now: datetime) -> bool:
    """Take a waiver back; whether there was one."""
    done = await tx.execute(
        text(
            "UPDATE rule_waivers SET ended_at = :now, ended_by = :actor "
            "WHERE campaign_id = :campaign AND rule_id = :rule AND ended_at IS NULL"
        ),
        {"campaign": campaign_id, "rule": rule_id, "actor": actor, "now": now},
    )
    return bool(done.rowcount)


async def waivers(tx: Tx, *, campaign_id: int | None = None) -> list[KeptWaiver]:
    """Waivers of a campaign, or of all, by campaign and rule."""
    rows = await tx.execute(
        text(
            """
            SELECT c.name, w.rule_id, w.reason, w.actor, w.at, w.until_at
              FROM rule_waivers w JOIN campaigns c ON c.id = w.campaign_id
             WHERE w.ended_at IS NULL AND (CAST(:id AS bigint) IS NULL OR w.campaign_id = :id)
             ORDER BY c.name, w.rule_id
            """
        ),
        {"id": campaign_id},
    )
    return [KeptWaiver(r.name, Waiver(r.rule_id, r.reason, r.actor, r.at, r.until_at)) for r in rows]


# ── registrations ──────────────────────────────────────────────────────────────────────────────────────


async def register(tx: Tx, one: Registered) -> None:
    """Record what the seller has filed; what was recorded for that pack before is taken back by this."""
    await unregister(tx, one.pack, one.actor, one.at)
    await tx.execute(
        text(
            "INSERT INTO rule_registrations (pack, reference, actor, at) "
            "VALUES (:pack, :reference, :actor, :at)"
        ),
        {"pack": one.pack, "reference": one.reference, "actor": one.actor, "at": one.at},
    )


async def unregister(tx: Tx, pack: str, actor: str, now: datetime) -> bool:
    """Take a registration back; whether there was one."""
    done = await tx.execute(
        text(
            "UPDATE rule_registrations SET ended_at = :now, ended_by = :actor "
            "WHERE pack = :pack AND ended_at IS NULL"
        ),
        {"pack": pack, "actor": actor, "now": now},
    )
    return bool(done.rowcount)


async def registrations(tx: Tx) -> list[Registered]:
    """What the seller has filed, by pack."""
    rows = await tx.execute(
        text("SELECT pack, reference, actor, at FROM rule_registrations WHERE ended_at IS NULL ORDER BY pack")
    )
    return [Registered(**row._mapping) for row in rows]


# ── pauses ─────────────────────────────────────────────────────────────────────────────────────────────


async def pause(tx: Tx, one: Pause, actor: str, now: datetime) -> None:
    """Record that nobody is called in a region; what was recorded for it before is lifted by this.

    Code that knows no pauses may not be started any more after this.
    """
    await unpause(tx, one.region, actor, now)
    await tx.execute(
        text(
            "INSERT INTO region_pauses (region, first_day, last_day, reason, actor, at) "
            "VALUES (:region, :first, :last, :reason, :actor, :at)"
        ),
        {
            "region": one.region,
            "first": one.first,
            "last": one.last,
            "reason": one.reason,
            "actor": actor,
            "at": now,
        },
    )
    await tx.execute(
        text("UPDATE installation SET works_from = :since WHERE works_from < :since"), {"since": PAUSES_SINCE}
    )


async def unpause(tx: Tx, region: str, actor: str, now: datetime) -> bool:
    """Lift a region's pause; whether there was one."""
    done = await tx.execute(
        text(
            "UPDATE region_pauses SET ended_at = :now, ended_by = :actor "
            "WHERE region = :region AND ended_at IS NULL"
        ),
        {"region": region, "actor": actor, "now": now},
    )
    return bool(done.rowcount)


async def pauses(tx: Tx) -> list[KeptPause]:
    """Pauses that have not been lifted, by region."""
    rows = await tx.execute(
        text(
            "SELECT region, first_day, last_day, reason, actor, at FROM region_pauses "
            "WHERE ended_at IS NULL ORDER BY region"
        )
    )
    return [KeptPause(Pause(r.region, r.first_day, r.last_day, r.reason), r.actor, r.at) for r in rows]


@dataclass(frozen=True, slots=True)
class Ringing:
    """An attempt that nobody has answered yet, with what tells where the person may be."""

    attempt_id: int
    number: str
    phone: str
    place: str
    said_zone: str | None


async def ringing(tx: Tx) -> list[Ringing]:
    """Calls of campaigns that are about to go out, queued or ringing, and not to be cancelled already."""
    rows = await tx.execute(
        text(
            """
            SELECT a.id AS attempt_id, a.phone AS number, k.phone, k.place, k.said_zone
              FROM attempts a JOIN contacts k ON k.id = a.contact_id
             WHERE a.settled_at IS NULL AND a.cancel_at IS NULL AND a.kind = 'campaign'
               AND a.state IN ('placing', 'unknown', 'placed', 'ringing')
            """
        )
    )
    return [Ringing(**row._mapping) for row in rows]


async def cancel(tx: Tx, attempt_ids: Collection[int], why: str, now: datetime) -> int:
    """Mark calls that nobody has answered to be cancelled at Twilio; how many."""
    done = await tx.execute(
        text(
            """
            UPDATE attempts SET cancel_at = :now, cancel_why = :why
             WHERE id = ANY(:ids) AND settled_at IS NULL AND cancel_at IS NULL AND answered_at IS NULL
            """
        ),
        {"ids": list(attempt_ids), "why": why, "now": now},
    )
    return int(done.rowcount)


async def look_again(tx: Tx, campaign_id: int | None, rule_id: str, now: datetime) -> int:
    """Let the rules judge those once more whom one rule has put off or blocked; how many.

    Args:
        campaign_id: of one campaign; None: of all that are not over.
    """
    done = await tx.execute(
        text(
            """
            UPDATE campaign_contacts SET state = 'waiting', next_at = :now, updated_at = :now
             WHERE waiting_for = :rule AND state IN ('waiting', 'blocked')
               AND campaign_id IN (SELECT id FROM campaigns
                                    WHERE ended_at IS NULL AND (CAST(:id AS bigint) IS NULL OR id = :id))
            """
        ),
        {"rule": rule_id, "id": campaign_id, "now": now},
    )
    return int(done.rowcount)


# ── as decisions look at them ──────────────────────────────────────────────────────────────────────────

POLICY_SQL = """
    (SELECT jsonb_agg(jsonb_build_array(w.rule_id, w.reason, w.actor, w.at, w.until_at) ORDER BY w.rule_id)
       FROM rule_waivers w
      WHERE w.campaign_id = c.id AND w.ended_at IS NULL
        AND (w.until_at IS NULL OR w.until_at > :now)) AS waivers,
    (SELECT jsonb_agg(jsonb_build_array(r.pack, r.reference, r.actor, r.at) ORDER BY r.pack)
       FROM rule_registrations r WHERE r.ended_at IS NULL) AS registered,
    (SELECT jsonb_agg(jsonb_build_array(p.region, p.first_day, p.last_day, p.reason) ORDER BY p.region)
       FROM region_pauses p
      WHERE p.ended_at IS NULL
        AND (p.last_day IS NULL OR p.last_day >= CAST(:now AS date) - 2)) AS pauses"""
"""Columns for a SELECT from `campaigns c`: what is recorded for it, read with what is read anyway."""


def waivers_of(row: Mapping[str, Any]) -> tuple[Waiver, ...]:
    """From a row with POLICY_SQL's columns."""
    return tuple(
        Waiver(rule, reason, actor, datetime.fromisoformat(at), until and datetime.fromisoformat(until))
        for rule, reason, actor, at, until in _list(row["waivers"])
    )


def registered_of(row: Mapping[str, Any]) -> tuple[Registered, ...]:
    """From a row with POLICY_SQL's columns."""
    return tuple(
        Registered(pack, reference, actor, datetime.fromisoformat(at))
        for pack, reference, actor, at in _list(row["registered"])
    )


def pauses_of(row: Mapping[str, Any]) -> tuple[Pause, ...]:
    """From a row with POLICY_SQL's columns."""
    return tuple(
        Pause(region, date.fromisoformat(first), last and date.fromisoformat(last), reason)
        for region, first, last, reason in _list(row["pauses"])
    )


def _list(value: Sequence[Any] | None) -> Sequence[Any]:
    return value or ()
