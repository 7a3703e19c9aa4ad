"""The API's ways from end to end: lists, contacts, do-not-call, campaigns, results."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from campaign.flow import registries
from campaign.store.accounts import Role
from campaign.store.database import Database
from campaign.wiring import Services
from tests.support import rows
from tests.support.campaigns import SAMPLES, make_list
from tests.support.registries import registry_file
from tests.web.conftest import Client, ClientFor

API = "/api/v1"
MINIMAL = (SAMPLES / "minimal.toml").read_text()


async def make_campaign(admin: Client, db: Database, contacts: int = 0) -> dict[str, Any]:
    await make_list(db, contacts=contacts)
    answer = await admin.post(
        f"{API}/campaigns", content=MINIMAL, headers={"Content-Type": "application/toml"}
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"{API}/campaigns/{made['id']}"
    return made


# ── lists and imports ──────────────────────────────────────────────────────────────────────────────────


async def upload(client: Client, text: str, **fields: Any) -> Any:
    files = {"file": ("people.csv", text.encode(), "text/csv")}
    return await client.post(f"{API}/contact-lists", files=files, data={"list_name": "people", **fields})


async def finished(client: Client, address: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            told: dict[str, Any] = (await client.get(address)).json()
            if told["state"] != "running":
                return told
            await asyncio.sleep(0.05)


async def test_a_list_is_uploaded_read_apart_and_its_bad_rows_come_back(
    client_for: ClientFor, services: Services, app: FastAPI
):
    uploader = await client_for(Role.UPLOADER)
    sheet = "name,Mobile No,plan\nAna,+12025550123,solar\nBen,123,wind\nCem,+12025550124,\n"
    answer = await upload(uploader, sheet, column="phone=Mobile No", region="US")
    assert answer.status_code == 202, answer.text
    address = answer.headers["Location"]
    assert address == answer.json()["address"]
    told = await finished(uploader, address)
    assert (told["state"], told["rows_taken"], told["rows_rejected"]) == ("finished", 2, 1)
    assert told["rows_per_second"] > 0
    assert told["seconds_left"] is None  # it has finished
    assert (told["file_name"], told["actor"], told["list_name"]) == ("people.csv", "key:uploader", "people")
    rejected = (await uploader.get(f"{address}/rejected.csv")).text.lstrip("\ufeff")
    found = list(csv.DictReader(io.StringIO(rejected)))
    assert (found[0]["name"], found[0]["line"]) == ("Ben", "3")
    again = await upload(uploader, sheet, column="phone=Mobile No", region="US")
    assert (again.status_code, again.json()["again"]) == (202, True)
    await asyncio.gather(*app.state.children)
    assert list((services.data_dir / "uploads").iterdir()) == []
    lists = (await uploader.get(f"{API}/contact-lists")).json()["items"]
    one = (await uploader.get(f"{API}/contact-lists/{lists[0]['id']}")).json()
    assert (one["contacts"], one["columns"]) == (2, ["name", "plan"])
    assert [i["state"] for i in (await uploader.get(f"{API}/imports")).json()["items"]] == ["finished"]


@pytest.mark.parametrize(
    ("sheet", "fields", "status"),
    [
        ("", {}, 422),
        ("name\nAna\n", {}, 422),
        ("phone,phone\n1,2\n", {}, 422),
        ("phone\n+12025550123\n", {"consent": "express_written"}, 400),
        ("phone\n+12025550123\n", {"column": "phone"}, 400),
        ("phone\n+12025550123\n", {"region": "usa"}, 422),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_at_once_and_not_kept(
    admin: Client, services: Services, sheet, fields, status
):
    answer = await upload(admin, sheet, **fields)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not list((services.data_dir / "uploads").glob("*"))


async def test_a_file_beyond_the_bound_is_refused(admin: Client):
    assert (await upload(admin, "phone\n" + "x" * (5 * 1024 * 1024))).status_code == 413


# ── contacts ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_contact_is_added_edited_and_removed(admin: Client, db: Database):
    await make_list(db, "people")
    fields = {
        "list_name": "people",
        "phones": ["(202) 555-0123", "+12025550124"],
        "country": "US",
        "state": "DC",
        "consent": "express_written",
        "consent_at": "2026-10-01T12:00:00Z",
        "consent_source": "web form",
        "variables": {"First Name": "Ana", "phone": "not a number"},
    }
    made = await admin.post(f"{API}/contacts", json=fields)
    assert made.status_code == 201, made.text
    told = made.json()
    assert told["phones"] == ["+12025550123", "+12025550124"]
    assert told["variables"] == {"first_name": "Ana", "phone": "not a number"}
    address = made.headers["Location"]
    assert (await admin.get(address)).json() == told
    assert (await admin.post(f"{API}/contacts", json=fields)).status_code == 409
    edited = (await admin.patch(address, json={"state": None, "variables": {"first_name": "Bea"}})).json()
    assert (edited["state"], edited["variables"]) == (None, {"first_name": "Bea"})
    assert (edited["phones"], edited["consent"]) == (told["phones"], "express_written")
    story = (await admin.get(f"{address}/story")).json()
    assert (story["number"], len(story["contacts"])) == ("+12025550123", 1)
    page = (await admin.get(f"{API}/contacts", params={"list_id": told["list_id"]})).json()
    assert [one["id"] for one in page["items"]] == [told["id"]]
    assert (await admin.delete(address)).json() == {"id": told["id"], "gone": True}
    assert (await admin.get(address)).status_code == 404


async def test_a_number_that_a_spreadsheet_has_spoilt_is_refused_with_the_field(admin: Client, db: Database):
    await make_list(db, "people")
    answer = await admin.post(f"{API}/contacts", json={"list_name": "people", "phones": ["1.21255E+10"]})
    assert answer.status_code == 400
    assert answer.json()["field"] == "phone"


async def test_pages_of_contacts_hold_each_contact_once(admin: Client, db: Database):
    list_id = await make_list(db, "people", 7)
    seen: list[int] = []
    cursor: str | None = None
    while True:
        asked = {"list_id": list_id, "limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await admin.get(f"{API}/contacts", params=asked)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7


# ── do not call ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_number_goes_on_the_list_at_once_and_comes_off_only_with_a_reason(
    admin: Client, client_for: ClientFor
):
    phone = {"phone": "+12025550123"}
    assert (await admin.get(f"{API}/dnc", params=phone)).json()["listed"] is False
    added = (await admin.post(f"{API}/dnc", json={**phone, "reason": "asked by e-mail"})).json()
    assert (added["added"], added["phone"]) == (True, "+12025550123")
    assert (await admin.post(f"{API}/dnc", json={**phone, "reason": "again"})).json()["added"] is False
    told = (await admin.get(f"{API}/dnc", params={"phone": "202-555-0123", "region": "US"})).json()
    assert told["hits"][0]["reason"] == "asked by e-mail"
    assert told["hits"][0]["actor"] == "key:admin"
    uploader = await client_for(Role.UPLOADER)
    assert (await uploader.delete(f"{API}/dnc", params={**phone, "reason": "mistake"})).status_code == 403
    assert (await admin.delete(f"{API}/dnc", params=phone)).status_code == 422
    removed = await admin.delete(f"{API}/dnc", params={**phone, "reason": "mistake"})
    assert removed.json()["removed"] is True
    assert (await admin.delete(f"{API}/dnc", params={**phone, "reason": "mistake"})).status_code == 404
    trail = (await admin.get(f"{API}/audit", params={"subject": "phone:+12025550123"})).json()["items"]
    assert [entry["action"] for entry in trail] == ["dnc.remove", "dnc.add"]
    assert (trail[0]["detail"]["reason"], trail[0]["detail"]["entry"]["reason"]) == (
        "mistake",
        "asked by e-mail",
    )


# ── campaigns ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_campaign_lives_its_life_over_the_api(admin: Client, db: Database):
    made = await make_campaign(admin, db, contacts=2)
    address = f"{API}/campaigns/{made['id']}"
    assert made["state"] == "draft"
    assert made["history"][0]["actor"] == "key:admin"
    edited = (await admin.patch(address, json={"pacing": {"lines": 3}})).json()
    assert (edited["version"], edited["lines"], edited["definition"]["pacing"]["lines"]) == (2, 3, 3)
    assert edited["definition"]["pacing"]["share"] == made["definition"]["pacing"]["share"]
    started = (await admin.post(f"{address}/start")).json()
    assert (started["state"], started["changed"]) == ("running", True)
    assert (await admin.patch(address, json={"pacing": {"lines": 4}})).status_code == 409
    paused = (await admin.post(f"{address}/pause", json={"why": "lunch"})).json()
    assert (paused["state"], paused["why"]) == ("paused", "lunch")
    assert (await admin.post(f"{address}/resume")).json()["state"] == "running"
    assert (await admin.get(f"{address}/status")).json()["calls"] == {}
    report = (await admin.get(f"{address}/report")).json()
    assert (report["campaign"], report["outcomes"]) == (made["name"], [])
    listed = (await admin.get(f"{API}/campaigns", params={"state": "running"})).json()["items"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert (await admin.post(f"{address}/stop")).json()["state"] in ("stopping", "stopped")
    redial = {"dispositions": ["no_answer"], "attempts": 1}
    assert (await admin.post(f"{address}/redial", json=redial)).status_code == 409


async def test_a_definition_that_cannot_be_used_tells_every_fault_with_its_line(admin: Client, db: Database):
    await make_list(db)
    wrong = MINIMAL.replace('purpose = "sales"', 'purpose = "fun"').replace(
        'purpose = "informational"', 'purpose = "fun"'
    )
    headers = {"Content-Type": "application/toml"}
    for path in ("/campaigns", "/campaigns/validate"):
        answer = await admin.post(API + path, content=wrong, headers=headers)
        assert answer.status_code == 422
        fault = answer.json()["faults"][0]
        assert (fault["path"], isinstance(fault["line"], int)) == ("purpose", True)
    for body, kind in ((b"{", "application/json"), (b"\xff", "application/toml"), (b"x", "image/png")):
        answer = await admin.post(f"{API}/campaigns", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 400
    deep = b"[" * 100_000
    assert (await admin.post(f"{API}/campaigns", content=deep)).status_code in (400, 422)
    good = await admin.post(f"{API}/campaigns/validate", content=MINIMAL, headers=headers)
    assert good.json()["ok"] is True
    assert await rows.rows(db, "campaigns") == []


async def test_all_dialling_is_stopped_by_an_operator_and_lifted_by_an_admin_only(
    admin: Client, client_for: ClientFor
):
    operator = await client_for(Role.OPERATOR)
    stopped = (await operator.post(f"{API}/stop-all", json={"why": "wrong price"})).json()
    assert (stopped["stopped"], stopped["by"], stopped["why"]) == (True, "key:operator", "wrong price")
    assert (await operator.delete(f"{API}/stop-all")).status_code == 403
    assert (await admin.get(f"{API}/stop-all")).json()["stopped"] is True
    assert (await admin.delete(f"{API}/stop-all")).json()["stopped"] is False
    assert (await admin.get(f"{API}/stop-all")).json()["stopped"] is False


# ── results ────────────────────────────────────────────────────────────────────────────────────────────


async def settled(db: Database, services: Services) -> tuple[int, int]:
    """An attempt that has ended with an outcome, a conversation and a decision: (attempt, campaign)."""
    now = services.clock.now()
    attempt_id = await rows.dialled(db, now, state="ended", settled_at=now, answered_at=now)
    found = await rows.row(db, "attempts")
    given = {
        "id": attempt_id,
        "now": now,
        "campaign": found["campaign_id"],
        "cc": found["campaign_contact_id"],
    }
    await rows.run(
        db,
        "INSERT INTO outcomes (attempt_id, campaign_id, campaign_contact_id, disposition, category, seconds, "
        "data, summary, cost, final, recorded_at) VALUES (:id, :campaign, :cc, 'interested', 'success', 42, "
        """'{"visit": "yes"}', 'Wants a visit.', 0.12, true, :now)""",
        **given,
    )
    await rows.run(
        db,
        "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
        "VALUES (:id, 2, 1, 'person', 'Yes please.', :now), (:id, 1, 1, 'agent', 'A visit?', :now)",
        **{"id": attempt_id, "now": now},
    )
    await rows.run(
        db,
        "INSERT INTO decisions (campaign_id, campaign_contact_id, phone, verdict, fingerprint, reasons, "
        "packs, decided_at) VALUES (:campaign, :cc, '+12125550142', 'allow', 'x', '[]', '[]', :now)",
        **{key: given[key] for key in ("campaign", "cc", "now")},
    )
    return attempt_id, found["campaign_id"]


async def test_results_are_read_with_filters(client_for: ClientFor, db: Database, services: Services):
    analyst = await client_for(Role.ANALYST)
    attempt_id, campaign_id = await settled(db, services)
    now = services.clock.now().isoformat()
    for path, key in (("attempts", "id"), ("outcomes", "attempt_id")):
        for asked, count in (
            ({}, 1),
            ({"campaign_id": campaign_id}, 1),
            ({"campaign_id": campaign_id + 1}, 0),
            ({"phone": rows.PHONE}, 1),
            ({"phone": "+12125550143"}, 0),
            ({"disposition": "interested", "category": "success"}, 1),
            ({"disposition": "busy"}, 0),
            ({"since": now}, 1),
            ({"until": now}, 0),
        ):
            answer = await analyst.get(f"{API}/{path}", params=asked)
            assert answer.status_code == 200, answer.text
            assert [item[key] for item in answer.json()["items"]] == [attempt_id] * count, (path, asked)
    one = (await analyst.get(f"{API}/attempts/{attempt_id}")).json()
    assert (one["disposition"], one["cost"], one["data"]) == ("interested", 0.12, {"visit": "yes"})
    told = (await analyst.get(f"{API}/attempts/{attempt_id}/transcript")).json()
    assert [(turn["speaker"], turn["text"]) for turn in told["turns"]] == [
        ("agent", "A visit?"),
        ("person", "Yes please."),
    ]
    decisions = (await analyst.get(f"{API}/decisions", params={"verdict": "allow"})).json()["items"]
    assert decisions[0]["phone"] == rows.PHONE
    assert (await analyst.get(f"{API}/attempts/{attempt_id + 1}/transcript")).status_code == 404


@pytest.mark.parametrize("by", ["id", "campaign"])
async def test_pages_of_attempts_hold_each_attempt_once_newest_first(
    admin: Client, db: Database, services: Services, by: str
):
    now = services.clock.now()
    async with db.transaction() as tx:
        campaign_id = await rows.campaign(tx, now)
        for number in range(7):
            await rows.attempt(
                tx,
                now,
                marker=f"m{number}",
                phone=f"+1212555{number:04}",
                campaign_id=campaign_id,
            )
    asked: dict[str, Any] = {"limit": 3}
    if by == "campaign":
        asked["campaign_id"] = campaign_id
    seen: list[int] = []
    while True:
        page = (await admin.get(f"{API}/attempts", params=asked)).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 7


def test_a_merge_patch_merges_removes_and_replaces():
    from campaign.web.api.campaigns import merged

    present = {"a": {"b": 1, "c": 2}, "d": [1, 2], "e": "x"}
    assert merged(present, json.loads('{"a": {"b": null, "f": {"g": null}}, "d": [3], "e": null}')) == {
        "a": {"c": 2, "f": {}},
        "d": [3],
    }
    assert merged(present, {}) == present


async def test_registries_are_shown_with_their_expiry_and_their_versions(
    client_for: ClientFor, services: Services, db: Database, tmp_path: Path
):
    operator = await client_for(Role.OPERATOR)
    missing = await operator.get(f"{API}/dnc/registries/us-national-dnc/versions")
    assert missing.status_code == 404
    order = registries.Order("us-national-dnc", services.clock.now())
    file = registry_file(tmp_path, ["2125550142"])
    await registries.load(db, services.clock, services.rulebook, [file], order, actor="cli:ana")
    listed = {one["name"]: one for one in (await operator.get(f"{API}/dnc/registries")).json()}
    national = listed["us-national-dnc"]
    assert (national["version"], national["numbers"], national["age_days"]) == (1, 1, 0)
    assert national["demanded_by"][0]["rule_id"] == "US.dnc.national"
    assert (national["fault"], listed["gb-tps"]["version"]) == ("", None)
    (version,) = (await operator.get(f"{API}/dnc/registries/us-national-dnc/versions")).json()
    assert (version["state"], version["files"][0]["name"]) == ("active", "registry.txt")
    answer = await operator.get(f"{API}/dnc", params={"phone": "+12125550142"})
    assert answer.json()["hits"][0]["list_name"] == "us-national-dnc"
