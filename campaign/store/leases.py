"""Who does what only one may do, and who is alive: lease rows and heartbeats.

No session locks, so that all of it works through PgBouncer in transaction mode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from campaign.domain.errors import LeaseLost
from campaign.store.database import CUT_OFF_WHEN_SILENT, Tx

# An UPDATE of its own, not ON CONFLICT: that would wait for the row's lock even where the lease is another's.
_ACQUIRE = text(
    """
    WITH held AS (
        UPDATE leases l
           SET holder = :holder,
               fencing = CASE WHEN l.holder = :holder THEN l.fencing ELSE l.fencing + 1 END,
               expires_at = :expires_at
         WHERE l.name = :name AND (l.holder = :holder OR l.expires_at <= :now)
        RETURNING fencing
    ), made AS (
        INSERT INTO leases (name, holder, fencing, expires_at)
        SELECT :name, :holder, 1, :expires_at
         WHERE NOT EXISTS (SELECT FROM leases WHERE name = :name)
        ON CONFLICT (name) DO NOTHING
        RETURNING fencing
    )
    SELECT fencing FROM held UNION ALL SELECT fencing FROM made
    """
)


async def acquire(tx: Tx, name: str, holder: str, now: datetime, ttl: timedelta) -> int | None:
    """Take or renew a lease.

    Args:
        name: what the lease is for.
        holder: this replica's id.
        ttl: how long it holds without renewal.
    Returns:
        the fencing number, which grows with every change of holder; None when another replica holds it.
    """
    given = {"name": name, "holder": holder, "now": now, "expires_at": now + ttl}
    fencing: int | None = (await tx.execute(_ACQUIRE, given)).scalar()
    return fencing


class Lease:
    """What this process holds of a lease, as it believes; the row in Postgres decides.

    Args:
        name: what the lease is for.
        holder: this replica's id.
    """

    def __init__(self, name: str, holder: str) -> None:
        self.name = name
        self.holder = holder
        self.fencing: int | None = None
        """Of the last `take`; None: not ours."""

    async def take(self, tx: Tx, now: datetime, ttl: timedelta) -> bool:
        """Take or renew it; whether it is ours now."""
        self.fencing = await acquire(tx, self.name, self.holder, now, ttl)
        return self.fencing is not None

    async def check(self, tx: Tx) -> None:
        """The fence of its work (`Database.fenced`): nobody takes the lease over before `tx` has ended.

        Work that went on over the end of its lease, because its process stood still, writes nothing. While
        it stands still in a transaction of its own, the server undoes that after 5 s, and the next replica
        takes over.

        Raises:
            LeaseLost: another has taken over.
        """
        found = await tx.execute(
            text(
                f"""
                SELECT 1 FROM leases, {CUT_OFF_WHEN_SILENT} AS cut_off
                 WHERE name = :name AND fencing = :fencing AND holder = :holder FOR SHARE OF leases
                """  # noqa: S608 (a constant)
            ),
            {"name": self.name, "fencing": self.fencing, "holder": self.holder},
        )
        if found.first() is None:
            raise LeaseLost(f"Another replica holds the lease {self.name} by now; this one writes nothing.")

    async def release(self, tx: Tx, now: datetime) -> None:
        """Let go of it at once, if it is still ours, so that another replica need not wait for its end."""
        await tx.execute(
            text(
                "UPDATE leases SET expires_at = :now "
                "WHERE name = :name AND fencing = :fencing AND holder = :holder"
            ),
            {"name": self.name, "fencing": self.fencing, "holder": self.holder, "now": now},
        )
        self.fencing = None


@dataclass(frozen=True, slots=True)
class Replica:
    """A process of the service, as it tells the others of itself.

    Args:
        id: `<host>:<pid>:<random>`.
        detail: what else it tells, and may change: `schema`, the revision that its code was made for; `port`
            on which it listens (null: no more), `talks` that it holds.
    """

    id: str
    role: str
    host: str
    pid: int
    started_at: datetime
    detail: dict[str, Any] = field(default_factory=dict)


_BEAT = (
    text(
        """
    INSERT INTO replicas AS r (id, role, host, pid, started_at, beat_at, draining, detail)
    VALUES (:id, :role, :host, :pid, :started_at, :now, :draining, :detail)
    ON CONFLICT (id) DO UPDATE SET beat_at = :now, draining = :draining, detail = r.detail || :detail
    RETURNING r.detail -> 'drain' AS drain
    """
    )
    .bindparams(bindparam("detail", type_=JSONB))
    .columns(drain=JSONB)
)


class DrainAsked(NamedTuple):
    """Somebody asks a replica to drain and end.

    Args:
        by: who.
        successor: the replica that takes its place on its port, if one does.
        led_away: all new connections to the port go to the successor, none come here any more.
    """

    by: str
    successor: str | None = None
    led_away: bool = False

    @property
    def why(self) -> str:
        """In words, for the log and the audit trail."""
        return f"{self.by}, {self.successor} takes over" if self.successor else self.by


async def beat(tx: Tx, replica: Replica, now: datetime, *, draining: bool = False) -> DrainAsked | None:
    """Say that this replica is alive.

    Returns:
        the request that it drain and end, if there is one.
    """
    row = await tx.execute(
        _BEAT,
        {
            "id": replica.id,
            "role": replica.role,
            "host": replica.host,
            "pid": replica.pid,
            "started_at": replica.started_at,
            "now": now,
            "draining": draining,
            "detail": replica.detail,
        },
    )
    drain: Mapping[str, Any] | None = row.scalar_one()
    return None if drain is None else DrainAsked(**drain)


async def ask_drain(tx: Tx, replica_id: str, asked: DrainAsked) -> bool:
    """Ask a replica to drain and end; it reads that with its next heartbeat. The latest request stands.

    Returns:
        whether there is such a replica.
    """
    done = await tx.execute(
        text(
            "UPDATE replicas SET detail = detail || jsonb_build_object('drain', :drain) WHERE id = :id"
        ).bindparams(bindparam("drain", type_=JSONB)),
        {"id": replica_id, "drain": asked._asdict()},
    )
    return done.rowcount == 1


async def leave(tx: Tx, replica_id: str) -> None:
    """Take this replica off the list at a clean end."""
    await tx.execute(text("DELETE FROM replicas WHERE id = :id"), {"id": replica_id})


async def forget_silent(tx: Tx, before: datetime) -> None:
    """Drop replicas that were last heard of long ago."""
    await tx.execute(text("DELETE FROM replicas WHERE beat_at < :before"), {"before": before})


class Alive(NamedTuple):
    """A replica that has a heartbeat and isn't about to end."""

    id: str
    role: str
    beat_at: datetime


async def alive(tx: Tx, since: datetime) -> list[Alive]:
    """Replicas heard of since an instant, without those that are about to end."""
    rows = await tx.execute(
        text("SELECT id, role, beat_at FROM replicas WHERE beat_at >= :since AND NOT draining ORDER BY id"),
        {"since": since},
    )
    return [Alive(row.id, row.role, row.beat_at) for row in rows]


async def older(tx: Tx, since: datetime, schema: str, roles: Sequence[str]) -> list[str]:
    """Replicas of those roles heard of since an instant whose code is of an older schema revision."""
    rows = await tx.execute(
        text(
            """
            SELECT id FROM replicas
             WHERE beat_at >= :since AND role = ANY(:roles) AND coalesce(detail ->> 'schema', '') < :schema
             ORDER BY id
            """
        ),
        {"since": since, "schema": schema, "roles": list(roles)},
    )
    return list(rows.scalars())


class Running(NamedTuple):
    """A replica that has a heartbeat, drained or not."""

    id: str
    role: str
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime
    draining: bool
    port: int | None
    """Where it listens; None: nowhere, or no more."""
    talks: int
    """Conversations that it holds."""
    asked_by: str | None
    """Who has asked it to drain."""


async def running(tx: Tx, since: datetime) -> list[Running]:
    """All replicas heard of since an instant, the longest running first."""
    rows = await tx.execute(
        text(
            """
            SELECT id, role, host, pid, started_at, beat_at, draining,
                   CAST(detail ->> 'port' AS integer) AS port,
                   coalesce(CAST(detail ->> 'talks' AS integer), 0) AS talks,
                   detail #>> '{drain,by}' AS asked_by
              FROM replicas WHERE beat_at >= :since ORDER BY started_at, id
            """
        ),
        {"since": since},
    )
    return [Running(**row._mapping) for row in rows]


async def scheduler(tx: Tx) -> tuple[str, datetime] | None:
    """Who holds the scheduler's lease, and until when."""
    row = (await tx.execute(text("SELECT holder, expires_at FROM leases WHERE name = 'scheduler'"))).first()
    return (row.holder, row.expires_at) if row else None
