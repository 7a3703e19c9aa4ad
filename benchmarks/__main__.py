"""`python -m benchmarks [NAME …] [--small] [--rows N] …`: run all, or those named."""

import argparse

from benchmarks import (
    claims,
    console,
    dnc,
    events,
    import_rows,
    leaks,
    memory,
    pace,
    paints,
    place,
    reports,
    restart,
    start,
    turns,
)
from benchmarks.queues import compare

ALL = {
    "place": place.run,
    "pace": pace.run,
    "turns": turns.run,
    "events": events.run,
    "import": import_rows.run,
    "dnc": dnc.run,
    "claims": claims.run,
    "start": start.run,
    "reports": reports.run,
    "restart": restart.run,
    "leaks": leaks.run,
    "memory": memory.run,
    "console": console.run,
    "paints": paints.run,
    "queues": compare.run,
}
SIZED = {"import": import_rows.run, "claims": claims.run, "start": start.run}
"""Those of which the number of contacts can be chosen."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("which", nargs="*", metavar="|".join(ALL), help="which to run; all without")
    parser.add_argument("--small", action="store_true", help="a few seconds, only to see that it runs")
    parser.add_argument("--rows", type=int, help="of the list, for import, claims and start")
    parser.add_argument("--attempts", type=int, help="for reports and paints")
    parser.add_argument("--viewers", type=int, help="for console")
    parser.add_argument("--calls", type=int, help="for console")
    wanted = parser.parse_args()
    for name in wanted.which:
        if name not in ALL:
            parser.error(f'there is no benchmark "{name}"; there are {", ".join(ALL)}')
    for name in wanted.which or ALL:
        if name == "reports":
            reports.run(small=wanted.small, attempts=wanted.attempts)
        elif name == "paints":
            paints.run(small=wanted.small, attempts=wanted.attempts)
        elif name == "console":
            console.run(small=wanted.small, viewers=wanted.viewers, calls=wanted.calls)
        elif name in SIZED:
            SIZED[name](small=wanted.small, rows=wanted.rows)
        else:
            ALL[name](small=wanted.small)


if __name__ == "__main__":
    main()
