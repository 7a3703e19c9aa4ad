"""What all commands share: opening the services, printing for people and programs, telling errors."""

import asyncio
import contextlib
import getpass
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar, cast

import structlog
import typer
from rich.console import Console
from rich.markup import escape

from campaign.domain.errors import CampaignError, SettingsError
from campaign.flow.call_events import Hands
from campaign.flow.reconcile import Reconciler
from campaign.settings import Settings, read_settings
from campaign.wiring import Services, open_services

T = TypeVar("T")
ENDING_S = 5.0
"""A command waits so long for Twilio to end calls (real seconds)."""

out = Console(highlight=False, soft_wrap=True)
"""What was asked for goes to standard output."""
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress, warnings and errors go to standard error, so that output can be piped."""


def run(main: Callable[[Services], Awaitable[T]], *, role: str = "command", migrated: bool = True) -> T:
    """Open the services, run a command's work with them, close them.

    Args:
        main: the command's work; its actor in the audit trail is `cli:<os user>`.
        migrated: refuse a database whose schema is not the code's.
    Every CampaignError ends the process with its sentences on standard error and its exit code.
    """
    settings = settings_or_exit()
    quiet_logs(settings)

    async def opened() -> T:
        async with open_services(settings, actor=actor(), role=role, migrated=migrated) as services:
            return await main(services)

    try:
        return asyncio.run(opened())
    except CampaignError as error:
        fail(error)
    except KeyboardInterrupt:
        err.print("Interrupted.")
        raise typer.Exit(130) from None


async def end_marked_calls(services: Services) -> None:
    """End at Twilio what a command has just marked.

    The service does so within a second or two, but it may not run. What can't be done now, for want of an
    account or of an answer, is left to it.
    """
    try:
        gateway = services.gateway
    except SettingsError:
        return
    sweep = Reconciler(services.db, gateway, Hands(terms=services.terms), rate=services.clock.rate)
    with contextlib.suppress(CampaignError, TimeoutError):
        async with asyncio.timeout(ENDING_S):
            await sweep.cancel(services.clock.now())


def settings_or_exit() -> Settings:
    """The settings of this process; wrong ones end it with a sentence."""
    try:
        return read_settings()
    except CampaignError as error:
        fail(error)


def fail(error: CampaignError) -> NoReturn:
    """Tell an error to a person and end with its exit code."""
    err.print(f"[bold red]Error:[/] {escape(error.what)}")
    if error.do:
        err.print(escape(error.do))
    raise typer.Exit(error.exit_code)


def actor() -> str:
    """Who runs this command, for the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:unknown"


def moment(at: datetime | None) -> str:
    """An instant for people; a dash for none."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "–"


def count(n: int, thing: str) -> str:
    """A number with its noun: "1 contact", "2,000 contacts"."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def print_json(value: object) -> None:
    """Print a value as JSON for programs: one document on standard output."""
    sys.stdout.write(json.dumps(value, default=jsonable, ensure_ascii=False, indent=2) + "\n")


def jsonable(value: object) -> Any:
    """What JSON has no word for, as JSON: instants, amounts, paths and sets."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def quiet_logs(settings: Settings) -> None:
    """Logs of a command: warnings only, on standard error."""
    configure_logs(settings, level="warning")


class _StandardError:
    """Standard error as it is at the moment of writing: a log outlives whoever has redirected it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure_logs(settings: Settings, *, level: str | None = None) -> None:
    """Set up structured logs on standard error, as text for people or JSON for machines."""
    threshold = getattr(logging, (level or settings.log_level).upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the rich one prints locals: secrets, numbers
        )
    )
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format == "json":
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _StandardError())),
    )
    # A tick that takes longer than a second is told by the scheduler's own heartbeat, not ten times a second.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.basicConfig(level=max(threshold, logging.WARNING), stream=sys.stderr, format="%(message)s")
