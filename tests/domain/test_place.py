"""Where a person may be: all evidence together."""

import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.area_codes import AREA_CODES
from campaign.domain.errors import BadInput
from campaign.domain.phone import PhoneNumber, parse
from campaign.domain.place import Place, locate, state_named, zones_named
from campaign.domain.postal_codes import state_and_zones

EAST, CENTRAL, MOUNTAIN, PACIFIC = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
)

# Area codes with more than one zone inside their own state, by ZIP data; 775 by the exchanges.
_SPLIT = """
    208 986 219 270 364 308 402 531 423 448 850 458 541 574 605 606 620 701 765 785 812 930 865 906 907 915
    928 931 775
"""
SPLIT = _SPLIT.split()


def number(text: str, region: str = "US") -> PhoneNumber:
    found = parse(text, region)
    assert isinstance(found, PhoneNumber)
    return found


@pytest.mark.parametrize("area_code", SPLIT)
def test_a_split_area_code_has_all_its_zones(area_code: str) -> None:
    assert len(AREA_CODES[area_code][1]) >= 2


def test_the_area_codes_that_libraries_get_wrong_are_right() -> None:
    assert AREA_CODES["689"] == (("US-FL",), (EAST,))
    assert AREA_CODES["850"] == (("US-FL",), (CENTRAL, EAST))
    assert AREA_CODES["270"][1] == (CENTRAL, EAST)
    assert AREA_CODES["423"][1] == (CENTRAL, EAST)


def test_every_valid_area_code_with_a_place_is_in_the_table() -> None:
    missing = []
    for area_code in range(200, 1000):
        found = parse(f"+1{area_code}5550142", None)
        placed = isinstance(found, PhoneNumber) and found.kind.value in ("fixed", "mobile", "fixed_or_mobile")
        if placed and str(area_code) not in AREA_CODES:
            missing.append(area_code)
    assert missing == []


def test_every_zone_of_the_tables_exists() -> None:
    zones = {zone for _, zones in AREA_CODES.values() for zone in zones}
    for zip5 in range(0, 100_000, 7):
        found = state_and_zones(f"{zip5:05}")
        zones.update(found[1] if found else ())
    for zone in zones:
        zoneinfo.ZoneInfo(zone)


def test_each_state_has_area_codes_and_the_fifty_are_there() -> None:
    states = {region for regions, _ in AREA_CODES.values() for region in regions if region.startswith("US-")}
    assert len(states) == 50 + 1 + 5  # the District of Columbia and five territories


@pytest.mark.parametrize(
    ("zip5", "state", "zones"),
    [
        ("10001", "NY", (EAST,)),
        ("32501", "FL", (CENTRAL,)),
        ("33101", "FL", (EAST,)),
        ("37402", "TN", (EAST,)),
        ("42101", "KY", (CENTRAL,)),
        ("79901", "TX", (MOUNTAIN,)),
        ("77002", "TX", (CENTRAL,)),
        ("85001", "AZ", ("America/Phoenix",)),
        ("83814", "ID", (PACIFIC,)),
        ("97914", "OR", (MOUNTAIN,)),
        ("00901", "PR", ("America/Puerto_Rico",)),
        ("96813", "HI", ("Pacific/Honolulu",)),
        ("99501", "AK", ("America/Anchorage",)),
        ("36867", "AL", (CENTRAL, EAST)),  # Phenix City lives by the clock of Columbus, Georgia
    ],
)
def test_a_postal_code_tells_state_and_zones(zip5: str, state: str, zones: tuple[str, ...]) -> None:
    assert state_and_zones(zip5) == (state, zones)


@pytest.mark.parametrize("zip5", ["09012", "96201", "00000", "34001"])
def test_a_military_or_unassigned_postal_code_lies_in_no_state(zip5: str) -> None:
    assert state_and_zones(zip5) is None


def test_an_area_code_gives_the_union_of_its_zones() -> None:
    assert locate(number("850-909-1234")).key == "US|US-FL|America/Chicago,America/New_York"


def test_evidence_is_collected_never_replaced() -> None:
    place = locate(
        number("212-555-0142"), zone="Pacific", postal_code="77002", state="Florida", said="America/Denver"
    )
    assert place.countries == ("US",)
    assert place.regions == ("US-FL", "US-NY", "US-TX")
    assert place.zones == (CENTRAL, MOUNTAIN, PACIFIC, EAST)
    assert [one.source for one in place.evidence] == ["number", "said", "zone", "postal_code", "state"]


def test_a_toll_free_number_alone_has_no_zone() -> None:
    assert locate(number("800-555-0199")).zones == ()
    assert locate(number("800-555-0199"), postal_code="02134").zones == (EAST,)


def test_a_satellite_number_is_nowhere() -> None:
    assert locate(number("+881612345678")) == Place((), (), (), locate(number("+881612345678")).evidence)


def test_north_american_is_not_american() -> None:
    assert locate(number("+1 876 555 0142")).countries == ("JM",)
    assert locate(number("+1 416 555 0142")).regions == ("CA-ON",)
    assert locate(number("+1 787 555 0142")).key == "US|US-PR|America/Puerto_Rico"


def test_a_mobile_of_a_wide_country_has_all_its_zones() -> None:
    zones = locate(number("+61 412 345 678")).zones
    assert {"Australia/Perth", "Australia/Sydney"} <= set(zones)


def test_postal_codes_are_read_as_american_only_in_america() -> None:
    assert locate(number("+49 30 1234567"), postal_code="10115").regions == ()
    assert locate(number("+49 30 1234567"), postal_code="10001", country="US").regions == ("US-NY",)


@pytest.mark.parametrize("text", ["2134", "02134", "02134-1001", "021341001", "2134.0", " 02134 "])
def test_a_postal_code_that_a_spreadsheet_chewed_is_still_read(text: str) -> None:
    assert locate(number("800-555-0199"), postal_code=text).regions == ("US-MA",)


@pytest.mark.parametrize(
    ("text", "country", "region"),
    [
        ("FL", "US", "US-FL"),
        ("fl.", None, "US-FL"),
        ("Florida", None, "US-FL"),
        ("new  york", None, "US-NY"),
        ("US-TX", None, "US-TX"),
        ("D.C.", None, "US-DC"),
        ("CA", None, "US-CA"),
        ("Ontario", "US", "CA-ON"),
        ("Québec", "CA", "CA-QC"),
        ("BY", "DE", "DE-BY"),
        ("Nowhere", None, None),
        ("Bayern", "DE", None),
    ],
)
def test_states_are_known_by_code_and_name(text: str, country: str | None, region: str | None) -> None:
    assert state_named(text, country) == region


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        ("America/Chicago", (CENTRAL,)),
        ("america/new york", (EAST,)),
        ("US/Eastern", (EAST,)),
        ("Eastern Time", (EAST,)),
        ("EST", (EAST,)),
        ("Pacific Standard Time", (PACIFIC,)),
        ("Mountain", (MOUNTAIN, "America/Phoenix")),
        ("Europe/Berlin", ("Europe/Berlin",)),
    ],
)
def test_time_zones_are_known_by_name_and_by_habit(text: str, zones: tuple[str, ...]) -> None:
    assert zones_named(text) == zones


@pytest.mark.parametrize("text", ["Mars", "UTC+25", "../etc/passwd", "America", "\0", "12"])
def test_an_unknown_time_zone_is_refused_not_ignored(text: str) -> None:
    with pytest.raises(BadInput, match="names no time zone"):
        locate(number("212-555-0142"), zone=text)


_NAMES = st.lists(st.sampled_from([EAST, CENTRAL, MOUNTAIN, "Europe/London"]), unique=True)
_REGIONS = st.lists(st.sampled_from(["US-FL", "US-TX", "CA-ON"]), unique=True)


@given(_REGIONS, _NAMES)
def test_a_key_gives_its_place_back(regions: list[str], zones: list[str]) -> None:
    countries = tuple(sorted({region[:2] for region in regions}))
    place = Place(countries, tuple(sorted(regions)), tuple(sorted(zones)))
    assert Place.from_key(place.key) == place


def test_the_union_of_two_numbers_is_everywhere_that_either_is() -> None:
    both = locate(number("212-555-0142")).union(locate(number("+44 20 7946 0958")))
    assert both.key == "GB,US|US-NY|America/New_York,Europe/London"
