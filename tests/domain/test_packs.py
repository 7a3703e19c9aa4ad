"""The packs that ship, against the law as it was read, row by row: hours, and one golden case of each kind.

The tables here were written from the readings, not from the packs: who changes a pack changes both, with the
source in hand.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaign.domain.calling_window import WeeklyHours
from campaign.domain.decision import Verdict
from campaign.domain.facts import CampaignPolicy, Facts
from campaign.domain.phone import NumberKind, PhoneNumber
from campaign.domain.place import Place
from campaign.domain.rule import (
    Abandonment,
    AttemptCap,
    CallerNumber,
    ClosedDays,
    ConsentDemand,
    Disclosure,
    Hours,
    InternalDnc,
    OptOut,
    Prohibition,
    Registration,
    Registry,
    Retention,
    RevocationScope,
    Terms,
)
from campaign.domain.rules import decide
from tests.domain.test_rulebook import RULEBOOK, RULES

WEDNESDAY, SATURDAY, SUNDAY = date(2026, 12, 2), date(2026, 12, 5), date(2026, 12, 6)  # no holidays anywhere
TABLE = "per-state table"
ALL_DAY = "00:00-24:00"

# state, voice: hours Monday to Friday, on Saturdays, on Sundays ("" closed), and where that stands
STATES = """
AL live       | 08:00-20:00 | 08:00-20:00 |             | 770-X-5-.17(2)
AZ live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 44-1278(B)(3)
CA live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 64.1200(c)(1)
CA artificial | 09:00-21:00 | 09:00-21:00 | 09:00-21:00 | Pub. Util. Code 2872
CT live       | 09:00-20:00 | 09:00-20:00 | 09:00-20:00 | 42-288a(c)
FL live       | 08:00-20:00 | 08:00-20:00 | 08:00-20:00 | 501.616(6)
GA live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 64.1200(c)(1)
GA artificial | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 46-5-23
HI live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
MO live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
MT live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
WV live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
DC live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
IL live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 815 ILCS 413/15(a)
IL artificial | 09:00-21:00 | 09:00-21:00 | 09:00-21:00 | vendor chart
IN live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 64.1200(c)(1)
IN artificial | 09:00-20:00 | 09:00-20:00 | 09:00-20:00 | 24-5-14-8
KY live       | 10:00-21:00 | 10:00-21:00 | 10:00-21:00 | 367.46955(16)
LA live       | 08:00-20:00 | 08:00-20:00 |             | R-29617
MA live       | 08:00-20:00 | 08:00-20:00 | 08:00-20:00 | c.159C s.3
MD live       | 08:00-20:00 | 08:00-20:00 | 08:00-20:00 | 14-4502(c)
ME live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 64.1200(c)(1)
ME artificial | 09:00-17:00 |             |             | 1498(3)
MI live       | 09:00-21:00 | 09:00-21:00 | 09:00-21:00 | 750.540e(1)(f)
MN live       | 09:00-21:00 | 09:00-21:00 | 09:00-21:00 | 325E.30
MS live       | 08:00-20:00 | 08:00-20:00 |             | 77-3-723(1)
NE live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 64.1200(c)(1)
NE artificial | 08:00-21:00 | 08:00-21:00 | 13:00-21:00 | 86-248
NJ live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 56:8-128(c)
NM live       | 09:00-21:00 | 09:00-21:00 | 09:00-21:00 | 57-12-22(B)(5)
NV live       | 09:00-20:00 | 09:00-20:00 | 09:00-20:00 | 598.0918(3)
NY live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
NC live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
SC live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
VA live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
WI live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
ND live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
TN live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | per-state table
OK live       | 08:00-20:00 | 08:00-20:00 | 08:00-20:00 | 775C.4
OR live       | 08:00-20:00 | 08:00-20:00 | 08:00-20:00 | HB 3865
PA live       | 09:00-19:00 | 09:00-19:00 |             | Act 47 of 2026
RI live       | 09:00-18:00 | 10:00-17:00 |             | 5-61-3.6
SD live       | 09:00-21:00 | 09:00-21:00 |             | 37-30A-3(2)
SD artificial | 09:00-21:00 |             |             | 37-30-28
TX live       | 09:00-21:00 | 09:00-21:00 | 12:00-21:00 | 301.051(b)(2)
UT live       | 08:00-21:00 | 08:00-21:00 |             | 13-25a-103(3)
VT live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 64.1200(c)(1)
WA live       | 08:00-20:00 | 08:00-20:00 | 08:00-20:00 | 19.158.110(4)
WY live       | 08:00-20:00 | 08:00-20:00 | 08:00-20:00 | 40-12-302(d)
KS live       | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | 64.1200(c)(1)
"""
COUNTRIES = """
IN artificial | 10:00-21:00 | 10:00-21:00 | 10:00-21:00 | TCCCPR 2018
GB artificial | 08:00-21:00 | 08:00-21:00 | 08:00-21:00 | trade practice
CA artificial | 09:00-21:30 | 10:00-18:00 | 10:00-18:00 | CRTC
AU artificial | 09:00-20:00 | 09:00-17:00 |             | ACMA
DE artificial | 00:00-24:00 | 00:00-24:00 | 00:00-24:00 |
FR artificial | 00:00-24:00 | 00:00-24:00 | 00:00-24:00 |
"""
CLOCKS = {"IN": "Asia/Kolkata", "GB": "Europe/London", "CA": "America/Toronto", "AU": "Australia/Sydney"}


def rows(table: str) -> list[tuple[str, str, tuple[str, str, str], str]]:
    found = []
    for line in table.strip().splitlines():
        who, week, saturday, sunday, cite = (cell.strip() for cell in line.split("|"))
        place, voice = who.split()
        found.append((place, voice, (week, saturday, sunday), cite))
    return found


def open_by_law(place: Place, voice: str, at: datetime) -> bool:
    """Whether all hours and closed days of the packs allow a sales call to somebody there at that instant."""
    policy = CampaignPolicy("Roofs", "sales", frozenset(place.countries))
    number = PhoneNumber("+12125550142", place.countries[0], NumberKind.FIXED_OR_MOBILE)
    decision = decide(Facts(number, place, policy, voice=voice), RULEBOOK, at, margin=0)
    timed = [reason for reason in decision.reasons if reason.kind in ("hours", "closed_days")]
    return all(reason.verdict is Verdict.ALLOW for reason in timed)


def holds(place: Place, voice: str, days: tuple[str, str, str]) -> None:
    zone = ZoneInfo(place.zones[0])
    for day, hours in zip((WEDNESDAY, SATURDAY, SUNDAY), days, strict=True):
        midnight = datetime.combine(day, datetime.min.time(), zone)
        if not hours:
            instants = {midnight + timedelta(minutes=30 * n): False for n in range(48)}
        else:
            first, last = (
                midnight + timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in hours.split("-")
            )
            second = timedelta(seconds=1)
            instants = {first: True, last - second: True}
            if hours != ALL_DAY:
                instants |= {first - second: False, last: False}
        for at, expected in instants.items():
            told = f"{place.key} {voice} at {at:%a %H:%M:%S}"
            assert open_by_law(place, voice, at.astimezone(UTC)) is expected, told


@pytest.mark.parametrize(("state", "voice", "days", "cite"), rows(STATES))
def test_the_hours_of_each_state_are_those_that_were_read(
    state: str, voice: str, days: tuple[str, str, str], cite: str
) -> None:
    region = f"US-{state}"
    holds(Place(("US",), (region,), ("America/Chicago",)), voice, days)
    packs = [pack for pack in RULEBOOK.packs if pack.id in (region, "US")]
    hours = [rule for pack in packs for rule in pack.rules if rule.kind == "hours"]
    assert any(cite in rule.source.cite for rule in hours)


@pytest.mark.parametrize(("country", "voice", "days", "cite"), rows(COUNTRIES))
def test_the_hours_of_each_country_are_those_that_were_read(
    country: str, voice: str, days: tuple[str, str, str], cite: str
) -> None:
    holds(Place((country,), (), (CLOCKS.get(country, "Europe/Berlin"),)), voice, days)
    hours = [
        rule
        for pack in RULEBOOK.packs
        if country in pack.countries and not pack.regions
        for rule in pack.rules
        if rule.kind == "hours"
    ]
    assert any(cite in rule.source.cite for rule in hours) if cite else not hours


def test_every_state_with_hours_of_its_own_is_in_the_table() -> None:
    read = {f"US-{state}" for state, *_ in rows(STATES)}
    with_hours = {
        pack.id
        for pack in RULEBOOK.packs
        if pack.regions and any(isinstance(rule.terms, Hours) for rule in pack.rules)
    }
    assert with_hours <= read


def test_in_an_unknown_state_the_hours_of_all_hold_together() -> None:
    """Mon-Fri 10-18, Sat 10-17, no Sundays, 3 in 24 h; for an artificial voice Maine and South Dakota too."""
    anywhere = Place(("US",), (), ("America/Chicago",))
    holds(anywhere, "live", ("10:00-18:00", "10:00-17:00", ""))
    holds(anywhere, "artificial", ("10:00-17:00", "", ""))
    thanksgiving = datetime(2026, 11, 26, 12, tzinfo=ZoneInfo("America/Chicago"))
    assert not open_by_law(anywhere, "live", thanksgiving)
    caps = {
        (rule.terms.count, rule.terms.window_hours)
        for rule in RULEBOOK.for_place(anywhere, WEDNESDAY)
        if isinstance(rule.terms, AttemptCap)
    }
    assert caps == {(3, 24), (1, 8)}


SIGNED, SPOKEN = ConsentDemand("express_written", 0), ConsentDemand("express_oral", 0)
GOLDEN: list[tuple[str, Terms, str]] = [
    ("US.hours", Hours(WeeklyHours.parse({"mon-sun": "08:00-21:00"})), "47 CFR 64.1200(c)(1)"),
    ("US-UT.holidays", ClosedDays("US", "UT"), "13-25a-103(3)"),
    ("US-RI.holidays", ClosedDays("US", "RI", ("05-04",)), "5-61-3.6"),
    ("AU.holidays", ClosedDays("AU", ""), "ACMA"),
    ("US-FL.cap", AttemptCap(3, 24, "called_party+subject"), "501.616(6)(b)"),
    ("US-OK.cap", AttemptCap(3, 24, "called_party+subject"), "775C.4"),
    ("US-MD.cap", AttemptCap(3, 24, "called_party+subject"), "14-4502(c)"),
    ("US-OR.cap", AttemptCap(3, 24, "called_party+subject"), "HB 3865"),
    ("US-ME.cap", AttemptCap(1, 8, "called_party"), "1498(3)"),
    ("US.consent.artificial-voice", SIGNED, "FCC 24-17"),
    ("US.consent.informational", SPOKEN, "FCC 24-17"),
    ("US-CT.consent", SIGNED, "PA 23-98"),
    ("US-MD.consent", SIGNED, "14-4502(c)"),
    ("US-LA.consent.mobile", SPOKEN, "R-29617"),
    ("GB.consent.automated", SPOKEN, "PECR 2003 reg. 19"),
    ("CA.consent.adad", SPOKEN, "CRTC 2014-155"),
    ("IN.consent", SPOKEN, "TCCCPR 2018"),
    ("EU.consent.automated", SPOKEN, "2002/58/EC Art. 13(1)"),
    ("DE.consent", SIGNED, "UWG s. 7(2)"),
    ("US.dnc.national", Registry("us-national-dnc", 31, False), "64.1200(c)(2)"),
    ("US-IN.dnc", Registry("us-in-no-call", 92, False), TABLE),
    ("CA.dncl", Registry("ca-dncl", 31, False), "CRTC"),
    ("GB.tps", Registry("gb-tps", 28, False), "PECR 2003"),
    ("GB.ctps", Registry("gb-ctps", 28, False), "PECR 2003"),
    ("IN.dnd", Registry("in-dlt-preference", 1, True), "TCCCPR 2018"),
    ("AU.dncr", Registry("au-dncr", 30, False), "ACMA"),
    ("US.dnc.internal", InternalDnc("P10BD", 1827), "64.1200(d)(3),(d)(6)"),
    ("CA.dnc.internal", InternalDnc("P14D", 0), "CRTC"),
    ("US.revocation", RevocationScope("topic"), "64.1200(a)(10)-(11)"),
    ("US.revoke-all", RevocationScope("all_topics"), "DA 26-12"),
    ("US.optout.in-call", OptOut(2, True, True), "64.1200(b)(3)"),
    ("AU.optout", OptOut(0, False, True), "ACMA"),
    ("US.identification", Disclosure(("business_name", "phone_number"), 0), "64.1200(b)(1)-(2)"),
    ("US.voicemail", Disclosure(("toll_free_opt_out",), 0), "64.1200(b)(3)"),
    ("US-CA.disclosure.ai", Disclosure(("ai", "business_name"), 0), "AB 2905"),
    ("US-CT.identify", Disclosure(("business_name", "purpose"), 10), "PA 23-98"),
    ("US-WA.identify", Disclosure(("business_name", "purpose"), 30), "80.36.390"),
    ("EU.disclosure.ai", Disclosure(("ai",), 0), "2024/1689 Art. 50(1)"),
    ("US.abandon", Abandonment(0.03, 30, "campaign", 2, 15), "64.1200(a)(6)-(7)"),
    ("CA.abandon", Abandonment(0.05, 30, "campaign", 2, 0), "CRTC"),
    ("US.caller", CallerNumber(r"^\+", r"^\+1900"), "64.1601(e)"),
    ("IN.series", CallerNumber(r"^\+91140", ""), "Second Amendment"),
    ("IN.series.service", CallerNumber(r"^\+91160", ""), "Second Amendment"),
    ("US-AZ.mobile", Prohibition("unsolicited sales calls to mobiles"), "44-1278(B)(6)"),
    ("US-NJ.mobile", Prohibition("unsolicited sales calls to mobiles"), "56:8"),
    (
        "US-WA.adad",
        Prohibition("sales calls by an automatic dialing and announcing device"),
        "80.36.400",
    ),
    (
        "US-TX.registration",
        Registration("registration as a telephone solicitor in Texas (chapter 302)"),
        "SB 140",
    ),
    ("US.records", Retention("call records", 1827), "16 CFR 310.5"),
    ("DE.consent.records", Retention("consent", 1827), "UWG s. 7a"),
]


@pytest.mark.parametrize(("rule_id", "terms", "cite"), GOLDEN, ids=[row[0] for row in GOLDEN])
def test_a_golden_rule_demands_what_its_source_says(rule_id: str, terms: Terms, cite: str) -> None:
    rule = RULES[rule_id]
    assert rule.terms == terms
    assert cite in rule.source.cite


def test_every_kind_of_rule_that_a_pack_has_is_among_the_golden_ones() -> None:
    assert {rule.kind for rule in RULES.values()} == {RULES[rule_id].kind for rule_id, _, _ in GOLDEN}


def test_the_states_that_ask_for_a_registration_are_these() -> None:
    asking = {
        pack.id for pack in RULEBOOK.packs if any(isinstance(rule.terms, Registration) for rule in pack.rules)
    }
    states = "AK AZ CO DC GA ID MS NE NJ OH RI TX UT VT"
    assert asking == {"CA", "IN"} | {f"US-{state}" for state in states.split()}


@pytest.mark.parametrize(
    ("rule_id", "first", "last", "status"),
    [
        ("US-PA.hours.old", date(1997, 1, 1), date(2026, 10, 17), "in_force"),
        ("US-PA.hours.2026", date(2026, 10, 18), None, "in_force"),
        ("US-OR.cap", date(2026, 1, 1), None, "in_force"),
        ("US-TX.registration", date(2025, 9, 1), None, "in_force"),
        ("US-CA.disclosure.ai", date(2025, 1, 1), None, "in_force"),
        ("US-PA.holidays", date(2019, 12, 3), None, "in_force"),
        ("US.dnc.internal", date(2025, 4, 11), None, "in_force"),
        ("US.revoke-all", date(2027, 1, 31), None, "stayed"),
        ("US.disclosure.ai", date(2024, 8, 8), None, "proposed"),
        ("EU.disclosure.ai", date(2026, 8, 2), None, "in_force"),
        ("IN.disclosure.ai", date(2026, 3, 1), None, "proposed"),
    ],
)
def test_dates_on_which_the_law_changes(rule_id: str, first: date, last: date | None, status: str) -> None:
    rule = RULES[rule_id]
    assert (rule.effective_from, rule.effective_to, rule.status) == (first, last, status)
