"""The agent's replies in one session: one at a time, each with its generation, its time-outs and its tools.

Beside the one in progress there may be an early one, begun on words that the person is still saying. It is
only kept, neither spoken nor carried out, until the final words are the same; else it is as if it had never
been.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from campaign.domain import relay_protocol as relay
from campaign.domain import script as scripts
from campaign.domain.conversation.events import Ask, CancelAsk, Command, Send
from campaign.domain.conversation.speech import FASTEST, Utterance
from campaign.domain.conversation.transcript import Transcript
from campaign.domain.dialogue import Message, Patience, ToolRequest
from campaign.domain.script import Script
from campaign.domain.spoken import plain
from campaign.domain.tools import (
    Answer,
    DoNotCall,
    EndCall,
    Meaning,
    NextCallable,
    PressKeys,
    RecordAnswer,
    Refusal,
    ScheduleCallback,
    SwitchLanguage,
    Transfer,
    meaning,
    specs,
)

MOST_ROUNDS: Final = 3
"""Replies in a row that may only call tools, before the agent counts as failed."""
MOST_MENUS: Final = 10
"""Menus that may be answered in one call."""
FAILURES: Final = 2
"""Failures in a row after which a profile isn't tried again in this session."""

_MARKUP: Final = str.maketrans(dict.fromkeys("*#`_~|<>{}[]\\\r", "") | {"\n": " ", "\t": " "})
_UNSPOKEN: Final = re.compile(
    "[\U00002190-\U00002bff\U0000fe00-\U0000fe0f\U0001f000-\U0001faff\x00-\x1f\x7f]"
)
_SENTENCE_END: Final = (".", "!", "?", "…")


class Reply(msgspec.Struct):
    """The reply in progress."""

    generation: int
    profile: str
    prompted_at: float
    round: int
    tried: tuple[str, ...] = ()
    utterance: Utterance | None = None
    tools: list[ToolRequest] = []
    results: list[Message] = []
    menus: list[str] = []
    refused: bool = False
    bridged: bool = False
    ending: EndCall | Transfer | None = None


class Early(msgspec.Struct):
    """A reply to words that may not be final: what came of it so far."""

    generation: int
    profile: str
    words: str
    pieces: list[str | ToolRequest] = []
    done: bool = False


def speakable(text: str) -> str:
    """A piece of a model's text without what a voice stumbles over: markup, emoji, control characters."""
    text = text.translate(_MARKUP)
    return text if text.isascii() and text.isprintable() else _UNSPOKEN.sub("", text)


class Replies:
    """Which profile is asked, what of its reply counts, and when it has failed.

    Args:
        script: names the profiles and the limits.
        transcript: what is said enters it.
        answers: what earlier sessions of the call gathered.
        patience: how long each profile may take; the script's limits bound it.
        next_callable: when the person may be called, for callbacks; None: nobody knows.
    """

    def __init__(
        self,
        script: Script,
        transcript: Transcript,
        answers: dict[str, Answer],
        patience: Callable[[str], Patience],
        next_callable: NextCallable | None = None,
    ) -> None:
        self._script = script
        self._next_callable = next_callable
        self._limits = script.limits
        self._patience = patience
        self._gap = 0.0
        self._transcript = transcript
        self._tools = specs(script)
        self._chain = scripts.chain(script)
        self._failures: dict[str, int] = {}
        self._generation = 0
        self.answers = answers
        self.current: Reply | None = None
        self.early: Early | None = None
        self.pressed = 0
        """Menus that were answered so far."""

    def speak(self, script: Script) -> None:
        """From now on the script is this one: the same in another language."""
        self._script = script
        self._tools = specs(script)

    def ask(
        self,
        now: float,
        local_now: datetime,
        timers: dict[str, float],
        *,
        prompted_at: float,
        round: int = 0,
        tried: tuple[str, ...] = (),
        bridged: bool = False,
    ) -> list[Command]:
        """Begin a reply to the history as it stands; nothing when no profile is left to ask.

        Args:
            now: the stopwatch.
            local_now: the same in the person's zone.
            timers: the session's deadlines, by name.
            prompted_at: when the person had finished speaking.
            round: replies before this one that only called tools.
            tried: profiles that have failed for this prompt.
            bridged: whether the bridging sentence was said since.
        """
        profile = self._profile(tried)
        if profile is None:
            return []
        self._generation += 1
        self.current = Reply(self._generation, profile, prompted_at, round, tried, bridged=bridged)
        self._wait(self.current, now, timers)
        return [self._asked(profile, tuple(self._transcript.history), local_now, prompted_at)]

    def _profile(self, tried: tuple[str, ...]) -> str | None:
        fit = (one for one in self._chain if one not in tried and self._failures.get(one, 0) < FAILURES)
        return next(fit, None)

    def _wait(self, reply: Reply, now: float, timers: dict[str, float]) -> None:
        patience = self._patience(reply.profile)
        self._gap = min(patience.gap_seconds, self._limits.gap_seconds)
        if not reply.bridged:
            timers["first_words"] = max(now, reply.prompted_at + self._limits.first_words_seconds)
        timers["reply"] = now + min(patience.first_token_seconds, self._limits.reply_seconds)
        timers["whole_reply"] = now + patience.total_seconds

    def _asked(
        self, profile: str, history: tuple[Message, ...], local_now: datetime, prompted_at: float
    ) -> Ask:
        return Ask(
            self._generation,
            profile,
            history,
            self._tools,
            self.answers.copy(),
            local_now,
            prompted_at,
            self._script.language,
        )

    # ── before the person has finished ─────────────────────────────────────────────────────────────────

    def begin_early(self, said: str, now: float, local_now: datetime) -> list[Command]:
        """Begin a reply to words that may be the last ones of the turn."""
        profile = self._profile(())
        if profile is None or profile == scripts.SCRIPTED:
            return []  # the scripted agent answers at once anyway
        commands = self.drop_early()
        self._generation += 1
        self.early = Early(self._generation, profile, plain(said))
        history = (*self._transcript.history, Message("person", said))
        return [*commands, self._asked(profile, history, local_now, now)]

    def drop_early(self) -> list[Command]:
        """The person said something else: the early reply never was."""
        early, self.early = self.early, None
        return [CancelAsk(early.generation)] if early else []

    def adopt(self, said: str, now: float, timers: dict[str, float]) -> Early | None:
        """The early reply, if it answers these final words; it is the reply in progress from now on."""
        early = self.early
        if early is None or early.words != plain(said):
            return None
        self.early = None
        self.current = Reply(early.generation, early.profile, now, 0)
        self._wait(self.current, now, timers)
        return early

    # ── the reply in progress ──────────────────────────────────────────────────────────────────────────

    def text(self, generation: int, text: str, now: float, timers: dict[str, float]) -> list[Command]:
        """A piece of the reply goes out as it comes, unless it was cancelled."""
        reply = self.current
        if reply is None or reply.generation != generation:
            return []
        if not text:  # at work on something that isn't spoken
            timers.pop("reply", None)
            timers["gap"] = now + self._gap
            return []
        text = speakable(text)
        if not text or (reply.utterance is None and not text.strip()):
            return []
        if reply.utterance is None:
            latency = None if reply.bridged else round((now - reply.prompted_at) * 1000)
            reply.utterance = self._transcript.begin(now, latency_ms=latency)
            timers.pop("first_words", None)
            timers.pop("reply", None)
        self._transcript.speech.add(reply.utterance, text, now)
        timers["gap"] = now + self._gap
        return [Send(relay.Text(text, last=False))]

    def too_long(self) -> bool:
        """Whether the reply has reached the longest turn, at a sentence's end or well beyond it."""
        if self.current is None or self.current.utterance is None:
            return False
        sent = self.current.utterance.sent
        most = self._limits.turn_seconds * FASTEST
        return len(sent) > most and (sent.rstrip().endswith(_SENTENCE_END) or len(sent) > most * 1.3)

    def tool(self, generation: int, request: ToolRequest, local_now: datetime) -> Meaning | None:
        """A tool call of the reply; None when the reply was cancelled."""
        reply = self.current
        if reply is None or reply.generation != generation:
            return None
        meant = meaning(self._script, request, local_now, self._next_callable)
        reply.tools.append(request)
        match meant:
            case EndCall() | Transfer():
                reply.ending = meant
                result = "Done after your last words."
            case RecordAnswer(key, value):
                self.answers[key] = value
                result = "Kept."
            case ScheduleCallback(at):
                result = f"Arranged for {at:%A, %B %d at %H:%M} their time. Tell them, then end the call."
            case PressKeys(menu):
                if self.pressed >= MOST_MENUS:
                    reply.refused, result = True, "No more keys can be pressed in this call."
                else:
                    self.pressed += 1
                    reply.menus.append(menu)
                    result = "Pressed after your words; wait for what the line says."
            case SwitchLanguage(tag):
                result = f"Go on in {tag}, from your next words on."
            case DoNotCall():
                result = "Done."
            case Refusal(why):
                reply.refused = True
                result = why
        reply.results.append(Message("tool", result, tool_id=request.id))
        return meant

    def close(self, timers: dict[str, float]) -> tuple[Reply | None, list[Command]]:
        """The reply is over, complete or not: its last frame goes out, it enters the history."""
        reply, self.current = self.current, None
        for timer in ("first_words", "reply", "gap", "whole_reply"):
            timers.pop(timer, None)
        if reply is None:
            return None, []
        commands: list[Command] = []
        tools = tuple(reply.tools)
        if reply.utterance is not None and not reply.utterance.interrupted:
            self._transcript.finish(reply.utterance, tools)
            commands.append(Send(relay.Text("", last=True)))
        elif reply.utterance is not None:
            self._transcript.unfinished(reply.utterance, tools)
        elif tools:
            self._transcript.history.append(Message("agent", "", tools))
        self._transcript.history.extend(reply.results)
        return reply, commands

    def cancel(self, timers: dict[str, float]) -> list[Command]:
        """Give the reply up: what was sent of it stands, nothing more is sent."""
        dropped = self.drop_early()
        reply, commands = self.close(timers)
        return [*dropped, CancelAsk(reply.generation), *commands] if reply else dropped

    def praise(self, profile: str) -> None:
        """The profile answered: what it failed before is forgotten."""
        self._failures.pop(profile, None)

    def blame(self, profile: str) -> None:
        """The profile failed: it isn't asked again for this prompt, nor in this session once it did so
        `FAILURES` times in a row."""
        self._failures[profile] = self._failures.get(profile, 0) + 1
