"""How a campaign stands with the calls that it abandoned: may it dial, how fast, and what to say of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from campaign.domain.abandonment import Ceiling, Counted, ceiling
from campaign.domain.campaign import CampaignDefinition
from campaign.domain.facts import Waiver
from campaign.domain.rulebook import Rulebook
from campaign.flow.facts import AbandonmentCounts
from campaign.store import facts as stored
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class AbandonmentStand:
    """What was counted, against the ceiling that is in force for the campaign."""

    counted: Counted
    ceiling: Ceiling

    @property
    def over(self) -> bool:
        """The campaign must not dial."""
        return self.counted.over(self.ceiling.max_rate)

    @property
    def pace(self) -> float:
        """The share of its pace and lines that it keeps."""
        return self.counted.pace(self.ceiling.max_rate)

    def in_words(self) -> str:
        """The figures against the ceiling, and what follows from them; empty below half of the ceiling."""
        limit = f"the ceiling is {self.ceiling.max_rate:.1%} ({self.ceiling.rule_id}: {self.ceiling.cite})"
        figures = f"{self.counted.in_words()}; {limit}"
        if self.over:
            return (
                f"{figures}. Find out why our first words came late before you go on. Old calls weigh for "
                f"30 days; to go on all the same, an admin answers for it: campaign rules waive "
                f"{self.ceiling.rule_id} --campaign NAME --reason …, then campaign resume NAME"
            )
        if self.pace < 1:
            return f"{figures}. So it dials at {self.pace:.0%} of its pace and lines; over it, it pauses."
        return ""


def stand(
    definition: CampaignDefinition,
    rulebook: Rulebook,
    waivers: Collection[Waiver],
    counted: Counted,
    now: datetime,
) -> AbandonmentStand | None:
    """How a campaign stands; None when no ceiling is in force for it."""
    waived = frozenset(waiver.rule_id for waiver in waivers if waiver.holds(now))
    regions = frozenset(definition.regions)
    limit = ceiling(rulebook, regions, definition.purpose.value, waived, now.date())
    return None if limit is None else AbandonmentStand(counted, limit)


async def stand_of(
    tx: Tx,
    campaign_id: int,
    definition: CampaignDefinition,
    rulebook: Rulebook,
    now: datetime,
    counts: AbandonmentCounts | None = None,
) -> AbandonmentStand | None:
    """As `stand`, counted now (or within the last minute, as `counts` has it)."""
    answered, abandoned = (await (counts or AbandonmentCounts()).of(tx, [campaign_id], now))[campaign_id]
    row = (await stored.campaigns(tx, [campaign_id], now))[campaign_id]
    return stand(definition, rulebook, row.waivers, Counted(answered, abandoned), now)
