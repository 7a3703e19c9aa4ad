"""How long records are kept: defaults, settings, and the law as the floor."""

from datetime import UTC, date, datetime, timedelta

import pytest

from campaign.domain.errors import SettingsError
from campaign.domain.retention import KINDS, Keep, floors, policy
from campaign.domain.rulebook import Rulebook, parse_rulebook
from tests.support.campaigns import rulebook

TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
PACK = """
schema = 1
[[pack]]
id = "XX"
match = {{ country = "US" }}
version = "1"
reviewed_by = ""
{rules}
"""


def rules(*terms: tuple[str, int, str]) -> Rulebook:
    texts = [
        f"""
  [[pack.rule]]
  id = "XX.{number}"
  kind = "retention"
  what = "{what}"
  days = {days}
  status = "{status}"
  effective_from = 2000-01-01
  source = {{ cite = "a law", read_on = 2026-11-21 }}
"""
        for number, (what, days, status) in enumerate(terms)
    ]
    return parse_rulebook({"xx.toml": PACK.format(rules="".join(texts))})


def of(kept: tuple[Keep, ...]) -> dict[str, int]:
    return {one.kind.name: one.days for one in kept}


def test_the_packs_that_come_along_demand_five_years_for_calls_and_consent() -> None:
    found = floors(rulebook(), TODAY)
    assert (found["call_records"].rule, found["call_records"].days >= 1827) == ("US.records", True)
    assert found["contacts"].days >= 1827
    assert "transcripts" not in found


def test_the_longest_of_all_packs_is_the_floor_and_proposed_rules_are_none() -> None:
    book = rules(
        ("call records", 400, "in_force"),
        ("call records", 3000, "in_force"),
        ("call records", 9000, "proposed"),
    )
    assert floors(book, TODAY)["call_records"].days == 3000
    kept = {one.kind.name: one for one in policy(None, book, TODAY)}
    assert (kept["call_records"].days, kept["call_records"].why) == (3000, "demanded by XX.1")


def test_a_rule_about_something_unheard_of_binds_every_kind() -> None:
    assert set(floors(rules(("telegrams", 3000, "in_force")), TODAY)) == {kind.name for kind in KINDS}


def test_what_hangs_on_a_call_goes_with_it_at_the_latest() -> None:
    kept = of(policy("transcripts=0, answers=9000, webhooks=7", rules(), TODAY))
    assert (kept["transcripts"], kept["answers"], kept["webhooks"]) == (1827, 1827, 7)
    kept = of(policy("call_records=0, transcripts=0", rules(), TODAY))
    assert (kept["call_records"], kept["transcripts"]) == (0, 0)


def test_for_ever_removes_nothing_and_days_count_back_from_now() -> None:
    kept = {one.kind.name: one for one in policy("transcripts=30, call_records=0", rules(), TODAY)}
    assert kept["call_records"].before(NOW) is None
    assert kept["transcripts"].before(NOW) == NOW - timedelta(days=30)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("call_records=100", "XX.0 \\(a law\\) demands 2000"),
        ("letters=1", "no kind of record"),
        ("transcripts", "no number of days"),
        ("transcripts=soon", "no number of days"),
        ("transcripts=-1", "no number of days"),
        ("transcripts=99999999", "no number of days"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_in_words(setting: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        policy(setting, rules(("call records", 2000, "in_force")), TODAY)
