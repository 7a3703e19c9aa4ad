"""What people decide about the law: a rule waived, a registration filed, a region paused.

Each is one transaction with its entry in the audit trail. What makes dialling stricter also takes the pace's
lock, so that it is in force for the very next call; what makes it laxer lets those be judged again who were
put off by it.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import structlog

from campaign.domain.campaign_state import OVER
from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.domain.facts import Pause, Registered, Waiver
from campaign.domain.place import state_named
from campaign.domain.rule import WAIVING, ClosedDays, Hours, Registration, Rule
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import is_paused
from campaign.flow import enrol
from campaign.flow.facts import whereabouts
from campaign.store import campaigns, enrolment, halts
from campaign.store import rule_records as records
from campaign.store.accounts import audit
from campaign.store.database import Database

log = structlog.get_logger(__name__)

LONGEST_REASON = 500
PAUSE_RULE = "campaign.pause"


async def waive(
    db: Database,
    rulebook: Rulebook,
    rule_id: str,
    campaign: str,
    *,
    reason: str,
    until: date | None,
    actor: str,
    now: datetime,
) -> Waiver:
    """Do not apply one rule of a pack to one campaign, by somebody's word.

    Args:
        reason: why, for whoever asks later.
        until: the last day (UTC) on which it counts; None: until it is taken back.
        actor: who answers for it, as in the audit trail.

    Raises:
        BadInput: no such rule, one that is never waived, no reason, a day that has passed.
        Conflict: the campaign is over.
    """
    rule = _rule(rulebook, rule_id)
    if not rule.waivable:
        why = WAIVING[rule.kind][1] if rule.may_waive is None else "its pack says so"
        raise BadInput(f"{rule.id} can't be waived: {why}.", "A campaign may be stricter, never laxer here.")
    end = None
    if until is not None:
        end = datetime.combine(until + timedelta(days=1), datetime.min.time(), UTC)
        if end <= now:
            raise BadInput(f"{until} has passed.", "Name the last day on which the waiver shall count.")
    waiver = Waiver(rule.id, _text(reason, "reason"), actor, now, end)
    async with db.transaction() as tx:
        row = await campaigns.find(tx, campaign, lock=True)
        if row.state in OVER:
            raise Conflict(f'Campaign "{row.name}" is {row.state}.')
        await records.waive(tx, row.id, waiver)
        if isinstance(rule.terms, Hours | ClosedDays):
            await enrolment.begin_planning(tx, row.id)
        await records.look_again(tx, row.id, rule.id, now)
        said = f"{rule.id} waived{f' until {until}' if until else ''}: {waiver.reason}"
        await campaigns.log(tx, row.id, row.state, row.state, said, actor, now)
        detail = {"rule": rule.id, "reason": waiver.reason, "until": until.isoformat() if until else None}
        await audit(tx, actor, "rules.waive", f"campaign:{row.id}", now, detail)
    await enrol.plan_again(db, rulebook, row.id, now)
    log.info("rule_waived", campaign=row.name, rule=rule.id, actor=actor)
    return waiver


async def unwaive(db: Database, rule_id: str, campaign: str, *, actor: str, now: datetime) -> None:
    """Apply a rule again, from the next call on.

    Raises:
        NotFound: the campaign has no waiver of it.
    """
    async with db.transaction() as tx:
        await halts.lock_pace(tx)
        row = await campaigns.find(tx, campaign, lock=True)
        if not await records.unwaive(tx, row.id, rule_id, actor, now):
            raise NotFound(
                f'Campaign "{row.name}" has no waiver of {rule_id}.', "See: campaign rules records"
            )
        await campaigns.log(tx, row.id, row.state, row.state, f"{rule_id} no longer waived", actor, now)
        await audit(tx, actor, "rules.unwaive", f"campaign:{row.id}", now, {"rule": rule_id})


async def register(
    db: Database, rulebook: Rulebook, pack: str, *, reference: str, actor: str, now: datetime
) -> Registered:
    """Record that the seller has filed what a pack demands, for all campaigns.

    Raises:
        BadInput: the pack demands nothing of the kind; no reference.
    """
    asking = _packs_that_ask(rulebook)
    if pack not in asking:
        raise BadInput(
            f"No pack {pack} asks for a registration.", f"Those that do are: {', '.join(sorted(asking))}."
        )
    one = Registered(pack, _text(reference, "reference"), actor, now)
    async with db.transaction() as tx:
        await records.register(tx, one)
        for rule_id in asking[pack]:
            await records.look_again(tx, None, rule_id, now)
        await audit(tx, actor, "rules.registered", f"pack:{pack}", now, {"reference": one.reference})
    return one


async def unregister(db: Database, pack: str, *, actor: str, now: datetime) -> None:
    """Take a registration back: it has lapsed, say. In force from the next call on.

    Raises:
        NotFound: none is recorded for that pack.
    """
    async with db.transaction() as tx:
        await halts.lock_pace(tx)
        if not await records.unregister(tx, pack, actor, now):
            raise NotFound(f"No registration is recorded for {pack}.", "See: campaign rules records")
        await audit(tx, actor, "rules.unregistered", f"pack:{pack}", now, {})


async def pause(
    db: Database,
    rulebook: Rulebook,
    region: str,
    *,
    reason: str,
    first: date | None,
    last: date | None,
    actor: str,
    now: datetime,
) -> tuple[Pause, int]:
    """Call nobody in a country or region, in any campaign, from the next call on.

    Queued and ringing calls to people who may be there are cancelled; who has answered is not cut off.

    Args:
        region: "US" or "US-LA".
        first, last: local dates, both included; first None: from now on; last None: until it is lifted.

    Returns:
        The pause, and how many calls it cancels (within two seconds, by the service).

    Raises:
        BadInput: no such country or region, no reason, dates in the wrong order.
    """
    place = _region(rulebook, region)
    since = first if first is not None else (now - timedelta(days=1)).date()  # wherever it is still yesterday
    if last is not None and (last < since or last < (now - timedelta(days=1)).date()):
        raise BadInput(f"The pause would end on {last}, before it begins or in the past.")
    one = Pause(place, since, last, _text(reason, "reason"))
    async with db.transaction() as tx:
        await halts.lock_pace(tx)
        await records.pause(tx, one, actor, now)
        there = [
            call.attempt_id
            for call in await records.ringing(tx)
            if is_paused(one, whereabouts(call.number, call.phone, call.place, call.said_zone)[1], now)
        ]
        cancelled = await records.cancel(tx, there, f"calls to {place} are paused: {one.reason}", now)
        detail = {"reason": one.reason, "from": since.isoformat(), "to": last.isoformat() if last else None}
        await audit(tx, actor, "rules.pause", f"region:{place}", now, detail)
    log.info("region_paused", region=place, actor=actor, cancelled=cancelled)
    return one, cancelled


async def unpause(db: Database, rulebook: Rulebook, region: str, *, actor: str, now: datetime) -> int:
    """Let calls go on in a region; how many contacts that it has put off are judged again.

    Raises:
        NotFound: it is not paused.
    """
    place = _region(rulebook, region)
    async with db.transaction() as tx:
        if not await records.unpause(tx, place, actor, now):
            raise NotFound(f"{place} is not paused.", "See: campaign rules records")
        again = await records.look_again(tx, None, PAUSE_RULE, now)
        await audit(tx, actor, "rules.unpause", f"region:{place}", now, {})
    return again


def in_words(waiver: Waiver) -> str:
    """A waiver as a sentence for operators."""
    until = f" until {waiver.until:%Y-%m-%d %H:%M} UTC" if waiver.until else ""
    why = waiver.reason.rstrip(".")
    return f"{waiver.rule_id} is waived by {waiver.actor} since {waiver.at:%Y-%m-%d}{until}, because: {why}."


def _packs_that_ask(rulebook: Rulebook) -> dict[str, Sequence[str]]:
    found = {
        pack.id: [rule.id for rule in pack.rules if isinstance(rule.terms, Registration)]
        for pack in rulebook.packs
    }
    return {pack: rules for pack, rules in found.items() if rules}


def _rule(rulebook: Rulebook, rule_id: str) -> Rule:
    for pack in rulebook.packs:
        for rule in pack.rules:
            if rule.id == rule_id:
                return rule
    raise BadInput(
        f'No pack has a rule "{rule_id}".',
        "See: campaign rules show. Our own rules (do-not-call, one call at a time, number class, regions, a "
        "known time zone) are never waived.",
    )


def _region(rulebook: Rulebook, text: str) -> str:
    """A country or region as the packs write it. A typing error must not pass for a pause: the country must
    have a pack (without one nobody is called there), and states of the US and Canada must exist."""
    region = text.strip().upper()
    country, _, division = region.partition("-")
    known = country not in ("US", "CA") or not division or state_named(region, None) == region
    if re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", region) and rulebook.covers(country) and known:
        return region
    raise BadInput(
        f'"{text}" is no country that has a rule pack, and no region of one.',
        'Write for example "US" or "US-LA"; Puerto Rico is "US-PR".',
    )


def _text(value: str, what: str) -> str:
    plain = " ".join(value.split())
    if not plain or len(plain) > LONGEST_REASON:
        raise BadInput(f"A {what} of 1 to {LONGEST_REASON} characters is needed.")
    return plain
