"""The packs that ship can be read, say what the statutes say, and a wrong pack is refused with its place."""

import re
from datetime import date
from pathlib import Path

import pytest

import campaign
from campaign.domain.place import Place
from campaign.domain.rule import WAIVING, AttemptCap, ClosedDays, Hours, Waiving, closed_days
from campaign.domain.rulebook import _KINDS, BadRulebook, Rulebook, parse_rulebook

FOLDER = Path(campaign.__file__).parent / "rulebooks"
SHIPPED = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.toml")}
RULEBOOK = parse_rulebook(SHIPPED)
RULES = {rule.id: rule for pack in RULEBOOK.packs for rule in pack.rules}

PACK = """
[[pack]]
id = "XX"
match = { country = "XX" }
version = "1"
"""
RULE = """
  [[pack.rule]]
  id = "XX.hours"
  kind = "hours"
  week = { "mon-fri" = "09:00-17:00" }
  status = "in_force"
  effective_from = 2020-01-01
  source = { cite = "Somewhere 1", read_on = 2026-11-21 }
"""


def at(countries: tuple[str, ...] = (), regions: tuple[str, ...] = (), zones: tuple[str, ...] = ()) -> Place:
    return Place(countries, regions, zones)


def with_rule(**keys: str) -> str:
    """The little pack, its rule with other keys (TOML text; "" takes the key away)."""
    text = PACK + RULE
    for key, value in keys.items():
        line = f"  {key} = {value}\n" if value else ""
        text, done = re.subn(rf"  {key} = .*\n", lambda _, line=line: line, text)
        text += "" if done else line
    return text


def fault_of(text: str) -> str:
    with pytest.raises(BadRulebook) as caught:
        parse_rulebook({"xx.toml": text})
    return str(caught.value)


def hours_on(rule_id: str, day: str) -> list[str]:
    terms = RULES[rule_id].terms
    assert isinstance(terms, Hours)
    intervals = terms.week.on(date.fromisoformat(day))
    return [f"{s // 3600:02}:{s // 60 % 60:02}-{e // 3600:02}:{e // 60 % 60:02}" for s, e in intervals]


def test_every_rule_that_ships_names_its_source_and_when_it_was_read() -> None:
    assert len(RULES) > 80
    for rule in RULES.values():
        assert rule.source.cite
        assert date(2026, 9, 1) <= rule.source.read_on <= date(2026, 12, 31)


def test_no_pack_claims_a_lawyer_who_has_not_signed() -> None:
    assert {pack.reviewed_by for pack in RULEBOOK.packs} == {""}


@pytest.mark.parametrize(
    ("rule", "day", "hours"),
    [
        ("US.hours", "2026-11-22", ["08:00-21:00"]),  # 47 CFR 64.1200(c)(1)
        ("US-FL.hours", "2026-11-20", ["08:00-20:00"]),  # Fla. Stat. 501.616(6)(a)
        ("US-TX.hours", "2026-11-22", ["12:00-21:00"]),  # Tex. Bus. & Com. Code 301.051(b)(2): Sundays
        ("US-PA.hours.2026", "2026-11-22", []),  # Act 47 of 2026: no Sundays
        ("US-PA.hours.2026", "2026-11-21", ["09:00-19:00"]),
        ("US-RI.hours", "2026-11-21", ["10:00-17:00"]),  # R.I. Gen. Laws 5-61-3.6
        ("US-KY.hours", "2026-11-20", ["10:00-21:00"]),  # KRS 367.46955(16)
        ("US-CT.hours", "2026-11-20", ["09:00-20:00"]),  # Conn. Gen. Stat. 42-288a(c)
        ("US-SD.hours.autodialer", "2026-11-21", []),  # SDCL 37-30-28: weekdays only
        ("US-ME.hours", "2026-11-20", ["09:00-17:00"]),  # 10 M.R.S. 1498(3)
        ("US-UT.hours", "2026-11-22", []),  # Utah Code 13-25a-103(3)
        ("CA.hours", "2026-11-20", ["09:00-21:30"]),  # CRTC
        ("CA.hours", "2026-11-21", ["10:00-18:00"]),
        ("AU.hours", "2026-11-21", ["09:00-17:00"]),  # ACMA
        ("IN.hours", "2026-11-20", ["10:00-21:00"]),  # TCCCPR
    ],
)
def test_the_hours_are_those_of_the_statute(rule: str, day: str, hours: list[str]) -> None:
    assert hours_on(rule, day) == hours


@pytest.mark.parametrize("state", ["FL", "OK", "MD", "OR"])
def test_four_states_allow_three_attempts_in_a_day(state: str) -> None:
    terms = RULES[f"US-{state}.cap"].terms
    assert isinstance(terms, AttemptCap)
    assert (terms.count, terms.window_hours) == (3, 24)


def test_devices_that_speak_by_themselves_have_hours_of_their_own() -> None:
    for rule in ("US-CA.hours", "US-GA.hours", "US-IN.hours", "US-ME.hours", "US-NE.hours"):
        assert RULES[rule].scope.voice == frozenset({"artificial"})


def test_closed_days_of_2027_are_these() -> None:
    """Printed for review: what each pack takes for a holiday (pytest -s)."""
    shown = {}
    for pack in RULEBOOK.packs:
        for rule in pack.rules:
            if isinstance(rule.terms, ClosedDays):
                days = closed_days(rule.terms, 2027)
                shown[rule.id] = len(days)
                print(
                    f"\n{rule.id} 2027:",
                    *(f"\n  {day:%a %d %b} {name}" for day, name in sorted(days.items())),
                )
    assert shown.keys() == {
        f"{place}.holidays"
        for place in ("US-AL", "US-LA", "US-ME", "US-MS", "US-NE", "US-PA", "US-RI", "US-UT", "AU")
    }
    for rule in (r for r in RULES.values() if isinstance(r.terms, ClosedDays)):
        assert isinstance(rule.terms, ClosedDays)
        assert date(2027, 1, 1) in closed_days(rule.terms, 2027)
        assert date(2026, 12, 25) in closed_days(rule.terms, 2026)


@pytest.mark.parametrize(
    ("rule", "day"),
    [
        ("US-PA.holidays", date(2026, 11, 26)),  # Thanksgiving
        ("US-RI.holidays", date(2027, 5, 4)),  # Rhode Island Independence Day, missing from the library
        ("US-RI.holidays", date(2026, 8, 10)),  # Victory Day
        ("US-UT.holidays", date(2026, 7, 24)),  # Pioneer Day
        ("US-LA.holidays", date(2026, 2, 17)),  # Mardi Gras
        ("US-AL.holidays", date(2026, 7, 3)),  # Independence Day, observed
        ("AU.holidays", date(2027, 4, 26)),  # Anzac Day falls on a Sunday; observed
    ],
)
def test_days_that_are_easily_missed_are_closed(rule: str, day: date) -> None:
    terms = RULES[rule].terms
    assert isinstance(terms, ClosedDays)
    if rule == "AU.holidays":
        assert len(closed_days(terms, day.year)) >= 7
    else:
        assert terms.named(day)


def test_a_place_gets_the_packs_of_all_evidence() -> None:
    place = at(("US",), ("US-PA", "US-TX"), ("America/New_York",))
    assert [pack.id for pack in RULEBOOK.packs_for(place)] == ["US-PA", "US-TX", "US"]


def test_a_country_without_a_known_region_gets_the_packs_of_all_its_regions() -> None:
    ids = {pack.id for pack in RULEBOOK.packs_for(at(("US",)))}
    assert {"US", "US-FL", "US-RI", "US-UT"} <= ids
    assert "CA" not in ids


def test_a_region_without_a_pack_gets_the_countrys_only() -> None:
    assert [pack.id for pack in RULEBOOK.packs_for(at(("US",), ("US-KS",)))] == ["US"]


def test_germany_is_in_the_union_and_has_rules_of_its_own() -> None:
    assert [pack.id for pack in RULEBOOK.packs_for(at(("DE",)))] == ["EU", "DE"]


def test_pennsylvanias_new_hours_begin_on_18_october_2026_without_a_release() -> None:
    place = at(("US",), ("US-PA",))

    def in_force(day: date) -> set[str]:
        return {rule.id for rule in RULEBOOK.for_place(place, day) if rule.kind == "hours"}

    assert in_force(date(2026, 10, 17)) == {"US.hours", "US-PA.hours.old"}
    assert in_force(date(2026, 10, 18)) == {"US.hours", "US-PA.hours.2026"}


def test_a_stayed_rule_applies_from_its_date_and_a_proposed_one_never() -> None:
    revoke, ai = RULES["US.revoke-all"], RULES["US.disclosure.ai"]
    assert not revoke.in_force(date(2027, 1, 30))
    assert revoke.in_force(date(2027, 1, 31))
    assert not ai.in_force(date(2030, 1, 1))


def test_a_country_without_a_pack_is_not_covered() -> None:
    assert RULEBOOK.covers("US")
    assert RULEBOOK.covers("FR")
    assert not RULEBOOK.covers("BR")


def test_a_pack_of_one_rule_is_read() -> None:
    book = parse_rulebook({"xx.toml": PACK + RULE})
    assert isinstance(book, Rulebook)
    assert [rule.id for rule in book.for_place(at(("XX",)))] == ["XX.hours"]
    assert book.versions == {"XX": "1"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[pack]\n", "xx.toml: not TOML: "),
        ("schema = 2\n" + PACK, "xx.toml: schema: this program reads schema 1"),
        ("", "xx.toml: pack: is missing"),
        ('colour = "red"\n' + PACK, "xx.toml: colour: is not a key that is known here"),
        (PACK.replace('"XX" }', '"xx" }'), "pack XX: match: country: must be ISO codes"),
        (PACK.replace('version = "1"\n', ""), "pack XX: version: is missing"),
        (with_rule(kind='"tax"'), 'xx.toml: pack XX: rule XX.hours: kind: "tax" is not one of hours, '),
        (with_rule(week='{ "mon" = "9-5" }'), 'pack XX: rule XX.hours: week: "9-5" on "mon" is not hours'),
        (with_rule(clock='"Mars/Base"'), 'clock: "Mars/Base" is neither'),
        (with_rule(status='"maybe"'), 'status: "maybe" is not one of in_force, stayed, proposed'),
        (with_rule(effective_from='"soon"'), "effective_from: must be a date such as 2026-11-21, not 'soon'"),
        (with_rule(effective_from=""), "effective_from: is missing"),
        (with_rule(effective_to="2019-01-01"), "effective_to: lies before effective_from"),
        (with_rule(source='{ cite = "X" }'), "source: read_on: is missing"),
        (
            with_rule(scope='{ purpose = ["fun"] }'),
            'scope: purpose: "fun" is not one of sales, informational',
        ),
        (with_rule(scope='{ colour = ["red"] }'), "scope: colour: is not a key"),
        (with_rule(lifted_by='["wish"]'), 'lifted_by: "wish" is not one of ebr, '),
        (
            with_rule(kind='"internal_dnc"', lifted_by='["ebr"]'),
            "a rule of kind internal_dnc is never lifted",
        ),
        (with_rule(kind='"consent"', week="", level='"wish"'), 'level: "wish" is not one of none, ebr'),
        (
            with_rule(kind='"attempt_cap"', week="", count="3", window_hours="0"),
            "window_hours: must be at least 1",
        ),
        (with_rule(kind='"attempt_cap"', week="", count="3", window_hours="999"), "must be at most 720"),
        (
            with_rule(kind='"attempt_cap"', week="", count="true", window_hours="9"),
            "count: must be a whole number",
        ),
        (
            with_rule(kind='"caller_number"', week="", must_match='"("'),
            "must_match: is not a regular expression",
        ),
        (
            with_rule(kind='"closed_days"', week="", holidays='{ lib = "holidays", country = "QQ" }'),
            "the holidays package has no such place",
        ),
        (
            with_rule(kind='"closed_days"', week="", holidays='{ country = "US", add = ["13-45"] }'),
            '"13-45" is neither a date nor "MM-DD"',
        ),
        (with_rule(kind='"disclosure"', week="", say='["age"]'), '"age" is not one of business_name'),
        (
            PACK.replace('version = "1"', 'version = "1"\nneeds_tzdata = "new"'),
            'needs_tzdata: "new" is no release such as "2026.6"',
        ),
        (
            with_rule(kind='"consent"', week="", level='"ebr"', waivable="true"),
            "waivable: a rule of kind consent is never waived: without consent an artificial voice",
        ),
        (
            with_rule(kind='"abandonment"', week="", max_rate="0.03", window_days="7"),
            "window_days: must be 30: calls are counted over so many days",
        ),
        (
            with_rule(kind='"abandonment"', week="", max_rate="3", window_days="30"),
            "max_rate: must be a share",
        ),
        (with_rule(id='"YY.hours"'), 'rule YY.hours: its id must begin with "XX."'),
        (PACK + RULE + RULE, "rule XX.hours: the id is used twice"),
        (PACK + PACK, "pack XX: the id is used twice"),
    ],
)
def test_a_wrong_pack_is_refused_by_file_pack_rule_and_key(text: str, fault: str) -> None:
    assert fault in fault_of(text)


def test_a_rule_is_waivable_as_its_kind_says_and_its_pack_may_differ() -> None:
    def waivable(**keys: str) -> bool:
        (pack,) = parse_rulebook({"xx.toml": with_rule(**keys)}).packs
        return pack.rules[0].waivable

    bar = {"kind": '"prohibition"', "week": "", "reason": '"anything"'}
    assert not waivable()
    assert waivable(waivable="true")
    assert waivable(**bar)
    assert not waivable(**bar, waivable="false")
    assert not waivable(kind='"consent"', week="", level='"ebr"')
    assert not waivable(kind='"consent"', week="", level='"ebr"', waivable="false")


def test_every_kind_of_rule_says_whether_it_can_be_waived_and_why() -> None:
    assert WAIVING.keys() == _KINDS.keys()
    never = {kind for kind, (waiving, why) in WAIVING.items() if waiving is Waiving.NEVER and why}
    assert {"consent", "internal_dnc", "region_pause", "opt_out"} <= never


def test_packs_that_know_newer_clocks_than_the_time_zone_database_are_named() -> None:
    """In November 2026 parts of Canada stopped changing their clocks; tzdata 2025b is an hour wrong there."""
    assert [pack.id for pack in RULEBOOK.too_old("2025.2")] == ["CA"]
    assert [pack.id for pack in RULEBOOK.too_old("2026.5")] == ["CA"]
    assert [pack.id for pack in RULEBOOK.too_old("")] == ["CA"]
    for new in ("2026.6", "2026.10", "2027.1"):
        assert RULEBOOK.too_old(new) == []


def test_all_faults_are_told_at_once() -> None:
    told = fault_of(with_rule(kind='"tax"', status='"maybe"', effective_from='"soon"'))
    assert told.count("xx.toml: pack XX: rule XX.hours: ") == 3


def test_another_rulebooks_packs_take_the_place_of_those_of_the_same_id_and_new_ones_are_added() -> None:
    other = parse_rulebook({"xx.toml": PACK + RULE, "us.toml": PACK.replace("XX", "US")})
    mixed = RULEBOOK.replaced_by(other)
    assert [pack.id for pack in mixed.packs] == [*(pack.id for pack in RULEBOOK.packs), "XX"]
    assert mixed.versions["US"] == "1"
    assert mixed.kinds["XX.hours"] == "hours"
    assert "US.hours" not in mixed.kinds
    assert "US.hours" in RULEBOOK.kinds, "the one in force is left alone"
    assert RULEBOOK.replaced_by(Rulebook()).packs == RULEBOOK.packs
