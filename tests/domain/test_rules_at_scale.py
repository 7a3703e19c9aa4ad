"""No decision allows what any rule forbids: every pack, every zone, every change of the clocks.

The judge here is a second reading of the packs that shares nothing with the code under test: the TOML files
as plain tables, the wall clock by zoneinfo, one rule after the other, no caches, no windows, no shortcuts.
"""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import country_code_for_region
from phonenumbers.tzdata import TIMEZONE_DATA

from campaign.domain.area_codes import AREA_CODES
from campaign.domain.calling_window import WeeklyHours
from campaign.domain.decision import Decision, Verdict
from campaign.domain.facts import (
    CampaignPolicy,
    Consent,
    DncHit,
    Facts,
    Pause,
    Registered,
    Scrub,
    Waiver,
)
from campaign.domain.phone import NumberKind, PhoneNumber
from campaign.domain.place import Place
from campaign.domain.rulebook import Pack, Rulebook
from campaign.domain.rules import decide, next_legal
from tests.domain.test_rulebook import RULEBOOK, SHIPPED

RAW: list[dict[str, Any]] = [pack for text in SHIPPED.values() for pack in tomllib.loads(text)["pack"]]
RULE_IDS = sorted(rule["id"] for pack in RAW for rule in pack["rule"])
LEVELS = ["none", "ebr", "express_oral", "express_written"]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TIMED = {"hours", "closed_days", "region_pause"}
WAIVABLE_KINDS = {
    "closed_days", "attempt_cap", "registry", "abandonment", "caller_number", "prohibition", "registration",
    "reassigned",
}  # fmt: skip

# ── the second reading ─────────────────────────────────────────────────────────────────────────────────


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def matching(place: Place) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(pack, rule) of every jurisdiction in which the person may be."""
    for pack in RAW:
        regions = listed(pack["match"].get("region"))
        for country in listed(pack["match"]["country"]):
            known = [region for region in place.regions if region.startswith(country + "-")]
            here = country in place.countries
            if any(f"{country}-{region}" in place.regions for region in regions) or (
                here and (not regions or not known)
            ):
                for rule in pack["rule"]:
                    yield pack, rule


def scoped(rule: dict[str, Any], facts: Facts) -> bool:
    scope = {name: listed(value) for name, value in rule.get("scope", {}).items()}
    kinds = {NumberKind.MOBILE: ["mobile"], NumberKind.FIXED: ["landline"]}
    lines = kinds.get(facts.number.kind, ["mobile", "landline"])
    return (
        facts.policy.purpose in scope.get("purpose", [facts.policy.purpose])
        and facts.party in scope.get("party", [facts.party])
        and facts.voice in scope.get("voice", [facts.voice])
        and any(line in scope.get("line", lines) for line in lines)
    )


def binds(rule: dict[str, Any], day: date) -> bool:
    last = rule.get("effective_to", date.max)
    return rule["status"] != "proposed" and rule["effective_from"] <= day <= last


def lifted(rule: dict[str, Any], facts: Facts, at: datetime) -> bool:
    consent = facts.consent
    if consent is None:
        return False
    for by in rule.get("lifted_by", []):
        if by == "ebr" and consent.level == "ebr" and consent.at and at - consent.at <= timedelta(days=90):
            return True
        if by == "express_oral" and consent.level in ("express_oral", "express_written"):
            return True
        if by == "express_written" and consent.level == "express_written":
            return True
        if by == "explicit_consent_dlt" and consent.level == "express_written" and "dlt" in consent.source:
            return True
    return False


def hours_of(week: dict[str, str], day: date) -> list[tuple[int, int]]:
    """Seconds after midnight between which that weekday is open."""
    for key, text in week.items():
        ends = [DAYS.index(end) for end in key.split("-")]
        if ends[0] <= day.weekday() <= ends[-1]:
            spans = [span.strip().split("-") for span in text.split(",")]
            return [tuple(60 * int(t[-2:]) + 3600 * int(t[:2]) for t in span) for span in spans]  # type: ignore[misc]
    return []


@lru_cache(maxsize=500)
def bank_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    found = holidays.country_holidays(country, subdiv=subdivision or None, years=year)
    return frozenset(found)


def closed(rule: dict[str, Any], day: date) -> bool:
    place = rule["holidays"]
    assert not place["drop"], "no pack takes a holiday away; teach this reading when one does"
    if any(f"{day:%m-%d}" == extra or day.isoformat() == extra for extra in place["add"]):
        return True
    return day in bank_holidays(place["country"], place.get("subdiv", ""), day.year)


def shut(rule: dict[str, Any], local: datetime) -> bool:
    """Whether hours or closed days forbid that moment of a wall clock."""
    if not binds(rule, local.date()):
        return False
    if rule["kind"] == "closed_days":
        return closed(rule, local.date())
    second = local.hour * 3600 + local.minute * 60 + local.second
    return not any(first <= second < last for first, last in hours_of(rule["week"], local.date()))


def forbids(pack: dict[str, Any], rule: dict[str, Any], facts: Facts, at: datetime) -> bool:
    """Whether one rule, read by itself, forbids the dial at that instant."""
    kind, policy = rule["kind"], facts.policy
    if not scoped(rule, facts) or lifted(rule, facts, at):
        return False
    clock = rule.get("clock", "called_party")
    zones = facts.place.zones if clock == "called_party" else (clock,)
    wall = [at.astimezone(ZoneInfo(zone)) for zone in zones]
    if kind in ("hours", "closed_days"):
        return any(shut(rule, local) for local in wall)
    if not any(binds(rule, local.date()) for local in wall):
        return False
    if kind == "prohibition":
        return True
    if kind == "consent":
        return not consented(rule, facts.consent, at)
    if kind == "attempt_cap":
        since = at - timedelta(hours=rule["window_hours"])
        return sum(tried > since for tried in facts.attempts + facts.elsewhere) >= rule["count"]
    if kind == "registry":
        return on_registry(rule, facts) or stale(rule, facts, at)
    if kind == "internal_dnc":
        return any(hit.kind != "registry" for hit in facts.dnc)
    if kind == "caller_number":
        prefix, barred = rule.get("must_match", "").lstrip("^").replace("\\", ""), rule.get("must_not_match")
        barred = barred.lstrip("^").replace("\\", "") if barred else "nothing"
        fitting = [c for c in facts.callers if c.startswith(prefix) and not c.startswith(barred)]
        return bool(facts.callers) and not fitting
    if kind == "registration":
        return pack["id"] not in policy.regions | {one.pack for one in policy.registered}
    if kind == "abandonment":
        answered = max(policy.live_answered or 0, 100)
        return policy.live_answered is not None and policy.abandoned > rule["max_rate"] * answered
    assert kind in ("opt_out", "disclosure", "retention", "revocation_scope"), kind
    return False


def consented(rule: dict[str, Any], consent: Consent | None, at: datetime) -> bool:
    if consent is None or LEVELS.index(consent.level) < LEVELS.index(rule["level"]):
        return False
    return consent.at is None or consent.at <= at


def on_registry(rule: dict[str, Any], facts: Facts) -> bool:
    return any(hit.kind == "registry" and hit.list_name == rule["registry"] for hit in facts.dnc)


def stale(rule: dict[str, Any], facts: Facts, at: datetime) -> bool:
    scrub = facts.scrubs.get(rule["registry"])
    if scrub is None or at - scrub.as_of > timedelta(days=rule["max_age_days"]):
        return True
    days = [
        (scrub.as_of.astimezone(ZoneInfo(z)).date(), at.astimezone(ZoneInfo(z)).date())
        for z in facts.place.zones
    ]
    return bool(rule.get("same_day")) and any(made != today for made, today in days)


def waived(rule: dict[str, Any], facts: Facts, at: datetime) -> bool:
    """Whether somebody may have answered for not applying the rule, and has."""
    if rule["kind"] in TIMED - {"closed_days"} and not rule.get("waivable"):
        return False
    if rule["kind"] not in WAIVABLE_KINDS | {"hours"} or rule.get("waivable") is False:
        return False
    if rule["kind"] == "registry" and on_registry(rule, facts):
        return False
    return any(
        one.rule_id == rule["id"] and (one.until is None or at < one.until) for one in facts.policy.waivers
    )


def paused(facts: Facts, at: datetime) -> bool:
    for pause in facts.policy.pauses:
        country = pause.region.split("-")[0]
        vague = not any(region.startswith(country + "-") for region in facts.place.regions)
        there = pause.region in facts.place.countries + facts.place.regions
        if there or ("-" in pause.region and vague and country in facts.place.countries):
            days = [at.astimezone(ZoneInfo(zone)).date() for zone in facts.place.zones]
            if any(pause.first <= day <= (pause.last or date.max) for day in days):
                return True
    return False


def forbidden(facts: Facts, at: datetime, kinds: set[str] | None = None) -> list[str]:
    """The rules that forbid the dial; only of those kinds, if any are named."""
    found = [
        rule["id"]
        for pack, rule in matching(facts.place)
        if (kinds is None or rule["kind"] in kinds)
        and forbids(pack, rule, facts, at)
        and not waived(rule, facts, at)
    ]
    return [*found, *(["campaign.pause"] if paused(facts, at) else [])]


# ── places, and the instants at which clocks change ────────────────────────────────────────────────────


def places() -> list[Place]:
    """Every region and country of every pack with each zone in it, one zone at a time."""
    found = {
        Place((region[:2],), (region,), (zone,))
        for regions, zones in AREA_CODES.values()
        for region in regions
        for zone in zones
        if region.startswith(("US-", "CA-"))
    }
    countries = {country for pack in RULEBOOK.packs for country in pack.countries} - {"US", "CA"}
    for country in countries:
        zones = TIMEZONE_DATA.get(str(country_code_for_region(country)), ())
        found |= {Place((country,), (), (zone,)) for zone in zones}
    found |= {Place(("US",), (), (zone,)) for zone in ("America/New_York", "Pacific/Honolulu")}
    return sorted(found, key=lambda place: place.key)


PLACES = places()
FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    """The instants of 2026 and 2027 from which a zone has another offset than the second before."""
    info, found = ZoneInfo(zone), []
    at, step = FIRST, timedelta(hours=12)
    while at < LAST:
        if at.astimezone(info).utcoffset() != (at + step).astimezone(info).utcoffset():
            low, high = at, at + step
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
                same = middle.astimezone(info).utcoffset() == at.astimezone(info).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        at += step
    return tuple(found)


EDGES = (8, 9, 10, 17, 20, 21)
SECOND = timedelta(seconds=1)


def moments(zone: str) -> Iterator[datetime]:
    """Around each change of the clocks, and around each edge of any hours on its day and the day after."""
    info = ZoneInfo(zone)
    for change in changes(zone) or (datetime(2026, 10, 18, 4, tzinfo=UTC),):
        yield from (change - SECOND, change, change + SECOND)
        for later in (0, 1):
            day = change.astimezone(info).date() + timedelta(days=later)
            for hour in EDGES:
                edge = datetime(day.year, day.month, day.day, hour, tzinfo=info).astimezone(UTC)
                yield from (edge - SECOND, edge)


CALLERS = ("+12025550142", "+911401234567", "+911601234567")
SIGNED = Consent("express_written", datetime(2026, 1, 1, tzinfo=UTC), "web form, dlt")


def willing(place: Place, at: datetime, **policy: Any) -> Facts:
    """Somebody there to whom nothing but the clock stands in the way (and no bar on such calls at all)."""
    made = CampaignPolicy(
        "Roofs",
        "sales",
        frozenset({*place.countries, *place.regions}),
        registered=tuple(Registered(pack["id"], "filed", "ana", FIRST) for pack in RAW),
    )
    return Facts(
        PhoneNumber("+12125550142", place.countries[0], NumberKind.FIXED_OR_MOBILE),
        place,
        replace(made, **policy),
        consent=SIGNED,
        scrubs={name: Scrub(at) for name in RULEBOOK.registries},
        callers=CALLERS,
    )


def test_the_zones_and_changes_that_are_walked_are_many() -> None:
    zones = {place.zones[0] for place in PLACES}
    assert len(PLACES) > 120
    assert len(zones) >= 60
    assert sum(len(changes(zone)) for zone in zones) > 150
    assert changes("America/Phoenix") == ()
    assert changes("America/New_York")[0] == datetime(2026, 3, 8, 7, tzinfo=UTC)
    matched = {pack["id"] for place in PLACES for pack, _ in matching(place)}
    assert matched == {pack["id"] for pack in RAW}


@pytest.mark.parametrize("part", range(4))
def test_at_every_change_of_the_clocks_a_dial_is_allowed_exactly_when_no_rule_forbids_it(part: int) -> None:
    judged = 0
    for place in PLACES[part::4]:
        for at in moments(place.zones[0]):
            facts = willing(place, at)
            decision = decide(facts, RULEBOOK, at, margin=0)
            assert decision.allowed == (not forbidden(facts, at)), f"{place.key} {at}: {decision.against}"
            judged += 1
            if judged % 9 == 0:
                legal_when_promised(facts, decision, at)
    assert judged > 2_000


def legal_when_promised(facts: Facts, decision: Decision, at: datetime) -> None:
    """The instant that a deferral names is open by every clock, and the second before it is not; an opening
    ends exactly when it is said to end."""
    if decision.until is not None:
        assert forbidden(facts, decision.until, TIMED) == []
        assert forbidden(facts, decision.until - SECOND, TIMED)
    if decision.allowed and decision.closes_at is not None:
        assert forbidden(facts, decision.closes_at, TIMED)
        assert forbidden(facts, decision.closes_at - SECOND, TIMED) == []
    following = next_legal(facts.place, facts.policy, RULEBOOK, at, margin=0)
    if following is not None:
        silent = replace(facts, consent=None)  # for a whole zone group consent lifts nothing
        assert forbidden(silent, following, TIMED) == []
        assert following == at or forbidden(silent, following - SECOND, TIMED)


# ── whatever the facts ─────────────────────────────────────────────────────────────────────────────────

instants = st.datetimes(datetime(2026, 6, 1), datetime(2027, 12, 1)).map(
    lambda t: t.replace(microsecond=0, tzinfo=UTC)
)
days = st.dates(date(2026, 6, 1), date(2027, 12, 1))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Facts, datetime]:
    """Anybody, anywhere that two pieces of evidence may point to, with any history, at any moment."""
    at = draw(instants)
    some = draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2))
    place = Place(
        tuple(sorted({country for one in some for country in one.countries})),
        tuple(sorted({region for one in some for region in one.regions})),
        tuple(sorted({zone for one in some for zone in one.zones})),
    )
    registries = sorted(RULEBOOK.registries)
    hits = draw(st.lists(st.sampled_from([*registries, "own"]), max_size=1))
    scrubs = draw(st.dictionaries(st.sampled_from(registries), st.integers(0, 100), max_size=4))
    ago = st.lists(st.integers(1, 40 * 60), max_size=3)
    reach = st.sampled_from([*place.countries, *place.regions, "US-LA", "CA-ON"])
    pauses = draw(st.lists(st.builds(Pause, reach, days, st.none() | days, st.just("storm")), max_size=1))
    ids = st.sampled_from([rule["id"] for _, rule in matching(place)])
    ends = st.none() | st.integers(-5, 300_000).map(lambda s: at + timedelta(seconds=s))
    waivers = draw(
        st.lists(
            st.builds(Waiver, ids, st.just("memo"), st.just("ana"), st.just(FIRST), ends),
            max_size=4,
            unique_by=lambda one: one.rule_id,
        )
    )
    facts = willing(
        place,
        at,
        purpose=draw(st.sampled_from(["sales", "informational"])),
        registered=tuple(
            Registered(pack, "filed", "ana", FIRST)
            for pack in draw(st.sets(st.sampled_from([pack["id"] for pack, _ in matching(place)])))
        ),
        pauses=tuple(pauses),
        waivers=tuple(waivers),
        live_answered=draw(st.none() | st.integers(0, 2000)),
        abandoned=draw(st.integers(0, 60)),
    )
    consent = draw(
        st.none()
        | st.builds(Consent, st.sampled_from(LEVELS), st.none() | instants, st.sampled_from(["form", "dlt"]))
        | st.just(SIGNED)
    )
    return (
        replace(
            facts,
            party=draw(st.sampled_from(["consumer", "business", "unknown"])),
            voice=draw(st.sampled_from(["artificial", "live"])),
            number=PhoneNumber(
                facts.number.e164,
                facts.number.region,
                draw(st.sampled_from([NumberKind.FIXED, NumberKind.MOBILE, NumberKind.UNKNOWN])),
            ),
            consent=consent,
            dnc=tuple(DncHit(name, "own" if name == "own" else "registry", FIRST) for name in hits),
            scrubs=facts.scrubs
            | {name: Scrub(at - timedelta(days=age, hours=3)) for name, age in scrubs.items()},
            attempts=tuple(at - timedelta(minutes=m) for m in draw(ago)),
            elsewhere=tuple(at - timedelta(minutes=m) for m in draw(ago)),
            callers=tuple(draw(st.sets(st.sampled_from([*CALLERS, "+19005550100"]), min_size=1))),
            attempts_allowed=5,
        ),
        at,
    )


RANK = [Verdict.ALLOW, Verdict.DEFER, Verdict.BLOCK].index


@settings(max_examples=250, deadline=None)
@given(situations())
def test_no_decision_allows_what_any_rule_forbids(given_: tuple[Facts, datetime]) -> None:
    facts, at = given_
    decision = decide(facts, RULEBOOK, at)
    if decision.allowed:
        assert forbidden(facts, at) == []
    by_name = {reason.rule_id for reason in decision.against}
    assert set(forbidden(facts, at)) <= by_name, "each rule that forbids says so itself"
    if decision.until is not None:
        assert forbidden(facts, decision.until, TIMED) == []


def shuffled(book: Rulebook, seed: int) -> Rulebook:
    dice = random.Random(seed)
    packs = [replace(pack, rules=tuple(dice.sample(pack.rules, len(pack.rules)))) for pack in book.packs]
    return Rulebook(tuple(dice.sample(packs, len(packs))))


ORDERS = [shuffled(RULEBOOK, seed) for seed in range(5)]


@settings(max_examples=150, deadline=None)
@given(situations(), st.sampled_from(ORDERS))
def test_the_order_of_packs_and_rules_never_matters(given_: tuple[Facts, datetime], order: Rulebook) -> None:
    facts, at = given_
    one, other = decide(facts, RULEBOOK, at), decide(facts, order, at)
    assert (one.verdict, one.until, one.closes_at) == (other.verdict, other.until, other.closes_at)
    assert one.callers == other.callers
    assert {(r.rule_id, r.verdict, r.why) for r in one.reasons} == {
        (r.rule_id, r.verdict, r.why) for r in other.reasons
    }


def everywhere(pack: Pack, n: int) -> Pack:
    """One rule of a pack as a further rule for all countries."""
    rule = replace(pack.rules[n], id=f"more.{pack.rules[n].id}", status="in_force")
    countries = frozenset(country for one in RULEBOOK.packs for country in one.countries)
    return Pack("more", countries, frozenset(), "1", "", None, (rule,))


FURTHER = [
    Rulebook((*RULEBOOK.packs, everywhere(pack, n)))
    for pack in RULEBOOK.packs
    for n in range(len(pack.rules))
]


@settings(max_examples=200, deadline=None)
@given(situations(), st.sampled_from(FURTHER))
def test_a_further_rule_of_any_pack_never_makes_a_decision_laxer(
    given_: tuple[Facts, datetime], further: Rulebook
) -> None:
    facts, at = given_
    before, after = decide(facts, RULEBOOK, at), decide(facts, further, at)
    assert RANK(after.verdict) >= RANK(before.verdict)
    assert {reason.rule_id for reason in before.against} <= {reason.rule_id for reason in after.against} | {
        "window.together"
    }
    assert set(after.callers) <= set(before.callers)
    if before.until and after.until:
        assert after.until >= before.until


@settings(max_examples=150, deadline=None)
@given(situations(), st.sampled_from(["06:00-08:30", "08:00-12:00", "20:00-22:00"]), days)
def test_a_campaigns_own_hours_and_dates_only_make_it_stricter(
    given_: tuple[Facts, datetime], hours: str, barred: date
) -> None:
    facts, at = given_
    own = replace(facts.policy, hours=WeeklyHours.parse({"mon-sun": hours}), restricted=frozenset({barred}))
    before, after = decide(facts, RULEBOOK, at), decide(replace(facts, policy=own), RULEBOOK, at)
    assert RANK(after.verdict) >= RANK(before.verdict)
