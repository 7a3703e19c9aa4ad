"""The law over HTTP: packs for everybody with a key; waivers, registrations and pauses by admins."""

from campaign.store.accounts import Role
from campaign.store.database import Database
from tests.flow.test_facts import campaign
from tests.support.campaigns import rows
from tests.web.conftest import ClientFor

RULES = "/api/v1/rules"


async def test_packs_are_shown_with_what_each_rule_demands_and_where_it_stands(client_for: ClientFor) -> None:
    client = await client_for(Role.ANALYST)
    packs = {pack["id"]: pack for pack in (await client.get(RULES)).json()["items"]}
    rules = {rule["id"]: rule for rule in packs["US-PA"]["rules"]}
    assert rules["US-PA.hours.2026"]["demand"].startswith("calls only mon-sat 09:00-19:00")
    assert rules["US-PA.hours.2026"]["source"] == "Act 47 of 2026 (SB 992)"
    assert packs["US-PA"]["reviewed_by"] == ""
    before = (await client.get(RULES, params={"at": "2026-10-17"})).json()["items"]
    shown = {rule["id"] for pack in before if pack["id"] == "US-PA" for rule in pack["rules"]}
    assert "US-PA.hours.old" in shown
    assert "US-PA.hours.2026" not in shown


async def test_an_admin_waives_and_applies_a_rule_again_in_the_keys_name(
    client_for: ClientFor, db: Database
) -> None:
    await campaign(db, 1)
    admin = await client_for(Role.ADMIN)
    rule = RULES + "/waivers/US-TX.registration"
    body = {"campaign": "Minimal", "reason": "exempt, memo 12", "until": "2027-01-31"}
    made = (await admin.put(rule, json=body)).json()
    assert made["actor"].startswith("key:")
    assert made["until"] == "2027-02-01T00:00:00Z"
    assert (await admin.get(RULES + "/waivers")).json()["items"] == [made]
    for role in (Role.OPERATOR, Role.ANALYST):
        assert (await (await client_for(role)).put(rule, json=body)).status_code == 403
    refused = await admin.put(RULES + "/waivers/US.hours", json=body)
    assert refused.status_code == 400
    assert "can't be waived" in refused.json()["detail"]
    assert (await admin.delete(rule, params={"campaign": "Minimal"})).status_code == 204
    assert (await admin.delete(rule, params={"campaign": "Minimal"})).status_code == 404


async def test_an_admin_records_a_registration_and_takes_it_back(client_for: ClientFor, db: Database) -> None:
    admin = await client_for(Role.ADMIN)
    made = (await admin.put(RULES + "/registrations/US-TX", json={"reference": "SOS 1"})).json()
    assert (made["pack"], made["reference"]) == ("US-TX", "SOS 1")
    assert (await admin.get(RULES + "/registrations")).json()["items"] == [made]
    assert (await admin.put(RULES + "/registrations/US-FL", json={"reference": "x"})).status_code == 400
    assert (await admin.delete(RULES + "/registrations/US-TX")).status_code == 204
    assert (await admin.get(RULES + "/registrations")).json()["items"] == []
    assert len(await rows(db, "SELECT 1 FROM rule_registrations")) == 1, "it is kept who said so and when"


async def test_an_admin_pauses_a_region_and_lifts_it(client_for: ClientFor) -> None:
    admin = await client_for(Role.ADMIN)
    made = (await admin.put(RULES + "/pauses/us-la", json={"reason": "hurricane"})).json()
    assert (made["region"], made["last"], made["calls_cancelled"]) == ("US-LA", None, 0)
    (kept,) = (await admin.get(RULES + "/pauses")).json()["items"]
    assert kept["reason"] == "hurricane"
    assert (await admin.put(RULES + "/pauses/US-XX", json={"reason": "x"})).status_code == 400
    operator = await client_for(Role.OPERATOR)
    assert (await operator.delete(RULES + "/pauses/US-LA")).status_code == 403
    assert (await admin.delete(RULES + "/pauses/US-LA")).json() == {"region": "US-LA", "contacts": 0}
    assert (await admin.delete(RULES + "/pauses/US-LA")).status_code == 404
