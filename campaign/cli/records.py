"""`campaign records`: how long records are kept, one person's data erased or shown."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from campaign.cli.common import count, jsonable, out, print_json, run
from campaign.cli.dnc import number_of
from campaign.domain.errors import BadInput
from campaign.flow import records
from campaign.flow.records import Erased, Retention, Standing
from campaign.wiring import Services

app = typer.Typer(
    help="Record keeping: how long each kind of record is kept; one person's data, shown or erased.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Number = Annotated[str, typer.Argument(help="A telephone number, best with + and country code.")]
Region = Annotated[str, typer.Option(help="ISO country of a number written without +.")]


@app.command()
def retention(
    now: Annotated[
        bool, typer.Option("--run", help="Remove what is due now, instead of within the hour.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how long each kind of record is kept, by whose word, and how much is due to go.

    A running service removes what is due by itself, once an hour. CAMPAIGN_RETENTION sets other times; what
    the law demands is the least.

    Example: campaign records retention
    """

    async def main(services: Services) -> tuple[list[Standing], dict[str, int]]:
        at = services.clock.now()
        kept = services.retention
        gone = await Retention(services.db, kept, services.actor).run(at) if now else {}
        return await records.standing(services.db, kept, at), gone

    rows, gone = run(main)
    if as_json:
        print_json(
            [
                {
                    "kind": row.keep.kind.name,
                    "what": row.keep.kind.what,
                    "days": row.keep.days or None,
                    "why": row.keep.why,
                    "rule": row.keep.floor.rule if row.keep.floor else None,
                    "due": row.due,
                    "removed": gone.get(row.keep.kind.name, 0),
                }
                for row in rows
            ]
        )
        return
    table = Table("kind", "what", "kept", "why", "due")
    for row in rows:
        keep = row.keep
        days = f"{keep.days:,} days" if keep.days else "for ever"
        table.add_row(keep.kind.name, escape(keep.kind.what), days, escape(keep.why), f"{row.due:,}")
    table.add_row("opt-outs", "do-not-call entries, with quote and time", "for ever", "never removed", "0")
    out.print(table)
    for name, rows_gone in gone.items():
        if rows_gone:
            out.print(f"Removed {count(rows_gone, 'row')} of {name}.")


@app.command()
def erase(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail: who asked, and when.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask first.")] = False,
    region: Region = "US",
    as_json: AsJson = False,
) -> None:
    """Erase everything about a number and the contacts that have it; only the suppression stays.

    Contacts, what was said and answered, decisions and callbacks go. Attempts and outcomes stay for the
    totals, without number or words. The numbers stand on the own do-not-call list afterwards. There is no way
    back.

    Example: campaign records erase "+1 212 555 0142" --reason "letter of 3 May" --yes
    """
    phone = number_of(number, region)
    if not yes and not typer.confirm(f"Erase all about {phone}? It can't be undone"):
        raise typer.Exit(1)

    async def main(services: Services) -> Erased:
        return await records.erase(
            services.db,
            services.data_dir,
            phone,
            reason=reason,
            actor=services.actor,
            now=services.clock.now(),
        )

    done = run(main)
    if as_json:
        print_json(asdict(done))
        return
    out.print(f"{done.number} is erased: {count(done.suppressed, 'number')} on the do-not-call list.")
    for name, rows in done.rows.items():
        out.print(f"  {rows:>9,}  {name.replace('_', ' ')}")
    if done.at_twilio:
        out.print("Delete at Twilio, which keeps its own record: " + ", ".join(done.at_twilio))
    for file in done.files:
        name = escape(file["file_name"])
        out.print(f"Import {file['id']} read {name}: erase the person from copies of that file too.")


@app.command()
def export(
    number: Number,
    to: Annotated[
        Path | None, typer.Option("--out", help="A file to write; default: standard output.")
    ] = None,
    region: Region = "US",
) -> None:
    """Write all that is stored about one person as JSON: lists, consent, decisions, calls, words, opt-outs.

    Example: campaign records export "+1 212 555 0142" --out person.json
    """
    phone = number_of(number, region)

    async def main(services: Services) -> dict[str, Any]:
        return await records.export(services.db, phone, actor=services.actor, now=services.clock.now())

    found = run(main)
    if to is None:
        print_json(found)
        return
    try:
        to.write_text(json.dumps(found, default=jsonable, ensure_ascii=False, indent=2) + "\n", "utf-8")
        to.chmod(0o600)
    except OSError as error:
        raise BadInput(f"{to} cannot be written: {error.strerror}.", "Choose another place.") from error
    out.print(f"All that is stored about {phone} is in {to}.")
