"""The pictures of docs/images, of the real thing: python -m benchmarks.screenshots

The sample list is uploaded, the sample campaign built and run at the console of a real service, with a
simulated Twilio at its other end; Chromium looks on. All names and numbers are made up. `.ci/setup tests`
brings what it needs.
"""

import asyncio
from pathlib import Path

from PIL import Image
from playwright.async_api import expect

from benchmarks import machine
from campaign.cli.demo import demo_definition, samples_dir
from campaign.domain.campaign import to_toml
from tests.support.browser import Window, chromium, window
from tests.support.house import House

IMAGES = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 150_000
LONG_MS = 120_000
NOON = "2026-11-24T13:05:00-05:00"
"""A Tuesday on which people may be called from coast to coast."""
PEOPLE = (
    "[weights]\ninterested = 4\ninterrupter = 3\nrambler = 3\nnot_interested = 2\nno_answer = 1\nbusy = 1\n"
)


async def picture(shown: Window, name: str) -> None:
    """What stands in the window, as a small PNG of 256 colours."""
    path = IMAGES / f"{name}.png"
    await shown.page.screenshot(path=path, animations="disabled")
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size:,} bytes; {MOST_BYTES:,} are the most.")
    print(f"{path.relative_to(IMAGES.parents[1])}: {size:,} bytes")


async def upload(shown: Window) -> None:
    page = shown.page
    await shown.go("/console/lists/upload")
    await page.get_by_label("Choose a file").set_input_files(samples_dir() / "contacts.sample.csv")
    await page.get_by_role("button", name="Go on").click()
    await page.get_by_label("Name", exact=True).fill("sample")
    await page.get_by_role("button", name="Import").click()
    await expect(page.get_by_role("heading", name="The verdict")).to_be_visible(timeout=LONG_MS)
    await shown.quiet()
    await picture(shown, "verdict")


async def build(shown: Window) -> None:
    page = shown.page
    sample = (samples_dir() / "docs" / "samples" / "campaign.toml").read_text("utf-8")
    await shown.go("/console/campaigns/new?list=sample&view=toml")
    await page.get_by_label("Definition, as TOML").fill(to_toml(demo_definition(sample)))
    await expect(page.locator("#checked")).to_contain_text("you asked us about solar panels")
    await page.get_by_role("button", name="Form", exact=True).click()
    await expect(page.get_by_label("Name", exact=True)).to_be_visible()
    await picture(shown, "build")
    await page.get_by_role("button", name="Keep the draft").click()
    await page.get_by_role("button", name="Preview now").click()
    await expect(page.get_by_text("Called at once").first).to_be_visible(timeout=LONG_MS)
    await page.get_by_role("button", name="Launch").click()
    await page.get_by_role("dialog").get_by_role("button", name="Launch").click()
    await expect(page.get_by_text("is running.")).to_be_visible()


async def watch(shown: Window) -> None:
    page = shown.page
    await shown.go("/console/campaigns/1")
    outcomes = page.locator("#campaign-figures .dispositions")
    await expect(outcomes.get_by_text("interested", exact=True)).to_be_visible(timeout=LONG_MS)
    await expect(page.locator(".call.answered .said .person").nth(3)).to_be_visible(timeout=LONG_MS)
    await page.set_viewport_size({"width": 1280, "height": 1320})
    await picture(shown, "live")
    await page.set_viewport_size({"width": 1280, "height": 860})
    await shown.go("/console")
    await picture(shown, "home")


async def look_into_a_call(shown: Window) -> None:
    page = shown.page
    await shown.go("/console/campaigns/1")
    await expect(page.locator("#live-calls")).to_contain_text("No call is up.", timeout=LONG_MS)
    await shown.go("/console/calls?disposition=interested")
    await page.get_by_role("row").nth(1).get_by_role("link").first.click()
    await expect(page.get_by_text("Answers gathered")).to_be_visible()
    await picture(shown, "call")
    await shown.go("/console/reports")
    await picture(shown, "reports")


async def main(folder: Path, url: str) -> None:
    house = House(folder, url, rate=3.0, cps=1.0, more={"CAMPAIGN_CLOCK": NOON})
    people = folder / "people.toml"
    people.write_text(PEOPLE, encoding="utf-8")
    IMAGES.mkdir(exist_ok=True)
    with house.simulator("--people", str(people), "--clock", NOON), house.service():
        dnc = samples_dir() / "docs" / "samples" / "dnc.sample.csv"
        await asyncio.to_thread(house.run, "dnc", "import", str(dnc))
        async with chromium() as browser, window(browser, house.url, size="picture") as shown:
            await shown.come_in(house.first_link(), "Ada Lindt", "ada@example.com")
            await upload(shown)
            await build(shown)
            await watch(shown)
            await look_into_a_call(shown)


if __name__ == "__main__":
    machine.quiet()
    with machine.scratch_folder() as place, machine.server(place) as database:
        asyncio.run(main(place, database.url))
