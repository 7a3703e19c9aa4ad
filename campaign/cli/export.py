"""`campaign export`: results as files, whole or by time."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from campaign.cli.common import err, run
from campaign.domain.cells import when
from campaign.domain.errors import BadInput
from campaign.flow import exports
from campaign.flow.exports import Exported
from campaign.wiring import Services


class What(StrEnum):
    ATTEMPTS = "attempts"
    CONTACTS = "contacts"
    OUTCOMES = "outcomes"
    TURNS = "turns"
    ANSWERS = "answers"


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


def export(
    what: Annotated[
        What, typer.Option(help="Attempts and contacts with all columns; outcomes; what was said; answers.")
    ] = What.ATTEMPTS,
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="csv for sheets; parquet for notebooks, typed and small.")
    ] = Format.CSV,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write; csv goes to standard output without."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Rows from this day or instant (ISO, UTC if no offset) on.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Rows before this day or instant.")] = None,
    watermark: Annotated[
        Path | None,
        typer.Option(help="A file that keeps up to where was exported: begin there, and write it anew."),
    ] = None,
    campaign: Annotated[str | None, typer.Option(help="Only of this campaign, by name or #number.")] = None,
) -> None:
    """Write attempts, contacts, outcomes, turns or answers to a file.

    Attempts, turns and answers are taken by when the attempt was settled, outcomes by when they were
    recorded, contacts by when they last changed. Rows of the last two minutes are left for the next time,
    so that with --watermark no row is lost or doubled between two runs, whatever is written meanwhile.

    Cells that a spreadsheet would run as a formula get an apostrophe in front; phone numbers stay as they
    are.

    Example: campaign export --what outcomes --watermark outcomes.mark --out outcomes.csv
    """
    if format_ is Format.PARQUET:
        if out is None:
            raise BadInput("A Parquet file is no text for a terminal.", "Name a file with --out.")
        exports.arrow()  # told before anything is read
    if since is not None and watermark is not None:
        raise BadInput("--since and --watermark both say where to begin.", "Give one of them.")
    begin = exports.read_mark(watermark) if watermark is not None else _instant("--since", since)
    end = _instant("--until", until)
    part = out.with_name(out.name + ".part") if out is not None else None

    async def main(services: Services) -> Exported:
        into = exports.streamed(sys.stdout.buffer) if part is None else exports.opened(part, format_.value)
        return await exports.export(
            services.db,
            what.value,
            into,
            since=begin,
            until=end,
            campaign=campaign,
            actor=services.actor,
            now=services.clock.now(),
            rate=services.clock.rate,
        )

    try:
        done = run(main)
        if part is not None and out is not None:
            part.replace(out)
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    if watermark is not None:
        exports.write_mark(watermark, done.until)
    where = f" to {out}" if out is not None else ""
    err.print(f"{done.rows:,} {what.value}{where}, up to {done.until.astimezone(UTC).isoformat()}.")


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    found = when(text, None)
    if found is None:
        raise BadInput(
            f"{option} {text!r} is no day and no instant.", "Write 2026-11-24 or 2026-11-24T10:00:00-05:00."
        )
    return found
