"""`campaign reconcile`: ask Twilio now what became of everything that is unsettled."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from campaign.cli.common import count, fail, moment, out, print_json, run
from campaign.domain.attempt import SETTLED, AttemptState
from campaign.domain.errors import BadInput
from campaign.flow.ask_now import Answer, ask_now
from campaign.flow.call_events import Hands
from campaign.flow.reconcile import Reconciler
from campaign.flow.restored import Report, write_down
from campaign.store import campaigns
from campaign.store.sweeps import Standing
from campaign.wiring import Services, token

SHOWN = 20
"""Unknown attempts that are listed; --json lists all."""


def reconcile(
    name: Annotated[str | None, typer.Argument(help="Only of this campaign; none: of all.")] = None,
    restored_since: Annotated[
        datetime | None,
        typer.Option(
            help="After a backup was restored: when it was made (UTC). Writes down the calls made since.",
            formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"],
        ),
    ] = None,
    answered_to_dnc: Annotated[
        bool,
        typer.Option(
            "--answered-to-dnc",
            help="With --restored-since: whoever answered one of those calls goes on the do-not-call list.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Ask Twilio now what became of every call that is not settled, and write down what it says.

    The service does this by itself: it asks about an unknown result after 10 and 30 seconds and then every
    40, and about a call of which nothing was heard for half a minute. This command asks at once, also when
    no service runs. It never dials, and may run beside the service and as often as you like.

    What Twilio doesn't know stays unknown and its number held; when the hold is over it is closed, and
    nobody dials it again by itself. Ends with 0 when Twilio was asked about all, also if some stay unknown.

    With --restored-since it also lists the calls that Twilio has made since a backup and that the restored
    database doesn't know, and writes them down as attempts, so that nobody is called again. Dialling must
    be stopped for that (campaign stop --all); docs/operations.md tells the whole procedure.

    Examples: campaign reconcile · campaign reconcile "Solar spring check-in" --json ·
    campaign reconcile --restored-since 2026-11-24T03:00:00Z
    """
    if answered_to_dnc if restored_since is None else name is not None:
        fail(
            BadInput(
                "--restored-since is about all campaigns, and --answered-to-dnc goes with it.",
                "See: campaign reconcile --help",
            )
        )

    async def main(services: Services) -> tuple[Answer, Report | None, datetime]:
        campaign_id = None
        if name is not None:
            async with services.db.connection() as tx:
                campaign_id = (await campaigns.find(tx, name)).id
        sweep = Reconciler(
            services.db, services.gateway, Hands(terms=services.terms), rate=services.clock.rate
        )
        answer = await ask_now(services.db, sweep, services.clock, campaign_id)
        written = None
        if restored_since is not None and answer.trouble is None:
            written = await write_down(
                services.db,
                services.gateway,
                restored_since.replace(tzinfo=UTC),
                now=services.clock.now(),
                actor=services.actor,
                marker=token,
                terms=services.terms,
                answered_to_dnc=answered_to_dnc,
            )
        return answer, written, services.clock.now()

    answer, written, now = run(main)
    if as_json:
        print_json(
            {
                "asked": sum(answer.before.values()),
                "settled": answer.settled,
                "before": _by_state(answer.before),
                "after": _by_state(answer.after),
                "unknown": [{**asdict(one), "state": one.state.value} for one in answer.unknown],
                "trouble": answer.trouble.what if answer.trouble else None,
                **({} if written is None else {"restored": {**asdict(written)}}),
            }
        )
    else:
        _tell(answer, now)
        if written is not None:
            _tell_written(written)
    if answer.trouble is not None:
        fail(answer.trouble)


def _by_state(counts: Counter[AttemptState]) -> dict[str, int]:
    return {state.value: counts[state] for state in AttemptState if counts[state]}


def _tell(answer: Answer, now: datetime) -> None:
    if not answer.before:
        out.print("Nothing is unsettled: every attempt has its outcome, or is in conversation.")
        return
    were = answer.before[AttemptState.UNKNOWN]
    known = f", {were:,} of them unknown" if were else ""
    out.print(f"{count(sum(answer.before.values()), 'attempt')} had no outcome{known}. Twilio says:")
    rest = {s.value: n for s, n in answer.after.items() if s not in SETTLED | {AttemptState.UNKNOWN}}
    if answer.settled:
        out.print(f"  {answer.settled:,} settled: the outcome is written down.")
    if rest:
        going = ", ".join(f"{number:,} {state}" for state, number in sorted(rest.items()))
        out.print(f"  {sum(rest.values()):,} under way ({going}); the outcome comes with the end.")
    if answer.unknown:
        out.print(f"  {len(answer.unknown):,} unknown: nobody can say whether Twilio took the call.")
        _tell_unknown(answer.unknown, now)


def _tell_written(report: Report) -> None:
    out.print(f"Twilio has made {count(report.listed, 'call')} since then.")
    out.print(f"  {len(report.written):,} were not in this database and are written down as attempts.")
    if report.busy:
        out.print(
            f"  {len(report.busy):,} go to numbers that are held; run this again when they are settled."
        )
    if report.nobodys:
        out.print(
            f"  {len(report.nobodys):,} belong to no campaign here (lists imported since the backup, or "
            "calls of another system); --json names them."
        )
    if report.answered:
        out.print(
            f"{count(len(report.answered), 'number')} answered. What was said is lost with the database:"
        )
        if report.listed_as_do_not_call:
            out.print("  they are on the do-not-call list now.")
        else:
            out.print(
                "  their contacts are done in their campaign. Somebody may have asked not to be called: "
                "--answered-to-dnc puts them on the do-not-call list."
            )
    out.print("When this reads well: campaign stop --lift")


def _tell_unknown(unknown: Sequence[Standing], now: datetime) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("attempt", "campaign", "number", "since", "held until", "why"):
        table.add_column(column)
    for one in unknown[:SHOWN]:
        over = one.held_until is None or one.held_until <= now
        held = "Twilio has been asked" if over else moment(one.held_until)
        table.add_row(
            str(one.attempt_id),
            escape(one.campaign or "–"),
            one.phone,
            moment(one.since),
            held,
            escape(one.why or "–"),
        )
    out.print(table)
    if len(unknown) > SHOWN:
        out.print(f"… and {len(unknown) - SHOWN:,} more: --json lists all.")
    out.print(
        "Nothing is to be done. Their numbers are not dialled while they are held, and Twilio is asked again "
        "by itself. If its list shows no call when the hold is over, they are closed as unknown and not "
        "dialled again, unless their campaign has a retry rule for unknown. To call them all the same: "
        'campaign redial "NAME" -d unknown'
    )
