"""Signing in at the company's own OpenID provider: off to it, and back."""

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from campaign.domain.errors import BadInput, CampaignError, NotAllowed, NotFound, Unavailable
from campaign.flow import sign_in as flow
from campaign.web import browser
from campaign.web.auth import CONSOLE
from campaign.web.console.sign_in import asking, let_in, sign_in_page
from campaign.web.deps import With
from campaign.wiring import Services, token

if TYPE_CHECKING:
    from campaign.web.openid import OpenId

doors = APIRouter(include_in_schema=False)
"""What answers without a session."""

COOKIE = "campaign_openid"
MINUTES = 10
"""Somebody may take so long at the provider."""

Text = Annotated[str, Query(max_length=4000)]


def _provider(request: Request) -> "OpenId":
    provider: OpenId | None = request.app.state.openid
    if provider is None:
        raise NotFound(
            "Sign-in at an OpenID provider is not set up.", "Set OIDC_ISSUER and what goes with it."
        )
    return provider


@doors.get(CONSOLE + "/openid")
async def to_provider(
    request: Request, services: With, next: Annotated[str, Query(max_length=2000)] = ""
) -> Response:
    """Off to the provider, with a ticket in this browser's cookie that ties the answer to it."""
    provider, origin, ticket = _provider(request), browser.origin_of(request, services.settings), token()
    try:
        to = await provider.address(ticket, origin, services.clock.now())
    except Unavailable as error:
        return sign_in_page(request, services, next=next, status=error.status, error=error)
    answer = RedirectResponse(to, 303)
    answer.set_cookie(
        _cookie(origin),
        f"{ticket}.{quote(browser.local_path(next), safe='')}",
        max_age=MINUTES * 60,
        path="/",
        secure=origin.startswith("https:"),
        httponly=True,
        samesite="lax",
    )
    return answer


@doors.get(CONSOLE + "/openid/callback")
async def back(
    request: Request, services: With, code: Text = "", state: Text = "", error: Text = ""
) -> Response:
    """Back from the provider: in, if it proves who it is and the settings or an admin let that one in."""
    provider, origin = _provider(request), browser.origin_of(request, services.settings)
    ticket, _, to = request.cookies.get(_cookie(origin), "").partition(".")
    now, who = services.clock.now(), asking(request, services)
    try:
        if error:
            raise BadInput("The OpenID provider did not sign you in.", "Try again, or sign in by password.")
        identity = await provider.identity(code=code, state=state, ticket=ticket, origin=origin, now=now)
        await flow.sign_in_elsewhere(
            services.db, email=identity.email, name=identity.name, role=identity.role, browser=who, now=now
        )
    except (BadInput, NotAllowed, Unavailable) as fault:
        answer = _refused(request, services, fault)
    else:
        answer = await let_in(request, services, who, browser.local_path(unquote(to)))
    answer.delete_cookie(_cookie(origin), path="/", secure=origin.startswith("https:"), httponly=True)
    return answer


def _refused(request: Request, services: Services, fault: CampaignError) -> Response:
    return sign_in_page(request, services, next="", status=fault.status, error=fault)


def _cookie(origin: str) -> str:
    return "__Host-" + COOKIE if origin.startswith("https:") else COOKIE
