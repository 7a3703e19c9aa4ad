"""HTTP for the twilio library: aiohttp, real time-outs, never a retry.

The library's own async client won't do, measured on twilio 9.13.0: it ignores the time-out given to its
constructor, and its `max_retries` repeats POSTs, which may dial twice. A POST that places a call has no
idempotency key (Twilio's Calls API has none), so the one thing this file must know is whether the bytes
may have left: `NotSent` is proven, everything else is `Unknown`.

The library asks two things of a client, `is_async` and `request`; deriving from its abstract class would
add nothing (and its types are unknown to mypy).
"""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import SimpleNamespace
from urllib.parse import quote_plus, urlsplit

import aiohttp
from twilio.http.response import Response

from campaign.telephony.calls import Leaves, TooLate

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
CHUNK_BYTES = 64 * 1024
KEEP_ALIVE_SECONDS = 15.0
"""Shorter than any server's own idle limit: a POST on a connection that the server is just closing has an
unknown result, which holds a contact for minutes."""


_LEAVES: ContextVar[Leaves | None] = ContextVar("_LEAVES", default=None)


@contextlib.contextmanager
def told_when_sent(leaves: Leaves) -> Iterator[None]:
    """Within the block `leaves` is awaited right before a request is written to its connection.

    Head and body: aiohttp holds the head back until the body comes.

    The library stands between its caller and `Transport.request` and hands nothing through.
    """
    token = _LEAVES.set(leaves)
    try:
        yield
    finally:
        _LEAVES.reset(token)


class _Departure:
    """One request on its way out, and whether it was held back."""

    def __init__(self, leaves: Leaves | None) -> None:
        self._leaves = leaves
        self.refused: TooLate | None = None

    async def now(self) -> None:
        """The request is about to be written."""
        if self._leaves is None:
            return
        try:
            await self._leaves()
        except TooLate as why:
            self.refused = why
            raise


async def _body_leaves(_session: object, context: SimpleNamespace, _sent: object) -> None:
    """aiohttp's signal for each chunk of a body; ours are one chunk."""
    await context.trace_request_ctx.now()


class TransportFault(Exception):
    """Base of the three below; str() says what happened."""


class NotSentFault(TransportFault):
    """Proven: no byte of the request reached the other side."""


class UnknownFault(TransportFault):
    """The request may have been carried out; its answer is lost."""


class ThrottledFault(TransportFault):
    """HTTP 429: not processed, safe to repeat (twilio.com/docs/api/errors/20429).

    Args:
        retry_after: seconds asked for by the Retry-After header; None without one.
        code: Twilio's code, 20429 unless the body says otherwise.
    """

    def __init__(self, retry_after: float | None, code: int, said: str) -> None:
        super().__init__(said)
        self.retry_after = retry_after
        self.code = code


class Transport:
    """The twilio library's HTTP client.

    Args:
        base_url: scheme and host that replace those of every request, paging included; None for Twilio's.
        connect_seconds: longest wait for a connection, TLS handshake included.
        total_seconds: longest wait for the whole answer.
    """

    is_async = True

    def __init__(
        self,
        base_url: str | None = None,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._base_url = base_url.rstrip("/") if base_url else None
        self._timeout = aiohttp.ClientTimeout(
            total=total_seconds, connect=connect_seconds, sock_connect=connect_seconds
        )
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One request, sent at most once. Redirects are answers like any other, never followed.

        Raises:
            NotSentFault: no connection, so nothing was sent.
            ThrottledFault: the answer was 429.
            UnknownFault: anything else that kept us from a complete answer.
        """
        sent_headers = dict(headers or {})
        if data:
            sent_headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        if auth is not None:
            sent_headers["Authorization"] = basic_auth(*auth)
        departure = _Departure(_LEAVES.get())
        try:
            async with self._open().request(
                method.upper(),
                self._rebased(uri),
                params=_pairs(params) if params else None,
                data=_form(data) if data else None,
                headers=sent_headers,
                allow_redirects=False,
                trace_request_ctx=departure,
            ) as answer:
                text = (await answer.read()).decode("utf-8", "replace")
                if answer.status == 429:
                    raise _throttled(text, answer.headers)
                return Response(answer.status, text, dict(answer.headers))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as fault:
            # Refused, no such host, TLS refused, no connection in time: all before a request is written.
            raise NotSentFault(f"No connection to Twilio: {_said(fault)}.") from fault
        except (aiohttp.ClientError, OSError) as fault:
            if departure.refused is not None:
                raise NotSentFault(str(departure.refused)) from fault
            # TimeoutError is an OSError; it may come after the bytes have left.
            raise UnknownFault(f"No complete answer from Twilio: {_said(fault)}.") from fault

    @contextlib.asynccontextmanager
    async def stream(
        self, uri: str, auth: tuple[str, str]
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """A GET whose body is read piece by piece: (status, pieces). Twilio's redirects to where media lies
        are followed, without our credentials.

        Raises:
            UnknownFault: no answer, or it broke off.
        """
        headers = {"Authorization": basic_auth(*auth)}
        wait = aiohttp.ClientTimeout(total=None, connect=self._timeout.connect, sock_read=self._timeout.total)
        departure = _Departure(None)
        try:
            async with self._open().get(
                self._rebased(uri), headers=headers, timeout=wait, trace_request_ctx=departure
            ) as answer:
                yield answer.status, answer.content.iter_chunked(CHUNK_BYTES)
        except (aiohttp.ClientError, OSError) as fault:
            raise UnknownFault(f"No complete answer from Twilio: {_said(fault)}.") from fault

    async def close(self) -> None:
        """Close all connections; the transport can be used again after."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Made at first use: aiohttp wants a running loop.
        if self._session is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_request_chunk_sent.append(_body_leaves)
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS, ttl_dns_cache=60
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                trace_configs=[tracing],
            )
        return self._session

    def _rebased(self, uri: str) -> str:
        if self._base_url is None:
            return uri
        parts = urlsplit(uri)
        return self._base_url + parts.path + (f"?{parts.query}" if parts.query else "")


def basic_auth(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def _pairs(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Form fields; a list becomes a repeated key, as the Calls API takes its lists."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            pairs.append((key, str(one)))
    return pairs


_quoted = lru_cache(2048)(quote_plus)
"""Most of a call's fields are the same from call to call, and quoting is slow: half a call's cost here."""


def _form(values: Mapping[str, object]) -> bytes:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in _pairs(values)).encode()


def _throttled(text: str, headers: Mapping[str, str]) -> ThrottledFault:
    code, said = 20429, "Twilio takes no more requests at the moment (429)."
    try:
        body = json.loads(text)
        code = int(body.get("code", code))
    except (ValueError, TypeError, AttributeError):
        pass
    return ThrottledFault(retry_after(headers), code, said)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3), a date being measured from the answer's Date."""
    given = headers.get("Retry-After")
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            until, sent = parsedate_to_datetime(given), parsedate_to_datetime(headers.get("Date", ""))
            seconds = (until - sent).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else None


def _said(fault: BaseException) -> str:
    return f"{type(fault).__name__} ({fault})" if str(fault) else type(fault).__name__
