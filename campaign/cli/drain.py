"""`campaign drain`: end a process of the service gently, wherever it runs."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from campaign.cli.common import count, err, moment, out, print_json, run
from campaign.domain.errors import BadInput, CampaignError, NotFound
from campaign.flow import draining
from campaign.flow.live_talks import Drained
from campaign.store.leases import DrainAsked, Running
from campaign.wiring import Services

POLL_S = 0.3
REACTS_S = 10.0
"""A process reads its requests once a second; who says nothing for so long (real seconds) is stuck."""


@dataclass
class Ended:
    """What became of a process that was asked to end."""

    replica: str
    pid: int
    host: str
    drained: Drained | None
    """None: it vanished without a word: it was killed, or Postgres was away at its end."""


def drain(
    replica: Annotated[
        str | None,
        typer.Argument(help="A process: its number, HOST:NUMBER, or its whole name. None: the only one."),
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All processes, on every machine.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Only show the processes, and ask none.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until it has ended.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """End a process of the service without losing a call, and say what became of its conversations.

    It claims nothing more, its /ready answers 503, and each live conversation goes over to another process at
    the end of a turn; the person hears a pause of a second or two. If no other process answers Twilio,
    conversations may end by themselves. What is left after CAMPAIGN_DRAIN_SECONDS of that process is cut, and
    taken up by whichever process answers.

    It is asked through the database, so it may run on any machine. With the database away, or when it doesn't
    react, send it SIGTERM on its own machine: kill PROCESS does the same.

    To replace a process by a new one on the same port, use `campaign serve --take-over` instead: it asks the
    old one by itself.

    Examples: campaign drain --list; campaign drain 4711; campaign drain --all
    """

    async def main(services: Services) -> tuple[list[Running], list[Ended]]:
        found = await draining.running(services)
        if list_:
            return found, []
        chosen = _chosen(found, replica, everyone)
        asked = DrainAsked(services.actor)
        for one in chosen:
            await draining.ask(services, one.id, asked)
        _warn(found, chosen)
        return chosen, [await _wait(services, one) for one in chosen] if wait else []

    processes, ended = run(main)
    if as_json:
        told = [asdict(one) for one in ended] if ended else [one._asdict() for one in processes]
        print_json({"ended" if ended else "processes": told})
    elif list_:
        _show(processes)
    else:
        _tell(processes, ended)
    if any(one.drained is None for one in ended):
        raise typer.Exit(1)


def _chosen(found: Sequence[Running], word: str | None, everyone: bool) -> list[Running]:
    """The processes that are meant.

    Raises:
        NotFound: there is none.
        BadInput: it isn't clear which.
    """
    if not found:
        raise NotFound("No process of the service has a heartbeat.", "There is nothing to drain.")
    chosen = list(found) if everyone else draining.named(found, word) if word else list(found)
    if not chosen:
        raise NotFound(f"No process is called {word!r}.", "campaign drain --list shows those there are.")
    if len(chosen) > 1 and not everyone:
        names = "\n".join(f"  campaign drain {one.host}:{one.pid}    # {_words(one)}" for one in chosen)
        raise BadInput(f"{len(chosen)} processes run; say which:\n{names}\n  campaign drain --all")
    return chosen


def _warn(found: Sequence[Running], chosen: Sequence[Running]) -> None:
    staying = [one for one in found if one not in chosen and not one.draining]
    if any(one.role in draining.ANSWERS for one in chosen) and not any(
        one.role in draining.ANSWERS for one in staying
    ):
        err.print(
            "[yellow]Note:[/] no other process answers Twilio: conversations go on until they end, "
            "or time is up."
        )


async def _wait(services: Services, one: Running) -> Ended:
    """Wait until a process has ended.

    Raises:
        CampaignError: it doesn't react.
    """
    loop = asyncio.get_running_loop()
    began, told = loop.time(), -1
    while True:
        now = next((other for other in await draining.running(services) if other.id == one.id), None)
        drained = await draining.ended(services.db, one.id)
        if now is None or drained is not None:
            return Ended(one.id, one.pid, one.host, drained)
        if not now.draining and loop.time() - began > REACTS_S:
            raise CampaignError(
                f"Process {one.pid} on {one.host} doesn't react.",
                f"Send it SIGTERM on its machine: kill {one.pid}",
            )
        if now.talks != told and now.draining:
            told = now.talks
            err.print(f"Process {one.pid} on {escape(one.host)}: {count(told, 'conversation')} left.")
        await asyncio.sleep(POLL_S)


def _words(one: Running) -> str:
    where = f"port {one.port}" if one.port else "no port"
    state = ", draining" if one.draining else ""
    return f"{one.role}, {where}, {count(one.talks, 'conversation')}{state}"


def _show(processes: Sequence[Running]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("process", "machine", "role", "port", "conversations", "since", ""):
        table.add_column(title)
    for one in processes:
        table.add_row(
            str(one.pid),
            one.host,
            one.role,
            str(one.port or "–"),
            str(one.talks),
            moment(one.started_at),
            "draining" if one.draining else "",
        )
    if processes:
        out.print(table)
    else:
        err.print("No process of the service has a heartbeat. Start one: campaign serve")


def _tell(processes: Sequence[Running], ended: Sequence[Ended]) -> None:
    if not ended:
        for one in processes:
            out.print(f"Process {one.pid} on {escape(one.host)} is asked to drain and end.")
    for end in ended:
        who = f"Process {end.pid} on {escape(end.host)}"
        if end.drained is None:
            out.print(f"{who} is gone, without a word of what became of its conversations.")
            continue
        became = {
            "handed over": end.drained.handed_over,
            "ended": end.drained.ended,
            "cut, to be taken up": end.drained.cut,
        }
        parts = [f"{count(n, 'conversation')} {what}" for what, n in became.items() if n]
        out.print(f"{who} has ended: {', '.join(parts) or 'it held no conversation'}.")
