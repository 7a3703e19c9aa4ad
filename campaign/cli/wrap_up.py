"""`campaign wrap-up`: have a model write the records of a campaign's calls, now or again."""

from dataclasses import asdict
from typing import Annotated

import typer

from campaign.cli.common import count, out, print_json, run
from campaign.flow import wrap_up as wrap_ups
from campaign.store.wrap_ups import Standing
from campaign.wiring import Services


def wrap_up(
    name: Annotated[str, typer.Argument(help="The campaign's name, or #12 for its number.")],
    again: Annotated[
        bool, typer.Option("--again", help="Also calls whose record was written; the earlier one is kept.")
    ] = False,
    profile: Annotated[
        str | None, typer.Option(help="Another model profile than the campaign's [wrap_up] names.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Have a model write the records of a campaign's calls: summaries, and answers that were missed.

    The running service does it, one call at a time and never in the way of a conversation. What the
    transcript doesn't bear out doesn't count. Every call has a summary by rule already; with a profile under
    [wrap_up] new calls are wrapped up by themselves.

    Example: campaign wrap-up "Solar spring check-in" --again
    """

    async def main(services: Services) -> tuple[int, Standing]:
        return await wrap_ups.ask(
            services.db, name, profile=profile, again=again, actor=services.actor, now=services.clock.now()
        )

    due, standing = run(main)
    if as_json:
        print_json({"made_due": due, **asdict(standing)})
        return
    out.print(
        f"{count(due, 'call')} became due. Of all: {standing.due} due, {standing.done} written, "
        f"{standing.failed} given up."
    )
    if standing.due:
        out.print("The running service writes them; campaign explain NUMBER shows what it found.")
