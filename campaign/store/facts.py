"""What decisions look at, read for a whole batch in few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.domain.facts import Pause, Registered, Waiver
from campaign.store import rule_records
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """How a campaign stands, with what people have recorded about the law.

    Args:
        all_stopped: `stop --all` is in force.
        waivers: of this campaign; pauses, registered: of the whole installation.
    """

    id: int
    name: str
    state: str
    version: int
    starts_at: datetime | None
    ends_at: datetime | None
    all_stopped: bool
    waivers: tuple[Waiver, ...] = ()
    registered: tuple[Registered, ...] = ()
    pauses: tuple[Pause, ...] = ()


async def campaigns(tx: Tx, ids: Sequence[int], now: datetime) -> dict[int, CampaignRow]:
    """Those campaigns, with the switch that stops all dialling and what is recorded of rules."""
    rows = await tx.execute(
        text(
            f"""
            SELECT c.id, c.name, c.state, c.version, c.starts_at, c.ends_at,
                   EXISTS (SELECT FROM installation i WHERE i.dialling_stopped_at IS NOT NULL) AS all_stopped,
                   {rule_records.POLICY_SQL}
              FROM campaigns c WHERE c.id = ANY(:ids)
            """  # noqa: S608 (a constant)
        ),
        {"ids": list(ids), "now": now},
    )
    return {
        row["id"]: CampaignRow(
            **{
                **row,
                "waivers": rule_records.waivers_of(row),
                "registered": rule_records.registered_of(row),
                "pauses": rule_records.pauses_of(row),
            }
        )
        for row in (dict(found) for found in rows.mappings())
    }


async def abandonment(
    tx: Tx, ids: Sequence[int], since: datetime, connects: Sequence[str]
) -> dict[int, tuple[int, int]]:
    """Campaign → (calls answered by a person, of these abandoned), by outcomes recorded after `since`.

    Args:
        connects: the dispositions that mean that a person answered.
    """
    rows = await tx.execute(
        text(
            """
            SELECT campaign_id, count(*) AS answered, count(*) FILTER (WHERE abandoned) AS abandoned
              FROM outcomes
             WHERE campaign_id = ANY(:ids) AND recorded_at > :since
               AND (abandoned OR disposition = ANY(:connects))
             GROUP BY campaign_id
            """
        ),
        {"ids": list(ids), "since": since, "connects": list(connects)},
    )
    return {row.campaign_id: (row.answered, row.abandoned) for row in rows}


@dataclass(frozen=True, slots=True)
class Tries:
    """What was tried at one number, and at the others of the same person.

    Args:
        attempts: instants that count, of this number; elsewhere: of the person's other numbers.
        unsettled_since: since when an attempt to any of them is under way.
    """

    attempts: tuple[datetime, ...]
    elsewhere: tuple[datetime, ...]
    unsettled_since: datetime | None


TRIED = text(
    """
    WITH given AS (
        SELECT DISTINCT phone, number
          FROM unnest(CAST(:phones AS text[]), CAST(:numbers AS text[])) AS g (phone, number)
    ), person AS (
        SELECT phone, number FROM given
         UNION
        SELECT g.phone, unnest(k.numbers)
          FROM given g
         CROSS JOIN LATERAL (
                SELECT k.phone || k.other_phones AS numbers FROM contacts k
                 WHERE k.phone = g.number AND k.other_phones <> '{}'::text[] OFFSET 0) AS k
         UNION
        SELECT g.phone, unnest(k.numbers)
          FROM given g
         CROSS JOIN LATERAL (
                SELECT k.phone || k.other_phones AS numbers FROM contacts k
                 WHERE k.other_phones <> '{}'::text[] AND k.other_phones @> ARRAY[g.number] OFFSET 0) AS k
    )
    SELECT n.phone,
           array_agg(a.intent_at) FILTER (WHERE a.counts AND n.number = n.phone) AS attempts,
           array_agg(a.intent_at) FILTER (WHERE a.counts AND n.number <> n.phone) AS elsewhere,
           min(a.intent_at) FILTER (WHERE a.unsettled) AS unsettled_since
      FROM person AS n
     CROSS JOIN LATERAL (
            SELECT a.intent_at, false AS unsettled,
                   a.kind = 'campaign' AND a.state <> 'not_placed'
                   AND NOT (a.call_status = 'canceled' AND a.ringing_at IS NULL
                            AND a.answered_at IS NULL) IS TRUE AS counts
              FROM attempts a WHERE a.phone = n.number AND a.intent_at > :since
             UNION ALL
            SELECT a.intent_at, true, false
              FROM attempts a WHERE a.phone = n.number AND a.settled_at IS NULL AND a.kind <> 'inbound'
             UNION ALL
            SELECT a.intent_at, true, false
              FROM attempts a WHERE a.phone = n.number AND a.settled_at IS NULL AND a.kind = 'inbound') AS a
     GROUP BY n.phone
    """
)
"""Attempts that rang or may have rung count towards caps: not test calls nor calls to us, not what was proven
unplaced, not what was cancelled while it still queued. A call to us that goes on keeps its number from being
dialled; each sort of unsettled attempt has its own index.

A person is a contact, and every contact of any list that shares a number with it: their numbers together.
OFFSET 0 makes Postgres look each number up by its index; left to itself it reads through all contacts."""


async def tried(tx: Tx, persons: Mapping[str, Sequence[str]], since: datetime) -> dict[str, Tries]:
    """Number → attempts by any campaign after `since` to its person, and any attempt that has not ended.

    Args:
        persons: number → all numbers of its contact, as far as they are known to the caller.
    """
    pairs = [(phone, number) for phone, all_ in persons.items() for number in {phone, *all_}]
    given = {"phones": [phone for phone, _ in pairs], "numbers": [number for _, number in pairs]}
    rows = await tx.execute(TRIED, {**given, "since": since})
    return {
        row.phone: Tries(tuple(row.attempts or ()), tuple(row.elsewhere or ()), row.unsettled_since)
        for row in rows
    }
