"""Holidays of one country don't load those of all others, and are the same days."""

import json
import subprocess
import sys

import pytest
from holidays.registry import COUNTRIES

from campaign.domain.public_holidays import public_holidays

ALPHA_2 = sorted(names[1] for names in COUNTRIES.values())
YEAR = 2027


def told_by(code: str) -> str:
    """What code prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_country_has_the_days_that_the_package_itself_gives() -> None:
    plain = json.loads(
        told_by(
            f"import holidays, json; print(json.dumps({{c: {{str(d): n for d, n in "
            f"holidays.country_holidays(c, years={YEAR}, language='en_US').items() if d.year == {YEAR}}} "
            f"for c in {ALPHA_2!r}}}))"
        )
    )
    ours = {c: {str(d): name for d, name in public_holidays(c, "", YEAR).items()} for c in ALPHA_2}
    assert ours == plain
    assert len(plain) >= 249
    assert plain["US"]["2027-12-24"] == "Christmas Day (observed)"


def test_one_country_loads_no_other() -> None:
    loaded = told_by(
        "from campaign.domain.public_holidays import public_holidays; import sys; "
        "assert public_holidays('US', 'LA', 2027); "
        "print([m for m in sys.modules if m.startswith('holidays.countries.')])"
    )
    assert loaded == "['holidays.countries.united_states']"


@pytest.mark.parametrize(("country", "subdivision"), [("XX", ""), ("US", "XX")])
def test_a_place_that_the_package_does_not_know_is_an_error(country: str, subdivision: str) -> None:
    with pytest.raises((NotImplementedError, ValueError)):
        public_holidays(country, subdivision, YEAR)
