"""`campaign rules waive`, `registered`, `pause`: what people record about the law, with their names."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Annotated

import typer
from rich.markup import escape

from campaign.cli.common import count, end_marked_calls, fail, moment, out, print_json, run
from campaign.cli.rules import app
from campaign.domain.errors import BadInput
from campaign.domain.facts import Pause, Registered, Waiver
from campaign.flow import rule_records as flow
from campaign.store import rule_records as records
from campaign.store.rule_records import KeptPause, KeptWaiver
from campaign.wiring import Services

__all__ = ["app"]

RuleArgument = Annotated[str, typer.Argument(help="A rule's id, e.g. US-TX.registration.")]
CampaignOption = Annotated[
    str, typer.Option("--campaign", help="The campaign that it is for.", metavar="NAME")
]
PackArgument = Annotated[str, typer.Argument(help="The pack that asks for it, e.g. US-TX.")]
RegionArgument = Annotated[str, typer.Argument(help="A country or region, e.g. US or US-LA.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def waive(
    rule: RuleArgument,
    campaign: CampaignOption,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever asks later.")],
    until: Annotated[
        str | None,
        typer.Option("--until", help="The last day (UTC) on which it counts.", metavar="YYYY-MM-DD"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Do not apply one rule to one campaign; your name and reason stand on every decision made by it.

    Never waived: consent, do-not-call requests, who is on a registry, hours (unless the pack permits it), and
    our own rules.

        campaign rules waive US-TX.registration --campaign Solar --reason "exempt: 302.053, see memo 12"
    """
    day = day_of(until)

    async def main(services: Services) -> Waiver:
        return await flow.waive(
            services.db,
            services.rulebook,
            rule,
            campaign,
            reason=reason,
            until=day,
            actor=services.actor,
            now=services.clock.now(),
        )

    waiver = run(main)
    if as_json:
        print_json(asdict(waiver))
    else:
        out.print(escape(flow.in_words(waiver)))


@app.command()
def unwaive(rule: RuleArgument, campaign: CampaignOption) -> None:
    """Apply a rule again that was waived for a campaign, from the very next call on."""

    async def main(services: Services) -> None:
        await flow.unwaive(services.db, rule, campaign, actor=services.actor, now=services.clock.now())

    run(main)
    out.print(f"{escape(rule)} applies to {escape(campaign)} again.")


@app.command()
def registered(
    pack: PackArgument,
    reference: Annotated[str, typer.Option("--reference", help="Under what it was filed: a number, a date.")],
    as_json: JsonOption = False,
) -> None:
    """Record that you have filed what a pack demands before calling; it counts for all campaigns.

    campaign rules registered US-TX --reference "SOS 2026-0412, bond 88-1"
    """

    async def main(services: Services) -> Registered:
        return await flow.register(
            services.db,
            services.rulebook,
            pack,
            reference=reference,
            actor=services.actor,
            now=services.clock.now(),
        )

    one = run(main)
    if as_json:
        print_json(asdict(one))
    else:
        out.print(escape(f"{one.pack} is recorded as done: {one.reference}."))


@app.command()
def unregistered(pack: PackArgument) -> None:
    """Take a registration back, because it has lapsed, say; from the very next call on."""

    async def main(services: Services) -> None:
        await flow.unregister(services.db, pack, actor=services.actor, now=services.clock.now())

    run(main)
    out.print(f"{escape(pack)} is no longer recorded as done.")


@app.command()
def pause(
    region: RegionArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, e.g. a declared emergency.")],
    first: Annotated[
        str | None,
        typer.Option("--from", help="The first day, on their calendar; none: now.", metavar="YYYY-MM-DD"),
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", help="The last day; none: until you lift it.", metavar="YYYY-MM-DD"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Call nobody in a country or region, in any campaign, from the very next call on.

    For emergencies that the law names (Louisiana, New York), and for your own reasons. Queued and ringing
    calls to people who may be there are cancelled; who has answered is not cut off.

        campaign rules pause US-LA --reason "declared emergency: hurricane" --to 2026-12-05
    """
    since, until = day_of(first), day_of(last)

    async def main(services: Services) -> tuple[Pause, int]:
        done = await flow.pause(
            services.db,
            services.rulebook,
            region,
            reason=reason,
            first=since,
            last=until,
            actor=services.actor,
            now=services.clock.now(),
        )
        await end_marked_calls(services)
        return done

    one, cancelled = run(main)
    if as_json:
        print_json({**asdict(one), "calls_cancelled": cancelled})
        return
    end = f"to {one.last}" if one.last else "until it is lifted"
    when = "now" if since is None else f"from {one.first}"
    out.print(escape(f"Nobody in {one.region} is called {when} {end}."))
    if cancelled:
        out.print(f"Cancelling {count(cancelled, 'call')}.")
    out.print(f"To go on: campaign rules unpause {one.region}")


@app.command()
def unpause(region: RegionArgument) -> None:
    """Let calls go on in a region that was paused."""

    async def main(services: Services) -> int:
        return await flow.unpause(
            services.db, services.rulebook, region, actor=services.actor, now=services.clock.now()
        )

    again = run(main)
    out.print(f"Calls to {escape(region)} go on; {count(again, 'contact')} will be judged again.")


@dataclass(frozen=True, slots=True)
class Recorded:
    """All that is recorded about rules."""

    waivers: Sequence[KeptWaiver]
    registrations: Sequence[Registered]
    pauses: Sequence[KeptPause]


@app.command("records")
def show_records(as_json: JsonOption = False) -> None:
    """List what people have recorded: waived rules, registrations, regions that are paused."""

    async def main(services: Services) -> Recorded:
        async with services.db.connection() as tx:
            return Recorded(
                await records.waivers(tx), await records.registrations(tx), await records.pauses(tx)
            )

    found = run(main)
    if as_json:
        print_json(asdict(found))
        return
    lines = [f'For campaign "{one.campaign}": {flow.in_words(one.waiver)}' for one in found.waivers]
    lines += [
        f"{one.pack} is registered: {one.reference} ({one.actor}, {moment(one.at)})."
        for one in found.registrations
    ]
    for kept in found.pauses:
        days = f"from {kept.pause.first}{f' to {kept.pause.last}' if kept.pause.last else ''}"
        who = f"{kept.actor}, {moment(kept.at)}"
        lines.append(f"Calls to {kept.pause.region} are paused {days}: {kept.pause.reason} ({who}).")
    for line in lines or ["Nothing is recorded: every rule applies, and no region is paused."]:
        out.print(escape(line))


def day_of(text: str | None) -> date | None:
    """A date that a person typed; a wrong one ends the command."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(BadInput(f'"{text}" is not a date.', "Write it as 2026-12-24."))
