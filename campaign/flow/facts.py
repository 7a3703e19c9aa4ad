"""Gathers what decisions look at: how campaigns stand, and what is known of the numbers whose turn it is.

The dialler calls `situation` and `gather` inside the transaction that writes the intents, so what is
gathered is still true when they are committed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from campaign.domain import phone
from campaign.domain.budget import Rates
from campaign.domain.calling_window import WeeklyHours
from campaign.domain.campaign import CampaignDefinition
from campaign.domain.disposition import MEANING
from campaign.domain.errors import BadInput
from campaign.domain.facts import CampaignPolicy, Consent, DncHit, Facts, Scrub
from campaign.domain.lookup import LINE_TYPE_DAYS, Known, Want, consent_date, line_of, owner_of
from campaign.domain.phone import NumberKind, PhoneNumber
from campaign.domain.place import Place, locate, zones_named
from campaign.domain.registry_sheet import area_code_of
from campaign.domain.rule import COUNTED_DAYS
from campaign.domain.rulebook import LONGEST_CAP_HOURS, Rulebook
from campaign.domain.script import says as script_says
from campaign.store import claims, dnc, lookups, registries
from campaign.store import facts as stored
from campaign.store.database import Tx

NOWHERE = Place((), (), ())
MONTH = timedelta(days=COUNTED_DAYS)
RECOUNT = timedelta(seconds=60)
CONNECTS = tuple(code.value for code, meaning in MEANING.items() if meaning.connect)


class Candidate(Protocol):
    """What is asked of a campaign contact (store/claims.py: DueContact)."""

    @property
    def campaign_id(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def due_for(self) -> str: ...
    @property
    def number(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def other_phones(self) -> Sequence[str]: ...
    @property
    def place(self) -> str: ...
    @property
    def said_zone(self) -> str | None: ...
    @property
    def party(self) -> str: ...
    @property
    def consent(self) -> str: ...
    @property
    def consent_at(self) -> datetime | None: ...
    @property
    def consent_source(self) -> str | None: ...


@dataclass(slots=True)
class CampaignStand:
    """One campaign in a situation. Money and caller ids are used up as facts are handed out, so that a batch
    never promises more than there is."""

    policy: CampaignPolicy
    definition: CampaignDefinition
    dnc_lists: frozenset[int]
    money_left: Decimal | None
    checks: bool = False
    """Whether look-ups are among its facts."""
    reserves: dict[str, Decimal | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """How the campaigns stand at one moment, for one batch.

    `caller_use`: calls made today from each caller id, counting those that this batch may make.
    """

    campaigns: Mapping[int, CampaignStand]
    scrubs: "Scrubs"
    rates: Rates
    caller_use: dict[str, int]


class Scrubs:
    """What a number was compared with: the copies in force of all registries.

    A copy of some area codes says nothing about the others; numbers outside North America are not among
    them.
    """

    def __init__(self, copies: Mapping[str, registries.Copy]) -> None:
        self._copies = copies
        self._kept: dict[str | None, Mapping[str, Scrub]] = {}

    def of(self, e164: str) -> Mapping[str, Scrub]:
        """Registry name → the comparison of that number with it; shared by all numbers of an area code."""
        area = area_code_of(e164)
        if area not in self._kept:
            self._kept[area] = {
                name: Scrub(copy.as_of, str(copy.version or ""), copy.lacks(area))
                for name, copy in self._copies.items()
            }
        return self._kept[area]


def reserve_for(
    definition: CampaignDefinition, region: str, rates: Rates, seconds: int | None = None
) -> Decimal | None:
    """What a call that is answered would cost; None when that country has no price.

    Args:
        seconds: how long it is; None: as long as the campaign allows.
    """
    if not rates.knows(region):
        return None
    lines = rates.lines(
        region,
        definition.longest_call_seconds if seconds is None else seconds,
        detection=definition.voicemail.detection.value != "off",
        recorded=definition.script.record,
        model=definition.script.profiles != ("scripted",),
        wrap_ups=2 if definition.wrap_up.profile else 0,
    )
    return sum(lines.values(), Decimal(0))


@dataclass(slots=True)
class AbandonmentCounts:
    """How many answered calls were abandoned, per campaign; counted anew when older than a minute.

    Counting walks a month of outcomes, which is too much for every claim: whoever claims keeps one of these.
    """

    counted: dict[int, tuple[datetime, int, int]] = field(default_factory=dict)

    def old(self, ids: Sequence[int], now: datetime) -> list[int]:
        """Those that are due to be counted."""
        return [c for c in ids if c not in self.counted or now - self.counted[c][0] >= RECOUNT]

    def fresh(self, now: datetime) -> list[int]:
        """Those that needn't be counted yet."""
        return [c for c, (at, _, _) in self.counted.items() if now - at < RECOUNT]

    async def of(self, tx: Tx, ids: Sequence[int], now: datetime) -> dict[int, tuple[int, int]]:
        """Campaign → (answered by a person, of these abandoned) over the last 30 days."""
        if old := self.old(ids, now):
            found = await stored.abandonment(tx, old, now - MONTH, CONNECTS)
            self.counted.update({c: (now, *found.get(c, (0, 0))) for c in old})
        return {c: self.counted[c][1:] for c in ids}


async def situation(
    tx: Tx,
    definitions: Mapping[int, CampaignDefinition],
    now: datetime,
    *,
    rates: Rates,
    abandonment: AbandonmentCounts | None = None,
    rulebook: Rulebook | None = None,
) -> Situation:
    """How those campaigns stand: four or five statements, however many contacts follow.

    Args:
        definitions: campaign id → the definition in force.
        now: the instant of the decisions; days of money and caller ids are UTC days.
        abandonment: kept from claim to claim; None: not counted.
        rulebook: whose packs may demand look-ups; None: only the campaigns' own checks count.
    """
    ids = list(definitions)
    rows = await stored.campaigns(tx, ids, now)
    lists = await claims.dnc_lists(tx, ids)
    capped = [c for c, d in definitions.items() if d.budget.per_day is not None or d.budget.total is not None]
    spent = await claims.spend(tx, capped, now.date()) if capped else {}
    callers = sorted({caller.number for d in definitions.values() for caller in d.caller_ids})
    use = await claims.caller_use(tx, callers, now.date())
    scrubs = Scrubs(await registries.in_force(tx))
    counts = await abandonment.of(tx, ids, now) if abandonment is not None else {}
    stands = {
        c: CampaignStand(
            _policy(rows[c], definition, counts.get(c)),
            definition,
            frozenset(lists.get(c, ())),
            _money_left(definition, *spent.get(c, (Decimal(0), Decimal(0)))),
            bool(asked_by(definition, rulebook)),
        )
        for c, definition in definitions.items()
        if c in rows
    }
    return Situation(stands, scrubs, rates, {caller: use.get(caller, 0) for caller in callers})


def asked_by(definition: CampaignDefinition, rulebook: Rulebook | None) -> frozenset[Want]:
    """What the campaign itself, or a pack of one of its countries, wants looked up about numbers."""
    wants = {Want.LINE_TYPE} if definition.checks.line_type else set()
    asking = rulebook.asks_reassigned if rulebook is not None else frozenset()
    if definition.checks.reassigned or any(
        region.partition("-")[0] in asking for region in definition.regions
    ):
        wants.add(Want.REASSIGNED)
    return frozenset(wants)


async def policy_of(
    tx: Tx, campaign_id: int, definition: CampaignDefinition, now: datetime
) -> CampaignPolicy | None:
    """One campaign's policy; None when it is gone. What hangs on counts is left out."""
    row = (await stored.campaigns(tx, [campaign_id], now)).get(campaign_id)
    return None if row is None else _policy(row, definition, None)


def _policy(
    row: stored.CampaignRow, definition: CampaignDefinition, counted: tuple[int, int] | None
) -> CampaignPolicy:
    schedule = definition.schedule
    answered, abandoned = counted if counted is not None else (None, 0)
    return CampaignPolicy(
        says=script_says(definition.script, definition.seller.legal_name),
        name=row.name,
        purpose=definition.purpose.value,
        regions=frozenset(definition.regions),
        state=row.state,
        hours=_hours(tuple(sorted((day, _listed(hours)) for day, hours in schedule.week.items()))),
        restricted=frozenset(schedule.restricted_dates),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        minimum_consent=definition.consent.minimum.value,
        attempts_per_number=definition.retry.per_number_per_day,
        min_gap_minutes=definition.retry.min_gap_minutes,
        pauses=row.pauses,
        all_stopped=row.all_stopped,
        version=row.version,
        waivers=row.waivers,
        registered=row.registered,
        live_answered=answered,
        abandoned=abandoned,
        line_type_days=LINE_TYPE_DAYS if definition.checks.line_type else 0,
        reassigned_days=definition.checks.reassigned_days if definition.checks.reassigned else 0,
    )


def _listed(hours: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(hours.split(",")) if isinstance(hours, str) else tuple(hours)


@lru_cache(maxsize=1024)
def _hours(week: tuple[tuple[str, tuple[str, ...]], ...]) -> WeeklyHours:
    return WeeklyHours.parse(dict(week))


def _money_left(definition: CampaignDefinition, today: Decimal, total: Decimal) -> Decimal | None:
    caps = ((definition.budget.per_day, today), (definition.budget.total, total))
    return min((cap - used for cap, used in caps if cap is not None), default=None)


async def gather(tx: Tx, rows: Sequence[Candidate], standing: Situation, now: datetime) -> list[Facts]:
    """The facts of a batch of campaign contacts, in their order: two statements, and a third for the
    look-ups when a campaign wants any.

    Money and caller ids are handed out in that order: each one's facts count what the ones before it may
    use, whether or not these are dialled in the end.

    Args:
        rows: campaign contacts of the campaigns in the situation.
        standing: from `situation`, in the same transaction; used up by this.
    """
    numbers = list({row.number for row in rows})
    lists = {one for stand in standing.campaigns.values() for one in stand.dnc_lists}
    listed: dict[str, list[dnc.Hit]] = {}
    for hit in await dnc.hits(tx, numbers, lists):
        listed.setdefault(hit.phone, []).append(hit)
    persons: dict[str, list[str]] = {}
    for row in rows:
        persons.setdefault(row.number, []).extend((row.phone, *row.other_phones))
    tried = await stored.tried(tx, persons, now - timedelta(hours=LONGEST_CAP_HOURS))
    checked = [row.number for row in rows if standing.campaigns[row.campaign_id].checks]
    known = await lookups.latest(tx, list(set(checked))) if checked else {}
    return [
        _facts(
            row,
            standing,
            listed.get(row.number, ()),
            tried.get(row.number),
            known.get(row.number, ()),
        )
        for row in rows
    ]


def _facts(
    row: Candidate,
    situation: Situation,
    listed: Sequence[dnc.Hit],
    tries: stored.Tries | None,
    known: Sequence[Known],
) -> Facts:
    stand = situation.campaigns[row.campaign_id]
    number, place = whereabouts(row.number, row.phone, row.place, row.said_zone)
    revoked = max((hit.added_at for hit in listed if hit.kind == dnc.REVOKED), default=None)
    if number.region not in stand.reserves:
        stand.reserves[number.region] = reserve_for(stand.definition, number.region, situation.rates)
    reserve, left = stand.reserves[number.region], stand.money_left
    if reserve is not None and left is not None and reserve <= left:
        stand.money_left = left - reserve
    return Facts(
        number=number,
        place=place,
        policy=stand.policy,
        party=row.party,
        consent=_consent(row, revoked),
        dnc=tuple(
            DncHit(hit.list_name, hit.kind, hit.added_at, hit.reason, str(hit.version or ""))
            for hit in listed
            if hit.kind != dnc.REVOKED and (hit.kind != "campaign" or hit.list_id in stand.dnc_lists)
        ),
        scrubs=situation.scrubs.of(number.e164),
        attempts=tries.attempts if tries else (),
        elsewhere=tries.elsewhere if tries else (),
        attempts_made=row.attempts,
        attempts_allowed=stand.definition.retry.budget,
        unsettled_since=tries.unsettled_since if tries else None,
        callers=_callers(stand.definition, situation.caller_use),
        reserve=reserve,
        money_left=left,
        callback_due=row.due_for == "callback",
        reassigned=owner_of(known, consent_date(row.consent_at)) if stand.checks else None,
        line_type=line_of(known) if stand.policy.line_type_days else None,
    )


def _consent(row: Candidate, revoked: datetime | None) -> Consent | None:
    """What was agreed to, unless it was taken back since (or nobody can say whether it was given since)."""
    if row.consent == "none":
        return None
    if revoked is not None and (row.consent_at is None or row.consent_at <= revoked):
        return Consent("none", revoked, f"{row.consent}, revoked since")
    return Consent(row.consent, row.consent_at, row.consent_source or "")


def _callers(definition: CampaignDefinition, use: dict[str, int]) -> tuple[str, ...]:
    """The pool's numbers with calls left today, the least used first; counts one more call on that one."""
    pool = definition.caller_ids
    free = [one.number for one in pool if one.daily_cap is None or use[one.number] < one.daily_cap]
    free.sort(key=use.__getitem__)
    if free:
        use[free[0]] += 1
    return tuple(free)


@lru_cache(maxsize=65536)
def whereabouts(number: str, first: str, place_key: str, said_zone: str | None) -> tuple[PhoneNumber, Place]:
    """The number to be called and everywhere its owner may be: what the list stored, what was said since,
    and the number's own area code when it is not the contact's first number.

    What cannot be read makes the place unknown, which no rule allows; it is never left out.
    """
    parsed = phone.parse(number, None)
    if not isinstance(parsed, PhoneNumber):
        return PhoneNumber(number, "001", NumberKind.UNKNOWN), NOWHERE
    try:
        place = _place(place_key)
    except ValueError:
        return parsed, NOWHERE
    if number != first:
        place = place.union(locate(parsed))
    if said_zone:
        place = place.union(Place((), (), _said(said_zone)))
    return parsed, place


_place = lru_cache(maxsize=4096)(Place.from_key)


def _said(text: str) -> tuple[str, ...]:
    try:
        return zones_named(text)
    except BadInput:
        return (text,)  # a zone that nobody knows: place.known blocks and names it
