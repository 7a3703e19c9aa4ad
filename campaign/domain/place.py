"""Where the called person may be: countries, regions and time zones, from all evidence together.

Nothing that is known about a contact replaces anything else (decision 20): what the person said, the list's
zone, postal code, state and country columns and the number itself are collected, and the zones are the
union. A call is legal only when the window is open in every one of them, and the rules of every region
apply. With no zone at all a contact can't be dialled.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from zoneinfo import available_timezones

import phonenumbers
from phonenumbers import timezone as number_zones
from phonenumbers.tzdata import TIMEZONE_DATA

from campaign.domain.area_codes import AREA_CODES
from campaign.domain.errors import BadInput
from campaign.domain.phone import PhoneNumber
from campaign.domain.postal_codes import state_and_zones

_TERRITORIES = {"PR", "VI", "GU", "MP", "AS"}  # own country codes in numbers, but parts of the US
_NO_ZONE = number_zones.UNKNOWN_TIMEZONE

_STATES = {
    "US": {
        "AL": "alabama", "AK": "alaska", "AZ": "arizona", "AR": "arkansas", "CA": "california",
        "CO": "colorado", "CT": "connecticut", "DE": "delaware", "DC": "district of columbia",
        "FL": "florida", "GA": "georgia", "HI": "hawaii", "ID": "idaho", "IL": "illinois", "IN": "indiana",
        "IA": "iowa", "KS": "kansas", "KY": "kentucky", "LA": "louisiana", "ME": "maine", "MD": "maryland",
        "MA": "massachusetts", "MI": "michigan", "MN": "minnesota", "MS": "mississippi", "MO": "missouri",
        "MT": "montana", "NE": "nebraska", "NV": "nevada", "NH": "new hampshire", "NJ": "new jersey",
        "NM": "new mexico", "NY": "new york", "NC": "north carolina", "ND": "north dakota", "OH": "ohio",
        "OK": "oklahoma", "OR": "oregon", "PA": "pennsylvania", "RI": "rhode island",
        "SC": "south carolina", "SD": "south dakota", "TN": "tennessee", "TX": "texas", "UT": "utah",
        "VT": "vermont", "VA": "virginia", "WA": "washington", "WV": "west virginia", "WI": "wisconsin",
        "WY": "wyoming", "PR": "puerto rico", "VI": "us virgin islands", "GU": "guam",
        "MP": "northern mariana islands", "AS": "american samoa",
    },
    "CA": {
        "AB": "alberta", "BC": "british columbia", "MB": "manitoba", "NB": "new brunswick",
        "NL": "newfoundland and labrador", "NS": "nova scotia", "NT": "northwest territories",
        "NU": "nunavut", "ON": "ontario", "PE": "prince edward island", "QC": "quebec",
        "SK": "saskatchewan", "YT": "yukon",
    },
}  # fmt: skip
_OTHER_NAMES = {
    "washington dc": "US-DC",
    "washington d c": "US-DC",
    "québec": "CA-QC",
    "newfoundland": "CA-NL",
}
_STATE_OF: dict[str, str] = {}
for _country in ("CA", "US"):  # the US last: "CA" alone is California
    for _code, _name in _STATES[_country].items():
        _STATE_OF |= {
            _name: f"{_country}-{_code}",
            _code.lower(): f"{_country}-{_code}",
            f"{_country}-{_code}".lower(): f"{_country}-{_code}",
        }
_STATE_OF |= _OTHER_NAMES

_ZONES_OF_REGION: dict[str, tuple[str, ...]] = {}
for _regions, _zones in AREA_CODES.values():
    for _region in _regions:
        _ZONES_OF_REGION[_region] = tuple(sorted({*_ZONES_OF_REGION.get(_region, ()), *_zones}))

# What people in North America write instead of a zone's name. "MST" alone may be Arizona, where clocks stay.
_COMMON_ZONES = {
    name: zones
    for zones, names in {
        ("America/New_York",): "eastern et est edt us/eastern",
        ("America/Chicago",): "central ct cst cdt us/central",
        ("America/Denver", "America/Phoenix"): "mountain mt mst us/mountain",
        ("America/Denver",): "mdt",
        ("America/Phoenix",): "arizona us/arizona",
        ("America/Los_Angeles",): "pacific pt pst pdt us/pacific",
        ("America/Anchorage",): "alaska akst akdt us/alaska",
        ("Pacific/Honolulu",): "hawaii hst us/hawaii",
        ("America/Halifax",): "atlantic ast adt",
    }.items()
    for name in names.split()
}
_ZONE_FILLER = re.compile(r"\b(?:time|zone|standard|daylight)\b|[().]")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that tells where the person may be.

    Attributes:
        source: "number", "said", "zone", "postal_code", "state" or "country".
        value: as it was given; for the number only its area code or country.
        zones: the time zones it allows, IANA names; empty when it tells none.
        regions: what it places the person in: "US-FL", or a bare country "JM".
    """

    source: str
    value: str
    zones: tuple[str, ...]
    regions: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Everywhere the person may be; each tuple sorted and without repetition.

    `countries`: ISO 3166 ("US"). `regions`: ISO 3166-2 ("US-FL"). `zones`: IANA names.
    """

    countries: tuple[str, ...]
    regions: tuple[str, ...]
    zones: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()

    @cached_property
    def key(self) -> str:
        """Canonical text: "US|US-FL|America/Chicago,America/New_York"; equal places have equal keys."""
        return "|".join(",".join(part) for part in (self.countries, self.regions, self.zones))

    @staticmethod
    def from_key(key: str) -> "Place":
        """The place that has this key, without its evidence. Raises ValueError for other text."""
        countries, regions, zones = (tuple(part.split(",")) if part else () for part in key.split("|"))
        return Place(countries, regions, zones)

    def union(self, other: "Place") -> "Place":
        """Everywhere that either says."""
        return _gathered((*self.evidence, *other.evidence), (self, other))


def _gathered(evidence: tuple[Evidence, ...], places: Iterable[Place] = ()) -> Place:
    regions = {region for one in evidence for region in one.regions}
    countries = {region.partition("-")[0] for region in regions}
    zones = {zone for one in evidence for zone in one.zones}
    divisions = {region for region in regions if "-" in region}
    for place in places:
        countries.update(place.countries)
        divisions.update(place.regions)
        zones.update(place.zones)
    return Place(tuple(sorted(countries)), tuple(sorted(divisions)), tuple(sorted(zones)), evidence)


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


@lru_cache(maxsize=4096)
def zones_named(text: str) -> tuple[str, ...]:
    """The zones that a text names: "America/Chicago", "us/central", "Central Time", "CST".

    Raises:
        BadInput: the text names no time zone.
    """
    plain = text.strip().lower().replace(" ", "_")
    words = " ".join(_ZONE_FILLER.sub(" ", text.lower()).split())
    common = _COMMON_ZONES.get(words)
    if common:
        return common
    known = _zone_names().get(plain)
    if known is None:
        raise BadInput(
            f'"{text.strip()[:60]}" names no time zone.',
            'Write a name such as "America/Chicago" or "Central".',
            zone=text.strip()[:60],
        )
    return (known,)


def state_named(text: str, country: str | None) -> str | None:
    """The ISO 3166-2 region of a state column ("Fla" is none, "florida" and "FL" are "US-FL").

    Args:
        text: the cell.
        country: the country it is read in; US and Canada are read together. Elsewhere only codes are
            understood ("BY" in DE → "DE-BY").
    """
    words = " ".join(text.lower().replace(".", "").replace("_", " ").split())
    if country in (None, "US", "CA") or country in _TERRITORIES:
        if country == "CA" and words.upper() in _STATES["CA"]:
            return f"CA-{words.upper()}"
        return _STATE_OF.get(words)
    code = words.upper()
    if re.fullmatch(r"[A-Z]{2}-[A-Z0-9]{1,3}", code):
        return code
    return f"{country}-{code}" if re.fullmatch(r"[A-Z0-9]{1,3}", code) else None


@lru_cache(maxsize=65536)
def _by_postal_code(text: str) -> Evidence | None:
    """A US postal code: five digits, ZIP+4, or what a spreadsheet left after eating leading zeros."""
    match = re.fullmatch(r"(\d{3,5})(?:\.0)?|(\d{5})[- ]?\d{4}", text.strip(), re.ASCII)
    if match is None:
        return None
    five = (match[1] or match[2]).zfill(5)
    found = state_and_zones(five)
    if found is None:
        return Evidence("postal_code", five, (), ())
    return Evidence("postal_code", five, found[1], (f"US-{found[0]}",))


def _by_number(number: PhoneNumber) -> Evidence:
    if number.e164.startswith("+1"):
        area_code = number.e164[2:5]
        if area_code in AREA_CODES:
            regions, zones = AREA_CODES[area_code]
            return Evidence("number", area_code, zones, regions)
        return Evidence("number", area_code, (), (number.region,))
    parsed = phonenumbers.parse(number.e164, None)
    zones = tuple(sorted(set(number_zones.time_zones_for_number(parsed)) - {_NO_ZONE}))
    if number.region == "001":
        return Evidence("number", f"+{parsed.country_code}", (), ())
    return Evidence("number", number.region, zones, (number.region,))


@lru_cache(maxsize=1024)
def _by_country(country: str) -> Evidence:
    """A country column; its zones only where the country has a calling code of its own (not +1)."""
    if country in _TERRITORIES:
        region = f"US-{country}"
        return Evidence("country", country, _ZONES_OF_REGION[region], (region,))
    code = phonenumbers.country_code_for_region(country)
    zones = () if code in (0, 1) else TIMEZONE_DATA.get(str(code), ())
    return Evidence("country", country, tuple(zones), (country,))


def locate(
    number: PhoneNumber,
    *,
    zone: str | None = None,
    postal_code: str | None = None,
    state: str | None = None,
    said: str | None = None,
    country: str | None = None,
) -> Place:
    """Everywhere the owner of a number may be: the union of all evidence.

    A US area code gives every zone that occurs in it. Postal codes are resolved for the US only, and only
    when the number is North American or the country column says US. An unknown state or postal code tells
    nothing; it doesn't take away what the rest tells.

    Args:
        number: the number to be called.
        zone: the list's time-zone column; said: the zone that the person named on a call.
        postal_code, state: the list's columns, as written.
        country: the list's country column, an ISO 3166 code.

    Raises:
        BadInput: `zone` or `said` names no time zone.
    """
    evidence = [_by_number(number)]
    if said and said.strip():
        evidence.append(Evidence("said", said.strip(), zones_named(said), ()))
    if zone and zone.strip():
        evidence.append(Evidence("zone", zone.strip(), zones_named(zone), ()))
    american = country == "US" or (country is None and number.e164.startswith("+1"))
    if postal_code and american:
        found = _by_postal_code(postal_code)
        if found:
            evidence.append(found)
    if state and state.strip():
        read_in = country or (None if number.e164.startswith("+1") else number.region)
        region = state_named(state, read_in)
        if region:
            evidence.append(Evidence("state", state.strip(), _ZONES_OF_REGION.get(region, ()), (region,)))
    if country and country != number.region:
        evidence.append(_by_country(country))
    return _gathered(tuple(evidence))
