"""The console's base in a real browser: sign-in, every page, both themes, a phone, the keyboard."""

import pytest
from playwright.async_api import expect

from campaign.domain.disposition import Disposition
from campaign.flow import rollups
from campaign.flow import sign_in as flow
from campaign.store import users
from campaign.store.accounts import Role, audit
from campaign.wiring import Services
from tests.support.browser import chromium, served, window
from tests.support.console import PASSWORD
from tests.web.conftest import PersonFor
from tests.web.console.test_pages import PAGES, PARTS, ended

pytestmark = pytest.mark.timeout(300)
"""A browser is a whole program, and pages are drawn."""


async def test_the_first_user_comes_in_stops_everything_and_adds_a_colleague(app, services: Services):
    await flow.first_link(services.db, "first-link", actor="test", now=services.clock.now())
    async with served(app) as address, chromium() as browser, window(browser, address) as shown:
        page = shown.page
        await shown.go("/console/welcome/first-link")
        await shown.keep("welcome")
        assert await shown.violations() == []
        await page.get_by_label("Your name").fill("Ana Lima")
        await page.get_by_label("E-mail").fill("ana@example.com")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_label("The same password again").fill(PASSWORD)
        await page.get_by_role("button", name="Make the first user").click()
        await expect(page.get_by_role("heading", name="Home")).to_be_visible()
        await expect(page.get_by_text("No campaign is under way or to come.")).to_be_visible()

        await page.get_by_role("link", name="Stop everything").click()
        await page.get_by_role("dialog").get_by_label("Why").fill("wrong price in the script")
        await shown.keep("stop-dialog")
        await page.get_by_role("dialog").get_by_role("button", name="Stop everything").click()
        await expect(page.get_by_role("alert")).to_contain_text("wrong price in the script")
        await expect(page.get_by_role("alert")).to_contain_text("user:ana@example.com")
        assert await shown.violations() == []
        await shown.keep("stopped")
        await page.get_by_role("button", name="Let it go on…").click()
        await page.get_by_role("dialog").get_by_role("button", name="Let it go on").click()
        await expect(page.get_by_text("Dialling goes on")).to_be_visible()

        await shown.go("/console/users")
        await page.get_by_role("link", name="Add a user").click()
        await page.get_by_role("dialog").get_by_label("Name").fill("Ben Okri")
        await page.get_by_role("dialog").get_by_label("E-mail").fill("ben@example.com")
        await page.get_by_role("dialog").get_by_role("button", name="Add").click()
        link = await page.get_by_label("One-time link for Ben Okri").input_value()
        assert link.startswith(address + "/console/welcome/")
        await shown.keep("user-added")
        assert await shown.violations() == []

        await shown.go("/console")
        async with services.db.transaction() as tx:
            await users.sign_out(tx, (await users.find(tx, "ana@example.com")).id)
        await page.evaluate("htmx.ajax('GET', '/console/today', 'main')")  # as the page does by itself
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.get_by_label("E-mail").fill("ana@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.get_by_label("E-mail").fill("ana@example.com")
        await page.get_by_label("Password").fill("not this one, surely")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("don't fit")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Home")).to_be_visible()
        assert [fault for fault in shown.faults if "401" not in fault] == []


async def test_every_page_is_accessible_in_both_themes_and_on_a_phone(
    app, person_for: PersonFor, services: Services
):
    admin = await person_for(Role.ADMIN)
    now = services.clock.now()
    async with services.db.transaction() as tx:
        await ended(tx, now, *Disposition)
        await users.change(tx, admin.user.id, password_at=now)
        await audit(tx, "cli:ana", "campaign.pause", "campaign:12", now, {"why": "wrong price in the script"})
    await rollups.catch_up(services.db, now)
    async with served(app) as address, chromium() as browser:
        for size, scheme in (("desktop", "light"), ("desktop", "dark"), ("phone", "light")):
            async with window(
                browser, address, token=admin.token, size=size, scheme="dark" if scheme == "dark" else "light"
            ) as shown:
                for path in PAGES:
                    await shown.go(path)
                    where = f"{path} {size} {scheme}"
                    if await shown.page.locator("main").count() == 0:
                        continue  # a part of a page: seen with its page
                    await shown.keep(f"{path.strip('/').replace('/', '-')}-{size}-{scheme}")
                    if path not in PARTS:
                        assert await shown.violations() == [], where
                    assert await shown.too_wide() == 0, where
                    assert shown.faults == [], where
                    if (size, scheme) == ("desktop", "light"):
                        assert await shown.unreachable() == [], where
