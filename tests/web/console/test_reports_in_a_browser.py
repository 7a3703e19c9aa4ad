"""An analyst asks what came of it, and an admin has a CRM told of it, in a real browser."""

from typing import Literal

import pytest
from playwright.async_api import expect

from campaign.domain.disposition import Disposition as D
from campaign.flow import rollups
from campaign.store.accounts import Role
from campaign.web.console.report_pages import COMPARE, TITLES
from campaign.wiring import Services
from tests.support.browser import chromium, served, window
from tests.support.settled import Desk
from tests.web.conftest import PersonFor

pytestmark = pytest.mark.timeout(300)

ENDS = (D.NO_ANSWER, D.INTERESTED, D.MACHINE, D.DO_NOT_CALL, D.NOT_INTERESTED, D.BUSY, D.CALLBACK)
LOOKS: tuple[tuple[str, Literal["light", "dark"]], ...] = (("desktop", "dark"), ("phone", "light"))


async def called(services: Services) -> None:
    """Two campaigns, called for a week at all hours of the day."""
    desk = await Desk(services.db, services.clock.now()).open()
    for n in range(28):
        end = ENDS[n * 3 % len(ENDS)]
        talk = end in (D.INTERESTED, D.NOT_INTERESTED, D.DO_NOT_CALL, D.CALLBACK)
        attempt = await desk.attempt(
            end,
            campaign=n % 2,
            contact=n % 11,
            after=24 * (n % 7) + n % 5,
            seconds=20 * n if talk else 0,
            first_word_ms=300 + 90 * n if talk else None,
            cost=f"0.{n:02}",
        )
        if n % 9 == 4:
            await desk.recovery(attempt, "resume", "the conversation went on")
    await rollups.catch_up(services.db, services.clock.now())


async def test_an_analyst_compares_narrows_and_takes_the_numbers_along_and_an_admin_tells_a_crm(
    app, services: Services, person_for: PersonFor
):
    await called(services)
    analyst, admin = await person_for(Role.ANALYST), await person_for(Role.ADMIN)
    async with served(app) as address, chromium() as browser:
        async with window(browser, address, token=analyst.token) as shown:
            page = shown.page
            await shown.go("/console")
            await page.get_by_role("navigation", name="Main").get_by_role("link", name="Reports").click()
            await expect(page.get_by_role("figure").filter(has_text="Answer rate")).to_contain_text(
                "campaign 1"
            )

            await page.get_by_text("All", exact=True).first.click()
            await page.get_by_role("checkbox", name="campaign 1").check()
            await page.get_by_label("Divided by").select_option("Time zone")
            await page.get_by_role("button", name="Show").click()
            await expect(page.get_by_role("row", name="America/Los_Angeles").first).to_be_visible()

            await page.get_by_role("link", name="Outcomes").click()
            await expect(page.get_by_role("img", name="Attempts by day, America/New_York")).to_be_visible()
            assert "campaign_id=2&by=zone" in page.url, "what was chosen goes along"
            await page.get_by_text("Numbers", exact=True).first.click()
            await expect(page.get_by_role("rowheader", name="2026-11-24").first).to_be_visible()
            async with page.expect_download() as saving:
                await page.get_by_role("link", name="CSV").click()
            assert (await saving.value).suggested_filename == "outcomes.csv"

            for name in TITLES:
                await shown.go(f"/console/reports{'' if name == COMPARE else '/' + name}")
                await shown.keep(f"report-{name}")
                assert await shown.violations() == [], name
                if name == "outcomes":
                    assert await shown.unreachable() == [], name
            assert shown.faults == []

        async with window(browser, address, token=admin.token) as shown:
            page = shown.page
            await shown.go("/console/webhooks")
            await page.get_by_role("link", name="Add an endpoint").click()
            dialog = page.get_by_role("dialog")
            await dialog.get_by_label("Address").fill("http://127.0.0.1:9/hooks")
            await dialog.get_by_label("outcome.recorded").check()
            assert await shown.violations() == []
            await dialog.get_by_role("button", name="Add").click()
            assert (await page.get_by_label("Secret").input_value()).startswith("whsec_")
            await page.get_by_role("button", name="Send a test").click()
            await expect(page.get_by_text("The test was not taken").first).to_be_visible()
            await expect(page.get_by_role("row", name="webhook.test")).to_contain_text("waiting")
            await shown.keep("webhook")
            assert await shown.violations() == []
            assert shown.faults == []

        for size, scheme in LOOKS:
            async with window(browser, address, token=admin.token, size=size, scheme=scheme) as shown:
                for path in ("reports/hours", "reports/outcomes?by=campaign", "webhooks/1"):
                    await shown.go(f"/console/{path}")
                    await shown.keep(f"{path.partition('?')[0].replace('/', '-')}-{size}-{scheme}")
                    assert await shown.violations() == [], (path, size, scheme)
                    assert await shown.too_wide() == 0, (path, size, scheme)
