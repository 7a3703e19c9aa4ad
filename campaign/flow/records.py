"""Keeping records: what is too old goes by itself, one person's data is erased or shown when they ask.

Erasing keeps the suppression and nothing else: the numbers stay on, or go on, the own do-not-call list, or
the next list that is imported would have the person called again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from campaign.domain.decision import Decision, in_words
from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.domain.phone import mask
from campaign.domain.retention import Keep
from campaign.flow import optout_journal
from campaign.store import dnc, people, retention
from campaign.store.accounts import audit
from campaign.store.database import Database

log = structlog.get_logger(__name__)

BETWEEN_PASSES: Final = timedelta(hours=1)
LAST_WORDS: Final = timedelta(minutes=1)
"""A call's transcript and callbacks may come so long after its end."""


class Retention:
    """Removes what is older than its retention, a window of each kind per tick, until a pass is over.

    Args:
        db: of the scheduler's lease holder.
        kept: how long each kind is kept.
        actor: for the audit trail.
    """

    def __init__(self, db: Database, kept: Sequence[Keep], actor: str = "system:retention") -> None:
        self._db = db
        self._kept = tuple(kept)
        self._actor = actor
        self._through: dict[str, int] = {}
        self._next: datetime | None = None

    async def tick(self, now: datetime) -> int:
        """What is due at an instant; returns how many rows went."""
        if self._next is not None and now < self._next:
            return 0
        if not self._through:
            self._through = {one.kind.name: 0 for one in self._kept if one.days}
        removed = 0
        for one in self._kept:
            if one.kind.name in self._through:
                removed += await self._window(one, now)
        if not self._through:
            self._next = now + BETWEEN_PASSES
        return removed

    async def run(self, now: datetime) -> dict[str, int]:
        """A whole pass at once; kind → rows that went."""
        self._through = {one.kind.name: 0 for one in self._kept if one.days}
        done = dict.fromkeys(self._through, 0)
        for one in self._kept:
            while one.kind.name in self._through:
                done[one.kind.name] += await self._window(one, now)
        return done

    async def _window(self, one: Keep, now: datetime) -> int:
        name, before = one.kind.name, one.before(now)
        assert before is not None
        async with self._db.transaction() as tx:
            looked = await retention.remove_window(tx, name, before, self._through[name])
            if looked.removed:
                detail = {"kind": name, "rows": looked.removed, "before": before.isoformat(), "why": one.why}
                await audit(tx, self._actor, "records.retention", f"records:{name}", now, detail)
        if looked.through is None or not looked.old:
            del self._through[name]
        else:
            self._through[name] = looked.through
        if looked.removed:
            log.info("records_removed", kind=name, rows=looked.removed)
        return looked.removed


@dataclass(frozen=True, slots=True)
class Standing:
    """How a kind of record is kept; `due`: rows that the next pass removes."""

    keep: Keep
    due: int


async def standing(db: Database, kept: Sequence[Keep], now: datetime) -> list[Standing]:
    """How long each kind is kept, and what is due of it."""
    found = []
    async with db.connection() as tx:
        for one in kept:
            before = one.before(now)
            due = await retention.due(tx, one.kind.name, before) if before is not None else 0
            found.append(Standing(one, due))
    return found


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing did.

    Attributes:
        number: masked.
        suppressed: numbers that stand on the own do-not-call list, this one and others of the same contacts.
        rows: what → rows that were removed or emptied.
        at_twilio: sids of calls, whose record at Twilio is deleted there, by hand. Recordings are deleted by
            the service (flow/recordings.py).
        files: imported files that hold the person: name, and where an upload still lies.
    """

    number: str
    suppressed: int
    rows: dict[str, int]
    at_twilio: tuple[str, ...]
    files: tuple[dict[str, Any], ...]


async def erase(
    db: Database, data_dir: Path, number: str, *, reason: str, actor: str, now: datetime
) -> Erased:
    """Erase one person: the number, and every contact that has it among its numbers.

    One transaction: rows that totals need stay without number, name, words or answers; everything else is
    gone; the numbers are on the own do-not-call list. Erasing again changes nothing more.

    Args:
        data_dir: where the journal of opt-outs is; what waits there is written first.
        number: E.164.
        reason: why, for the audit trail, which names the number only masked.

    Raises:
        BadInput: no reason. Conflict: a call to one of the numbers is under way, or has only just ended.
        NotFound: nothing is stored about the number.
    """
    if not reason.strip():
        raise BadInput("Erasing needs a reason, for the audit trail.", "Say for example who asked, and when.")
    await optout_journal.replay(db, data_dir, now)
    async with db.transaction() as tx:
        await dnc.lock(tx)
        person = await people.find(tx, number, now - LAST_WORDS)
        listed = await dnc.check(tx, number)
        if not person.known and not listed:
            raise NotFound(f"Nothing is stored about {number}.", f"See: campaign explain {number}")
        if person.open_attempts:
            raise Conflict(
                f"A call to {mask(number)} or another number of the same contact is under way, or has only "
                "just ended.",
                "Put the number on the do-not-call list now, and erase a minute after the call has ended.",
            )
        own = await dnc.ensure_list(tx, None, dnc.OWN, now)
        entries = [(one, people.ERASED) for one in person.numbers]
        await dnc.bulk_add(tx, own, entries, source=_source(actor), actor=actor, now=now, locked=True)
        at_twilio = await people.at_twilio(tx, person)
        files = await people.files_of(tx, person)
        rows = {name: count for name, count in (await people.erase(tx, person, now)).items() if count}
        said = _without(reason, person.numbers)
        await audit(tx, actor, "records.erase", f"phone:{mask(number)}", now, {"reason": said, "rows": rows})
    log.info("records_erased", number=mask(number), **rows)
    return Erased(mask(number), len(person.numbers), rows, tuple(at_twilio), tuple(files))


def _source(actor: str) -> str:
    return "cli" if actor.startswith("cli:") else "api"


def _without(text: str, numbers: Sequence[str]) -> str:
    for number in numbers:
        text = text.replace(number, mask(number)).replace(number.removeprefix("+"), mask(number))
    return text


async def export(db: Database, number: str, *, actor: str, now: datetime) -> dict[str, Any]:
    """All that is stored about one person, as plain values; the audit trail keeps that it was shown.

    Args:
        number: E.164.

    Raises:
        NotFound: nothing is stored about the number.
    """
    async with db.transaction() as tx:
        person = await people.find(tx, number, now)
        found = await people.everything(tx, person)
        if not any(found.values()):
            raise NotFound(f"Nothing is stored about {number}.", f"See: campaign explain {number}")
        await audit(tx, actor, "records.export", f"phone:{number}", now)
    attempts = found.pop("attempts")
    turns, answers, webhooks = found.pop("turns"), found.pop("answers"), found.pop("webhooks")
    wrap_ups = found.pop("wrap_ups")
    for attempt in attempts:
        attempt["transcript"] = _of(turns, attempt["id"])
        given = _of(answers, attempt["id"])
        attempt["answers"] = {one["question"]: one["value"] for one in given}
        attempt["answers_corrected"] = {
            one["question"]: one["was"] for one in given if one["was"] is not None
        }
        attempt["wrap_ups"] = _of(wrap_ups, attempt["id"])
        attempt["webhooks"] = _of(webhooks, attempt["id"])
    found["decisions"] = [
        {
            "campaign_contact_id": one["campaign_contact_id"],
            "phone": one["phone"],
            "decided_at": one["decided_at"],
            "in_words": in_words(Decision.from_json(one["reasons"])),
        }
        for one in found["decisions"]
    ]
    for one in found["imports"]:
        del one["stored_path"]
    return {
        "number": number,
        "numbers": list(person.numbers),
        "exported_at": now,
        **found,
        "attempts": attempts,
    }


def _of(rows: Sequence[dict[str, Any]], attempt_id: int) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if name != "attempt_id"}
        for row in rows
        if row["attempt_id"] == attempt_id
    ]
