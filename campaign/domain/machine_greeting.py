"""Recognises an answering machine by what it says, for the calls where detection says nothing or too late.

Twilio's verdict is a callback, and callbacks are lost; with detection switched off there is none at all. But
a machine's greeting is a transcript like any other, and asks in a handful of ways for a message after a tone.
Only what no person says who has picked up counts: "he isn't in, would you like to leave a message?" is a
person, and so is one who says that they can't talk now; a phone's screening assistant ("record your name and
reason for calling") puts the call through, so it is none either. Phrases of every known language are tried in
every call, since a machine speaks its owner's.
"""

import re
from typing import Final

from campaign.domain.spoken import plain

_TONE: Final = (
    r"(?:after|at|following|wait for|until) (?:you hear )?the (?:sound of the |long |short )?(?:tone|beep)",
    r"despues d(?:el (?:tono|bip|pitido)|e la senal)",
    r"apres le (?:bip|signal sonore|signal|ton)",
    r"nach dem (?:\w+ )?(?:signal|signalton|piepton|piep|ton)",
)
_MAILBOX: Final = (
    r"reached (?:\w+ ){0,4}(?:voice ?mail|mail ?box|answering machine|answering service|answerphone)",
    r"(?:voice ?mail|mail ?box) (?:box )?(?:is full|of|has not been set up|that has not been set up)",
    r"(?:forwarded|transferred) to (?:\w+ ){0,2}voice (?:mail|messag\w+)",
    r"buzon de voz (?:de|esta)",
    r"(?:messagerie vocale|boite vocale|repondeur) d[eu]",
    r"(?:mailbox|anrufbeantworter) (?:von|der|des)",
)
_MESSAGE: Final = (
    r"(?:please|kindly) (?:leave|record) (?:me |us )?(?:a|your) (?:\w+ )?(?:name|message)",
    r"leave (?:me |us )?(?:a|your) (?:\w+ )?(?:name|message) and (?:i|we)(?:ll| will)",
    r"(?:por favor )?deje (?:un|su) (?:mensaje|nombre)",
    r"laissez (?:moi |nous )?(?:un|votre) (?:message|nom)",
    r"(?:hinterlassen|sprechen) sie (?:\w+ ){0,3}nachricht",
)
_GREETING: Final = re.compile(rf"\b(?:{'|'.join((*_TONE, *_MAILBOX, *_MESSAGE))})\b")
_LONGEST: Final = 1000
"""Characters of one transcript that count."""


def recognise(said: str) -> bool:
    """Whether a machine's greeting says so: a mailbox, a tone to wait for, a message to leave.

    Args:
        said: a transcript of any length; only its first 1,000 characters count.
    """
    return _GREETING.search(plain(said[:_LONGEST])) is not None
