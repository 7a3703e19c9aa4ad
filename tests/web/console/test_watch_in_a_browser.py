"""An operator's watch in a real browser: words appear as they are said; pause, end a call, look into it."""

import pytest
from playwright.async_api import expect

from campaign.store.accounts import Role
from campaign.web import feeds
from campaign.wiring import Services
from tests.support import rows
from tests.support.browser import chromium, served, window
from tests.web.conftest import PersonFor
from tests.web.console.test_watch import PAGE, talking


async def say(services: Services, attempt: int, seq: int, said: str) -> None:
    await rows.run(
        services.db,
        "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, latency_ms, at) "
        "VALUES (:id, :seq, 1, 'agent', :said, 420, :at)",
        id=attempt,
        seq=seq,
        said=said,
        at=services.clock.now(),
    )


async def test_an_operator_watches_pauses_and_ends_a_call(
    app, services: Services, person_for: PersonFor, monkeypatch: pytest.MonkeyPatch
):
    attempt = await talking(services)
    person = await person_for(Role.ADMIN)
    async with (
        served(app) as address,
        chromium() as browser,
        window(browser, address, token=person.token) as shown,
    ):
        page = shown.page

        await shown.go(PAGE)
        call = page.locator(f"#call-{attempt}")
        await expect(call).to_contain_text("<b>Who</b> is this?")
        await expect(page.get_by_text("1 of 10 lines")).to_be_visible()
        await say(services, attempt, 4, "May I tell you more?")
        await expect(call).to_contain_text("May I tell you more?")
        assert await shown.violations() == []
        await shown.keep("campaign-running")

        await page.get_by_role("button", name="Pause").focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").get_by_label("Why").fill("wrong price in the script")
        await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        await expect(page.get_by_text("autumn is paused.")).to_be_visible()
        await expect(page.get_by_role("button", name="Resume")).to_be_visible()
        await expect(page.get_by_text("wrong price in the script").first).to_be_visible()

        # a stream that falls silent is told to be stale, and is news again when it speaks
        monkeypatch.setattr(feeds, "EVERY_S", 3600.0)
        await expect(page.get_by_text("The connection is lost.")).to_be_visible()
        assert await shown.violations() == []
        monkeypatch.undo()
        app.state.feeds.hurry()
        await expect(page.get_by_text("The connection is lost.")).to_be_hidden()

        await page.get_by_role("button", name="End the call to Ada").click()
        await page.get_by_role("dialog").get_by_role("button", name="End the call").click()
        await expect(page.get_by_text(f"Call {attempt} is being ended.")).to_be_visible()
        await expect(call).to_contain_text("is being ended")

        await shown.go(f"/console/calls/{attempt}")
        await say(services, attempt, 5, "Goodbye.")
        await expect(page.get_by_text("Goodbye.")).to_be_visible()
        await expect(page.get_by_text("after 420 ms").first).to_be_visible()
        assert await shown.violations() == []
        await shown.keep("call")
        await rows.run(
            services.db,
            "UPDATE attempts SET state = 'ended', settled_at = :at, ended_at = :at WHERE id = :id",
            id=attempt,
            at=services.clock.now(),
        )
        await expect(page.get_by_role("button", name="End the call")).to_be_hidden()

        await shown.go(f"/console/people/a{attempt}")
        assert await shown.violations() == []
        await page.get_by_role("button", name="Do not call this person").click()
        await expect(page.get_by_text("is not called any more")).to_be_visible()
        await shown.keep("person")
        assert shown.faults == []

        for path in (PAGE, f"/console/calls/{attempt}", f"/console/people/a{attempt}", "/console/calls"):
            for size, scheme in (("desktop", "dark"), ("phone", "light")):
                async with window(
                    browser,
                    address,
                    token=person.token,
                    size=size,
                    scheme="dark" if scheme == "dark" else "light",
                ) as other:
                    await other.go(path)
                    await expect(other.page.get_by_role("heading", level=1)).to_be_visible()
                    assert await other.violations() == [], (path, size, scheme)
                    assert await other.too_wide() == 0, (path, size, scheme)
