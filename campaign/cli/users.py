"""`campaign users`: who may sign in to the console."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.table import Table

from campaign.cli.common import err, moment, out, print_json, run
from campaign.domain.sign_in import email_of
from campaign.flow import sign_in as flow
from campaign.store import users
from campaign.store.accounts import Role
from campaign.store.database import Tx
from campaign.store.users import User
from campaign.wiring import Services, token

app = typer.Typer(
    help="Who may sign in to the console. Passwords are chosen in the browser, by a link that works once.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Email = Annotated[str, typer.Argument(help="The user's e-mail address.")]
_ROLES = (
    "admin: everything. operator: campaigns, lists, do-not-call, results. "
    "uploader: contact lists and do-not-call. analyst: reads results."
)


@app.command()
def add(
    email: Annotated[str, typer.Argument(help="The e-mail address that the person signs in with.")],
    role: Annotated[Role, typer.Option(help=_ROLES)],
    name: Annotated[str, typer.Option(help="The person's name; unset: the address.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add a user, and print the link by which the person chooses a password.

    The link works once, for three days. Give it to the person by a way that nobody else reads.

    Example: campaign users add ana@example.com --role operator --name "Ana Lima"
    """

    async def main(services: Services) -> tuple[User, str]:
        link = token()
        async with services.db.transaction() as tx:
            user = await flow.add(
                tx,
                email=email,
                name=name or email.partition("@")[0],
                role=role,
                link=link,
                actor=services.actor,
                now=services.clock.now(),
            )
        return user, welcome_address(services, link)

    user, address = run(main)
    if as_json:
        print_json({**_shown(user), "link": address})
        return
    err.print(f"{user.name} <{user.email}> is {user.role}. To choose a password, once, within three days:")
    out.print(address)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all users."""

    async def main(services: Services) -> list[User]:
        async with services.db.connection() as tx:
            return await users.listed(tx)

    found = run(main)
    if as_json:
        print_json([_shown(user) for user in found])
        return
    if not found:
        out.print("There is no user yet. Add one: campaign users add EMAIL --role admin")
        return
    table = Table("id", "e-mail", "name", "role", "added by", "last signed in", "")
    for user in found:
        state = "disabled" if user.disabled_at else "" if user.password_at else "no password yet"
        table.add_row(
            str(user.id), user.email, user.name, user.role, user.created_by, moment(user.signed_in_at), state
        )
    out.print(table)


@app.command()
def role(email: Email, to: Annotated[Role, typer.Argument(help=_ROLES)], as_json: AsJson = False) -> None:
    """Give a user another role, in force for the very next click.

    Example: campaign users role ana@example.com admin
    """
    _change(
        email,
        as_json,
        lambda tx, user, services: flow.set_role(
            tx, user, to, actor=services.actor, now=services.clock.now()
        ),
        lambda user: f"{user.email} is {user.role}.",
    )


@app.command()
def disable(
    email: Email,
    undo: Annotated[bool, typer.Option("--undo", help="Let the user in again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Shut a user out: signed out everywhere at once, and kept out until --undo."""
    change = flow.enable if undo else flow.disable
    _change(
        email,
        as_json,
        lambda tx, user, services: change(tx, user, actor=services.actor, now=services.clock.now()),
        lambda user: f"{user.email} {'can sign in again' if undo else 'is shut out'}.",
    )


@app.command()
def password(email: Email, as_json: AsJson = False) -> None:
    """Print a new link by which a user chooses a password; the old one works until then."""

    async def main(services: Services) -> tuple[User, str]:
        link = token()
        async with services.db.transaction() as tx:
            user = await users.find(tx, email_of(email))
            await flow.new_link(tx, user, link, actor=services.actor, now=services.clock.now())
        return user, welcome_address(services, link)

    user, address = run(main)
    if as_json:
        print_json({**_shown(user), "link": address})
        return
    err.print(f"For {user.name} <{user.email}>, once, within three days:")
    out.print(address)


@app.command()
def unlock(email: Email) -> None:
    """Let a user who failed to sign in too often try again at once."""

    async def main(services: Services) -> bool:
        async with services.db.transaction() as tx:
            user = await users.find(tx, email_of(email))
            return await flow.unlock(tx, user, actor=services.actor, now=services.clock.now())

    had = run(main)
    out.print(f"{email} may try again at once." if had else f"{email} was not locked out.")


def welcome_address(services: Services, link: str) -> str:
    """Where a one-time link leads: the console's address, or this machine's usual one."""
    base = next(iter(services.settings.console_urls), "http://127.0.0.1:8080")
    return f"{base}/console/welcome/{link}"


def _change(
    email: str,
    as_json: bool,
    change: Callable[[Tx, User, Services], Awaitable[User]],
    said: Callable[[User], str],
) -> None:
    async def main(services: Services) -> User:
        async with services.db.transaction() as tx:
            return await change(tx, await users.find(tx, email_of(email)), services)

    user = run(main)
    if as_json:
        print_json(_shown(user))
    else:
        out.print(said(user))


def _shown(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "created_by": user.created_by,
        "created_at": user.created_at,
        "signed_in_at": user.signed_in_at,
        "disabled_at": user.disabled_at,
    }
