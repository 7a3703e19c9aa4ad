"""HTTP/1.1 to one server, for replies that stream: pooled connections, bodies as they come.

A turn costs a third of what a general client costs (docs/decisions/0014). What makes HTTP hard is left to
others: llhttp parses (through httptools), the loop speaks TLS, aiohappyeyeballs finds an address that works.
Proxies of the environment are ignored: a person waits at the other end. Redirects are not followed, bodies
are asked for without compression.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import aiohappyeyeballs
import httptools

KEEP_ALIVE: Final = 60.0
"""Seconds for which an unused connection is kept."""
DRAIN: Final = 2.0
"""Seconds that a body whose end no longer matters may take before its connection is given up."""
LONGEST_HEAD: Final = 65_536
MOST_UNREAD: Final = 262_144
"""Bytes of a body that may wait to be read before the server is made to wait."""


class WireError(Exception):
    """The request got no whole answer: no connection, a broken one, something that is not HTTP."""


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class Exchange(asyncio.Protocol):
    """One connection, with the answer to its latest request.

    `status` and `headers` (names in lower case) are there once `Wire.send` returns it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._lost = False
        self._paused = False
        self.idle_since = 0.0
        self.wire: Wire | None = None
        """Whom it goes back to by itself at the end of its body; None while its reader says when."""
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self._head = 0
        self._ready = False
        self._until_closed = False
        self._keep_alive = False
        self._body: list[bytes] = []
        self._unread = 0
        self._error = ""
        self.heard = False
        self.expired = False
        self.complete = False

    # ── asking ─────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, request: bytes, seconds: float) -> None:
        """Send a whole request; its answer may take so many seconds in all."""
        assert self._transport is not None
        self._begin()
        self._deadline = self._loop.call_later(seconds, self._expire)
        self._transport.write(request)

    async def head(self) -> None:
        """Wait for the answer's head.

        Raises:
            WireError
        """
        while not self._ready:
            self._check()
            await self._wait()

    async def read(self) -> bytes:
        """What has come of the body since the last read, at least a byte of it; empty at its end.

        Raises:
            WireError: it was cut off; what came before is read first.
        """
        while True:
            if self._body:
                data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
                self._body.clear()
                self._unread = 0
                if self._paused and self._transport is not None:
                    self._paused = False
                    self._transport.resume_reading()
                return data
            self._check()
            if self.complete:
                return b""
            await self._wait()

    def _check(self) -> None:
        if self._error:
            raise WireError(self._error)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ── the end of an exchange ─────────────────────────────────────────────────────────────────────────

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return self.complete and self._keep_alive and not self._lost and not self._error

    @property
    def broken(self) -> bool:
        """Whether the connection is gone."""
        return self._lost

    def rest(self) -> None:
        """Nothing is asked: no deadline, no reader."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._body.clear()

    def drain(self, wire: "Wire") -> None:
        """Go back to the pool once the rest of the body has come, which nobody reads."""
        self.rest()
        self.wire = wire
        self._deadline = self._loop.call_later(DRAIN, self.abort)
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Cut the connection, which makes the server stop its work."""
        self.rest()
        self.wire = None
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    def _expire(self) -> None:
        self.expired = True
        self._fail("it took too long")
        self.abort()

    def _fail(self, why: str) -> None:
        if not self._error and not self.complete:
            self._error = why
        self._wake()

    # ── what the loop calls ────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's derives from nothing

    def data_received(self, data: bytes) -> None:
        if self.complete:  # nothing was asked: an answer out of turn, such as "408 idle too long"
            self.abort()
            return
        self.heard = True
        if not self._ready:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the server does not speak HTTP: {error}")
            self.abort()
            return
        if not self._ready and self._head > LONGEST_HEAD:
            self._fail("the head of the answer does not end")
            self.abort()
            return
        if self.wire is not None:
            self._drained()
        elif self._unread > MOST_UNREAD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _drained(self) -> None:
        self._body.clear()
        self._unread = 0
        if self.complete and self.wire is not None:
            wire, self.wire = self.wire, None
            wire.release(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self._ready and self._until_closed and error is None:
            self.complete = True
        self._fail(str(error) if error else "the connection was closed in the middle")
        if self.wire is not None:
            self.rest()

    # ── what the parser calls ──────────────────────────────────────────────────────────────────────────

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue, 103 Early Hints: the answer comes after it
            self.headers = {}
            return
        self.status = status
        self._ready = True
        chunked = "transfer-encoding" in self.headers
        self._until_closed = not chunked and "content-length" not in self.headers and status != 204
        self._keep_alive = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        self._body.append(data)
        self._unread += len(data)

    def on_message_complete(self) -> None:
        if self._ready:
            self.complete = True


class Wire:
    """Connections to one server.

    Args:
        base_url: http or https; its path goes before every request's.
        headers: sent with every request.
        connect_seconds: for the name, the connection and TLS together.
        total_seconds: for a whole answer.
        tls: instead of the machine's own certificates.
    """

    def __init__(
        self,
        base_url: str,
        headers: Iterable[tuple[str, str]],
        *,
        connect_seconds: float,
        total_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if secure else 80)
        self._tls = (tls or _tls()) if secure else None
        self._path = parts.path.rstrip("/")
        lines = [f"Host: {parts.netloc.rpartition('@')[2]}", "Accept-Encoding: identity"]
        lines += [f"{name}: {value}" for name, value in headers]
        if any(char in line for line in lines for char in "\r\n\0"):
            raise WireError("a header holds a line break")
        self._headers = "\r\n".join(lines).encode("latin-1", "replace")
        self._heads: dict[tuple[str, str], bytes] = {}
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._idle: list[Exchange] = []
        self._closed = False

    @property
    def warm(self) -> bool:
        """Whether a connection waits that was used lately."""
        return self._take(keep=True) is not None

    async def open(self) -> None:
        """Have a connection that waits.

        Raises:
            WireError
        """
        self._keep(await self._connect())

    async def send(self, method: str, path: str, body: bytes) -> Exchange:
        """Send a request; returns once the answer's head is there. `release` it afterwards.

        A connection that had waited and turns out to be closed is replaced once.

        Raises:
            WireError
        """
        head = self._heads.get((method, path))
        if head is None:
            head = f"{method} {self._path}{path} HTTP/1.1\r\n".encode() + self._headers
            self._heads[method, path] = head
        request = b"%s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)
        exchange = self._take()
        if exchange is not None:
            try:
                return await self._answered(exchange, request)
            except WireError:
                if exchange.heard or exchange.expired:
                    raise
        return await self._answered(await self._connect(), request)

    async def _answered(self, exchange: Exchange, request: bytes) -> Exchange:
        exchange.ask(request, self._total_seconds)
        try:
            await exchange.head()
        except BaseException:
            exchange.abort()
            raise
        return exchange

    def _take(self, *, keep: bool = False) -> Exchange | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            exchange = self._idle.pop()
            if exchange.broken:
                continue
            if now - exchange.idle_since > KEEP_ALIVE:
                exchange.abort()
                continue
            if keep:
                self._idle.append(exchange)
            return exchange
        return None

    def release(self, exchange: Exchange, *, over: bool = False) -> None:
        """The reader is done: back to the pool at the body's end, else cut.

        Args:
            over: what is left of the body doesn't matter, and is short: wait for it in the background.
        """
        if self._closed or exchange.broken:
            exchange.abort()
        elif exchange.reusable:
            self._keep(exchange)
        elif over and not exchange.complete:
            exchange.drain(self)
        else:
            exchange.abort()

    def _keep(self, exchange: Exchange) -> None:
        exchange.rest()
        exchange.complete = True
        exchange.idle_since = asyncio.get_running_loop().time()
        self._idle.append(exchange)
        oldest = self._idle[0]
        if oldest.broken or exchange.idle_since - oldest.idle_since > KEEP_ALIVE:
            self._idle.pop(0).abort()

    async def _connect(self) -> Exchange:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                sock = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=0.25, loop=loop)
                _, exchange = await loop.create_connection(
                    Exchange, sock=sock, ssl=self._tls, server_hostname=self._host if self._tls else None
                )
        except TimeoutError:
            raise WireError(f"no connection within {self._connect_seconds:g} s") from None
        except socket.gaierror as error:
            raise WireError(f"there is no host {self._host!r}: {error.strerror}") from None
        except ssl.SSLCertVerificationError as error:
            raise WireError(f"its certificate is not trusted: {error.verify_message}") from None
        except (OSError, ssl.SSLError) as error:
            raise WireError(f"no connection to {self._host}:{self._port}: {error}") from None
        return exchange

    async def close(self) -> None:
        """Close all connections that wait; those in use are cut when they are released."""
        self._closed = True
        while self._idle:
            self._idle.pop().abort()
        await asyncio.sleep(0)
