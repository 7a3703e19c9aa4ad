"""Text → telephone number in E.164, or the reason why not; and the masking of numbers for logs.

The judge is Google's library (`phonenumbers`). Two things stand before it: what a spreadsheet damaged is
recognised and named, because the library turns `912345678.0` into a valid number of somebody else; and
North American numbers are answered from a cache by their first six digits, which is exact (no number's
verdict depends on its last four digits) and thirty times faster.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult

# Without it the library's 500-odd patterns fall out of Python's own cache: 3,000 numbers a second of mixed
# countries instead of 40,000.
phonenumbers.enable_pattern_cache()


class NumberKind(StrEnum):
    """What sort of line a number is, as far as the number itself tells."""

    FIXED = "fixed"
    MOBILE = "mobile"
    FIXED_OR_MOBILE = "fixed_or_mobile"
    TOLL_FREE = "toll_free"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    UAN = "uan"
    SATELLITE = "satellite"
    VOIP = "voip"
    PERSONAL = "personal"
    PAGER = "pager"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"


class PhoneNumber(NamedTuple):
    """A valid telephone number.

    `e164`: "+12125550142". `region`: ISO 3166 country ("US", "JM"), or "001" for numbers of no country.
    """

    e164: str
    region: str
    kind: NumberKind


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a text isn't a number that can be called. `code` is for programs, `why` a phrase for people."""

    code: str
    why: str


_KINDS = {
    PhoneNumberType.FIXED_LINE: NumberKind.FIXED,
    PhoneNumberType.MOBILE: NumberKind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberKind.FIXED_OR_MOBILE,
    PhoneNumberType.TOLL_FREE: NumberKind.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM,
    PhoneNumberType.SHARED_COST: NumberKind.SHARED_COST,
    PhoneNumberType.VOIP: NumberKind.VOIP,
    PhoneNumberType.PERSONAL_NUMBER: NumberKind.PERSONAL,
    PhoneNumberType.PAGER: NumberKind.PAGER,
    PhoneNumberType.UAN: NumberKind.UAN,
    PhoneNumberType.VOICEMAIL: NumberKind.VOICEMAIL,
}
_SATELLITE_CODES = {870, 881}  # Inmarsat, global mobile satellite; the library calls 881 "mobile"

_MAX_TEXT = 60
_USUAL = re.compile(r"(?:\+?1[ -]?)?\(?([2-9]\d{2})\)?[ -]?(\d{3})[ -]?(\d{4})", re.ASCII)
"""How nearly all North American numbers are written; a quicker way to what the rest is read by."""
_SEPARATORS = str.maketrans("", "", " ()-.\u00a0\u2010\u2011\u2013")
_CACHED_REGIONS = {"US", "CA"}
_EXPONENT = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")
_DECIMAL = re.compile(r"[+-]?\d+\s*[.,]\s*(?:\d{3}|0+)|[+-]?0?[.,]\d+")
_TWO_PLACES = re.compile(r"[\d,]*\.\d{1,2}|\d*,\d{1,2}")
"""Of a text's figures and points: one point with one or two figures behind it, as no number is written."""
_ARABIC_POINTS = str.maketrans({"\u066b": ".", "\u066c": ","})
_SPREADSHEET_ERROR = re.compile(r"#+|#(?:REF|VALUE|NAME|N/A|NUM|DIV/0|NULL)[!?]?", re.IGNORECASE)
_PREFIX_WORD = re.compile(r"(?:tel|phone|mobile|cell)\s*[.:]\s*", re.IGNORECASE)
_EXTENSION = re.compile(r"\s*(?:;ext=|(?:ext(?:ension|n)?|x|#)[.:]?\s*)\d{1,8}#?", re.IGNORECASE)
_SEVERAL = re.compile(r"\s*(?:[/;,|\n]|\bor\b|\band\b)\s*", re.IGNORECASE)
_LETTER = re.compile(r"[A-Za-z]")

_EMPTY = Rejected("empty", "there is no number")

# (first six digits) → (region, kind) of a valid prefix, or why all of its numbers are invalid. Bounded by
# the 800 × 800 prefixes there can be.
_PREFIXES: dict[str, tuple[str, NumberKind] | Rejected] = {}


def is_region(code: str) -> bool:
    """Whether `code` is an ISO 3166 country that has telephone numbers ("US", "DE")."""
    return code in phonenumbers.SUPPORTED_REGIONS


def parse(text: str, region: str | None) -> PhoneNumber | Rejected:
    """Read one cell as a telephone number; never raises.

    Args:
        text: as a person or a program wrote it: "(212) 555-0142", "+44 20 7946 0958", "tel:+1-212-555-0142".
            Full-width and Arabic digits, invisible direction marks and an extension are understood; the
            extension isn't kept.
        region: the ISO country of numbers that are written without "+"; None when there is none.
    """
    if region in _CACHED_REGIONS and (usual := _USUAL.fullmatch(text)):
        area, office, line = usual.groups()
        return _north_american(area + office, line)
    bare = text.translate(_SEPARATORS)
    if bare.startswith("+1"):
        ten = bare[2:]
    elif region in _CACHED_REGIONS:
        ten = bare[1:] if bare.startswith("1") else bare
    else:
        ten = ""
    # A single dot may be a spreadsheet's decimal point; two or none are punctuation.
    if len(ten) == 10 and ten.isascii() and ten.isdigit() and ten[0] > "1" and text.count(".") != 1:
        return _north_american(ten[:6], ten[6:])
    return _parse_carefully(text, region)


def _north_american(prefix: str, line: str) -> PhoneNumber | Rejected:
    """Verdict on a national number of country code 1, six and four digits, by the six."""
    known = _PREFIXES.get(prefix)
    if known is None:
        number = phonenumbers.PhoneNumber(country_code=1, national_number=int(prefix + line))
        verdict = _judge(number, f"+1{prefix}{line}")
        known = verdict if isinstance(verdict, Rejected) else (verdict.region, verdict.kind)
        _PREFIXES[prefix] = known
    if isinstance(known, Rejected):
        return known
    return PhoneNumber(f"+1{prefix}{line}", known[0], known[1])


def _parse_carefully(text: str, region: str | None) -> PhoneNumber | Rejected:
    if len(text) > _MAX_TEXT:
        return Rejected("too_long_text", f"a number has at most {_MAX_TEXT} characters, this has {len(text)}")
    clean = _clean(text)
    if isinstance(clean, Rejected):
        return clean
    if clean.startswith("00") and not clean.startswith("000"):
        # "00" is how most of the world dials abroad; where it isn't (the US), the library knows no better.
        native = _by_library(clean, region)
        return native if isinstance(native, PhoneNumber) else _by_library("+" + clean[2:], region)
    return _by_library(clean, region)


def _clean(text: str) -> str | Rejected:
    """The text without what doesn't belong to a number; or why it can't be one."""
    kept = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    kept = kept.translate(_ARABIC_POINTS).strip().strip("'\"=").strip()  # a spreadsheet's marks of text
    if not kept:
        return _EMPTY
    if any(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in kept):
        return Rejected("control", "the cell holds control characters")
    if any(unicodedata.category(c) == "No" for c in text):  # a footnote's mark would become a digit
        return Rejected("letters", "raised, circled or other figures stand among the digits")
    if _SPREADSHEET_ERROR.fullmatch(kept):
        return Rejected(
            "excel_error", f"a spreadsheet's error stands here ({kept}): mend it and export again"
        )
    kept = _PREFIX_WORD.sub("", kept, count=1) if _LETTER.match(kept) else kept
    extension = _EXTENSION.search(kept)
    if extension and extension.end() == len(kept):
        kept = kept[: extension.start()]
    damaged = _by_spreadsheet(kept)
    if damaged is not None:
        return damaged
    parts = [digits for part in _SEVERAL.split(kept) if (digits := sum(map(str.isdigit, part)))]
    if any(digits >= 7 for digits in parts[:-1]):
        return Rejected("several", "more than one number stands in the cell: give each its own column")
    if any(c.isalpha() for c in kept):
        return Rejected("letters", "letters stand where digits are expected")
    if "," in kept.rstrip(" ,;"):  # the library would take what follows for an extension
        return Rejected("commas", "commas stand between the digits: write spaces, hyphens or nothing instead")
    return kept


def _by_spreadsheet(text: str) -> Rejected | None:
    """What a spreadsheet made of a number, which the library would read as somebody else's."""
    if _EXPONENT.fullmatch("".join(text.split())):
        return Rejected(
            "excel_exponent",
            f"a spreadsheet turned this number into {text}, its last digits are lost: "
            "format the column as text and export again",
        )
    figures = "".join(c for c in text if c.isdecimal() or c in ".,")
    if _DECIMAL.fullmatch(text.strip()) or _TWO_PLACES.fullmatch(figures):
        return Rejected(
            "excel_decimal",
            f"a spreadsheet turned this number into a decimal ({_tail(text)}): "
            "format the column as text and export again",
        )
    return None


def _by_library(text: str, region: str | None) -> PhoneNumber | Rejected:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as fault:
        return _unparsable(fault, text, region)
    return _judge(number, None)


def _unparsable(fault: phonenumbers.NumberParseException, text: str, region: str | None) -> Rejected:
    if fault.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
        if text.lstrip().startswith("+"):
            return Rejected("no_country", "no country has this code after the +")
        return Rejected("no_region", "without a + the country must be known: name it as the list's region")
    if fault.error_type == phonenumbers.NumberParseException.NOT_A_NUMBER and not any(map(str.isdigit, text)):
        return Rejected("not_a_number", "this isn't a telephone number")
    if fault.error_type == phonenumbers.NumberParseException.TOO_LONG:
        return Rejected("too_long", "the number has too many digits")
    return Rejected("too_short", "the number has too few digits")


def _judge(number: phonenumbers.PhoneNumber, e164: str | None) -> PhoneNumber | Rejected:
    # The library calls a number valid when its type is known; asked this way it searches the country once.
    sort = phonenumbers.number_type(number)
    if sort == PhoneNumberType.UNKNOWN:
        match phonenumbers.is_possible_number_with_reason(number):
            case ValidationResult.TOO_SHORT | ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
                return Rejected("too_short", "the number has too few digits")
            case ValidationResult.TOO_LONG:
                return Rejected("too_long", "the number has too many digits")
            case _:
                return Rejected("not_in_use", "no number begins like this in that country")
    kind = _KINDS.get(sort, NumberKind.UNKNOWN)
    if number.country_code in _SATELLITE_CODES:
        kind = NumberKind.SATELLITE
    plain = e164 or phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return PhoneNumber(plain, phonenumbers.region_code_for_number(number) or "001", kind)


def _tail(text: str) -> str:
    return "…" + text[-4:]


def mask(e164: str) -> str:
    """A number for logs: country and area prefix and the last four digits at most, never the whole.

    >>> mask("+12125550142")
    '+1212•••0142'
    """
    if not e164.startswith("+") or not e164[1:].isdigit():
        return "•••" if len(e164) < 7 else f"•••{e164[-2:]}"
    digits = e164[1:]
    country = next((n for n in (1, 2, 3) if int(digits[:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 1)
    national = len(digits) - country
    shown_last = min(4, max(0, national // 2 - 1))
    shown_first = min(3, max(0, national - shown_last - 3))
    last = digits[len(digits) - shown_last :] if shown_last else ""
    return f"+{digits[: country + shown_first]}•••{last}"
