"""Which processes of the service run, and asking one of them to drain and end.

All of it goes through their rows in Postgres, so it works over machines and containers and never signals a
process that merely has the number of one that was ours. A process reads what it is asked with its heartbeat,
once a second.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from campaign.domain.errors import Conflict, DatabaseUnavailable
from campaign.flow.live_talks import Drained
from campaign.store import accounts, leases
from campaign.store.database import Database
from campaign.store.keeper import process_exists
from campaign.store.leases import DrainAsked, Replica, Running

log = structlog.get_logger(__name__)

SILENT_S = 15.0
"""A replica without a heartbeat for so many real seconds is gone."""
ANSWERS = frozenset({"all", "web"})
"""Roles of processes that answer Twilio and hold conversations."""
ENDED = "replica.end"
ASKED = "replica.drain"


class RatedClock(Protocol):
    """The service's clock; heartbeats are about real time."""

    rate: float

    def now(self) -> datetime: ...


class Process(Protocol):
    """The process that looks: a service, or a command."""

    @property
    def db(self) -> Database: ...

    @property
    def clock(self) -> RatedClock: ...

    @property
    def replica(self) -> Replica: ...


def heard_since(clock: RatedClock) -> datetime:
    """Who was last heard of before this instant is gone."""
    return clock.now() - timedelta(seconds=SILENT_S * clock.rate)


async def running(me: Process) -> list[Running]:
    """All processes that have a heartbeat, the longest running first."""
    async with me.db.connection() as tx:
        found = await leases.running(tx, heard_since(me.clock))
    # after a kill a heartbeat looks alive for a while
    return [one for one in found if one.host != me.replica.host or process_exists(one.pid)]


async def holder_of(me: Process, port: int) -> Running:
    """The one process that listens on a port of this machine.

    Raises:
        Conflict: it is none of this database, there are two already, or it answers Twilio and we would not.
    """
    held = await require_no_rival(me, port)
    if not held:
        raise Conflict(
            f"Port {port} is held by a process that is no service of this database, so it isn't taken over.",
            "Look who it is (ss -ltnp), or choose another port with --port.",
        )
    if held[0].role in ANSWERS and me.replica.role not in ANSWERS:
        raise Conflict(
            f"Port {port} is where Twilio is answered (--role {held[0].role}); a process with "
            f"--role {me.replica.role} would not.",
            f"Take it over with --role {held[0].role}, or choose another port with --port.",
        )
    return held[0]


async def require_no_rival(me: Process, port: int) -> list[Running]:
    """Who listens on a port of this machine beside us: nobody, or one.

    Raises:
        Conflict: there are two.
    """
    held = [
        one
        for one in await running(me)
        if (one.host, one.port) == (me.replica.host, port) and one.id != me.replica.id
    ]
    if len(held) > 1:
        who = " and ".join(f"process {one.pid}" for one in held)
        raise Conflict(
            f"Port {port} is just being taken over already: {who} listen on it.",
            "Try again in some seconds; `campaign drain --list` shows them.",
        )
    return held


async def ask(me: Process, replica_id: str, asked: DrainAsked) -> bool:
    """Ask a process to drain and end.

    Returns:
        whether it was there.
    """
    async with me.db.transaction() as tx:
        there = await leases.ask_drain(tx, replica_id, asked)
        if there:
            detail = {"successor": asked.successor} if asked.successor else {}
            await accounts.audit(tx, asked.by, ASKED, f"replica:{replica_id}", me.clock.now(), detail)
    return there


async def record(me: Process, why: str, drained: Drained) -> None:
    """Keep how a process ended; with the database away nobody is told but the log."""
    try:
        async with me.db.transaction() as tx:
            detail = {"why": why, **vars(drained)}
            await accounts.audit(
                tx, "system:serve", ENDED, f"replica:{me.replica.id}", me.clock.now(), detail
            )
    except DatabaseUnavailable as error:
        log.warning("end_not_recorded", error=error.what)


async def ended(db: Database, replica_id: str) -> Drained | None:
    """How a process ended; None: it hasn't, or was killed."""
    async with db.connection() as tx:
        for entry in await accounts.audit_trail(tx, subject=f"replica:{replica_id}", limit=10):
            if entry.action == ENDED:
                return Drained(**{key: entry.detail[key] for key in vars(Drained())})
    return None


def named(found: Sequence[Running], word: str) -> list[Running]:
    """The processes that a word means: a process number, `host:number`, or a whole name."""
    return [
        one
        for one in found
        if word in (one.id, str(one.pid), f"{one.host}:{one.pid}", one.id.rpartition(":")[2])
    ]
