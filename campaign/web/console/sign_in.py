"""Coming in and going out: sign-in, the one-time links, sign-out."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from campaign.domain.errors import BadInput, CampaignError, NotSignedIn, TooManyTries
from campaign.flow import sign_in as flow
from campaign.flow.sign_in import Browser
from campaign.store import users
from campaign.store.users import User
from campaign.web import browser
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, page, viewer_of
from campaign.web.deps import With
from campaign.wiring import Services, token

doors = APIRouter(include_in_schema=False)
"""What answers without a session."""
router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=1000)]
Next = Annotated[str, Query(max_length=2000)]


@doors.get(CONSOLE + "/sign-in")
async def show_sign_in(request: Request, services: With, next: Next = "") -> Response:
    """The form; who is signed in already is led on."""
    browser.origin_of(request, services.settings)
    if browser.has_cookie(request) and await _is_signed_in(request, services):
        return RedirectResponse(browser.local_path(next), 303)
    async with services.db.connection() as tx:
        empty = not await users.any_user(tx)
    return sign_in_page(request, services, next=next, empty=empty)


async def _is_signed_in(request: Request, services: Services) -> bool:
    origin = browser.origin_of(request, services.settings)
    cookie = request.cookies.get(browser.cookie_name(origin), "")
    async with services.db.connection() as tx:
        return bool(cookie) and await users.signed_in(tx, cookie, services.clock.now()) is not None


def sign_in_page(
    request: Request,
    services: Services,
    *,
    next: str,
    status: int = 200,
    email: str = "",
    error: CampaignError | None = None,
    empty: bool = False,
) -> HTMLResponse:
    """The page that asks who it is. `error`: why somebody was not let in; `empty`: there is no user yet."""
    answer = page(
        request,
        viewer_of(request, services),
        "sign_in.html",
        status,
        next=browser.local_path(next, ""),
        email=email,
        error=error,
        empty=empty,
        openid=services.settings.openid is not None,
    )
    if isinstance(error, TooManyTries):
        answer.headers["Retry-After"] = str(error.data["seconds"])
    return answer


@doors.post(CONSOLE + "/sign-in")
async def sign_in(
    request: Request, services: With, email: Text = "", password: Text = "", next: Text = ""
) -> Response:
    """Let somebody in, with a fresh session whatever cookie came along."""
    browser.require_own_origin(request, services.settings)
    who = asking(request, services)
    try:
        await flow.sign_in(
            services.db,
            services.passwords,
            email=email,
            password=password,
            browser=who,
            now=services.clock.now(),
        )
    except (NotSignedIn, TooManyTries) as error:
        return sign_in_page(request, services, next=next, status=error.status, email=email, error=error)
    return await let_in(request, services, who, browser.local_path(next))


def asking(request: Request, services: Services) -> Browser:
    """Who asks to be let in, with the cookie that it gets if it is."""
    return Browser(
        address=browser.network_address(request, services.settings),
        name=request.headers.get("user-agent", "")[:300],
        token=token(),
    )


async def let_in(request: Request, services: Services, who: Browser, to: str) -> Response:
    """On to a page with the new session; the one before, if there was any, ends."""
    origin = browser.origin_of(request, services.settings)
    if old := request.cookies.get(browser.cookie_name(origin)):
        async with services.db.transaction() as tx:
            if found := await users.signed_in(tx, old, services.clock.now()):
                await users.sign_out(tx, found[0].id, only=found[1].id)
    answer = RedirectResponse(to, 303)
    browser.set_cookie(answer, origin, who.token)
    return answer


@router.post(CONSOLE + "/sign-out")
async def sign_out(viewer: Seen, services: With) -> Response:
    """End this browser's session."""
    assert viewer.session is not None
    async with services.db.transaction() as tx:
        await users.sign_out(tx, viewer.user.id, only=viewer.session.sign_in.id)
    answer = RedirectResponse(CONSOLE + "/sign-in", 303)
    browser.drop_cookie(answer, viewer.session.origin)
    return answer


@doors.get(CONSOLE + "/welcome/{link}")
async def show_welcome(request: Request, services: With, link: str) -> Response:
    """Behind a one-time link: make the first user, or choose a password."""
    browser.origin_of(request, services.settings)
    user = await flow.behind_link(services.db, link[:100], services.clock.now())
    return _welcome_page(request, services, user, link)


def _welcome_page(
    request: Request,
    services: Services,
    user: User | None,
    link: str,
    *,
    error: BadInput | None = None,
    **given: Any,
) -> HTMLResponse:
    return page(
        request,
        viewer_of(request, services),
        "welcome.html",
        error.status if error else 200,
        user=user,
        link=link,
        error=error,
        given={"email": "", "name": "", **given},
    )


@doors.post(CONSOLE + "/welcome/{link}")
async def welcome(
    request: Request,
    services: With,
    link: str,
    password: Text = "",
    again: Text = "",
    email: Text = "",
    name: Text = "",
) -> Response:
    """Make the first user or set the password, and let it in."""
    browser.require_own_origin(request, services.settings)
    link = link[:100]
    now, who = services.clock.now(), asking(request, services)
    user = await flow.behind_link(services.db, link, now)
    try:
        if password != again:
            raise BadInput("The two passwords differ.", "Type the same one twice.")
        if user is None:
            await flow.first_user(
                services.db,
                services.passwords,
                link=link,
                email=email,
                name=name,
                password=password,
                browser=who,
                now=now,
            )
        else:
            await flow.password_by_link(
                services.db, services.passwords, link=link, password=password, browser=who, now=now
            )
    except BadInput as error:
        return _welcome_page(request, services, user, link, error=error, email=email, name=name)
    return await let_in(request, services, who, CONSOLE)
