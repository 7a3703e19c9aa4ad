"""One person's data over HTTP: shown or erased, by administrators only."""

from campaign.domain.phone import mask
from campaign.flow.suppress import Asked, opt_out
from campaign.store.accounts import Role
from campaign.wiring import Services
from tests.support import rows
from tests.web.conftest import Client, ClientFor

API = "/api/v1"


async def test_a_person_is_exported_and_erased_by_an_administrator_only(
    admin: Client, client_for: ClientFor, services: Services
) -> None:
    async with services.db.transaction() as tx:
        await rows.contact(tx, services.clock.now())
    operator = await client_for(Role.OPERATOR)
    place = f"{API}/people/{rows.PHONE}"
    reason = {"reason": "letter of 3 May"}
    assert (await operator.get(f"{place}/export")).status_code == 403
    assert (await operator.delete(place, params=reason)).status_code == 403
    shown = (await admin.get(f"{place}/export")).json()
    assert shown["contacts"][0]["variables"] == {"first_name": "Ada"}
    assert (await admin.delete(place)).status_code == 422
    done = (await admin.delete(place, params=reason)).json()
    assert (done["number"], done["rows"], done["suppressed"]) == (
        mask(rows.PHONE),
        {"audit": 1, "contacts_removed": 1},
        1,
    )
    hits = (await admin.get(f"{API}/dnc", params={"phone": rows.PHONE})).json()["hits"]
    assert [hit["reason"] for hit in hits] == ["erased on request"]
    (entry, _) = (await admin.get(f"{API}/audit", params={"subject": f"phone:{mask(rows.PHONE)}"})).json()[
        "items"
    ]
    assert (entry["action"], entry["detail"]["reason"]) == ("records.erase", "letter of 3 May")


async def test_nobody_is_erased_during_a_call_and_what_is_unknown_is_told(
    admin: Client, services: Services
) -> None:
    reason = {"reason": "letter"}
    assert (await admin.get(f"{API}/people/{rows.PHONE}/export")).status_code == 404
    assert (await admin.delete(f"{API}/people/{rows.PHONE}", params=reason)).status_code == 404
    assert (await admin.delete(f"{API}/people/nobody", params=reason)).status_code == 400
    await rows.dialled(services.db, services.clock.now(), state="answered")
    refused = await admin.delete(f"{API}/people/{rows.PHONE}", params=reason)
    assert refused.status_code == 409
    assert "under way" in refused.json()["detail"]


async def test_an_opt_out_over_the_api_keeps_the_persons_words_and_can_cover_all_numbers(
    admin: Client, services: Services
) -> None:
    async with services.db.transaction() as tx:
        await rows.contact(tx, services.clock.now(), others=("+13055550101",))
    asked = {"phone": rows.PHONE, "reason": "e-mail", "quote": "please stop", "all_numbers": True}
    assert (await admin.post(f"{API}/dnc", json=asked)).json()["added"] is True
    (hit,) = (await admin.get(f"{API}/dnc", params={"phone": "+13055550101"})).json()["hits"]
    assert hit["quote"] == "please stop"


async def test_what_was_asked_in_a_call_comes_off_only_with_new_consent(
    admin: Client, services: Services
) -> None:
    now = services.clock.now()
    asked = Asked(rows.PHONE, "stop", "conversation", "system:attempt 1", now, None)
    await opt_out(services.db, asked, now)
    given = {"phone": rows.PHONE, "reason": "they wrote to us"}
    refused = await admin.delete(f"{API}/dnc", params=given)
    assert (refused.status_code, '"stop"' in refused.json()["detail"]) == (409, True)
    done = await admin.delete(f"{API}/dnc", params={**given, "new_consent": "letter of 1 December"})
    assert done.json()["consent_ended_at"] is not None


async def test_a_contact_added_over_the_api_may_say_that_it_must_not_be_called(
    admin: Client, services: Services
) -> None:
    async with services.db.transaction() as tx:
        await rows.contact(tx, services.clock.now(), phone="+13055550101")
    made = await admin.post(
        f"{API}/contacts", json={"list_name": "people", "phones": [rows.PHONE], "do_not_call": True}
    )
    assert made.status_code == 201
    assert (await admin.get(f"{API}/dnc", params={"phone": rows.PHONE})).json()["listed"] is True
