"""Previews and replays through the API: asked for, done by a process of their own, fetched."""

import asyncio
from datetime import timedelta
from typing import Any

from campaign.flow import lifecycle
from campaign.store import studies
from campaign.store.accounts import Role
from campaign.store.database import Database
from campaign.wiring import Services
from tests.flow.test_ledger import dialled_twice
from tests.flow.test_preview import draft, forbid
from tests.flow.test_replay import CAP
from tests.support.campaigns import rows
from tests.support.clock import ManualClock
from tests.web.conftest import Client, ClientFor

API = "/api/v1"


async def fetched(client: Client, answer: Any) -> dict[str, Any]:
    """What is found in the end at the address that an answer named."""
    assert answer.status_code == 202, answer.text
    address = answer.json()["address"]
    assert answer.headers["Location"] == address
    async with asyncio.timeout(60):
        while True:
            told: dict[str, Any] = (await client.get(address)).json()
            if told["state"] != "running":
                return told
            await asyncio.sleep(0.05)


async def test_a_preview_is_asked_for_and_fetched(client_for: ClientFor, db: Database) -> None:
    one = await draft(db, 5)
    await forbid(db, 3)
    operator = await client_for(Role.OPERATOR)
    friday = {"at": "2026-11-27T10:00:00-05:00"}
    told = await fetched(operator, await operator.post(f"{API}/campaigns/{one}/preview", json=friday))
    assert told["result"]["at"] == friday["at"]
    assert (told["state"], told["done"], told["total"], told["error"]) == ("finished", 5, 5, None)
    assert told["actor"] == "key:operator"
    found = told["result"]
    assert (found["contacts"], found["now"], found["blocked"]) == (5, 4, 1)
    assert found["summary"] == "4 will be called now, 1 is blocked (own DNC 1)"
    assert found["blocks"][0]["rule"] == "dnc.own"
    assert any("No dialler has a heartbeat" in one for one in found["hindrances"])


async def test_a_replay_is_asked_for_and_fetched(
    client_for: ClientFor, db: Database, clock: ManualClock
) -> None:
    await dialled_twice(db, clock)
    operator, analyst = await client_for(Role.OPERATOR), await client_for(Role.ANALYST)
    asked = {"packs": CAP, "since": "2026-11-01T00:00:00Z", "campaign_id": 1}
    answer = await operator.post(f"{API}/rules/replays", json=asked)
    told = await fetched(analyst, answer)
    assert told["state"] == "finished", told
    found = told["result"]
    assert (found["dials"], found["differ"], found["by_rule"]) == (6, 3, {"US-NY.cap": 3})
    assert found["packs"] == {"US-NY": "draft-1"}
    assert {one["would_be"] for one in found["differences"]} == {"defer"}
    assert all("•" in one["phone"] or "*" in one["phone"] for one in found["differences"])
    assert (await analyst.post(f"{API}/rules/replays", json=asked)).status_code == 403


async def test_packs_that_cannot_be_used_come_back_as_a_failure_in_words(admin: Client) -> None:
    asked = {"packs": '[[pack]]\nid = "XX"\n', "since": "2026-11-01T00:00:00Z"}
    told = await fetched(admin, await admin.post(f"{API}/rules/replays", json=asked))
    assert (told["state"], told["result"]) == ("failed", None)
    assert "The rule packs cannot be used" in told["error"]


async def test_what_does_not_exist_is_not_found_and_no_process_is_started(
    admin: Client, db: Database
) -> None:
    assert (await admin.post(f"{API}/campaigns/77/preview")).status_code == 404
    assert (await admin.get(f"{API}/previews/77")).status_code == 404
    asked = {"packs": CAP, "since": "2026-11-01T00:00:00Z", "campaign_id": 77}
    assert (await admin.post(f"{API}/rules/replays", json=asked)).status_code == 404
    assert await rows(db, "SELECT * FROM studies") == []


async def test_two_at_once_are_enough_and_one_whose_process_is_gone_says_so(
    admin: Client, db: Database, services: Services, clock: ManualClock
) -> None:
    one = await draft(db, 1)
    insert = (
        "INSERT INTO studies (kind, campaign_id, actor, asked_at, beat_at) "
        "VALUES ('preview', :id, 'x', :at, :at) RETURNING id"
    )
    ids = [(await rows(db, insert, id=one, at=clock.now()))[0]["id"] for _ in range(2)]
    refused = await admin.post(f"{API}/campaigns/{one}/preview")
    assert refused.status_code == 409
    assert "running already" in refused.json()["detail"]
    assert (await admin.get(f"{API}/previews/{ids[0]}")).json()["state"] == "running"
    assert (await admin.get(f"{API}/rules/replays/{ids[0]}")).status_code == 404, "it is no replay"
    await clock.advance(61)
    told = (await admin.get(f"{API}/previews/{ids[0]}")).json()
    assert told["state"] == "failed"
    assert "Its process ended" in told["error"]
    await clock.advance(timedelta(days=31).total_seconds())
    async with db.transaction() as tx:
        made = await studies.begin(tx, "preview", {}, campaign_id=one, actor="x", now=clock.now())
    assert [row["id"] for row in await rows(db, "SELECT id FROM studies")] == [made], "old ones are forgotten"


async def test_the_status_says_why_nothing_is_dialled(
    admin: Client, db: Database, clock: ManualClock
) -> None:
    one = await draft(db, 2)
    told = (await admin.get(f"{API}/campaigns/{one}/status")).json()
    assert told["why_idle"].startswith("It is a draft with 2 contacts.")
    await lifecycle.start(db, "Minimal", actor="test", now=clock.now())
    told = (await admin.get(f"{API}/campaigns/{one}/status")).json()
    assert told["why_idle"].startswith("No dialler has a heartbeat")
    await rows(
        db,
        "INSERT INTO replicas (id, role, host, pid, started_at, beat_at) "
        "VALUES ('r', 'all', 'h', 1, :now, :now)",
        now=clock.now(),
    )
    told = (await admin.get(f"{API}/campaigns/{one}/status")).json()
    assert told["why_idle"] is None
    await rows(
        db,
        "UPDATE campaign_contacts SET waiting_for = 'US.hours', next_at = :at",
        at=clock.now() + timedelta(hours=2),
    )
    told = (await admin.get(f"{API}/campaigns/{one}/status")).json()
    assert told["why_idle"] == "Nothing is due: 2 wait for their window (next opens 17:00 UTC)."
    assert told["reasons"][0]["rules"] == {"US.hours": 2}
    assert told["held"][0]["contacts"] == 2
