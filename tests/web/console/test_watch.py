"""Watching campaigns run: what the pages say, what their streams send, what an operator does there."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from campaign.domain.errors import Unavailable
from campaign.store.accounts import Role
from campaign.web.browser import COOKIE
from campaign.web.console import streams, words
from campaign.wiring import Services
from tests.support import rows
from tests.support.browser import served
from tests.support.console import Person, text_of
from tests.web.conftest import PersonFor

PAGE = "/console/campaigns/1"


async def talking(services: Services, **more) -> int:
    """A call in which somebody talks; its id."""
    now = services.clock.now()
    attempt = await rows.dialled(
        services.db, now, state="answered", answered_at=now, sent_at=now, call_sid=rows.SID, **more
    )
    for seq, (who, said, cut) in enumerate(
        (("agent", "Hello Ada.", False), ("person", "<b>Who</b> is this?", False), ("agent", "It is", True)),
        1,
    ):
        await rows.run(
            services.db,
            "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, interrupted, "
            "at) VALUES (:id, :seq, 1, :who, :said, :cut, :at)",
            id=attempt,
            seq=seq,
            who=who,
            said=said,
            cut=cut,
            at=now + timedelta(seconds=seq),
        )
    return attempt


@asynccontextmanager
async def events(address: str, path: str, token: str) -> AsyncIterator[AsyncIterator[str]]:
    """The events of a stream, each as it is sent."""
    async with (
        httpx.AsyncClient(base_url=address, cookies={COOKIE: token}, timeout=20) as client,
        client.stream("GET", path) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def each() -> AsyncIterator[str]:
            kept: list[str] = []
            async for line in answer.aiter_lines():
                if line:
                    kept.append(line)
                else:
                    yield "\n".join(kept)
                    kept = []

        yield each()


async def one_that_says(found: AsyncIterator[str], what: str) -> str:
    async with asyncio.timeout(80):
        async for event in found:
            if what in event:
                return event
    raise AssertionError(f"the stream ended without {what!r}")


# ── the pages ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_campaign_tells_how_it_stands(services: Services, person_for: PersonFor):
    await talking(services)
    person = await person_for(Role.OPERATOR)
    page = (await person.get(PAGE)).text
    assert "autumn" in page
    assert f'hx-sse:connect="{PAGE}/events?show=all"' in page
    now = (await person.get(f"{PAGE}/now")).text
    said = text_of(now)
    assert "1 of 10 lines" in said
    assert "1 talking, 0 ringing" in said
    assert "no budget is set" in said
    assert "breaker closed" in said
    assert "&lt;b&gt;Who&lt;/b&gt; is this?" in now
    assert "Person cut in here".lower() in now.lower()


async def test_what_keeps_a_campaign_from_dialling_is_said_in_the_viewers_zone(
    services: Services, person_for: PersonFor
):
    await talking(services)
    now = services.clock.now()
    await rows.run(
        services.db,
        "INSERT INTO pace (id, next_slot_at, held_until, held_why, failures) VALUES (1, :now, :until, "
        "'Twilio answers 503.', 3) ON CONFLICT (id) DO UPDATE SET held_until = :until, "
        "held_why = 'Twilio answers 503.', failures = 3",
        now=now,
        until=now + timedelta(seconds=20),
    )
    person = await person_for(Role.ANALYST)
    person.client.cookies.set("zone", "Asia%2FTokyo")
    said = text_of((await person.get(f"{PAGE}/now")).text)
    assert "breaker open" in said
    assert "Twilio answers 503." in said
    there = (now + timedelta(seconds=20)).astimezone(words.zone_of("Asia/Tokyo"))
    assert f"at {there:%H:%M}" in said
    assert "UTC" not in said


async def test_only_operators_see_buttons_and_only_results_people_see_campaigns(
    services: Services, person_for: PersonFor
):
    await talking(services)
    for role, buttons in ((Role.OPERATOR, True), (Role.ANALYST, False)):
        person = await person_for(role)
        now = (await person.get(f"{PAGE}/now")).text
        assert ('data-opens="pause"' in now) == buttons
        assert ("/end" in now) == buttons
        assert ((await person.post(f"{PAGE}/pause")).status_code == 303) == buttons
    uploader = await person_for(Role.UPLOADER)
    assert (await uploader.get(PAGE)).status_code == 403


async def test_a_campaign_that_is_not_there_is_said_to_be_so(person_for: PersonFor):
    person = await person_for(Role.OPERATOR)
    assert (await person.get("/console/campaigns/77")).status_code == 404
    assert (await person.get("/console/campaigns/77/events")).status_code == 404
    assert (await person.get("/console/live/nonsense/events")).status_code == 404


# ── what an operator does ──────────────────────────────────────────────────────────────────────────────


async def test_pausing_resuming_and_stopping_name_the_user_and_say_what_came_of_it(
    services: Services, person_for: PersonFor
):
    await talking(services, sections={"lists": [{"name": "people"}]})
    person = await person_for(Role.OPERATOR)
    said = await person.follow(f"{PAGE}/pause", {"why": "wrong price"})
    assert "autumn is paused." in said
    assert "wrong price" in said
    assert "autumn was paused already." in await person.follow(f"{PAGE}/pause")
    said = await person.follow(f"{PAGE}/stop", {"why": "over", "hang_up": "true"})
    assert "autumn is stopping." in said
    assert "1 call is being ended." in said
    kept = [(one["actor"], one["action"]) for one in await rows.rows(services.db, "audit_log")]
    who = "user:operator@example.com"
    assert [one for one in kept if one[0] == who] == [(who, "campaign.pause"), (who, "campaign.stop")]


async def test_what_is_refused_comes_back_as_a_sentence_on_the_page(
    services: Services, person_for: PersonFor
):
    await talking(services, campaign_state="stopped")
    person = await person_for(Role.OPERATOR)
    said = await person.follow(f"{PAGE}/resume")
    assert "stopped" in said
    assert "campaign resume" not in said


async def test_one_call_is_ended_from_where_it_is_watched(services: Services, person_for: PersonFor):
    attempt = await talking(services)
    person = await person_for(Role.OPERATOR)
    said = await person.follow(f"/console/calls/{attempt}/end", {"back": PAGE})
    assert f"Call {attempt} is being ended." in said
    assert "is being ended" in text_of((await person.get("/console/live/all/now")).text)
    answer = await person.post("/console/calls/9999/end")
    assert answer.status_code == 404


# ── the streams ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stream_sends_what_changed_and_one_poller_serves_all(
    app: FastAPI, services: Services, person_for: PersonFor
):
    attempt = await talking(services)
    operator, analyst = await person_for(Role.OPERATOR), await person_for(Role.ANALYST)
    path = f"{PAGE}/events"
    async with (
        served(app) as address,
        events(address, path, operator.token) as here,
        events(address, path, analyst.token) as there,
    ):
        first = await one_that_says(here, "Who")
        assert 'hx-target="#campaign-state"' in first
        assert "do-pause" in first
        assert "do-pause" not in await one_that_says(there, "Who")
        assert app.state.feeds.viewers == 2
        assert app.state.feeds.about == {("campaign", 1, "all")}
        await rows.run(
            services.db,
            "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
            "VALUES (:id, 4, 1, 'person', 'Tell me more.', :at)",
            id=attempt,
            at=services.clock.now(),
        )
        later = await one_that_says(here, "Tell me more.")
        assert 'hx-target="#campaign-state"' not in later, "only what changed is sent"
        await operator.post(f"{PAGE}/pause", {"why": "lunch"})
        assert "do-resume" in await one_that_says(here, "lunch")
    async with asyncio.timeout(40):
        while app.state.feeds.viewers:  # noqa: ASYNC110 (the server notices by itself, without an event)
            await asyncio.sleep(0)
    assert app.state.feeds.about == frozenset()


async def test_a_stream_ends_so_that_who_is_signed_out_sees_no_more(
    app: FastAPI, services: Services, person_for: PersonFor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streams, "LIFE_S", 0.0)
    attempt = await talking(services)
    person: Person = await person_for(Role.OPERATOR)
    async with served(app) as address:
        for path in (f"{PAGE}/events", "/console/live/campaigns/events", f"/console/calls/{attempt}/events"):
            async with events(address, path, person.token) as found:
                assert len([event async for event in found]) == 1
        await person.post("/console/sign-out")
        async with httpx.AsyncClient(base_url=address, cookies={COOKIE: person.token}) as client:
            answer = await client.get(f"{PAGE}/events", headers={"HX-Request": "true"})
            assert answer.status_code == 401


async def test_a_process_that_ends_sends_its_viewers_elsewhere(
    services: Services, person_for: PersonFor, talks_drain: None
):
    await talking(services)
    services.draining = True
    person = await person_for(Role.OPERATOR)
    assert (await person.get(f"{PAGE}/events")).status_code == Unavailable.status


@pytest.fixture
def talks_drain(services: Services):
    yield
    services.draining = False


# ── sentences in the viewer's zone ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("next opens 14:00 UTC", "next opens 09:00"),
        ("done since 2026-11-24 15:06:40 UTC: asked", "done since 10:06:40: asked"),
        ("from 2026-11-26 02:00 UTC.", "from 2026-11-25 21:00."),
        ("2,310 wait <now>", "2,310 wait &lt;now&gt;"),
        ("at 25:99 UTC", "at 25:99 UTC"),
        ("starts by itself at 2026-12-01T14:00:00+00:00", "starts by itself at 2026-12-01 09:00"),
    ],
)
def test_instants_in_sentences_are_told_in_the_viewers_zone(said: str, shown: str, services: Services):
    now = services.clock.now()  # a Tuesday morning, 2026-11-24
    told = words.localized(said, now, words.zone_of("America/New_York"))
    assert re.sub("<[^>]+>", "", told) == shown
