"""Every door has its guard: the table is the law, and nothing stands outside it."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from campaign.store import accounts
from campaign.store.accounts import Role
from campaign.web.auth import API, CONSOLE, GUARDS, OPEN
from campaign.wiring import Services
from tests.web.conftest import Client, ClientFor, PersonFor


def routes(app: FastAPI) -> list[APIRoute]:
    return [route for route in _flat(app.routes) if isinstance(route, APIRoute)]


def _flat(found: list[BaseRoute]) -> list[BaseRoute]:
    flat: list[BaseRoute] = []
    for route in found:
        inner = getattr(route, "original_router", None)  # FastAPI includes routers lazily
        flat += [route] if inner is None else _flat(inner.routes)
    return flat


def doors(app: FastAPI) -> set[tuple[str, str]]:
    return {(method, route.path) for route in routes(app) for method in route.methods or ()}


def filled(path: str) -> str:
    for name in ("list_id", "import_id", "contact_id", "campaign_id", "attempt_id", "user_id"):
        path = path.replace("{" + name + "}", "1")
    return path


BY_KEY = {door: roles for door, roles in GUARDS.items() if not door[1].startswith(CONSOLE)}
BY_SESSION = {door: roles for door, roles in GUARDS.items() if door[1].startswith((CONSOLE, API))}
"""Doors that a signed-in browser opens: the console's, and the API's for the console's pages."""


def test_every_door_is_in_the_table_is_open_on_purpose_or_is_signed_by_twilio(app: FastAPI):
    signed = {door for door in doors(app) if door[1].startswith("/twilio/")}
    assert doors(app) - signed - OPEN == set(GUARDS)
    assert all(method == "POST" for method, _ in signed)


def test_there_is_nothing_else_that_could_answer(app: FastAPI):
    others = [route for route in _flat(app.routes) if not isinstance(route, APIRoute)]
    assert all(getattr(route, "path", "").startswith("/twilio/relay/") for route in others), others


def test_admin_may_all():
    assert all(Role.ADMIN in roles for roles in GUARDS.values())


@pytest.mark.parametrize("door", sorted(BY_KEY))
async def test_no_door_of_the_api_answers_without_a_key(app, client_for: ClientFor, door):
    nobody = await client_for(None)
    answer = await nobody.request(door[0], filled(door[1]))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_a_role_opens_only_the_doors_that_the_table_gives_it(client_for: ClientFor, role: Role):
    client = await client_for(role)
    for (method, path), roles in BY_KEY.items():
        answer = await client.request(method, filled(path))
        refused = answer.status_code == 403
        assert refused == (role not in roles), f"{role} {method} {path}: {answer.status_code}"


async def test_no_door_of_the_console_answers_without_a_session(client_for: ClientFor):
    nobody = await client_for(None)
    for method, path in sorted(BY_SESSION.keys() - BY_KEY.keys()):
        answer = await nobody.request(method, filled(path), headers={"Host": "127.0.0.1:8080"})
        assert answer.status_code == 303, f"{method} {path}"
        assert answer.headers["location"].startswith(CONSOLE + "/sign-in"), f"{method} {path}"


@pytest.mark.parametrize("role", list(Role))
async def test_a_signed_in_user_opens_only_the_doors_that_the_table_gives_the_role(
    person_for: PersonFor, role
):
    person = await person_for(role)
    for (method, path), roles in BY_SESSION.items():
        if path == CONSOLE + "/sign-out":  # opens, and is the last that opens
            continue
        answer = await person.client.request(method, filled(path), headers={"X-CSRF-Token": person.csrf})
        refused = answer.status_code == 403
        assert refused == (role not in roles), f"{role} {method} {path}: {answer.status_code}"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer cc_", "Bearer cc_wrong", "Basic YTpi", "cc_wrong", "Bearer \xff"],
)
async def test_what_is_no_key_in_force_opens_nothing(client_for: ClientFor, header: str):
    nobody = await client_for(None)
    answer = await nobody.get("/api/v1/campaigns", headers=[(b"Authorization", header.encode("latin-1"))])
    assert answer.status_code == 401


async def test_a_revoked_key_opens_nothing_from_the_next_request_on(admin: Client, services: Services):
    assert (await admin.get("/api/v1/campaigns")).status_code == 200
    async with services.db.transaction() as tx:
        await accounts.revoke_key(tx, "admin", actor="test", now=services.clock.now())
    assert (await admin.get("/api/v1/campaigns")).status_code == 401


async def test_the_last_use_of_a_key_is_noted_to_the_minute(admin: Client, services: Services, clock):
    await admin.get("/api/v1/campaigns")
    first = services.clock.now()
    await clock.advance(30)
    await admin.get("/api/v1/campaigns")
    async with services.db.connection() as tx:
        assert (await accounts.list_keys(tx))[0].last_used_at == first
    await clock.advance(40)
    await admin.get("/api/v1/campaigns")
    async with services.db.connection() as tx:
        assert (await accounts.list_keys(tx))[0].last_used_at == first + timedelta(seconds=70)
