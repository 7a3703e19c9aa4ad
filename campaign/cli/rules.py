"""`campaign rules`: the law as it is applied, and past dials judged under other packs."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from campaign.cli.common import count, fail, moment, out, print_json, run
from campaign.cli.explain import JsonOption, RegionOption, read_number
from campaign.cli.preview import bar, read_instant
from campaign.domain.cells import quoted
from campaign.domain.errors import BadInput, CampaignError
from campaign.domain.phone import mask
from campaign.domain.place import Place, locate
from campaign.domain.rule import Rule
from campaign.domain.rule_words import demand
from campaign.domain.rulebook import Pack, Rulebook, parse_rulebook
from campaign.flow import replay as replays
from campaign.flow.replay import Difference, Totals
from campaign.flow.rule_records import in_words
from campaign.store import rule_records
from campaign.store.rule_records import KeptWaiver
from campaign.wiring import Services, read_rulebook

app = typer.Typer(
    name="rules", help="The rules of law that decide whom may be called, and when.", no_args_is_help=True
)


@app.command("show")
def show(
    at: Annotated[
        str | None, typer.Option("--at", help="Only rules in force on this date.", metavar="YYYY-MM-DD")
    ] = None,
    number: Annotated[
        str | None, typer.Option("--number", help="Only rules of the places where this number may be.")
    ] = None,
    region: RegionOption = "US",
    as_json: JsonOption = False,
) -> None:
    """Show the rule packs: what each rule demands, of which calls, since when, and where it stands written.

    campaign rules show --number +18509091234 --at 2026-12-24
    """
    try:
        day = _day(at)
        place = locate(read_number(number, region)) if number else None
        book = read_rulebook()
    except CampaignError as error:
        fail(error)
    packs = [(pack, _wanted(pack, day)) for pack in _packs(book, place)]
    waived = waived_rules()
    if as_json:
        print_json([_pack_json(pack, rules, waived) for pack, rules in packs])
        return
    if place is not None:
        zones = ", ".join(place.zones) or "no known time zone: it cannot be called"
        out.print(f"{escape(number or '')} may be in {', '.join(place.regions or place.countries)}; {zones}.")
    for pack, rules in packs:
        review = f"reviewed by {pack.reviewed_by}" if pack.reviewed_by else "not reviewed by a lawyer"
        out.print(f"\n[bold]{pack.id}[/] {pack.version}, {escape(review)}")
        for rule in rules:
            out.print(f"  {escape(_sentence(rule))}")
            for kept in waived.get(rule.id, ()):
                out.print(f'    For campaign "{escape(kept.campaign)}": {escape(in_words(kept.waiver))}')
    if not packs:
        out.print("No pack covers that place, so nobody there may be called.")


def waived_rules() -> dict[str, list[KeptWaiver]]:
    """Rule → the waivers of it."""

    async def main(services: Services) -> list[KeptWaiver]:
        async with services.db.connection() as tx:
            return await rule_records.waivers(tx)

    found: dict[str, list[KeptWaiver]] = {}
    for one in run(main):
        found.setdefault(one.waiver.rule_id, []).append(one)
    return found


def _packs(book: Rulebook, place: Place | None) -> Sequence[Pack]:
    return book.packs if place is None else book.packs_for(place)


def _wanted(pack: Pack, day: date | None) -> list[Rule]:
    return [rule for rule in pack.rules if day is None or rule.in_force(day)]


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise BadInput(f'"{text}" is not a date.', "Write it as 2026-12-24.") from None


def _sentence(rule: Rule) -> str:
    state = {"in_force": "", "stayed": " STAYED until then", "proposed": " PROPOSED, not applied"}[
        rule.status
    ]
    until = f" to {rule.effective_to}" if rule.effective_to else ""
    lifted = f" Lifted by {', '.join(rule.lifted_by)}." if rule.lifted_by else ""
    note = f" Note: {rule.note}" if rule.note else ""
    since = f"from {rule.effective_from}{until}{state}"
    return (
        f"{rule.id}: {demand(rule.terms)} ({rule.scope.in_words()}; {since})."
        f"{lifted} {rule.source.cite}, read {rule.source.read_on}.{note}"
    )


def _pack_json(
    pack: Pack, rules: Sequence[Rule], waived: Mapping[str, Sequence[KeptWaiver]]
) -> dict[str, Any]:
    return {
        "pack": pack.id,
        "version": pack.version,
        "reviewed_by": pack.reviewed_by,
        "rules": [
            {
                "id": rule.id,
                "kind": rule.kind,
                "demand": demand(rule.terms),
                "scope": rule.scope.in_words(),
                "status": rule.status,
                "effective_from": rule.effective_from,
                "effective_to": rule.effective_to,
                "lifted_by": rule.lifted_by,
                "waivable": rule.waivable,
                "waived": [
                    {"campaign": one.campaign, **asdict(one.waiver)} for one in waived.get(rule.id, ())
                ],
                "source": rule.source.cite,
                "read_on": rule.source.read_on,
                "note": rule.note,
            }
            for rule in rules
        ],
    }


# ── replay ─────────────────────────────────────────────────────────────────────────────────────────────


@app.command("replay")
def replay(
    since: Annotated[
        str, typer.Option("--since", help="Dials from here on: a date (UTC) or an instant with its offset.")
    ],
    pack: Annotated[
        Path | None,
        typer.Option(
            "--pack",
            help="A TOML file with packs; they replace those of the same id. None: the packs of today.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Dials before this date or instant; none: until now.")
    ] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="Only dials of this campaign.", metavar="NAME")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--csv", help="Write all dials that would differ into this file.")
    ] = None,
    most: Annotated[int, typer.Option(min=0, help="Dials to list; the totals count all.")] = 50,
    numbers: Annotated[bool, typer.Option("--numbers", help="Show whole numbers, not masked ones.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge past dials once more under other packs and list those that would not have been made.

    Each is judged on the facts that it was made on, at its own instant. As a check it is also judged under
    the packs of today, alone when no other packs are given. Changes nothing; ends with 0 whether dials differ
    or not.

        campaign rules show --json           # what is in force
        campaign rules replay --pack stricter.toml --since 2026-11-01 --csv differ.csv
    """
    try:
        first = _instant(since)
        last = _instant(until) if until else None
        other = read_pack_file(pack) if pack else None
    except CampaignError as error:
        fail(error)
    totals, listed = Totals(), list[Difference]()

    async def main(services: Services) -> datetime:
        today, end = services.rulebook, last or services.clock.now()
        with _sheet(to, numbers) as keep, bar("Judging dials", quiet=as_json) as progress:
            async for one in replays.replay(
                services.db,
                today,
                today.replaced_by(other) if other else today,
                totals,
                since=first,
                until=end,
                campaign=campaign,
                progress=progress,
            ):
                keep(one)
                if len(listed) < most:
                    listed.append(one)
        return end

    end = run(main)
    packs = {one.id: one.version for one in other.packs} if other else {}
    if as_json:
        print_json(
            {
                "since": first,
                "until": end,
                "packs": packs,
                **asdict(totals),
                "differences": [_difference_json(one, numbers) for one in listed],
            }
        )
        return
    _tell_replay(totals, listed, packs, numbers)
    if to is not None:
        out.print(f"All {totals.differ:,} are in {escape(str(to))}.")


def read_pack_file(path: Path) -> Rulebook:
    """The packs of one file.

    Raises:
        BadInput: it cannot be read. BadRulebook: with every fault.
    """
    try:
        return parse_rulebook({path.name: path.read_text(encoding="utf-8-sig")})
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror}.", "Name a TOML file of packs; docs/rules.md shows one."
        ) from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is no UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from None


def _instant(text: str) -> datetime:
    """A date is its first instant in UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC)
    except ValueError:
        return read_instant(text)


COLUMNS = (
    "attempt",
    "campaign",
    "number",
    "at",
    "was",
    "would_be",
    "rule",
    "why",
    "source",
    "until",
    "exact",
)


@contextmanager
def _sheet(path: Path | None, numbers: bool) -> Iterator[Callable[[Difference], None]]:
    """Writes differences as they come; no cell of it is a formula to a spreadsheet."""
    if path is None:
        yield lambda one: None
        return
    try:
        file = path.open("w", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from None
    with file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        yield lambda one: writer.writerow(
            [
                quoted(str(cell)) if cell is not None else ""
                for cell in _difference_json(one, numbers).values()
            ]
        )


def _difference_json(one: Difference, numbers: bool) -> dict[str, Any]:
    cells = (
        one.attempt_id,
        one.campaign,
        one.phone if numbers else mask(one.phone),
        one.at.isoformat(),
        one.was.value,
        one.would_be.value,
        one.rule,
        one.why,
        one.source,
        one.until.isoformat() if one.until else None,
        one.exact,
    )
    return dict(zip(COLUMNS, cells, strict=True))


def _tell_replay(totals: Totals, listed: Sequence[Difference], packs: dict[str, str], numbers: bool) -> None:
    named = ", ".join(f"{pack} {version}" for pack, version in packs.items()) or "the packs of today"
    judged = totals.dials - totals.unknown
    out.print(
        f"{count(judged, 'dial')} judged again under {escape(named)}: {totals.differ:,} would not have been "
        "made."
    )
    for rule, n in sorted(totals.by_rule.items(), key=lambda item: (-item[1], item[0])):
        out.print(f"  {n:,} by {escape(rule)}")
    if totals.today and packs:
        rules = ", ".join(f"{n:,} by {rule}" for rule, n in totals.today_by_rule.items())
        out.print(
            f"Under the packs in force today {totals.today:,} would not be made either ({escape(rules)}): "
            "the packs or the time-zone data have changed since."
        )
    if totals.inexact:
        out.print(
            f"{count(totals.inexact, 'dial')} of before schema 0008 judged on the facts of the decision "
            "before, because none of their own were kept."
        )
    if totals.unknown:
        out.print(f"{count(totals.unknown, 'dial')} could not be judged: no facts were kept with them.")
    if not listed:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("when", "number", "campaign", "was", "would be", "rule", "why"):
        table.add_column(name, no_wrap=name in ("when", "number", "rule"))
    for one in listed:
        table.add_row(
            moment(one.at),
            one.phone if numbers else mask(one.phone),
            escape(one.campaign),
            one.was.value,
            one.would_be.value,
            escape(one.rule),
            escape(one.why),
        )
    out.print(table)
    if totals.differ > len(listed):
        out.print(f"… and {totals.differ - len(listed):,} more; --csv FILE has them all.")
