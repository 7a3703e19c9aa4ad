"""The law as it is applied, and what people record about it: waivers, registrations, paused regions."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from campaign.domain.facts import Registered, Waiver
from campaign.domain.rule import Rule
from campaign.domain.rule_words import demand
from campaign.flow import rule_records as flow
from campaign.store import rule_records as records
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import With
from campaign.web.problems import responses

router = APIRouter(prefix=API + "/rules", tags=["Rules"], dependencies=[guard], responses=responses())

RuleId = Annotated[str, Path(max_length=100, pattern=r"^[\w.-]+$", examples=["US-TX.registration"])]
PackId = Annotated[str, Path(max_length=20, pattern=r"^[\w-]+$", examples=["US-TX"])]
Region = Annotated[str, Path(max_length=20, pattern=r"^[\w-]+$", examples=["US-LA"])]
Reason = Annotated[str, Field(min_length=1, max_length=flow.LONGEST_REASON)]


class RuleShown(BaseModel):
    """One rule of a pack."""

    id: str = Field(examples=["US-FL.hours"])
    kind: str = Field(examples=["hours"])
    demand: str = Field(description="what it demands, in words")
    scope: str = Field(description="of which calls")
    status: str = Field(description="in_force; stayed: until its date; proposed: never applied")
    effective_from: date
    effective_to: date | None
    lifted_by: list[str] = Field(description="kinds of consent that lift it")
    waivable: bool = Field(description="an admin may waive it for a campaign, with a reason")
    source: str
    read_on: date = Field(description="when somebody last read it there")
    note: str


class PackShown(BaseModel):
    """The rules of one jurisdiction."""

    id: str = Field(examples=["US-FL"])
    version: str
    reviewed_by: str = Field(description="empty: no lawyer has signed it")
    rules: list[RuleShown]


class Packs(BaseModel):
    """All packs."""

    items: list[PackShown]


class WaiverShown(BaseModel):
    """A rule that is not applied to one campaign, by somebody's word."""

    campaign: str
    rule: str
    reason: str
    actor: str
    at: datetime
    until: datetime | None = Field(description="it no longer counts from then on")


class Waive(BaseModel):
    """Waive a rule for a campaign."""

    model_config = ConfigDict(extra="forbid")

    campaign: str = Field(min_length=1, max_length=200)
    reason: Reason
    until: date | None = Field(default=None, description="the last day (UTC) on which it counts")


class Waivers(BaseModel):
    """All waivers that have not been taken back."""

    items: list[WaiverShown]


class RegistrationShown(BaseModel):
    """What the seller has filed, for all campaigns."""

    model_config = ConfigDict(from_attributes=True)

    pack: str
    reference: str
    actor: str
    at: datetime


class Register(BaseModel):
    """Record a registration."""

    model_config = ConfigDict(extra="forbid")

    reference: Reason


class Registrations(BaseModel):
    """All that is filed."""

    items: list[RegistrationShown]


class PauseShown(BaseModel):
    """A region in which nobody is called."""

    region: str
    first: date = Field(description="on the called party's calendar")
    last: date | None = Field(description="included; null: until it is lifted")
    reason: str
    actor: str
    at: datetime
    calls_cancelled: int = Field(default=0, description="calls that this request cancels")


class PauseRegion(BaseModel):
    """Call nobody in a region."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    first: date | None = Field(default=None, description="null: from now on")
    last: date | None = None


class Pauses(BaseModel):
    """All regions that are paused."""

    items: list[PauseShown]


class Lifted(BaseModel):
    """A pause is over."""

    region: str
    contacts: int = Field(description="put off by it, to be judged again")


@router.get("", summary="The rule packs")
async def list_rules(
    services: With,
    at: Annotated[date | None, Query(description="only rules in force on that date")] = None,
) -> Packs:
    """What each rule demands, of which calls, since when, and where it stands written."""
    return Packs(
        items=[
            PackShown(
                id=pack.id,
                version=pack.version,
                reviewed_by=pack.reviewed_by,
                rules=[_shown(rule) for rule in pack.rules if at is None or rule.in_force(at)],
            )
            for pack in services.rulebook.packs
        ]
    )


def _shown(rule: Rule) -> RuleShown:
    return RuleShown(
        id=rule.id,
        kind=rule.kind,
        demand=demand(rule.terms),
        scope=rule.scope.in_words(),
        status=rule.status,
        effective_from=rule.effective_from,
        effective_to=rule.effective_to,
        lifted_by=list(rule.lifted_by),
        waivable=rule.waivable,
        source=rule.source.cite,
        read_on=rule.source.read_on,
        note=rule.note,
    )


# ── waivers ────────────────────────────────────────────────────────────────────────────────────────────


def _waiver(campaign: str, waiver: Waiver) -> WaiverShown:
    return WaiverShown(
        campaign=campaign,
        rule=waiver.rule_id,
        reason=waiver.reason,
        actor=waiver.actor,
        at=waiver.at,
        until=waiver.until,
    )


@router.get("/waivers", summary="Rules that are waived, by campaign")
async def list_waivers(services: With) -> Waivers:
    """Those that have not been taken back; the end of one may have passed."""
    async with services.db.connection() as tx:
        found = await records.waivers(tx)
    return Waivers(items=[_waiver(one.campaign, one.waiver) for one in found])


@router.put("/waivers/{rule_id}", summary="Waive a rule for a campaign", responses=responses(400, 404, 409))
async def put_waiver(services: With, key: SignedIn, rule_id: RuleId, body: Waive) -> WaiverShown:
    """The name of the key and the reason stand on every decision that is made by it."""
    waiver = await flow.waive(
        services.db,
        services.rulebook,
        rule_id,
        body.campaign,
        reason=body.reason,
        until=body.until,
        actor=actor_of(key),
        now=services.clock.now(),
    )
    return _waiver(body.campaign, waiver)


@router.delete("/waivers/{rule_id}", summary="Apply a rule again", status_code=204, responses=responses(404))
async def delete_waiver(
    services: With,
    key: SignedIn,
    rule_id: RuleId,
    campaign: Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")],
) -> None:
    """From the very next call on."""
    await flow.unwaive(services.db, rule_id, campaign, actor=actor_of(key), now=services.clock.now())


# ── registrations ──────────────────────────────────────────────────────────────────────────────────────


def _registration(one: Registered) -> RegistrationShown:
    return RegistrationShown.model_validate(one)


@router.get("/registrations", summary="What the seller has filed")
async def list_registrations(services: With) -> Registrations:
    """By pack; it counts for all campaigns."""
    async with services.db.connection() as tx:
        return Registrations(items=[_registration(one) for one in await records.registrations(tx)])


@router.put("/registrations/{pack}", summary="Record a registration", responses=responses(400))
async def put_registration(services: With, key: SignedIn, pack: PackId, body: Register) -> RegistrationShown:
    """That the seller has filed what the pack demands before calling."""
    return _registration(
        await flow.register(
            services.db,
            services.rulebook,
            pack,
            reference=body.reference,
            actor=actor_of(key),
            now=services.clock.now(),
        )
    )


@router.delete(
    "/registrations/{pack}", summary="Take a registration back", status_code=204, responses=responses(404)
)
async def delete_registration(services: With, key: SignedIn, pack: PackId) -> None:
    """It has lapsed, say. From the very next call on."""
    await flow.unregister(services.db, pack, actor=actor_of(key), now=services.clock.now())


# ── pauses ─────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/pauses", summary="Regions in which nobody is called")
async def list_pauses(services: With) -> Pauses:
    """Those that have not been lifted; the last day of one may have passed."""
    async with services.db.connection() as tx:
        found = await records.pauses(tx)
    return Pauses(
        items=[
            PauseShown(
                region=one.pause.region,
                first=one.pause.first,
                last=one.pause.last,
                reason=one.pause.reason,
                actor=one.actor,
                at=one.at,
            )
            for one in found
        ]
    )


@router.put("/pauses/{region}", summary="Call nobody in a region", responses=responses(400))
async def put_pause(services: With, key: SignedIn, region: Region, body: PauseRegion) -> PauseShown:
    """In force for the very next call of every campaign. Queued and ringing calls there are cancelled."""
    now = services.clock.now()
    one, cancelled = await flow.pause(
        services.db,
        services.rulebook,
        region,
        reason=body.reason,
        first=body.first,
        last=body.last,
        actor=actor_of(key),
        now=now,
    )
    return PauseShown(
        region=one.region,
        first=one.first,
        last=one.last,
        reason=one.reason,
        actor=actor_of(key),
        at=now,
        calls_cancelled=cancelled,
    )


@router.delete("/pauses/{region}", summary="Let calls go on in a region", responses=responses(400, 404))
async def delete_pause(services: With, key: SignedIn, region: Region) -> Lifted:
    """Contacts that it has put off are judged again."""
    again = await flow.unpause(
        services.db, services.rulebook, region, actor=actor_of(key), now=services.clock.now()
    )
    return Lifted(region=region.upper(), contacts=again)
