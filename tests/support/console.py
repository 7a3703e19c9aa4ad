"""People at the console: users made, browsers signed in, pages asked for without a browser."""

import html
import re
from dataclasses import dataclass
from datetime import datetime

import httpx
from fastapi import FastAPI

from campaign.domain.sign_in import ABSOLUTE
from campaign.store import users
from campaign.store.accounts import Role
from campaign.store.database import Database
from campaign.store.users import User
from campaign.web.browser import COOKIE, csrf_of

ORIGIN = "http://127.0.0.1:8080"
PASSWORD = "seven green lamps outside"


@dataclass
class Person:
    """Somebody signed in: gets pages and sends forms as a browser does."""

    user: User
    token: str
    client: httpx.AsyncClient

    @property
    def csrf(self) -> str:
        return csrf_of(self.token)

    async def get(self, path: str, **more: object) -> httpx.Response:
        return await self.client.get(path, **more)  # type: ignore[arg-type]

    async def post(
        self, path: str, fields: dict[str, object] | None = None, *, csrf: str | None = None
    ) -> httpx.Response:
        """Send a form from one of our own pages."""
        token = self.csrf if csrf is None else csrf
        return await self.client.post(path, data={"csrf": token, **(fields or {})})

    async def follow(self, path: str, fields: dict[str, object] | None = None) -> str:
        """Send a form, and the text of the page that it leads to."""
        answer = await self.post(path, fields)
        assert answer.status_code == 303, f"{answer.status_code}: {text_of(answer.text)}"
        return text_of((await self.get(answer.headers["location"])).text)


def browser_of(app: FastAPI, token: str | None = None, *, origin: str = ORIGIN) -> httpx.AsyncClient:
    """A browser without a window: keeps cookies, names its origin."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url=origin,
        headers={"Origin": origin, "User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"},
        cookies={COOKIE: token} if token else None,
    )


async def signed_in(
    app: FastAPI, db: Database, now: datetime, role: Role = Role.ADMIN, email: str = ""
) -> Person:
    """A new user of that role, signed in without the cost of a password."""
    email = email or f"{role.value}@example.com"
    token = f"session-of-{email}".ljust(43, "x")
    async with db.transaction() as tx:
        user = await users.insert(
            tx, email=email, name=role.value.title(), role=role, password_hash=None, actor="test", now=now
        )
        await users.sign_in(
            tx, user, token, how="password", address="203.0.113.7", browser="", now=now, until=now + ABSOLUTE
        )
    return Person(user, token, browser_of(app, token))


def text_of(page: str) -> str:
    """A page's words, in one line."""
    body = re.sub(r"(?s)<(script|style|dialog|head)\b.*?</\1>", " ", page)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
