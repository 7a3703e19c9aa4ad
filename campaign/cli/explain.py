"""`campaign explain NUMBER`: the story of one number."""

from typing import Annotated

import typer
from rich.markup import escape

from campaign.cli.common import fail, out, print_json, run
from campaign.domain import phone
from campaign.domain.errors import BadInput, CampaignError
from campaign.domain.phone import PhoneNumber
from campaign.flow.explain import Story, to_json
from campaign.flow.explain import explain as gather_story
from campaign.flow.story_words import tell
from campaign.wiring import Services

NumberArgument = Annotated[str, typer.Argument(help="A telephone number, e.g. +12125550142.")]
RegionOption = Annotated[str, typer.Option("--region", help="Country of a number written without +.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def explain(
    number: NumberArgument,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="Tell only of this campaign.", metavar="NAME")
    ] = None,
    region: RegionOption = "US",
    as_json: JsonOption = False,
) -> None:
    """Tell the whole story of one number: why it was, was not or will be called.

    Shows the lists that have it, whether and since when it is on a do-not-call list, how it stands in every
    campaign with the decision as it would be made now, the decisions that were kept, and every attempt with
    what happened in it.

        campaign explain +12125550142
        campaign explain "(212) 555-0142" --campaign spring
    """
    try:
        parsed = read_number(number, region)
    except CampaignError as error:
        fail(error)

    async def main(services: Services) -> Story:
        return await gather_story(
            services.db,
            parsed,
            services.clock.now(),
            rulebook=services.rulebook,
            rates=services.rates,
            campaign=campaign,
        )

    told = run(main)
    if as_json:
        print_json(to_json(told))
        return
    for heading, sentences in tell(told):
        out.print(f"[bold]{escape(heading)}[/]")
        for sentence in sentences:
            out.print(f"  {escape(sentence)}")


def read_number(text: str, region: str) -> PhoneNumber:
    """The number that a person typed.

    Raises:
        BadInput: it is none, with the reason.
    """
    if not phone.is_region(region.upper()):
        raise BadInput(f'"{region}" is no country with telephone numbers.', "Write an ISO code such as US.")
    parsed = phone.parse(text, region.upper())
    if isinstance(parsed, PhoneNumber):
        return parsed
    raise BadInput(
        f'"{text}" is not a number that can be called: {parsed.why}.',
        "Write it with + and the country code, or name its country with --region.",
        number=text,
    )
