"""An uploader's morning in a real browser: a file dropped, its columns told, the verdict read."""

import asyncio
from pathlib import Path

from playwright.async_api import expect

from campaign.store.accounts import Role
from campaign.wiring import Services
from tests.support.browser import REPOSITORY, chromium, served, window
from tests.web.conftest import PersonFor

SAMPLE = REPOSITORY / "contacts.sample.csv"
BROKEN = "first_name,phone\nZed,12\nYan,+1 202 555 0199\n"


async def test_a_list_is_uploaded_and_looked_after(
    app, services: Services, person_for: PersonFor, tmp_path: Path
):
    admin = await person_for(Role.ADMIN)
    sheet = tmp_path / "autumn.csv"
    lines = await asyncio.to_thread(SAMPLE.read_text, encoding="utf-8")
    width = lines.splitlines()[0].count(",")
    first = lines.splitlines()[1].split(",")
    rejected = ["Zed", "Zorn", "12", *first[3:]]
    await asyncio.to_thread(
        sheet.write_text, lines + ",".join(first) + "\n" + ",".join(rejected) + "\n", encoding="utf-8"
    )
    assert len(rejected) == width + 1
    async with served(app) as address, chromium() as browser:
        async with window(browser, address, token=admin.token) as shown:
            page = shown.page
            await shown.go("/console/lists")
            await page.get_by_role("link", name="Upload a list").first.click()
            await shown.keep("upload-desktop-light")
            await page.get_by_label("Choose a file").set_input_files(sheet)
            await page.get_by_role("button", name="Go on").click()
            await expect(page.get_by_role("heading", name="What is what")).to_be_visible()
            await shown.quiet()
            await shown.keep("upload-columns-desktop-light")
            assert await shown.violations() == []
            await page.get_by_label("What “zip” is").select_option("")
            await expect(page.locator("#becomes")).to_contain_text("zip")
            await page.get_by_label("What “zip” is").select_option("postal_code")
            await page.get_by_label("Name", exact=True).fill("autumn")
            await page.get_by_role("button", name="Import").click()
            await expect(page.get_by_role("heading", name="The verdict")).to_be_visible(timeout=60_000)
            await expect(page.get_by_text("America/New York").first).to_be_visible()
            await shown.quiet()
            await shown.keep("import-desktop-light")
            assert await shown.violations() == []
            await page.get_by_role("link", name="See the list").click()
            await shown.quiet()
            await shown.keep("list-desktop-light")
            assert await shown.violations() == []
            assert await shown.unreachable() == []
            paths = [page.url.removeprefix(address)]
            await page.locator("tbody a").first.click()
            await page.get_by_role("link", name="Do not call…").wait_for()
            await shown.keep("contact-desktop-light")
            paths.append(page.url.removeprefix(address))
            paths += [f"{paths[0]}/imports", f"{paths[0]}/campaigns", f"{paths[0]}/contacts/new"]
            paths += ["/console/imports/1", "/console/dnc?phone=%2B12125550122", "/console/lists"]
            paths += ["/console/campaigns/new?list=autumn"]
            await shown.go(paths[-1])
            await shown.keep("build-desktop-light")
            assert await shown.violations() == []
            assert shown.faults == []
        async with window(browser, address, token=admin.token, size="phone", scheme="dark") as shown:
            for path in paths:
                await shown.go(path)
                name = path.partition("?")[0].removeprefix("/console/").replace("/", "-")
                await shown.keep(f"{name}-phone-dark")
                assert await shown.violations() == [], path
                assert await shown.too_wide() == 0, path
                assert shown.faults == [], path
