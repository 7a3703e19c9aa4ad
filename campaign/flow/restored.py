"""After a backup was restored: the calls made since are written down anew, so that nobody is dialled again.

A backup doesn't know the calls that were made after it; its contacts wait as if nobody had called them.
Twilio knows those calls. Each that no attempt is bound to becomes an attempt of the contact that it was made
for, with the outcome that Twilio's word allows, so that budgets, gaps and retries count it. What was said in
a call that somebody answered is lost: such a contact is done, and its number may be put on the own
do-not-call list, for it may have asked for that.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import structlog

from campaign.domain.errors import Conflict
from campaign.flow import outcomes, suppress
from campaign.flow.call_events import is_machine, told_by_rest
from campaign.flow.outcomes import Terms
from campaign.store import attempts, claims, halts, restored
from campaign.store.claims import Intent, Tenure
from campaign.store.database import Database
from campaign.telephony.gateway import CallFacts

log = structlog.get_logger(__name__)

REPLICA = "restored"
"""Who placed an attempt that was written down from Twilio's list."""
CHUNK = 200


class Lists(Protocol):
    """What is needed of the gateway."""

    def placed_since(self, since: datetime) -> AsyncIterator[CallFacts]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A call that the restored database didn't know.

    Args:
        status: Twilio's.
        campaign: whose contact it was made for; None: nobody's in this database.
    """

    phone: str
    status: str
    at: datetime | None
    call_sid: str
    campaign: str | None


@dataclass(slots=True)
class Report:
    """What came of it.

    Args:
        listed: calls since the instant at Twilio.
        written: calls that are attempts now.
        nobodys: calls to numbers, or from caller ids, that no campaign of this database has.
        busy: calls to numbers that an unsettled attempt holds: to be asked for again when it is settled.
        answered: numbers that answered a call whose record is lost, not known to be machines.
        listed_as_do_not_call: how many of these went on the own do-not-call list now.
    """

    listed: int = 0
    written: list[Found] = field(default_factory=list)
    nobodys: list[Found] = field(default_factory=list)
    busy: list[Found] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    listed_as_do_not_call: int = 0


async def write_down(
    db: Database,
    gateway: Lists,
    since: datetime,
    *,
    now: datetime,
    actor: str,
    marker: Callable[[], str],
    terms: Terms,
    answered_to_dnc: bool = False,
) -> Report:
    """Write down the calls made since a backup. May be repeated: a call is written down once.

    Args:
        since: when the backup was made, or a little earlier.
        marker: makes a random marker.
        answered_to_dnc: put whoever answered one of them on the own do-not-call list.

    Raises:
        Conflict: dialling is not stopped, so that contacts could be dialled again while this runs.
        TwilioRefused, TwilioBusy, TwilioAway: what was written before stays; run it again.
    """
    async with db.connection() as tx:
        if await halts.stop_all(tx) is None:
            raise Conflict(
                "Dialling is not stopped, so people who were called since the backup could be called again "
                "meanwhile.",
                'First: campaign stop --all --why "restored from a backup"',
            )
    report = Report()
    # Oldest first, so that a contact's attempts are counted in their order.
    calls = sorted(
        [call async for call in gateway.placed_since(since)],
        key=lambda call: (call.created_at or since, call.sid),
    )
    report.listed = len(calls)
    for start in range(0, len(calls), CHUNK):
        chunk = calls[start : start + CHUNK]
        async with db.connection() as tx:
            known = await restored.placed_by(tx, [call.sid for call in chunk])
        for call in chunk:
            if known.get(call.sid, REPLICA) == REPLICA and _answered(call):
                report.answered.add(call.to)
            if call.sid not in known:
                await _write_down(db, call, report, now, marker, terms)
    if answered_to_dnc and report.answered:
        done = await suppress.suppress(
            db,
            None,
            sorted(report.answered),
            reason="answered a call whose record was lost with the database",
            source="cli",
            actor=actor,
            now=now,
        )
        report.listed_as_do_not_call = done.added
    log.warning("restored_calls_written", listed=report.listed, written=len(report.written))
    return report


def _answered(call: CallFacts) -> bool:
    """Whether a person may have said something."""
    return call.status in ("completed", "in-progress") and not is_machine(call.answered_by)


async def _write_down(
    db: Database, call: CallFacts, report: Report, now: datetime, marker: Callable[[], str], terms: Terms
) -> None:
    at = call.created_at or now
    async with db.transaction() as tx:
        owner = await restored.owner(tx, call.to, call.from_)
        found = Found(call.to, call.status, call.created_at, call.sid, owner.campaign if owner else None)
        if owner is None:
            report.nobodys.append(found)
            return
        if owner.busy:
            report.busy.append(found)
            return
        intent = Intent(
            marker=marker(),
            campaign_id=owner.campaign_id,
            campaign_contact_id=owner.campaign_contact_id,
            contact_id=owner.contact_id,
            campaign_version=owner.version,
            phone=call.to,
            caller_id=call.from_,
            due_for=owner.due_for,
            number=owner.attempts + 1,
            slot_at=at,
            window_closes_at=None,
            reserved=Decimal(0),
            decision="",
        )
        tenure = Tenure(REPLICA, 0)
        ids = await claims.write_intents(tx, [intent], tenure=tenure, lease_until=at, now=at)
        attempt_id = ids[intent.marker]
        if _answered(call):
            await restored.conclude_unheard(tx, attempt_id)
        await attempts.apply(tx, attempt_id, told_by_rest(call, now), now)
        await outcomes.close(tx, attempt_id, now, terms)
    report.written.append(found)
