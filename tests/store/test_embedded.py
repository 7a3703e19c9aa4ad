"""The embedded server runs while somebody uses it, survives what may be killed, and leaves nothing behind."""

import contextlib
import json
import os
import pwd
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from campaign.domain.errors import DatabaseUnavailable
from campaign.store import embedded, postgres_binaries
from campaign.store.embedded import Attachment, Layout, attach, status, stop_server

ROOT = os.geteuid() == 0
REPOSITORY = Path(embedded.__file__).parents[2]

USER = """
    import sys
    from pathlib import Path
    from campaign.store.embedded import attach
    with attach(Path(sys.argv[1]), durable=False, shared_place=Path(sys.argv[1]).parent / "shared") as server:
        print(server.url, flush=True)
        sys.stdin.read()
"""


def connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    address = sa.make_url(url)
    return psycopg.connect(
        host=str(address.query["host"]),
        port=str(address.query["port"]),
        user=address.username,
        dbname=address.database,
        autocommit=True,
    )


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it becomes true in time; asked over and over, for nothing tells us."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def works(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)
    return False


def ends(pid: int, seconds: float) -> bool:
    """Whether the process has ended in time; told by the kernel."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


class User:
    """A process of its own that uses the server until its input is closed or it is killed."""

    def __init__(self, place: Path, environment: dict[str, str] | None = None, start: str = USER) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(start), str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate(timeout=30)

    def die(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


def stop_all_in(folder: Path) -> None:
    for data_dir in folder.iterdir():
        now = status(data_dir) if data_dir.is_dir() else None
        if now and now.keeper_pid and now.log:
            stop_server(Layout(data_dir, int(now.log.parent.name.removeprefix("pg"))))


@pytest.fixture
def base() -> Iterator[Path]:
    """A directory that the server's user can enter (pytest's own is private), emptied afterwards."""
    place = Path(tempfile.mkdtemp(prefix="campaign-pg-"))
    place.chmod(0o755)
    yield place
    stop_all_in(place)
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """A data directory whose cluster is made: making one takes most of a second."""
    folder = Path(tempfile.mkdtemp(prefix="campaign-pg-"))
    folder.chmod(0o755)
    use(folder / "data").close(stop=True)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def place(prepared: Path) -> Iterator[Path]:
    """A data directory that has been used before and where nothing runs."""
    yield prepared
    stop_all_in(prepared.parent)


@pytest.fixture
def spare(base: Path, prepared: Path) -> Path:
    """A copy of it, to be damaged."""
    subprocess.run(["cp", "-a", prepared, base / "data"], check=True)
    return base / "data"


def link(source: str, target: str) -> None:
    """A cheap copy that nobody writes to: the same file under another name where the disk allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def copy_package(package: Path, folder: Path) -> None:
    """A package with the shared libraries that its wheel keeps beside it."""
    for part in (package, package.parent / f"{package.name}.libs"):
        shutil.copytree(part, folder / part.name, copy_function=link)


def use(place: Path) -> Attachment:
    return attach(place, durable=False, shared_place=place.parent / "shared")


def pids(place: Path) -> tuple[int, int]:
    """Process ids of keeper and server."""
    now = status(place)
    assert now.keeper_pid is not None
    assert now.server_pid is not None
    return now.keeper_pid, now.server_pid


def test_one_command_starts_it_another_attaches_and_it_outlives_the_first(place: Path) -> None:
    first = User(place)
    url = first.url()
    with use(place) as second:
        assert second.url == url
        before = pids(place)
        first.leave()
        assert not ends(before[1], 2.6), "longer than the keeper's grace"
        assert works(url)
        assert pids(place) == before


def test_four_that_come_at_once_to_a_new_directory_share_one_server(base: Path) -> None:
    place = base / "data"
    users = [User(place) for _ in range(4)]
    assert len({user.url() for user in users}) == 1
    assert status(place).running
    for user in users:
        user.leave()


def test_a_kill_of_all_users_leaves_no_server_after_five_seconds(place: Path) -> None:
    users = [User(place), User(place)]
    for user in users:
        user.url()
    keeper, server = pids(place)
    for user in users:
        user.die()
    assert ends(server, 5)
    assert ends(keeper, 1)
    assert not status(place).running


def test_a_killed_keeper_takes_the_server_down_and_the_next_user_loses_nothing(place: Path) -> None:
    user = User(place)
    with connect(user.url()) as connection:
        connection.execute("CREATE TABLE kept_by_keeper AS SELECT 7 AS n")
    keeper, server = pids(place)
    user.die()
    os.kill(keeper, signal.SIGKILL)
    assert ends(server, 5)
    with use(place) as again, connect(again.url) as connection:
        assert connection.execute("SELECT n FROM kept_by_keeper").fetchall() == [(7,)]
        assert pids(place) != (keeper, server)


def test_a_user_who_stays_gets_a_new_keeper_when_the_old_one_is_killed(place: Path) -> None:
    with use(place) as attachment:
        keeper, server = pids(place)
        os.kill(keeper, signal.SIGKILL)
        assert ends(server, 5)
        # The server takes sessions a moment before its keeper says so.
        assert until(lambda: works(attachment.url) and status(place).running, 5)
        assert pids(place)[0] != keeper


def test_a_killed_server_is_back_within_two_seconds_and_has_lost_nothing(place: Path) -> None:
    with use(place) as attachment:
        keeper, server = pids(place)
        with connect(attachment.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        os.kill(server, signal.SIGKILL)
        assert ends(server, 2)
        assert until(lambda: works(attachment.url), 2)
        with connect(attachment.url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
        assert until(lambda: status(place).running, 2)
        assert pids(place)[0] == keeper
        assert pids(place)[1] != server


def test_a_busy_session_does_not_keep_a_killed_server_down(place: Path) -> None:
    with use(place) as attachment, contextlib.closing(connect(attachment.url)) as busy:
        server = pids(place)[1]
        busy.execute("BEGIN")
        busy.execute("CREATE TABLE unfinished (n int)")
        os.kill(server, signal.SIGKILL)
        assert ends(server, 2)
        assert until(lambda: works(attachment.url), 5)


def test_a_killed_creation_leaves_no_half_cluster(base: Path) -> None:
    place = base / "data"
    user = User(place)
    home = place / "pg18"
    assert until(lambda: any(home.glob(".data-*/PG_VERSION")), 20), "initdb is at work"
    keeper = json.loads((home / "keeper.json").read_text())["keeper_pid"]
    user.die()
    os.kill(keeper, signal.SIGKILL)
    assert ends(keeper, 2)
    with use(place) as attachment:
        assert works(attachment.url)
        attachment.close(stop=True)
    use(place).close(stop=True)
    assert not list(home.glob(".data-*"))


@pytest.mark.parametrize("named", ["a stranger", "nobody", "nonsense"])
def test_a_pid_file_left_by_a_crash_does_not_stop_the_next_start(place: Path, named: str) -> None:
    use(place).close(stop=True)
    stranger = str(os.getpid())
    told = {"a stranger": stranger, "nobody": "4194304", "nonsense": "\0"}[named]
    left = Layout(place, 18).cluster / "postmaster.pid"
    left.write_text(f"{told}\n{left.parent}\n1\n5432\n\n\n\nready\n")
    (Layout(place, 18).socket_dir() / f"{embedded.SOCKET_NAME}.lock").write_text(f"{stranger}\n")
    with use(place) as attachment:
        assert works(attachment.url)


def test_attaching_to_a_running_server_takes_less_than_a_tenth_of_a_second(place: Path) -> None:
    with use(place):
        took = []
        for _ in range(3):
            begun = time.perf_counter()
            use(place).close()
            took.append(time.perf_counter() - begun)
        assert min(took) < 0.1


def test_the_last_user_may_stop_it_at_once_but_not_over_another(place: Path) -> None:
    first, second = use(place), use(place)
    server = pids(place)[1]
    assert not first.close(stop=True)
    assert works(second.url)
    assert second.close(stop=True)
    assert ends(server, 0)
    assert not status(place).running
    assert "database system is shut down" in (place / "pg18" / "server.log").read_text()


def test_it_listens_on_a_private_socket_only_and_never_runs_as_root(place: Path) -> None:
    with use(place) as attachment, connect(attachment.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        run = Path(str(sa.make_url(attachment.url).query["host"]))
        assert stat.S_IMODE(run.stat().st_mode) == 0o700
        assert Path(f"/proc/{pids(place)[1]}").stat().st_uid != 0
        assert run.stat().st_uid == Path(f"/proc/{pids(place)[1]}").stat().st_uid


def test_a_path_too_long_for_a_socket_gets_a_short_one(base: Path) -> None:
    place = base / ("long-" * 20) / "data"
    place.parent.mkdir()
    with use(place) as attachment:
        assert works(attachment.url)
        run = Path(str(sa.make_url(attachment.url).query["host"]))
        assert not run.is_relative_to(base)
        attachment.close(stop=True)
    assert not run.exists()


def test_a_data_directory_in_a_private_home_works_and_no_mode_is_changed(base: Path) -> None:
    home = base / "home"
    home.mkdir(mode=0o700)
    place = home / "data"
    with attach(place, durable=False, shared_place=base / "shared") as attachment:
        assert works(attachment.url)
        assert status(place).running
        attachment.close(stop=True)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert (place / "pg18").is_symlink() == ROOT
    with attach(place, durable=False, shared_place=base / "shared") as attachment:
        assert works(attachment.url)
        attachment.close(stop=True)


def test_programs_in_a_private_home_are_copied_to_where_the_server_can_read_them(base: Path) -> None:
    found = postgres_binaries.candidates()[0].parent.parent
    home = base / "home"
    home.mkdir(mode=0o700)
    copy_package(found, home)
    user = User(base / "data", {"PYTHONPATH": str(home)})
    url = user.url()
    assert works(url)
    program = Path(f"/proc/{pids(base / 'data')[1]}/exe").readlink()
    assert program.is_relative_to(base / "data" / "pg18" if ROOT else home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    user.leave()


def test_a_normal_user_needs_nobody_elses_rights(base: Path) -> None:
    """As root, the user nobody runs it, with a copy of the interpreter where they can read it."""
    place = base / "data"
    if not ROOT:
        with use(place) as attachment:
            assert works(attachment.url)
        return
    nobody = pwd.getpwnam("nobody")
    python = base / "python"
    library = f"python{sys.version_info.major}.{sys.version_info.minor}"
    unwanted = shutil.ignore_patterns("site-packages", "test", "config-*", "ensurepip", "*.opt-?.pyc")
    source = Path(sys.base_prefix) / "lib"
    shutil.copytree(source / library, python / "lib" / library, ignore=unwanted, copy_function=link)
    (python / "bin").mkdir()
    shutil.copy2(Path(sys.executable).resolve(), python / "bin" / "python")
    for shared in source.glob("libpython*.so*"):
        shutil.copy2(shared, python / "lib")
    packages = base / "packages"
    shutil.copytree(REPOSITORY / "campaign", packages / "campaign", ignore=unwanted)
    copy_package(postgres_binaries.candidates()[0].parent.parent, packages)
    os.chown(base, nobody.pw_uid, nobody.pw_gid)
    process = subprocess.Popen(
        [python / "bin" / "python", "-c", textwrap.dedent(USER), place],
        env={"PYTHONPATH": str(packages), "LD_LIBRARY_PATH": str(python / "lib"), "TZ": "UTC"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert works(url)
    assert {entry.stat().st_uid for entry in place.rglob("*")} == {nobody.pw_uid}
    with use(place) as root_too:  # root may join, and leaves nothing of root's own behind
        assert root_too.url == url
    keeper, server = pids(place)
    process.kill()
    process.communicate()
    assert ends(server, 5)
    assert ends(keeper, 1)


def test_root_in_anothers_data_directory_leaves_it_to_its_owner(base: Path) -> None:
    place = base / "data"
    place.mkdir()
    owner = pwd.getpwnam("nobody").pw_uid if ROOT else os.geteuid()
    os.chown(place, owner, -1)
    with use(place) as attachment:
        assert works(attachment.url)
        attachment.close(stop=True)
    assert {entry.lstat().st_uid for entry in place.rglob("*")} == {owner}


def test_the_surroundings_of_the_user_do_not_reach_the_server(place: Path) -> None:
    strange = {"PGPORT": "1", "PGDATA": "/nonexistent", "PGHOST": "nowhere", "TWILIO_AUTH_TOKEN": "secret"}
    user = User(place, strange)
    assert works(user.url())
    for pid in pids(place):
        told = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"TWILIO" not in told
        assert b"PG" not in told.replace(b"PYTHONPATH", b"").upper().split(b"PATH=")[0]
    user.leave()


def test_a_removed_data_directory_ends_its_server(spare: Path) -> None:
    place = spare
    attachment = use(place)
    keeper, server = pids(place)
    attachment.close()
    shutil.rmtree(place)
    assert ends(server, 5)
    assert ends(keeper, 5)


def test_a_database_of_another_version_is_refused_not_replaced(base: Path) -> None:
    place = base / "data"
    (place / "pg12" / "data").mkdir(parents=True)
    with pytest.raises(DatabaseUnavailable, match=r"holds a database of PostgreSQL 12.*pg_dump"):
        use(place)
    assert [entry.name for entry in place.iterdir()] == ["pg12"]


def test_a_file_where_the_data_directory_should_be_is_explained(base: Path) -> None:
    (base / "data").write_text("")
    with pytest.raises(DatabaseUnavailable, match=r"cannot be used: Not a directory\. Name another"):
        use(base / "data")


def test_a_cluster_that_cannot_start_is_explained_with_its_log(spare: Path) -> None:
    place = spare
    use(place).close(stop=True)
    (Layout(place, 18).cluster / "global" / "pg_control").unlink()
    with pytest.raises(DatabaseUnavailable, match=r"does not start .*pg_control.* Read .*server\.log"):
        use(place)
    now = status(place)
    assert not now.running
    assert now.fault is not None
    assert "does not start" in now.fault


def test_no_status_is_told_of_a_directory_that_was_never_used(base: Path) -> None:
    assert status(base / "never") == embedded.Status(running=False, data_dir=base / "never")


def test_the_systems_programs_serve_where_the_package_is_missing(base: Path) -> None:
    for major in ("9", "15", "16", "old"):
        folder = base / major / "bin"
        folder.mkdir(parents=True)
        for program in ("postgres", "initdb"):
            (folder / program).touch(mode=0o755)
    (base / "16" / "bin" / "initdb").unlink()
    found = postgres_binaries.candidates(system=base)
    assert [place.parent.name for place in found if place.is_relative_to(base)] == ["15", "9"]


def test_a_server_that_does_not_speak_is_not_taken_for_ready(base: Path) -> None:
    run = base / "run"
    run.mkdir()
    assert not embedded.accepts_sessions(run)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(run / embedded.SOCKET_NAME))
        mute.listen()
        assert not embedded.accepts_sessions(run, timeout=0.1)
