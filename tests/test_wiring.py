"""What decisions rest on besides the packs: one time-zone database, named at start-up and new enough."""

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest

from campaign.domain.errors import SettingsError
from campaign.wiring import read_rulebook, rule_data


def test_the_clocks_come_from_the_package_and_never_from_the_machine() -> None:
    assert zoneinfo.TZPATH == ()
    told = rule_data().in_words()
    assert told.startswith(f"tzdata {rule_data().tzdata} from ")
    assert rule_data().tzdata_from.endswith("tzdata")
    assert "phonenumbers " in told
    assert "holidays " in told


def test_the_installed_time_zone_database_knows_the_changes_of_november_2026() -> None:
    """British Columbia, Alberta and Manitoba keep their summer clocks."""
    winter = datetime(2026, 12, 1, tzinfo=UTC)
    for zone, hours in (("America/Vancouver", -7), ("America/Edmonton", -6), ("America/Winnipeg", -5)):
        assert winter.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset() == timedelta(hours=hours), zone


def test_a_time_zone_database_that_is_older_than_a_pack_needs_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"tzdata 2025\.2\) is older than CA needs \(2026\.6\)") as caught:
        read_rulebook("2025.2")
    assert caught.value.do == "Install it: pip install 'tzdata>=2026.6'"
    assert read_rulebook("2026.6").packs
