"""The calls part of Twilio's REST API as a table that a test fills, served over real HTTP.

For tests that move the clock by hand; the simulator lives on its own clock. Shapes and error codes as in
Twilio's API description (`api.v2010.account.call`).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from campaign.telephony.gateway import Gateway

ACCOUNT = "AC" + "0" * 32


def sid(number: int) -> str:
    return f"CA{number:032d}"


def rfc2822(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")


@dataclass
class FakeTwilio:
    """Answers GET, POST (Status) and list for `calls`; `fail` answers everything with a status instead."""

    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    fail: int | None = None
    retry_after: int | None = None
    """Seconds in a Retry-After header of a failure; None sends none."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(what, SID or number) of each request: list, fetch, canceled, completed."""
    _runner: web.AppRunner | None = None
    gateway: Gateway = field(init=False)

    def call(self, number: int, to: str, status: str, created: datetime, **more: Any) -> str:
        """Put a call into the table; returns its SID."""
        self.calls[sid(number)] = {
            "sid": sid(number),
            "to": to,
            "from": "+12125550100",
            "status": status,
            "direction": "outbound-api",
            "date_created": rfc2822(created),
            "start_time": None,
            "end_time": None,
            "duration": None,
            "price": None,
            "price_unit": "USD",
            "answered_by": None,
            "queue_time": "0",
            **more,
        }
        return sid(number)

    async def __aenter__(self) -> "FakeTwilio":
        app = web.Application(middlewares=[self._gate])
        base = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
        app.router.add_get(f"{base}.json", self._list)
        app.router.add_get(f"{base}/{{sid}}.json", self._fetch)
        app.router.add_post(f"{base}/{{sid}}.json", self._update)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.gateway = Gateway(ACCOUNT, ACCOUNT, "token", f"http://127.0.0.1:{port}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.close()
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.fail is not None:
            self.asked.append(("failed", request.path))
            code = 20429 if self.fail == 429 else 20500
            headers = None if self.retry_after is None else {"Retry-After": str(self.retry_after)}
            body = {"code": code, "message": "no", "status": self.fail}
            return web.json_response(body, status=self.fail, headers=headers)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _list(self, request: web.Request) -> web.Response:
        to, status = request.query.get("To"), request.query.get("Status")
        self.asked.append(("list", to or ""))
        found = [
            call
            for call in self.calls.values()
            if to in (None, call["to"]) and status in (None, call["status"])
        ]
        return web.json_response({"calls": found, "next_page_uri": None, "page": 0, "page_size": 100})

    async def _fetch(self, request: web.Request) -> web.Response:
        name = request.match_info["sid"]
        self.asked.append(("fetch", name))
        if name not in self.calls:
            return web.json_response({"code": 20404, "message": "not found", "status": 404}, status=404)
        return web.json_response(self.calls[name])

    async def _update(self, request: web.Request) -> web.Response:
        name, wanted = request.match_info["sid"], str((await request.post())["Status"])
        self.asked.append((wanted, name))
        call = self.calls[name]
        if call["status"] not in ("queued", "ringing", "in-progress"):
            error = {"code": 21220, "message": "Invalid call state", "status": 400}
            return web.json_response(error, status=400)
        if wanted == "completed" or call["status"] != "in-progress":
            call["status"] = wanted
        return web.json_response(call)
