"""The dial as a procrastinate task, with the recipe of its documentation for jobs of killed workers.

procrastinate.readthedocs.io, "Retry stalled jobs" (howto/production/retry_stalled_jobs): a periodic task that
retries what get_stalled_jobs() returns; its three times are set together, as that page says.
"""

import asyncio
from typing import Any

from procrastinate import App, PsycopgConnector

from benchmarks.queues.dial import AT_ONCE, HEARTBEAT_S, Asked, contacts, dial, main


def make_app(asked: Asked) -> App:
    app = App(connector=PsycopgConnector(conninfo=asked.conninfo))

    @app.task(name="ring")
    def ring(contact: str) -> None:
        dial(asked.carrier, contact)

    @app.periodic(cron="* * * * * */2")  # every other second
    @app.task(name="retry_stalled_jobs", queueing_lock="retry_stalled_jobs", pass_context=True)
    async def retry_stalled_jobs(context: Any, timestamp: int) -> None:
        # Only the dials: a killed round of this task itself need not run again, the next one does its work.
        stalled = await app.job_manager.get_stalled_jobs(
            task_name="ring", seconds_since_heartbeat=HEARTBEAT_S
        )
        for job in stalled:
            await app.job_manager.retry_job(job)

    return app


async def fill(asked: Asked) -> None:
    app = make_app(asked)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.tasks["ring"].batch_defer_async(*({"contact": c} for c in contacts(asked.enqueue)))


async def run(asked: Asked) -> None:
    app = make_app(asked)
    async with app.open_async():
        asked.ready()
        await app.run_worker_async(
            concurrency=AT_ONCE,
            fetch_job_polling_interval=0.2,
            update_heartbeat_interval=HEARTBEAT_S / 3,
            stalled_worker_timeout=HEARTBEAT_S,
        )


def enqueue(asked: Asked) -> None:
    asyncio.run(fill(asked))


def work(asked: Asked) -> None:
    asyncio.run(run(asked))


if __name__ == "__main__":
    main(enqueue, work)
