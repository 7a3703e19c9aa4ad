"""The simulator as a whole: an HTTP server on loopback, usable in a test or as a process.

async with Simulator(SimulatorConfig(calls_per_second=50, clock_rate=60)) as simulator:
    ...  # point the service at simulator.base_url
    await simulator.wait_idle()
    print(simulator.report())
"""

import io
import wave
from types import TracebackType
from typing import Any
from uuid import uuid4

from aiohttp import web

from campaign.simulator.callbacks import Webhooks
from campaign.simulator.calls import API_VERSION, Call, Recording
from campaign.simulator.clock import Activity, SimulatorClock
from campaign.simulator.config import Faults, SimulatorConfig
from campaign.simulator.control import add_control_routes
from campaign.simulator.exchange import Exchange
from campaign.simulator.gate import FaultyGate
from campaign.simulator.interpreter import recording_event
from campaign.simulator.ledger import Alert, Create, Delivery, Ledger, LookUp, report
from campaign.simulator.lookup import look_up
from campaign.simulator.people import check_persona
from campaign.simulator.rest import (
    Refusal,
    account,
    authenticate,
    check_create,
    list_calls,
    not_found,
    number_of,
    numbers,
    update,
)
from campaign.simulator.world import World

REST = f"/{API_VERSION}/Accounts/{{account}}"


class Simulator:
    """Twilio at the wire for one account.

    Raises ValueError for an unknown persona or a wrong clock; OSError if the port is taken.
    """

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        config = config or SimulatorConfig()
        for persona in (*config.people.values(), *config.weights):
            check_persona(persona)
        if config.calls_per_second <= 0:
            raise ValueError(f"calls_per_second is {config.calls_per_second}; it must be above 0")
        self.config = config
        self.clock = SimulatorClock(config.clock_start, config.clock_rate, config.clock_anchor)
        self.ledger = Ledger()
        activity = Activity()
        webhooks = Webhooks(config, self.clock, self.ledger, activity)
        self.world = World(config, self.clock, self.ledger, activity, webhooks, named=dict(config.people))
        self.world.voice_urls.update(config.voice_urls)
        self.exchange = Exchange(self.world)
        self._gate = FaultyGate(self.world)
        self._runner: web.AppRunner | None = None

    # -- life ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> "Simulator":
        await self.world.webhooks.open()
        app = web.Application(client_max_size=1 << 20)
        self._add_routes(app)
        add_control_routes(app, self.world, self.exchange)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.config.host, self.config.port, backlog=1024)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            await self.world.webhooks.close()
            raise
        self.world.base_url = f"http://{self.config.host}:{self._runner.addresses[0][1]}"
        self.exchange.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.exchange.close()
        await self.world.activity.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.world.webhooks.close()

    # -- what tests ask ---------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """Where the REST side listens, e.g. http://127.0.0.1:40123."""
        return self.world.base_url

    @property
    def port(self) -> int:
        """The port of `base_url`."""
        return int(self.base_url.rpartition(":")[2])

    @property
    def voice_urls(self) -> dict[str, str]:
        """Number of the account -> what a call to it asks for; may be changed at any time."""
        return self.world.voice_urls

    def ring(self, caller: str, number: str, persona: str = "interested") -> Call:
        """A person calls a number of the account (see Exchange.ring)."""
        return self.exchange.ring(caller, number, persona)

    @property
    def faults(self) -> Faults:
        """What goes wrong; may be changed at any time."""
        return self.config.faults

    @property
    def drop_after(self) -> dict[str, int]:
        """Number -> after how many relay frames, of both directions, its first socket is cut."""
        return self.world.drop_after

    @property
    def calls(self) -> list[Call]:
        """All accepted calls, oldest first."""
        return list(self.exchange.calls.values())

    @property
    def creates(self) -> list[Create]:
        """All POST Calls.json, refused ones included, as received."""
        return self.ledger.creates

    @property
    def lookups(self) -> list[LookUp]:
        """All look-ups that were answered, oldest first."""
        return self.ledger.lookups

    @property
    def deliveries(self) -> list[Delivery]:
        """All webhook requests to the service."""
        return list(self.ledger.deliveries)

    @property
    def debugger(self) -> list[Alert]:
        """Warnings and errors as Twilio's debugger shows them."""
        return self.ledger.alerts

    def report(self) -> dict[str, Any]:
        """Worst second, rings per number and so on (see `ledger.report`)."""
        return report(self.ledger)

    async def wait_idle(self) -> None:
        """Return when no call is queued or live and no callback is under way."""
        await self.world.activity.wait_idle()

    # -- routes ------------------------------------------------------------------------------------------

    def _add_routes(self, app: web.Application) -> None:
        for method, path, handler in (
            ("POST", f"{REST}/Calls.json", self._create),
            ("GET", f"{REST}/Calls.json", self._list),
            ("GET", f"{REST}/Calls/{{sid}}.json", self._fetch),
            ("POST", f"{REST}/Calls/{{sid}}.json", self._update),
            ("DELETE", f"{REST}/Calls/{{sid}}.json", self._delete),
            ("GET", f"{REST}/Calls/{{sid}}/Recordings.json", self._recordings),
            ("POST", f"{REST}/Calls/{{sid}}/Recordings.json", self._record),
            ("GET", f"{REST}/Calls/{{sid}}/Events.json", self._events),
            ("GET", f"{REST}/Recordings/{{sid}}.json", self._recording),
            ("DELETE", f"{REST}/Recordings/{{sid}}.json", self._delete_recording),
            ("GET", f"{REST}/Recordings/{{sid}}.wav", self._recording_media),
            ("GET", f"{REST}/Recordings/{{sid}}", self._recording_media),
            ("GET", f"{REST}/IncomingPhoneNumbers.json", self._incoming_numbers),
            ("POST", f"{REST}/IncomingPhoneNumbers/{{sid}}.json", self._update_number),
            ("GET", f"{REST}/OutgoingCallerIds.json", self._outgoing_caller_ids),
            ("GET", f"/{API_VERSION}/Accounts/{{account}}.json", self._account),
        ):
            app.router.add_route(method, path, self._gate.guarded(self._permitted, handler))
        app.router.add_route(
            "GET", "/v2/PhoneNumbers/{number}", self._gate.guarded(self._authentic, self._look_up)
        )
        app.router.add_route("*", f"/{API_VERSION}/{{rest:.*}}", self._gate.guarded(None, _unknown))

    def _authentic(self, request: web.Request) -> None:
        authenticate(self.world, request.headers.get("Authorization", ""))

    def _permitted(self, request: web.Request) -> None:
        self._authentic(request)
        if request.match_info["account"] != self.config.account_sid:
            raise not_found(request.path)

    def _call(self, request: web.Request) -> Call:
        call = self.exchange.calls.get(request.match_info["sid"])
        if call is None:
            raise not_found(request.path)
        return call

    async def _create(self, request: web.Request) -> web.StreamResponse:
        # Before the body is read: the pace is measured at the request's arrival.
        at, received = self.clock.monotonic(), self.clock.now()
        params = await _form(request)
        entry = Create(len(self.ledger.creates) + 1, at, received, params, "received")
        self.ledger.creates.append(entry)

        def accept() -> Call:
            call = self.exchange.create(params)
            entry.call_sid = call.sid
            wrong = set(params.get("StatusCallbackEvent", ())) - {
                "initiated",
                "ringing",
                "answered",
                "completed",
            }
            if wrong:
                self.world.alert(21626, f"StatusCallbackEvent has unknown events: {sorted(wrong)}", call.sid)
            return call

        fault = self._gate.create_fault(entry)
        if fault in ("429", "5xx_before", "drop_before"):
            return await self._gate.fail_before(request, entry, fault)
        try:
            check_create(self.world, params)
        except Refusal as refusal:
            entry.result = f"refused {refusal.code}"
            raise
        if fault == "late_accept":
            return await self._gate.accept_late(request, entry, accept)
        call = accept()
        entry.result = "accepted"
        body = call.resource(self.clock.monotonic())
        if fault:
            entry.result = f"accepted, {fault}"
            return await self._gate.fail_after(request, fault, body)
        return web.json_response(body, status=201)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(list_calls(self.world, self.exchange, dict(request.query)))

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._call(request).resource(self.clock.monotonic()))

    async def _update(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        await update(self.world, self.exchange, call, await _form(request))
        return web.json_response(call.resource(self.clock.monotonic()))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        if not call.over.is_set():
            raise Refusal(20009, "Cannot delete this resource before it is complete", 409)
        self.exchange.forget(call)
        return web.Response(status=204)

    async def _recordings(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)
        items = [self._recording_json(recording) for recording in call.recordings]
        return web.json_response(
            {
                "recordings": items,
                "page": 0,
                "page_size": 50,
                "start": 0,
                "end": max(0, len(items) - 1),
                "uri": request.path,
                "first_page_uri": f"{request.path}?PageSize=50&Page=0",
                "next_page_uri": None,
                "previous_page_uri": None,
            }
        )

    async def _record(self, request: web.Request) -> web.StreamResponse:
        """Begins to record a call in progress."""
        call, form = self._call(request), await _form(request)
        if call.status != "in-progress":
            raise Refusal(21220, f"Call is not in-progress. Cannot record. Invalid call state: {call.status}")
        recording = Recording(
            sid=f"RE{uuid4().hex}",
            call_sid=call.sid,
            started=self.clock.now(),
            channels=2 if form.get("RecordingChannels") == ["dual"] else 1,
            track=form.get("RecordingTrack", ["both"])[0],
            callback=form.get("RecordingStatusCallback", [""])[0],
            events=frozenset(form.get("RecordingStatusCallbackEvent", ["completed"])),
            source="StartCallRecordingAPI",
        )
        call.recordings.append(recording)
        recording_event(self.world, call, recording)
        return web.json_response(self._recording_json(recording), status=201)

    def _find_recording(self, request: web.Request) -> tuple[Call, Recording]:
        sid = request.match_info["sid"]
        for call in self.exchange.calls.values():
            for recording in call.recordings:
                if recording.sid == sid:
                    return call, recording
        raise not_found(request.path)

    async def _recording(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._recording_json(self._find_recording(request)[1]))

    async def _recording_media(self, request: web.Request) -> web.StreamResponse:
        """The sound itself: silence of the recording's length, 8 kHz mono."""
        recording = self._find_recording(request)[1]
        sound = io.BytesIO()
        with wave.open(sound, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(1)
            file.setframerate(8000)
            file.writeframes(b"\x80" * 8000 * (recording.seconds or 0))
        return web.Response(body=sound.getvalue(), content_type="audio/x-wav")

    async def _delete_recording(self, request: web.Request) -> web.StreamResponse:
        call, recording = self._find_recording(request)
        call.recordings.remove(recording)
        return web.Response(status=204)

    def _recording_json(self, recording: Recording) -> dict[str, Any]:
        return {
            "sid": recording.sid,
            "account_sid": self.config.account_sid,
            "call_sid": recording.call_sid,
            "status": recording.status,
            "duration": None if recording.seconds is None else str(recording.seconds),
            "channels": recording.channels,
            "track": recording.track,
            "source": recording.source,
            "api_version": API_VERSION,
            "uri": f"/{API_VERSION}/Accounts/{self.config.account_sid}/Recordings/{recording.sid}.json",
        }

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Requests made for the call, 15 minutes after its end (TWILIO 3.3)."""
        call = self._call(request)
        ripe = call.over.is_set() and self.clock.monotonic() >= call.ended_at + 900
        events = [
            {
                "request": {"method": "POST", "url": item.url, "parameters": item.params},
                "response": {
                    "response_code": item.status,
                    "response_body": item.body,
                    "date_created": item.at.isoformat(),
                },
            }
            for item in self.ledger.deliveries
            if ripe and item.call_sid == call.sid
        ]
        return web.json_response({"events": events, "page": 0, "page_size": 50, "next_page_uri": None})

    async def _account(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(account(self.world))

    async def _look_up(self, request: web.Request) -> web.StreamResponse:
        failed = await self._gate.fail_lookup(request)
        if failed is not None:
            return failed
        number = request.match_info["number"]
        told = look_up(self.world, number, request.query)
        self.ledger.lookups.append(LookUp(self.clock.now(), number, dict(request.query)))
        return web.json_response(told)

    async def _incoming_numbers(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(numbers(self.world, request.query, "incoming_phone_numbers"))

    async def _update_number(self, request: web.Request) -> web.StreamResponse:
        """Sets a number's voice URL; sids of numbers are made of their digits (rest.py)."""
        number = number_of(request.match_info["sid"])
        url = (await _form(request)).get("VoiceUrl", [""])[0]
        if number is None:
            raise not_found(request.path)
        if url:
            self.world.voice_urls[number] = url
        found = numbers(self.world, {"PhoneNumber": number}, "incoming_phone_numbers")
        return web.json_response(found["incoming_phone_numbers"][0])

    async def _outgoing_caller_ids(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(numbers(self.world, request.query, "outgoing_caller_ids"))


async def _unknown(request: web.Request) -> web.StreamResponse:
    raise not_found(request.path)


async def _form(request: web.Request) -> dict[str, list[str]]:
    """The form's fields, repeated keys as lists, blank values kept."""
    fields: dict[str, list[str]] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
    return fields
