"""The simulator as a process of its own: ready signal, clean end, never an orphan."""

import asyncio
import ctypes
import os
import signal
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from campaign.simulator.config import SimulatorConfig
from campaign.simulator.people import check_persona
from campaign.simulator.server import Simulator

_PR_SET_PDEATHSIG = 1


def read_people(path: Path) -> tuple[dict[str, str], dict[str, float]]:
    """Read a people file: a table `[numbers]` of number = "persona" and a table `[weights]`.

    Returns both tables, empty where absent. Raises ValueError with the file's name and the key.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    unknown = tables.keys() - {"numbers", "weights"}
    if unknown:
        raise ValueError(f"{path}: unknown table {sorted(unknown)[0]!r}; allowed are [numbers] and [weights]")
    numbers = _table(tables, "numbers", path)
    weights = _table(tables, "weights", path)
    for key, persona in numbers.items():
        _check(path, f"numbers.{key}", persona)
    for key, weight in weights.items():
        _check(path, f"weights.{key}", key)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
            raise ValueError(f"{path}: weights.{key} is {weight!r}; it must be a number from 0 up")
    if weights and not sum(weights.values()):
        raise ValueError(f"{path}: all weights are 0, so nobody could answer; give one a number above 0")
    return {key: str(value) for key, value in numbers.items()}, {
        key: float(value) for key, value in weights.items()
    }


def _table(tables: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise ValueError(f"{path}: {name} must be a table: write [{name}]")
    return table


def _check(path: Path, key: str, persona: object) -> None:
    try:
        check_persona(str(persona))
    except ValueError as error:
        raise ValueError(f"{path}: {key}: {error}") from error


def die_with_parent(parent_pid: int | None) -> None:
    """Ask Linux to end this process by SIGTERM when its parent ends; elsewhere `run` watches the pid.

    Without a `parent_pid` nothing is asked, so that a simulator may be left running by a shell.
    """
    if parent_pid is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def announce(port: int, ready_fd: int | None, ready_file: Path | None) -> None:
    """Write the port and a newline to a descriptor (and close it) and to a file, in one piece."""
    if ready_fd is not None:
        os.write(ready_fd, f"{port}\n".encode())
        os.close(ready_fd)
    if ready_file is not None:
        part = ready_file.with_name(ready_file.name + ".part")
        part.write_text(f"{port}\n", encoding="ascii")
        part.replace(ready_file)


async def run(
    config: SimulatorConfig,
    parent_pid: int | None = None,
    ready_fd: int | None = None,
    ready_file: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent has gone. Raises OSError if the port is taken."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    die_with_parent(parent_pid)
    async with Simulator(config) as simulator:
        print(banner(simulator), flush=True)
        announce(simulator.port, ready_fd, ready_file)
        while not stop.is_set():
            if parent_pid is not None and not _alive(parent_pid):
                return
            try:
                async with asyncio.timeout(1.0):
                    await stop.wait()
            except TimeoutError:
                continue


def banner(simulator: Simulator) -> str:
    """One line: where it listens and how the service is pointed at it."""
    config = simulator.config
    return (
        f"Twilio simulator at {simulator.base_url}: start the service with "
        f"TWILIO_API_BASE_URL={simulator.base_url} TWILIO_ACCOUNT_SID={config.account_sid} "
        f"TWILIO_AUTH_TOKEN={config.auth_token}"
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
