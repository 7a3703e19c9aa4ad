"""A clock that a test moves by hand."""

from datetime import datetime
from zoneinfo import ZoneInfo

from campaign.flow.still_clock import StillClock

TUESDAY_MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=ZoneInfo("America/New_York"))


class ManualClock(StillClock):
    """Stands still until `advance()`, by default on a Tuesday morning in New York."""

    def __init__(self, start: datetime = TUESDAY_MORNING) -> None:
        super().__init__(start)
