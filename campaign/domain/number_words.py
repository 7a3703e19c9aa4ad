"""The words with which people say digits, in English, Spanish, French, German, Italian, Dutch and Hindi.

Folded: lower case, without accents. What reads as digits here reads so in every call, since people answer in
their own language; a word that is also an everyday one ("do", "one") does no harm, as only long runs count.
"""

import re
import unicodedata
from typing import Final

_UNITS: Final = {
    "0": "zero oh o nought null cero nul nil shunya sifar",
    "1": "one uno una un une eins ein eine ek een",
    "2": "two dos deux zwei zwo do due dois twee",
    "3": "three tres trois drei teen tre drie",
    "4": "four cuatro quatre vier char chaar quattro quatro",
    "5": "five cinco cinq funf fuenf paanch panch cinque vijf",
    "6": "six seis sechs chhe cheh chhah sei zes",
    "7": "seven siete sept sieben saat sette sete zeven",
    "8": "eight ocho huit acht aath otto oito",
    "9": "nine niner nueve neuf neun nau nove negen",
    "10": "ten diez dix zehn das dieci tien",
    "11": "eleven once onze elf gyarah undici",
    "12": "twelve doce douze zwolf barah dodici twaalf",
    "13": "thirteen trece treize dreizehn terah tredici dertien",
    "14": "fourteen catorce quatorze vierzehn chaudah quattordici veertien",
    "15": "fifteen quince quinze funfzehn pandrah quindici vijftien",
    "16": "sixteen dieciseis seize sechzehn solah sedici zestien",
    "17": "seventeen diecisiete siebzehn satrah diciassette zeventien",
    "18": "eighteen dieciocho achtzehn atharah diciotto achttien",
    "19": "nineteen diecinueve neunzehn unnis diciannove negentien",
}
_TEN_WORDS: Final = {
    "2": "twenty veinte vingt zwanzig bees venti twintig",
    "3": "thirty treinta trente dreissig tees trenta dertig",
    "4": "forty fourty cuarenta quarante vierzig chalis quaranta veertig",
    "5": "fifty cincuenta cinquante funfzig pachas cinquanta vijftig",
    "6": "sixty sesenta soixante sechzig sessanta zestig",
    "7": "seventy setenta siebzig settanta zeventig",
    "8": "eighty ochenta achtzig ottanta tachtig",
    "9": "ninety noventa neunzig novanta negentig",
}
_DEVANAGARI: Final = ("शून्य", "एक", "दो", "तीन", "चार", "पांच", "छह", "सात", "आठ", "नौ")
_GERMAN_UNITS: Final = ("ein", "zwei", "drei", "vier", "funf", "sechs", "sieben", "acht", "neun")
_GERMAN_TENS: Final = (
    "zwanzig", "dreissig", "vierzig", "funfzig", "sechzig", "siebzig", "achtzig", "neunzig",
)  # fmt: skip
_SPANISH_UNITS: Final = ("uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve")
_FRENCH_UNITS: Final = ("un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf")
_FRENCH_TEENS: Final = (
    "dix", "onze", "douze", "treize", "quatorze", "quinze", "seize", "dix sept", "dix huit", "dix neuf",
)  # fmt: skip


def fold(word: str) -> str:
    """Lower case, without accents; letters of other scripts stay."""
    if word.isascii():
        return word.lower()
    folded = unicodedata.normalize("NFKD", word.casefold().replace("ß", "ss"))
    return "".join(char for char in folded if not unicodedata.combining(char))


def _digits() -> dict[str, str]:
    found = {word: digits for digits, words in _UNITS.items() for word in words.split()}
    found |= {fold(word): str(digit) for digit, word in enumerate(_DEVANAGARI)}
    found |= {fold("छः"): "6", fold("पाँच"): "5"}
    for ten, german in enumerate(_GERMAN_TENS, 2):
        for unit, name in enumerate(_GERMAN_UNITS, 1):
            found[f"{name}und{german}"] = f"{ten}{unit}"
    for unit, name in enumerate(_SPANISH_UNITS, 1):
        found[f"veinti{name}"] = f"2{unit}"
    return found


def _phrases() -> dict[str, str]:
    """French numbers of several words that are no sum of a ten and a unit: 17 to 19 and 70 to 99."""
    found = {phrase: str(10 + n) for n, phrase in enumerate(_FRENCH_TEENS) if " " in phrase}
    for n, teen in enumerate(_FRENCH_TEENS):
        found[f"soixante {teen}"] = str(70 + n)
        found[f"quatre vingt {teen}"] = str(90 + n)
    found["soixante et onze"] = "71"
    found["quatre vingt"] = found["quatre vingts"] = "80"
    for n, unit in enumerate(_FRENCH_UNITS, 1):
        found[f"quatre vingt {unit}"] = str(80 + n)
    return found


DIGITS: Final[dict[str, str]] = _digits()
"""Word → its one or two digits."""
TENS: Final[dict[str, str]] = {word: digit for digit, words in _TEN_WORDS.items() for word in words.split()}
"""Word for a ten → its first digit; the second is said after it, or is a zero."""
PHRASES: Final[dict[str, str]] = _phrases()
PHRASE_PATTERN: Final = "|".join(
    re.escape(phrase).replace(r"\ ", "[ -]") for phrase in sorted(PHRASES, key=len, reverse=True)
)
JOINERS: Final = frozenset({"-", "y", "et", "e"})
"""Between a ten and its unit: "treinta y uno", "vingt et un", "twenty-one"."""
REPEATS: Final = {
    "double": 2, "doble": 2, "doppel": 2, "dubbel": 2, "doppio": 2, "triple": 3, "treble": 3, "triplo": 3,
}  # fmt: skip
SCALES: Final = (
    "hundred thousand million billion lakh lakhs crore crores cent cents mille mil ciento cientos millones "
    "millions tausend hundert million millionen cento mila duizend honderd"
)
_NATO_WORDS: Final = (
    "alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november "
    "oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu"
)
NATO: Final[dict[str, str]] = {word: word[0].upper() for word in _NATO_WORDS.split()}


def said(token: str) -> str:
    """The digits that one token says; empty when it says none."""
    if token[0].isdigit():
        return "".join(str(unicodedata.digit(char, 0)) for char in token)
    folded = fold(token)
    found = DIGITS.get(folded)
    if found is None and (" " in folded or "-" in folded):
        return PHRASES.get(folded.replace("-", " "), "")
    return found or ""
