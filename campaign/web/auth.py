"""Who may do what: API keys, and one table of all routes.

A route of the API that is not in the table is refused: forgetting a guard closes a door, it never opens
one. Whatever answers without a key stands in `OPEN`, or is signed by Twilio (web/hooks.py, web/relay.py).
"""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from campaign.domain.errors import NotAllowed, NotSignedIn
from campaign.store import accounts
from campaign.store.accounts import ApiKey, Role
from campaign.web.deps import With

_ADMIN = frozenset({Role.ADMIN})
_OPERATE = frozenset({Role.ADMIN, Role.OPERATOR})
_LISTS = frozenset({Role.ADMIN, Role.OPERATOR, Role.UPLOADER})
_RESULTS = frozenset({Role.ADMIN, Role.OPERATOR, Role.ANALYST})
_ANY = frozenset(Role)

API = "/api/v1"
REPORTS = (
    "funnel", "outcomes", "hours", "tries", "latency", "opt-outs", "recoveries", "costs", "summary",
)  # fmt: skip
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
    ("GET", API + "/outcomes"): _RESULTS,
    ("GET", API + "/decisions"): _RESULTS,
    **{("GET", f"{API}/reports/{name}{kind}"): _RESULTS for name in REPORTS for kind in ("", ".csv")},
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
}
"""(method, path) → the roles that may. `admin` may all."""

OPEN: frozenset[tuple[str, str]] = frozenset({("GET", "/health"), ("GET", "/ready")})
"""What answers without a key."""

_bearer = HTTPBearer(
    auto_error=False, bearerFormat="cc_…", description="An API key, made with `campaign keys create`."
)


async def _signed_in(
    request: Request,
    services: With,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> ApiKey:
    """The key of a request, allowed to do what it asks.

    Raises:
        NotSignedIn: no key, or none in force.
        NotAllowed: the key's role may not.
    """
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
    path = request.scope["route"].path
    allowed = GUARDS.get((request.method, path), frozenset())
    if key.role not in allowed:
        who = ", ".join(sorted(allowed)) or "nobody"
        raise NotAllowed(
            f"The key {key.name!r} has the role {key.role}; this is for: {who}.",
            "Use a key with such a role.",
        )
    return key


SignedIn = Annotated[ApiKey, Depends(_signed_in)]
"""The key that a request came with; also what guards a router."""
guard = Depends(_signed_in)


def actor_of(key: ApiKey) -> str:
    """Who acts, for the audit trail."""
    return f"key:{key.name}"
