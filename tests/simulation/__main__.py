"""`python -m tests.simulation`: run seeds, or replay one."""

import argparse
import gc
import json
import logging
import os
import shutil
import sys
import tempfile
import time
import warnings
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
from tests.simulation.postgres import remember
from tests.simulation.world import World, draw


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this seed")
    parser.add_argument("--seeds", type=int, default=0, help="run so many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--contacts", type=int, default=20)
    parser.add_argument("--trace", action="store_true", help="print what happened")
    parser.add_argument("--twice", action="store_true", help="run each seed twice; their traces must be equal")
    parser.add_argument("--keep-on", action="store_true", help="go on after a failure")
    parser.add_argument("--json", type=Path, help="write counts and failures here")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # coroutines of crashed processes are never awaited
    sys.unraisablehook = lambda _: None
    if not given.trace:
        logging.disable(logging.CRITICAL)
        structlog.configure(processors=[_drop])
    seeds = [given.seed] if given.seed is not None else range(given.first, given.first + given.seeds)
    with _database() as (url, server):
        return _run(seeds, given, url, server)


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent


class _database:
    """A server of this process's own, not durable, with the schema in one database."""

    def __enter__(self) -> tuple[str, "psycopg.Connection[Any]"]:
        self._place = Path(tempfile.mkdtemp(prefix="campaign-simulation-pg-"))
        self._place.chmod(0o755)
        self._server = attach(self._place, durable=False)
        url = self._server.url
        migrate.upgrade(url)
        parts = sa.make_url(url)
        self._link = psycopg.connect(
            host=str(parts.query["host"]),
            port=str(parts.query["port"]),
            user=parts.username,
            dbname=parts.database,
            autocommit=True,
        )
        for setting in ("autovacuum = off", "deadlock_timeout = '1ms'", "jit = off"):
            self._link.execute(f"ALTER SYSTEM SET {setting}")
        self._link.execute("SELECT pg_reload_conf()")
        remember(self._link)
        return url, self._link

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._server.close(stop=True)
        shutil.rmtree(self._place, ignore_errors=True)


def _run(seeds: Any, given: Any, url: str, server: "psycopg.Connection[Any]") -> int:
    began = time.monotonic()
    totals: dict[str, int] = {}
    failures: list[dict[str, Any]] = []
    done = 0
    for seed in seeds:
        tales: list[list[str]] = []
        for _ in range(2 if given.twice else 1):
            gc.collect()
            gc.disable()
            world = World(draw(seed, given.contacts), url, server, traced=given.trace or given.twice)
            report = world.run(judge)
            gc.enable()
            tales.append(report.lines)
        if given.twice and tales[0] != tales[1]:
            first, second = next((a, b) for a, b in zip_longest(*tales) if a != b)
            report.violations.append(f"not deterministic: two runs of this seed part at\n    {first}\n    {second}")
        done += 1
        for what, count in report.counts.items():
            totals[what] = totals.get(what, 0) + count
        if given.trace:
            print("\n".join(report.lines))
        if report.violations:
            failures.append({"seed": seed, "violations": report.violations})
            print(f"seed {seed}: FAILED\n  " + "\n  ".join(report.violations))
            print(f"  replay: python -m tests.simulation --contacts {given.contacts} --seed {seed} --trace", flush=True)
            if not given.keep_on:
                break
    seconds = time.monotonic() - began
    print(f"{done} seeds, {len(failures)} failed, {seconds:.1f} s ({done / seconds:.2f}/s)")
    print(json.dumps(totals, indent=1, sort_keys=True))
    if given.json:
        given.json.write_text(json.dumps({"seeds": done, "failures": failures, "counts": totals}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
