"""Three people's days at the console, and the admin's who let them in: real Chromium, the running service,
the simulated Twilio. Screenshots of every step are kept: screenshots/day-*.png.

One story told once: what each finds is what the one before left behind.
"""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.support.browser import Window, chromium, window
from tests.support.console import PASSWORD
from tests.support.house import House, standing

pytestmark = pytest.mark.timeout(300)
LONG_MS = 90_000
"""For what takes a process of its own or some calls: the machine may be busy."""

PEOPLE = {
    "+12125550101": "rambler",
    "+12125550102": "interested",
    "+12125550103": "not_interested",
    "+12125550104": "do_not_call",
    "+12125550105": "voicemail",
    "+12125550106": "busy",
    "+12125550107": "wrong_number",
    "+12125550108": "not_interested",
}
SHEET = """\
First Name;Handset;Town;Remark
Rita;(212) 555-0101;New York;talks a lot
Ivo;212-555-0102;New York;
Nell;+1 212 555 0103;New York;=HYPERLINK("http://127.0.0.1")
Chloé;212.555.0104;New York;
Nobody;12;New York;
Sana;;New York;
Vic;2125550105;New York;
Bob;212 555 0106;New York;
Wes;(212)555-0107;New York;
Ivo again;212-555-0102;New York;
Max;1-212-555-0108;New York;
"""
"""As a spreadsheet on Windows writes it: semicolons, no UTF-8, a heading that nobody could guess."""

QUESTIONS = (
    ("people", "How many people live with you?"),
    ("rooms", "How many rooms would we come to see?"),
    ("years", "How many years have you lived there?"),
    ("visits", "How many visits would you like in a year?"),
    ("looks", "How often do you look after the heating yourself, in a month?"),
    ("baths", "How many baths and showers are there?"),
    ("floors", "How many floors are heated?"),
    ("stoves", "How many stoves do you have besides?"),
    ("windows", "How many windows are older than ten years?"),
    ("guests", "How many guests do you have in a usual winter?"),
    ("weeks", "How many weeks a year is nobody at home?"),
    ("degrees", "How many degrees do you like in the evening?"),
)
"""So many that a person who answers them all is still there when the operator has looked around."""

DEFINITION = """\
name = "Autumn visits"
purpose = "informational"
lists = ["autumn"]
caller_ids = ["+12025550142"]
regions = ["US"]

[seller]
legal_name = "Harbor & Pine, Inc."
callback_number = "+12025550142"
opt_out_number = "+18335550199"

[pacing]
lines = 3

[schedule.week]
mon-sun = "09:00-20:00"

[retry]
budget = 1
min_gap_minutes = 0
per_number_per_day = 3

[script]
greeting = "Hello {{ first_name | there }}, we come to look after your heating this autumn."
goal = "Find out what the person expects of the visit."
closing = "Thank you very much. Goodbye!"
""" + "".join(
    f'\n[[script.questions]]\nkey = "{key}"\nask = "{ask}"\nkind = "number"\n' for key, ask in QUESTIONS
)


async def look(shown: Window, name: str) -> None:
    """Whoever meets a page finds nothing in its way; the picture is kept."""
    await shown.quiet()
    assert await shown.violations() == [], name
    assert shown.faults == [], name
    await shown.keep(f"day-{name}")


def button(shown: Window, name: "str | re.Pattern[str]") -> Locator:
    """A button of the dialog that is open."""
    return shown.page.get_by_role("dialog").get_by_role("button", name=name)


async def test_the_days_of_those_who_upload_who_run_campaigns_and_who_ask(db_url: str, folder: Path):
    house = House(folder, db_url, rate=5.0, cps=2.0)
    people = [part for number, who in PEOPLE.items() for part in ("--person", f"{number}={who}")]
    with house.simulator(*people), house.service():
        async with chromium() as browser, window(browser, house.url) as admin:
            links = await an_admin_lets_them_in(admin, house)
            await an_uploaders_day(browser, house, links["uploader"], folder)
            await an_operators_day(browser, house, links["operator"])
            await an_analysts_day(browser, house, links["analyst"])
            await an_admin_reads_who_did_what(admin)
        left = await asyncio.to_thread(standing, db_url)
        assert (left["unsettled"], left["without_outcome"], left["left"]) == (0, 0, 0)


# ── the admin's morning ────────────────────────────────────────────────────────────────────────────────


async def an_admin_lets_them_in(shown: Window, house: House) -> dict[str, str]:
    """The first user by the link in the terminal; then one of each role. Returns their links."""
    page = shown.page
    await shown.come_in(house.first_link(), "Ada Lindt", "ada@example.com")
    await look(shown, "02-home-empty")
    links = {}
    for name, role in (("Uma Lund", "uploader"), ("Olu Ray", "operator"), ("Ann Sato", "analyst")):
        await shown.turn_to("Users")
        await page.get_by_role("link", name="Add a user").click()
        form = page.get_by_role("dialog")
        await form.get_by_label("Name").fill(name)
        await form.get_by_label("E-mail").fill(f"{role}@example.com")
        await form.get_by_label("Role").select_option(role)
        await form.get_by_role("button", name="Add").click()
        links[role] = await page.get_by_label(f"One-time link for {name}").input_value()
    await look(shown, "03-users")
    return links


# ── who uploads ────────────────────────────────────────────────────────────────────────────────────────


async def an_uploaders_day(browser: Browser, house: House, link: str, folder: Path) -> None:
    """Signs in, sends a messy file, tells what its columns are, reads the verdict, takes the rejected."""
    sheet = folder / "autumn.csv"
    sheet.write_bytes(SHEET.encode("cp1252"))
    async with window(browser, house.url) as shown:
        page = shown.page
        await shown.come_in(link)
        await page.get_by_role("button", name="Sign out").click()
        await look(shown, "10-sign-in")
        await page.get_by_label("E-mail").fill("uploader@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()

        await shown.turn_to("Lists")
        await look(shown, "11-lists-empty")
        await page.get_by_role("link", name="Upload a list").first.click()
        await page.get_by_label("Choose a file").set_input_files(sheet)
        await look(shown, "12-upload")
        await page.get_by_role("button", name="Go on").click()

        await expect(page.get_by_role("heading", name="What is what")).to_be_visible()
        await expect(page.get_by_text("No column holds telephone numbers.")).to_be_visible()
        await page.get_by_label("What “Handset” is").select_option(label="Phone number")
        await expect(page.locator("#becomes")).to_contain_text("2 of these 8 rows would be rejected.")
        await expect(page.locator("#becomes")).to_contain_text("Chloé")
        await page.get_by_label("Rows that say nothing of consent have").select_option("express_written")
        await page.get_by_label("How it was given").fill("service contract, clause 4")
        await page.get_by_label("Given on, at the latest").fill("2026-10-01")
        await look(shown, "13-columns")
        await page.get_by_role("button", name="Import").click()

        await expect(page.get_by_role("heading", name="The verdict")).to_be_visible(timeout=LONG_MS)
        await expect(page.get_by_text("8 of 11 rows are on the list now.")).to_be_visible()
        await look(shown, "14-verdict")
        async with page.expect_download() as taking:
            await page.get_by_role("link", name="Download the rejected rows").click()
        rejected = await (await taking.value).path()
        lines = (await asyncio.to_thread(rejected.read_text, "utf-8-sig")).splitlines()
        assert [line.partition(",")[0] for line in lines] == ["First Name", "Nobody", "Sana"]
        await page.get_by_role("link", name="See the list").click()
        await expect(page.get_by_role("heading", name="autumn")).to_be_visible()
        await look(shown, "15-list")


# ── who runs campaigns ─────────────────────────────────────────────────────────────────────────────────


async def an_operators_day(browser: Browser, house: House, link: str) -> None:
    """Builds a campaign over the list, launches it, watches and steers it, calls some again."""
    async with window(browser, house.url) as shown:
        await shown.come_in(link)
        await builds_and_launches(shown)
        await watches(shown)
        await looks_after_a_person(shown)
        await sees_it_finish_and_calls_again(shown)


async def builds_and_launches(shown: Window) -> None:
    page = shown.page
    await shown.turn_to("Campaigns")
    await look(shown, "20-campaigns-empty")
    await page.get_by_role("link", name="New campaign").first.click()
    await look(shown, "20-campaign-form")
    await page.get_by_role("button", name="TOML", exact=True).click()
    await page.get_by_label("Definition, as TOML").fill(DEFINITION.replace("lines = 3", "lines = -3"))
    await expect(page.locator("#checked")).to_contain_text("pacing.lines")
    await look(shown, "21-build-fault")
    await page.get_by_label("Definition, as TOML").fill(DEFINITION)
    await expect(page.locator("#checked")).to_contain_text("Hello Rita, we come to look after your heating")
    await look(shown, "22-build")
    await page.get_by_role("button", name="Keep the draft").click()
    await page.get_by_role("button", name="Preview now").click()
    await expect(page.get_by_text("8 will be called now")).to_be_visible(timeout=LONG_MS)
    await look(shown, "23-preview")
    await page.get_by_role("button", name=re.compile("Launch|Start")).first.click()
    await button(shown, re.compile("Launch|Start")).click()
    await expect(page.get_by_text("Autumn visits is running.")).to_be_visible()


async def watches(shown: Window) -> None:
    """Words appear as they are spoken; a call is ended; the campaign is paused and goes on."""
    page = shown.page
    await shown.turn_to("Campaigns")
    await page.get_by_role("link", name="Autumn visits").click()
    rita = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="Rita"))
    await expect(rita).to_contain_text(re.compile("We: .*(Hello|How)", re.DOTALL), timeout=LONG_MS)
    await look(shown, "24-live")
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_role("dialog").get_by_label("Why").fill("a question about the script")
    await button(shown, "Pause").click()
    await expect(page.get_by_text("Autumn visits is paused.")).to_be_visible()
    await expect(page.locator("#campaign-alerts")).to_contain_text("a question about the script")
    await look(shown, "25-paused")

    await rita.get_by_role("link", name="Rita").click()  # who talks may finish
    said = page.locator("#call-said")
    await expect(said).to_contain_text("Hello Rita, we come to look after your heating")
    await expect(said).to_contain_text("How many rooms would we come to see?", timeout=LONG_MS)
    await look(shown, "26-live-call")
    await page.get_by_role("button", name="End the call").click()
    await button(shown, "End the call").click()
    await expect(page.get_by_text(re.compile(r"Call \d+ (ends|is being ended)"))).to_be_visible()
    await expect(page.get_by_role("button", name="End the call")).to_be_hidden(timeout=LONG_MS)

    await shown.turn_to("Campaigns")
    await page.get_by_role("link", name="Autumn visits").click()
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("Autumn visits is running.")).to_be_visible()


async def looks_after_a_person(shown: Window) -> None:
    """Rita's call was ended; her story is told, and one click keeps her from being called again."""
    page = shown.page
    await shown.turn_to("Calls")
    await page.get_by_role("row").filter(has_text="Rita").get_by_role("link").first.click()
    await expect(page.get_by_role("heading", name="Call to Rita")).to_be_visible()
    await look(shown, "27-call-ended")
    await page.get_by_role("link", name="The person’s story").click()
    await expect(page.get_by_role("heading", name="+1 212-555-0101")).to_be_visible()
    await page.get_by_role("button", name="Do not call this person").click()
    await expect(page.get_by_text("is not called any more")).to_be_visible()
    await look(shown, "28-person")


async def sees_it_finish_and_calls_again(shown: Window) -> None:
    page = shown.page
    await shown.turn_to("Campaigns")
    await page.get_by_role("link", name="Autumn visits").click()
    state = page.locator("#campaign-state")
    await expect(state).to_contain_text("completed", timeout=LONG_MS)
    await expect(page.locator("#campaign-figures")).to_contain_text("8 of 8 contacts", timeout=LONG_MS)
    await look(shown, "29-finished")
    await page.get_by_role("link", name="Call again…").click()
    await page.get_by_role("checkbox", name=re.compile("busy")).check()
    await expect(page.get_by_text("1 person goes back in the queue.")).to_be_visible()
    await look(shown, "30-again")
    await page.get_by_role("button", name="Call them again").click()
    await expect(page.get_by_text("1 person is in the queue again.")).to_be_visible()
    await expect(state).to_contain_text("paused")
    await page.get_by_role("button", name="Resume").click()
    await expect(state).to_contain_text("completed", timeout=LONG_MS)


# ── who asks ───────────────────────────────────────────────────────────────────────────────────────────


async def an_analysts_day(browser: Browser, house: House, link: str) -> None:
    """Searches calls, reads one from its decision to its answers, takes the figures along."""
    async with window(browser, house.url) as shown:
        page = shown.page
        await shown.come_in(link)
        await shown.turn_to("Calls")
        await look(shown, "31-calls")
        await page.get_by_label("Words that were said").fill("degrees")
        await page.get_by_label("Disposition").select_option("completed")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("row")).to_have_count(2)
        async with page.expect_download() as taking:
            await page.get_by_role("link", name="Download as CSV").click()
        taken = await (await taking.value).path()
        lines = (await asyncio.to_thread(taken.read_text, "utf-8")).splitlines()
        assert len(lines) == 2
        assert ",Ivo,+12125550102,Autumn visits," in lines[1]
        await page.get_by_role("row").filter(has_text="Ivo").get_by_role("link").first.click()
        await expect(page.locator("#call-said")).to_contain_text("Hello Ivo, we come to look after")
        await expect(page.locator("#call-said")).to_contain_text("Answers gathered")
        await expect(page.locator("#call-times")).to_contain_text("Answered")
        await expect(page.get_by_role("heading", name="Why this person was called")).to_be_visible()
        await look(shown, "32-call")
        assert (
            await page.get_by_role("button", name=re.compile("Pause|End the call|Do not call")).count() == 0
        )


async def an_admin_reads_who_did_what(shown: Window) -> None:
    page = shown.page
    await shown.turn_to("Home")
    await look(shown, "40-home")
    await shown.turn_to("Audit trail")
    await page.get_by_label("Who", exact=True).fill("user:operator@example.com")
    await page.get_by_role("button", name="Show").click()
    trail = page.get_by_role("table", name="Audit trail")
    for deed in ("campaign.start", "campaign.pause", "campaign.resume", "campaign.redial"):
        await expect(trail.get_by_role("link", name=deed, exact=True).first).to_be_visible()
    await expect(trail).to_contain_text("a question about the script")
    await expect(trail).to_contain_text("dispositions busy")
    await look(shown, "41-audit")
