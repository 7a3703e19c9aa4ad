"""The service's parts over a test's database, on a clock that the test moves."""

from pathlib import Path
from typing import Any

from campaign.settings import Settings
from campaign.store.database import Database
from campaign.store.leases import Replica
from campaign.wiring import Agents, Services, read_rates, read_rulebook
from tests.support.clock import ManualClock


def services_over(
    db: Database, clock: ManualClock, settings: Settings, data_dir: Path, **more: Any
) -> Services:
    """Services, to be closed by `close`.

    Args:
        more: further arguments of `Services`.
    """
    return Services(
        settings=settings,
        clock=clock,  # type: ignore[arg-type]  # a clock that stands still serves as well
        db=db,
        rulebook=read_rulebook(),
        rates=read_rates(settings),
        data_dir=data_dir,
        actor="test",
        replica=Replica("here", "all", "host", 1, clock.now()),
        agents=Agents(settings, clock),  # type: ignore[arg-type]
        **more,
    )


async def close(services: Services) -> None:
    """Close all connections to Twilio and to models."""
    await services.close_gateway()
    await services.agents.close()
