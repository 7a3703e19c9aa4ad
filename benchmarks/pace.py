"""How exactly the pace is kept, and how much of it is used: python -m benchmarks pace [--small]

Real diallers, each a process of its own, on one durable Postgres, with a Twilio that answers at once. Work is
due all the time. Counted is what goes out by our own clock and what arrives at Twilio.
"""

import asyncio
import contextlib
import json
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import uvloop

from benchmarks import machine
from benchmarks.place import ACCOUNT, SECRET, TUESDAY, dialer_of, prepare
from campaign.store.database import Database
from campaign.telephony.gateway import Gateway
from campaign.wiring import ServiceClock, settle_memory


async def dial(url: str, twilio: str, cps: float, name: str) -> None:
    """One process that dials until its standard input ends."""
    machine.quiet()
    db, clock = Database(url), ServiceClock(TUESDAY)
    await clock.sync(db)
    gateway = Gateway(ACCOUNT, ACCOUNT, SECRET, twilio)
    dialer = dialer_of(db, clock, gateway, cps, name)
    settle_memory()
    running = asyncio.create_task(dialer.run())
    print("dialling", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    dialer.stop()
    await running
    await gateway.close()
    await db.close()


def arrivals(twilio: str) -> list[float]:
    with urllib.request.urlopen(f"{twilio}/arrivals") as answer:
        return sorted(json.load(answer))


def most_within(instants: Sequence[float], seconds: float) -> int:
    """Most of the sorted instants in any window of that many seconds."""
    most = first = 0
    for last, at in enumerate(instants):
        while instants[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def used(instants: Sequence[float], cps: float) -> float:
    """Share of the allowance that was used from the first call to the last."""
    return (len(instants) - 1) / (instants[-1] - instants[0]) / cps


def measure(url: str, twilio: str, cps: int, processes: int, calls: int) -> tuple[list[float], list[float]]:
    """(instants sent, instants arrived) of that many calls."""
    arrivals(twilio)
    with contextlib.ExitStack() as stack, machine.connect(url) as asking:
        for number in range(processes):
            stack.enter_context(machine.child("pace", "dial", url, twilio, str(cps), f"dialer {number}"))
        asking.execute("SET statement_timeout = '300s'")
        asking.execute(
            f"DO $$ BEGIN WHILE (SELECT count(*) FROM attempts WHERE sent_at IS NOT NULL) < {calls:d} LOOP "
            "PERFORM pg_sleep(0.1); COMMIT; END LOOP; END $$"
        )
    with machine.connect(url) as asking:
        sent = asking.execute(
            "SELECT extract(epoch FROM sent_at)::float8 FROM attempts WHERE sent_at IS NOT NULL ORDER BY 1"
        ).fetchall()
    return [float(str(at)) for (at,) in sent], arrivals(twilio)


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    cases = [(1, 1, 20), (10, 1, 200), (50, 1, 1000), (500, 1, 5000), (50, 4, 1000)]
    if small:
        cases = [(50, 1, 60)]
    rows = []
    with (
        machine.scratch_folder() as folder,
        machine.server(folder) as database,
        machine.child("stubs", "twilio") as (_, twilio),
    ):
        asyncio.run(prepare(database.url, Path(folder), max(calls + cps for cps, _, calls in cases)))
        for number, (cps, processes, calls) in enumerate(cases):
            with machine.copy_of(database.url, f"round_{number}") as url:
                sent, arrived = measure(url, twilio, cps, processes, calls)
            rows.append(
                [
                    f"{cps}",
                    f"{processes}",
                    f"{len(sent):,}",
                    f"{used(sent, cps):.1%}",
                    f"{most_within(sent, 1.0)}",
                    f"{most_within(arrived, 1.0)}",
                ]
            )
    rows.append(["goal", "", "", "99%", "never above", ""])
    machine.show(
        "Pace: what is used of it, and the fullest second",
        ("calls/s allowed", "processes", "calls", "used", "fullest second, sent", "arrived"),
        rows,
        "python -m benchmarks pace" + (" --small" if small else ""),
    )


if __name__ == "__main__":
    uvloop.run(dial(sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5]))
