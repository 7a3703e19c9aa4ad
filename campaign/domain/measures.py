"""What reports measure: each measure has one definition, here, and roll-ups, API and files all go by it.

    attempts        tries that are settled, also those that never went out
    placed          calls that went out, or may have; rates of calls are shares of these
    answered        anyone or anything picked up
    connects        a human voice was reached
    conversations   they talked with us
    right parties   conversations, without those in which the number was another's
    successes       outcomes of the category success
    opt-outs        people who asked in the call not to be called again
    abandoned       a person answered and was not served in time

Of contacts: each is counted on the day of its first call, in every step that it has ever reached, so a funnel
never widens. Days and hours are those of the contact's own calendar and clock.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from enum import StrEnum
from itertools import accumulate
from typing import Final

from campaign.domain.disposition import MEANING, Category, Disposition
from campaign.domain.errors import BadInput


class Dimension(StrEnum):
    """What a report is divided by."""

    CAMPAIGN = "campaign"
    LIST = "list"
    VERSION = "version"
    CALLER_ID = "caller_id"
    ZONE = "zone"


WITHIN_LISTS: Final = (Dimension.CAMPAIGN, Dimension.LIST)
"""What the calls to some lists can be divided by: each is counted once in every dimension, not in pairs."""


class Step(StrEnum):
    """What outcomes over time are added up to; a week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ALL = "all"


CONNECTS: Final = frozenset(d.value for d, meaning in MEANING.items() if meaning.connect)
CONVERSATIONS: Final = frozenset(
    d.value
    for d, meaning in MEANING.items()
    if meaning.by_conversation and d is not Disposition.NO_CONVERSATION
)
RIGHT_PARTIES: Final = CONVERSATIONS - {Disposition.WRONG_NUMBER.value}
SUCCESSES: Final = frozenset(
    d.value for d, meaning in MEANING.items() if meaning.category is Category.SUCCESS
)
OPT_OUTS: Final = frozenset({Disposition.DO_NOT_CALL.value})

FIRST_WORD_BOUNDS_MS: Final = (
    100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000, 1200, 1400, 1600, 1800, 2000, 2500,
    3000, 4000, 5000, 10000,
)  # fmt: skip
"""Upper bounds, included, of the buckets in which first words are counted; one more bucket holds the rest.
Two seconds is a bound, so that who was served in time is counted exactly."""
SERVED_MS: Final = 2000
MOST_TRIES: Final = 10
"""Attempts are told apart up to this number, which stands for itself and more."""
LONGEST_SPAN_DAYS: Final = 3660


@dataclass(frozen=True, slots=True)
class Span:
    """What a report is about.

    Args:
        campaigns: ids; empty for all.
        since, until: days of the contacts' calendars, both included; None: no bound.
        by: what it is divided by; None: all together.
        lists: ids of contact lists; empty for all.
    Raises:
        BadInput: the days are in the wrong order, or the lists' calls were not counted that way.
    """

    campaigns: Sequence[int] = ()
    since: date | None = None
    until: date | None = None
    by: Dimension | None = None
    lists: Sequence[int] = ()

    def __post_init__(self) -> None:
        if self.lists and self.by not in (None, *WITHIN_LISTS):
            raise BadInput(
                f"What came of a list is not counted by {self.by.value.replace('_', ' ')} too.",
                "Divide it by campaign or list, or take all lists.",
            )
        if self.since is not None and self.until is not None and self.since > self.until:
            raise BadInput(
                f"The span begins on {self.since} and ends on {self.until}.", "Give the earlier day as since."
            )

    @property
    def counted_by(self) -> Dimension:
        """The dimension whose counts are added up."""
        return Dimension.LIST if self.lists else self.by or Dimension.CAMPAIGN

    @property
    def whole(self) -> bool:
        """Whether no day is left out."""
        return self.since is None and self.until is None


def rate(part: int, whole: int) -> float | None:
    """A share, 0 to 1, to four places; None of nothing."""
    return round(part / whole, 4) if whole else None


def bucket_of(milliseconds: int) -> int:
    """In which bucket a first word is counted."""
    return bisect_left(FIRST_WORD_BOUNDS_MS, milliseconds)


def percentile(calls: Mapping[int, int], share: float) -> int | None:
    """A percentile from buckets, milliseconds: read off the straight line through the bucket that it lies in.

    So it is off by less than the bucket is wide. Of the last bucket, which has no end, it is the lower bound.

    Args:
        calls: bucket → calls.
        share: 0.95 for the 95th.
    """
    total = sum(calls.values())
    if total <= 0:
        return None
    wanted = share * total
    before = 0
    for bucket in sorted(calls):
        within = calls[bucket]
        if within > 0 and before + within >= wanted:
            if bucket >= len(FIRST_WORD_BOUNDS_MS):
                return FIRST_WORD_BOUNDS_MS[-1]
            low = FIRST_WORD_BOUNDS_MS[bucket - 1] if bucket else 0
            return round(low + (FIRST_WORD_BOUNDS_MS[bucket] - low) * (wanted - before) / within)
        before += within
    return None


def served(calls: Mapping[int, int]) -> int:
    """Calls whose first word came within two seconds."""
    last = FIRST_WORD_BOUNDS_MS.index(SERVED_MS)
    return sum(number for bucket, number in calls.items() if bucket <= last)


# ── rows ───────────────────────────────────────────────────────────────────────────────────────────────
# The first three fields of each row say what it is about: campaign_id and campaign when it is of one
# campaign, value of the dimension that was asked for (a list's name, a version, a caller id, a zone).


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """How many contacts came so far, counted on the day of their first call.

    Args:
        enrolled: contacts in the campaign, called or not; None where a span of days, a version or a caller id
            is asked for, for then it means nothing.
    """

    campaign_id: int | None
    campaign: str | None
    value: str
    enrolled: int | None
    attempted: int
    answered: int
    connected: int
    conversed: int
    right_parties: int
    succeeded: int
    opted_out: int


@dataclass(slots=True)  # not frozen: they come by the ten thousand, and that takes twice as long
class OutcomeRow:
    """Attempts that ended with a disposition, in one step of time.

    Args:
        day: the step's first day; None when all days are added up.
        words: the disposition for people.
    """

    campaign_id: int | None
    campaign: str | None
    value: str
    day: date | None
    disposition: str
    category: str
    words: str
    attempts: int
    seconds: int


@dataclass(slots=True)  # not frozen: they come by the ten thousand, and that takes twice as long
class HourRow:
    """One cell of the heat map: weekday (1 Monday to 7 Sunday) and hour on the contact's own clock."""

    campaign_id: int | None
    campaign: str | None
    value: str
    weekday: int
    hour: int
    placed: int
    answered: int
    connects: int
    successes: int
    answer_rate: float | None
    connect_rate: float | None


@dataclass(frozen=True, slots=True)
class TriesRow:
    """The n-th call to contacts whom nobody had reached before.

    Args:
        number: n; the last one stands for itself and more.
        tried: contacts who were called an n-th time before a person was reached.
        reached: of these, contacts of whom a person was reached by that call.
        reached_so_far: share of all contacts called who were reached by then.
    """

    campaign_id: int | None
    campaign: str | None
    value: str
    number: int
    tried: int
    reached: int
    reach_rate: float | None
    reached_so_far: float | None


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """From the answer to our first word, milliseconds; percentiles are read from buckets.

    Args:
        served: share of calls whose first word came within two seconds.
        buckets: upper bound in milliseconds (None: none) and calls, those without calls left out.
    """

    campaign_id: int | None
    campaign: str | None
    value: str
    calls: int
    p50_ms: int | None
    p90_ms: int | None
    p95_ms: int | None
    p99_ms: int | None
    served: float | None
    buckets: Sequence[tuple[int | None, int]]


@dataclass(frozen=True, slots=True)
class OptOutRow:
    """People who asked in a call not to be called again, by day."""

    campaign_id: int | None
    campaign: str | None
    value: str
    day: date
    opt_outs: int
    connects: int
    opt_out_rate: float | None


@dataclass(frozen=True, slots=True)
class RecoveryRow:
    """Conversations that broke off: what was answered, and what became of it."""

    campaign_id: int | None
    campaign: str | None
    value: str
    answer: str
    became: str
    calls: int


@dataclass(frozen=True, slots=True)
class CostRow:
    """What it cost, in one currency. Prices that are still to come are missing: `priced` says how many
    attempts have one."""

    campaign_id: int | None
    campaign: str | None
    value: str
    currency: str
    attempts: int
    priced: int
    cost: float
    per_attempt: float | None
    per_connect: float | None
    per_success: float | None
    disposition_costs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """All measures of attempts side by side, for comparing."""

    campaign_id: int | None
    campaign: str | None
    value: str
    attempts: int
    placed: int
    answered: int
    connects: int
    conversations: int
    right_parties: int
    successes: int
    opt_outs: int
    abandoned: int
    seconds: int
    answer_rate: float | None
    connect_rate: float | None
    success_rate: float | None
    opt_out_rate: float | None
    abandonment_rate: float | None
    first_word_p50_ms: int | None
    first_word_p95_ms: int | None
    first_day: date | None
    last_day: date | None


def tries_rows(
    found: Sequence[tuple[int, int, int]], about: tuple[int | None, str | None, str]
) -> list[TriesRow]:
    """Rows in the order of attempts.

    Args:
        found: (number, tried, reached), ascending.
        about: campaign id, campaign, value.
    """
    first = found[0][1] if found and found[0][0] == 1 else 0
    so_far = accumulate(reached for _, _, reached in found)
    return [
        TriesRow(*about, number, tried, reached, rate(reached, tried), rate(together, first))
        for (number, tried, reached), together in zip(found, so_far, strict=True)
    ]


def cells(row: object) -> dict[str, object]:
    """A row of a report as one line of a table: lists and mappings as text.

    Args:
        row: one of the rows above.
    """
    assert is_dataclass(row)
    assert not isinstance(row, type)
    return {field.name: _cell(getattr(row, field.name)) for field in fields(row)}


def _cell(value: object) -> object:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {part}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(f"{'more' if bound is None else bound}: {calls}" for bound, calls in value)
    return value
