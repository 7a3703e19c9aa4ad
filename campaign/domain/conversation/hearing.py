"""What a session does with what it hears: turns, unfinished words, a listener's sounds, keys, interruptions.

Turns are taken as heard. A listener's sound while we speak is none: what it interrupted is said to its end.
With partial prompts the agent may begin before the person has finished; what it says is kept back until the
final words are the same (replies.Early).
"""

from typing import Final

from campaign.domain import backchannel, languages
from campaign.domain import relay_protocol as relay
from campaign.domain.conversation.answering import Answering
from campaign.domain.conversation.conduct import LONGEST_SPEECH, CutOff, Phase
from campaign.domain.conversation.events import Command
from campaign.domain.opt_out import recognise
from campaign.domain.spoken import plain

HELLO_WAIT: Final = 2.0
"""A first word within this many seconds of our greeting's start is its "hello", not an answer to it."""
PARTIAL_WAIT: Final = 1.2
"""An opt-out in an unfinished transcript counts when its end hasn't come for so long."""
EARLY_WAIT: Final = 0.2
"""Unfinished words that stood still for so long may be all; partial prompts come every 0.2-0.3 s while a
person speaks, and the final one about 0.35 s after the last (recorded on real calls)."""
MOST_EARLY: Final = 3
"""Replies that may be begun early in one turn: each is paid for."""
KEYS_WAIT: Final = 1.5
"""Keys pressed within this time belong together."""
AFTER_INTERRUPT: Final = 4.0
"""Silence after an interruption that led to no words, before we ask."""
LONGEST_PROMPT: Final = 2000
OPT_OUT_KEY: Final = "9"


class Hearing(Answering):
    """Beyond `Answering`: the person."""

    # ── our voice, as it is heard ──────────────────────────────────────────────────────────────────────

    def _played(self, text: str, now: float) -> list[Command]:
        commands = self.transcript.heard(self.transcript.speech.played(text, now))
        self._await_answer(now)
        return commands + self._idle(now)

    def _agent_speaking(self, on: bool, now: float) -> list[Command]:
        if on:
            return []
        commands = self.transcript.heard(self.transcript.speech.silent(now))
        self._await_answer(now)
        return commands + self._idle(now)

    def _interrupt(self, event: relay.Interrupt, now: float) -> list[Command]:
        speech = self.transcript.speech
        asking, (rest, streaming) = speech.asks(), speech.rest()
        streaming = streaming and self._replies.current is not None
        commands = self.transcript.cut(event.utterance_until_interrupt, now)
        commands += self._replies.cancel(self._timers)
        if self.phase is Phase.CLOSING and not self._revivable:
            return commands + self._end(now)
        closing = self._closing if self.phase is Phase.CLOSING else {}
        self._cut_off = None if asking or not (rest or streaming) else CutOff(rest, streaming, closing)
        if self.phase is Phase.CLOSING:
            self.phase, self._closing, self._revivable = Phase.TALKING, {}, False
            self._timers.pop("close", None)
        if self.phase is Phase.TALKING and not self._hushed:
            self._timers["silence"] = now + min(AFTER_INTERRUPT, self._script.limits.silence_seconds)
        return commands

    # ── words ──────────────────────────────────────────────────────────────────────────────────────────

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
            return self._unfinished(said, now)
        self._person_speaking = False
        self._partial_opt_out, self._partial, self._early_starts = "", "", 0
        for timer in ("partial", "early"):
            self._timers.pop(timer, None)
        if not said:
            self._await_answer(now)
            return self._replies.drop_early()
        commands = self._said(said, event.lang, now)
        return commands + self._replies.drop_early()

    def _said(self, said: str, heard_as: str, now: float) -> list[Command]:
        if self._only_listens(said):
            return self.transcript.aside(said, now) + self._go_on(now)
        commands = self.transcript.person(said, now)
        found = recognise(said, self._script.language)
        if found is not None:
            return commands + self._opt_out(found.quote, "conversation", now)
        machine = self._not_a_person(said, now)
        if machine is not None:
            return commands + machine
        if self._screening:
            return commands + self._start_over(now)
        if self.phase is Phase.OPENING:
            return commands + self._open(now)
        if self.phase is not Phase.TALKING or self._hushed:
            return commands
        self._nudges = 0
        self._cut_off = None
        speech = self.transcript.speech
        greeting = now - self._opened_at < HELLO_WAIT and not speech.reported
        # Who speaks over the disclosures is answered by the greeting that follows them.
        if greeting or (bool(speech.disclosing()) and now < speech.ends_at):
            self._await_answer(now)
            return commands
        speech.listen()
        if self.transcript.person_turns > self._script.limits.turns:
            return commands + self._goodbye(self._lines.time_up, "too_long", now)
        wanted = self._ear.wanted(self._script, said, heard_as)
        if wanted:
            return commands + self._in_their_language(wanted, said, now)
        return commands + self._answer(said, now)

    def _answer(self, said: str, now: float) -> list[Command]:
        """The agent's turn; an early reply to just these words is it already."""
        self._answered = True
        early = self._replies.adopt(said, now, self._timers) if self._may_adopt() else None
        if early is not None:
            return self._take_on(early, now)
        commands = self._replies.cancel(self._timers)
        return commands + (self._hand_over(now) if self._handing_over else self._ask(now))

    def _may_adopt(self) -> bool:
        return self._replies.current is None and not self._handing_over

    def _in_their_language(self, tag: str, said: str, now: float) -> list[Command]:
        commands = self._replies.cancel(self._timers)
        commands += self._switch(tag, now)
        if languages.asked_for(said) and not self._answered and not self._handing_over:
            # Nothing but the greeting was said so far: they hear it in the language that they asked for.
            commands += self._disclose(now)
            return commands + self._say(f"{self._lines.switched} {self._script.greeting}", now)
        return commands + self._answer(said, now)

    # ── a listener's sounds ────────────────────────────────────────────────────────────────────────────

    def _only_listens(self, said: str) -> bool:
        """Whether it is no turn: a sound of listening over our words, where no question of ours is open."""
        if self._hushed or self._screening:
            return False
        if self._cut_off is not None and self._cut_off.closing and backchannel.takes_leave(said):
            return True
        if not backchannel.recognise(said):
            return False
        speech, reply = self.transcript.speech, self._replies.current
        if self.phase is Phase.CLOSING or self._cut_off is not None:
            return True
        if self.phase is not Phase.TALKING or speech.disclosing():
            return False
        if speech.pending:
            return not speech.asks() and self._opened
        return reply is not None and reply.utterance is None

    @property
    def _opened(self) -> bool:
        """Whether the greeting's "hello" is behind us."""
        return self.transcript.speech.reported

    def _go_on(self, now: float) -> list[Command]:
        """After a sound of listening: what it cut off is said to its end."""
        cut, self._cut_off = self._cut_off, None
        self._nudges = 0
        if cut is None or self.phase is not Phase.TALKING:
            self._await_answer(now)
            return []
        if cut.closing:
            last = "" if cut.streaming else cut.rest
            target = cut.closing.get("target", "")
            return self._goodbye(last, cut.closing.get("reason", "ended"), now, target=target)
        if cut.streaming:
            return self._ask(now)
        return self._say(cut.rest, now)

    # ── words that are not finished ────────────────────────────────────────────────────────────────────

    def _unfinished(self, said: str, now: float) -> list[Command]:
        found = recognise(said, self._script.language)
        self._partial_opt_out = found.quote if found else ""
        self._timers.pop("partial", None)
        if found:
            self._timers["partial"] = now + PARTIAL_WAIT
        quiet = self.phase is Phase.TALKING and not self._hushed and not self._screening
        if quiet and self._replies.current is None:
            self._timers["silence"] = now + LONGEST_SPEECH
        words, before = plain(said), plain(self._partial)
        self._partial = said
        self._timers.pop("early", None)
        early = self._replies.early
        commands = self._replies.drop_early() if early is not None and early.words != words else []
        if found or not words or not self._may_begin_early():
            return commands
        if self._replies.early is not None:
            return commands
        if words == before or said.endswith((".", "!", "?", "।")):
            return commands + self._begin_early(now)
        self._timers["early"] = now + EARLY_WAIT
        return commands

    def _may_begin_early(self) -> bool:
        quiet = not (self._hushed or self._screening or self._handing_over or self._keys)
        return (
            self._script.partial_prompts
            and self.phase is Phase.TALKING
            and quiet
            and self._cut_off is None
            and self._replies.current is None
            and not self.transcript.speech.pending
            and not self.transcript.missing()
            and self._early_starts < MOST_EARLY
        )

    def _begin_early(self, now: float) -> list[Command]:
        if not self._partial or not self._may_begin_early():
            return []
        self._early_starts += 1
        return self._replies.begin_early(self._partial, now, self._local_now(now))

    # ── keys ───────────────────────────────────────────────────────────────────────────────────────────

    def _dtmf(self, digit: str, now: float) -> list[Command]:
        if digit == OPT_OUT_KEY and not self._keys:
            commands = self.transcript.keys(digit, now)
            return commands + self._opt_out(f"pressed {digit}", "keypress", now)
        self._keys += digit[:1]
        self._timers.pop("silence", None)
        self._timers["keys"] = now + KEYS_WAIT
        return self._replies.drop_early()

    def _keys_done(self, now: float) -> list[Command]:
        keys, self._keys = self._keys, ""
        commands = self.transcript.keys(keys, now)
        if self._screening:
            return commands + self._start_over(now)
        if self.phase is not Phase.TALKING or self._hushed:
            return commands
        self._nudges = 0
        self._cut_off = None
        self._answered = True
        self.transcript.speech.listen()
        commands += self._replies.cancel(self._timers)
        return commands + (self._hand_over(now) if self._handing_over else self._ask(now))
