"""Webhooks: who is told of outcomes and events, and whether they take it; for admins."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain.errors import BadInput, Conflict
from campaign.flow import endpoints
from campaign.store import webhooks as store
from campaign.web.auth import CONSOLE
from campaign.web.console import words
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.deps import With, cursor_of, read_cursor
from campaign.wiring import Services, webhook_secret

router = APIRouter(include_in_schema=False)

WEBHOOKS = CONSOLE + "/webhooks"
ONE = WEBHOOKS + "/{endpoint_id}"
PER_PAGE = 50
STATES = ("waiting", "delivered", "dead")
Id = Annotated[int, Path(ge=1, lt=2**63)]
Text = Annotated[str, Form(max_length=2000)]
Short = Annotated[str, Query(max_length=40)]


@router.get(WEBHOOKS)
async def show_webhooks(request: Request, viewer: Seen, services: With) -> HTMLResponse:
    """All endpoints, and what became of what they were sent lately."""
    return await _list(request, viewer, services)


async def _list(
    request: Request, viewer: Viewer, services: Services, status: int = 200, **more: Any
) -> HTMLResponse:
    async with services.db.connection() as tx:
        found = await store.listed(tx)
        lately = await store.lately(tx)
    given = {"error": None, "given": {}, "chosen": (), **more}
    return page(
        request,
        viewer,
        "webhooks.html",
        status,
        endpoints=found,
        lately=lately,
        looked=store.LATELY,
        events=endpoints.EVENTS,
        **given,
    )


@router.post(WEBHOOKS)
async def add(
    request: Request,
    viewer: Seen,
    services: With,
    url: Text = "",
    description: Text = "",
    numbers: Annotated[Literal["masked", "full"], Form()] = "masked",
    event: Annotated[list[str], Form(max_length=20)] = [],  # noqa: B006 (FastAPI copies it)
) -> HTMLResponse:
    """A new endpoint, with its secret: shown this once."""
    secret = webhook_secret()
    try:
        async with services.db.transaction() as tx:
            made = await endpoints.add(
                tx,
                url=url.strip(),
                secret=secret,
                events=event,
                numbers=numbers,
                description=description.strip(),
                loopback=services.settings.twilio_is_loopback,
                actor=viewer.actor,
                now=viewer.now,
            )
    except (BadInput, Conflict) as error:
        given = {"url": url, "description": description, "numbers": numbers}
        return await _list(request, viewer, services, error.status, error=error, given=given, chosen=event)
    return await _one(request, viewer, services, made.id, secret=secret)


@router.get(ONE)
async def show_webhook(
    request: Request, viewer: Seen, services: With, endpoint_id: Id, state: Short = "", cursor: Short = ""
) -> HTMLResponse:
    """One endpoint: how it stands, and what it was sent, newest first."""
    return await _one(request, viewer, services, endpoint_id, state=state, cursor=cursor)


async def _one(
    request: Request,
    viewer: Viewer,
    services: Services,
    endpoint_id: int,
    *,
    state: str = "",
    cursor: str = "",
    **more: Any,
) -> HTMLResponse:
    chosen = state if state in STATES else ""
    async with services.db.connection() as tx:
        endpoint = await store.get(tx, endpoint_id)
        rows = await store.deliveries(
            tx,
            endpoint_id=endpoint_id,
            state=chosen or None,
            before=read_cursor(cursor) if cursor else None,
            limit=PER_PAGE + 1,
        )
    kept = rows[:PER_PAGE]
    return page(
        request,
        viewer,
        "webhook.html",
        endpoint=endpoint,
        deliveries=kept,
        next=cursor_of(kept[-1]["id"]) if len(rows) > PER_PAGE else None,
        cursor=cursor,
        state=chosen,
        states=STATES,
        at=f"{WEBHOOKS}/{endpoint_id}",
        **{"secret": "", "old_signs_until": None, **more},
    )


# ── what an admin does ─────────────────────────────────────────────────────────────────────────────────


@router.post(ONE + "/test")
async def send_test(viewer: Seen, services: With, endpoint_id: Id) -> Response:
    """Send a test message now, and say what the endpoint answered."""
    async with services.db.transaction() as tx:
        delivery = await endpoints.test(tx, endpoint_id, actor=viewer.actor, now=services.clock.now())
    result = await services.deliveries().send_now(delivery)
    to = f"{WEBHOOKS}/{endpoint_id}"
    if result is None:
        said = "It is sent as soon as the endpoint is switched on, or was just sent: see below."
        return await go_on(services, viewer, to, said, kind="info")
    if result.error:
        return await go_on(services, viewer, to, f"The test was not taken: {result.error}", kind="failure")
    return await go_on(services, viewer, to, f"The test was taken: HTTP {result.status}.")


@router.post(ONE + "/rotate")
async def rotate(request: Request, viewer: Seen, services: With, endpoint_id: Id) -> HTMLResponse:
    """A new secret, shown this once; the old one signs beside it for a day."""
    secret = webhook_secret()
    async with services.db.transaction() as tx:
        until = await store.rotate(tx, endpoint_id, secret, actor=viewer.actor, now=viewer.now)
    return await _one(request, viewer, services, endpoint_id, secret=secret, old_signs_until=until)


@router.post(ONE + "/enable")
async def enable(viewer: Seen, services: With, endpoint_id: Id) -> Response:
    """Switch an endpoint on again that took nothing for days."""
    async with services.db.transaction() as tx:
        await store.enable(tx, endpoint_id, actor=viewer.actor, now=viewer.now)
    said = "It is on again. What was given up meanwhile is sent when you say so."
    return await go_on(services, viewer, f"{WEBHOOKS}/{endpoint_id}", said)


@router.post(ONE + "/replay")
async def replay(
    viewer: Seen,
    services: With,
    endpoint_id: Id,
    delivery_id: Annotated[int | None, Form(ge=1, lt=2**63)] = None,
) -> Response:
    """Send again one message, or all that were given up."""
    to = f"{WEBHOOKS}/{endpoint_id}"
    try:
        async with services.db.transaction() as tx:
            again = await store.replay(
                tx, endpoint_id, actor=viewer.actor, now=services.clock.now(), delivery_id=delivery_id
            )
    except Conflict as error:
        return await go_on(services, viewer, to, words.advice(f"{error.what} {error.do}"), kind="failure")
    said = f"{again:,} message{' is' if again == 1 else 's are'} sent again within seconds."
    return await go_on(services, viewer, to, said if again else "Nothing was given up.")


@router.post(ONE + "/remove")
async def remove(viewer: Seen, services: With, endpoint_id: Id) -> Response:
    """Tell it nothing more; its secret is forgotten."""
    async with services.db.transaction() as tx:
        gone = await store.get(tx, endpoint_id)
        await store.remove(tx, endpoint_id, actor=viewer.actor, now=viewer.now)
    return await go_on(services, viewer, WEBHOOKS, f"{gone.url} is told nothing more.")
