"""The simulator as a process: `campaign simulator`."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import typer
from typer.testing import CliRunner

from campaign.cli.simulator import simulator
from campaign.simulator import ACCOUNT_SID
from campaign.simulator.process import read_people

RUN = (
    sys.executable,
    "-c",
    "import typer; from campaign.cli.simulator import simulator; typer.run(simulator)",
)
APP = typer.Typer()
APP.command()(simulator)


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process and its base URL, once it says on a pipe that it is ready."""
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *RUN, "--port", "0", "--ready-fd", str(write), *options,
        pass_fds=(write,), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            port = (await asyncio.to_thread(pipe.readline)).strip()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def test_it_says_how_to_point_the_service_at_it_and_ends_on_sigterm() -> None:
    async with (
        running(
            "--clock", "2026-11-24T10:00:00-05:00", "--clock-rate", "60", "--person", "+12125550100=busy"
        ) as (process, base),
        aiohttp.ClientSession() as http,
    ):
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        assert f"TWILIO_API_BASE_URL={base}" in line
        assert "TWILIO_ACCOUNT_SID=AC" in line
        async with http.get(f"{base}/simulator/health") as response:
            health = await response.json()
        assert health["now"].startswith("2026-11-24T15:")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_it_ends_when_its_parent_ends() -> None:
    # A parent of our own making starts it, waits until it is ready, prints its pid and ends.
    parent = (
        "import os, subprocess, sys\n"
        "read, write = os.pipe()\n"
        f"child = subprocess.Popen([{', '.join(map(repr, RUN))}, '--port', '0', '--ready-fd', str(write),\n"
        "    '--parent-pid', str(os.getpid())], pass_fds=(write,), stdout=subprocess.DEVNULL)\n"
        "os.close(write)\n"
        "os.read(read, 16)\n"
        "print(child.pid)\n"
    )
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE)
    out, _ = await done.communicate()
    try:
        descriptor = os.pidfd_open(int(out))
    except ProcessLookupError:
        return  # gone already
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    async with asyncio.timeout(40):
        await gone.wait()
    loop.remove_reader(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fault", "rest_42=1"], "no fault is called"),
        (["--fault", "rest_429"], "NAME=VALUE"),
        (["--person", "+1=nobody"], "no persona is called"),
        (["--clock", "soon"], "2026-11-24T10:00:00-05:00"),
        (["--clock", "2026-11-24T10:00:00"], "no time zone"),
        (["--cps", "0"], "above 0"),
        (["--people", "/nowhere/people.toml"], "No such file"),
    ],
)
def test_wrong_options_are_explained(options: list[str], said: str) -> None:
    done = CliRunner(env={"COLUMNS": "300"}).invoke(APP, options)
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_help_names_personas_faults_and_doors() -> None:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(APP, ["--help"])
    assert done.exit_code == 0
    for word in (
        "do_not_call",
        "callback_loss",
        '"numbers"',
        "/simulator/report",
        "--by-digits",
        ACCOUNT_SID,
    ):
        assert word in done.stdout


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(APP, ["--port", port])
    assert done.exit_code == 1
    assert port in done.stderr
    assert "--port 0" in done.stderr


def test_a_people_file_names_numbers_and_weights(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    path.write_text('[numbers]\n"+12125550100" = "interested_cut"\n[weights]\nbusy = 3\n')
    assert read_people(path) == ({"+12125550100": "interested_cut"}, {"busy": 3.0})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[numbers]\n'+1' = 'nobody'", "numbers.+1"),
        ("[weights]\nbusy = -1", "weights.busy"),
        ("[weights]\nbusy = 0", "all weights are 0"),
        ("[people]\n", "'people'"),
        ("numbers = 3", r"write \[numbers\]"),
        ("[numbers", "people.toml"),
    ],
)
def test_a_wrong_people_file_is_explained(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "people.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_people(path)
