"""The front page is open all day on many desks: what it asks doesn't grow with them, nor with the calls."""

import pytest
from sqlalchemy import text

from campaign.flow import watch
from campaign.flow.watch import WatchedHome
from campaign.store import overview
from campaign.wiring import Services
from tests.support import rows


async def test_todays_figures_are_a_few_rows_of_a_roll_up_however_many_calls_there_are(services: Services):
    async with services.db.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(
            row[0]
            for row in await tx.execute(
                text("EXPLAIN " + overview.OF_DAY), {"day": services.clock.now().date()}
            )
        )
    assert "pk_report_dispositions" in plan
    assert "day = " in plan.split("Index Cond:", 1)[1].split("\n", 1)[0], "the day is found by the index"
    assert not {"attempts a", "outcomes", "campaign_contacts", "report_facts"} & set(plan.split()), plan


async def test_how_campaigns_stand_is_counted_once_for_all_who_look_until_something_changes(
    services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "LEAST_S", 3600.0)
    monkeypatch.setattr(watch, "MOST_S", 3600.0)
    now = services.clock.now()
    async with services.db.transaction() as tx:
        campaign = await rows.campaign(tx, now)
        contact = await rows.contact(tx, now)
        await rows.enrolled(tx, now, campaign, contact, state="done")
    home = WatchedHome(services.db, services.account)
    first = await home.look(now)
    assert (first.shown[0].status.finished, first.others) == (1, 0)
    await rows.run(services.db, "UPDATE campaign_contacts SET state = 'calling'")
    again = await home.look(now)
    assert again.shown is first.shown, "not counted again"

    await rows.run(services.db, "UPDATE campaigns SET state = 'paused'")
    paused = await home.look(now)
    assert (paused.shown[0].row.state, paused.shown[0].status.finished) == ("paused", 0)
    await rows.run(
        services.db,
        "UPDATE installation SET dialling_stopped_at = :now, dialling_stopped_by = 'x', "
        "dialling_stopped_why = 'y'",
        now=now,
    )
    assert (await home.look(now)).shown is not paused.shown
