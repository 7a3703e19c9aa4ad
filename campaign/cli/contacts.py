"""`campaign contacts`: lists of people to call, from CSV files or one by one."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from campaign.cli.common import count, err, moment, out, print_json, run
from campaign.domain.contact_sheet import CONSENT_LEVELS, ContactRow, contact_from
from campaign.domain.csv_reader import RowError
from campaign.domain.errors import BadInput, CampaignError
from campaign.domain.headers import FIELDS, NUMBER_FIELDS
from campaign.domain.phone import Rejected, parse
from campaign.flow import intake
from campaign.flow.enrol import enrol_contact
from campaign.flow.intake import Begun, Options
from campaign.flow.suppress import as_marked
from campaign.store import contacts, imports
from campaign.store.contacts import Contact
from campaign.store.imports import Import
from campaign.wiring import Services

app = typer.Typer(
    help="Contact lists: import a CSV, mend what it rejected, add and change single contacts.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Mapped = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=HEADER",
        help=f'A column that isn\'t recognised: --map phone="Mobile No". Fields: {", ".join(FIELDS)}.',
    ),
]
Region = Annotated[
    str | None,
    typer.Option(help="ISO country of numbers written without +. Default: the list's; US for a new list."),
]
Fields = Annotated[
    list[str],
    typer.Argument(
        metavar="FIELD=VALUE...", help='Named as a CSV\'s columns: phone="+1 212 555 0142" first_name=Ana'
    ),
]


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="A CSV as people export it: any usual encoding and delimiter.")
    ],
    list_name: Annotated[str, typer.Option("--list", help="The contact list; made if there is none.")],
    region: Region = None,
    mapped: Mapped = None,
    consent: Annotated[
        str | None,
        typer.Option(
            help="Consent that you vouch for, where a row says nothing itself: "
            f"{', '.join(CONSENT_LEVELS)}. Kept with your name."
        ),
    ] = None,
    consent_source: Annotated[
        str | None, typer.Option(help='How it was given: "web form, version 3".')
    ] = None,
    consent_date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="When it was given: 2026-03-31.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Read a file again that was imported before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import a CSV into a contact list.

    Rows that can't be used are kept with line and reason (campaign contacts rejected ID); they never cost the
    others. The same file again changes nothing. An interrupted import goes on when it is started again.

    Example: campaign contacts import people.csv --list autumn --map phone="Mobile No"
    """
    options = Options(
        region=region.upper() if region else None,
        mapping=pairs(mapped or []),
        consent=consent,
        consent_source=consent_source,
        consent_at=consent_date.replace(tzinfo=UTC) if consent_date else None,
    )

    async def main(services: Services) -> tuple[Begun, Import, list[RowError]]:
        chosen = options
        if region is None:
            chosen = Options(**{**asdict(options), "region": await _default_region(services, list_name)})
        begun = await intake.begin(
            services.db,
            services.clock,
            file,
            list_name,
            chosen,
            max_bytes=services.settings.max_upload_bytes,
            actor=services.actor,
            anew=again,
        )
        row = await read_with_progress(services, begun.id, quiet=as_json)
        return begun, row, await first_rejected(services, row)

    begun, row, examples = run(main)
    if as_json:
        print_json({"again": begun.again, "resumed": begun.resumed, **import_json(row)})
        return
    if begun.again:
        out.print(
            f"This file was imported into {escape(row.list_name)!r} before (import {row.id}): "
            "nothing has changed. To read it again: --again"
        )
        return
    tell(row, examples)


async def _default_region(services: Services, list_name: str) -> str:
    async with services.db.connection() as tx:
        found = {one.name: one.region for one in await contacts.lists(tx)}
    return found.get(list_name.strip()) or "US"


@app.command()
def resume(
    import_id: Annotated[int, typer.Argument(help="Number of an interrupted import.")],
    as_json: AsJson = False,
) -> None:
    """Take an interrupted import up again, where it stood."""

    async def main(services: Services) -> tuple[Import, list[RowError]]:
        await intake.resume(services.db, services.clock, import_id)
        row = await read_with_progress(services, import_id, quiet=as_json)
        return row, await first_rejected(services, row)

    row, examples = run(main)
    if as_json:
        print_json(import_json(row))
    else:
        tell(row, examples)


@app.command()
def discard(import_id: Annotated[int, typer.Argument(help="Number of an interrupted import.")]) -> None:
    """Throw away what an interrupted import has read."""

    async def main(services: Services) -> int:
        async with services.db.transaction() as tx:
            return await imports.discard(tx, import_id)

    out.print(f"Import {import_id} is discarded; {run(main):,} contacts of it are gone.")


@app.command("imports")
def imports_(
    list_name: Annotated[str | None, typer.Option("--list", help="Only of this contact list.")] = None,
    as_json: AsJson = False,
) -> None:
    """The latest imports, and how they went."""

    async def main(services: Services) -> list[Import]:
        async with services.db.connection() as tx:
            return await imports.listed(tx, kind="contacts", list_name=list_name)

    rows = run(main)
    if as_json:
        print_json([import_json(row) for row in rows])
        return
    table = Table("id", "list", "file", "state", "taken", "repeated", "known", "rejected", "started")
    for row in rows:
        numbers = (row.rows_taken, row.rows_repeated, row.rows_known, row.rows_rejected)
        texts = (str(row.id), escape(row.list_name), escape(row.file_name), row.state)
        table.add_row(*texts, *(f"{n:,}" for n in numbers), moment(row.started_at))
    out.print(table)


@app.command()
def rejected(
    import_id: Annotated[int, typer.Argument(help="Number of the import.")],
    to: Annotated[Path | None, typer.Option("--out", help="Write the CSV here.")] = None,
    as_json: AsJson = False,
) -> None:
    """The rows that an import rejected, as a CSV to be mended and imported again.

    Its last two columns, line and reason, are passed over when the mended file is imported.

    Example: campaign contacts rejected 12 --out mend.csv
    """

    async def as_csv(services: Services) -> None:
        async for line in intake.rejected_csv(services.db, import_id):
            out.file.write(line)

    async def into_file(services: Services) -> int:
        assert to is not None
        async with services.db.connection() as tx:
            await imports.get(tx, import_id)
        try:
            with to.open("w", encoding="utf-8", newline="") as file:
                file.write("\ufeff")  # so that spreadsheets read UTF-8
                rows = -1  # the header is none
                async for line in intake.rejected_csv(services.db, import_id):
                    file.write(line)
                    rows += 1
        except OSError as error:
            raise BadInput(f"{to} cannot be written: {error.strerror}.", "Choose another place.") from error
        return rows

    async def as_objects(services: Services) -> None:
        async with services.db.connection() as tx:
            await imports.get(tx, import_id)
        between = "[\n"
        async for row in imports.all_rejected(services.db, import_id):
            out.file.write(between + json.dumps(asdict(row), ensure_ascii=False))
            between = ",\n"
        out.file.write("[]\n" if between == "[\n" else "\n]\n")

    if to is not None and not as_json:
        out.print(f"{count(run(into_file), 'rejected row')} in {to}.")
    else:
        run(as_objects if as_json else as_csv)


@app.command()
def lists(as_json: AsJson = False) -> None:
    """All contact lists."""

    async def main(services: Services) -> list[contacts.ContactList]:
        async with services.db.connection() as tx:
            return await contacts.lists(tx)

    rows = run(main)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    if not rows:
        out.print("There is no contact list. Make one: campaign contacts import FILE --list NAME")
        return
    table = Table("id", "name", "contacts", "region", "columns for scripts", "made by")
    for row in rows:
        columns = escape(", ".join(row.columns[:MOST_COLUMNS]))
        if len(row.columns) > MOST_COLUMNS:
            columns += f" and {len(row.columns) - MOST_COLUMNS:,} more"
        table.add_row(
            str(row.id),
            escape(row.name),
            f"{row.contacts:,}",
            row.region or "",
            columns,
            escape(row.created_by),
        )
    out.print(table)


@app.command()
def add(
    fields: Fields,
    list_name: Annotated[str, typer.Option("--list", help="The contact list; made if there is none.")],
    as_json: AsJson = False,
) -> None:
    """Add one contact, checked as a row of a CSV is. Running campaigns of the list take it up.

    Example: campaign contacts add --list autumn phone="+1 212 555 0142" first_name=Ana state=NY
    """

    async def main(services: Services) -> Contact:
        now = services.clock.now()
        async with services.db.transaction() as tx:
            into = await contacts.ensure_list(tx, list_name, None, services.actor, now)
            row = contact_from(pairs(fields), region=into.region or "US", now=now)
            made = await contacts.add(tx, into.id, row, actor=services.actor, now=now)
            await contacts.add_columns(tx, into.id, list(row.variables))
            await as_marked(tx, row, source="cli", actor=services.actor, now=now)
            await enrol_contact(tx, made, now)
            return await contacts.get(tx, made)

    _show([run(main)], as_json=as_json)


@app.command()
def edit(
    contact_id: Annotated[int, typer.Argument(help="Number of the contact.")],
    fields: Fields,
    as_json: AsJson = False,
) -> None:
    """Change some fields of a contact; an empty value takes one away.

    Example: campaign contacts edit 12 state=FL zone=
    """

    async def main(services: Services) -> Contact:
        now = services.clock.now()
        async with services.db.transaction() as tx:
            before = await contacts.get(tx, contact_id)
            row = changed(before, pairs(fields), now)
            await contacts.replace(tx, contact_id, row, actor=services.actor, now=now)
            await contacts.add_columns(tx, before.list_id, list(row.variables))
            await as_marked(tx, row, source="cli", actor=services.actor, now=now)
            return await contacts.get(tx, contact_id)

    _show([run(main)], as_json=as_json)


@app.command()
def remove(contact_id: Annotated[int, typer.Argument(help="Number of the contact.")]) -> None:
    """Remove a contact. One that was ever called stays in the books and is only blocked."""

    async def main(services: Services) -> bool:
        async with services.db.transaction() as tx:
            return await contacts.remove(tx, contact_id, actor=services.actor, now=services.clock.now())

    if run(main):
        out.print(f"Contact {contact_id} is removed.")
    else:
        out.print(
            f"Contact {contact_id} has been called before: it is kept for the books, and not called again."
        )


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="A contact's number (12), or a telephone number (+1212…).")],
    as_json: AsJson = False,
) -> None:
    """Show a contact, or all contacts that have a telephone number."""

    async def main(services: Services) -> list[Contact]:
        async with services.db.connection() as tx:
            if which.isdigit() and len(which) < 7:
                return [await contacts.get(tx, int(which))]
            number = parse(which, "US")
            if isinstance(number, Rejected):
                raise BadInput(f"{which[:40]!r} is no telephone number: {number.why}.")
            return await contacts.with_number(tx, number.e164)

    _show(run(main), as_json=as_json)


def changed(before: Contact, changes: dict[str, str], now: datetime) -> ContactRow:
    """A contact with some of its fields written anew, checked like a new one.

    Raises:
        BadInput: naming the field that can't be used.
    """
    fields = dict(zip(NUMBER_FIELDS, before.phones, strict=False))
    kept = {
        "zone": before.said_zone,
        "state": before.state,
        "postal_code": before.postal_code,
        "party": None if before.party == "unknown" else before.party,
        "consent": before.consent,
        "consent_at": before.consent_at.isoformat() if before.consent_at else None,
        "consent_source": before.consent_source,
        "external_id": before.external_id,
    }
    fields |= {name: value for name, value in kept.items() if value}
    fields |= dict(before.variables)
    return contact_from(fields | changes, region="US", now=now)


def pairs(words: Sequence[str]) -> dict[str, str]:
    """`name=value` words as a mapping; raises BadInput for a word without "="."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"{word!r} is not of the form NAME=VALUE.", 'Example: phone="Mobile No"')
        found[name.strip()] = value.strip()
    return found


async def read_with_progress(services: Services, import_id: int, *, quiet: bool) -> Import:
    """Read a begun import to its end, with a bar on standard error."""
    async with services.db.connection() as tx:
        row = await imports.get(tx, import_id)
    with _bar(row, quiet=quiet or row.state != "running") as watch:
        try:
            return await intake.run(services.db, services.clock, import_id, watch=watch)
        except asyncio.CancelledError:
            err.print(f"Interrupted. Go on with: campaign contacts resume {import_id}")
            raise
        except CampaignError as error:
            if error.slug == "database-unavailable":
                err.print(f"When the database is back: campaign contacts resume {import_id}")
            raise


@contextmanager
def _bar(row: Import, *, quiet: bool) -> Any:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task(
            escape(row.file_name), total=row.file_bytes, completed=row.byte_offset, rate=""
        )

        def watch(now_at: Import) -> None:
            took = progress.tasks[0].elapsed or 0
            rows = now_at.rows_read - row.rows_read
            rate = f"{rows / took:,.0f} rows/s" if took else ""
            progress.update(task, completed=now_at.byte_offset, rate=rate)

        yield watch


def import_json(row: Import) -> dict[str, Any]:
    """An import for programs: the digest as text, and how fast it went."""
    return {
        **asdict(row),
        "file_sha256": row.file_sha256.hex() if row.file_sha256 else None,
        "rows_per_second": row.rows_per_second,
        "seconds_left": row.seconds_left,
    }


MOST_COLUMNS = 30
"""So many of a list's columns are shown by name; --json has all of them."""
EXAMPLES = 3
"""How many rejected rows are shown with their reasons."""


async def first_rejected(services: Services, row: Import) -> list[RowError]:
    """The first rejected rows of an import."""
    if not row.rows_rejected:
        return []
    async with services.db.connection() as tx:
        return await imports.rejected(tx, row.id, most=EXAMPLES)


def tell(row: Import, examples: Sequence[RowError]) -> None:
    """How an import went, for people."""
    if not row.rows_read:
        out.print(f"{escape(row.file_name)} holds a header and no rows; nothing was taken.")
        return
    what = count(row.rows_taken, "contact" if row.kind == "contacts" else "number")
    out.print(
        f"Import {row.id} of {escape(row.file_name)}: {what} taken "
        f"into {escape(row.list_name)!r} of {count(row.rows_read, 'row')}."
    )
    for rows, why in (
        (row.rows_repeated, "repeated in the file"),
        (row.rows_known, "on the list already"),
        (row.rows_on_dnc, "of those taken stand on a do-not-call list and won't be called"),
    ):
        if rows:
            out.print(f"  {rows:>9,}  {why}")
    for code, rows in sorted(row.rejected_why.items(), key=lambda item: -item[1]):
        out.print(f"  {rows:>9,}  rejected: {code.replace('_', ' ')}")
    for one in examples:
        where = f"line {one.line}, {one.column}" if one.column else f"line {one.line}"
        out.print(f"             {escape(where)}: {escape(one.why)}")
    if row.rows_rejected > len(examples):
        out.print("             …")
    if row.rows_rejected:
        out.print(f"Mend and import them again: campaign contacts rejected {row.id} --out mend.csv")


def _show(found: Sequence[Contact], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        out.print("No contact has this number.")
    for one in found:
        table = Table("field", "value", title=f"contact {one.id} of {escape(one.list_name)}")
        for name, value in asdict(one).items():
            if name in ("id", "list_id", "list_name") or value in (None, "", [], {}):
                continue
            for key, text in value.items() if isinstance(value, dict) else ((name, value),):
                table.add_row(escape(_LABELS.get(key, key)), escape(_cell(key, text)))
        out.print(table)


_LABELS = {"import_id": "import", "said_zone": "zone", "place": "may be in"}
"""Fields whose names in the tables aren't those that people use."""


def _cell(field: str, value: object) -> str:
    if isinstance(value, datetime):
        return moment(value)
    if field == "place":  # countries|regions|zones, each separated by spaces or commas
        return "; ".join(part for part in str(value).split("|") if part)
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)
