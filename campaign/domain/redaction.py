"""Takes card, identity, account and e-mail numbers out of a transcript before it is stored or logged.

Policy: a run of nine or more digits is masked whatever it is, written or spoken, with separators and
fillers inside; a checksum only picks the label, since one misheard digit breaks it. The last four digits
stay, a card's security code never does. Codes of letters and digits are known by their shape, shorter numbers
by the words that announce them (identity_codes.py). Numbers may be split over several turns (`redact_turns`),
and what was masked is masked again when the other side repeats a part of it (`echoes`). Years, prices and
times of day stay.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from campaign.domain.identity_codes import announced, codes, perhaps_a_code
from campaign.domain.number_words import DIGITS, JOINERS, PHRASE_PATTERN, REPEATS, SCALES, TENS, fold, said

SHORTEST_RUN: Final = 9
"""Digits from which a run is masked: a US social security number has nine."""
SHORTEST_SECRET: Final = 3
"""Digits of the shortest number that is masked: a card's security code."""
SHORTEST_ECHO: Final = 4
"""Digits from which a part of a masked number is masked when it is repeated."""

_FILLER_WORDS: Final = (
    "uh um er erm ah eh hm hmm okay ok so then and dash hyphen space minus slash let me see wait hold on "
    "sorry the next is it its thats that like well again last first luego et puis und dann also yes yeah "
    "right go ahead euh bueno este pues alors donc moment aur phir bindestrich guion tiret "
    "espace espacio strich"
)
_FILLERS: Final = frozenset((*_FILLER_WORDS.split(), *"abcdefghijklmnopqrstuvwxyz"))
_NUMBER_WORDS: Final = frozenset((*DIGITS, *TENS, *REPEATS))
_WORD: Final = re.compile(r"[a-z]+")
HINTS: Final = (
    "cv", "c v", "secur", "verification", "ziffer", "seguridad", "cryptogram", "social", "ssn", "insurance",
    "passport", "licen", "account", "routing", "sort code", "medicare", "tax file", "tfn", " pin", "pan ",
    "card", "cuenta", "tarjeta", "konto", "ausweis", "steuer", "pasaporte", "reisepass", "compte", "carte",
    "permis", "dni", "nie", "nif", "aadhaar", "aadhar", "member", "identity", "arobase", "arroba",
    "klammeraffe",
)  # fmt: skip
"""Where one of these stands the text is looked at closely, if it has any digits to speak of."""
_PLAIN_MARKS: Final = str.maketrans("‘’“”–—…", "''\"\"--.")
_MOST_FILLERS: Final = 5
_TOKEN: Final = re.compile(rf"(?i:\b(?:{PHRASE_PATTERN})\b)|\d+|[\u0900-\u097f]+|[^\W\d_]+|[^\w\s]|_|\n")
_SEPARATORS: Final = frozenset("-–—./,()+#*'’ \n…")

_DOT: Final = r"(?:\bdot\b|\bpunto\b|\bpoint\b|\bpunkt\b|\.)"
_TOP: Final = (
    "com|net|org|edu|gov|mil|io|co|us|uk|de|fr|es|in|info|biz|me|ca|au|it|br|mx|app|dev|eu|at|ch|nl|be|ie|pt"
)
_HOSTS: Final = (
    "gmail|hotmail|outlook|yahoo|icloud|aol|gmx|proton|protonmail|live|msn|web|orange|free|wanadoo"
)
_EMAIL: Final = re.compile(r"[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,5}")
_SPOKEN_EMAIL: Final = re.compile(
    r"(?:\b\w\s+){0,40}\b\w+(?:\s+(?:dot|underscore|dash|hyphen|punto|point|punkt|unterstrich|minus|"
    r"guion bajo|guión bajo|guion|tiret bas|tiret)\s+\w+){0,6}"
    r"\s*(?:\bat the rate(?: of)?\b|\bat\b|\bät\b|\barroba\b|\barobase\b|\bklammeraffe\b|\bchiocciola\b|@)\s*"
    r"(?!(?:the|that|this|which|some|what|any|one|a|an|no|my|your|our|his|her|their|least|last|first|most|home|"
    r"every|each)\b)"
    r"(?:\w\s+){0,20}\w+(?:\s+(?:dash|hyphen|minus|tiret|guion)\s+\w+){0,3}(?:\s+\w+)??"
    rf"(?:\s*{_DOT}\s*\w+){{0,3}}?\s*{_DOT}\s*(?:{_TOP})\b(?:\s*{_DOT}\s*\w{{2}}\b)?",
    re.IGNORECASE,
)
_HOSTED_EMAIL: Final = re.compile(
    r"\b\w+(?:\s+(?:dot|underscore|dash|punto|point|punkt)\s+\w+){0,6}\s+"
    rf"(?:at the rate|at|arroba|arobase|ät)\s+(?:{_HOSTS})\b",
    re.IGNORECASE,
)
"""At a mail provider whom everybody knows, the rest may be left out: "ana silva at gmail"."""
_AT_SIGNS: Final = (" at ", "arroba", "arobase", "affe", " ät ", "chiocciola")
_ENDING: Final = re.compile(rf"{_DOT}\s*(?:{_TOP})\b")
_HOST_NAMES: Final = tuple(_HOSTS.split("|"))
_KEPT: Final = re.compile(
    r"\b(?:19|20)\d\d-\d\d-\d\d\b"
    r"|[$€£₹]\s?\d{1,3}(?:[,.]?\d{3}){0,2}(?:[.,]\d\d)?(?![\d\-])"
    r"|(?<![\d\-])\d{1,3}(?:[,.]?\d{3}){0,2}(?:[.,]\d\d?)?\s?(?:dollars?|euros?|pounds?|rupees?|bucks|cents|percent|"
    r"%|prozent|kwh|kilowatts?|square|miles|kilometers|people|years?|months?|weeks?|days?|hours?|minutes?|"
    r"[ap]\.?m\b|o'?clock|uhr|heures)(?!\w)"
    r"|(?<![\d\-])\d{1,2}(?::|h| )\d\d\s?(?:[ap]\.?m\b|o'?clock|uhr|heures)",
    re.IGNORECASE,
)
"""Dates, prices, amounts and times of day: no part of a run."""
_SCALED: Final = re.compile(rf"[\s\-]*(?:{'|'.join(SCALES.split())})\b", re.IGNORECASE)
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_NUMBERS: Final = "|".join(sorted((*DIGITS, *TENS, *REPEATS, "fünf", "zwölf", "zéro"), key=len, reverse=True))
_SECURITY_CODE: Final = re.compile(
    r"\b(?P<name>c\s*v\s*v\s*2?|c\s*v\s*c\s*2?|(?<!social )security (?:code|number)|card verification\w*(?: "
    r"(?:code|number|value))?|prufziffer|prüfziffer|codigo de seguridad|código de seguridad|sicherheitscode|"
    r"code de sécurité|code de securite|cryptogramme)\b(?P<between>\W+(?:(?:is|es|ist|est|lautet|"
    r"number|code|the|it|its|it's|uh|um|of|on|back|card|la|visuel)\W+){0,6})"
    rf"(?P<code>\d(?:[\s\-]?\d){{2,3}}\b(?!\d)|(?:(?:{_NUMBERS})\b[\s\-,]*){{2,4}})",
    re.IGNORECASE,
)


class _Piece(msgspec.Struct):
    """A stretch of the text that says digits."""

    start: int
    end: int
    digits: str


def redact(text: str, spare: Collection[str] = (), echoes: Collection[str] = ()) -> str:
    """The text with sensitive numbers and e-mail addresses masked.

    Args:
        text: one turn of any speaker.
        spare: numbers (any format) that may stay as they are, such as the dialled one.
        echoes: digits that were masked elsewhere in the call; what repeats four or more of them is masked.
    """
    return redact_turns((text,), spare, echoes=echoes)[0]


def redact_turns(
    texts: Sequence[str],
    spare: Collection[str] = (),
    *,
    asked: Collection[int] = (),
    echoes: Collection[str] = (),
) -> list[str]:
    """The same for consecutive turns of one speaker, whose numbers may run over from one to the next.

    Args:
        asked: places of turns before which the other side had asked something. There a year, a postal code
            or a small number begins anew instead of going on with the number before it.

    Returns:
        As many texts as were given, in order. A number that is split leaves a mask in each of its parts;
        only the last one shows the last four digits.
    """
    return redact_both(texts, spare, asked, echoes)[0]


def redact_both(
    texts: Sequence[str], spare: Collection[str], asked: Collection[int], echoes: Collection[str]
) -> tuple[list[str], set[str]]:
    """As `redact_turns`, with the digits of what was masked, for the other side's `echoes`."""
    joined = "\n".join(text.replace("\n", " ") for text in texts)
    hidden: set[str] = set()
    if not _worth_a_look(joined, echoes=bool(echoes)):
        return joined.split("\n"), hidden
    if "@" in joined or _perhaps_an_address(joined.lower()):
        joined = _EMAIL.sub("[e-mail]", joined)
        for pattern in (_SPOKEN_EMAIL, _HOSTED_EMAIL):
            joined = pattern.sub(lambda match: "[e-mail]" + "\n" * match[0].count("\n"), joined)
    joined = _SECURITY_CODE.sub(
        lambda match: match["name"] + match["between"] + "[code]" + _tail(match["code"]), joined
    )
    kept = {re.sub(r"\D", "", number) for number in spare} - {""}
    joined = _without_codes(joined, kept, hidden)
    for run in reversed(_runs_apart(joined, asked)):
        digits = "".join(piece.digits for piece in run)
        if _spared(digits, kept):
            continue
        if len(digits) >= SHORTEST_RUN and not _only_years(run):
            hidden.add(digits)
            joined = _mask(joined, run, digits)
        elif len(digits) >= SHORTEST_ECHO and any(digits in secret for secret in echoes):
            joined = _mask(joined, run, "")
    return joined.split("\n"), hidden


def _without_codes(text: str, kept: Collection[str], hidden: set[str]) -> str:
    """Codes of letters and digits, and numbers that were announced, masked."""
    for find in (codes, announced):
        for start, end, label in reversed(list(find(text))):
            digits = "".join(said(token) or "" for token in re.findall(r"\d+|[^\W\d_]+", text[start:end]))
            if _spared(digits, kept) or (find is announced and len(digits) >= SHORTEST_RUN):
                continue  # a long one is a run, which has a label of its own
            hidden.add(digits)
            masks = f"[{label}]\n" * text[start:end].count("\n") + f"[{label}]"
            text = text[:start] + masks + text[end:]
    return text


def digits_said(text: str) -> set[str]:
    """Every number that is said in the text, in digits or in words, each as its digits."""
    runs = list(_runs(text.replace("\n", " ")))
    return {"".join(piece.digits for piece in run) for run in runs} | {
        piece.digits for run in runs for piece in run
    }


def _worth_a_look(text: str, *, echoes: bool) -> bool:
    """Whether the text may hold anything to mask; most turns don't, and are told apart ten times faster.

    Args:
        echoes: whether a part of a number that was masked elsewhere would be masked too.
    """
    text = text.translate(_PLAIN_MARKS)
    if not text.isascii():
        return True
    lower = text.lower()
    if "@" in lower or _perhaps_an_address(lower):
        return True
    words = _WORD.findall(lower)
    most = sum(map(lower.count, "0123456789")) + 2 * sum(map(_NUMBER_WORDS.__contains__, words))
    most *= 1 if REPEATS.keys().isdisjoint(words) else 3
    if most < SHORTEST_SECRET:
        return False
    if most >= SHORTEST_RUN or (echoes and most >= SHORTEST_ECHO):
        return True
    return any(hint in lower for hint in HINTS) or (most >= SHORTEST_ECHO and perhaps_a_code(text))


def _perhaps_an_address(lower: str) -> bool:
    """Whether somebody may have spoken an e-mail address; telling that is quick, finding it isn't."""
    if not any(sign in lower for sign in _AT_SIGNS):
        return False
    return _ENDING.search(lower) is not None or any(host in lower for host in _HOST_NAMES)


def _tail(code: str) -> str:
    """The space that a matched code swallowed at its end."""
    return code[len(code.rstrip()) :]


def _spared(digits: str, kept: Collection[str]) -> bool:
    return any(digits == number or (len(digits) >= 10 and number.endswith(digits)) for number in kept)


def _mask(text: str, run: Sequence[_Piece], digits: str) -> str:
    """The run as a mask; without digits as one that doesn't even tell the last four."""
    start, end = run[0].start, run[-1].end
    label = _label(digits)
    parts = text[start:end].count("\n")
    last = f"[{label} ending {digits[-4:]}]" if digits else f"[{label}]"
    return text[:start] + f"[{label}]\n" * parts + last + text[end:]


def _label(digits: str) -> str:
    if 13 <= len(digits) <= 19 and luhn(digits):
        return "card"
    if len(digits) == 12 and verhoeff(digits):
        return "id"
    if len(digits) == 9:
        return "id"
    return "phone" if len(digits) in (10, 11) else "number"


def _only_years(run: Sequence[_Piece]) -> bool:
    """Whether the run is nothing but years: "2019, 2020, 2021", "nineteen ninety, nineteen ninety five"."""
    digits = ""
    for piece in run:
        digits += piece.digits
        if len(digits) > 4 or (len(digits) == 4 and not _YEAR.fullmatch(digits)):
            return False
        digits = "" if len(digits) == 4 else digits
    return not digits


def _runs_apart(text: str, asked: Collection[int]) -> list[list[_Piece]]:
    """The runs; one that goes over a question of the other side is cut there, if what stands before and after
    it can each be an answer of its own: a year, a postal code, a small number."""
    found: list[list[_Piece]] = []
    for run in _runs(text):
        parts: list[list[_Piece]] = [[run[0]]]
        for before, piece in pairwise(run):
            crossed = text.count("\n", 0, piece.start)
            if crossed in asked and crossed != text.count("\n", 0, before.start):
                parts.append([])
            parts[-1].append(piece)
        if len(parts) > 1 and all(_an_answer(part) for part in parts):
            found += parts
        else:
            found.append(run)
    return found


def _an_answer(part: Sequence[_Piece]) -> bool:
    digits = "".join(piece.digits for piece in part)
    return len(digits) <= 3 or len(digits) == 5 or _YEAR.fullmatch(digits) is not None


def _runs(text: str) -> Iterator[list[_Piece]]:
    """Sequences of digit pieces with nothing but separators and a few fillers between them."""
    blocked = [match.span() for match in _KEPT.finditer(text)]
    run: list[_Piece] = []
    fillers = 0
    for piece in _pieces(text, blocked):
        if isinstance(piece, _Piece):
            if _SCALED.match(text, piece.end):
                if run:
                    yield run
                run, fillers = [], 0
                continue
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
        if any(first <= start < last for first, last in blocked):
            yield False
            continue
        digits = said(token)
        word = fold(token)
        if tens is not None:
            if len(digits) == 1 and digits != "0" and not token.isdigit():
                yield _Piece(tens.start, end, tens.digits + digits)
                tens = None
                continue
            if word in JOINERS:
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
        if word in REPEATS:
            repeat, repeat_start = REPEATS[word], start
        elif word in TENS:
            tens = _Piece(start, end, TENS[word])
        elif token not in _SEPARATORS:
            yield word in _FILLERS
    if tens is not None:
        yield _Piece(tens.start, tens.end, tens.digits + "0")


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
