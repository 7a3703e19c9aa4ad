"""The client of models' streams against every form that an answer may have, and some that it may not."""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from campaign.agent.wire import Wire, WireError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSE = "close the connection"


class Server:
    """Answers each request with the next of its answers; None leaves the line open and silent."""

    def __init__(self, *answers: Sequence[bytes | str]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                for part in self.answers.pop(0) if self.answers else ():
                    if isinstance(part, str):
                        return
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    server.url = f"{scheme}://localhost:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()
        for task in asyncio.all_tasks():
            if "Server.serve" in repr(task):
                task.cancel()
        await asyncio.sleep(0)


def wire(server: Server, total: float = 5.0, tls: ssl.SSLContext | None = None) -> Wire:
    return Wire(server.url, [("X-Key", "k")], connect_seconds=2, total_seconds=total, tls=tls)


async def ask(one: Wire) -> tuple[int, bytes]:
    exchange = await one.send("POST", "/chat", b"{}")
    try:
        return exchange.status, b"".join([part async for part in parts(exchange)])
    finally:
        one.release(exchange)


async def parts(exchange: "object") -> AsyncIterator[bytes]:
    while part := await exchange.read():  # type: ignore[attr-defined]
        yield part


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        pytest.param([CHUNKED, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"], 200, b"abcde", id="chunked"),
        pytest.param([CHUNKED + b"3\r\nab", b"c\r\n0\r\nX-T: 1\r\n\r\n"], 200, b"abc", id="with a trailer"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"cde"], 200, b"abcde", id="sized"),
        pytest.param([b"HTTP/1.1 200 OK\r\n\r\nabc", b"de", CLOSE], 200, b"abcde", id="until the end"),
        pytest.param([b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
                      b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno"], 404, b"no", id="after a first one"),
        pytest.param([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b"", id="no body"),
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-LENGTH:2\r\n\r\n", b"ok"], 200, b"ok", id="odd case"),
    ],
)  # fmt: skip
async def test_an_answer_is_read_in_whatever_form_it_comes(
    answer: Sequence[bytes | str], status: int, body: bytes
) -> None:
    async with running(Server(answer)) as server:
        one = wire(server)
        assert await ask(one) == (status, body)
        await one.close()
    assert server.requests[0].startswith(b"POST /v1/chat HTTP/1.1\r\nHost: localhost:")
    assert b"X-Key: k\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([CLOSE], "closed|reset"),
        ([CHUNKED + b"5\r\nab", CLOSE], "closed|reset"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", CLOSE], "closed|reset"),
        ([b"\x16\x03\x01\x00 no http\r\n\r\n"], "does not speak HTTP"),
        ([CHUNKED + b"zz\r\n"], "does not speak HTTP"),
        ([b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000], "does not end"),
        ([b"HTTP/1.1 200 OK\r\n"], "too long"),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(answer: Sequence[bytes | str], why: str) -> None:
    async with running(Server(answer, answer)) as server:
        one = wire(server, total=0.5)
        with pytest.raises(WireError, match=why):
            await ask(one)
        await one.close()


async def test_connections_are_kept_and_one_that_was_closed_meanwhile_is_replaced() -> None:
    ok = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    async with running(Server(ok, ok, [CLOSE], ok)) as server:
        one = wire(server)
        await one.open()
        assert one.warm
        for _ in range(2):
            assert await ask(one) == (200, b"ok")
        assert server.connections == 1
        assert await ask(one) == (200, b"ok")  # the third was cut before its first byte
        assert server.connections == 2
        await one.close()


async def test_an_answer_that_says_close_ends_its_connection() -> None:
    ok = [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"]
    async with running(Server(ok, ok)) as server:
        one = wire(server)
        for _ in range(2):
            assert await ask(one) == (200, b"ok")
        assert not one.warm
        assert server.connections == 2
        await one.close()


async def test_a_body_that_nobody_reads_does_not_pile_up() -> None:
    many = [CHUNKED, *([b"8000\r\n" + b"x" * 0x8000 + b"\r\n"] * 100), b"0\r\n\r\n"]
    async with running(Server(many)) as server:
        one = wire(server)
        exchange = await one.send("POST", "/chat", b"{}")
        for _ in range(200):
            await asyncio.sleep(0)
        size = 0
        async for part in parts(exchange):
            assert len(part) < 1_000_000
            size += len(part)
        assert size == 100 * 0x8000
        one.release(exchange)
        await one.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of `localhost`, signed by itself; its key lies beside it."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return certificate


async def test_tls_is_checked(certificate: Path) -> None:
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(certificate, certificate.with_name("key.pem"))
    ok = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    async with running(Server(ok, ok), theirs) as server:
        one = wire(server, tls=ssl.create_default_context(cafile=str(certificate)))
        for _ in range(2):
            assert await ask(one) == (200, b"ok")
        assert server.connections == 1
        await one.close()
        stranger = wire(server)
        with pytest.raises(WireError, match="certificate is not trusted"):
            await ask(stranger)
        await stranger.close()


async def test_a_host_that_does_not_exist_is_told_by_name() -> None:
    one = Wire("http://no-such-host.invalid/v1", [], connect_seconds=5, total_seconds=5)
    with pytest.raises(WireError, match=r"no-such-host\.invalid|no connection"):
        await ask(one)
    await one.close()


def test_a_header_can_hold_no_second_one() -> None:
    with pytest.raises(WireError):
        Wire("http://localhost", [("X-Key", "k\r\nHost: evil")], connect_seconds=1, total_seconds=1)
