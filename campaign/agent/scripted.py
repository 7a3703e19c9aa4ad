"""The agent that needs no model: works through the script's questions and understands simple answers.

It keeps nothing between replies: what was asked is read from the history, what was answered from the
context, so a resumed session goes on where the last one broke off, and it can take over from a model in
mid-call. Its own words are English; the script's lines are said as they are.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from campaign.agent.protocol import Context, Done, Piece, Text
from campaign.domain import script as scripts
from campaign.domain.dialogue import Message, ToolRequest, ToolSpec
from campaign.domain.script import Question
from campaign.domain.spoken import moment, plain, yes_no
from campaign.domain.tools import ScheduleCallback, answer, meaning
from campaign.domain.transfers import not_taken_line

ASK_WHEN: Final = "Sure. When would be a good time for us to call you?"
NOT_A_TIME: Final = "Sorry, I didn't get the time. Which day and time would suit you?"
NOT_THEN: Final = "I'm afraid we may not call at that time. Which other day and time would suit you?"
ANOTHER_TIME: Final = "No problem, we'll try again another time. Goodbye."
AGREED: Final = "Great. I'll call you {when}. Talk to you then. Goodbye."
NO_HUMAN: Final = "I can't put you through right now, but a colleague will call you back."
SORRY: Final = "Sorry, I didn't get that."
WRONG_NUMBER: Final = "I'm sorry for the mistake. Goodbye."
NOT_INTERESTED: Final = "I understand. Thank you for your time. Goodbye."
UNKNOWN: Final = "That's a good question for my colleagues, I'll pass it on."
THANKS: Final = ("Thank you.", "Great.", "Got it.", "Okay.")

_HUMAN: Final = (
    "human", "real person", "speak to a person", "talk to a person", "speak to someone", "talk to someone",
    "representative", "operator", "your manager", "a manager", "transfer me", "put me through", "live agent",
    "speak with someone", "talk with someone", "customer service", "connect me", "a real human",
)  # fmt: skip
_WRONG: Final = (
    "wrong number", "wrong person", "no one by that name", "nobody by that name", "no one here by",
    "doesnt live here", "does not live here", "dont know that person", "not the right person", "not my name",
    "nobody of that name", "no one of that name", "nobody called that", "no one called that",
    "no such person", "wrong house",
)  # fmt: skip
_NO_INTEREST: Final = (
    "not interested", "no interest", "no me interesa", "kein interesse", "pas interesse",
)  # fmt: skip
_DECLINE: Final = (
    *_NO_INTEREST, "no thanks", "no thank you", "dont need", "dont want any", "not for me",
    "we are all set", "im all set", "im good",
)  # fmt: skip
_LATER: Final = (
    "call me back", "call back", "call me later", "call later", "call me tomorrow", "call me on",
    "call me at",
    "call me in", "bad time", "not a good time", "im busy", "i am busy", "im driving", "in a meeting",
    "another time", "some other time", "try me", "try again", "call me next", "cant talk",
    "at work right now", "cant take your call", "cant take this call", "cant take the call",
    "cant come to the phone",
    "call tomorrow", "call on", "ring me", "call me friday", "call friday",
)  # fmt: skip
_QUESTION_STARTS: Final = (
    "who ", "what ", "why ", "how ", "where ", "which ", "when ", "is this", "are you", "do you", "can you",
    "does ", "is it", "is there",
)  # fmt: skip


_BYE: Final = ("bye", "goodbye", "bye bye", "adios", "au revoir", "tschuss", "auf wiederhoren", "arrivederci")
_LONGEST_LEAVE: Final = 8
"""Words beyond which a "bye" is part of something else."""


class ScriptedAgent:
    """Deterministic, quick, without any connection."""

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context
    ) -> AsyncIterator[Piece]:
        for piece in respond(history, context):
            yield piece
        yield Done()

    async def warm(self) -> None:
        return None

    async def close(self) -> None:
        return None


def respond(history: Sequence[Message], context: Context) -> list[Text | ToolRequest]:
    """The whole answer to a history, as pieces in order."""
    history = _without_what_broke_off(history, context)
    said = next((message.text for message in reversed(history) if message.role == "person"), "")
    last = _our_last_words(history)
    heard_since = bool(history) and history[-1].role == "person"
    words = f" {plain(said)} "
    if not heard_since:
        return _next_question(history, context, "")
    if _any(words, _WRONG):
        return [Text(WRONG_NUMBER), _tool("end_call", reason="wrong_number")]
    if _any(words, _HUMAN):
        return _human(context)
    if any(line in last for line in (ASK_WHEN, NOT_A_TIME, NOT_THEN)) or _back_from_transfer(last, context):
        return _agree(said, last, context)
    if objection := _objection(words, context):
        return [Text(objection), *_again(history, context)]
    asked = _asked(last, context)
    leaves = _any(words, _BYE) and not _any(words, (*_DECLINE, *_LATER)) and "?" not in said
    if leaves and len(words.split()) <= _LONGEST_LEAVE:
        return _leave(asked, said, context)
    if asked is not None:
        return _answered(asked, said, words, history, context)
    if _any(words, _DECLINE):
        return [Text(NOT_INTERESTED), _tool("end_call", reason="not_interested")]
    if _any(words, _LATER):
        return _later(said, context)
    if not context.answers and yes_no(said) is False:
        return [Text(NOT_INTERESTED), _tool("end_call", reason="not_interested")]
    lead = UNKNOWN if plain(said).startswith(_QUESTION_STARTS) else ""
    return _next_question(history, context, lead)


def _without_what_broke_off(history: Sequence[Message], context: Context) -> Sequence[Message]:
    """The history up to the person's last words, when our reply to them broke off.

    Whoever was cut off in mid-sentence says it again: after a dropped line (`recovery`), when another agent
    failed in the middle of its reply (`trouble`), or after a sentence that bridged the wait for one that said
    nothing at all (`bridging`). What was understood in it already is in the answers.
    """
    own = scripts.lines(context.script)
    excuses = {plain(_said(line, context)) for line in (own.recovery, own.trouble, own.bridging) if line}
    last = history[-1] if history else None
    if last is None or last.role != "agent" or plain(last.text) not in excuses:
        return history
    spoke = [place for place, message in enumerate(history) if message.role == "person"]
    return history[: spoke[-1] + 1] if spoke else history


def _our_last_words(history: Sequence[Message]) -> str:
    """All that we said before the person's last words, back to those before them: a nudge or a bridging
    sentence doesn't hide the question that is open."""
    said: list[str] = []
    for message in reversed(history):
        if message.role == "person" and said:
            break
        if message.role == "agent" and message.text:
            said.append(message.text)
    return " ".join(reversed(said))


def _back_from_transfer(last: str, context: Context) -> bool:
    """Whether we have just said that nobody took a transfer, and asked when to call."""
    script = context.script
    lines = (not_taken_line(target, script.language) for target in script.transfers.values())
    return any(plain(_said(line, context)) in plain(last) for line in lines)


def _any(words: str, phrases: Sequence[str]) -> bool:
    return any(f" {phrase} " in words for phrase in phrases)


def _tool(name: str, **arguments: object) -> ToolRequest:
    return ToolRequest(f"scripted_{name}", name, msgspec.json.encode(arguments).decode())


def _said(text: str, context: Context) -> str:
    return scripts.render(text, {**context.values, "agent_name": context.script.agent_name})


def _objection(words: str, context: Context) -> str:
    for objection in context.script.objections:
        if _any(words, [plain(sign) for sign in objection.when]):
            return _said(objection.say, context)
    return ""


def _asked(last: str, context: Context) -> Question | None:
    """The open question that our last words ended with."""
    folded = plain(last)
    for question in context.script.questions:
        if question.key not in context.answers:
            ask = plain(_said(question.ask, context))
            if ask and (ask in folded or (len(folded) > 12 and ask.startswith(folded))):
                return question
    return None


def _times_asked(question: Question, history: Sequence[Message], context: Context) -> int:
    ask = plain(_said(question.ask, context))
    return sum(1 for message in history if message.role == "agent" and ask in plain(message.text))


def _answered(
    question: Question, said: str, words: str, history: Sequence[Message], context: Context
) -> list[Text | ToolRequest]:
    value = answer(question, said, context.local_now)
    declines, later = _any(words, _DECLINE), _any(words, _LATER)
    if later and not declines and value is not True and question.kind not in ("choice", "date"):
        return _later(said, context)  # "I can't talk, call me at three" is neither a no nor a three
    if question.kind == "yes_no" and declines:
        # "Not interested" says nothing of whether they own their home.
        off_topic = _any(words, _NO_INTEREST) and "interest" not in plain(question.ask)
        value = None if off_topic else False
    if question.kind == "text" and (declines or later):
        value = None
    if value is None and later:
        return _later(said, context)
    if value is None and declines:
        return [Text(NOT_INTERESTED), _tool("end_call", reason="not_interested")]
    if value is None:
        return _not_understood(question, said, history, context)
    answers = {**context.answers, question.key: value}
    after = Context(context.script, context.values, answers, context.local_now, context.memory)
    thanks = THANKS[len(answers) % len(THANKS)]
    kept = _tool("record_answer", question=question.key, value=value)
    return [kept, *_next_question(history, after, thanks)]


def _not_understood(
    question: Question, said: str, history: Sequence[Message], context: Context
) -> list[Text | ToolRequest]:
    tries = 2 if question.required else 1
    lead = UNKNOWN if plain(said).startswith(_QUESTION_STARTS) else SORRY
    if _times_asked(question, history, context) <= tries:
        return [Text(f"{lead} {_said(question.ask, context)}{_hint(question)}")]
    return _next_question(history, context, "Never mind.")


def _hint(question: Question) -> str:
    return f" You can say {', '.join(question.choices)}." if question.choices else ""


def _again(history: Sequence[Message], context: Context) -> list[Text | ToolRequest]:
    """After an objection: the question that is still open, once more, or nothing."""
    rest = _next_question(history, context, "", ends=False)
    return [Text(" "), *rest] if rest else []


def _next_question(
    history: Sequence[Message], context: Context, lead: str, *, ends: bool = True
) -> list[Text | ToolRequest]:
    """The next question that is neither answered nor given up; the close when there is none."""
    spoken = f"{lead} " if lead else ""
    for question in context.script.questions:
        most = 3 if question.required else 2
        if question.key not in context.answers and _times_asked(question, history, context) < most:
            return [Text(spoken + _said(question.ask, context))]
    if not ends:
        return []
    own = scripts.lines(context.script)
    closing = _said(context.script.closing or own.goodbye, context)
    return [Text(spoken + closing), _tool("end_call", reason=_result(context))]


def _result(context: Context) -> str:
    """How the call went, by the answers: a first yes/no of the script says whether there is interest."""
    for question in context.script.questions:
        if question.kind == "yes_no" and question.key in context.answers:
            return "interested" if context.answers[question.key] is True else "not_interested"
    return "completed"


def _leave(asked: Question | None, said: str, context: Context) -> list[Text | ToolRequest]:
    """They take their leave, perhaps with an answer: so do we."""
    told: list[Text | ToolRequest] = []
    value = None if asked is None or asked.kind == "text" else answer(asked, said, context.local_now)
    if value is True and not _any(f" {plain(said)} ", ("yes", "yeah", "yep", "si", "oui", "ja")):
        value = None  # "okay, bye" agrees to nothing
    if asked is not None and value is not None:
        told = [_tool("record_answer", question=asked.key, value=value)]
        answers = {**context.answers, asked.key: value}
        context = Context(context.script, context.values, answers, context.local_now, context.memory)
    reason = "not_interested" if yes_no(said) is False else _result(context)
    goodbye = _said(scripts.lines(context.script).goodbye, context)
    return [*told, Text(goodbye), _tool("end_call", reason=reason)]


def _human(context: Context) -> list[Text | ToolRequest]:
    if not context.script.transfers:
        return [Text(f"{NO_HUMAN} {ASK_WHEN}")]
    return [_tool("transfer", to=next(iter(context.script.transfers)))]


def _later(said: str, context: Context) -> list[Text | ToolRequest]:
    return _agree(said, "", context) if moment(said, context.local_now) else [Text(ASK_WHEN)]


def _agree(said: str, last: str, context: Context) -> list[Text | ToolRequest]:
    """A time for the callback, if one was said."""
    if yes_no(said) is False and moment(said, context.local_now) is None:
        return [Text(NOT_INTERESTED), _tool("end_call", reason="not_interested")]
    request = _tool("schedule_callback", when=said)
    meant = meaning(context.script, request, context.local_now, context.next_callable)
    if isinstance(meant, ScheduleCallback):
        agreed = Text(AGREED.format(when=_spoken_time(meant.at, context.local_now)))
        return [request, agreed, _tool("end_call", reason="callback")]
    if NOT_A_TIME in last or NOT_THEN in last:
        return [Text(ANOTHER_TIME), _tool("end_call", reason="callback")]
    return [Text(NOT_THEN if moment(said, context.local_now) else NOT_A_TIME)]


def _spoken_time(at: datetime, now: datetime) -> str:
    """An instant as people say it: "tomorrow at 3 PM"."""
    days = (at.date() - now.date()).days
    later = f"on {at:%A}" if days < 7 else f"on {at:%B} {at.day}"
    minutes = f":{at:%M}" if at.minute else ""
    return f"{ {0: 'today', 1: 'tomorrow'}.get(days, later) } at {at.hour % 12 or 12}{minutes} {at:%p}"
