"""Recognises that a person asks not to be called again, in any wording, before any model has a say.

Law (47 CFR 64.1200(a)(10)): any reasonable means of revoking consent counts, and the words stop, quit, end,
revoke, opt out, cancel and unsubscribe always do. So doubt suppresses, with one kind of exception: a request
that is only about a time ("don't call me tomorrow, call Friday") or that merely declines ("not interested")
is no opt-out. Phrases of every known language are tried in every call, since people answer in their own;
single words only in English and the campaign's language.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from campaign.domain.opt_out_wordings import ALWAYS, UNLESS_TIMED
from campaign.domain.opt_out_words import WORDS
from campaign.domain.phrases import primary


class OptOut(msgspec.Struct, frozen=True):
    """A recognised request; `quote` is the person's own words, at most 300 characters."""

    quote: str


def recognise(text: str, language: str = "en") -> OptOut | None:
    """The opt-out in what the person said, or None.

    Args:
        text: a transcript of any length; only its first 2,000 characters count.
        language: BCP-47 tag of the campaign, for single-word requests.
    """
    said = _plain(text[:2000])
    if not said:
        return None
    if _is_single_word(said, primary(language)) or _asks(said):
        return OptOut(_quote(text))
    words = said.split()
    stems = {word[:n] for word in words for n in (3, 4, 5, 6)}
    stems.update(word + "_" for word in words if len(word) < 6)
    if any(one.asks(said) for one in _LANGUAGES if not one.stems.isdisjoint(stems)):
        return OptOut(_quote(text))
    return None


def _asks(said: str) -> bool:
    """Whether one of the wordings that are looked for in every language stands in it."""
    if not any(map(said.__contains__, _NEEDED)):
        return False
    if _ALWAYS.search(said):
        return True
    return any(not _only_a_time(said, match) for match in _UNLESS_TIMED.finditer(said))


@lru_cache(maxsize=1024)
def sweep(turns: tuple[str | None, ...], language: str = "en") -> OptOut | None:
    """The opt-out in a whole call's transcript, or None: also one that was cut in two by a pause.

    To be asked once the call is over: what `recognise` saw in no single utterance may stand in two or three
    that followed each other.

    Args:
        turns: what the person said, in order; None where we said something that was heard whole in between.
        language: as in `recognise`.
    """
    run: list[str] = []
    for said in turns:
        if said is None:
            run = []
            continue
        run = [*run[-(MOST_PIECES - 1) :], said]
        for first in range(len(run) - 1, -1, -1):
            pieces = [piece.rstrip(" .,;:!?…") for piece in run[first:]]
            found = recognise(" ".join(pieces), language)
            if found is not None:
                return found
    return None


MOST_PIECES: Final = 3
"""Utterances that one request may be spread over."""


def _quote(text: str) -> str:
    return " ".join(text.split())[:300]


_APOSTROPHES: Final = re.compile(r"['’`´‘’]")
_MARKS: Final = re.compile(r"[.,;:!?…—–()\"“”„«»¿¡।]+")
_OTHERS: Final = re.compile(r"[^\w,\u0900-\u0963]+")
"""Devanagari's vowel signs are no letters to `re`, and must not part a word."""
_LETTERS: Final = str.maketrans({"ł": "l", "ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ı": "i"})


def fold(text: str) -> str:
    """Lower case without accents; what speech recognition writes with them and without is the same."""
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(char for char in folded if not unicodedata.combining(char))


def _plain(text: str) -> str:
    """Folded, apostrophes dropped, clauses separated by " , "."""
    folded = text.lower() if text.isascii() else fold(text)
    folded = _APOSTROPHES.sub("", folded)
    folded = _MARKS.sub(" , ", folded)
    folded = _OTHERS.sub(" ", folded)
    return " ".join(folded.split()).strip(" ,")


_FILLER = (
    r"(?:i said|please|just|ok|okay|hey|hi|hello|uh|um|oh|well|no|now|right now|thanks|thank you|sir|maam|"
    r"look|listen|"
    r"por favor|gracias|ya|bitte|danke|jetzt|sofort|merci|maintenant|s il vous plait|sil vous plait|,)"
)
_WHOLE: Final = {
    tag: re.compile(rf"(?:{_FILLER}\s+)*(?:{fold(words.single)})(?:\s+(?:{_FILLER}|{fold(words.single)}))*")
    for tag, words in WORDS.items()
}


def _is_single_word(said: str, language: str) -> bool:
    own = _WHOLE.get(language)
    return bool(_WHOLE["en"].fullmatch(said)) or (own is not None and bool(own.fullmatch(said)))


_ALWAYS: Final = re.compile("|".join(one.pattern for one in ALWAYS))
_UNLESS_TIMED: Final = re.compile("|".join(one.pattern for one in UNLESS_TIMED))
_NEEDED: Final = tuple({need for one in (*ALWAYS, *UNLESS_TIMED) for need in one.needs.split("|")})

_FOR_EVER = re.compile(
    r"\b(?:again|ever|any ?more|mas|nunca|jamas|plus|jamais|mehr|wieder|nie)\b(?! until| till| before|"
    r" today| tonight| "
    r"this| tomorrow| on | next)"
)
_DAY = (
    r"(?:today|tonight|tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|weekends?|weekdays?|"
    r"mornings?|evenings?|"
    r"afternoons?|nights?|christmas|lunes|martes|miercoles|jueves|viernes|sabado|domingo|manana|hoy|"
    r"demain|lundi|mardi|"
    r"mercredi|jeudi|vendredi|samedi|dimanche|aujourdhui|morgen|heute|montags?|dienstags?|mittwochs?|"
    r"matin|soir|midi|nuit|noche|tarde|abends?|morgens|nachts?|mittags?|donnerstags?|"
    r"freitags?|samstags?|sonntags?)"
)
_TIMED = re.compile(
    rf"^(?: ,)?(?: (?:please|back|then|anymore|again|por favor|bitte|el|am|le|la))* "
    rf"(?:{_DAY}|right now|now\b|yet\b|next \w+|this (?:week|month|morning|afternoon|evening|early|"
    rf"late|time|second)|"
    rf"on (?:the |a )?(?:\w+ )?{_DAY}|before\b|until\b|till\b|between\b|during\b|while\b|when\b|if\b|"
    rf"unless\b|"
    rf"after (?!this\b|today\b|that\b)\w+|at (?:night|\d|this (?:time|hour)|noon|lunch|dinner|midnight|"
    rf"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b)|in the (?:morning|evening|"
    rf"afternoon|middle)|"
    rf"so (?:early|late|often)|too (?:early|late)|over the weekend|first\b|"
    rf"for (?:a|the next|another|at least) (?:few|couple|while|week|month|day|\w+ (?:days|weeks|months|"
    rf"hours|minutes))|"
    rf"ce (?:soir|matin|midi)\b|"
    rf"wenn\b|antes|hasta|avant|vor\b|bis\b|names?\b|that\b|it\b|mister|mr|mrs|sir|maam|buddy|honey|"
    rf"crazy|stupid|an?\b|the\b|"
    rf"ahora|por la|maintenant|jetzt)"
)
_DAY_FIRST = re.compile(rf"(?:but |please |so )*(?:{_DAY}|right now|now|at night|in the \w+)(?: please)?$")
_LATER = re.compile(
    rf"(?<!dont )(?<!not )(?<!never )(?<!stop )\b(?:call|ring|phone|try|llamen?|llameme|r?appelez|"
    rf"rufen|anrufen)"
    rf"(?: (?:me|us|back|again|moi|sie|mich|plutot))* (?:(?:on|at|in|after|around|el|le|am|um|lieber|"
    rf"next|the|plutot) )*"
    rf"(?:{_DAY}|later|week|month|instead|\d|one\b|two\b|three\b|four\b|five\b|six\b|seven\b|eight\b|"
    rf"nine\b|ten\b)"
)
_REPORTED = re.compile(
    r"(?:\b(?:why|when did|did|didnt|if|unless|until|before|never said|didnt say|not saying)"
    r"(?: (?:you|they|i|we|he|she|please|ever|would|will|people|guys))*)$"
)


@dataclass(frozen=True, slots=True)
class _Language:
    """One language's wording, made ready."""

    stems: frozenset[str]
    always: re.Pattern[str]
    timed: re.Pattern[str] | None
    times: frozenset[str]

    def asks(self, said: str) -> bool:
        """Whether it asks not to be called; what is only about a time doesn't."""
        if self.always.search(said):
            return True
        if self.timed is None:
            return False
        return any(self.times.isdisjoint(_clause(said, found)) for found in self.timed.finditer(said))


def _clause(said: str, found: re.Match[str]) -> list[str]:
    """The words of the clause that holds the match, and of the next one: "not tomorrow, call on Friday"."""
    begin = said.rfind(" , ", 0, found.start()) + 1
    parts = said[found.end() :].split(" , ", 2)
    return (said[begin : found.end()] + " " + " ".join(parts[:2])).split()


def _whole_words(patterns: Sequence[str]) -> re.Pattern[str]:
    parts = re.split(r"(\\.)", "|".join(patterns))  # what stands behind a backslash is no text to fold
    folded = "".join(part if part.startswith("\\") else fold(part) for part in parts)
    return re.compile(rf"(?<!\S)(?:{folded})(?!\S)")


_LANGUAGES: Final = [
    _Language(
        frozenset(fold(words.stems).split()),
        _whole_words(words.always),
        _whole_words(words.timed) if words.timed else None,
        frozenset(fold(words.times).split()),
    )
    for words in WORDS.values()
]


_NEGATED: Final = re.compile(
    r"\b(?:dont|do not|never|didnt|did not|not)(?: (?:want|mean|need|ask|asking|tell|telling|saying))?"
    r"(?: (?:you|them|to|for))* $"
)
"""What makes "stop calling" its opposite: "I don't want you to stop calling", "please don't stop calling"."""


def _only_a_time(said: str, match: re.Match[str]) -> bool:
    """Whether the refusal in `match` is about a time or another matter, not about being called at all."""
    rest = said[match.end() :]
    before = said[: match.start()].rstrip(" ,")
    if match[0].startswith("stop") and _NEGATED.search(said[: match.start()]):
        return True
    if match[0].startswith(("stop", "quit", "cease", "dont", "do not", "never")) and _REPORTED.search(before):
        return True
    if _FOR_EVER.search(match[0] + rest):
        return bool(_LATER.search(rest)) and not _FOR_EVER.search(match[0])
    return bool(
        _TIMED.match(rest) or _LATER.search(rest) or _DAY_FIRST.match(before.rsplit(",", 1)[-1].strip())
    )
