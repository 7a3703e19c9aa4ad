"""What a session does when no person has picked up: a mailbox, a fax, or a robot that screens calls.

A robot that asks who is calling is told so in one sentence. Nothing that it has heard counts as said to the
person: when they come, everything begins anew. Until then we wait, but not for ever.
"""

from typing import Final

from campaign.domain import machine_greeting, screening
from campaign.domain.conversation.conduct import Conduct, Phase
from campaign.domain.conversation.events import Command, FirstWord, Note, Send
from campaign.domain.disposition import Disposition
from campaign.domain.relay_protocol import SendDigits

GREETING_WITHIN: Final = 60.0
"""Seconds from the session's beginning within which what is said may be a machine's greeting."""
VERDICT_WAIT: Final = 40.0
"""Seconds that a machine which was heard is given until detection says where a message may begin; Twilio
looks for the end of a greeting for 30 s by default."""
GREETING_TURNS: Final = 4
"""Turns of an earlier session within which a machine greets."""
SCREEN_WAIT: Final = 40.0
"""Seconds that a person is given to come to the phone after a robot was answered."""
MOST_ROBOTS: Final = 4
"""What a robot may ask or announce before we give up."""


class Machines(Conduct):
    """Beyond `Conduct`: how to open, and what to do about machines and robots."""

    # ── opening ────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, now: float) -> list[Command]:
        """The disclosures and the greeting."""
        self.phase = Phase.TALKING
        self._timers.pop("open", None)
        self._opened_at = now
        commands = self._first_words(now)
        commands += self._disclose(now)
        return commands + self._say(self._script.greeting, now)

    def _first_words(self, now: float) -> list[Command]:
        if self._first_word:
            return []
        self._first_word = True
        return [FirstWord(round((now - self._setup_at) * 1000))]

    # ── mailboxes and faxes ────────────────────────────────────────────────────────────────────────────

    def _machine(self, answered_by: str, now: float) -> list[Command]:
        """Detection's verdict."""
        if answered_by == "human" and self._hushed:
            return self._a_person_after_all(now)
        machine = answered_by.startswith("machine") and not self._talk_to_machines
        if not machine and answered_by != "fax":
            return []
        if self.phase in (Phase.NEW, Phase.ENDING):
            return []
        if self._robots and answered_by not in ("fax", "machine_greeting"):
            return [Note(f"a robot screens the call, so {answered_by} is no mailbox")]
        commands = self._replies.cancel(self._timers)
        self._closing = {"reason": "machine", "answered_by": answered_by}
        commands += self._conclude(Disposition.FAX if answered_by == "fax" else Disposition.MACHINE)
        return commands + self._end(now)

    def _is_machine(self, said: str) -> bool:
        return not self._talk_to_machines and machine_greeting.recognise(said)

    def _machine_spoke_before(self) -> bool:
        """Whether the session that broke off had heard a machine's greeting."""
        maybe = self._resumed if self.disposition in (None, Disposition.MACHINE) else None
        turns = maybe.turns if maybe else ()
        said = [turn.text for turn in turns if turn.speaker == "person"]
        return any(self._is_machine(one) and not screening.recognise(one) for one in said[:GREETING_TURNS])

    def _machine_heard(self, now: float) -> list[Command]:
        """It says so itself: over, or we are silent until detection says where a message may begin."""
        if not self._leave_message or self.phase is Phase.CLOSING or self._robots:
            return self._machine("machine_greeting", now)
        if self._hushed or self.phase is Phase.ENDING:
            return []
        self._hushed = True
        self.phase = Phase.TALKING
        for timer in ("open", "silence"):
            self._timers.pop(timer, None)
        self._timers["machine"] = now + VERDICT_WAIT
        return self._replies.cancel(self._timers)

    def _a_person_after_all(self, now: float) -> list[Command]:
        """Detection knows better than words that sounded like a mailbox's."""
        self._hushed = False
        self._timers.pop("machine", None)
        return self._say(self._lines.nudge, now) if self._first_word else self._open(now)

    # ── robots that screen calls ───────────────────────────────────────────────────────────────────────

    def _not_a_person(self, said: str, now: float) -> list[Command] | None:
        """What to do about a mailbox's greeting or a robot's question; None: a person speaks."""
        if now - self._setup_at >= GREETING_WITHIN and not self._screening:
            return None
        robot = screening.recognise(said, waiting=self._screening)
        if robot is not None and not self._hushed:
            return self._answer_robot(robot, now)
        return self._machine_heard(now) if self._is_machine(said) else None

    def _answer_robot(self, robot: screening.Robot, now: float) -> list[Command]:
        if self.phase not in (Phase.OPENING, Phase.TALKING):
            return []
        commands = self._replies.cancel(self._timers)
        self.phase = Phase.TALKING
        self._screening = True
        self._robots += 1
        self.transcript.unhear()
        for timer in ("open", "silence"):
            self._timers.pop(timer, None)
        self._timers["screen"] = now + SCREEN_WAIT
        if robot.refuses or self._robots > MOST_ROBOTS:
            return commands + self._give_up(now, self._lines.goodbye if robot.refuses else "")
        if robot.key:
            commands += self._first_words(now)
            commands += [*self.transcript.press(robot.key, now), Send(SendDigits(robot.key))]
        elif robot.asks:
            commands += self._first_words(now)
            commands += self._say(self._lines.screening, now)
        return commands

    def _give_up(self, now: float, line: str = "") -> list[Command]:
        """The robot, or whoever it may be, lets nobody such as us through; or nobody comes."""
        self._timers.pop("screen", None)
        commands = self._conclude(Disposition.NO_CONVERSATION)
        self._screening = False
        return commands + self._goodbye(line, "screened", now)

    def _start_over(self, now: float) -> list[Command]:
        """The person has come to the phone: greeting and disclosures are for them."""
        self._screening = False
        self._timers.pop("screen", None)
        told = "A robot screened the call and was answered; now the person is on the line."
        commands = self.transcript.note("(a robot screened the call; now the person speaks)", now, told=told)
        return commands + self._open(now)

    def _press(self, menu: str, now: float) -> list[Command]:
        """Press the keys of one of the script's menus, behind what is being said."""
        digits = self._script.menus[menu].digits
        return [*self.transcript.press(digits, now), Send(SendDigits(digits))]
