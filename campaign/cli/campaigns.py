"""The commands for campaigns; those that only look at them are in status.py."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from campaign.cli.common import count, end_marked_calls, err, fail, out, print_json, run
from campaign.cli.preview import before_start
from campaign.domain.campaign import CampaignDefinition, from_json, parse_toml, stored, to_toml
from campaign.domain.errors import BadDefinition, BadInput, CampaignError
from campaign.domain.toml_lines import Path as KeyPath
from campaign.domain.toml_lines import lines_of
from campaign.flow import enrol, hindrances, lifecycle
from campaign.flow.lifecycle import Change
from campaign.store import campaigns
from campaign.store.campaigns import CampaignRow
from campaign.wiring import Services

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
File = Annotated[Path, typer.Argument(help="The definition: TOML, or JSON when it ends in .json.")]
Name = Annotated[str, typer.Argument(help="The campaign's name, or #12 for its number.")]
Why = Annotated[str, typer.Option("--why", help="A sentence for the campaign's log.")]


# ── definitions ────────────────────────────────────────────────────────────────────────────────────────


def read_definition(path: Path) -> tuple[CampaignDefinition, dict[KeyPath, int]]:
    """A definition from a file, and the lines of its keys (none for JSON).

    Raises:
        BadInput: the file cannot be read.
        BadDefinition: with every fault.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror}.",
            "Name a TOML file; docs/samples/campaign.toml shows one.",
        ) from None
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path} is no UTF-8 text (byte {error.start}).", "Save it as UTF-8 and try again."
        ) from None
    if path.suffix.lower() != ".json":
        return parse_toml(text, path.name), lines_of(text)
    try:
        return from_json(json.loads(text), path.name), {}
    except json.JSONDecodeError as error:
        raise BadInput(f"{path.name} is not valid JSON: line {error.lineno}: {error.msg}.") from None


def _read_or_exit(path: Path) -> tuple[CampaignDefinition, dict[KeyPath, int]]:
    try:
        return read_definition(path)
    except CampaignError as error:
        fail(error)


def create(
    file: File,
    start_: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save a campaign from a file as a draft and enrol the contacts of its lists.

    Nothing is dialled before `campaign start`. The lists must exist (campaign contacts import), and the
    script's variables must be columns of every list.

    Example: campaign create docs/samples/campaign.toml
    """
    definition, lines = _read_or_exit(file)

    async def main(services: Services) -> tuple[CampaignRow, int, Change | None]:
        actor, now = services.actor, services.clock.now
        row = await lifecycle.create(
            services.db, definition, actor=actor, now=now(), lines=lines, rulebook=services.rulebook
        )
        enrolled = await enrol.catch_up(services.db, services.rulebook, row.id, now())
        change = None
        if start_:
            change = await lifecycle.start(services.db, row.name, actor=actor, now=now())
            change = await _with_heartbeat(services, change)
        async with services.db.connection() as tx:
            return await campaigns.find(tx, f"#{row.id}"), enrolled, change

    row, enrolled, change = run(main)
    if as_json:
        print_json({**asdict(row), "contacts": enrolled})
        return
    out.print(f'Campaign "{escape(row.name)}" is made (#{row.id}), with {count(enrolled, "contact")}.')
    if change is not None:
        _tell(change)
    else:
        err.print(f'Next: campaign start "{escape(row.name)}"')


def validate(
    file: File,
    offline: Annotated[
        bool, typer.Option("--offline", help="Don't look at the database's lists and their columns.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a definition and say everything that is wrong with it, line by line. Saves nothing.

    Example: campaign validate docs/samples/campaign.toml
    """
    try:
        definition, lines = read_definition(file)
        if not offline:

            async def main(services: Services) -> None:
                async with services.db.connection() as tx:
                    law = (services.rulebook, services.clock.now().date())
                    faults = await lifecycle.faults_against(tx, definition, lines, law)
                if faults:
                    told.append(BadDefinition(file.name, faults))

            told: list[BadDefinition] = []
            run(main)
            if told:
                raise told[0]
    except CampaignError as error:
        if as_json:
            print_json({"valid": False, "error": error.what, "faults": error.data.get("faults", [])})
            raise typer.Exit(error.exit_code) from None
        fail(error)
    if as_json:
        print_json({"valid": True, "name": definition.name, "faults": []})
    else:
        out.print(f'{escape(file.name)}: campaign "{escape(definition.name)}" is valid.')


def edit(name: Name, file: File, as_json: AsJson = False) -> None:
    """Put a new version of a draft or paused campaign's definition in force.

    Pace, lines, hours, budget, retries and script may change; name, and once it was started purpose, seller
    and lists, must stay (lists may be added). Earlier calls keep the version they were made under.

    Example: campaign pause "Solar" && campaign edit "Solar" solar.toml && campaign resume "Solar"
    """
    definition, lines = _read_or_exit(file)

    async def main(services: Services) -> CampaignRow:
        now = services.clock.now()
        row = await lifecycle.edit(
            services.db,
            services.rulebook,
            name,
            definition,
            actor=services.actor,
            now=now,
            lines=lines,
        )
        await enrol.catch_up(services.db, services.rulebook, row.id, now)
        return row

    row = run(main)
    if as_json:
        print_json(asdict(row))
    else:
        out.print(f'Campaign "{escape(row.name)}" is at version {row.version} ({row.state}).')


def show(
    name: Name,
    version: Annotated[int | None, typer.Option(help="An earlier version; none: the one in force.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a campaign's definition as TOML, every default written out, ready to be edited.

    Example: campaign show "Solar spring check-in" > solar.toml
    """

    async def main(services: Services) -> dict[str, Any]:
        async with services.db.connection() as tx:
            return await campaigns.definition(tx, (await campaigns.find(tx, name)).id, version)

    found = run(main)
    if as_json:
        print_json(found)
    else:
        out.print(to_toml(stored(found)), markup=False, end="")


# ── actions ────────────────────────────────────────────────────────────────────────────────────────────


def start(name: Name, as_json: AsJson = False) -> None:
    """Start a campaign: its due contacts are dialled from now on, within hours, pace and all rules.

    One with a later schedule.start is scheduled and begins by itself. Dialling is done by `campaign serve`.
    Who will be called and who not is told first; for large campaigns see: campaign preview

    Example: campaign start "Solar spring check-in"
    """

    async def main(services: Services) -> tuple[str, Change]:
        said = "" if as_json else await before_start(services, name)
        change = await lifecycle.start(
            services.db,
            name,
            actor=services.actor,
            now=services.clock.now(),
            rulebook=services.rulebook,
        )
        return said, await _with_heartbeat(services, change)

    said, change = run(main)
    if as_json:
        print_json(lifecycle.as_json(change))
        return
    _tell(change)
    if said and change.changed:
        out.print(escape(said))


def pause(name: Name, why: Why = "", as_json: AsJson = False) -> None:
    """Dial nobody in this campaign from the next call on; conversations in progress go on.

    Calls that nobody has answered yet are cancelled.

    Example: campaign pause "Solar spring check-in" --why "wrong price in the script"
    """
    _act(lambda s: lifecycle.pause(s.db, name, actor=s.actor, now=s.clock.now(), why=why), as_json)


def resume(name: Name, as_json: AsJson = False) -> None:
    """Go on with a paused campaign.

    Example: campaign resume "Solar spring check-in"
    """
    _act(
        lambda s: lifecycle.resume(s.db, name, actor=s.actor, now=s.clock.now(), rulebook=s.rulebook),
        as_json,
        heartbeat=True,
    )


def stop(
    name: Annotated[str | None, typer.Argument(help="The campaign to end for good.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Dial nobody in any campaign until --lift.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Hang up on calls in progress too.")] = False,
    lift: Annotated[bool, typer.Option("--lift", help="Let dialling go on after --all.")] = False,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """End a campaign for good, or halt all dialling at once.

    Conversations in progress go on to their end, unless --now is given. A campaign that should go on later
    is paused, not stopped.

    Examples: campaign stop "Solar" · campaign stop --all --why complaint · campaign stop --lift
    """
    if [name is not None, all_, lift].count(True) != 1 or (lift and now):
        fail(BadInput("Name one campaign, or give --all, or give --lift.", "See: campaign stop --help"))
    if name is not None:
        _act(
            lambda s: lifecycle.stop(s.db, name, actor=s.actor, now=s.clock.now(), at_once=now, why=why),
            as_json,
        )
        return

    async def main(services: Services) -> tuple[bool, int]:
        at = services.clock.now()
        if lift:
            return await lifecycle.lift(services.db, actor=services.actor, now=at), 0
        changed, sids = await lifecycle.stop_all(
            services.db, actor=services.actor, now=at, at_once=now, why=why
        )
        await end_marked_calls(services)
        return changed, len(sids)

    changed, cancelled = run(main)
    if as_json:
        print_json({"dialling_stopped": not lift, "changed": changed, "calls_cancelled": cancelled})
    elif lift:
        out.print("Dialling goes on." if changed else "Dialling was not stopped.")
    else:
        out.print("All dialling is stopped." if changed else "All dialling was stopped already.")
        if cancelled:
            out.print(f"Cancelling {count(cancelled, 'call')}.")
        err.print("To go on: campaign stop --lift")


def redial(
    name: Name,
    disposition: Annotated[
        list[str], typer.Option("--disposition", "-d", help="Last outcome, e.g. no_answer; repeat for more.")
    ],
    attempts: Annotated[int, typer.Option(help="Further attempts for each of them.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Call contacts again whose last call ended in a certain way.

    They get exactly --attempts further tries. Do-not-call, hours and all other rules hold as ever. A
    completed campaign is paused by this: look at it, then resume it.

    Example: campaign redial "Solar" -d no_answer -d busy --attempts 2
    """
    _act(
        lambda s: lifecycle.redial(s.db, name, disposition, attempts, actor=s.actor, now=s.clock.now()),
        as_json,
    )


async def _with_heartbeat(services: Services, change: Change) -> Change:
    async with services.db.connection() as tx:
        now, rate = services.clock.now(), services.clock.rate
        silent = await hindrances.no_dialler(tx, now, rate) or await hindrances.no_answerer(tx, now, rate)
    return lifecycle.warned(change, silent) if silent else change


def _act(action: Callable[[Services], Awaitable[Change]], as_json: bool, *, heartbeat: bool = False) -> None:
    async def main(services: Services) -> Change:
        change = await action(services)
        if change.cancelled:
            await end_marked_calls(services)
        return await _with_heartbeat(services, change) if heartbeat else change

    change = run(main)
    if as_json:
        print_json(lifecycle.as_json(change))
    else:
        _tell(change)


def _tell(change: Change) -> None:
    already = "" if change.changed else " already"
    out.print(f'Campaign "{escape(change.name)}" is {change.state}{already}.')
    if change.cancelled:
        out.print(f"Cancelling {count(len(change.cancelled), 'call')}.")
    for disposition, contacts in change.contacts.items():
        out.print(f"To be called again after {disposition}: {count(contacts, 'contact')}.")
    for warning in change.warnings:
        err.print(f"[yellow]Warning:[/] {escape(warning)}")
