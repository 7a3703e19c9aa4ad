"""Health, readiness, metrics, problems and bounds: what stands around the API."""

import dataclasses
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from campaign.domain.errors import DatabaseUnavailable
from campaign.flow.dialer import Counters
from campaign.store import leases
from campaign.store.accounts import Role
from campaign.store.database import Database
from campaign.web.app import create_app
from campaign.web.health import health_proof
from campaign.web.metrics import LATE
from campaign.wiring import Services
from tests.support import rows
from tests.support.clock import ManualClock
from tests.web.conftest import Client, ClientFor


@pytest.fixture
async def nobody(client_for: ClientFor) -> Client:
    return await client_for(None)


async def test_an_address_that_is_none_is_told_with_where_to_look(nobody: Client):
    told = (await nobody.get("/api/v1/nowhere")).json()
    assert told["detail"] == "There is nothing at /api/v1/nowhere."
    assert "/openapi.json" in told["do"]


# ── health ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_service_is_well_when_postgres_answers_and_a_scheduler_is_at_work(
    nobody: Client, services: Services, app: FastAPI
):
    answer = await nobody.get("/health")
    assert (answer.status_code, answer.json()["database"], answer.json()["scheduler"]) == (503, True, False)
    now = services.clock.now()
    async with services.db.transaction() as tx:
        await leases.acquire(tx, "scheduler", "here", now, timedelta(seconds=8))
    app.state.pulse.heard_at = None
    answer = await nobody.get("/health")
    assert (answer.status_code, answer.json()["ok"]) == (200, True)


async def test_health_tells_a_stranger_no_names_and_no_addresses(nobody: Client, settings):
    told = (await nobody.get("/health", params={"nonce": "n0nce"})).text
    for secret in ("postgres", "127.0.0.1", settings.twilio_account_sid, "here"):
        assert secret not in told


async def test_health_proves_whose_service_it_is_to_who_holds_the_same_token(nobody: Client, settings):
    answer = await nobody.get("/health", params={"nonce": "n0nce"})
    assert answer.json()["proof"] == health_proof(settings, "n0nce")
    assert (await nobody.get("/health")).json()["proof"] is None
    assert (await nobody.get("/health", params={"nonce": "a" * 65})).status_code == 422


async def test_without_postgres_the_service_is_neither_well_nor_ready(
    nobody: Client, db: Database, app: FastAPI, monkeypatch: pytest.MonkeyPatch
):
    assert (await nobody.get("/ready")).status_code == 204

    def away():
        raise DatabaseUnavailable("Postgres is away.")

    monkeypatch.setattr(db, "connection", away)
    app.state.pulse.heard_at = None
    assert (await nobody.get("/ready")).status_code == 503
    assert (await nobody.get("/health")).json()["database"] is False


async def test_a_draining_process_is_not_ready_says_so_and_lets_go_of_its_connections(
    nobody: Client, services: Services, app: FastAPI
):
    now = services.clock.now()
    async with services.db.transaction() as tx:
        await leases.acquire(tx, "scheduler", "here", now, timedelta(seconds=8))
    assert "connection" not in (await nobody.get("/health")).headers
    services.draining = True
    ready, health = await nobody.get("/ready"), await nobody.get("/health")
    assert (ready.status_code, health.status_code, health.json()["draining"]) == (503, 200, True)
    assert ready.headers["connection"] == health.headers["connection"] == "close"


# ── roles ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["dialer", "scheduler"])
async def test_a_process_that_only_dials_or_schedules_answers_neither_twilio_nor_the_api(
    services: Services, role: str
):
    services.replica = dataclasses.replace(services.replica, role=role)
    transport = httpx.ASGITransport(create_app(services))
    async with Client(transport=transport, base_url="http://api.test") as client:
        for method, path in (("POST", "/twilio/voice/x"), ("GET", "/api/v1/campaigns"), ("GET", "/")):
            answer = await client.request(method, path)
            assert answer.status_code == 503
            assert f"--role {role}" in answer.json()["detail"]
            assert "--role web" in answer.json()["do"]
        assert (await client.get("/ready")).status_code == 204
        assert (await client.get("/health")).json()["role"] == role
        assert (await client.get("/metrics")).status_code == 401


@pytest.mark.parametrize("role", ["all", "web"])
async def test_a_process_that_answers_twilio_does_so(services: Services, role: str):
    services.replica = dataclasses.replace(services.replica, role=role)
    transport = httpx.ASGITransport(create_app(services))
    async with Client(transport=transport, base_url="http://api.test") as client:
        assert (await client.post("/twilio/voice/x")).status_code == 403
        assert (await client.get("/api/v1/campaigns")).status_code == 401


# ── metrics ────────────────────────────────────────────────────────────────────────────────────────────


async def test_metrics_tell_attempts_outcomes_latency_and_pace(
    client_for: ClientFor, services: Services, clock: ManualClock, db: Database
):
    now = clock.now()
    attempt_id = await rows.dialled(db, now, state="ringing")
    campaign = (await rows.row(db, "campaigns"))["id"]
    await rows.run(
        db,
        "INSERT INTO campaign_spend (campaign_id, day, attempts, spent) VALUES (:id, :day, 3, 0.5)",
        id=campaign,
        day=now.date(),
    )
    analyst = await client_for(Role.ANALYST)
    services.counters = Counters(placed=3, results={"Placed": 2, "Throttled": 1})
    page = (await analyst.get("/metrics")).text
    assert 'campaign_calls_sent_total{answer="Throttled"} 1.0' in page
    assert 'campaign_attempts_unsettled{state="ringing"} 1.0' in page
    assert 'campaign_attempts_total{campaign="autumn"} 3.0' in page
    assert "campaign_calls_per_second_limit 1.0" in page
    assert "campaign_talks 0.0" in page
    services.talks.reply_times.began("clever", 0.25)
    services.talks.reply_times.began("clever", 9.0)
    services.talks.reply_times.failed("clever")
    page = (await analyst.get("/metrics")).text
    for le, so_far in (("0.2", 0), ("0.3", 1), ("5.0", 1), ("+Inf", 2)):
        assert f'campaign_reply_first_word_seconds_bucket{{le="{le}",profile="clever"}} {so_far}.0' in page
    assert 'campaign_reply_first_word_seconds_sum{profile="clever"} 9.25' in page
    assert 'campaign_reply_failures_total{profile="clever"} 1.0' in page
    await clock.advance(1)
    await rows.run(
        db,
        "INSERT INTO outcomes (attempt_id, campaign_id, disposition, category, first_word_ms, final, "
        "recorded_at) VALUES (:attempt, :id, 'interested', 'success', 400, true, :at)",
        attempt=attempt_id,
        id=campaign,
        at=clock.now(),
    )
    await clock.advance(LATE.total_seconds() + 1)
    for _ in range(2):  # counted once, however often it is asked
        page = (await analyst.get("/metrics")).text
        assert 'campaign_outcomes_total{campaign="autumn",disposition="interested"} 1.0' in page
        assert 'campaign_first_word_seconds_bucket{campaign="autumn",le="0.25"} 0.0' in page
        assert 'campaign_first_word_seconds_bucket{campaign="autumn",le="0.5"} 1.0' in page
        assert 'campaign_first_word_seconds_count{campaign="autumn"} 1.0' in page
    assert 'campaign_api_requests_total{method="GET",route="/metrics",status="200"}' in page


# ── problems ───────────────────────────────────────────────────────────────────────────────────────────


async def test_every_fault_is_a_problem_document_with_what_and_what_to_do(admin: Client):
    for method, path, status in (
        ("GET", "/api/v1/campaigns/999", 404),
        ("GET", "/nowhere", 404),
        ("PUT", "/api/v1/campaigns", 405),
        ("GET", "/api/v1/attempts?limit=0", 422),
        ("GET", "/api/v1/attempts?cursor=x", 400),
        ("GET", "/api/v1/dnc?phone=12", 400),
        ("GET", "/api/v1/attempts/99999999999999999999", 422),
    ):
        answer = await admin.request(method, path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert told["status"] == status
        assert told["type"].startswith("urn:calling-campaign:problem:")
        assert told["title"]
        assert told["detail"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_was_sent_wrongly_is_not_repeated(admin: Client):
    answer = await admin.post("/api/v1/dnc", json={"phone": ["+12025550123"], "reason": "x"})
    assert answer.status_code == 422
    assert "2025550123" not in answer.text
    assert answer.json()["faults"] == [{"where": "body.phone", "why": "Input should be a valid string"}]


async def test_a_fault_of_ours_tells_a_number_and_nothing_of_the_inside(
    admin: Client, monkeypatch: pytest.MonkeyPatch
):
    from campaign.web.api import results

    async def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(results.browse, "attempt_page", broken)
    answer = await admin.get("/api/v1/attempts")
    assert answer.status_code == 500
    assert "secret inside" not in answer.text
    assert answer.json()["number"] in answer.json()["do"]


async def test_with_postgres_away_the_api_says_503_when_to_ask_again_and_not_where_it_is(
    admin: Client, db: Database, monkeypatch: pytest.MonkeyPatch
):
    def away():
        raise DatabaseUnavailable("Postgres at db.internal:5432 is away.")

    monkeypatch.setattr(db, "connection", away)
    answer = await admin.get("/api/v1/campaigns")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "db.internal" not in answer.text


# ── bounds ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_bodies_beyond_a_mebibyte_are_refused_declared_or_not(admin: Client):
    async def endless():
        while True:
            yield b"x" * 65_536

    answer = await admin.post("/api/v1/campaigns", content=b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:calling-campaign:problem:too-large")
    assert (await admin.post("/api/v1/campaigns", content=endless())).status_code == 413


# ── OpenAPI ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_description_names_every_operation_and_how_each_can_fail(admin: Client):
    document = (await admin.get("/openapi.json")).json()
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/api/")
    ]
    assert len(operations) > 30
    for path, method, operation in operations:
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["security"] == [{"HTTPBearer": []}], path
        for status in ("401", "403", "503"):
            content = operation["responses"][status]["content"]
            assert "application/problem+json" in content, (path, method)
    assert "CampaignDefinition" in document["components"]["schemas"]
    assert not any(path.startswith("/twilio") for path in document["paths"])


def test_every_reference_of_the_description_leads_somewhere(app: FastAPI):
    from campaign.web.app import openapi_of

    document = openapi_of(app)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    def walk(node: object) -> None:
        if isinstance(node, dict):
            reference = node.get("$ref")
            assert not isinstance(reference, str) or reference in known, reference
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
