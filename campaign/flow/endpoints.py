"""Webhook endpoints as people add them: judged before they are written."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from campaign.domain.errors import BadInput
from campaign.domain.webhooks import Event, target_of
from campaign.store import webhooks
from campaign.store.database import Tx
from campaign.store.webhooks import Endpoint

EVENTS = tuple(event.value for event in Event)


async def add(
    tx: Tx,
    *,
    url: str,
    secret: str,
    events: Sequence[str],
    numbers: str,
    description: str,
    loopback: bool,
    actor: str,
    now: datetime,
) -> Endpoint:
    """A new endpoint.

    Args:
        events: names of `Event`; empty for all.
        numbers: "masked" or "full".
        loopback: this machine may be called: Twilio is a simulator.

    Raises:
        BadInput: an address that is not called, or an event that there isn't.
        Conflict: the address is told already.
    """
    target_of(url, loopback=loopback)
    for event in events:
        if event not in EVENTS:
            raise BadInput(f'There is no event "{event[:100]}".', f"There are: {', '.join(EVENTS)}.")
    if len(description) > 500 or not all(one.isprintable() for one in description):
        raise BadInput("A description is at most 500 printable characters.")
    return await webhooks.add(
        tx,
        url=url,
        secret=secret,
        events=events,
        numbers=numbers,
        description=description,
        actor=actor,
        now=now,
    )


async def test(tx: Tx, endpoint_id: int, *, actor: str, now: datetime) -> int:
    """Write a test message for an endpoint; the delivery's id.

    Raises:
        NotFound: there is none of that number.
    """
    await webhooks.get(tx, endpoint_id)
    data = {"text": "A test from the calling campaign service.", "actor": actor}
    return await webhooks.announce_to(tx, endpoint_id, Event.TEST, data, now)


def shown(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint for programs; never its secret."""
    return asdict(endpoint)
