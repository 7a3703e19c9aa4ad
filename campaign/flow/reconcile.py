"""What nobody told us: unknown results, silent calls, calls to cancel, prices, events that failed.

Every callback may be lost, every process may die between two statements, and Twilio's answer to a POST may
never arrive. So once a second whatever is overdue is asked about at Twilio and joined into the attempts like
any callback. Work is claimed by pushing its next time on, in one statement, before anything is asked; so no
lock is held over I/O, two replicas never ask the same thing, and a crash costs one interval.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from campaign.domain.attempt import AttemptEvent
from campaign.domain.errors import LeaseLost, TwilioError
from campaign.flow import call_events, outcomes
from campaign.flow.call_events import Hands, OnMachine, told_by_rest
from campaign.store import attempts, events, sessions, sweeps
from campaign.store.attempts import HOLD, AnotherCall, Attempt, Told
from campaign.store.database import Database
from campaign.telephony.gateway import CallFacts, CallNotFound

log = structlog.get_logger(__name__)

SKEW = timedelta(seconds=60)
"""How far Twilio's clock may lag behind ours when a lost call is looked for."""
SILENT_REPLICA = timedelta(seconds=30)
"""Real time without a heartbeat after which a replica is gone."""
FORGOTTEN = timedelta(minutes=5)
"""A call that Twilio gave a SID to and doesn't know after so long will never be known."""
GIVE_UP = timedelta(hours=24)
"""An unknown result is closed as unknown after so long even if Twilio never answered our question."""
EVENT_RETRY = timedelta(seconds=5)
AT_ONCE = 6
"""Questions to Twilio at the same time."""
BATCH = 60
"""Attempts of each sort in one tick."""
LONGEST_QUIET_S = 60.0


class Asked(Protocol):
    """What is needed of the gateway."""

    async def fetch(self, sid: str) -> CallFacts: ...
    async def cancel(self, sid: str) -> CallFacts | None: ...
    async def hang_up(self, sid: str) -> CallFacts | None: ...
    async def find(self, to: str, since: datetime) -> list[CallFacts]: ...


@dataclass(slots=True)
class Swept:
    """What one tick did."""

    lost: int = 0
    cancelled: int = 0
    found: int = 0
    not_found: int = 0
    fetched: int = 0
    priced: int = 0
    events: int = 0
    failed: int = 0


class Reconciler:
    """Sweeps; one instance per process, ticked on the replica that holds the scheduler's lease.

    Args:
        hands: as for callbacks; the sweep handles failed ones again.
        rate: the clock's rate: heartbeats are about real machines, so a replica's silence is counted in
            real time.
    """

    def __init__(self, db: Database, gateway: Asked, hands: Hands, *, rate: float = 1.0) -> None:
        self._db = db
        self._gateway = gateway
        self._hands = hands
        self._silence = SILENT_REPLICA * rate
        self._quiet_until: datetime | None = None
        self._failures = 0
        self._asking = asyncio.Semaphore(AT_ONCE)

    async def tick(self, now: datetime) -> Swept:
        """Do whatever is due at an instant; idempotent, and harmless on two replicas at once.

        Raises:
            DatabaseUnavailable: the next tick tries again.
        """
        swept = Swept()
        silent_since = now - self._silence
        async with self._db.transaction() as tx:
            swept.lost = len(await sweeps.lose(tx, now, silent_since))
            await sweeps.mark_cancels(tx, now)
            await sessions.close_orphans(tx, now, silent_since)
        if swept.lost:
            log.warning("attempts_unknown", count=swept.lost, why="whoever placed them is gone")
        if self._quiet_until is None or now >= self._quiet_until:
            await self._ask(now, silent_since, swept)
        swept.events = await call_events.sweep(self._db, now - EVENT_RETRY, now, self._hands)
        return swept

    async def _ask(self, now: datetime, silent_since: datetime, swept: Swept) -> None:
        """Claim what Twilio must be asked, most urgent first, and ask."""
        async with self._db.transaction() as tx:
            cancels = await sweeps.claim_cancels(tx, now, BATCH)
            unknown = await sweeps.claim_unknown(tx, now, BATCH)
            silent = await sweeps.claim_silent(tx, now, BATCH, silent_since)
            unpriced = await sweeps.claim_unpriced(tx, now, BATCH)
            await sessions.close_leftovers(tx, [attempt.id for attempt in unpriced], now)
        before = swept.failed
        await self._each(cancels, self._cancel, now, swept)
        await self._each(unknown, self._find, now, swept)
        await self._each(silent, self._fetch, now, swept)
        await self._each(unpriced, self._price, now, swept)
        if swept.failed == before:
            self._failures, self._quiet_until = 0, None

    async def _each(
        self,
        found: Sequence[Attempt],
        ask: Callable[[Attempt, datetime, Swept], Awaitable[None]],
        now: datetime,
        swept: Swept,
    ) -> None:
        async def one(attempt: Attempt) -> None:
            async with self._asking:
                if swept.failed:
                    return  # Twilio is away or refuses: what is left was claimed for one interval only
                try:
                    await ask(attempt, now, swept)
                except TwilioError as error:
                    swept.failed += 1
                    self._back_off(error, now)
                except AnotherCall as error:
                    log.error("another_call", attempt=attempt.id, error=str(error))
                except LeaseLost:
                    swept.failed += 1  # what is left is another replica's now
                    raise

        outcomes_of = await asyncio.gather(*(one(attempt) for attempt in found), return_exceptions=True)
        for attempt, result in zip(found, outcomes_of, strict=True):
            if isinstance(result, LeaseLost):
                raise result
            if isinstance(result, Exception):  # one attempt's fault must not stop the others
                log.error("reconcile_failed", attempt=attempt.id, error=repr(result))
            elif isinstance(result, BaseException):
                raise result

    def _back_off(self, error: TwilioError, now: datetime) -> None:
        self._failures += 1
        told = error.data.get("retry_after")
        wait = float(told) if isinstance(told, int | float) else min(2.0**self._failures, LONGEST_QUIET_S)
        self._quiet_until = now + timedelta(seconds=wait)
        log.warning("twilio_not_asked", error=error.what, again_in_s=wait)

    # ── one attempt ────────────────────────────────────────────────────────────────────────────────────

    async def _cancel(self, attempt: Attempt, now: datetime, swept: Swept) -> None:
        """End a call; one that ended by itself meanwhile is looked up."""
        assert attempt.call_sid is not None
        end = self._gateway.hang_up if attempt.to_hang_up else self._gateway.cancel
        try:
            facts = await end(attempt.call_sid) or await self._gateway.fetch(attempt.call_sid)
        except CallNotFound:
            await self._forgotten(attempt, now)
            return
        await self._learn(attempt, told_by_rest(facts, now), now)
        swept.cancelled += 1
        log.info("call_ended_by_us", attempt=attempt.id, why=attempt.cancel_why, status=facts.status)

    async def _find(self, attempt: Attempt, now: datetime, swept: Swept) -> None:
        """Look for the call of an attempt whose POST had no clear answer.

        Twilio's list shows no addresses, so a call is ours by number and time, and because no other
        unsettled attempt may exist for the number; calls that belong to other attempts are left out.
        """
        hold_until = attempt.hold_until or attempt.slot_at + HOLD
        try:
            calls = await self._gateway.find(attempt.phone, attempt.intent_at - SKEW)
        except TwilioError:
            if now >= hold_until + GIVE_UP:
                await self._learn(attempt, Told(at=now, event=AttemptEvent.NOT_FOUND), now)
            raise
        async with self._db.connection() as tx:
            taken = await sweeps.known_sids(tx, [call.sid for call in calls])
        free = [call for call in calls if call.sid not in taken]
        ours = [call for call in free if call.from_ == attempt.caller_id] or free
        if ours:
            first = min(ours, key=lambda call: (call.created_at or attempt.intent_at, call.sid))
            await self._learn(attempt, told_by_rest(first, now), now, found=first)
            swept.found += 1
        elif now >= hold_until:
            await self._learn(attempt, Told(at=now, event=AttemptEvent.NOT_FOUND), now)
            swept.not_found += 1

    async def _fetch(self, attempt: Attempt, now: datetime, swept: Swept) -> None:
        """Ask for the truth of a call of which nothing has been heard."""
        assert attempt.call_sid is not None
        try:
            facts = await self._gateway.fetch(attempt.call_sid)
        except CallNotFound:
            await self._forgotten(attempt, now)
            return
        await self._learn(attempt, told_by_rest(facts, now), now)
        swept.fetched += 1

    async def _price(self, attempt: Attempt, now: datetime, swept: Swept) -> None:
        """Ask for the price of a call that is over; and close it again, with whatever else came late."""
        assert attempt.call_sid is not None
        try:
            facts = await self._gateway.fetch(attempt.call_sid)
        except CallNotFound:
            facts = None
        async with self._db.transaction() as tx:
            if facts is None or facts.price is not None:
                await sweeps.priced(tx, attempt.id)
            if facts is not None:
                await attempts.apply(tx, attempt.id, told_by_rest(facts, now), now)
            await outcomes.close(tx, attempt.id, now, self._hands.terms)
        swept.priced += facts is not None and facts.price is not None

    async def _forgotten(self, attempt: Attempt, now: datetime) -> None:
        """Twilio gave the SID and doesn't know it (a deleted record): the call is over, nobody knows how."""
        if now >= attempt.slot_at + FORGOTTEN:
            await self._learn(attempt, Told(at=now, event=AttemptEvent.OVER), now)

    async def _learn(
        self, attempt: Attempt, told: Told, now: datetime, *, found: CallFacts | None = None
    ) -> None:
        """Join what Twilio said into the attempt, and close it when that settles or refines it."""
        async with self._db.transaction() as tx:
            before = await attempts.by_id(tx, attempt.id, lock=True)
            if before is None:
                return
            after = await attempts.apply_locked(tx, before, told, now)
            if found is not None:
                form = {"CallSid": found.sid, "CallStatus": found.status}
                await events.take(tx, "found", attempt.marker, form, now)
            if after.settled and after != before:
                await outcomes.close(tx, attempt.id, now, self._hands.terms)


async def relay_machines(db: Database, replica: str, on_machine: OnMachine) -> int:
    """Tell this process's live talks of machine verdicts that another process received.

    Every process with talks ticks this: the callback reaches whichever replica the load balancer chose.

    Returns:
        How many talks were told (telling again is harmless).
    """
    async with db.connection() as tx:
        found = await sessions.machines(tx, replica)
    for attempt_id, answered_by in found:
        await on_machine(attempt_id, answered_by)
    return len(found)
