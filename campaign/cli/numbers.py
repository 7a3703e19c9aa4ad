"""`campaign numbers`: the numbers that calls come from, and who answers when somebody rings one back."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from campaign.cli.common import fail, out, print_json, run
from campaign.cli.explain import JsonOption
from campaign.domain.errors import CampaignError, NotFound
from campaign.flow.numbers import Number, owned, standing
from campaign.store.accounts import audit
from campaign.wiring import Services


def numbers(
    point: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Have calls to this number of yours answered by this service."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the account's numbers and those of all campaigns, and who answers when somebody calls one.

    Whoever missed a call rings back. With --point a number's voice URL at Twilio is set to this service
    (PUBLIC_URL): then they reach the agent of the campaign that called, and strangers hear who you are.

        campaign numbers
        campaign numbers --point +12025550142
    """

    async def main(services: Services) -> list[Number]:
        if point is not None:
            await _point(services, point)
        return await standing(services.gateway, services.db, services.addresses.incoming())

    try:
        found = run(main)
    except CampaignError as error:
        fail(error)
    if as_json:
        print_json({"numbers": [asdict(one) for one in found]})
        return
    for one in found:
        used = f" (campaigns: {', '.join(one.used_by)})" if one.used_by else ""
        out.print(escape(f"{one.phone}{used}: {one.in_words}"))
    if any(one.kind == "owned" and not one.ours for one in found):
        out.print("To have this service answer: campaign numbers --point NUMBER")


async def _point(services: Services, phone: str) -> None:
    one = await owned(services.gateway, phone)
    if one is None:
        raise NotFound(
            f"{phone} is not bought at this Twilio account.", "campaign numbers lists those that are."
        )
    await services.gateway.point(one, services.addresses.incoming())
    async with services.db.transaction() as tx:
        detail = {"from": one.voice_url or one.application, "to": services.addresses.incoming()}
        now = services.clock.now()
        await audit(tx, services.actor, "number.point", f"phone:{phone}", now, detail)
