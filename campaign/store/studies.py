"""Previews and replays that were asked for through the API: a row each, kept alive by the process at work."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from campaign.domain.errors import Conflict, NotFound
from campaign.store.database import Tx
from campaign.store.models import studies

Kind = Literal["preview", "replay"]
SILENT = timedelta(seconds=60)
"""A running study that was not heard of for so long (clock time at rate 1) has lost its process."""
KEPT = timedelta(days=30)
"""Older ones are forgotten when a new one begins."""
AT_ONCE = 2
"""Studies that may run at the same time: each keeps a core busy that calls may want."""


@dataclass(frozen=True, slots=True)
class Study:
    """A preview or replay.

    Args:
        state: running, finished or failed.
        asked: what for, as the process at work needs it.
        done, total: contacts or dials judged; `total` is None before they were counted.
        result: when it is finished. error: when it has failed, in sentences.
    """

    id: int
    kind: str
    campaign_id: int | None
    state: str
    asked: dict[str, Any]
    actor: str
    asked_at: datetime
    beat_at: datetime
    finished_at: datetime | None
    done: int
    total: int | None
    result: dict[str, Any] | None
    error: str | None


async def begin(
    tx: Tx, kind: Kind, asked: dict[str, Any], *, campaign_id: int | None, actor: str, now: datetime
) -> int:
    """A new study, as running; its number.

    Raises:
        Conflict: as many as may run at once are running.
    """
    s = studies.c
    running = sa.select(sa.func.count()).where(s.state == "running", s.beat_at > now - SILENT)
    if (await tx.execute(running)).scalar_one() >= AT_ONCE:
        raise Conflict(
            f"{AT_ONCE} previews or replays are running already.", "Ask again when one of them is finished."
        )
    await tx.execute(sa.delete(studies).where(s.asked_at < now - KEPT))
    made = await tx.execute(
        sa.insert(studies)
        .values(kind=kind, campaign_id=campaign_id, asked=asked, actor=actor, asked_at=now, beat_at=now)
        .returning(s.id)
    )
    return int(made.scalar_one())


async def get(tx: Tx, study_id: int, kind: Kind | None = None) -> Study:
    """One study.

    Args:
        kind: only of this kind; None: of any.

    Raises:
        NotFound: there is none.
    """
    s = studies.c
    query = sa.select(studies).where(s.id == study_id)
    row = (await tx.execute(query if kind is None else query.where(s.kind == kind))).first()
    if row is None:
        raise NotFound(f"There is no {kind or 'study'} {study_id}.", "Ask for a new one.")
    return Study(**row._mapping)


async def beat(tx: Tx, study_id: int, done: int, total: int, now: datetime) -> None:
    """Say how far it is, and that its process lives."""
    s = studies.c
    await tx.execute(
        sa.update(studies)
        .where(s.id == study_id, s.state == "running")
        .values(done=done, total=total, beat_at=now)
    )


async def finish(tx: Tx, study_id: int, result: dict[str, Any], now: datetime) -> None:
    """Keep what it found; values must be plain JSON."""
    await tx.execute(
        sa.update(studies)
        .where(studies.c.id == study_id)
        .values(state="finished", result=result, finished_at=now, beat_at=now)
    )


async def fail(tx: Tx, study_id: int, error: str, now: datetime) -> None:
    """Keep why it came to nothing."""
    await tx.execute(
        sa.update(studies)
        .where(studies.c.id == study_id)
        .values(state="failed", error=error, finished_at=now, beat_at=now)
    )
