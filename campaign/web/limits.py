"""Bounds on what a request may send, counted as it comes in: nothing oversized is ever held in memory."""

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from campaign.web.problems import problem

HOOK_BYTES = 64 * 1024
API_BYTES = 1024 * 1024


class BodyLimit:
    """ASGI: refuse bodies that are too large, by their Content-Length or by counting.

    Args:
        upload_bytes: for files (POST below `upload_paths`).
        upload_paths: exact paths that take files.
    """

    def __init__(self, app: ASGIApp, *, upload_bytes: int, upload_paths: frozenset[str]) -> None:
        self._app = app
        self._upload_bytes = upload_bytes
        self._upload_paths = upload_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most(scope["path"])
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > most:
            await _refusal(most)(scope, receive, send)
            return
        read = 0
        begun = False

        async def counting() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise _TooMuch
            return message

        async def sending(message: Message) -> None:
            # What the app makes of the cut body is of no interest: the answer is ours.
            nonlocal begun
            if begun or read <= most:
                begun = begun or message["type"] == "http.response.start"
                await send(message)

        with contextlib.suppress(_TooMuch):
            await self._app(scope, counting, sending)
        if read > most and not begun:
            await _refusal(most)(scope, receive, send)

    def _most(self, path: str) -> int:
        if path.startswith("/twilio/"):
            return HOOK_BYTES
        return self._upload_bytes if path in self._upload_paths else API_BYTES


class _TooMuch(Exception):
    pass


def _refusal(most: int) -> ASGIApp:
    size = f"{most // (1024 * 1024)} MiB" if most >= 1024 * 1024 else f"{most // 1024} KiB"
    return problem(413, "too-large", f"The request's body is larger than {size}.", "Send less at once.")
