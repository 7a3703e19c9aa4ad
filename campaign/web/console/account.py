"""My account: the password, and the browsers that are signed in."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain.errors import BadInput, CampaignError, TooManyTries
from campaign.flow import sign_in as flow
from campaign.store import users
from campaign.store.accounts import audit
from campaign.web import browser
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

ACCOUNT = CONSOLE + "/account"
Text = Annotated[str, Form(max_length=1000)]


@router.get(ACCOUNT)
async def show_account(request: Request, viewer: Seen, services: With) -> HTMLResponse:
    """Who I am here, and where I am signed in."""
    return await _page(request, viewer, services)


async def _page(
    request: Request,
    viewer: Viewer,
    services: Services,
    status: int = 200,
    error: CampaignError | None = None,
    **more: Any,
) -> HTMLResponse:
    async with services.db.connection() as tx:
        found = await users.sign_ins_of(tx, viewer.user.id, viewer.now)
    return page(request, viewer, "account.html", status, sign_ins=found, error=error, **more)


@router.post(ACCOUNT + "/password")
async def change_password(
    request: Request,
    viewer: Seen,
    services: With,
    current: Text = "",
    password: Text = "",
    again: Text = "",
) -> Response:
    """A new password; other browsers are signed out."""
    assert viewer.session is not None
    try:
        if password != again:
            raise BadInput("The two new passwords differ.", "Type the same one twice.")
        await flow.change_password(
            services.db,
            services.passwords,
            viewer.user,
            current=current,
            fresh=password,
            keep=viewer.session.sign_in.id,
            address=browser.network_address(request, services.settings),
            now=viewer.now,
        )
    except (BadInput, TooManyTries) as error:
        return await _page(request, viewer, services, error.status, error)
    said = "Your password is changed. Other browsers are signed out."
    return await go_on(services, viewer, ACCOUNT, said)


@router.post(ACCOUNT + "/sign-outs")
async def sign_out_elsewhere(
    viewer: Seen, services: With, only: Annotated[int | None, Form(ge=1, lt=2**63)] = None
) -> Response:
    """Sign out one other browser, or all others."""
    assert viewer.session is not None
    async with services.db.transaction() as tx:
        gone = await users.sign_out(tx, viewer.user.id, only=only, keep=viewer.session.sign_in.id)
        if gone:
            subject = f"user:{viewer.user.id}"
            await audit(tx, viewer.actor, "user.sign_out_elsewhere", subject, viewer.now, {"browsers": gone})
    said = f"{gone} other browser{' is' if gone == 1 else 's are'} signed out."
    return await go_on(services, viewer, ACCOUNT, said if gone else "There was no other browser.")
