"""A load balancer over processes of the service: each connection goes to the first of them that takes it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _pass_on(ports: Sequence[int], client: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    reader, writer = client
    for port in ports:
        with contextlib.suppress(OSError):
            inner, outer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pipe(reader, outer), _pipe(inner, writer))
            return
    writer.close()


@contextlib.contextmanager
def balancer(port: int, *backends: int) -> Iterator[None]:
    """Listen on a port of this machine, in a thread, while the block runs.

    Args:
        backends: ports, the preferred one first.
    """
    listening = threading.Event()
    end: list[Callable[[], object]] = []

    async def serve() -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.CancelledError):  # the block is over
                await _pass_on(backends, (reader, writer))

        ended = asyncio.Event()
        end.append(partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set))
        async with await asyncio.start_server(connected, "127.0.0.1", port):
            listening.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert listening.wait(10)
    try:
        yield
    finally:
        end[0]()
        thread.join(10)
