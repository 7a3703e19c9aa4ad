"""An export that was asked for by API, in a process of its own.

The file is written beside its name and renamed when it is whole.
"""

import sys
from datetime import datetime

from campaign.flow import exports as flow
from campaign.store import exports as store
from campaign.store.database import Tx
from campaign.store.exports import Export
from campaign.web.child import Errand


class ExportErrand(Errand[Export]):
    """Writes what one export's row asks for."""

    name = "export"
    module = "campaign.web.export_child"
    rows = 0

    @classmethod
    async def read(cls, tx: Tx, row_id: int) -> Export:
        return await store.get(tx, row_id)

    @classmethod
    async def fail(cls, tx: Tx, row_id: int, why: str, now: datetime) -> None:
        await store.fail(tx, row_id, why, now)

    async def beat(self, tx: Tx, now: datetime) -> None:
        await store.beat(tx, self.row.id, self.rows, now)

    def _watch(self, rows: int) -> None:
        self.rows = rows

    async def work(self) -> None:
        services, row = self.services, self.row
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
                progress=self._watch,
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
                now=self.now(),
                rate=services.clock.rate,
            )


if __name__ == "__main__":
    sys.exit(ExportErrand.run())
