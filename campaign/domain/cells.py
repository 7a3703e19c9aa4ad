"""What single cells say (consent, party, country, date), and cells made safe for spreadsheets."""

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal

CONSENT_WORDS = {
    "": "none", "none": "none", "no": "none", "n": "none", "false": "none", "0": "none",
    "ebr": "ebr", "existing_business_relationship": "ebr", "customer": "ebr",
    "express_oral": "express_oral", "oral": "express_oral", "verbal": "express_oral",
    "express_written": "express_written", "written": "express_written", "pewc": "express_written",
    "express": "express_oral", "prior_express_written_consent": "express_written",
}  # fmt: skip
DO_NOT_CALL_WORDS = {
    **dict.fromkeys(("", "no", "n", "false", "f", "0", "none", "nein", "non", "active", "callable"), False),
    **dict.fromkeys(
        (
            "yes", "y", "true", "t", "1", "x", "✓", "ja", "si", "sí", "oui", "sim", "stop", "dnc", "dnd",
            "donotcall", "donotcontact", "dontcall", "optout", "optedout", "unsubscribed", "blocked",
            "revoked",
        ),
        True,
    ),
}  # fmt: skip
"""What a column says of who must not be called, without spaces and hyphens. A date there means: since."""
PARTY_WORDS = {
    "": "unknown", "unknown": "unknown", "consumer": "consumer", "person": "consumer", "private": "consumer",
    "residential": "consumer", "b2c": "consumer", "business": "business", "company": "business",
    "b2b": "business", "commercial": "business",
}  # fmt: skip
COUNTRY_NAMES = {
    "usa": "US", "unitedstates": "US", "unitedstatesofamerica": "US", "us": "US", "can": "CA", "canada": "CA",
    "uk": "GB", "gbr": "GB", "unitedkingdom": "GB", "greatbritain": "GB", "england": "GB", "scotland": "GB",
    "germany": "DE", "deutschland": "DE", "deu": "DE", "france": "FR", "fra": "FR", "spain": "ES",
    "espana": "ES", "esp": "ES", "italy": "IT", "italia": "IT", "ita": "IT", "netherlands": "NL",
    "nederland": "NL", "nld": "NL", "austria": "AT", "osterreich": "AT", "aut": "AT", "switzerland": "CH",
    "schweiz": "CH", "suisse": "CH", "che": "CH", "ireland": "IE", "irl": "IE", "belgium": "BE", "bel": "BE",
    "portugal": "PT", "prt": "PT", "brazil": "BR", "brasil": "BR", "bra": "BR", "mexico": "MX", "mex": "MX",
    "india": "IN", "ind": "IN", "australia": "AU", "aus": "AU", "newzealand": "NZ", "nzl": "NZ",
    "japan": "JP", "jpn": "JP", "poland": "PL", "polska": "PL", "pol": "PL", "sweden": "SE", "swe": "SE",
    "puertorico": "PR", "jamaica": "JM",
}  # fmt: skip

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?:[ ,T]+(\d{1,2}:\d{2}(?::\d{2})?))?")


def when(text: str, region: str | None) -> datetime | None:
    """A date or a date with time as an instant; without a zone it is read as UTC. None when it is neither.

    Args:
        text: "2026-03-31", "2026-03-31T10:00:00-05:00", "3/31/2026" (month first in the US and where the
            region isn't known, day first elsewhere), "31.03.2026" (always day first).
    """
    try:
        if _ISO.match(text):
            found = datetime.fromisoformat(text)
        else:
            match = _SLASHED.fullmatch(text)
            if match is None:
                return None
            month_first = "/" in text and region in (None, "US")
            day, month = (match[2], match[1]) if month_first else (match[1], match[2])
            clock = match[4] or "00:00"
            found = datetime.fromisoformat(f"{match[3]}-{int(month):02}-{int(day):02}T{clock.zfill(5)}")
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def quoted(cell: str) -> str:
    """A cell that a spreadsheet won't take for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


_E164 = re.compile(r"\+[1-9][0-9]{5,14}")


def exported(cell: str) -> str:
    """A cell of a file that leaves the house: as `quoted`, but a phone number stays as it is.

    An E.164 number begins with a plus sign and has nothing but digits after it: the most that a spreadsheet
    can make of it is that number, and every other program reads it as it was written.
    """
    return cell if _E164.fullmatch(cell) else quoted(cell)


def as_cell(value: object) -> str:
    """A value as a cell of a file that leaves the house: text disarmed, numbers and the like as they are,
    what has parts as JSON; empty for nothing.

    Raises:
        TypeError: the value is of a type that no file holds.
    """
    match value:
        case None:
            return ""
        case str():
            return exported(value)
        case bool():
            return "true" if value else "false"
        case int() | float() | Decimal():
            return str(value)
        case date():  # a datetime is one
            return value.isoformat()
        case dict() | list():
            return exported(json.dumps(value, ensure_ascii=False, default=str))
    raise TypeError(f"a cell cannot hold a {type(value).__name__}")


def unquoted(cell: str) -> str:
    """What `quoted` was given."""
    return cell[1:] if cell.startswith(("'=", "'+", "'-", "'@", "'\t", "'\r")) else cell
