"""Look-ups before the dial: asks what campaigns want to know about numbers whose turn comes soon.

A part of the scheduler, so that one process asks and no claim waits for somebody else's server. It judges the
next contacts by the same rules as the dialler and asks only where the answer is all that is missing: nobody
pays for a number that is on a do-not-call list. The claim leaves contacts that wait for an answer at their
place, so the order of asking is the order of dialling. A process that is killed between asking and writing
has paid for at most `AT_ONCE` answers twice.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import structlog

from campaign.domain.budget import Rates
from campaign.domain.campaign import CampaignDefinition, stored
from campaign.domain.clock import Clock
from campaign.domain.errors import SettingsError, TwilioError
from campaign.domain.lookup import Answer, Finding, Lack, Want, consent_date, wanted
from campaign.domain.phone import mask
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import decide
from campaign.flow import facts as gathering
from campaign.store import claims, lookups
from campaign.store.claims import DueContact
from campaign.store.database import Database, Tx
from campaign.store.lookups import Hold, Kept
from campaign.telephony.calls import TwilioBusy
from campaign.telephony.lookup import NumberLookup

log = structlog.get_logger(__name__)

SOON = timedelta(minutes=10)
"""Whoever is due later is not asked about yet (clock time)."""
AT_ONCE = 10
"""Look-ups under way at the same time."""
FEWEST, MOST = 10, 100
"""Bounds of the numbers asked about in one tick, so in a second."""
HOLD_S, LONGEST_HOLD_S = 30.0, 600.0
"""After a failure nothing of the sort is asked for so long, doubled with each further one (real seconds)."""
LATER = timedelta(minutes=10)
"""A single number that can't be looked up is tried again then (clock time)."""
BREATH = 8
"""After so many contacts judged, others in this process have their turn."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask about the number of one campaign contact."""

    row: DueContact
    wants: frozenset[Want]
    since: date | None


Provider = Callable[[], NumberLookup]


class Lookups:
    """Asks tick by tick; `tick` is a part of the scheduler.

    Args:
        db: fenced by the scheduler's lease.
        provider: gives whoever is asked; called when there is something to ask.
        calls_per_second: the account's pace: twice as many numbers are asked about in a tick.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        provider: Provider,
        *,
        rulebook: Rulebook,
        rates: Rates,
        calls_per_second: float,
    ) -> None:
        self._db = db
        self._clock = clock
        self._provider = provider
        self._rulebook = rulebook
        self._rates = rates
        self._batch = int(min(max(2 * calls_per_second, FEWEST), MOST))
        self._definitions: dict[tuple[int, int], CampaignDefinition] = {}

    @property
    def uninterested(self) -> list[str]:
        """Campaigns ("id:version") of which it is known that they want nothing looked up."""
        return [
            f"{campaign_id}:{version}"
            for (campaign_id, version), definition in self._definitions.items()
            if not gathering.asked_by(definition, self._rulebook)
        ]

    async def tick(self, now: datetime) -> int:
        """Ask about the next numbers.

        Returns:
            about how many.
        """
        async with self._db.connection() as tx:
            definitions = await self._checking(tx, now)
            if not definitions:
                return 0
            held = await lookups.holds(tx)
            able = frozenset(
                want
                for want in Want
                if want.value in self._rates.lookup and not (want in held and held[want].until > now)
            )
            questions = await self._questions(tx, definitions, able, now) if able else []
        for n in range(0, len(questions), AT_ONCE):
            group = questions[n : n + AT_ONCE]
            if not await self._ask(group, held):
                return n + len(group)
        return len(questions)

    async def _checking(self, tx: Tx, now: datetime) -> dict[int, CampaignDefinition]:
        """The campaigns that dial now and want something looked up."""
        keys = await lookups.running(tx, now)
        missing = [key for key in keys if key not in self._definitions]
        if missing:
            found = await claims.definitions(tx, missing)
            self._definitions.update({key: stored(value) for key, value in found.items()})
        self._definitions = {key: self._definitions[key] for key in keys}
        return {
            campaign_id: definition
            for (campaign_id, _), definition in self._definitions.items()
            if gathering.asked_by(definition, self._rulebook)
        }

    async def _questions(
        self, tx: Tx, definitions: Mapping[int, CampaignDefinition], able: frozenset[Want], now: datetime
    ) -> list[Question]:
        """What to ask first, the campaigns taking turns."""
        rows = await lookups.ahead(
            tx, list(definitions), until=now + SOON, most=max(5 * self._batch, 100), now=now
        )
        standing = await gathering.situation(tx, definitions, now, rates=self._rates, rulebook=self._rulebook)
        known = await gathering.gather(tx, rows, standing, now)
        queues: dict[int, list[Question]] = {}
        numbers: set[str] = set()
        for count, (row, fact) in enumerate(zip(rows, known, strict=True), 1):
            if count % BREATH == 0:
                await asyncio.sleep(0)
            wants = wanted(decide(fact, self._rulebook, max(now, row.next_at))) & able
            queue = queues.setdefault(row.campaign_id, [])
            if wants and row.number not in numbers and len(queue) < self._batch:
                numbers.add(row.number)
                queue.append(Question(row, wants, consent_date(row.consent_at)))
        turns = [queue[n] for n in range(self._batch) for queue in queues.values() if n < len(queue)]
        return turns[: self._batch]

    async def _ask(self, group: Sequence[Question], held: Mapping[Want, Hold]) -> bool:
        """Ask about a few numbers at once and keep what was found; False when it is of no use to go on."""
        try:
            provider = self._provider()
        except SettingsError as error:
            await self._hold(frozenset(Want), str(error), held, None)
            return False
        told = await asyncio.gather(
            *(provider.look_up(one.row.number, one.wants, one.since) for one in group),
            return_exceptions=True,
        )
        now = self._clock.now()
        kept: list[Kept] = []
        postponed: dict[int, str] = {}
        broken: dict[Want, tuple[str, float | None]] = {}
        for question, one in zip(group, told, strict=True):
            if isinstance(one, TwilioError):
                after = one.data.get("retry_after") if isinstance(one, TwilioBusy) else None
                broken |= dict.fromkeys(
                    question.wants, (str(one), after if isinstance(after, float) else None)
                )
                continue
            if isinstance(one, BaseException):
                raise one
            kept += self._kept(question, one)
            for lack in one.lacks:
                if lack.everyone:
                    broken[lack.want] = (f"{lack.sentence} {lack.do}".strip(), None)
                else:
                    postponed[question.row.id] = f"check.{lack.want.value}"
                    log.warning("lookup_failed", number=mask(question.row.number), why=lack.sentence)
        answered = {k.finding.want for k in kept} - broken.keys()
        async with self._db.transaction() as tx:
            await lookups.postpone(tx, postponed, now + LATER, now)
            if answered & held.keys():
                await lookups.release(tx, sorted(answered))
        for campaign_id in sorted({question.row.campaign_id for question in group}):
            # One at a time: a claim holds the money of several campaigns, in an order of its own.
            own = [one for one in kept if one.campaign_id == campaign_id]
            async with self._db.transaction() as tx:
                await lookups.keep(tx, own, source=provider.name, actor="system:lookups", now=now)
        for want, (why, after) in broken.items():
            await self._hold(frozenset({want}), why, held, after)
        return not broken

    def _kept(self, question: Question, told: Answer) -> list[Kept]:
        return [
            Kept(question.row.number, finding, price(finding, self._rates), question.row.campaign_id)
            for finding in told.findings
        ]

    async def _hold(
        self, wants: frozenset[Want], why: str, held: Mapping[Want, Hold], after: float | None
    ) -> None:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            for want in sorted(wants):
                failures = held[want].failures + 1 if want in held else 1
                seconds = after if after else min(HOLD_S * 2 ** min(failures - 1, 10), LONGEST_HOLD_S)
                until = now + timedelta(seconds=seconds * self._clock.rate)
                await lookups.hold(tx, want, Hold(until, why, failures))
        log.warning("lookups_held", wants=sorted(wants), why=why)


def price(finding: Finding, rates: Rates) -> Decimal:
    """What an answer costs; nothing where the provider charges nothing."""
    return rates.lookup.get(finding.want.value, Decimal(0)) if finding.charged else Decimal(0)


async def ask_by_hand(
    db: Database,
    provider: NumberLookup,
    number: str,
    wants: frozenset[Want],
    since: date | None,
    *,
    rates: Rates,
    actor: str,
    now: datetime,
) -> tuple[Sequence[Finding], Sequence[Lack]]:
    """Ask about one number at once and keep what was found; no campaign pays for it.

    Args:
        number: E.164.
        since: the date of consent; needed for REASSIGNED.
        actor: who asks.
    Raises:
        TwilioError: nothing was learned.
    """
    told = await provider.look_up(number, wants, since)
    kept = [Kept(number, finding, price(finding, rates), None) for finding in told.findings]
    async with db.transaction() as tx:
        await lookups.keep(tx, kept, source=provider.name, actor=actor, now=now)
    return told.findings, told.lacks
