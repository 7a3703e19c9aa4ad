"""The ConversationRelay side: Twilio's WebSocket client, with a person on the line.

Sources: frames TWILIO 2.3 and 2.4; upgrade and signature 2.1 and 2.2; endings 1.4; the four
sentences on interruptible and reportInputDuringAgentSpeech 1.2.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

import aiohttp
from yarl import URL

from campaign.simulator.calls import Call, Interruption, Why
from campaign.simulator.config import Range, chance
from campaign.simulator.people import MACHINE_GREETING
from campaign.simulator.signing import signature
from campaign.simulator.speech import Speaker
from campaign.simulator.twiml import RelaySettings
from campaign.simulator.world import World, draw

MALFORMED_LIMIT = 10
CLOSE_REASON = b"Closing websocket session"
MALFORMED_REASON = b"Too many consecutive malformed messages."
WRITING_SPEED = 15.0  # characters a second that a person speaks
_DIGITS = re.compile(r"[0-9w#*]+")


@dataclass(slots=True)
class SessionEnd:
    """How a session ended (the rows of 1.4); `wait` is the time until the action request."""

    status: str  # ended, completed, failed
    wait: Range
    error: tuple[str, str] | None = None  # ErrorCode, ErrorMessage
    handoff: str | None = None
    interruption: Interruption | None = None


class RelaySession:
    """One session of one call."""

    def __init__(self, world: World, call: Call, settings: RelaySettings) -> None:
        self.world = world
        self.call = call
        self.settings = settings
        self.session_id = f"VX{uuid4().hex}"
        self.started_at = world.clock.monotonic()
        call.sessions += 1
        self.number = call.sessions
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._end: asyncio.Future[SessionEnd] = asyncio.get_running_loop().create_future()
        self._malformed = 0
        self._heard = ""  # since the person's last turn
        self._person_took_turn = asyncio.Event()
        self._quiet_since = world.clock.monotonic()
        timings, rng = world.timings, call.rng
        self.speaker = Speaker(
            world.clock,
            self.send,
            settings.events,
            self._hear,
            rng,
            draw(rng, timings.characters_per_second),
            self._latency,
        )

    def seconds(self) -> int:
        """SessionDuration: whole seconds since the session began."""
        return int(self.world.clock.monotonic() - self.started_at)

    def _latency(self) -> float:
        timings = self.world.timings
        return draw(self.call.rng, timings.speech if self._heard or self.number > 1 else timings.first_speech)

    def _hear(self, text: str, kind: str) -> None:
        """The person has heard a piece."""
        now = self.world.clock.monotonic()
        if kind == "digits":
            self.call.digits_heard += text
        elif kind == "text":
            self._heard += text
            self.call.note("agent", text, now)
            if self.call.person.is_machine and now >= self.call.answered_at + machine_beep():
                self.call.message += text

    # -- opening ---------------------------------------------------------------------------------

    async def run(self) -> SessionEnd:
        """Open the socket, talk, close; returns how it ended."""
        if not await self._open():
            self.world.alert(64102, f"cannot connect to {self.settings.url}", self.call.sid)
            return SessionEnd(
                "failed",
                self.world.timings.action_after_malformed,
                ("64102", "Unable to connect to websocket"),
            )
        tasks = [
            asyncio.create_task(work)
            for work in (self._read(), self.speaker.run(), self._talk(), self._watch_interruption())
        ]
        if self._cut_due():
            tasks.append(asyncio.create_task(self._cut_in_mid_sentence()))
        try:
            for task in tasks:
                task.add_done_callback(self._task_failed)
            end = await self._end
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._ws is not None and not self._ws.closed and not self._end.done():
                self._abort()
        await self._close(end)
        return end

    async def _open(self) -> bool:
        seed, call = self.world.config.seed, self.call
        if chance(seed, "unreachable", call.to, call.nth, self.number) < self.world.faults.relay_unreachable:
            return False
        url = self.settings.url
        sign = signature(self.world.config.auth_token, url)
        try:
            self._ws = await self.world.webhooks.http.ws_connect(
                URL(url.partition("#")[0], encoded=True),
                headers={
                    "User-Agent": "Jetty/11.0.24",
                    "X-Twilio-Signature": sign,
                    "x-amzn-bedrock-agentcore-runtime-custom-twilio-signature": sign,
                },
                timeout=aiohttp.ClientWSTimeout(ws_close=self.world.clock.real(5.0, 2.0)),
                max_msg_size=1 << 20,
            )
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
        await self.send(
            {
                "type": "setup",
                "sessionId": self.session_id,
                "accountSid": call.account_sid,
                "callSid": call.sid,
                "parentCallSid": "",
                "from": call.from_,
                "to": call.to,
                "forwardedFrom": "",
                "callerName": "",
                "direction": call.direction,
                "callType": "PSTN",
                "callStatus": "IN_PROGRESS",
                "customParameters": dict(self.settings.parameters),
            }
        )
        if self.settings.faults:
            text = f"{'; '.join(self.settings.faults)}, code: 64101"
            await self.send({"type": "error", "description": text})
            self.world.alert(64101, text, call.sid)
            self._finish(
                SessionEnd(
                    "failed",
                    self.world.timings.action_after_malformed,
                    ("64101", "Invalid values for ConversationRelay"),
                )
            )
        elif self.settings.welcome_greeting:
            await self.speaker.say(
                self.settings.welcome_greeting, True, self.settings.welcome_interruptible, False, whole=True
            )
        return True

    def _task_failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None and not self._end.done():
            self._end.set_exception(task.exception() or RuntimeError("no exception"))

    def _finish(self, end: SessionEnd) -> None:
        if not self._end.done():
            self._end.set_result(end)

    async def _close(self, end: SessionEnd) -> None:
        ws = self._ws
        if ws is not None and not ws.closed:
            malformed = self._malformed >= MALFORMED_LIMIT
            if end.status == "ended":
                await self.world.clock.sleep(draw(self.call.rng, self.world.timings.close))
            await ws.close(
                code=1007 if malformed else 1000, message=MALFORMED_REASON if malformed else CLOSE_REASON
            )
        if end.interruption is not None:
            end.interruption.handled.set()

    # -- frames ------------------------------------------------------------------------------------

    async def send(self, frame: dict[str, object]) -> None:
        """Send a frame to the app; a socket that is gone is noticed by the reader."""
        self.world.frame("sent", self.call, self.session_id, frame)
        await self._send_raw(json.dumps(frame))

    async def _send_raw(self, text: str) -> None:
        if self._ws is None or self._ws.closed:
            return
        try:
            await self._ws.send_str(text)
        except (aiohttp.ClientError, ConnectionError):
            return

    async def _read(self) -> None:
        ws = self._ws
        if ws is None:
            return
        seed, call = self.world.config.seed, self.call
        if chance(seed, "malformed", call.to, call.nth, self.number) < self.world.faults.relay_malformed:
            await self._send_raw("{not json")
            await self.send({"type": "brand-new", "answer": 42})
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._receive(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await self._bad(repr(message.data))
            if self._end.done():
                return
        self.world.alert(64105, "Websocket ended", call.sid)
        self._finish(SessionEnd("failed", self.world.timings.action_after_drop, ("64105", "Websocket ended")))

    async def _receive(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        self.world.frame("received", self.call, self.session_id, text if frame is None else frame)
        if not isinstance(frame, dict) or not valid(frame):
            await self._bad(text)
            return
        self._malformed = 0
        self._quiet_since = self.world.clock.monotonic()
        await self._obey(frame)

    async def _bad(self, text: str) -> None:
        self._malformed += 1
        self.world.alert(64107, f"Invalid message received: {text[:500]}", self.call.sid)
        await self.send({"type": "error", "description": f"Invalid message received, code: 64107, {text}"})
        if self._malformed >= MALFORMED_LIMIT:
            self.world.alert(64105, "Websocket ended", self.call.sid)
            self._finish(
                SessionEnd("failed", self.world.timings.action_after_malformed, ("64105", "Websocket ended"))
            )

    async def _obey(self, frame: dict[str, object]) -> None:
        settings = self.settings
        own = frame.get("interruptible")
        interruptible = settings.interruptible if own is None else _both(own is True)
        preemptible = frame.get("preemptible", settings.preemptible) is True
        match frame["type"]:
            case "text":
                token = str(frame["token"])
                await self.speaker.say(token, frame.get("last") is True, interruptible, preemptible)
            case "play":
                loop = frame.get("loop", 1)
                times = 1000 if loop == 0 else int(str(loop))
                await self.speaker.play(
                    3.0 * times, str(frame["source"]), interruptible, frame.get("preemptible") is True
                )
            case "sendDigits":
                digits = str(frame["digits"])
                await self.speaker.digits(digits, self.world.timings.digits + 0.2 * len(digits))
            case "end":
                handoff = frame.get("handoffData")
                self._finish(
                    SessionEnd(
                        "ended",
                        self.world.timings.action_after_end,
                        handoff=handoff if isinstance(handoff, str) else None,
                    )
                )
            case "language":
                pass  # affects recognition and voice only, which are not simulated

    # -- endings from outside --------------------------------------------------------------------------

    async def _watch_interruption(self) -> None:
        await self.call.interrupted.wait()
        interruption = self.call.interruption
        if interruption is None:
            return
        timings = self.world.timings
        rest = interruption.why in (Why.REST_COMPLETED, Why.REST_CANCELED, Why.REDIRECT)
        wait = timings.action_after_rest if rest else timings.action_after_hangup
        self._finish(SessionEnd("completed", wait, interruption=interruption))

    def _cut_due(self) -> bool:
        if self.number > 1:
            return False
        seed, call = self.world.config.seed, self.call
        return call.cut or chance(seed, "drop", call.to, call.nth) < self.world.faults.relay_drop

    async def _cut_in_mid_sentence(self) -> None:
        """Cut the socket while the agent speaks, after the person has taken a turn."""
        await self._person_took_turn.wait()
        clock, speaker = self.world.clock, self.speaker
        while True:
            speaker.changed.clear()
            if speaker.speaking:
                await clock.sleep(0.8)
                if speaker.speaking:
                    break
            else:
                await speaker.changed.wait()
        speaker.interrupt()
        self._abort()
        self.world.alert(64105, "Websocket ended", self.call.sid)
        self._finish(SessionEnd("failed", self.world.timings.action_after_drop, ("64105", "Websocket ended")))

    def _abort(self) -> None:
        """End the TCP connection without a close frame: the app sees 1006."""
        # aiohttp has no public way to drop a WebSocket without the closing handshake.
        connection = getattr(self._ws, "_conn", None)
        transport = getattr(connection, "transport", None)
        if transport is not None:
            transport.abort()

    # -- the person ------------------------------------------------------------------------------------

    async def _talk(self) -> None:
        if self.call.person.is_machine:
            await machine(self)
            return
        person, clock, timings, rng = self.call.person, self.world.clock, self.world.timings, self.call.rng
        opening = person.opening(self.number)
        if opening.say:
            await clock.sleep(rng.uniform(0.05, 0.15))
            await self.utter(opening.say, opening=True)
        silences = 0
        self._quiet_since = clock.monotonic()
        while True:
            match await self._next_turn():
                case "speaking":
                    await self._barge_in()
                    continue
                case "finished":
                    silences = 0
                    await clock.sleep(draw(rng, timings.reaction))
                    if self.speaker.busy:
                        continue
                    heard, self._heard = self._heard, ""
                    reaction = person.hears(heard)
                case "silent":
                    silences += 1
                    reaction = person.after_silence(silences)
            if reaction.say:
                await self.utter(reaction.say)
            for digit in reaction.digits or "":
                await self.press(digit)
            if reaction.hang_up:
                await clock.sleep(0.3)
                self.call.interrupt(Why.PERSON)
                return

    async def _next_turn(self) -> Literal["finished", "speaking", "silent"]:
        """Wait until the agent has finished, or speaks and the person wants to cut in, or is silent."""
        clock, speaker, timings = self.world.clock, self.speaker, self.world.timings
        person = self.call.person
        patience = timings.goodbye if person.said_goodbye else timings.patience
        floor = self.world.config.patience_floor
        while True:
            speaker.changed.clear()
            if speaker.busy:
                if speaker.speaking and person.barge_in() is not None:
                    return "speaking"
                await speaker.changed.wait()
                continue
            if self._heard.strip() and not speaker.cycle_open:
                return "finished"
            quiet = clock.monotonic() - max(speaker.silent_since, self._quiet_since)
            if await clock.wait(speaker.changed, max(patience - quiet, 0.0), floor=floor) or speaker.busy:
                continue
            # An app that forgot its last:true is answered all the same, only late.
            return "finished" if self._heard.strip() else "silent"

    async def _barge_in(self) -> None:
        """Cut in after so many seconds of the agent's speech, if it still speaks then."""
        clock, speaker = self.world.clock, self.speaker
        plan = self.call.person.barge_in()
        if plan is None:
            return
        await clock.sleep(plan[0] - (clock.monotonic() - speaker.speaking_since))
        if speaker.speaking:
            self.call.person.barged()
            await self.utter(plan[1])

    async def utter(self, text: str, opening: bool = False) -> None:
        """The person says something: the frames of a barge-in or of an ordinary turn (2.3)."""
        clock, timings, settings = self.world.clock, self.world.timings, self.settings
        overlaps = self.speaker.speaking
        interrupts = self.speaker.stoppable_by("speech")
        reported = not overlaps or interrupts or "speech" in settings.report_during_speech
        speech = "speaker-events" in settings.events
        if speech:
            await self.send({"type": "info", "name": "clientSpeaking", "value": "on"})
        if interrupts:
            await self._interrupt()
        self.call.note("person", text, clock.monotonic())
        words = text.split()
        seconds = max(0.4, len(text) / WRITING_SPEED)
        partials = int(seconds / timings.partial) if settings.partial_prompts and reported else 0
        said = ""
        for index in range(1, partials + 1):
            part = " ".join(words[: max(1, round(len(words) * index / partials))])
            if part != said:
                await self._prompt(part, last=False)
                said = part
            if index == 1 and interrupts:
                await self._agent_off()
            await clock.sleep(seconds / partials)
        if not partials:
            if interrupts:
                await self._agent_off()
            await clock.sleep(seconds)
        else:
            await clock.sleep(timings.final_prompt)
        if speech:
            await self.send({"type": "info", "name": "clientSpeaking", "value": "off"})
        if reported:
            self._heard = ""
            await self._prompt(text, last=True)
            if not opening:
                self._person_took_turn.set()
        self._quiet_since = clock.monotonic()

    async def _prompt(self, text: str, last: bool) -> None:
        await self.send(
            {"type": "prompt", "voicePrompt": text, "lang": self.settings.prompt_language, "last": last}
        )

    async def _interrupt(self) -> None:
        fragment, milliseconds = self.speaker.interrupt()
        if "tokens-played" in self.settings.events and fragment:
            await self.send({"type": "info", "name": "tokensPlayed", "value": fragment})
        await self.send(
            {
                "type": "interrupt",
                "utteranceUntilInterrupt": fragment.lstrip(),
                "durationUntilInterruptMs": milliseconds,
            }
        )

    async def _agent_off(self) -> None:
        if "speaker-events" in self.settings.events:
            await self.send({"type": "info", "name": "agentSpeaking", "value": "off"})

    async def press(self, digit: str) -> None:
        """The person presses a key."""
        overlaps = self.speaker.speaking
        interrupts = self.speaker.stoppable_by("dtmf")
        self.call.note("person", f"[{digit}]", self.world.clock.monotonic())
        if interrupts:
            await self._interrupt()
            await self._agent_off()
        reported = not overlaps or interrupts or "dtmf" in self.settings.report_during_speech
        if self.settings.dtmf_detection and reported:
            self._heard = ""
            await self.send({"type": "dtmf", "digit": digit})
            self._person_took_turn.set()
        await self.world.clock.sleep(0.3)
        self._quiet_since = self.world.clock.monotonic()


def _both(yes: bool) -> frozenset[str]:
    return frozenset({"speech", "dtmf"}) if yes else frozenset()


def machine_beep() -> float:
    """Seconds from the answer to an answering machine's beep."""
    return sum(len(sentence) for sentence in MACHINE_GREETING) / WRITING_SPEED + 1.0


async def machine(session: RelaySession) -> None:
    """An answering machine: what is left of its greeting, a beep, a recording, then it hangs up."""
    call, clock = session.call, session.world.clock
    begins = call.answered_at
    for sentence in MACHINE_GREETING:
        begins_next = begins + len(sentence) / WRITING_SPEED
        if clock.monotonic() < begins_next:
            await session.utter(sentence)
        begins = begins_next
    ends = call.answered_at + machine_beep() + session.world.timings.machine_recording
    await clock.sleep(ends - clock.monotonic())
    call.interrupt(Why.PERSON)


def valid(frame: dict[str, object]) -> bool:
    """Whether an app's frame is one of 2.4 with fields of the right types."""

    def has(name: str, kind: type, required: bool = False) -> bool:
        if name not in frame:
            return not required
        value = frame[name]
        return isinstance(value, kind) and not (kind is int and isinstance(value, bool))

    flags = has("interruptible", bool) and has("preemptible", bool)
    match frame.get("type"):
        case "text":
            return has("token", str, required=True) and has("last", bool) and has("lang", str) and flags
        case "play":
            loop = frame.get("loop", 1)
            source = frame.get("source")
            return (
                isinstance(source, str)
                and source != ""
                and has("loop", int)
                and isinstance(loop, int)
                and loop >= 0
                and flags
            )
        case "sendDigits":
            digits = frame.get("digits")
            return isinstance(digits, str) and _DIGITS.fullmatch(digits) is not None
        case "language":
            named = "ttsLanguage" in frame or "transcriptionLanguage" in frame
            return named and has("ttsLanguage", str) and has("transcriptionLanguage", str)
        case "end":
            return has("handoffData", str)
    return False
