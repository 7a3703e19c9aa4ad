"""A call without a phone: the same conversation, held in text, for writing scripts.

The conversation, its agents and its loop are those of real calls (flow/talk.py); only the other end differs
(flow/text_line.py). Nothing is stored and nobody is called.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from campaign.agent.protocol import Agent, Context, Piece
from campaign.domain import script as scripts
from campaign.domain.campaign import CampaignDefinition, VoicemailPolicy
from campaign.domain.dialogue import Message, ToolRequest, ToolSpec
from campaign.flow.live_talks import LiveTalks
from campaign.flow.sessions import SessionContext
from campaign.flow.still_clock import StillClock
from campaign.flow.talk import NamedAgents, talk
from campaign.flow.text_line import ATTEMPT, Line, Person, Sheet, TextLine


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
