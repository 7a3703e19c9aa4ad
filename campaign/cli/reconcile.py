"""`campaign reconcile`: ask Twilio now what became of everything that is unsettled."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from campaign.cli.common import count, fail, moment, out, print_json, run
from campaign.domain.attempt import SETTLED, AttemptState
from campaign.flow.ask_now import Answer, ask_now
from campaign.flow.call_events import Hands
from campaign.flow.reconcile import Reconciler
from campaign.store import campaigns
from campaign.store.sweeps import Standing
from campaign.wiring import Services

SHOWN = 20
"""Unknown attempts that are listed; --json lists all."""


def reconcile(
    name: Annotated[str | None, typer.Argument(help="Only of this campaign; none: of all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Ask Twilio now what became of every call that is not settled, and write down what it says.

    The service does this by itself: it asks about an unknown result after 10 and 30 seconds and then every
    40, and about a call of which nothing was heard for half a minute. This command asks at once, also when
    no service runs. It never dials, and may run beside the service and as often as you like.

    What Twilio doesn't know stays unknown and its number held; when the hold is over it is closed, and
    nobody dials it again by itself. Ends with 0 when Twilio was asked about all, also if some stay unknown.

    Examples: campaign reconcile · campaign reconcile "Solar spring check-in" --json
    """

    async def main(services: Services) -> tuple[Answer, datetime]:
        campaign_id = None
        if name is not None:
            async with services.db.connection() as tx:
                campaign_id = (await campaigns.find(tx, name)).id
        sweep = Reconciler(
            services.db, services.gateway, Hands(terms=services.terms), rate=services.clock.rate
        )
        answer = await ask_now(services.db, sweep, services.clock, campaign_id)
        return answer, services.clock.now()

    answer, now = run(main)
    if as_json:
        print_json(
            {
                "asked": sum(answer.before.values()),
                "settled": answer.settled,
                "before": _by_state(answer.before),
                "after": _by_state(answer.after),
                "unknown": [{**asdict(one), "state": one.state.value} for one in answer.unknown],
                "trouble": answer.trouble.what if answer.trouble else None,
            }
        )
    else:
        _tell(answer, now)
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
