"""An export that was asked for by API, in a process of its own.

It is told the number of an export on its standard input, as JSON; what to write stands in that export's row.
The file is written beside its name and renamed when it is whole.
"""

import asyncio
import json
import sys
from datetime import datetime, timedelta
from typing import Any

import structlog

from campaign.domain.errors import CampaignError, Unavailable
from campaign.flow import exports as flow
from campaign.settings import read_settings
from campaign.store import exports as store
from campaign.store.exports import Export
from campaign.web.child import spawn
from campaign.wiring import Services, open_services

log = structlog.get_logger(__name__)

BEAT_S = 1.0
"""How often the export's row is told how far it is (real seconds)."""


async def start_export(
    services: Services, export_id: int, actor: str, children: "set[asyncio.Task[None]]"
) -> None:
    """Let a child process write an export.

    Args:
        children: keeps the tasks that wait for the children's ends.
    Raises:
        Unavailable: no process could be started.
    """
    order = {"export": export_id, "actor": actor}
    try:
        await spawn(services, "campaign.web.export_child", order, children)
    except Unavailable as error:
        async with services.db.transaction() as tx:
            await store.fail(tx, export_id, error.what, services.clock.now())
        raise


class _Pulse:
    """Tells the row how far the export is, about once a second, beside the work.

    Its instants go on from the one at which the export was asked for, so that they are of the same clock.
    """

    def __init__(self, services: Services, row: Export) -> None:
        self._services = services
        self._row = row
        self._begun = services.clock.monotonic()
        self.rows = 0

    def now(self) -> datetime:
        return self._row.asked_at + timedelta(seconds=self._services.clock.monotonic() - self._begun)

    def watch(self, rows: int) -> None:
        self.rows = rows

    async def keep_telling(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            async with self._services.db.transaction() as tx:
                await store.beat(tx, self._row.id, self.rows, self.now())


async def _child(order: dict[str, Any]) -> int:
    settings = read_settings(env_file=None)
    async with open_services(settings, actor=order["actor"], role="export", pool_size=3) as services:
        async with services.db.connection() as tx:
            row = await store.get(tx, order["export"])
        pulse = _Pulse(services, row)
        beating = asyncio.create_task(pulse.keep_telling())
        try:
            await _write(services, row, pulse)
        except CampaignError as error:
            await _failed(services, row, f"{error.what} {error.do}".strip(), pulse.now())
            return error.exit_code
        except Exception as error:  # the edge of the process: whoever waits must be told
            log.exception("export_failed", export=row.id)
            await _failed(services, row, f"A fault of ours: {error!r}.", pulse.now())
            return 1
        finally:
            beating.cancel()
    return 0


async def _write(services: Services, row: Export, pulse: _Pulse) -> None:
    folder = flow.folder_of(services.data_dir)
    part, whole = folder / flow.part_name(row.id), folder / flow.file_name(row.id, row.format)
    try:
        done = await flow.export(
            services.db,
            row.what,
            flow.opened(part, row.format),
            since=row.since,
            until=row.until,
            campaign=None if row.campaign_id is None else f"#{row.campaign_id}",
            actor=services.actor,
            now=row.asked_at,
            rate=services.clock.rate,
            progress=pulse.watch,
        )
        part.rename(whole)
    finally:
        part.unlink(missing_ok=True)
    async with services.db.transaction() as tx:
        await store.finish(
            tx,
            row.id,
            path=str(whole),
            rows=done.rows,
            size=whole.stat().st_size,
            until=done.until,
            now=pulse.now(),
            rate=services.clock.rate,
        )


async def _failed(services: Services, row: Export, why: str, now: datetime) -> None:
    async with services.db.transaction() as tx:
        await store.fail(tx, row.id, why, now)


def main() -> int:
    """Write one export as told on standard input."""
    return asyncio.run(_child(json.load(sys.stdin)))


if __name__ == "__main__":
    sys.exit(main())
