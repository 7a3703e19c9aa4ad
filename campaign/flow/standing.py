"""How one campaign stands: what its status shows on the command line, in the API and in the console."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from campaign.domain.budget import Rates
from campaign.domain.rulebook import Rulebook
from campaign.flow import why_idle
from campaign.flow.rule_records import in_words
from campaign.flow.why_idle import Why
from campaign.store import campaigns, reports, rule_records
from campaign.store.campaigns import CampaignRow
from campaign.store.database import Tx
from campaign.store.reports import Status


@dataclass(frozen=True, slots=True)
class Account:
    """What a campaign's standing depends on besides the database.

    Args:
        rulebook, rates: the packs and prices in force.
        calls_per_second: the account's limit.
        max_calls: most calls at once of the account; None: no limit of ours.
        clock_rate: clock seconds per real second.
    """

    rulebook: Rulebook
    rates: Rates
    calls_per_second: float
    max_calls: int | None = None
    clock_rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """All that the status of one campaign shows.

    Args:
        pace: most calls a second, of the campaign or the account.
        why: why nothing is dialled, and who waits for what.
        waived: sentences about rules that are not applied to it.
    """

    row: CampaignRow
    status: Status
    pace: float
    why: Why
    waived: Sequence[str] = ()


async def standing_of(tx: Tx, name: str, now: datetime, account: Account) -> Standing:
    """How a campaign stands now, with what keeps it from dialling.

    Args:
        name: its name, or `#12` by its number.

    Raises:
        NotFound
    """
    row = await campaigns.find(tx, name)
    status = await reports.status(tx, row.id, now)
    told = await why_idle.why(
        tx,
        row,
        status,
        now,
        rulebook=account.rulebook,
        rates=account.rates,
        clock_rate=account.clock_rate,
        max_calls=account.max_calls,
    )
    waived = [one.waiver for one in await rule_records.waivers(tx, campaign_id=row.id)]
    notes = [in_words(waiver) for waiver in waived if waiver.holds(now)]
    pace = min(row.calls_per_second or account.calls_per_second, account.calls_per_second)
    return Standing(row, status, pace, told, notes)
