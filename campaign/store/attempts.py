"""Attempts after their intent: what Twilio says of them, and who must be asked about.

Twilio's word comes late, twice, out of order or never. So a row is a join of all that was told: the state by
the table of domain/attempt.py, statuses and verdicts by a rank, times by the earliest, and every order and
repetition of the same words ends in the same row. `merged` is that join; `apply` carries it out under the
row's lock. The claims below are single statements that push `check_at` on before anything is asked, so that
two replicas never ask the same question, and no lock is held over I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import text

from campaign.domain.attempt import SETTLED, STATUS_EVENT, AttemptEvent, AttemptState, after
from campaign.store import models
from campaign.store.database import Tx, fetch_one

HOLD = timedelta(minutes=15)
"""How long a number is held when nobody knows whether Twilio took the call. How late Twilio may still accept
one isn't documented; half a minute is the longest that others report."""
ON_THE_LINE = timedelta(seconds=45)
"""For so long a call whose result is unknown counts as one that is up: by then Twilio's list was looked at
twice. Later it still holds its number, but no line: else a campaign with few lines would stand still after an
outage until the holds end."""
FIRST_LOOK = timedelta(seconds=10)
SILENCE = timedelta(seconds=30)
"""Without news of an unsettled call for so long, Twilio is asked."""
FIRST_PRICE = timedelta(minutes=2)
STOP_NOW = "stop_now"
HANGS_UP = ("machine", STOP_NOW)
"""Reasons that end even an answered call; all others cancel only what is queued or rings. A reason
(`cancel_why`) is such a word, or such a word, a colon and more for people: "stop_now: ended by ana"."""

_STATUS_RANK = {
    status: rank
    for rank, status in enumerate(
        (
            "queued",
            "initiated",
            "ringing",
            "in-progress",
            "canceled",
            "failed",
            "no-answer",
            "busy",
            "completed",
        )
    )
}
_VERDICT_RANK = {verdict: rank for rank, verdict in enumerate(("unknown", "human", "fax"))}
"""Detection's verdicts, weakest first; every `machine_…` is stronger, and `machine_end_…` strongest."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of `attempts`; the columns' meanings stand in store/models."""

    id: int
    marker: str
    kind: str
    campaign_id: int | None
    campaign_contact_id: int | None
    contact_id: int | None
    campaign_version: int | None
    phone: str
    caller_id: str
    due_for: str
    number: int
    state: AttemptState
    intent_at: datetime
    slot_at: datetime
    window_closes_at: datetime | None
    replica: str
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    hold_until: datetime | None
    check_at: datetime | None
    checks: int
    cancel_at: datetime | None
    cancel_why: str | None
    call_sid: str | None
    call_status: str | None
    answered_by: str | None
    machine_detection_ms: int | None
    sip_code: int | None
    error_code: int | None
    queue_ms: int | None
    duration_s: int | None
    price: Decimal | None
    price_unit: str | None
    reserved: Decimal
    first_word_ms: int | None
    talk_disposition: str | None
    callback_at: datetime | None
    turned_away: str | None
    recording_sid: str | None

    @property
    def to_hang_up(self) -> bool:
        """Whether the wish to end the call holds for an answered one too."""
        return (self.cancel_why or "").partition(":")[0] in HANGS_UP

    @property
    def proven_absent(self) -> bool:
        """Whether Twilio's list, asked after the hold, showed no call to the number: nobody was dialled."""
        return self.state is AttemptState.ENDED and self.call_sid is None and self.ended_at is not None

    @property
    def settled(self) -> bool:
        """Whether nothing can move it any more."""
        return self.state in SETTLED


COLUMNS = tuple(field.name for field in fields(Attempt))
COLUMNS_SQL = ", ".join(f"a.{name}" for name in COLUMNS)


def from_row(row: Mapping[Any, Any]) -> Attempt:
    """An attempt of a row that holds at least COLUMNS."""
    values = {name: row[name] for name in COLUMNS}
    return Attempt(**{**values, "state": AttemptState(values["state"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one event tells of a call; None where it is silent.

    Args:
        at: when it happened, by Twilio's word where it has one.
        event: for the state's table; None for facts that move nothing (a verdict, a price).
        duration_s: seconds, only of an answered call.
        price: as Twilio writes it, negative for a charge.
    """

    at: datetime
    event: AttemptEvent | None = None
    call_sid: str | None = None
    call_status: str | None = None
    answered_by: str | None = None
    machine_detection_ms: int | None = None
    sip_code: int | None = None
    queue_ms: int | None = None
    duration_s: int | None = None
    price: Decimal | None = None
    price_unit: str | None = None
    recording_sid: str | None = None

    @classmethod
    def of_status(cls, status: str, at: datetime, **more: Any) -> "Told":
        """Told by a call status; one that Twilio may add in future moves nothing."""
        return cls(at=at, event=STATUS_EVENT.get(status), call_status=status, **more)


class AnotherCall(ValueError):
    """The event names another call than the attempt's: one marker, two calls."""


def merged(attempt: Attempt, told: Told, now: datetime) -> dict[str, Any]:
    """The columns that change when something is told; empty when it says nothing new.

    Raises:
        AnotherCall: the attempt is bound to another call already.
    """
    if told.call_sid and attempt.call_sid and told.call_sid != attempt.call_sid:
        raise AnotherCall(f"attempt {attempt.id} is call {attempt.call_sid}, not {told.call_sid}")
    new: dict[str, object] = {"call_sid": attempt.call_sid or told.call_sid}
    state = attempt.state if told.event is None else after(attempt.state, told.event)
    new["state"] = state
    new["call_status"] = _higher(attempt.call_status, told.call_status, _STATUS_RANK.get)
    new["answered_by"] = _higher(attempt.answered_by, told.answered_by, _verdict_rank)
    new.update(_times(attempt, told))
    for name in ("machine_detection_ms", "sip_code", "queue_ms", "duration_s"):
        values = [value for value in (getattr(attempt, name), getattr(told, name)) if value is not None]
        new[name] = max(values) if values else None
    for name in ("price", "price_unit"):
        value = getattr(told, name)
        new[name] = getattr(attempt, name) if value is None else value
    new["recording_sid"] = attempt.recording_sid or told.recording_sid
    changed = {name: value for name, value in new.items() if value != getattr(attempt, name)}
    if attempt.settled:
        return changed
    if state in SETTLED:
        changed["settled_at"] = now
        changed["check_at"] = now + FIRST_PRICE if new["call_status"] == "completed" else None
        changed["checks"] = 0
    elif changed:
        changed["check_at"] = now + SILENCE
        changed["checks"] = 0
    return changed


def _higher(old: str | None, new: str | None, rank: Any) -> str | None:
    if old is None or new is None:
        return old or new
    return max(old, new, key=lambda word: (rank(word) or 0, word))


def _verdict_rank(verdict: str) -> int:
    if verdict.startswith("machine_"):
        return 5 if verdict.startswith("machine_end") else 4
    return _VERDICT_RANK.get(verdict, 0)


def _times(attempt: Attempt, told: Told) -> dict[str, object]:
    """The earliest instant told of each step; never before the intent (Twilio's times are whole seconds).

    GIVEN_UP has none: when such a call ended, if there was one, nobody knows.
    """
    column = {
        AttemptEvent.ACCEPTED: "placed_at",
        AttemptEvent.RINGING: "ringing_at",
        AttemptEvent.ANSWERED: "answered_at",
        AttemptEvent.OVER: "ended_at",
        AttemptEvent.NOT_FOUND: "ended_at",
    }.get(told.event) if told.event is not None else None  # fmt: skip
    if column is None:
        return {}
    at = max(told.at, attempt.intent_at)
    old: datetime | None = getattr(attempt, column)
    return {column: at if old is None else min(old, at)}


# ── one attempt ────────────────────────────────────────────────────────────────────────────────────────


async def by_marker(tx: Tx, marker: str, *, lock: bool = False) -> Attempt | None:
    """The attempt of a marker; `lock` holds its row until the transaction's end."""
    return await _one(tx, "marker", marker, lock)


async def by_sid(tx: Tx, call_sid: str, *, lock: bool = False) -> Attempt | None:
    """The attempt that a call of Twilio's is bound to."""
    return await _one(tx, "call_sid", call_sid, lock)


async def by_id(tx: Tx, attempt_id: int, *, lock: bool = False) -> Attempt | None:
    """The attempt of an id."""
    return await _one(tx, "id", attempt_id, lock)


_ONE = {
    column: f"SELECT {COLUMNS_SQL} FROM attempts a WHERE a.{column} = %(value)s"  # noqa: S608 (constants)
    for column in ("id", "marker", "call_sid")
}


async def _one(tx: Tx, column: str, value: object, lock: bool) -> Attempt | None:
    row = await fetch_one(tx, _ONE[column] + (" FOR UPDATE" if lock else ""), {"value": value})
    return None if row is None else from_row(row)


async def apply(tx: Tx, attempt_id: int, told: Told, now: datetime) -> Attempt | None:
    """Join what was told into the attempt's row.

    Returns:
        The attempt as it is now; None when there is no such attempt.

    Raises:
        AnotherCall: see `merged`.
    """
    attempt = await by_id(tx, attempt_id, lock=True)
    return None if attempt is None else await apply_locked(tx, attempt, told, now)


async def apply_locked(tx: Tx, attempt: Attempt, told: Told, now: datetime) -> Attempt:
    """As `apply`, for an attempt whose row this transaction holds."""
    changed = merged(attempt, told, now)
    if not changed:
        return attempt
    await _write(tx, attempt.id, changed)
    return replace(attempt, **changed)


async def turn_away(tx: Tx, attempt_id: int, why: str) -> None:
    """Note why the TwiML fetch turned an answered call away; the first reason stays."""
    row = models.attempts.c
    await tx.execute(
        sa.update(models.attempts)
        .where(row.id == attempt_id, row.turned_away.is_(None))
        .values(turned_away=why)
    )


async def end_call(tx: Tx, attempt_id: int, why: str, now: datetime) -> None:
    """Ask that the call be ended (`why` one of HANGS_UP) or cancelled; the sweep does it, and again."""
    row = models.attempts.c
    await tx.execute(
        sa.update(models.attempts)
        .where(row.id == attempt_id, row.settled_at.is_(None))
        .values(cancel_at=now, cancel_why=why)
    )


async def _write(tx: Tx, attempt_id: int, changed: Mapping[str, object]) -> None:
    await tx.execute(sa.update(models.attempts).where(models.attempts.c.id == attempt_id).values(**changed))


_DEFINITION = text(
    """
    SELECT coalesce(a.definition, v.definition)
      FROM attempts a
      LEFT JOIN campaign_versions v ON v.campaign_id = a.campaign_id AND v.version = a.campaign_version
     WHERE a.id = :id
    """
)


async def definition_of(tx: Tx, attempt: Attempt) -> dict[str, Any] | None:
    """The campaign definition that the attempt was made with, as stored JSON."""
    found = await tx.execute(_DEFINITION, {"id": attempt.id})
    value: dict[str, Any] | None = found.scalar_one_or_none()
    return value


_VARIABLES = text("SELECT variables FROM contacts WHERE id = :id")


async def variables_of(tx: Tx, attempt: Attempt) -> dict[str, str]:
    """The contact's columns, as the script's variables name them; empty for a test call."""
    found = await tx.execute(_VARIABLES, {"id": attempt.contact_id})
    return {name: str(value) for name, value in (found.scalar_one_or_none() or {}).items()}


# A registry's entry doesn't forbid by itself (consent may lift it, the dialler's gate has judged that);
# the own list and the campaign's lists always do.
FORBIDDEN_SQL = """
    EXISTS (
        SELECT 1 FROM dnc_entries e JOIN dnc_lists l ON l.id = e.list_id
         WHERE e.phone = a.phone
           AND (l.kind = 'own'
                OR (l.kind = 'campaign'
                    AND EXISTS (SELECT 1 FROM campaign_dnc_lists c
                                 WHERE c.dnc_list_id = l.id AND c.campaign_id = a.campaign_id)))
    )
"""


_ON_DNC = text(f"SELECT {FORBIDDEN_SQL} FROM attempts a WHERE a.id = :id")  # noqa: S608 (a constant)


async def on_dnc(tx: Tx, attempt_id: int) -> bool:
    """Whether the attempt's number stands on the own list or on one of its campaign's lists now."""
    found = await tx.execute(_ON_DNC, {"id": attempt_id})
    return bool(found.scalar_one())
