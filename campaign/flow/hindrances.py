"""What keeps a campaign from dialling right now, in sentences: "nothing dials and nobody can say why" must
never be true.

Reasons that concern single contacts (do-not-call, hours, consent) are counted by rule in the status; here
are those that concern a campaign as a whole.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from campaign.domain.budget import Rates
from campaign.domain.campaign import CampaignDefinition, stored
from campaign.domain.rulebook import Rulebook
from campaign.flow import registry_standing
from campaign.flow.draining import ANSWERS
from campaign.flow.facts import reserve_for
from campaign.store import campaigns, claims, enrolment, halts, leases
from campaign.store.campaigns import CampaignRow
from campaign.store.database import Tx

SILENT_S = 15.0
"""A dialler without a heartbeat for so many real seconds counts as gone."""
DIALS = ("all", "dialer")
"""Roles of processes that dial."""


async def of_campaign(
    tx: Tx, row: CampaignRow, now: datetime, *, rates: Rates, rulebook: Rulebook, clock_rate: float = 1.0
) -> list[str]:
    """Everything that keeps a running or scheduled campaign from dialling; empty for any other.

    Args:
        rulebook: the packs, to say which registries they demand.
        rates: prices, to say whether the budget has room for one more call.
        clock_rate: clock seconds per real second; heartbeats are about real time.
    """
    if row.state not in ("running", "scheduled"):
        return []
    found = [
        await all_stopped(tx),
        await no_dialler(tx, now, clock_rate),
        await no_answerer(tx, now, clock_rate),
        await held(tx, now),
        await unknown(tx, row.id, now),
        await nobody_enrolled(tx, row),
    ]
    definition = stored(await campaigns.definition(tx, row.id))
    countries = frozenset(region.partition("-")[0] for region in definition.regions)
    found.append(await registry_standing.kept_back(tx, row.id, rulebook, now, countries))
    found += await no_money(tx, row, definition, rates, now)
    return [sentence for sentence in found if sentence]


async def all_stopped(tx: Tx) -> str:
    """`stop --all` is in force."""
    stopped = await halts.stop_all(tx)
    if stopped is None:
        return ""
    at, actor, why = stopped
    return (
        f"All dialling is stopped since {at:%Y-%m-%d %H:%M} UTC by {actor} ({why}). "
        "An admin lifts it with: campaign stop --lift"
    )


async def no_dialler(tx: Tx, now: datetime, clock_rate: float = 1.0) -> str:
    """No process that dials has a heartbeat."""
    replicas = await leases.alive(tx, now - timedelta(seconds=SILENT_S * clock_rate))
    if any(role in DIALS for _, role, _ in replicas):
        return ""
    return "No dialler has a heartbeat, so nobody is dialled. Start one: campaign serve"


async def no_answerer(tx: Tx, now: datetime, clock_rate: float = 1.0) -> str:
    """A process dials, but none that would answer the calls has a heartbeat."""
    replicas = await leases.alive(tx, now - timedelta(seconds=SILENT_S * clock_rate))
    roles = {role for _, role, _ in replicas}
    if roles & ANSWERS or not roles.intersection(DIALS):
        return ""
    return (
        "No process answers Twilio (--role web or all), so nobody is dialled: they would hear nothing. "
        "Start one: campaign serve --role web"
    )


async def held(tx: Tx, now: datetime) -> str:
    """The dialler holds all calls for a while, because Twilio asked for it or could not be reached."""
    hold = await halts.pace_hold(tx)
    if hold is None:
        return ""
    until, why = hold
    if until <= now:
        return f"All calls were held: {why} One call is being tried; when Twilio takes it, dialling goes on."
    return (
        f"All calls are held: {why} Nothing is to be done: at {until:%H:%M:%S} UTC one call is tried, and "
        "when Twilio takes it, dialling goes on by itself."
    )


async def unknown(tx: Tx, campaign_id: int, now: datetime) -> str:
    """Numbers that are held because an attempt's result is unknown: they are not dialled by any campaign."""
    held_now = await halts.held_numbers(tx, campaign_id)
    if held_now is None:
        return ""
    number, until = held_now
    whose = "1 number is" if number == 1 else f"{number:,} numbers are"
    limit = (
        f"until {until:%H:%M} UTC at the latest"
        if until > now
        else "until Twilio has answered what became of it"
    )
    return (
        f"{whose} held {limit}: nobody can say yet whether Twilio took the call. Twilio is asked by itself; "
        "to ask now: campaign reconcile"
    )


async def nobody_enrolled(tx: Tx, row: CampaignRow) -> str:
    """The campaign has no contact."""
    if await enrolment.any_enrolled(tx, row.id):
        return ""
    return "No contact is enrolled yet: the lists are empty, or their enrolment is still to come."


async def no_money(
    tx: Tx, row: CampaignRow, definition: CampaignDefinition, rates: Rates, now: datetime
) -> list[str]:
    """The budget has no room for the longest call that is allowed, or a region has no price."""
    found: list[str] = []
    spent_today, spent = (await claims.spend(tx, [row.id], now.date())).get(row.id, (Decimal(0), Decimal(0)))
    budget = definition.budget
    for country in sorted({region.partition("-")[0] for region in definition.regions}):
        reserve = reserve_for(definition, country, rates)
        if reserve is None:
            found.append(
                f"There is no price for calls to {country}, so nobody there is dialled. "
                "Add it to the rates file (CAMPAIGN_RATES_FILE)."
            )
            continue
        for cap, used, name in ((budget.per_day, spent_today, "per_day"), (budget.total, spent, "total")):
            if cap is not None and cap - used < reserve:
                found.append(
                    f"The budget has no room for another call to {country}: {used:.2f} of {cap:.2f} "
                    f"{budget.currency} (budget.{name}) are spent or reserved, and {reserve:.2f} are "
                    "reserved for the longest call. Raise it with: campaign edit"
                )
    return found
