"""Previews and replays run in a process of their own, never in the loop that holds conversations."""

import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec

from campaign.domain.phone import mask
from campaign.domain.rulebook import parse_rulebook
from campaign.flow import preview as previews
from campaign.flow import replay as replays
from campaign.store import studies
from campaign.store.database import Tx
from campaign.store.studies import Study
from campaign.web.child import Errand

MOST = 1_000
"""Dials that a replay lists; its totals count all."""


class StudyErrand(Errand[Study]):
    """Finds what one study's row asks for."""

    name = "study"
    module = "campaign.web.study_child"
    done = total = 0

    @classmethod
    async def read(cls, tx: Tx, row_id: int) -> Study:
        return await studies.get(tx, row_id)

    @classmethod
    async def fail(cls, tx: Tx, row_id: int, why: str, now: datetime) -> None:
        await studies.fail(tx, row_id, why, now)

    async def beat(self, tx: Tx, now: datetime) -> None:
        await studies.beat(tx, self.row.id, self.done, self.total, now)

    def _watch(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    async def work(self) -> None:
        found = await (self._preview() if self.row.kind == "preview" else self._replay())
        async with self.services.db.transaction() as tx:
            await self.beat(tx, self.now())
            await studies.finish(tx, self.row.id, msgspec.to_builtins(found, str_keys=True), self.now())

    async def _preview(self) -> dict[str, Any]:
        services, study = self.services, self.row
        found = await previews.preview(
            services.db,
            f"#{study.campaign_id}",
            study.asked_at,
            rulebook=services.rulebook,
            rates=services.rates,
            calls_per_second=services.settings.twilio_calls_per_second,
            at=_instant(study.asked.get("at")),
            clock_rate=services.clock.rate,
            progress=self._watch,
        )
        return {**asdict(found), "summary": found.summary, "cost": [float(one) for one in found.cost]}

    async def _replay(self) -> dict[str, Any]:
        services, asked = self.services, self.row.asked
        other = parse_rulebook({"packs": asked["packs"]})
        totals, listed = replays.Totals(), list[dict[str, Any]]()
        since, until = _instant(asked["since"]), _instant(asked.get("until"))
        assert since is not None
        async for one in replays.replay(
            services.db,
            services.rulebook,
            services.rulebook.replaced_by(other),
            totals,
            since=since,
            until=until or self.row.asked_at,
            campaign=asked.get("campaign"),
            progress=self._watch,
        ):
            if len(listed) < MOST:
                listed.append({**asdict(one), "phone": mask(one.phone)})  # whose it is, the attempt tells
        return {
            **asdict(totals),
            "packs": {pack.id: pack.version for pack in other.packs},
            "differences": listed,
        }


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


if __name__ == "__main__":
    sys.exit(StudyErrand.run())
