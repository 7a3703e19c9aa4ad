"""The dialler: claim → decide → commit the intent → place at its slot → record.

One transaction claims due contacts, judges each by every rule, and writes the intents with their slots; it
commits before Twilio hears of any of them. Each call then goes out once, when its slot has come and the last
second has room for it (domain/pacing.py). What is not proven is unknown and stays held: the number is free
again only when Twilio has been asked (flow/reconcile.py).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any, Protocol, assert_never

import structlog

from campaign.domain.attempt import AttemptEvent
from campaign.domain.breaker import Breaker
from campaign.domain.clock import Clock
from campaign.domain.errors import DatabaseUnavailable, TwilioError, Unavailable
from campaign.domain.pacing import AHEAD_S, Pace, SlidingSecond
from campaign.domain.phone import mask
from campaign.flow import claiming, outcomes
from campaign.flow.call_request import call_request
from campaign.flow.claiming import Claim, ClaimLimits, Dial
from campaign.flow.outcomes import Terms
from campaign.store import claims, placing
from campaign.store.database import Database
from campaign.telephony.addresses import Addresses
from campaign.telephony.gateway import (
    BadNumber,
    CallRequest,
    ConfigurationFault,
    Leaves,
    NotPlaced,
    NotSent,
    Placed,
    PlaceResult,
    Throttled,
    TooLate,
    TwilioAway,
    TwilioBusy,
    UnknownResult,
)

log = structlog.get_logger(__name__)

POLL_S = 0.5
"""The dialler looks at least this often (real seconds)."""
GROUP_S = 0.01
"""Answers of Twilio are recorded together, this often (real seconds)."""
SHORTEST_S = 0.001
"""The sender sleeps at least so long (real seconds): calls that come closer together go out together."""
LONGEST_S = 0.05
"""The sender looks at least this often whether it should stop (real seconds)."""
RESTART_S = 1.0
"""The pause after a fault that nobody foresaw (real seconds)."""
TOGETHER = 8
"""After so many calls the rest of this process has its turn: claims and conversations go on."""
BEHIND_S = 0.25
"""Nothing is claimed while the next call is so much later than its slot (real seconds): this machine can't
keep up, and an intent that grew too old would only be given back."""
TOO_OLD = "the intent grew too old; it is gated again"
HELD = "Twilio doesn't take calls at the moment; it is gated again"
UNANSWERED_S = 3.0
"""Nothing is claimed while Twilio owes the answers to as many calls as the pace allows in this time (real
seconds), and at least UNANSWERED: were it to accept calls and never answer, each of them would be held."""
UNANSWERED = 5


class Placer(Protocol):
    """What the dialler needs of the gateway to place calls."""

    async def place(self, request: CallRequest, leaves: Leaves) -> PlaceResult: ...


@dataclass
class Counters:
    """What this process has done since it started, for status pages and metrics."""

    placed: int = 0
    results: dict[str, int] = field(default_factory=dict)


class Dialer:
    """Places calls while it runs.

    Args:
        gateway: Twilio's REST API.
        addresses: where Twilio finds this service.
        limits: what the account allows and who we are, see ClaimLimits.
        pause_campaign: called with (campaign id, why) when a configuration fault makes further calls of a
            campaign pointless; None as the campaign means all running campaigns.
        before_claim: writes opt-outs that this process could not write while the database was away; nothing
            is claimed before it has succeeded.
        ask_twilio: asks Twilio for something harmless and raises TwilioError when it doesn't answer; after a
            hold no call is tried before. None: a call is tried at once.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        gateway: Placer,
        *,
        addresses: Addresses,
        limits: ClaimLimits,
        pause_campaign: Callable[[int | None, str], Coroutine[Any, Any, None]],
        before_claim: Callable[[], Coroutine[Any, Any, None]],
        ask_twilio: Callable[[], Coroutine[Any, Any, object]] | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._gateway = gateway
        self._addresses = addresses
        self._limits = limits
        self._pause_campaign = pause_campaign
        self._before_claim = before_claim
        self._ask_twilio = ask_twilio
        self._pace: Pace = limits.pace
        self._behind = timedelta(seconds=BEHIND_S * limits.pace.rate)
        self._terms = Terms(limits.rates, limits.pace.rate)
        self._claimer = claiming.Claimer(limits)
        self._stopping = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._answers: asyncio.Queue[tuple[Dial, datetime, datetime, Placed]] = asyncio.Queue()
        self._waiting: deque[Dial] = deque()
        self._second = SlidingSecond(self._pace)
        self._gate = asyncio.Lock()
        self._ready = 0
        self._most_ready = max(1, ceil(2 * AHEAD_S * self._pace.rate * self._pace.calls_per_second))
        self._news = asyncio.Event()
        self._breaker = Breaker(self._pace.rate)
        self._trial: Dial | None = None
        self._answers_again = False
        self._unanswered = 0
        self._most_unanswered = max(
            UNANSWERED, ceil(UNANSWERED_S * self._pace.rate * self._pace.calls_per_second)
        )
        self.counters = Counters()

    # ── the loop ───────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Dial until `stop` is called; then wait for what is being sent, and record it.

        A fault that nobody foresaw is logged and dialling goes on a second later: a dialler that silently
        stands still costs a day.
        """
        while True:
            try:
                await self._dial()
            except Exception as error:  # whatever it is
                log.error("dialer_failed", error=str(error)[:500], exc_info=True)
                await self._pause(RESTART_S * self._pace.rate)
            else:
                await self._leave()
                return

    async def _dial(self) -> None:
        self._trial = None
        recorder = asyncio.create_task(self._record_answers(), name="dialer-recorder")
        sender = asyncio.create_task(self._send_on_time(), name="dialer-sender")
        try:
            while not self._stopping.is_set():
                for part in (recorder, sender):
                    if part.done():
                        part.result()
                wait = await self._step()
                await self._pause(wait)
            await sender
            self._drop(None, "this process is stopping")
            while self._sending:
                await asyncio.wait(self._sending)
            written = asyncio.create_task(self._answers.join())
            await asyncio.wait({written, recorder}, return_when=asyncio.FIRST_COMPLETED)
            written.cancel()
            if recorder.done():
                recorder.result()
        finally:
            for part in (recorder, sender):
                part.cancel()
            await asyncio.gather(recorder, sender, return_exceptions=True)

    def stop(self) -> None:
        """Claim nothing more; intents whose slot has not come are given back."""
        self._stopping.set()
        self._news.set()

    async def _step(self) -> float:
        """One claim; the calls it yields are on their way when this returns.

        Returns:
            clock seconds to wait before the next.
        """
        behind = self._waiting and self._clock.now() - self._waiting[0].slot_at > self._behind
        if behind or self._trial is not None or self._unanswered >= self._most_unanswered:
            return BEHIND_S / 5 * self._pace.rate
        try:
            if not await self._twilio_answers():
                return POLL_S * self._pace.rate
            await self._before_claim()
            claim = await self.claim()
        except Unavailable as error:
            log.warning("claim_failed", error=error.what)
            return POLL_S * self._pace.rate
        except Exception as error:  # whatever it is: nothing was claimed; what was before goes out
            log.error("claim_failed", error=str(error)[:500], exc_info=True)
            return RESTART_S * self._pace.rate
        if claim.failures or self._breaker.open:
            self._breaker.take_up(claim.failures, self._clock.now())
            self._trial = next(iter(claim.dials), None)
        self._waiting.extend(claim.dials)
        self._news.set()
        return claim.wait_s

    async def _twilio_answers(self) -> bool:
        """After a hold: whether Twilio answers at all, so that it is worth to try a call with it."""
        breaker, sent_at = self._breaker, self._clock.now()
        if not breaker.open:
            return True
        if not breaker.is_news(sent_at):
            return False
        if self._ask_twilio is None or self._answers_again:
            return True
        try:
            await self._ask_twilio()
        except (TwilioAway, TwilioBusy) as error:
            await self._hold(breaker.failed(sent_at, self._clock.now()), error.what)
            return False
        except TwilioError as error:  # it answers; what is wrong the call will tell
            log.warning("twilio_refuses", error=error.what)
        self._answers_again = True
        return True

    async def claim(self) -> Claim:
        """Claim what the pace allows now: one transaction, see claiming.Claimer."""
        async with self._db.transaction() as tx:
            return await self._claimer.claim(tx, self._clock)

    async def _leave(self) -> None:
        """Let another process dial at once. If the database is away, it waits for the end of the tenure."""
        with contextlib.suppress(DatabaseUnavailable):
            async with self._db.transaction() as tx:
                await self._claimer.leave(tx, self._clock.now())

    async def _pause(self, seconds: float) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({sleep, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleep, stop):
            task.cancel()
        await asyncio.gather(sleep, stop, return_exceptions=True)

    # ── sending ────────────────────────────────────────────────────────────────────────────────────────

    async def _send_on_time(self) -> None:
        """Send the calls in their order, each when its slot has come and the last second has room for it.

        What a busy moment held up goes out right after it: slots are never lost, the second is never passed.
        """
        together = 0
        while not self._stopping.is_set():
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            dial = self._waiting[0]
            try:
                left = self._early(dial) - AHEAD_S * self._pace.rate
            except TooLate as late:
                self._waiting.popleft()
                self._start(self._give_back(dial, AttemptEvent.NOT_SENT, str(late)))
                self._tried(dial)
                continue
            if self._ready >= self._most_ready:
                left = SHORTEST_S
            if left > 0:
                left = max(min(left / self._pace.rate, LONGEST_S), SHORTEST_S)
                await self._clock.sleep(left * self._pace.rate)
            else:
                self._waiting.popleft()
                self._ready += 1
                self._start(self._send(dial))
                together += 1
                if together % TOGETHER == 0:
                    await asyncio.sleep(0)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            # Its lease runs out, and Twilio is asked what became of the call.
            log.error("send_failed", error=str(fault)[:500], exc_info=fault)
            self._trial = None

    # ── one call ───────────────────────────────────────────────────────────────────────────────────────

    async def _send(self, dial: Dial) -> None:
        """Place one call; whatever happens, the attempt's row tells the truth afterwards.

        The request is made ready a little early and waits on its connection for its slot and for room in the
        last second, one after the other: what making it ready takes would else add up from second to second.
        """
        left: list[datetime] = []
        self._unanswered += 1

        async def leaves() -> None:
            async with self._gate:
                while (wait := self._early(dial)) > 0:
                    await self._clock.sleep(min(wait, LONGEST_S * self._pace.rate))
                left.append(self._clock.now())
                # Last of all: were this process held up in between, the second would count from too early.
                self._second.sent(self._clock.monotonic())
                self._ready -= 1

        try:
            request = call_request(self._addresses, dial.definition, dial.marker, dial.phone, dial.caller_id)
            result = await self._gateway.place(request, leaves)
        finally:
            self._unanswered -= 1
            if not left:  # it never left
                self._ready -= 1
        sent_at = left[0] if left else self._clock.now()
        self.counters.placed += 1
        name = type(result).__name__
        self.counters.results[name] = self.counters.results.get(name, 0) + 1
        if isinstance(result, Placed):
            self._answers.put_nowait((dial, sent_at, self._clock.now(), result))
        else:
            log.info("not_placed", phone=mask(dial.phone), result=name, code=result.code, why=result.sentence)
            await self._settle(dial, result, sent_at)
            self._tried(dial)

    def _tried(self, dial: Dial) -> None:
        """What became of the one call that was tried is written down: the next claim may be made."""
        if dial is self._trial:
            self._trial = None

    def _early(self, dial: Dial) -> float:
        """Clock seconds until this call may go out.

        Raises:
            TooLate: its intent has grown too old; a connection may take seconds. Another process may dial by
                then, and what was judged may be true no more. Or it waited when a hold began.
        """
        now = self._clock.now()
        if now - dial.intent_at > self._pace.stale:
            raise TooLate(TOO_OLD)
        if self._breaker.open and dial is not self._trial:
            raise TooLate(HELD)
        return max((dial.slot_at - now).total_seconds(), self._second.wait(self._clock.monotonic()))

    async def _settle(self, dial: Dial, result: NotPlaced, sent_at: datetime) -> None:
        """Write what Twilio's answer proves, and hold or pause what it calls for."""
        match result:
            case BadNumber():
                await self._give_back(dial, AttemptEvent.REFUSED, result.sentence, result.code)
            case ConfigurationFault():
                await self._give_back(dial, AttemptEvent.NOT_SENT, result.sentence, result.code)
                whose = None if result.scope == "account" else dial.campaign_id
                self._drop(whose, f"another call was refused: {result.sentence}")
                await self._pause_campaign(whose, f"{result.sentence} {result.do}")
            case Throttled():
                until = self._breaker.throttled(sent_at, self._clock.now(), result.retry_after)
                await self._hold(until, result.sentence)
                await self._give_back(dial, AttemptEvent.NOT_SENT, result.sentence, result.code)
            case NotSent():
                await self._give_back(dial, AttemptEvent.NOT_SENT, result.sentence)
                await self._hold(self._breaker.failed(sent_at, self._clock.now()), result.sentence)
            case UnknownResult():
                await self._give_back(dial, AttemptEvent.LOST, result.sentence, result.code)
                await self._hold(self._breaker.failed(sent_at, self._clock.now()), result.sentence)
            case _:
                assert_never(result)

    def _drop(self, campaign_id: int | None, why: str) -> None:
        """Give back what waits to go out, of one campaign or (None) of all."""
        waiting, self._waiting = self._waiting, deque()
        for dial in waiting:
            if campaign_id in (None, dial.campaign_id):
                self._start(self._give_back(dial, AttemptEvent.NOT_SENT, why))
                self._tried(dial)
            else:
                self._waiting.append(dial)

    async def _give_back(self, dial: Dial, event: AttemptEvent, why: str, code: int | None = None) -> None:
        """Move the attempt on and, when that settles it, close it: one transaction, tried until it holds."""

        async def write() -> None:
            async with self._db.transaction() as tx:
                now = self._clock.now()
                if await placing.record_not_placed(
                    tx, dial.attempt_id, event, why, code, now, fencing=dial.fencing
                ):
                    await outcomes.close(tx, dial.attempt_id, now, self._terms)

        await self._until_written(write)

    async def _until_written(self, write: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Repeat a write while the database is away. If this process ends first, the lease runs out and the
        attempt is asked about at Twilio."""
        while True:
            try:
                await write()
            except DatabaseUnavailable as error:
                log.warning("write_delayed", error=error.what)
                await self._clock.sleep(POLL_S * self._pace.rate)
            else:
                return

    # ── recording, holding ─────────────────────────────────────────────────────────────────────────────

    async def _record_answers(self) -> None:
        """Record answers with a sid in groups: one statement for all of the last 10 ms."""
        while True:
            group = [await self._answers.get()]
            await self._clock.sleep(GROUP_S * self._pace.rate)
            while not self._answers.empty():
                group.append(self._answers.get_nowait())
            rows = [(d.attempt_id, r.sid, r.status, sent, done) for d, sent, done, r in group]
            recovered = any(self._breaker.recovers(sent) for _, sent, _, _ in group)
            try:
                await self._until_written(partial(self._write_placed, rows, recovered))
            finally:
                for dial, _, _, _ in group:
                    self._tried(dial)
                    self._answers.task_done()

    async def _write_placed(
        self, rows: Sequence[tuple[int, str, str, datetime, datetime]], recovered: bool
    ) -> None:
        async with self._db.transaction() as tx:
            await placing.record_placed(tx, rows)
            if recovered and self._claimer.tenure is not None:
                await claims.end_hold(tx, self._claimer.tenure)
        if recovered:
            self._breaker.recovered()

    async def _hold(self, until: datetime | None, why: str) -> None:
        """Hold all dialling of all processes, with the reason that `status` shows; None: as it is.

        What waits to go out is given back; this process stays the one that dials until it has tried again.
        One that no longer dials holds nothing: the one that does learns by itself.
        """
        tenure = self._claimer.tenure
        if until is None or tenure is None:
            return
        self._answers_again = False
        since = self._breaker.since or self._clock.now()
        told = f"{why.rstrip('.')}. This is so since {since:%Y-%m-%d %H:%M:%S} UTC."

        async def write() -> None:
            async with self._db.transaction() as tx:
                await claims.hold_pace(
                    tx,
                    until,
                    told,
                    failures=self._breaker.failures,
                    tenure=tenure,
                    tenure_until=until + self._pace.tenure / 2,
                )

        await self._until_written(write)
