"""Runs TwiML on an answered call, fetches it, and asks the `action` addresses what to do next.

Sources: fetch and fallback TWILIO 3.7; <Connect> 1.1; action request 1.4; recording 6.3; <Gather>, <Dial>,
<Number url> and <Enqueue> twilio.com/docs/voice/twiml.
"""

import asyncio
import re
from typing import Any
from urllib.parse import urljoin
from uuid import uuid4

from campaign.simulator.calls import Call, Interrupted, Interruption, Recording, Why, rfc2822
from campaign.simulator.line import machine_beep
from campaign.simulator.relay import RelaySession, SessionEnd
from campaign.simulator.twiml import CONTENT_TYPES, Document, TwimlError, Verb, parse, relay_settings
from campaign.simulator.world import World, draw, race

MAX_DOCUMENTS = 200  # a <Redirect> to itself must end somewhere
APPLICATION_ERROR = "We are sorry. An application error has occurred. Goodbye."


class ProgramEnd(Exception):
    """The program hung up (<Hangup/>, the end of the document, or an error)."""


class Interpreter:
    """The program of one answered call."""

    def __init__(self, world: World, call: Call) -> None:
        self.world = world
        self.call = call

    async def run(self) -> Interruption | None:
        """Run until the call is over; returns the interruption that ended it, if one did."""
        call = self.call
        try:
            document = await self._first()
            for _ in range(MAX_DOCUMENTS):
                try:
                    document = await self._document(document)
                except Interrupted as interrupted:
                    if interrupted.interruption.why is not Why.REDIRECT:
                        return interrupted.interruption
                    interrupted.interruption.handled.set()
                    call.resume()
                    document = await self._first()
            self.world.alert(12100, "too many documents: a redirect goes round in a circle", call.sid)
        except ProgramEnd:
            pass
        except Interrupted as interrupted:
            return interrupted.interruption
        return None

    # -- documents ---------------------------------------------------------------------------------

    async def _first(self) -> Document:
        """The document of the call's Url, or its Twiml if it has no Url (3.1)."""
        url = self.call.param("Url")
        if url:
            extra = {}
            if self.call.answered_by and self.call.param("AsyncAmd").lower() != "true":
                extra = {
                    "AnsweredBy": self.call.answered_by,
                    "MachineDetectionDuration": str(self.call.amd_ms or 0),
                }
            kind = "incoming" if self.call.inbound else "voice"
            return await self.fetch(kind, url, extra, self.call.param("Method", "POST"))
        return await self._parsed(self.call.param("Twiml"), "")

    async def fetch(self, kind: str, url: str, extra: dict[str, str], method: str = "POST") -> Document:
        """Ask for TwiML; on failure the FallbackUrl, else an apology and the end (3.7)."""
        call = self.call
        params = {**call.webhook_fields(), **extra}
        reply = await self._while_interruptible(
            self.world.webhooks.request(kind, call.sid, url, params, method.upper())
        )
        code = reply.code
        if not code:
            try:
                kind_of_body = reply.content_type.partition(";")[0].strip().lower()
                if reply.body.strip() and kind_of_body not in CONTENT_TYPES:
                    raise TwimlError(12300, f"invalid Content-Type {reply.content_type!r} from {url}")
                return self._warned(
                    parse(reply.body, url) if reply.body.strip() else Document((), url), call.sid
                )
            except TwimlError as error:
                self.world.alert(error.code, str(error), call.sid)
                code = error.code
        fallback = call.param("FallbackUrl")
        if fallback and url != fallback:
            call.check()
            extra = {**extra, "ErrorCode": str(code), "ErrorUrl": url}
            return await self.fetch("fallback", fallback, extra, call.param("FallbackMethod", "POST"))
        await self._say(APPLICATION_ERROR)
        raise ProgramEnd

    async def _parsed(self, text: str, url: str) -> Document:
        try:
            return self._warned(parse(text, url), self.call.sid)
        except TwimlError as error:
            self.world.alert(error.code, str(error), self.call.sid)
            await self._say(APPLICATION_ERROR)
            raise ProgramEnd from error

    def _warned(self, document: Document, call_sid: str) -> Document:
        for code, text in document.warnings:
            self.world.alert(code, text, call_sid)
        return document

    async def _while_interruptible(self, request: Any) -> Any:
        """Await a request; an interruption that comes meanwhile ends the wait, not the request."""
        task = asyncio.ensure_future(request)
        watch = asyncio.create_task(self.call.interrupted.wait())
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            watch.cancel()
        if not task.done():
            self.world.activity.spawn(_finished(task), "webhook", self.world.ledger.errors.append)
        self.call.check()
        return await task

    async def _document(self, document: Document) -> Document:
        for verb in document.verbs:
            self.call.check()
            following = await self._verb(verb, document)
            if following is not None:
                return following
        raise ProgramEnd

    def _answer(self) -> None:
        """A call to the account is answered by the first verb that speaks or connects."""
        call = self.call
        if call.answered is None:
            call.answered, call.answered_at = self.world.clock.now(), self.world.clock.monotonic()
            call.become("in-progress", call.answered)

    async def _verb(self, verb: Verb, document: Document) -> Document | None:
        if verb.name not in ("Hangup", "Redirect", "Connect", "Start"):
            self._answer()
        match verb.name:
            case "Say":
                for _ in range(_count(verb, "loop", 1)):
                    await self._say(verb.text)
            case "Play":
                self.call.digits_heard += verb.get("digits")
                for _ in range(_count(verb, "loop", 1)):
                    await race(self.world, self.call, 3.0)
            case "Pause":
                await self._pause(float(verb.get("length", "1")))
            case "Hangup":
                raise ProgramEnd
            case "Redirect":
                return await self.fetch(
                    "redirect", urljoin(document.base_url, verb.text), {}, verb.get("method", "POST")
                )
            case "Start":
                self._start(verb, document)
            case "Connect":
                return await self._connect(verb, document)
            case "Dial":
                return await self._dial(verb, document)
            case "Enqueue":
                return await self._enqueue(verb, document)
            case "Gather":
                return await self._gather(verb, document)
            case "Leave":
                self.world.alert(12200, "<Leave> outside of a queue", self.call.sid)
        return None

    async def _action(
        self, kind: str, verb: Verb, document: Document, extra: dict[str, str]
    ) -> Document | None:
        """Ask the verb's action; without one the next verb follows (1.1)."""
        if not verb.get("action"):
            return None
        url = urljoin(document.base_url, verb.get("action"))
        return await self.fetch(kind, url, extra, verb.get("method", "POST"))

    # -- simple verbs --------------------------------------------------------------------------------

    async def _say(self, text: str) -> None:
        call, clock = self.call, self.world.clock
        rate = draw(call.rng, self.world.timings.characters_per_second)
        began = clock.monotonic()
        try:
            await race(self.world, call, len(text) / rate)
        finally:
            heard = text[: round((clock.monotonic() - began) * rate)] if call.interruption else text
            call.note("say", heard, clock.monotonic())
            if call.person.is_machine:
                # What is said before the beep is not on the tape.
                lost = call.answered_at + machine_beep() - began
                call.message += heard[max(0, round(lost * rate)) :]

    async def _pause(self, seconds: float) -> None:
        patience = self.world.timings.patience
        if not self.call.person.is_machine and seconds > patience:
            await race(self.world, self.call, patience)
            self.call.interrupt(Why.PERSON)
        await race(self.world, self.call, seconds)

    def _start(self, verb: Verb, document: Document) -> None:
        for child in verb.children:
            if child.name != "Recording":
                self.world.alert(12200, f"<Start><{child.name}> is not simulated", self.call.sid)
                continue
            callback = child.get("recordingStatusCallback")
            recording = Recording(
                sid=f"RE{uuid4().hex}",
                call_sid=self.call.sid,
                started=self.world.clock.now(),
                channels=2 if child.get("channels") == "dual" else 1,
                track=child.get("track", "both"),
                callback=urljoin(document.base_url, callback) if callback else "",
                events=frozenset(child.get("recordingStatusCallbackEvent", "completed").split()),
            )
            self.call.recordings.append(recording)
            recording_event(self.world, self.call, recording)

    # -- <Connect> ---------------------------------------------------------------------------------

    async def _connect(self, verb: Verb, document: Document) -> Document | None:
        noun = next((child for child in verb.children if child.name in ("ConversationRelay", "Stream")), None)
        if noun is None or noun.name == "Stream":
            self.world.alert(12200, "<Connect> without <ConversationRelay> is not simulated", self.call.sid)
            return await self._action("action", verb, document, {})
        if self.call.sessions:
            await race(self.world, self.call, draw(self.call.rng, self.world.timings.reconnect))
        session = RelaySession(self.world, self.call, relay_settings(noun), self._answer)
        end = await session.run()
        if end.interruption is None:
            # Whatever happens from here on, the request below reports the session as it ended.
            await self.world.clock.sleep(draw(self.call.rng, end.wait))
            return await self._action("action", verb, document, session_fields(session, end))
        return await self._interrupted_session(verb, document, session, end)

    async def _interrupted_session(
        self, verb: Verb, document: Document, session: RelaySession, end: SessionEnd
    ) -> Document | None:
        """The person or REST ended the call, or redirected it: the action is told, its answer is moot."""
        interruption = end.interruption
        if interruption is None:
            return None
        redirect = interruption.why is Why.REDIRECT
        if not redirect:
            hang_up(self.world, self.call)
        if verb.get("action") and (not redirect or self.world.config.redirect_fires_action):
            await self.world.clock.sleep(draw(self.call.rng, end.wait))
            url = urljoin(document.base_url, verb.get("action"))
            params = {**self.call.webhook_fields(), **session_fields(session, end)}
            await self.world.webhooks.request(
                "action", self.call.sid, url, params, verb.get("method", "POST").upper()
            )
        raise Interrupted(interruption)

    # -- <Gather> --------------------------------------------------------------------------------------

    async def _gather(self, verb: Verb, document: Document) -> Document | None:
        """Speak, and ask the action with what the person keys in or says; nothing: the next verb."""
        await self._prompts(verb)
        said = self.call.person.asked_by_menu(verb.text, "speech" in verb.get("input", "dtmf"))
        if said is None:
            await race(self.world, self.call, float(verb.get("timeout", "5")))
            return None
        await race(self.world, self.call, 1.0)
        self.call.note("person", said, self.world.clock.monotonic())
        keyed = said.startswith("[")
        extra = {"Digits": said.strip("[]#")} if keyed else {"SpeechResult": said, "Confidence": "0.93"}
        return await self._action("gathered", verb, document, extra)

    async def _prompts(self, verb: Verb) -> None:
        for child in verb.children:
            if child.name == "Say":
                await self._say(child.text)

    # -- <Dial>, <Enqueue> -----------------------------------------------------------------------------

    async def _dial(self, verb: Verb, document: Document) -> Document | None:
        timings, call = self.world.timings, self.call
        noun = verb.child("Number") or verb.child("Sip") or verb
        status = self.world.config.transfer.get(noun.text, "completed")
        answers = status in ("completed", "declined")
        ring = timings.transfer_ring if answers else float(verb.get("timeout", "30"))
        leg_sid = f"CA{uuid4().hex}"
        call.note("dial", f"{noun.text}: {status}", self.world.clock.monotonic())
        await race(self.world, call, min(ring, float(verb.get("timeout", "30"))))
        extra = {"DialCallStatus": "completed" if answers else status, "DialCallSid": leg_sid}
        if answers and noun.get("url"):
            answers = await self._whisper(noun, document, leg_sid, takes=status == "completed")
        elif status == "declined":
            answers = False
        if answers:
            await race(self.world, call, timings.transfer_talk)
            extra |= {"DialCallDuration": str(round(timings.transfer_talk)), "DialBridged": "true"}
        elif extra["DialCallStatus"] == "completed":
            extra |= {"DialCallDuration": "5", "DialBridged": "false"}
        return await self._action("dial", verb, document, extra)

    async def _whisper(self, noun: Verb, document: Document, leg_sid: str, *, takes: bool) -> bool:
        """Run the target's own document on its leg; returns whether both sides are connected afterwards."""
        fields = {
            **self.call.webhook_fields(),
            "CallSid": leg_sid,
            "ParentCallSid": self.call.sid,
            "Direction": "outbound-dial",
            "To": noun.text,
            "Called": noun.text,
        }
        url = urljoin(document.base_url, noun.get("url"))
        told = await self._leg("whisper", url, fields)
        for verb in told.verbs if told else ():
            match verb.name:
                case "Say":
                    self.call.note("whisper", verb.text, self.world.clock.monotonic())
                case "Gather":
                    for child in verb.children:
                        self.call.note("whisper", child.text, self.world.clock.monotonic())
                    key = pressed_by(verb.text) if takes else ""
                    if key:
                        action = urljoin(url, verb.get("action"))
                        answer = await self._leg("accept", action, {**fields, "Digits": key})
                        return answer is not None and not answer.verbs
                case "Hangup":
                    return False
        return takes and told is not None

    async def _leg(self, kind: str, url: str, fields: dict[str, str]) -> Document | None:
        """A document for the other leg; None: there was none."""
        reply = await self._while_interruptible(
            self.world.webhooks.request(kind, self.call.sid, url, fields, "POST")
        )
        try:
            return None if reply.code else self._warned(parse(reply.body, url), self.call.sid)
        except TwimlError as error:
            self.world.alert(error.code, str(error), self.call.sid)
            return None

    async def _enqueue(self, verb: Verb, document: Document) -> Document | None:
        """A person waits in the queue until somebody takes them, the waiting room lets them go, or their
        patience ends (four times the usual); a queue that is full or faulty lets nobody in."""
        workflow = verb.get("workflowSid")
        self.call.queue_name = workflow or verb.text
        task = verb.child("Task")
        self.call.note("queue", task.text if task else verb.text, self.world.clock.monotonic())
        result = self.world.config.transfer.get(self.call.queue_name, "bridged" if workflow else "left")
        fields = {"QueueSid": f"QU{uuid4().hex}", "QueueTime": "0"}
        if result in ("bridged", "left"):
            result = await self._wait(verb, document, fields, taken=result == "bridged")
        if result == "bridged":
            await race(self.world, self.call, self.world.timings.transfer_talk)
        return await self._action("queue", verb, document, {"QueueResult": result, **fields})

    async def _wait(self, verb: Verb, document: Document, fields: dict[str, str], *, taken: bool) -> str:
        """Obey the waiting room's documents; returns the QueueResult and keeps the time in `fields`."""
        clock, timings, call = self.world.clock, self.world.timings, self.call
        began = clock.monotonic()
        ends = began + (timings.queue_taken if taken else 4 * timings.patience)
        url = urljoin(document.base_url, verb.get("waitUrl"))
        while clock.monotonic() < ends:
            fields["QueueTime"] = str(int(clock.monotonic() - began))
            asked = {
                **call.webhook_fields(), **fields, "QueuePosition": "1", "AvgQueueTime": "0",
                "CurrentQueueSize": "1",
            }  # fmt: skip
            room = await self._leg("wait", url, asked) if verb.get("waitUrl") else None
            for step in room.verbs if room else ():
                match step.name:
                    case "Leave":
                        return "leave"
                    case "Say":
                        await self._say(step.text)
                    case "Pause":
                        seconds = min(float(step.get("length", "1")), max(0.0, ends - clock.monotonic()))
                        await race(self.world, call, seconds)
            if room is None or not room.verbs:
                await race(self.world, call, max(0.0, ends - clock.monotonic()))
        fields["QueueTime"] = str(int(clock.monotonic() - began))
        if not taken:
            call.interrupt(Why.PERSON)
            call.check()
        return "bridged"


def pressed_by(text: str) -> str:
    """The key that somebody is asked to press; empty: none."""
    asked = re.search(r"(?i:press|pulse|appuyez sur|drücken sie die) ([0-9*#])", text)
    return asked.group(1) if asked else ""


def _count(verb: Verb, name: str, default: int) -> int:
    text = verb.get(name, str(default))
    return 1000 if text == "0" else int(text) if text.isdigit() else default


async def _finished(task: "asyncio.Future[Any]") -> None:
    await task


def session_fields(session: RelaySession, end: SessionEnd) -> dict[str, str]:
    """The action's own fields (1.4); keys that do not apply are absent."""
    fields = {
        "SessionId": session.session_id,
        "SessionStatus": end.status,
        "SessionDuration": str(session.seconds()),
    }
    if end.handoff is not None:
        fields["HandoffData"] = end.handoff
    if end.error is not None:
        fields["ErrorCode"], fields["ErrorMessage"] = end.error
    return fields


def hang_up(world: World, call: Call) -> None:
    """The line is down: the call is completed and its recordings end."""
    if call.ended is not None:
        return
    call.ended, call.ended_at = world.clock.now(), world.clock.monotonic()
    call.become("completed", call.ended)
    for recording in call.recordings:
        if recording.status == "in-progress":
            recording.status = "completed"
            recording.seconds = max(0, round((call.ended - recording.started).total_seconds()))
            recording_event(world, call, recording)


def recording_event(world: World, call: Call, recording: Recording) -> None:
    """Report a recording's state if that was asked for (6.3)."""
    if not recording.callback or recording.status not in recording.events:
        return
    fields = {
        "AccountSid": call.account_sid,
        "CallSid": call.sid,
        "RecordingSid": recording.sid,
        "RecordingUrl": f"{world.base_url}/2010-04-01/Accounts/{call.account_sid}/Recordings/{recording.sid}",
        "RecordingStatus": recording.status,
        "RecordingChannels": str(recording.channels),
        "RecordingStartTime": rfc2822(recording.started) or "",
        "RecordingSource": recording.source,
        "RecordingTrack": recording.track,
    }
    if recording.seconds is not None:
        fields["RecordingDuration"] = str(recording.seconds)
    world.webhooks.notify(
        "recording", call.sid, (call.to, call.nth, "recording", recording.status), recording.callback, fields
    )
