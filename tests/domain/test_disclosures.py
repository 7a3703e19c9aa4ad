"""What the rules demand to be said first is said, whatever the script leaves out and the model does."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from campaign.domain.campaign import from_json, to_json
from campaign.domain.decision import Decision, Verdict
from campaign.domain.disclosures import faults as demanded
from campaign.domain.facts import CampaignPolicy, Consent, Facts
from campaign.domain.phone import PhoneNumber, parse
from campaign.domain.place import locate
from campaign.domain.rules import decide
from campaign.domain.script import DISCLOSED, Script, faults, says
from tests.support.campaigns import definition, rulebook

NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
SELLER = "Harbor & Pine Solar, Inc."


def script(**changes: Any) -> Script:
    return msgspec.convert({"greeting": "Hi.", "goal": "Book a demo.", **changes}, Script)


def judged(number: str, one: Script) -> Decision:
    """The decision about a number, with everything but the script in order."""
    parsed = parse(number, None)
    assert isinstance(parsed, PhoneNumber)
    place = locate(parsed)
    policy = CampaignPolicy(
        "Roofs",
        "informational",
        frozenset(place.countries) | frozenset(place.regions),
        says=says(one, SELLER),
    )
    consent = Consent("express_written", datetime(2026, 10, 1, tzinfo=UTC), "form")
    return decide(Facts(parsed, place, policy, consent=consent), rulebook(), NOW, margin=0)


def disclosures_refused(decision: Decision) -> list[str]:
    return [
        reason.rule_id
        for reason in decision.reasons
        if reason.kind in ("disclosure", "opt_out") and reason.verdict is Verdict.BLOCK
    ]


CALIFORNIA, FLORIDA, GERMANY, SPAIN = "+14155550123", "+13055550123", "+4930901820", "+34911234567"


@pytest.mark.parametrize(
    ("number", "lines", "refusing"),
    [
        (CALIFORNIA, {}, set()),
        (GERMANY, {}, set()),
        (SPAIN, {}, set()),
        (CALIFORNIA, {"disclosure_ai": "-"}, {"US-CA.disclosure.ai", "US.identification"}),
        (CALIFORNIA, {"disclosure_ai": "Hello from {{ seller_name }}."}, {"US-CA.disclosure.ai"}),
        (FLORIDA, {"disclosure_ai": "Hello, this is Robin for {{ seller_name }}."}, set()),
        (FLORIDA, {"disclosure_ai": "Hello, an AI speaks."}, {"US.identification"}),
        (FLORIDA, {"disclosure_ai": "Hello, an AI speaks for Harbor & Pine Solar, Inc."}, set()),
        (GERMANY, {"disclosure_ai": "-"}, {"EU.disclosure.ai"}),
        (GERMANY, {"disclosure_ai": "Hallo, hier ist Robin."}, {"EU.disclosure.ai"}),
        (GERMANY, {"disclosure_ai": "Hallo, hier ist Robin, eine künstliche Intelligenz."}, set()),
        (SPAIN, {"disclosure_ai": "Hola, soy un asistente automático."}, set()),
    ],
)  # fmt: skip
def test_nobody_is_dialled_where_a_demanded_disclosure_is_left_out(
    number: str, lines: dict[str, str], refusing: set[str]
) -> None:
    assert set(disclosures_refused(judged(number, script(lines=lines)))) >= refusing
    assert bool(refusing) == bool(disclosures_refused(judged(number, script(lines=lines))))


def test_a_way_out_must_be_offered_where_the_rules_demand_one() -> None:
    refused = judged("+61291234567", script(lines={"disclosure_opt_out": "-"}))
    assert "AU.optout" in disclosures_refused(refused)
    said = next(reason.why for reason in refused.reasons if reason.rule_id == "AU.optout")
    assert "script.lines.disclosure_opt_out" in said


def test_a_script_that_leaves_nothing_out_says_all_that_can_be_judged() -> None:
    for language in ("en-US", "es-MX", "fr-FR", "de-DE"):
        assert says(script(language=language), SELLER) == DISCLOSED


def test_a_recording_is_always_announced() -> None:
    assert faults(script(record=True), None) == []
    assert faults(script(record=True, lines={"disclosure_recorded": "-"}), None) == [
        ("lines.disclosure_recorded", "can't be left out while the call is recorded (record)")
    ]
    assert faults(script(lines={"disclosure_recorded": "-"}), None) == []


@pytest.mark.parametrize(
    ("regions", "lines", "told"),
    [
        (["US"], {}, []),
        (["US", "DE", "AU"], {}, []),
        (["US-FL"], {"disclosure_ai": "Hello from {{ seller_name }}."}, []),
        (
            ["US"],
            {"disclosure_ai": "Hello from {{ seller_name }}."},
            [("disclosure_ai", "US-CA.disclosure.ai")],
        ),
        (["DE"], {"disclosure_ai": "-"}, [("disclosure_ai", "EU.disclosure.ai")]),
        (["US-FL"], {"disclosure_ai": "An AI speaks."}, [("disclosure_ai", "US.identification")]),
        (["AU"], {"disclosure_opt_out": "-"}, [("disclosure_opt_out", "AU.optout")]),
    ],
)
def test_who_writes_a_script_is_told_what_the_rules_of_its_regions_demand(
    regions: list[str], lines: dict[str, str], told: list[tuple[str, str]]
) -> None:
    plain = to_json(definition(regions=regions))
    one = from_json({**plain, "script": {**plain["script"], "lines": lines}})
    found = list(demanded(one, rulebook(), NOW.date()))
    assert [path[-1] for path, _ in found] == [line for line, _ in told]
    assert all(rule in why for (_, why), (_, rule) in zip(found, told, strict=True))
