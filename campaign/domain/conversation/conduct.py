"""What a conversation can do, whatever makes it do so: speak, disclose, ask the agent, conclude, end.

session.py says when.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Literal

import msgspec

from campaign.domain import languages
from campaign.domain import relay_protocol as relay
from campaign.domain import script as scripts
from campaign.domain.conversation.events import (
    Command,
    EndSession,
    OptOut,
    Send,
    SetDisposition,
)
from campaign.domain.conversation.replies import Replies
from campaign.domain.conversation.transcript import Transcript
from campaign.domain.dialogue import Message, Patience, Turn
from campaign.domain.disposition import Disposition, replaces
from campaign.domain.phrases import Lines
from campaign.domain.script import Script
from campaign.domain.tools import Answer, NextCallable

DOWN_WAIT: Final = 1.5
"""The line must be down so long after `end`, else it is completed through REST: 2 s with that request."""
STUCK_WAIT: Final = 10.0
"""The same where the call goes on after `end`: the socket ought to be closed long before."""
SAFE_WITHIN: Final = 3.0
"""Seconds that it may take until an opt-out is safe, before it is acknowledged (flow/talk.py)."""
LONGEST_SPEECH: Final = 45.0
"""Seconds that a person may speak without any transcript of it, before we ask whether they are there."""


class Phase(Enum):
    NEW = "new"
    OPENING = "opening"
    TALKING = "talking"
    CLOSING = "closing"
    ENDING = "ending"
    OVER = "over"


MOST_TURNS = 10_000
"""More turns than a session can have: of either side, with keys and notes."""


class Resumed(msgspec.Struct, frozen=True):
    """What earlier sessions of the same call left: the transcript as heard, and the answers gathered.

    `ordinal` is this session's place among those of the call, from 2. `disposition` is what they concluded,
    if it is more than that they ended. `handed_over`: the last one ended at the end of a turn, on purpose, so
    that nothing which was said is lost. `not_taken`: the last one ended with a transfer that nobody took;
    what to say about it.
    """

    turns: tuple[Turn, ...]
    answers: Mapping[str, Answer] = {}
    ordinal: int = 2
    disposition: Disposition | None = None
    handed_over: bool = False
    not_taken: str = ""


class CutOff(msgspec.Struct, frozen=True):
    """What an interruption cut off, to be taken up again if it was only a listener's sound.

    `rest`: from the beginning of the sentence that was cut. `streaming`: the agent had not finished it.
    `closing`: they were last words, with this handoff.
    """

    rest: str
    streaming: bool
    closing: Mapping[str, str]


class Conduct:
    """A session's state and its own acts, each as commands; the base of `session.Conversation`."""

    def __init__(
        self,
        script: Script,
        values: Mapping[str, str],
        *,
        started: float,
        started_at: datetime,
        attempt: str,
        phone: str = "",
        talk_to_machines: bool = False,
        leave_message: bool = False,
        resumed: Resumed | None = None,
        longest: float | None = None,
        next_callable: NextCallable | None = None,
        patience: Callable[[str], Patience] = lambda _: Patience(),
        notes: Sequence[str] = (),
        answers: Mapping[str, Answer] | None = None,
    ) -> None:
        self._script = script
        self._longest = script.limits.call_seconds if longest is None else longest
        self._values = {**values, "agent_name": script.agent_name}
        self._values["call_reason"] = scripts.render(script.reason, self._values)
        self._lines: Lines = scripts.lines(script)
        others = [self._disclosures(languages.in_language(script, tag)) for tag in script.languages]
        turns: Sequence[Turn] = resumed.turns if resumed else ()
        first_seq = (resumed.ordinal - 1) * MOST_TURNS if resumed else 0
        self.transcript = Transcript(turns, self._disclosures(script), (phone,), first_seq, others)
        self.transcript.history[:0] = [Message("note", note) for note in notes]
        known = {**(answers or {}), **(resumed.answers if resumed else {})}
        self._replies = Replies(script, self.transcript, known, patience, next_callable)
        self._resumed = resumed
        self._attempt = attempt
        self._talk_to_machines = talk_to_machines
        self._leave_message = leave_message
        self._hushed = False
        self._screening = False
        self._robots = 0
        self._first_word = False
        self._local_now: Callable[[float], datetime] = lambda now: (
            started_at + timedelta(seconds=now - started)
        )
        self._timers: dict[str, float] = {}
        self.phase = Phase.NEW
        self._setup_at = started
        self._opened_at = started
        self._nudges = 0
        self._keys = ""
        self._handing_over = False
        self._at_any_pause = False
        self._person_speaking = False
        self._partial_opt_out = ""
        self._partial = ""
        self._early_starts = 0
        self._cut_off: CutOff | None = None
        self._ear = languages.Ear()
        self._closing: dict[str, str] = {}
        self._revivable = False
        self._closing_tried = False
        self._answered = self.transcript.taken_up and self.transcript.person_turns > 0
        self.disposition: Disposition | None = resumed.disposition if resumed else None

    # ── speaking ───────────────────────────────────────────────────────────────────────────────────────

    def _disclosures(self, script: Script) -> list[str]:
        """The script's disclosures as spoken, each in its place."""
        return [scripts.render(line, self._values) for line in scripts.disclosure_places(script)]

    def _speak(self, tag: str) -> list[Command]:
        """Go on in another of the script's languages, with everything that is fixed."""
        self._script = languages.in_language(self._script, tag)
        self._lines = scripts.lines(self._script)
        self._values["call_reason"] = scripts.render(self._script.reason, self._values)
        self.transcript.translate(self._disclosures(self._script))
        self._replies.speak(self._script)
        if languages.MULTI in languages.declared(self._script):
            return []  # heard and spoken as it is: a frame would end the mixing
        return [Send(relay.Language(tts_language=tag, transcription_language=tag))]

    def _disclose(self, now: float) -> list[Command]:
        """Say what must be said and wasn't heard yet, so that it can't be interrupted."""
        commands: list[Command] = []
        for line in self.transcript.missing():
            utterance = self.transcript.begin(now, disclosure=line)
            self.transcript.speech.add(utterance, line, now)
            self.transcript.finish(utterance)
            commands.append(Send(relay.Text(line + " ", last=False, interruptible=False)))
        return commands

    def _say(
        self, line: str, now: float, *, interruptible: bool | None = None, latency_ms: int | None = None
    ) -> list[Command]:
        """One whole line of ours."""
        said = scripts.render(line, self._values)
        if not said:
            return []
        utterance = self.transcript.begin(now, latency_ms=latency_ms)
        self.transcript.speech.add(utterance, said, now)
        self.transcript.finish(utterance)
        self._await_answer(now)
        return [Send(relay.Text(said, last=True, interruptible=interruptible))]

    def _await_answer(self, now: float) -> None:
        """Once we stop speaking the person has so long to say something."""
        waits = self._hushed or self._screening or self._replies.current is not None
        if self.phase is not Phase.TALKING or waits:
            self._timers.pop("silence", None)
            return
        if self._person_speaking:
            self._timers["silence"] = now + LONGEST_SPEECH
            return
        spoken_at = self.transcript.speech.ends_at if self.transcript.speech.pending else now
        self._timers["silence"] = max(spoken_at, now) + self._script.limits.silence_seconds

    def _idle(self, now: float) -> list[Command]:
        """Nothing of ours is left to be heard: the moment for what waits for it."""
        if self.transcript.speech.pending:
            if self.phase is Phase.CLOSING:
                self._timers["close"] = self.transcript.speech.ends_at
            return []
        if self.phase is Phase.CLOSING:
            return self._end(now)
        between = self._replies.current is None and not self._person_speaking
        if self._handing_over and self._at_any_pause and self.phase is Phase.TALKING and between:
            return self._hand_over(now)
        return []

    # ── asking ─────────────────────────────────────────────────────────────────────────────────────────

    def _ask(
        self,
        now: float,
        *,
        prompted_at: float | None = None,
        round: int = 0,
        tried: tuple[str, ...] = (),
        bridged: bool = False,
    ) -> list[Command]:
        commands = self._disclose(now)
        self._timers.pop("silence", None)
        asked = self._replies.ask(
            now,
            self._local_now(now),
            self._timers,
            prompted_at=now if prompted_at is None else prompted_at,
            round=round,
            tried=tried,
            bridged=bridged,
        )
        return commands + (asked or self._goodbye(self._lines.trouble_goodbye, "trouble", now))

    # ── ending ─────────────────────────────────────────────────────────────────────────────────────────

    def _conclude(self, code: Disposition) -> list[Command]:
        """The conversation's result, unless what was concluded before says more."""
        if not replaces(code, self.disposition):
            return []
        self.disposition = code
        return [SetDisposition(code)]

    def _opt_out(self, quote: str, origin: Literal["conversation", "keypress"], now: float) -> list[Command]:
        """Safe first, then one statement, then the line is dropped."""
        commands = self._replies.cancel(self._timers)
        if self.disposition is Disposition.DO_NOT_CALL:
            return commands
        commands.append(OptOut(quote, origin))
        commands += self._conclude(Disposition.DO_NOT_CALL)
        if self.phase in (Phase.ENDING, Phase.NEW):
            return commands
        self.transcript.speech.later(now, SAFE_WITHIN)
        return commands + self._goodbye(self._lines.opt_out_acknowledged, "do_not_call", now)

    def _put_through(self, target: str, line: str, now: float) -> list[Command]:
        name = self._script.transfers[target].name
        said = scripts.render(line, {**self._values, "target": name})
        return self._goodbye(said, "transfer", now, target=target)

    def _goodbye(
        self, line: str, reason: str, now: float, *, revivable: bool = False, target: str = ""
    ) -> list[Command]:
        """Say the last words, if any, and end once they were heard."""
        commands = self._replies.cancel(self._timers)
        self._revivable = revivable and not self._closing_tried
        self._closing_tried = self._closing_tried or revivable
        self.phase = Phase.CLOSING
        self._closing = {"reason": reason} | ({"target": target} if target else {})
        for timer in ("silence", "open", "early", "screen", "machine"):  # an unfinished "stop" still counts
            self._timers.pop(timer, None)
        commands += self._say(line, now, interruptible=None if revivable else False)
        self._timers["close"] = max(self.transcript.speech.ends_at, now)
        return commands + self._idle(now)

    def _hand_over(self, now: float) -> list[Command]:
        """End this session for another process to go on with the call."""
        self._closing = {"reason": "handover"}
        return self._end(now)

    def _end(self, now: float) -> list[Command]:
        """Send `end`; the line must be down soon after."""
        self.phase = Phase.ENDING
        if self._robots and "answered_by" not in self._closing:
            # Detection took the robot for a machine; who came after it, if anybody, was none.
            self._closing = {**self._closing, "answered_by": "screened"}
        reason = self._closing.get("reason")
        goes_on = reason in ("transfer", "machine", "handover")
        self._timers = {"down": now + (STUCK_WAIT if goes_on else DOWN_WAIT)}
        # Whether a human takes a transfer is not known here: who was put through to nobody only talked.
        return [*self._replies.drop_early(), EndSession({**self._closing, "attempt": self._attempt})]
