"""An uploaded file is read in a process of its own, never in the loop that holds conversations.

`start_import` starts that process and waits only until the file's header is understood; the process goes on
by itself, also when the service ends meanwhile. What it needs to know goes in by its standard input, as
JSON, and one line comes back: the import's number, or why there is none.
"""

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from campaign.domain.errors import CampaignError, Unavailable
from campaign.flow import intake
from campaign.flow.intake import Begun, Options
from campaign.settings import read_settings
from campaign.web.child import start_child, tell
from campaign.wiring import Services, open_services

UNDERSTOOD_SECONDS = 300.0
"""Longest wait for the first answer: the whole file is looked through for its encoding and its digest."""
UPLOADS = "uploads"
"""Folder of the data directory where files lie that came by HTTP and are being read."""


class ImportRefused(CampaignError):
    """What the child said of a file that it does not read; carries the child's own status and slug."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["what"], told["do"], **told["data"])
        self.status, self.slug = told["status"], told["slug"]


async def start_import(
    services: Services,
    path: Path,
    *,
    list_name: str,
    options: Options,
    file_name: str,
    actor: str,
    children: "set[asyncio.Task[None]]",
) -> Begun:
    """Begin to read a file in a child process.

    Args:
        path: of the kept upload; the child removes it when it is read or refused.
        children: keeps the tasks that wait for the children's ends.
    Raises:
        ImportRefused: the file can't be read, or not now.
        Unavailable: the child said nothing.
    """
    order = {
        "path": str(path),
        "list_name": list_name,
        "options": options.kept(),
        "file_name": file_name,
        "actor": actor,
    }
    try:
        return await _told(services, order, children)
    except Unavailable:
        _remove(path)
        raise


async def resume_import(
    services: Services, import_id: int, *, actor: str, children: "set[asyncio.Task[None]]"
) -> Begun:
    """Take an interrupted import up again in a child process, where it stood.

    Raises:
        ImportRefused: it runs, or it has ended for good, or its file is gone.
        Unavailable: the child said nothing.
    """
    return await _told(services, {"resume": import_id, "actor": actor}, children)


async def _told(services: Services, order: dict[str, Any], children: "set[asyncio.Task[None]]") -> Begun:
    """Start the child, and wait until it has understood what it is to read."""
    child = await start_child(services, "campaign.web.import_child", children, answers=True)
    assert child.stdout is not None
    try:
        tell(child, order)
        line = await asyncio.wait_for(child.stdout.readline(), UNDERSTOOD_SECONDS)
        told = json.loads(line)
    except (TimeoutError, OSError, ValueError):
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        raise Unavailable(
            "The file could not be read now.", "Try again; the service's log tells more."
        ) from None
    if "what" in told:
        await child.wait()
        raise ImportRefused(told)
    return Begun(**told)


# ── the child ──────────────────────────────────────────────────────────────────────────────────────────


async def _child(order: dict[str, Any], answer: "_Answer") -> None:
    settings = read_settings(env_file=None)
    async with open_services(settings, actor=order["actor"], role="import", pool_size=2) as services:
        begun = await _begun(services, order)
        answer.say(asdict(begun))
        given = Path(order["path"]) if "path" in order else None
        if begun.again and given is not None:
            _remove(given)
            return
        done = await intake.run(services.db, services.clock, begun.id)
        if done.state in ("finished", "failed", "discarded"):
            if given is not None:
                _remove(given)
            read = Path(done.stored_path or "")
            # an upload of ours, never a file of the command line's user
            if read.parent == (services.data_dir / UPLOADS).resolve():
                _remove(read)


async def _begun(services: Services, order: dict[str, Any]) -> Begun:
    if "resume" in order:
        stands = await intake.resume(services.db, services.clock, order["resume"])
        return Begun(stands.id, resumed=True)
    path = Path(order["path"])
    try:
        return await intake.begin(
            services.db,
            services.clock,
            path,
            order["list_name"],
            Options.from_kept(order["options"]),
            file_name=order["file_name"],
            max_bytes=services.settings.max_upload_bytes,
            actor=order["actor"],
        )
    except CampaignError:
        _remove(path)
        raise


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


class _Answer:
    """The one line that goes back; whoever waits for it need not wait for the child's end."""

    def __init__(self) -> None:
        self.given = False
        # Whatever else is printed, logs above all, goes to standard error.
        self._fd = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(self, told: dict[str, Any]) -> None:
        os.write(self._fd, json.dumps(told, default=str).encode() + b"\n")
        os.close(self._fd)
        self.given = True


def main() -> int:
    """Read one file as told on standard input."""
    answer = _Answer()
    order = json.load(sys.stdin)
    try:
        asyncio.run(_child(order, answer))
    except CampaignError as error:
        if not answer.given:
            answer.say(
                {
                    "what": error.what,
                    "do": error.do,
                    "status": error.status,
                    "slug": error.slug,
                    "data": error.data,
                }
            )
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
