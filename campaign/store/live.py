"""What is going on this second: calls that are up, what was last said in them, how dialling goes.

Read again and again while somebody watches, so every statement here is one range of an index and doesn't
grow with the number of attempts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import text

from campaign.store import reports
from campaign.store.database import Tx

MOST_CALLS = 50
"""Live calls that one view shows."""
LAST_TURNS = 3
"""Of each live call so many turns are shown beside the others; its own page has all."""

Which = Literal["all", "talking", "ringing"]
WHICH: tuple[Which, ...] = ("all", "talking", "ringing")
_STATES: dict[Which, list[str]] = {
    "all": ["placing", "placed", "ringing", "answered"],
    "talking": ["answered"],
    "ringing": ["placing", "placed", "ringing"],
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that was said, as heard, redacted; see conversation_turns."""

    seq: int
    speaker: str
    text: str
    interrupted: bool
    latency_ms: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call that is up.

    Args:
        place: where the person may be (domain/place.py: Place.key); None when the contact is gone.
        name: the contact's first name, if the list has one.
        ending: an operator has asked for its end.
        turns: the last ones, oldest first.
    """

    id: int
    campaign_id: int | None
    campaign: str | None
    phone: str
    name: str | None
    place: str | None
    state: str
    number: int
    due_for: str
    caller_id: str
    intent_at: datetime
    answered_at: datetime | None
    answered_by: str | None
    ending: bool
    turns: Sequence[Turn] = field(default=())

    @property
    def since(self) -> datetime:
        """When somebody answered, or when it was decided to call."""
        return self.answered_at or self.intent_at


@dataclass(frozen=True, slots=True)
class Calls:
    """Live calls: those that are shown, and how many there are of each kind."""

    shown: Sequence[LiveCall]
    talking: int
    ringing: int
    unknown: int

    @property
    def up(self) -> int:
        """How many are under way, without those of which nobody can say whether they are."""
        return self.talking + self.ringing


async def calls(
    tx: Tx, campaign_id: int | None = None, which: Which = "all", limit: int = MOST_CALLS
) -> Calls:
    """Calls that are up, those first in which somebody talks, the longest first.

    Args:
        campaign_id: of one campaign; None: of all, test calls included.
    """
    given = {"id": campaign_id}
    only = "" if campaign_id is None else " AND campaign_id = :id"
    counted = {
        row.state: row.calls
        for row in await tx.execute(
            text(
                f"SELECT state, count(*) AS calls FROM attempts WHERE settled_at IS NULL{only} GROUP BY 1"  # noqa: S608 - constants
            ),
            given,
        )
    }
    rows = (
        await tx.execute(
            text(
                f"""
                SELECT a.id, a.campaign_id, c.name AS campaign, a.phone, k.variables ->> 'first_name' AS name,
                       k.place, a.state, a.number, a.due_for, a.caller_id,
                       a.intent_at, a.answered_at, a.answered_by, a.cancel_at IS NOT NULL AS ending
                  FROM attempts a
                  LEFT JOIN campaigns c ON c.id = a.campaign_id
                  LEFT JOIN contacts k ON k.id = a.contact_id
                 WHERE a.settled_at IS NULL AND a.state = ANY(:states)
                   {only.replace("campaign_id", "a.campaign_id")}
                 ORDER BY a.state <> 'answered', coalesce(a.answered_at, a.intent_at), a.id
                 LIMIT :limit
                """  # noqa: S608 - constants
            ),
            {**given, "states": _STATES[which], "limit": limit},
        )
    ).all()
    said = await last_turns(tx, [row.id for row in rows if row.state == "answered"])
    shown = [LiveCall(**row._mapping, turns=said.get(row.id, ())) for row in rows]
    return Calls(
        shown,
        talking=counted.get("answered", 0),
        ringing=sum(counted.get(state, 0) for state in _STATES["ringing"]),
        unknown=counted.get("unknown", 0),
    )


async def last_turns(tx: Tx, attempt_ids: Sequence[int], most: int = LAST_TURNS) -> dict[int, list[Turn]]:
    """Attempt id → the last turns of its conversation, oldest first."""
    rows = await tx.execute(
        text(
            """
            SELECT t.attempt_id, t.seq, t.speaker, t.text, t.interrupted, t.latency_ms, t.at
              FROM unnest(CAST(:ids AS bigint[])) AS w (id)
             CROSS JOIN LATERAL (
                   SELECT * FROM conversation_turns WHERE attempt_id = w.id AND speaker <> 'note'
                    ORDER BY seq DESC LIMIT :most) AS t
             ORDER BY t.attempt_id, t.seq
            """
        ),
        {"ids": list(attempt_ids), "most": most},
    )
    found: dict[int, list[Turn]] = {}
    for row in rows:
        said = Turn(row.seq, row.speaker, row.text, row.interrupted, row.latency_ms, row.at)
        found.setdefault(row.attempt_id, []).append(said)
    return found


@dataclass(frozen=True, slots=True)
class Pulse:
    """How fast a campaign dials and what it has spent.

    Args:
        started_10s: calls that went out in the last ten seconds.
        minutes: calls decided on in each of the last thirty minutes, the present one last.
        spent_today, spent: money spent or reserved, this UTC day and in all.
    """

    started_10s: int
    minutes: Sequence[int]
    spent_today: float
    spent: float


MINUTES = 30


async def pulse(tx: Tx, campaign_id: int, now: datetime) -> Pulse:
    """How a campaign dials at this moment."""
    given: dict[str, Any] = {
        "id": campaign_id,
        "now": now,
        "first": now - timedelta(minutes=MINUTES),
    }
    by_minute = {
        row.minute: row.calls
        for row in await tx.execute(
            text(
                """
                SELECT floor(extract(epoch FROM CAST(:now AS timestamptz) - intent_at) / 60)::int AS minute,
                       count(*) AS calls
                  FROM attempts WHERE campaign_id = :id AND intent_at > :first AND intent_at <= :now
                 GROUP BY 1
                """
            ),
            given,
        )
    }
    minutes = [by_minute.get(ago, 0) for ago in range(MINUTES - 1, -1, -1)]
    today, total = await reports.money(tx, campaign_id, now)
    return Pulse(await reports.started_lately(tx, campaign_id, now), minutes, today, total)


async def up(tx: Tx) -> dict[int, int]:
    """Campaign id → calls that are up."""
    rows = await tx.execute(
        text(
            "SELECT campaign_id, count(*) AS calls FROM attempts "
            "WHERE settled_at IS NULL AND state <> 'unknown' AND campaign_id IS NOT NULL GROUP BY campaign_id"
        )
    )
    return {row.campaign_id: row.calls for row in rows}
