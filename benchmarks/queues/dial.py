"""What each queue's worker does: one POST to the carrier, with the standard library; and how it is called."""

import argparse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

AT_ONCE = 5
HEARTBEAT_S = 1.5
"""After so long without a heartbeat a worker counts as gone, for queues that have heartbeats (their defaults,
30 s, would redial later, not less)."""


def dial(carrier: str, contact: str) -> None:
    """Let the contact's telephone ring.

    Raises:
        OSError: the carrier can't be reached or refuses.
    """
    request = urllib.request.Request(f"{carrier}/dial/{contact}", data=b"", method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line of a worker's module: `… enqueue …` once, `… work …` until killed."""

    enqueue: int
    """How many contacts to enqueue; 0: work."""
    conninfo: str
    """The database, as libpq takes it: a URL."""
    carrier: str
    ready_file: Path

    def ready(self) -> None:
        """Say that the worker is at work."""
        self.ready_file.write_text("ready\n")


def main(enqueue: Callable[[Asked], None], work: Callable[[Asked], None]) -> None:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--enqueue", type=int, default=0)
    parser.add_argument("--database", required=True)
    parser.add_argument("--carrier", required=True)
    parser.add_argument("--ready-file", type=Path, default=Path("ready"))
    given = parser.parse_args()
    asked = Asked(given.enqueue, given.database, given.carrier, given.ready_file)
    (enqueue if asked.enqueue else work)(asked)


def contacts(count: int) -> list[str]:
    """Their names."""
    return [f"contact-{number}" for number in range(count)]
