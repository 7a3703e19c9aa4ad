"""Puts webhooks into the inbox: what tells two of them apart is the carrier's (telephony/webhooks.py)."""

from collections.abc import Mapping
from datetime import datetime

from campaign.store import events
from campaign.store.database import Tx
from campaign.store.events import Taken, Webhook
from campaign.telephony import webhooks


def received(kind: str, marker: str, form: Mapping[str, str], ordinal: int | None = None) -> Webhook:
    """A webhook as the inbox keeps it.

    Args:
        form: the form's fields.
        ordinal: of the session that its address names.
    """
    told = dict(form) if ordinal is None else {**form, "ordinal": str(ordinal)}
    sid = webhooks.call_sid(form) or None
    return Webhook(kind, marker, webhooks.dedupe_key(kind, marker, told), sid, told)


async def take(
    tx: Tx, kind: str, marker: str, form: Mapping[str, str], now: datetime, ordinal: int | None = None
) -> Taken | None:
    """Put a webhook into the inbox as handled, and lock its attempt; None when it is there already."""
    return await events.take(tx, received(kind, marker, form, ordinal), now)
