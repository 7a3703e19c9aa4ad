"""The codes that say how an attempt ended, and what each means."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Category(StrEnum):
    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"


class Disposition(StrEnum):
    """How an attempt ended: by the conversation, or by the system (VOCABULARY: disposition)."""

    # the conversation's
    INTERESTED = "interested"
    NOT_INTERESTED = "not_interested"
    CALLBACK = "callback"
    DO_NOT_CALL = "do_not_call"
    WRONG_NUMBER = "wrong_number"
    TRANSFERRED = "transferred"
    COMPLETED = "completed"
    NO_CONVERSATION = "no_conversation"
    # the system's
    VOICEMAIL_LEFT = "voicemail_left"
    MACHINE = "machine"
    FAX = "fax"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    BAD_NUMBER = "bad_number"
    CANCELED = "canceled"
    ABANDONED = "abandoned"
    TURNED_AWAY = "turned_away"
    NOT_PLACED = "not_placed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a disposition means.

    Args:
        category: success, neutral or failure, for reports.
        words: a short phrase for people.
        by_conversation: the person and we talked; otherwise the system concluded it.
        connect: a human voice was reached (counts for the connect rate).
        final: the contact is never retried after it, whatever the campaign says.
        counts: it uses up one of the contact's attempts (its phone rang, or may have rung).
    """

    category: Category
    words: str
    by_conversation: bool = False
    connect: bool = False
    final: bool = False
    counts: bool = True


MEANING = MappingProxyType(
    {
        Disposition.INTERESTED: Meaning(Category.SUCCESS, "interested", True, True, True),
        Disposition.TRANSFERRED: Meaning(Category.SUCCESS, "transferred to a person", True, True, True),
        Disposition.CALLBACK: Meaning(Category.NEUTRAL, "asked to be called back", True, True),
        Disposition.COMPLETED: Meaning(Category.NEUTRAL, "talked, without a clear result", True, True, True),
        Disposition.NOT_INTERESTED: Meaning(Category.FAILURE, "not interested", True, True, True),
        Disposition.DO_NOT_CALL: Meaning(Category.FAILURE, "asked not to be called", True, True, True),
        Disposition.WRONG_NUMBER: Meaning(Category.FAILURE, "wrong number", True, True, True),
        Disposition.NO_CONVERSATION: Meaning(
            Category.NEUTRAL, "answered, but nobody spoke with us", True, True
        ),
        Disposition.VOICEMAIL_LEFT: Meaning(Category.NEUTRAL, "left a voicemail message"),
        Disposition.MACHINE: Meaning(Category.NEUTRAL, "an answering machine picked up"),
        Disposition.FAX: Meaning(Category.FAILURE, "a fax machine picked up"),
        Disposition.BUSY: Meaning(Category.NEUTRAL, "busy"),
        Disposition.NO_ANSWER: Meaning(Category.NEUTRAL, "no answer"),
        Disposition.FAILED: Meaning(Category.FAILURE, "the call could not be completed"),
        Disposition.BAD_NUMBER: Meaning(Category.FAILURE, "the number does not work"),
        Disposition.CANCELED: Meaning(Category.NEUTRAL, "cancelled before it was answered", counts=False),
        Disposition.ABANDONED: Meaning(
            Category.FAILURE, "answered, but our first words did not come in time", connect=True
        ),
        Disposition.TURNED_AWAY: Meaning(
            Category.FAILURE, "answered after calling was no longer allowed", connect=True
        ),
        Disposition.NOT_PLACED: Meaning(Category.NEUTRAL, "never left this service", counts=False),
        Disposition.UNKNOWN: Meaning(Category.NEUTRAL, "nobody can say whether it was dialled"),
    }
)


CONCLUDED = frozenset(
    {
        Disposition.INTERESTED,
        Disposition.NOT_INTERESTED,
        Disposition.DO_NOT_CALL,
        Disposition.WRONG_NUMBER,
    }
)
"""What only a conversation that came to its end concludes: nothing is left to say but goodbye. A callback may
be agreed on long before the end, and a transfer is still to be made."""
NEVER_REDIALLED = frozenset({Disposition.DO_NOT_CALL, Disposition.WRONG_NUMBER})
"""Nobody may put a contact whose last call ended so back in the queue."""
MACHINES = frozenset({Disposition.MACHINE, Disposition.FAX})
UNANSWERED = frozenset(
    {
        Disposition.BUSY,
        Disposition.NO_ANSWER,
        Disposition.FAILED,
        Disposition.BAD_NUMBER,
        Disposition.CANCELED,
        Disposition.NOT_PLACED,
        Disposition.UNKNOWN,
    }
)
"""Nobody and nothing picked up; every other disposition counts for the answer rate."""


def replaces(new: Disposition, old: Disposition | None) -> bool:
    """Whether a conversation's conclusion takes the place of an earlier one of the same call.

    The later one does, unless it says less: each session that breaks off leaves "talked" or "nobody spoke",
    which must not undo what the person said before; and an opt-out is never replaced.
    """
    return old is None or (new is not old and _says(new) >= _says(old))


def _says(code: Disposition) -> int:
    match code:
        case Disposition.NO_CONVERSATION:
            return 0
        case Disposition.COMPLETED:
            return 1
        case Disposition.MACHINE | Disposition.FAX:
            return 2
        case Disposition.DO_NOT_CALL:
            return 4
        case _:
            return 3


@dataclass(frozen=True, slots=True)
class Ending:
    """All facts that decide how a finished attempt ended; None where nothing is known.

    Args:
        call_status: Twilio's last word (completed, busy, no-answer, failed, canceled), or None.
        placed: False when it is proven that no call was created.
        refused_number: Twilio refused the number itself (TWILIO 4.3: permanent).
        answered: the call was in progress at some time.
        answered_by: AMD's verdict, or None.
        sip_code: of the final status callback, or None.
        talk: what the conversation itself concluded, or None; machine or fax when it heard one.
        voicemail_left: our message was played to a machine.
        session_opened: the conversation's socket was opened at least once.
        first_word: our first words went out on this call.
        turned_away: the TwiML fetch refused an answered call.
    """

    call_status: str | None = None
    placed: bool = True
    refused_number: bool = False
    answered: bool = False
    answered_by: str | None = None
    sip_code: int | None = None
    talk: Disposition | None = None
    voicemail_left: bool = False
    session_opened: bool = False
    first_word: bool = False
    turned_away: bool = False


# SIP answers that say the number itself does not exist or was refused for good (404, 484, 604).
NUMBER_IS_BAD_SIP = frozenset({404, 484, 604})


def conclude(ending: Ending) -> Disposition:
    """Say how an attempt ended. A pure function of the facts, so that late facts can only refine it.

    The order matters: proof that a person spoke beats a machine verdict ("he is not available at the
    moment" makes detectors hang up on real people), and "completed" alone says only that somebody or
    something picked up (TWILIO 3.5).
    """
    if not ending.placed:
        return Disposition.BAD_NUMBER if ending.refused_number else Disposition.NOT_PLACED
    if ending.talk is not None and ending.talk not in MACHINES:
        return ending.talk
    if ending.voicemail_left:
        return Disposition.VOICEMAIL_LEFT
    if ending.talk is not None:
        return ending.talk
    if ending.turned_away:
        return Disposition.TURNED_AWAY
    match ending.call_status:
        case "busy":
            return Disposition.BUSY
        case "no-answer":
            return Disposition.NO_ANSWER
        case "canceled":
            return Disposition.CANCELED
        case "failed" if ending.sip_code in NUMBER_IS_BAD_SIP:
            return Disposition.BAD_NUMBER
        case "failed":
            return Disposition.FAILED
        case None if not ending.answered:
            return Disposition.UNKNOWN
    if ending.answered_by == "fax":
        return Disposition.FAX
    if ending.answered_by is not None and ending.answered_by.startswith("machine"):
        return Disposition.MACHINE
    if not ending.first_word:
        return Disposition.ABANDONED
    return Disposition.NO_CONVERSATION
