"""The whole way of a large list by the commands, until the first call: python -m benchmarks start [--small]

    python -m benchmarks start --rows 100000    # instead of a million

A simulator, an embedded server that writes durably, and one `campaign serve`, all as processes of their own.
The list is imported and the campaign made (which enrols it); then it is started, paused, given other hours
and resumed. Beside the time of each command stands the time from the change of state, as it is written down,
to the first call that is sent thereafter; both by the clock that all processes share.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.place import write_people
from tests.support.house import House, ask, until

NAME = "Benchmark"
DEFINITION = """
name = "Benchmark"
purpose = "sales"
lists = ["people"]
caller_ids = ["+12025550142"]
consent = { minimum = "express_written" }
pacing = { lines = 200 }
ring_timeout_seconds = 30

[seller]
legal_name = "Example LLC"
callback_number = "+12025550142"
opt_out_number = "+18335550199"

[schedule]
week = { "mon-fri" = "HOURS" }

[script]
greeting = "Hello {{ first_name | there }}."
goal = "Arrange a visit."
"""
NOBODY = "[weights]\nno_answer = 1\n"
"""Nobody answers: people whom a busy machine keeps waiting count as abandoned, and hold the campaign up."""
FIRST_CALL = """
    SELECT (SELECT max(at) FROM campaign_log WHERE to_state = 'running') AS began,
           (SELECT min(sent_at) FROM attempts
             WHERE sent_at > (SELECT max(at) FROM campaign_log WHERE to_state = 'running')) AS sent
"""


def timed(house: House, *arguments: str) -> float:
    """Seconds of a command, as a user waits for it."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "campaign", *arguments],
        env=house.environment,
        cwd=house.folder,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"campaign {arguments}: {done.stdout}{done.stderr}")
    return time.monotonic() - began


def first_call(house: House, url: str) -> float:
    """Seconds from the campaign's last change to running until the next call was sent."""

    def sent() -> object:
        return ask(url, FIRST_CALL)[0]["sent"]

    until(sent, 60, lambda: house.log_of()[-3000:])
    row = ask(url, FIRST_CALL)[0]
    return float((row["sent"] - row["began"]).total_seconds())


def define(folder: Path, hours: str) -> str:
    path = folder / "campaign.toml"
    path.write_text(DEFINITION.replace("HOURS", hours))
    return str(path)


def measure(folder: Path, url: str, rows: int) -> list[tuple[str, float, float | None]]:
    """(step, seconds of its command, seconds until a call was sent thereafter) of each step."""
    write_people(folder / "people.csv", rows)
    people = folder / "people.toml"
    people.write_text(NOBODY, encoding="utf-8")
    house = House(folder, url, rate=1.0, cps=10.0)
    steps: list[tuple[str, float, float | None]] = []

    def step(name: str, *command: str, dials: bool = False) -> None:
        took = timed(house, *command)
        steps.append((name, took, first_call(house, url) if dials else None))

    with house.simulator("--people", str(people)), house.service():
        step("contacts import", "contacts", "import", str(folder / "people.csv"), "--list", "people")
        step("create: saves it and enrols all", "create", define(folder, "09:00-20:00"))
        step("start", "start", NAME, dials=True)
        step("pause", "pause", NAME)
        step("edit: other hours for all", "edit", NAME, define(folder, "08:00-19:00"))
        step("resume", "resume", NAME, dials=True)
    return steps


def run(*, small: bool = False, rows: int | None = None) -> None:
    """Measure and print the table.

    Args:
        rows: of the list; a million without.
    """
    machine.quiet()
    how_many = rows or (2_000 if small else 1_000_000)
    with machine.scratch_folder() as folder, machine.server(folder) as database:
        steps = measure(folder, database.url, how_many)
    table: Sequence[Sequence[str]] = [
        [name, f"{took:.1f}", "" if dialled is None else f"{dialled:.2f}"] for name, took, dialled in steps
    ]
    machine.show(
        f"A list of {how_many:,}: from the file to the first call",
        ("", "the command, s", "until a call was sent, s"),
        [*table, ["goal", "", "2"]],
        "python -m benchmarks start" + (" --small" if small else "") + (f" --rows {rows}" if rows else ""),
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
