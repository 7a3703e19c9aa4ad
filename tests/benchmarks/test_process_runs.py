"""A run's result says in sentences what is broken; its campaign is what the verdict takes it for."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from benchmarks.ledgers import Verdict
from benchmarks.process_runs import FULL, SMALL, Form, ProcessRunResult, campaign_of, lines
from benchmarks.replicas import Struck
from campaign.domain.calling_window import CallingWindow

CLEAN = Verdict(
    creates=3,
    calls=2,
    results={"accepted": 2, "429": 1},
    deliveries={"": 8, "lost": 2},
    double_dials=[],
    dials_after_dnc=[],
    dials_outside_hours=[],
    lost_outcomes=[],
    pace_exceeded=[],
    dnc_on_their_way=0,
    unknowns=1,
    settled={"a callback": 1},
    slowest_s=3.0,
    worst_second=1,
)
RESULT = ProcessRunResult(SMALL, 60.0, Struck(SMALL.kills, 1, 1), 4, True, CLEAN)


def test_a_clean_run_has_nothing_broken() -> None:
    assert RESULT.broken == []
    told = {what: found for what, found, _ in lines(RESULT)}
    assert told["double dials"] == "0"
    assert told["unknown results"] == "1 a callback"
    assert told["POSTs answered wrongly, late or not"] == "1 429"


@pytest.mark.parametrize(
    "what",
    ["double_dials", "dials_after_dnc", "dials_outside_hours", "lost_outcomes", "pace_exceeded"],
)
def test_whatever_must_be_0_and_is_not_is_told(what: str) -> None:
    verdict = replace(CLEAN, **{what: ["one", "two"]})
    (sentence,) = replace(RESULT, verdict=verdict).broken
    assert "2, as: one; two" in sentence


def test_a_run_that_did_not_come_to_its_end_or_lacks_kills_is_broken() -> None:
    assert "not settled" in replace(RESULT, settled=False).broken[0]
    assert f"0 of {SMALL.kills} kills" in replace(RESULT, struck=Struck()).broken[0]


@pytest.mark.parametrize("form", [FULL, SMALL], ids=["full", "small"])
def test_the_verdict_knows_the_campaigns_hours(form: Form) -> None:
    campaign, opening = campaign_of(form)
    zone = ZoneInfo("America/Chicago")
    window = CallingWindow.over_zones(campaign.schedule.hours(), [zone.key])
    at = datetime(2026, 11, 24, 7, 30, tzinfo=zone)
    while at.hour < 21:
        assert window.is_open(at) == opening.is_open(at, "+13125550100"), at
        at += timedelta(seconds=30)
