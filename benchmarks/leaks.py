"""What a thousand conversations leave behind: python -m benchmarks leaks [--small]

The whole service, talking with people who are cut off in the middle of it, round after round. After each
round its process's memory, file descriptors and threads are read from /proc. What the first rounds build once
(pools, caches, compiled statements) is theirs; what the later ones add, each call is charged with.
"""

import asyncio
import gc
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.place import prepare
from benchmarks.turns import add_versions, answered_calls, drive, service

QUIET_S = 3.0
"""After a round, until what was about its calls is written and gone."""
GOAL_KB = 1.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds: kB of memory, open file descriptors, threads."""

    memory_kb: int
    files: int
    threads: int


def held(pid: int) -> Held:
    """Read from /proc."""
    told = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Held(int(told["VmRSS"].split()[0]), files, int(told["Threads"]))


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    machine.quiet()
    each, rounds, warm, seconds = (5, 3, 1, 0.5) if small else (50, 20, 8, 2.0)
    found: list[Held] = []
    with (
        machine.scratch_folder() as folder,
        machine.server(folder) as database,
        machine.child("stubs", "llm") as (_, model),
    ):
        asyncio.run(prepare(database.url, folder, each))
        asyncio.run(add_versions(database.url))
        with service(database.url, folder, model, model) as (ours, address):
            for number in range(rounds):
                calls = asyncio.run(answered_calls(database.url, ("default", "scripted")[number % 2], each))
                drive(folder, ours, address, calls, seconds)
                time.sleep(0.5 if small else QUIET_S)
                gc.collect()
                found.append(held(ours))
    show(found, each, warm, "python -m benchmarks leaks" + (" --small" if small else ""))


def show(found: list[Held], each: int, warm: int, command: str) -> None:
    """Print the table: after the warm rounds, at the end, and what one call added."""
    first, last, calls = found[warm - 1], found[-1], each * (len(found) - warm)
    grown = (last.memory_kb - first.memory_kb) / calls
    rows = [
        [f"{calls:,} calls", f"{one.memory_kb / 1024:.1f}", str(one.files), str(one.threads)]
        for calls, one in ((each * warm, first), (each * len(found), last))
    ]
    added = [f"{grown:.2f} kB", str(last.files - first.files), str(last.threads - first.threads)]
    machine.show(
        f"What {each * len(found):,} conversations leave in the process that held them",
        ("after", "memory MB", "files", "threads"),
        [*rows, ["each call between", *added], ["goal", f"{GOAL_KB} kB", "0", "0"]],
        command,
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
