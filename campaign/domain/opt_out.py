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
    if _is_single_word(said, primary(language)) or _ALWAYS.search(said):
        return OptOut(_quote(text))
    for match in _UNLESS_TIMED.finditer(said):
        if not _only_a_time(said, match):
            return OptOut(_quote(text))
    words = said.split()
    stems = {word[:n] for word in words for n in (3, 4, 5, 6)}
    stems.update(word + "_" for word in words if len(word) < 6)
    if any(one.asks(said) for one in _LANGUAGES if not one.stems.isdisjoint(stems)):
        return OptOut(_quote(text))
    return None


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


_ME = (
    r"(?:me|us|my (?:\w+ )?(?:name|number|phone|line|information|info|details|data|record)s?(?: number)?|"
    r"our (?:\w+ )?(?:name|number|phone|line|details)s?|this (?:\w+ )?(?:number|phone|line|house|home|"
    r"address)|"
    r"that number|the number|it|him|her|them|my (?:wife|husband|mother|father|mom|dad|son|daughter))"
)
_CALLS = r"(?:calls?|phone calls?|robocalls?|contact|harassment|spam)"
_LIST = (
    r"(?:lists?|database|data base|records?|systems?|files?|books?|call sheet|campaign|calls?|dialer|"
    r"contacts?)"
)

_ALWAYS: Final = re.compile(
    "|".join(
        (
            # taken off a list
            rf"\b(?:take|get|pull|cut|scratch|strike|drop|leave|keep|cross) {_ME} off (?:of )?"
            rf"(?:(?:your|the|that|this|these|those|any|all|every|whatever) )*(?:\w+ ){{0,3}}?{_LIST}\b",
            rf"\b(?:take|get|pull|cut) {_ME} off(?: please)?(?: ,|$)",
            rf"\b(?:remove|delete|erase|scrub|wipe|purge|unlist|deregister) {_ME}\b",
            r"\bbe (?:removed|deleted|taken off|dropped|erased)\b(?! (?:from )?hold)",
            r"\b(?:want|wanna be|like|need) (?:me |us )?off (?:of )?(?:your|the|this|that) (?:\w+ )?list\b",
            r"\boff (?:of )?your (?:\w+ ){0,2}list\b",
            # the do-not-call list itself
            r"\b(?:do not|dont|no) call (?:list|registry|register|database)\b",
            r"\b(?:put|add|place) (?:me|us|my number|this number|this|it) (?:down )?(?:on|to|onto|in|as) "
            r"(?:(?:your|the|a|that) )?(?:internal )?(?:do not call|dont call|no call|dnc)\b",
            r"\bdnc list\b",
            # consent withdrawn
            r"\bunsubscrib\w*\b|\bopt(?:ing|ed)? (?:me |us |this number )?out\b",
            r"\b(?:revoke|withdraw|rescind|take back)\w* (?:my |our |any |all )?(?:consent|permission)\b",
            r"\bi (?:do not|dont|no longer) (?:give (?:you )?)?(?:consent|permission)\b",
            # stop the calls
            rf"\b(?!end (?:this|the|our) call\b)(?:stop|quit|cease|end|enough|no more|halt)(?: with)?(?: "
            rf"(?:all|the|these|those|your|"
            rf"any|of|more|this|"
            rf"further|future|unwanted|damn|stupid|fucking))* {_CALLS}\b(?! (?:it|that|yourself|him a))",
            r"\b(?:stop|quit|cease) (?:bothering|harassing|pestering|spamming|contacting|disturbing|"
            r"dialing|dialling|"
            r"ringing|phoning|bugging|annoying|trying to (?:call|reach|contact)) ?",
            r"\bcease and desist\b|\bno more (?:phone )?calls\b|\benough with the calls\b",
            r"\b(?:leave|let) (?:me|us|my family|my (?:mother|father|wife|husband)) (?:alone|be)(?: ,|"
            r"$| please| now|"
            r" already| and)",
            r"\b(?:lose|forget|delete|burn|throw away|shred|destroy) (?:my|this|our) (?:phone )?number\b",
            r"\b(?:fuck|piss|sod|bugger) off\b",
            r"\bdo ?n[o]?t (?:ever )?(?:want|wish|care) to (?:hear|get (?:a )?calls?|receive (?:any "
            r")?(?:more )?calls?) "
            r"(?:from|for|like)\b",
            r"\b(?:no longer|not|never) (?:want|wish|wanting|like) (?:to )?(?:be |get |receive |"
            r"getting |receiving )"
            r"(?:called|contacted|phoned|these|your|any|more|calls?)",
            r"\bdont (?:want|need|wish|like)(?: to)?(?: get| receive| getting| receiving| have)?(?: "
            r"any| your| these| more"
            r"| further| such| sales| marketing)* (?:phone )?calls\b(?! (?:in the|at|before|after|on|"
            r"during|today|tomorrow))",
            r"(?<!dont )(?<!not )(?<!never )(?<!didnt )\b(?:want|like|need|tell|ask|have|make)\w* (?:you "
            r"|them |it |these |those |all "
            r")*(?:people |guys |calls )*"
            r"(?:to )?stop(?: getting| receiving| these| the| calling| all| ,|$)",
            r"\bnever (?:ever )?(?:call|phone|ring|contact|dial|bother)(?: (?:me|us|here|this \w+|my \w+))*"
            r" (?:again|any ?more|ever)\b",
            # Spanish
            r"\b(?:quit[ea]n?me|saqu?[ea]n?me|elimin[ea]n?me|borr[ea]n?me|retir[ea]n?me|me (?:quiten?|"
            r"saquen?|borren?|"
            r"eliminen?))\b(?! (?:la duda|el|un))",
            r"\b(?:borr|elimin|quit|retir)en? mi (?:numero|nombre|telefono)\b",
            r"\b(?:dej[ea]n?|par[ea]n?|dejar|parar) de (?:llamar|molestar|marcar)\w*\b",
            r"\bno (?:me )?vuelv[ae]n? a (?:llamar|marcar|contactar|molestar)\w*\b",
            r"\bno (?:me )?(?:llam|molest|contact|marqu)[ea]n? (?:mas|nunca|jamas|otra vez)\b|\bno "
            r"mas llamadas\b",
            r"\bno (?:quiero|deseo) (?:recibir )?(?:mas |sus |estas )*llamadas\b(?! (?:por|de|a|antes|en|"
            r"hoy)\b)|\bno quiero que me "
            r"(?:llam|contact)en\b",
            r"\bdej[ea]n?me en paz\b|\b(?:dar|den?|dar|deme|denme|darme) de baja\b|\blista de no llamar\b",
            r"\bno llamar\b",
            # French
            r"\b(?:ne )?(?:m|me|nous|n)? ?(?:r?appelez|contactez|telephonez|derangez|ennuyez) (?:moi )?"
            r"(?:plus|jamais)\b(?! tard)",
            r"\barr?etez? (?:de )?(?:m|me|nous)? ?(?:appeler|dappeler|mappeler|telephoner|deranger|"
            r"harceler|vos appels|"
            r"ces appels|les appels)\b",
            r"\b(?:retir|enlev|supprim|ray|effac|radi)(?:ez|er) (?:moi|mon (?:numero|nom)|mes "
            r"(?:donnees|coordonnees))\b",
            r"\bplus (?:de |d|aucun )?appels?\b|\bje ne veux plus (?:etre|recevoir|que vous)\b",
            r"\bdesinscri\w+\b|\bdesabonn\w+\b|\b(?:laissez|fichez|foutez) (?:moi|nous) (?:la paix|"
            r"tranquilles?)\b",
            # German
            r"\bruf(?:en|t)? (?:sie |ihr )?(?:mich |uns |hier |diese nummer |bitte )*(?:nicht|nie|"
            r"niemals|nimmer)"
            r"(?: mehr| wieder)+(?: an)?\b",
            r"\b(?:nicht|nie|niemals) (?:mehr|wieder) (?:an(?:zu)?rufen|angerufen|kontaktieren)\b",
            r"\b(?:nicht|nie) (?:von ihnen )?(?:mehr )?angerufen (?:werden|zu werden)\b",
            r"\bhor(?:en|t) (?:sie |endlich )*auf (?:, )?(?:mich |uns |hier )*(?:anzurufen|zu belastigen)\b",
            r"\bkeine (?:weiteren |werbe ?)?anrufe(?: mehr)?\b(?! (?:erhalten|am|vor|nach|um|in|heute|"
            r"morgen)\b)",
            r"\b(?:streich|losch|nehm|entfern)(?:en|t)? (?:sie |bitte )*(?:mich|meine? (?:nummer|"
            r"namen?|daten)|uns)\b",
            r"\b(?:in ruhe|in frieden) (?:lassen|zu lassen)\b|\blass(?:en|t)? (?:sie )?(?:mich|uns) "
            r"(?:\w+ )?in (?:ruhe|frieden)\b",
            r"\b(?:von|aus) (?:der|ihrer|eurer) (?:\w+)?liste (?:nehmen|streichen|loschen|runter|"
            r"entfernen)\b",
            r"\b(?:ich )?widerruf(?:e|en)? (?:meine |die )?(?:einwilligung|zustimmung)\b|"
            r"\bwerbewiderspruch\b",
            # Portuguese, Italian
            r"\bnao (?:me )?(?:ligue|ligar|liguem|telefone)m? (?:mais|nunca)\b|\bpar(?:e|em|a) de "
            r"(?:me )?ligar\b",
            r"\b(?:me (?:tire|remova|retire)|(?:tire|remova)m? (?:me|meu (?:numero|nome))) (?:d[aeo] "
            r")?(?:sua )?",
            r"\bnon (?:mi |ci )?(?:chiam|richiam|contatt)(?:ate|i|are|atemi|armi|atelo) (?:piu|mai)\b",
            r"\b(?:togliete|toglie|cancell|rimuov)\w*(?:mi)? (?:dalla|dall|il mio)\b|\bsmett\w+ di "
            r"(?:chiamar|telefonar)\w+\b",
        )
    )
)
"""Clear whatever else is said."""

_REACH = (
    r"(?:call|phone|ring|contact|dial|bother(?= me| us| my)|text|disturb(?= me| us| my)|reach out to|reach)"
)
_UNLESS_TIMED: Final = re.compile(
    "|".join(
        (
            rf"(?<!why )(?<!i )(?<!we )(?<!they )(?<!he )(?<!she )(?<!you )(?<!who )(?<!people "
            rf")\b(?:do not|dont|never|"
            rf"not to|to not|you not|must not|should not|shouldnt|cannot|cant|may not)(?: (?:you|ever|"
            rf"even|please|dare|be|"
            rf"keep|to))* (?:{_REACH}|calling|phoning|ringing|contacting|bothering)(?P<who>(?: (?:me|"
            rf"us|here|back|again|"
            rf"any ?more|ever|my \w+(?: \w+)?|our \w+|this \w+(?: number)?|him|her|them))+)?(?= |$)",
            rf"\bdont (?:want|need|like|wish) "
            rf"(?:(?:you|anyone|anybody|your \w+|them|people|somebody)(?: to)? {_REACH}|(?:to )?(?:be|"
            rf"being|get|getting) "
            rf"(?:called|contacted|bothered|phoned|disturbed)|you calling)(?P<who2>(?: (?:me|us|here|"
            rf"back|again|any ?more|ever))+)?(?= |$)",
            r"\b(?:stop|quit|cease) call\w*(?: (?:me|us|here))*",
            r"\b(?:rather|prefer|want)(?: that)?(?: you| they)?(?: to)? not (?:to )?(?:be )?(?:call|"
            r"contact|phon|bother)\w*",
            r"\bno (?:me )?(?:llam|contact|marqu|molest)[ea]n?\b",
            r"\bne (?:m|me|nous) ?r?appelez pas\b|\bne mappelez pas\b",
            r"\bruf(?:en|t)? (?:sie |ihr )?(?:mich |uns |hier )?(?:bitte )?nicht an\b|\bbitte nicht "
            r"(?:mehr )?anrufen\b",
        )
    )
)
"""A request unless it is only about a time."""

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
