"""How old the copies of registries are, which rules demand them, and whom a missing or old one keeps back."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from campaign.domain.rule import Registry
from campaign.domain.rulebook import Rulebook
from campaign.store import registries
from campaign.store.database import Tx
from campaign.store.registries import Copy

OTHERS = "dnc.registries"
"""The rule of registries that no pack speaks of: whoever stands on one isn't called."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A rule that wants numbers compared with a registry, by a copy of at most so many days; with `same_day`
    only by one of the called party's day."""

    rule_id: str
    max_age_days: int
    same_day: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """A registry: its copy in force, who demands it, and until when the copy does for the strictest of them.

    `expires_at` None: there is no copy, or no rule in force demands one.
    """

    name: str
    copy: Copy | None
    demands: tuple[Demand, ...]
    expires_at: datetime | None

    def age(self, now: datetime) -> timedelta | None:
        """How old the copy is."""
        return now - self.copy.as_of if self.copy else None

    def fault(self, now: datetime) -> str:
        """What is the matter with it, for people; empty when it does for all rules and all numbers."""
        if not self.demands:
            return ""
        strictest = min(self.demands, key=lambda one: one.max_age_days)
        if self.copy is None:
            return f"it is not loaded, and {strictest.rule_id} demands it"
        which = f"its copy of {self.copy.as_of:%Y-%m-%d}" + (
            f" (version {self.copy.version})" if self.copy.version else ""
        )
        if self.expires_at is not None and now > self.expires_at:
            days = (now - self.copy.as_of).days
            return f"{which} is {days} days old, and {strictest.rule_id} allows {strictest.max_age_days}"
        if any(one.same_day for one in self.demands):
            return f"{which} is not of the called party's day, which {strictest.rule_id} demands"
        if self.copy.area_codes is not None:
            return f"{which} doesn't have their area codes"
        return ""

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """For programs."""
        copy, age = self.copy, self.age(now)
        return {
            "name": self.name,
            "version": copy.version if copy else None,
            "numbers": copy.numbers if copy else None,
            "as_of": copy.as_of if copy else None,
            "age_days": age.days if age is not None else None,
            "area_codes": sorted(copy.area_codes) if copy and copy.area_codes is not None else None,
            "expires_at": self.expires_at,
            "demanded_by": [asdict(demand) for demand in self.demands],
            "fault": self.fault(now),
        }


def demands(rulebook: Rulebook, now: datetime) -> dict[str, tuple[Demand, ...]]:
    """Registry → the rules in force that demand it, on the day of `now`."""
    found: dict[str, list[Demand]] = {}
    for pack in rulebook.packs:
        for rule in pack.rules:
            if isinstance(rule.terms, Registry) and rule.status != "proposed" and rule.in_force(now.date()):
                demand = Demand(rule.id, rule.terms.max_age_days, rule.terms.same_day)
                found.setdefault(rule.terms.registry, []).append(demand)
    return {name: tuple(listed) for name, listed in found.items()}


def rules_of(
    rulebook: Rulebook, names: Iterable[str], countries: frozenset[str] | None = None
) -> dict[str, str]:
    """Rule id → registry, of all rules that speak of one of those registries.

    Args:
        countries: only rules of packs of these; None: of all.
    """
    wanted = set(names)
    return {
        rule.id: rule.terms.registry
        for pack in rulebook.packs
        if countries is None or not countries.isdisjoint(pack.countries)
        for rule in pack.rules
        if isinstance(rule.terms, Registry) and rule.terms.registry in wanted
    }


async def standings(tx: Tx, rulebook: Rulebook, now: datetime) -> list[Standing]:
    """Every registry that was loaded or that a rule in force demands, by name."""
    return judged(await registries.in_force(tx), rulebook, now)


def judged(copies: Mapping[str, Copy], rulebook: Rulebook, now: datetime) -> list[Standing]:
    """Those copies as the rules in force see them, and the registries that they demand and that lack one."""
    wanted = demands(rulebook, now)
    found: list[Standing] = []
    for name in sorted({*copies, *wanted}):
        copy, asked = copies.get(name), wanted.get(name, ())
        days = min((one.max_age_days for one in asked), default=None)
        expires = copy.as_of + timedelta(days=days) if copy and days is not None else None
        found.append(Standing(name, copy, asked, expires))
    return found


async def kept_back(
    tx: Tx,
    campaign_id: int,
    rulebook: Rulebook,
    now: datetime,
    countries: frozenset[str] | None = None,
) -> str:
    """Which registries keep contacts of a campaign back and what to do about it; empty when none does.

    Args:
        countries: that the campaign calls; None: any.
    """
    faults = {one.name: one.fault(now) for one in await standings(tx, rulebook, now)}
    rules = rules_of(rulebook, [name for name, fault in faults.items() if fault], countries)
    if not rules:
        return ""
    contacts: dict[str, int] = {}
    for rule, number in (await registries.kept_back(tx, campaign_id, sorted(rules))).items():
        contacts[rules[rule]] = contacts.get(rules[rule], 0) + number
    sentences = []
    for name, number in sorted(contacts.items()):
        whose = "1 contact waits" if number == 1 else f"{number:,} contacts wait"
        sentences.append(
            f"{whose} for the registry {name}: {faults[name]}. Load a fresh copy, and they are called by "
            f"themselves: campaign dnc registry load FILE --name {name} --as-of DATE"
        )
    return " ".join(sentences)
