"""The console in a real browser: Debian's Chromium, headless, with axe to ask whether a page is accessible.

Screenshots are kept below screenshots/ (ignored by Git), as output of CI.
"""

import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright, expect

from campaign.web.browser import COOKIE
from tests.support.console import PASSWORD
from tests.support.served import served

__all__ = ["Window", "chromium", "served", "window"]

REPOSITORY = Path(__file__).parents[2]
SCREENSHOTS = REPOSITORY / "screenshots"
AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
expect.set_options(timeout=20_000)  # the machine may be busy

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOWS = {"desktop": (1360, 900), "phone": (390, 844), "picture": (1280, 860)}
FOCUSABLE = (
    "a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select:not([disabled]), "
    "textarea:not([disabled]), summary, [tabindex='0']"
)


def program() -> str:
    """Where Chromium is; the line to run where it isn't."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert found, "Chromium is not installed. Run: .ci/setup tests"
    assert AXE.is_file(), "axe-core is not installed. Run: .ci/setup tests"
    return found


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser of its own."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        try:
            yield opened
        finally:
            await opened.close()


class Window:
    """A page in a browser, with everything that it complained about."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "console",
            lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else None,
        )

    async def go(self, path: str) -> None:
        """Open a page, and wait until it is quiet: htmx has fetched its parts, charts are drawn."""
        await self.page.goto(self.address + path)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until nothing is loaded any more; on a live page, whose stream never ends, until it spoke."""
        if await self.page.locator("[data-live]").count():
            await self.page.locator("[data-live][data-heard]").first.wait_for(state="attached")
        else:
            await self.page.wait_for_load_state("networkidle")

    async def turn_to(self, name: str) -> None:
        """By the menu, as everybody does."""
        menu = self.page.get_by_role("navigation", name="Main")
        await menu.get_by_role("link", name=name, exact=True).click()

    async def come_in(self, link: str, name: str = "", email: str = "") -> None:
        """By a link that works once: a password is chosen, and that is the sign-in.

        Args:
            name, email: of the first user, who is asked for them.
        """
        await self.go(urlsplit(link).path)
        if name:
            await self.page.get_by_label("Your name").fill(name)
            await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        await self.page.get_by_label("The same password again").fill(PASSWORD)
        await self.page.get_by_role("button", name=re.compile("Set password|Make the first user")).click()
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    async def keep(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SCREENSHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    async def violations(self) -> list[str]:
        """What axe finds wrong: rule, why, and where."""
        # evaluated by the browser's debugger: the page's own policy lets no foreign script in
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{rule['id']}: {rule['help']}: "
            + "; ".join(str(node["html"])[:160] for node in rule["nodes"][:3])
            for rule in found["violations"]
        ]

    async def too_wide(self) -> int:
        """By how many pixels the page is wider than the window."""
        wide: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide

    async def unreachable(self) -> list[str]:
        """What can be used with a mouse and is not reached by the Tab key."""
        await self.page.evaluate(
            """(what) => {
              window.scrollTo(0, 0); document.activeElement?.blur();
              const shut = (one) => one.closest('dialog:not([open])');
              window.wanted = [...document.querySelectorAll(what)].filter(
                (one) => one.checkVisibility({visibilityProperty: true}) && !shut(one) && one.tabIndex >= 0);
              window.reached = new Set();
              document.addEventListener('focusin', (event) => window.reached.add(event.target));
            }""",
            FOCUSABLE,
        )
        presses: int = await self.page.evaluate(
            # a field for a date is one stop each for month, day, year and the calendar
            "window.wanted.length + 3 * window.wanted.filter((one) => one.type === 'date').length"
            # and with a time hour, minute, and half of the day besides
            " + 6 * window.wanted.filter((one) => one.type === 'datetime-local').length"
        )
        for _ in range(presses + 5):
            await self.page.keyboard.press("Tab")
        left: list[str] = await self.page.evaluate(
            "window.wanted.filter((one) => !reached.has(one)).map((one) => one.outerHTML.slice(0, 160))"
        )
        return left


@contextlib.asynccontextmanager
async def window(
    browser: Browser,
    address: str,
    *,
    token: str | None = None,
    size: str = "desktop",
    scheme: Literal["light", "dark"] = "light",
    zone: str = "America/New_York",
) -> AsyncIterator[Window]:
    """A window of its own: no cookies but the session's, if one is given."""
    width, height = WINDOWS[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, timezone_id=zone, locale="en-US"
    )
    if token is not None:
        cookie = {"name": COOKIE, "value": token, "url": address, "httpOnly": True, "sameSite": "Lax"}
        await context.add_cookies([cookie, {"name": "zone", "value": zone, "url": address}])  # type: ignore[list-item]
    try:
        yield Window(await context.new_page(), address)
    finally:
        await context.close()
