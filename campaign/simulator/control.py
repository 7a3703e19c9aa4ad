"""The simulator's own doors, beside Twilio's: what happened, and what shall go wrong.

They have no password: the simulator listens on loopback.
"""

import json
from dataclasses import asdict
from typing import Any

from aiohttp import web

from campaign.simulator.calls import Why
from campaign.simulator.exchange import Exchange
from campaign.simulator.ledger import report
from campaign.simulator.people import CUT, check_persona, persona_of
from campaign.simulator.world import World


def add_control_routes(app: web.Application, world: World, exchange: Exchange) -> None:
    """Add /simulator/...; see `campaign simulator --help` for the list."""
    doors = Doors(world, exchange)
    for method, path, handler in (
        ("GET", "health", doors.health),
        ("GET", "calls", doors.calls),
        ("GET", "report", doors.report),
        ("GET", "debugger", doors.debugger),
        ("GET", "deliveries", doors.deliveries),
        ("GET", "frames", doors.frames),
        ("GET", "faults", doors.faults),
        ("POST", "faults", doors.set_faults),
        ("POST", "people", doors.set_people),
        ("POST", "hangup", doors.hang_up),
        ("POST", "ring", doors.ring),
    ):
        app.router.add_route(method, f"/simulator/{path}", handler)


class Doors:
    """Handlers of /simulator/..."""

    def __init__(self, world: World, exchange: Exchange) -> None:
        self._world = world
        self._exchange = exchange

    async def health(self, request: web.Request) -> web.Response:
        """Alive, and what the clock shows."""
        return _json(
            {
                "status": "ok",
                "now": self._world.clock.now().isoformat(),
                "rate": self._world.clock.rate,
                "under_way": self._world.activity.count,
            }
        )

    async def calls(self, request: web.Request) -> web.Response:
        """Every create received and every call; `?to=` narrows both to a number."""
        to = request.query.get("to")
        return _json(
            {
                "creates": [
                    entry.as_json() for entry in self._world.ledger.creates if to in (None, entry.to)
                ],
                "calls": [call.as_json() for call in self._exchange.calls.values() if to in (None, call.to)],
            }
        )

    async def report(self, request: web.Request) -> web.Response:
        """Figures: worst second, rings per number."""
        return _json({**report(self._world.ledger), "under_way": self._world.activity.count})

    async def debugger(self, request: web.Request) -> web.Response:
        """Alerts as Twilio's debugger has them."""
        alerts = [{**asdict(alert), "at": alert.at.isoformat()} for alert in self._world.ledger.alerts]
        return _json({"alerts": alerts})

    async def deliveries(self, request: web.Request) -> web.Response:
        """Webhook requests; `?call=` narrows to a call."""
        call = request.query.get("call")
        found = [
            {**asdict(item), "at": item.at.isoformat()}
            for item in self._world.ledger.deliveries
            if call in (None, item.call_sid)
        ]
        return _json({"deliveries": found})

    async def frames(self, request: web.Request) -> web.Response:
        """Relay frames; `?call=` narrows to a call."""
        call = request.query.get("call")
        return _json(
            {"frames": [asdict(item) for item in self._world.ledger.frames if call in (None, item.call_sid)]}
        )

    async def faults(self, request: web.Request) -> web.Response:
        """The faults at present."""
        return _json(asdict(self._world.faults))

    async def set_faults(self, request: web.Request) -> web.Response:
        """Set the named faults; the others stay."""
        try:
            self._world.faults.update(await _object(request))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json(asdict(self._world.faults))

    async def set_people(self, request: web.Request) -> web.Response:
        """Say who answers at which number: {"+1...": "persona"}."""
        try:
            named = {number: check_persona(str(name)) for number, name in (await _object(request)).items()}
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        self._world.named.update(named)
        return _json({"people": len(self._world.named)})

    async def hang_up(self, request: web.Request) -> web.Response:
        """The person at the other end hangs up: {"call": "CA..."}."""
        try:
            sid = str((await _object(request)).get("call"))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        call = self._exchange.calls.get(sid)
        if call is None or call.answered is None or call.ended is not None:
            return _json({"error": f"no answered call has the sid {sid}"}, 404)
        await self._exchange.interrupt(call, Why.PERSON)
        return _json({"status": call.status})

    async def ring(self, request: web.Request) -> web.Response:
        """A person calls a number of the account: {"from": "+1...", "to": "+1...", "persona": "interested"}.

        `from` may be "anonymous"; without `persona` the person is the one who answers at `from`.
        """
        try:
            asked = await _object(request)
            caller, number = str(asked.get("from", "")), str(asked.get("to", ""))
            named = str(asked.get("persona") or persona_of(self._world.config, caller, self._world.named))
            call = self._exchange.ring(caller, number, check_persona(named).removesuffix(CUT))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json({"call": call.sid})


def _json(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.text())
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body
