"""The dialler's SQL: lock the pace, find what is due, write the intents, record what Twilio answered.

A claim is one short transaction that begins by locking the pace row. Claims of all processes therefore run
one after the other: what one of them counts (slots, lines, money, a caller id's day, one unsettled attempt
per number) is still true when it commits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from campaign.domain.attempt import SETTLED, AttemptEvent, AttemptState, after
from campaign.store import models
from campaign.store.attempts import FIRST_LOOK, HOLD, SILENCE
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class PaceRow:
    """The account's pace as it stands: the next free slot, and a hold with its reason."""

    next_slot_at: datetime
    held_until: datetime | None
    held_why: str | None
    failures: int
    stopped_why: str | None


async def lock_pace(tx: Tx) -> PaceRow:
    """Lock the pace row until the end of the transaction, and read the switch that stops all dialling."""
    row = (
        await tx.execute(
            text(
                """
                SELECT p.next_slot_at, p.held_until, p.held_why, p.failures,
                       CASE WHEN i.dialling_stopped_at IS NOT NULL
                            THEN coalesce(i.dialling_stopped_why, 'all dialling is stopped')
                       END AS stopped_why
                  FROM pace p, installation i
                   FOR UPDATE OF p
                """
            )
        )
    ).one()
    return PaceRow(row.next_slot_at, row.held_until, row.held_why, row.failures, row.stopped_why)


async def set_pace(tx: Tx, next_slot_at: datetime) -> None:
    """Move the next free slot."""
    await tx.execute(text("UPDATE pace SET next_slot_at = :at WHERE id = 1"), {"at": next_slot_at})


async def hold_pace(tx: Tx, until: datetime | None, why: str | None, *, failures: int) -> None:
    """Hold all dialling until an instant, or (None) let it go on."""
    await tx.execute(
        text("UPDATE pace SET held_until = :until, held_why = :why, failures = :failures WHERE id = 1"),
        {"until": until, "why": why, "failures": failures},
    )


@dataclass(frozen=True, slots=True)
class RunningCampaign:
    """A campaign that may dial now, with the lines that it holds."""

    id: int
    name: str
    version: int
    lines: int
    share: int
    calls_per_second: float | None
    busy: int
    recent: int
    """Slots taken within its last second (or the longer time that one call takes below 1 a second)."""


async def running(tx: Tx, now: datetime) -> tuple[list[RunningCampaign], int]:
    """Campaigns that may dial now, and the account's lines in use by anything."""
    rows = await tx.execute(
        text(
            """
            SELECT c.id, c.name, c.version, c.lines, c.share, c.calls_per_second,
                   (SELECT count(*) FROM attempts a
                     WHERE a.campaign_id = c.id AND a.settled_at IS NULL) AS busy,
                   CASE WHEN c.calls_per_second IS NULL THEN 0 ELSE
                   (SELECT count(*) FROM attempts a
                     WHERE a.campaign_id = c.id
                       AND a.intent_at > :now - 2 * per_call AND a.slot_at > :now - per_call)
                   END AS recent
              FROM campaigns c
             CROSS JOIN LATERAL (
                    SELECT make_interval(secs => CAST(greatest(1, 1 / c.calls_per_second) AS float8)))
                        AS own (per_call)
             WHERE c.state = 'running'
               AND (c.starts_at IS NULL OR c.starts_at <= :now)
               AND (c.ends_at IS NULL OR c.ends_at > :now)
             ORDER BY c.id
            """
        ),
        {"now": now},
    )
    found = [
        RunningCampaign(
            r.id,
            r.name,
            r.version,
            r.lines,
            r.share,
            None if r.calls_per_second is None else float(r.calls_per_second),
            r.busy,
            r.recent,
        )
        for r in rows
    ]
    total: int = (
        await tx.execute(text("SELECT count(*) FROM attempts WHERE settled_at IS NULL"))
    ).scalar_one()
    return found, total


DUE = text(
    """
    SELECT d.id, d.campaign_id, d.contact_id, d.priority, d.next_at, d.due_for, d.attempts, d.number_index,
           d.decision, k.phone, k.other_phones, k.place, k.said_zone, k.state, k.postal_code, k.party,
           k.consent, k.consent_at, k.consent_source
      FROM unnest(CAST(:ids AS bigint[]), CAST(:limits AS int[])) AS r (campaign_id, most)
     CROSS JOIN LATERAL (
            SELECT due.*
              FROM (SELECT -1 AS priority
                     UNION
                    SELECT l.priority FROM campaign_lists l WHERE l.campaign_id = r.campaign_id) AS level
             CROSS JOIN LATERAL (
                    SELECT cc.*
                      FROM campaign_contacts cc
                     WHERE cc.campaign_id = r.campaign_id
                       AND cc.priority = level.priority
                       AND cc.next_at <= :now
                     ORDER BY cc.next_at
                     LIMIT r.most
                       FOR UPDATE SKIP LOCKED) AS due
             ORDER BY due.priority, due.next_at
             LIMIT r.most) AS d
      JOIN contacts k ON k.id = d.contact_id
     ORDER BY d.campaign_id, d.priority, d.next_at
    """
)
"""Due contacts of several campaigns, each up to its own limit, in the order in which they go.

One index probe per campaign and priority level on (campaign_id, priority, next_at): a filter instead would
read through all that sleep at the head of the index.
"""


@dataclass(frozen=True, slots=True)
class DueContact:
    """A campaign contact that is due, with what rules need to know of it."""

    id: int
    campaign_id: int
    contact_id: int
    priority: int
    next_at: datetime
    due_for: str
    attempts: int
    number_index: int
    decision: str | None
    phone: str
    other_phones: Sequence[str]
    place: str
    said_zone: str | None
    state: str | None
    postal_code: str | None
    party: str
    consent: str
    consent_at: datetime | None
    consent_source: str | None

    @property
    def number(self) -> str:
        """The number whose turn it is, E.164."""
        numbers = [self.phone, *self.other_phones]
        return numbers[min(self.number_index, len(numbers) - 1)]


async def due(tx: Tx, most: Mapping[int, int], now: datetime) -> list[DueContact]:
    """Lock and read due contacts.

    Args:
        most: campaign id → how many at the most.
    """
    rows = await tx.execute(DUE, {"ids": list(most), "limits": list(most.values()), "now": now})
    return [DueContact(**row._mapping) for row in rows]


async def definitions(tx: Tx, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Any]:
    """Definitions by (campaign id, version)."""
    rows = await tx.execute(
        text(
            """
            SELECT v.campaign_id, v.version, v.definition
              FROM campaign_versions v
              JOIN unnest(CAST(:ids AS bigint[]), CAST(:versions AS int[])) AS w (campaign_id, version)
             USING (campaign_id, version)
            """
        ),
        {"ids": [c for c, _ in wanted], "versions": [v for _, v in wanted]},
    )
    return {(row.campaign_id, row.version): row.definition for row in rows}


async def dnc_lists(tx: Tx, campaign_ids: Sequence[int]) -> dict[int, list[int]]:
    """The DNC lists that each campaign honours besides the own list."""
    rows = await tx.execute(
        text(
            "SELECT campaign_id, array_agg(dnc_list_id) AS lists FROM campaign_dnc_lists "
            "WHERE campaign_id = ANY(:ids) GROUP BY campaign_id"
        ),
        {"ids": list(campaign_ids)},
    )
    return {row.campaign_id: list(row.lists) for row in rows}


async def spend(tx: Tx, campaign_ids: Sequence[int], day: date) -> dict[int, tuple[Decimal, Decimal]]:
    """(reserved and spent today, over all days) of each campaign that has any."""
    rows = await tx.execute(
        text(
            """
            SELECT campaign_id, coalesce(sum(reserved + spent) FILTER (WHERE day = :day), 0) AS today,
                   sum(reserved + spent) AS total
              FROM campaign_spend WHERE campaign_id = ANY(:ids) GROUP BY campaign_id
            """
        ),
        {"ids": list(campaign_ids), "day": day},
    )
    return {row.campaign_id: (row.today, row.total) for row in rows}


async def caller_use(tx: Tx, callers: Sequence[str], day: date) -> dict[str, int]:
    """Attempts made today from each caller id."""
    rows = await tx.execute(
        text("SELECT caller_id, attempts FROM caller_id_days WHERE day = :day AND caller_id = ANY(:callers)"),
        {"day": day, "callers": list(callers)},
    )
    return {row.caller_id: row.attempts for row in rows}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A contact that is not dialled now: blocked (next_at None) or deferred."""

    id: int
    next_at: datetime | None
    waiting_for: str
    decision: str


async def put_off(tx: Tx, rows: Sequence[Waiting], now: datetime) -> None:
    """Write deferrals and blocks."""
    if not rows:
        return
    await tx.execute(
        text(
            """
            UPDATE campaign_contacts cc
               SET next_at = u.next_at,
                   state = CASE WHEN u.next_at IS NULL THEN 'blocked' ELSE 'waiting' END,
                   waiting_for = u.waiting_for, decision = u.decision, updated_at = :now
              FROM unnest(CAST(:ids AS bigint[]), CAST(:next AS timestamptz[]), CAST(:why AS text[]),
                          CAST(:decisions AS text[])) AS u (id, next_at, waiting_for, decision)
             WHERE cc.id = u.id
            """
        ),
        {
            "ids": [r.id for r in rows],
            "next": [r.next_at for r in rows],
            "why": [r.waiting_for for r in rows],
            "decisions": [r.decision for r in rows],
            "now": now,
        },
    )


@dataclass(frozen=True, slots=True)
class Intent:
    """The wish to dial one number, as it is committed before Twilio hears of it."""

    marker: str
    campaign_id: int
    campaign_contact_id: int
    contact_id: int
    campaign_version: int
    phone: str
    caller_id: str
    due_for: str
    number: int
    slot_at: datetime
    window_closes_at: datetime | None
    reserved: Decimal
    decision: str


_INTENT = text(
    """
    WITH intent AS (
        SELECT * FROM unnest(
            CAST(:marker AS text[]), CAST(:campaign_id AS bigint[]), CAST(:campaign_contact_id AS bigint[]),
            CAST(:contact_id AS bigint[]), CAST(:campaign_version AS int[]), CAST(:phone AS text[]),
            CAST(:caller_id AS text[]), CAST(:due_for AS text[]), CAST(:number AS int[]),
            CAST(:slot_at AS timestamptz[]), CAST(:window_closes_at AS timestamptz[]),
            CAST(:reserved AS numeric[]), CAST(:decision AS text[]))
        AS i (marker, campaign_id, campaign_contact_id, contact_id, campaign_version, phone, caller_id,
              due_for, number, slot_at, window_closes_at, reserved, decision)
    ), claimed AS (
        UPDATE campaign_contacts cc
           SET state = 'calling', next_at = NULL, attempts = i.number, waiting_for = NULL,
               decision = i.decision, updated_at = :now
          FROM intent i WHERE cc.id = i.campaign_contact_id
    ), money AS (
        INSERT INTO campaign_spend AS s (campaign_id, day, attempts, reserved)
        SELECT campaign_id, :day, count(*), sum(reserved) FROM intent GROUP BY campaign_id
        ON CONFLICT (campaign_id, day) DO UPDATE
           SET attempts = s.attempts + excluded.attempts, reserved = s.reserved + excluded.reserved
    ), callers AS (
        INSERT INTO caller_id_days AS d (caller_id, day, attempts)
        SELECT caller_id, :day, count(*) FROM intent GROUP BY caller_id
        ON CONFLICT (caller_id, day) DO UPDATE SET attempts = d.attempts + excluded.attempts
    )
    INSERT INTO attempts (marker, campaign_id, campaign_contact_id, contact_id, campaign_version, phone,
                          caller_id, due_for, number, state, intent_at, slot_at, window_closes_at, reserved,
                          replica, lease_until)
    SELECT marker, campaign_id, campaign_contact_id, contact_id, campaign_version, phone, caller_id, due_for,
           number, 'placing', :now, slot_at, window_closes_at, reserved, :replica, :lease_until
      FROM intent
    RETURNING id, marker
    """
)


async def write_intents(
    tx: Tx, intents: Sequence[Intent], *, replica: str, lease_until: datetime, now: datetime
) -> dict[str, int]:
    """Write the intents, take the contacts, reserve the money, count the caller ids: one statement.

    The one exception to "commit at the edge": the caller commits before Twilio hears of any of them.

    Returns:
        marker → attempt id.
    """
    if not intents:
        return {}
    columns = [field.name for field in fields(Intent)]
    given: dict[str, Any] = {name: [getattr(i, name) for i in intents] for name in columns}
    given |= {"now": now, "day": now.date(), "replica": replica, "lease_until": lease_until}
    rows = await tx.execute(_INTENT, given)
    return {row.marker: row.id for row in rows}


@dataclass(frozen=True, slots=True)
class OwnCall:
    """The intent of a call to one's own number; `definition` as JSON, for it belongs to no campaign."""

    marker: str
    phone: str
    caller_id: str
    slot_at: datetime
    window_closes_at: datetime | None
    definition: Any


async def write_own_call(tx: Tx, call: OwnCall, *, replica: str, lease_until: datetime, now: datetime) -> int:
    """Write the intent of a call that is never counted; the attempt's id."""
    row = await tx.execute(
        models.attempts.insert().returning(models.attempts.c.id),
        {
            "marker": call.marker,
            "kind": "test",
            "definition": call.definition,
            "phone": call.phone,
            "caller_id": call.caller_id,
            "state": "placing",
            "intent_at": now,
            "slot_at": call.slot_at,
            "window_closes_at": call.window_closes_at,
            "replica": replica,
            "lease_until": lease_until,
        },
    )
    return int(row.scalar_one())


async def record_placed(tx: Tx, placed: Sequence[tuple[int, str, str, datetime, datetime]]) -> None:
    """Record what Twilio answered with a sid, many at once.

    Args:
        placed: (attempt id, call sid, Twilio's status, sent at, answered at).
    A call event may have been quicker: the state only moves forward.
    """
    await tx.execute(
        text(
            """
            UPDATE attempts a
               SET call_sid = coalesce(a.call_sid, u.sid),
                   call_status = coalesce(a.call_status, u.status),
                   state = CASE WHEN a.state IN ('placing', 'unknown') THEN 'placed' ELSE a.state END,
                   sent_at = u.sent_at,
                   placed_at = coalesce(a.placed_at, u.placed_at),
                   hold_until = NULL,
                   lease_until = NULL,
                   check_at = CASE WHEN a.settled_at IS NULL THEN greatest(a.check_at, u.placed_at + :silence)
                                   ELSE a.check_at END
              FROM unnest(CAST(:ids AS bigint[]), CAST(:sids AS text[]), CAST(:statuses AS text[]),
                          CAST(:sent AS timestamptz[]), CAST(:placed AS timestamptz[]))
                   AS u (id, sid, status, sent_at, placed_at)
             WHERE a.id = u.id
            """
        ),
        {
            "ids": [p[0] for p in placed],
            "sids": [p[1] for p in placed],
            "statuses": [p[2] for p in placed],
            "sent": [p[3] for p in placed],
            "placed": [p[4] for p in placed],
            "silence": SILENCE,
        },
    )


async def record_not_placed(
    tx: Tx, attempt_id: int, event: AttemptEvent, why: str, code: int | None, now: datetime
) -> bool:
    """Record an answer without a sid: proven not placed, or (LOST) unknown and held.

    Only an attempt of which nothing has been heard is touched: a call event that was quicker proves more.
    A call that was not placed gives its caller id's day back.

    Returns:
        whether this settled the attempt, so that it must be closed.
    """
    state = after(AttemptState.PLACING, event)
    settled = state in SETTLED
    done = await tx.execute(
        text(
            """
            WITH unused AS (
                UPDATE caller_id_days d SET attempts = d.attempts - 1
                  FROM attempts a
                 WHERE :settled AND a.id = :id AND a.state = 'placing'
                   AND d.caller_id = a.caller_id AND d.day = CAST(a.intent_at AT TIME ZONE 'UTC' AS date)
            )
            UPDATE attempts
               SET state = :state, error = :why, error_code = :code, lease_until = NULL, checks = 0,
                   settled_at = CASE WHEN :settled THEN CAST(:now AS timestamptz) END,
                   hold_until = CASE WHEN :settled THEN NULL ELSE CAST(:hold AS timestamptz) END,
                   check_at = CASE WHEN :settled THEN NULL ELSE CAST(:check AS timestamptz) END
             WHERE id = :id AND state = 'placing'
            """
        ),
        {
            "id": attempt_id,
            "state": state.value,
            "settled": settled,
            "why": why,
            "code": code,
            "now": now,
            "hold": now + HOLD,
            "check": now + FIRST_LOOK,
        },
    )
    return settled and done.rowcount == 1


async def any_under_way(tx: Tx, replica: str) -> bool:
    """Whether calls that this replica placed have not ended yet."""
    found = await tx.execute(
        text(
            "SELECT EXISTS (SELECT FROM attempts WHERE settled_at IS NULL AND replica = :replica "
            "AND state IN ('placed', 'ringing', 'answered'))"
        ),
        {"replica": replica},
    )
    return bool(found.scalar_one())
