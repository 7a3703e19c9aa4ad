"""`campaign status` and `campaign list`: how campaigns stand, once or for as long as one watches."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.live import Live
from rich.markup import escape

from campaign.cli.campaign_view import list_view, status_view
from campaign.cli.common import err, out, print_json, run
from campaign.domain.campaign_state import OVER
from campaign.flow import standing
from campaign.flow.standing import Standing
from campaign.store import campaigns, reports
from campaign.store.campaigns import CampaignRow
from campaign.wiring import Services

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
WATCH_S = 0.5
"""How often a watched status is read (real seconds)."""


async def standing_of(services: Services, name: str) -> Standing:
    """How a campaign stands now, with what keeps it from dialling."""
    async with services.db.connection() as tx:
        return await standing.standing_of(tx, name, services.clock.now(), services.account)


def status(
    name: Annotated[str | None, typer.Argument(help="A campaign; none: all of them.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing until it is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """How a campaign stands: progress, calls up, pace, outcomes, what the others wait for, when it opens.

    Example: campaign status "Solar spring check-in" --watch
    """
    if name is None:
        list_(as_json=as_json)
        return

    async def main(services: Services) -> Standing:
        found = await standing_of(services, name)
        if not watch or as_json:
            return found
        with Live(status_view(found), console=out, refresh_per_second=4, transient=True) as live:
            while found.row.state not in OVER:
                await asyncio.sleep(WATCH_S)
                found = await standing_of(services, name)
                live.update(status_view(found))
        return found

    found = run(main)
    if as_json:
        print_json(
            {
                **asdict(found.row),
                **asdict(found.status),
                "calls_up": found.status.calls_up,
                "pace": found.pace,
                "why_idle": found.why.line if found.why.idle else None,
                "reasons": [asdict(reason) for reason in found.why.reasons],
                "warnings": found.why.warnings,
                "waivers": list(found.waived),
            }
        )
    else:
        out.print(status_view(found))


def why(
    name: Annotated[str | None, typer.Argument(help="A campaign; none: each that is not over.")] = None,
    as_json: AsJson = False,
) -> None:
    """Why is nothing being dialled? One line: what holds the whole campaign, or who waits for what.

    For one person instead of the campaign: campaign explain NUMBER

    Example: campaign why "Solar spring check-in"
    """

    async def main(services: Services) -> list[Standing]:
        if name is not None:
            return [await standing_of(services, name)]
        async with services.db.connection() as tx:
            rows = await campaigns.listed(tx)
        return [await standing_of(services, f"#{row.id}") for row in rows if row.state not in OVER]

    found = run(main)
    told = [{"campaign": one.row.name, "state": one.row.state, **asdict(one.why)} for one in found]
    if as_json:
        print_json(told if name is None else told[0])
    for one in () if as_json else found:
        out.print(escape(one.why.line if name is not None else f"{one.row.name}: {one.why.line}"))
    if not found:
        err.print("No campaign is under way or to come.")


def list_(as_json: AsJson = False) -> None:
    """All campaigns, newest first, with their state and progress."""

    async def main(services: Services) -> tuple[list[CampaignRow], dict[int, tuple[int, int]]]:
        async with services.db.connection() as tx:
            return await campaigns.listed(tx), await reports.progress_of_all(tx)

    rows, progress = run(main)
    if as_json:
        print_json(
            [
                {
                    **asdict(row),
                    "contacts": progress.get(row.id, (0, 0))[0],
                    "finished": progress.get(row.id, (0, 0))[1],
                }
                for row in rows
            ]
        )
    elif rows:
        out.print(list_view(rows, progress))
    else:
        err.print("There are no campaigns yet. Make one: campaign create docs/samples/campaign.toml")
