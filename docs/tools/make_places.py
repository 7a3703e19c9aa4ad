"""Writes campaign/domain/area_codes.py and campaign/domain/postal_codes.py.

Run by hand when an area code is added: `pip install zipcodes==3.0.0 tzfpy phonenumbers tzdata` in a
scratch environment, then `python docs/tools/make_places.py`. The tables are committed; the service needs
neither `zipcodes` nor `tzfpy` nor the geocoding data of `phonenumbers` when it runs.

Where the facts come from:
  * which area codes exist, and of which country: `phonenumbers`;
  * the state of a US area code: the geocoder's entry for the area code itself;
  * its zones: every zone that ZIP codes served by it have inside its own state (`zipcodes`), and every zone
    that `phonenumbers` gives to one of its exchanges. The zone that `phonenumbers` gives to a whole area code
    is used only where there is nothing better: for split codes it is one zone at random (850 is "New York",
    two thirds of it are Central), and for 689 (Orlando) it is plainly wrong;
  * the zone of a ZIP code: the ZIP data's, and where the zone at its coordinates (`tzfpy`) is another, both;
  * Canada: by hand, below, because libraries know one zone per code.

Zones whose clocks agree from now on are written as one (Detroit is New York), so that there are few groups.
"""

import zoneinfo
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

zoneinfo.reset_tzpath(())

import phonenumbers  # noqa: E402  the zone path comes first
import tzfpy  # noqa: E402
import zipcodes  # noqa: E402
from phonenumbers import tzdata  # noqa: E402
from phonenumbers.geodata import GEOCODE_DATA  # noqa: E402

DOMAIN = Path(__file__).resolve().parents[2] / "campaign" / "domain"
SHORT = {
    "America/New_York": "E",
    "America/Chicago": "C",
    "America/Denver": "M",
    "America/Phoenix": "Z",
    "America/Los_Angeles": "P",
    "America/Anchorage": "A",
    "America/Adak": "D",
    "Pacific/Honolulu": "H",
    "America/Puerto_Rico": "R",
    "Pacific/Guam": "G",
    "Pacific/Pago_Pago": "S",
    "Pacific/Palau": "W",
    "Pacific/Majuro": "J",
}
TERRITORIES = {"PR", "VI", "GU", "MP", "AS"}
STATES = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "Washington D.C.": "DC", "Florida": "FL", "Georgia": "GA",
    "Hawaii": "HI", "Idaho": "ID", "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS",
    "Kentucky": "KY", "Louisiana": "LA", "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA",
    "Michigan": "MI", "Minnesota": "MN", "Mississippi": "MS", "Missouri": "MO", "Montana": "MT",
    "Nebraska": "NE", "Nevada": "NV", "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM",
    "New York": "NY", "North Carolina": "NC", "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK",
    "Oregon": "OR", "Pennsylvania": "PA", "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD",
    "Tennessee": "TN", "Texas": "TX", "Utah": "UT", "Vermont": "VT", "Virginia": "VA",
    "Washington State": "WA", "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY",
}  # fmt: skip
CANADA = {
    "AB": ("403 587 780 825 368", "America/Edmonton"),
    "BC": ("236 250 257 672 778", "America/Vancouver America/Edmonton"),
    "BC ": ("604", "America/Vancouver"),
    "MB": ("204 431 584", "America/Winnipeg"),
    "NB": ("506 428", "America/Halifax"),
    "NL": ("709 879", "America/St_Johns America/Halifax"),
    "NS PE": ("902 782", "America/Halifax"),
    "NT NU YT": (
        "867",
        "America/Whitehorse America/Edmonton America/Winnipeg America/Toronto America/Panama",
    ),
    "ON": ("226 249 289 343 365 382 416 437 519 548 613 647 683 705 742 753 905 942", "America/Toronto"),
    "ON ": ("807", "America/Toronto America/Winnipeg America/Panama"),
    "QC": ("263 273 354 438 450 468 514 579 819 873", "America/Toronto"),
    "QC ": ("367 418 581", "America/Toronto America/Halifax"),
    "SK": ("306 474 639", "America/Regina America/Edmonton"),
}
# Where a whole-code entry of the library is wrong or incomplete and ZIP data has nothing.
ZONES_BY_HAND = {
    "689": {"America/New_York"},
    "907": {"America/Anchorage", "America/Adak"},
}


def signature(zone: str) -> tuple[timedelta | None, ...]:
    start = datetime(2026, 11, 15, tzinfo=UTC)
    info = zoneinfo.ZoneInfo(zone)
    return tuple((start + timedelta(hours=6 * i)).astimezone(info).utcoffset() for i in range(4 * 365 * 10))


_KNOWN = {signature(zone): zone for zone in SHORT}
_SEEN: dict[str, str] = {}


def canonical(zone: str) -> str:
    if zone == "Napakiak":  # a slip in the ZIP data: a village of Alaska
        return "America/Anchorage"
    if zone not in _SEEN:
        _SEEN[zone] = _KNOWN.get(signature(zone), zone)
    return _SEEN[zone]


def state_of(npa: str) -> str:
    name = GEOCODE_DATA.get(f"1{npa}", {}).get("en", "")
    tail = name.split(", ")[-1]
    if tail in STATES:
        return STATES[tail]
    if tail in STATES.values():
        return tail
    codes = [
        v["en"].split(", ")[-1] for k, v in GEOCODE_DATA.items() if k.startswith(f"1{npa}") and "en" in v
    ]
    found = {STATES.get(code, code) for code in codes} & set(STATES.values())
    assert len(found) == 1, (npa, name, codes[:5])
    return found.pop()


def country_and_kind(npa: str) -> tuple[str, bool] | None:
    """The country that most of the code's valid numbers belong to, and whether they are tied to a place."""
    for exchange in range(200, 1000):
        number = phonenumbers.PhoneNumber(country_code=1, national_number=int(f"{npa}{exchange}0150"))
        if phonenumbers.is_valid_number(number):
            kind = phonenumbers.number_type(number)
            placed = kind in (
                phonenumbers.PhoneNumberType.FIXED_LINE,
                phonenumbers.PhoneNumberType.MOBILE,
                phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
            )
            if placed:
                return phonenumbers.region_code_for_number(number) or "", True
    number = phonenumbers.PhoneNumber(country_code=1, national_number=int(f"{npa}5550150"))
    return ("", False) if phonenumbers.is_valid_number(number) else None


def area_codes() -> dict[tuple[str, ...], dict[tuple[str, ...], list[str]]]:
    zips: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in zipcodes.list_all():
        for npa in row["area_codes"]:
            if row["timezone"]:
                zips[npa][row["state"]].add(canonical(row["timezone"]))
    canada = {
        npa: (tuple(f"CA-{p}" for p in provinces.split()), set(zones.split()))
        for provinces, (codes, zones) in CANADA.items()
        for npa in codes.split()
    }
    found: dict[tuple[str, ...], dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for npa in map(str, range(200, 1000)):
        what = country_and_kind(npa)
        if what is None or not what[1]:
            continue
        country = what[0]
        whole: set[str] = set()
        exchanges: set[str] = set()
        for prefix, zones in tzdata.TIMEZONE_DATA.items():
            if prefix.startswith(f"1{npa}"):
                (whole if len(prefix) == 4 else exchanges).update(map(canonical, zones))
        if country == "CA":
            regions, zones_found = canada.pop(npa)
        elif country == "US" or country in TERRITORIES:
            state = country if country in TERRITORIES else state_of(npa)
            regions = (f"US-{state}",)
            zones_found = ZONES_BY_HAND.get(npa) or zips[npa].get(state, set()) | exchanges or whole
        else:
            regions, zones_found = (country,), whole
        assert zones_found, npa
        found[regions][tuple(sorted(zones_found))].append(npa)
    assert not canada, canada
    return found


def write_area_codes() -> None:
    lines = []
    table = area_codes()
    for regions in sorted(
        table, key=lambda r: (not r[0].startswith(("US", "CA")), not r[0].startswith("US"), r)
    ):
        for zones, codes in sorted(table[regions].items(), key=lambda item: item[1]):
            for start in range(0, len(codes), 15):
                lines.append(
                    f"{' '.join(regions)} | {' '.join(zones)} | {' '.join(codes[start : start + 15])}"
                )
    text = f'''"""North American area codes: whose they are, and every time zone in them.

Made by docs/tools/make_places.py.

Each line: regions (ISO 3166-2, or a country where it has only one region for us) | zones | area codes.
A code has *all* the zones that occur in it, never the likeliest: a call is legal only when the window is
open in every one. Codes that belong to no place (toll-free, 5xx, 900) are not here: they have no zone.
"""

_TABLE = """
{chr(10).join(lines)}
"""


def _read(table: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {{}}
    for line in table.strip().splitlines():
        regions, zones, codes = (tuple(part.split()) for part in line.split("|"))
        found.update(dict.fromkeys(codes, (regions, zones)))
    return found


AREA_CODES = _read(_TABLE)
"""Area code ("850") → (regions, zones): (("US-FL",), ("America/Chicago", "America/New_York"))."""
'''
    (DOMAIN / "area_codes.py").write_text(text)


def zones_of_zip(row: dict[str, str]) -> list[str]:
    zones = {canonical(row["timezone"])}
    at = tzfpy.get_tz(float(row["long"]), float(row["lat"]))
    if at and not at.startswith("Etc/"):  # a few ZIP codes carry coordinates at sea
        zones.add(canonical(at))
    return sorted(zones)


def write_postal_codes() -> None:
    rows = sorted(
        (row["zip_code"], row["state"], zones_of_zip(row)) for row in zipcodes.list_all() if row["timezone"]
    )
    used = {row["zip_code"][:3] for row in zipcodes.list_all()}
    military = {row["zip_code"][:3] for row in zipcodes.list_all() if not row["timezone"]}
    runs: list[tuple[str, str]] = []

    def add(first: str, what: str) -> None:
        if not runs or runs[-1][1] != what:
            runs.append((first, what))

    by_prefix: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for code, state, zones in rows:
        by_prefix[code[:3]].append((code, f"{state}{''.join(SHORT[zone] for zone in zones)}"))
    for prefix in (f"{n:03d}" for n in range(1000)):
        found = by_prefix.get(prefix)
        if not found or prefix not in used or prefix in military - set(by_prefix):
            add(f"{prefix}00", "-")
            continue
        add(f"{prefix}00", found[0][1])
        for code, what in found:
            add(code, what)
    words = [f"{first}{what}" for first, what in runs]
    lines = []
    for start in range(0, len(words), 9):
        lines.append(" ".join(words[start : start + 9]))
    shorts = "\n".join(f'    "{code}": "{zone}",' for zone, code in SHORT.items())
    text = f'''"""US postal codes: state and zone. Made by docs/tools/make_places.py from public ZIP data.

The 42,000 ZIP codes fall into {len(words)} runs of one state and one zone; each run is written as its first
code, the state and a letter for the zone (two where sources differ). "-" starts a run of codes that lie
in no state (unassigned, military).
"""

from bisect import bisect_right

_ZONES = {{
{shorts}
}}

_TABLE = """
{chr(10).join(lines)}
"""
_RUNS = _TABLE.split()

_STARTS = [int(run[:5]) for run in _RUNS]


def state_and_zones(zip5: str) -> tuple[str, tuple[str, ...]] | None:
    """State ("FL") and zones of a five-digit US postal code; None when it lies in no state.

    Args:
        zip5: exactly five ASCII digits.
    """
    what = _RUNS[bisect_right(_STARTS, int(zip5)) - 1][5:]
    return None if what == "-" else (what[:2], tuple(_ZONES[letter] for letter in what[2:]))
'''
    (DOMAIN / "postal_codes.py").write_text(text)


if __name__ == "__main__":
    write_area_codes()
    write_postal_codes()
