"""Long work that was asked for by API runs in a process of its own, never in the loop that holds talks."""

import asyncio
import json
import sys
from collections.abc import Mapping

from campaign.domain.errors import Unavailable
from campaign.settings import process_environment
from campaign.web.import_child import child_environment
from campaign.wiring import Services


async def spawn(
    services: Services, module: str, order: Mapping[str, object], children: "set[asyncio.Task[None]]"
) -> None:
    """Start a module as a process that goes on by itself, also when the service ends meanwhile.

    Args:
        order: what it is told on its standard input, as JSON.
        children: keeps the tasks that wait for the children's ends.
    Raises:
        Unavailable: no process could be started.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            env=process_environment(child_environment(services.settings, services.data_dir), hermetic=True),
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"No process could be started: {error}.", "Try again in a moment.") from None
    ending = asyncio.create_task(_fed(child, json.dumps(order).encode()))
    children.add(ending)
    ending.add_done_callback(children.discard)


async def _fed(child: asyncio.subprocess.Process, order: bytes) -> None:
    await child.communicate(order)
