"""`make crash-score`: what happens to people's phones when everything breaks, counted and written down.

Three parts: seeds of the deterministic simulation (tests/simulation), one of them with a crash at every
single step; the planted bugs that it must find; and replicas that are killed and stopped as real processes
(process_runs.py). What must be 0 and isn't ends the command with 1.

Ten thousand seeds are hours of two cores. What was run is kept in crash_score.json, with the version that it
ran on, and the command goes on with the seeds after it: each seed is another story, so none is told twice.

    python -m benchmarks.crash_score [--seeds N] [--minutes N] [--steps N] [--small] [--anew] [--out FILE]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks import machine, process_runs
from benchmarks.process_runs import ProcessRunResult
from campaign.settings import process_environment

ROOT = Path(__file__).parents[1]
LEDGER = Path(__file__).with_suffix(".json")
"""Which seeds were run on which version, and what they came to."""
CHUNK = 25
"""Seeds of one process of the simulation."""
CONTACTS = 20
STEPPED_SEED = 7

MUST_BE_ZERO = {
    "double dials": ("double dial", "a call without an intent"),
    "dials after do-not-call": ("after DNC",),
    "dials outside hours": ("outside hours",),
    "dials while paused or stopped": ("dialled while stopped",),
    "seconds with too many calls": ("too fast",),
    "more calls at once than lines": ("lines",),
    "budgets passed, money that doesn't add up": ("the budget", "money"),
    "lost or wrong outcomes": ("no end", "lost outcome", "wrong outcome", "made up", "left over"),
    "settled later than a minute after Twilio could tell": ("late",),
    "unforeseen errors": ("unforeseen", "not deterministic"),
}
"""What is counted → how the judge's sentences about it begin."""


LABELS = {
    "contacts": "contacts",
    "crashes": "processes crashed, at any await",
    "freeze": "processes frozen for up to 70 s and let go on",
    "stop": "processes ended by SIGTERM and replaced",
    "away": "times that Postgres was away",
    "sick": "times that Twilio answered only 503",
    "opt_out": "opt-outs from elsewhere",
    "pause": "pauses",
    "stop_all": "stops of all dialling",
    "call_me": "calls to one's own number",
    "attempts": "intents",
    "POST as it should be": "POSTs that went well",
    "POST throttled": "429",
    "POST sick": "503, nothing created",
    "POST sick_after": "503, the call created",
    "POST hang": "no answer, nothing created",
    "POST hang_after": "no answer, the call created up to 60 s later",
    "POST reset": "closed before anything was read",
    "POST cut": "half an answer",
    "POST no_sid": "201 without a sid",
    "calls": "calls that Twilio made",
    "calls answered": "of them answered",
    "unknown, then settled by a callback": "unknown results settled by a callback",
    "unknown, then settled by the TwiML fetch": "settled by the TwiML fetch",
    "unknown, then settled by Twilio's list": "settled by Twilio's list",
    "unknown, then settled by the late answer": "settled by the answer, late",
    "closed as unknown": "closed as unknown after the hold",
    "closed as unknown, with a call": "**of them with a call at Twilio** (0)",
}
"""What the simulation counts → how the page names it, in its order."""


@dataclass
class Score:
    """What many runs came to."""

    runs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    failures: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, told: Mapping[str, Any]) -> None:
        """Count in what one process of the simulation wrote."""
        self.runs += told["runs"]
        self.counts.update(told["counts"])
        self.failures += told["failures"]
        for failure in told["failures"]:
            for sentence in failure["violations"]:
                self.broken[kind_of(sentence)] += 1


def kind_of(sentence: str) -> str:
    """Which of MUST_BE_ZERO a sentence of the judge's is about."""
    for kind, beginnings in MUST_BE_ZERO.items():
        if sentence.startswith(beginnings):
            return kind
    return "unforeseen errors"


@dataclass(frozen=True)
class Version:
    """Seeds that one version of the code was run with.

    Args:
        commit: where it stands in the history.
        code: its fingerprint.
        first, last: the seeds, both run.
        score: what they came to.
    """

    commit: str
    code: str
    first: int
    last: int
    score: Score


def read_ledger(file: Path) -> list[Version]:
    """What was run before, oldest first."""
    if not file.exists():
        return []
    found = []
    for entry in json.loads(file.read_text(encoding="utf-8")):
        score = Score()
        score.add(entry)
        found.append(Version(entry["commit"], entry["code"], entry["first"], entry["last"], score))
    return found


def write_ledger(file: Path, versions: Sequence[Version]) -> None:
    """One line a version."""
    entries = [
        {
            "commit": one.commit,
            "code": one.code,
            "first": one.first,
            "last": one.last,
            "runs": one.score.runs,
            "counts": dict(sorted(one.score.counts.items())),
            "failures": one.score.failures,
        }
        for one in versions
    ]
    file.write_text("[\n" + ",\n".join(map(json.dumps, entries)) + "\n]\n", encoding="utf-8")


def sum_of(versions: Sequence[Version]) -> Score:
    """All of them as one score."""
    score = Score()
    for one in versions:
        score.add({"runs": one.score.runs, "counts": one.score.counts, "failures": one.score.failures})
    return score


def this_commit() -> str:
    """The commit of the checkout, with a + when files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "campaign", "migrations"], capture_output=True, text=True, check=False
    )
    return (head.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def fingerprint() -> str:
    """Of all code that a run of the simulation depends on."""
    digest = sha256()
    for folder in ("campaign", "migrations", "tests/simulation", "tests/support"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".py", ".toml"):
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def simulate(options: Sequence[str], keep: Path) -> Mapping[str, Any]:
    """One process of the simulation; what it wrote.

    Args:
        keep: where results of this code are; one that is there is taken as it is.
    Raises:
        RuntimeError: it broke.
    """
    out = keep / ("-".join(options).strip("-") + ".json")
    if not out.exists():
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--keep-on", "--json", str(out), *options],
            cwd=ROOT,
            env=process_environment({"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}, hermetic=True),
            capture_output=True,
            text=True,
            check=False,
        )
        if not out.exists():
            raise RuntimeError(f"the simulation broke: {done.stderr[-2000:]}")
    told: Mapping[str, Any] = json.loads(out.read_text())
    return told


def score_of(
    cases: Sequence[Sequence[str]], what: str, keep: Path, *, seconds: float = float("inf")
) -> Score:
    """Run processes of the simulation, one on each core, in their order.

    Args:
        seconds: none is begun after so long; what is not run then is left out from there on.
    """
    score = Score()
    began = time.monotonic()

    def in_time(case: Sequence[str]) -> Mapping[str, Any] | None:
        return simulate(case, keep) if time.monotonic() - began < seconds else None

    with ThreadPoolExecutor(os.cpu_count() or 1) as cores:
        for told in cores.map(in_time, cases):
            if told is None:
                break
            score.add(told)
            rate = score.runs / (time.monotonic() - began)
            print(f"{what}: {score.runs:,} runs, {len(score.failures)} failed, {rate:.1f}/s", flush=True)
    return score


def seeds_in_chunks(first: int, seeds: int) -> list[list[str]]:
    """Options for processes of the simulation that run so many seeds from the first on."""
    return [
        ["--contacts", str(CONTACTS), "--first", str(one), "--seeds", str(min(CHUNK, first + seeds - one))]
        for one in range(first, first + seeds, CHUNK)
    ]


def steps_in_chunks(steps: int) -> list[list[str]]:
    """Options for processes that run one seed with a crash at one of its steps after the other."""
    per = max(1, -(-steps // (os.cpu_count() or 1)))
    return [
        [
            "--contacts",
            "6",
            "--seed",
            str(STEPPED_SEED),
            "--every-step",
            str(first),
            str(min(first + per - 1, steps)),
        ]
        for first in range(1, steps + 1, per)
    ]


def page(
    versions: Sequence[Version],
    stepped: Score,
    plants: Sequence[str],
    result: ProcessRunResult,
    command: str,
) -> str:
    """docs/crash-score.md."""
    both = (sum_of(versions), stepped)
    lines = [
        "# Crash score",
        "",
        "What happens to people's phones when everything breaks. Made by `make crash-score`, which ends with",
        "an error when what must be 0 isn't; each failure would name the command that replays it.",
        "",
        f"{machine.machine_line()}. Command: `{command}`.",
        "",
        "## Simulated: the real dialler, webhooks and sweep on the real SQL",
        "",
        "Two processes and one Postgres; time, order, faults and crashes are drawn from a seed, and every",
        "run can be replayed (`python -m tests.simulation --seed N --trace`).",
        "",
        "| | many seeds | one seed, a crash at each step |",
        "|---|--:|--:|",
        _row("runs", *(score.runs for score in both)),
        *(_row(label, *(score.counts[name] for score in both)) for name, label in LABELS.items()),
        *(_row(f"**{kind}** (0)", *(score.broken[kind] for score in both)) for kind in MUST_BE_ZERO),
        "",
        "An unknown result is one that nobody can tell from what the POST gave back. It is settled by",
        "Twilio's word, whoever brings it first; without any it is held for 15 minutes, and closed once",
        "Twilio's list shows no such call. It is not dialled again unless the campaign says so; in some of",
        "these runs it does.",
        "",
        "Ten thousand such runs take hours, so the command goes on where it stopped, on the code of the day:",
        "",
        "| version | seeds | runs | failed |",
        "|---|---|--:|--:|",
        *(
            _cells(
                [
                    one.commit,
                    f"{one.first:,} to {one.last:,}",
                    f"{one.score.runs:,}",
                    f"{len(one.score.failures)}",
                ]
            )
            for one in versions
        ),
        "",
        "### Planted bugs",
        "",
        "Bugs that others shipped, each planted in a copy of the package and looked for by the same seeds:",
        "",
        "| bug | found by |",
        "|---|---|",
        *plants,
        "",
        "## Real processes, killed and stopped",
        "",
        f"Two replicas behind one address, {result.seconds:,.0f} s at {result.form.rate:g} times the clock, "
        f"seed {result.form.seed}: `python -m benchmarks.process_runs`.",
        "",
        "| | found | goal |",
        "|---|--:|--:|",
        *(
            "| " + " | ".join(cell.replace("\n", "<br>") for cell in line) + " |"
            for line in process_runs.lines(result)
        ),
        "",
    ]
    return "\n".join(lines)


def _row(name: str, *numbers: int) -> str:
    return _cells([name, *(f"{number:,}" for number in numbers)])


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("\n", "<br>") for cell in cells) + " |"


def find_plants() -> tuple[list[str], bool]:
    """A table row for each planted bug, and whether all were found."""
    from tests.simulation.plants import PLANTS, found_by  # the tests are no part of an installed package

    rows, all_found = [], True
    with ThreadPoolExecutor(os.cpu_count() or 1) as cores:
        for bug, seed in zip(PLANTS, cores.map(found_by, PLANTS), strict=True):
            all_found = all_found and seed is not None
            rows.append(
                f"| {bug.name} | {'**not found in 200 seeds**' if seed is None else f'seed {seed}'} |"
            )
            print(rows[-1], flush=True)
    return rows, all_found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash_score", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="in all, with those of earlier runs")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop the seeds after so long")
    parser.add_argument("--anew", action="store_true", help="forget earlier runs")
    parser.add_argument(
        "--steps", type=int, default=1000, help="steps of one seed at each of which it crashes"
    )
    parser.add_argument("--kills", type=int, default=200, help="of processes, 15 contacts to each")
    parser.add_argument("--small", action="store_true", help="a few runs, only to see that it runs")
    parser.add_argument("--keep", type=Path, help="finished parts stay here and are not run again (/tmp/…)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "crash-score.md")
    given = parser.parse_args()
    seeds = 4 if given.small else given.seeds
    steps = 4 if given.small else given.steps
    rows, all_found = ([], True) if given.small else find_plants()
    kept = given.keep or Path(tempfile.gettempdir()) / "campaign-crash-score"
    keep = kept / fingerprint()
    keep.mkdir(parents=True, exist_ok=True)
    earlier = [] if given.small or given.anew else read_ledger(LEDGER)
    first = 1 + max((one.last for one in earlier), default=0)
    cases = seeds_in_chunks(first, seeds - first + 1)
    many = score_of(cases, "seeds", keep, seconds=given.minutes * 60)
    versions = [*earlier]
    if many.runs:
        versions.append(Version(this_commit(), fingerprint(), first, first + many.runs - 1, many))
    if not given.small:
        write_ledger(LEDGER, versions)
    stepped = score_of(steps_in_chunks(steps), "steps", keep)
    full = replace(process_runs.FULL, kills=given.kills, contacts=15 * given.kills)
    result = process_runs.run_here(process_runs.SMALL if given.small else full)
    process_runs.show(result, "python -m benchmarks.process_runs")
    command = " ".join(["python -m benchmarks.crash_score", *sys.argv[1:]])
    given.out.write_text(page(versions, stepped, rows, result, command), encoding="utf-8")
    print(f"Written: {given.out}")
    for failure in [*many.failures, *stepped.failures]:
        print(f"FAILED: {failure['replay']}\n  " + "\n  ".join(failure["violations"]))
    if many.failures or stepped.failures or result.broken or not all_found:
        sys.exit(1)


if __name__ == "__main__":
    main()
