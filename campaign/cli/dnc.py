"""`campaign dnc`: numbers that must not be called."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from campaign.cli import registries
from campaign.cli.common import count, end_marked_calls, moment, out, print_json, run
from campaign.cli.contacts import (
    AsJson,
    Mapped,
    first_rejected,
    import_json,
    pairs,
    read_with_progress,
    tell,
)
from campaign.domain.csv_reader import RowError
from campaign.domain.errors import BadInput, NotFound
from campaign.domain.phone import Rejected, parse
from campaign.flow import intake
from campaign.flow.intake import Options
from campaign.flow.suppress import Lifted, lift, suppress
from campaign.store import dnc
from campaign.store.imports import Import
from campaign.wiring import Services

app = typer.Typer(
    help="Do-not-call lists: the own list holds for all campaigns, others for the campaigns that name them.",
    no_args_is_help=True,
)
app.add_typer(registries.app, name="registry")

ListName = Annotated[str | None, typer.Option("--list", help="Default: the own list, for all campaigns.")]
Number = Annotated[str, typer.Argument(help="A telephone number, best with + and country code.")]
Region = Annotated[str, typer.Option(help="ISO country of numbers written without +.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="One number a line, or a CSV with a telephone column.")],
    list_name: ListName = None,
    region: Region = "US",
    mapped: Mapped = None,
    reason: Annotated[str, typer.Option(help="Kept with numbers whose row gives none.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put the numbers of a file on the own list or a campaign's. They are in force at once, batch by batch.
    A registry's copy is loaded as a whole instead: see campaign dnc registry load --help

    Example: campaign dnc import stop.csv
    """
    options = Options(region=region.upper(), mapping=pairs(mapped or []), reason=reason)

    async def main(services: Services) -> tuple[Import, list[RowError]]:
        begun = await intake.begin(
            services.db,
            services.clock,
            file,
            list_name,
            options,
            kind="dnc",
            max_bytes=services.settings.max_upload_bytes,
            actor=services.actor,
        )
        row = await read_with_progress(services, begun.id, quiet=as_json)
        return row, await first_rejected(services, row)

    row, examples = run(main)
    if as_json:
        print_json(import_json(row))
    else:
        tell(row, examples)


@app.command()
def add(
    number: Number,
    list_name: ListName = None,
    reason: Annotated[str, typer.Option(help="Why, for the books.")] = "asked by the person",
    quote: Annotated[str | None, typer.Option(help="The person's own words.")] = None,
    all_numbers: Annotated[
        bool, typer.Option("--all-numbers", help="Also the other numbers of contacts that have this one.")
    ] = False,
    region: Region = "US",
    as_json: AsJson = False,
) -> None:
    """Put a number on a do-not-call list: in force for the next call, and what is queued is cancelled.

    Example: campaign dnc add "+1 212 555 0142" --quote "don't call me again"
    """
    phone = number_of(number, region)

    async def main(services: Services) -> dict[str, object]:
        done = await suppress(
            services.db,
            None,
            [phone],
            reason=reason,
            source="cli",
            actor=services.actor,
            now=services.clock.now(),
            list_name=list_name,
            quote=quote,
            all_numbers=all_numbers,
        )
        if done.call_sids:
            await end_marked_calls(services)
        return {"phone": phone, **asdict(done)}

    done = run(main)
    if as_json:
        print_json(done)
        return
    out.print(f"{phone} is on the list." if done["added"] else f"{phone} was on the list already.")
    if done["blocked"]:
        out.print(f"{done['blocked']} planned calls to it won't be made.")
    if done["call_sids"]:
        out.print("A call to it is on its way; it is cancelled.")


@app.command()
def remove(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why, for the books: it is kept for ever with your name.")],
    list_name: ListName = None,
    new_consent: Annotated[
        str | None,
        typer.Option(
            "--new-consent",
            help="Where the person's new consent comes from; a must when they asked in a call.",
            metavar="TEXT",
        ),
    ] = None,
    mistake: Annotated[
        bool, typer.Option("--mistake", help="Nobody ever asked: consent that was given before counts again.")
    ] = False,
    region: Region = "US",
) -> None:
    """Take a number off a do-not-call list. Only on good grounds: the audit trail keeps your name.

    Consent that was given before the request stays ended: the number is called again only with consent dated
    later, or when the entry was a mistake.

    Example: campaign dnc remove "+1 212 555 0142" --reason "typed wrongly" --mistake
    """
    phone = number_of(number, region)

    async def main(services: Services) -> Lifted:
        lifted = await lift(
            services.db,
            phone,
            list_name=list_name,
            reason=reason,
            new_consent=new_consent,
            mistake=mistake,
            actor=services.actor,
            now=services.clock.now(),
        )
        if lifted is None:
            raise NotFound(f"{phone} does not stand on that list.", f"See: campaign dnc check {phone}")
        return lifted

    lifted = run(main)
    out.print(f"{phone} is off the list.")
    if lifted.consent_ended_at is not None:
        out.print(f"Consent given up to {moment(lifted.consent_ended_at)} counts no more.")
    if lifted.unblocked:
        out.print(f"{count(lifted.unblocked, 'contact')} that it kept back will be judged anew.")


@app.command()
def check(number: Number, region: Region = "US", as_json: AsJson = False) -> None:
    """Tell on which lists a number stands, since when and why. Exit code 3 when it stands on any."""
    phone = number_of(number, region)

    async def main(services: Services) -> list[dnc.Hit]:
        async with services.db.connection() as tx:
            return await dnc.check(tx, phone)

    hits = run(main)
    if as_json:
        print_json({"phone": phone, "listed": bool(hits), "hits": [asdict(hit) for hit in hits]})
    elif not hits:
        out.print(f"{phone} stands on no do-not-call list.")
    else:
        table = Table("list", "kind", "since", "reason", "quote", "source", "by")
        for hit in hits:
            since = moment(hit.added_at)
            texts = (hit.list_name, hit.kind, since, hit.reason, hit.quote or "", hit.source, hit.actor)
            table.add_row(*map(escape, texts))
        out.print(table)
    if hits:
        raise typer.Exit(3)


@app.command()
def lists(as_json: AsJson = False) -> None:
    """All do-not-call lists."""

    async def main(services: Services) -> list[dnc.DncList]:
        async with services.db.connection() as tx:
            return await dnc.lists(tx)

    rows = run(main)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    if not rows:
        out.print("There is no do-not-call list yet. Begin with: campaign dnc add NUMBER")
        return
    table = Table("id", "name", "kind", "numbers", "as of")
    for row in rows:
        as_of = row.as_of.date().isoformat() if row.as_of else ""
        table.add_row(str(row.id), escape(row.name), row.kind, f"{row.entries:,}", as_of)
    out.print(table)


def number_of(text: str, region: str) -> str:
    """The number that a person typed, E.164.

    Raises:
        BadInput: it is none, with the reason.
    """
    number = parse(text, region.upper())
    if isinstance(number, Rejected):
        raise BadInput(f"{text[:40]!r} is no telephone number: {number.why}.")
    return number.e164
