"""Small sounds of a listener ("uh-huh", "okay", "ja") in the languages of the service.

Said while we speak they mean "I'm listening"; said after a question they may be its answer. This module only
knows the sounds; what they mean where is decided in the conversation.
"""

import re
from typing import Final

from campaign.domain.opt_out import fold

_SOUNDS: Final = (
    # of many languages
    "uh huh|uhhuh|uhuh|mhm|mm hmm|mmhmm|mhmm|mm|mmm|hmm|hm|aha|ah|oh|eh|um|uh|ok|okay|okey|oke",
    # English
    "yeah|yep|yup|yes|right|i see|sure|go on|got it|alright|all right|fine|gotcha|cool|really|wow|true|"
    "good|great",
    # Spanish, French, German
    "si|claro|vale|ya|aja|entiendo|bueno|dale|oui|ouais|d accord|daccord|je vois|bien|tres bien|voila|"
    "entendu",
    "ja|jaja|genau|ach so|achso|stimmt|verstehe|gut|na gut|alles klar|schon|klar|so",
    # Italian, Portuguese, Dutch, Polish
    "certo|capito|ho capito|va bene|bene|esatto|sim|sei|pois|pois e|ta|ta bom|ta bem|certo|entendi|claro",
    "jawel|precies|juist|goed|prima|snap ik|tak|no tak|aha|rozumiem|jasne|dobrze|mhm|no",
    # Hindi, written in either script
    "haan|ha|han|ji|haan ji|ji haan|achha|accha|acha|theek hai|thik hai|sahi|hanji|हाँ|हां|जी|अच्छा|ठीक "
    "है|सही|हाँ जी|जी हाँ",
)
_ONE: Final = "|".join(
    sorted({fold(sound) for group in _SOUNDS for sound in group.split("|")} - {"no"}, key=len, reverse=True)
)
_ONLY: Final = re.compile(rf"(?:{_ONE})(?: (?:{_ONE}))*")
_LEAVE: Final = (
    "bye|bye bye|goodbye|good bye|thanks|thank you|you too|take care|have a good day|adios|gracias|chao|"
    "hasta luego|"
    "merci|au revoir|bonne journee|danke|tschuss|auf wiederhoren|ciao|grazie|arrivederci|obrigado|"
    "obrigada|tchau|"
    "dag|doei|bedankt|dank u|dziekuje|do widzenia|dhanyavaad|shukriya|namaste|धन्यवाद|नमस्ते|शुक्रिया"
)
_LEAVING: Final = re.compile(
    rf"(?:{_ONE}|{'|'.join(sorted(map(fold, _LEAVE.split('|')), key=len, reverse=True))})"
    rf"(?: (?:{_ONE}|{'|'.join(sorted(map(fold, _LEAVE.split('|')), key=len, reverse=True))}))*"
)
_MARKS: Final = re.compile(r"[\s.,;:!?…—–\-।¡¿\"']+")
LONGEST: Final = 40
"""Characters beyond which nobody only hums."""


def recognise(said: str) -> bool:
    """Whether what was said is nothing but a listener's sounds.

    Args:
        said: a transcript; longer ones than 40 characters are more than that.
    """
    return len(said) <= LONGEST and _ONLY.fullmatch(_words(said)) is not None


def takes_leave(said: str) -> bool:
    """Whether what was said only thanks and takes leave, or is a listener's sound."""
    return len(said) <= LONGEST and _LEAVING.fullmatch(_words(said)) is not None


def _words(said: str) -> str:
    return _MARKS.sub(" ", fold(said)).strip()
