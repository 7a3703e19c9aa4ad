"""The real PgBouncer in transaction mode before a database of the tests' server."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

PORT = 6432
READY_S = 20.0
PLACES = os.pathsep.join(["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"])

INI = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
unix_socket_dir = {folder}
listen_port = {own_port}
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
; Nothing tidies up after a transaction, and each goes to another connection than the one before:
; whoever left something in a session would not find it again, or another would.
server_reset_query =
server_round_robin = 1
"""


def program() -> str:
    """Where PgBouncer is; fails with the line to run when it is nowhere."""
    found = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), PLACES]))
    if found is None:
        pytest.fail(
            "The tests need PgBouncer. Run: sudo apt-get install pgbouncer (macOS: brew install pgbouncer)"
        )
    return found


@contextlib.contextmanager
def pgbouncer(folder: Path, db_url: str, *, pool_size: int) -> Iterator[str]:
    """PgBouncer while the block runs; the database's address through it.

    Args:
        folder: where its socket, its configuration and its log go; every user may enter it.
        db_url: a database of the embedded server, behind its Unix socket.
        pool_size: connections to the server, for all clients together.
    """
    url = sa.make_url(db_url)
    server = Path(str(url.query["host"]))
    owner = server.stat()  # the server lets in who it runs as; and PgBouncer doesn't run as root
    place = folder / "pgbouncer"
    place.mkdir()
    place.chmod(0o777)
    ini = place / "pgbouncer.ini"
    ini.write_text(
        INI.format(
            host=server,
            port=url.query["port"],
            user=url.username,
            folder=place,
            own_port=PORT,
            pool_size=pool_size,
        )
    )
    root = os.geteuid() == 0
    with (place / "log").open("ab") as log:
        process = subprocess.Popen(
            [program(), str(ini)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=place,
            user=owner.st_uid if root else None,
            group=owner.st_gid if root else None,
            extra_groups=[] if root else None,
        )
    through = url.set(query={"host": str(place), "port": str(PORT)}).render_as_string(hide_password=False)
    try:
        _wait_until_ready(process, through, place / "log")
        yield through
    finally:
        process.terminate()
        process.wait(20)


def plain(url: str) -> str:
    """The address as libpq takes it."""
    return url.replace("postgresql+psycopg", "postgresql")


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(plain(url)) as connection:
            connection.execute("SELECT 1")
            return
        told = log.read_text(errors="replace")[-2000:]
        assert process.poll() is None, told
        assert time.monotonic() < until, told
        time.sleep(0.05)
