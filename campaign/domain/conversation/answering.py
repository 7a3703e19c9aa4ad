"""What a session does with what the agent says: words go out, tools take effect, failures are replaced."""

from campaign.domain.conversation.conduct import Phase
from campaign.domain.conversation.events import CancelAsk, Command, Note
from campaign.domain.conversation.machines import Machines
from campaign.domain.conversation.replies import MOST_ROUNDS, Early, Reply
from campaign.domain.dialogue import ToolRequest
from campaign.domain.disposition import Disposition
from campaign.domain.tools import (
    DoNotCall,
    EndCall,
    RecordAnswer,
    ScheduleCallback,
    SwitchLanguage,
    Transfer,
)


class Answering(Machines):
    """Beyond `Machines`: the agent's replies."""

    def _agent_text(self, generation: int, text: str, now: float) -> list[Command]:
        early = self._replies.early
        if early is not None and early.generation == generation:
            early.pieces.append(text)
            return []
        commands = self._replies.text(generation, text, now, self._timers)
        if commands and self._replies.too_long():
            commands.append(CancelAsk(generation))
            commands += self._agent_done(generation, now)
        return commands

    def _agent_tool(self, generation: int, request: ToolRequest, now: float) -> list[Command]:
        early = self._replies.early
        if early is not None and early.generation == generation:
            early.pieces.append(request)
            return []
        meant = self._replies.tool(generation, request, self._local_now(now))
        match meant:
            case DoNotCall(quote):
                return self._opt_out(self._own_words(quote), "conversation", now)
            case RecordAnswer():
                return [meant]
            case ScheduleCallback():
                return [meant, *self._conclude(Disposition.CALLBACK)]
            case SwitchLanguage(tag):
                return self._switch(tag, now)
            case _:
                return []

    def _own_words(self, quote: str) -> str:
        """The model's quote if the person said it, else what the person said last."""
        said = [message.text for message in self.transcript.history if message.role == "person"]
        folded = quote.casefold().strip(" .,!?\"'")
        if folded and any(folded in words.casefold() for words in said):
            return quote
        return said[-1][:300] if said else quote

    def _switch(self, tag: str, now: float) -> list[Command]:
        """Go over to another declared language; a note of it lets a later session of the call go on in it."""
        if tag == self._script.language:
            return []
        return [*self._speak(tag), *self.transcript.note(LANGUAGE_NOTE.format(tag), now)]

    def _agent_done(self, generation: int, now: float) -> list[Command]:
        early = self._replies.early
        if early is not None and early.generation == generation:
            early.done = True
            return []
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
        for menu in reply.menus:
            commands += self._press(menu, now)
        if reply.ending is not None:
            return commands + self._finish(reply, reply.ending, now)
        wordless = reply.utterance is None and not reply.menus
        if reply.tools and (wordless or reply.refused):
            if reply.round + 1 < MOST_ROUNDS:
                spoken = reply.bridged or reply.utterance is not None
                again = self._ask(now, prompted_at=reply.prompted_at, round=reply.round + 1, bridged=spoken)
                return commands + again
            if reply.utterance is None:
                return commands + self._failed(reply, "only tools", now)
        self._await_answer(now)
        return commands + self._idle(now)

    def _finish(self, reply: Reply, ending: EndCall | Transfer, now: float) -> list[Command]:
        """The agent wants the call to end, or the person to be put through, after its last words."""
        match ending:
            case EndCall(reason):
                # What was arranged isn't undone by how the model names the ending.
                commands = self._conclude(reason)
                line = "" if reply.utterance else self._lines.goodbye
                return commands + self._goodbye(line, "ended", now, revivable=True)
            case Transfer(target):
                line = "" if reply.utterance else self._lines.transferring
                return self._put_through(target, line, now)

    def _agent_failed(self, generation: int, why: str, now: float) -> list[Command]:
        early = self._replies.early
        if early is not None and early.generation == generation:
            self._replies.early = None  # the final words will be asked about as usual
            return []
        current = self._replies.current
        if current is None or current.generation != generation:
            return []
        reply, commands = self._replies.close(self._timers)
        if reply is None:
            return commands
        if reply.ending is not None and self.phase is Phase.TALKING:
            # It had asked for the end already; that its stream broke off keeps nobody on the line.
            commands.append(Note(f"profile {reply.profile} failed: {why[:300]}", reply.profile))
            return commands + self._finish(reply, reply.ending, now)
        return commands + self._failed(reply, why, now)

    def _failed(self, reply: Reply, why: str, now: float) -> list[Command]:
        """The next profile answers; where words were cut off, after a sentence that says so."""
        self._replies.blame(reply.profile)
        commands: list[Command] = [Note(f"profile {reply.profile} failed: {why[:300]}", reply.profile)]
        if self.phase is not Phase.TALKING:
            return commands
        spoken = reply.utterance is not None
        if spoken:
            commands += self._say(self._lines.trouble, now)
        return commands + self._ask(
            now,
            prompted_at=reply.prompted_at,
            round=reply.round,
            tried=(*reply.tried, reply.profile),
            bridged=reply.bridged or spoken,
        )

    def _bridge(self, now: float) -> list[Command]:
        reply = self._replies.current
        if reply is None or reply.bridged:
            return []
        reply.bridged = True
        latency = round((now - reply.prompted_at) * 1000)
        return self._say(self._lines.bridging, now, latency_ms=latency)

    def _take_on(self, early: Early, now: float) -> list[Command]:
        """The early reply turned out to be the reply: what came of it takes effect now."""
        commands = self._disclose(now)
        self._timers.pop("silence", None)
        for piece in early.pieces:
            if isinstance(piece, str):
                commands += self._agent_text(early.generation, piece, now)
            else:
                commands += self._agent_tool(early.generation, piece, now)
        return commands + (self._agent_done(early.generation, now) if early.done else [])


LANGUAGE_NOTE = "(language: {})"
"""The transcript's line about a change of language."""
