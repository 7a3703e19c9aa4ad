"""How a campaign's status and report look in a terminal; also what `campaign demo` shows."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from campaign.cli.common import count, moment
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.waiting import Reason, phrase
from campaign.flow.standing import Standing
from campaign.store.campaigns import CampaignRow
from campaign.store.reports import Report, Status

_COLOURS = {
    "running": "green",
    "completed": "green",
    "scheduled": "cyan",
    "draft": "cyan",
    "paused": "yellow",
    "stopping": "yellow",
    "stopped": "red",
    "failed": "red",
    "success": "green",
    "neutral": "default",
    "failure": "red",
}


def span(seconds: float) -> str:
    """A length of time for people: "about 3 min"."""
    if seconds < 90:
        return f"about {max(seconds, 1):.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def status_view(standing: Standing) -> RenderableType:
    """One campaign as it stands."""
    row, status = standing.row, standing.status
    why = f" ({row.state_why})" if row.state_why else ""
    parts: list[RenderableType] = [
        Text.from_markup(
            f"[bold]{escape(row.name)}[/] · [{_COLOURS[row.state]}]{row.state}[/] since "
            f"{moment(row.state_at)}{escape(why)}"
        )
    ]
    parts.append(Text(standing.why.line, style="yellow" if standing.why.idle else "default"))
    told = standing.why.line
    parts += [Text(f"Warning: {one}", style="yellow") for one in standing.why.warnings if one not in told]
    parts += [Text(sentence) for sentence in standing.waived]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    done = f"{status.finished:,} of {count(status.total, 'contact')}"
    if status.total:
        line = Table.grid(padding=(0, 2))
        line.add_row(
            ProgressBar(total=status.total, completed=status.finished, width=32),
            f"{done} ({status.finished / status.total:.0%})",
        )
        table.add_row("progress", line)
    else:
        table.add_row("progress", "no contacts enrolled yet")
    table.add_row("calls up", f"{status.calls_up} of {row.lines} lines{_listed(status.calls)}")
    table.add_row("pace", f"{status.started_10s / 10:.1f} of {standing.pace:g} calls a second")
    if status.seconds_left is not None and status.due:
        table.add_row("time left", f"{span(status.seconds_left)} for the {status.due:,} that are due")
    if status.dispositions:
        table.add_row("last call", _dispositions(status.dispositions))
    waiting = [f"{status.due:,} due now"] if status.due else []
    waiting += [_reason(one, status) for one in standing.why.reasons if one.waits]
    blocked = [_reason(one, status) for one in standing.why.reasons if not one.waits]
    if waiting:
        table.add_row("waiting", "; ".join(waiting))
    if blocked:
        table.add_row("blocked", "; ".join(blocked))
    if status.spent:
        table.add_row(
            "money", f"{status.spent:,.2f} spent or reserved, {status.spent_today:,.2f} of it today"
        )
    if status.next_at is not None:
        table.add_row("next due", moment(status.next_at))
    return Group(*parts, table)


def _listed(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{n} {name}' for name, n in counts.items())})" if counts else ""


def _dispositions(counts: Mapping[str, int]) -> Text:
    text = Text()
    for name, n in counts.items():
        text.append(f"{', ' if text else ''}{n:,} ")
        text.append(name, style=_COLOURS[MEANING[Disposition(name)].category.value])
    return text


def _reason(reason: Reason, status: Status) -> str:
    rules = f" [{', '.join(reason.rules)}]" if reason.rules else ""
    return escape(phrase(reason, status.at) + rules)


def list_view(rows: Sequence[CampaignRow], progress: Mapping[int, tuple[int, int]]) -> RenderableType:
    """All campaigns in a table."""
    table = Table(box=None, pad_edge=False)
    for name in ("campaign", "state", "contacts", "finished", "since", "why"):
        table.add_column(name, justify="right" if name in ("contacts", "finished") else "left")
    for row in rows:
        contacts, finished = progress.get(row.id, (0, 0))
        table.add_row(
            escape(row.name),
            f"[{_COLOURS[row.state]}]{row.state}[/]",
            f"{contacts:,}",
            f"{finished:,}",
            moment(row.state_at),
            escape(row.state_why or ""),
        )
    return table


# ── the report ─────────────────────────────────────────────────────────────────────────────────────────


def report_view(report: Report) -> RenderableType:
    """A campaign's report."""
    head = (
        f"[bold]{escape(report.campaign)}[/] · [{_COLOURS[report.state]}]{report.state}[/]"
        f"{f' ({escape(report.state_why)})' if report.state_why else ''}\n"
        f"started {moment(report.started_at)}, ended {moment(report.ended_at)}"
    )
    parts: list[RenderableType] = [Text.from_markup(head), "", _funnel(report), ""]
    if report.outcomes:
        parts += [_outcomes(report), ""]
    if report.standing:
        parts += [_standing(report), ""]
    parts.append(_figures(report))
    return Group(*parts)


def _funnel(report: Report) -> Table:
    table = Table(title="How far the contacts came", title_justify="left", box=None, pad_edge=False)
    table.add_column("contacts", justify="right")
    table.add_column("", justify="right")
    table.add_column("")
    whole = report.funnel[0].contacts
    for step in report.funnel:
        share = f"{step.contacts / whole:.0%}" if whole else ""
        table.add_row(f"{step.contacts:,}", share, step.words)
    return table


def _outcomes(report: Report) -> Table:
    table = Table(title="Outcomes", title_justify="left", box=None, pad_edge=False)
    for name in ("contacts", "attempts", "minutes", "cost"):
        table.add_column(name, justify="right")
    for name in ("disposition", "category", ""):
        table.add_column(name, no_wrap=bool(name))  # codes are copied: they are never cut
    for row in report.outcomes:
        table.add_row(
            f"{row.contacts:,}",
            f"{row.attempts:,}",
            f"{row.seconds / 60:.1f}",
            _money(row.cost, report.currency),
            row.disposition,
            f"[{_COLOURS[row.category]}]{row.category}[/]",
            row.words,
        )
    return table


def _standing(report: Report) -> Table:
    table = Table(title="Who was not called (again), and why", title_justify="left", box=None, pad_edge=False)
    table.add_column("contacts", justify="right")
    for name in ("state", "called before", "rule", "for example"):
        table.add_column(name, no_wrap=name == "rule")
    for row in report.standing:
        due = f" Due from {moment(row.next_at)}." if row.next_at and row.rule is None else ""
        table.add_row(
            f"{row.contacts:,}",
            row.state,
            "yes" if row.called else "no",
            row.rule or "–",
            escape(row.sentence + due),
        )
    return table


def _figures(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    made = report.attempts
    table.add_row(
        "attempts",
        f"{sum(made.values()):,}: {made['first']:,} first, {made['retry']:,} retries, "
        f"{made['callback']:,} callbacks",
    )
    latency = report.first_word
    if latency.calls:
        table.add_row(
            "first word",
            f"{latency.p50} ms or less in half of {count(latency.calls, 'call')}, {latency.p95} ms or less "
            f"in 95 %, longest {latency.longest} ms",
        )
    replies = report.replies
    if replies.turns:
        table.add_row(
            "replies begin",
            f"within {replies.p50} ms in half of {count(replies.turns, 'turn')}, {replies.p95} ms in 95 %, "
            f"{replies.p99} ms in 99 %, longest {replies.longest} ms",
        )
    if report.abandoned:
        table.add_row("abandoned", f"{count(report.abandoned, 'call')} answered and not served in time")
    for recovery in report.recoveries:
        table.add_row("recovery", f"{recovery.calls:,} × {recovery.answer}: {recovery.became}")
    if report.went_on is not None:
        table.add_row("broken off", f"{report.went_on:.1%} of the conversations that broke off went on")
    for one in report.calls_in:
        table.add_row("calls to us", f"{one.calls:,} × {one.words}")
    table.add_row("connected", f"{report.seconds / 60:.1f} minutes")
    table.add_row("cost", _money(report.cost, report.currency) or "not known yet")
    return table


def _money(amount: float | None, currency: str) -> str:
    return f"{amount:,.2f} {currency}" if amount is not None else ""
