"""Replicas of the service as processes of their own, killed and stopped by a plan that a seed gives.

Before them stands what a load balancer is: one address, each connection forwarded to a replica that lives.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

READY_S = 90.0
"""Longest start of a process on a busy machine, real seconds."""
NOTICED_S = 5.0
"""How long the forwarder goes on sending to a replica that is stopped: a balancer's check takes its time."""
PAUSE_S = (0.5, 3.0)
"""How long a replica has served when it is struck, real seconds; or longer, if its twin was struck first."""
STOP_S = (6.0, 9.0)
"""A stop that outlasts the dialler's tenure (5 s) and, mostly, the scheduler's lease (8 s)."""
LONG_STOP_S = (33.0, 40.0)
"""A stop that outlasts an intent's lease and the time after which a silent replica counts as gone (30 s)."""
_PR_SET_PDEATHSIG = 1


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """Runs in the child: whatever becomes of this program, none of its processes is left behind."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One `python -m …` that tells by a file that it is ready; started again under the same name and port.

    Args:
        name: of its log and ready file below `folder`.
        arguments: what follows `python`; `--ready-file` is added to them.
        python: the interpreter; None for this program's own.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        python: Path | None = None,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._ready_file = folder / f"{name}.ready"
        self._command = [str(python or sys.executable), *arguments, "--ready-file", str(self._ready_file)]
        self._environment = dict(environment)
        self._running: subprocess.Popen[bytes] | None = None
        self.stopped_at: float | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it; returns at once."""
        self._ready_file.unlink(missing_ok=True)
        self.starts += 1
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder,  # where no .env is
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    @property
    def lives(self) -> bool:
        return self._running is not None and self._running.poll() is None

    @property
    def ready(self) -> bool:
        """Whether it has said so and goes on; false while it is stopped."""
        return self.lives and self.stopped_at is None and self._ready_file.exists()

    async def until_ready(self) -> None:
        """Return when it serves.

        Raises:
            RuntimeError: it ended by itself or took too long; with the end of its log.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + READY_S
        while not self._ready_file.exists():
            if not self.lives or loop.time() > until:
                raise RuntimeError(f"{self.name} did not start: {self.log_end()}")
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL, and wait for its end, so that its port is free."""
        if self._running is not None:
            self._running.kill()  # also ends a stopped one
            self._running.wait()
        self.stopped_at = None

    def stop(self, at: float) -> None:
        """SIGSTOP: it stands still with all that it holds."""
        self.stopped_at = at
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        if self.lives:
            os.kill(self.pid, signal.SIGCONT)
        self.stopped_at = None

    def log_end(self, characters: int = 3000) -> str:
        """The last lines that it logged."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    @contextlib.contextmanager
    def existing(self) -> Iterator["Process"]:
        """Started, and killed at the block's end whatever happened."""
        self.start()
        try:
            yield self
        finally:
            self.kill()


@dataclass(frozen=True, slots=True)
class Strike:
    """One step of the plan: after a pause, one replica is killed or (`stop_s`) stopped for a while."""

    pause_s: float
    victim: int
    stop_s: float | None = None


def plan(seed: int, kills: int, replicas: int = 2, *, stop_every: int = 10) -> list[Strike]:
    """So many kills, and a stop for about every `stop_every` of them, each third a long one.

    The same seed gives the same plan; what it hits depends on the machine.
    """
    dice = Random(f"strikes {seed}")
    strikes = [Strike(dice.uniform(*PAUSE_S), dice.randrange(replicas)) for _ in range(kills)]
    for number in range(max(1, kills // stop_every)):
        length = dice.uniform(*(LONG_STOP_S if number % 3 == 0 else STOP_S))
        at = min(len(strikes), (number * stop_every) + stop_every // 2)
        strikes.insert(at, Strike(dice.uniform(*PAUSE_S), dice.randrange(replicas), length))
    return strikes


@dataclass(slots=True)
class Struck:
    """What was done."""

    kills: int = 0
    stops: int = 0
    long_stops: int = 0


async def carry_out(strikes: Sequence[Strike], replicas: Sequence[Process], done: Struck) -> None:
    """Carry out a plan, noting in `done` what was done.

    The pause begins when the victim serves, so that it has the time to get into something. While one stands
    still its twin is killed in its place, so that it wakes into what others have done meanwhile; a further
    stop waits until it has. Returns when all go on.
    """
    loop = asyncio.get_running_loop()
    waking: list[asyncio.Task[None]] = []

    async def wake(stopped: Process, after_s: float) -> None:
        await asyncio.sleep(after_s)
        stopped.go_on()

    left, later = deque(strikes), deque[Strike]()
    try:
        while left or later:
            still = any(one.stopped_at is not None for one in replicas)
            strike = later.popleft() if later and (not still or not left) else left.popleft()
            victim = replicas[strike.victim]
            if victim.stopped_at is not None:
                victim = replicas[(strike.victim + 1) % len(replicas)]
            await victim.until_ready()
            await asyncio.sleep(strike.pause_s)
            if strike.stop_s is not None and any(one.stopped_at is not None for one in replicas):
                later.append(strike)
            elif strike.stop_s is None:
                victim.kill()
                victim.start()
                done.kills += 1
            else:
                victim.stop(loop.time())
                done.stops += 1
                done.long_stops += strike.stop_s >= LONG_STOP_S[0]
                waking.append(asyncio.create_task(wake(victim, strike.stop_s)))
        await asyncio.gather(*waking)
    finally:
        for task in waking:
            task.cancel()
        for one in replicas:
            if one.stopped_at is not None:
                one.go_on()


class Forwarder:
    """One address before the replicas: each connection goes to one that lives, in turn.

    Args:
        targets: (process, its port).
    """

    def __init__(self, port: int, targets: Sequence[tuple[Process, int]]) -> None:
        self._port = port
        self._targets = targets
        self._turn = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Forward while the block runs."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, backlog=1024)
        try:
            yield
        finally:
            server.close()

    def _order(self) -> list[int]:
        """Ports to try: those that serve, in turn; a stopped one only until a balancer would have noticed."""
        now = asyncio.get_running_loop().time()
        found = [
            port
            for process, port in self._targets
            if process.ready or (process.stopped_at is not None and now - process.stopped_at < NOTICED_S)
        ]
        self._turn += 1
        at = self._turn % len(found) if found else 0
        return found[at:] + found[:at]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._order():
            try:
                to = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            await asyncio.gather(_pump(reader, to[1]), _pump(to[0], writer))
            return
        writer.transport.abort()  # as a dead machine's: no answer at all


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # one side is gone: so shall be the other
    finally:
        writer.close()


async def until(true: Callable[[], Awaitable[bool]], seconds: float, every_s: float = 0.5) -> bool:
    """Whether it became true within so many real seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await true():
        if loop.time() > end:
            return False
        await asyncio.sleep(every_s)
    return True
