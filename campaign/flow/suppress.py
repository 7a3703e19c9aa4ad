"""A number goes on a do-not-call list: the entry, what waits for it, and what Twilio has queued, at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from campaign.domain.errors import CampaignError
from campaign.domain.phone import mask
from campaign.store import dnc
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
) -> Suppressed:
    """Put numbers on a do-not-call list and stop what is on its way to them.

    The entries, the blocked contacts and the marks on calls are one transaction. Calls are cancelled after
    it; one that Twilio can't be asked about now is cancelled by the sweep, which looks every second.

    Args:
        gateway: to cancel with; None leaves it to the sweep.
        phones: E.164.
        reason, source, quote, actor: see `dnc.add`.
        list_name: None for the own list.

    Raises:
        NotFound: there is no such list.
    """
    async with db.transaction() as tx:
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
) -> Suppressed:
    """The part of `suppress` that is one transaction, for callers who have one open."""
    if not phones:
        return Suppressed(0, 0, ())
    added = 0
    for phone in phones:
        added += await dnc.add(
            tx,
            list_name=list_name,
            phone=phone,
            reason=reason,
            source=source,
            quote=quote,
            actor=actor,
            now=now,
        )
    list_id = (await dnc.list_named(tx, list_name)).id
    blocked = await dnc.block_waiting(tx, phones, list_id, now)
    sids = await dnc.queued_calls(tx, phones, list_id, now)
    log.info("suppressed", numbers=[mask(phone) for phone in phones], added=added, blocked=blocked)
    return Suppressed(added, blocked, tuple(sids))
