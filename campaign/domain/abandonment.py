"""Abandoned calls: a person answered, and our first words did not start in time.

The law sets a ceiling on their share of the live-answered calls of a campaign over thirty days (47 CFR
64.1200(a)(7): 3 %). For a machine that speaks the cause is overload: too many people at once for the models
and sockets. So from half of the ceiling on a campaign slows down, in pace and lines alike; above the ceiling
it pauses. A ceiling that somebody has waived for the campaign doesn't count.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from campaign.domain.rule import COUNTED_DAYS, Abandonment
from campaign.domain.rulebook import Rulebook

SMALL_SAMPLE = 100
"""Live-answered calls below which a campaign's abandonment is judged as if there had been so many: one
abandoned call among the first ten is no rate yet."""
SOFT = 0.5
"""The share of the ceiling from which a campaign slows down: at 1.5 % where 3 % are allowed."""
LEAST_PACE = 0.1
"""A campaign slows down to a tenth of its pace at the most; then only the ceiling stops it."""
SERVED_WITHIN_S = 2.0
"""A person who hears nothing of us for longer after answering counts as abandoned, where no pack says
otherwise (47 CFR 64.1200(a)(7): two seconds; for a machine that speaks, the reading is ours)."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The greatest share of abandoned calls that any of a campaign's packs allows, and where it stands."""

    rule_id: str
    max_rate: float
    cite: str


@dataclass(frozen=True, slots=True)
class Counted:
    """Calls of the last thirty days that a person answered; of these, abandoned."""

    answered: int
    abandoned: int

    @property
    def rate(self) -> float:
        """The share of abandoned calls, few calls taken for a hundred."""
        return self.abandoned / max(self.answered, SMALL_SAMPLE)

    def over(self, max_rate: float) -> bool:
        """Whether more were abandoned than a ceiling allows."""
        return self.abandoned > max_rate * max(self.answered, SMALL_SAMPLE)

    def pace(self, max_rate: float) -> float:
        """The share of its pace and lines that a campaign keeps: 1 below half of the ceiling; from there as
        much as is left of the ceiling, a tenth at least."""
        if self.abandoned < SOFT * max_rate * max(self.answered, SMALL_SAMPLE):
            return 1.0
        return max(LEAST_PACE, 1 - self.rate / max_rate)

    def in_words(self) -> str:
        """ "12 of 640 answered calls were abandoned in 30 days (1.9 %)"."""
        share = f" ({self.abandoned / self.answered:.1%})" if self.answered else ""
        calls = f"{self.abandoned:,} of {self.answered:,} answered calls"
        return f"{calls} were abandoned in {COUNTED_DAYS} days{share}"


@lru_cache(maxsize=4096)
def ceiling(
    rulebook: Rulebook, regions: frozenset[str], purpose: str, waived: frozenset[str], on: date
) -> Ceiling | None:
    """The strictest ceiling of the packs of everywhere that a campaign may call; None when no pack has one.

    Args:
        regions: the campaign's, such as {"US", "CA-ON"}.
        waived: ids of rules that are waived for it.
        on: the day, UTC.
    """
    countries = {region.partition("-")[0] for region in regions}
    found = [
        Ceiling(rule.id, rule.terms.max_rate, rule.source.cite)
        for pack in rulebook.packs
        if not pack.countries.isdisjoint(countries)
        for rule in pack.rules
        if isinstance(rule.terms, Abandonment)
        and rule.in_force(on)
        and (not rule.scope.purpose or purpose in rule.scope.purpose)
        and not (rule.waivable and rule.id in waived)
    ]
    return min(found, key=lambda one: (one.max_rate, one.rule_id), default=None)


@lru_cache(maxsize=4096)
def served_within_s(rulebook: Rulebook, countries: Collection[str], purpose: str, on: date) -> float:
    """Seconds within which our first words must start: the shortest that a pack of those countries names."""
    named = [
        rule.terms.connect_within_s
        for pack in rulebook.packs
        if not pack.countries.isdisjoint(countries)
        for rule in pack.rules
        if isinstance(rule.terms, Abandonment)
        and rule.terms.connect_within_s
        and rule.in_force(on)
        and (not rule.scope.purpose or purpose in rule.scope.purpose)
    ]
    return min(named, default=SERVED_WITHIN_S)
