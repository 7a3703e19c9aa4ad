"""Building a campaign at the console: written as TOML, checked as it is written, previewed, launched."""

import asyncio

from fastapi import FastAPI

from campaign.store.accounts import Role
from campaign.wiring import Services
from tests.support.campaigns import SAMPLES, make_list
from tests.support.console import text_of
from tests.web.conftest import PersonFor

MINIMAL = (SAMPLES / "minimal.toml").read_text()


async def test_a_campaign_is_written_checked_kept_previewed_and_launched(
    person_for: PersonFor, app: FastAPI, services: Services
):
    operator = await person_for(Role.OPERATOR)
    await make_list(services.db, contacts=3)
    blank = await operator.get("/console/campaigns/new", params={"list": "sample"})
    assert "This can be used." in text_of(blank.text)
    checked = await operator.post("/console/campaigns/check", {"text": MINIMAL.replace("purpose", "purpos")})
    words = text_of(checked.text)
    assert "line 3" in words
    assert "purpos" in words
    unknown = MINIMAL.replace("first_name | there", "shoe_size")
    words = text_of((await operator.post("/console/campaigns/check", {"text": unknown})).text)
    assert "shoe_size no such column" in words
    refused = await operator.post("/console/campaigns/new", {"text": unknown})
    assert refused.status_code == 422
    assert "shoe_size" in refused.text

    kept = await operator.post("/console/campaigns/new", {"text": MINIMAL})
    assert kept.status_code == 303, text_of(kept.text)
    preview = kept.headers["location"]
    home = preview.removesuffix("/preview")
    assert "The draft is kept." in text_of((await operator.get(preview)).text)
    taken = await operator.post("/console/campaigns/new", {"text": MINIMAL})
    assert taken.status_code == 409

    asked = await operator.post(preview)
    await asyncio.gather(*app.state.children)
    study = asked.headers["location"].rpartition("=")[2]
    told = text_of((await operator.get(f"{preview}/{study}")).text)
    assert "Called at once" in told
    assert "of 3 judged" in told or "of 0 judged" in told

    text = (await operator.get(f"{home}/definition.toml")).text
    again = text.replace("longest_call_seconds = 600", "longest_call_seconds = 300")
    assert "Version 2 is in force." in await operator.follow(f"{home}/edit", {"text": again})
    copied = await operator.get("/console/campaigns/new", params={"like": home.rpartition("/")[2]})
    assert "Minimal again" in copied.text

    assert "Minimal is running." in await operator.follow(f"{home}/launch")
    running = await operator.post(f"{home}/edit", {"text": text})
    assert running.status_code == 409
    assert "Pause it first" in text_of(running.text)
