"""The whole application over a real database, asked over HTTP without a network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from campaign.settings import Settings
from campaign.store import accounts
from campaign.store.accounts import Role
from campaign.store.database import Database
from campaign.web.app import create_app
from campaign.wiring import Services
from tests.support.clock import ManualClock
from tests.support.console import Person, signed_in
from tests.support.opened import close, services_over

ACCOUNT = "AC" + "0" * 32
TOKEN = "the auth token"
PUBLIC_URL = "http://127.0.0.1:8080"

Client = httpx.AsyncClient
ClientFor = Callable[[Role | None], Awaitable[Client]]


@pytest.fixture
def settings(db_url: str, tmp_path: Path) -> Settings:
    """Settings whose Twilio is a closed port of this machine."""
    return Settings.model_validate(
        {
            "DATABASE_URL": db_url,
            "CAMPAIGN_DATA_DIR": str(tmp_path),
            "PUBLIC_URL": PUBLIC_URL,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_AUTH_TOKEN_PREVIOUS": "the old auth token",
            "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
            "CAMPAIGN_MAX_UPLOAD_MB": "4",
        }
    )


@pytest.fixture
async def services(
    db: Database, clock: ManualClock, settings: Settings, tmp_path: Path
) -> AsyncIterator[Services]:
    """Open services over the test's database, on a clock that the test moves."""
    opened = services_over(db, clock, settings, tmp_path)
    yield opened
    await close(opened)


@pytest.fixture
async def app(services: Services) -> AsyncIterator[FastAPI]:
    made = create_app(services)
    yield made
    await asyncio.gather(*made.state.children)


@pytest.fixture
async def client_for(app: FastAPI, services: Services) -> AsyncIterator[ClientFor]:
    """Makes clients that hold a key of a role, or none."""
    made: list[Client] = []

    async def make(role: Role | None) -> Client:
        headers = {}
        if role is not None:
            secret = f"cc_{role.value}".ljust(46, "x")
            async with services.db.transaction() as tx:
                await accounts.create_key(
                    tx, name=role.value, role=role, secret=secret, actor="test", now=services.clock.now()
                )
            headers["Authorization"] = f"Bearer {secret}"
        made.append(Client(transport=httpx.ASGITransport(app), base_url="http://api.test", headers=headers))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
async def admin(client_for: ClientFor) -> Client:
    """A client that may do all."""
    return await client_for(Role.ADMIN)


PersonFor = Callable[[Role], Awaitable[Person]]


@pytest.fixture
async def person_for(app: FastAPI, services: Services) -> AsyncIterator[PersonFor]:
    """Signs somebody of a role in to the console."""
    made: list[Person] = []

    async def make(role: Role) -> Person:
        made.append(await signed_in(app, services.db, services.clock.now(), role))
        return made[-1]

    yield make
    for person in made:
        await person.client.aclose()
