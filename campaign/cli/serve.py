"""`campaign serve`: the service itself."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from campaign.cli import port as ports
from campaign.cli.common import actor, configure_logs, err, fail, settings_or_exit
from campaign.cli.port import Port
from campaign.cli.workers import Workers
from campaign.domain.errors import CampaignError, DatabaseUnavailable
from campaign.flow import draining
from campaign.flow.sign_in import first_link
from campaign.settings import Settings
from campaign.store.leases import DrainAsked, Running
from campaign.web.app import create_app, make_ready
from campaign.wiring import Services, open_services, rule_data, settle_memory, token

log = structlog.get_logger(__name__)

REACTS_S = 10.0
"""Real seconds within which an old process must have begun to drain; it reads requests once a second."""
LINGER_S = 2.0
"""Real seconds that a process goes on accepting after a successor has had new connections led to it: for
handshakes that were under way."""


class Role(StrEnum):
    """What a process does; several processes share one database."""

    ALL = "all"
    WEB = "web"
    DIALER = "dialer"
    SCHEDULER = "scheduler"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free one.")] = 8080,
    role: Annotated[
        Role, typer.Option(help="What this process does. `all` unless you run several processes.")
    ] = Role.ALL,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Replace the service that listens on the port, without losing a call; the first of its kind "
            "just starts.",
        ),
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="Written with the address when the service is ready.")
    ] = None,
) -> None:
    """Run the service: the API, Twilio's webhooks, the conversations, the dialler and the scheduler.

    Twilio must reach it under PUBLIC_URL over https and wss; `campaign doctor` checks that.

    Roles. `all` does everything. `web` answers Twilio, holds conversations and serves the API. `dialer`
    places calls, and only while some process answers them. `scheduler` does neither. Each of them has
    /health, /ready and /metrics; only `all` and `web` answer anything else. Whatever its role, every process
    stands ready to do what is due by the clock (starts and ends of campaigns, retries, lost callbacks): one
    does, and when it is gone another goes on within 10 seconds. So no role can be forgotten; a `scheduler` is
    for who wants one more process that is always there for it.

    Restart without losing a call: start the new one with --take-over, on the same port. It shares the port
    once it is ready, has new connections led to itself, and asks the old one to drain: each live
    conversation goes over to the new one at the end of a turn, then the old one ends.

    SIGTERM, Ctrl-C and `campaign drain` end it gently: nothing more is claimed, /ready answers 503, live
    conversations go over to another process, or may end if there is none (at most CAMPAIGN_DRAIN_SECONDS),
    nothing stays leased. A second signal ends it at once.
    """
    settings = settings_or_exit()
    configure_logs(settings)
    try:
        settings.require("PUBLIC_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
        bound = ports.bind(host, port, take_over=take_over)
        # the loop that uvicorn itself would choose: uvloop where it is installed
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(_serve(settings, role, bound, ready_file))
    except CampaignError as error:
        fail(error)


async def _serve(settings: Settings, role: Role, port: Port, ready_file: Path | None) -> None:
    async with open_services(settings, actor=actor(), role=role.value, pool_size=10) as services:
        log.info("rule_data", **asdict(rule_data()))
        services.gateway  # noqa: B018 (a wrong account setting is told before anything starts)
        before = await draining.holder_of(services, port.number) if port.shared else None
        services.replica.detail["port"] = port.number
        server = _Server(services)
        ending = _Ending(server)
        workers = Workers(services, dial=role in (Role.ALL, Role.DIALER), on_drain_asked=ending.ask)
        reacting: asyncio.Task[None] | None = None
        settle_memory()
        async with workers.running():
            if before is not None:
                # Now that our own row is there: of two that start at the same moment neither goes on.
                await draining.require_no_rival(services, port.number)
            serving = asyncio.create_task(server.serve(sockets=[port.listener]))
            await _first(serving, server.listening)
            if before is not None:
                await _take_over(services, port, before)
                reacting = asyncio.create_task(_tell_if_stuck(services, before))
            log.info("serving", host=port.host, port=port.number, role=role.value, database=services.db.url)
            await _tell_first_link(services, port)
            _tell_ready(ready_file, f"http://{port.host}:{port.number}")
            await _first(serving, ending.wanted)
            if reacting is not None:
                reacting.cancel()
            if not serving.done():
                await _drain(services, workers, server, ending)
            server.should_exit = True
            await serving
        log.info("stopped")


async def _tell_first_link(services: Services, port: Port) -> None:
    """While nobody can sign in to the console: the link by which whoever reads this becomes the first admin.

    It is for the terminal, not for the log: logs are kept and shipped.
    """
    if services.replica.role not in draining.ANSWERS:
        return
    link = token()
    try:
        nobody = await first_link(services.db, link, actor=services.actor, now=services.clock.now())
    except DatabaseUnavailable:
        return  # calls matter more; the next start tells it
    if nobody:
        base = services.settings.console_url or f"http://{here(port.host)}:{port.number}"
        err.print("Nobody can sign in to the console yet. To make the first user, within 24 hours:")
        err.print(f"  {base}/console/welcome/{link}")


def here(host: str) -> str:
    """The address by which a browser on this machine reaches what listens on a host."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host


async def _first(serving: "asyncio.Task[None]", event: asyncio.Event) -> None:
    """Wait for an event, or for the end of serving if that comes first."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _drain(services: Services, workers: Workers, server: "_Server", ending: "_Ending") -> None:
    within = services.settings.drain_seconds
    log.info("draining", why=ending.why, talks=services.talks.count, within_s=within)
    leaving = asyncio.create_task(_leave_port(services, server, ending))
    drained = await workers.drain(within, ending.led_away.is_set)
    if ending.led_away.is_set():
        await leaving
    leaving.cancel()
    log.info("drained", **vars(drained))
    await draining.record(services, ending.why, drained)


async def _take_over(services: Services, port: Port, before: Running) -> None:
    """Have new connections come here, and ask the process that held the port to drain."""
    led = ports.lead_here(port.listener)
    asked = DrainAsked(services.actor, services.replica.id, led_away=led)
    await draining.ask(services, before.id, asked)
    log.info("taking_over", old=before.id, talks=before.talks, connections_led_here=led)


async def _tell_if_stuck(services: Services, before: Running) -> None:
    """An old process that doesn't react costs nobody anything, for new connections come here; but it must be
    known."""
    await asyncio.sleep(REACTS_S)
    try:
        still = {one.id: one for one in await draining.running(services)}.get(before.id)
    except DatabaseUnavailable:
        return
    if still is not None and not still.draining:
        log.warning("old_process_does_not_react", pid=before.pid, do=f"kill {before.pid}")


async def _leave_port(services: Services, server: "_Server", ending: "_Ending") -> None:
    """Stop listening once a successor has all new connections led to it and none can wait here any more.

    Without one it is listened to the very end: whoever comes is served as well as can be.
    """
    await ending.led_away.wait()
    await asyncio.sleep(LINGER_S)
    server.stop_listening()
    services.replica.detail["port"] = None


def _tell_ready(ready_file: Path | None, address: str) -> None:
    """Write the address at once or not at all: whoever waits for the file reads it whole."""
    if ready_file is not None:
        fresh = ready_file.with_suffix(".new")
        fresh.write_text(address + "\n")
        fresh.rename(ready_file)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would cut every conversation 0.2 s after SIGTERM."""

    def __init__(self, services: Services) -> None:
        super().__init__(
            uvicorn.Config(
                make_ready(create_app(services)),
                log_config=None,
                access_log=False,
                ws="websockets-sansio",
                ws_max_size=65_536,
                ws_per_message_deflate=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                lifespan="off",
                timeout_graceful_shutdown=5,
            )
        )
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def stop_listening(self) -> None:
        """Accept no more connections; those that there are go on."""
        for one in self.servers:
            one.close()


class _Ending:
    """That this process shall end gently, and why: a signal, an operator, a successor."""

    def __init__(self, server: _Server) -> None:
        self.wanted = asyncio.Event()
        self.led_away = asyncio.Event()
        """A successor on the same port gets all new connections."""
        self.why = ""
        self._server = server
        self._signals = 0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signal, number)

    def _signal(self, number: signal.Signals) -> None:
        """The first signal asks for a gentle end, the second for an end at once."""
        self._signals += 1
        if self._signals > 1:
            err.print("Ending at once.")
            self._server.should_exit = self._server.force_exit = True
        self._want(number.name)

    def ask(self, asked: DrainAsked) -> None:
        """Somebody asks through the database."""
        if asked.led_away:
            self.led_away.set()
        self._want(asked.why)

    def _want(self, why: str) -> None:
        self.why = self.why or why
        self.wanted.set()
