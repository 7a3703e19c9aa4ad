"""Past dials judged under other packs: exactly those are listed that would not have been made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaign.domain.decision import Verdict
from campaign.domain.errors import NotFound
from campaign.domain.rulebook import Rulebook, parse_rulebook
from campaign.flow import replay as replays
from campaign.flow.replay import Difference, Totals, replay
from campaign.store.database import Database
from tests.flow.test_ledger import dialled_twice
from tests.flow.test_shares import claims_for, process
from tests.support.campaigns import phone, rows, rulebook
from tests.support.clock import TUESDAY_MORNING, ManualClock
from tests.support.dialing import running_campaign

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)

CAP = """
[[pack]]
id = "US-NY"
version = "draft-1"
match = { country = "US", region = "NY" }
[[pack.rule]]
id = "US-NY.cap"
kind = "attempt_cap"
status = "in_force"
effective_from = 2020-01-01
count = 1
window_hours = 24
source = { cite = "a bill", read_on = 2026-11-01 }
[[pack.rule]]
id = "US-NY.hours.bill"
kind = "hours"
status = "in_force"
effective_from = 2020-01-01
week = { mon-sun = "09:00-18:00" }
source = { cite = "a bill", read_on = 2026-11-01 }
"""


def packs(text: str) -> Rulebook:
    return parse_rulebook({"bill.toml": text})


async def differences(db: Database, other: Rulebook, **given: Any) -> tuple[list[Difference], Totals]:
    totals = Totals()
    asked = {"since": LONG_AGO, "until": LATER, **given}
    today = given.pop("today", rulebook())
    asked.pop("today", None)
    found = [one async for one in replay(db, today, today.replaced_by(other), totals, **asked)]
    return found, totals


async def test_under_the_same_packs_no_dial_differs(db: Database, clock: ManualClock) -> None:
    await dialled_twice(db, clock)
    found, totals = await differences(db, Rulebook(()))
    assert found == []
    assert (totals.dials, totals.differ, totals.today, totals.unknown, totals.inexact) == (6, 0, 0, 0, 0)


async def test_a_cap_of_one_a_day_would_have_deferred_each_second_dial(
    db: Database, clock: ManualClock
) -> None:
    await dialled_twice(db, clock)
    found, totals = await differences(db, packs(CAP))
    assert {one.phone for one in found} == {phone(n) for n in range(3)}
    assert {(one.was, one.would_be, one.rule) for one in found} == {
        (Verdict.ALLOW, Verdict.DEFER, "US-NY.cap")
    }
    assert all("1 of 1 attempts to this person in 24 h" in one.why for one in found)
    assert all(one.until and one.until > one.at for one in found)
    assert totals.by_rule == {"US-NY.cap": 3}
    assert (totals.dials, totals.differ, totals.today) == (6, 3, 0)


async def test_each_dial_is_judged_at_its_own_instant(db: Database, clock: ManualClock) -> None:
    await dialled_twice(db, clock)
    early = CAP.replace("count = 1", "count = 9").replace("09:00-18:00", "11:00-18:00")
    found, totals = await differences(db, packs(early))
    assert len(found) == 3, "those of ten in the morning, not those of two in the afternoon"
    assert totals.by_rule == {"US-NY.hours.bill": 3}
    assert {one.until for one in found} == {datetime(2026, 11, 24, 16, tzinfo=UTC)}


async def test_only_the_time_and_campaign_that_were_asked_for_are_judged(
    db: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "PAGE", 2)  # so that pages must follow one another without gap or overlap
    await dialled_twice(db, clock)
    noon = TUESDAY_MORNING + timedelta(hours=2)
    for given, count in (
        ({}, 6),
        ({"until": noon}, 3),
        ({"since": noon}, 3),
        ({"campaign": "Minimal"}, 6),
    ):
        _, totals = await differences(db, Rulebook(()), **given)
        assert totals.dials == count, given
    with pytest.raises(NotFound):
        await differences(db, Rulebook(()), campaign="Nobody's")


async def test_packs_that_were_made_stricter_since_are_told_as_todays_difference(
    db: Database, clock: ManualClock
) -> None:
    await dialled_twice(db, clock)
    stricter = rulebook().replaced_by(packs(CAP))
    found, totals = await differences(db, Rulebook(()), today=stricter)
    assert (len(found), totals.today) == (3, 3)
    assert totals.today_by_rule == {"US-NY.cap": 3}


async def test_dials_of_before_every_one_was_kept_are_judged_on_the_decision_before(
    db: Database, clock: ManualClock
) -> None:
    await dialled_twice(db, clock)
    await rows(db, "DELETE FROM decisions WHERE facts ->> 'attempts_made' = '1'")
    await rows(db, "UPDATE decisions SET facts = '{}' WHERE phone = :phone", phone=phone(0))
    _, totals = await differences(db, Rulebook(()))
    assert (totals.dials, totals.inexact, totals.unknown) == (6, 2, 2)


async def test_what_was_never_placed_is_no_dial(db: Database, clock: ManualClock) -> None:
    await running_campaign(db, clock, 2)
    await claims_for(process(db, clock), clock, 1)
    await rows(db, "UPDATE attempts SET state = 'not_placed', settled_at = :now", now=clock.now())
    _, totals = await differences(db, packs(CAP))
    assert totals.dials == 0
