"""Past dials judged once more under other packs: which of them would not have been made?

Each dial is judged with the facts that it was made on, at its own instant: under the packs in force today,
as a check, and under the others. Nothing is written.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from campaign.domain.decision import Decision, RuleVerdict, Verdict
from campaign.domain.facts import Facts, facts_from_json
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import decide
from campaign.store import dials
from campaign.store.database import Database
from campaign.store.dials import PastDial

PAGE = 1_000
"""Dials in one page; no more of them are held at once."""

Progress = Callable[[int, int], None]
"""Told (dials judged, dials in all)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A dial that would not have been made under the other packs.

    Args:
        was, would_be: verdicts; a dial was allowed.
        rule, why, source: of the verdict that decides.
        until: when it would have been allowed, for a deferral.
        exact: judged on the facts of this very dial, not of an earlier decision about the number.
    """

    attempt_id: int
    campaign: str
    phone: str
    at: datetime
    was: Verdict
    would_be: Verdict
    rule: str
    why: str
    source: str
    until: datetime | None
    exact: bool


@dataclass(slots=True)
class Totals:
    """What a replay counts; complete when all differences have been read.

    Args:
        dials: judged and not judged.
        differ: would not have been made under the other packs; `by_rule`: by the rule that decides.
        today: would not be made under today's packs either: these have become stricter since.
        today_by_rule: of these, by the rule that decides.
        inexact: judged on the facts of an earlier decision, because none of their own was kept.
        unknown: not judged: no decision was kept, or its facts can't be read.
    """

    dials: int = 0
    differ: int = 0
    today: int = 0
    inexact: int = 0
    unknown: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    today_by_rule: dict[str, int] = field(default_factory=dict)


async def replay(
    db: Database,
    today: Rulebook,
    other: Rulebook,
    totals: Totals,
    *,
    since: datetime,
    until: datetime,
    campaign: str | None = None,
    progress: Progress = lambda done, total: None,
) -> AsyncIterator[Difference]:
    """Judge past dials again; yields those that would not have been made, as they are found.

    Args:
        today: the packs in force. other: those to compare with; the same, to ask only about today's.
        totals: counted up on the way.
        since, until: instants of intents, from and before.
        campaign: only of the campaign of that name.

    Raises:
        NotFound: there is no such campaign.
    """
    async with db.connection() as tx:
        counts = await dials.count(tx, since, until, campaign)
    total = sum(counts.values())
    progress(0, total)
    for campaign_id in counts:
        after = (since - timedelta(microseconds=1), 0)
        while True:
            async with db.connection() as tx:
                page = await dials.page(tx, campaign_id, after, until, PAGE)
            for dial in page:
                found = _judged(dial, today, other, totals)
                if found is not None:
                    yield found
            progress(min(totals.dials, total), total)
            if len(page) < PAGE:
                break
            after = (page[-1].at, page[-1].attempt_id)


def _judged(dial: PastDial, today: Rulebook, other: Rulebook, totals: Totals) -> Difference | None:
    totals.dials += 1
    facts = facts_of(dial)
    if facts is None:
        totals.unknown += 1
        return None
    totals.inexact += not dial.exact
    now = decide(facts, today, dial.at)
    if not now.allowed:
        totals.today += 1
        _count(totals.today_by_rule, now)
    then = now if other is today else decide(facts, other, dial.at)
    if then.allowed:
        return None
    totals.differ += 1
    rule = _count(totals.by_rule, then)
    return Difference(
        dial.attempt_id,
        dial.campaign,
        dial.phone,
        dial.at,
        Verdict.ALLOW,
        then.verdict,
        rule.rule_id,
        rule.why,
        rule.source,
        then.until,
        dial.exact,
    )


def _count(by_rule: dict[str, int], decision: Decision) -> RuleVerdict:
    main = decision.main
    assert main is not None, "a decision that does not allow names a rule"
    by_rule[main.rule_id] = by_rule.get(main.rule_id, 0) + 1
    return main


def facts_of(dial: PastDial) -> Facts | None:
    """What the dial was decided on; None when that was not kept or can't be read."""
    if not dial.facts:
        return None
    try:
        return facts_from_json(dial.facts)
    except msgspec.ValidationError:
        return None
