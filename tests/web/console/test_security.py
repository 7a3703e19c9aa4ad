"""The console's locks: what a stranger, a forged page, a stolen or an old cookie gets, which is nothing."""

import re
import time

import pytest
from fastapi import FastAPI

from campaign.domain.sign_in import ABSOLUTE, IDLE, TRIES_BY_ADDRESS, TRIES_BY_USER
from campaign.flow.sign_in import FIRST_LINK, PASSWORD_LINK, first_link, new_link
from campaign.settings import Settings
from campaign.store import users
from campaign.store.accounts import Role, audit_trail
from campaign.web.app import create_app
from campaign.wiring import Services
from tests.support.clock import ManualClock
from tests.support.console import PASSWORD, browser_of, text_of
from tests.web.conftest import PersonFor

HTTPS = "https://calls.example.com"


FORM = {"email": "ana@example.com", "password": PASSWORD}
WRONG = {**FORM, "password": "seven red lamps outside"}


async def with_password(services: Services, role: Role = Role.OPERATOR) -> users.User:
    kept, now = await services.passwords.hashed(PASSWORD), services.clock.now()
    async with services.db.transaction() as tx:
        return await users.insert(
            tx, email=FORM["email"], name="Ana", role=role, password_hash=kept, actor="test", now=now
        )


@pytest.fixture
def https_app(services: Services) -> FastAPI:
    """The application as it stands behind a proxy that ends https."""
    given = {field.alias: getattr(services.settings, key) for key, field in Settings.model_fields.items()}
    services.settings = Settings.model_validate({**given, "CONSOLE_URL": HTTPS})
    return create_app(services)


async def test_the_cookie_is_for_our_host_alone_and_for_no_script(https_app, services: Services):
    await with_password(services)
    async with browser_of(https_app, origin=HTTPS) as browser:
        answer = await browser.post("/console/sign-in", data=FORM)
    name, _, flags = answer.headers["set-cookie"].partition("=")
    assert name == "__Host-campaign_session"
    assert {flag.strip().lower() for flag in flags.split(";")[1:]} == {
        "httponly",
        "secure",
        "path=/",
        "samesite=lax",
    }
    assert answer.headers["location"] == "/console"


async def test_on_this_machine_the_cookie_works_without_https(app, services: Services):
    await with_password(services)
    async with browser_of(app) as browser:
        answer = await browser.post("/console/sign-in", data=FORM)
        assert answer.headers["set-cookie"].startswith("campaign_session=")
        assert "Secure" not in answer.headers["set-cookie"]
        assert (await browser.get("/console")).status_code == 200


async def test_signing_in_gives_a_fresh_session_and_ends_the_one_before(app, services: Services, person_for):
    await with_password(services)
    before = await person_for(Role.ANALYST)
    planted = before.token
    answer = await before.client.post("/console/sign-in", data=FORM)
    assert answer.status_code == 303
    async with browser_of(app, planted) as old:
        assert (await old.get("/console")).status_code == 303
    assert answer.cookies["campaign_session"] != planted


async def test_signing_out_ends_the_session_for_whoever_kept_the_cookie(app, person_for: PersonFor):
    person = await person_for(Role.ANALYST)
    assert (await person.post("/console/sign-out")).status_code == 303
    async with browser_of(app, person.token) as thief:
        assert (await thief.get("/console")).status_code == 303


FORGED: tuple[tuple[dict[str, str], str | None], ...] = (
    ({}, ""),
    ({}, "wrong"),
    ({"X-CSRF-Token": "wrong"}, None),
    ({"Origin": "https://evil.example.com"}, None),
    ({"Origin": "null"}, None),
    ({"Origin": ""}, None),
    ({"Origin": "http://127.0.0.1:9999"}, None),
    ({"Origin": "https://127.0.0.1:8080"}, None),
)
"""Headers, and the form's token; None for the right one."""


async def test_a_form_from_elsewhere_does_nothing(person_for: PersonFor):
    person = await person_for(Role.ADMIN)
    for headers, token in FORGED:
        form = {"csrf": person.csrf if token is None else token, "why": "forged"}
        for path in ("/console/stop-all", "/api/v1/stop-all"):
            answer = await person.client.post(path, data=form, headers=headers)
            assert answer.status_code == 403, (path, headers, token)
    answer = await person.get("/api/v1/stop-all")
    assert answer.json()["stopped"] is False


async def test_a_form_without_an_origin_does_nothing(person_for: PersonFor):
    person = await person_for(Role.ADMIN)
    del person.client.headers["Origin"]
    assert (await person.post("/console/stop-all", {"why": "forged"})).status_code == 403


async def test_sign_in_itself_is_not_taken_from_another_sites_page(app, services: Services):
    await with_password(services)
    async with browser_of(app) as browser:
        answer = await browser.post(
            "/console/sign-in", data=FORM, headers={"Origin": "https://evil.example.com"}
        )
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_pages_may_call_the_api_as_their_user(person_for: PersonFor, services: Services):
    person = await person_for(Role.OPERATOR)
    token = {"X-CSRF-Token": person.csrf}
    answer = await person.client.post("/api/v1/stop-all", json={"why": "wrong price"}, headers=token)
    assert answer.json()["by"] == "user:operator@example.com"
    assert (await person.client.delete("/api/v1/stop-all", headers=token)).status_code == 403
    assert (await person.client.post("/api/v1/stop-all", json={"why": "again"})).status_code == 403
    person.client.headers["Authorization"] = "Bearer cc_wrong"
    assert (await person.client.post("/api/v1/stop-all", json={"why": "x"}, headers=token)).status_code == 401


NOT_OURS = ("evil.example.com", "127.0.0.1.evil.example.com", "", "localhost.evil.com:8080", "api.test")


async def test_under_a_name_that_is_not_ours_there_is_no_console(person_for: PersonFor):
    person = await person_for(Role.ADMIN)
    for host in NOT_OURS:
        for path in ("/console", "/console/sign-in", "/api/v1/stop-all"):
            answer = await person.get(path, headers={"Host": host})
            assert answer.status_code == 404, (host, path)


async def test_a_session_times_out_when_idle_and_at_the_end_of_the_day(
    person_for: PersonFor, clock: ManualClock, app
):
    person = await person_for(Role.ANALYST)
    for _ in range(int(ABSOLUTE / (IDLE * 0.9))):
        await clock.advance(IDLE.total_seconds() * 0.9)
        assert (await person.get("/console")).status_code == 200
    await clock.advance(IDLE.total_seconds() * 0.9)
    assert (await person.get("/console")).status_code == 303  # it was in use, and is too old

    other = await person_for(Role.UPLOADER)
    await clock.advance(IDLE.total_seconds() - 61)
    assert (await other.get("/console")).status_code == 200
    await clock.advance(IDLE.total_seconds() - 61)
    renewal = {"HX-Request": "true"}  # a page that is left open renews its parts: nobody does anything
    assert (await other.get("/console", headers=renewal)).status_code == 200
    await clock.advance(61)
    gone = await other.get("/console", headers=renewal)
    assert (gone.status_code, gone.headers["HX-Redirect"]) == (401, "/console/sign-in")


async def test_a_disabled_user_is_out_and_a_role_changed_with_the_very_next_click(person_for: PersonFor):
    admin, operator = await person_for(Role.ADMIN), await person_for(Role.OPERATOR)
    number = operator.user.id
    assert (await operator.post("/console/stop-all", {"why": "x"})).status_code == 303
    await admin.post(f"/console/users/{number}/role", {"role": "analyst"})
    assert (await operator.post("/console/stop-all", {"why": "x"})).status_code == 403
    await admin.post(f"/console/users/{number}/disable")
    assert (await operator.get("/console")).status_code == 303
    await admin.post(f"/console/users/{number}/enable")
    assert (await operator.get("/console")).status_code == 303  # the old session stays ended


async def test_the_last_admin_can_neither_leave_nor_step_down(person_for: PersonFor):
    admin = await person_for(Role.ADMIN)
    for what, fields in (("role", {"role": "analyst"}), ("disable", {})):
        answer = await admin.post(f"/console/users/{admin.user.id}/{what}", fields)
        assert answer.status_code == 409, what


async def test_a_changed_password_signs_out_the_other_browsers(app, services: Services):
    await with_password(services)
    async with browser_of(app) as here, browser_of(app) as there:
        for browser in (here, there):
            assert (await browser.post("/console/sign-in", data=FORM)).status_code == 303
        page = (await here.get("/console/account")).text
        token = re.search(r'name="csrf" value="([^"]+)"', page)
        assert token
        fresh = "nine quiet rivers north"
        form = {"csrf": token[1], "current": PASSWORD, "password": fresh, "again": fresh}
        assert "differ" in (await here.post("/console/account/password", data={**form, "again": "x"})).text
        wrong = await here.post("/console/account/password", data={**form, "current": "no, not that one"})
        assert "not right" in text_of(wrong.text)
        assert (await here.post("/console/account/password", data=form)).status_code == 303
        assert (await here.get("/console")).status_code == 200
        assert (await there.get("/console")).status_code == 303
        assert (await there.post("/console/sign-in", data=FORM)).status_code == 401
        assert (await there.post("/console/sign-in", data={**FORM, "password": fresh})).status_code == 303


async def test_failed_tries_lock_a_user_for_longer_and_longer_known_or_not(app, services: Services, clock):
    await with_password(services)
    async with browser_of(app) as browser:
        for email in ("ana@example.com", "nobody@example.com"):
            tries = {**WRONG, "email": email}
            answers = [await browser.post("/console/sign-in", data=tries) for _ in range(TRIES_BY_USER + 1)]
            assert [answer.status_code for answer in answers] == [401] * TRIES_BY_USER + [429], email
            assert answers[-1].headers["Retry-After"] == "31"
        assert (await browser.post("/console/sign-in", data=FORM)).status_code == 429
        await clock.advance(31)
        assert (await browser.post("/console/sign-in", data=WRONG)).status_code == 401
        assert (await browser.post("/console/sign-in", data=FORM)).headers["Retry-After"] == "61"
        await clock.advance(61)
        assert (await browser.post("/console/sign-in", data=FORM)).status_code == 303
        assert (await browser.post("/console/sign-in", data=WRONG)).status_code == 401  # forgiven


async def test_an_address_that_tries_many_users_is_locked_and_believed_only_behind_our_proxies(
    app, services: Services
):
    await with_password(services)
    async with browser_of(app) as browser:
        for number in range(TRIES_BY_ADDRESS):
            tries = {**WRONG, "email": f"user{number}@example.com"}
            away = {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.9"}
            assert (await browser.post("/console/sign-in", data=tries, headers=away)).status_code == 401
        away = {"X-Forwarded-For": "203.0.113.9"}
        assert (await browser.post("/console/sign-in", data=FORM, headers=away)).status_code == 429
        away = {"X-Forwarded-For": "203.0.113.10"}
        assert (await browser.post("/console/sign-in", data=FORM, headers=away)).status_code == 303


async def test_an_unknown_user_costs_as_much_as_a_wrong_password(app, services: Services):
    await with_password(services)
    spent: dict[str, list[float]] = {"ana@example.com": [], "nobody@example.com": []}
    async with browser_of(app) as browser:
        for _ in range(TRIES_BY_USER - 1):
            for email, times in spent.items():
                before = time.process_time()
                await browser.post("/console/sign-in", data={**WRONG, "email": email})
                times.append(time.process_time() - before)
    known, unknown = (min(times) for times in spent.values())
    assert 0.6 < unknown / known < 1.6, spent


ELSEWHERE = (
    "",
    "https://evil.example.com/console",
    "//evil.example.com/console",
    "/\\evil.example.com",
    "/console\\..\\evil",
    "/consolexyz",
    "/console@evil.example.com",
    "/api/v1/campaigns",
    "javascript:alert(1)",
    "/console/\r\nSet-Cookie: a=b",
    "/console/../../evil",
)


async def test_signing_in_leads_on_only_within_the_console(app, services: Services):
    await with_password(services)
    async with browser_of(app) as browser:
        for path in (*ELSEWHERE, "/console/users?cursor=x"):
            answer = await browser.post("/console/sign-in", data={**FORM, "next": path})
            assert answer.headers["location"] == (path if path.endswith("=x") else "/console"), path


async def test_every_page_says_that_nothing_foreign_runs_in_it_frames_it_or_keeps_it(
    https_app, person_for: PersonFor, services: Services
):
    person = await person_for(Role.ADMIN)
    async with browser_of(https_app, origin=HTTPS) as browser:
        browser.cookies.set("__Host-campaign_session", person.token)
        for path, status in (
            ("/console", 200),
            ("/console/users", 200),
            ("/console/sign-in", 303),
            ("/console/nothing-here", 404),
            ("/console/welcome/no-such-link", 404),
        ):
            answer = await browser.get(path)
            assert answer.status_code == status, path
            assert answer.headers["cache-control"] == "no-store", path
            assert answer.headers["x-content-type-options"] == "nosniff", path
            if status == 303:
                continue
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy, path
            assert "script-src 'self';" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert "unsafe" not in policy, path
            assert answer.headers["x-frame-options"] == "DENY", path
            assert answer.headers["referrer-policy"] == "same-origin", path
        assert (await browser.get("/console")).headers["strict-transport-security"] == "max-age=31536000"


async def test_pages_show_what_people_typed_and_run_none_of_it(person_for: PersonFor):
    admin = await person_for(Role.ADMIN)
    evil = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"
    await admin.post("/console/stop-all", {"why": evil})
    await admin.post("/console/users", {"name": evil, "email": "e@example.com", "role": "analyst"})
    for path in ("/console", "/console/audit", "/console/users", "/console/stop-all"):
        text = (await admin.get(path)).text
        assert "<script>alert" not in text, path
        assert "<img" not in text, path


async def test_the_first_run_link_makes_one_admin_and_nobody_gets_in_without_it(
    app, services: Services, clock: ManualClock
):
    form = {"name": "Ana", "email": "Ana@Example.com", "password": PASSWORD, "again": PASSWORD}
    short = {"password": "short", "again": "short"}
    assert await first_link(services.db, "link-a", actor="test", now=clock.now())
    assert await first_link(services.db, "link-b", actor="test", now=clock.now())
    async with browser_of(app) as browser:
        assert (await browser.post("/console/welcome/guess", data=form)).status_code == 404
        weak = await browser.post("/console/welcome/link-a", data={**form, **short})
        assert "too short" in text_of(weak.text)
        assert (await browser.post("/console/welcome/link-a", data=form)).status_code == 303
        assert "ana@example.com, admin." in text_of((await browser.get("/console/account")).text)
        for link in ("link-a", "link-b"):
            again = await browser.post(f"/console/welcome/{link}", data={**form, "email": "eve@example.com"})
            assert again.status_code == 404, link
    assert not await first_link(services.db, "link-c", actor="test", now=clock.now())


async def test_one_time_links_run_out(app, services: Services, clock: ManualClock):
    await first_link(services.db, "first", actor="test", now=clock.now())
    await clock.advance(FIRST_LINK.total_seconds() + 1)
    async with browser_of(app) as browser:
        assert (await browser.get("/console/welcome/first")).status_code == 404
        user = await with_password(services)
        async with services.db.transaction() as tx:
            await new_link(tx, user, "old", actor="test", now=clock.now())
            await new_link(tx, user, "new", actor="test", now=clock.now())
        assert (await browser.get("/console/welcome/old")).status_code == 404
        assert (await browser.get("/console/welcome/new")).status_code == 200
        await clock.advance(PASSWORD_LINK.total_seconds() + 1)
        assert (await browser.get("/console/welcome/new")).status_code == 404


async def test_what_people_do_at_the_console_stands_in_the_audit_trail(
    person_for: PersonFor, services: Services
):
    admin = await person_for(Role.ADMIN)
    await admin.post("/console/users", {"name": "Ben", "email": "ben@example.com", "role": "uploader"})
    async with services.db.connection() as tx:
        ben = await users.find(tx, "ben@example.com")
    await admin.post(f"/console/users/{ben.id}/role", {"role": "analyst"})
    for what in ("link", "unlock", "disable", "enable"):
        await admin.post(f"/console/users/{ben.id}/{what}")
    await admin.post("/console/stop-all", {"why": "wrong price"})
    await admin.post("/console/stop-all/lift")
    async with services.db.connection() as tx:
        trail = await audit_trail(tx, actor="user:admin@example.com")
    assert [entry.action for entry in reversed(trail)] == [
        "user.create",
        "user.role",
        "user.link",
        "user.unlock",
        "user.disable",
        "user.enable",
        "dialling.stop_all",
        "dialling.lift",
    ]
    shown = text_of((await admin.get("/console/audit?actor=user:admin@example.com&action=user.role")).text)
    assert "from uploader" in shown
    assert "user.create" not in shown


async def test_wherever_one_was_going_one_arrives_after_signing_in(app, services: Services):
    await with_password(services, Role.ADMIN)
    async with browser_of(app) as browser:
        turned = await browser.get("/console/audit?action=user.create")
        page = await browser.get(turned.headers["location"])
        next_ = re.search(r'name="next" value="([^"]+)"', page.text)
        assert next_
        answer = await browser.post("/console/sign-in", data={**FORM, "next": next_[1].replace("&amp;", "&")})
        assert answer.headers["location"] == "/console/audit?action=user.create"
