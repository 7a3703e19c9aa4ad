"""The dialler's claim: lock the pace, find what is due, write the intents.

A claim is one short transaction that begins by locking the pace row. Claims of all processes therefore run
one after the other: what one of them counts (slots, lines, money, a caller id's day, one unsettled attempt
per number) is still true when it commits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from campaign.store.attempts import HOLD, ON_THE_LINE
from campaign.store.database import CUT_OFF_WHEN_SILENT, Tx


@dataclass(frozen=True, slots=True)
class PaceRow:
    """The account's pace as it stands: the next free slot, who dials, and a hold with its reason.

    `fencing` is the number of the tenure that was begun last, whether or not it has ended.
    """

    next_slot_at: datetime
    holder: str | None
    tenure_until: datetime | None
    fencing: int
    held_until: datetime | None
    held_why: str | None
    failures: int
    stopped_why: str | None


@dataclass(frozen=True, slots=True)
class Tenure:
    """A process's right to dial: who has it, and its fencing number."""

    holder: str
    fencing: int


async def lock_pace(tx: Tx) -> PaceRow:
    """Lock the pace row until the end of the transaction, and read the switch that stops all dialling.

    Whoever stands still under this lock (a stopped process, a network that swallows everything) is cut off
    by the server, or nobody could dial, pause or stop anything until it moves again.
    """
    row = (
        await tx.execute(
            text(
                f"""
                SELECT p.next_slot_at, p.holder, p.tenure_until, p.fencing, p.held_until, p.held_why,
                       p.failures,
                       CASE WHEN i.dialling_stopped_at IS NOT NULL
                            THEN coalesce(i.dialling_stopped_why, 'all dialling is stopped')
                       END AS stopped_why
                  FROM pace p, installation i, {CUT_OFF_WHEN_SILENT} AS cut_off
                   FOR UPDATE OF p
                """  # noqa: S608 (a constant)
            )
        )
    ).one()
    return PaceRow(**row._mapping)


async def move_pace(tx: Tx, next_slot_at: datetime) -> None:
    """Move the next free slot, in the transaction that has locked the pace; for a guest, who takes no
    tenure and whose move therefore needs no number: the lock alone keeps the others out."""
    await tx.execute(text("UPDATE pace SET next_slot_at = :at WHERE id = 1"), {"at": next_slot_at})


async def take_pace(tx: Tx, next_slot_at: datetime, holder: str, tenure_until: datetime) -> int:
    """Begin a tenure, in the transaction that has locked the pace and found that nobody else's runs.

    Returns:
        its fencing number, which no tenure before it had.
    """
    taken = await tx.execute(
        text(
            """
            UPDATE pace SET next_slot_at = :at, holder = :holder, tenure_until = :until, fencing = fencing + 1
             WHERE id = 1 RETURNING fencing
            """
        ),
        {"at": next_slot_at, "holder": holder, "until": tenure_until},
    )
    return int(taken.scalar_one())


async def keep_pace(tx: Tx, next_slot_at: datetime, tenure: Tenure, tenure_until: datetime) -> bool:
    """Move the next free slot and prolong one's tenure; False, and nothing is changed, when it is another's
    by now. (The holder is compared too: processes of a version before fencing don't count the number up.)
    """
    kept = await tx.execute(
        text(
            """
            UPDATE pace SET next_slot_at = :at, tenure_until = :until
             WHERE id = 1 AND fencing = :fencing AND holder = :holder
            """
        ),
        {"at": next_slot_at, "until": tenure_until, "fencing": tenure.fencing, "holder": tenure.holder},
    )
    return kept.rowcount == 1


async def leave_pace(tx: Tx, tenure: Tenure, now: datetime) -> None:
    """End one's tenure, unless it is another's by now: nothing of it goes out any more."""
    await tx.execute(
        text(
            """
            UPDATE pace SET holder = NULL, tenure_until = :now
             WHERE id = 1 AND fencing = :fencing AND holder = :holder
            """
        ),
        {"now": now, "fencing": tenure.fencing, "holder": tenure.holder},
    )


async def hold_pace(
    tx: Tx, until: datetime, why: str, *, failures: int, tenure: Tenure, tenure_until: datetime
) -> None:
    """Hold all dialling until an instant; only by the process that dials. What one that was paused learned
    before is no news to those who dial now.

    Args:
        why: a sentence for people.
        failures: in a row; after the hold one call is tried alone.
        tenure_until: who dials stays the only one to dial until then.
    """
    await tx.execute(
        text(
            """
            UPDATE pace
               SET held_until = :until, held_why = :why, failures = :failures,
                   tenure_until = greatest(tenure_until, :tenure_until)
             WHERE id = 1 AND fencing = :fencing AND holder = :holder
            """
        ),
        {
            "until": until,
            "why": why,
            "failures": failures,
            "fencing": tenure.fencing,
            "holder": tenure.holder,
            "tenure_until": tenure_until,
        },
    )


async def end_hold(tx: Tx, tenure: Tenure) -> None:
    """Twilio takes calls: let dialling go on; only by the process that dials."""
    await tx.execute(
        text(
            """
            UPDATE pace SET held_until = NULL, held_why = NULL, failures = 0
             WHERE id = 1 AND fencing = :fencing AND holder = :holder
            """
        ),
        {"fencing": tenure.fencing, "holder": tenure.holder},
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
    """Calls of its last second (or the longer time that one call takes below 1 a second), and those that are
    about to go out."""


async def running(
    tx: Tx,
    now: datetime,
    stale: timedelta,
    *,
    slowed: Mapping[int, float] | None = None,
    account_pace: float | None = None,
) -> tuple[list[RunningCampaign], int]:
    """Campaigns that may dial now, and the account's lines in use by anything.

    Args:
        stale: an intent older than this does not go out.
        slowed: campaign → the share of its pace and lines that it keeps (one line at least).
        account_pace: calls per second of the account; of a campaign that has none of its own.
    """
    slow = slowed or {}
    uncertain = now + HOLD - ON_THE_LINE
    rows = await tx.execute(
        text(
            """
            SELECT c.id, c.name, c.version, c.share, paced.calls_per_second,
                   greatest(1, CAST(round(c.lines * coalesce(s.kept, 1)) AS int)) AS lines,
                   (SELECT count(*) FROM attempts a
                     WHERE a.campaign_id = c.id AND a.settled_at IS NULL AND a.kind <> 'inbound'
                       AND (a.state <> 'unknown' OR a.hold_until > :uncertain)) AS busy,
                   CASE WHEN paced.calls_per_second IS NULL THEN 0 ELSE
                   (SELECT count(*) FROM attempts a
                     WHERE a.campaign_id = c.id AND a.intent_at > :now - per_call - :stale
                       AND a.kind <> 'inbound'
                       AND (a.state = 'placing' OR coalesce(a.sent_at, a.slot_at) > :now - per_call))
                   END AS recent
              FROM campaigns c
              LEFT JOIN unnest(CAST(:slowed AS bigint[]), CAST(:kept AS float8[])) AS s (id, kept)
                     ON s.id = c.id
             CROSS JOIN LATERAL (
                    SELECT CASE WHEN s.kept IS NULL THEN CAST(c.calls_per_second AS float8)
                                ELSE s.kept * coalesce(c.calls_per_second, CAST(:account AS float8)) END)
                        AS paced (calls_per_second)
             CROSS JOIN LATERAL (
                    SELECT make_interval(secs => greatest(1, 1 / paced.calls_per_second))) AS own (per_call)
             WHERE c.state = 'running'
               AND (c.starts_at IS NULL OR c.starts_at <= :now)
               AND (c.ends_at IS NULL OR c.ends_at > :now)
             ORDER BY c.id
            """
        ),
        {
            "now": now,
            "stale": stale,
            "uncertain": uncertain,
            "slowed": list(slow),
            "kept": list(slow.values()),
            "account": account_pace,
        },
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
        await tx.execute(
            text(
                "SELECT count(*) FROM attempts "
                "WHERE settled_at IS NULL AND (state <> 'unknown' OR hold_until > :uncertain)"
            ),
            {"uncertain": uncertain},
        )
    ).scalar_one()
    return found, total


DUE = text(
    """
    SELECT d.id, d.campaign_id, d.contact_id, d.priority, d.next_at, d.due_for, d.attempts, d.number_index,
           d.decision, k.phone, k.other_phones, k.place, k.said_zone, k.state, k.postal_code, k.party,
           k.consent, k.consent_at, k.consent_source
      FROM unnest(CAST(:ids AS bigint[]), CAST(:limits AS int[]), CAST(:floors AS timestamptz[]))
        AS r (campaign_id, most, floor)
     CROSS JOIN LATERAL (
            SELECT due.*
              FROM (SELECT -1 AS priority
                     UNION
                    SELECT l.priority FROM campaign_lists l WHERE l.campaign_id = r.campaign_id) AS level
              LEFT JOIN unnest(CAST(:first_campaigns AS bigint[]), CAST(:first_priorities AS int[]),
                               CAST(:first_at AS timestamptz[]), CAST(:first_ids AS bigint[]))
                        AS f (campaign_id, priority, next_at, id)
                     ON f.campaign_id = r.campaign_id AND f.priority = level.priority
             CROSS JOIN LATERAL (
                    SELECT cc.*
                      FROM campaign_contacts cc
                     WHERE cc.campaign_id = r.campaign_id
                       AND cc.priority = level.priority
                       AND (cc.next_at, cc.id) >= (coalesce(f.next_at, r.floor), coalesce(f.id, 0))
                       AND cc.next_at <= :now
                     ORDER BY cc.next_at, cc.id
                     LIMIT r.most
                       FOR UPDATE SKIP LOCKED) AS due
             ORDER BY due.priority, due.next_at, due.id
             LIMIT r.most) AS d
      JOIN contacts k ON k.id = d.contact_id
     ORDER BY d.campaign_id, d.priority, d.next_at, d.id
    """
)
"""Due contacts of several campaigns, each up to its own limit, in the order in which they go.

One index probe per campaign and priority level on (campaign_id, priority, next_at, id): a filter instead
would read through all that sleep at the head of the index. The id is part of it because whole zone groups are
due at one instant: a look that begins where the last one found something begins within such a group.
"""


@dataclass(frozen=True, slots=True)
class From:
    """Where a look for due contacts begins.

    Attributes:
        first: (campaign id, priority) → (next_at, id) of the first contact that is worth looking at.
        floors: campaign id → that instant, for its priorities that are not in `first`.
    """

    first: dict[tuple[int, int], tuple[datetime, int]]
    floors: dict[int, datetime]


_ALWAYS = datetime.min.replace(tzinfo=UTC)


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
    def numbers(self) -> tuple[str, ...]:
        """All numbers of the person, in their order."""
        return (self.phone, *self.other_phones)

    @property
    def number(self) -> str:
        """The number whose turn it is, E.164."""
        numbers = [self.phone, *self.other_phones]
        return numbers[min(self.number_index, len(numbers) - 1)]


async def due(tx: Tx, most: Mapping[int, int], now: datetime, begin: From | None = None) -> list[DueContact]:
    """Lock and read due contacts.

    Args:
        most: campaign id → how many at the most.
        begin: where to begin; None: wherever there is any.
    """
    rows = await tx.execute(DUE, due_arguments(most, now, begin))
    return [DueContact(**row._mapping) for row in rows]


def due_arguments(most: Mapping[int, int], now: datetime, begin: From | None = None) -> dict[str, Any]:
    """What `DUE` is given; see `due`."""
    first = begin.first if begin is not None else {}
    floors = begin.floors if begin is not None else {}
    places = [(*key, *first[key]) for key in first if key[0] in most]
    return {
        "ids": list(most),
        "limits": list(most.values()),
        "floors": [floors.get(one, _ALWAYS) for one in most],
        "first_campaigns": [campaign for campaign, _, _, _ in places],
        "first_priorities": [priority for _, priority, _, _ in places],
        "first_at": [at for _, _, at, _ in places],
        "first_ids": [one for _, _, _, one in places],
        "now": now,
    }


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
                          replica, fencing, lease_until)
    SELECT marker, campaign_id, campaign_contact_id, contact_id, campaign_version, phone, caller_id, due_for,
           number, 'placing', :now, slot_at, window_closes_at, reserved, :replica, :fencing, :lease_until
      FROM intent
    RETURNING id, marker
    """
)


async def write_intents(
    tx: Tx, intents: Sequence[Intent], *, tenure: Tenure, lease_until: datetime, now: datetime
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
    given |= {"now": now, "day": now.date(), "lease_until": lease_until}
    given |= {"replica": tenure.holder, "fencing": tenure.fencing}
    rows = await tx.execute(_INTENT, given)
    return {row.marker: row.id for row in rows}
