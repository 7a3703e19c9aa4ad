"""`campaign preview`: what would become of a campaign's contacts if it ran, before anybody is called."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from campaign.cli.campaign_view import span
from campaign.cli.common import count, err, fail, moment, out, print_json, run
from campaign.domain.errors import BadInput, CampaignError
from campaign.flow import preview as previews
from campaign.flow.preview import Preview
from campaign.store import campaigns, candidates
from campaign.wiring import Services

MOST_ROWS = 15
"""Reasons shown of each kind; --json has all."""
AT_ONCE = 3_000
"""Contacts that `campaign start` judges before it starts: well under a second's work."""


def preview(
    name: Annotated[str, typer.Argument(help="The campaign's name, or #12 for its number.")],
    at: Annotated[
        str | None,
        typer.Option(
            help="Judge for this instant; none: the campaign's start, or now.",
            metavar="2026-11-24T10:00:00-05:00",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """How many would be called, wait or are blocked, and why, before a campaign starts. Calls nobody.

    Every contact is judged by the rules that the dialler goes by, as if the campaign were running at that
    instant. Also shown: how long it may take, what it may cost, and what keeps everybody from being called.

    Example: campaign preview "Solar spring check-in" --at 2026-12-01T09:00:00-05:00
    """
    try:
        instant = read_instant(at) if at else None
    except CampaignError as error:
        fail(error)

    async def main(services: Services) -> Preview:
        with bar("Judging", quiet=as_json) as progress:
            return await look(services, name, instant, progress)

    found = run(main)
    if as_json:
        print_json(to_json(found))
    else:
        out.print(view(found))


async def look(
    services: Services,
    name: str,
    at: datetime | None = None,
    progress: previews.Progress = lambda done, total: None,
) -> Preview:
    """Preview with this process's settings."""
    return await previews.preview(
        services.db,
        name,
        services.clock.now(),
        rulebook=services.rulebook,
        rates=services.rates,
        calls_per_second=services.settings.twilio_calls_per_second,
        at=at,
        clock_rate=services.clock.rate,
        progress=progress,
    )


async def before_start(services: Services, name: str) -> str:
    """One line for `campaign start`: a small campaign's preview, or where to find a large one's."""
    async with services.db.connection() as tx:
        row = await campaigns.find(tx, name)
        counts = await candidates.counts(tx, row.id)
    total = counts.get("waiting", 0) + counts.get("blocked", 0)
    if total > AT_ONCE:
        return f'Who will be called, and who not and why: campaign preview "{row.name}"'
    found = await look(services, name)
    when = f" (at {moment(found.at)})" if found.at > services.clock.now() else ""
    return f"{found.summary}{when}." if found.contacts else ""


def read_instant(text: str) -> datetime:
    """An instant that a person typed.

    Raises:
        BadInput: it is none, or lacks its offset from UTC.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise BadInput(
            f'"{text}" is no instant with an offset from UTC.', "Write it as 2026-11-24T10:00:00-05:00."
        )
    return instant


def to_json(found: Preview) -> dict[str, Any]:
    """A preview for programs."""
    return {**asdict(found), "summary": found.summary}


@contextmanager
def bar(title: str, *, quiet: bool) -> Iterator[previews.Progress]:
    """A progress bar on standard error, when that is a terminal."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task(title, total=None)

        def watch(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield watch


def view(found: Preview) -> RenderableType:
    """A preview for a terminal."""
    parts: list[RenderableType] = [
        Text.from_markup(
            f"[bold]{escape(found.campaign)}[/] ({found.state}), {count(found.contacts, 'contact')} judged "
            f"for {moment(found.at)}"
        ),
        Text(f"{found.summary}."),
    ]
    parts += [Text(f"Besides: {one}", style="yellow") for one in found.hindrances]
    if found.under_way or found.done:
        parts.append(Text(f"Not judged: {found.under_way:,} being called, {found.done:,} done."))
    if found.waits:
        parts += ["", _waits(found)]
    if found.blocks:
        parts += ["", _blocks(found)]
    parts += ["", _figures(found)]
    return Group(*parts)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("contacts", justify="right")
    for name in columns:
        table.add_column(name, no_wrap=name == "rule")
    return table


def _waits(found: Preview) -> Table:
    table = _table("Would wait", "until", "rule", "for example")
    for one in found.waits[:MOST_ROWS]:
        until = moment(one.until) if one.until else "something happens"
        table.add_row(f"{one.contacts:,}", until, one.rule or "–", escape(f"{one.example}: {one.why}"))
    rest = found.waits[MOST_ROWS:]
    if rest:
        table.add_row(f"{sum(one.contacts for one in rest):,}", f"{len(rest)} others", "", "see --json")
    return table


def _blocks(found: Preview) -> Table:
    table = _table("Blocked", "rule", "for example")
    for one in found.blocks[:MOST_ROWS]:
        source = f" [{one.source}]" if one.source else ""
        table.add_row(f"{one.contacts:,}", one.rule, escape(f"{one.example}: {one.why}{source}"))
    rest = found.blocks[MOST_ROWS:]
    if rest:
        table.add_row(f"{sum(one.contacts for one in rest):,}", f"{len(rest)} other rules", "see --json")
    return table


def _figures(found: Preview) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    numbers = ", ".join(f"{one.country} {one.contacts:,}" for one in found.countries)
    table.add_row("numbers", numbers or "none")
    shortest, longest = found.seconds
    if found.now:
        table.add_row(
            "first calls",
            f"{span(shortest)} if nobody answers, {span(longest)} if every call is as long as allowed",
        )
    least, most = found.cost
    if most:
        table.add_row(
            "cost",
            f"{least:,.2f} to {most:,.2f} {found.currency} for one answered call to each who may be called "
            "(under a minute, as long as allowed); calls that nobody answers cost nothing",
        )
    return table
