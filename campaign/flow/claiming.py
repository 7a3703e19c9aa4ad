"""One claim: which contacts are dialled next, judged by every rule in the transaction that writes the intent.

The claim locks the account's pace first, so claims of all processes follow one another, and everything that
one of them counts is still true when it commits. It also takes the lock that do-not-call entries are written
under, shared: an entry committed before is seen, one that comes later finds the intent and cancels it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from campaign.domain.abandonment import Counted
from campaign.domain.budget import Rates
from campaign.domain.campaign import CampaignDefinition, stored
from campaign.domain.clock import Clock
from campaign.domain.pacing import HORIZON_S, LEAD_S, Pace, share_out
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import Decision, Facts, Verdict, decide
from campaign.flow import facts as gathering
from campaign.flow import versions
from campaign.flow.abandonment import stand
from campaign.flow.due import DueContacts
from campaign.store import claims, decisions, dnc
from campaign.store.claims import DueContact, Intent, RunningCampaign, Tenure, Waiting
from campaign.store.database import Tx

log = structlog.get_logger(__name__)

LOOK_AHEAD = 50
"""Rows looked at beyond the slots, so that people who wait or are blocked don't use up a claim."""
MOST = 500
"""Contacts dialled by one claim at the most: more would be judged before the first of them is sent."""
FEWEST = 10
"""A claim that took too long is made with half as many, but with so many at least."""
BREATH = 8
"""After so many contacts judged, calls whose slot has come are sent."""
IDLE_S = 0.5
"""Wait when nothing is due (real seconds)."""


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """What a claim obeys and who makes it.

    Args:
        pace: the account's allowance.
        max_calls: most calls in progress over the whole account; None: no limit of ours.
        lease_s: real seconds after the slot until an intent of a silent process counts as lost.
        marker: makes a random marker of 256 bits.
    """

    pace: Pace
    max_calls: int | None
    rulebook: Rulebook
    rates: Rates
    replica: str
    marker: Callable[[], str]
    lease_s: float = 30.0


@dataclass(slots=True)
class Dial:
    """A committed intent on its way to Twilio."""

    attempt_id: int
    marker: str
    campaign_id: int
    phone: str
    caller_id: str
    intent_at: datetime
    slot_at: datetime
    definition: CampaignDefinition
    fencing: int
    """The number of the tenure under which it was claimed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim yielded: calls to send at their slots, and how long to wait before the next claim.

    Args:
        failures: in a row, when a hold is over and Twilio has taken no call since: this claim's one call is
            to be tried alone.
    """

    dials: Sequence[Dial]
    wait_s: float
    why_idle: str = ""
    failures: int = 0


class Claimer:
    """Claims for one process; keeps definitions and the fair order between campaigns from claim to claim."""

    def __init__(self, limits: ClaimLimits) -> None:
        self._limits = limits
        self._definitions: dict[tuple[int, int], CampaignDefinition] = {}
        self._served: dict[int, float] = {}
        self._abandonment = gathering.AbandonmentCounts()
        self._made_with = versions.made_with()
        self._slowed: dict[int, float] = {}
        """Campaign → the share of its pace that abandoned calls have left it, as the last claim found it."""
        self.tenure: Tenure | None = None
        """What this process believes; another may have taken over since: the row in Postgres decides."""
        self._most = MOST
        self._took_s = 0.0
        self._due = DueContacts()

    async def claim(self, tx: Tx, clock: Clock) -> Claim:
        """Write intents for what is due now.

        Slots are taken when all has been judged, so that they lie ahead however long that took.

        Args:
            tx: the transaction; the caller commits it before sending anything.
        """
        limits, pace = self._limits, self._limits.pace
        now = clock.now()
        idle = IDLE_S * pace.rate
        row = await claims.lock_pace(tx)
        if row.stopped_why is not None:
            return Claim([], idle, row.stopped_why)
        if row.held_until is not None and row.held_until > now:
            return Claim([], min(idle, (row.held_until - now).total_seconds()), row.held_why or "held")
        next_slot = row.next_slot_at
        if self.tenure is None and row.tenure_until is not None:
            # Another process dials or did: what it sent is not known here, so that its last second must pass.
            next_slot = max(next_slot, row.tenure_until + pace.window)
            if row.holder is not None and row.tenure_until > now:
                wait = (row.tenure_until - now).total_seconds()
                return Claim([], min(idle, wait), f"{row.holder} dials")
        free = min(1 if row.failures else self._most, pace.available(next_slot, now))
        if free == 0:
            wait = (next_slot - now - pace.reach).total_seconds()
            return Claim([], min(idle, max(wait, pace.spacing.total_seconds() / 10)))
        campaigns, busy = await claims.running(
            tx, now, pace.stale, slowed=self._slowed, account_pace=pace.calls_per_second
        )
        if limits.max_calls is not None:
            free = min(free, limits.max_calls - busy)
        if free <= 0 or not campaigns:
            return Claim([], idle, "no line is free" if campaigns else "no campaign is running")
        await dnc.lock_shared(tx)
        intents, wrote = await self._decide(tx, campaigns, free, now, clock)
        judged = clock.now()
        if judged - now > pace.reach:
            # Judged too slowly to dial by it (a process's first claims read a lot): judge anew, and fewer.
            log.info("claim_too_slow", seconds=(judged - now).total_seconds(), contacts=len(intents))
            self._most = max(self._most // 2, FEWEST)
            return Claim([], 0.0, "judging anew")
        self._most = min(self._most + FEWEST, MOST)
        if not intents:
            # many were put off, so there may be more: look on at once
            return Claim([], 0.0 if wrote else idle, "nothing is due")
        slots, following = pace.slots(next_slot, judged, len(intents))
        tenure = await self._take(tx, following, now + pace.tenure)
        if tenure is None:
            return Claim([], 0.0, "another process has taken over")
        dials = await self._write(tx, intents, slots, tenure, now)
        took_s = (clock.now() - now).total_seconds() / pace.rate
        # The next claim begins early enough that its slots lie ahead. A slow one is forgotten within some.
        self._took_s = max(took_s, 0.8 * self._took_s)
        lead_s = min(max(HORIZON_S / 2, self._took_s + LEAD_S), 0.8 * HORIZON_S)
        lead = timedelta(seconds=lead_s * pace.rate)
        wait = max(0.0, (following - lead - clock.now()).total_seconds())
        return Claim(dials, wait, failures=row.failures)

    async def leave(self, tx: Tx, now: datetime) -> None:
        """Let another process dial; to be called when nothing of this one can go out any more."""
        if self.tenure is not None:
            await claims.leave_pace(tx, self.tenure, now)
            self.tenure = None

    async def _take(self, tx: Tx, next_slot: datetime, until: datetime) -> Tenure | None:
        """Begin a tenure or go on with it; None when it was lost: then the next claim is a newcomer's."""
        if self.tenure is None:
            fencing = await claims.take_pace(tx, next_slot, self._limits.replica, until)
            self.tenure = Tenure(self._limits.replica, fencing)
        elif not await claims.keep_pace(tx, next_slot, self.tenure, until):
            self.tenure = None
        return self.tenure

    async def _decide(
        self, tx: Tx, campaigns: Sequence[RunningCampaign], free: int, now: datetime, clock: Clock
    ) -> tuple[list["_Allowed"], bool]:
        """Judge due contacts until the slots are full; write who must wait."""
        by_id = {c.id: c for c in campaigns}
        room = {c.id: _room(c, free) for c in campaigns}
        most = {c: r + LOOK_AHEAD for c, r in room.items() if r > 0}
        if not most:
            return [], False
        due = await self._due.look(tx, most, now, clock)
        if not due:
            return [], False
        definitions = await self._read_definitions(tx, [by_id[c] for c in {d.campaign_id for d in due}])
        situation = await gathering.situation(
            tx,
            definitions,
            now,
            rates=self._limits.rates,
            abandonment=self._abandonment,
            rulebook=self._limits.rulebook,
        )
        self._slow_down(situation, now)
        given, served = share_out(
            free,
            _count(due, room),
            {c.id: c.share for c in campaigns},
            self._served,
        )
        facts = await gathering.gather(tx, due, situation, now)
        allowed, put_off = await self._judge(due, facts, definitions, room, free, now)
        chosen = _fair(allowed, given, free)
        self._served = served
        if put_off:
            await claims.put_off(tx, [w for w, _, _ in put_off], now)
            changed = [(row, decision) for w, row, decision in put_off if w.decision != row.decision]
            await decisions.keep(tx, changed, now, made_with=self._made_with)
        return chosen, bool(put_off)

    def _slow_down(self, situation: gathering.Situation, now: datetime) -> None:
        for campaign_id, one in situation.campaigns.items():
            counted = Counted(one.policy.live_answered or 0, one.policy.abandoned)
            found = stand(one.definition, self._limits.rulebook, one.policy.waivers, counted, now)
            kept = 1.0 if found is None else found.pace
            if kept == 1.0:
                self._slowed.pop(campaign_id, None)
            elif self._slowed.get(campaign_id) != kept:
                self._slowed[campaign_id] = kept
                log.warning("campaign_slowed", campaign=one.policy.name, pace=kept)

    async def _judge(
        self,
        due: Sequence[DueContact],
        facts: Sequence[Facts],
        definitions: Mapping[int, CampaignDefinition],
        room: Mapping[int, int],
        free: int,
        now: datetime,
    ) -> tuple[list["_Allowed"], list[tuple[Waiting, DueContact, Decision]]]:
        allowed: list[_Allowed] = []
        taken: dict[int, int] = {}
        numbers: set[str] = set()
        put_off: list[tuple[Waiting, DueContact, Decision]] = []
        for count, (row, fact) in enumerate(zip(due, facts, strict=True), 1):
            if count % BREATH == 0:
                await asyncio.sleep(0)
            if taken.get(row.campaign_id, 0) >= min(room[row.campaign_id], free):
                continue
            if not numbers.isdisjoint(row.numbers):
                continue  # two campaigns want the same person in this claim: the other waits for the next
            decision = decide(fact, self._limits.rulebook, now)
            if decision.verdict is Verdict.ALLOW and decision.callers:
                allowed.append(_Allowed(row, fact, decision, definitions[row.campaign_id]))
                taken[row.campaign_id] = taken.get(row.campaign_id, 0) + 1
                numbers.update(row.numbers)
                continue
            if decision.campaign_wide:
                continue  # the campaign's own standing: its contacts stay as they are
            main = decision.main
            if decision.awaits_lookup and decision.fingerprint == row.decision:
                continue  # told before; it keeps its place, for look-ups are made in the order of dialling
            waiting_for = main.rule_id if main else "campaign.callers"
            look = decision.next_look() or (None if main else now + timedelta(minutes=5))
            if decision.awaits_lookup:
                look = row.next_at
            put_off.append((Waiting(row.id, look, waiting_for, decision.fingerprint), row, decision))
        return allowed, put_off

    async def _write(
        self,
        tx: Tx,
        allowed: Sequence["_Allowed"],
        slots: Sequence[datetime],
        tenure: Tenure,
        now: datetime,
    ) -> list[Dial]:
        limits = self._limits
        intents = [
            Intent(
                marker=limits.marker(),
                campaign_id=a.row.campaign_id,
                campaign_contact_id=a.row.id,
                contact_id=a.row.contact_id,
                campaign_version=a.facts.policy.version,
                phone=a.row.number,
                caller_id=a.decision.callers[0],
                due_for=a.row.due_for,
                number=a.row.attempts + 1,
                slot_at=slot,
                window_closes_at=a.decision.closes_at,
                reserved=a.facts.reserve or Decimal(0),
                decision=a.decision.fingerprint,
            )
            for a, slot in zip(allowed, slots, strict=True)
        ]
        lease = timedelta(seconds=limits.lease_s * limits.pace.rate)
        lease_until = max(slots) + lease
        # Every dial, also one that was decided like the last: each has the facts of its own instant.
        dialled = [(a.row, a.decision) for a in allowed]
        await decisions.keep(tx, dialled, now, made_with=self._made_with)
        # Last, as it takes the rows that every call of a campaign changes when it ends: its money.
        ids = await claims.write_intents(tx, intents, tenure=tenure, lease_until=lease_until, now=now)
        return [
            Dial(
                attempt_id=ids[i.marker],
                marker=i.marker,
                campaign_id=i.campaign_id,
                phone=i.phone,
                caller_id=i.caller_id,
                intent_at=now,
                slot_at=i.slot_at,
                definition=a.definition,
                fencing=tenure.fencing,
            )
            for i, a in zip(intents, allowed, strict=True)
        ]

    async def _read_definitions(
        self, tx: Tx, campaigns: Sequence[RunningCampaign]
    ) -> dict[int, CampaignDefinition]:
        missing = [(c.id, c.version) for c in campaigns if (c.id, c.version) not in self._definitions]
        if missing:
            for key, value in (await claims.definitions(tx, missing)).items():
                self._definitions[key] = stored(value)
        return {c.id: self._definitions[(c.id, c.version)] for c in campaigns}


@dataclass(frozen=True, slots=True)
class _Allowed:
    row: DueContact
    facts: Facts
    decision: Decision
    definition: CampaignDefinition


def _room(campaign: RunningCampaign, free: int) -> int:
    """How many calls a campaign may start now: free lines, and its own calls per second if it has any."""
    room = min(free, campaign.lines - campaign.busy)
    if campaign.calls_per_second is not None:
        room = min(room, int(max(campaign.calls_per_second, 1)) - campaign.recent)
    return max(room, 0)


def _count(due: Sequence[DueContact], room: Mapping[int, int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for row in due:
        counts[row.campaign_id] = counts.get(row.campaign_id, 0) + 1
    return {c: min(n, room[c]) for c, n in counts.items()}


def _fair(allowed: Sequence[_Allowed], given: Mapping[int, int], free: int) -> list[_Allowed]:
    """Each campaign's share in order; slots that one could not fill go to the others."""
    left = dict(given)
    first: list[_Allowed] = []
    rest: list[_Allowed] = []
    for one in allowed:
        if left.get(one.row.campaign_id, 0) > 0:
            left[one.row.campaign_id] -= 1
            first.append(one)
        else:
            rest.append(one)
    return (first + rest)[:free]
