"""The ConversationRelay side: Twilio's WebSocket client, with a person on the line.

Sources: frames TWILIO 2.3 and 2.4; upgrade and signature 2.1 and 2.2; endings 1.4; the four
sentences on interruptible and reportInputDuringAgentSpeech 1.2.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import aiohttp

from campaign.simulator.callbacks import route
from campaign.simulator.calls import Call, Interruption, Session, Why
from campaign.simulator.config import Range, chance
from campaign.simulator.frames import valid
from campaign.simulator.line import Line
from campaign.simulator.signing import signature
from campaign.simulator.twiml import RelaySettings
from campaign.simulator.world import World, draw

MALFORMED_LIMIT = 10
CLOSE_REASON = b"Closing websocket session"
MALFORMED_REASON = b"Too many consecutive malformed messages."


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

    def __init__(
        self, world: World, call: Call, settings: RelaySettings, answer: Callable[[], None] = lambda: None
    ) -> None:
        self.world = world
        self.call = call
        self.settings = settings
        self._answer = answer
        self.session_id = f"VX{uuid4().hex}"
        self.started_at = world.clock.monotonic()
        call.sessions += 1
        self.number = call.sessions
        self.record = Session(self.started_at)
        call.relay.append(self.record)
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._end: asyncio.Future[SessionEnd] = asyncio.get_running_loop().create_future()
        self._malformed = 0
        self._frames = 0
        self.line = Line(world, call, settings, self.number, self.send)
        self.speaker = self.line.speaker

    def seconds(self) -> int:
        """SessionDuration: whole seconds since the session began."""
        return int(self.world.clock.monotonic() - self.started_at)

    # -- opening ---------------------------------------------------------------------------------

    async def run(self) -> SessionEnd:
        """Open the socket, talk, close; returns how it ended."""
        end = await self._run()
        self.record.status = end.status
        return end

    async def _run(self) -> SessionEnd:
        if not await self._open():
            self.record.ended = self.world.clock.monotonic()
            self.world.alert(64102, f"cannot connect to {self.settings.url}", self.call.sid)
            return SessionEnd(
                "failed",
                self.world.timings.action_after_malformed,
                ("64102", "Unable to connect to websocket"),
            )
        tasks = [
            asyncio.create_task(work)
            for work in (self._read(), self.speaker.run(), self.line.talk(), self._watch_interruption())
        ]
        if self._cut_due():
            tasks.append(asyncio.create_task(self._cut_in_mid_sentence()))
        end: SessionEnd | None = None
        try:
            for task in tasks:
                task.add_done_callback(self._task_failed)
            end = await self._end
        finally:
            self.record.ended = self.world.clock.monotonic()
            self.call.fall_silent(self.record.ended)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if end is None and self._ws is not None:
                # The simulator itself is being stopped: no closing handshake.
                self._abort()
                await self._ws.close()
        await self._close(end)
        return end

    async def _open(self) -> bool:
        seed, call = self.world.config.seed, self.call
        if chance(seed, "unreachable", call.to, call.nth, self.number) < self.world.faults.relay_unreachable:
            return False
        sign = signature(self.world.config.auth_token, self.settings.url)
        url, proxy_headers = route(self.world.config, self.settings.url)
        try:
            self._ws = await self.world.webhooks.http.ws_connect(
                url,
                headers={
                    "User-Agent": "Jetty/11.0.24",
                    "X-Twilio-Signature": sign,
                    "x-amzn-bedrock-agentcore-runtime-custom-twilio-signature": sign,
                    **proxy_headers,
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
                "callStatus": "RINGING" if call.answered is None else "IN_PROGRESS",
                "customParameters": dict(self.settings.parameters),
            }
        )
        self._answer()  # 2.1: the socket of a call to the account opens while it still rings
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
        if self._end.done():
            return
        self.world.frame("sent", self.call, self.session_id, frame)
        await self._send_raw(json.dumps(frame))
        self._count_frame()

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
        self._lost()

    async def _receive(self, text: str) -> None:
        if self._end.done():
            return
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        self.world.frame("received", self.call, self.session_id, text if frame is None else frame)
        if not isinstance(frame, dict) or not valid(frame):
            await self._bad(text)
            return
        self._malformed = 0
        self.line.app_spoke()
        await self._obey(frame)
        self._count_frame()

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
                if self.record.first_text is None:
                    self.record.first_text = self.world.clock.monotonic()
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
                # Voices aren't simulated; what is heard from now on is reported in that language (1.3).
                self.line.heard_as = str(frame.get("transcriptionLanguage", self.line.heard_as))

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
        await self.line.turn_taken.wait()
        clock, speaker = self.world.clock, self.speaker
        while True:
            speaker.changed.clear()
            if speaker.speaking:
                await clock.sleep(0.8)
                if speaker.speaking:
                    break
            else:
                await speaker.changed.wait()
        self._cut()

    def _count_frame(self) -> None:
        """Cut the call's first socket after the frame that a test has named."""
        self._frames += 1
        if self.number == 1 and self._frames == self.world.drop_after.get(self.call.to):
            self._cut()

    def _cut(self) -> None:
        self.speaker.interrupt()
        self._abort()
        self._lost()

    def _lost(self) -> None:
        """The socket is gone (1.4): 64105, and the action decides about the call."""
        if not self._end.done():
            self.world.alert(64105, "Websocket ended", self.call.sid)
            self._finish(
                SessionEnd("failed", self.world.timings.action_after_drop, ("64105", "Websocket ended"))
            )

    def _abort(self) -> None:
        """End the TCP connection without a close frame: the app sees 1006."""
        # aiohttp has no public way to drop a WebSocket without the closing handshake.
        connection = getattr(self._ws, "_conn", None)
        transport = getattr(connection, "transport", None)
        if transport is not None:
            transport.abort()


def _both(yes: bool) -> frozenset[str]:
    return frozenset({"speech", "dtmf"}) if yes else frozenset()
