"""The switch that stops all dialling."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from campaign.flow import lifecycle
from campaign.store import halts
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import With
from campaign.web.problems import responses

router = APIRouter(prefix=API, tags=["Campaigns"], dependencies=[guard], responses=responses())


class StopAll(BaseModel):
    """Stop all dialling."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field(min_length=1, max_length=500, examples=["wrong price in the script"])
    hang_up: bool = Field(default=False, description="also cut conversations that are going on")


class StopState(BaseModel):
    """Whether all dialling is stopped."""

    stopped: bool
    since: datetime | None = None
    by: str | None = None
    why: str | None = None
    calls_cancelled: int = Field(default=0, description="calls that this request cancels")


@router.get("/stop-all", summary="Is all dialling stopped?")
async def get_stop_all(services: With) -> StopState:
    """Since when, by whom and why."""
    async with services.db.connection() as tx:
        stopped = await halts.stop_all(tx)
    if stopped is None:
        return StopState(stopped=False)
    return StopState(stopped=True, since=stopped[0], by=stopped[1], why=stopped[2])


@router.post("/stop-all", summary="Stop all dialling, in every campaign")
async def post_stop_all(services: With, key: SignedIn, body: StopAll) -> StopState:
    """In force for the very next call, until an admin lifts it. Queued and ringing calls are cancelled."""
    _, cancelled = await lifecycle.stop_all(
        services.db, actor=actor_of(key), now=services.clock.now(), at_once=body.hang_up, why=body.why
    )
    state = await get_stop_all(services)
    return state.model_copy(update={"calls_cancelled": len(cancelled)})


@router.delete("/stop-all", summary="Let dialling go on")
async def delete_stop_all(services: With, key: SignedIn) -> StopState:
    """Campaigns go on in the state in which they are; those that were paused stay paused."""
    await lifecycle.lift(services.db, actor=actor_of(key), now=services.clock.now())
    return StopState(stopped=False)
