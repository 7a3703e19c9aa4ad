"""The numbers that calls come from: whether whoever rings one back reaches this service."""

from dataclasses import dataclass

from campaign.store import campaigns
from campaign.store.database import Database
from campaign.telephony.gateway import CallerId, Gateway

ALIVE = ("draft", "scheduled", "running", "paused", "stopping", "stopped", "completed")
"""Campaigns whose callers-back are answered: all but failed ones."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number and what happens when somebody calls it.

    Attributes:
        kind: owned, verified, or missing: a campaign uses it, and Twilio doesn't know it.
        used_by: names of campaigns.
        asks: what Twilio asks then; empty: nothing, and the caller hears a fault.
        ours: that is this service.
    """

    phone: str
    kind: str
    used_by: tuple[str, ...]
    asks: str
    ours: bool

    @property
    def in_words(self) -> str:
        """For a person."""
        match self.kind:
            case "missing":
                return "Twilio knows no such number."
            case "verified":
                return "Verified, not bought: calls to it don't come through Twilio."
            case _ if self.ours:
                return "Whoever calls it reaches this service."
            case _:
                where = f"go to {self.asks}" if self.asks else "reach nobody"
                return f"Calls to it {where}, not to this service."


async def standing(gateway: Gateway, db: Database, ours: str) -> list[Number]:
    """All numbers of the account and all that campaigns use, by number.

    Args:
        ours: what should be asked when somebody calls one.

    Raises:
        TwilioRefused, TwilioBusy, TwilioAway, DatabaseUnavailable.
    """
    used: dict[str, list[str]] = {}
    async with db.connection() as tx:
        for row in await campaigns.listed(tx, ALIVE):
            for caller in (await campaigns.definition(tx, row.id))["caller_ids"]:
                used.setdefault(caller["number"], []).append(row.name)
    known = {one.phone: one for one in await gateway.caller_ids()}
    for phone in used.keys() - known.keys():
        known |= {one.phone: one for one in await gateway.caller_ids(phone)}
    found = []
    for phone in sorted(used.keys() | known.keys()):
        one = known.get(phone)
        asks = await gateway.answered_by_us(one) if one is not None else ""
        kind = one.kind if one is not None else "missing"
        found.append(Number(phone, kind, tuple(used.get(phone, ())), asks, bool(asks) and asks == ours))
    return found


async def owned(gateway: Gateway, phone: str) -> CallerId | None:
    """A number that was bought at Twilio; None: there is none such."""
    found = await gateway.caller_ids(phone)
    return next((one for one in found if one.phone == phone and one.kind == "owned"), None)
