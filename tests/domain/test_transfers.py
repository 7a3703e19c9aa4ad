"""Targets of a hand-over: what may stand in a script, when they are open, what their humans are told."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain import transfers
from campaign.domain.transfers import LONGEST_SUMMARY, TransferTarget

NEW_YORK = {"week": {"mon-fri": "09:00-12:00, 13:00-17:00"}, "zone": "America/New_York"}


def target(**given: Any) -> TransferTarget:
    return msgspec.convert({"name": "sales", **given}, TransferTarget)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "transfers.sales"),
        ({"to": "+12125550199", "workflow": "WW" + "0" * 32}, "transfers.sales"),
        ({"to": "911"}, "transfers.sales.to"),
        ({"to": "http://example.net"}, "transfers.sales.to"),
        ({"workflow": "flex"}, "transfers.sales.workflow"),
        ({"workflow": "WW" + "0" * 32, "mode": "warm"}, "transfers.sales.mode"),
        ({"to": "+12125550199", "accept_key": "1"}, "transfers.sales.accept_key"),
        ({"to": "+12125550199", "week": {"noday": "09:00-10:00"}, "zone": "UTC"}, "transfers.sales.week"),
        ({"to": "+12125550199", "week": {"mon": "09:00-10:00"}}, "transfers.sales.zone"),
    ],
)
def test_a_target_that_cannot_work_is_named(given: dict[str, Any], where: str) -> None:
    assert [fault[0] for fault in transfers.faults({"sales": target(**given)}, "en-US")] == [where]


def test_a_language_without_words_of_ours_needs_its_own() -> None:
    sales = target(to="+12125550199")
    assert [fault[0] for fault in transfers.faults({"sales": sales}, "pt-BR")] == [
        "transfers.sales.not_taken"
    ]
    own = msgspec.structs.replace(sales, not_taken="Quando posso ligar?")
    assert list(transfers.faults({"sales": own}, "pt-BR")) == []
    assert transfers.not_taken_line(own, "pt-BR") == "Quando posso ligar?"


@pytest.mark.parametrize(
    ("at", "is_open", "opens"),
    [
        ("2026-11-24T09:00:00-05:00", True, None),
        ("2026-11-24T08:59:59-05:00", False, "2026-11-24T09:00:00-05:00"),
        ("2026-11-24T12:30:00-05:00", False, "2026-11-24T13:00:00-05:00"),
        ("2026-11-24T16:59:59-05:00", True, None),
        ("2026-11-27T17:00:00-05:00", False, "2026-11-30T09:00:00-05:00"),
        ("2026-11-24T06:30:00-08:00", True, None),
    ],
)
def test_opening_hours_are_the_targets_own(at: str, is_open: bool, opens: str | None) -> None:
    sales, moment = target(to="+12125550199", **NEW_YORK), datetime.fromisoformat(at)
    assert transfers.open_at(sales, moment) is is_open
    if opens:
        assert transfers.opens(sales, moment) == datetime.fromisoformat(opens)


def test_a_target_without_hours_is_always_open_and_one_that_never_opens_says_so() -> None:
    now = datetime(2026, 11, 24, 3, tzinfo=ZoneInfo("UTC"))
    assert transfers.open_at(target(to="+12125550199"), now)
    never = target(to="+12125550199", week={"mon": "closed"}, zone="UTC")
    assert not transfers.open_at(never, now)
    assert transfers.opens(never, now) is None


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=300)), st.text(max_size=300))
def test_a_summary_is_short_and_ends_with_the_key_whatever_was_answered(
    answers: dict[str, str], name: str
) -> None:
    safe = transfers.safe_answers(answers, dict.fromkeys(("a", "b", "c"), "text"))
    said = transfers.summary("Example, Inc.", name, safe, "1", "en-US")
    assert len(said) <= LONGEST_SUMMARY + 1
    assert said.endswith("Press 1 to take the call.")


def test_answers_are_told_as_people_say_them_and_only_those_of_the_script() -> None:
    answers = {"owner": True, "age": 12.0, "mail": "ada@example.com", "gone": "x"}
    kinds = {"owner": "yes_no", "age": "number", "mail": "text"}
    told = transfers.safe_answers(answers, kinds)
    assert told["owner"] == "yes"
    assert told["age"] == "12"
    assert "ada@" not in told["mail"]
    assert "gone" not in told
