"""`campaign db`: the schema of the database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from campaign.cli.common import fail, out, settings_or_exit
from campaign.domain.errors import CampaignError, SchemaMismatch
from campaign.store import migrate
from campaign.store.database import Database
from campaign.store.embedded import attach
from campaign.wiring import data_dir_of

app = typer.Typer(
    help="The database's schema: where it stands, and how to bring it up to date.", no_args_is_help=True
)


@contextmanager
def _url() -> Iterator[str]:
    """The database's address; the embedded server runs while this is open."""
    settings = settings_or_exit()
    try:
        if settings.database_url is not None:
            yield settings.database_url.get_secret_value()
            return
        with attach(data_dir_of(settings)) as attachment:
            yield attachment.url
    except CampaignError as error:
        fail(error)


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="The revision to reach; head is the newest.")] = "head",
) -> None:
    """Bring the schema up to date. Safe to run again; run it before starting new code."""
    with _url() as url:
        before = migrate.current(url)
        migrate.upgrade(url, revision)
        out.print(f"The schema was at {before or 'nothing'}, and is at {migrate.current(url)}.")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="The revision to go back to, e.g. 0001; base for nothing.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Don't ask. Tables that go take their rows along.")
    ] = False,
) -> None:
    """Take the schema back to an earlier revision. Data in tables and columns that go is lost."""
    if not yes:
        typer.confirm(f"Go back to {revision}? What later revisions hold is lost.", abort=True)
    with _url() as url:
        migrate.downgrade(url, revision)
        out.print(f"The schema is at {migrate.current(url) or 'nothing'}.")


@app.command()
def status() -> None:
    """Show where the schema stands and what this code needs."""
    with _url() as url:
        at, needed = migrate.current(url), migrate.head()
        out.print(f"The schema is at {at or 'nothing'}; this code needs {needed}.")
        if at == needed:
            return
        if (fault := asyncio.run(_mismatch(url))) is not None:
            out.print(fault.do)
            raise typer.Exit(4)
        out.print("It is newer, and this code may work on it until it is replaced.")


async def _mismatch(url: str) -> SchemaMismatch | None:
    db = Database(url, pool_size=1)
    try:
        return await migrate.mismatch(db)
    finally:
        await db.close()
