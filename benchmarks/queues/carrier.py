"""A carrier that lets people's telephones ring, and counts: python -m benchmarks.queues.carrier

Two doors to the same telephones. POST /dial/CONTACT for the queues' workers; and of Twilio's REST API what
our dialler uses: POST Calls.json, GET Calls.json, GET Calls/SID.json. Either rings at once, as the request
arrives, and is answered after ANSWER_S; a call is over by then. GET /rings tells how often each telephone
rang. The address is printed; the end of standard input ends the process.
"""

import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

ANSWER_S = 0.25
"""From the ring to the answer to whoever asked for it, real seconds."""


class Carrier:
    """The telephones. Calls of our door carry the clock's time of our service (`Now` in its place)."""

    def __init__(self) -> None:
        self.rings: Counter[str] = Counter()
        self._calls: dict[str, dict[str, Any]] = {}

    async def dial(self, request: web.Request) -> web.Response:
        self.rings[request.match_info["contact"]] += 1
        await asyncio.sleep(ANSWER_S)
        return web.json_response({"rung": True}, status=201)

    async def create(self, request: web.Request) -> web.Response:
        form = await request.post()
        to, account = str(form["To"]), request.match_info["account"]
        self.rings[to] += 1
        sid = f"CA{len(self._calls) + 1:032x}"
        self._calls[sid] = _resource(account, sid, to, str(form["From"]))
        await asyncio.sleep(ANSWER_S)
        return web.json_response({**self._calls[sid], "status": "queued"}, status=201)

    async def fetch(self, request: web.Request) -> web.Response:
        call = self._calls.get(request.match_info["sid"])
        if call is None:
            return web.json_response({"code": 20404, "message": "not found", "status": 404}, status=404)
        return web.json_response(call)

    async def list_all(self, request: web.Request) -> web.Response:
        wanted, status = request.query.get("To"), request.query.get("Status")
        found = [
            call
            for call in self._calls.values()
            if wanted in (None, call["to"]) and status in (None, call["status"])
        ]
        body = {"calls": found, "page": 0, "page_size": 100, "start": 0, "end": max(0, len(found) - 1),
                "uri": request.path, "first_page_uri": request.path, "next_page_uri": None,
                "previous_page_uri": None}  # fmt: skip
        return web.json_response(body)

    async def told(self, request: web.Request) -> web.Response:
        return web.json_response(self.rings)

    def routes(self) -> list[web.RouteDef]:
        calls = "/2010-04-01/Accounts/{account}/Calls"
        return [
            web.post("/dial/{contact}", self.dial),
            web.get("/rings", self.told),
            web.post(calls + ".json", self.create),
            web.get(calls + ".json", self.list_all),
            web.get(calls + "/{sid}.json", self.fetch),
        ]


def _resource(account: str, sid: str, to: str, from_: str) -> dict[str, Any]:
    """A call that nobody answered, as the Call resource shows it. No dates: they would have to be on the
    caller's clock, and whoever looks for a lost call here finds it by its number alone."""
    return {
        "account_sid": account, "annotation": None, "answered_by": None, "api_version": "2010-04-01",
        "caller_name": None, "date_created": None, "date_updated": format_datetime(datetime.now(UTC)),
        "direction": "outbound-api", "duration": "0", "end_time": None, "forwarded_from": None, "from": from_,
        "from_formatted": from_, "group_sid": None, "parent_call_sid": None, "phone_number_sid": None,
        "price": None, "price_unit": "USD", "queue_time": "0", "sid": sid, "start_time": None,
        "status": "no-answer", "to": to, "to_formatted": to, "trunk_sid": None,
        "uri": f"/2010-04-01/Accounts/{account}/Calls/{sid}.json", "subresource_uris": {},
    }  # fmt: skip


async def main() -> None:
    app = web.Application()
    app.add_routes(Carrier().routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
