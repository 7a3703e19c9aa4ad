"""The keeper of the embedded server, a process: `python -m campaign.store.keeper`; see `--help`.

It starts `postgres` as its child, from its main thread, with the parent-death signal set to a fast
shutdown: whoever kills the keeper takes the server down cleanly. (The signal comes when the *thread* that
started the child ends; hence the main thread.) A server that dies is started again while somebody uses
it. When the users' lock can be had exclusively for two seconds nobody uses it, and it is stopped.
SIGTERM asks to look at once instead of after two seconds; it never stops a server in use.
"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from campaign.domain.errors import CampaignError, DatabaseUnavailable
from campaign.store import postgres_binaries
from campaign.store.embedded import (
    DATABASE,
    PORT,
    SUPERUSER,
    Deadline,
    KeeperState,
    Layout,
    Report,
    give_to_owner,
    last_line,
    open_lock,
    try_lock,
)
from campaign.store.postgres_binaries import CLEAN_ENVIRONMENT, Binaries, ServerUser

GRACE_SECONDS = 2.0
TICK_SECONDS = 0.25
STOP_SECONDS = 60.0
LOG_BYTES = 10_000_000
RETRY_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.5)  # a killed server's orphans need a moment to die
PR_SET_PDEATHSIG = 1

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",  # containers give /dev/shm 64 MB, and a kill leaks there
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_error_verbosity": "terse",  # no DETAIL lines: they quote the values of keys, people's numbers
}
THROW_AWAY = {"fsync": "off", "full_page_writes": "off"}  # a kill loses nothing, a power cut everything


class Keeper:
    """One keeper for one cluster; `run()` lives as long as the server does."""

    def __init__(self, layout: Layout, binaries: Binaries, durable: bool) -> None:
        self.layout = layout
        self.binaries = binaries
        self.durable = durable
        self.user: ServerUser | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.look_now = False
        self.pid = os.getpid()
        self.users = open_lock(layout.users_lock)
        self.libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self.woken, self._waker = socket.socketpair()

    def tell(self, state: KeeperState, what: str = "", do: str = "") -> None:
        self.layout.write_report(
            Report(
                state=state,
                keeper_pid=os.getpid(),
                server_pid=self.server.pid if self.server else None,
                socket_dir=str(self.layout.socket_dir()),
                version=self.binaries.version,
                what=what,
                do=do,
            )
        )

    def run(self) -> None:
        """Prepare the cluster, run the server until nobody uses it, stop it."""
        self._hear_signals()
        try:
            self.tell("starting")
            self._prepare()
            self._start_server()
            self._watch()
        except CampaignError as error:
            self.tell("failed", error.what, error.do)
        except OSError as error:  # the edge of the process: whoever attaches is told
            place = error.filename or self.layout.home
            self.tell("failed", f"The embedded PostgreSQL could not be run: {place}: {error.strerror}.")
        finally:
            self._stop_server()

    def _hear_signals(self) -> None:
        self.woken.setblocking(False)
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_ask)
        signal.signal(signal.SIGINT, self._on_ask)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _on_ask(self, *_: object) -> None:
        self.look_now = True

    def _pause(self, seconds: float) -> None:
        """Sleep until a signal or the time has come."""
        if select.select([self.woken], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                self.woken.recv(4096)

    # ── the cluster ──────────────────────────────────────────────────────────────────────────────

    def _prepare(self) -> None:
        layout = self.layout
        owner = (layout.cluster if layout.cluster.exists() else layout.data_dir).stat().st_uid
        self.user = postgres_binaries.server_user(owner)
        barrier = postgres_binaries.first_barrier(layout.home, self.user)
        if barrier is not None:
            name = self.user.name if self.user else "we"
            raise DatabaseUnavailable(
                f"The data directory {layout.data_dir} is out of reach: PostgreSQL runs as the user {name}, "
                f"who may not enter {barrier}.",
                "Name a data directory outside of private homes, such as /var/lib/campaign, "
                "or run the service as a normal user.",
            )
        self.binaries = postgres_binaries.readable_copy(self.binaries, self.user, layout.home)
        if layout.log.exists() and layout.log.stat().st_size > LOG_BYTES:
            layout.log.rename(layout.log.with_suffix(".log.1"))
        for remains in layout.home.glob(".data-*"):  # a killed keeper's initdb may be removing them itself
            shutil.rmtree(remains, ignore_errors=True)
        if not layout.cluster.exists():
            self._create_cluster()
        self._make_socket_dir()

    def _create_cluster(self) -> None:
        """Fill a cluster aside and rename it, so that a killed attempt leaves no half of one."""
        unfinished = Path(tempfile.mkdtemp(prefix=".data-", dir=self.layout.home))
        self._hand_over(unfinished)
        options = ["-U", SUPERUSER, "-E", "UTF8", "--locale=C", "--auth=trust", "--data-checksums"]
        self._run("initdb", *options, "--no-sync", "-D", str(unfinished))
        self._run(
            "postgres",
            "--single",
            "-F",
            "-D",
            str(unfinished),
            "postgres",
            say=f"CREATE DATABASE {DATABASE};\n",
        )
        if self.durable:
            self._run("initdb", "--sync-only", "-D", str(unfinished))
        unfinished.rename(self.layout.cluster)

    def _run(self, program: str, *arguments: str, say: str = "") -> None:
        done = subprocess.run(
            [self.binaries.bin / program, *arguments],
            input=say.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=CLEAN_ENVIRONMENT,
            preexec_fn=self._bind_life,
            check=False,
            cwd="/",
            user=self.user.uid if self.user else None,
            group=self.user.gid if self.user else None,
            extra_groups=[] if self.user else None,
        )
        with self.layout.log.open("ab") as log:
            log.write(done.stdout)
        if done.returncode != 0:
            raise DatabaseUnavailable(
                f"{program} could not make the cluster in {self.layout.home} (exit {done.returncode}, "
                f"last line: {last_line(self.layout.log)!r}).",
                f"Read {self.layout.log}: a full disk and missing libraries are the usual causes.",
            )

    def _make_socket_dir(self) -> None:
        place = self.layout.socket_dir()
        if not place.exists():
            place.mkdir(mode=0o700)
            self._hand_over(place)
        found = place.lstat()
        uid = self.user.uid if self.user else os.geteuid()
        if place.is_symlink() or not place.is_dir() or found.st_uid != uid or found.st_mode & 0o077:
            raise DatabaseUnavailable(
                f"The socket's directory {place} is not a private directory of the server's user.",
                "Remove it and try again; if it comes back, somebody else on this machine makes it.",
            )
        for stale in place.iterdir():  # under the keeper's lock no server of ours can be listening
            stale.unlink()

    def _hand_over(self, place: Path) -> None:
        if self.user is not None:
            os.chown(place, self.user.uid, self.user.gid)

    # ── the server ───────────────────────────────────────────────────────────────────────────────

    def _bind_life(self) -> None:
        """In the child, after it has become the server's user (that change would clear the signal)."""
        if self.libc is not None:
            self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != self.pid:  # the keeper died before the signal was set
            os._exit(1)

    def _start_server(self) -> None:
        """Start the server and wait until it is ready; again while the last one's orphans are dying."""
        if self.server is not None:
            self.tell("starting")
        for pause in RETRY_PAUSES:
            self._clear_stale_pid_file()
            self._spawn()
            if self._came_up():
                self.tell("ready")
                return
            time.sleep(pause)  # not _pause(): the server's own end would wake it
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL in {self.layout.home} does not start "
            f"(last line of its log: {last_line(self.layout.log)!r}).",
            f"Read {self.layout.log}.",
        )

    def _spawn(self) -> None:
        settings = SETTINGS | {"unix_socket_directories": f'"{self.layout.socket_dir()}"'}
        settings |= {} if self.durable else THROW_AWAY
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.layout.log.open("ab") as log:
            self.server = subprocess.Popen(
                [self.binaries.bin / "postgres", "-D", self.layout.cluster, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=CLEAN_ENVIRONMENT,
                preexec_fn=self._bind_life,
                cwd="/",
                user=self.user.uid if self.user else None,
                group=self.user.gid if self.user else None,
                extra_groups=[] if self.user else None,
            )

    def _came_up(self) -> bool:
        assert self.server is not None
        while self.server.poll() is None:
            lines = self._pid_file_lines()
            if len(lines) > 7 and lines[0] == str(self.server.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(0.01)
        return False

    def _pid_file_lines(self) -> list[str]:
        """Line 1 is the server's process id, line 8 its state."""
        try:
            return (self.layout.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _clear_stale_pid_file(self) -> None:
        """Take away a pid file that names nobody, a zombie or a stranger; end an orphaned server.

        PostgreSQL itself refuses to start when the process id in the file belongs to anything alive,
        which a container that starts anew hits easily.
        """
        lines = self._pid_file_lines()
        pid = int(lines[0]) if lines and lines[0].isdigit() else 0
        deadline = Deadline(STOP_SECONDS)
        while pid and self._is_our_server(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT if deadline.passed() else signal.SIGINT)
            self._pause(0.1)
        # of a dead one PostgreSQL itself takes care, shared memory included
        if not pid or process_exists(pid):
            (self.layout.cluster / "postmaster.pid").unlink(missing_ok=True)
        for stale in self.layout.socket_dir().iterdir():
            stale.unlink()

    def _is_our_server(self, pid: int) -> bool:
        """Whether that process is a PostgreSQL server at work in our cluster (its working directory)."""
        if sys.platform == "linux":
            try:
                return Path(f"/proc/{pid}/cwd").readlink() == self.layout.cluster.resolve()
            except OSError:  # gone, a zombie, or not ours to look at
                return False
        else:
            asked = subprocess.run(
                ["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
            )
            told = asked.stdout.strip()
            return not told.startswith("Z") and str(self.layout.cluster) in told

    def _watch(self) -> None:
        """Until nobody has used the server for the grace, or its directory is gone."""
        assert self.server is not None
        unused = Deadline(GRACE_SECONDS)
        while True:
            self._pause(TICK_SECONDS)
            if not self._still_there():
                return
            if not try_lock(self.users, fcntl.LOCK_EX):
                unused = Deadline(GRACE_SECONDS)
            elif unused.passed() or self.look_now:
                return  # keeping the lock: who comes now waits for the end and starts anew
            else:
                fcntl.flock(self.users, fcntl.LOCK_UN)
            self.look_now = False
            if self.server.poll() is not None:
                self._start_server()

    def _still_there(self) -> bool:
        """Whether the lock that we watch is the one that users take (the directory may be removed)."""
        try:
            return os.path.samestat(self.layout.users_lock.stat(), os.fstat(self.users))
        except FileNotFoundError:
            return False

    def _stop_server(self) -> None:
        if self.server is None or self.server.poll() is not None:
            return
        with contextlib.suppress(FileNotFoundError):
            self.tell("stopping")
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            self.server.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.server.wait(STOP_SECONDS)
                break
        with contextlib.suppress(FileNotFoundError):
            self.tell("stopped")
        with contextlib.suppress(OSError):  # the short way, outside of the data directory, is not left behind
            if self.layout.socket_dir().parent != self.layout.home:
                self.layout.socket_dir().rmdir()


def process_exists(pid: int) -> bool:
    """Whether this machine has such a process, be it a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def lay_out(layout: Layout, shared_place: Path) -> None:
    """Make the home of the cluster.

    Root's server runs as another user, who cannot enter a data directory in a private home. No mode is
    changed for that: the cluster goes to `shared_place`, and a link in the data directory shows where.
    """
    if not layout.door.is_symlink() and not layout.door.exists():
        user = postgres_binaries.server_user(layout.data_dir.stat().st_uid)
        if postgres_binaries.first_barrier(layout.data_dir, user) is not None:
            digest = hashlib.sha256(os.fsencode(layout.data_dir.resolve())).hexdigest()[:12]
            layout.door.symlink_to(shared_place / f"{layout.data_dir.name}-{digest}" / layout.door.name)
    layout.home.mkdir(parents=True, exist_ok=True)
    give_to_owner(layout.data_dir, layout.home)


def main() -> None:
    """Become the one keeper of a data directory and go into the background, or find that there is one."""
    parser = argparse.ArgumentParser(prog="campaign.store.keeper")
    parser.add_argument("data_dir", type=Path, help="absolute")
    parser.add_argument("bin_dir", type=Path, help="holds postgres and initdb")
    parser.add_argument("shared_place", type=Path, help="for clusters of private homes")
    parser.add_argument("--not-durable", action="store_true")
    wanted = parser.parse_args()
    binaries = Binaries(wanted.bin_dir, postgres_binaries.read_version(wanted.bin_dir))
    layout = Layout(wanted.data_dir, binaries.major)
    os.umask(0o022)
    lay_out(layout, wanted.shared_place)
    lock = open_lock(layout.keeper_lock)
    give_to_owner(layout.data_dir, layout.keeper_lock)
    patience = Deadline(0.5)  # somebody may just be looking whether a keeper lives
    while not try_lock(lock, fcntl.LOCK_EX):
        if patience.passed():
            return
        time.sleep(0.005)
    layout.report_file.unlink(missing_ok=True)  # it was the last keeper's
    # The lock passes to the child with the open file, so there is no moment without a keeper.
    if os.fork() > 0:
        os._exit(0)
    silence = os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    give_to_owner(layout.data_dir, layout.log)
    for stream in (1, 2):
        os.dup2(silence, stream)
    Keeper(layout, binaries, durable=not wanted.not_durable).run()


if __name__ == "__main__":
    main()
