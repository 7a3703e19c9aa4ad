"""Decisions: worked examples with their citations, and what must hold for every place, rule and instant."""

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain import phone
from campaign.domain.calling_window import WeeklyHours
from campaign.domain.decision import Decision, Ground, Verdict, in_words
from campaign.domain.facts import (
    CampaignPolicy,
    Consent,
    DncHit,
    Facts,
    Pause,
    Reassigned,
    Scrub,
    facts_from_json,
    facts_to_json,
)
from campaign.domain.phone import NumberKind, PhoneNumber
from campaign.domain.place import Place, locate
from campaign.domain.rulebook import Rulebook, parse_rulebook
from campaign.domain.rules import decide, next_legal
from tests.domain.test_rulebook import PACK, RULEBOOK

EARLY, LATE = WeeklyHours.parse({"mon-sun": "07:00-22:00"}), WeeklyHours.parse({"mon-sun": "12:00-20:00"})
SIGNED = Consent("express_written", datetime(2026, 1, 5, tzinfo=UTC), "web form")
SALES = CampaignPolicy("Roofs", "sales", frozenset({"US", "US-TX", "IN"}), hours=EARLY)
MIAMI = "+13055550100"


def number(text: str) -> PhoneNumber:
    parsed = phone.parse(text, None)
    assert isinstance(parsed, PhoneNumber)
    return parsed


def facts(text: str = "+12125550142", **changes: object) -> Facts:
    parsed = number(text)
    known = Facts(parsed, locate(parsed), SALES, consent=SIGNED, callers=(MIAMI,), attempts_allowed=3)
    policy = {key: value for key, value in changes.items() if key in CampaignPolicy.__dataclass_fields__}
    rest = {key: value for key, value in changes.items() if key not in policy}
    return dataclasses.replace(known, policy=dataclasses.replace(SALES, **policy), **rest)  # type: ignore[arg-type]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


NOON = at("2026-11-20T12:00-05:00")


def against(decision: Decision) -> dict[str, str]:
    return {reason.rule_id: reason.verdict.value for reason in decision.against}


# ── worked examples ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("when", "verdict", "rules", "until"),
    [
        # 07:30 in Chicago: 47 CFR 64.1200(c)(1) and Fla. Stat. 501.616(6)(a); the library alone says New_York
        ("2026-11-20T08:30-05:00", "defer", {"US.hours", "US-FL.hours"}, "2026-11-20T09:00-05:00"),
        ("2026-11-20T19:58:59-05:00", "allow", set(), None),
        ("2026-11-20T19:59-05:00", "defer", {"US-FL.hours"}, "2026-11-21T09:00-05:00"),  # the last minute
        ("2026-11-20T20:00-05:00", "defer", {"US-FL.hours"}, "2026-11-21T09:00-05:00"),
    ],
)
def test_an_area_code_in_two_zones_waits_for_both(
    when: str, verdict: str, rules: set[str], until: str | None
) -> None:
    decision = decide(facts("+18509091234"), RULEBOOK, at(when))
    assert decision.verdict == verdict
    assert set(against(decision)) == rules
    assert decision.until == (at(until) if until else None)


def test_the_blocking_zone_is_named_with_its_own_time() -> None:
    decision = decide(facts("+18509091234"), RULEBOOK, at("2026-11-20T08:30-05:00"))
    assert "It is 07:30 on Friday in America/Chicago" in in_words(decision)
    assert "Fla. Stat. 501.616(6)(a)" in in_words(decision)
    assert "America/New_York" not in in_words(decision)


def test_the_fourth_attempt_to_florida_in_a_day_waits() -> None:
    """Fla. Stat. 501.616(6)(b): three in 24 hours, counted over all campaigns."""
    tries = tuple(NOON - timedelta(hours=h) for h in (22, 5, 2))
    decision = decide(facts("+18509091234", attempts=tries), RULEBOOK, NOON)
    assert against(decision) == {"US-FL.cap": "defer"}
    # free again at 14:00 ET, 24 hours after the first of the three
    assert decision.until == NOON + timedelta(hours=2)
    assert "3 of 3 attempts to this person in 24 h" in in_words(decision)
    assert decide(facts("+18509091234", attempts=tries[1:]), RULEBOOK, NOON).allowed


def test_a_cap_that_frees_at_night_waits_for_the_morning() -> None:
    tries = tuple(at("2026-11-20T18:00-05:00") + timedelta(minutes=m) for m in (0, 1, 2))
    tries = tuple(t.replace(hour=21) - timedelta(days=1) for t in tries)
    decision = decide(facts("+18509091234", attempts=tries), RULEBOOK, at("2026-11-20T12:00-05:00"))
    assert decision.until == at("2026-11-21T09:00-05:00")


TEXAS_ZIP_PENNSYLVANIA_NUMBER = Place(("US",), ("US-PA", "US-TX"), ("America/Chicago", "America/New_York"))


@pytest.mark.parametrize(
    ("when", "rules", "until"),
    [
        # Act 47 of 2026: 9-19 Mon-Sat; Monday 09:00 Central is 10:00 Eastern
        ("2026-11-21T19:30-05:00", {"US-PA.hours.2026"}, "2026-11-23T10:00-05:00"),
        ("2026-11-22T14:00-05:00", {"US-PA.hours.2026"}, "2026-11-23T10:00-05:00"),
        # 73 P.S. 2245(a)(10): Thanksgiving; the library bars the Friday too
        ("2026-11-26T12:00-05:00", {"US-PA.holidays"}, "2026-11-28T10:00-05:00"),
        # before the Act took effect, a Sunday afternoon was open, in Texas from noon
        ("2026-10-11T14:00-04:00", set(), None),
    ],
)
def test_a_texas_address_with_a_pennsylvania_number_obeys_both(
    when: str, rules: set[str], until: str | None
) -> None:
    known = facts("+12155550142", place=TEXAS_ZIP_PENNSYLVANIA_NUMBER)
    decision = decide(known, RULEBOOK, at(when))
    assert set(against(decision)) == rules
    assert decision.until == (at(until) if until else None)


def test_a_holiday_is_named() -> None:
    known = facts("+12155550142", place=TEXAS_ZIP_PENNSYLVANIA_NUMBER)
    assert "Thursday 26 November is closed in America/Chicago (Thanksgiving Day)" in in_words(
        decide(known, RULEBOOK, at("2026-11-26T12:00-05:00"))
    )


def test_indian_sales_calls_need_the_140_series_and_a_scrub_of_the_day() -> None:
    """TCCCPR: from an ordinary number never; from the 140 series with the day's scrub at 11:30 IST."""
    noon = at("2026-11-20T11:30+05:30")
    mobile = "+919812345678"
    decision = decide(facts(mobile), RULEBOOK, noon)
    assert decision.verdict is Verdict.BLOCK
    assert against(decision) == {"IN.series": "block", "IN.dnd": "defer"}
    scrubs = {"in-dlt-preference": Scrub(at("2026-11-20T06:00+05:30"))}
    series = ("+911401234567", MIAMI)
    decision = decide(facts(mobile, callers=series, scrubs=scrubs), RULEBOOK, noon)
    assert decision.allowed
    assert decision.callers == ("+911401234567",)
    stale = {"in-dlt-preference": Scrub(at("2026-11-19T23:00+05:30"))}
    decision = decide(facts(mobile, callers=series, scrubs=stale), RULEBOOK, noon)
    assert against(decision) == {"IN.dnd": "defer"}


def test_an_american_without_consent_is_blocked_twice_over() -> None:
    """47 CFR 64.1200(a)(2)-(3) with FCC 24-17, and 64.1200(c)(2): consent first, then the registry."""
    decision = decide(facts(consent=None), RULEBOOK, NOON)
    assert against(decision) == {"US.consent.artificial-voice": "block", "US.dnc.national": "defer"}
    assert "none is recorded" in in_words(decision)
    assert "has not been compared with us-national-dnc" in in_words(decision)


@pytest.mark.parametrize(
    ("consent", "party", "blocked"),
    [
        (Consent("express_oral", NOON), "unknown", {"US.consent.artificial-voice", "US.dnc.national"}),
        (Consent("ebr", NOON - timedelta(days=30)), "unknown", {"US.consent.artificial-voice"}),
        (
            Consent("ebr", NOON - timedelta(days=100)),
            "unknown",
            {"US.consent.artificial-voice", "US.dnc.national"},
        ),
        (Consent("express_oral", NOON), "business", {"US.consent.artificial-voice"}),
        (Consent("express_written", NOON + timedelta(days=1)), "unknown", {"US.consent.artificial-voice"}),
        (SIGNED, "unknown", set()),
    ],
)
def test_sales_calls_to_america_need_signed_consent(consent: Consent, party: str, blocked: set[str]) -> None:
    assert set(against(decide(facts(consent=consent, party=party), RULEBOOK, NOON))) == blocked


def test_informational_calls_need_only_spoken_consent() -> None:
    spoken = facts(purpose="informational", consent=Consent("express_oral"))
    assert decide(spoken, RULEBOOK, NOON).allowed
    silent = facts(purpose="informational", consent=None)
    assert against(decide(silent, RULEBOOK, NOON)) == {"US.consent.informational": "block"}


def test_a_scrub_may_be_31_days_old() -> None:
    """47 CFR 64.1200(c)(2)(i)(D), in the wording of FCC 04-204."""
    live = {"voice": "live", "consent": None}
    fresh = {"us-national-dnc": Scrub(NOON - timedelta(days=31))}
    assert decide(facts(scrubs=fresh, **live), RULEBOOK, NOON).allowed
    stale = {"us-national-dnc": Scrub(NOON - timedelta(days=31, seconds=1))}
    assert against(decide(facts(scrubs=stale, **live), RULEBOOK, NOON)) == {"US.dnc.national": "defer"}
    hit = (DncHit("us-national-dnc", "registry", NOON),)
    decision = decide(facts(scrubs=fresh, dnc=hit, **live), RULEBOOK, NOON)
    assert "The number is on us-national-dnc since" in in_words(decision)


def test_consent_never_lifts_a_companys_own_opt_out() -> None:
    """47 CFR 64.1200(d): a company request beats consent and business relationship."""
    hits = (DncHit("own", "own", at("2026-10-01T10:00+00:00"), "asked on a call"),)
    decision = decide(facts(dnc=hits), RULEBOOK, NOON)
    assert against(decision) == {"dnc.own": "block", "US.dnc.internal": "block"}
    assert "since 2026-10-01 10:00 UTC (asked on a call)" in in_words(decision)


def test_a_list_of_litigators_bars_whatever_the_consent() -> None:
    hits = (DncHit("litigators", "registry", NOON),)
    assert against(decide(facts(dnc=hits), RULEBOOK, NOON)) == {"dnc.registries": "block"}
    lifted = (DncHit("us-national-dnc", "registry", NOON),)
    assert decide(facts(dnc=lifted), RULEBOOK, NOON).allowed


def test_arizona_mobiles_are_called_only_with_consent() -> None:
    """A.R.S. 44-1278(B)(6)."""
    phoenix = {"regions": frozenset({"US", "US-AZ"})}
    assert decide(facts("+16025550142", **phoenix), RULEBOOK, NOON).allowed
    assert "US-AZ.mobile" in against(decide(facts("+16025550142", consent=None, **phoenix), RULEBOOK, NOON))


def test_washington_bars_sales_calls_by_a_device() -> None:
    """RCW 80.36.400."""
    decision = decide(facts("+12065550142"), RULEBOOK, at("2026-11-20T12:00-08:00"))
    assert against(decision) == {"US-WA.adad": "block"}


def test_texas_asks_sellers_to_register_and_naming_it_says_that_this_is_done() -> None:
    """Tex. Bus. & Com. Code ch. 302."""
    plain = facts("+15125550142", regions=frozenset({"US"}))
    decision = decide(plain, RULEBOOK, NOON)
    assert against(decision) == {"US-TX.registration": "block"}
    assert "name US-TX itself" in in_words(decision)
    assert decide(facts("+15125550142"), RULEBOOK, NOON).allowed


def test_mississippi_reads_its_hours_on_the_clock_of_chicago() -> None:
    """Miss. Code 77-3-723(1) names Central time."""
    there = Place(("US",), ("US-MS",), ("America/New_York",))
    known = facts("+16015550142", place=there, regions=frozenset({"US-MS"}))
    decision = decide(known, RULEBOOK, at("2026-11-20T08:30-05:00"))
    assert set(against(decision)) == {"US-MS.hours"}
    assert decision.until == at("2026-11-20T08:00-06:00")


# ── our own rules ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "rule", "verdict", "words"),
    [
        ({"state": "paused"}, "campaign.state", "defer", "The campaign is paused."),
        ({"state": "stopped"}, "campaign.state", "block", "The campaign is stopped."),
        ({"all_stopped": True}, "campaign.stop_all", "defer", "until an admin lifts it"),
        (
            {"starts_at": NOON + timedelta(hours=1)},
            "campaign.dates",
            "defer",
            "starts at 2026-11-20 18:00 UTC",
        ),
        ({"ends_at": NOON}, "campaign.dates", "block", "ended at 2026-11-20 17:00 UTC"),
        ({"hours": LATE}, "campaign.hours", "allow", "open until 20:00 in America/New_York"),
        ({"restricted": frozenset({date(2026, 11, 20)})}, "campaign.restricted", "defer", "restricted date"),
        (
            {"money_left": Decimal("0.10"), "reserve": Decimal("0.30")},
            "campaign.budget",
            "defer",
            "0.10 left",
        ),
        ({"reserve": None}, "campaign.budget", "block", "no price for calls to US"),
        ({"callers": ()}, "campaign.callers", "defer", "No caller id"),
        ({"minimum_consent": "express_written", "consent": None}, "campaign.consent", "block", "none is"),
        ({"attempts_made": 3}, "contact.attempts", "block", "3 of 3 attempts are used up"),
        ({"attempts_made": 3, "callback_due": True}, "contact.attempts", "allow", "asked for one more call"),
        ({"attempts_made": 4, "callback_due": True}, "contact.attempts", "block", "4 of 3 attempts"),
        ({"attempts_per_number": 1, "attempts": (NOON,)}, "number.limit", "defer", "1 of 1 attempts"),
        ({"min_gap_minutes": 60, "attempts": (NOON,)}, "number.gap", "defer", "60 min between attempts"),
        ({"unsettled_since": NOON}, "number.busy", "defer", "has not ended yet"),
        ({"regions": frozenset({"CA"})}, "campaign.regions", "block", "US-NY is not among"),
        ({"place": Place(("US",), ("US-NY",), ())}, "place.known", "block", "No time zone is known"),
        ({"place": Place(("US",), (), ("Mars/Base",))}, "place.known", "block", "does not know Mars/Base"),
        ({"place": Place((), (), ("Asia/Tokyo",))}, "place.known", "block", "No country is known"),
        (
            {"place": Place(("BR",), (), ("America/Sao_Paulo",)), "regions": frozenset({"BR"})},
            "place.known",
            "block",
            "There is no rule pack for BR",
        ),
        (
            {"pauses": (Pause("US-NY", date(2026, 11, 1), None, "declared emergency"),)},
            "campaign.pause",
            "block",
            "declared emergency",
        ),
        (
            {"pauses": (Pause("US-NY", date(2026, 11, 1), date(2026, 11, 20), "storm"),)},
            "campaign.pause",
            "defer",
            "Next opening: 2026-11-21",
        ),
    ],
)
def test_each_rule_of_ours_says_why(changes: dict[str, object], rule: str, verdict: str, words: str) -> None:
    decision = decide(facts(**changes), RULEBOOK, NOON)
    found = {reason.rule_id: reason for reason in decision.reasons}[rule]
    assert found.verdict == verdict
    assert words in found.why


@pytest.mark.parametrize("kind", sorted(set(NumberKind) - {NumberKind.FIXED, NumberKind.MOBILE}))
def test_numbers_of_special_kinds_are_refused_by_class(kind: NumberKind) -> None:
    known = facts(number=PhoneNumber("+12125550142", "US", kind))
    refused = kind not in (NumberKind.FIXED_OR_MOBILE, NumberKind.VOIP, NumberKind.UNKNOWN)
    assert ("number.kind" in against(decide(known, RULEBOOK, NOON))) == refused


def test_a_toll_free_number_has_no_place_and_is_refused() -> None:
    assert decide(facts("+18005550199"), RULEBOOK, NOON).verdict is Verdict.BLOCK


def test_a_callback_lifts_the_campaigns_own_gap_and_no_law() -> None:
    tries = tuple(NOON - timedelta(minutes=m) for m in (5, 6, 7))
    known = facts("+18509091234", attempts=tries, min_gap_minutes=600, callback_due=True)
    assert against(decide(known, RULEBOOK, NOON)) == {"US-FL.cap": "defer"}


def test_waiting_for_an_event_has_no_instant_but_a_next_look() -> None:
    decision = decide(facts(unsettled_since=NOON), RULEBOOK, NOON)
    assert decision.until is None
    assert decision.next_look() == NOON + timedelta(seconds=60)


def test_several_deferrals_wait_for_the_first_instant_that_suits_all() -> None:
    known = facts("+18509091234", starts_at=at("2026-11-20T19:59:30-05:00"))
    decision = decide(known, RULEBOOK, NOON)
    assert decision.until == at("2026-11-21T09:00-05:00")


def test_windows_that_never_meet_block_with_that_sentence() -> None:
    known = facts(hours=WeeklyHours.parse({"mon-sun": "07:00-08:00"}))
    decision = decide(known, RULEBOOK, NOON)
    assert decision.verdict is Verdict.BLOCK
    assert "there is no instant at which all hours and zones are open together" in in_words(decision)


def test_only_the_campaigns_own_standing_counts_as_campaign_wide() -> None:
    assert decide(facts(state="paused"), RULEBOOK, NOON).campaign_wide
    assert not decide(facts(state="paused", attempts_made=3), RULEBOOK, NOON).campaign_wide
    assert not decide(facts(), RULEBOOK, NOON).campaign_wide


def test_every_rule_gives_its_verdict_not_only_the_first() -> None:
    known = facts(
        consent=None, dnc=(DncHit("own", "own", NOON),), state="paused", attempts_made=3, callers=()
    )
    decision = decide(known, RULEBOOK, at("2026-11-20T22:30-05:00"))
    assert {
        "dnc.own", "US.dnc.internal", "US.consent.artificial-voice", "US.dnc.national", "contact.attempts",
        "campaign.state", "campaign.callers", "US.hours", "campaign.hours",
    } <= set(against(decision))  # fmt: skip
    ranks = [reason.verdict for reason in decision.reasons]
    assert ranks == sorted(ranks, key=[Verdict.BLOCK, Verdict.DEFER, Verdict.ALLOW].index)


def test_closes_at_is_the_tightest_zones_end() -> None:
    assert decide(facts("+18509091234"), RULEBOOK, NOON).closes_at == at("2026-11-20T20:00-05:00")


# ── other kinds of rules in packs ──────────────────────────────────────────────────────────────────────


def little_book(kind: str, terms: str) -> Rulebook:
    return parse_rulebook(
        {
            "us.toml": PACK.replace("XX", "US")
            + f'[[pack.rule]]\nid = "US.x"\nkind = "{kind}"\n{terms}\nstatus = "in_force"\n'
            + 'effective_from = 2020-01-01\nsource = { cite = "Test 1", read_on = 2026-11-21 }\n'
        }
    )


@pytest.mark.parametrize(
    ("kind", "terms", "changes", "verdict"),
    [
        ("reassigned", "max_age_days = 30", {}, "defer"),
        ("reassigned", "max_age_days = 30", {"consent": None}, "block"),
        ("reassigned", "max_age_days = 30", {"reassigned": Reassigned("no", NOON)}, "allow"),
        ("reassigned", "max_age_days = 30", {"reassigned": Reassigned("yes", NOON)}, "block"),
        (
            "reassigned",
            "max_age_days = 1",
            {"reassigned": Reassigned("no", NOON - timedelta(days=2))},
            "defer",
        ),
        (
            "abandonment",
            "max_rate = 0.03\nwindow_days = 30",
            {"live_answered": 1000, "abandoned": 30},
            "allow",
        ),
        (
            "abandonment",
            "max_rate = 0.03\nwindow_days = 30",
            {"live_answered": 1000, "abandoned": 31},
            "defer",
        ),
        ("abandonment", "max_rate = 0.03\nwindow_days = 30", {"live_answered": 10, "abandoned": 1}, "allow"),
        ("abandonment", "max_rate = 0.03\nwindow_days = 30", {}, "allow"),
        ("consent", 'level = "express_oral"\nexpires_days = 100', {}, "block"),
        ("consent", 'level = "express_oral"\nexpires_days = 400', {}, "allow"),
        ("consent", 'level = "none"', {"consent": None}, "allow"),
        ("attempt_cap", "count = 0\nwindow_hours = 24", {}, "block"),
        ("prohibition", 'reason = "anything at all"', {}, "block"),
        ("prohibition", 'reason = "anything"\nscope = { voice = ["live"] }', {}, "allow"),
        ("region_pause", 'from = 2026-11-19\nreason = "flood"', {}, "block"),
        ("region_pause", 'from = 2026-11-19\nto = 2026-11-20\nreason = "flood"', {}, "defer"),
        ("region_pause", 'from = 2026-11-21\nreason = "flood"', {}, "allow"),
        ("caller_number", 'must_match = "^\\\\+1212"', {}, "block"),
        ("caller_number", 'must_not_match = "^\\\\+1212"', {}, "allow"),
        ("retention", 'what = "records"\ndays = 1', {}, "allow"),
        ("disclosure", 'say = ["ai"]', {}, "allow"),
    ],
)
def test_each_kind_of_rule_judges(kind: str, terms: str, changes: dict[str, object], verdict: str) -> None:
    assert decide(facts(**changes), little_book(kind, terms), NOON).verdict == verdict


# ── what must hold always ──────────────────────────────────────────────────────────────────────────────

ZONES = sorted(available_timezones() - {"localtime"})
STATES = sorted({region for pack in RULEBOOK.packs for region in pack.regions if region.startswith("US-")})
places = st.builds(
    lambda regions, zones: Place(("US",), tuple(sorted(regions)), tuple(sorted(zones))),
    st.sets(st.sampled_from(STATES), max_size=3),
    st.sets(st.sampled_from(ZONES), min_size=1, max_size=3),
)
instants = st.datetimes(datetime(2026, 6, 1), datetime(2027, 12, 1)).map(lambda t: t.replace(tzinfo=UTC))
situations = st.builds(
    lambda place, purpose, party, consent, ago, made: facts(
        place=place,
        purpose=purpose,
        party=party,
        consent=consent,
        attempts=tuple(NOON - timedelta(minutes=m) for m in ago),
        attempts_made=made,
        regions=frozenset({"US", *STATES}),
    ),
    places,
    st.sampled_from(["sales", "informational"]),
    st.sampled_from(["consumer", "business", "unknown"]),
    st.sampled_from([None, SIGNED, Consent("express_oral"), Consent("ebr", NOON)]),
    st.lists(st.integers(0, 3000), max_size=4),
    st.integers(0, 3),
)


@settings(max_examples=200, deadline=None)
@given(situations, instants)
def test_no_sales_call_to_a_consumer_is_allowed_outside_eight_to_nine(known: Facts, now: datetime) -> None:
    decision = decide(known, RULEBOOK, now)
    for moment in filter(None, (now if decision.allowed else None, decision.until)):
        if known.policy.purpose == "sales" and known.party != "business":
            for zone in known.place.zones:
                assert 8 <= moment.astimezone(ZoneInfo(zone)).hour < 21


@settings(max_examples=150, deadline=None)
@given(situations, instants)
def test_at_the_instant_until_everything_that_depends_on_time_allows(known: Facts, now: datetime) -> None:
    decision = decide(known, RULEBOOK, now)
    if decision.until is None:
        return
    assert decision.until > now
    then = decide(known, RULEBOOK, decision.until)
    assert then.verdict is Verdict.ALLOW or all(r.ground is not Ground.TIME for r in then.against)


@settings(max_examples=100, deadline=None)
@given(situations, instants)
def test_a_decision_and_its_facts_survive_being_kept_and_are_made_again(known: Facts, now: datetime) -> None:
    decision = decide(known, RULEBOOK, now)
    assert Decision.from_json(json.loads(json.dumps(decision.to_json()))) == decision
    again = decide(facts_from_json(json.loads(json.dumps(facts_to_json(known)))), RULEBOOK, now)
    assert again == decision
    assert again.fingerprint == decision.fingerprint


def test_the_fingerprint_stays_while_only_figures_change() -> None:
    early, later = (decide(facts(), RULEBOOK, at(f"2026-11-20T{t}-05:00")) for t in ("22:30", "23:10"))
    assert early.reasons != later.reasons
    assert early.fingerprint == later.fingerprint
    assert early.fingerprint != decide(facts(), RULEBOOK, NOON).fingerprint
    assert early.fingerprint != decide(facts(state="paused"), RULEBOOK, early.at).fingerprint


def test_next_legal_is_the_first_instant_of_a_zone_group() -> None:
    parsed = number("+18509091234")
    found = next_legal(locate(parsed), SALES, RULEBOOK, at("2026-11-20T20:00-05:00"), kind=parsed.kind)
    assert found == at("2026-11-21T09:00-05:00")
    later = dataclasses.replace(SALES, starts_at=at("2026-11-22T12:30-05:00"))
    assert next_legal(locate(parsed), later, RULEBOOK, NOON) == at("2026-11-22T12:30-05:00")
    over = dataclasses.replace(SALES, ends_at=at("2026-11-21T09:00-05:00"))
    assert next_legal(locate(parsed), over, RULEBOOK, at("2026-11-20T20:00-05:00")) is None
    assert next_legal(Place(("US",), (), ()), SALES, RULEBOOK, NOON) is None


def test_the_words_of_an_allowed_call_tell_until_when() -> None:
    words = in_words(decide(facts(), RULEBOOK, NOON))
    assert words.startswith("May be called now until 2026-11-21 02:00 UTC; ")
