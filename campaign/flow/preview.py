"""Before a campaign starts: how many would be called, would wait and are blocked, and why.

Every enrolled contact is judged by the dialler's own rules and facts, as if the campaign were running at the
given instant. What holds for everybody (state, money, caller ids, a stop of all dialling) is left out of
that judgement and told apart, as hindrances: else one missing dollar would hide all other reasons. Nothing is
written and nothing is locked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from campaign.domain.budget import Rates
from campaign.domain.campaign import Budget, CampaignDefinition, stored
from campaign.domain.decision import Decision, Verdict
from campaign.domain.phone import mask
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import decide
from campaign.domain.waiting import Cause, cause_of, clock, short
from campaign.flow import facts as gathering
from campaign.flow import hindrances
from campaign.store import campaigns, candidates, claims
from campaign.store.campaigns import CampaignRow
from campaign.store.claims import DueContact
from campaign.store.database import Database, Tx

PAGE = 2_000
"""Contacts judged between two looks at the database."""
RING_S = 30
"""How long a call that nobody answers holds its line, for the estimate of the duration."""

K = TypeVar("K")
Progress = Callable[[int, int], None]
"""Told (contacts judged, contacts in all)."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Contacts that would wait for the same reason until the same instant.

    Args:
        rule: that defers them; "" when they wait for their planned retry or callback.
        until: None when they wait for an event, not for the clock. Rounded down to the hour where each
            contact has an instant of its own.
        example: one of them, its number masked; `why`: what the rule says of it.
    """

    cause: Cause
    rule: str
    until: datetime | None
    contacts: int
    example: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """Contacts that one rule blocks; a contact that several block is counted under the first of them.

    Args:
        example: one of them, its number masked; `why`: what the rule says of it.
    """

    cause: Cause
    rule: str
    contacts: int
    example: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Country:
    """Contacts by the country of the number whose turn it is."""

    country: str
    contacts: int
    now: int
    waits: int
    blocked: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of a campaign's contacts.

    Args:
        at: the instant that it is judged for.
        contacts: judged: now + waiting + too_late + blocked of them.
        now: would be called at once, as fast as pace and lines allow.
        too_late: of the others, those whose next instant lies past the campaign's end: they are never called.
        under_way, done: contacts that are being called, or done; not judged.
        hindrances: what would keep everybody from being called, in sentences.
        seconds: for those who would be called at once: when nobody answers, and when every call is as long
            as the campaign allows.
        cost: for one call to everybody who may be called now or later: if each is answered for less than a
            minute, and if each is as long as the campaign allows. Calls that nobody answers cost nothing.
    """

    campaign_id: int
    campaign: str
    state: str
    at: datetime
    contacts: int
    now: int
    waiting: int
    too_late: int
    blocked: int
    under_way: int
    done: int
    waits: list[Waits]
    blocks: list[Blocked]
    countries: list[Country]
    hindrances: list[str]
    seconds: tuple[float, float]
    cost: tuple[Decimal, Decimal]
    currency: str

    @property
    def summary(self) -> str:
        """One line: "1,204 will be called now, 310 wait until 14:00 UTC, 18 are blocked (own DNC 12 …)"."""
        parts = [f"{self.now:,} will be called now"]
        if self.waiting:
            wait = "waits" if self.waiting == 1 else "wait"
            parts.append(f"{self.waiting:,} {wait}{_until(self.waits, self.at)}")
        if self.too_late:
            parts.append(f"{self.too_late:,} would wait past the campaign's end")
        if self.blocked:
            causes: dict[Cause, int] = {}
            for one in self.blocks:
                causes[one.cause] = causes.get(one.cause, 0) + one.contacts
            most = sorted(causes.items(), key=lambda item: -item[1])
            why = ", ".join(f"{short(cause)} {n:,}" for cause, n in most)
            parts.append(f"{self.blocked:,} {'is' if self.blocked == 1 else 'are'} blocked ({why})")
        return ", ".join(parts)


def _until(waits: list[Waits], at: datetime) -> str:
    untils = {one.until for one in waits}
    known = [until for until in untils if until is not None]
    if not known:
        return ""
    first = clock(min(known), at)
    return f" until {first}" if len(untils) == 1 else f" (the first until {first})"


async def preview(
    db: Database,
    name: str,
    now: datetime,
    *,
    rulebook: Rulebook,
    rates: Rates,
    calls_per_second: float,
    at: datetime | None = None,
    clock_rate: float = 1.0,
    progress: Progress = lambda done, total: None,
) -> Preview:
    """Judge all contacts of a campaign as if it were running.

    Args:
        name: the campaign's name, or "#12".
        now: the clock's instant.
        calls_per_second: of the account.
        at: the instant to judge for; None: the campaign's start when that lies ahead, else now.
        clock_rate: clock seconds per real second.

    Raises:
        NotFound: there is no such campaign.
    """
    async with db.connection() as tx:
        row = await campaigns.find(tx, name)
        definition = stored(await campaigns.definition(tx, row.id))
        when = at or max(now, row.starts_at or now)
        counts = await candidates.counts(tx, row.id)
        situation = await _situation(tx, row, definition, when, rates, rulebook)
        told = await _hindrances(tx, row, definition, when, rates, clock_rate, rulebook)
    total = counts.get("waiting", 0) + counts.get("blocked", 0)
    tally = _Tally(when, row.ends_at, rulebook)
    after = ""
    progress(0, total)
    while True:
        async with db.connection() as tx:
            rows, after = await candidates.page(tx, row.id, after, PAGE)
            facts = await gathering.gather(tx, rows, situation, when)
        for contact, fact in zip(rows, facts, strict=True):
            tally.add(contact, fact.number.region, decide(fact, rulebook, when))
        progress(min(tally.contacts, total), total)
        if len(rows) < PAGE:
            break
    return tally.told(row, definition, rates, counts, told, calls_per_second)


async def _situation(
    tx: Tx,
    row: CampaignRow,
    definition: CampaignDefinition,
    when: datetime,
    rates: Rates,
    rulebook: Rulebook,
) -> gathering.Situation:
    """How the campaign would stand if nothing but the rules for single contacts counted."""
    free = msgspec.structs.replace(
        definition,
        budget=Budget(currency=definition.budget.currency),
        caller_ids=tuple(msgspec.structs.replace(one, daily_cap=None) for one in definition.caller_ids),
    )
    counted = gathering.AbandonmentCounts()
    found = await gathering.situation(
        tx, {row.id: free}, when, rates=rates, abandonment=counted, rulebook=rulebook
    )
    for stand in found.campaigns.values():
        stand.policy = replace(stand.policy, state="running", all_stopped=False, starts_at=None, ends_at=None)
    return found


async def _hindrances(
    tx: Tx,
    row: CampaignRow,
    definition: CampaignDefinition,
    when: datetime,
    rates: Rates,
    clock_rate: float,
    rulebook: Rulebook,
) -> list[str]:
    as_running = replace(row, state="running")
    found = await hindrances.of_campaign(
        tx, as_running, when, rates=rates, clock_rate=clock_rate, rulebook=rulebook
    )
    if row.enrolled_at is None:
        found.append("Contacts are still being enrolled; these figures are of those who are enrolled so far.")
    if row.ends_at is not None and row.ends_at <= when:
        found.append(f"The campaign ends at {clock(row.ends_at, when)}, before that instant.")
    room = await _caller_room(tx, definition, when)
    if room:
        found.append(
            f"The caller ids have {room:,} calls left on that day (UTC); then it goes on the next day."
        )
    return found


async def _caller_room(tx: Tx, definition: CampaignDefinition, when: datetime) -> int | None:
    """Calls left on that UTC day; None when some caller id has no cap."""
    pool = [(one.number, one.daily_cap) for one in definition.caller_ids]
    use = await claims.caller_use(tx, [number for number, _ in pool], when.date())
    room = 0
    for number, cap in pool:
        if cap is None:
            return None
        room += max(0, cap - use.get(number, 0))
    return room


@dataclass(slots=True)
class _Seen:
    contacts: int
    example: str
    why: str
    source: str


@dataclass(slots=True)
class _Tally:
    """Counts by reason; as many rows as there are reasons, however many contacts."""

    at: datetime
    ends_at: datetime | None
    rulebook: Rulebook
    contacts: int = 0
    now: int = 0
    too_late: int = 0
    waits: dict[tuple[Cause, str, datetime | None], _Seen] = field(default_factory=dict)
    blocks: dict[tuple[Cause, str], _Seen] = field(default_factory=dict)
    countries: dict[str, list[int]] = field(default_factory=dict)

    def add(self, row: DueContact, country: str, decision: Decision) -> None:
        """Count one contact: in `now`, in one of `waits`, in `too_late` or in one of `blocks`."""
        self.contacts += 1
        counted = self.countries.setdefault(country, [0, 0, 0])
        main = decision.main
        rule, why, source = (main.rule_id, main.why, main.source) if main else ("", "", "")
        if decision.verdict is Verdict.BLOCK:
            counted[2] += 1
            key = (cause_of(rule, self.rulebook), rule)
            _count(self.blocks, key, row, why, source)
            return
        # The plan of a first call is only when its place opens, which the rules say better.
        planned = row.next_at if row.due_for != "first" and row.next_at and row.next_at > self.at else None
        if decision.allowed and planned is None and decision.callers:
            counted[0] += 1
            self.now += 1
            return
        counted[1] += 1
        cause, until = cause_of(rule, self.rulebook), decision.until
        if planned is not None and (until is None or planned >= until):
            cause = Cause.CALLBACK if row.due_for == "callback" else Cause.RETRY
            rule, why, source, until = "", f"The planned {row.due_for} is not due yet.", "", planned
        elif decision.allowed:
            cause, rule = Cause.CALLERS, "campaign.callers"
            why = "No caller id of the campaign satisfies all rules of that place."
        if self.ends_at is not None and until is not None and until >= self.ends_at:
            self.too_late += 1
            return
        if cause is not Cause.WINDOW and until is not None:
            until = until.replace(minute=0, second=0, microsecond=0)
        _count(self.waits, (cause, rule, until), row, why, source)

    def told(
        self,
        row: CampaignRow,
        definition: CampaignDefinition,
        rates: Rates,
        counts: Mapping[str, int],
        hindrances_: list[str],
        calls_per_second: float,
    ) -> Preview:
        """The preview made of the counts."""
        waits = [
            Waits(cause, rule, until, seen.contacts, seen.example, seen.why, seen.source)
            for (cause, rule, until), seen in self.waits.items()
        ]
        blocks = [
            Blocked(cause, rule, seen.contacts, seen.example, seen.why, seen.source)
            for (cause, rule), seen in self.blocks.items()
        ]
        pace = min(row.calls_per_second or calls_per_second, calls_per_second)
        longest = definition.longest_call_seconds
        least, most = Decimal(0), Decimal(0)
        for country, (now, later, _) in self.countries.items():
            for_minute = gathering.reserve_for(definition, country, rates, 60)
            for_longest = gathering.reserve_for(definition, country, rates)
            least += (now + later) * (for_minute or 0)
            most += (now + later) * (for_longest or 0)
        return Preview(
            campaign_id=row.id,
            campaign=row.name,
            state=row.state,
            at=self.at,
            contacts=self.contacts,
            now=self.now,
            waiting=sum(one.contacts for one in waits),
            too_late=self.too_late,
            blocked=sum(one.contacts for one in blocks),
            under_way=counts.get("calling", 0),
            done=counts.get("done", 0),
            waits=sorted(waits, key=lambda one: (-one.contacts, one.rule, str(one.until))),
            blocks=sorted(blocks, key=lambda one: (-one.contacts, one.rule)),
            countries=sorted(
                (Country(country, sum(n), n[0], n[1], n[2]) for country, n in self.countries.items()),
                key=lambda one: (-one.contacts, one.country),
            ),
            hindrances=hindrances_,
            seconds=(
                _seconds(self.now, pace, row.lines, RING_S),
                _seconds(self.now, pace, row.lines, longest),
            ),
            cost=(least, most),
            currency=rates.currency,
        )


def _count(into: dict[K, _Seen], key: K, row: DueContact, why: str, source: str) -> None:
    seen = into.get(key)
    if seen is None:
        into[key] = _Seen(1, mask(row.number), why, source)
    else:
        seen.contacts += 1


def _seconds(calls: int, pace: float, lines: int, each: float) -> float:
    """How long so many calls take: by the pace, or by the lines when calls hold them longer."""
    return max(calls / pace, calls * each / lines)
