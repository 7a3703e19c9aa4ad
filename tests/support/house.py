"""The whole house as its users run it: a simulator and one or more services, each a process of its own."""

import asyncio
import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from campaign.settings import Settings, process_environment, read_settings
from campaign.simulator.config import ACCOUNT_SID, AUTH_TOKEN
from campaign.store.database import Database
from tests.support.campaigns import rows
from tests.support.patience import PATIENCE

T = TypeVar("T")

START = "2026-11-24T10:00:00-05:00"
READY_S = 60.0
ALWAYS = {"week": {"mon-sun": "08:00-20:00"}}
NO_RETRY = {"budget": 1, "min_gap_minutes": 0, "per_number_per_day": 9, "on": {}}
"""Whoever is rung twice was rung twice by mistake."""


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder of its own that the embedded server's user may enter too."""
    folder = Path(tempfile.mkdtemp(prefix="campaign-house-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def with_db(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    """What some work on a database yields, for a test that is no coroutine."""

    async def main() -> T:
        db = Database(url)
        try:
            return await work(db)
        finally:
            await db.close()

    return asyncio.run(main())


def ask(url: str, sql: str) -> list[dict[str, Any]]:
    """The rows that a statement finds."""
    return with_db(url, lambda db: rows(db, sql))


def until(true: Callable[[], object], seconds: float, told: Callable[[], object]) -> None:
    """Wait until something is so in other processes.

    Args:
        seconds: that a quiet machine may take.
        told: what a failure says.
    """
    end = time.monotonic() + seconds * PATIENCE
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class House:
    """Addresses and environment of a running house.

    Args:
        db_url: the database; empty for the embedded one under the folder.
        rate: of the clock that all its processes share.
        more: settings on top; an empty one is as good as none.
    """

    folder: Path
    db_url: str
    rate: float
    cps: float
    port: int = field(default_factory=free_port)
    twilio_port: int = field(default_factory=free_port)
    anchor: float = field(default_factory=time.time)
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def twilio_url(self) -> str:
        return f"http://127.0.0.1:{self.twilio_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ours(self) -> dict[str, str]:
        return {
            **({"DATABASE_URL": self.db_url} if self.db_url else {}),
            "CAMPAIGN_DATA_DIR": str(self.folder),
            "PUBLIC_URL": self.url,
            "TWILIO_API_BASE_URL": self.twilio_url,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_CALLS_PER_SECOND": f"{self.cps:g}",
            "CAMPAIGN_CLOCK": START,
            "CAMPAIGN_CLOCK_RATE": f"{self.rate:g}",
            "CAMPAIGN_CLOCK_ANCHOR": f"{self.anchor:.6f}",
            "LOG_LEVEL": "warning",
            **self.more,
        }

    @property
    def environment(self) -> dict[str, str]:
        return process_environment(self.ours, hermetic=True)

    @property
    def settings(self) -> Settings:
        return read_settings(self.ours, None)

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A command as a user types it."""
        done = subprocess.run(
            [sys.executable, "-m", "campaign", *arguments],
            env=self.environment,
            cwd=self.folder,  # no .env of the developer's counts
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"campaign {arguments}: {done.stdout}{done.stderr}"
        return done

    @contextlib.contextmanager
    def simulator(self, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
        """`campaign simulator` while the block runs."""
        with self._process(
            "simulator",
            [
                *("simulator", "--port", str(self.twilio_port), "--cps", f"{self.cps:g}"),
                *("--clock", START, "--clock-rate", f"{self.rate:g}", "--clock-anchor", f"{self.anchor:.6f}"),
                *options,
            ],
        ) as process:
            yield process

    @contextlib.contextmanager
    def service(
        self, name: str = "service", *options: str, port: int | None = None
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """`campaign serve` while the block runs; ended gently unless the test has ended it."""
        arguments = ["serve", "--port", str(self.port if port is None else port), *options]
        with self._process(name, arguments) as process:
            yield process

    @contextlib.contextmanager
    def _process(self, name: str, arguments: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
        ready = self.folder / f"{name}.ready"
        log = self.folder / f"{name}.log"
        ready.unlink(missing_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "campaign", *arguments, "--ready-file", str(ready)],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            until = time.monotonic() + READY_S
            while not ready.exists():
                assert process.poll() is None, log.read_text(errors="replace")[-4000:]
                assert time.monotonic() < until, (
                    f"{name} is not ready: {log.read_text(errors='replace')[-4000:]}"
                )
                time.sleep(0.02)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log_of(self, name: str = "service") -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def logs(self, most: int = 3000) -> str:
        """The ends of what its services wrote, each at most so many characters."""
        return "\n".join(
            f"{path.stem}: {path.read_text(errors='replace')[-most:]}"
            for path in sorted(self.folder.glob("*.log"))
            if path.stem != "simulator"
        )

    def first_link(self) -> str:
        """Where the first user is made: the service prints it when it starts with none."""
        printed = re.search(r"Nobody can sign in.*\s+(http\S+/console/welcome/\S+)", self.log_of())
        assert printed, self.log_of()
        return printed[1]

    async def twilio(self, what: str) -> Any:
        """What the simulator saw: calls, report, debugger, deliveries."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.twilio_url}/simulator/{what}") as answer,
        ):
            return await answer.json()

    async def set_faults(self, **faults: float) -> None:
        """Change what goes wrong at Twilio from now on."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.twilio_url}/simulator/faults", json=faults) as answer,
        ):
            assert answer.status == 200, await answer.text()


def twilio(house: House, what: str) -> Any:
    """What the simulator saw, for a test that is no coroutine."""
    return asyncio.run(house.twilio(what))


def standing(url: str) -> Mapping[str, int]:
    """How far the campaigns of a database are. A callback that was promised is not waited for."""
    found = ask(
        url,
        """SELECT (SELECT count(*) FROM attempts) AS attempts,
                  (SELECT count(*) FROM attempts WHERE settled_at IS NULL) AS unsettled,
                  (SELECT count(*) FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id
                    WHERE o.attempt_id IS NULL) AS without_outcome,
                  (SELECT count(*) FROM campaign_contacts WHERE state IN ('waiting', 'calling')
                     AND disposition IS DISTINCT FROM 'callback') AS left""",
    )
    return found[0]


def wait_until_over(house: House, url: str, seconds: float = 120) -> None:
    """Wait until every contact has its end and every attempt its outcome."""
    until(
        lambda: not (standing(url)["left"] or standing(url)["unsettled"]),
        seconds,
        lambda: (standing(url), house.logs()),
    )


def nobody_was_dialled_twice(house: House, url: str) -> None:
    """Nobody was, by what the simulator saw; and each attempt has its outcome."""
    dialled = Counter(call["to"] for call in twilio(house, "calls")["calls"] if not call["parent_sid"])
    assert {number: n for number, n in dialled.items() if n > 1} == {}
    assert standing(url)["without_outcome"] == 0
