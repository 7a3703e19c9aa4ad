"""What the service weighs: python -m benchmarks memory [--small]

One process that answers (`campaign serve --role web`): idle, and with conversations under way, each with a
prompt every two seconds. What a session takes is the most that the process grew while they talked, garbage
that waits for collection included; a few sessions before have built what is built once. Beside it the bare
handler of `turns`, which stores nothing.
"""

import contextlib
import threading
import time
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.leaks import held
from benchmarks.turns import LIMIT, OURS, Bench, Row

GOAL_IDLE_MB, GOAL_SESSION_KB = 150, 60
SETTLES_S = 10.0
"""After its start, until a service does no more than it does for ever."""
LOOKS_S = 0.5


@dataclass(frozen=True, slots=True)
class Weight:
    """What a process took: idle (MB), and for each of so many sessions (KB)."""

    idle_mb: float
    sessions: int
    each_kb: float


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    machine.quiet()
    sessions, seconds, settles = (5, 1.0, 0.5) if small else (500, 12.0, SETTLES_S)
    with (
        machine.scratch_folder() as folder,
        machine.server(folder) as database,
        contextlib.ExitStack() as stack,
    ):
        bench = Bench(folder, database.url, sessions, stack)
        time.sleep(settles)
        found = {row: weigh(bench, row, sessions, seconds) for row in (OURS, LIMIT)}
    show(found, "python -m benchmarks memory" + (" --small" if small else ""))


def weigh(bench: Bench, row: Row, sessions: int, seconds: float) -> Weight:
    """Hold so many conversations for so long, and look at the process meanwhile."""
    idle = held(bench.process(row)).memory_kb
    bench(row, 5, 1.0)
    before = most = held(bench.process(row)).memory_kb
    talking = threading.Thread(target=bench, args=(row, sessions, seconds))
    talking.start()
    while talking.is_alive():
        time.sleep(LOOKS_S)
        most = max(most, held(bench.process(row)).memory_kb)
    talking.join()
    return Weight(idle / 1024, sessions, (most - before) / sessions)


def show(found: dict[Row, Weight], command: str) -> None:
    """Print the table."""
    rows = [
        [row.title, f"{one.idle_mb:.0f}", f"{one.sessions}", f"{one.each_kb:.0f}"]
        for row, one in found.items()
    ]
    machine.show(
        "Memory of a process that answers",
        ("", "idle MB", "sessions", "KB each"),
        [*rows, ["goal", f"{GOAL_IDLE_MB}", "", f"{GOAL_SESSION_KB}"]],
        command,
    )
