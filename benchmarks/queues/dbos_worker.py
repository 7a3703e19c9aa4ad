"""The dial as a step of a DBOS workflow, recovered as DBOS recovers.

By its documentation (docs.dbos.dev, "Workflow Recovery", recovery on a single server): a process that starts
again under the same executor id recovers all workflows that it was executing. Steps are tried at least once
(docs.dbos.dev/python/tutorials/workflow-tutorial, "Reliability Guarantees"). Queue: the tutorial "Queues &
Concurrency", worker concurrency.
"""

import threading

from dbos import DBOS, DBOSConfig

from benchmarks.queues.dial import AT_ONCE, Asked, contacts, dial, main

QUEUE = "dials"


@DBOS.step()
def ring(carrier: str, contact: str) -> None:
    dial(carrier, contact)


@DBOS.workflow()
def call(carrier: str, contact: str) -> None:
    ring(carrier, contact)


def launch(asked: Asked) -> None:
    config: DBOSConfig = {
        "name": "dials",
        "system_database_url": asked.conninfo,
        "executor_id": "worker",
        "application_version": "1",
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()


def enqueue(asked: Asked) -> None:
    # The queue is the worker's to register: until then what is enqueued waits.
    launch(asked)
    for contact in contacts(asked.enqueue):
        DBOS.enqueue_workflow(QUEUE, call, asked.carrier, contact)
    DBOS.destroy()


def work(asked: Asked) -> None:
    launch(asked)
    DBOS.register_queue(QUEUE, worker_concurrency=AT_ONCE, polling_interval_sec=0.1)
    asked.ready()
    threading.Event().wait()


if __name__ == "__main__":
    main(enqueue, work)
