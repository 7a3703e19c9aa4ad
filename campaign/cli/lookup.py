"""`campaign lookup NUMBER`: ask what is known of one number, for a price."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer
from rich.markup import escape

from campaign.cli.common import err, fail, out, print_json, run, settings_or_exit
from campaign.cli.explain import JsonOption, NumberArgument, RegionOption, read_number
from campaign.domain.errors import CampaignError, SettingsError
from campaign.domain.lookup import Lack, Want
from campaign.flow.lookups import ask_by_hand
from campaign.flow.story_words import lookup_in_words
from campaign.store import lookups
from campaign.store.lookups import LookupRow
from campaign.wiring import Services, read_rates


def lookup(
    number: NumberArgument,
    consent_date: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Ask too whether the number has had a new owner since this date of consent.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask whether the price is right.")] = False,
    region: RegionOption = "US",
    as_json: JsonOption = False,
) -> None:
    """Ask now what line a number is, and with --consent-date whether it has a new owner.

    The price is told before anything is asked. The answer is kept, and campaigns whose [checks] want it
    use it; `campaign explain NUMBER` shows it. Nobody is called.

        campaign lookup +12125550142
        campaign lookup +12125550142 --consent-date 2026-10-01 --yes
    """
    wants = frozenset({Want.LINE_TYPE} | ({Want.REASSIGNED} if consent_date else set()))
    since = consent_date.date() if consent_date else None
    try:
        parsed = read_number(number, region)
        rates = read_rates(settings_or_exit())
        unpriced = sorted(want.value for want in wants if want.value not in rates.lookup)
        if unpriced:
            raise SettingsError(
                f"There is no price for a look-up of {', '.join(unpriced)}.",
                "Add it to the rates file (CAMPAIGN_RATES_FILE), under [lookup].",
            )
    except CampaignError as error:
        fail(error)
    cost = sum((rates.lookup[want.value] for want in wants), Decimal(0))
    if not yes:
        what = " and a ".join(want.words for want in Want if want in wants)
        typer.confirm(f"A {what} costs about {cost} {rates.currency}. Ask?", abort=True, err=True)

    async def main(services: Services) -> tuple[Sequence[LookupRow], Sequence[Lack]]:
        findings, lacks = await ask_by_hand(
            services.db,
            services.lookup,
            parsed.e164,
            wants,
            since,
            rates=rates,
            actor=services.actor,
            now=services.clock.now(),
        )
        async with services.db.connection() as tx:
            kept = await lookups.of_phone(tx, parsed.e164, limit=len(findings))
        return kept, lacks

    kept, lacks = run(main)
    if as_json:
        print_json({"number": parsed.e164, "lookups": [asdict(one) for one in kept]})
    else:
        for one in kept:
            out.print(escape(f"{parsed.e164}, {lookup_in_words(one)}"))
    for lack in lacks:
        err.print(escape(f"{lack.sentence} {lack.do}".strip()))
    if lacks:
        raise typer.Exit(4)
