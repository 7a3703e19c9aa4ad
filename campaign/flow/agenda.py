"""Which of the scheduler's parts have something to do at an instant."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from campaign.store import agenda
from campaign.store.database import Tx

ANYWAY: Final = timedelta(minutes=1)
"""A part is run so often at least, for what has its time without standing in a table."""


class Agenda:
    """Asks the database once for all parts that it knows of; the others are run at every tick.

    Args:
        given: what the questions want to know at an instant (store/agenda.py).
        restless: part → whether it wants to run at an instant, whatever stands in the tables.
        rate: clock seconds per real second.
    """

    def __init__(
        self,
        given: Callable[[datetime], Mapping[str, object]],
        restless: Mapping[str, Callable[[datetime], bool]],
        rate: float = 1.0,
    ) -> None:
        self._given = given
        self._restless = restless
        self._anyway = ANYWAY * rate
        self._ran: dict[str, datetime] = {}

    async def due(self, tx: Tx, now: datetime, parts: Collection[str]) -> frozenset[str]:
        """Those of the parts that are to be run now."""
        wanted = {part for part in parts if part not in agenda.QUESTIONS or self._wants(part, now)}
        asked = [part for part in parts if part not in wanted]
        wanted |= await agenda.due(tx, asked, self._given(now))
        self._ran.update(dict.fromkeys(wanted, now))
        return frozenset(wanted)

    def _wants(self, part: str, now: datetime) -> bool:
        ran = self._ran.get(part)
        if ran is None or not timedelta(0) <= now - ran < self._anyway:
            return True
        return part in self._restless and self._restless[part](now)
