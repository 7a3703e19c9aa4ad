"""What a scheduler's part is passed over for, and when it has its turn all the same."""

from datetime import datetime

from campaign.flow.agenda import ANYWAY, Agenda
from campaign.flow.scheduler import Scheduler
from campaign.store.database import Database
from campaign.store.leases import Replica
from tests.support import rows
from tests.support.clock import ManualClock

ROLL_UPS, OTHER = "roll_ups", "a part that stands in no table"


async def test_a_part_runs_when_its_table_has_work_or_it_wants_to_or_its_minute_is_over(
    db: Database, clock: ManualClock
) -> None:
    ran: list[str] = []
    restless = False

    def part(name: str) -> object:
        async def run(now: datetime) -> None:
            ran.append(name)

        return run

    async def tick(seconds: float = 1) -> list[str]:
        ran.clear()
        await clock.advance(seconds)
        await scheduler.tick()
        return list(ran)

    scheduler = Scheduler(
        db,
        clock,
        Replica("a", "all", "host", 1, clock.now()),
        {name: part(name) for name in (ROLL_UPS, OTHER)},  # type: ignore[misc]
        agenda=Agenda(lambda now: {"now": now, "folded": 0}, {ROLL_UPS: lambda now: restless}),
    )
    assert await tick() == [ROLL_UPS, OTHER], "at first everything"
    assert await tick() == [OTHER]
    attempt = await rows.dialled(db, clock.now())
    await rows.run(db, "INSERT INTO report_queue (attempt_id, queued_at) VALUES (:id, now())", id=attempt)
    assert await tick() == [ROLL_UPS, OTHER]
    await rows.run(db, "DELETE FROM report_queue")
    assert await tick() == [OTHER]
    restless = True
    assert await tick() == [ROLL_UPS, OTHER]
    restless = False
    assert await tick(ANYWAY.total_seconds() - 1) == [OTHER]
    assert await tick() == [ROLL_UPS, OTHER]
