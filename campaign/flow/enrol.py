"""Enrols the contacts of a campaign's lists, in batches, also while it runs.

Each batch is a transaction of its own, so enrolling a million contacts holds nothing up and goes on where it
stood after a kill. Contacts of an import that is not finished are invisible here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from campaign.domain.campaign import CampaignDefinition, stored
from campaign.domain.campaign_state import ENROLS
from campaign.domain.facts import CampaignPolicy, Waiver
from campaign.domain.place import Place
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import next_legal
from campaign.domain.script import says as script_says
from campaign.store import campaigns, enrolment
from campaign.store import facts as stored_facts
from campaign.store.database import Database, Tx

log = structlog.get_logger(__name__)

BATCH = 5_000
TICK_BATCHES = 4
"""Batches in one tick (about a second of work), so that a large import does not hold up its other parts."""

STATES = sorted(state.value for state in ENROLS)


async def tick(
    db: Database,
    rulebook: Rulebook,
    now: datetime,
    *,
    campaign_id: int | None = None,
    batches: int | None = None,
) -> int:
    """Enrol what is still to be enrolled.

    Args:
        now: the clock's instant.
        campaign_id: only for one campaign.
        batches: most batches (of 5,000 contacts); None: TICK_BATCHES.

    Returns:
        how many contacts were enrolled.
    """
    left = TICK_BATCHES if batches is None else batches
    enrolled = 0
    async with db.transaction() as tx:
        unplanned = await enrolment.to_plan(tx) if campaign_id is None else []
        tasks = await enrolment.tasks(tx, STATES, campaign_id)
    for one in unplanned:
        left -= await plan_again(db, rulebook, one, now, batches=max(left, 0))
    definitions: dict[int, CampaignDefinition] = {}
    waived: dict[int, Sequence[Waiver]] = {}
    for task in tasks:
        seen = BATCH
        while seen == BATCH and left > 0:
            left -= 1
            async with db.transaction() as tx:
                if task.campaign_id not in definitions:
                    kept = await campaigns.definition(tx, task.campaign_id, task.version)
                    definitions[task.campaign_id] = stored(kept)
                    waived[task.campaign_id] = await _waivers(tx, task.campaign_id, now)
                held = await enrolment.begin(tx, task)
                if held is None:
                    break
                places = await enrolment.places(tx, held, BATCH)
                definition, waivers = definitions[task.campaign_id], waived[task.campaign_id]
                instants = first_instants(definition, places, rulebook, now, waivers)
                seen, added = await enrolment.enrol_batch(tx, held, instants, BATCH, now)
                enrolled += added
    async with db.transaction() as tx:
        await enrolment.mark_enrolled(tx, now)
    if enrolled:
        log.info("contacts_enrolled", contacts=enrolled)
    return enrolled


async def catch_up(db: Database, rulebook: Rulebook, campaign_id: int, now: datetime) -> int:
    """Enrol everything that a campaign's lists have now; how many contacts."""
    return await tick(db, rulebook, now, campaign_id=campaign_id, batches=1_000_000)


async def enrol_contact(tx: Tx, contact_id: int, now: datetime) -> int:
    """Enrol a contact that was added singly in every campaign of its list; in the adding transaction.

    Returns:
        in how many campaigns.
    """
    return await enrolment.enrol_singly(tx, contact_id, STATES, now)


async def plan_again(
    db: Database,
    rulebook: Rulebook,
    campaign_id: int,
    now: datetime,
    *,
    hours: bool = True,
    batches: int = 1_000_000,
) -> int:
    """After an edit or a waiver, say anew when contacts are due, and let blocked ones be judged once more.

    In batches, each a transaction of its own: an opt-out waits for the contact that it blocks, and all claims
    wait for the opt-out. What a killed process has left undone, the tick goes on with. A contact that isn't
    planned again yet is judged by the new definition all the same when its turn comes.

    Args:
        hours: the hours have changed, so that first attempts have other instants.
        batches: most batches (of 5,000 contacts).

    Returns:
        how many batches it took.
    """
    definition: CampaignDefinition | None = None
    waivers: Sequence[Waiver] = ()
    version = 0
    for done in range(batches):
        async with db.transaction() as tx:
            batch = await enrolment.next_unplanned(tx, campaign_id, BATCH)
            if batch is None:
                return done
            if definition is None or version != batch.version:
                version = batch.version
                definition = stored(await campaigns.definition(tx, campaign_id, version))
                waivers = await _waivers(tx, campaign_id, now)
            places = sorted(set(batch.places.values()))
            instants = first_instants(definition, places, rulebook, now, waivers)
            await enrolment.plan_batch(tx, campaign_id, batch, instants, hours=hours, now=now)
    return batches


async def _waivers(tx: Tx, campaign_id: int, now: datetime) -> Sequence[Waiver]:
    return (await stored_facts.campaigns(tx, [campaign_id], now))[campaign_id].waivers


def first_instants(
    definition: CampaignDefinition,
    places: Sequence[str],
    rulebook: Rulebook,
    now: datetime,
    waivers: Sequence[Waiver] = (),
) -> Mapping[str, datetime]:
    """When contacts of each place may first be called; places that never may are left out."""
    policy = replace(window_policy(definition), waivers=tuple(waivers))
    found = {place: next_legal(Place.from_key(place), policy, rulebook, now) for place in places}
    return {place: at for place, at in found.items() if at is not None}


def window_policy(definition: CampaignDefinition) -> CampaignPolicy:
    """The part of a campaign's policy that says when it may call."""
    return CampaignPolicy(
        says=script_says(definition.script, definition.seller.legal_name),
        name=definition.name,
        purpose=definition.purpose.value,
        regions=frozenset(definition.regions),
        hours=definition.schedule.hours(),
        restricted=frozenset(definition.schedule.restricted_dates),
        starts_at=definition.schedule.start,
        ends_at=definition.schedule.end,
    )
