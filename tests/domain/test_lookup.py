"""What answers about a number mean for the dial, by the packs as they are."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.decision import Ground, Verdict
from campaign.domain.facts import (
    INVALID,
    CampaignPolicy,
    Consent,
    Facts,
    LineType,
    Reassigned,
    Scrub,
    facts_from_json,
    facts_to_json,
)
from campaign.domain.lookup import (
    LINE_TYPE_DAYS,
    REASSIGNED_DAYS,
    Known,
    Want,
    awaits_line_type,
    line_of,
    owner_of,
    wanted,
)
from campaign.domain.phone import NumberKind, PhoneNumber, parse
from campaign.domain.place import locate
from campaign.domain.rules import decide, in_words
from tests.support.campaigns import rulebook

NOON = datetime(2026, 11, 24, 19, tzinfo=UTC)  # noon in Phoenix
DAY = timedelta(days=1)
CONSENT = date(2026, 10, 1)
POLICY = CampaignPolicy("Roofs", "sales", frozenset({"US", "US-AZ"}), line_type_days=LINE_TYPE_DAYS)


def facts(number: str = "+16025550142", **changes: object) -> Facts:
    """A sales call of a person to Phoenix, where calls to mobiles that nobody asked for are barred."""
    parsed = parse(number, None)
    assert isinstance(parsed, PhoneNumber)
    known = Facts(
        parsed,
        locate(parsed),
        POLICY,
        scrubs={name: Scrub(NOON - DAY) for name in rulebook().registries},
        callers=("+12025550199",),
        voice="live",
    )
    policy = {key: value for key, value in changes.items() if key in CampaignPolicy.__dataclass_fields__}
    rest = {key: value for key, value in changes.items() if key not in policy}
    return dataclasses.replace(known, policy=dataclasses.replace(POLICY, **policy), **rest)  # type: ignore[arg-type]


def line(kind: NumberKind | str, asked_at: datetime = NOON) -> LineType:
    return LineType(str(kind), asked_at)


def test_a_landline_is_not_held_by_the_bar_on_mobiles_and_a_mobile_is() -> None:
    unasked = decide(facts(line_type_days=0), rulebook(), NOON)
    assert (unasked.verdict, unasked.main and unasked.main.rule_id) == (Verdict.BLOCK, "US-AZ.mobile")
    waits = decide(facts(), rulebook(), NOON)
    assert (waits.verdict, waits.awaits_lookup, wanted(waits)) == (Verdict.DEFER, True, {Want.LINE_TYPE})
    assert "It waits for its line-type check: never asked" in in_words(waits)
    landline = decide(facts(line_type=line(NumberKind.FIXED)), rulebook(), NOON)
    assert landline.verdict is Verdict.ALLOW
    for kind in (NumberKind.MOBILE, NumberKind.VOIP, NumberKind.UNKNOWN):
        told = decide(facts(line_type=line(kind)), rulebook(), NOON)
        assert (told.verdict, told.main and told.main.rule_id) == (Verdict.BLOCK, "US-AZ.mobile"), kind


@pytest.mark.parametrize(
    "kind",
    sorted(
        set(NumberKind)
        - {
            NumberKind.FIXED,
            NumberKind.MOBILE,
            NumberKind.FIXED_OR_MOBILE,
            NumberKind.VOIP,
            NumberKind.UNKNOWN,
        }
    ),
)
def test_lines_that_nobody_calls_are_refused_by_class(kind: NumberKind) -> None:
    told = decide(facts(line_type=line(kind)), rulebook(), NOON)
    assert (told.verdict, told.main and told.main.rule_id) == (Verdict.BLOCK, "number.kind")


def test_what_is_no_number_by_its_look_up_is_not_dialled() -> None:
    told = decide(facts(line_type=line(INVALID)), rulebook(), NOON)
    assert "By its look-up this is no valid number." in in_words(told)
    assert told.verdict is Verdict.BLOCK


def test_numbers_whose_plan_tells_the_line_are_not_asked_about() -> None:
    for number, kind in (("+442079460958", NumberKind.FIXED), ("+447400123456", NumberKind.MOBILE)):
        known = facts(number)
        assert known.number.kind is kind
        assert not awaits_line_type(known, NOON)


def test_an_answer_about_the_line_holds_for_15_days_to_the_second() -> None:
    old = line(NumberKind.FIXED, NOON - LINE_TYPE_DAYS * DAY)
    assert decide(facts(line_type=old), rulebook(), NOON).allowed
    later = decide(facts(line_type=old), rulebook(), NOON + timedelta(seconds=1))
    assert later.awaits_lookup
    assert "asked last on 2026-11-09" in in_words(later)


OWNED = Consent("express_oral", datetime(2026, 10, 1, tzinfo=UTC), "web form")


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (None, Verdict.DEFER),
        (Reassigned("no", NOON), Verdict.ALLOW),
        (Reassigned("no_data", NOON), Verdict.ALLOW),
        (Reassigned("no", NOON - REASSIGNED_DAYS * DAY), Verdict.ALLOW),
        (Reassigned("no", NOON - REASSIGNED_DAYS * DAY - timedelta(seconds=1)), Verdict.DEFER),
        (Reassigned("yes", NOON), Verdict.BLOCK),
        (Reassigned("yes", NOON - 400 * DAY), Verdict.BLOCK),
    ],
)
def test_the_campaigns_own_check_of_the_owner(check: Reassigned | None, verdict: Verdict) -> None:
    known = facts(line_type_days=0, reassigned_days=REASSIGNED_DAYS, consent=OWNED, reassigned=check)
    told = decide(known, rulebook(), NOON)
    assert told.verdict is verdict
    assert told.awaits_lookup == (verdict is Verdict.DEFER)
    assert decide(facts_from_json(facts_to_json(known)), rulebook(), NOON) == told


def test_without_a_date_of_consent_there_is_nothing_to_ask() -> None:
    for consent in (None, dataclasses.replace(OWNED, at=None)):
        told = decide(facts(line_type_days=0, reassigned_days=30, consent=consent), rulebook(), NOON)
        assert any(r.rule_id == "check.reassigned" and r.verdict is Verdict.BLOCK for r in told.against)


def test_nothing_is_asked_where_anything_but_the_clock_forbids_the_dial() -> None:
    night = NOON + timedelta(hours=10)
    assert wanted(decide(facts(), rulebook(), night)) == {Want.LINE_TYPE}
    assert not decide(facts(), rulebook(), night).awaits_lookup
    for change in ({"state": "paused"}, {"callers": ()}, {"unsettled_since": NOON}, {"attempts_made": 1}):
        assert wanted(decide(facts(**change), rulebook(), NOON)) == frozenset(), change


def test_the_latest_answer_about_the_line_counts() -> None:
    found = [
        Known(Want.LINE_TYPE, "mobile", None, NOON - DAY),
        Known(Want.LINE_TYPE, "fixed", None, NOON),
        Known(Want.REASSIGNED, "no", CONSENT, NOON),
    ]
    assert line_of(found) == LineType("fixed", NOON)
    assert line_of([]) is None
    assert owner_of(found, None) is None


dates = st.dates(date(2024, 1, 1), date(2026, 11, 1))


@given(about=dates, since=dates, moved=st.none() | dates)
def test_no_answer_ever_contradicts_what_really_happened_to_the_number(
    about: date, since: date, moved: date | None
) -> None:
    """The number got a new owner on `moved`, or never; the registry answers truly about `about`."""
    truth = "yes" if moved is not None and moved >= about else "no"
    told = owner_of([Known(Want.REASSIGNED, truth, about, NOON)], since)
    if told is not None:
        assert told.answer == ("yes" if moved is not None and moved >= since else "no")


kinds = st.none() | st.sampled_from([*NumberKind, INVALID])


@given(
    kind=kinds,
    age=st.integers(0, 40),
    hours=st.integers(0, 48),
    level=st.sampled_from(["none", "express_oral", "express_written"]),
    purpose=st.sampled_from(["sales", "informational"]),
)
def test_asking_for_the_line_never_allows_what_the_answer_would_not(
    kind: NumberKind | str | None, age: int, hours: int, level: str, purpose: str
) -> None:
    """A dial that is allowed with the check is allowed by all rules for the line that was told; and without
    an answer that holds, nothing is allowed."""
    now = NOON + timedelta(hours=hours)
    told = None if kind is None else line(kind, NOON - age * DAY)
    consent = None if level == "none" else Consent(level, NOON - DAY)
    known = facts(line_type=told, consent=consent, purpose=purpose)
    decision = decide(known, rulebook(), now)
    if not decision.allowed:
        return
    assert told is not None
    assert now - told.asked_at <= LINE_TYPE_DAYS * DAY
    plain = dataclasses.replace(
        known,
        number=known.number._replace(kind=NumberKind(told.answer)),
        line_type=None,
        policy=dataclasses.replace(known.policy, line_type_days=0),
    )
    assert decide(plain, rulebook(), now).allowed


def test_a_reason_that_waits_for_a_look_up_names_what_to_ask() -> None:
    known = facts(reassigned_days=30, consent=OWNED)
    reasons = [r for r in decide(known, rulebook(), NOON).against if r.ground is Ground.LOOKUP]
    assert {Want(r.kind) for r in reasons} == set(Want)
