"""One person, one call at a time, whatever their numbers and however many lists they are on."""

from campaign.store.database import Database
from tests.flow.test_abandonment import claimer, dials
from tests.support.campaigns import phone, rows
from tests.support.clock import ManualClock
from tests.support.dialing import running_campaign


async def test_two_campaigns_never_dial_two_numbers_of_one_person_at_once(
    db: Database, clock: ManualClock
) -> None:
    await running_campaign(db, clock, 1)
    await running_campaign(db, clock, 1, name="Other", first=1)
    shared = "+13105550142"
    await rows(db, "UPDATE contacts SET other_phones = :both", both=[shared])
    dialler = claimer()
    assert await dials(db, dialler, clock) == 1, "in one claim"
    for _ in range(4):
        await clock.advance(1)
        assert await dials(db, dialler, clock) == 0, "nor in one that follows while it is under way"
    (held,) = await rows(db, "SELECT phone, waiting_for FROM campaign_contacts WHERE state = 'waiting'")
    assert held["waiting_for"] == "number.busy"
    assert held["phone"] in (phone(0), phone(1))
