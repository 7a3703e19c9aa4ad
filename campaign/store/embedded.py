"""The embedded server: a real PostgreSQL under the data directory, the default that needs no set-up.

No command owns the server. A keeper process (`campaign/store/keeper.py`) starts it as its child; every
user of it holds a shared lock on `<data>/users.lock`; the keeper stops the server when it can take that
lock for itself for two seconds. So one command may start it, a second attach, the first exit, and the
second goes on; and when all users die, even by SIGKILL, the server is gone within five seconds.

    <data>/users.lock          shared lock of each user; exclusive: nobody uses the server
    <data>/pg18/               as root with <data> in a private home: a link into /var/lib/campaign
    <data>/pg18/keeper.lock    exclusive lock of the one keeper
    <data>/pg18/keeper.json    what the keeper tells: state, process ids, socket's directory, a fault
    <data>/pg18/data/          the cluster; the major version is part of the path
    <data>/pg18/run/           the socket, in a directory of mode 0700
    <data>/pg18/server.log     what the server and the keeper say

The server listens on a Unix socket only. Linux and macOS.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from campaign.domain.errors import DatabaseUnavailable
from campaign.store import postgres_binaries

SUPERUSER = "campaign"
DATABASE = "campaign"
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH = 103  # sun_path holds 108 bytes on Linux, 104 on macOS, the ending zero included
WATCH_SECONDS = 0.5
LONGEST_WATCH_SECONDS = 16.0
SHARED_PLACE = Path("/var/lib/campaign")

KeeperState = Literal["starting", "ready", "stopping", "stopped", "failed"]


class Deadline:
    """Real seconds for waiting on real processes; the service's clock may run faster than they do."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; negative once it has passed."""
        return self._end - time.monotonic()

    def passed(self) -> bool:
        return self.remaining() <= 0


@dataclass(frozen=True, slots=True)
class Report:
    """What the keeper last told through `keeper.json`."""

    state: KeeperState
    keeper_pid: int
    server_pid: int | None = None
    socket_dir: str = ""
    version: str = ""
    what: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one data directory for one major version of PostgreSQL."""

    data_dir: Path
    major: int

    @property
    def door(self) -> Path:
        return self.data_dir / f"pg{self.major}"

    @property
    def home(self) -> Path:
        """`pg18/` itself, or where that link leads when the data directory is in root's home."""
        return self.door.resolve()

    @property
    def users_lock(self) -> Path:
        return self.data_dir / "users.lock"

    @property
    def keeper_lock(self) -> Path:
        return self.home / "keeper.lock"

    @property
    def report_file(self) -> Path:
        return self.home / "keeper.json"

    @property
    def cluster(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    def socket_dir(self) -> Path:
        """`run/` beside the cluster, or a short path under the temporary directory.

        A Unix socket's path has about a hundred bytes, and libpq takes a comma for a list of hosts.
        """
        near = self.home / "run"
        text = os.fsencode(near / SOCKET_NAME)
        if len(text) <= LONGEST_SOCKET_PATH and b"," not in text:
            return near
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path("/tmp") / f"campaign-pg-{digest}"

    def read_report(self) -> Report | None:
        """The keeper's last report; None when there is none."""
        try:
            return Report(**json.loads(self.report_file.read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def write_report(self, report: Report) -> None:
        fresh = self.report_file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(report)))
        give_to_owner(self.data_dir, fresh)
        fresh.rename(self.report_file)


def give_to_owner(data_dir: Path, path: Path) -> None:
    """Root leaves nothing of its own in another user's data directory."""
    owner = data_dir.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def open_lock(path: Path) -> int:
    """A file descriptor of the lock file, created when missing, never inherited by other programs."""
    return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def try_lock(descriptor: int, operation: int) -> bool:
    """Whether the lock (`fcntl.LOCK_SH` or `LOCK_EX`) could be had at once."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def keeper_lives(layout: Layout) -> bool:
    """Whether a keeper holds its lock; asked without disturbing one that is about to start."""
    try:
        descriptor = os.open(layout.keeper_lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def accepts_sessions(socket_dir: Path, timeout: float = 5.0) -> bool:
    """Whether the server behind the socket opens sessions now.

    Sends a start-up message of PostgreSQL's protocol 3.0 and reads the first answer: `R` means yes; an
    error of class 57P03 means starting, stopping or recovering; any other error comes from a server at work.
    """
    names = f"user\0{SUPERUSER}\0database\0{DATABASE}\0\0".encode()
    hello = struct.pack("!II", len(names) + 8, 196608) + names
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as channel:
        channel.settimeout(timeout)
        try:
            channel.connect(os.fsencode(socket_dir / SOCKET_NAME))
            channel.sendall(hello)
            answer = channel.recv(4096)
            if answer[:1] == b"R":
                channel.sendall(b"X\0\0\0\4")
        except OSError:
            return False
    return answer[:1] == b"R" or (answer[:1] == b"E" and b"C57P03\0" not in answer)


def default_data_dir(home: Path) -> Path:
    """The data directory when none is named.

    Args:
        home: the user's home directory.

    Root gets `/var/lib/campaign`, because the server runs as another user who cannot enter root's home;
    everybody else gets a directory in their own home.
    """
    return SHARED_PLACE if os.geteuid() == 0 else home / ".local" / "share" / "campaign"


class Attachment:
    """One user's hold on the embedded server: while it is open, the server runs.

    A thread looks twice a second whether the keeper lives and starts a new one when it has been killed,
    so that a long-running service gets its database back without doing anything.
    """

    def __init__(self, layout: Layout, users: int, command: list[str], url: str) -> None:
        self.layout = layout
        self.url = url
        """SQLAlchemy's address of the database: `postgresql+psycopg://…?host=<socket's directory>`."""
        self._users = users
        self._command = command
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="embedded-postgres", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        pause = WATCH_SECONDS
        while not self._closing.wait(pause):
            if keeper_lives(self.layout):
                pause = WATCH_SECONDS
                continue
            # A fault is told by the next attach() and stands in the log; this thread tries again, less often.
            with contextlib.suppress(DatabaseUnavailable, OSError):
                _start_keeper(self._command)
            pause = min(pause * 2, LONGEST_WATCH_SECONDS)

    def close(self, *, stop: bool = False) -> bool:
        """Let go of the server; twice is harmless.

        Args:
            stop: when nobody else uses the server, stop it now and wait for its clean end, rather than
                leave that to the keeper some two seconds later.

        Returns:
            Whether the server has been stopped.
        """
        if not self._closing.is_set():
            self._closing.set()
            self._watcher.join()
            os.close(self._users)
        return stop and stop_server(self.layout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def attach(
    data_dir: Path, *, durable: bool = True, timeout: float = 60.0, shared_place: Path = SHARED_PLACE
) -> Attachment:
    """Use the embedded server of a data directory, starting it when it doesn't run.

    Args:
        data_dir: the service's data directory; made when missing.
        durable: False gives up safety against power cuts for speed (`fsync=off`); for throw-away data
            only. It counts for who starts the server.
        timeout: seconds to wait for the server, its recovery after a crash included.
        shared_place: where the cluster goes when root's data directory is in a private home, which the
            server's user cannot enter; a link in the data directory then leads there.

    Returns:
        An open attachment, also a context manager; `.url` is ready to connect to.

    Raises:
        DatabaseUnavailable: with what stands in the way and what to do.
    """
    deadline = Deadline(timeout)
    data_dir = Path(os.path.abspath(data_dir))
    binaries = postgres_binaries.choose(_cluster_majors(data_dir))
    layout = Layout(data_dir, binaries.major)
    users = _open_users_lock(layout)
    try:
        while not try_lock(users, fcntl.LOCK_SH):  # held alone only while a keeper stops its server
            _check(deadline, layout)
            time.sleep(0.01)
        command = [sys.executable, "-P", "-m", "campaign.store.keeper"]
        command += [str(data_dir), str(binaries.bin), str(shared_place)]
        command += [] if durable else ["--not-durable"]
        report = _wait_until_ready(layout, command, deadline)
    except BaseException:
        os.close(users)
        raise
    return Attachment(layout, users, command, address(Path(report.socket_dir)))


def address(socket_dir: Path, database: str = DATABASE) -> str:
    """SQLAlchemy's URL of a database behind a socket directory."""
    host = urllib.parse.quote(str(socket_dir), safe="/")
    return f"postgresql+psycopg://{SUPERUSER}@/{database}?host={host}&port={PORT}"


@dataclass(frozen=True, slots=True)
class Status:
    """The embedded server as it is now, for `campaign doctor` and the curious."""

    running: bool
    data_dir: Path
    log: Path | None = None
    url: str | None = None
    version: str | None = None
    keeper_pid: int | None = None
    server_pid: int | None = None
    fault: str | None = None


def status(data_dir: Path) -> Status:
    """What runs for this data directory; starts and changes nothing."""
    data_dir = Path(os.path.abspath(data_dir))
    for major in sorted(_homes(data_dir), reverse=True):
        layout = Layout(data_dir, major)
        report = layout.read_report()
        if report is None:
            continue
        alive = keeper_lives(layout)
        running = alive and report.state == "ready" and accepts_sessions(Path(report.socket_dir))
        return Status(
            running=running,
            data_dir=data_dir,
            log=layout.log,
            url=address(Path(report.socket_dir)) if running else None,
            version=report.version or None,
            keeper_pid=report.keeper_pid if alive else None,
            server_pid=report.server_pid if alive else None,
            fault=f"{report.what} {report.do}" if report.state == "failed" else None,
        )
    return Status(running=False, data_dir=data_dir)


def stop_server(layout: Layout, timeout: float = 60.0) -> bool:
    """Stop the server now if nobody uses it, and wait for its end.

    Returns:
        True when it is stopped; False when somebody else uses it, who then keeps it.

    Raises:
        DatabaseUnavailable: it did not end in time.
    """
    deadline = Deadline(timeout)
    refusals = 0
    while keeper_lives(layout):
        report = layout.read_report()
        if report is not None and report.state not in ("stopping", "stopped"):
            refusals = 0 if _unused(layout) else refusals + 1
            if refusals == 5:  # once may have been the keeper's own look at the lock
                return False
            # Asks the keeper to look now; it never stops a server that somebody uses.
            with contextlib.suppress(ProcessLookupError):
                os.kill(report.keeper_pid, signal.SIGTERM)
        _check(deadline, layout)
        time.sleep(0.01)
    return True


def _unused(layout: Layout) -> bool:
    descriptor = open_lock(layout.users_lock)
    try:
        return try_lock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _homes(data_dir: Path) -> set[int]:
    matches = (re.fullmatch(r"pg(\d+)", entry.name) for entry in _entries(data_dir))
    return {int(match[1]) for match in matches if match}


def _cluster_majors(data_dir: Path) -> set[int]:
    return {major for major in _homes(data_dir) if Layout(data_dir, major).cluster.exists()}


def _entries(data_dir: Path) -> Iterator[Path]:
    try:
        yield from data_dir.iterdir()
    except FileNotFoundError:
        return
    except (PermissionError, NotADirectoryError) as error:
        raise _not_ours(data_dir, error) from error


def _open_users_lock(layout: Layout) -> int:
    """Make the data directory when missing and open its users' lock."""
    try:
        if not layout.data_dir.is_dir():
            layout.data_dir.mkdir(parents=True, exist_ok=True)
            # Enough for the server's user to pass through to the cluster, not to look around.
            layout.data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        descriptor = open_lock(layout.users_lock)
        give_to_owner(layout.data_dir, layout.users_lock)
    except OSError as error:
        raise _not_ours(layout.data_dir, error) from error
    return descriptor


def _not_ours(data_dir: Path, error: OSError) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"The data directory {data_dir} cannot be used: {error.strerror}.",
        "Name another data directory, or make this one writable for the user that runs the service.",
    )


def _check(deadline: Deadline, layout: Layout) -> None:
    if deadline.passed():
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL in {layout.home} was not ready in time "
            f"(last line of its log: {last_line(layout.log)!r}).",
            f"Read {layout.log}; a recovery after a crash may take longer: then try again.",
        )


def last_line(log: Path) -> str:
    """The last line of a log with something in it; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _wait_until_ready(layout: Layout, command: list[str], deadline: Deadline) -> Report:
    started = 0
    while True:
        alive = keeper_lives(layout)
        report = layout.read_report()
        if not alive:
            if started and report is not None and report.state == "failed":
                raise DatabaseUnavailable(report.what, report.do)
            if started < 5:
                _start_keeper(command)
                started += 1
        elif report is not None and report.state == "ready" and accepts_sessions(Path(report.socket_dir)):
            return report
        _check(deadline, layout)
        time.sleep(0.01)


KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "VIRTUAL_ENV")


def _start_keeper(command: list[str]) -> None:
    """Start a keeper, which goes into the background by itself, or find that one has just been started.

    It gets its own session, so that Ctrl-C in this terminal is not meant for it, and a clean environment,
    so that neither PG* variables nor our secrets reach it.
    """
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    done = subprocess.run(
        command,
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        check=False,
    )
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise DatabaseUnavailable(
            f"The keeper of the embedded PostgreSQL could not be started (it said: {told[-1]}).",
            "Check that the data directory is writable and the installation is complete.",
        )
