"""The do-not-call lists: ask, add, remove."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from campaign.domain import phone as phones
from campaign.domain.errors import BadInput, NotFound
from campaign.flow.registry_standing import standings
from campaign.flow.suppress import lift, suppress
from campaign.store import dnc as store
from campaign.store import registries
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import With
from campaign.web.problems import responses

router = APIRouter(prefix=API, tags=["Do not call"], dependencies=[guard], responses=responses())

Phone = Annotated[
    str,
    Query(
        max_length=40,
        description="a number, best in E.164; other forms need `region`",
        examples=["+12025550123"],
    ),
]
Region = Annotated[
    str | None, Query(pattern="^[A-Z]{2}$", description="country of a number written without +")
]


class DncHit(BaseModel):
    """A list that has the number, and why."""

    list_name: str
    kind: str = Field(description="own (all campaigns), campaign, or registry")
    reason: str
    source: str = Field(description="conversation, keypress, api, import, cli or console")
    quote: str | None = Field(description="the person's own words")
    actor: str
    added_at: datetime


class DncCheck(BaseModel):
    """Where a number stands."""

    phone: str
    listed: bool
    hits: list[DncHit]


class DncAdd(BaseModel):
    """A number that is not to be called."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"phone": "+12025550123", "reason": "asked by e-mail"}]},
    )

    phone: str = Field(max_length=40)
    reason: str = Field(min_length=1, max_length=500)
    region: str | None = Field(
        default=None, pattern="^[A-Z]{2}$", description="country of a number written without +"
    )
    list_name: str | None = Field(
        default=None,
        max_length=200,
        description="a campaign's or registry's list; none: our own, for all campaigns",
    )
    quote: str | None = Field(
        default=None, max_length=300, pattern=r"^[^\x00]*$", description="the person's own words"
    )
    all_numbers: bool = Field(
        default=False, description="also the other numbers of contacts that have this one"
    )


class DncAdded(BaseModel):
    """What adding did, at once."""

    phone: str
    added: bool = Field(description="false: it stood there already")
    contacts_blocked: int = Field(description="enrolled contacts that wait for no call any more")
    calls_cancelled: int = Field(description="calls that were queued or ringing")


class DncRemoved(BaseModel):
    """What removing did."""

    phone: str
    removed: bool
    contacts_unblocked: int = Field(description="enrolled contacts that are judged anew")
    consent_ended_at: datetime | None = Field(
        description="consent that was given up to then counts no more; null: it stands as it was"
    )


@router.get("/dnc", summary="Is a number on a do-not-call list?", responses=responses(400))
async def check_number(services: With, phone: Phone, region: Region = None) -> DncCheck:
    """Every list of any kind that has the number."""
    e164 = number(phone, region)
    async with services.db.connection() as tx:
        hits = await store.check(tx, e164)
    shown = [DncHit(**{name: getattr(hit, name) for name in DncHit.model_fields}) for hit in hits]
    return DncCheck(phone=e164, listed=bool(shown), hits=shown)


@router.post("/dnc", summary="Never call a number again", responses=responses(400, 404))
async def add_number(services: With, key: SignedIn, body: DncAdd) -> DncAdded:
    """In force for the very next call. What waits for the number is blocked, what is queued or rings is
    cancelled; a conversation that goes on is not cut."""
    e164 = number(body.phone, body.region)
    done = await suppress(
        services.db,
        services.gateway if services.settings.twilio_account_sid else None,
        [e164],
        reason=body.reason,
        source="api",
        actor=actor_of(key),
        now=services.clock.now(),
        list_name=body.list_name,
        quote=body.quote,
        all_numbers=body.all_numbers,
    )
    return DncAdded(
        phone=e164,
        added=bool(done.added),
        contacts_blocked=done.blocked,
        calls_cancelled=len(done.call_sids),
    )


@router.delete("/dnc", summary="Take a number off a do-not-call list", responses=responses(400, 404, 409))
async def remove_number(
    services: With,
    key: SignedIn,
    phone: Phone,
    reason: Annotated[str, Query(min_length=3, max_length=500, description="why, for the audit trail")],
    region: Region = None,
    list_name: Annotated[str | None, Query(max_length=200, description="none: our own list")] = None,
    new_consent: Annotated[
        str | None,
        Query(
            min_length=3,
            max_length=500,
            pattern=r"^[^\x00]*$",
            description="where the person's new consent comes from; a must when they asked in a call",
        ),
    ] = None,
    mistake: Annotated[
        bool, Query(description="nobody ever asked: consent given before counts again")
    ] = False,
) -> DncRemoved:
    """Only on the person's own wish or to mend a mistake; who did it and why is kept for ever. Consent that
    was given before the entry stays ended, unless it was a mistake."""
    e164, actor, now = number(phone, region), actor_of(key), services.clock.now()
    lifted = await lift(
        services.db,
        e164,
        list_name=list_name,
        reason=reason,
        new_consent=new_consent,
        mistake=mistake,
        actor=actor,
        now=now,
    )
    if lifted is None:
        raise NotFound("The number is not on that do-not-call list.", "GET /api/v1/dnc?phone=… shows all.")
    return DncRemoved(
        phone=e164,
        removed=True,
        contacts_unblocked=lifted.unblocked,
        consent_ended_at=lifted.consent_ended_at,
    )


class RegistryDemand(BaseModel):
    """A rule in force that wants numbers compared with a registry."""

    rule_id: str
    max_age_days: int
    same_day: bool = Field(description="only by a copy of the called party's day")


class Registry(BaseModel):
    """A registry that was loaded, or that a rule demands, as it stands now."""

    name: str
    version: int | None = Field(description="of the copy in force; null: none, or from before versions")
    numbers: int | None
    as_of: datetime | None = Field(description="date of the copy in force; null: there is none")
    age_days: int | None
    area_codes: list[str] | None = Field(description="those that the copy covers; null: all")
    expires_at: datetime | None = Field(description="until when the copy does for the strictest rule")
    demanded_by: list[RegistryDemand]
    fault: str = Field(description="what is the matter with it, in words; empty: nothing")


class RegistryVersion(BaseModel):
    """A copy of a registry that was loaded once; kept for the record."""

    number: int
    state: str = Field(description="loading, active (in force), retired or failed")
    source: str = Field(description="full: a whole copy; changes: a change list applied to `base`")
    base: int | None
    files: list[dict[str, Any]] = Field(description="name, bytes and sha256 of each")
    as_of: datetime
    area_codes: list[str] | None
    numbers: int
    rows_read: int
    rows_rejected: int
    error: str | None
    actor: str
    began_at: datetime
    loaded_at: datetime | None
    retired_at: datetime | None


@router.get("/dnc/registries", summary="How the registries stand")
async def list_registries(services: With) -> list[Registry]:
    """Every registry that was loaded or that a rule demands: version, age, expiry, and who demands it. They
    are loaded with `campaign dnc registry load`."""
    now = services.clock.now()
    async with services.db.connection() as tx:
        found = await standings(tx, services.rulebook, now)
    return [Registry.model_validate(one.as_dict(now)) for one in found]


@router.get("/dnc/registries/{name}/versions", summary="All copies of a registry", responses=responses(404))
async def list_versions(
    services: With, name: Annotated[str, Path(max_length=200, examples=["us-national-dnc"])]
) -> list[RegistryVersion]:
    """Every version there ever was, the newest first."""
    async with services.db.connection() as tx:
        found = await registries.versions(tx, name)
    if not found:
        raise NotFound(
            f'There is no registry "{name[:200]}" that was ever loaded.', "GET /api/v1/dnc/registries"
        )
    fields = RegistryVersion.model_fields
    return [RegistryVersion(**{field: getattr(one, field) for field in fields}) for one in found]


def number(text: str, region: str | None) -> str:
    """A number as E.164.

    Raises:
        BadInput: it is none that can be called.
    """
    parsed = phones.parse(text, region)
    if isinstance(parsed, phones.Rejected):
        raise BadInput(f"`phone` {parsed.why}.", "Write it as +<country code><number>.", code=parsed.code)
    return parsed.e164
