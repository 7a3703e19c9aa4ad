"""The conversation of one ConversationRelay session, without any input or output of its own.

    NEW ──setup──> OPENING ──line quiet, or 1 s──> TALKING ──end_call, opt-out, silence, limits──> CLOSING
                                                      │                            last words heard │
                                                      └──machine, hand-over──────> ENDING <─────────┘
    any ──socket closed──> OVER

Rules that hold in every state: disclosures are said first, uninterruptible, and count only when
`tokensPlayed` confirms them; an opt-out is acted on whatever else goes on; pieces of a reply that was
cancelled are never sent; whatever happens there is a deadline, so silence never lasts.
"""

from typing import Final, Literal, assert_never

from campaign.domain import relay_protocol as relay
from campaign.domain import script as scripts
from campaign.domain.conversation.conduct import LONGEST_SPEECH, Conduct, Phase
from campaign.domain.conversation.events import (
    AgentDone,
    AgentFailed,
    AgentText,
    AgentTool,
    CancelAsk,
    Closed,
    Command,
    Event,
    FirstWord,
    HandOver,
    HangUp,
    MachineVerdict,
    Note,
    OptOut,
    Send,
    StopRequested,
    Tick,
)
from campaign.domain.conversation.replies import MOST_ROUNDS, Reply
from campaign.domain.dialogue import ToolRequest
from campaign.domain.disposition import CONCLUDED, Disposition
from campaign.domain.opt_out import recognise
from campaign.domain.tools import DoNotCall, EndCall, RecordAnswer, ScheduleCallback, Transfer

OPENING_WAIT: Final = 1.0
"""Seconds after setup within which the greeting begins, whether or not the line is quiet."""
HELLO_WAIT: Final = 2.0
"""A first word within this many seconds of our greeting's start is its "hello", not an answer to it."""
PARTIAL_WAIT: Final = 1.2
"""An opt-out in an unfinished transcript counts when its end hasn't come for so long."""
KEYS_WAIT: Final = 1.5
"""Keys pressed within this time belong together."""
AFTER_INTERRUPT: Final = 4.0
"""Silence after an interruption that led to no words, before we ask."""
GREETING_WITHIN: Final = 60.0
"""Seconds from the session's beginning within which what is said may be a machine's greeting."""
LONGEST_PROMPT: Final = 2000
OPT_OUT_KEY: Final = "9"

_TOO_SLOW: Final = {
    "reply": "no first words in time",
    "gap": "a gap in its words",
    "whole_reply": "no end in time",
}
_BACKCHANNEL_WORDS: Final = (
    "uh huh,uhhuh,mhm,mm hmm,mm,hmm,hm,yeah,right,okay,ok,i see,sure,aha,ah,oh,go on,si,ja,oui"
)
_BACKCHANNELS: Final = frozenset(_BACKCHANNEL_WORDS.split(","))


class Conversation(Conduct):
    """One session, told of events and answering with commands, to be carried out in order.

    Args:
        script: the campaign's script.
        values: variables by name: the contact's columns and `seller_name`, `seller_phone`.
        started: the stopwatch (monotonic clock seconds) at which `started_at` was read.
        started_at: that instant, aware, in the person's own zone.
        attempt: the attempt's marker, named in every handoff.
        phone: the dialled number, which redaction leaves alone.
        talk_to_machines: go on talking whatever the machine detection says (a fax still ends it).
        leave_message: a machine that is heard is listened to in silence until detection says where a message
            may begin.
        resumed: set when the call's earlier session broke off.
        longest: seconds from the setup until it closes politely; None: as the script says.
        patience: how long each profile's agent may take.
    """

    # ── the two doors ──────────────────────────────────────────────────────────────────────────────────

    def receive(self, event: Event, now: float) -> list[Command]:
        """Take one event at the stopwatch's `now`; returns what to do, in order."""
        if self.phase is Phase.OVER:
            return []
        match event:
            case AgentText(generation, text):
                commands = self._agent_text(generation, text, now)
            case AgentTool(generation, request):
                commands = self._agent_tool(generation, request, now)
            case AgentDone(generation):
                commands = self._agent_done(generation, now)
            case AgentFailed(generation, why):
                commands = self._agent_failed(generation, why, now)
            case relay.Prompt():
                commands = self._prompt(event, now)
            case relay.TokensPlayed(text):
                commands = self._played(text, now)
            case relay.SpeakerEvent(who, on):
                commands = self._agent_speaking(on, now) if who == "agent" else self._person_speaks(on, now)
            case relay.Interrupt():
                commands = self._interrupt(event, now)
            case Tick():
                commands = self._tick(now)
            case relay.Setup():
                commands = self._setup(now)
            case relay.Dtmf(digit):
                commands = self._dtmf(digit, now)
            case MachineVerdict(answered_by):
                commands = self._machine(answered_by, now)
            case StopRequested(reason):
                commands = self._stop(reason, now)
            case HandOver(at_any_pause):
                self._handing_over = True
                self._at_any_pause = self._at_any_pause or at_any_pause
                commands = self._idle(now)
            case Closed():
                commands = self._closed()
            case relay.RelayError(description):
                commands = [Note(f"Twilio refused a frame: {description[:300]}")]
            case relay.Unknown(why, _):
                commands = [Note(f"unknown frame: {why[:300]}")]
        return commands

    def deadline(self) -> float | None:
        """When `Tick` is wanted next, on the stopwatch; None: not at all."""
        return min(self._timers.values(), default=None)

    # ── opening ────────────────────────────────────────────────────────────────────────────────────────

    def _setup(self, now: float) -> list[Command]:
        if self.phase is not Phase.NEW:
            return [Note("a second setup frame")]
        self._setup_at = now
        self._timers["call"] = now + self._longest
        if self._handing_over and self._resumed is None:
            # Nobody has heard us yet: whoever goes on greets as if nothing had been. Only a call's first
            # session, so that it can't go from one ending process to another without a word for ever.
            return self._hand_over(now)
        if self._machine_spoke_before():
            self.phase = Phase.TALKING
            return self._machine_heard(now)
        if self.transcript.taken_up:
            return self._take_up(now)
        if self._resumed is not None:  # their hello went to the session before: there is none to wait for
            return self._open(now)
        self.phase = Phase.OPENING
        self._timers["open"] = now + OPENING_WAIT
        return []

    def _open(self, now: float) -> list[Command]:
        self.phase = Phase.TALKING
        self._timers.pop("open", None)
        self._opened_at = now
        commands: list[Command] = [FirstWord(round((now - self._setup_at) * 1000))]
        commands += self._disclose(now)
        return commands + self._say(scripts.render(self._script.greeting, self._values), now)

    def _take_up(self, now: float) -> list[Command]:
        """Go on in a new session: what wasn't disclosed, one bridging sentence, then the thread.

        After a planned hand-over, where nothing that was said is lost, the thread is all there is.
        """
        self.phase = Phase.TALKING
        self._opened_at = now - HELLO_WAIT
        last = self._resumed.turns[-1] if self._resumed and self._resumed.turns else None
        unanswered = last and last.speaker == "agent" and not last.interrupted and last.text.endswith("?")
        if (
            self._resumed
            and self._resumed.handed_over
            and not unanswered
            and self.disposition not in CONCLUDED
        ):
            return self._ask(now)
        commands: list[Command] = [FirstWord(round((now - self._setup_at) * 1000))]
        commands += self._disclose(now)
        if self.disposition in CONCLUDED:
            opted_out = self.disposition is Disposition.DO_NOT_CALL
            line = self._lines.opt_out_acknowledged if opted_out else self._lines.goodbye
            commands += self._say(self._lines.recovery, now)
            return commands + self._goodbye(line, "ended", now, revivable=not opted_out)
        if unanswered:
            return commands + self._say(self._lines.recovery_again, now)
        commands += self._say(self._lines.recovery, now)
        return commands + self._ask(now)

    # ── what is heard ──────────────────────────────────────────────────────────────────────────────────

    def _played(self, text: str, now: float) -> list[Command]:
        commands = self.transcript.heard(self.transcript.speech.played(text, now))
        self._await_answer(now)
        return commands + self._idle(now)

    def _agent_speaking(self, on: bool, now: float) -> list[Command]:
        self._agent_speaking_now = on
        if on:
            return []
        commands = self.transcript.heard(self.transcript.speech.silent(now))
        self._await_answer(now)
        return commands + self._idle(now)

    def _interrupt(self, event: relay.Interrupt, now: float) -> list[Command]:
        commands = self.transcript.cut(event.utterance_until_interrupt, now)
        commands += self._replies.cancel(self._timers)
        if self.phase is Phase.CLOSING:
            if not self._revivable:
                return commands + self._end(now)
            self.phase, self._closing, self._revivable = Phase.TALKING, {}, False
            self._timers.pop("close", None)
        if self.phase is Phase.TALKING and not self._hushed:
            self._timers["silence"] = now + min(AFTER_INTERRUPT, self._script.limits.silence_seconds)
        return commands

    # ── what the person says ───────────────────────────────────────────────────────────────────────────

    def _person_speaks(self, on: bool, now: float) -> list[Command]:
        self._person_speaking = on
        if on:
            self._await_answer(now)
            return []
        if self.phase is Phase.OPENING:
            return self._open(now)
        if self.phase is Phase.TALKING:
            self._await_answer(now)
        return []

    def _prompt(self, event: relay.Prompt, now: float) -> list[Command]:
        said = event.voice_prompt.strip()[:LONGEST_PROMPT]
        if not event.last:
            found = recognise(said, self._script.language)
            self._partial_opt_out = found.quote if found else ""
            self._timers.pop("partial", None)
            if found:
                self._timers["partial"] = now + PARTIAL_WAIT
            if self.phase is Phase.TALKING and self._replies.current is None and not self._hushed:
                self._timers["silence"] = now + LONGEST_SPEECH
            return []
        self._person_speaking = False
        self._partial_opt_out = ""
        self._timers.pop("partial", None)
        if not said:
            self._await_answer(now)
            return []
        return self._said(said, now)

    def _said(self, said: str, now: float) -> list[Command]:
        commands = self.transcript.person(said, now)
        found = recognise(said, self._script.language)
        if found is not None:
            return commands + self._opt_out(found.quote, "conversation", now)
        if now - self._setup_at < GREETING_WITHIN and self._is_machine(said):
            return commands + self._machine_heard(now)
        if self.phase is Phase.OPENING:
            return commands + self._open(now)
        if self.phase is not Phase.TALKING or self._hushed:
            return commands
        self._nudges = 0
        speech = self.transcript.speech
        greeting = now - self._opened_at < HELLO_WAIT and not speech.reported
        # Who speaks over the disclosures is answered by the greeting that follows them.
        greeting = greeting or (bool(speech.disclosing()) and now < speech.ends_at)
        over_us = self._agent_speaking_now and speech.pending
        talked_over = over_us and said.lower().replace("-", " ").strip(" .,!?") in _BACKCHANNELS
        if greeting or talked_over:
            self._await_answer(now)
            return commands
        if self.transcript.person_turns > self._script.limits.turns:
            return commands + self._goodbye(self._lines.time_up, "too_long", now)
        self._answered = True
        commands += self._replies.cancel(self._timers)
        return commands + (self._hand_over(now) if self._handing_over else self._ask(now))

    def _dtmf(self, digit: str, now: float) -> list[Command]:
        if digit == OPT_OUT_KEY and not self._keys:
            commands = self.transcript.keys(digit, now)
            return commands + self._opt_out(f"pressed {digit}", "keypress", now)
        self._keys += digit[:1]
        self._timers.pop("silence", None)
        self._timers["keys"] = now + KEYS_WAIT
        return []

    def _keys_done(self, now: float) -> list[Command]:
        keys, self._keys = self._keys, ""
        commands = self.transcript.keys(keys, now)
        if self.phase is not Phase.TALKING or self._hushed:
            return commands
        self._nudges = 0
        self._answered = True
        commands += self._replies.cancel(self._timers)
        return commands + (self._hand_over(now) if self._handing_over else self._ask(now))

    # ── the agent ──────────────────────────────────────────────────────────────────────────────────────

    def _agent_text(self, generation: int, text: str, now: float) -> list[Command]:
        commands = self._replies.text(generation, text, now, self._timers)
        if commands and self._replies.too_long():
            commands.append(CancelAsk(generation))
            commands += self._agent_done(generation, now)
        return commands

    def _agent_tool(self, generation: int, request: ToolRequest, now: float) -> list[Command]:
        meant = self._replies.tool(generation, request, self._local_now(now))
        match meant:
            case DoNotCall(quote):
                return self._opt_out(self._own_words(quote), "conversation", now)
            case RecordAnswer():
                return [meant]
            case ScheduleCallback():
                return [meant, *self._conclude(Disposition.CALLBACK)]
            case _:
                return []

    def _own_words(self, quote: str) -> str:
        """The model's quote if the person said it, else what the person said last."""
        said = [message.text for message in self.transcript.history if message.role == "person"]
        folded = quote.casefold().strip(" .,!?\"'")
        if folded and any(folded in words.casefold() for words in said):
            return quote
        return said[-1][:300] if said else quote

    def _agent_done(self, generation: int, now: float) -> list[Command]:
        current = self._replies.current
        if current is None or current.generation != generation:
            return []
        if current.utterance is None and not current.tools:
            return self._agent_failed(generation, "an empty reply", now)
        reply, commands = self._replies.close(self._timers)
        if reply is None:
            return commands
        self._replies.praise(reply.profile)
        if self.phase is not Phase.TALKING:
            return commands
        match reply.ending:
            case EndCall(reason):
                # What was arranged isn't undone by how the model names the ending.
                commands += self._conclude(reason)
                line = "" if reply.utterance else self._lines.goodbye
                return commands + self._goodbye(line, "ended", now, revivable=True)
            case Transfer(target):
                line = "" if reply.utterance else self._lines.transferring
                return commands + self._put_through(target, line, now)
            case None:
                if reply.tools and (reply.utterance is None or reply.refused):
                    if reply.round + 1 < MOST_ROUNDS:
                        spoken = reply.bridged or reply.utterance is not None
                        return commands + self._ask(
                            now, prompted_at=reply.prompted_at, round=reply.round + 1, bridged=spoken
                        )
                    if reply.utterance is None:
                        return commands + self._failed(reply, "only tools", now)
                self._await_answer(now)
                return commands + self._idle(now)

    def _agent_failed(self, generation: int, why: str, now: float) -> list[Command]:
        current = self._replies.current
        if current is None or current.generation != generation:
            return []
        reply, commands = self._replies.close(self._timers)
        return commands if reply is None else commands + self._failed(reply, why, now)

    def _failed(self, reply: Reply, why: str, now: float) -> list[Command]:
        """The next profile answers; where words were cut off, after a sentence that says so."""
        self._replies.blame(reply.profile)
        commands: list[Command] = [Note(f"profile {reply.profile} failed: {why[:300]}", reply.profile)]
        if self.phase is not Phase.TALKING:
            return commands
        if reply.utterance is not None:
            commands += self._say(self._lines.trouble, now)
        tried = (*reply.tried, reply.profile)
        return commands + self._ask(
            now, prompted_at=reply.prompted_at, round=reply.round, tried=tried,
            bridged=reply.bridged or reply.utterance is not None,
        )  # fmt: skip

    def _bridge(self, now: float) -> list[Command]:
        reply = self._replies.current
        if reply is None or reply.bridged:
            return []
        reply.bridged = True
        latency = round((now - reply.prompted_at) * 1000)
        return self._say(self._lines.bridging, now, latency_ms=latency)

    # ── endings ────────────────────────────────────────────────────────────────────────────────────────

    def _stop(self, reason: Literal["operator", "opt_out"], now: float) -> list[Command]:
        if self.phase in (Phase.NEW, Phase.OPENING):
            self._closing = {"reason": "stopped"}
            return self._end(now)
        if self.phase is not Phase.TALKING:
            return []
        match reason:
            case "operator":
                return self._goodbye(self._lines.goodbye, "stopped", now)
            case "opt_out":
                commands = self._conclude(Disposition.DO_NOT_CALL)
                return commands + self._goodbye(self._lines.opt_out_acknowledged, "do_not_call", now)
            case _:
                assert_never(reason)

    def _closed(self) -> list[Command]:
        commands = self._replies.cancel(self._timers)
        commands = [command for command in commands if not isinstance(command, Send)]
        if self._partial_opt_out:
            # Hung up in the middle of asking us to stop: doubt suppresses.
            commands.append(OptOut(self._partial_opt_out, "conversation"))
            commands += self._conclude(Disposition.DO_NOT_CALL)
        if self.disposition is None and self._closing.get("reason") not in ("machine", "handover"):
            talked = self.transcript.person_turns > 0
            commands += self._conclude(Disposition.COMPLETED if talked else Disposition.NO_CONVERSATION)
        self.phase = Phase.OVER
        self._timers = {}
        return commands

    # ── time ───────────────────────────────────────────────────────────────────────────────────────────

    def _tick(self, now: float) -> list[Command]:
        commands: list[Command] = []
        for name in sorted(self._timers, key=self._timers.__getitem__):
            if name in self._timers and self._timers[name] <= now:
                del self._timers[name]
                commands += self._due(name, now)
        return commands

    def _due(self, timer: str, now: float) -> list[Command]:
        match timer:
            case "open":
                return self._open(now)
            case "first_words":
                return self._bridge(now)
            case "reply" | "gap" | "whole_reply":
                current = self._replies.current
                why = _TOO_SLOW[timer]
                if current is None:
                    return []
                return [CancelAsk(current.generation), *self._agent_failed(current.generation, why, now)]
            case "silence":
                return self._silence(now)
            case "keys":
                return self._keys_done(now)
            case "partial":
                quote, self._partial_opt_out = self._partial_opt_out, ""
                return self._opt_out(quote, "conversation", now)
            case "machine":
                return self._machine("machine_greeting", now)
            case "close":
                heard = self.transcript.heard(self.transcript.speech.expire(now))
                return heard + (self._end(now) if self.phase is Phase.CLOSING else [])
            case "down":
                return [HangUp()]
            case _:  # "call": the longest conversation
                if self.phase is Phase.TALKING:
                    return self._goodbye(self._lines.time_up, "too_long", now)
                return self._end(now)

    def _silence(self, now: float) -> list[Command]:
        if self.phase is not Phase.TALKING:
            return []
        commands = self.transcript.heard(self.transcript.speech.expire(now))
        if self._handing_over:
            return commands + self._hand_over(now)
        self._nudges += 1
        if self._nudges > 2:
            if not self._answered:
                # A greeting, of a person or of a machine that nobody recognised, is no conversation.
                commands += self._conclude(Disposition.NO_CONVERSATION)
            return commands + self._goodbye(self._lines.silence_goodbye, "silence", now)
        return commands + self._say(self._lines.nudge if self._nudges == 1 else self._lines.second_nudge, now)
