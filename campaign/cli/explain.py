"""`campaign explain NUMBER`: the story of one number; `campaign rules show`: the law as it is applied."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from campaign.cli.common import fail, out, print_json, run
from campaign.domain import phone
from campaign.domain.errors import BadInput, CampaignError
from campaign.domain.phone import PhoneNumber
from campaign.domain.place import Place, locate
from campaign.domain.rule import Rule
from campaign.domain.rule_words import demand
from campaign.domain.rulebook import Pack, Rulebook
from campaign.flow.explain import Story, to_json
from campaign.flow.explain import explain as gather_story
from campaign.flow.rule_records import in_words
from campaign.flow.story_words import tell
from campaign.store import rule_records
from campaign.store.rule_records import KeptWaiver
from campaign.wiring import Services, read_rulebook

rules_app = typer.Typer(
    name="rules", help="The rules of law that decide whom may be called, and when.", no_args_is_help=True
)

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


@rules_app.command("show")
def show(
    at: Annotated[
        str | None, typer.Option("--at", help="Only rules in force on this date.", metavar="YYYY-MM-DD")
    ] = None,
    number: Annotated[
        str | None, typer.Option("--number", help="Only rules of the places where this number may be.")
    ] = None,
    region: RegionOption = "US",
    as_json: JsonOption = False,
) -> None:
    """Show the rule packs: what each rule demands, of which calls, since when, and where it stands written.

    campaign rules show --number +18509091234 --at 2026-12-24
    """
    try:
        day = _day(at)
        place = locate(read_number(number, region)) if number else None
        book = read_rulebook()
    except CampaignError as error:
        fail(error)
    packs = [(pack, _wanted(pack, day)) for pack in _packs(book, place)]
    waived = waived_rules()
    if as_json:
        print_json([_pack_json(pack, rules, waived) for pack, rules in packs])
        return
    if place is not None:
        zones = ", ".join(place.zones) or "no known time zone: it cannot be called"
        out.print(f"{escape(number or '')} may be in {', '.join(place.regions or place.countries)}; {zones}.")
    for pack, rules in packs:
        review = f"reviewed by {pack.reviewed_by}" if pack.reviewed_by else "not reviewed by a lawyer"
        out.print(f"\n[bold]{pack.id}[/] {pack.version}, {escape(review)}")
        for rule in rules:
            out.print(f"  {escape(_sentence(rule))}")
            for kept in waived.get(rule.id, ()):
                out.print(f'    For campaign "{escape(kept.campaign)}": {escape(in_words(kept.waiver))}')
    if not packs:
        out.print("No pack covers that place, so nobody there may be called.")


def waived_rules() -> dict[str, list[KeptWaiver]]:
    """Rule → the waivers of it."""

    async def main(services: Services) -> list[KeptWaiver]:
        async with services.db.connection() as tx:
            return await rule_records.waivers(tx)

    found: dict[str, list[KeptWaiver]] = {}
    for one in run(main):
        found.setdefault(one.waiver.rule_id, []).append(one)
    return found


def _packs(book: Rulebook, place: Place | None) -> Sequence[Pack]:
    return book.packs if place is None else book.packs_for(place)


def _wanted(pack: Pack, day: date | None) -> list[Rule]:
    return [rule for rule in pack.rules if day is None or rule.in_force(day)]


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise BadInput(f'"{text}" is not a date.', "Write it as 2026-12-24.") from None


def _sentence(rule: Rule) -> str:
    state = {"in_force": "", "stayed": " STAYED until then", "proposed": " PROPOSED, not applied"}[
        rule.status
    ]
    until = f" to {rule.effective_to}" if rule.effective_to else ""
    lifted = f" Lifted by {', '.join(rule.lifted_by)}." if rule.lifted_by else ""
    note = f" Note: {rule.note}" if rule.note else ""
    since = f"from {rule.effective_from}{until}{state}"
    return (
        f"{rule.id}: {demand(rule.terms)} ({rule.scope.in_words()}; {since})."
        f"{lifted} {rule.source.cite}, read {rule.source.read_on}.{note}"
    )


def _pack_json(
    pack: Pack, rules: Sequence[Rule], waived: Mapping[str, Sequence[KeptWaiver]]
) -> dict[str, Any]:
    return {
        "pack": pack.id,
        "version": pack.version,
        "reviewed_by": pack.reviewed_by,
        "rules": [
            {
                "id": rule.id,
                "kind": rule.kind,
                "demand": demand(rule.terms),
                "scope": rule.scope.in_words(),
                "status": rule.status,
                "effective_from": rule.effective_from,
                "effective_to": rule.effective_to,
                "lifted_by": rule.lifted_by,
                "waivable": rule.waivable,
                "waived": [
                    {"campaign": one.campaign, **asdict(one.waiver)} for one in waived.get(rule.id, ())
                ],
                "source": rule.source.cite,
                "read_on": rule.source.read_on,
                "note": rule.note,
            }
            for rule in rules
        ],
    }
