"""Scripted people: who picks up, what they say to what they hear, when they hang up.

A person is a plain machine without clock or network: it is told what it heard and answers with a
`Reaction`. All randomness comes from the dice it is given, so that the same seed and number always
give the same person.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from campaign.simulator.config import SimulatorConfig, chance

PERSONAS: Mapping[str, str] = {
    "interested": "answers the agent's questions sensibly, says yes, says goodbye",
    "not_interested": "says no, twice if need be, and hangs up",
    "do_not_call": "asks to be taken off the list",
    "wants_human": "asks for a real person",
    "interrupter": "barges in in mid-sentence, then is interested",
    "rambler": "tells long stories, then is interested",
    "keypresser": "presses keys instead of speaking: the digit asked for, else 9",
    "silent": "picks up and says nothing",
    "callback_asker": "asks to be called tomorrow at three",
    "wrong_number": "is somebody else",
    "voicemail": "an answering machine with a greeting and a beep",
    "busy": "the line is busy",
    "no_answer": "nobody picks up",
    "bad_number": "Twilio refuses the number with 21211",
    "failed": "the carrier can't place the call",
    "screener": "a robot asks who is calling and why; once it is told, a person comes and is interested",
    "backchanneler": 'says "uh-huh" while it listens, then is interested',
    "hinglish": "speaks Hindi and English mixed, is interested",
    "hesitant": "says yes, thinks on, and means no; the words before the pause are reported first",
}
"""The personas. Each may carry `_cut` at its end: its first socket is cut in mid-sentence."""

BY_DIGITS: tuple[str, ...] = tuple(PERSONAS)
"""With `by_digits` the last two digits of a number, modulo the length of this list, choose the persona."""

CUT = "_cut"


def check_persona(name: str) -> str:
    """The name itself. Raises ValueError if no persona is called so."""
    if name.removesuffix(CUT) not in PERSONAS:
        raise ValueError(
            f"no persona is called {name!r}; known: {', '.join(PERSONAS)} (each also with {CUT})"
        )
    return name


def persona_of(config: SimulatorConfig, number: str, named: Mapping[str, str]) -> str:
    """Who answers at the number: named for it, else by its digits, else by seed and weights."""
    if number in named:
        return named[number]
    if config.by_digits and number[-2:].isdigit():
        return BY_DIGITS[int(number[-2:]) % len(BY_DIGITS)]
    total = sum(config.weights.values())
    mark = chance(config.seed, "persona", number) * total
    for name, weight in config.weights.items():
        mark -= weight
        if mark < 0:
            return name
    return "interested"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a person does next. All None and False: goes on listening."""

    say: str | None = None
    lang: str = ""  # what is spoken, if it is not the language that the line expects: a primary subtag
    digits: str | None = None
    hang_up: bool = False


LISTEN = Reaction()

MACHINE_GREETING = (
    "Hi, you have reached my voicemail.",
    "I can't take your call right now.",
    "Please leave a message after the tone.",
)

SCREENING = "Hi, if you record your name and reason for calling, I'll see if this person is available."
HUMS = frozenset({"uh-huh", "mhm", "okay", "ok", "yeah"})
"""What Twilio's `ignoreBackchannel` takes for a listener's sound."""

_HINGLISH = (
    "Haan ji, theek hai, aap bataiye.",
    "Achha, that sounds good, mujhe interest hai.",
    "Haan, sure, kal subah theek rahega.",
)

_GOODBYE = re.compile(
    r"\b(good ?bye|bye|have a (good|great|nice|lovely|wonderful)|take care|farewell|won't call you again)\b",
    re.I,
)
_AGAIN = re.compile(r"\b(say (that|it) again|repeat (that|it))\b", re.I)
_ABOUT_TIME = re.compile(r"\b(when|(what|which) (time|day)|good time)\b", re.I)
_CHOICE = re.compile(r"\b([a-z]{3,}),? or ([a-z]+)\b", re.I)
_NO_CHOICE = frozenset({"not", "no", "less", "so", "something", "anything", "would", "is", "are"})
_PRESS = re.compile(
    r"\bpress (?:the )?(\d|star|pound|zero|one|two|three|four|five|six|seven|eight|nine)\b", re.I
)
_WORDS = {
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}
_ANSWERS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.I), answer)
    for pattern, answer in (
        (r"bad time|inconvenient|busy right now", "No, it's fine. Go ahead."),
        (r"are you (still )?there|can you hear me|hear me", "Yes, I'm here."),
        (r"\b(anything else|other questions|any (more |other )?questions)\b", "No, that's all. Thank you."),
        (r"am i speaking|speaking (with|to)|may i speak|is (this|that) (mr|mrs|ms|dr)\b", "Yes, this is me."),
        (r"(good|right) time|a (moment|minute)|quick (question|chat)|have (a )?time", "Sure, go ahead."),
        (r"\b((what|which) (time|day)|when|tomorrow or)\b", "Tomorrow at three in the afternoon."),
        (r"\be-?mail\b", "It's pat at example dot com."),
        (r"\b(zip|postal) ?code\b", "One zero zero zero one."),
        (r"\bhow (likely|satisfied)|scale\b", "Eight."),
        (r"\bhow (many|much|big|large|long|often)\b|\bnumber of\b|\bsize\b", "About twelve."),
        (r"\byour (full )?name\b|\bwho (am|is)\b", "Pat Jones."),
        (r"\b(why|reason|what matters|most important)\b", "The price, mostly."),
        (r"^\s*(what|which|who|where|how)\b", "I would say the usual one."),
        (r"\b(interested|would you like|do you want|shall (i|we)|may i|can (i|we)|could (i|we))\b",
         "Yes, that sounds good."),
    )
)  # fmt: skip


def answer(question: str) -> str:
    """A sensible answer to a question in English."""
    last = next(
        (part for part in reversed(re.split(r"(?<=[.!?])\s+", question.strip())) if "?" in part), question
    )
    for pattern, text in _ANSWERS[:5]:
        if pattern.search(last):
            return text
    choice = _CHOICE.search(last)
    if choice and choice.group(2).lower() not in _NO_CHOICE:
        return f"{choice.group(1).capitalize()}, please."
    for pattern, text in _ANSWERS[5:]:
        if pattern.search(last):
            return text
    return "Yes."


def is_goodbye(text: str) -> bool:
    """Whether the agent takes its leave."""
    return _GOODBYE.search(text) is not None


class Person:
    """One person on one call.

    Arguments:
        persona: a name of `PERSONAS`.
        rng: the dice of this call.
        max_turns: after so many of its own turns the person says that it has to go.
    """

    def __init__(self, persona: str, rng: Random, max_turns: int = 14) -> None:
        self.persona = persona
        self._rng = rng
        self._max_turns = max_turns
        self._turns = 0
        self._refusals = 0
        self._statements = 0
        self._barged = False
        self._first_story: int | None = None
        self._said = ""
        self.said_goodbye = False
        self._announced = 0

    @property
    def is_machine(self) -> bool:
        """Whether an answering machine picks up."""
        return self.persona == "voicemail"

    def opening(self, session: int) -> Reaction:
        """What is said when the line opens; `session` counts the call's relay sessions from 1."""
        if session > 1 or self.persona in {"silent", "keypresser", "voicemail"}:
            return LISTEN
        match self.persona:
            case "screener":
                return Reaction(say=SCREENING)
            case "hinglish":
                return Reaction(say="Hello? Haan ji, kaun?", lang="hi")
        return Reaction(say=self._rng.choice(("Hello?", "Hello?", "Yes?", "Hi, who is this?")))

    def barge_in(self) -> tuple[float, str] | None:
        """After how many seconds of the agent's speech the person cuts in, and with what."""
        if self.persona == "backchanneler" and not self._barged and self._turns < 3:
            return 1.5, "Uh-huh."
        if self.persona != "interrupter" or self._barged or self._turns < 1:
            return None
        return 1.2, "Sorry, wait a second, how much does it cost?"

    def barged(self) -> None:
        """The person did cut in."""
        self._barged = True
        self._turns += self.persona == "interrupter"

    def asked_by_menu(self, text: str, may_speak: bool) -> str | None:
        """What the person does when a machine's menu asks for a key: keys in brackets, words, or nothing."""
        match self.persona:
            case "keypresser":
                wanted = _PRESS.search(text)
                return f"[{wanted.group(1)}]" if wanted else "[2125550142#]"
            case "do_not_call":
                return "Take me off your list and don't call me again." if may_speak else "[9]"
            case "silent" | "voicemail":
                return None
            case _:
                return "What is this about?" if may_speak else None

    def hears(self, text: str) -> Reaction:
        """What the person does after the agent has finished saying `text`."""
        if not text.strip():
            return LISTEN
        if self.persona == "screener" and self._announced < 2:
            return self._screen(text)
        if self.persona == "backchanneler":
            self._barged = False
        if is_goodbye(text) and "?" not in text:
            if self.said_goodbye or self.persona in {"silent", "keypresser"}:
                return LISTEN
            self.said_goodbye = True
            return Reaction(say=self._rng.choice(("Bye.", "Thanks, bye.", "Goodbye.")))
        asked = "?" in text
        if not asked:
            self._statements += 1
        if self._turns >= self._max_turns:
            self.said_goodbye = True
            return Reaction(say="I have to go now. Bye.", hang_up=True)
        again = self._said and _AGAIN.search(text)
        reaction = Reaction(say=self._said) if again else self._react(text, asked)
        self._said = reaction.say or self._said
        if reaction is not LISTEN:
            self._turns += 1
        return reaction

    def _react(self, text: str, asked: bool) -> Reaction:
        match self.persona:
            case "silent" | "voicemail":
                return LISTEN
            case "not_interested":
                return self._refuse(
                    asked, "No thanks, I'm not interested.", "No, really, I am not interested. Goodbye."
                )
            case "wrong_number":
                return self._refuse(
                    asked, "You have the wrong number.", "There is nobody of that name here. Goodbye."
                )
            case "do_not_call":
                return self._refuse(
                    asked,
                    "Take me off your list and don't call me again.",
                    "I said take me off your list. Goodbye.",
                )
            case "wants_human":
                if self._refusals < 2 and asked:
                    self._refusals += 1
                    return Reaction(say="I'd like to speak to a real person, please.")
            case "callback_asker":
                return self._put_off(text, asked)
            case "keypresser":
                return self._press(text, asked)
            case "hinglish":
                if asked:
                    return Reaction(say=_HINGLISH[self._turns % len(_HINGLISH)], lang="hi")
            case "hesitant":
                if asked:
                    return Reaction(say=f"{answer(text)} Although, no, not really, I'm not interested.")
            case "rambler":
                if asked and self._turns < 3:
                    return Reaction(say=self._story())
        if asked:
            return Reaction(say=answer(text))
        # People fill a silence that follows a statement, once in a while and not for ever.
        return Reaction(say="Okay.") if self._statements in (1, 3) else LISTEN

    def _refuse(self, asked: bool, first: str, then: str) -> Reaction:
        self._refusals += 1
        if self._refusals == 1:
            return Reaction(say=first)
        if not asked:
            return LISTEN
        if self._refusals == 2:
            return Reaction(say=then)
        self.said_goodbye = True
        return Reaction(hang_up=True)

    def _put_off(self, text: str, asked: bool) -> Reaction:
        """Has no time now, whatever is asked; only a question about the time is answered."""
        if self._refusals and _ABOUT_TIME.search(text):
            return Reaction(say="Tomorrow at three in the afternoon.")
        if self._refusals and not asked:
            return LISTEN
        self._refusals += 1
        if self._refusals == 1:
            return Reaction(say="I can't talk now. Can you call me tomorrow at three?")
        if self._refusals == 2:
            return Reaction(say="As I said, I can't talk now. Please call me tomorrow at three.")
        self.said_goodbye = True
        return Reaction(say="I really have to go now. Bye.", hang_up=True)

    def _press(self, text: str, asked: bool) -> Reaction:
        wanted = _PRESS.search(text)
        if wanted:
            key = wanted.group(1).lower()
            return Reaction(digits={"star": "*", "pound": "#"}.get(key) or _WORDS.get(key, key))
        return Reaction(digits="9") if asked else LISTEN

    def _screen(self, text: str) -> Reaction:
        """The robot waits for a name; then it fetches the person, who says hello when all is quiet."""
        if self._announced == 0 and re.search(r"\b(?:this is|calling for|about)\b", text, re.I):
            self._announced = 1
            return Reaction(say="Thanks. Please stay on the line.")
        return LISTEN

    def _story(self) -> str:
        stories = (
            "Well, you know, we had something like that years ago, with my brother in law, and he "
            "always said that it never pays to hurry, so we waited, and in the end it was just as "
            "well, but yes, why not.",
            "Oh, that reminds me of the old office on the corner, we had three people there and a dog, "
            "and the telephone rang all day, those were the days, anyway, what was it you asked, yes.",
            "Let me think, it was in March, no, April, when the roof was done, and since then we have "
            "been looking at this and that, my wife more than me, so I suppose yes, tell me more.",
        )
        self._first_story = self._rng.randrange(3) if self._first_story is None else self._first_story
        return stories[(self._first_story + self._turns) % len(stories)]

    def after_silence(self, times: int) -> Reaction:
        """What the person does when its patience has run out, for the `times`-th time in a row."""
        if self.persona == "screener" and self._announced < 2:
            self._announced += 1
            return Reaction(say="Hello? Who is it?" if self._announced == 2 else SCREENING)
        if self.said_goodbye or times > 1 or self.persona == "silent":
            return Reaction(hang_up=True)
        return Reaction(hang_up=True) if self._turns else Reaction(say="Hello? Is anybody there?")
