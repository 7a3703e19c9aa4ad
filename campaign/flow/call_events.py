"""Twilio's callbacks: into the inbox once → joined into the attempt → outcome.

Twilio delivers late, twice, out of order or never, and its signature holds no time, so a captured request
verifies for ever: being inserted once and joined is also the defence against replays. Handling happens in the
same transaction as the insert; when it fails, the event is kept unhandled and the sweep tries it again, and
Twilio gets its 2xx all the same.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import structlog

from campaign.domain.attempt import AttemptEvent
from campaign.domain.campaign import VoicemailPolicy
from campaign.domain.errors import DatabaseUnavailable, TwilioError
from campaign.flow import inbox, made_with, outcomes
from campaign.flow.outcomes import REAL_TIME, Terms
from campaign.store import attempts, events, recordings, sessions
from campaign.store.attempts import AnotherCall, Attempt, Told
from campaign.store.database import Database, Tx
from campaign.store.events import CallEvent
from campaign.telephony import webhooks
from campaign.telephony.gateway import CallFacts

log = structlog.get_logger(__name__)

Kind = Literal["status", "amd", "recording"]


class HangsUp(Protocol):
    """What is needed of the gateway here."""

    async def hang_up(self, sid: str) -> CallFacts | None: ...


OnMachine = Callable[[int, str], Awaitable[bool]]
"""Tells a live talk of this process that a machine (or fax) answers: (attempt id, AnsweredBy) → whether
there is such a talk here."""


async def _nobody(attempt_id: int, answered_by: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Hands:
    """What handling an event may need beyond the database.

    Args:
        on_machine: see OnMachine.
        gateway: to hang up on machines; None leaves that to the sweep, which does it within seconds.
        terms: for outcomes.
    """

    on_machine: OnMachine = _nobody
    gateway: HangsUp | None = None
    terms: Terms = REAL_TIME


@dataclass(frozen=True, slots=True)
class _Machine:
    """To be done after the commit: a machine answered."""

    attempt: Attempt
    answered_by: str
    hang_up: bool
    tell: bool


async def receive(
    db: Database, *, kind: Kind, marker: str, form: Mapping[str, str], now: datetime, hands: Hands
) -> None:
    """Take one callback; the caller answers 2xx when this returns.

    Args:
        kind: by the address that Twilio asked.
        marker: of the attempt, from the path.
        form: the form's fields.

    Raises:
        DatabaseUnavailable: it could be neither handled nor kept: answer 503, so that Twilio asks again.
    """
    try:
        async with db.transaction() as tx:
            taken = await inbox.take(tx, kind, marker, form, now)
            if taken is None:
                return
            if taken.attempt is None:
                log.warning("unknown_marker", kind=kind, call=webhooks.call_sid(form))
                return
            machine, refused = await _handle(tx, taken.attempt, told_by(kind, form, now), now, hands)
            await _recorded(tx, kind, taken.attempt, form, now)
            if refused:
                await events.mark_handled(tx, taken.event_id, now, refused)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # whatever is wrong with one event must not lose it
        log.error("call_event_failed", kind=kind, error=_first_line(error))
        async with db.transaction() as tx:
            await events.keep(tx, inbox.received(kind, marker, form), now, error=repr(error)[:500])
        return
    if machine is not None:
        await _on_machine(machine, hands)


async def sweep(db: Database, before: datetime, now: datetime, hands: Hands, most: int = 100) -> int:
    """Handle events again whose handling failed.

    Args:
        before: only events received before.
    Returns:
        How many are handled now.
    """
    async with db.connection() as tx:
        waiting = await events.unhandled(tx, before, most)
    done = 0
    for event in waiting:
        try:
            machine = await _handle_again(db, event, now, hands)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # one bad event must not hold up the others
            log.error("call_event_failed_again", event_id=event.id, kind=event.kind, error=_first_line(error))
            async with db.transaction() as tx:
                await events.mark_failed(tx, event.id, repr(error)[:500])
            continue
        done += 1
        if machine is not None:
            await _on_machine(machine, hands)
    return done


async def _handle_again(db: Database, event: CallEvent, now: datetime, hands: Hands) -> _Machine | None:
    async with db.transaction() as tx:
        attempt = await attempts.by_marker(tx, event.marker, lock=True)
        if attempt is None:
            await events.mark_handled(tx, event.id, now, events.UNKNOWN_MARKER)
            return None
        told = told_by(event.kind, event.form, event.received_at)
        machine, refused = await _handle(tx, attempt, told, now, hands)
        await _recorded(tx, event.kind, attempt, event.form, now)
        await events.mark_handled(tx, event.id, now, refused or None)
        return machine


async def _recorded(tx: Tx, kind: str, attempt: Attempt, form: Mapping[str, str], now: datetime) -> None:
    recorded = webhooks.recorded(form) if kind == "recording" else None
    if recorded is not None:
        await recordings.heard(tx, attempt.id, recorded.sid, recorded.status, recorded.seconds, now)


async def _handle(
    tx: Tx, attempt: Attempt, told: Told, now: datetime, hands: Hands
) -> tuple[_Machine | None, str]:
    """Join what was told into the locked attempt; what is to be done afterwards, and why it was refused."""
    try:
        after = await attempts.apply_locked(tx, attempt, told, now)
    except AnotherCall as error:
        log.error("another_call", attempt=attempt.id, error=str(error))
        return None, str(error)
    if after.settled and after != attempt:
        await outcomes.close(tx, after.id, now, hands.terms)
    if after.answered_by == attempt.answered_by or not is_machine(after.answered_by) or after.settled:
        return None, ""
    return await _machine(tx, after, now), ""


def told_by(kind: str, form: Mapping[str, str], received_at: datetime) -> Told:
    """What a callback's form tells.

    A verdict or a recording proves that there is a call, if nothing else of it was heard.
    """
    told = webhooks.told(form)
    at = told.at or received_at
    match kind:
        case "status":
            return Told.of_status(
                told.call_status,
                at,
                call_sid=told.call_sid,
                answered_by=told.answered_by,
                machine_detection_ms=told.machine_detection_ms,
                sip_code=told.sip_code,
                duration_s=told.duration_s,
                recording_sid=told.recording_sid,
            )
        case "amd":
            return Told(
                at=at,
                event=AttemptEvent.ACCEPTED,
                call_sid=told.call_sid,
                answered_by=told.answered_by,
                machine_detection_ms=told.machine_detection_ms,
            )
        case "recording":
            return Told(
                at=at, event=AttemptEvent.ACCEPTED, call_sid=told.call_sid, recording_sid=told.recording_sid
            )
        case _:
            return Told(at=at, call_sid=told.call_sid)


def told_by_rest(facts: CallFacts, now: datetime) -> Told:
    """What a call looked up at Twilio tells."""
    # `start_time` is when Twilio began to dial, so of an answer REST only says that it was before now.
    at = {"queued": facts.created_at, "ringing": facts.started_at}.get(facts.status)
    return Told.of_status(
        facts.status,
        (facts.ended_at if facts.over else at) or now,
        call_sid=facts.sid,
        answered_by=facts.answered_by,
        queue_ms=facts.queue_ms,
        duration_s=facts.duration_s,
        price=facts.price,
        price_unit=facts.price_unit,
    )


def is_machine(answered_by: str | None) -> bool:
    """Whether detection says that no person answers (machine_…, fax)."""
    return answered_by is not None and (answered_by.startswith("machine") or answered_by == "fax")


async def _machine(tx: Tx, attempt: Attempt, now: datetime) -> _Machine:
    """A machine answers a live call: a talk that is open, wherever it runs, ends itself; else we hang up."""
    assert attempt.answered_by is not None
    policy = await _policy(tx, attempt)
    alone = not await sessions.open_now(tx, attempt.id)
    hang_up = alone and (policy is VoicemailPolicy.HANG_UP or attempt.answered_by == "fax")
    if hang_up:
        await attempts.end_call(tx, attempt.id, "machine", now)
    return _Machine(attempt, attempt.answered_by, hang_up, tell=policy is not VoicemailPolicy.TALK)


async def _policy(tx: Tx, attempt: Attempt) -> VoicemailPolicy:
    definition = await made_with.definition(tx, attempt)
    return VoicemailPolicy.HANG_UP if definition is None else definition.voicemail.policy


async def _on_machine(machine: _Machine, hands: Hands) -> None:
    """After the commit. What fails here is done by the sweep: the wish to hang up is in the row."""
    try:
        if machine.tell and await hands.on_machine(machine.attempt.id, machine.answered_by):
            return
        if machine.hang_up and hands.gateway is not None and machine.attempt.call_sid is not None:
            await hands.gateway.hang_up(machine.attempt.call_sid)
    except TwilioError as error:
        log.warning("hang_up_failed", attempt=machine.attempt.id, error=error.what)


def _first_line(error: Exception) -> str:
    """Without what follows: a database's error goes on with the row, and that holds a person's number."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:200]
