"""Takes card, identity, account and e-mail numbers out of a transcript before it is stored or logged.

Policy: a run of nine or more digits is masked whatever it is, written or spoken, with separators and
fillers inside; a checksum only picks the label, since one misheard digit breaks it. The last four digits
stay, a card's security code never does. Numbers may be split over several turns (`redact_turns`).
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

SHORTEST_RUN: Final = 9
"""Digits from which a run is masked: a US social security number has nine."""

_DIGITS: Final[dict[str, str]] = {
    word: digit
    for digit, words in {
        "0": "zero oh o nought null cero nul shunya",
        "1": "one uno una un une eins ein eine ek",
        "2": "two dos deux zwei zwo do",
        "3": "three tres trois drei teen",
        "4": "four cuatro quatre vier char chaar",
        "5": "five cinco cinq funf fuenf paanch panch",
        "6": "six seis sechs chhe cheh",
        "7": "seven siete sept sieben saat",
        "8": "eight ocho huit acht aath",
        "9": "nine niner nueve neuf neun nau",
        "10": "ten diez dix zehn",
        "11": "eleven once onze elf",
        "12": "twelve doce douze zwolf",
        "13": "thirteen trece treize dreizehn",
        "14": "fourteen catorce quatorze vierzehn",
        "15": "fifteen quince quinze funfzehn",
        "16": "sixteen dieciseis seize sechzehn",
        "17": "seventeen diecisiete siebzehn",
        "18": "eighteen dieciocho achtzehn",
        "19": "nineteen diecinueve neunzehn",
    }.items()
    for word in words.split()
}
_TENS: Final[dict[str, str]] = {
    word: digit
    for digit, words in {
        "2": "twenty veinte vingt zwanzig",
        "3": "thirty treinta trente dreissig",
        "4": "forty fourty cuarenta quarante vierzig",
        "5": "fifty cincuenta cinquante funfzig",
        "6": "sixty sesenta soixante sechzig",
        "7": "seventy setenta siebzig",
        "8": "eighty ochenta achtzig",
        "9": "ninety noventa neunzig",
    }.items()
    for word in words.split()
}
_REPEATS: Final = {"double": 2, "doble": 2, "doppel": 2, "triple": 3, "treble": 3}
_FILLER_WORDS: Final = (
    "uh um er erm ah hm hmm okay ok so then and dash hyphen space minus slash let me see wait hold on sorry "
    "the next is it its thats that s like well again last first y luego et puis und dann also a"
)
_FILLERS: Final = frozenset(_FILLER_WORDS.split())
_NUMBER_WORDS: Final = frozenset((*_DIGITS, *_TENS, *_REPEATS))
_WORD: Final = re.compile(r"[a-z]+")
_CODE_HINTS: Final = ("cv", "c v", "secur", "verification", "ziffer", "seguridad", "cryptogram")
_MOST_FILLERS: Final = 5
_TOKEN: Final = re.compile(r"\d+|[^\W\d_]+|[^\w\s]|_|\n")
_SEPARATORS: Final = frozenset("-–—./,()+#*'’ \n…")

_EMAIL: Final = re.compile(r"[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,5}")
_SPOKEN_EMAIL: Final = re.compile(
    r"(?:\b\w\s+){0,40}\b\w+(?:\s+(?:dot|underscore|dash|hyphen|punto|point|punkt)\s+\w+){0,6}"
    r"\s*(?:\bat\b|\barroba\b|\barobase\b|\bklammeraffe\b|@)\s*"
    r"(?:\w\s+){0,20}\w+(?:\s+\w+)??(?:\s*(?:\bdot\b|\bpunto\b|\bpoint\b|\bpunkt\b|\.)\s*\w+){0,3}?"
    r"\s*(?:\bdot\b|\bpunto\b|\bpoint\b|\bpunkt\b|\.)\s*"
    r"(?:com|net|org|edu|gov|mil|io|co|us|uk|de|fr|es|in|info|biz|me|ca|au|it|br|mx|app|"
    r"dev)\b(?:\s+dot\s+\w{2}\b)?",
    re.IGNORECASE,
)
_ISO_DATE: Final = re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d\b")
_SECURITY_CODE: Final = re.compile(
    r"\b(?P<name>c\s*v\s*v\s*2?|c\s*v\s*c\s*2?|security (?:code|number)|card verification\w*(?: "
    r"(?:code|number|value))?|"
    r"prufziffer|prüfziffer|codigo de seguridad|código de seguridad|"
    r"cryptogramme)\b(?P<between>\W+(?:(?:is|es|ist|est|"
    r"number|code|the|it|its|it's|uh|um|of|on|back|card)\W+){0,6})(?P<code>\d(?:[\s\-]?\d){2,3}\b(?!\d)|"
    rf"(?:(?:{'|'.join(sorted((*_DIGITS, *_TENS, *_REPEATS), key=len, reverse=True))})\b[\s\-,]*){{2,4}})",
    re.IGNORECASE,
)


class _Piece(msgspec.Struct):
    """A stretch of the text that says digits."""

    start: int
    end: int
    digits: str


def redact(text: str, spare: Collection[str] = ()) -> str:
    """The text with sensitive numbers and e-mail addresses masked.

    Args:
        text: one turn of any speaker.
        spare: numbers (any format) that may stay as they are, such as the dialled one.
    """
    return redact_turns((text,), spare)[0]


def redact_turns(texts: Sequence[str], spare: Collection[str] = ()) -> list[str]:
    """The same for consecutive turns of one speaker, whose numbers may run over from one to the next.

    Returns:
        As many texts as were given, in order. A number that is split leaves a mask in each of its parts;
        only the last one shows the last four digits.
    """
    joined = "\n".join(text.replace("\n", " ") for text in texts)
    if not _worth_a_look(joined):
        return joined.split("\n")
    if "@" in joined or " at " in joined.lower() or "arroba" in joined.lower():
        joined = _EMAIL.sub("[e-mail]", joined)
        joined = _SPOKEN_EMAIL.sub(lambda match: "[e-mail]" + "\n" * match[0].count("\n"), joined)
    joined = _SECURITY_CODE.sub(
        lambda match: match["name"] + match["between"] + "[code]" + _tail(match["code"]), joined
    )
    kept = {re.sub(r"\D", "", number) for number in spare} - {""}
    for run in reversed(list(_runs(joined))):
        digits = "".join(piece.digits for piece in run)
        if len(digits) >= SHORTEST_RUN and not _spared(digits, kept):
            joined = _mask(joined, run, digits)
    return joined.split("\n")


def digits_said(text: str) -> set[str]:
    """Every number that is said in the text, in digits or in words, each as its digits."""
    return {"".join(piece.digits for piece in run) for run in _runs(text.replace("\n", " "))} | {
        piece.digits for run in _runs(text.replace("\n", " ")) for piece in run
    }


def _worth_a_look(text: str) -> bool:
    """Whether the text may hold anything to mask; most turns don't, and are told apart ten times faster."""
    if not text.isascii():
        return True
    lower = text.lower()
    if "@" in lower or (" at " in lower and ("." in lower or " dot " in lower)) or "arroba" in lower:
        return True
    if any(hint in lower for hint in _CODE_HINTS):
        return True
    words = _WORD.findall(lower)
    most = sum(map(lower.count, "0123456789")) + 2 * sum(map(_NUMBER_WORDS.__contains__, words))
    return most * (1 if _REPEATS.keys().isdisjoint(words) else 3) >= SHORTEST_RUN


def _tail(code: str) -> str:
    """The space that a matched code swallowed at its end."""
    return code[len(code.rstrip()) :]


def _spared(digits: str, kept: Collection[str]) -> bool:
    return any(digits == number or (len(digits) >= 10 and number.endswith(digits)) for number in kept)


def _mask(text: str, run: Sequence[_Piece], digits: str) -> str:
    start, end = run[0].start, run[-1].end
    label = _label(digits)
    parts = text[start:end].count("\n")
    mask = f"[{label}]\n" * parts + f"[{label} ending {digits[-4:]}]"
    return text[:start] + mask + text[end:]


def _label(digits: str) -> str:
    if 13 <= len(digits) <= 19 and luhn(digits):
        return "card"
    if len(digits) == 12 and verhoeff(digits):
        return "id"
    if len(digits) == 9:
        return "id"
    return "phone" if len(digits) in (10, 11) else "number"


def _plain(word: str) -> str:
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFKD", word.casefold().replace("ß", "ss"))
    return "".join(char for char in folded if not unicodedata.combining(char))


def _runs(text: str) -> Iterator[list[_Piece]]:
    """Sequences of digit pieces with nothing but separators and a few fillers between them."""
    blocked = [match.span() for match in _ISO_DATE.finditer(text)]
    run: list[_Piece] = []
    fillers = 0
    for piece in _pieces(text, blocked):
        if isinstance(piece, _Piece):
            run.append(piece)
            fillers = 0
        elif piece and run and fillers < _MOST_FILLERS:
            fillers += 1
        elif run:
            yield run
            run, fillers = [], 0
    if run:
        yield run


def _pieces(text: str, blocked: Sequence[tuple[int, int]]) -> Iterator[_Piece | bool]:
    """Digit pieces in order; between them True for a filler and False for what ends a run."""
    repeat, repeat_start = 0, 0
    tens: _Piece | None = None
    for match in _TOKEN.finditer(text):
        token, (start, end) = match[0], match.span()
        dated = any(first <= start < last for first, last in blocked)
        digits = "" if dated else _said(token)
        if tens is not None:
            if len(digits) == 1 and digits != "0" and not token.isdigit():
                yield _Piece(tens.start, end, tens.digits + digits)
                tens = None
                continue
            if token == "-":
                continue
            yield _Piece(tens.start, tens.end, tens.digits + "0")
            tens = None
        if digits:
            times, repeat = repeat or 1, 0
            yield _Piece(repeat_start if times > 1 else start, end, digits * times)
            continue
        if repeat:
            repeat = 0
            yield False
        word = _plain(token)
        if word in _REPEATS:
            repeat, repeat_start = _REPEATS[word], start
        elif word in _TENS:
            tens = _Piece(start, end, _TENS[word])
        elif token not in _SEPARATORS:
            yield word in _FILLERS
    if tens is not None:
        yield _Piece(tens.start, tens.end, tens.digits + "0")


def _said(token: str) -> str:
    """The digits that one token says; empty when it says none."""
    if token[0].isdigit():
        return "".join(str(unicodedata.digit(char, 0)) for char in token)
    return _DIGITS.get(_plain(token), "")


def luhn(digits: str) -> bool:
    """Whether a card number's check digit is right (ISO/IEC 7812-1)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_D5: Final = tuple(
    tuple(
        (a + b) % 5
        if a < 5 and b < 5
        else (a + b) % 5 + 5
        if a < 5
        else (a - b) % 5 + 5
        if b < 5
        else (a - b) % 5
        for b in range(10)
    )
    for a in range(10)
)
_PERMUTATION: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def verhoeff(digits: str) -> bool:
    """Whether an Indian identity number's check digit is right (Verhoeff's dihedral scheme)."""
    check = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char)
        for _ in range(place % 8):
            value = _PERMUTATION[value]
        check = _D5[check][value]
    return check == 0
