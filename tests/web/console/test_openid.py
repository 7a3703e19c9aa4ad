"""Signing in at a company's OpenID provider: who comes in, as what, and who doesn't."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from campaign.settings import Settings
from campaign.store import accounts, users
from campaign.store.accounts import Role
from campaign.web.app import create_app
from campaign.wiring import Services
from tests.support.console import browser_of, text_of
from tests.support.openid import CLIENT, SECRET, Provider
from tests.support.served import served


@dataclass
class Company:
    """A console whose people sign in at a provider."""

    provider: Provider
    services: Services
    browser: httpx.AsyncClient

    async def sign_in(self) -> httpx.Response:
        """Off to the provider and back; the answer to coming back."""
        return await self.browser.get(await self.answer())

    async def answer(self) -> str:
        """The address that the provider sends this browser back to."""
        off = await self.browser.get("/console/openid?next=/console/account")
        assert off.status_code == 303, text_of(off.text)
        async with httpx.AsyncClient() as elsewhere:
            told = await elsewhere.get(off.headers["location"])
        return str(told.headers["location"])


@pytest.fixture
async def company(services: Services) -> AsyncIterator[Company]:
    async with at_company(services) as made:
        yield made


@contextlib.asynccontextmanager
async def at_company(services: Services, **settings: str) -> AsyncIterator[Company]:
    provider = Provider(now=int(services.clock.now().timestamp()))
    async with served(provider.app) as provider.address:
        given = {
            **{field.alias: getattr(services.settings, key) for key, field in Settings.model_fields.items()},
            "OIDC_ISSUER": provider.address,
            "OIDC_CLIENT_ID": CLIENT,
            "OIDC_CLIENT_SECRET": SECRET,
            **settings,
        }
        services.settings = Settings.model_validate(given)
        browser = browser_of(create_app(services))
        async with browser:
            yield Company(provider, services, browser)


async def added(services: Services, role: Role = Role.OPERATOR, email: str = "ana@example.com") -> users.User:
    async with services.db.transaction() as tx:
        return await users.insert(
            tx, email=email, name="Ana", role=role, password_hash=None, actor="test", now=services.clock.now()
        )


async def test_who_was_added_comes_in_and_on_to_the_page_that_was_asked_for(company: Company):
    await added(company.services)
    answer = await company.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/account")
    page = await company.browser.get("/console/account")
    assert "ana@example.com, operator." in text_of(page.text)
    async with company.services.db.connection() as tx:
        newest = (await accounts.audit_trail(tx))[0]
    assert (newest.actor, newest.action, newest.detail["how"]) == (
        "user:ana@example.com",
        "user.sign_in",
        "openid",
    )


async def test_who_was_not_added_stays_out(company: Company):
    answer = await company.sign_in()
    assert answer.status_code == 403
    assert "ana@example.com is no user here." in text_of(answer.text)


UNPROVEN: tuple[tuple[dict[str, object], str], ...] = (
    ({"email_verified": False}, "does not vouch"),
    ({"email_verified": None}, "does not vouch"),
    ({"email": None}, "does not vouch"),
    ({"nonce": "another sign-in's"}, "does not prove"),
    ({"nonce": None}, "does not prove"),
    ({"aud": "another client"}, "does not prove"),
    ({"aud": [CLIENT, "another"], "azp": "another"}, "does not prove"),
    ({"iss": "https://elsewhere.example.com"}, "does not prove"),
    ({"exp": 1_000_000}, "does not prove"),
    ({"iat": None}, "does not prove"),
)


async def test_a_token_that_does_not_prove_it_lets_nobody_in(company: Company):
    await added(company.services)
    for claims, said in UNPROVEN:
        company.provider.claims = claims
        answer = await company.sign_in()
        assert answer.status_code in (400, 403), claims
        assert said in text_of(answer.text), claims
        assert (await company.browser.get("/console")).status_code == 303, claims


async def test_a_forged_signature_lets_nobody_in(company: Company):
    await added(company.services)
    company.provider.forged = True
    assert (await company.sign_in()).status_code == 400


async def test_an_answer_that_another_browser_began_lets_nobody_in(company: Company):
    await added(company.services)
    address = await company.answer()
    async with browser_of(create_app(company.services)) as another:
        assert (await another.get(address)).status_code == 400
        await another.get("/console/openid")  # with a ticket of its own
        assert (await another.get(address)).status_code == 400
    assert company.provider.redeemed == []


async def test_an_answer_works_once(company: Company):
    await added(company.services)
    address = await company.answer()
    ticket = dict(company.browser.cookies)
    assert (await company.browser.get(address)).status_code == 303
    company.browser.cookies.update(ticket)
    assert (await company.browser.get(address)).status_code == 503


async def test_a_disabled_user_stays_out(company: Company):
    user = await added(company.services)
    async with company.services.db.transaction() as tx:
        await users.change(tx, user.id, disabled_at=company.services.clock.now())
    assert (await company.sign_in()).status_code == 403


async def test_the_provider_being_away_is_said_on_the_sign_in_page(services: Services):
    async with at_company(services):
        pass  # it has closed its doors
    async with browser_of(create_app(services)) as browser:
        answer = await browser.get("/console/openid")
    assert answer.status_code == 503
    assert "can't be asked now" in text_of(answer.text)


async def test_only_addresses_of_the_allowed_domains_come_in(services: Services):
    async with at_company(services, OIDC_ALLOWED_DOMAINS="example.org, example.net") as company:
        await added(services)
        await added(services, email="ana@sub.example.org")
        await added(services, email="ana@example.net")
        assert (await company.sign_in()).status_code == 403
        company.provider.claims = {"email": "ana@sub.example.org"}
        assert (await company.sign_in()).status_code == 403
        company.provider.claims = {"email": "Ana@Example.NET"}
        assert (await company.sign_in()).status_code == 303


async def test_groups_make_users_and_roles(services: Services):
    mapping = {"OIDC_ROLE_CLAIM": "groups", "OIDC_ROLES": "callers=operator, it=admin, desk=analyst"}
    async with at_company(services, **mapping) as company:
        for groups, status, role in (
            (["desk", "others"], 303, Role.ANALYST),
            (["desk", "callers"], 303, Role.OPERATOR),
            ("it", 303, Role.ADMIN),
            (["others"], 403, Role.ADMIN),
            (None, 403, Role.ADMIN),
            (["desk"], 303, Role.ADMIN),  # the last admin stays one
        ):
            company.provider.claims = {"groups": groups}
            assert (await company.sign_in()).status_code == status, groups
            async with services.db.connection() as tx:
                assert (await users.find(tx, "ana@example.com")).role is role, groups
        async with services.db.connection() as tx:
            trail = [entry for entry in await accounts.audit_trail(tx) if entry.actor == "system:openid"]
        assert [entry.action for entry in trail] == ["user.role", "user.role", "user.create"]


async def test_without_a_provider_there_is_no_such_door(app):
    async with browser_of(app) as browser:
        assert (await browser.get("/console/openid")).status_code == 404
        assert "company" not in (await browser.get("/console/sign-in")).text
