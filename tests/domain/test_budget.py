"""What calls cost."""

from decimal import Decimal
from pathlib import Path

import pytest

from campaign.domain.budget import Rates, parse_rates
from campaign.domain.errors import SettingsError

RATES = Rates(
    currency="USD",
    connect_per_minute={"US": Decimal("0.014")},
    relay_per_minute=Decimal("0.07"),
    detection_per_call=Decimal("0.0075"),
    recording_per_minute=Decimal("0.0025"),
    model_per_minute=Decimal("0.02"),
)


def test_minutes_begun_are_billed_whole() -> None:
    assert RATES.lines("US", 61, detection=False, recorded=False, model=False) == {
        "connect": Decimal("0.0280"),
        "relay": Decimal("0.1400"),
    }


def test_a_call_that_nobody_answered_costs_nothing() -> None:
    assert RATES.lines("US", 0, detection=True, recorded=True, model=True) == {}


def test_twilios_price_replaces_the_estimate_of_the_connection_and_nothing_else() -> None:
    lines = RATES.lines("US", 30, detection=True, recorded=True, model=True, twilio_price=Decimal("0.0085"))
    assert lines == {
        "connect": Decimal("0.0085"),
        "relay": Decimal("0.0700"),
        "detection": Decimal("0.0075"),
        "recording": Decimal("0.0025"),
        "model": Decimal("0.0200"),
    }


def test_a_country_without_a_rate_is_not_known() -> None:
    assert RATES.knows("US")
    assert not RATES.knows("FR")


def test_the_rates_that_come_with_the_package_can_be_read() -> None:
    text = (Path(__file__).parents[2] / "campaign" / "rates.toml").read_text("utf-8")
    assert parse_rates(text, "rates.toml").knows("US")


@pytest.mark.parametrize("text", ["", "currency = 1", "not toml ["])
def test_a_rates_file_that_cannot_be_used_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=r"mine\.toml"):
        parse_rates(text, "mine.toml")
