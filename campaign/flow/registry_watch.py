"""A campaign that can dial nobody for want of a registry's copy is paused, and says so.

While only some of its contacts wait for one, the others are called and the campaign's status tells of it.
"""

from datetime import datetime, timedelta

import structlog

from campaign.domain.rulebook import Rulebook
from campaign.flow import registry_standing
from campaign.flow.lifecycle import Change, pause_within
from campaign.store import halts, registries
from campaign.store.database import Database

log = structlog.get_logger(__name__)

ACTOR = "system:registries"
EVERY = timedelta(seconds=15)
"""How often campaigns are looked over."""


class RegistryWatch:
    """Part of the scheduler: pauses what registries keep back as a whole."""

    def __init__(self, db: Database, rulebook: Rulebook) -> None:
        self._db, self._rulebook = db, rulebook
        self._looked: datetime | None = None

    async def __call__(self, now: datetime) -> list[Change]:
        """Look, if it is time to; the campaigns that were paused."""
        if self._looked is not None and timedelta(0) <= now - self._looked < EVERY:
            return []
        self._looked = now
        return await pause_kept_back(self._db, self._rulebook, now)


async def pause_kept_back(db: Database, rulebook: Rulebook, now: datetime) -> list[Change]:
    """Pause every running campaign all of whose contacts wait for a registry that is missing or too old."""
    async with db.transaction() as tx:
        lacking = [one.name for one in await registry_standing.standings(tx, rulebook, now) if one.fault(now)]
        rules = sorted(registry_standing.rules_of(rulebook, lacking))
        found = await registries.kept_back_whole(tx, rules) if rules else []
    paused: list[Change] = []
    for campaign_id, name in found:
        async with db.transaction() as tx:
            # Under the pace's lock no claim is in progress: who is called just now is seen.
            await halts.lock_pace(tx)
            if not await registries.kept_back_whole(tx, rules, campaign_id):
                continue
            why = await registry_standing.kept_back(tx, campaign_id, rulebook, now)
            if why:
                why += f'. Then resume it: campaign resume "{name}"'
                paused.append(await pause_within(tx, name, actor=ACTOR, now=now, why=why))
    return paused
