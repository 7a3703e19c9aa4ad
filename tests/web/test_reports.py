"""Reports, exports and webhooks by API: what analysts and other systems ask."""

import asyncio
import csv
import io
from typing import Any

import pytest

from campaign.domain.disposition import Disposition as D
from campaign.flow import rollups
from campaign.store.accounts import Role
from campaign.web.auth import REPORTS
from campaign.wiring import Services
from tests.support.campaigns import rows
from tests.support.settled import Desk
from tests.web.conftest import Client, ClientFor

API = "/api/v1"


@pytest.fixture
async def desk(services: Services) -> Desk:
    """Two campaigns with a handful of settled attempts, folded."""
    made = await Desk(services.db, services.clock.now()).open()
    await made.attempt(D.INTERESTED, first_word_ms=400, cost="0.25", seconds=60)
    await made.attempt(D.NO_ANSWER, contact=1)
    await made.attempt(D.DO_NOT_CALL, contact=2, after=24)
    await made.attempt(D.BUSY, campaign=1, contact=3)
    await rollups.catch_up(services.db, services.clock.now())
    return made


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_answers_as_json_and_as_a_file_with_the_same_rows(
    admin: Client, desk: Desk, name: str
) -> None:
    found = (await admin.get(f"{API}/reports/{name}", params={"by": "campaign"})).json()
    assert found["behind_since"] is None
    file = await admin.get(f"{API}/reports/{name}.csv", params={"by": "campaign"})
    assert file.headers["content-type"].startswith("text/csv")
    assert f'filename="{name}.csv"' in file.headers["content-disposition"]
    table = list(csv.DictReader(io.StringIO(file.text, newline="")))
    assert len(table) == len(found["items"])
    if table:
        assert list(table[0]) == list(found["items"][0])


async def test_campaigns_are_compared_side_by_side_and_divided_by_any_dimension(
    admin: Client, desk: Desk
) -> None:
    asked = {"by": "campaign", "campaign_id": desk.campaigns}
    both = (await admin.get(f"{API}/reports/summary", params=asked)).json()["items"]
    assert [(row["campaign"], row["attempts"], row["connects"]) for row in both] == [
        ("campaign 0", 3, 2),
        ("campaign 1", 1, 0),
    ]
    for by in ("list", "version", "caller_id", "zone"):
        divided = (await admin.get(f"{API}/reports/summary", params={"by": by})).json()["items"]
        assert sum(row["attempts"] for row in divided) == 4
    day = {"since": "2026-11-25", "until": "2026-11-25"}
    assert [
        row["attempts"] for row in (await admin.get(f"{API}/reports/summary", params=day)).json()["items"]
    ] == [1]


async def test_a_long_report_comes_in_pages(admin: Client, desk: Desk) -> None:
    got: list[dict[str, Any]] = []
    cursor = None
    while True:
        asked: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get(f"{API}/reports/outcomes", params=asked)).json()
        assert len(page["items"]) <= 2
        got += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert sum(row["attempts"] for row in got) == 4
    assert len(got) == 4


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"since": "2026-12-01", "until": "2026-11-01"}, 400),
        ({"by": "moon"}, 422),
        ({"campaign_id": 0}, 422),
        ({"cursor": "nonsense!"}, 400),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    admin: Client, asked: dict[str, Any], status: int
) -> None:
    answer = await admin.get(f"{API}/reports/funnel", params=asked)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_outcomes_that_are_not_counted_yet_are_told_of(
    admin: Client, desk: Desk, services: Services
) -> None:
    await desk.attempt(D.BUSY, contact=5)
    found = (await admin.get(f"{API}/reports/summary")).json()
    assert found["behind_since"] is not None
    assert found["items"][0]["attempts"] == 4


# ── exports ────────────────────────────────────────────────────────────────────────────────────────────


async def finished(client: Client, address: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:  # the file is written by another process
            told: dict[str, Any] = (await client.get(address)).json()
            if told["state"] != "running":
                return told
            await asyncio.sleep(0.1)


async def test_an_export_is_asked_for_fetched_and_audited(
    admin: Client, desk: Desk, services: Services
) -> None:
    await services.clock.advance(600)  # type: ignore[attr-defined]  # the tests' clock
    asked = await admin.post(f"{API}/exports", json={"what": "outcomes"})
    assert asked.status_code == 202
    told = await finished(admin, asked.headers["location"])
    assert (told["state"], told["rows"], told["error"]) == ("finished", 3, None)
    file = await admin.get(told["file"])
    assert file.text.startswith("attempt_id,campaign_id,")
    assert len(file.text.splitlines()) == 4, "one is of tomorrow"
    trail = await rows(services.db, "SELECT action FROM audit_log WHERE action LIKE 'export.%' ORDER BY id")
    assert [row["action"] for row in trail] == ["export.ask", "export.write", "export.download"]
    (listed,) = (await admin.get(f"{API}/exports")).json()["items"]
    assert listed["id"] == told["id"]
    await rows(services.db, "UPDATE exports SET state = 'expired'")
    assert (await admin.get(told["file"] or "")).status_code == 409


async def test_contacts_are_not_exported_to_analysts(client_for: ClientFor, desk: Desk) -> None:
    analyst = await client_for(Role.ANALYST)
    assert (await analyst.post(f"{API}/exports", json={"what": "contacts"})).status_code == 403
    assert (await analyst.post(f"{API}/exports", json={"what": "moons"})).status_code == 422
    assert (await analyst.get(f"{API}/exports/99")).status_code == 404


# ── webhooks ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_endpoint_is_added_tested_rotated_replayed_and_removed(admin: Client) -> None:
    body = {"url": "http://127.0.0.1:9/hooks", "events": ["outcome.recorded"], "numbers": "full"}
    made = (await admin.post(f"{API}/webhooks", json=body)).json()
    assert made["secret"].startswith("whsec_")
    address = f"{API}/webhooks/{made['id']}"
    (listed,) = (await admin.get(f"{API}/webhooks")).json()["items"]
    assert "secret" not in listed
    assert listed["events"] == ["outcome.recorded"]
    assert (await admin.post(f"{API}/webhooks", json=body)).status_code == 409
    queued = (await admin.post(f"{address}/test")).json()
    (waits,) = (await admin.get(f"{address}/deliveries", params={"state": "waiting"})).json()["items"]
    assert (waits["id"], waits["type"]) == (queued["delivery_id"], "webhook.test")
    assert (await admin.post(f"{address}/rotate")).json()["secret"] != made["secret"]
    again = await admin.post(f"{address}/replay", params={"delivery_id": waits["id"]})
    assert again.json() == {"deliveries": 1}
    assert (await admin.post(f"{address}/enable")).json()["state"] == "active"
    assert (await admin.delete(address)).status_code == 204
    assert (await admin.get(f"{address}/deliveries")).status_code == 404


async def test_an_endpoint_inside_the_own_network_is_refused(admin: Client) -> None:
    answer = await admin.post(f"{API}/webhooks", json={"url": "https://169.254.169.254/latest"})
    assert answer.status_code == 400
    assert "not on the public internet" in answer.json()["detail"]
