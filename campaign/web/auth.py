"""Who may do what: API keys, signed-in browsers, and one table of all routes.

A route of the API or the console that is not in the table is refused: forgetting a guard closes a door, it
never opens one. Whatever answers without a key or a session stands in `OPEN`, or is signed by Twilio
(web/hooks.py, web/relay.py).
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from campaign.domain.errors import NotAllowed, NotSignedIn
from campaign.flow.report_kinds import KINDS
from campaign.store import accounts, users
from campaign.store.accounts import Role
from campaign.store.users import SignIn, User
from campaign.web import browser
from campaign.web.deps import With
from campaign.wiring import Services

_ADMIN = frozenset({Role.ADMIN})
_OPERATE = frozenset({Role.ADMIN, Role.OPERATOR})
_LISTS = frozenset({Role.ADMIN, Role.OPERATOR, Role.UPLOADER})
_RESULTS = frozenset({Role.ADMIN, Role.OPERATOR, Role.ANALYST})
_ANY = frozenset(Role)

API = "/api/v1"
CONSOLE = "/console"
REPORTS = tuple(KINDS)
GUARDS: dict[tuple[str, str], frozenset[Role]] = {
    ("GET", "/openapi.json"): _ANY,
    ("GET", "/metrics"): _ANY,
    ("GET", API + "/contact-lists"): _ANY,
    ("POST", API + "/contact-lists"): _LISTS,
    ("GET", API + "/contact-lists/{list_id}"): _ANY,
    ("GET", API + "/imports"): _LISTS,
    ("GET", API + "/imports/{import_id}"): _LISTS,
    ("GET", API + "/imports/{import_id}/rejected.csv"): _LISTS,
    ("GET", API + "/contacts"): _LISTS,
    ("POST", API + "/contacts"): _LISTS,
    ("GET", API + "/contacts/{contact_id}"): _LISTS,
    ("PATCH", API + "/contacts/{contact_id}"): _LISTS,
    ("DELETE", API + "/contacts/{contact_id}"): _OPERATE,
    ("GET", API + "/contacts/{contact_id}/story"): _OPERATE,
    ("GET", API + "/dnc"): _ANY,
    ("POST", API + "/dnc"): _LISTS,
    ("DELETE", API + "/dnc"): _OPERATE,
    ("GET", API + "/dnc/registries"): _ANY,
    ("GET", API + "/dnc/registries/{name}/versions"): _ANY,
    ("GET", API + "/campaigns"): _ANY,
    ("POST", API + "/campaigns"): _OPERATE,
    ("POST", API + "/campaigns/validate"): _OPERATE,
    ("GET", API + "/campaigns/{campaign_id}"): _RESULTS,
    ("PATCH", API + "/campaigns/{campaign_id}"): _OPERATE,
    ("POST", API + "/campaigns/{campaign_id}/start"): _OPERATE,
    ("POST", API + "/campaigns/{campaign_id}/pause"): _OPERATE,
    ("POST", API + "/campaigns/{campaign_id}/resume"): _OPERATE,
    ("POST", API + "/campaigns/{campaign_id}/stop"): _OPERATE,
    ("POST", API + "/campaigns/{campaign_id}/redial"): _OPERATE,
    ("POST", API + "/campaigns/{campaign_id}/preview"): _OPERATE,
    ("GET", API + "/previews/{study_id}"): _RESULTS,
    ("POST", API + "/rules/replays"): _OPERATE,
    ("GET", API + "/rules/replays/{study_id}"): _RESULTS,
    ("GET", API + "/campaigns/{campaign_id}/status"): _RESULTS,
    ("GET", API + "/campaigns/{campaign_id}/report"): _RESULTS,
    ("GET", API + "/attempts"): _RESULTS,
    ("GET", API + "/attempts/{attempt_id}"): _RESULTS,
    ("GET", API + "/attempts/{attempt_id}/transcript"): _RESULTS,
    ("GET", API + "/attempts/{attempt_id}/recording"): _OPERATE,
    ("POST", API + "/attempts/{attempt_id}/end"): _OPERATE,
    ("GET", API + "/outcomes"): _RESULTS,
    ("GET", API + "/decisions"): _RESULTS,
    **{
        ("GET", f"{API}/reports/{name}{kind}"): _RESULTS
        for name in REPORTS
        for kind in ("", ".csv", ".parquet")
    },
    ("GET", API + "/exports"): _RESULTS,
    ("POST", API + "/exports"): _RESULTS,
    ("GET", API + "/exports/{export_id}"): _RESULTS,
    ("GET", API + "/exports/{export_id}/file"): _RESULTS,
    ("GET", API + "/stop-all"): _ANY,
    ("POST", API + "/stop-all"): _OPERATE,
    ("DELETE", API + "/stop-all"): _ADMIN,
    ("GET", API + "/audit"): _ADMIN,
    ("GET", API + "/webhooks"): _ADMIN,
    ("POST", API + "/webhooks"): _ADMIN,
    ("DELETE", API + "/webhooks/{endpoint_id}"): _ADMIN,
    ("POST", API + "/webhooks/{endpoint_id}/enable"): _ADMIN,
    ("POST", API + "/webhooks/{endpoint_id}/rotate"): _ADMIN,
    ("POST", API + "/webhooks/{endpoint_id}/test"): _ADMIN,
    ("POST", API + "/webhooks/{endpoint_id}/replay"): _ADMIN,
    ("GET", API + "/webhooks/{endpoint_id}/deliveries"): _ADMIN,
    ("GET", API + "/rules"): _ANY,
    ("GET", API + "/rules/waivers"): _ANY,
    ("PUT", API + "/rules/waivers/{rule_id}"): _ADMIN,
    ("DELETE", API + "/rules/waivers/{rule_id}"): _ADMIN,
    ("GET", API + "/rules/registrations"): _ANY,
    ("PUT", API + "/rules/registrations/{pack}"): _ADMIN,
    ("DELETE", API + "/rules/registrations/{pack}"): _ADMIN,
    ("GET", API + "/rules/pauses"): _ANY,
    ("PUT", API + "/rules/pauses/{region}"): _ADMIN,
    ("DELETE", API + "/rules/pauses/{region}"): _ADMIN,
    ("GET", API + "/people/{number}/export"): _ADMIN,
    ("DELETE", API + "/people/{number}"): _ADMIN,
    ("GET", CONSOLE): _ANY,
    ("GET", CONSOLE + "/today"): _RESULTS,
    ("POST", CONSOLE + "/sign-out"): _ANY,
    ("GET", CONSOLE + "/account"): _ANY,
    ("POST", CONSOLE + "/account/password"): _ANY,
    ("POST", CONSOLE + "/account/sign-outs"): _ANY,
    ("GET", CONSOLE + "/stop-all"): _ANY,
    ("POST", CONSOLE + "/stop-all"): _OPERATE,
    ("POST", CONSOLE + "/stop-all/lift"): _ADMIN,
    ("GET", CONSOLE + "/campaigns"): _RESULTS,
    ("GET", CONSOLE + "/campaigns/{campaign_id}"): _RESULTS,
    ("GET", CONSOLE + "/campaigns/{campaign_id}/now"): _RESULTS,
    ("GET", CONSOLE + "/campaigns/{campaign_id}/events"): _RESULTS,
    ("POST", CONSOLE + "/campaigns/{campaign_id}/start"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/{campaign_id}/pause"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/{campaign_id}/resume"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/{campaign_id}/stop"): _OPERATE,
    ("GET", CONSOLE + "/campaigns/{campaign_id}/again"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/{campaign_id}/again"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/{campaign_id}/again/count"): _OPERATE,
    ("GET", CONSOLE + "/live"): _RESULTS,
    ("GET", CONSOLE + "/live/{what}/now"): _RESULTS,
    ("GET", CONSOLE + "/live/{what}/events"): _RESULTS,
    ("GET", CONSOLE + "/calls"): _RESULTS,
    ("GET", CONSOLE + "/calls.csv"): _RESULTS,
    ("GET", CONSOLE + "/calls/{attempt_id}"): _RESULTS,
    ("GET", CONSOLE + "/calls/{attempt_id}/events"): _RESULTS,
    ("POST", CONSOLE + "/calls/{attempt_id}/end"): _OPERATE,
    ("GET", CONSOLE + "/reports"): _RESULTS,
    ("GET", CONSOLE + "/reports/{name}"): _RESULTS,
    ("GET", CONSOLE + "/people"): _OPERATE,
    ("POST", CONSOLE + "/people"): _OPERATE,
    ("GET", CONSOLE + "/people/{reference}"): _OPERATE,
    ("POST", CONSOLE + "/people/do-not-call"): _OPERATE,
    ("POST", CONSOLE + "/people/may-be-called"): _OPERATE,
    ("POST", CONSOLE + "/people/export"): _ADMIN,
    ("POST", CONSOLE + "/people/erase"): _ADMIN,
    ("GET", CONSOLE + "/lists"): _LISTS,
    ("GET", CONSOLE + "/lists/table"): _LISTS,
    ("GET", CONSOLE + "/lists/upload"): _LISTS,
    ("POST", CONSOLE + "/lists/upload"): _LISTS,
    ("GET", CONSOLE + "/lists/uploads/{token}"): _LISTS,
    ("POST", CONSOLE + "/lists/uploads/{token}/look"): _LISTS,
    ("POST", CONSOLE + "/lists/uploads/{token}/import"): _LISTS,
    ("POST", CONSOLE + "/lists/uploads/{token}/drop"): _LISTS,
    ("GET", CONSOLE + "/lists/{list_id}"): _LISTS,
    ("GET", CONSOLE + "/lists/{list_id}/imports"): _LISTS,
    ("GET", CONSOLE + "/lists/{list_id}/campaigns"): _LISTS,
    ("POST", CONSOLE + "/lists/{list_id}/campaigns"): _OPERATE,
    ("GET", CONSOLE + "/lists/{list_id}/places"): _LISTS,
    ("GET", CONSOLE + "/lists/{list_id}/contacts/new"): _LISTS,
    ("POST", CONSOLE + "/lists/{list_id}/contacts"): _LISTS,
    ("GET", CONSOLE + "/contacts/{contact_id}"): _LISTS,
    ("POST", CONSOLE + "/contacts/{contact_id}"): _LISTS,
    ("POST", CONSOLE + "/contacts/{contact_id}/remove"): _OPERATE,
    ("GET", CONSOLE + "/imports/{import_id}"): _LISTS,
    ("GET", CONSOLE + "/imports/{import_id}/progress"): _LISTS,
    ("GET", CONSOLE + "/imports/{import_id}/places"): _LISTS,
    ("POST", CONSOLE + "/imports/{import_id}/resume"): _LISTS,
    ("POST", CONSOLE + "/imports/{import_id}/discard"): _LISTS,
    ("GET", CONSOLE + "/campaigns/new"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/new"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/check"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/rehearse"): _OPERATE,
    ("GET", CONSOLE + "/campaigns/{campaign_id}/edit"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/{campaign_id}/edit"): _OPERATE,
    ("GET", CONSOLE + "/campaigns/{campaign_id}/definition.toml"): _OPERATE,
    ("GET", CONSOLE + "/campaigns/{campaign_id}/preview"): _OPERATE,
    ("POST", CONSOLE + "/campaigns/{campaign_id}/preview"): _OPERATE,
    ("GET", CONSOLE + "/campaigns/{campaign_id}/preview/{study_id}"): _OPERATE,
    ("GET", CONSOLE + "/dnc"): _ANY,
    ("GET", CONSOLE + "/dnc/lists"): _ANY,
    ("POST", CONSOLE + "/dnc"): _LISTS,
    ("POST", CONSOLE + "/dnc/remove"): _OPERATE,
    ("GET", CONSOLE + "/users"): _ADMIN,
    ("POST", CONSOLE + "/users"): _ADMIN,
    ("POST", CONSOLE + "/users/{user_id}/role"): _ADMIN,
    ("POST", CONSOLE + "/users/{user_id}/disable"): _ADMIN,
    ("POST", CONSOLE + "/users/{user_id}/enable"): _ADMIN,
    ("POST", CONSOLE + "/users/{user_id}/link"): _ADMIN,
    ("POST", CONSOLE + "/users/{user_id}/unlock"): _ADMIN,
    ("GET", CONSOLE + "/webhooks"): _ADMIN,
    ("POST", CONSOLE + "/webhooks"): _ADMIN,
    ("GET", CONSOLE + "/webhooks/{endpoint_id}"): _ADMIN,
    ("POST", CONSOLE + "/webhooks/{endpoint_id}/test"): _ADMIN,
    ("POST", CONSOLE + "/webhooks/{endpoint_id}/rotate"): _ADMIN,
    ("POST", CONSOLE + "/webhooks/{endpoint_id}/enable"): _ADMIN,
    ("POST", CONSOLE + "/webhooks/{endpoint_id}/replay"): _ADMIN,
    ("POST", CONSOLE + "/webhooks/{endpoint_id}/remove"): _ADMIN,
    ("GET", CONSOLE + "/audit"): _ADMIN,
    ("GET", CONSOLE + "/design"): _ADMIN,
}
"""(method, path) → the roles that may. `admin` may all."""

OPEN: frozenset[tuple[str, str]] = frozenset(
    {
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/"),
        ("GET", "/favicon.ico"),
        ("GET", "/static/{name:path}"),
        ("GET", CONSOLE + "/sign-in"),
        ("POST", CONSOLE + "/sign-in"),
        ("GET", CONSOLE + "/openid"),
        ("GET", CONSOLE + "/openid/callback"),
        ("GET", CONSOLE + "/welcome/{link}"),
        ("POST", CONSOLE + "/welcome/{link}"),
    }
)
"""What answers without a key or a session."""

SEEN_NOTED_EVERY = timedelta(minutes=1)
"""That a browser is in use is noted no more often."""

_bearer = HTTPBearer(
    auto_error=False, bearerFormat="cc_…", description="An API key, made with `campaign keys create`."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the holder of an API key or a signed-in user. `actor` is its name in the audit trail."""

    actor: str
    role: Role
    name: str


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser: its user, its row, its cookie's token, our origin as it sees it."""

    user: User
    sign_in: SignIn
    token: str = field(repr=False)
    origin: str


async def _signed_in(
    request: Request,
    services: With,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    """Who asks, allowed to do what is asked: by an API key, or as a signed-in user of the console.

    Raises:
        NotSignedIn: no key and no session, or none in force.
        NotAllowed: the role may not; or an unsafe request of a session without its token.
    """
    if given is None and "authorization" not in request.headers and browser.has_cookie(request):
        user = (await session_of(request, services)).user
        return Caller(user.actor, user.role, user.name)
    if given is None or not given.credentials.startswith(accounts.KEY_MARK):
        raise NotSignedIn("This needs an API key.", "Send `Authorization: Bearer cc_…`.")
    async with services.db.connection() as tx:
        key = await accounts.find_key(tx, given.credentials)
    if key is None:
        raise NotSignedIn("This API key is not in force.", "Make one with `campaign keys create`.")
    now = services.clock.now()
    if accounts.use_is_news(key, now):
        async with services.db.transaction() as tx:
            await accounts.note_use(tx, key, now)
    _require(
        request, key.role, f"The key {key.name!r} has the role {key.role}", "Use a key with such a role."
    )
    return Caller(f"key:{key.name}", key.role, key.name)


async def session_of(request: Request, services: Services) -> Session:
    """The session of a browser, allowed to do what is asked.

    Raises:
        NotSignedIn: it has none in force.
        NotAllowed: its user's role may not; or the request is unsafe and lacks the session's token.
        NotFound: the browser asks under a name that is not ours.
    """
    origin = browser.origin_of(request, services.settings)
    token = request.cookies.get(browser.cookie_name(origin), "")
    now = services.clock.now()
    async with services.db.connection() as tx:
        found = await users.signed_in(tx, token, now) if token else None
    if found is None:
        raise NotSignedIn("You are not signed in, or no longer.", "Sign in.")
    user, sign_in = found
    if request.method not in browser.SAFE:
        browser.require_own_origin(request, services.settings)
        await browser.require_csrf(request, token)
    by_itself = request.method == "GET" and "hx-request" in request.headers  # a page that renews its parts
    if now - sign_in.seen_at >= SEEN_NOTED_EVERY and not by_itself:
        async with services.db.transaction() as tx:
            await users.note_seen(tx, sign_in.id, now)
    _require(request, user.role, f"Your role is {user.role}", "Ask an admin for another role.")
    return Session(user, sign_in, token, origin)


def _require(request: Request, role: Role, whose: str, do: str) -> None:
    allowed = GUARDS.get((request.method, request.scope["route"].path), frozenset())
    if role not in allowed:
        who = ", ".join(sorted(allowed)) or "nobody"
        raise NotAllowed(f"{whose}; this is for: {who}.", do)


def may(role: Role, method: str, path: str) -> bool:
    """Whether a role opens a door: for showing only what leads somewhere."""
    return role in GUARDS.get((method, path), frozenset())


SignedIn = Annotated[Caller, Depends(_signed_in)]
"""Who a request came from; also what guards a router."""
guard = Depends(_signed_in)


def actor_of(caller: Caller) -> str:
    """Who acts, for the audit trail."""
    return caller.actor
