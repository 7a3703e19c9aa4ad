"""An admin adds a webhook, tries it, sees what became of its messages, sends them again, removes it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from campaign.domain.webhooks import Event
from campaign.store import webhooks
from campaign.store.accounts import Role
from campaign.wiring import Services
from tests.support import rows
from tests.support.console import Person, text_of
from tests.web.conftest import PersonFor

PAGE = "/console/webhooks"


@dataclass
class Receiver:
    """Another system, on this machine."""

    url: str = ""
    status: int = 204
    got: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((await request.json())["type"])
        return web.Response(status=self.status)


@pytest.fixture
async def crm() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def admin(person_for: PersonFor) -> Person:
    return await person_for(Role.ADMIN)


def secret_of(page: str) -> str:
    found = re.search(r'value="(whsec_[^"]+)"', page)
    return found[1] if found else ""


async def test_an_endpoint_is_added_tried_rotated_and_removed(
    admin: Person, crm: Receiver, services: Services
):
    assert "Nobody is told yet." in text_of((await admin.get(PAGE)).text)
    added = (
        await admin.post(PAGE, {"url": crm.url, "description": "the CRM", "event": [Event.TEST.value]})
    ).text
    first = secret_of(added)
    assert first
    assert not secret_of((await admin.get(f"{PAGE}/1")).text), "it is shown once"
    assert "webhook.test" in text_of((await admin.get(PAGE)).text)

    assert "The test was taken: HTTP 204." in await admin.follow(f"{PAGE}/1/test")
    crm.status = 500
    failed = await admin.follow(f"{PAGE}/1/test")
    assert "The test was not taken:" in failed
    assert "It has taken nothing lately." in failed
    assert "failing" in text_of((await admin.get(PAGE)).text)
    assert crm.got == ["webhook.test"] * 2

    rotated = await admin.post(f"{PAGE}/1/rotate")
    assert secret_of(rotated.text) not in ("", first)
    assert "The old one signs beside it until" in text_of(rotated.text)
    assert "is told nothing more." in await admin.follow(f"{PAGE}/1/remove")
    assert (await admin.get(f"{PAGE}/1")).status_code == 404
    trail = [
        one["action"] for one in await rows.rows(services.db, "audit_log") if one["actor"] == admin.user.actor
    ]
    assert trail == ["webhook.add", "webhook.rotate", "webhook.remove"]


async def test_what_was_given_up_is_found_and_sent_again_once_the_endpoint_is_on(
    admin: Person, services: Services
):
    await admin.post(PAGE, {"url": "http://127.0.0.1:9/nobody"})
    now = services.clock.now()
    async with services.db.transaction() as tx:
        for n in range(3):
            await webhooks.announce(tx, Event.CAMPAIGN_IDLE, {"n": n}, now)
        await webhooks.disable(tx, 1, "took nothing for three days", now)
    shown = text_of((await admin.get(PAGE)).text)
    assert "switched off every event never 0 3" in shown
    dead = text_of((await admin.get(f"{PAGE}/1?state=dead")).text)
    assert "It is switched off: took nothing for three days." in dead
    assert dead.count("campaign.idle") == 3
    refused = await admin.follow(f"{PAGE}/1/replay")
    assert "Endpoint 1 is disabled. Switch it on first." in refused
    assert "It is on again." in await admin.follow(f"{PAGE}/1/enable")
    assert "1 message is sent again within seconds." in await admin.follow(
        f"{PAGE}/1/replay", {"delivery_id": 2}
    )
    assert "2 messages are sent again" in await admin.follow(f"{PAGE}/1/replay")
    assert "Nothing was given up." in await admin.follow(f"{PAGE}/1/replay")
    waits = text_of((await admin.get(f"{PAGE}/1?state=waiting")).text)
    assert waits.count("campaign.idle") == 3


async def test_a_refused_endpoint_keeps_what_was_typed_and_says_why(admin: Person):
    answer = await admin.post(
        PAGE, {"url": "https://169.254.169.254/latest", "description": "mine", "event": ["opt_out.recorded"]}
    )
    assert answer.status_code == 400
    assert "not on the public internet" in text_of(answer.text)
    assert 'value="https://169.254.169.254/latest"' in answer.text
    assert 'value="opt_out.recorded" checked' in answer.text
    odd = await admin.post(PAGE, {"url": "http://127.0.0.1:9/x", "event": ["moon.rises"]})
    assert odd.status_code == 400
    assert (await admin.get(f"{PAGE}/77")).status_code == 404


async def test_messages_come_in_pages(admin: Person, services: Services):
    await admin.post(PAGE, {"url": "http://127.0.0.1:9/nobody"})
    async with services.db.transaction() as tx:
        for n in range(60):
            await webhooks.announce(tx, Event.CAMPAIGN_IDLE, {"n": n}, services.clock.now())
    page = (await admin.get(f"{PAGE}/1?state=waiting")).text
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    rest = text_of((await admin.get(f"{PAGE}/1" + older[1].replace("&amp;", "&"))).text)
    assert "10 shown" in rest
