"""An operator ends one call."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from campaign.domain.errors import Conflict, NotFound
from campaign.flow.live_talks import LiveTalks
from campaign.store import halts
from campaign.store.accounts import audit
from campaign.store.database import Database

log = structlog.get_logger(__name__)

GOODBYE_S = 8.0
"""Real seconds that a conversation is given to say goodbye before the line is cut."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call comes to its end.

    Args:
        politely: its conversation is held here and says goodbye first; otherwise it is cancelled, or hung up
            on, within two seconds.
        again: its end was asked for before.
    """

    attempt_id: int
    politely: bool
    again: bool = False


async def end_call(
    db: Database,
    talks: LiveTalks,
    attempt_id: int,
    *,
    actor: str,
    now: datetime,
    why: str = "",
    clock_rate: float = 1.0,
) -> Ending:
    """End a call that is up: queued or ringing it is cancelled, answered it is hung up on.

    Args:
        talks: the conversations of this process.
        why: for the call's record.
        clock_rate: clock seconds per real second.

    Raises:
        NotFound: there is no such attempt. Conflict: its call is over.
    """
    politely = talks.has(attempt_id)
    at = now + timedelta(seconds=GOODBYE_S * clock_rate) if politely else now
    reason = f"ended by {actor}{f': {why}' if why else ''}"
    async with db.transaction() as tx:
        marked = await halts.cancel_call(tx, attempt_id, reason, at)
        if marked is None:
            raise NotFound(f"There is no attempt {attempt_id}.")
        if marked.over:
            raise Conflict(f"Call {attempt_id} is over already.")
        if not marked.again:
            await audit(
                tx, actor, "call.end", f"attempt:{attempt_id}", now, {"why": why, "state": marked.state}
            )
    if politely and not marked.again:
        await talks.stop(attempt_id, "operator")
    log.info("call_ended_by_hand", attempt=attempt_id, politely=politely)
    return Ending(attempt_id, politely, marked.again)
