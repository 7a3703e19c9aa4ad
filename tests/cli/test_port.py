"""Two generations of a service on one port: who may share it, and that nobody finds it closed."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from campaign.cli.port import Port, bind, lead_here
from campaign.domain.errors import SettingsError

HOST = "127.0.0.1"


@pytest.fixture
def old() -> Iterator[Port]:
    """A service that listens."""
    port = bind(HOST, 0, take_over=False)
    port.listener.listen(512)
    port.listener.setblocking(False)
    with contextlib.closing(port.listener):
        yield port


def accepted(port: Port) -> int:
    """How many connections waited there."""
    found = 0
    while True:
        try:
            port.listener.accept()[0].close()
        except BlockingIOError:
            return found
        found += 1


def connect(port: Port, times: int) -> None:
    for _ in range(times):
        socket.create_connection((HOST, port.number), timeout=5).close()


def test_a_second_service_on_the_port_is_refused_with_what_to_do(old: Port) -> None:
    with pytest.raises(SettingsError, match=f"port {old.number}.*--take-over.*--port"):
        bind(HOST, old.number, take_over=False)


def test_a_port_that_nobody_holds_is_taken_over_from_nobody() -> None:
    port = bind(HOST, 0, take_over=True)
    with contextlib.closing(port.listener):
        assert not port.shared
        assert port.host == HOST


def test_a_port_that_something_else_holds_is_not_shared() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        with pytest.raises(SettingsError, match="no service of this user"):
            bind(HOST, other.getsockname()[1], take_over=True)


def test_all_new_connections_are_led_to_the_successor_generation_after_generation(old: Port) -> None:
    with contextlib.ExitStack() as stack:
        generations, number = [old], old.number
        for _ in range(3):
            new = bind(HOST, number, take_over=True)
            stack.callback(new.listener.close)
            assert new.shared
            new.listener.listen(512)
            new.listener.setblocking(False)
            assert lead_here(new.listener)
            connect(new, 100)
            assert (accepted(generations[-1]), accepted(new)) == (0, 100)
            generations[-1].listener.close()
            connect(new, 10)
            assert accepted(new) == 10
            generations.append(new)


def test_without_being_led_connections_go_to_both(old: Port) -> None:
    """Why they are led: what waits at the old one when it closes would be reset."""
    new = bind(HOST, old.number, take_over=True)
    with contextlib.closing(new.listener):
        new.listener.listen(512)
        new.listener.setblocking(False)
        connect(new, 200)
        assert accepted(old) > 0
        assert accepted(new) > 0


async def test_who_connects_all_through_a_take_over_is_always_answered(old: Port) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(1))
        writer.close()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(HOST, number)
        writer.write(b"?")
        answers.append(await reader.readexactly(1))
        writer.close()

    async def keep_asking() -> None:
        while not done.is_set():
            await ask()

    number, answers = old.number, list[bytes]()
    done = asyncio.Event()
    first = await asyncio.start_server(answer, sock=old.listener)
    asking = [asyncio.create_task(keep_asking()) for _ in range(20)]
    await ask()
    new = bind(HOST, number, take_over=True)
    second = await asyncio.start_server(answer, sock=new.listener)
    assert lead_here(new.listener)
    # Whatever was led to the old one has been accepted once so many have been answered since.
    await asyncio.gather(*(ask() for _ in range(200)))
    first.close()
    await asyncio.gather(*(ask() for _ in range(200)))
    done.set()
    await asyncio.gather(*asking)
    second.close()
    assert set(answers) == {b"?"}
