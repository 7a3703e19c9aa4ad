"""Campaigns: make, look at, edit, run."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from campaign.domain.campaign import CampaignDefinition, from_json, parse_toml
from campaign.domain.errors import BadInput
from campaign.domain.toml_lines import lines_of
from campaign.domain.waiting import Reason
from campaign.flow import definitions, hindrances, lifecycle
from campaign.flow.lifecycle import Change
from campaign.flow.standing import standing_of
from campaign.store import campaigns as store
from campaign.store import reports
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import With
from campaign.web.problems import responses

router = APIRouter(prefix=API + "/campaigns", tags=["Campaigns"], dependencies=[guard], responses=responses())

Id = Annotated[int, Path(ge=1, lt=2**63)]
Lines = dict[tuple[str | int, ...], int]

_DEFINITION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/CampaignDefinition"}},
            "application/toml": {"schema": {"type": "string", "description": "the same as TOML"}},
        },
    }
}
_PATCH: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/merge-patch+json": {
                "schema": {"type": "object"},
                "example": {"pacing": {"calls_per_second": 2}, "schedule": {"end": None}},
            },
            "application/toml": {"schema": {"type": "string", "description": "a whole definition"}},
        },
    }
}


class Campaign(BaseModel):
    """A campaign as it stands."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    state: str = Field(
        examples=["running"],
        description="draft, scheduled, running, paused, stopping; final: stopped, completed, failed",
    )
    state_why: str | None
    state_at: datetime
    version: int = Field(description="of its definition")
    starts_at: datetime | None
    ends_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    calls_per_second: float | None = Field(description="null: the account's")
    lines: int
    share: int
    created_by: str
    created_at: datetime


class LogLine(BaseModel):
    """One change of a campaign."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    actor: str
    from_state: str | None
    to_state: str
    why: str


class CampaignDetail(Campaign):
    """A campaign with its definition in force and its history."""

    definition: dict[str, Any]
    history: list[LogLine]
    warnings: list[str] = Field(
        description="what keeps it from dialling right now, in sentences: Twilio away, all dialling stopped …"
    )


class CampaignStatus(BaseModel):
    """How a campaign stands at one moment."""

    at: datetime
    why_idle: str | None = Field(
        description="why nothing is being dialled, in one line; null while calls go out",
        examples=["Nothing is due: 2,310 wait for their window (next opens 14:00 UTC)."],
    )
    contacts: dict[str, int] = Field(description="by state: waiting, calling, done, blocked")
    due: int = Field(description="waiting contacts whose time has come")
    next_at: datetime | None = Field(description="when the next waiting contact is due")
    calls: dict[str, int] = Field(description="attempts under way, by state")
    started_10s: int = Field(description="calls that went out in the last ten seconds")
    ended_60s: int = Field(description="contacts that came to an end in the last minute")
    dispositions: dict[str, int] = Field(description="contacts by the disposition of their last attempt")
    waiting_for: dict[str, int] = Field(description="waiting contacts by the rule that defers them")
    blocked_by: dict[str, int] = Field(description="blocked contacts by rule")
    spent_today: float = Field(description="money spent or reserved, this UTC day")
    spent: float = Field(description="money spent or reserved, in all")
    held: list[reports.Group] = Field(description="who is not due, by what holds them")
    reasons: list[Reason] = Field(description="the same by kind of reason, with the exact rules")


class CampaignList(BaseModel):
    """All campaigns, newest first."""

    items: list[Campaign]


class Changed(BaseModel):
    """What came of an action."""

    id: int
    name: str
    state: str
    changed: bool = Field(description="false: it was so already")
    why: str
    calls_cancelled: int = Field(description="calls that nobody had answered")
    contacts: dict[str, int] = Field(description="of a redial: contacts by disposition")
    warnings: list[str] = Field(description="what may keep it from dialling")


class Valid(BaseModel):
    """The definition can be used."""

    ok: bool = True
    name: str


class Why(BaseModel):
    """A reason for the log."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field(default="", max_length=500)


class Stop(Why):
    """How to stop."""

    hang_up: bool = Field(default=False, description="also cut conversations that are going on")


class Redial(BaseModel):
    """Whom to call again."""

    model_config = ConfigDict(extra="forbid")

    dispositions: list[str] = Field(min_length=1, max_length=50, examples=[["no_answer", "busy"]])
    attempts: int = Field(default=1, ge=1, le=50, description="further attempts for each")


@router.get("", summary="List campaigns, newest first")
async def list_campaigns(
    services: With,
    state: Annotated[list[str] | None, Query(max_length=10, description="only in these states")] = None,
) -> CampaignList:
    """All of them, or those in some states."""
    for one in state or ():
        if "\0" in one:
            raise BadInput("`state` is no state.")
    async with services.db.connection() as tx:
        rows = await store.listed(tx, state or ())
    return CampaignList(items=[Campaign.model_validate(row) for row in rows])


@router.post(
    "",
    status_code=201,
    summary="Make a campaign",
    openapi_extra=_DEFINITION,
    responses=responses(400, 409),
)
async def create_campaign(
    services: With, key: SignedIn, request: Request, response: Response
) -> CampaignDetail:
    """A draft, from a definition in JSON or TOML. Faults come all at once, for TOML with their lines."""
    definition, lines = _definition(await request.body(), _media_type(request))
    row = await definitions.create(
        services.db,
        definition,
        actor=actor_of(key),
        now=services.clock.now(),
        lines=lines,
        rulebook=services.rulebook,
    )
    response.headers["Location"] = f"{API}/campaigns/{row.id}"
    return await _detail(services, row.id)


@router.post("/validate", summary="Check a definition", openapi_extra=_DEFINITION, responses=responses(400))
async def validate_campaign(services: With, request: Request) -> Valid:
    """Like making a campaign, but nothing is kept."""
    definition, lines = _definition(await request.body(), _media_type(request))
    async with services.db.connection() as tx:
        await definitions.check(tx, definition, lines, (services.rulebook, services.clock.now().date()))
    return Valid(name=definition.name)


@router.get("/{campaign_id}", summary="One campaign", responses=responses(404))
async def get_campaign(services: With, campaign_id: Id) -> CampaignDetail:
    """With the definition in force and all changes of state."""
    return await _detail(services, campaign_id)


@router.patch(
    "/{campaign_id}",
    summary="Edit a campaign",
    openapi_extra=_PATCH,
    responses=responses(400, 404, 409),
)
async def edit_campaign(services: With, key: SignedIn, campaign_id: Id, request: Request) -> CampaignDetail:
    """While it is a draft or paused. Send what changes (JSON merge patch, RFC 7396) or a whole TOML file.

    The edit is a new version; calls that are up keep the one that they were made under.
    """
    media, body, lines = _media_type(request), await request.body(), None
    if media == "toml":
        definition, lines = _definition(body, media)
    else:
        patch = _json(body)
        if not isinstance(patch, Mapping):
            raise BadInput("A merge patch is a JSON object.")
        async with services.db.connection() as tx:
            row = await store.find(tx, f"#{campaign_id}")
            present = await store.definition(tx, row.id)
        definition = from_json(merged(present, patch))
    await definitions.edit(
        services.db,
        services.rulebook,
        f"#{campaign_id}",
        definition,
        actor=actor_of(key),
        now=services.clock.now(),
        lines=lines,
    )
    return await _detail(services, campaign_id)


@router.post("/{campaign_id}/start", summary="Start", responses=responses(404, 409))
async def start_campaign(services: With, key: SignedIn, campaign_id: Id) -> Changed:
    """Calls begin at once, or at the campaign's start if that is still to come."""
    return _changed(
        await lifecycle.start(
            services.db,
            f"#{campaign_id}",
            actor=actor_of(key),
            now=services.clock.now(),
            rulebook=services.rulebook,
        )
    )


@router.post("/{campaign_id}/pause", summary="Pause", responses=responses(404, 409))
async def pause_campaign(
    services: With, key: SignedIn, campaign_id: Id, body: Annotated[Why, Body()] = Why()
) -> Changed:
    """Nobody is dialled from the very next call on; what is queued or rings is cancelled."""
    return _changed(
        await lifecycle.pause(
            services.db, f"#{campaign_id}", actor=actor_of(key), now=services.clock.now(), why=body.why
        )
    )


@router.post("/{campaign_id}/resume", summary="Go on", responses=responses(404, 409))
async def resume_campaign(services: With, key: SignedIn, campaign_id: Id) -> Changed:
    """After a pause; contacts that were blocked are judged once more."""
    return _changed(
        await lifecycle.resume(
            services.db,
            f"#{campaign_id}",
            actor=actor_of(key),
            now=services.clock.now(),
            rulebook=services.rulebook,
        )
    )


@router.post("/{campaign_id}/stop", summary="Stop for good", responses=responses(404, 409))
async def stop_campaign(
    services: With, key: SignedIn, campaign_id: Id, body: Annotated[Stop, Body()] = Stop()
) -> Changed:
    """Final. Conversations that go on are not cut, unless `hang_up` says so."""
    return _changed(
        await lifecycle.stop(
            services.db,
            f"#{campaign_id}",
            actor=actor_of(key),
            now=services.clock.now(),
            at_once=body.hang_up,
            why=body.why,
        )
    )


@router.post("/{campaign_id}/redial", summary="Call some again", responses=responses(400, 404, 409))
async def redial_campaign(services: With, key: SignedIn, campaign_id: Id, body: Redial) -> Changed:
    """Contacts whose last attempt ended in certain ways; all rules hold as ever."""
    return _changed(
        await lifecycle.redial(
            services.db,
            f"#{campaign_id}",
            body.dispositions,
            body.attempts,
            actor=actor_of(key),
            now=services.clock.now(),
        )
    )


@router.get("/{campaign_id}/status", summary="How it stands now", responses=responses(404))
async def get_status(services: With, campaign_id: Id) -> CampaignStatus:
    """Contacts by state, calls under way, what is due, what the rest waits for, why nothing is dialled."""
    async with services.db.connection() as tx:
        found = await standing_of(tx, f"#{campaign_id}", services.clock.now(), services.account)
    idle = found.why.line if found.why.idle else None
    return CampaignStatus(**asdict(found.status), why_idle=idle, reasons=found.why.reasons)


@router.get("/{campaign_id}/report", summary="What became of it", responses=responses(404))
async def get_report(services: With, campaign_id: Id) -> reports.Report:
    """The funnel, outcomes by disposition, who was not called and why, recoveries, latency, cost.

    Every contact is in exactly one row of `standing` or done; every settled attempt in one of `outcomes`.
    """
    async with services.db.connection() as tx:
        row = await store.find(tx, f"#{campaign_id}")
        return await reports.report(tx, row.id)


async def _detail(services: With, campaign_id: int) -> CampaignDetail:
    async with services.db.connection() as tx:
        row = await store.find(tx, f"#{campaign_id}")
        definition = await store.definition(tx, row.id)
        history = await store.history(tx, row.id)
        warnings = await hindrances.of_campaign(
            tx,
            row,
            services.clock.now(),
            rates=services.rates,
            clock_rate=services.clock.rate,
            rulebook=services.rulebook,
        )
    return CampaignDetail(
        **Campaign.model_validate(row).model_dump(),
        definition=definition,
        history=[LogLine(**line) for line in history],
        warnings=warnings,
    )


def _changed(change: Change) -> Changed:
    return Changed(**lifecycle.as_json(change))


# ── definitions as they come ───────────────────────────────────────────────────────────────────────────


def _media_type(request: Request) -> str:
    """ "toml" or "json", by the Content-Type."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given in ("application/toml", "text/toml", "text/x-toml"):
        return "toml"
    if given in ("", "application/json", "application/merge-patch+json"):
        return "json"
    raise BadInput(
        f"Content-Type {given[:80]!r} is not understood.", "Send application/json or application/toml."
    )


def _definition(body: bytes, media: str) -> tuple[CampaignDefinition, Lines | None]:
    if media == "json":
        return from_json(_json(body)), None
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("The body is no UTF-8 text.") from None
    return parse_toml(text, "definition"), lines_of(text)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The body is no JSON: {str(error)[:200]}.") from None


def merged(present: object, patch: object) -> object:
    """A document with a merge patch applied (RFC 7396): objects merge, null removes, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    kept = dict(present) if isinstance(present, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = merged(kept.get(key), value)
    return kept
