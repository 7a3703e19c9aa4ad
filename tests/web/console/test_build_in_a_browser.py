"""An operator builds a campaign in a real browser: the form, a fault, the week, a rehearsal, the launch."""

import re

import pytest
from fastapi import FastAPI
from playwright.async_api import expect

from campaign.store.accounts import Role
from campaign.wiring import Services
from tests.support.browser import chromium, served, window
from tests.support.campaigns import make_list
from tests.web.conftest import PersonFor

pytestmark = pytest.mark.timeout(300)


async def test_a_campaign_is_built_with_the_form_rehearsed_and_launched(
    app: FastAPI, services: Services, person_for: PersonFor
):
    operator = await person_for(Role.OPERATOR)
    await make_list(services.db, contacts=3)
    async with served(app) as address, chromium() as browser:
        async with window(browser, address, token=operator.token) as shown:
            page = shown.page
            checked = page.locator("#checked")
            await shown.go("/console/campaigns/new?list=sample")
            await page.get_by_label("Name", exact=True).fill("Winter")

            # a fault is told at its field as soon as it is written, and gone when it is mended
            lines = page.get_by_label("Calls in progress at once, at most")
            await lines.fill("ten")
            await expect(page.locator("[id='pacing.lines-error']")).to_contain_text("a whole number from 1")
            await expect(lines).to_have_attribute("aria-invalid", "true")
            await page.get_by_role("button", name="Keep the draft").click()
            await expect(page.get_by_text("It is not kept yet: 1 fault.")).to_be_visible()
            await expect(lines).to_be_focused()
            await shown.keep("build-fault-desktop-light")
            assert await shown.violations() == []
            await lines.fill("2")
            await expect(checked).to_contain_text("This can be used.")
            await expect(page.get_by_text("It is not kept yet")).to_be_hidden()

            # the week: hours are written, drawn and copied
            monday = page.get_by_label("Monday", exact=True)
            tuesday = page.get_by_label("Tuesday", exact=True)
            await monday.fill("09:00-12:00")
            bar = page.locator("[data-bar='schedule.week.mon']")
            await expect(bar.locator("g rect")).to_have_count(1)
            await bar.scroll_into_view_if_needed()
            box = await bar.bounding_box()
            assert box is not None
            hour, middle = box["width"] / 24, box["y"] + box["height"] / 2
            await page.mouse.move(box["x"] + 13.1 * hour, middle)
            await page.mouse.down()
            await page.mouse.move(box["x"] + 16.9 * hour, middle, steps=4)
            await page.mouse.up()
            await expect(monday).to_have_value("09:00-12:00, 13:00-17:00")
            await page.get_by_role("button", name="Monday’s hours for all weekdays").click()
            await expect(tuesday).to_have_value("09:00-12:00, 13:00-17:00")
            await expect(checked).to_contain_text("mon-fri 09:00-12:00 and 13:00-17:00")

            # a question more than there was room for, and one less
            await page.get_by_label("As it is spoken").first.fill("Are you well?")
            await page.get_by_label("Key of the answer").first.fill("well")
            await page.get_by_label("Kind of answer").first.select_option("yes_no")
            await page.get_by_role("button", name="Another question").click()
            await expect(page.get_by_label("As it is spoken").nth(1)).to_be_focused()
            await page.get_by_label("As it is spoken").nth(1).fill("And why?")
            await expect(page.locator("[id='script.questions.1.key-error']")).to_contain_text("is missing")
            await page.get_by_role("button", name="Another question").click()
            await page.get_by_label("As it is spoken").nth(2).fill("And then?")
            await page.get_by_role("button", name="Remove question 2").click()
            await expect(page.locator("[id='script.questions.2.key-error']")).to_contain_text("is missing")
            await page.get_by_role("button", name="Remove question 3").click()
            await expect(checked).to_contain_text("This can be used.")

            # rehearsed as it stands, unsaved
            said = page.locator("#rehearsal .said")
            await page.get_by_role("button", name="Begin", exact=True).click()
            await expect(said).to_contain_text("this is a short call about your appointment")
            await expect(page.get_by_label("What you say")).to_be_focused()
            await page.keyboard.type("go ahead")
            await page.keyboard.press("Enter")
            await expect(said).to_contain_text("Are you well?")
            await page.keyboard.type("yes, I am")
            await page.keyboard.press("Enter")
            await expect(page.locator("#rehearsal .facts")).to_contain_text("well")
            await shown.keep("build-rehearsal-desktop-light")
            assert await shown.violations() == []
            assert await shown.unreachable() == []

            # the same as TOML, back, kept, looked at, launched
            await page.get_by_role("button", name="TOML", exact=True).click()
            toml = page.get_by_label("Definition, as TOML")
            await expect(toml).to_have_value(re.compile(r"mon-fri = .09:00-12:00, 13:00-17:00"))
            await expect(toml).to_have_value(re.compile(r"Are you well"))
            await shown.keep("build-toml-desktop-light")
            assert await shown.violations() == []
            await page.get_by_role("button", name="Form", exact=True).click()
            await page.get_by_role("button", name="Keep the draft").click()
            await expect(page.get_by_role("heading", name="Preview of Winter")).to_be_visible()
            preview = page.url.removeprefix(address)
            await page.get_by_role("button", name="Launch").click()
            await page.get_by_role("dialog").get_by_role("button", name="Launch").click()
            await expect(page.get_by_text("Winter is running.")).to_be_visible()
            assert [one for one in shown.faults if "422" not in one] == []
        edit = preview.replace("/preview", "/edit")
        for path, size, scheme in (
            (edit, "phone", "dark"),
            ("/console/campaigns/new?list=sample", "phone", "light"),
            (edit, "desktop", "dark"),
        ):
            async with window(browser, address, token=operator.token, size=size, scheme=scheme) as shown:  # type: ignore[arg-type]
                await shown.go(path)
                name = "new" if "new" in path else "edit"
                await shown.keep(f"build-{name}-{size}-{scheme}")
                assert await shown.violations() == [], (path, size, scheme)
                assert await shown.too_wide() == 0, (path, size, scheme)
                assert shown.faults == []
