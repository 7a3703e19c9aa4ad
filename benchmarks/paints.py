"""How soon a page is seen: python -m benchmarks paints [--small] [--attempts N]

Pages of the console over many attempts (made as for `reports`), served by `campaign serve` and opened in
Chromium one after the other, round by round. *Answered* is when the page itself is there, *painted* when the
first of it is seen, styles and all; both from the click on. In the first round neither the browser nor the
service has ever seen a page. How much of it is the browser's own, on a machine without a graphics card, is
told by a page of a few words (`/health`); beside every other page stands what it needs beyond that.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from playwright.async_api import Page

from benchmarks import machine, reports
from benchmarks.console import sign_in
from campaign.flow import rollups
from campaign.settings import parse_instant
from campaign.store.database import Database
from tests.support import rows
from tests.support.browser import chromium, window
from tests.support.house import START, House

GOAL_MS = 200.0
SEEN = 777
"""The call, and the person, that are looked into."""
FLOOR = "/health"
PAGES = (
    "/console",
    "/console/campaigns",
    "/console/campaigns/7",
    "/console/live",
    "/console/calls",
    "/console/calls?campaign=7",
    "/console/calls?disposition=interested",
    "/console/calls?since=2026-11-01&until=2026-11-02",
    f"/console/calls/{SEEN}",
    f"/console/people/a{SEEN}",
    "/console/lists",
    "/console/reports",
    "/console/reports/funnel",
    "/console/reports/outcomes",
    "/console/reports/hours",
    "/console/audit",
)
_PAINTED = """() => {
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  return paint && [performance.getEntriesByType('navigation')[0].responseEnd, paint.startTime];
}"""


async def make_readable(db: Database) -> None:
    """What `reports.prepare` makes are counts; pages need a definition, and a person whom one can ask for."""
    definition = json.dumps(rows.definition())
    await rows.run(
        db, "UPDATE campaign_versions SET definition = CAST(:definition AS jsonb)", definition=definition
    )
    whose = f"(SELECT contact_id FROM attempts WHERE id = {SEEN})"
    for table, key in (("attempts", "contact_id"), ("campaign_contacts", "contact_id"), ("contacts", "id")):
        await rows.run(db, f"UPDATE {table} SET phone = :phone WHERE {key} = {whose}", phone=rows.PHONE)


async def prepare(url: str) -> str:
    """Roll-ups and what pages need; the token of somebody signed in."""
    db = Database(url)
    try:
        await make_readable(db)
        await rollups.rebuild(db, reports.NOW)
        (token,) = await sign_in(db, 1, parse_instant(START))
        return token
    finally:
        await db.close()


async def painted(page: Page, address: str) -> tuple[float, float]:
    """Milliseconds until a page was answered, and until it was painted."""
    answer = await page.goto(address)
    if answer is None or answer.status != 200:
        raise RuntimeError(f"{address} answers {answer and answer.status}")
    found: Any = await (await page.wait_for_function(_PAINTED)).json_value()
    return found[0], found[1]


async def measure(address: str, token: str, times: int) -> Mapping[str, Sequence[tuple[float, float]]]:
    """Page → what was seen each time, in order."""
    found: dict[str, list[tuple[float, float]]] = {path: [] for path in (FLOOR, *PAGES)}
    async with chromium() as browser, window(browser, address, token=token) as shown:
        for _ in range(times):
            for path in found:
                found[path].append(await painted(shown.page, address + path))
    return found


def run(*, small: bool = False, attempts: int | None = None) -> None:
    """Measure and print."""
    machine.quiet()
    count = attempts or (2_000 if small else 1_000_000)
    with machine.scratch_folder() as folder, machine.server(folder) as server:
        reports.prepare(server.url, count)
        token = asyncio.run(prepare(server.url))
        with machine.connect(server.url) as connection:
            connection.execute("VACUUM ANALYZE")
        house = House(folder, server.url, rate=1.0, cps=1.0)
        with house.service("service", "--role", "web"):
            found = asyncio.run(measure(house.url, token, 3 if small else 20))
    told = []
    floor = median(paints for _, paints in found[FLOOR][1:])
    for path, took in found.items():
        answered, paints = zip(*took[1:], strict=True)
        told.append(
            [
                path,
                *(f"{one:.0f}" for one in (median(answered), median(paints), median(paints) - floor)),
                f"{machine.percentile(paints, 0.95):.0f}",
                f"{took[0][1]:.0f}",
            ]
        )
    command = "python -m benchmarks paints" + (" --small" if small else "")
    machine.show(
        f"First paint over {count:,} attempts",
        ("", "answered p50 ms", "painted p50", "beyond a few words", "p95", "first round"),
        [*told, ["goal", "", f"≤ {GOAL_MS:.0f}", "", "", ""]],
        command + (f" --attempts {attempts}" if attempts else ""),
    )
