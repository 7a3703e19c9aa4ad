"""`python -m tests.simulation`: run seeds, or replay one."""

import argparse
import contextlib
import gc
import json
import logging
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

if os.environ.get("PYTHONHASHSEED") != "0":
    # Sets of strings must have one order, or a seed would not replay.
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])

import psycopg
import sqlalchemy as sa
import structlog

from campaign.store import migrate
from campaign.store.embedded import attach
from tests.simulation.judge import judge
from tests.simulation.plan import draw
from tests.simulation.postgres import Server, remember
from tests.simulation.world import Report, World
from tests.support.memory import keep_files_in_memory


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this seed")
    parser.add_argument("--seeds", type=int, default=0, help="run so many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--contacts", type=int, default=20)
    parser.add_argument("--trace", action="store_true", help="print what happened")
    parser.add_argument(
        "--twice", action="store_true", help="run each seed twice; their traces must be equal"
    )
    parser.add_argument(
        "--until", nargs="*", default=[], help="stop only at a verdict with one of these words"
    )
    parser.add_argument(
        "--crash-at", nargs=2, type=int, metavar=("PROCESS", "STEP"), help="crash it there too"
    )
    parser.add_argument(
        "--every-step", nargs=2, type=int, metavar=("FIRST", "LAST"), help="crash at each of these steps"
    )
    parser.add_argument("--keep-on", action="store_true", help="go on after a failure")
    parser.add_argument("--json", type=Path, help="write counts and failures here")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # coroutines of crashed processes are never awaited
    sys.unraisablehook = lambda _: None
    if not given.trace:
        logging.disable(logging.CRITICAL)
        structlog.configure(processors=[_drop])
    else:
        structlog.configure(
            processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        )
    seeds = [given.seed] if given.seed is not None else range(given.first, given.first + given.seeds)
    keep_files_in_memory()
    with _server() as server:
        return _run(seeds, given, server)


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


@contextlib.contextmanager
def _server() -> Iterator[Server]:
    """A server of this process's own, not durable, with the schema in one database."""
    place = Path(tempfile.mkdtemp(prefix="campaign-simulation-pg-"))
    place.chmod(0o755)
    attached = attach(place, durable=False)
    try:
        migrate.upgrade(attached.url)
        parts = sa.make_url(attached.url)
        link = psycopg.connect(
            host=str(parts.query["host"]),
            port=str(parts.query["port"]),
            user=parts.username,
            dbname=parts.database,
            autocommit=True,
        )
        for setting in ("autovacuum = off", "deadlock_timeout = '1ms'", "jit = off"):
            link.execute(f"ALTER SYSTEM SET {setting}")
        link.execute("SELECT pg_reload_conf()")
        remember(link)
        with contextlib.closing(Server(attached.url, link)) as server:
            yield server
    finally:
        attached.close(stop=True)
        shutil.rmtree(place, ignore_errors=True)


@dataclass
class Tally:
    """What came of many runs."""

    runs: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, report: Report, replay: str) -> bool:
        """Count one run in; whether it failed."""
        self.runs += 1
        for what, count in report.counts.items():
            self.counts[what] = self.counts.get(what, 0) + count
        if report.violations:
            self.failures.append({"replay": replay, "violations": report.violations})
            print(f"{replay}: FAILED\n  " + "\n  ".join(report.violations), flush=True)
        return bool(report.violations)


Case = tuple[int, tuple[int, int] | None]
"""A seed, and a process with one of its steps at which it crashes besides."""


def _run(seeds: Iterable[int], given: argparse.Namespace, server: Server) -> int:
    gc.collect()
    gc.freeze()  # what is loaded stays; between runs only what they left is looked through
    began = time.monotonic()
    tally = Tally()
    crash_at = tuple(given.crash_at) if given.crash_at else None
    cases: list[Case] = [(seed, crash_at) for seed in seeds]
    if given.every_step:
        first_step, last_step = given.every_step
        cases = [(seed, (0, step)) for seed in seeds for step in range(first_step, last_step + 1)]
    for seed, crash_at in cases:
        reports = [_once(seed, crash_at, given, server) for _ in range(2 if given.twice else 1)]
        report = reports[0]
        if given.twice and reports[0].trace_hash != reports[1].trace_hash:
            first, second = next((a, b) for a, b in zip_longest(reports[0].lines, reports[1].lines) if a != b)
            report.violations.append(f"not deterministic: two runs part at\n    {first}\n    {second}")
        if given.trace:
            print("\n".join(report.lines))
        at = f" --crash-at {crash_at[0]} {crash_at[1]}" if crash_at else ""
        replay = f"python -m tests.simulation --contacts {given.contacts} --seed {seed}{at}"
        told = any(word in said for word in given.until for said in report.violations)
        if tally.add(report, replay) and not given.keep_on and (told or not given.until):
            break
    seconds = time.monotonic() - began
    print(f"{tally.runs} runs, {len(tally.failures)} failed, {seconds:.1f} s ({tally.runs / seconds:.2f}/s)")
    print(json.dumps(tally.counts, indent=1, sort_keys=True))
    if given.json:
        fresh = given.json.with_suffix(".new")
        fresh.write_text(json.dumps({**asdict(tally), "seconds": seconds}))
        fresh.rename(given.json)  # whoever finds it finds it whole
    return 1 if tally.failures else 0


def _once(
    seed: int,
    crash_at: tuple[int, int] | None,
    given: argparse.Namespace,
    server: Server,
) -> Report:
    gc.collect()
    gc.disable()
    try:
        plan = draw(seed, given.contacts)
        world = World(plan, server, traced=given.trace or given.twice, crash_at=crash_at)
        return world.run(judge)
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
