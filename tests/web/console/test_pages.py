"""Every page of the console comes, to whom it is open."""

import re
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from jinja2 import Environment
from pydantic import TypeAdapter
from sqlalchemy import text

from campaign.domain.disposition import MEANING, Disposition
from campaign.flow import rollups
from campaign.store import rollups as report_queue
from campaign.store.accounts import Role, audit
from campaign.store.database import Tx
from campaign.web.app import make_ready
from campaign.web.auth import CONSOLE, GUARDS
from campaign.web.console import words
from campaign.wiring import Services
from tests.support import rows
from tests.support.console import browser_of, text_of
from tests.web.conftest import PersonFor

PAGES = sorted(
    path
    for method, path in GUARDS
    if method == "GET" and path.startswith(CONSOLE) and "{" not in path and not path.endswith(".csv")
)
PARTS = {f"{CONSOLE}/today", f"{CONSOLE}/lists/table", f"{CONSOLE}/dnc/lists"}
"""Parts of pages, which htmx fetches."""


async def test_every_page_comes_to_an_admin(person_for: PersonFor):
    admin = await person_for(Role.ADMIN)
    for path in PAGES:
        answer = await admin.get(path)
        assert answer.status_code == 200, f"{path}: {text_of(answer.text)}"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_nobody_waits_for_what_can_be_made_before_the_door_opens(
    app: FastAPI, person_for: PersonFor, monkeypatch: pytest.MonkeyPatch
):
    def made(*_: object, **__: object) -> None:
        raise AssertionError("made while somebody waits for it, and the loop holds no conversation")

    make_ready(app)
    monkeypatch.setattr(Environment, "compile", made)
    monkeypatch.setattr(TypeAdapter, "__init__", made)
    admin = await person_for(Role.ADMIN)
    for path in PAGES:
        assert (await admin.get(path)).status_code == 200, path


async def test_static_files_are_kept_for_a_year_by_their_content_and_compressed(app):
    async with browser_of(app) as browser:
        page = (await browser.get("/console/sign-in")).text
        links = re.findall(r'(?:href|src|content)="(/static/[^"]+)"', page)
        assert len(links) == 6
        for link in links:
            answer = await browser.get(link)
            assert answer.status_code == 200, link
            assert "immutable" in answer.headers["cache-control"], link
            assert answer.headers["content-encoding"] == "gzip", link
            again = await browser.get(
                link.partition("?")[0], headers={"If-None-Match": answer.headers["etag"]}
            )
            assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache"), link
        for path in ("/static/../auth.py", "/static/%2e%2e/auth.py", "/static/", "/static/LICENSE-htmx.txt"):
            assert (await browser.get(path)).status_code == 404, path
        assert (await browser.get("/favicon.ico")).headers["content-type"].startswith("image/svg+xml")
        assert (await browser.get("/")).headers["location"] == "/console"


async def ended(tx: Tx, now: datetime, *codes: Disposition) -> None:
    """A running campaign of one contact, whose calls ended in these ways."""
    campaign_id = await rows.campaign(tx, now, name="Autumn")
    contact_id = await rows.contact(tx, now)
    place = await rows.enrolled(tx, now, campaign_id, contact_id, state="done")
    for number, code in enumerate(codes):
        attempt_id = await rows.attempt(
            tx,
            now,
            marker=f"marker-{number}",
            campaign_id=campaign_id,
            campaign_contact_id=place,
            contact_id=contact_id,
            state="ended",
            settled_at=now,
        )
        await tx.execute(
            text(
                "INSERT INTO outcomes (attempt_id, campaign_id, campaign_contact_id, disposition, category, "
                "cost, final, recorded_at) "
                "VALUES (:attempt, :campaign, :place, :code, :category, 0.5, true, :now)"
            ),
            {
                "attempt": attempt_id,
                "campaign": campaign_id,
                "place": place,
                "code": code.value,
                "category": MEANING[code].category.value,
                "now": now,
            },
        )
        await report_queue.queue(tx, attempt_id, now)


async def test_the_front_page_tells_what_runs_what_is_wrong_and_what_came_of_today(
    person_for: PersonFor, services: Services
):
    async with services.db.transaction() as tx:
        await ended(
            tx,
            services.clock.now(),
            Disposition.INTERESTED,
            Disposition.NO_ANSWER,
            Disposition.DO_NOT_CALL,
            Disposition.NOT_PLACED,
        )
    await rollups.catch_up(services.db, services.clock.now())
    analyst = await person_for(Role.ANALYST)
    shown = text_of((await analyst.get("/console/today")).text)
    assert "Attempts 3 made today that have ended" in shown
    assert "Connect rate 66.7 % 2 people reached" in shown
    assert "Successes 1 50.0 % of those reached" in shown
    assert "Opt-outs 1 50.0 % of those reached" in shown
    assert "Cost $2.00" in shown
    assert "Autumn dials nobody now." in shown


async def test_a_filter_of_the_audit_trail_pages_on(person_for: PersonFor, services: Services):
    admin = await person_for(Role.ADMIN)
    async with services.db.transaction() as tx:
        for number in range(120):
            actor = "key:crm" if number % 2 else "cli:ana"
            await audit(tx, actor, "contact.edit", f"contact:{number}", services.clock.now(), {"n": number})
    seen: list[str] = []
    path: str | None = "/console/audit?actor=key:crm&action=contact&since=2026-11-24"
    while path:
        page = (await admin.get(path)).text
        seen += re.findall(r"subject=contact%3A(\d+)", page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path = "/console/audit" + older[1].replace("&amp;", "&") if older else None
    assert seen == [str(number) for number in range(119, 0, -2)]
    assert "Nothing was done that fits." in text_of((await admin.get("/console/audit?until=2026-11-23")).text)


def test_values_are_told_in_the_words_of_people():
    assert [words.duration(value) for value in (None, 0, 0.85, 12, 185, 7800, 273_600)] == [
        "–",
        "0 s",
        "850 ms",
        "12 s",
        "3 min 05 s",
        "2 h 10 min",
        "3 d 4 h",
    ]
    assert [words.money(value) for value in (None, 0, 0.0412, 1290.5)] == [
        "–",
        "$0.00",
        "$0.0412",
        "$1,290.50",
    ]
    assert words.money(3, "EUR") == "3.00 EUR"
    assert [words.percent(1, 3), words.percent(1, 0), words.percent(0.5)] == ["33.3 %", "–", "50.0 %"]
    assert words.phone("+12025550123") == "+1 202-555-0123"
    assert words.phone("nonsense") == "nonsense"
    zone = words.zone_of("America/New_York")
    at = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
    shown = words.moment(at, zone, "Asia/Tokyo")
    assert "2026-11-23 22:30" in shown
    assert "Tue 12:30 there" in shown
    assert (
        words.zone_of("../../etc/passwd").key
        == words.zone_of("Mars/Base").key
        == words.zone_of(None).key
        == "UTC"
    )
    assert words.as_json({"a": "</script><!--"}) == '{"a":"\\u003c/script\\u003e\\u003c!--"}'
    assert (
        words.browser("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537 Chrome/140 Safari/537")
        == "Chrome on Linux"
    )
