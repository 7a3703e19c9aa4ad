"""`campaign keys`: who may use the API."""

from typing import Annotated

import typer
from rich.table import Table

from campaign.cli.common import err, moment, out, print_json, run
from campaign.store import accounts
from campaign.store.accounts import KEY_MARK, ApiKey, Role
from campaign.wiring import Services, token

app = typer.Typer(
    help="Keys for the HTTP API. A key is shown once, when it is made; we keep only its SHA-256.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_ROLES = (
    "admin: everything. operator: campaigns, lists, do-not-call, results. "
    "uploader: contact lists and do-not-call. analyst: reads results."
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is or what for, e.g. crm-sync.")],
    role: Annotated[Role, typer.Option(help=_ROLES)],
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once.

    Example: campaign keys create crm-sync --role uploader
    """

    async def main(services: Services) -> tuple[ApiKey, str]:
        secret = KEY_MARK + token()
        async with services.db.transaction() as tx:
            key = await accounts.create_key(
                tx, name=name, role=role, secret=secret, actor=services.actor, now=services.clock.now()
            )
        return key, secret

    key, secret = run(main)
    if as_json:
        print_json({**_shown(key), "key": secret})
        return
    err.print(f"Key {key.name!r} with the role {key.role}. It is not shown again:")
    out.print(secret)
    err.print(f"Send it as: Authorization: Bearer {key.prefix}…")


@app.command("list")
def list_(
    revoked: Annotated[bool, typer.Option("--all", help="Also keys that were revoked.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys in force."""

    async def main(services: Services) -> list[ApiKey]:
        async with services.db.connection() as tx:
            return await accounts.list_keys(tx, revoked=revoked)

    keys = run(main)
    if as_json:
        print_json([_shown(key) for key in keys])
        return
    if not keys:
        out.print("No key is in force. Make one: campaign keys create NAME --role admin")
        return
    table = Table("id", "name", "role", "key", "made by", "last used", "")
    for key in keys:
        used = moment(key.last_used_at) if key.last_used_at else "never"
        gone = "revoked" if key.revoked_at else ""
        table.add_row(str(key.id), key.name, key.role, f"{key.prefix}…", key.created_by, used, gone)
    out.print(table)


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(help="The key's name, id or first characters (cc_…).")],
    as_json: AsJson = False,
) -> None:
    """Take a key out of force, from the very next request on."""

    async def main(services: Services) -> ApiKey:
        async with services.db.transaction() as tx:
            return await accounts.revoke_key(tx, which, actor=services.actor, now=services.clock.now())

    key = run(main)
    if as_json:
        print_json(_shown(key))
        return
    out.print(f"Key {key.name!r} ({key.prefix}…) is revoked.")


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "prefix": key.prefix,
        "created_by": key.created_by,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
