"""Long work that was asked for by a page or by API runs in a process of its own, never in the loop that holds
talks.

Such a process is told what to do on its standard input, as JSON. An `Errand` is work that has a row of its
own: what it is to do, how far it is and what came of it stand there, and it goes on by itself, also when the
service ends meanwhile.
"""

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import structlog

from campaign.domain.errors import CampaignError, Unavailable
from campaign.settings import Settings, process_environment, read_settings
from campaign.store.database import Tx
from campaign.wiring import Services, open_services

log = structlog.get_logger(__name__)

BEAT_S = 1.0
"""How often an errand's row is told how far it is (real seconds)."""
_HANDED_ON = (
    "DATABASE_URL",
    "CAMPAIGN_DATA_DIR",
    "TWILIO_API_BASE_URL",
    "CAMPAIGN_CLOCK",
    "CAMPAIGN_CLOCK_RATE",
    "CAMPAIGN_CLOCK_ANCHOR",
    "CAMPAIGN_MAX_UPLOAD_MB",
    "CAMPAIGN_RATES_FILE",
    "TWILIO_CALLS_PER_SECOND",
    "LOG_FORMAT",
    "LOG_LEVEL",
)


async def start_child(
    services: Services, module: str, children: "set[asyncio.Task[None]]", *, answers: bool = False
) -> asyncio.subprocess.Process:
    """Start a module as a process of its own, with the settings that it needs and no others.

    Args:
        children: keeps the tasks that wait for the children's ends.
        answers: whether its standard output is read.
    Raises:
        Unavailable: no process could be started.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if answers else None,
            env=process_environment(_environment(services.settings, services.data_dir), hermetic=True),
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"No process could be started: {error}.", "Try again in a moment.") from None
    ending = asyncio.create_task(_ended(child))
    children.add(ending)
    ending.add_done_callback(children.discard)
    return child


async def _ended(child: asyncio.subprocess.Process) -> None:
    await child.wait()


def _environment(settings: Settings, data_dir: Path) -> dict[str, str]:
    found = dict[str, str]()
    for key, field in type(settings).model_fields.items():
        value = getattr(settings, key)
        if field.alias in _HANDED_ON and value is not None:
            shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
            found[field.alias] = shown.isoformat() if hasattr(shown, "isoformat") else str(shown)
    return found | {"CAMPAIGN_DATA_DIR": str(data_dir)}


def tell(child: asyncio.subprocess.Process, order: Mapping[str, object]) -> None:
    """What the child is to do, on its standard input."""
    assert child.stdin is not None
    child.stdin.write(json.dumps(order).encode())
    child.stdin.close()


class Row(Protocol):
    """What every errand's row has."""

    @property
    def id(self) -> int: ...

    @property
    def asked_at(self) -> datetime: ...


R = TypeVar("R", bound=Row)


class Errand(ABC, Generic[R]):
    """A kind of work with a row of its own: how that row is read and written, and the work itself.

    An instance does one errand, in its process. The instants that it writes go on from the one at which the
    errand was asked for, so that they are of the same clock.
    """

    name: ClassVar[str]
    """For logs and the processes' list."""
    module: ClassVar[str]
    """What is started as the process; its `main` ends in `run`."""

    def __init__(self, services: Services, row: R) -> None:
        self.services = services
        self.row = row
        self._begun = services.clock.monotonic()

    @classmethod
    @abstractmethod
    async def read(cls, tx: Tx, row_id: int) -> R:
        """The errand's row."""

    @classmethod
    @abstractmethod
    async def fail(cls, tx: Tx, row_id: int, why: str, now: datetime) -> None:
        """Keep why it came to nothing."""

    @abstractmethod
    async def beat(self, tx: Tx, now: datetime) -> None:
        """Keep how far it is, and that its process lives."""

    @abstractmethod
    async def work(self) -> None:
        """Do it, and keep what came of it.

        Raises:
            CampaignError: it comes to nothing; the words are kept.
        """

    def now(self) -> datetime:
        """This instant, of the clock by which the errand was asked for."""
        return self.row.asked_at + timedelta(seconds=self.services.clock.monotonic() - self._begun)

    @classmethod
    async def start(
        cls, services: Services, row_id: int, actor: str, children: "set[asyncio.Task[None]]"
    ) -> None:
        """Let a process of its own do an errand.

        Args:
            children: keeps the tasks that wait for the children's ends.
        Raises:
            Unavailable: no process could be started; the row says so.
        """
        try:
            child = await start_child(services, cls.module, children)
        except Unavailable as error:
            async with services.db.transaction() as tx:
                await cls.fail(tx, row_id, error.what, services.clock.now())
            raise
        tell(child, {"row": row_id, "actor": actor})

    @classmethod
    def run(cls) -> int:
        """Do the errand that standard input names; the process's exit code."""
        return asyncio.run(cls._run(json.load(sys.stdin)))

    @classmethod
    async def _run(cls, order: dict[str, Any]) -> int:
        settings = read_settings(env_file=None)
        async with open_services(settings, actor=order["actor"], role=cls.name, pool_size=3) as services:
            async with services.db.connection() as tx:
                errand = cls(services, await cls.read(tx, order["row"]))
            beating = asyncio.create_task(errand._keep_telling())
            try:
                await errand.work()
            except CampaignError as error:
                await errand._failed(f"{error.what} {error.do}".strip())
                return error.exit_code
            except Exception as error:  # the edge of the process: whoever waits must be told
                log.exception("errand_failed", kind=cls.name, row=errand.row.id)
                await errand._failed(f"A fault of ours: {error!r}.")
                return 1
            finally:
                beating.cancel()
        return 0

    async def _failed(self, why: str) -> None:
        async with self.services.db.transaction() as tx:
            await self.fail(tx, self.row.id, why, self.now())

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            async with self.services.db.transaction() as tx:
                await self.beat(tx, self.now())
