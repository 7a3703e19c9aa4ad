"""Bugs that others shipped, planted one at a time in a copy of the package: the simulation must find each.

A simulation that can't find them proves nothing. The product itself has no switch for any of it: a plant is
(file, text as it stands, text that is put there) on a copy; if its text isn't there exactly once, it fails.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = 200
COPIED = ("campaign", "migrations", "tests/simulation", "tests/support", "docs/samples")


@dataclass(frozen=True)
class Plant:
    """One bug.

    Args:
        changes: (file, old text, new text).
        shows: words of which one must stand in what the judge says.
        near: a seed that has shown it; where a long hunt begins.
    """

    name: str
    changes: tuple[tuple[str, str, str], ...]
    shows: tuple[str, ...]
    near: int = 1


PLANTS = (
    Plant(
        "retry on timeout",
        (
            (
                "campaign/telephony/gateway.py",
                "        except NotSentFault as fault:\n            return NotSent(str(fault))\n",
                "        except NotSentFault as fault:\n            return NotSent(str(fault))\n"
                "        except UnknownFault:\n            return await self.place(request, leaves)\n",
            ),
            (
                "campaign/telephony/gateway.py",
                "    ThrottledFault,\n",
                "    ThrottledFault,\n    UnknownFault,\n",
            ),
        ),
        ("double dial",),
    ),
    Plant(
        "record after the POST",
        (
            (
                "campaign/flow/dialer.py",
                "            return await self._claimer.claim(tx, self._clock)\n",
                "            claim = await self._claimer.claim(tx, self._clock)\n"
                "            for dial in claim.dials:\n"
                "                await self._send(dial)\n"
                "            return Claim([], claim.wait_s, failures=claim.failures)\n",
            ),
        ),
        ("double dial", "a call without an intent"),
    ),
    Plant(
        "no unique index",
        (
            (
                "migrations/versions/0012_lines.py",  # which made the index anew
                '        ["phone"],\n        unique=True,\n        postgresql_where=sa.text(where),\n',
                '        ["phone"],\n        unique=False,\n        postgresql_where=sa.text(where),\n',
            ),
            # The gate looks too, so that the index is the second of two locks on one door: both must be open.
            (
                "campaign/domain/rules.py",
                "    if facts.unsettled_since is None:\n",
                "    if True:\n",
            ),
        ),
        ("double dial",),
    ),
    Plant(
        "hold too short",
        (
            (
                "campaign/store/attempts.py",
                "HOLD = timedelta(minutes=15)\n",
                "HOLD = timedelta(seconds=15)\n",
            ),
        ),
        ("double dial", "lost outcome"),
    ),
    Plant(
        "DNC checked at claim only",
        (
            (
                "campaign/flow/voice.py",
                "    if await attempts.on_dnc(tx, attempt.id):\n",
                "    if False:\n",
            ),
            (
                "campaign/flow/suppress.py",
                "    sids = await dnc.queued_calls(tx, phones, list_id, now)\n",
                "    sids: list[str] = []\n",
            ),
            (
                "campaign/store/sweeps.py",
                "         OR {FORBIDDEN_SQL})",
                "         )",
            ),
        ),
        ("after DNC",),
        near=81,
    ),
    Plant(
        "window checked in UTC",
        (
            (
                "campaign/domain/calling_window.py",
                "        offset, until = _offset_at(self.zone, at)\n",
                '        offset, until = _offset_at("UTC", at)\n',
            ),
        ),
        ("outside hours",),
    ),
    Plant(
        "limiter per process",
        (
            (
                "campaign/flow/claiming.py",
                "        if self.tenure is None and row.tenure_until is not None:\n",
                "        if False:\n",
            ),
            (
                "campaign/flow/claiming.py",
                "        next_slot = row.next_slot_at\n",
                '        next_slot: datetime = getattr(self, "_own_slot", row.next_slot_at)\n',
            ),
            (
                "campaign/flow/claiming.py",
                "        tenure = await self._take(tx, following, now + pace.tenure)\n",
                "        self._own_slot, self.tenure = following, None\n"
                "        tenure = await self._take(tx, following, now + pace.tenure)\n",
            ),
        ),
        ("too fast",),
    ),
    Plant(
        "non-fenced update",
        (
            (
                "campaign/store/claims.py",
                "            UPDATE pace SET next_slot_at = :at, tenure_until = :until\n"
                "             WHERE id = 1 AND fencing = :fencing AND holder = :holder\n",
                "            UPDATE pace SET next_slot_at = :at, tenure_until = :until\n"
                "             WHERE id = 1 AND :fencing > 0 AND :holder <> ''\n",
            ),
        ),
        # A dialler that stood still past its tenure goes on beside the one that has taken over.
        ("too fast",),
    ),
)


def plant(bug: Plant, into: Path) -> None:
    """Copy what the simulation needs into a folder, with the bug in it.

    Raises:
        ValueError: a text to be replaced isn't there exactly once.
    """
    for name in COPIED:
        shutil.copytree(
            ROOT / name,
            into / name,
            ignore=shutil.ignore_patterns("__pycache__", "simulator"),
        )
    (into / "tests" / "__init__.py").touch()
    for file, old, new in bug.changes:
        path = into / file
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(
                f"{bug.name}: {file} holds the text to be replaced {text.count(old)} times:\n{old}"
            )
        path.write_text(text.replace(old, new), encoding="utf-8")


def found_by(bug: Plant) -> int | None:
    """The first seed whose verdict shows the bug; None when 200 don't."""
    with tempfile.TemporaryDirectory(prefix="campaign-plant-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        plant(bug, folder)
        done = hunt(folder, bug)
    seeds = re.findall(r"--seed (\d+)[^:]*: FAILED", done.stdout)
    return int(seeds[-1]) if done.returncode == 1 and seeds else None


def hunt(folder: Path, bug: Plant, *, first: int = 1) -> "subprocess.CompletedProcess[str]":
    """Run the copy's simulation until the judge says what the bug shows; exit code 1: found.

    All of the seeds 1 to 200 are run if need be; those from `first` on come first.
    """
    for begin, end in ((first, SEEDS), (1, first - 1)):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.simulation", "--until", *bug.shows),
                *("--first", str(begin), "--seeds", str(end - begin + 1)),
            ],
            cwd=folder,
            env={
                "PYTHONPATH": str(folder),
                "PYTHONHASHSEED": "0",
                "PATH": "/usr/bin:/bin",
                "HOME": str(folder),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or first == 1:
            break
    return done
