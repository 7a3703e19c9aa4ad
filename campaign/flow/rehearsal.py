"""A call without a phone: the same conversation, held in text, for writing scripts.

The conversation, its agents and its loop are those of real calls (flow/talk.py); only the other end differs:
`TextLine` stands where Twilio's socket would, and tells the conversation what a quick voice and a person who
types would make Twilio tell. Time stands still while the person thinks; it moves by what is spoken, by
`/silence`, and, while a model is asked, as real time does. Nothing is stored and nobody is called.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from campaign.agent.protocol import Agent, Context, Piece
from campaign.domain import script as scripts
from campaign.domain.campaign import CampaignDefinition, VoicemailPolicy
from campaign.domain.conversation.hearing import KEYS_WAIT
from campaign.domain.conversation.session import OPENING_WAIT
from campaign.domain.dialogue import Message, ToolRequest, ToolSpec
from campaign.domain.disposition import Disposition
from campaign.domain.errors import BadInput
from campaign.domain.tools import Answer
from campaign.flow.live_talks import LiveTalks
from campaign.flow.sessions import SessionContext
from campaign.flow.still_clock import StillClock
from campaign.flow.talk import NamedAgents, talk
from campaign.store.conversations import AnswerRow, TalkNews, TurnRow

ATTEMPT: Final = 0
"""No attempt has this number: a rehearsal is none."""
VOICE: Final = 15.0
"""Characters a second of the voice that speaks here."""
LONGEST_SILENCE: Final = 120.0
LOOK_S: Final = 0.02
"""How often it is looked whether a model has answered, real seconds."""

Who = Literal["agent", "person", "key", "tool", "note"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a rehearsal, in the order in which things happened."""

    who: Who
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """The person says something; `over_us`: breaking into what we are saying."""

    text: str
    over_us: bool = False


@dataclass(frozen=True, slots=True)
class Pressed:
    digits: str


@dataclass(frozen=True, slots=True)
class Silent:
    """The person says nothing until we do."""


@dataclass(frozen=True, slots=True)
class HungUp:
    """The person hangs up."""


@dataclass(frozen=True, slots=True)
class MachineFound:
    """Answering-machine detection says that a machine answered."""


Move = Said | Pressed | Silent | HungUp | MachineFound

HELP: Final = (
    "/9 or /12# presses keys, /interrupt WORDS breaks into what is being said, /silence says nothing, "
    "/machine: a machine answered, /hangup hangs up"
)


def move(text: str) -> Move:
    """A typed line as what the person does.

    Raises:
        BadInput: an unknown command.
    """
    said = text.strip()
    if not said.startswith("/"):
        return Said(said) if said else Silent()
    word, _, rest = said[1:].partition(" ")
    match word.lower():
        case "hangup":
            return HungUp()
        case "silence":
            return Silent()
        case "machine":
            return MachineFound()
        case "interrupt":
            return Said(rest.strip(), over_us=True)
        case keys if keys and not keys.strip("0123456789*#"):
            return Pressed(keys)
    raise BadInput(f"There is no {'/' + word[:20]!r} here.", f"There are: {HELP}.")


class Person(Protocol):
    """Who is at the other end: somebody at a terminal, or a file of lines."""

    async def next(self) -> Move:
        """What they do next; asked when it is their turn."""
        ...

    def interrupts(self) -> bool:
        """Whether it is known already that they will break into what is being said."""
        ...


class Reader:
    """A person whose moves stand in a file: one a line, `#` begins a remark; then they hang up."""

    def __init__(self, text: str) -> None:
        lines = (line.strip() for line in text.splitlines())
        self._moves = deque(move(line) for line in lines if line and not line.startswith("#"))

    async def next(self) -> Move:
        return self._moves.popleft() if self._moves else HungUp()

    def interrupts(self) -> bool:
        first = self._moves[0] if self._moves else None
        return isinstance(first, Said) and first.over_us


@dataclass(slots=True)
class Sheet:
    """What a rehearsed conversation says and comes to, where a call's would go to the database."""

    show: Callable[[Line], None]
    lines: list[Line] = field(default_factory=list)
    turns: dict[int, TurnRow] = field(default_factory=dict)
    """The transcript as it would be stored: as heard, and redacted."""
    answers: dict[str, Answer] = field(default_factory=dict)
    disposition: Disposition | None = None
    callback_at: datetime | None = None
    disclosed: bool = False
    opted_out: str | None = None
    """The words with which the person asked not to be called again."""
    ended: Mapping[str, str] = field(default_factory=dict)
    """What the conversation gave to Twilio with its end; empty: the person hung up."""

    def add(self, who: Who, text: str) -> None:
        line = Line(who, text)
        self.lines.append(line)
        self.show(line)

    # ── talk.Keeps ─────────────────────────────────────────────────────────────────────────────────────

    def turn(self, row: TurnRow) -> None:
        self.turns[row.seq] = row

    def answer(self, row: AnswerRow) -> None:
        if isinstance(row.value, str | int | float | bool):
            self.answers[row.question] = row.value

    def news(self, news: TalkNews) -> None:
        self.disposition = Disposition(news.disposition) if news.disposition else self.disposition
        self.callback_at = news.callback_at or self.callback_at
        self.disclosed = self.disclosed or bool(news.disclosed)

    def hurry(self) -> None:
        return None

    async def settle(self, seconds: float) -> bool:
        return True


async def rehearse(
    definition: CampaignDefinition,
    values: Mapping[str, str],
    person: Person,
    agents: NamedAgents,
    *,
    at: datetime,
    zone: ZoneInfo,
    show: Callable[[Line], None],
    stopwatch: Callable[[], float] | None = None,
) -> Sheet:
    """Hold one conversation in text, to its end.

    Args:
        values: the script's variables, our own among them.
        at: when the call is answered, aware.
        zone: the person's.
        show: told of each line as it comes.
        stopwatch: real seconds, for models; None: no model is asked, and time is virtual throughout.
    """
    clock, sheet, talks = StillClock(at), Sheet(show), LiveTalks()
    line = TextLine(clock, talks, person, sheet, stopwatch)

    async def opt_out(session: SessionContext, quote: str, origin: str) -> None:
        sheet.opted_out = quote
        sheet.add("note", f'on the do-not-call list, in their words: "{quote}"')

    async def hang_up(sid: str) -> None:
        return None

    session = SessionContext(
        attempt_id=ATTEMPT,
        marker="rehearsal",
        phone="",
        call_sid=None,
        ordinal=1,
        definition=definition,
        values=values,
        zone=zone,
        resumed=None,
        opened_at=at,
        longest=definition.conversation_seconds,
    )
    await talk(
        line,
        session,
        keeps=sheet,
        agents=_Watched(agents, sheet),
        clock=clock,
        talks=talks,
        on_opt_out=opt_out,
        hang_up=hang_up,
    )
    _tell_what_follows(sheet, definition, values)
    return sheet


def _tell_what_follows(sheet: Sheet, definition: CampaignDefinition, values: Mapping[str, str]) -> None:
    """What the call would do after the conversation."""
    match sheet.ended.get("reason"):
        case "transfer":
            target = definition.script.transfers[sheet.ended["target"]]
            sheet.add("note", f"the call is put through to {target.name}")
        case "machine" if definition.voicemail.policy is VoicemailPolicy.LEAVE_MESSAGE:
            sheet.add("note", "the message is left after the beep:")
            sheet.add("agent", scripts.render(definition.script.voicemail, values))
        case "machine":
            sheet.add("note", "a machine: we hang up without a message")
        case None:
            sheet.add("note", "they hung up")
        case _:
            sheet.add("note", "we hang up")


class TextLine:
    """Twilio's end of the socket, with a person who types (`talk.RelaySocket`)."""

    def __init__(
        self,
        clock: StillClock,
        talks: LiveTalks,
        person: Person,
        sheet: Sheet,
        stopwatch: Callable[[], float] | None,
    ) -> None:
        self.close_code: int | None = None
        self._clock = clock
        self._talks = talks
        self._person = person
        self._sheet = sheet
        self._stopwatch = stopwatch
        self._frames: deque[str] = deque([_SETUP])
        self._speech: list[tuple[str, bool]] = []
        """What we sent and nobody has heard yet: (text, may it be interrupted)."""
        self._turn = ""
        """Our turn as far as it was sent, shown when it is complete."""
        self._began = False
        self._then: Callable[[], Awaitable[None]] | None = None
        """What comes once the person's move has been told."""

    # ── talk.RelaySocket ───────────────────────────────────────────────────────────────────────────────

    async def receive(self) -> str | None:
        """The next frame: what is heard of us, then what the person does."""
        while not self._frames:
            if self.close_code is not None:
                return None
            await self._go_on()
        return self._frames.popleft()

    async def send(self, frame: str) -> None:
        said = json.loads(frame)
        match said["type"]:
            case "text":
                uninterruptible = said.get("interruptible") is False
                self._turn += said["token"]
                if self._turn and (said["last"] or uninterruptible):
                    self._speech.append((self._turn, not uninterruptible))
                    self._sheet.add("agent", self._turn.strip())
                    self._turn = ""
            case "end":
                self._sheet.ended = json.loads(said.get("handoffData") or "{}")
                self.close_code = 1000
            case _:
                pass

    async def close(self, code: int) -> None:
        self.close_code = self.close_code or code

    # ── what Twilio would tell ─────────────────────────────────────────────────────────────────────────

    async def _go_on(self) -> None:
        """Let something happen: a reply, speech that is heard, the person's next move."""
        if self._talks.replying:
            await self._reply()
            return
        await self._clock.advance(0)
        if self._talks.replying or self.close_code is not None:
            return
        if not self._began:
            self._began = True
            await self._clock.advance(OPENING_WAIT)
            return
        if self._then is not None:
            then, self._then = self._then, None
            await then()
            return
        if self._talks.closing and not self._person.interrupts():
            await self._hear_all()
            if not self._frames and self.close_code is None:
                await self._until_something()
            return
        await self._act(await self._person.next())

    async def _reply(self) -> None:
        if self._stopwatch is None:
            await asyncio.sleep(0)
            return
        before = self._stopwatch()
        await asyncio.sleep(LOOK_S)
        await self._clock.advance(self._stopwatch() - before)

    async def _act(self, what: Move) -> None:
        if isinstance(what, Said) and what.over_us and self._speech:
            await self._interrupt()
        else:
            await self._hear_all()
        match what:
            case Said(text):
                if text:
                    self._sheet.add("person", text)
                    self._frame(type="prompt", voicePrompt=text, lang="", last=True)
            case Pressed(digits):
                self._sheet.add("key", " ".join(digits))
                for digit in digits:
                    self._frame(type="dtmf", digit=digit)
                self._then = self._after_keys
            case Silent():
                self._sheet.add("person", "…")
                self._then = self._until_something
            case HungUp():
                self.close_code = 1000
            case MachineFound():
                self._sheet.add("note", "a machine answered")
                await self._talks.on_machine(ATTEMPT, "machine_end_beep")

    async def _after_keys(self) -> None:
        await self._clock.advance(KEYS_WAIT)

    async def _until_something(self) -> None:
        """Time passes until we say something, or for as long as a call may be silent."""
        until = self._clock.monotonic() + LONGEST_SILENCE
        known = len(self._sheet.lines)
        while self._clock.monotonic() < until and self.close_code is None:
            ahead = self._clock.next_wake
            if ahead is None or len(self._sheet.lines) > known or self._talks.replying:
                return
            await self._clock.advance(ahead)

    async def _hear_all(self) -> None:
        """All that we sent is spoken to its end."""
        spoken, self._speech = self._speech, []
        for text, _ in spoken:
            self._frame(type="info", name="tokensPlayed", value=text)
        if spoken:
            await self._clock.advance(sum(len(text) for text, _ in spoken) / VOICE)
            self._frame(type="info", name="agentSpeaking", value="off")

    async def _interrupt(self) -> None:
        """What may not be interrupted is spoken; the rest is cut in the middle of its words."""
        spoken, self._speech = self._speech, []
        kept = [text for text, may_stop in spoken if not may_stop]
        for text in kept:
            self._frame(type="info", name="tokensPlayed", value=text)
        cut = next((text for text, may_stop in spoken if may_stop), "")
        half = cut[: cut.rfind(" ", 0, len(cut) // 2 + 1)].strip()
        await self._clock.advance((len(half) + sum(map(len, kept))) / VOICE)
        if cut:
            self._sheet.add("note", f'interrupted after "…{half[-40:]}"')
            self._frame(type="info", name="tokensPlayed", value=half)
            self._frame(
                type="interrupt",
                utteranceUntilInterrupt=half,
                durationUntilInterruptMs=len(half) / VOICE * 1000,
            )

    def _frame(self, **fields: object) -> None:
        self._frames.append(json.dumps(fields))


_SETUP: Final = json.dumps({"type": "setup", "sessionId": "rehearsal", "callSid": "rehearsal"})


class _Watched:
    """Agents whose tool calls are shown."""

    def __init__(self, agents: NamedAgents, sheet: Sheet) -> None:
        self._agents = agents
        self._sheet = sheet

    def named(self, profile: str) -> Agent | None:
        found = self._agents.named(profile)
        return _WatchedAgent(found, self._sheet) if found is not None else None


class _WatchedAgent:
    def __init__(self, agent: Agent, sheet: Sheet) -> None:
        self._agent = agent
        self._sheet = sheet

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context
    ) -> AsyncIterator[Piece]:
        async for piece in self._agent.reply(history, tools, context):
            if isinstance(piece, ToolRequest):
                self._sheet.add("tool", f"{piece.name} {piece.arguments}")
            yield piece

    async def warm(self) -> None:
        await self._agent.warm()

    async def close(self) -> None:
        return None
