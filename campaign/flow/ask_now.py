"""An operator asks Twilio now about everything that is unsettled, instead of waiting for the sweep."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from campaign.domain.attempt import SETTLED, AttemptState
from campaign.domain.clock import Clock
from campaign.domain.errors import TwilioError
from campaign.flow.reconcile import Reconciler
from campaign.store import sweeps
from campaign.store.database import Database
from campaign.store.sweeps import Standing

ROUNDS = 200
"""Sweeps at the most; each asks about some hundreds of attempts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    Args:
        before, after: the attempts that were asked about by state.
        unknown: those of which nobody can say still whether Twilio took them.
        trouble: why Twilio could not be asked about all of them; None: it was.
    """

    before: Counter[AttemptState]
    after: Counter[AttemptState]
    unknown: Sequence[Standing]
    trouble: TwilioError | None

    @property
    def settled(self) -> int:
        """How many have their outcome now."""
        return sum(number for state, number in self.after.items() if state in SETTLED)


async def ask_now(db: Database, sweep: Reconciler, clock: Clock, campaign_id: int | None) -> Answer:
    """Ask about every unsettled attempt, without those that are in conversation.

    Works beside a running service: who claims an attempt asks about it, and nobody else.

    Args:
        campaign_id: of one campaign; None: of all.

    Raises:
        DatabaseUnavailable
    """
    began = clock.now()
    async with db.transaction() as tx:
        await sweeps.lose(tx, began, sweep.silent_since(began))
        chosen = await sweeps.hurry(tx, campaign_id, began, sweep.silent_since(began))
    trouble = None
    for _ in range(ROUNDS if chosen else 0):
        trouble = (await sweep.tick(clock.now())).trouble
        async with db.connection() as tx:
            if trouble is not None or not await sweeps.not_asked_yet(tx, chosen, began):
                break
    async with db.connection() as tx:
        standing = await sweeps.standing(tx, chosen)
    return Answer(
        Counter(chosen.values()),
        Counter(one.state for one in standing),
        [one for one in standing if one.state is AttemptState.UNKNOWN],
        trouble,
    )
