"""Calling some again from a campaign's page: how many it would be, and the same flow as everywhere."""

import pytest

from campaign.store.accounts import Role
from campaign.wiring import Services
from tests.support import rows
from tests.support.console import text_of
from tests.web.conftest import PersonFor

PAGE = "/console/campaigns/1"
AGAIN = f"{PAGE}/again"


async def finished(services: Services, *endings: str, state: str = "completed") -> None:
    """A campaign whose contacts' last calls ended in these ways."""
    now = services.clock.now()
    async with services.db.transaction() as tx:
        campaign_id = await rows.campaign(tx, now, state=state)
        for n in range(len(endings)):
            phone = f"+12125550{n:03}"
            contact = await rows.contact(tx, now, phone=phone)
            await rows.enrolled(tx, now, campaign_id, contact, phone=phone, state="done")
    for n, code in enumerate(endings):
        phone = f"+12125550{n:03}"
        sql = "UPDATE campaign_contacts SET disposition = :code WHERE phone = :phone"
        await rows.run(services.db, sql, code=code, phone=phone)


async def test_who_did_not_answer_is_called_again_after_a_look_at_how_many_it_would_be(
    services: Services, person_for: PersonFor
):
    await finished(services, "no_answer", "no_answer", "busy", "interested", "do_not_call")
    operator = await person_for(Role.OPERATOR)
    assert f'href="{AGAIN}"' in (await operator.get(f"{PAGE}/now")).text
    shown = text_of((await operator.get(AGAIN)).text)
    assert "no answer 2 people" in shown
    assert "busy 1 people" in shown
    assert "Never again: 1 asked not to be called." in shown
    assert "Tick at least one." in shown
    named = text_of((await operator.get(AGAIN, params={"disposition": "busy"})).text)
    assert "1 person goes back in the queue." in named
    ticked = {"disposition": ["no_answer", "busy", "do_not_call"]}
    counted = text_of((await operator.post(f"{AGAIN}/count", ticked)).text)
    assert counted == "3 people go back in the queue."

    said = await operator.follow(AGAIN, {"disposition": ["no_answer", "busy"], "attempts": 2})
    assert "3 people are in the queue again. autumn is paused: resume it" in said
    states = {(one["state"], one["disposition"]) for one in await rows.rows(services.db, "campaign_contacts")}
    assert states == {
        ("waiting", "no_answer"),
        ("waiting", "busy"),
        ("done", "interested"),
        ("done", "do_not_call"),
    }
    kept = [(one["actor"], one["action"]) for one in await rows.rows(services.db, "audit_log")]
    assert ("user:operator@example.com", "campaign.redial") in kept


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Name at least one disposition"),
        ({"disposition": ["do_not_call"]}, "are never redialled"),
        ({"disposition": ["busy"], "attempts": 50}, "retry.budget is"),
        ({"disposition": ["nonsense"]}, "is no disposition"),
    ],
)
async def test_what_is_refused_is_said_above_the_form(
    services: Services, person_for: PersonFor, fields: dict[str, object], said: str
):
    await finished(services, "busy", "do_not_call")
    operator = await person_for(Role.OPERATOR)
    answer = await operator.post(AGAIN, fields)
    assert answer.status_code == 400
    assert said in text_of(answer.text)
    assert "campaign edit" not in text_of(answer.text)


@pytest.mark.parametrize(
    ("endings", "state", "said"),
    [
        (("busy",), "stopped", "A campaign that is stopped can’t call anybody again."),
        (("do_not_call",), "completed", "Nobody is there to be called again."),
        ((), "running", "Nobody is there to be called again."),
    ],
)
async def test_where_nobody_can_be_called_again_the_page_says_so(
    services: Services, person_for: PersonFor, endings: tuple[str, ...], state: str, said: str
):
    await finished(services, *endings, state=state)
    operator = await person_for(Role.OPERATOR)
    assert said in text_of((await operator.get(AGAIN)).text)
    assert (await operator.get(AGAIN.replace("1", "77"))).status_code == 404
