"""The sound of a call, streamed from where it lies; each listening stands in the audit trail."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from campaign.flow import recordings
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import With
from campaign.web.problems import responses

router = APIRouter(prefix=API, tags=["Results"], dependencies=[guard], responses=responses())


@router.get(
    "/attempts/{attempt_id}/recording",
    summary="Listen to one call",
    response_class=StreamingResponse,
    responses={**responses(404, 409), 200: {"content": {"audio/wav": {}}}},
)
async def listen(
    services: With, key: SignedIn, attempt_id: Annotated[int, Path(ge=1, lt=2**63)]
) -> StreamingResponse:
    """The recording as WAV, only of a call that was announced to be recorded. Who listens is kept."""
    sid = await recordings.to_listen(services.db, attempt_id, actor=actor_of(key), now=services.clock.now())
    async with AsyncExitStack() as stack:
        # Opened before the answer begins, so that what is wrong is told as a problem.
        sound = await stack.enter_async_context(services.gateway.recordings.listen(sid))
        kept = stack.pop_all()

    async def chunks() -> AsyncIterator[bytes]:
        async with kept:
            async for chunk in sound:
                yield chunk

    name = f"attachment; filename=attempt-{attempt_id}.wav"
    headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
    return StreamingResponse(chunks(), media_type="audio/wav", headers=headers)
