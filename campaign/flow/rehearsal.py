"""A call without a phone: the same conversation, held in text, for writing scripts.

The conversation, its agents and its loop are those of real calls (flow/talk.py); only the other end differs
(flow/text_line.py). Nothing is stored and nobody is called.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import structs

from campaign.agent.protocol import Agent, Context, Piece
from campaign.domain import script as scripts
from campaign.domain.campaign import CampaignDefinition, VoicemailPolicy
from campaign.domain.dialogue import Message, ToolRequest, ToolSpec
from campaign.domain.disposition import Disposition
from campaign.domain.tools import Answer
from campaign.flow.live_talks import LiveTalks
from campaign.flow.sessions import SessionContext
from campaign.flow.still_clock import StillClock
from campaign.flow.talk import NamedAgents, talk
from campaign.flow.text_line import ATTEMPT, HungUp, Line, Move, Person, Said, Sheet, TextLine

MOST_MOVES: Final = 60
"""Things that a person does in a rehearsal that is played again from its beginning each time."""
LONGEST_SAID: Final = 500
"""Characters of one of them."""


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
    sheet = Sheet(show)
    await _hold(definition, values, person, agents, sheet, at=at, zone=zone, stopwatch=stopwatch)
    return sheet


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rehearsed call stands after what the person has done so far.

    Args:
        disclosed: whether the disclosures were heard to their end.
        over: whether it has ended; otherwise it is the person's turn.
    """

    lines: tuple[Line, ...]
    answers: Mapping[str, Answer]
    disposition: Disposition | None
    callback_at: datetime | None
    disclosed: bool
    over: bool


async def so_far(
    definition: CampaignDefinition,
    values: Mapping[str, str],
    moves: Sequence[Move],
    agents: NamedAgents,
    *,
    at: datetime,
    zone: ZoneInfo,
) -> Standing:
    """Play a conversation with the scripted agent up to where it is the person's turn again.

    The same moves lead to the same place, so nothing need be kept between two of them but the moves.

    Args:
        moves: what the person has done so far, at most `MOST_MOVES`.
        values, at, zone: as for `rehearse`.
    """
    script = structs.replace(definition.script, profiles=(scripts.SCRIPTED,))
    sheet = Sheet(lambda line: None)
    person = _SoFar(moves, sheet)
    scripted = structs.replace(definition, script=script)
    await _hold(scripted, values, person, agents, sheet, at=at, zone=zone, stopwatch=None)
    return person.standing or _standing(sheet, over=True)


class _SoFar:
    """A person of whom is known what they did. When it is their turn again, it is noted how things stand.

    Then they hang up, so that the conversation comes to an end that nobody looks at.
    """

    def __init__(self, moves: Sequence[Move], sheet: Sheet) -> None:
        self.standing: Standing | None = None
        self._moves = deque(moves)
        self._sheet = sheet

    async def next(self) -> Move:
        if self._moves:
            return self._moves.popleft()
        self.standing = self.standing or _standing(self._sheet, over=False)
        return HungUp()

    def interrupts(self) -> bool:
        first = self._moves[0] if self._moves else None
        return isinstance(first, Said) and first.over_us


def _standing(sheet: Sheet, *, over: bool) -> Standing:
    return Standing(
        lines=tuple(sheet.lines),
        answers=dict(sheet.answers),
        disposition=sheet.disposition,
        callback_at=sheet.callback_at,
        disclosed=sheet.disclosed,
        over=over,
    )


async def _hold(
    definition: CampaignDefinition,
    values: Mapping[str, str],
    person: Person,
    agents: NamedAgents,
    sheet: Sheet,
    *,
    at: datetime,
    zone: ZoneInfo,
    stopwatch: Callable[[], float] | None,
) -> None:
    """The conversation itself, onto the sheet."""
    clock, talks = StillClock(at), LiveTalks()
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
