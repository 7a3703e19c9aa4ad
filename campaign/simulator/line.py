"""The person's end of the line during a ConversationRelay session: hears, speaks, presses keys, cuts in.

Sources: order of the frames of a turn and of a barge-in TWILIO 2.3; what interrupts and what is
reported while the agent speaks 1.2 (`interruptible`, `reportInputDuringAgentSpeech`); times 10.
"""

import asyncio
from typing import Literal

from campaign.simulator.calls import Call, Why
from campaign.simulator.people import HUMS, MACHINE_GREETING
from campaign.simulator.speech import Emit, Speaker
from campaign.simulator.twiml import RelaySettings
from campaign.simulator.world import World, draw

SPEAKING_SPEED = 15.0  # characters a second that a person speaks


def machine_beep() -> float:
    """Seconds from the answer to an answering machine's beep."""
    return sum(len(sentence) for sentence in MACHINE_GREETING) / SPEAKING_SPEED + 1.0


class Line:
    """One session's voice in both directions.

    Arguments:
        session: counts the call's relay sessions from 1.
        send: sends a frame to the app.
    """

    def __init__(self, world: World, call: Call, settings: RelaySettings, session: int, send: Emit) -> None:
        self.world = world
        self.call = call
        self.settings = settings
        self.session = session
        self.send = send
        self._lang = ""
        self.turn_taken = asyncio.Event()  # the person has taken a turn, beyond its "Hello?"
        self.heard_as = settings.prompt_language  # changed by a `language` frame
        self._heard = ""  # since the person's last turn
        self._quiet_since = world.clock.monotonic()
        timings, rng = world.timings, call.rng
        self.speaker = Speaker(
            world.clock,
            send,
            settings.events,
            self._hear,
            draw(rng, timings.characters_per_second),
            self._latency,
            lambda: call.speaks("agent", session, world.clock.monotonic()),
        )

    def app_spoke(self) -> None:
        """A frame came from the app: its silence begins anew."""
        self._quiet_since = self.world.clock.monotonic()

    def _latency(self) -> float:
        timings = self.world.timings
        first = not self._heard and self.session == 1 and not self.turn_taken.is_set()
        return draw(self.call.rng, timings.first_speech if first else timings.speech)

    def _hear(self, text: str, kind: str) -> None:
        """The person has heard a piece."""
        now = self.world.clock.monotonic()
        if kind == "digits":
            self.call.digits_heard += text
        elif kind == "text":
            self._heard += text if not self._heard or text[:1].isspace() else f" {text}"
            self.call.note("agent", text, now)
            if self.call.person.is_machine and now >= self.call.answered_at + machine_beep():
                self.call.message += text

    async def talk(self) -> None:
        """Be the person (or the machine) until it hangs up; cancelled when the session ends."""
        if self.call.person.is_machine:
            await self._machine()
            return
        person, clock, timings, rng = self.call.person, self.world.clock, self.world.timings, self.call.rng
        opening = person.opening(self.session)
        if opening.say:
            await clock.sleep(rng.uniform(0.05, 0.15))
            await self.utter(opening.say, opening=True, lang=opening.lang)
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
                await self.utter(reaction.say, lang=reaction.lang)
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

    async def utter(self, text: str, opening: bool = False, lang: str = "") -> None:
        """The person says something: the frames of a barge-in or of an ordinary turn (2.3).

        Arguments:
            lang: the language that is spoken, which only mixed speech (`multi`) is heard as.
        """
        clock, timings, settings = self.world.clock, self.world.timings, self.settings
        overlaps = self.speaker.speaking
        hums = settings.ignore_backchannel and overlaps and text.lower().strip(" .,!?") in HUMS
        interrupts = self.speaker.stoppable_by("speech") and not hums
        during = interrupts or "speech" in settings.report_during_speech
        reported = not hums and (not overlaps or during)
        self._lang = lang if lang and settings.mixed else ""
        speech = "speaker-events" in settings.events
        if speech:
            await self.send({"type": "info", "name": "clientSpeaking", "value": "on"})
        if interrupts:
            await self._interrupt()
        self._heard = ""  # what follows is new, also what the agent says meanwhile
        self.call.note("person", text, clock.monotonic())
        voice = self.call.speaks("person", self.session, clock.monotonic())
        words = text.split()
        seconds = max(0.4, len(text) / SPEAKING_SPEED)
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
        voice.ends = clock.monotonic()
        if partials:
            await clock.sleep(timings.final_prompt)
        if speech:
            await self.send({"type": "info", "name": "clientSpeaking", "value": "off"})
        if reported:
            await self._prompt(text, last=True)
            if not opening:
                self.turn_taken.set()
        self._quiet_since = clock.monotonic()

    async def _prompt(self, text: str, last: bool) -> None:
        await self.send(
            {"type": "prompt", "voicePrompt": text, "lang": self._lang or self.heard_as, "last": last}
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
        self._heard = ""
        reported = not overlaps or interrupts or "dtmf" in self.settings.report_during_speech
        if self.settings.dtmf_detection and reported:
            await self.send({"type": "dtmf", "digit": digit})
            self.turn_taken.set()
        await self.world.clock.sleep(0.3)
        self._quiet_since = self.world.clock.monotonic()

    async def _machine(self) -> None:
        """An answering machine: the rest of its greeting, a beep, a recording, then it hangs up."""
        call, clock = self.call, self.world.clock
        begins = call.answered_at
        for sentence in MACHINE_GREETING:
            ends = begins + len(sentence) / SPEAKING_SPEED
            if clock.monotonic() < ends:
                await self.utter(sentence)
            begins = ends
        ends = call.answered_at + machine_beep() + self.world.timings.machine_recording
        await clock.sleep(ends - clock.monotonic())
        call.interrupt(Why.PERSON)
