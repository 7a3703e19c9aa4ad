"""Whom a crash calls twice: python -m benchmarks queues [--small]

150 contacts, 5 at a time; a carrier rings as the request arrives and answers 0.25 s later; the worker is
killed by SIGKILL 0.5 to 3 s after it is at work and started again, until all is done: the same seeds for all.
The workers are DBOS, procrastinate, pgqueuer, each with what its own documentation says of crashes, and the
service itself (`campaign serve`).

None of the three is at fault: all document that a job may run again after a crash, which is right for jobs
that may. Their heartbeats are shortened to 1.5 s, or the runs would wait for them: with their defaults they
would redial later, not less. Our clock runs fast for the same reason: what our dialler doesn't know it holds
for 15 minutes. It has no "at a time" but a pace, set so that 5 of its requests are under way.

The others are installed into a virtual environment of their own, from a lock with hashes. The small form
compares nothing: it runs only ours, to see that it works.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal
from zlib import crc32

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from benchmarks import machine, place
from benchmarks.process_runs import NO_RETRY, START, UNDONE
from benchmarks.queues.carrier import ANSWER_S
from benchmarks.queues.dial import AT_ONCE
from benchmarks.replicas import PAUSE_S, Process
from campaign.settings import parse_instant, process_environment
from campaign.wiring import ServiceClock

CONTACTS = 150
RUNS = 3
LONGEST_S = 400.0
"""Real seconds after which a run is given up."""
RATE = 60.0
"""Of our clock."""
CALLS_PER_SECOND = AT_ONCE / ANSWER_S / RATE * 1.29
"""Clock time. On so fast a clock the dialler leaves 1.3 times the spacing between its calls."""
ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).parent / "requirements.lock"
VENV = ROOT / ".venv-queues"

Name = Literal["dbos", "procrastinate", "pgqueuer"]
TITLES: Mapping[Name, str] = {
    "dbos": "DBOS, a step of a workflow",
    "procrastinate": "procrastinate, with its recipe for stalled jobs",
    "pgqueuer": "pgqueuer, with its heartbeat",
}
OURS = "our dialler"
LEFT: Mapping[Name, str] = {
    "dbos": "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED')",
    "procrastinate": "SELECT count(*) FROM procrastinate_jobs "
    "WHERE task_name = 'ring' AND status IN ('todo', 'doing')",
    "pgqueuer": "SELECT count(*) FROM pgqueuer",
}
"""How many jobs a queue has yet to finish."""
DONE: Mapping[Name, str] = {
    "dbos": "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'",
    "procrastinate": "SELECT count(*) FROM procrastinate_jobs "
    "WHERE task_name = 'ring' AND status = 'succeeded'",
    "pgqueuer": "SELECT count(DISTINCT job_id) FROM pgqueuer_log WHERE status = 'successful'",
}
OUR_DONE = """
    SELECT count(*) FROM campaign_contacts c JOIN attempts a ON a.campaign_contact_id = c.id
      JOIN outcomes o ON o.attempt_id = a.id AND o.final WHERE c.state = 'done'
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One worker over all contacts under one schedule of kills."""

    kills: int
    rings: Mapping[str, int]
    """Contacts that rang, and how often."""
    missing: int
    """Contacts without an outcome at the end."""
    contacts: int

    @property
    def twice(self) -> int:
        return sum(count > 1 for count in self.rings.values())

    @property
    def extra(self) -> int:
        return sum(self.rings.values()) - len(self.rings)

    @property
    def never(self) -> int:
        return self.contacts - len(self.rings)

    @property
    def worst(self) -> int:
        return max(self.rings.values(), default=0)


def interpreter() -> Path:
    """The Python of the queues' own virtual environment, which is made if it is missing or out of date."""
    python, ready = VENV / "bin" / "python", VENV / ".ready"
    wanted = f"{crc32(LOCK.read_bytes()):08x}"
    if not ready.exists() or ready.read_text() != wanted:
        print(f"Installing the three queues into {VENV.name} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        uv = Path(sys.executable).parent / "uv"
        install = [str(uv), "pip", "install", "--quiet", "--python", str(python)]
        if not uv.exists():
            install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--require-hashes", "-r", str(LOCK)], check=True)
        ready.write_text(wanted)
    return python


@contextlib.contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """An empty database beside `server`'s while the block runs; its address as libpq takes it."""
    address = sa.make_url(server)
    machine.execute(server, f"CREATE DATABASE {name}")
    try:
        yield (
            f"postgresql://{address.username}@/{name}?host={address.query['host']}"
            f"&port={address.query['port']}"
        )
    finally:
        machine.execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def count(server: str, name: str | None, statement: str) -> int:
    """The number that a statement finds in a database of the server's."""
    with machine.connect(server, name) as connection:
        (found,) = connection.execute(statement).fetchone() or (0,)
    return int(str(found))


async def under_kills(worker: Process, seed: int, server: str, name: str | None, left: str) -> int:
    """Run a worker under the seed's kills until nothing is left; how many kills that were.

    Raises:
        RuntimeError: it didn't come to its end in time.
    """
    dice, kills, until = Random(f"kills {seed}"), 0, time.monotonic() + LONGEST_S
    with worker.existing():
        while True:
            await worker.until_ready()
            strikes = time.monotonic() + dice.uniform(*PAUSE_S)
            while time.monotonic() < strikes:
                if count(server, name, left) == 0:
                    return kills
                await asyncio.sleep(0.1)
            if time.monotonic() > until:
                raise RuntimeError(f"{worker.name} is not done after {LONGEST_S:.0f} s: {worker.log_end()}")
            worker.kill()
            worker.start()
            kills += 1


def rings_of(carrier: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{carrier}/rings") as answer:
        return msgspec.json.decode(answer.read(), type=dict[str, int])


def run_queue(which: Name, python: Path, server: str, folder: Path, seed: int, contacts: int) -> Run:
    """One run of one of the three."""
    with (
        machine.child("queues.carrier") as (_, carrier),
        database(server, f"{which}_{seed}") as conninfo,
    ):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        module = ["-m", f"benchmarks.queues.{which}_worker", "--database", conninfo, "--carrier", carrier]
        enqueued = subprocess.run(
            [str(python), *module, "--enqueue", str(contacts)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if enqueued.returncode:
            raise RuntimeError(enqueued.stderr[-2000:])
        worker = Process(folder, f"{which} {seed}", module, environment, python)
        kills = asyncio.run(under_kills(worker, seed, server, f"{which}_{seed}", LEFT[which]))
        done = count(server, f"{which}_{seed}", DONE[which])
        return Run(kills, rings_of(carrier), contacts - done, contacts)


def run_ours(server: str, folder: Path, seed: int, contacts: int) -> Run:
    """One run of the service's dialler, on a copy of an empty, migrated database."""
    anchor = time.time()
    clock = ServiceClock(parse_instant(START), RATE, anchor)
    campaign = replace(place.definition(), retry=NO_RETRY)
    with machine.child("queues.carrier") as (_, carrier), machine.copy_of(server, f"ours_{seed}") as url:
        asyncio.run(place.prepare(url, folder, contacts, clock=clock, campaign=campaign))
        environment = process_environment(
            {
                "DATABASE_URL": url,
                "CAMPAIGN_DATA_DIR": str(folder),
                "PUBLIC_URL": "http://127.0.0.1:9",  # nobody tells: it must ask
                "TWILIO_API_BASE_URL": carrier,
                "TWILIO_ACCOUNT_SID": place.ACCOUNT,
                "TWILIO_AUTH_TOKEN": place.SECRET,
                "TWILIO_CALLS_PER_SECOND": f"{CALLS_PER_SECOND:.4f}",
                "CAMPAIGN_CLOCK": START,
                "CAMPAIGN_CLOCK_RATE": f"{RATE:g}",
                "CAMPAIGN_CLOCK_ANCHOR": f"{anchor:.6f}",
                "LOG_LEVEL": "warning",
            },
            hermetic=True,
        )
        serve = ["-m", "campaign", "serve", "--port", "0"]
        worker = Process(folder, f"ours {seed}", serve, environment)
        kills = asyncio.run(under_kills(worker, seed, url, None, UNDONE))
        done = count(url, None, OUR_DONE)
        return Run(kills, rings_of(carrier), contacts - done, contacts)


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    machine.quiet()
    # The seed's first kill comes late: whoever is killed in the midst of it waits for leases.
    contacts, seeds = (10, [46]) if small else (CONTACTS, list(range(1, RUNS + 1)))
    rows: list[list[str]] = []
    with machine.scratch_folder() as folder, machine.server(folder) as database:
        if not small:
            python = interpreter()
            for which, title in TITLES.items():
                runs = [run_queue(which, python, database.url, folder, seed, contacts) for seed in seeds]
                rows.append(cells(title, runs))
        rows.append(cells(OURS, [run_ours(database.url, folder, seed, contacts) for seed in seeds]))
    rows.append(["goal", "", "", "0", "0", "1x", "", "0"])
    machine.show(
        f"The same dial under the same SIGKILLs: {contacts} contacts a run, {AT_ONCE} at a time",
        ("", "runs", "kills", "rung twice or more", "extra dials", "worst", "never rung", "outcome missing"),
        rows,
        "python -m benchmarks queues" + (" --small" if small else ""),
    )


def cells(title: str, runs: Sequence[Run]) -> list[str]:
    """A line of the table."""
    contacts, twice = sum(one.contacts for one in runs), sum(one.twice for one in runs)
    return [
        title,
        str(len(runs)),
        str(sum(one.kills for one in runs)),
        f"{twice} / {contacts} ({twice / contacts:.0%})",
        str(sum(one.extra for one in runs)),
        f"{max(one.worst for one in runs)}x",
        str(sum(one.never for one in runs)),
        str(sum(one.missing for one in runs)),
    ]


if __name__ == "__main__":
    run(small="--small" in sys.argv)
