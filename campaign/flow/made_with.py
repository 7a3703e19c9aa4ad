"""The campaign definition that an attempt was made with, read once a process: versions never change."""

from collections.abc import MutableMapping
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from campaign.domain import campaign as campaigns
from campaign.domain.campaign import CampaignDefinition
from campaign.domain.languages import in_language, of_contact
from campaign.store import attempts
from campaign.store.attempts import Attempt
from campaign.store.database import Tx

MOST = 500
"""Definitions kept of one database; beyond them the oldest are read again."""

_kept: MutableMapping[Any, dict[tuple[int, int], CampaignDefinition]] = WeakKeyDictionary()
"""By the engine of the database that they are from."""


async def definition(tx: Tx, attempt: Attempt) -> CampaignDefinition | None:
    """What the attempt was made with, its script in the contact's own language; None when that is gone.

    Args:
        attempt: of a campaign, or a test call, which carries a definition of its own.
    """
    made = await _as_written(tx, attempt)
    if made is None or not made.script.language_column:
        return made
    tag = of_contact(made.script, await attempts.variables_of(tx, attempt))
    return msgspec.structs.replace(made, script=in_language(made.script, tag))


async def _as_written(tx: Tx, attempt: Attempt) -> CampaignDefinition | None:
    if attempt.campaign_id is None or attempt.campaign_version is None:
        own = await attempts.definition_of(tx, attempt)
        return None if own is None else campaigns.stored(own)
    known = _kept.setdefault(tx.engine.sync_engine, {})
    key = (attempt.campaign_id, attempt.campaign_version)
    if key not in known:
        stored = await attempts.definition_of(tx, attempt)
        if stored is None:
            return None
        if len(known) >= MOST:
            known.pop(next(iter(known)))
        known[key] = campaigns.stored(stored)
    return known[key]
