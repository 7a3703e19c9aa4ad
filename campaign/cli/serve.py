"""`campaign serve`: the service itself."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn
from uvicorn.loops.auto import auto_loop_factory

from campaign.cli.common import actor, configure_logs, err, fail, settings_or_exit
from campaign.cli.workers import Workers
from campaign.domain.errors import CampaignError, SettingsError
from campaign.settings import Settings
from campaign.web.app import create_app
from campaign.wiring import open_services, settle_memory

log = structlog.get_logger(__name__)


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
    ready_file: Annotated[
        Path | None, typer.Option(help="Written with the address when the service is ready.")
    ] = None,
) -> None:
    """Run the service: the API, Twilio's webhooks, the conversations, the dialler and the scheduler.

    Twilio must reach it under PUBLIC_URL over https and wss; `campaign doctor` checks that. SIGTERM and
    Ctrl-C end it gently: nothing more is claimed, live conversations may end (at most
    CAMPAIGN_DRAIN_SECONDS), nothing stays leased. A second signal ends it at once.
    """
    settings = settings_or_exit()
    configure_logs(settings)
    try:
        settings.require("PUBLIC_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
        listener = _listen(host, port)
        # the loop that uvicorn itself would choose: uvloop where it is installed
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            runner.run(_serve(settings, role, listener, ready_file))
    except CampaignError as error:
        fail(error)


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else starts, so that a taken port is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {host} port {port}: {error.strerror}.",
            "Is the service running already? Choose another port with --port.",
        ) from None
    return listener


async def _serve(settings: Settings, role: Role, listener: socket.socket, ready_file: Path | None) -> None:
    async with open_services(settings, actor=actor(), role=role.value, pool_size=10) as services:
        services.gateway  # noqa: B018 (a wrong account setting is told before anything starts)
        workers = Workers(services, dial=role in (Role.ALL, Role.DIALER))
        app = create_app(services)
        server = _Server(
            uvicorn.Config(
                app,
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
        stop = _on_signals(server)
        settle_memory()
        async with workers.running():
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            bound_host, bound_port = listener.getsockname()[:2]
            log.info("serving", host=bound_host, port=bound_port, role=role.value, database=services.db.url)
            _tell_ready(ready_file, f"http://{bound_host}:{bound_port}")
            ending = asyncio.create_task(stop.wait())
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                log.info("draining", talks=services.talks.count, within_s=settings.drain_seconds)
                await workers.drain(settings.drain_seconds)
            server.should_exit = True
            await serving
            ending.cancel()
        log.info("stopped")


def _tell_ready(ready_file: Path | None, address: str) -> None:
    """Write the address at once or not at all: whoever waits for the file reads it whole."""
    if ready_file is not None:
        fresh = ready_file.with_suffix(".new")
        fresh.write_text(address + "\n")
        fresh.rename(ready_file)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would cut every conversation 0.2 s after SIGTERM."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _on_signals(server: uvicorn.Server) -> asyncio.Event:
    """The first signal asks for a gentle end, the second for an end at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            err.print("Ending at once.")
            server.should_exit = server.force_exit = True
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop
