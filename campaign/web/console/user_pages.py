"""Users of the console: who there is, with which role; for admins."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain.errors import BadInput, Conflict
from campaign.flow import sign_in as flow
from campaign.store import users
from campaign.store.accounts import Role
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.deps import With
from campaign.wiring import Services, token

router = APIRouter(include_in_schema=False)

USERS = CONSOLE + "/users"
Text = Annotated[str, Form(max_length=1000)]


@router.get(USERS)
async def show_users(request: Request, viewer: Seen, services: With) -> HTMLResponse:
    """Everybody who may sign in."""
    return await _page(request, viewer, services)


async def _page(
    request: Request, viewer: Viewer, services: Services, status: int = 200, **more: Any
) -> HTMLResponse:
    async with services.db.connection() as tx:
        found = await users.listed(tx)
    given = {"error": None, "given": {}, "link": "", "link_for": None, **more}
    return page(request, viewer, "users.html", status, users=found, **given)


def _address(viewer: Viewer, link: str) -> str:
    assert viewer.session is not None
    return f"{viewer.session.origin}{CONSOLE}/welcome/{link}"


@router.post(USERS)
async def add_user(
    request: Request,
    viewer: Seen,
    services: With,
    role: Annotated[Role, Form()],
    email: Text = "",
    name: Text = "",
) -> HTMLResponse:
    """Make a user, and show the link that the person chooses a password by: this once."""
    link = token()
    try:
        async with services.db.transaction() as tx:
            user = await flow.add(
                tx, email=email, name=name, role=role, link=link, actor=viewer.actor, now=viewer.now
            )
    except (BadInput, Conflict) as error:
        given = {"email": email, "name": name, "role": role.value}
        return await _page(request, viewer, services, error.status, error=error, given=given)
    return await _page(request, viewer, services, link=_address(viewer, link), link_for=user)


@router.post(USERS + "/{user_id}/link")
async def new_link(request: Request, viewer: Seen, services: With, user_id: int) -> HTMLResponse:
    """A fresh link for somebody who forgot the password."""
    link = token()
    async with services.db.transaction() as tx:
        user = await users.by_id(tx, user_id)
        await flow.new_link(tx, user, link, actor=viewer.actor, now=viewer.now)
    return await _page(request, viewer, services, link=_address(viewer, link), link_for=user)


@router.post(USERS + "/{user_id}/role")
async def set_role(viewer: Seen, services: With, user_id: int, role: Annotated[Role, Form()]) -> Response:
    """Another role, in force at once."""
    async with services.db.transaction() as tx:
        user = await users.by_id(tx, user_id)
        await flow.set_role(tx, user, role, actor=viewer.actor, now=viewer.now)
    to = CONSOLE if user_id == viewer.user.id and role is not Role.ADMIN else USERS
    return await go_on(services, viewer, to, f"{user.name} is {role} now.")


@router.post(USERS + "/{user_id}/disable")
async def disable(viewer: Seen, services: With, user_id: int) -> Response:
    """Shut somebody out, at once and everywhere."""
    if user_id == viewer.user.id:
        raise Conflict("You can't shut yourself out.", "Ask another admin.")
    async with services.db.transaction() as tx:
        user = await users.by_id(tx, user_id)
        await flow.disable(tx, user, actor=viewer.actor, now=viewer.now)
    return await go_on(services, viewer, USERS, f"{user.name} is signed out everywhere and can't come in.")


@router.post(USERS + "/{user_id}/enable")
async def enable(viewer: Seen, services: With, user_id: int) -> Response:
    """Let somebody in again."""
    async with services.db.transaction() as tx:
        user = await users.by_id(tx, user_id)
        await flow.enable(tx, user, actor=viewer.actor, now=viewer.now)
    return await go_on(services, viewer, USERS, f"{user.name} can sign in again.")


@router.post(USERS + "/{user_id}/unlock")
async def unlock(viewer: Seen, services: With, user_id: int) -> Response:
    """Forget somebody's failed tries."""
    async with services.db.transaction() as tx:
        user = await users.by_id(tx, user_id)
        had = await flow.unlock(tx, user, actor=viewer.actor, now=viewer.now)
    said = f"{user.name} may try again at once." if had else f"{user.name} was not locked out."
    return await go_on(services, viewer, USERS, said)
