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
from functools import partial
from typing import Protocol

import structlog

from campaign.domain.attempt import AttemptEvent
from campaign.domain.errors import DatabaseUnavailable, LeaseLost, TwilioError
from campaign.flow import call_events, inbox, outcomes
from campaign.flow.call_events import Hands, OnMachine, told_by_rest
from campaign.store import attempts, sessions, sweeps
from campaign.store.attempts import HOLD, AnotherCall, Attempt, Told
from campaign.store.database import Database, Tx
from campaign.telephony import webhooks
from campaign.telephony.gateway import CallFacts, CallNotFound

log = structlog.get_logger(__name__)

SKEW = timedelta(seconds=60)
"""How far Twilio's clock may lag behind ours when a lost call is looked for."""
SILENT_REPLICA = timedelta(seconds=30)
"""Real time without a heartbeat after which a replica is gone."""
FORGOTTEN = timedelta(minutes=5)
"""A call that Twilio gave a SID to and doesn't know after so long will never be known."""
GIVE_UP = timedelta(hours=24)
"""An unknown result is closed as unknown after so long even if Twilio never answered our question. Nothing is
proven then, so the contact is not dialled again even if its campaign dials unknown results again."""
EVENT_RETRY = timedelta(seconds=5)
AT_ONCE = 20
"""Questions to Twilio at the same time."""
ROUNDS = 10
"""So many times AT_ONCE are asked about in one tick, of each sort; the rest in the next."""
CANCELS_AT_ONCE = 50
"""Calls that are ended at the same time: a stop is to be in force everywhere within two seconds."""
LONGEST_QUIET_S = 15.0
"""While Twilio is away one question is tried at least this often, so that all goes on soon after it is back.
Only one process asks and a failing question is asked alone, so there is nothing that jitter could spread."""
LONGEST_UNCANCELLED_S = 4.0
"""The same for calls that should end: they ring until Twilio hears of it."""


Claims = Callable[[Tx, datetime, int], Awaitable[Sequence[Attempt]]]
"""Takes at most so many attempts that are due."""
Ask = Callable[[Attempt, datetime, "Swept"], Awaitable[None]]
"""Asks Twilio about one of them and writes what it says."""


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
    trouble: TwilioError | None = None
    """Why Twilio could not be asked about all that is due."""


class _Lane:
    """Questions of one sort: so many at once; only one, now and then, while Twilio doesn't answer."""

    def __init__(self, at_once: int, longest_quiet_s: float) -> None:
        self._at_once = at_once
        self._longest = longest_quiet_s
        self._failures = 0
        self._quiet_until: datetime | None = None

    def quiet(self, now: datetime) -> bool:
        """Whether nothing should be asked yet."""
        return self._quiet_until is not None and now < self._quiet_until

    @property
    def width(self) -> int:
        """How many to ask at once."""
        return 1 if self._failures else self._at_once

    async def ask(self, found: Sequence[Attempt], ask: Ask, now: datetime, swept: "Swept") -> bool:
        """Ask about each of these; False when Twilio was away or refused."""
        results = await asyncio.gather(*(ask(one, now, swept) for one in found), return_exceptions=True)
        failure: TwilioError | None = None
        for attempt, result in zip(found, results, strict=True):
            match result:
                case TwilioError():
                    swept.failed += 1
                    swept.trouble = failure = result
                case AnotherCall():
                    log.error("another_call", attempt=attempt.id, error=str(result))
                case DatabaseUnavailable() | LeaseLost():
                    raise result
                case Exception():  # one attempt's fault must not stop the others
                    log.error("reconcile_failed", attempt=attempt.id, error=repr(result))
                case BaseException():
                    raise result
        if failure is not None:
            self._back_off(failure, now)
            return False
        if found:
            self._failures, self._quiet_until = 0, None
        return True

    def _back_off(self, error: TwilioError, now: datetime) -> None:
        self._failures += 1
        told = error.data.get("retry_after")
        wait = float(told) if isinstance(told, int | float) else min(2.0**self._failures, self._longest)
        self._quiet_until = now + timedelta(seconds=wait)
        log.warning("twilio_not_asked", error=error.what, again_in_s=wait)


class Reconciler:
    """Sweeps; one instance per process. `ask` is for the replica that holds the scheduler's lease, `cancel`
    for every one: a call that must end doesn't wait for a lease to change hands.

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
        self._questions = _Lane(AT_ONCE, LONGEST_QUIET_S)
        self._endings = _Lane(CANCELS_AT_ONCE, LONGEST_UNCANCELLED_S)

    def silent_since(self, now: datetime) -> datetime:
        """A replica that was last heard of before this instant is gone."""
        return now - self._silence

    async def tick(self, now: datetime) -> Swept:
        """Do whatever is due at an instant, `cancel` and `ask`; idempotent, harmless on two replicas at once.

        Raises:
            DatabaseUnavailable: the next tick tries again.
        """
        return await self.ask(now, await self.cancel(now))

    async def ask(self, now: datetime, swept: Swept | None = None) -> Swept:
        """All but what `cancel` does: find out how calls stand of which we don't know, and what was missed.

        Raises:
            DatabaseUnavailable: the next tick tries again.
        """
        swept = swept or Swept()
        silent_since = self.silent_since(now)
        async with self._db.transaction() as tx:
            swept.lost = len(await sweeps.lose(tx, now, silent_since))
            await sessions.close_orphans(tx, now, silent_since)
        if swept.lost:
            log.warning("attempts_unknown", count=swept.lost, why="whoever placed them is gone")
        await self._ask_what_is_due(now, silent_since, swept)
        swept.events = await call_events.sweep(self._db, now - EVENT_RETRY, now, self._hands)
        return swept

    async def cancel(self, now: datetime) -> Swept:
        """Only the part that can't wait: end what may no longer ring.

        Raises:
            DatabaseUnavailable: the next time tries again.
        """
        swept = Swept()
        async with self._db.transaction() as tx:
            await sweeps.mark_cancels(tx, now)
        if not self._endings.quiet(now):
            await self._each(sweeps.claim_cancels, self._end, self._endings, now, swept)
        return swept

    async def _ask_what_is_due(self, now: datetime, silent_since: datetime, swept: Swept) -> None:
        """Ask Twilio whatever is due, most urgent first."""
        if self._questions.quiet(now):
            return
        async with self._db.connection() as tx:
            due = await sweeps.due(tx, now, silent_since)
        sorts: Sequence[tuple[bool, Claims, Ask]] = (
            (due.unknown, sweeps.claim_unknown, self._find),
            (due.silent, partial(sweeps.claim_silent, silent_since=silent_since), self._fetch),
            (due.unpriced, self._claim_unpriced, self._price),
        )
        for any_due, claims, ask in sorts:
            if any_due and not await self._each(claims, ask, self._questions, now, swept):
                return

    async def _claim_unpriced(self, tx: Tx, now: datetime, most: int) -> Sequence[Attempt]:
        unpriced = await sweeps.claim_unpriced(tx, now, most)
        await sessions.close_leftovers(tx, [attempt.id for attempt in unpriced], now)
        return unpriced

    async def _each(self, claims: Claims, ask: Ask, lane: _Lane, now: datetime, swept: Swept) -> bool:
        """Claim as many as are asked about at once, ask, and again; False when Twilio doesn't answer.

        What isn't claimed is due at once when Twilio is back; what was claimed waits for its next time.
        """
        for _ in range(ROUNDS):
            most = lane.width
            async with self._db.transaction() as tx:
                found = await claims(tx, now, most)
            if not await lane.ask(found, ask, now, swept):
                return False
            if len(found) < most:
                break
        return True

    # ── one attempt ────────────────────────────────────────────────────────────────────────────────────

    async def _end(self, attempt: Attempt, now: datetime, swept: Swept) -> None:
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
                await self._learn(attempt, Told(at=now, event=AttemptEvent.GIVEN_UP), now)
            raise
        async with self._db.connection() as tx:
            taken = await sweeps.known_sids(tx, [call.sid for call in calls])
        free = [call for call in calls if call.sid not in taken or call.sid == attempt.call_sid]
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
                await inbox.take(tx, "found", attempt.marker, webhooks.found(found.sid, found.status), now)
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
