"""`campaign webhooks`: other systems that are told of outcomes and events."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from campaign.cli.common import err, moment, out, print_json, run
from campaign.domain.errors import Conflict
from campaign.domain.webhooks import Event
from campaign.flow import endpoints
from campaign.flow.deliveries import Result
from campaign.store import webhooks as store
from campaign.store.webhooks import Endpoint
from campaign.wiring import Services, webhook_secret

app = typer.Typer(
    help="Webhooks out: endpoints of other systems that learn of each outcome and event within seconds.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Id = Annotated[int, typer.Argument(help="The endpoint's number, as `campaign webhooks list` shows it.")]
_EVENTS = ", ".join(event.value for event in Event)


@app.command()
def add(
    url: Annotated[
        str, typer.Argument(help="Where to send to, such as https://crm.example.com/hooks/calls.")
    ],
    events: Annotated[
        list[str] | None,
        typer.Option("--event", "-e", help=f"Only of this; give it several times. There are: {_EVENTS}."),
    ] = None,
    full_numbers: Annotated[
        bool,
        typer.Option("--full-numbers", help="Send phone numbers whole, not masked."),
    ] = False,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add an endpoint and print the secret that its messages are signed with, this once.

    Example: campaign webhooks add https://crm.example.com/hooks/calls --event outcome.recorded
    """

    async def main(services: Services) -> tuple[Endpoint, str]:
        secret = webhook_secret()
        async with services.db.transaction() as tx:
            made = await endpoints.add(
                tx,
                url=url,
                secret=secret,
                events=events or [],
                numbers="full" if full_numbers else "masked",
                description=description,
                loopback=services.settings.twilio_is_loopback,
                actor=services.actor,
                now=services.clock.now(),
            )
        return made, secret

    made, secret = run(main)
    if as_json:
        print_json({**endpoints.shown(made), "secret": secret})
        return
    err.print(f"Endpoint {made.id} is told of {', '.join(made.events) or 'every event'}.")
    err.print("Its secret, shown once:")
    out.print(secret)
    err.print(f"Try it: campaign webhooks test {made.id}")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the endpoints, and whether they take what they are sent."""

    async def main(services: Services) -> list[Endpoint]:
        async with services.db.connection() as tx:
            return await store.listed(tx)

    found = run(main)
    if as_json:
        print_json([endpoints.shown(one) for one in found])
        return
    if not found:
        out.print("There is no endpoint. Add one: campaign webhooks add URL")
        return
    table = Table("id", "address", "events", "numbers", "state", "last taken", "failing since")
    for one in found:
        state = f"{one.state}: {one.state_why}" if one.state_why else one.state
        table.add_row(
            str(one.id),
            one.url,
            ", ".join(one.events) or "all",
            one.numbers,
            state,
            moment(one.delivered_at),
            moment(one.failing_since),
        )
    out.print(table)


@app.command("test")
def send_test(which: Id, as_json: AsJson = False) -> None:
    """Send a test message now, and tell what the endpoint answered. Ends with 3 when it was not taken."""

    async def main(services: Services) -> Result | None:
        async with services.db.transaction() as tx:
            delivery = await endpoints.test(tx, which, actor=services.actor, now=services.clock.now())
        return await services.deliveries().send_now(delivery)

    result = run(main)
    if result is None:
        raise Conflict(
            f"Endpoint {which} is switched off, or the service has just sent the message itself.",
            f"See: campaign webhooks deliveries {which}",
        )
    if as_json:
        print_json({"status": result.status, "error": result.error or None})
    elif not result.error:
        out.print(f"Taken: HTTP {result.status}.")
    else:
        err.print(f"Not taken: {result.error}")
    if result.error:
        raise typer.Exit(3)


@app.command()
def deliveries(
    which: Id,
    state: Annotated[str | None, typer.Option(help="Only waiting, delivered or dead ones.")] = None,
    limit: Annotated[int, typer.Option(help="Most to show, the newest first.", min=1, max=500)] = 20,
    as_json: AsJson = False,
) -> None:
    """What was sent to an endpoint, what waits, and what was given up."""

    async def main(services: Services) -> list[dict[str, Any]]:
        async with services.db.connection() as tx:
            await store.get(tx, which)
            return await store.deliveries(tx, endpoint_id=which, state=state, before=None, limit=limit)

    found = run(main)
    if as_json:
        print_json(found)
        return
    table = Table("id", "type", "attempt", "written", "state", "tries", "next", "answer")
    for one in found:
        table.add_row(
            *(str(one[name] if one[name] is not None else "–") for name in ("id", "type", "attempt_id")),
            moment(one["created_at"]),
            str(one["state"]),
            str(one["tries"]),
            moment(one["next_at"]),
            str(one["error"] or one["status"] or "–"),
        )
    out.print(table)


@app.command()
def replay(
    which: Id,
    delivery: Annotated[
        int | None, typer.Option(help="This delivery, whatever became of it; else all that were given up.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send again what was given up, with the message ids that it had."""

    async def main(services: Services) -> int:
        async with services.db.transaction() as tx:
            return await store.replay(
                tx, which, actor=services.actor, now=services.clock.now(), delivery_id=delivery
            )

    again = run(main)
    if as_json:
        print_json({"deliveries": again})
    else:
        out.print(f"{again:,} deliveries are sent again within seconds, while the service runs.")


@app.command()
def rotate(which: Id, as_json: AsJson = False) -> None:
    """Give an endpoint a new secret, printed this once; for a day both sign, so that nothing is refused."""

    async def main(services: Services) -> tuple[str, datetime]:
        secret = webhook_secret()
        async with services.db.transaction() as tx:
            until = await store.rotate(tx, which, secret, actor=services.actor, now=services.clock.now())
        return secret, until

    secret, until = run(main)
    if as_json:
        print_json({"secret": secret, "old_signs_until": until})
        return
    err.print(f"The old secret signs beside it until {moment(until)}.")
    out.print(secret)


@app.command()
def enable(which: Id) -> None:
    """Switch an endpoint on again that was switched off because it took nothing."""

    async def main(services: Services) -> None:
        async with services.db.transaction() as tx:
            await store.enable(tx, which, actor=services.actor, now=services.clock.now())

    run(main)
    out.print(f"Endpoint {which} is on. What was given up: campaign webhooks replay {which}")


@app.command()
def remove(which: Id) -> None:
    """Tell an endpoint nothing more, from now on; its secret is forgotten."""

    async def main(services: Services) -> None:
        async with services.db.transaction() as tx:
            await store.remove(tx, which, actor=services.actor, now=services.clock.now())

    run(main)
    out.print(f"Endpoint {which} is removed.")
