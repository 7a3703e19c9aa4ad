"""Registries in decisions: a hit blocks, what isn't known waits, and neither is ever called."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain.decision import LOOK_AGAIN, LOOK_FOR_COPY, Decision, Verdict, in_words
from campaign.domain.facts import Consent, DncHit, Scrub
from campaign.domain.place import locate
from campaign.domain.rules import decide
from tests.domain.test_rules import NOON, RULEBOOK, SIGNED, against, facts, instants, number

LIVE = {"voice": "live", "consent": None}
NAME = "us-national-dnc"
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("scrubs", "words"),
    [
        ({}, "has not been compared with us-national-dnc; load that registry first"),
        (
            {NAME: Scrub(NOON - 32 * DAY, "3")},
            "The copy of us-national-dnc is 32 days old (2026-10-19, version 3); 31 days at most",
        ),
        (
            {NAME: Scrub(NOON - DAY, "3", lacks="212")},
            "Area code 212 is not in the copy of us-national-dnc (2026-11-19, version 3); load it first",
        ),
    ],
)
def test_a_number_that_was_not_compared_waits_and_is_looked_at_within_the_hour(
    scrubs: dict[str, Scrub], words: str
) -> None:
    decision = decide(facts(scrubs=scrubs, **LIVE), RULEBOOK, NOON)
    assert against(decision) == {"US.dnc.national": "defer"}
    assert words in in_words(decision)
    assert not decision.campaign_wide, "others in the campaign may be called"
    assert decision.next_look() == NOON + LOOK_FOR_COPY
    assert LOOK_AGAIN < LOOK_FOR_COPY


def test_a_hit_blocks_however_old_the_copy_and_names_its_version() -> None:
    hit = (DncHit(NAME, "registry", NOON - 40 * DAY, version="3"),)
    for scrubs in ({}, {NAME: Scrub(NOON - 40 * DAY, "3")}, {NAME: Scrub(NOON, "3")}):
        decision = decide(facts(scrubs=scrubs, dnc=hit, **LIVE), RULEBOOK, NOON)
        assert against(decision) == {"US.dnc.national": "block"}
        assert "is on us-national-dnc by its copy of 2026-10-11 (version 3)" in in_words(decision)


def test_a_decision_names_the_version_that_it_rests_on_and_another_version_is_another_decision() -> None:
    one, same, other = (
        decide(facts(scrubs={NAME: Scrub(NOON - age * DAY, version)}, **LIVE), RULEBOOK, NOON)
        for age, version in ((1, "3"), (2, "3"), (1, "4"))
    )
    assert one.allowed
    assert [reason.basis for reason in one.reasons if reason.basis] == [f"{NAME}@3"]
    assert one.fingerprint == same.fingerprint != other.fingerprint
    lifted = [
        decide(facts(scrubs={NAME: Scrub(NOON, version)}), RULEBOOK, NOON).fingerprint
        for version in ("3", "4")
    ]
    assert lifted[0] == lifted[1], "with consent it rests on none"


def test_decisions_kept_before_versions_were_named_are_still_read() -> None:
    decision = decide(facts(scrubs={NAME: Scrub(NOON)}, **LIVE), RULEBOOK, NOON)
    plain = decision.to_json()
    assert all("basis" not in reason for reason in plain["reasons"])
    assert Decision.from_json(plain) == decision


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([None, SIGNED, Consent("express_oral", NOON), Consent("ebr", NOON - 100 * DAY)]),
    st.one_of(
        st.none(),
        st.builds(
            lambda hours, lacks: (timedelta(hours=hours), "212" if lacks else None),
            st.integers(0, 24 * 60),
            st.booleans(),
        ),
    ),
    st.booleans(),
    instants,
)
def test_nobody_on_a_registry_or_not_compared_with_it_is_ever_called(
    consent: Consent | None, copy: tuple[timedelta, str | None] | None, hit: bool, now: datetime
) -> None:
    scrubs = {} if copy is None else {NAME: Scrub(now - copy[0], "3", copy[1])}
    known = facts(
        voice="live",
        consent=consent,
        scrubs=scrubs,
        dnc=(DncHit(NAME, "registry", now, version="3"),) if hit else (),
        place=locate(number("+12125550142")),
    )
    decision = decide(known, RULEBOOK, now)
    lifted = consent is not None and not consent.lifts(now).isdisjoint({"express_written", "ebr"})
    compared = copy is not None and copy[0] <= 31 * DAY and copy[1] is None
    if decision.allowed:
        assert lifted or (compared and not hit)
    if hit and not lifted:
        assert decision.verdict is Verdict.BLOCK
    elif not compared and not lifted:
        assert against(decision)["US.dnc.national"] == "defer"
