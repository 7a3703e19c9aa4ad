"""What keeps a campaign from dialling right now, in sentences: "nothing dials and nobody can say why" must
never be true.

Reasons that concern single contacts (do-not-call, hours, consent) are counted by rule in the status; here
are those that concern a campaign as a whole.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from campaign.domain.budget import Rates
from campaign.domain.campaign import CampaignDefinition, stored
from campaign.domain.lookup import Want
from campaign.domain.rulebook import Rulebook
from campaign.flow import abandonment, registry_standing
from campaign.flow.draining import ANSWERS
from campaign.flow.facts import asked_by, reserve_for
from campaign.store import campaigns, claims, enrolment, halts, leases, lookups, rule_records
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
        rates: prices, to say whether the budget has room for one more call.
        rulebook: the packs, to say which registries and look-ups they demand, and whether abandoned calls
            slow it down.
        clock_rate: clock seconds per real second; heartbeats are about real time.
    """
    found = await of_all(tx, row, now, rates=rates, clock_rate=clock_rate, rulebook=rulebook)
    return [one.sentence for one in found]


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What keeps a campaign from dialling; `everybody`: nobody in it can be called until that is over."""

    sentence: str
    everybody: bool = True


async def of_all(
    tx: Tx, row: CampaignRow, now: datetime, *, rates: Rates, rulebook: Rulebook, clock_rate: float = 1.0
) -> list[Hindrance]:
    """As `of_campaign`, with whom each concerns."""
    if row.state not in ("running", "scheduled"):
        return []
    definition = stored(await campaigns.definition(tx, row.id))
    money = await no_money(tx, row, definition, rates, now)
    countries = frozenset(region.partition("-")[0] for region in definition.regions)
    found = [
        Hindrance(await all_stopped(tx)),
        Hindrance(await no_dialler(tx, now, clock_rate)),
        Hindrance(await no_answerer(tx, now, clock_rate)),
        Hindrance(await held(tx, now)),
        Hindrance(await unknown(tx, row.id, now), everybody=False),
        Hindrance(await nobody_enrolled(tx, row)),
        *(Hindrance(said, everybody=False) for said in await paused_regions(tx, definition, now)),
        Hindrance(await registry_standing.kept_back(tx, row.id, rulebook, now, countries), everybody=False),
        *(
            Hindrance(said, everybody=False)
            for said in await no_lookups(tx, definition, rates, now, rulebook)
        ),
        *(
            Hindrance(said, everybody=len(money) == len(countries))
            for all_ in money.values()
            for said in all_
        ),
        Hindrance(await no_caller(tx, definition, now)),
    ]
    abandoned = await abandonment.stand_of(tx, row.id, definition, rulebook, now)
    found.append(Hindrance(abandoned.in_words() if abandoned is not None else "", everybody=False))
    return [one for one in found if one.sentence]


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


async def paused_regions(tx: Tx, definition: CampaignDefinition, now: datetime) -> list[str]:
    """Regions of the campaign in which nobody is called, by hand."""
    countries = {region.partition("-")[0] for region in definition.regions}
    today = now.date()
    found = []
    for kept in await rule_records.pauses(tx):
        pause = kept.pause
        if pause.region.partition("-")[0] not in countries or (pause.last and pause.last < today):
            continue
        days = f"since {pause.first}" if pause.first <= today else f"from {pause.first}"
        end = f" to {pause.last}" if pause.last else ""
        found.append(
            f"Calls to {pause.region} are paused {days}{end} by {kept.actor} ({pause.reason}). "
            f"An admin lifts it with: campaign rules unpause {pause.region}"
        )
    return found


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


async def no_lookups(
    tx: Tx, definition: CampaignDefinition, rates: Rates, now: datetime, rulebook: Rulebook
) -> list[str]:
    """What the campaign, or a pack, wants to know of each number can't be looked up: there is no price for
    it, or nobody answers."""
    wants = [want for want in Want if want in asked_by(definition, rulebook)]
    held = await lookups.holds(tx) if wants else {}
    found = []
    for want in wants:
        if want.value not in rates.lookup:
            found.append(
                f"There is no price for a {want.words}, so none is made and nobody who needs one is dialled. "
                "Add it to the rates file (CAMPAIGN_RATES_FILE), under [lookup]."
            )
        elif want in held:
            until, why = held[want].until, held[want].why
            again = "It is being tried again." if until <= now else f"Next try: {until:%H:%M:%S} UTC."
            found.append(
                f"No {want.words} can be made, so whoever waits for one is not dialled: {why} {again}"
            )
    return found


async def nobody_enrolled(tx: Tx, row: CampaignRow) -> str:
    """The campaign has no contact."""
    if await enrolment.any_enrolled(tx, row.id):
        return ""
    return "No contact is enrolled yet: the lists are empty, or their enrolment is still to come."


async def no_money(
    tx: Tx, row: CampaignRow, definition: CampaignDefinition, rates: Rates, now: datetime
) -> dict[str, list[str]]:
    """Country → why nobody there can be paid for: the budget has no room for the longest call that is
    allowed, or the country has no price. Countries with room are left out."""
    found: dict[str, list[str]] = {}
    spent_today, spent = (await claims.spend(tx, [row.id], now.date())).get(row.id, (Decimal(0), Decimal(0)))
    budget = definition.budget
    for country in sorted({region.partition("-")[0] for region in definition.regions}):
        reserve = reserve_for(definition, country, rates)
        if reserve is None:
            found.setdefault(country, []).append(
                f"There is no price for calls to {country}, so nobody there is dialled. "
                "Add it to the rates file (CAMPAIGN_RATES_FILE)."
            )
            continue
        for cap, used, name in ((budget.per_day, spent_today, "per_day"), (budget.total, spent, "total")):
            if cap is not None and cap - used < reserve:
                found.setdefault(country, []).append(
                    f"The budget has no room for another call to {country}: {used:.2f} of {cap:.2f} "
                    f"{budget.currency} (budget.{name}) are spent or reserved, and {reserve:.2f} are "
                    "reserved for the longest call. Raise it with: campaign edit"
                )
    return found


async def no_caller(tx: Tx, definition: CampaignDefinition, now: datetime) -> str:
    """Every caller id has made as many calls today as its daily cap allows."""
    pool = definition.caller_ids
    if any(one.daily_cap is None for one in pool):
        return ""
    use = await claims.caller_use(tx, [one.number for one in pool], now.date())
    if any(use.get(one.number, 0) < (one.daily_cap or 0) for one in pool):
        return ""
    used = ", ".join(f"{one.number} {use.get(one.number, 0)} of {one.daily_cap}" for one in pool)
    return (
        f"No caller id has calls left today ({used}). It goes on by itself at 00:00 UTC; or add caller ids, "
        "or raise their daily_cap, with: campaign edit"
    )


async def lines_taken(tx: Tx, max_calls: int | None) -> str:
    """All calls at once that the account allows are under way, by any campaign."""
    if max_calls is None or await halts.calls_up(tx) < max_calls:
        return ""
    return f"All {max_calls} lines of the account (TWILIO_MAX_CALLS) are in use."
