"""The dial as a pgqueuer job; a job whose heartbeat is old is picked again, as its documentation says.

pgqueuer's docs/guides/heartbeat.md: workers refresh the heartbeat of what they run, and a job that stopped
doing so is picked again by the next worker after `heartbeat_timeout`. On an asyncpg connection, as in its
README.
"""

import asyncio
from datetime import timedelta

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.queues.dial import AT_ONCE, HEARTBEAT_S, Asked, contacts, dial, main


async def fill(asked: Asked) -> None:
    connection = await asyncpg.connect(asked.conninfo)
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    names = contacts(asked.enqueue)
    await queries.enqueue(["ring"] * len(names), [name.encode() for name in names], [0] * len(names))
    await connection.close()


async def run(asked: Asked) -> None:
    queue = PgQueuer.from_asyncpg_connection(await asyncpg.connect(asked.conninfo))

    @queue.entrypoint("ring", concurrency_limit=AT_ONCE)
    async def ring(job: Job) -> None:
        assert job.payload is not None
        await asyncio.to_thread(dial, asked.carrier, job.payload.decode())

    asked.ready()
    await queue.run(
        dequeue_timeout=timedelta(seconds=0.5),
        batch_size=AT_ONCE,
        heartbeat_timeout=timedelta(seconds=HEARTBEAT_S),
        log_aggregation_interval=timedelta(0),
    )


def enqueue(asked: Asked) -> None:
    asyncio.run(fill(asked))


def work(asked: Asked) -> None:
    asyncio.run(run(asked))


if __name__ == "__main__":
    main(enqueue, work)
