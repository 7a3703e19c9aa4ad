"""The account's telephone exchange: the queue at CPS, dialling, and each call's life.

Sources: queue TWILIO 4.1; life cycle 3.5 and 10; status callbacks 3.6; machine detection 6.1.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from math import ceil
from uuid import uuid4

from campaign.simulator.calls import SIP_CODES, TERMINAL, Call, Interrupted, Interruption, Why, rfc2822
from campaign.simulator.config import dice
from campaign.simulator.interpreter import Interpreter, hang_up
from campaign.simulator.line import machine_beep
from campaign.simulator.people import CUT, Person, persona_of
from campaign.simulator.world import World, draw, race

QUEUE_LIMIT_SECONDS = 24 * 3600.0  # 4.1: older than 24 h -> canceled
DEFAULT_TIME_LIMIT = 4 * 3600.0  # 2.5


class Exchange:
    """Takes created calls, dials them at the account's rate, and keeps them for look-ups."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: dict[str, Call] = {}
        self._by_number: dict[str, list[Call]] = {}
        self._counts: dict[str, int] = {}  # calls ever made to a number, deleted ones included
        self._queue: deque[Call] = deque()
        self._queued = asyncio.Event()
        self._live: set[str] = set()  # the calls that use a line now
        self._serial = 0
        self._next_slot = 0.0
        self._dialler: asyncio.Task[None] | None = None

    # -- open and close ---------------------------------------------------------------------------

    def open(self) -> None:
        """Start dialling."""
        self._next_slot = self.world.clock.monotonic()
        self._dialler = asyncio.get_running_loop().create_task(self._dial(), name="simulator dialler")

    async def close(self) -> None:
        """Stop dialling. Live calls are cancelled by the owner of `world.activity`."""
        if self._dialler is not None:
            self._dialler.cancel()
            await asyncio.gather(self._dialler, return_exceptions=True)

    # -- what REST asks for -------------------------------------------------------------------------

    def create(self, params: Mapping[str, list[str]]) -> Call:
        """Accept a call whose parameters were found valid, and queue it."""
        world, clock = self.world, self.world.clock
        to = params["To"][0]
        earlier = self._by_number.setdefault(to, [])
        nth = self._counts[to] = self._counts.get(to, 0) + 1
        persona = persona_of(world.config, to, world.named)
        rng = dice(world.config.seed, "call", to, nth)
        call = Call(
            sid=f"CA{uuid4().hex}",
            account_sid=world.config.account_sid,
            to=to,
            from_=params["From"][0],
            params=dict(params),
            created=clock.now(),
            created_at=clock.monotonic(),
            serial=self._serial,
            nth=nth,
            rng=rng,
            person=Person(persona.removesuffix(CUT), rng),
            cut=persona.endswith(CUT) or to in world.config.cut_numbers,
            price_per_minute=world.config.price_per_minute,
            price_after=world.timings.price,
        )
        self._serial += 1
        call.history.append((call.created.isoformat(), "queued"))
        self.calls[call.sid] = call
        earlier.append(call)
        self._queue.append(call)
        self._queued.set()
        world.activity.begin()  # ends when the call leaves the queue
        return call

    def ring(self, caller: str, number: str, persona: str) -> Call:
        """A person calls a number of the account; raises ValueError when it has no voice URL."""
        world, clock = self.world, self.world.clock
        url = world.voice_urls.get(number)
        if url is None:
            raise ValueError(f"{number} has no voice URL")
        nth = self._counts[caller] = self._counts.get(caller, 0) + 1
        rng = dice(world.config.seed, "call of", caller, nth)
        call = Call(
            sid=f"CA{uuid4().hex}",
            account_sid=world.config.account_sid,
            to=number,
            from_=caller,
            params={"Url": [url]},
            created=clock.now(),
            created_at=clock.monotonic(),
            serial=self._serial,
            nth=nth,
            rng=rng,
            person=Person(persona, rng),
            direction="inbound",
            started=clock.now(),
            price_per_minute=world.config.price_per_minute,
            price_after=world.timings.price,
        )
        self._serial += 1
        call.become("ringing", call.created)
        self.calls[call.sid] = call
        self._by_number.setdefault(number, []).append(call)
        self._live.add(call.sid)
        self._spawn(call, self._called(call))
        return call

    async def _called(self, call: Call) -> None:
        """A call to the account, to its end."""
        try:
            interruption = await Interpreter(self.world, call).run()
            answered = call.answered is not None
            if answered:
                hang_up(self.world, call)
            if interruption is not None:
                interruption.handled.set()
            await self._end(call, "completed" if answered else "no-answer")
        finally:
            self._live.discard(call.sid)
            call.over.set()

    def to_number(self, number: str) -> list[Call]:
        """The calls to a number, oldest first."""
        return self._by_number.get(number, [])

    def forget(self, call: Call) -> None:
        """Delete a call that is over (DELETE Calls/{sid}.json)."""
        self.calls.pop(call.sid, None)
        self._by_number[call.to].remove(call)

    async def interrupt(self, call: Call, why: Why) -> Interruption:
        """Interrupt a call and wait until the line has obeyed (bounded, if a webhook is under way)."""
        interruption = call.interrupt(why)
        if call in self._queue:
            self._queue.remove(call)
            self._spawn(call, self._canceled_in_queue(call))
            self.world.activity.end()
        await self.world.clock.wait(interruption.handled, 5.0, floor=2.0)
        return interruption

    # -- the queue ------------------------------------------------------------------------------------

    async def _dial(self) -> None:
        clock, config = self.world.clock, self.world.config
        while True:
            self._queued.clear()
            while self._queue:
                wait = self._next_slot - clock.monotonic()
                if wait > 0:
                    await clock.sleep(wait)
                    continue  # meanwhile calls may have been canceled
                call = self._queue.popleft()
                self.world.activity.end()
                if clock.monotonic() - call.created_at > QUEUE_LIMIT_SECONDS:
                    call.interrupt(Why.REST_CANCELED)
                    self._spawn(call, self._canceled_in_queue(call))
                    continue
                # Not from now: a late wake-up is made up for, so that the rate holds on average (4.1).
                self._next_slot += 1.0 / config.calls_per_second
                call.queue_ms = round((clock.monotonic() - call.created_at) * 1000)
                call.started = clock.now()
                self._spawn(call, self._live_one(call))
            await self._queued.wait()
            self._next_slot = max(self._next_slot, clock.monotonic())

    def _spawn(self, call: Call, work: Coroutine[None, None, None]) -> None:
        self.world.activity.spawn(work, f"call {call.sid}", self.world.ledger.errors.append)

    async def _canceled_in_queue(self, call: Call) -> None:
        await self._end(call, "canceled")
        call.over.set()

    # -- one call -------------------------------------------------------------------------------------

    async def _live_one(self, call: Call) -> None:
        """From the first dialled digit to the end."""
        try:
            await self._ring(call)
        except Interrupted as interrupted:
            # Neither canceled nor completed by REST before the answer: nobody was reached.
            await self._end(call, "canceled")
            interrupted.interruption.handled.set()
        finally:
            self._live.discard(call.sid)
            call.over.set()

    async def _ring(self, call: Call) -> None:
        world, timings, rng = self.world, self.world.timings, call.rng
        persona = call.person.persona
        limit = world.config.max_calls
        if limit is not None and len(self._live) >= limit:
            world.alert(10004, "Call concurrency limit exceeded", call.sid)
            await self._end(call, "failed")
            return
        self._live.add(call.sid)
        await race(world, call, draw(rng, timings.initiated))
        self._status(call, "initiated", "initiated")
        if persona in ("failed", "bad_number"):
            await race(world, call, draw(rng, timings.failed))
            await self._end(call, "failed")
            return
        await race(world, call, draw(rng, timings.ringing))
        call.become("ringing", world.clock.now())
        world.ledger.rings[call.to].append(world.clock.monotonic())
        self._status(call, "ringing", "ringing")
        await self._pick_up(call)

    async def _pick_up(self, call: Call) -> None:
        timings, rng = self.world.timings, call.rng
        timeout = float(call.param("Timeout", "60"))
        match call.person.persona:
            case "busy":
                await race(self.world, call, min(draw(rng, timings.busy), timeout))
                await self._end(call, "busy")
                return
            case "no_answer":
                pick_up = timeout + 1.0
            case "voicemail":
                pick_up = draw(rng, timings.machine_answer)
            case _:
                pick_up = draw(rng, timings.answer)
        await race(self.world, call, min(pick_up, timeout))
        if pick_up > timeout:
            await self._end(call, "no-answer")
            return
        await self._answered(call)

    async def _answered(self, call: Call) -> None:
        world = self.world
        call.answered, call.answered_at = world.clock.now(), world.clock.monotonic()
        call.become("in-progress", call.answered)
        self._status(call, "answered", "in-progress")
        limit = float(call.param("TimeLimit", str(DEFAULT_TIME_LIMIT)))
        helpers = [asyncio.create_task(self._time_limit(call, limit))]
        detection = call.param("MachineDetection") if not call.param("SendDigits") else ""
        interpreter = Interpreter(world, call)
        try:
            if detection and call.param("AsyncAmd").lower() == "true":
                helpers.append(asyncio.create_task(self._detect_meanwhile(call, detection)))
            elif detection:
                await race(world, call, self._detection_seconds(call, detection))
                self._verdict(call, detection)
            interruption = await interpreter.run()
        except Interrupted as interrupted:
            interruption = interrupted.interruption
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        hang_up(world, call)
        if interruption is not None:
            interruption.handled.set()
        await self._end(call, "completed")

    async def _time_limit(self, call: Call, seconds: float) -> None:
        await self.world.clock.sleep(seconds)
        self.world.alert(32015, "max call duration reached", call.sid)
        call.interrupt(Why.TIME_LIMIT)

    async def _end(self, call: Call, status: str) -> None:
        """Enter the terminal state; the callback `completed` comes a little later (3.6)."""
        world = self.world
        if call.ended is None:
            call.ended, call.ended_at = world.clock.now(), world.clock.monotonic()
        call.become(status, call.ended)
        self._live.discard(call.sid)
        if call.interruption is not None:
            call.interruption.handled.set()
        await world.clock.sleep(draw(call.rng, world.timings.final_callback))
        self._status(call, "completed", call.status)

    # -- machine detection ------------------------------------------------------------------------------

    def _detection_seconds(self, call: Call, detection: str) -> float:
        timings, rng = self.world.timings, call.rng
        timeout = float(call.param("MachineDetectionTimeout", "30"))
        if call.person.persona == "silent":
            seconds = float(call.param("MachineDetectionSilenceTimeout", "5000")) / 1000
        elif call.person.is_machine and detection == "DetectMessageEnd":
            seconds = machine_beep()
        elif call.param("AsyncAmd").lower() == "true":
            seconds = draw(rng, timings.amd)
        else:
            seconds = draw(rng, timings.amd_sync_human)
        return min(seconds, timeout)

    def _verdict(self, call: Call, detection: str) -> None:
        elapsed = self.world.clock.monotonic() - call.answered_at
        timeout = float(call.param("MachineDetectionTimeout", "30"))
        if call.person.persona == "silent":
            verdict = "unknown"
        elif not call.person.is_machine:
            verdict = "human"
        elif detection != "DetectMessageEnd":
            verdict = "machine_start"
        else:
            verdict = "machine_end_beep" if machine_beep() <= timeout else "unknown"
        call.answered_by, call.amd_ms = verdict, round(elapsed * 1000)

    async def _detect_meanwhile(self, call: Call, detection: str) -> None:
        """Async AMD: the verdict goes to its callback while the program runs (6.1)."""
        await self.world.clock.sleep(self._detection_seconds(call, detection))
        self._verdict(call, detection)
        url = call.param("AsyncAmdStatusCallback")
        if not url:
            self.world.alert(21262, "AMD without a callback URL", call.sid)
            return
        fields = {
            "AccountSid": call.account_sid,
            "CallSid": call.sid,
            "AnsweredBy": call.answered_by or "",
            "MachineDetectionDuration": str(call.amd_ms),
        }
        method = call.param("AsyncAmdStatusCallbackMethod", "POST").upper()
        self.world.webhooks.notify("amd", call.sid, (call.to, call.nth, "amd"), url, fields, method)

    # -- status callbacks -------------------------------------------------------------------------------

    def _status(self, call: Call, event: str, status: str) -> None:
        """Send a status callback if its event was subscribed; sequence numbers count all of them (3.6)."""
        number = call.sequence
        call.sequence += 1
        url = call.param("StatusCallback")
        # Twilio takes repeated keys only; one key with spaces names no event at all.
        events = call.params.get("StatusCallbackEvent") or ["completed"]
        if not url or event not in events:
            return
        fields = {
            **call.webhook_fields(),
            "CallStatus": status,
            "Timestamp": rfc2822(self.world.clock.now()) or "",
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(number),
        }
        if status in ("ringing", "in-progress"):
            fields["StirStatus"] = self.world.config.stir_status
        if status in TERMINAL:
            seconds = call.seconds()
            fields["CallDuration"] = str(seconds)
            fields["SipResponseCode"] = SIP_CODES[status]
            if status == "completed":
                fields["Duration"] = str(ceil(seconds / 60))
        if call.answered_by:
            fields["AnsweredBy"] = call.answered_by
            fields["MachineDetectionDuration"] = str(call.amd_ms or 0)
        method = call.param("StatusCallbackMethod", "POST").upper()
        self.world.webhooks.notify("status", call.sid, (call.to, call.nth, event), url, fields, method)
