"""`campaign db`: the schema of the database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from campaign.cli.common import err, fail, out, print_json, run, settings_or_exit
from campaign.domain.errors import CampaignError, SchemaMismatch
from campaign.flow import rollups
from campaign.store import migrate, roles
from campaign.store.accounts import audit
from campaign.store.database import Database
from campaign.store.embedded import attach
from campaign.wiring import Services, data_dir_of, token

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


@app.command("analyst-role")
def analyst_role(
    name: Annotated[str, typer.Option(help="Of the role, for the tool that will use it.")] = "analyst",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Make a login that reads the schema "analytics" and nothing else, and print its password, this once.

    For BI tools and notebooks. A statement of it ends after a minute, and it can change nothing. Run again
    with the same name, it gets a new password.

    Example: campaign db analyst-role --name metabase
    """
    password = token()

    async def main(services: Services) -> tuple[bool, str]:
        async with services.db.transaction() as tx:
            new = await roles.analyst(tx, name, password)
            await audit(tx, services.actor, "db.analyst_role", f"role:{name}", services.clock.now(), {})
        return new, services.db.url

    new, url = run(main)
    if as_json:
        print_json({"role": name, "password": password, "new": new})
        return
    err.print(f"Role {name} {'made' if new else 'has a new password'}. It is not shown again:")
    out.print(password)
    err.print(f"It logs in to {url}, as user {name}.")


@app.command("rebuild-rollups")
def rebuild_rollups(
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether they differ from the attempts.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Make the roll-ups that reports read anew from all attempts.

    The service keeps them current and compares them every night, so this is for doubt. It may take minutes
    over millions of attempts; reports answer meanwhile, and calls go on. Attempts that retention has removed
    stay counted. With --check it ends with 3 when they differ.
    """

    async def main(services: Services) -> dict[str, int] | int:
        now = services.clock.now()
        if check:
            return await rollups.check(services.db, now)
        made = await rollups.rebuild(services.db, now)
        async with services.db.transaction() as tx:
            await audit(tx, services.actor, "db.rebuild_rollups", "reports", now, {"attempts": made})
        return made

    found = run(main)
    if as_json:
        print_json({"differ": found} if check else {"attempts": found})
    elif not check:
        out.print(f"The roll-ups count {found:,} attempts now.")
    elif found:
        assert isinstance(found, dict)
        told = ", ".join(f"{rows:,} rows of {table}" for table, rows in found.items())
        out.print(f"They differ: {told}. Make them anew: campaign db rebuild-rollups")
    else:
        out.print("They agree with the attempts.")
    if check and found:
        raise typer.Exit(3)


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
