"""Runs one conversation: socket × conversation machine × agent; leaves nothing behind however it ends.

One reader takes frames; agents stream in tasks of their own; one timer wakes the machine at its deadline.
All of them feed `_step`, one event at a time, whose commands are carried out in order before the next event:
so an opt-out is safe on the list before its acknowledgement is spoken. Writing the transcript happens
elsewhere (flow/transcripts.py), never in the way of a turn.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, assert_never

import msgspec
import structlog

from campaign.agent.protocol import Agent, AgentError, Context, Done, Text
from campaign.domain import relay_protocol as relay
from campaign.domain import script as scripts
from campaign.domain.campaign import VoicemailPolicy
from campaign.domain.clock import Clock
from campaign.domain.conversation import (
    AgentDone,
    AgentFailed,
    AgentText,
    AgentTool,
    Ask,
    CancelAsk,
    Closed,
    Command,
    Conversation,
    Disclosed,
    EndSession,
    Event,
    FirstWord,
    HangUp,
    Note,
    OptOut,
    Phase,
    RecordTurn,
    Send,
    SetDisposition,
    Tick,
)
from campaign.domain.dialogue import Patience, ToolRequest, Turn
from campaign.domain.languages import in_language
from campaign.domain.phone import mask
from campaign.domain.redaction import redact
from campaign.domain.tools import RecordAnswer, ScheduleCallback
from campaign.flow import optout_journal
from campaign.flow.live_talks import SETTLE, LiveTalks
from campaign.flow.optout_journal import Entry
from campaign.flow.sessions import SessionContext
from campaign.flow.suppress import Asked, opt_out
from campaign.store.conversations import AnswerRow, TalkNews, TurnRow
from campaign.store.database import Database

log = structlog.get_logger(__name__)

SETUP_WAIT = 10.0
"""Clock seconds within which the setup frame must come."""
OPT_OUT_PATIENCE = 3.0
"""Real seconds for the list before the journal is written."""
NAP = 1.4
"""Clock seconds that the timer sleeps at most. Waking costs a fifth of making a new timer, and none is needed
for a deadline that lies further ahead: each question to an agent makes one, by default of 1.5 s."""
_USUAL = Patience()


class RelaySocket(Protocol):
    """A WebSocket that Twilio opened."""

    async def receive(self) -> str | bytes | None:
        """The next frame; None once the socket is closed."""
        ...

    async def send(self, frame: str) -> None:
        """Send one frame; does nothing once the socket is closed."""
        ...

    async def close(self, code: int) -> None:
        """Close; does nothing once the socket is closed."""
        ...

    @property
    def close_code(self) -> int | None:
        """The code that it was closed with, if known."""
        ...


class NamedAgents(Protocol):
    """Where the agents of profiles are found."""

    def named(self, profile: str) -> Agent | None: ...


class Keeps(Protocol):
    """Where a conversation leaves what it says and comes to: `transcripts.Writer`, or a rehearsal's sheet."""

    def turn(self, row: TurnRow) -> None: ...

    def answer(self, row: AnswerRow) -> None: ...

    def news(self, news: TalkNews) -> None: ...

    def hurry(self) -> None: ...

    async def settle(self, seconds: float) -> bool: ...


OnOptOut = Callable[[SessionContext, str, Literal["conversation", "keypress"]], Awaitable[None]]
"""Makes an opt-out safe: (session, quote, how it was said). Returns once it is; never raises."""
HangsUp = Callable[[str], Awaitable[object]]
"""Completes a call through REST, by its sid."""
Records = Callable[[SessionContext], Awaitable[None]]
"""Begins to record a session's call. Never raises for what the carrier does."""


async def talk(
    socket: RelaySocket,
    session: SessionContext,
    *,
    keeps: Keeps,
    agents: NamedAgents,
    clock: Clock,
    talks: LiveTalks,
    on_opt_out: OnOptOut,
    hang_up: HangsUp,
    record: Records | None = None,
    account_sid: str | None = None,
) -> None:
    """Hold the conversation of one accepted socket, to its end.

    Args:
        socket: accepted, with nothing read yet.
        session: from `open_session`.
        keeps: where transcript and result go.
        agents: by profile.
        clock: stopwatch and pauses.
        talks: knows this conversation while it lasts.
        on_opt_out: makes an opt-out safe before it is acknowledged.
        hang_up: completes the call through REST when the line stays up.
        record: begins the recording of a call whose script wants one, once it was announced.
        account_sid: the account that the setup frame must name, when known.
    """
    one = _Talk(socket, session, keeps, agents, clock, talks, on_opt_out, hang_up, record)
    await one.run(account_sid)


class _Talk:
    def __init__(
        self,
        socket: RelaySocket,
        session: SessionContext,
        keeps: Keeps,
        agents: NamedAgents,
        clock: Clock,
        talks: LiveTalks,
        on_opt_out: OnOptOut,
        hang_up: HangsUp,
        record: Records | None,
    ) -> None:
        self.session = session
        self.handed_over = False
        self._socket = socket
        self._agents = agents
        self._clock = clock
        self._talks = talks
        self._on_opt_out = on_opt_out
        self._hang_up = hang_up
        self._record = record
        self._writer = keeps
        self._started = clock.monotonic()
        self._started_at = clock.now()
        definition = session.definition
        self._conversation = Conversation(
            definition.script,
            session.values,
            started=self._started,
            started_at=self._started_at.astimezone(session.zone),
            attempt=session.marker,
            phone=session.phone,
            talk_to_machines=definition.voicemail.policy is VoicemailPolicy.TALK,
            leave_message=definition.voicemail.policy is VoicemailPolicy.LEAVE_MESSAGE,
            resumed=session.resumed,
            longest=session.longest,
            next_callable=session.next_callable,
            patience=self._patience,
            notes=session.notes,
            answers=session.answers,
        )
        self._scripts = {definition.script.language: definition.script}
        self._memories: dict[str, dict[str, object]] = {}
        self._turn = asyncio.Lock()
        self._asked: dict[int, asyncio.Task[None]] = {}
        self._others: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None
        self._wakes_at = 0.0
        self._log = log.bind(attempt=session.attempt_id, session=session.ordinal)

    @property
    def replying(self) -> bool:
        """Whether an agent is being asked at this moment."""
        return bool(self._asked)

    @property
    def closing(self) -> bool:
        """Whether the last words are said, or were."""
        return self._conversation.phase in (Phase.CLOSING, Phase.ENDING, Phase.OVER)

    async def run(self, account_sid: str | None) -> None:
        self._talks.enter(self)
        why = "closed"
        try:
            why = await self._hold(account_sid)
        except Exception as error:  # the loop's edge: the call must get its <Connect action>, the row its end
            self._log.error("talk_failed", error=str(error)[:500], exc_info=True)
            why = f"failed: {type(error).__name__}"
            await self._socket.close(1011)
        finally:
            await self._end(why)

    async def _hold(self, account_sid: str | None) -> str:
        """Read to the end; returns why the session closed."""
        setup = await self._setup()
        if not isinstance(setup, relay.Setup):
            self._log.warning("no_setup", got=type(setup).__name__)
            await self._socket.close(1008)
            return "no setup frame"
        expected = self.session.call_sid
        if (expected and setup.call_sid != expected) or (account_sid and setup.account_sid != account_sid):
            self._log.warning("setup_of_another_call", call=setup.call_sid)
            await self._socket.close(1008)
            return "the setup frame is of another call"
        self._news(session_sid=setup.session_id, agent=",".join(self.session.definition.script.profiles))
        if self._talks.hand_over is not None:
            await self._step(self._talks.hand_over)
        await self._step(setup)
        if self.session.ordinal > 1 and self._conversation.transcript.told:
            self._begin_recording()  # whoever held the call before was gone before it could
        first = self._agents.named(scripts.chain(self.session.definition.script)[0])
        if first is not None:
            # While the greeting is spoken, so that the first reply doesn't wait for a connection.
            self._warming = asyncio.create_task(first.warm(), name="warm")
        while (frame := await self._socket.receive()) is not None:
            await self._step(relay.decode(frame))
        return f"closed {self._socket.close_code or ''}".strip()

    async def _setup(self) -> relay.Incoming | None:
        read = asyncio.ensure_future(self._socket.receive())
        late = asyncio.ensure_future(self._clock.sleep(SETUP_WAIT))
        try:
            await asyncio.wait((read, late), return_when=asyncio.FIRST_COMPLETED)
            if not read.done():
                return None
            frame = read.result()
            return None if frame is None else relay.decode(frame)
        finally:
            late.cancel()
            read.cancel()

    async def tell(self, event: Event) -> None:
        """An event from outside the socket."""
        await self._step(event)

    async def cut(self, code: int) -> None:
        """Close the socket under the conversation."""
        await self._socket.close(code)

    async def _end(self, why: str) -> None:
        try:
            await self._step(Closed(self._socket.close_code))
            self._news(closed_at=self._clock.now(), closed_why=why[:200])
            mine = [*self._asked.values(), *filter(None, (self._timer, self._warming))]
            self._asked.clear()
            for task in mine:
                task.cancel()
            await asyncio.gather(*mine, *self._others, return_exceptions=True)
            await self._writer.settle(SETTLE)
        finally:
            self._talks.leave(self)

    # ── one event at a time ────────────────────────────────────────────────────────────────────────────

    async def _step(self, event: Event) -> None:
        async with self._turn:
            for command in self._conversation.receive(event, self._clock.monotonic()):
                if type(command) is Send:
                    await self._socket.send(relay.encode(command.frame))
                else:
                    await self._carry_out(command)
        self._set_timer()

    async def _carry_out(self, command: Command) -> None:
        match command:
            case Send(frame):
                await self._socket.send(relay.encode(frame))
            case Ask():
                task = asyncio.create_task(self._reply(command), name=f"reply-{command.generation}")
                self._asked[command.generation] = task
            case CancelAsk(generation):
                asked = self._asked.pop(generation, None)
                if asked is not None and asked is not asyncio.current_task():
                    asked.cancel()
            case RecordTurn(turn):
                self._writer.turn(self._row(turn))
            case OptOut(quote, origin):
                await self._on_opt_out(self.session, quote, origin)
            case RecordAnswer(key, value):
                self._writer.answer(
                    AnswerRow(self.session.attempt_id, key, _storable(value), self._clock.now())
                )
            case ScheduleCallback(at):
                self._news(callback_at=at)
            case SetDisposition(code):
                self._news(disposition=code.value)
            case FirstWord(milliseconds):
                first = self._clock.now() if self.session.ordinal == 1 else None
                self._news(first_word_ms=milliseconds, first_word_at=first)
            case Disclosed():
                self._news(disclosed=True)
                self._begin_recording()
            case EndSession(handoff):
                self.handed_over = handoff.get("reason") == "handover"
                self._writer.hurry()
                await self._socket.send(relay.encode(relay.End(msgspec.json.encode(handoff).decode())))
            case HangUp():
                self._log.warning("line_still_up")
                self._aside(self._complete())
            case Note(what, failed):
                if failed:
                    self._talks.reply_times.failed(failed)
                self._log.info("talk_note", what=redact(what))  # may hold what a server echoed
            case _:
                assert_never(command)

    def _row(self, turn: Turn) -> TurnRow:
        at = self._started_at + timedelta(seconds=turn.at - self._started)
        text = _storable(turn.text)
        return TurnRow(
            self.session.attempt_id,
            turn.seq,
            self.session.ordinal,
            turn.speaker,
            text if isinstance(text, str) else "",
            turn.interrupted,
            turn.latency_ms,
            at,
        )

    def _begin_recording(self) -> None:
        """Every disclosure was heard, so that it is recorded too, if the script wants that."""
        if self._record is not None and self.session.definition.script.record and not self.session.recorded:
            self._aside(self._record(self.session))

    def _news(self, **what: Any) -> None:
        self._writer.news(TalkNews(self.session.attempt_id, self.session.ordinal, **what))

    def _aside(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)

    async def _complete(self) -> None:
        if self.session.call_sid is None:
            return
        try:
            async with asyncio.timeout(10):
                await self._hang_up(self.session.call_sid)
        except Exception as error:  # an edge: Twilio away; the sweep asks about the call until it is over
            self._log.warning("hang_up_failed", error=str(error)[:200])

    # ── the agent ──────────────────────────────────────────────────────────────────────────────────────

    def _patience(self, profile: str) -> Patience:
        """How long a profile's agent may take; one without an opinion on it: as long as usual."""
        return getattr(self._agents.named(profile), "patience", _USUAL)

    async def _reply(self, ask: Ask) -> None:
        """Feed one reply into the conversation, piece by piece, until it is done or cancelled."""
        generation = ask.generation
        agent = self._agents.named(ask.profile)
        if agent is None:
            await self._step(AgentFailed(generation, "the settings know no such profile"))
            return
        context = self._context(ask)
        begun = False
        try:
            async for piece in agent.reply(ask.history, ask.tools, context):
                if generation not in self._asked:
                    return
                match piece:
                    case Text(text):
                        await self._step(AgentText(generation, text))
                        if not begun and text:
                            begun = True
                            took = self._clock.monotonic() - ask.prompted_at
                            self._talks.reply_times.began(ask.profile, took)
                    case ToolRequest():
                        await self._step(AgentTool(generation, piece))
                    case Done():
                        await self._step(AgentDone(generation))
                        return
                    case _:
                        assert_never(piece)
            await self._step(AgentFailed(generation, "the reply ended without its end"))
        except AgentError as error:
            await self._step(AgentFailed(generation, str(error)))
        except Exception as error:  # an agent's edge: whatever breaks there, the person must be answered
            self._log.error("agent_broke", profile=ask.profile, error=redact(str(error)[:500]), exc_info=True)
            await self._step(AgentFailed(generation, type(error).__name__))
        finally:
            self._asked.pop(generation, None)

    def _context(self, ask: Ask) -> Context:
        """What the agent knows besides the history, in the language that is spoken now."""
        own = self.session.definition.script
        tag = ask.language or own.language
        if tag not in self._scripts:
            self._scripts[tag] = in_language(own, tag)
        return Context(
            self._scripts[tag],
            self.session.values,
            ask.answers,
            ask.local_now,
            self._memories.setdefault(tag, {}),
            next_callable=self.session.next_callable,
        )

    # ── time ───────────────────────────────────────────────────────────────────────────────────────────

    def _set_timer(self) -> None:
        """Have the timer wake no later than the conversation's deadline; waking early is harmless."""
        deadline = self._conversation.deadline()
        if deadline is None:
            return
        if self._timer is not None and not self._timer.done():
            if self._wakes_at <= deadline or self._timer is asyncio.current_task():
                return
            self._timer.cancel()
        self._wakes_at = min(deadline, self._clock.monotonic() + NAP)
        self._timer = asyncio.create_task(self._watch(), name="deadline")

    async def _watch(self) -> None:
        while (deadline := self._conversation.deadline()) is not None:
            now = self._clock.monotonic()
            if deadline <= now:
                await self._step(Tick())
            else:
                self._wakes_at = min(deadline, now + NAP)
                await self._clock.sleep(self._wakes_at - now)


def _storable(value: object) -> object:
    """Text as Postgres takes it: no NUL, no lone surrogates."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    return value


def safe_opt_out(db: Database, clock: Clock, data_dir: Path) -> OnOptOut:
    """How an opt-out is made safe: on the own list, or, with Postgres away, in the journal.

    Args:
        db, clock: of the service.
        data_dir: where the journal is.
    """

    async def record(
        session: SessionContext, quote: str, origin: Literal["conversation", "keypress"]
    ) -> None:
        asked = Asked(
            session.phone,
            redact(quote, (session.phone,)),
            origin,
            f"system:attempt {session.attempt_id}",
            clock.now(),
            session.attempt_id,
        )
        try:
            async with asyncio.timeout(OPT_OUT_PATIENCE):
                await opt_out(db, asked, asked.at)
            return
        except Exception as error:  # whatever keeps it from the list, it must be safe before we say so
            log.warning("opt_out_journalled", phone=mask(session.phone), error=str(error)[:200])
        try:
            await optout_journal.append(
                data_dir,
                Entry(
                    phone=asked.phone,
                    quote=asked.quote,
                    source=asked.source,
                    at=asked.at,
                    actor=asked.actor,
                    attempt_id=asked.attempt_id,
                ),
            )
        except OSError as error:
            log.critical("opt_out_not_safe", phone=mask(session.phone), error=str(error))

    return record
