"""A number goes on a do-not-call list: the entry, what waits for it, and what Twilio has queued, at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from campaign.domain.contact_sheet import ContactRow
from campaign.domain.errors import CampaignError
from campaign.domain.phone import mask
from campaign.domain.webhooks import Event
from campaign.store import dnc, webhooks
from campaign.store.database import Database, Tx

log = structlog.get_logger(__name__)


class Canceller(Protocol):
    """What is asked of Twilio here (telephony/gateway.py)."""

    async def cancel(self, sid: str) -> object:
        """End a call that is queued or ringing."""
        ...


@dataclass(frozen=True, slots=True)
class Suppressed:
    """What adding numbers did.

    Attributes:
        added: numbers that weren't on the list before.
        blocked: campaign contacts that wait no longer.
        call_sids: calls queued or ringing at Twilio, to be cancelled.
    """

    added: int
    blocked: int
    call_sids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """That a person asked in a call not to be called again, and how.

    Attributes:
        phone: E.164, the number that was called, or that called us.
        quote: their own words, redacted; or the key.
        source: "conversation", "keypress" or "inbound" (in a call to us).
        actor: for the audit trail, "system:attempt 12".
        at: when they asked.
        attempt_id: of the call; None when it isn't known any more.
    """

    phone: str
    quote: str
    source: str
    actor: str
    at: datetime
    attempt_id: int | None


IN_A_CALL = "asked in a call"
BESIDE = "asked in a call to another number of the same contact"


async def opt_out_in(tx: Tx, asked: Asked, now: datetime) -> Suppressed:
    """A person's own request, in one transaction: their number, and every other number of the same contact.

    The request is the person's, not the number's (47 CFR 64.1200(d)(3)): whoever asks on the mobile isn't
    called at home instead.
    """
    await dnc.lock(tx)
    done = await suppress_in(
        tx,
        [asked.phone],
        reason=IN_A_CALL,
        source=asked.source,
        actor=asked.actor,
        now=now,
        quote=asked.quote,
        asked_at=asked.at,
    )
    if asked.attempt_id is None:
        return done
    beside = await dnc.numbers_beside(tx, [asked.phone], asked.attempt_id)
    more = await suppress_in(
        tx,
        beside,
        reason=BESIDE,
        source=asked.source,
        actor=asked.actor,
        now=now,
        quote=asked.quote,
        asked_at=asked.at,
    )
    return Suppressed(
        done.added + more.added, done.blocked + more.blocked, (*done.call_sids, *more.call_sids)
    )


async def as_marked(tx: Tx, row: ContactRow, *, source: str, actor: str, now: datetime) -> None:
    """A single contact's row that says itself that the person must not be called: all its numbers."""
    if row.do_not_call:
        await suppress_in(
            tx,
            [one.e164 for one in row.phones],
            reason="marked do-not-call when the contact was written",
            source=source,
            actor=actor,
            now=now,
        )


async def opt_out(db: Database, asked: Asked, now: datetime) -> Suppressed:
    """`opt_out_in` in a transaction of its own. Queued calls are cancelled by the sweep, which looks every
    second."""
    async with db.transaction() as tx:
        return await opt_out_in(tx, asked, now)


async def suppress(
    db: Database,
    gateway: Canceller | None,
    phones: Sequence[str],
    *,
    reason: str,
    source: str,
    actor: str,
    now: datetime,
    list_name: str | None = None,
    quote: str | None = None,
    all_numbers: bool = False,
) -> Suppressed:
    """Put numbers on a do-not-call list and stop what is on its way to them.

    The entries, the blocked contacts and the marks on calls are one transaction. Calls are cancelled after
    it; one that Twilio can't be asked about now is cancelled by the sweep, which looks every second.

    Args:
        gateway: to cancel with; None leaves it to the sweep.
        phones: E.164.
        reason, source, quote, actor: see `dnc.add`.
        list_name: None for the own list.
        all_numbers: also the other numbers of contacts that have one of these.

    Raises:
        NotFound: there is no such list.
    """
    async with db.transaction() as tx:
        if all_numbers:
            phones = [*phones, *await dnc.numbers_beside(tx, phones)]
        done = await suppress_in(
            tx,
            phones,
            reason=reason,
            source=source,
            actor=actor,
            now=now,
            list_name=list_name,
            quote=quote,
        )
    if gateway is not None:
        for sid in done.call_sids:
            try:
                await gateway.cancel(sid)
            except CampaignError as error:
                log.warning("cancel_failed", call_sid=sid, error=error.what)
    return done


@dataclass(frozen=True, slots=True)
class Lifted:
    """What taking a number off a list did.

    Attributes:
        consent_ended_at: consent up to then counts no more; None: it stands as it was.
        unblocked: campaign contacts that are judged anew.
    """

    consent_ended_at: datetime | None
    unblocked: int


async def lift(
    db: Database,
    phone: str,
    *,
    list_name: str | None,
    reason: str,
    actor: str,
    now: datetime,
    new_consent: str | None = None,
    mistake: bool = False,
) -> Lifted | None:
    """Take a number off a do-not-call list; None when it did not stand there.

    Args, raises: see `dnc.remove`.
    """
    async with db.transaction() as tx:
        removed = await dnc.remove(
            tx,
            list_name=list_name,
            phone=phone,
            reason=reason,
            new_consent=new_consent,
            mistake=mistake,
            actor=actor,
            now=now,
        )
        if removed is None:
            return None
        return Lifted(removed.consent_ended_at, await dnc.unblock(tx, phone, now))


async def suppress_in(
    tx: Tx,
    phones: Sequence[str],
    *,
    reason: str,
    source: str,
    actor: str,
    now: datetime,
    list_name: str | None = None,
    quote: str | None = None,
    asked_at: datetime | None = None,
) -> Suppressed:
    """The part of `suppress` that is one transaction, for callers who have one open."""
    if not phones:
        return Suppressed(0, 0, ())
    added = 0
    for phone in phones:
        new = await dnc.add(
            tx,
            list_name=list_name,
            phone=phone,
            reason=reason,
            source=source,
            quote=quote,
            actor=actor,
            now=now,
            asked_at=asked_at,
        )
        added += new
        if new and list_name in (None, dnc.OWN):
            data = {"reason": reason, "source": source, "at": (asked_at or now).isoformat()}
            await webhooks.announce(tx, Event.OPT_OUT, data, now, phone=phone)
    list_id = (await dnc.list_named(tx, list_name)).id
    blocked = await dnc.block_waiting(tx, phones, list_id, now)
    sids = await dnc.queued_calls(tx, phones, list_id, now)
    log.info("suppressed", numbers=[mask(phone) for phone in phones], added=added, blocked=blocked)
    return Suppressed(added, blocked, tuple(sids))
