"""The reports there are, by name: who gathers their rows, and the same rows as files."""

import importlib.util
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from campaign.domain.measures import (
    CostRow,
    FunnelRow,
    HourRow,
    LatencyRow,
    OptOutRow,
    OutcomeRow,
    RecoveryRow,
    Span,
    Step,
    SummaryRow,
    TriesRow,
    cells,
)
from campaign.flow.exports import CsvSheet, ParquetSheet
from campaign.store import report_rows
from campaign.store.database import Tx
from campaign.store.exports import Batch, Column


@dataclass(frozen=True, slots=True)
class Kind:
    """One report.

    Args:
        row: the class of its rows.
        ask: gathers them; of those whose `in_steps` it is, days are added up to a step.
        title, about: for people: a phrase, and a sentence on how it counts.
    """

    row: type[Any]
    ask: Callable[..., Awaitable[Sequence[Any]]]
    title: str
    about: str
    in_steps: bool = False

    async def rows(self, tx: Tx, span: Span, step: Step = Step.DAY) -> Sequence[Any]:
        """Its rows, from roll-ups alone."""
        return await (self.ask(tx, span, step) if self.in_steps else self.ask(tx, span))


KINDS: Final[dict[str, Kind]] = {
    "funnel": Kind(
        FunnelRow,
        report_rows.funnel,
        "How far contacts came",
        "Each contact is counted on the day of its first call, in every step that it has ever reached.",
    ),
    "outcomes": Kind(
        OutcomeRow,
        report_rows.outcomes,
        "Outcomes over time",
        "Attempts by disposition, by day, week or month.",
        in_steps=True,
    ),
    "hours": Kind(
        HourRow,
        report_rows.hours,
        "Answer rates by weekday and hour",
        "On the contact's own clock; a cell without calls has no row.",
    ),
    "tries": Kind(
        TriesRow,
        report_rows.tries,
        "Attempts to reach a person",
        "By the day of the contact's first call.",
    ),
    "latency": Kind(
        LatencyRow,
        report_rows.latency,
        "From the answer to our first word",
        "Percentiles, and the share of people who were served within two seconds.",
    ),
    "opt-outs": Kind(
        OptOutRow,
        report_rows.opt_outs,
        "People who asked not to be called again",
        "In calls, by day. Requests by other channels stand in GET /api/v1/dnc.",
    ),
    "recoveries": Kind(
        RecoveryRow,
        report_rows.recoveries,
        "Conversations that broke off",
        "What was answered, and what became of it.",
    ),
    "costs": Kind(
        CostRow,
        report_rows.costs,
        "What it cost, and per outcome",
        "One row for each currency. Prices come some minutes after the call: see `priced`.",
    ),
    "summary": Kind(
        SummaryRow,
        report_rows.summary,
        "All measures side by side",
        "With by=campaign and several campaign_id it compares campaigns.",
    ),
}

MEDIA: Final = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
"""The kinds of file that a report comes as."""


def has_parquet() -> bool:
    """Whether this installation can write Parquet files."""
    return importlib.util.find_spec("pyarrow") is not None


def as_file(rows: Sequence[Any], row: type[Any], format_: str) -> bytes:
    """A report as a file; no cell of a CSV is one that a spreadsheet would run as a formula.

    It takes its time with long ones: ask a thread for it.

    Args:
        row: the class of the rows.
        format_: csv or parquet.

    Raises:
        BadInput: the format can't be written here.
    """
    columns = _columns(row)
    batch = Batch(columns, [tuple(cells(one).values()) for one in rows])
    out = io.BytesIO()
    if format_ == "csv":
        CsvSheet(out).write(batch)
    else:
        sheet = ParquetSheet(out)
        sheet.write(batch)
        sheet.close()
    return out.getvalue()


_TYPES: Final = {"int": "int8", "float": "float8", "date": "date", "str": "text"}


def _columns(row: type[Any]) -> list[Column]:
    hints = get_type_hints(row)
    return [Column(field.name, _TYPES.get(_name(hints[field.name]), "text")) for field in fields(row)]


def _name(hint: Any) -> str:
    """The name of a type, or of what it is when it is not None; what has parts becomes text."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    return str(getattr(hint, "__name__", ""))
