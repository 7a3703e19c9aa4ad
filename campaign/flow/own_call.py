"""One real call to one's own number, to hear a script: never counted, still under do-not-call and hours."""

from datetime import datetime, timedelta

from campaign.domain import phone
from campaign.domain.attempt import AttemptEvent
from campaign.domain.budget import Rates
from campaign.domain.campaign import CampaignDefinition, to_json
from campaign.domain.clock import Clock
from campaign.domain.errors import BadInput, Conflict
from campaign.domain.facts import CampaignPolicy, Consent, DncHit, Facts
from campaign.domain.pacing import Pace
from campaign.domain.phone import PhoneNumber
from campaign.domain.place import locate
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import Verdict, decide, in_words
from campaign.domain.script import says as script_says
from campaign.flow import outcomes
from campaign.flow.call_request import call_request
from campaign.flow.dialer import Placer
from campaign.flow.facts import reserve_for
from campaign.flow.outcomes import Terms
from campaign.store import claims, dnc, placing
from campaign.store import facts as stored
from campaign.store.accounts import audit
from campaign.store.database import Database, Tx
from campaign.store.placing import OwnCall
from campaign.telephony.addresses import Addresses
from campaign.telephony.gateway import Placed, TooLate, UnknownResult

LEASE_S = 30.0
CALLER_WORDS = "asked for by the person who runs this command"


async def place(
    db: Database,
    clock: Clock,
    gateway: Placer,
    definition: CampaignDefinition,
    number: str,
    *,
    marker: str,
    replica: str,
    actor: str,
    addresses: Addresses,
    pace: Pace,
    rulebook: Rulebook,
    rates: Rates,
    max_calls: int | None = None,
) -> int:
    """Call one number with a campaign's script.

    Args:
        number: as a person writes it; without + it is read as of the first of the campaign's regions.
        marker: 256 random bits.
        max_calls: most calls in progress over the whole account; None: no limit of ours.
    Returns:
        the attempt's id.
    Raises:
        BadInput: it is no phone number.
        Conflict: a rule forbids the call now, no line is free, or Twilio refused it; in words.
    """
    parsed = phone.parse(number, definition.regions[0].partition("-")[0])
    if not isinstance(parsed, PhoneNumber):
        raise BadInput(f"{number!r} is no phone number: {parsed.why}")
    async with db.transaction() as tx:
        row = await claims.lock_pace(tx)
        if row.stopped_why:
            raise Conflict(f"All dialling is stopped: {row.stopped_why}.", "Lift it: campaign stop --lift")
        await dnc.lock_shared(tx)
        now = clock.now()
        _, busy = await claims.running(tx, now, pace.stale)
        if max_calls is not None and busy >= max_calls:
            raise Conflict(
                f"All {max_calls} lines of the account (TWILIO_MAX_CALLS) are in use.",
                "Try again when a call has ended.",
            )
        closes_at, caller = await _judge(tx, parsed, definition, rulebook, rates, now)
        # The dialler's own last second is not known here: all it may still send, and a second more, must pass
        # before this call, and a second after it.
        slot = max(pace.quiet_after(row.next_slot_at), now)
        attempt_id = await placing.write_own_call(
            tx,
            OwnCall(marker, parsed.e164, caller, slot, closes_at, to_json(definition), row.fencing),
            replica=replica,
            lease_until=slot + timedelta(seconds=LEASE_S * pace.rate),
            now=now,
        )
        await claims.move_pace(tx, slot + pace.reach + pace.window)
        await audit(tx, actor, "call_me", f"attempt:{attempt_id}", now, {"to": phone.mask(parsed.e164)})
    await clock.sleep((slot - clock.now()).total_seconds())
    sent_at = slot

    async def leaves() -> None:
        nonlocal sent_at
        sent_at = clock.now()
        if sent_at - slot > pace.reach:
            raise TooLate("it took too long until it could go out; try again")

    result = await gateway.place(call_request(addresses, definition, marker, parsed.e164, caller), leaves)
    async with db.transaction() as tx:
        now = clock.now()
        if isinstance(result, Placed):
            await placing.record_placed(tx, [(attempt_id, result.sid, result.status, sent_at, now)])
            return attempt_id
        event = AttemptEvent.LOST if isinstance(result, UnknownResult) else AttemptEvent.NOT_SENT
        if await placing.record_not_placed(
            tx, attempt_id, event, result.sentence, result.code, now, fencing=row.fencing
        ):
            await outcomes.close(tx, attempt_id, now, Terms(rates, clock.rate))
    raise Conflict(f"The call was not placed: {result.sentence}", getattr(result, "do", ""), code=result.code)


async def _judge(
    tx: Tx,
    number: PhoneNumber,
    definition: CampaignDefinition,
    rulebook: Rulebook,
    rates: Rates,
    now: datetime,
) -> tuple[datetime | None, str]:
    """When the window closes and from which number; raises Conflict when a rule forbids the call."""
    listed = await dnc.check(tx, number.e164)
    tries = (await stored.tried(tx, {number.e164: ()}, now)).get(number.e164)
    policy = CampaignPolicy(
        says=script_says(definition.script, definition.seller.legal_name),
        name=definition.name,
        purpose=definition.purpose.value,
        regions=frozenset(definition.regions),
        hours=definition.schedule.hours(),
        restricted=frozenset(definition.schedule.restricted_dates),
    )
    facts = Facts(
        number=number,
        place=locate(number),
        policy=policy,
        consent=Consent("express_written", now, CALLER_WORDS),
        dnc=tuple(DncHit(hit.list_name, hit.kind, hit.added_at, hit.reason) for hit in listed),
        unsettled_since=tries.unsettled_since if tries else None,
        callers=tuple(caller.number for caller in definition.caller_ids),
        reserve=reserve_for(definition, number.region, rates),
    )
    decision = decide(facts, rulebook, now)
    if decision.verdict is not Verdict.ALLOW:
        raise Conflict(f"{phone.mask(number.e164)} is not called. {in_words(decision)}")
    return decision.closes_at, decision.callers[0]
