"""Which lines the rules of a campaign's regions demand, checked before anybody is called.

The same is judged again at each dial, for the very place of the person and the rules of that day
(pack_rules.py); here whoever writes the script is told at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from campaign.domain.campaign import CampaignDefinition
from campaign.domain.definition_check import Found
from campaign.domain.rule import SCOPES, Disclosure, OptOut, Rule
from campaign.domain.rulebook import Rulebook
from campaign.domain.script import says

_LINE: Final = {
    "ai": ("disclosure_ai", "must say that an AI speaks"),
    "business_name": (
        "disclosure_ai",
        "must say {{ seller_name }}, or the greeting must",
    ),
    "opt_out": ("disclosure_opt_out", "must say how to stop the calls"),
}


@dataclass(frozen=True, slots=True)
class _Where:
    """A country, or one region of it, as packs look at a place."""

    countries: tuple[str, ...]
    regions: tuple[str, ...]


def faults(definition: CampaignDefinition, rulebook: Rulebook, on: date) -> Iterator[Found]:
    """(path, what is missing and which rules demand it), for each line that is left out.

    Args:
        on: the day whose rules count.
    """
    said = says(definition.script, definition.seller.legal_name)
    demanding: dict[str, list[str]] = {}
    for rule in _rules(definition, rulebook, on):
        demanded = ("opt_out",) if isinstance(rule.terms, OptOut) else _say(rule)
        for what in demanded:
            if what in _LINE and what not in said and rule.id not in demanding.setdefault(what, []):
                demanding[what].append(rule.id)
    for what, rules in demanding.items():
        line, why = _LINE[what]
        shown = ", ".join(rules[:3]) + (" and others" if len(rules) > 3 else "")
        yield ("script", "lines", line), f"{why} (demanded by {shown})"


def _say(rule: Rule) -> tuple[str, ...]:
    return rule.terms.say if isinstance(rule.terms, Disclosure) else ()


def _rules(definition: CampaignDefinition, rulebook: Rulebook, on: date) -> Iterator[Rule]:
    """Rules about what is said that may hold for anybody whom the campaign may call."""
    purpose = definition.purpose.value
    for region in definition.regions:
        country = region.partition("-")[0]
        where = _Where((country,), () if region == country else (region,))
        for rule in rulebook.for_place(where, on):
            about = isinstance(rule.terms, Disclosure | OptOut)
            scope = rule.scope
            meant = any(
                scope.covers(purpose, party, "artificial", frozenset(SCOPES["line"]))
                for party in SCOPES["party"]
            )
            if about and meant:
                yield rule
