"""The front doors as one application: the API, Twilio's webhooks, the conversations' socket, health."""

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi

from campaign.domain import campaign as campaigns
from campaign.domain.errors import Unavailable
from campaign.flow.draining import ANSWERS
from campaign.flow.watch import WatchedHome
from campaign.web import feeds, health, hooks, metrics, problems, relay, static_files
from campaign.web.api import (
    audit,
    contacts,
    dnc,
    exports,
    lists,
    people,
    recordings,
    reports,
    results,
    rules,
    stops,
    studies,
    webhooks,
)
from campaign.web.api import campaigns as campaign_routes
from campaign.web.auth import API, guard
from campaign.web.console import (
    account,
    again_pages,
    build_pages,
    calls,
    campaign_pages,
    contact_pages,
    design,
    dnc_pages,
    errors,
    frame,
    home,
    import_pages,
    list_pages,
    live_pages,
    openid,
    preview_pages,
    rehearsal_pages,
    report_pages,
    sign_in,
    upload_pages,
    user_pages,
    webhook_pages,
)
from campaign.web.console import audit as audit_pages
from campaign.web.console import people as people_pages
from campaign.web.console import stops as stop_pages
from campaign.web.limits import BodyLimit
from campaign.wiring import Services

if TYPE_CHECKING:
    from campaign.web.openid import OpenId

DESCRIPTION = """\
Outbound calling campaigns: contact lists in, calls out at the allowed pace and hour, outcomes kept.

**Keys.** Every request carries `Authorization: Bearer cc_…`, a key made with `campaign keys create`. What a
key may do is its role's: `admin` everything; `operator` campaigns, lists, do-not-call and results;
`uploader` lists and do-not-call; `analyst` reads results.

**Problems** are documents of RFC 9457: `detail` says what happened and where, `do` what to do about it.

**Lists** come in pages: `items`, and `next`, which is given back as `cursor` for the next page.

**Times** are ISO 8601 with an offset, **numbers** E.164 (`+12025550123`).
"""

_API_ROUTERS = (
    lists,
    contacts,
    dnc,
    campaign_routes,
    studies,
    rules,
    results,
    recordings,
    reports,
    exports,
    people,
    stops,
    webhooks,
    audit,
)
_CONSOLE_ROUTERS = (
    static_files.router,
    home.doors,
    sign_in.doors,
    openid.doors,
    *(
        module.router
        for module in (
            home,
            sign_in,
            account,
            build_pages,  # /campaigns/new stands before /campaigns/{campaign_id}
            preview_pages,
            rehearsal_pages,
            campaign_pages,
            again_pages,
            live_pages,
            calls,
            people_pages,
            report_pages,
            upload_pages,
            list_pages,
            contact_pages,
            import_pages,
            dnc_pages,
            stop_pages,
            user_pages,
            audit_pages,
            webhook_pages,
            design,
        )
    ),
)


def create_app(services: Services) -> FastAPI:
    """The application over open services; opening and closing them is the caller's.

    What a process of another role than `all` and `web` is asked by Twilio or an API client, it refuses with
    503: on a machine that dials, conversations would cost the calls their instants.
    """
    app = FastAPI(
        title="Calling campaigns",
        version=version("calling-campaign"),
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.metrics = metrics.Metrics(services.clock.now())
    app.state.pulse = health.Pulse()
    app.state.children = set()
    app.state.openid = _openid(services)
    app.state.feeds = feeds.Feeds()
    app.state.home = WatchedHome(services.db, services.account)
    app.state.events_at_once = asyncio.Semaphore(hooks.EVENTS_AT_ONCE)
    problems.install(app, wants_page=errors.wants_page, error_page=errors.error_page)
    answers = services.replica.role in ANSWERS
    if answers:
        # Twilio's first: routes are tried one after the other, and hers are asked most.
        app.include_router(hooks.router)
        for module in _API_ROUTERS:
            app.include_router(module.router)
        app.include_router(_documents())
        for router in _CONSOLE_ROUTERS:
            app.include_router(router)
    app.include_router(metrics.router)
    app.include_router(health.router)
    if not answers:
        app.include_router(_nothing_else(services.replica.role))
    app.add_middleware(
        BodyLimit,
        upload_bytes=services.settings.max_upload_bytes,
        upload_paths=frozenset({API + "/contact-lists", upload_pages.UPLOAD}),
    )
    app.add_middleware(metrics.CountRequests, metrics=app.state.metrics)
    app.add_middleware(problems.LastResort)
    app.add_middleware(health.LetGo, services=services)
    if answers:
        app.add_middleware(relay.Door, services=services)
    return app


def make_ready(app: FastAPI) -> FastAPI:
    """Do before the door opens what would be done when a page or a route is first asked for.

    FastAPI makes an included router's routes, and Jinja compiles a template, at the first request that needs
    them: a second or two of the processor in all, in which the loop would hold no conversation.
    """
    nowhere = {"type": "http", "method": "GET", "path": "/nowhere", "root_path": "", "headers": []}
    for route in app.routes:
        route.matches(dict(nowhere))  # to say no, a router must know all of its routes
    frame.load_templates()
    return app


def _nothing_else(role: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def elsewhere(path: str) -> None:
        raise Unavailable(
            f"This process runs with --role {role}: besides /health, /ready and /metrics it answers nothing.",
            "Send Twilio and API clients to a process with --role web or all.",
        )

    return router


def _documents() -> APIRouter:
    router = APIRouter(tags=["Service"], dependencies=[guard])

    @router.get("/openapi.json", summary="This description", include_in_schema=False)
    async def openapi(request: Request) -> dict[str, Any]:
        app: FastAPI = request.app
        if app.openapi_schema is None:
            app.openapi_schema = openapi_of(app)
        return app.openapi_schema

    return router


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the campaign definition's own schema in it."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    _, parts = campaigns.json_schema()
    document.setdefault("components", {}).setdefault("schemas", {}).update(parts)
    return document


def _openid(services: Services) -> "OpenId | None":
    """The company's OpenID provider, if there is one: its libraries take 10 MB of each process that loads
    them."""
    settings = services.settings.openid
    if settings is None:
        return None
    from campaign.web.openid import OpenId

    return OpenId(settings)
