"""`campaign talk`: hold a script's conversation in the terminal, without a phone."""

import asyncio
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from campaign.cli.common import err, fail, out, print_json, quiet_logs, settings_or_exit
from campaign.domain import phone
from campaign.domain.campaign import CampaignDefinition, from_json, parse_toml, template_faults, to_json
from campaign.domain.contact_sheet import ContactRow, RowParser, map_columns
from campaign.domain.csv_reader import RowReader, sniff
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.errors import BadDefinition, BadInput, CampaignError
from campaign.domain.phone import PhoneNumber
from campaign.domain.place import locate
from campaign.domain.script import SCRIPTED, chain
from campaign.domain.wrap_up import by_rule
from campaign.flow.answers import with_own
from campaign.flow.rehearsal import HELP, HungUp, Line, Move, Person, Reader, Sheet, move, rehearse
from campaign.settings import parse_instant
from campaign.wiring import Agents, ServiceClock

LONGEST_FILE: Final = 50_000_000
_WHO: Final = {"agent": "agent", "person": "you", "key": "keys", "tool": "tool", "note": ""}
_STYLE: Final = {"agent": "bold cyan", "person": "green", "key": "green", "tool": "dim", "note": "yellow"}


def talk(
    script: Annotated[Path, typer.Argument(help="A campaign's TOML file; its script and seller are used.")],
    profile: Annotated[
        str | None,
        typer.Option(help='Model profiles instead of the script\'s, by comma; "scripted" needs no model.'),
    ] = None,
    contact: Annotated[
        list[str] | None, typer.Option(help="A variable: first_name=Ana. May be given several times.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="A contact list, for the variables.")] = None,
    row: Annotated[int, typer.Option(min=1, help="Which contact of the list, from 1.")] = 1,
    language: Annotated[
        str | None, typer.Option(help="Another language than the script's, e.g. es-MX.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="When the call is answered; none: now.", metavar="2026-11-24T10:00:00-05:00"),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="A text file of what the person does, a line each; # begins a remark."),
    ] = None,
    expect: Annotated[
        Path | None,
        typer.Option(help="A text file that the dialogue must equal; else the difference is shown (exit 1)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON at the end.")] = False,
) -> None:
    """Rehearse a script: the same conversation as on the phone, as text. Nobody is called, nothing is stored.

    You are the person who is called: type what you would say. What begins with a slash is done instead:
    /9 or /12# presses keys, /interrupt WORDS breaks into what is being said, /silence says nothing,
    /machine says that a machine answered, /hangup hangs up. At the end stand the outcome, the answers and
    the summary.

    With --replay FILE the person's lines come from a file, so that a script can be tested after each change;
    --expect FILE compares the dialogue with one that was right.

    Example: campaign talk docs/samples/campaign.toml --contact first_name=Ana
    """
    settings = settings_or_exit()
    quiet_logs(settings)
    try:
        definition = _definition(script, profile, language)
        found = _contact(csv, row, definition) if csv is not None else None
        variables = {**(found.variables if found else {}), **_pairs(contact or [])}
        _check_variables(definition, variables, known=csv is not None)
        started = parse_instant(at) if at is not None else None
        person: Person = Reader(_text(replay)) if replay is not None else _Terminal()
        models = [name for name in chain(definition.script) if name != SCRIPTED]
        for name in models:
            if name not in settings.profiles:
                raise BadInput(
                    f"The settings know no model profile {name!r}.",
                    "Set LLM_PROFILES (see .env.example), or rehearse with: --profile scripted",
                )
        if replay is None:
            err.print(f"[dim]{escape(HELP)}[/]")

        async def main() -> Sheet:
            clock = ServiceClock()
            agents = Agents(settings, clock)
            try:
                return await rehearse(
                    definition,
                    with_own(variables, definition),
                    person,
                    agents,
                    at=started or clock.now(),
                    zone=_zone(definition, found),
                    show=_nothing if as_json else _show,
                    stopwatch=clock.monotonic if models else None,
                )
            finally:
                await agents.close()

        sheet = asyncio.run(main())
    except CampaignError as error:
        fail(error)
    except KeyboardInterrupt:
        err.print("Interrupted.")
        raise typer.Exit(130) from None
    result = _result(definition, sheet)
    if as_json:
        print_json({"dialogue": [asdict(line) for line in sheet.lines], **result})
    else:
        _show_result(result)
    if expect is not None:
        _compare(expect, [*map(_plain, sheet.lines), *_result_lines(result)])


class _Terminal:
    """Somebody who types."""

    async def next(self) -> Move:
        while True:
            try:
                typed = await asyncio.to_thread(out.input, "[green]you[/]    ")
            except EOFError:
                return HungUp()
            try:
                made = move(typed)
            except BadInput as error:
                err.print(escape(f"{error.what} {error.do}"))
                continue
            return made

    def interrupts(self) -> bool:
        return False


# ── what is read ───────────────────────────────────────────────────────────────────────────────────────


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}.", "Name a readable text file in UTF-8.") from None


def _definition(file: Path, profiles: str | None, language: str | None) -> CampaignDefinition:
    definition = parse_toml(_text(file), str(file))
    changed: dict[str, Any] = {}
    if profiles is not None:
        changed["profiles"] = [name.strip() for name in profiles.split(",") if name.strip()]
    if language is not None:
        changed["language"] = language
    if not changed:
        return definition
    plain = to_json(definition)
    return from_json({**plain, "script": {**plain["script"], **changed}}, str(file))


def _pairs(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"--contact {pair[:60]!r} names no variable.", "Write: --contact first_name=Ana")
        found[name.strip()] = value
    return found


def _contact(file: Path, row: int, definition: CampaignDefinition) -> ContactRow:
    """The contact of a list as an import would read it."""
    try:
        data = file.read_bytes()[:LONGEST_FILE]
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error}.", "Name a contact list.") from None
    rows = RowReader(sniff(data))
    parser = None
    seen = 0
    for one in rows.stream(data, final=True):
        if not isinstance(one, tuple):
            continue
        line, cells = one
        if parser is None:
            region = definition.regions[0].partition("-")[0]
            parser = RowParser(map_columns(cells), region=region, now=ServiceClock().now())
            continue
        seen += 1
        if seen == row:
            found = parser(line, cells)
            if isinstance(found, ContactRow):
                return found
            raise BadInput(f"Row {row} (line {line}) is no contact: {found.why}.", "Choose another: --row N")
    raise BadInput(f"{file} has {seen} contacts, so there is no row {row}.", "Choose another: --row N")


def _check_variables(definition: CampaignDefinition, variables: Mapping[str, str], *, known: bool) -> None:
    """Against the list's columns, as `campaign validate` does; without a list nothing is missing."""
    if known and (faults := template_faults(definition, {"of --csv": ("phone", *variables)})):
        raise BadDefinition(definition.name, faults)


def _zone(definition: CampaignDefinition, contact: ContactRow | None) -> ZoneInfo:
    """The contact's zone, or the seller's."""
    if contact is not None and contact.where.place.zones:
        return ZoneInfo(contact.where.place.zones[-1])
    number = phone.parse(definition.seller.callback_number, None)
    zones = locate(number).zones if isinstance(number, PhoneNumber) else ()
    return ZoneInfo(zones[0] if zones else "UTC")


# ── what is shown ──────────────────────────────────────────────────────────────────────────────────────


def _nothing(line: Line) -> None:
    return None


def _show(line: Line) -> None:
    if not out.is_terminal:
        out.print(Text(_plain(line)))
        return
    label = _WHO[line.who]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=5, style=_STYLE[line.who])
    grid.add_column(overflow="fold")
    grid.add_row(label, Text(line.text, style="" if line.who in ("agent", "person") else _STYLE[line.who]))
    out.print(grid)


def _plain(line: Line) -> str:
    return f"{_WHO[line.who]:5}  {line.text}"


def _result(definition: CampaignDefinition, sheet: Sheet) -> dict[str, Any]:
    disposition = sheet.disposition or Disposition.NO_CONVERSATION
    turns = [row for _, row in sorted(sheet.turns.items())]
    return {
        "disposition": disposition.value,
        "category": MEANING[disposition].category.value,
        "answers": sheet.answers,
        "callback_at": sheet.callback_at,
        "disclosed": sheet.disclosed,
        "summary": by_rule(
            definition.script,
            disposition,
            sheet.answers,
            said=sum(row.speaker in ("person", "key") for row in turns),
            callback_at=sheet.callback_at,
        ),
        "transcript": [{"speaker": row.speaker, "text": row.text} for row in turns],
    }


def _result_lines(result: Mapping[str, Any]) -> list[str]:
    disposition = Disposition(result["disposition"])
    lines = ["", f"Outcome: {MEANING[disposition].words} ({result['category']})"]
    lines += [f"Answer: {key} = {value}" for key, value in result["answers"].items()]
    if result["callback_at"] is not None:
        lines.append(f"Callback: {result['callback_at']:%Y-%m-%d %H:%M %Z}")
    if not result["disclosed"]:
        lines.append("Disclosures: not heard to their end")
    return [*lines, f"Summary: {result['summary']}"] if result["summary"] else lines


def _show_result(result: Mapping[str, Any]) -> None:
    for line in _result_lines(result):
        label, colon, rest = line.partition(": ")
        out.print(f"[bold]{escape(label)}[/]{colon}{escape(rest)}" if colon else escape(line))


def _compare(file: Path, lines: Sequence[str]) -> None:
    try:
        wanted = [line.rstrip() for line in _text(file).strip().splitlines()]
    except BadInput as error:
        fail(error)
    got = [line.rstrip() for line in "\n".join(lines).strip().splitlines()]
    if wanted == got:
        err.print(f"As in {escape(str(file))}.")
        return
    for line in difflib.unified_diff(wanted, got, str(file), "this dialogue", lineterm=""):
        err.print(escape(line))
    raise typer.Exit(1)
