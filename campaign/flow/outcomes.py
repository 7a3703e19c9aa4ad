"""Closes an attempt: its facts → disposition → one outcome → the contact's next step → the money.

Facts come late (detection's verdict after the call, the conversation's own conclusion, the price), so closing
is a function of the whole row and may run any number of times: it writes the same again or refines what
stands. Nothing in it depends on when it runs: a retry is counted from the end of the call.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, assert_never

import structlog

from campaign.domain import retry
from campaign.domain.abandonment import SERVED_WITHIN_S, served_within_s
from campaign.domain.attempt import AttemptState
from campaign.domain.budget import Rates
from campaign.domain.campaign import CampaignDefinition, Detection, RetryPolicy
from campaign.domain.disposition import MEANING, Disposition, Ending, conclude
from campaign.domain.opt_out import sweep
from campaign.domain.phone import PhoneNumber, parse
from campaign.domain.place import locate
from campaign.domain.rulebook import Rulebook
from campaign.domain.summary import by_rule, counts
from campaign.domain.webhooks import Event
from campaign.flow import made_with
from campaign.flow.suppress import Asked, opt_out_in
from campaign.store import outcomes as store
from campaign.store.attempts import Attempt
from campaign.store.database import Database, Tx
from campaign.store.outcomes import Known, Outcome, RangBack, Release
from campaign.telephony import codes

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """What closing an attempt goes by.

    Args:
        rates: prices for what Twilio's call price doesn't cover; None: only that price is a cost.
        clock_rate: clock seconds per real second. Our machine's own milliseconds count so many times on a
            fast clock, so a person there waits that much longer before they count as abandoned.
        rulebook: the packs, whose threshold for abandoned calls holds; None: two seconds.
    """

    rates: Rates | None = None
    clock_rate: float = 1.0
    rulebook: Rulebook | None = None

    def served_within_ms(self, number: str, purpose: str, on: date) -> float:
        """Milliseconds of the clock until a person who hears nothing of us counts as abandoned.

        Args:
            number: E.164; its country's packs hold.
            purpose: of the campaign; on: the day of the call, UTC.
        """
        seconds = SERVED_WITHIN_S
        parsed = parse(number, None)
        if self.rulebook is not None and isinstance(parsed, PhoneNumber):
            seconds = served_within_s(self.rulebook, locate(parsed).countries, purpose, on)
        return 1000 * seconds * max(1.0, self.clock_rate)


REAL_TIME = Terms()


async def close(
    tx: Tx, attempt_id: int, now: datetime, terms: Terms = REAL_TIME, *, news: bool = False
) -> Disposition | None:
    """Write or refine the outcome of a settled attempt, inside the transaction that settled or told of it.

    Args:
        news: webhooks are told of it even if its disposition is the same: its summary or answers changed.

    Returns:
        How the attempt ended; None while it isn't settled (then nothing is written).
    """
    known = await store.known(tx, attempt_id)
    if known is None or not known.attempt.settled:
        return None
    definition = await made_with.definition(tx, known.attempt)
    known = await _swept(tx, known, definition, now)
    attempt = known.attempt
    disposition = conclude(ending_of(known))
    if attempt.kind == "inbound" and disposition in _NOT_OF_CALLERS:
        disposition = Disposition.NO_CONVERSATION
    outcome = _outcome(known, disposition, definition, terms)
    planned = _plan(known, disposition, definition)
    if isinstance(planned, retry.Retry):
        outcome = replace(outcome, final=False, retry_at=planned.at)
    release = None
    if known.contact_open and _changed(known.old, outcome):
        release = _release(_attempts_made(attempt, disposition), planned)
    wrap_up = definition.wrap_up.profile if definition is not None and counts(disposition) else None
    event = _event(known, outcome, news)
    await store.write(tx, known, outcome, release, now, wrap_up=wrap_up, event=event, rate=terms.clock_rate)
    await _rang_back(tx, known, outcome, planned, now)
    if known.recoveries_open:
        await store.settle_recoveries(tx, attempt_id)
    if known.old is None:
        log.info("attempt_closed", attempt=attempt_id, disposition=disposition.value, seconds=outcome.seconds)
    return disposition


_NOT_OF_CALLERS = frozenset({Disposition.ABANDONED, Disposition.UNKNOWN, Disposition.TURNED_AWAY})
"""What can't become of a call that the person made: nobody dialled them, and they were answered."""


async def _rang_back(
    tx: Tx, known: Known, outcome: Outcome, planned: retry.Retry | retry.Exhausted, now: datetime
) -> None:
    """What a call to us means for the contact: whoever came to a conclusion is not dialled for it again."""
    meaning = MEANING[Disposition(outcome.disposition)]
    settles = meaning.by_conversation and (meaning.final or isinstance(planned, retry.Retry))
    if known.attempt.kind != "inbound" or known.contact is None or not settles:
        return
    if _changed(known.old, outcome):
        step = _release(known.contact.attempts, planned)
        await store.rang_back(tx, known.contact.id, outcome.disposition, step, now)


async def _swept(tx: Tx, known: Known, definition: CampaignDefinition | None, now: datetime) -> Known:
    """Look through the transcript for a request to stop that was missed while they talked.

    It is on the list in the same transaction as the outcome, so no claim can see the number free before. What
    is found once counts as the conversation's own conclusion, and isn't looked for again.
    """
    if not known.heard or known.attempt.state is AttemptState.NOT_PLACED:
        return known
    attempt = known.attempt
    found = sweep(known.heard, definition.script.language if definition is not None else "en")
    if found is None:
        return known
    at = attempt.ended_at or now
    asked = Asked(attempt.phone, found.quote, "conversation", f"system:sweep {attempt.id}", at, attempt.id)
    await opt_out_in(tx, asked, now)
    await store.opted_out(tx, attempt.id)
    log.info("opt_out_swept", attempt=attempt.id)
    return replace(
        known, attempt=replace(attempt, talk_disposition=Disposition.DO_NOT_CALL.value), spoke_back=True
    )


async def refine(db: Database, attempt_ids: Iterable[int], now: datetime, terms: Terms = REAL_TIME) -> int:
    """Close again what is settled among these attempts, because something new is known of them.

    For whoever writes facts beside the call events: what a conversation concluded is often written after the
    call's last callback. One transaction each: whoever held two attempts and then a campaign's money could
    deadlock with another who holds one.

    Returns:
        How many were settled.
    """
    count = 0
    for attempt_id in attempt_ids:
        async with db.transaction() as tx:
            count += await close(tx, attempt_id, now, terms) is not None
    return count


def ending_of(known: Known) -> Ending:
    """The facts that decide how an attempt ended."""
    attempt = known.attempt
    talk = Disposition(attempt.talk_disposition) if attempt.talk_disposition else None
    if talk is Disposition.NO_CONVERSATION or not known.spoke_back:
        # A talk that heard nobody concludes nothing: a machine's verdict, or that we were late, says more. No
        # more does one in which nobody ever answered us, if detection says that a machine was greeting us.
        talk = None
    return Ending(
        call_status=_last_word(attempt),
        placed=attempt.state is not AttemptState.NOT_PLACED,
        refused_number=isinstance(codes.VERDICTS.get(attempt.error_code or 0), codes.Bad),
        answered=attempt.answered_at is not None or attempt.call_status == "completed",
        answered_by=attempt.answered_by,
        sip_code=attempt.sip_code,
        talk=talk,
        voicemail_left=known.voicemail_left,
        session_opened=known.session_opened,
        first_word=known.first_word_ms is not None,
        turned_away=attempt.turned_away is not None,
    )


def _last_word(attempt: Attempt) -> str | None:
    """Twilio's terminal status, or None when it never said one."""
    status = attempt.call_status
    return None if status in (None, "queued", "initiated", "ringing", "in-progress") else status


def _attempts_made(attempt: Attempt, disposition: Disposition) -> int:
    return attempt.number if MEANING[disposition].counts else attempt.number - 1


def _plan(
    known: Known, disposition: Disposition, definition: CampaignDefinition | None
) -> retry.Retry | retry.Exhausted:
    attempt = known.attempt
    if attempt.kind == "inbound":
        return _plan_after_their_call(known, disposition, definition)
    if attempt.campaign_contact_id is None:
        return retry.Exhausted("a test call")
    if known.rang_back is not None and (later := _as_they_said(known, known.rang_back)) is not None:
        return later
    if disposition is Disposition.UNKNOWN and not attempt.proven_absent:
        # A campaign's choice to dial unknown results again is about those of which Twilio's list, asked when
        # the hold was over, shows no call.
        return retry.Exhausted("nobody can say whether it was dialled, and nothing proves that it was not")
    phones = known.contact_phones
    planned = retry.plan(
        definition.retry if definition is not None else RetryPolicy(),
        disposition,
        _attempts_made(attempt, disposition),
        phones.index(attempt.phone) if attempt.phone in phones else 0,
        max(len(phones), 1),
        attempt.ended_at or attempt.settled_at or attempt.intent_at,
        attempt.callback_at,
    )
    if isinstance(planned, retry.Retry) and not MEANING[disposition].counts:
        # What was due for a callback or a retry and didn't go out is still due for that.
        due_for: Any = attempt.due_for
        return replace(planned, due_for=due_for)
    return planned


def _plan_after_their_call(
    known: Known, disposition: Disposition, definition: CampaignDefinition | None
) -> retry.Retry | retry.Exhausted:
    """A callback that they asked for; for anything else a call to us plans nothing."""
    at, contact = known.attempt.callback_at, known.contact
    if disposition is not Disposition.CALLBACK or at is None or contact is None:
        return retry.Exhausted("they rang back")
    return retry.plan(
        definition.retry if definition is not None else RetryPolicy(),
        disposition,
        contact.attempts,
        contact.number_index,
        max(len(known.contact_phones), 1),
        known.attempt.ended_at or known.attempt.intent_at,
        at,
    )


def _as_they_said(known: Known, back: RangBack) -> retry.Retry | retry.Exhausted | None:
    """They called us while we called them: what they concluded there holds, not the retry of our own call."""
    if back.callback_at is not None:
        return retry.Retry(back.callback_at, known.contact.number_index if known.contact else 0, "callback")
    meaning = MEANING[Disposition(back.disposition)]
    return retry.Exhausted(f"they rang back: {meaning.words}") if meaning.final else None


def _release(attempts_made: int, planned: retry.Retry | retry.Exhausted) -> Release:
    match planned:
        case retry.Retry(at, number_index, due_for):
            return Release(attempts_made, at, number_index, due_for)
        case retry.Exhausted(why):
            return Release(attempts_made, why=why)
        case _:
            assert_never(planned)


def _outcome(
    known: Known, disposition: Disposition, definition: CampaignDefinition | None, terms: Terms
) -> Outcome:
    attempt, meaning = known.attempt, MEANING[disposition]
    seconds = _seconds(attempt)
    lines = _cost_lines(known, seconds, definition, terms.rates)
    late = unserved = False
    if meaning.connect and attempt.kind != "inbound":
        purpose = definition.purpose.value if definition is not None else "sales"
        on = (attempt.answered_at or attempt.intent_at).astimezone(UTC).date()
        within_ms = terms.served_within_ms(attempt.phone, purpose, on)
        late = (known.first_word_ms or 0) > within_ms
        unserved = disposition is Disposition.ABANDONED and seconds * 1000 >= within_ms
    return Outcome(
        attempt_id=attempt.id,
        # Reports and the rules count a campaign's outcomes as those of its dials: a call to us is none.
        campaign_id=None if attempt.kind == "inbound" else attempt.campaign_id,
        campaign_contact_id=attempt.campaign_contact_id,
        disposition=disposition.value,
        category=meaning.category.value,
        answered_by=attempt.answered_by,
        seconds=seconds,
        first_word_ms=known.first_word_ms,
        data=known.answers,
        cost=sum(lines.values(), Decimal(0)),
        cost_lines={name: str(amount) for name, amount in lines.items()},
        final=True,
        retry_at=None,
        abandoned=late or unserved or disposition is Disposition.TURNED_AWAY,
        summary=by_rule(
            definition.script if definition is not None else None,
            disposition,
            known.answers,
            said=sum(text is not None for text in known.heard) or None,
            callback_at=attempt.callback_at,
        ),
    )


def _seconds(attempt: Attempt) -> int:
    """Answered time: Twilio's word, else between the two instants that we know."""
    if attempt.duration_s is not None:
        return attempt.duration_s
    if attempt.answered_at is None or attempt.ended_at is None:
        return 0
    return max(0, round((attempt.ended_at - attempt.answered_at).total_seconds()))


def _cost_lines(
    known: Known, seconds: int, definition: CampaignDefinition | None, rates: Rates | None
) -> dict[str, Decimal]:
    price = known.attempt.price
    if rates is None:
        return {"connect": abs(price)} if price else {}
    number = parse(known.attempt.phone, None)
    return rates.lines(
        number.region if isinstance(number, PhoneNumber) else "",
        seconds,
        detection=definition is not None and definition.voicemail.detection is not Detection.OFF,
        recorded=known.attempt.recording_sid is not None,
        model=known.model,
        wrap_ups=known.wrap_ups,
        twilio_price=None if price is None else abs(price),
    )


def _event(known: Known, outcome: Outcome, news: bool) -> Event | None:
    """What webhooks are told of it; a price alone is no news."""
    old = known.old
    if known.attempt.campaign_id is None:
        return None
    if old is None:
        return Event.OUTCOME_RECORDED
    told_before = not _changed(old, outcome) and old.abandoned == outcome.abandoned
    return None if told_before and not news else Event.OUTCOME_UPDATED


def _changed(old: Outcome | None, new: Outcome) -> bool:
    """Whether the contact has to hear of it: a first outcome, or another verdict or plan than before."""
    return old is None or (old.disposition, old.final, old.retry_at) != (
        new.disposition,
        new.final,
        new.retry_at,
    )
