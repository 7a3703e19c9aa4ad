"""What happened in attempts, the carrier's events in our own words: for the stories of calls and numbers."""

from collections.abc import Sequence
from dataclasses import replace

from campaign.store import story
from campaign.store.database import Tx
from campaign.store.story import Happening
from campaign.telephony import webhooks


async def happenings(tx: Tx, attempt_ids: Sequence[int]) -> list[Happening]:
    """Events, sessions, recoveries and wrap-ups of those attempts in the order in which they happened."""
    return [
        replace(kept, detail=webhooks.in_words(kept.detail.pop("form", {})) | kept.detail)
        for kept in await story.happenings(tx, attempt_ids)
    ]
