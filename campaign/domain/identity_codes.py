"""Codes of letters and digits that name a person or an account: IBANs and the packs' countries' numbers.

Their shapes (letters L, digits D), written or spelled letter by letter: United Kingdom National Insurance
LLDDDDDDL, India PAN LLLLLDDDDL, Spain DNI DDDDDDDDL and NIE LDDDDDDDL, Italy codice fiscale
LLLLLLDDLDDLDDDL, Ireland PPS DDDDDDDL(L), Finland DDDDDD-DDDL, IBAN LLDD and up to thirty of either (ISO
13616). Numbers of digits alone are runs (redaction.py); shorter ones are known by the words before them.
"""

import re
from collections.abc import Iterator
from typing import Final

from campaign.domain.number_words import JOINERS, NATO, TENS, fold, said

_SHAPES: Final = re.compile(
    r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}"
    r"|[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]"
    r"|[A-Z]{5}\d{4}[A-Z]"
    r"|[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"
    r"|[XYZ]\d{7}[A-Z]|\d{8}[A-HJ-NP-TV-Z]|\d{7}[A-W][A-IW]?|\d{9}[A-FHJ-NPR-Y]"
)
_TOKEN: Final = re.compile(r"\d+|[\u0900-\u097f]+|[^\W\d_]+|[^\w\s]|_|\n|\s")
_GAPS: Final = frozenset(" -–./,\n")
_LITTLE_WORDS: Final = frozenset("aeiosyI")
"""Letters that are mostly words of their own."""
_LONGEST_BLOCK: Final = 6
"""Letters of a written block of a code: "ABCDE 1234 F"."""

_ANNOUNCING: Final = (
    "social", "ssn", "social security", "national insurance", r"ni(?= num| no\b)", "tax file", "tfn",
    "medicare", "passport", "licen[cs]e", "driver'?s? licen[cs]e", "pan", "aadhaar", "aadhar", "account",
    "routing", "sort", "member", "policy holder", "sin(?= num| card)", "identity", "id card", "card", "pin",
    "dni", "(?-i:NIE)", "nif", "pasaporte", "cuenta", "tarjeta", "passeport", "permis", "compte", "carte",
    "sécurité sociale", "securite sociale", "reisepass", "ausweis", "personalausweis", "steuer", "konto",
    "kontonummer", "karten?nummer", "steuernummer", "steueridentifikationsnummer", "ausweisnummer",
)  # fmt: skip
_SMALL: Final = (
    "security number no nr code id card is it's its it the my and are ending ends in with last four digits "
    "uh um numero número de es la el mi termina en numéro est le ist die meine nummer lautet s"
)
_HINT: Final = re.compile(
    rf"\b(?:(?:{'|'.join(_ANNOUNCING)})\b)(?:\W+(?:{'|'.join(_SMALL.split())})\b)*\W+", re.IGNORECASE
)
"""What says that a number follows by which somebody can be named, and the small words before it."""
_COUNTED: Final = re.compile(r"\s*(?:dollars?|euros?|pounds|rupees|percent|%|years?|weeks?|months?|days?)\b")
SHORTEST_HINTED: Final = 4
"""Digits from which a number counts that was announced like that."""
LONGEST_ANNOUNCED: Final = 200
"""Characters after such words within which the number is looked for."""
SHORTEST_CODE: Final = 8
"""Letters and digits of the shortest code."""


def codes(text: str) -> Iterator[tuple[int, int, str]]:
    """Codes in the text: (start, end, what to call it), in order and apart from one another."""
    for spans, symbols in _sequences(text):
        for found in _SHAPES.finditer(symbols):
            inside = _whole(spans, found.start(), found.end())
            if inside is not None:
                iban = found.end() - found.start() >= 15 and found[0][:2].isalpha()
                yield *inside, "account" if iban else "id"
                break


def perhaps_a_code(text: str) -> bool:
    """Whether a letter stands beside a digit, as in every code; quick to tell, as finding codes is not."""
    before = ""
    for token in _TOKEN.findall(text):
        if token in _GAPS or token in JOINERS:
            continue
        one = _symbol(token) or TENS.get(fold(token), "")
        if one and before and one[0].isdigit() != before.isdigit():
            return True
        before = one[-1:]
    return False


def announced(text: str) -> Iterator[tuple[int, int, str]]:
    """Numbers of four digits or more that follow words which announce an identity or account number."""
    for hint in _HINT.finditer(text):
        end, symbols = hint.end(), ""
        for _, last, one in _symbols(text, hint.end(), hint.end() + LONGEST_ANNOUNCED):
            if not one:
                break
            symbols, end = symbols + one, last
        digits = sum(map(str.isdigit, symbols))
        if digits >= SHORTEST_HINTED and not _counted(symbols, text, end):
            yield hint.end(), end, "number"


def _counted(symbols: str, text: str, end: int) -> bool:
    """Whether it is a year, or counts something: "account since 2019", "card in 2 weeks"."""
    return _COUNTED.match(text, end) is not None or re.fullmatch(r"(?:19|20)\d\d", symbols) is not None


def _sequences(text: str) -> Iterator[tuple[list[tuple[int, int]], str]]:
    """Letters and digits said one after another: where each symbol stands, and the symbols."""
    spans: list[tuple[int, int]] = []
    symbols = ""
    for start, end, one in (*_symbols(text, 0, len(text)), (0, 0, "")):
        if one:
            spans += [(start, end)] * len(one)
            symbols += one
        else:
            if len(symbols) >= SHORTEST_CODE:
                yield spans, symbols
            spans, symbols = [], ""


def _symbols(text: str, first: int, last: int) -> Iterator[tuple[int, int, str]]:
    """What each token gives to a code: (start, end, symbols); no symbols where an ordinary word ends it."""
    ten: tuple[int, int, str] | None = None
    for token in _TOKEN.finditer(text, first, last):
        one, word = _symbol(token[0]), fold(token[0])
        if ten is not None and (token[0] in _GAPS or word in JOINERS):
            continue
        if ten is not None:
            unit = one if len(one) == 1 and one.isdigit() and not token[0].isdigit() else ""
            yield ten[0], token.end() if unit else ten[1], ten[2] + (unit or "0")
            ten = None
            if unit:
                continue
        if word in TENS:
            ten = (*token.span(), TENS[word])
        elif one or token[0] not in _GAPS:
            yield *token.span(), one
    if ten is not None:
        yield ten[0], ten[1], ten[2] + "0"


def _symbol(token: str) -> str:
    """The letters or digits that a token gives to a code; empty when it is an ordinary word."""
    if token[0].isdigit():
        return said(token)
    if not token[0].isalpha():
        return ""
    if len(token) == 1 and token.isascii():
        return "" if token in _LITTLE_WORDS else token.upper()
    if len(token) <= _LONGEST_BLOCK and token.isascii() and token.isupper():
        return token
    word = fold(token)
    return NATO.get(word) or said(word)


def _whole(spans: list[tuple[int, int]], first: int, last: int) -> tuple[int, int] | None:
    """The stretch of the text, if the code begins and ends with a token."""
    if first and spans[first - 1] == spans[first]:
        return None
    if last < len(spans) and spans[last] == spans[last - 1]:
        return None
    return spans[first][0], spans[last - 1][1]
