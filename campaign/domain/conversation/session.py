"""The conversation of one ConversationRelay session, without any input or output of its own.

    NEW ──setup──> OPENING ──line quiet, or 1 s──> TALKING ──end_call, opt-out, silence, limits──> CLOSING
                                                      │                            last words heard │
                                                      └──machine, hand-over──────> ENDING <─────────┘
    any ──socket closed──> OVER

What it does is told in layers, each a class above the one before: conduct.py (speak, disclose, ask, end),
machines.py (open; mailboxes and robots), answering.py (the agent's replies), hearing.py (the person), and
here the doors, the taking up of a call, the endings and the clock.

Rules that hold in every state: disclosures are said first, uninterruptible, and count only when
`tokensPlayed` confirms them; an opt-out is acted on whatever else goes on; pieces of a reply that was
cancelled are never sent; whatever happens there is a deadline, so silence never lasts.
"""

from typing import Final, Literal, assert_never

from campaign.domain import relay_protocol as relay
from campaign.domain.conversation.answering import LANGUAGE_NOTE
from campaign.domain.conversation.conduct import Phase
from campaign.domain.conversation.events import (
    AgentDone,
    AgentFailed,
    AgentText,
    AgentTool,
    CancelAsk,
    Closed,
    Command,
    Event,
    HandOver,
    HangUp,
    MachineVerdict,
    Note,
    OptOut,
    Send,
    StopRequested,
    Tick,
)
from campaign.domain.conversation.hearing import HELLO_WAIT, Hearing
from campaign.domain.dialogue import Message
from campaign.domain.disposition import CONCLUDED, Disposition
from campaign.domain.languages import declared

OPENING_WAIT: Final = 1.0
"""Seconds after setup within which the greeting begins, whether or not the line is quiet."""

_TOO_SLOW: Final = {
    "reply": "no first words in time",
    "gap": "a gap in its words",
    "whole_reply": "no end in time",
}
NOT_TAKEN: Final = (
    "Nobody took the transfer. Agree on a time for a callback and call schedule_callback; transfer no more."
)


class Conversation(Hearing):
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
        next_callable: when the person may be called again, for callbacks; None: nobody knows.
        patience: how long each profile's agent may take.
        notes: what the agent should know from before this call.
        answers: given in calls before.
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
        if self.disposition is Disposition.DO_NOT_CALL and not self.transcript.taken_up:
            self._first_word = True
            return self._goodbye(self._lines.opt_out_acknowledged, "do_not_call", now)
        if self._machine_spoke_before():
            self.phase = Phase.TALKING
            return self._machine_heard(now)
        if self.transcript.taken_up:
            return self._speak_as_before() + self._take_up(now)
        if self._resumed is not None:  # their hello went to the session before: there is none to wait for
            return self._open(now)
        self.phase = Phase.OPENING
        self._timers["open"] = now + OPENING_WAIT
        return []

    def _speak_as_before(self) -> list[Command]:
        """A new session hears and speaks the language that the call began in: tell it, if it was left."""
        turns = self._resumed.turns if self._resumed else ()
        notes = {LANGUAGE_NOTE.format(tag): tag for tag in declared(self._script)}
        spoken = [notes[turn.text] for turn in turns if turn.speaker == "note" and turn.text in notes]
        return self._speak(spoken[-1]) if spoken and spoken[-1] != self._script.language else []

    def _take_up(self, now: float) -> list[Command]:
        """Go on in a new session: what wasn't disclosed, one bridging sentence, then the thread.

        After a planned hand-over, where nothing that was said is lost, the thread is all there is.
        """
        self.phase = Phase.TALKING
        self._opened_at = now - HELLO_WAIT
        turns = [turn for turn in self._resumed.turns if turn.speaker != "note"] if self._resumed else []
        last = turns[-1] if turns else None
        unanswered = last and last.speaker == "agent" and not last.interrupted and last.text.endswith("?")
        if (
            self._resumed
            and self._resumed.handed_over
            and not unanswered
            and self.disposition not in CONCLUDED
        ):
            return self._ask(now)
        commands = self._first_words(now)
        commands += self._disclose(now)
        if self._resumed and self._resumed.not_taken:
            self.transcript.history.append(Message("note", NOT_TAKEN))
            return commands + self._say(self._resumed.not_taken, now)
        if self.disposition in CONCLUDED:
            opted_out = self.disposition is Disposition.DO_NOT_CALL
            line = self._lines.opt_out_acknowledged if opted_out else self._lines.goodbye
            commands += self._say(self._lines.recovery, now)
            return commands + self._goodbye(line, "ended", now, revivable=not opted_out)
        if unanswered:
            return commands + self._say(self._lines.recovery_again, now)
        commands += self._say(self._lines.recovery, now)
        return commands + self._ask(now)

    # ── endings ────────────────────────────────────────────────────────────────────────────────────────

    def _stop(self, reason: Literal["operator", "opt_out"], now: float) -> list[Command]:
        commands: list[Command] = []
        if reason == "opt_out":
            commands = self._conclude(Disposition.DO_NOT_CALL)
        if self.phase in (Phase.NEW, Phase.OPENING):
            self._closing = {"reason": "stopped"}
            return commands + self._end(now)
        if self.phase is Phase.ENDING or (self.phase is Phase.CLOSING and reason == "operator"):
            return commands
        match reason:
            case "operator":
                return self._goodbye(self._lines.goodbye, "stopped", now)
            case "opt_out" if not commands:
                return []  # it was said in this very call, and is being acknowledged
            case "opt_out":
                return commands + self._goodbye(self._lines.opt_out_acknowledged, "do_not_call", now)
            case _:
                assert_never(reason)

    def _closed(self) -> list[Command]:
        commands = self._replies.cancel(self._timers)
        commands = [command for command in commands if not isinstance(command, Send)]
        if self._partial_opt_out and self.disposition is not Disposition.DO_NOT_CALL:
            # Hung up in the middle of asking us to stop: doubt suppresses.
            commands.append(OptOut(self._partial_opt_out, "conversation"))
            commands += self._conclude(Disposition.DO_NOT_CALL)
        if self.disposition is None and self._closing.get("reason") not in ("machine", "handover"):
            talked = self.transcript.person_turns > 0 and not self._screening
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
                if "partial" in self._timers:  # they may be asking us to stop: nobody is greeted before that
                    self._timers["open"] = self._timers["partial"]
                    return []
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
            case "early":
                return self._begin_early(now)
            case "screen":
                return self._give_up(now)
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
                if self.phase is Phase.TALKING and not (self._hushed or self._screening):
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
