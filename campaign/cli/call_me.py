"""`campaign call-me`: hear a script on one's own phone."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from campaign.cli.common import err, out, print_json, run
from campaign.domain.campaign import parse_toml
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.errors import BadInput, Unavailable
from campaign.domain.pacing import Pace
from campaign.flow import own_call
from campaign.store import browse
from campaign.wiring import Services, token

LOOK_S = 0.5


def call_me(
    script: Annotated[Path, typer.Argument(help="A campaign's TOML file; its script and seller are used.")],
    number: Annotated[str, typer.Argument(help="Your own number, e.g. +12025550123.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Place one real call to your own phone, to hear a script before anybody else does.

    It is never counted in any campaign, but do-not-call lists and calling hours hold. A running
    `campaign serve` must be reachable under PUBLIC_URL: it answers Twilio and holds the conversation.

    Example: campaign call-me docs/samples/campaign.toml +12025550123
    """

    async def main(services: Services) -> browse.Row:
        attempt_id = await own_call.place(
            services.db,
            services.clock,
            services.gateway,
            parse_toml(_read(script), str(script)),
            number,
            marker=token(),
            replica=services.replica.id,
            actor=services.actor,
            addresses=services.addresses,
            pace=Pace(services.settings.twilio_calls_per_second, services.clock.rate),
            rulebook=services.rulebook,
            rates=services.rates,
            max_calls=services.settings.twilio_max_calls,
        )
        return await _follow(services, attempt_id)

    found = run(main)
    disposition = Disposition(str(found["disposition"]))
    if as_json:
        print_json({"attempt": found["id"], "disposition": disposition.value, "answers": found["data"]})
    else:
        out.print(f"The call is over: {MEANING[disposition].words}.")


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}.", "Name a campaign's TOML file.") from None


async def _follow(services: Services, attempt_id: int) -> browse.Row:
    """Tell each state as it comes, until the outcome stands."""
    told = ""
    while True:
        async with services.db.connection() as tx:
            row = await browse.attempt(tx, attempt_id)
        if row is None:
            raise Unavailable("The attempt's row is gone.", "Look at: campaign doctor")
        if row["state"] != told:
            told = str(row["state"])
            err.print(f"{told} …")
        if row["disposition"] is not None:
            return row
        await asyncio.sleep(LOOK_S)
