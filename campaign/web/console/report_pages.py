"""Reports: what came of the calls, one page each, narrowed and divided by what stands in the address.

The address's parameters are those of the API's reports (web/api/reports.py), so each page links the same
rows as files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from campaign.domain.errors import BadInput, NotFound
from campaign.domain.measures import Dimension, Span, Step
from campaign.flow.report_kinds import KINDS, has_parquet
from campaign.store import call_search, campaigns, report_rows
from campaign.store.campaigns import CampaignRow
from campaign.store.database import Tx
from campaign.web.auth import API, CONSOLE
from campaign.web.console import report_charts, report_table, report_view
from campaign.web.console.frame import Seen, Viewer, page
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

REPORTS = CONSOLE + "/reports"
COMPARE = "summary"
TITLES = {
    COMPARE: "Compare",
    "funnel": "Funnel",
    "outcomes": "Outcomes",
    "hours": "Hours",
    "tries": "Attempts to reach",
    "latency": "First word",
    "opt-outs": "Opt-outs",
    "recoveries": "Recoveries",
    "costs": "Costs",
}
ABOUT = {
    COMPARE: "Campaigns side by side, or lists, scripts, caller ids and zones.",
    "funnel": "How far contacts came; each counts on the day of its first call, in every step it reached.",
    "outcomes": "How attempts ended, over time and in all.",
    "hours": "When people pick up, on their own clock.",
    "tries": "How many calls it takes to reach a person; by the day of a contact's first call.",
    "latency": "How soon we speak after somebody has picked up.",
    "opt-outs": "People who asked in a call not to be called again. Other requests stand under Do not call.",
    "recoveries": "Conversations that broke off: what was done, and what became of it.",
    "costs": "What it cost, and what one outcome costs. Prices come some minutes after the call.",
}
BY = (
    ("campaign", "Campaign"),
    ("list", "List"),
    ("version", "Script"),
    ("caller_id", "Caller id"),
    ("zone", "Time zone"),
)
DETAILED = ("outcomes", "hours")
"""Reports of many rows for each campaign: divided by campaign they tell of those only that are shown."""
Id = Annotated[int, Query(ge=1, lt=2**63)]
Word = Annotated[str, Query(max_length=20)]


@dataclass(frozen=True, slots=True)
class Filters:
    """What stands in the address, as far as it can be read."""

    campaign_id: Sequence[int] = ()
    list_id: int | None = None
    since: date | None = None
    until: date | None = None
    by: str = ""
    step: str = ""

    @property
    def any(self) -> bool:
        """Whether anything is narrowed."""
        return bool(self.campaign_id or self.list_id or self.since or self.until)

    def query(self, **changed: Any) -> str:
        """`?…` of them, some changed: for a link to the same of another report, or to its file."""
        now = replace(self, **changed)
        pairs: list[tuple[str, object]] = [("campaign_id", one) for one in now.campaign_id]
        pairs += [
            (name, value)
            for name in ("list_id", "since", "until", "by", "step")
            if (value := getattr(now, name)) not in (None, "")
        ]
        return "?" + urlencode(pairs) if pairs else ""

    def span(self) -> Span:
        """What is asked for.

        Raises:
            BadInput: it makes no sense.
        """
        lists = () if self.list_id is None else (self.list_id,)
        return Span(self.campaign_id, self.since, self.until, Dimension(self.by) if self.by else None, lists)


@router.get(REPORTS)
async def compare(
    request: Request,
    viewer: Seen,
    services: With,
    campaign_id: Annotated[list[Id], Query(max_length=200)] = [],  # noqa: B006 (FastAPI copies it)
    list_id: Word = "",
    since: Word = "",
    until: Word = "",
    by: Word = "campaign",
) -> HTMLResponse:
    """All measures side by side, by campaign unless the address says otherwise."""
    filters = _filters(campaign_id, list_id, since, until, by, "")
    return await _report(request, viewer, services, COMPARE, filters)


@router.get(REPORTS + "/{name}")
async def show_report(
    request: Request,
    viewer: Seen,
    services: With,
    name: str,
    campaign_id: Annotated[list[Id], Query(max_length=200)] = [],  # noqa: B006 (FastAPI copies it)
    list_id: Word = "",
    since: Word = "",
    until: Word = "",
    by: Word = "",
    step: Word = "",
) -> HTMLResponse:
    """One report.

    Raises:
        NotFound: there is no such report.
    """
    if name not in TITLES or name == COMPARE:
        raise NotFound(f'There is no report "{name[:40]}".', "The reports are linked from /console/reports.")
    filters = _filters(campaign_id, list_id, since, until, by, step if KINDS[name].in_steps else "")
    return await _report(request, viewer, services, name, filters)


def _filters(
    campaign_ids: Sequence[int], list_id: str, since: str, until: str, by: str, step: str
) -> Filters:
    """What can't be read filters nothing."""
    return Filters(
        tuple(dict.fromkeys(campaign_ids)),
        int(list_id) if list_id.isascii() and list_id.isdigit() and len(list_id) < 19 else None,
        _day(since),
        _day(until),
        by if by in tuple(one.value for one in Dimension) else "",
        step if step in (Step.DAY, Step.WEEK, Step.MONTH) else "",
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


async def _report(
    request: Request, viewer: Viewer, services: Services, name: str, filters: Filters
) -> HTMLResponse:
    error: BadInput | None = None
    found, only = report_view.View((), report_table.Table((), ())), False
    async with services.db.connection() as tx:
        rows = await campaigns.listed(tx)
        lists = await call_search.list_names(tx)
        fresh = await report_rows.freshness(tx)
        try:
            span, only = _drawable(name, filters.span(), rows)
            found = await _gather(tx, name, span, Step(filters.step) if filters.step else None)
        except BadInput as refused:
            error = refused
    files = f"{API}/reports/{name}"
    # that Compare is by campaign is its own way to begin, and no wish that goes on to other reports
    others = filters if "by" in request.query_params else replace(filters, by="")
    return page(
        request,
        viewer,
        "report.html",
        error.status if error else 200,
        name=name,
        title=TITLES[name],
        about=ABOUT[name],
        tabs=[
            (title, f"{REPORTS}{'' if one == COMPARE else '/' + one}{others.query(step='')}")
            for one, title in TITLES.items()
        ],
        here=list(TITLES).index(name),
        at=REPORTS if name == COMPARE else f"{REPORTS}/{name}",
        filters=filters,
        campaigns=[(row.id, row.name) for row in rows],
        lists=[(str(key), said) for key, said in lists],
        dimensions=BY,
        in_steps=KINDS[name].in_steps,
        view=found,
        error=error,
        only=only,
        fresh=fresh,
        csv=files + ".csv" + filters.query(),
        parquet=files + ".parquet" + filters.query() if has_parquet() else None,
    )


def _drawable(name: str, span: Span, rows: Sequence[CampaignRow]) -> tuple[Span, bool]:
    """A report of every hour or day of every campaign is thousands of rows that no page shows: the newest
    campaigns alone, unless some were chosen. The second: whether others are left out."""
    if name not in DETAILED or span.by is not Dimension.CAMPAIGN or span.campaigns:
        return span, False
    newest = tuple(row.id for row in rows[: report_view.MOST_PANELS])
    return replace(span, campaigns=newest), len(rows) > len(newest)


async def _gather(tx: Tx, name: str, span: Span, wanted: Step | None) -> report_view.View:
    days = await report_rows.days(tx, span)
    if days is None:
        return report_view.View((), report_table.Table((), ()))
    # charts beside each other are half as wide
    step = report_charts.step_for(*days, wanted, readable=92 if span.by is None else 31)
    rows = await KINDS[name].rows(tx, span, step)
    totals = await report_rows.summary(tx, span) if name == "opt-outs" else []
    asked = report_table.Asked(
        span.by,
        report_charts.steps(*days, step),
        step,
        {report_table.about(row): row for row in totals},
    )
    return report_view.view(name, rows, asked)
