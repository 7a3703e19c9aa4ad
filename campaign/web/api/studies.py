"""Previews of campaigns and replays of past dials: asked for, done by a process of their own, fetched."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from campaign.store import campaigns, studies
from campaign.store.studies import Study
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import With
from campaign.web.problems import responses
from campaign.web.study_child import MOST, StudyErrand

router = APIRouter(prefix=API, tags=["Rules"], dependencies=[guard], responses=responses())

Id = Annotated[int, Path(ge=1, lt=2**63)]


class Asked(BaseModel):
    """A preview or replay has begun."""

    id: int
    state: str = Field(examples=["running"])
    address: str = Field(description="where it is fetched")


class AskPreview(BaseModel):
    """For when to judge."""

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime | None = Field(
        default=None, description="the instant to judge for; none: the campaign's start, or now"
    )


class AskReplay(BaseModel):
    """Which dials to judge again, and under which packs."""

    model_config = ConfigDict(extra="forbid")

    packs: str = Field(
        min_length=1,
        max_length=500_000,
        pattern=r"^[^\x00]*$",
        description="TOML with [[pack]]s; they replace those of the same id, new ones are added",
    )
    since: AwareDatetime = Field(description="dials from this instant on")
    until: AwareDatetime | None = Field(
        default=None, description="dials before this instant; none: until now"
    )
    campaign_id: int | None = Field(default=None, ge=1, lt=2**63, description="only of this campaign")


class Told(BaseModel):
    """How far it is, and what was found."""

    id: int
    state: str = Field(description="running, finished or failed", examples=["finished"])
    actor: str
    asked_at: datetime
    finished_at: datetime | None
    done: int = Field(description="contacts or dials judged so far")
    total: int | None = Field(description="of so many; null before they were counted")
    error: str | None = Field(description="why it failed, in sentences")
    result: dict[str, Any] | None = Field(
        description="of a preview: now, waits, blocks, countries, hindrances, seconds, cost, summary; of a "
        f"replay: dials, differ, by_rule, today, and the first {MOST:,} differences"
    )


@router.post(
    "/campaigns/{campaign_id}/preview",
    status_code=202,
    summary="Preview: who would be called",
    responses=responses(404, 409),
)
async def ask_preview(
    services: With,
    key: SignedIn,
    campaign_id: Id,
    request: Request,
    response: Response,
    body: Annotated[AskPreview, Body()] = AskPreview(),
) -> Asked:
    """Every contact is judged as if the campaign were running: how many would be called, wait or are blocked,
    by reason. Nobody is called."""
    now = services.clock.now()
    async with services.db.transaction() as tx:
        row = await campaigns.find(tx, f"#{campaign_id}")
        asked = {"at": body.at.isoformat() if body.at else None}
        made = await studies.begin(tx, "preview", asked, campaign_id=row.id, actor=actor_of(key), now=now)
    await StudyErrand.start(services, made, actor_of(key), request.app.state.children)
    return _asked(made, f"{API}/previews/{made}", response)


@router.get("/previews/{study_id}", summary="A preview, as far as it is", responses=responses(404))
async def get_preview(services: With, study_id: Id) -> Told:
    """Ask again while it is running."""
    async with services.db.connection() as tx:
        return _told(await studies.get(tx, study_id, "preview"), services.clock.now(), services.clock.rate)


@router.post(
    "/rules/replays",
    status_code=202,
    summary="Replay: judge past dials under other packs",
    responses=responses(404, 409),
)
async def ask_replay(
    services: With, key: SignedIn, request: Request, response: Response, body: AskReplay
) -> Asked:
    """Each dial is judged on the facts that it was made on, at its own instant; nothing is changed."""
    now = services.clock.now()
    async with services.db.transaction() as tx:
        asked = {
            "packs": body.packs,
            "since": body.since.isoformat(),
            "until": body.until.isoformat() if body.until else None,
            "campaign": None,
        }
        if body.campaign_id is not None:
            asked["campaign"] = (await campaigns.find(tx, f"#{body.campaign_id}")).name
        made = await studies.begin(
            tx, "replay", asked, campaign_id=body.campaign_id, actor=actor_of(key), now=now
        )
    await StudyErrand.start(services, made, actor_of(key), request.app.state.children)
    return _asked(made, f"{API}/rules/replays/{made}", response)


@router.get("/rules/replays/{study_id}", summary="A replay, as far as it is", responses=responses(404))
async def get_replay(services: With, study_id: Id) -> Told:
    """Ask again while it is running. Packs that can't be used are a failure, with every fault."""
    async with services.db.connection() as tx:
        return _told(await studies.get(tx, study_id, "replay"), services.clock.now(), services.clock.rate)


def _asked(study_id: int, address: str, response: Response) -> Asked:
    response.headers["Location"] = address
    return Asked(id=study_id, state="running", address=address)


def _told(study: Study, now: datetime, rate: float) -> Told:
    state, error = study.state, study.error
    if state == "running" and now - study.beat_at > studies.SILENT * rate:
        state, error = "failed", "Its process ended before it was done. Ask for a new one."
    return Told(
        id=study.id,
        state=state,
        actor=study.actor,
        asked_at=study.asked_at,
        finished_at=study.finished_at,
        done=study.done,
        total=study.total,
        error=error,
        result=study.result,
    )
