"""The plan of kills, and the one address before replicas that come and go."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.replicas import (
    LONG_STOP_S,
    PAUSE_S,
    Forwarder,
    Process,
    Strike,
    Struck,
    carry_out,
    free_port,
    plan,
)

ECHO = """
import socketserver, sys
from pathlib import Path
class Says(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(sys.argv[1].encode() + b" " + self.rfile.readline())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
with Server(("127.0.0.1", int(sys.argv[2])), Says) as server:
    Path(sys.argv[4]).write_text("ready")
    server.serve_forever()
"""
"""Answers each line with its own name before it."""


def test_the_same_seed_gives_the_same_plan_with_all_its_kills_and_some_stops() -> None:
    strikes = plan(7, 200)
    assert strikes == plan(7, 200) != plan(8, 200)
    stops = [strike.stop_s for strike in strikes if strike.stop_s is not None]
    assert (len(strikes) - len(stops), len(stops)) == (200, 20)
    assert sum(stop >= LONG_STOP_S[0] for stop in stops) == 7
    assert {strike.victim for strike in strikes} == {0, 1}
    assert all(PAUSE_S[0] <= strike.pause_s <= PAUSE_S[1] for strike in strikes)


class Pair:
    """Two replicas behind one address."""

    def __init__(self, folder: Path) -> None:
        self.port, ports = free_port(), (free_port(), free_port())
        self.replicas = [
            Process(folder, name, ["-c", ECHO, name, str(port)], os.environ)
            for name, port in zip("ab", ports, strict=True)
        ]
        self.forwarder = Forwarder(self.port, list(zip(self.replicas, ports, strict=True)))

    async def ask(self) -> str:
        """Who answers; "" when the connection ends without a word."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"hello\n")
            return (await reader.readline()).decode().strip()
        except ConnectionError:
            return ""
        finally:
            writer.close()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    one = Pair(tmp_path)
    with ExitStack() as stack:
        for replica in one.replicas:
            stack.enter_context(replica.existing())
        for replica in one.replicas:
            await replica.until_ready()
        async with one.forwarder.open():
            yield one


async def test_connections_go_to_replicas_in_turn_and_to_the_one_that_lives(pair: Pair) -> None:
    assert {await pair.ask() for _ in range(4)} == {"a hello", "b hello"}
    pair.replicas[0].kill()
    assert {await pair.ask() for _ in range(4)} == {"b hello"}
    pair.replicas[1].kill()
    assert await pair.ask() == ""
    pair.replicas[0].start()
    await pair.replicas[0].until_ready()
    assert await pair.ask() == "a hello"


async def test_a_replica_that_stands_still_answers_when_it_goes_on(pair: Pair) -> None:
    pair.replicas[1].kill()
    pair.replicas[0].stop(asyncio.get_running_loop().time())
    asking = asyncio.create_task(pair.ask())
    done, _ = await asyncio.wait({asking}, timeout=0.2)
    assert not done
    pair.replicas[0].go_on()
    assert await asking == "a hello"


async def test_a_plan_is_carried_out_and_nobody_stands_still_afterwards(pair: Pair) -> None:
    pids = [replica.pid for replica in pair.replicas]
    done = Struck()
    await carry_out(
        [Strike(0.0, 0), Strike(0.0, 1, 2.0), Strike(0.0, 1), Strike(0.0, 0)], pair.replicas, done
    )
    assert (done.kills, done.stops, done.long_stops) == (3, 1, 0)
    # While the second stood still, what was meant for it met the first.
    assert [replica.starts for replica in pair.replicas] == [4, 1]
    assert pair.replicas[1].pid == pids[1]
    assert pair.replicas[1].ready


async def test_a_process_that_ends_by_itself_is_told_with_its_log(tmp_path: Path) -> None:
    broken = Process(tmp_path, "broken", ["-c", "print('no such thing'); raise SystemExit(1)"], os.environ)
    with broken.existing(), pytest.raises(RuntimeError, match="no such thing"):
        await broken.until_ready()


def test_a_killed_process_is_gone_also_when_it_stood_still(tmp_path: Path) -> None:
    process = Process(tmp_path, "x", ["-c", "import time; time.sleep(60)"], os.environ)
    with process.existing():
        process.stop(0.0)
        pid = process.pid
    assert not process.lives
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
