"""Previews and replays run in a process of their own, never in the loop that holds conversations.

Such a process is told the number of a study on its standard input, as JSON; what it is to do and what it
finds stands in that study's row. It goes on by itself, also when the service ends meanwhile.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from campaign.domain.errors import CampaignError, Unavailable
from campaign.domain.phone import mask
from campaign.domain.rulebook import parse_rulebook
from campaign.flow import preview as previews
from campaign.flow import replay as replays
from campaign.settings import read_settings
from campaign.store import studies
from campaign.store.studies import Study
from campaign.web.child import spawn
from campaign.wiring import Services, open_services

log = structlog.get_logger(__name__)

BEAT_S = 1.0
"""How often the study's row is told how far it is (real seconds)."""
MOST = 1_000
"""Dials that a replay lists; its totals count all."""


async def start_study(
    services: Services, study_id: int, actor: str, children: "set[asyncio.Task[None]]"
) -> None:
    """Let a child process do a study.

    Args:
        children: keeps the tasks that wait for the children's ends.
    Raises:
        Unavailable: no process could be started.
    """
    order = {"study": study_id, "actor": actor}
    try:
        await spawn(services, "campaign.web.study_child", order, children)
    except Unavailable as error:
        async with services.db.transaction() as tx:
            await studies.fail(tx, study_id, error.what, services.clock.now())
        raise


# ── the child ──────────────────────────────────────────────────────────────────────────────────────────


class _Pulse:
    """Tells the row how far the study is, about once a second, beside the work.

    Its instants go on from the one at which the study was asked for, so that they are of the same clock.
    """

    def __init__(self, services: Services, study: Study) -> None:
        self._services = services
        self._study = study
        self._begun = services.clock.monotonic()
        self.done, self.total = 0, 0

    def now(self) -> datetime:
        return self._study.asked_at + timedelta(seconds=self._services.clock.monotonic() - self._begun)

    def watch(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    async def tell(self) -> None:
        async with self._services.db.transaction() as tx:
            await studies.beat(tx, self._study.id, self.done, self.total, self.now())

    async def keep_telling(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            await self.tell()


async def _child(order: dict[str, Any]) -> int:
    settings = read_settings(env_file=None)
    async with open_services(settings, actor=order["actor"], role="study", pool_size=3) as services:
        async with services.db.connection() as tx:
            study = await studies.get(tx, order["study"])
        pulse = _Pulse(services, study)
        beating = asyncio.create_task(pulse.keep_telling())
        try:
            result = await _done(services, study, pulse)
        except CampaignError as error:
            async with services.db.transaction() as tx:
                await studies.fail(tx, study.id, f"{error.what} {error.do}".strip(), pulse.now())
            return error.exit_code
        except Exception as error:  # the edge of the process: whoever waits must be told
            log.exception("study_failed", study=study.id)
            async with services.db.transaction() as tx:
                await studies.fail(tx, study.id, f"A fault of ours: {error!r}.", pulse.now())
            return 1
        finally:
            beating.cancel()
        await pulse.tell()
        async with services.db.transaction() as tx:
            await studies.finish(tx, study.id, msgspec.to_builtins(result, str_keys=True), pulse.now())
    return 0


async def _done(services: Services, study: Study, pulse: _Pulse) -> dict[str, Any]:
    asked = study.asked
    if study.kind == "preview":
        found = await previews.preview(
            services.db,
            f"#{study.campaign_id}",
            study.asked_at,
            rulebook=services.rulebook,
            rates=services.rates,
            calls_per_second=services.settings.twilio_calls_per_second,
            at=_instant(asked.get("at")),
            clock_rate=services.clock.rate,
            progress=pulse.watch,
        )
        return {**asdict(found), "summary": found.summary, "cost": [float(one) for one in found.cost]}
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
        until=until or study.asked_at,
        campaign=asked.get("campaign"),
        progress=pulse.watch,
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


def main() -> int:
    """Do one study as told on standard input."""
    return asyncio.run(_child(json.load(sys.stdin)))


if __name__ == "__main__":
    sys.exit(main())
