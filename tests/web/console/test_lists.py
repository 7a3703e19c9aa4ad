"""Uploading a list and looking after it, at the console: through the application, without a browser."""

import asyncio
import re
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import text

from campaign.domain.campaign import parse_toml
from campaign.flow import definitions, intake
from campaign.store import imports
from campaign.store.accounts import Role
from campaign.web.uploads import FOLDER
from campaign.wiring import Services
from tests.support.campaigns import SAMPLES, make_list
from tests.support.console import Person, text_of
from tests.web.conftest import PersonFor

SHEET = """first_name;Mobile No;state;plan;consent
Ana;(202) 555-0123;DC;solar;express_written
Ben;123;DC;wind;
Cem;+12025550124;DC;;perhaps
Dee;202-555-0123;DC;solar;
Eve;+1 305 555 0100;FL;wind;
"""


async def rows_of(services: Services, statement: str) -> list[sa.Row]:
    async with services.db.connection() as tx:
        return list(await tx.execute(text(statement)))


async def send(
    person: Person, sheet: str | bytes, name: str = "people.csv", into: str = ""
) -> httpx.Response:
    content = sheet.encode() if isinstance(sheet, str) else sheet
    return await person.client.post(
        "/console/lists/upload",
        data={"csrf": person.csrf, "list": into},
        files={"file": (name, content, "text/csv")},
    )


def choices(html: str) -> list[str]:
    """What each column is on the page of the columns."""
    found = []
    for select in re.findall(r'(?s)<select id="what-\d+".*?</select>', html):
        chosen = re.search(r'value="(\w*)" selected', select)
        found.append(chosen[1] if chosen else "")
    return found


async def begin(person: Person, address: str, what: list[str], **fields: object) -> httpx.Response:
    said = {"list_name": "people", "region": "US", "what": what, **fields}
    return await person.post(f"{address}/import", said)


async def ended(person: Person, app: FastAPI, address: str) -> str:
    """The import's page when its process has ended."""
    await asyncio.gather(*app.state.children)
    return text_of((await person.get(address)).text)


async def test_a_file_is_sent_looked_at_mended_in_what_is_what_and_read(
    person_for: PersonFor, app: FastAPI, services: Services
):
    uploader = await person_for(Role.UPLOADER)
    answer = await send(uploader, SHEET)
    assert answer.status_code == 303, text_of(answer.text)
    address = answer.headers["location"]
    shown = (await uploader.get(address)).text
    assert choices(shown) == ["", "phone", "state", "", "consent"]
    words = text_of(shown)
    assert "2 of these 5 rows would be rejected." in words
    assert "{plan}" in words
    # somebody else's file is not to be seen
    other = await person_for(Role.ADMIN)
    assert (await other.get(address)).status_code == 404

    looked = await uploader.post(
        f"{address}/look", {"list_name": "x", "region": "US", "what": ["", "phone", "", "", ""]}
    )
    assert "1 of these 5 rows would be rejected." in text_of(looked.text)
    none = await begin(uploader, address, ["", "", "", "", ""])
    assert none.status_code == 422
    assert "Choose “Phone number” for the column that holds them." in text_of(none.text)
    twice = await begin(uploader, address, ["phone", "phone", "", "", ""])
    assert "Two columns are “Phone number”" in text_of(twice.text)

    begun = await begin(uploader, address, ["", "phone", "", "", ""])
    assert begun.status_code == 303, text_of(begun.text)
    verdict = await ended(uploader, app, begun.headers["location"])
    assert "3 of 5 rows are on the list now." in verdict
    assert "Line" in verdict
    assert "too short" in verdict or "123" in verdict
    listed = text_of((await uploader.get("/console/lists/table")).text)
    assert "people 3" in listed
    (found,) = await rows_of(services, "SELECT id, columns FROM contact_lists")
    assert found.columns == ["first_name", "state", "plan", "consent"]  # nobody's fields: so it was said
    contacts = text_of((await uploader.get(f"/console/lists/{found.id}")).text)
    assert "+1 202-555-0123" in contacts
    places = text_of((await uploader.get(f"{begun.headers['location']}/places")).text)
    assert "America/New York" in places
    assert not list((services.data_dir / FOLDER).iterdir())
    assert (await uploader.get(address)).status_code == 404
    rejected = await uploader.get(f"/api/v1{begun.headers['location'].removeprefix('/console')}/rejected.csv")
    assert rejected.text.count("\n") == 2


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        (b"", "The file is empty."),
        (b"phone,Phone\n1,2\n", "Two columns have the same name"),
        (b"PK\x03\x04" + bytes(200), "xlsx"),
    ],
)
async def test_a_file_that_nobody_can_read_is_refused_with_its_exact_words(
    person_for: PersonFor, services: Services, sheet, words
):
    uploader = await person_for(Role.UPLOADER)
    answer = await send(uploader, sheet)
    assert answer.status_code == 422
    assert words in text_of(answer.text)
    assert not list((services.data_dir / FOLDER).glob("*"))


async def test_a_file_without_a_number_column_can_be_told_which_one_it_is(person_for: PersonFor):
    uploader = await person_for(Role.UPLOADER)
    address = (await send(uploader, "who,reach at\nAna,+12025550123\n")).headers["location"]
    shown = await uploader.get(address)
    assert "No column holds telephone numbers." in text_of(shown.text)
    looked = await uploader.post(f"{address}/look", {"list_name": "x", "region": "US", "what": ["", "phone"]})
    assert "+1 202-555-0123" in text_of(looked.text)


async def test_attested_consent_needs_its_source_and_a_day_that_has_been(
    person_for: PersonFor, app: FastAPI, services: Services
):
    uploader = await person_for(Role.UPLOADER)
    address = (await send(uploader, "phone\n+12025550123\n")).headers["location"]
    ahead = (services.clock.now() + timedelta(days=3)).date().isoformat()
    said = {"consent": "express_written", "consent_date": ahead}
    answer = await begin(uploader, address, ["phone"], **said)
    words = text_of(answer.text)
    assert (answer.status_code, "This day lies in the future." in words) == (422, True)
    assert "Say how it was given" in words
    said = {"consent": "express_written", "consent_date": "2026-01-02", "consent_source": "web form"}
    begun = await begin(uploader, address, ["phone"], **said)
    await ended(uploader, app, begun.headers["location"])
    (one,) = await rows_of(services, "SELECT consent, consent_source FROM contacts")
    assert one.consent == "express_written"
    assert one.consent_source == "web form (attested by user:uploader@example.com)"


async def test_what_is_refused_after_all_is_still_there_to_be_sent_on(
    person_for: PersonFor, app: FastAPI, services: Services
):
    uploader = await person_for(Role.UPLOADER)
    first = (await send(uploader, "phone\n+12025550123\n")).headers["location"]
    begun = await begin(uploader, first, ["phone"])
    await asyncio.gather(*app.state.children)
    async with services.db.transaction() as tx:
        await tx.execute(text("UPDATE imports SET state = 'interrupted', byte_offset = 6"))
    second = (await send(uploader, "phone\n+12025550124\n")).headers["location"]
    answer = await begin(uploader, second, ["phone"])
    assert answer.status_code == 409
    assert "was interrupted" in text_of(answer.text) or "interrupted" in text_of(answer.text)
    page = await uploader.get(begun.headers["location"])
    assert "The import was interrupted" in text_of(page.text)
    said = await uploader.follow(f"{begun.headers['location']}/discard")
    assert "Discarded; 1 contacts of it are gone." in said
    again = await begin(uploader, second, ["phone"])
    assert again.status_code == 303
    assert "1 of 1 rows are on the list now." in await ended(uploader, app, again.headers["location"])


async def test_an_interrupted_import_goes_on_in_its_own_process(
    person_for: PersonFor, app: FastAPI, services: Services
):
    uploader = await person_for(Role.UPLOADER)
    place = services.data_dir / "uploads" / "half.csv"
    place.parent.mkdir()
    place.write_text("phone\n+12025550123\n+12025550124\n")
    begun = await intake.begin(
        services.db, services.clock, place, "people", intake.Options("US"), max_bytes=10**6, actor="test"
    )
    page = f"/console/imports/{begun.id}"
    assert "The file is being read" in text_of((await uploader.get(page)).text)
    await services.clock.advance(imports.SILENT.total_seconds() + 1)  # type: ignore[attr-defined]
    assert "The import was interrupted" in text_of((await uploader.get(page)).text)
    async with services.db.transaction() as tx:
        await imports.interrupt_silent(tx, services.clock.now())
    answer = await uploader.post(f"{page}/resume")
    assert answer.status_code == 303, text_of(answer.text)
    assert "2 of 2 rows are on the list now." in await ended(uploader, app, page)
    assert not place.exists()


async def test_files_that_nobody_came_back_for_go_after_a_day(person_for: PersonFor, services: Services):
    uploader = await person_for(Role.UPLOADER)
    old = (await send(uploader, "phone\n+12025550123\n")).headers["location"]
    await services.clock.advance(25 * 3600)  # type: ignore[attr-defined]
    again = await person_for(Role.OPERATOR)
    new = (await send(again, "phone\n+12025550123\n")).headers["location"]
    assert (await again.get(new)).status_code == 200
    assert len(list((services.data_dir / FOLDER).iterdir())) == 2
    assert old != new


# ── one list ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_contact_is_added_found_edited_and_removed(person_for: PersonFor, services: Services):
    operator = await person_for(Role.OPERATOR)
    await make_list(services.db, "people")
    (found,) = await rows_of(services, "SELECT id FROM contact_lists")
    home = f"/console/lists/{found.id}"
    assert "This list has no contacts yet." in text_of((await operator.get(home)).text)
    bad = await operator.post(f"{home}/contacts", {"phone_1": "12", "consent": "none"})
    assert bad.status_code == 400
    assert 'id="phone_1-note"' in bad.text
    fields = {"phone_1": "(202) 555-0123", "country": "US", "zone": "America/Chicago", "external_id": "A7"}
    assert "The contact is on the list." in await operator.follow(f"{home}/contacts", fields)
    taken = await operator.post(f"{home}/contacts", fields)
    assert taken.status_code == 409
    for words in ("202 555 0123", "A7"):
        assert "+1 202-555-0123" in text_of((await operator.get(home, params={"q": words})).text), words
    nobody = await operator.get(home, params={"q": "100%"})
    assert "Nobody on this list fits “100%”." in text_of(nobody.text)
    (one,) = await rows_of(services, "SELECT id FROM contacts")
    page = f"/console/contacts/{one.id}"
    edit = {"phone_1": "+12025550123", "phone_2": "+12025550124", "state": "IL", "zone": "", "consent": "ebr"}
    assert "Saved." in await operator.follow(page, edit)
    (now,) = await rows_of(
        services, "SELECT other_phones, state, said_zone, consent, external_id FROM contacts"
    )
    assert tuple(now) == (["+12025550124"], "IL", None, "ebr", None)
    assert "The contact is removed." in await operator.follow(f"{page}/remove")
    (trail,) = await rows_of(services, "SELECT actor FROM audit_log WHERE action = 'contact.remove'")
    assert trail.actor == "user:operator@example.com"


async def test_a_form_sent_as_it_was_shown_changes_nothing(person_for: PersonFor, services: Services):
    """Whoever looks from another zone must not move the day of a consent."""
    operator = await person_for(Role.OPERATOR)
    operator.client.cookies.set("zone", "America%2FNew_York")
    await make_list(services.db, contacts=1)
    async with services.db.transaction() as tx:
        await tx.execute(
            text("UPDATE contacts SET consent = 'ebr', consent_at = '2026-01-01 00:00:07+00', place = place")
        )
    (before,) = await rows_of(services, "SELECT * FROM contacts")
    page = f"/console/contacts/{before.id}"
    html = (await operator.get(page)).text
    fields = dict(re.findall(r'<input id="[^"]*" name="([\w.]+)" type="\w+" value="([^"]*)"', html))
    assert fields["consent_at"] == "2026-01-01"
    await operator.follow(page, {**fields, "consent": "ebr", "party": before.party})
    (after,) = await rows_of(services, "SELECT * FROM contacts")
    assert (after.consent, after.consent_at, after.phone) == ("ebr", before.consent_at, before.phone)
    assert after.variables == before.variables


async def test_a_list_is_attached_to_a_draft(person_for: PersonFor, services: Services):
    operator = await person_for(Role.OPERATOR)
    await make_list(services.db, contacts=1)
    definition = parse_toml((SAMPLES / "minimal.toml").read_text(), "minimal.toml")
    made = await definitions.create(services.db, definition, actor="test", now=services.clock.now())
    await make_list(services.db, "more")
    (more,) = await rows_of(services, "SELECT id FROM contact_lists WHERE name = 'more'")
    page = f"/console/lists/{more.id}/campaigns"
    assert "No campaign calls this list." in text_of((await operator.get(page)).text)
    said = await operator.follow(page, {"campaign_id": made.id})
    assert f"{definition.name} calls this list too now." in said
    uploader = await person_for(Role.UPLOADER)
    assert (await uploader.post(page, {"campaign_id": made.id})).status_code == 403


# ── do not call ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_number_is_listed_looked_up_and_taken_off_with_a_reason(
    person_for: PersonFor, services: Services
):
    operator = await person_for(Role.OPERATOR)
    assert "own all campaigns 0" in text_of((await operator.get("/console/dnc/lists")).text)
    clear = await operator.get("/console/dnc", params={"phone": "202 555 0123"})
    assert "on no list" in text_of(clear.text)
    nothing = await operator.post("/console/dnc", {"phone": "202 555 0123", "region": "US", "reason": ""})
    assert (nothing.status_code, "with a reason" in text_of(nothing.text)) == (400, True)
    listed = await operator.follow(
        "/console/dnc", {"phone": "202 555 0123", "region": "US", "reason": "asked by e-mail"}
    )
    assert "nobody calls it from now on" in listed
    assert "asked by e-mail" in listed
    uploader = await person_for(Role.UPLOADER)
    off = {"phone": "+12025550123", "list_name": "own", "reason": "typed the wrong one", "mistake": "true"}
    assert (await uploader.post("/console/dnc/remove", off)).status_code == 403
    assert "The number is off the list." in await operator.follow("/console/dnc/remove", off)
    wrong = await operator.get("/console/dnc", params={"phone": "12"})
    assert "This is no number that can be called" in text_of(wrong.text)
