"""`campaign status` and `campaign list`: how campaigns stand, once or for as long as one watches."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.live import Live

from campaign.cli.campaign_view import Standing, list_view, status_view
from campaign.cli.common import err, out, print_json, run
from campaign.domain.campaign_state import OVER
from campaign.flow import hindrances
from campaign.store import campaigns, reports
from campaign.store.campaigns import CampaignRow
from campaign.wiring import Services

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
WATCH_S = 0.5
"""How often a watched status is read (real seconds)."""


async def standing_of(services: Services, name: str) -> Standing:
    """How a campaign stands now, with what keeps it from dialling."""
    now = services.clock.now()
    async with services.db.connection() as tx:
        row = await campaigns.find(tx, name)
        status_ = await reports.status(tx, row.id, now)
        warnings = await hindrances.of_campaign(
            tx,
            row,
            now,
            rates=services.rates,
            rulebook=services.rulebook,
            clock_rate=services.clock.rate,
        )
    account = services.settings.twilio_calls_per_second
    return Standing(row, status_, min(row.calls_per_second or account, account), warnings)


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
                "warnings": list(found.warnings),
            }
        )
    else:
        out.print(status_view(found))


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
