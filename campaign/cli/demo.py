"""`campaign demo`: a whole campaign on this machine, without an account, from the CSV to the report."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace
from rich.live import Live
from rich.markup import escape

from campaign.cli.campaign_view import status_view
from campaign.cli.common import actor, fail, out, quiet_logs
from campaign.cli.status import standing_of
from campaign.domain.campaign import CampaignDefinition, RetryRule, parse_toml, to_toml
from campaign.domain.campaign_state import OVER
from campaign.domain.disposition import Disposition
from campaign.domain.errors import CampaignError, Conflict, SettingsError, Unavailable
from campaign.domain.phone import mask
from campaign.flow.standing import Standing
from campaign.settings import Settings, process_environment, read_settings
from campaign.simulator import ACCOUNT_SID, AUTH_TOKEN
from campaign.store import browse, campaigns, embedded
from campaign.store.highlights import highlights
from campaign.wiring import Services, open_services

START = "2026-11-24T11:57:00-05:00"
"""A Tuesday morning: in the East people may be called, on the Pacific coast they may in three minutes."""
CALLS_PER_SECOND = 2
READY_S = 30.0
LONGEST_S = 150.0
LATER = timedelta(minutes=10)
"""Who waits longer than that (they asked to be called tomorrow) isn't waited for."""
CUT = "+12125550107"
"""In the sample list; the socket of this call is cut on purpose, in mid-sentence."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a demo plays: its folder, its environment, the addresses of its two servers."""

    folder: Path
    environment: Mapping[str, str]
    settings: Settings
    port: int


def demo(
    rate: Annotated[float, typer.Option(help="How many times faster than real time.", min=1, max=200)] = 10,
    folder: Annotated[
        Path | None, typer.Option(help="Where the demo keeps its data; a new one of its own by default.")
    ] = None,
) -> None:
    """Run a whole campaign here and now: no account, no phone rings, nothing of yours is touched.

    Starts an embedded Postgres and a simulated Twilio, imports the sample list and a do-not-call list, runs
    the sample campaign to its end with live progress, and prints the report. The clock starts on a Tuesday
    morning and runs fast. Your .env, DATABASE_URL, TWILIO_* and LLM_* are ignored. Its data stays for you
    to look at, until the next demo.
    """
    began = time.perf_counter()  # how long the demo takes is real time, not the clock's
    try:
        stage = _set_stage(rate, folder)
        quiet_logs(stage.settings)
        # Throw-away data: the server is started here without the cost of surviving a power cut.
        attachment = embedded.attach(stage.folder, durable=False)
        try:
            with _servers(stage, rate):
                definition = _prepare(stage)
                asyncio.run(_show(stage, definition))
        finally:
            attachment.close(stop=True)
        out.print(f"\nDone in {time.perf_counter() - began:.0f} s; nothing is left running.")
        _where_next(stage, definition)
    except CampaignError as error:
        fail(error)
    except KeyboardInterrupt:
        out.print("\nInterrupted; nothing is left running.")
        raise typer.Exit(130) from None


# ── the stage ──────────────────────────────────────────────────────────────────────────────────────────


def _set_stage(rate: float, folder: Path | None) -> Stage:
    folder = (folder or embedded.default_data_dir(Path.home()) / "demo").resolve()
    if embedded.status(folder).running:
        raise Conflict(f"A demo is running in {folder}.", "Wait for its end, or name another --folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / "demo.env").exists():
        raise SettingsError(f"{folder} holds something else than a demo.", "Name another --folder.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port, twilio_port = _free_port(), _free_port()
    ours = {
        "CAMPAIGN_DATA_DIR": str(folder),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TWILIO_API_BASE_URL": f"http://127.0.0.1:{twilio_port}",
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "TWILIO_CALLS_PER_SECOND": str(CALLS_PER_SECOND),
        "CAMPAIGN_CLOCK": START,
        "CAMPAIGN_CLOCK_RATE": str(rate),
        "CAMPAIGN_CLOCK_ANCHOR": f"{time.time():.6f}",  # noqa: TID251 (the real instant, for all processes)
        "LOG_LEVEL": "warning",
    }
    lines = [f"export {name}='{value}'" for name, value in ours.items() if "CLOCK" not in name]
    (folder / "demo.env").write_text("\n".join(lines) + "\n")
    return Stage(folder, process_environment(ours, hermetic=True), read_settings(ours, None), port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _servers(stage: Stage, rate: float) -> Iterator[None]:
    """The simulator and the service while the block runs; both are gone after it."""
    settings = stage.settings
    twilio = (settings.twilio_api_base_url or "").rpartition(":")[2]
    out.print("Starting an embedded Postgres, a simulated Twilio and the service …")
    with contextlib.ExitStack() as stack:
        twilio_ready = stack.enter_context(
            _server(
                stage,
                "simulator",
                [
                    *("simulator", "--port", twilio, "--cps", str(CALLS_PER_SECOND), "--seed", "7"),
                    *("--clock", START, "--clock-rate", str(rate)),
                    *("--clock-anchor", stage.environment["CAMPAIGN_CLOCK_ANCHOR"]),
                    *("--person", f"{CUT}=interested_cut", "--parent-pid", str(os.getpid())),
                ],
            )
        )
        service_ready = stack.enter_context(_server(stage, "service", ["serve", "--port", str(stage.port)]))
        for wait in (twilio_ready, service_ready):
            wait()
        yield


@contextmanager
def _server(stage: Stage, name: str, arguments: Sequence[str]) -> Iterator[Callable[[], None]]:
    """A child process, with a function that waits until it is ready; ended gently, never left behind."""
    ready = stage.folder / f"{name}.ready"
    log = stage.folder / f"{name}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "campaign", *arguments, "--ready-file", str(ready)],
            env=dict(stage.environment),
            cwd=stage.folder,  # where no .env of the user's is
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is the demo's to handle: it ends its children in order
        )
    try:
        yield partial(_wait_ready, child, ready, name, log)
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_ready(child: "subprocess.Popen[bytes]", ready: Path, name: str, log: Path) -> None:
    until = time.perf_counter() + READY_S
    while not ready.exists():
        if child.poll() is not None or time.perf_counter() > until:
            tail = log.read_text(errors="replace")[-2000:]
            raise Unavailable(f"The {name} did not start:\n{tail}", f"Its log is {log}.")
        time.sleep(0.02)


# ── the play ───────────────────────────────────────────────────────────────────────────────────────────


def _prepare(stage: Stage) -> CampaignDefinition:
    """The commands that an uploader and an operator would type."""
    samples = samples_dir()
    _command(stage, "contacts", "import", str(samples / "contacts.sample.csv"), "--list", "sample")
    _command(stage, "dnc", "import", str(samples / "docs" / "samples" / "dnc.sample.csv"))
    definition = demo_definition((samples / "docs" / "samples" / "campaign.toml").read_text("utf-8"))
    file = stage.folder / "campaign.toml"
    file.write_text(to_toml(definition), "utf-8")
    _command(stage, "create", str(file))
    _command(stage, "start", definition.name)
    return definition


def samples_dir() -> Path:
    """Where the sample files are: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    for place in (package.parent, package / "_samples"):
        if (place / "contacts.sample.csv").exists():
            return place
    raise SettingsError("The sample files are missing.", "Reinstall the package, or run in a checkout.")


def demo_definition(text: str) -> CampaignDefinition:
    """The sample campaign with retries after minutes instead of hours, and open at lunch."""
    definition = parse_toml(text, "docs/samples/campaign.toml")
    soon = RetryRule(after_minutes=(2,))
    return replace(
        definition,
        schedule=replace(definition.schedule, week={"mon-fri": "09:00-19:00"}),
        retry=replace(
            definition.retry,
            budget=2,
            min_gap_minutes=1,
            per_number_per_day=3,
            on=dict.fromkeys((Disposition.BUSY, Disposition.NO_ANSWER, Disposition.FAILED), soon),
        ),
    )


def _command(stage: Stage, *arguments: str) -> None:
    shown = " ".join(f'"{a}"' if " " in a else a.replace(str(samples_dir()) + "/", "") for a in arguments)
    out.print(f"\n[bold]$ campaign {escape(shown)}[/]")
    done = subprocess.run(
        [sys.executable, "-m", "campaign", *arguments], env=dict(stage.environment), cwd=stage.folder
    )
    if done.returncode:
        raise Unavailable(f"campaign {shown} failed (exit code {done.returncode}).", "See above.")


async def _show(stage: Stage, definition: CampaignDefinition) -> None:
    """Watch the campaign to its end, then tell what came of it."""
    async with _opened(stage) as services:
        out.print(f'\n[bold]$ campaign status "{escape(definition.name)}" --watch[/]')
        try:
            async with asyncio.timeout(LONGEST_S):
                found = await _watch(services, definition.name)
        except TimeoutError:
            raise Unavailable(
                f"The campaign did not come to its end within {LONGEST_S:.0f} s.",
                f"The service's log is {stage.folder / 'service.log'}; a busy machine may need --rate 5.",
            ) from None
    if found.row.state not in OVER:
        out.print("\nWho still waits asked for another day; the demo doesn't wait for that:")
        await asyncio.to_thread(_command, stage, "stop", definition.name)
    await asyncio.to_thread(_command, stage, "report", definition.name)
    async with _opened(stage) as services:
        await _tell_conversations(services, definition.name)


@contextlib.asynccontextmanager
async def _opened(stage: Stage) -> AsyncIterator[Services]:
    async with open_services(stage.settings, actor=actor()) as services:
        yield services


async def _watch(services: Services, name: str) -> Standing:
    found = await standing_of(services, name)
    with Live(status_view(found), console=out, refresh_per_second=8) as live:
        while found.row.state not in OVER and not _only_later(found, services.clock.now()):
            await asyncio.sleep(0.1)
            found = await standing_of(services, name)
            live.update(status_view(found))
    return found


async def _tell_conversations(services: Services, name: str) -> None:
    """One transcript, and the call whose socket was cut."""
    async with services.db.connection() as tx:
        row = await campaigns.find(tx, name)
        told = await highlights(tx, row.id)
        talk = await browse.transcript(tx, told.talk) if told.talk else None
        cut = await browse.transcript(tx, told.recovered) if told.recovered else None
    if talk is not None:
        out.print("\n[bold]One conversation[/] (as it was heard)")
        _print_transcript(talk)
    if cut is not None:
        out.print(f"\n[bold]A call whose socket was cut in mid-sentence[/] ({mask(CUT)})")
        _print_transcript(cut)


def _only_later(found: Standing, now: datetime) -> bool:
    """Whether nothing is left for today: whoever still waits asked for another day."""
    status = found.status
    return (
        status.total > 0
        and status.calls_up == 0
        and status.due == 0
        and (status.next_at is None or status.next_at > now + LATER)
    )


def _print_transcript(transcript: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    recovered = {r["session_ordinal"]: r for r in transcript["recoveries"]}
    last = 1
    for turn in transcript["turns"]:
        ordinal = turn["session_ordinal"]
        if ordinal != last:
            why = recovered.get(last)
            if why is not None:
                out.print(f"  [yellow]── {escape(str(why['why']))}; answered: {why['answer']} ──[/]")
            last = int(str(ordinal))
        speaker = {"agent": "we", "person": "they", "key": "key", "note": "note"}[str(turn["speaker"])]
        cut = " [dim](interrupted)[/]" if turn["interrupted"] else ""
        out.print(f"  [dim]{speaker:>5}[/]  {escape(str(turn['text']))}{cut}")
    for answer in transcript["answers"]:
        out.print(f"  [green]answer[/] {escape(str(answer['question']))}: {escape(str(answer['value']))}")


def _where_next(stage: Stage, definition: CampaignDefinition) -> None:
    out.print("[bold]Where to look next[/]: the demo's data stays until the next demo.")
    env = f". {stage.folder / 'demo.env'}"
    for line in (
        f"{env}                                 # point your shell at it",
        f'campaign report "{definition.name}" --format csv',
        f"campaign explain {CUT}            # a number's whole story",
        "campaign contacts rejected 1             # the rows to mend",
        "campaign keys create me --role analyst && campaign serve   # then /api/v1/docs",
    ):
        out.print(f"  {escape(line)}")
    out.print("With an account of yours: fill .env (see .env.example), then campaign doctor.")
