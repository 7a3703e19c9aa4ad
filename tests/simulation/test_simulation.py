"""Many seeds, each a run in which everything goes wrong: nobody is called twice, nor against a rule, and no
outcome is lost. And the bugs that others shipped are found, planted one at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from campaign.settings import process_environment
from tests.simulation.plants import PLANTS, ROOT, Plant, hunt, plant
from tests.support.house import open_folder

SEEDS = 300
AT_ONCE = 30
CONTACTS = 8
ONCE_FAILED = (264, 2124)
"""Seeds of `make crash-score`, of twenty contacts, at which something was found and mended: that the driver
was told of a connection's end too late; that the carrier's own words to somebody whom nobody answers, all
processes being dead, counted as ours."""


def simulate(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--contacts", str(CONTACTS), *options],
        cwd=ROOT,
        env=process_environment({"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}, hermetic=True),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(1, SEEDS + 1, AT_ONCE))
def test_whatever_breaks_nobody_is_called_twice_nor_against_a_rule_and_nothing_is_lost(first: int) -> None:
    done = simulate("--seeds", str(AT_ONCE), "--first", str(first))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_a_run_that_once_failed_is_fine(seed: int) -> None:
    done = simulate("--contacts", "20", "--seed", str(seed))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_a_seed_replays_step_by_step() -> None:
    done = simulate("--seeds", "5", "--first", "7000", "--twice", "--keep-on")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(900)
@pytest.mark.parametrize("bug", PLANTS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found_within_200_seeds(bug: Plant) -> None:
    with open_folder() as folder:
        plant(bug, folder)
        done = hunt(folder, bug, first=bug.near)
    said = done.stdout + done.stderr
    assert done.returncode == 1, f"{bug.name} was not found: {said[-3000:]}"
    assert any(word in done.stdout for word in bug.shows), said[-3000:]


def test_a_plant_whose_text_is_gone_fails(tmp_path: Path) -> None:
    gone = Plant("gone", (("campaign/flow/voice.py", "no such text", ""),), ("anything",))
    with pytest.raises(ValueError, match="0 times"):
        plant(gone, tmp_path)
