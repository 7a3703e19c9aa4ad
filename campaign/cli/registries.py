"""`campaign dnc registry`: copies of public and bought lists of numbers that must not be called."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from campaign.cli.common import count, err, out, print_json, run
from campaign.cli.contacts import AsJson, Mapped, pairs
from campaign.domain.errors import BadInput
from campaign.flow import registries
from campaign.flow.intake import csv_line
from campaign.flow.registries import Order, Progress, Watcher
from campaign.flow.registry_standing import Standing, standings
from campaign.store import registries as store
from campaign.store.registries import Version
from campaign.wiring import Services

app = typer.Typer(
    help="Registries: national, state and litigator lists, each in versions with a date and an expiry.",
    no_args_is_help=True,
)

Files = Annotated[list[Path], typer.Argument(help="Text or CSV files, or zip archives of them.")]
Name = Annotated[
    str, typer.Option(help="The registry, as the rule packs name it: us-national-dnc. Any name for others.")
]
AsOf = Annotated[
    datetime,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Date of the copy (UTC): the day it was made."),
]
Region = Annotated[str, typer.Option(help="ISO country of numbers written without +.")]
AcceptRejected = Annotated[
    bool, typer.Option("--accept-rejected", help="Put it in force though many rows can't be read.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Put it in force though it looks cut short, or is older than the copy in force."
    ),
]


@app.command()
def load(
    files: Files,
    name: Name,
    as_of: AsOf,
    everything: Annotated[
        bool, typer.Option("--all", help="The files are the whole registry: they cover every number.")
    ] = False,
    area_codes: Annotated[
        str | None, typer.Option(help="The files cover only these area codes: 212,646.")
    ] = None,
    area_codes_by_name: Annotated[
        bool, typer.Option("--area-codes-by-name", help="The files' names tell their area codes, one each.")
    ] = False,
    what: Annotated[
        Literal["national", "state", "litigator", "other"] | None,
        typer.Option(help="What it is. Without: national when a rule pack names it, else other."),
    ] = None,
    region: Region = "US",
    mapped: Mapped = None,
    accept_rejected: AcceptRejected = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Load a whole copy of a registry. It takes the place of the one in force at once, or not at all.

    Example: campaign dnc registry load 212.txt 646.txt --name us-national-dnc --as-of 2026-11-20
    --area-codes 212,646
    """
    if (everything, area_codes is not None, area_codes_by_name).count(True) != 1:
        raise BadInput(
            "Say which numbers the files cover: one that they don't cover has not been compared with the "
            "registry, and isn't called where the law demands that.",
            "Add --all for the whole registry, --area-codes 212,646 for these, or --area-codes-by-name when "
            "each file's name has its area code.",
        )
    chosen = None if area_codes is None else frozenset(c.strip() for c in area_codes.split(",") if c.strip())
    if chosen is not None and not chosen:
        raise BadInput("--area-codes names none.", "Write them with commas: 212,646")
    order = Order(
        name,
        as_of.replace(tzinfo=UTC),
        area_codes=chosen,
        by_names=area_codes_by_name,
        what=what,
        region=region.upper(),
        mapping=pairs(mapped or []),
        accept_rejected=accept_rejected,
        force=force,
    )

    async def main(services: Services) -> Version:
        with _bar(name, quiet=as_json) as watch:
            return await registries.load(
                services.db,
                services.clock,
                services.rulebook,
                files,
                order,
                actor=services.actor,
                watch=watch,
            )

    _tell(run(main), as_json=as_json)


@app.command()
def changes(
    files: Files,
    name: Name,
    as_of: AsOf,
    region: Region = "US",
    accept_rejected: AcceptRejected = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Apply a change list (numbers added and deleted since) to the copy in force: a new version of its date.

    Example: campaign dnc registry changes changes.txt --name us-national-dnc --as-of 2026-11-21
    """
    order = Order(
        name,
        as_of.replace(tzinfo=UTC),
        region=region.upper(),
        accept_rejected=accept_rejected,
        force=force,
    )

    async def main(services: Services) -> Version:
        with _bar(name, quiet=as_json) as watch:
            return await registries.apply_changes(
                services.db,
                services.clock,
                services.rulebook,
                files,
                order,
                actor=services.actor,
                watch=watch,
            )

    _tell(run(main), as_json=as_json)


@app.command("list")
def list_(
    every_version: Annotated[
        bool, typer.Option("--versions", help="All versions there ever were, for the record.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Registries that are loaded or that a rule demands: version, age, expiry, and who demands them.

    Example: campaign dnc registry list
    """

    async def main(services: Services) -> tuple[list[Standing], list[Version], datetime]:
        now = services.clock.now()
        async with services.db.connection() as tx:
            return await standings(tx, services.rulebook, now), await store.versions(tx), now

    found, versions, now = run(main)
    if as_json:
        shown: Any = (
            [asdict(one) for one in versions] if every_version else [one.as_dict(now) for one in found]
        )
        print_json(shown)
    elif every_version:
        out.print(_versions(versions))
    else:
        out.print(_standings(found, {v.name: v for v in versions if v.state == "active"}, now))


@app.command()
def rejected(
    name: Annotated[str, typer.Argument(help="The registry.")],
    version: Annotated[int | None, typer.Option(help="Its version; without, the newest.")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="Write them to this file.")] = None,
) -> None:
    """The rows of a registry's files that could not be read, as a CSV: file, line, reason, row.

    Example: campaign dnc registry rejected us-national-dnc --out rejected.csv
    """

    async def main(services: Services) -> tuple[Version, list[tuple[str, int, str, str]]]:
        async with services.db.connection() as tx:
            one = await store.version_named(tx, name, version)
            return one, await store.rejected(tx, one.id)

    one, rows = run(main)
    lines = [csv_line(["file", "line", "reason", "row"])]
    lines += [csv_line([file, str(line), why, raw]) for file, line, why, raw in rows]
    if out_file is None:
        typer.echo("".join(lines), nl=False)
    else:
        out_file.write_text("".join(lines), encoding="utf-8", newline="")
        out.print(f"{count(len(rows), 'row')} of version {one.number} written to {escape(str(out_file))}.")
    if one.rows_rejected > len(rows):
        err.print(f"{one.rows_rejected:,} rows were rejected; only the first {len(rows):,} are kept.")


def _standings(found: list[Standing], active: dict[str, Version], now: datetime) -> Table:
    table = Table()
    table.add_column("registry", no_wrap=True)
    for title in ("copy", "numbers", "age", "expires", "demanded by"):
        table.add_column(title)
    for one in found:
        copy, age, version = one.copy, one.age(now), active.get(one.name)
        wanted = ", ".join(
            f"{demand.rule_id} ({'the same day' if demand.same_day else f'{demand.max_age_days} days'})"
            for demand in one.demands
        )
        if copy is None or age is None:
            table.add_row(escape(one.name), "not loaded", "–", "–", "–", escape(wanted) or "–")
            continue
        areas = copy.area_codes
        numbers = f"{copy.numbers:,}" if copy.version else "–"
        old = one.expires_at is not None and now > one.expires_at
        expires = f"{one.expires_at:%Y-%m-%d}" if one.expires_at else "–"
        what = f", {version.what}" if version and version.what else ""
        table.add_row(
            escape(one.name),
            f"{f'version {copy.version} of ' if copy.version else ''}{copy.as_of:%Y-%m-%d}{what}",
            numbers if areas is None else f"{numbers} in {count(len(areas), 'area code')}",
            count(age.days, "day"),
            f"[bold red]expired {expires}[/]" if old else expires,
            escape(wanted) or "–",
        )
    return table


def _versions(versions: list[Version]) -> Table:
    table = Table()
    table.add_column("registry", no_wrap=True)
    for title in ("version", "state", "numbers", "files", "rejected", "loaded", "why not"):
        table.add_column(title)
    for one in versions:
        names = ", ".join(str(file["name"]) for file in one.files[:3]) + (" …" if len(one.files) > 3 else "")
        table.add_row(
            escape(one.name),
            f"{one.number} of {one.as_of:%Y-%m-%d}",
            one.state,
            f"{one.numbers:,}",
            escape(names),
            f"{one.rows_rejected:,}",
            f"{one.loaded_at:%Y-%m-%d %H:%M} by {escape(one.actor)}" if one.loaded_at else "–",
            escape(one.error or ""),
        )
    return table


def _tell(version: Version, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(version))
        return
    covers = "" if version.area_codes is None else f" in {count(len(version.area_codes), 'area code')}"
    out.print(
        f"{escape(version.name)} version {version.number} of {version.as_of:%Y-%m-%d} is in force: "
        f"{count(version.numbers, 'number')}{covers}, from {count(version.rows_read, 'row')}."
    )
    if version.rows_rejected:
        out.print(
            f"{count(version.rows_rejected, 'row')} could not be read: "
            f"campaign dnc registry rejected {escape(version.name)}"
        )


@contextmanager
def _bar(name: str, *, quiet: bool) -> Iterator[Watcher]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as bar:
        task = bar.add_task(escape(name), total=None, rate="")

        def watch(at: Progress) -> None:
            took = bar.tasks[0].elapsed or 0
            rate = f"{at.rows / took:,.0f} rows/s" if took and at.doing == "reading" else at.doing
            bar.update(task, total=at.total, completed=at.done, rate=rate)

        yield watch
