from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.waiting import Cause, Reason, cause_of, merged, phrase, short
from tests.support.campaigns import rulebook

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_every_rule_of_every_pack_has_a_kind_of_reason() -> None:
    book = rulebook()
    binds_no_dial = {"opt_out", "disclosure", "revocation_scope", "retention"}
    for rule, kind in book.kinds.items():
        assert kind in binds_no_dial or cause_of(rule, book) is not Cause.OTHER, (rule, kind)


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        ("US.hours", Cause.WINDOW),
        ("campaign.hours", Cause.WINDOW),
        ("US.dnc.national", Cause.REGISTRY),
        ("dnc.own", Cause.OWN_DNC),
        ("US.abandon", Cause.ABANDONMENT),
        ("number.gap", Cause.LIMIT),
        ("a rule of a pack that is gone", Cause.OTHER),
    ],
)
def test_a_rule_is_told_by_its_kind(rule: str, cause: Cause) -> None:
    assert cause_of(rule, rulebook()) is cause


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            Reason(True, Cause.WINDOW, 2310, {"US.hours": 2310}, NOW + timedelta(hours=2)),
            "2,310 wait for their window (next opens 14:00 UTC)",
        ),
        (
            Reason(True, Cause.WINDOW, 1, {}, NOW + timedelta(days=1)),
            "1 waits for their window (next opens 2026-11-25 12:00 UTC)",
        ),
        (Reason(False, Cause.OWN_DNC, 18, {"dnc.own": 18}), "18 are blocked by our own do-not-call lists"),
        (Reason(False, Cause.OTHER, 1, {"XX.new": 1}), "1 is blocked by XX.new"),
        (Reason(True, Cause.OTHER, 2, {"XX.new": 2}), "2 wait for XX.new to allow it"),
        (
            Reason(True, Cause.RETRY, 3, {}, NOW + timedelta(hours=1)),
            "3 wait for their retry (next 13:00 UTC)",
        ),
    ],
)
def test_a_reason_is_told_in_one_phrase(reason: Reason, words: str) -> None:
    assert phrase(reason, NOW) == words


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(Cause),
            st.none() | st.sampled_from(["US.hours", "dnc.own", "number.gap"]),
            st.integers(1, 9),
            st.none() | st.datetimes(timezones=st.just(UTC)),
        )
    )
)
def test_merging_loses_nobody_and_every_kind_has_words(
    found: list[tuple[bool, Cause, str | None, int, datetime | None]],
) -> None:
    reasons = merged(found)
    assert sum(reason.contacts for reason in reasons) == sum(n for _, _, _, n, _ in found)
    assert len({(reason.waits, reason.cause) for reason in reasons}) == len(reasons)
    for reason in reasons:
        instants = [
            at for waits, cause, _, _, at in found if at and (waits, cause) == (reason.waits, reason.cause)
        ]
        assert reason.next_at == min(instants, default=None)
        assert sum(reason.rules.values()) <= reason.contacts
        assert f"{reason.contacts:,} " in phrase(reason, NOW)
        assert short(reason.cause)
