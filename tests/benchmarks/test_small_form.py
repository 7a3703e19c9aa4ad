"""Each benchmark runs in its small form and prints its table; what it measures there means nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("place", ("bare POST", "our gateway", "the dialler", "goal")),
        ("pace", ("calls/s allowed", "goal")),
        ("turns", ("bare FastAPI", "the service, model", "the service, scripted agent", "goal")),
        ("events", ("bare FastAPI", "voice: the TwiML", "status: completed", "a whole call")),
        ("import", ("COPY of the taken rows", "the import", "goal")),
        ("dnc", ("a bigint a row (limit)", "blocks of the whole registry", "extrapolated", "goal")),
        ("claims", ("4,000, fresh", "a fifth called", "as many more under a snapshot", "goal")),
        ("start", ("contacts import", "create: saves it and enrols all", "resume", "goal")),
        ("reports", ("funnel", "first word", "goal", "rebuild from nothing", "fold of")),
        ("leaks", ("15 conversations", "each call between", "goal")),
        ("memory", ("the service, model", "bare FastAPI", "goal")),
        ("restart", ("planned: --take-over", "kill -9, another one up", "goal")),
        ("console", ("p95 ms", "nobody looks on", "3 viewers", "nobody again", "goal")),
        ("paints", ("/console/live", "/console/reports/funnel", "goal")),
        ("queues", ("our dialler", "0 / 10", "goal")),  # the others' packages are not installed for tests
    ],
)
@pytest.mark.timeout(600)
def test_a_benchmark_runs_in_its_small_form_and_prints_its_table(name: str, rows: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--small"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for row in rows:
        assert row in done.stdout
    assert f"Reproduce: python -m benchmarks {name} --small" in done.stdout


def test_an_unknown_benchmark_is_refused_with_the_names_of_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 2
    assert (
        "place, pace, turns, events, import, dnc, claims, start, reports, restart, leaks, memory, "
        "console, paints, queues" in done.stderr
    )
