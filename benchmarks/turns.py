"""What a turn costs, prompt in → first text out: python -m benchmarks turns [--small]

The whole service (`campaign serve`: signature, token, rules of the conversation, opt-out check, redaction,
tokens-played, transcript stored in a durable Postgres, metrics) with a model that answers at once, with one
that sends a token every 20 ms, and with the scripted agent; beside it, in turn, a bare FastAPI handler that
streams the same models' tokens and stores nothing (bare.py). One prompt per 2 s and session. Service,
handler, model and driver are processes of their own. Beside both the vendor's Python framework,
twilio-agent-connect, as its README runs it and with a model's stream by aiohttp, and the usual quickstart,
FastAPI with the openai library (peers.py).

CPU is the server process's own clock, so whatever else the machine does leaves it nearly alone; what it
does to caches and clock rate meets both sides, which take turns. Figures are medians over the rounds.
"""

import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text
from twilio.request_validator import RequestValidator

from benchmarks import machine
from benchmarks.cpu import cpu_seconds
from benchmarks.place import ACCOUNT, DEFINITION, SECRET, prepare
from campaign.domain.campaign import parse_toml, to_json
from campaign.settings import process_environment
from campaign.store import campaigns, sessions
from campaign.store.database import Database
from campaign.wiring import token

READY_S = 60.0
IDLE_S = 2.0
PUBLIC_URL = "http://127.0.0.1:8080"
SAYS_NOTHING = "http://127.0.0.1:9"
VERSIONS = {"default": 2, "paced": 3, "scripted": 4}
"""The campaign's versions for this: the model's profile by the agent that it names."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One repetition: milliseconds of each turn, and the server's CPU."""

    turns: list[float]
    cpu: float
    missed: int
    ended: int

    @property
    def p50(self) -> float:
        return machine.percentile(self.turns, 0.5) * 1e3

    @property
    def p99(self) -> float:
        return machine.percentile(self.turns, 0.99) * 1e3

    @property
    def cpu_us(self) -> float:
        return self.cpu / len(self.turns) * 1e6


@contextlib.contextmanager
def service(url: str, folder: Path, model: str, paced: str) -> Iterator[tuple[int, str]]:
    """`campaign serve --role web`; its process id and address."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    environment = process_environment(
        {
            "DATABASE_URL": url,
            "CAMPAIGN_DATA_DIR": str(folder),
            "PUBLIC_URL": PUBLIC_URL,
            "TWILIO_API_BASE_URL": SAYS_NOTHING,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": SECRET,
            "LLM_BASE_URL": model,
            "LLM_MODEL": "stub",
            "LLM_PROFILES": "paced",
            "LLM_PACED_KIND": "openai",
            "LLM_PACED_BASE_URL": paced,
            "LLM_PACED_MODEL": "stub",
            "LOG_LEVEL": "warning",
        },
        hermetic=True,
    )
    command = [sys.executable, "-m", "campaign", "serve", "--role", "web", "--port", "0"]
    with (folder / "service.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready)],
            env={**environment, "CAMPAIGN_DRAIN_SECONDS": "0"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + READY_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / "service.log").read_text()[-2000:])
            time.sleep(0.02)
        yield process.pid, ready.read_text().strip()
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def add_versions(url: str) -> None:
    """A version of the campaign for each agent; the scripted one has enough to ask for."""
    definition = to_json(parse_toml(DEFINITION, "benchmark.toml"))
    definition["script"]["limits"] = {"turns": 500}
    topics = "What comes to your mind for topic number {} of our list?"
    db = Database(url)
    async with db.transaction() as tx:
        campaign_id = (await tx.execute(text("SELECT id FROM campaigns"))).scalar_one()
        for agent, version in VERSIONS.items():
            questions = 70 if agent == "scripted" else 3
            definition["script"]["profiles"] = [agent]
            definition["script"]["questions"] = [
                {"key": f"question_{n}", "ask": topics.format(n)} for n in range(questions)
            ]
            await campaigns.add_version(tx, campaign_id, version, definition, "benchmark", datetime.now(UTC))
    await db.close()


async def answered_calls(url: str, agent: str, count: int) -> list[tuple[str, str]]:
    """So many answered calls whose conversation is expected: (token, call sid)."""
    now = datetime.now(UTC)
    made: list[tuple[str, str]] = []
    db = Database(url)
    async with db.transaction() as tx:
        await tx.execute(
            text("UPDATE attempts SET state = 'ended', settled_at = :now, ended_at = :now"), {"now": now}
        )
        ids = await tx.execute(
            text(
                """
                INSERT INTO attempts (marker, campaign_id, campaign_contact_id, contact_id, campaign_version,
                                      phone, caller_id, due_for, number, state, intent_at, slot_at, replica,
                                      call_sid, answered_at, placed_at, sent_at)
                SELECT gen_random_uuid()::text, campaign_id, id, contact_id, :version, phone, '+12025550142',
                       'first', 1, 'answered', :now, :now, 'benchmark',
                       'CA' || replace(gen_random_uuid()::text, '-', ''), :now, :now, :now
                  FROM campaign_contacts ORDER BY id LIMIT :count RETURNING id, call_sid
                """
            ),
            {"now": now, "count": count, "version": VERSIONS[agent]},
        )
        for row in ids.all():
            secret = token()
            await sessions.expect(tx, row.id, 1, secret, now)
            made.append((secret, row.call_sid))
    await db.close()
    if len(made) != count:
        raise RuntimeError(f"only {len(made)} calls could be made")
    return made


def drive(
    folder: Path,
    server: int,
    address: str,
    calls: list[tuple[str, str]],
    seconds: float,
    *,
    path: str = "/twilio/relay/{}",
    signed: str = "ws://127.0.0.1:8080",
    alone_every_s: float = 0.03,
) -> Measured:
    """Hold those conversations and time their turns.

    Args:
        path: of the server's sockets; takes a session's token.
        signed: the address that a signature is made for, before the path.
        alone_every_s: from one prompt of a single session to the next; many have one every two seconds.

    Returns:
        What was measured; without turns when the server had still not let all sessions go after GIVEN_UP_S.
    """
    socket = address.replace("http", "ws", 1)
    validator = RequestValidator(SECRET)
    every_s = 2.0 if len(calls) > 1 else alone_every_s
    plan: dict[str, Any] = {
        "server": server,
        "seconds": seconds,
        "settle_s": min(2.0, seconds),
        "every_s": every_s,
        "sessions": [
            {
                "address": socket + path.format(secret),
                "signature": validator.compute_signature(signed + path.format(secret), {}),
                "call": call,
            }
            for secret, call in calls
        ],
    }
    file = folder / "plan.json"
    file.write_text(json.dumps(plan))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.driver", str(file)],
            capture_output=True,
            text=True,
            timeout=GIVEN_UP_S,
        )
    except subprocess.TimeoutExpired:
        return Measured([], 0.0, len(calls), len(calls))
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Measured(**json.loads(done.stdout))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: who is measured, and beside whom."""

    title: str
    agent: str | None
    """The agent of the service's campaign; None: the bare handler."""
    paced: bool = False
    peer: str = ""
    """How the vendor's framework is run, where it is what is measured."""


LIMIT = Row("bare FastAPI + aiohttp, stores nothing (limit)", None)
OURS = Row("the service, model, everything on", "default")
TAC = Row("twilio-agent-connect, as its README", None, peer="sdk")
TAC_AIOHTTP = Row("twilio-agent-connect, aiohttp, streamed", None, peer="aiohttp")
QUICKSTART = Row("FastAPI and the openai library, the usual quickstart", None, peer="quickstart")
LIMIT_PACED = Row("bare handler, a token every 20 ms (limit)", None, paced=True)
ROWS: Mapping[Row, Row] = {
    LIMIT: LIMIT,
    OURS: LIMIT,
    Row("the service, scripted agent, everything on", "scripted"): LIMIT,
    TAC: LIMIT,
    QUICKSTART: LIMIT,
    TAC_AIOHTTP: LIMIT,
    LIMIT_PACED: LIMIT_PACED,
    Row("the service, a token every 20 ms, everything on", "paced", paced=True): LIMIT_PACED,
}
"""Each line and the limit that it is held against."""
Found = dict[tuple[Row, int], list[Measured]]


class Bench:
    """The servers, and one measurement of one of them."""

    def __init__(self, folder: Path, database: str, most: int, stack: contextlib.ExitStack) -> None:
        self._folder = folder
        self._database = database
        model = stack.enter_context(machine.child("stubs", "llm"))[1]
        paced = stack.enter_context(machine.child("stubs", "llm-paced"))[1]
        asyncio.run(prepare(database, folder, most))
        asyncio.run(add_versions(database))
        self.ours, self._address = stack.enter_context(service(database, folder, model, paced))
        self._others = {
            LIMIT: _Other("bare", model),
            LIMIT_PACED: _Other("bare", paced),
            TAC_AIOHTTP: _Other("peers", TAC_AIOHTTP.peer, model),
        }
        if importlib.util.find_spec("openai") is None:
            print("Left out: two of the peers need the openai library (pip install openai).")
        else:
            for peer in (TAC, QUICKSTART):
                self._others[peer] = _Other("peers", peer.peer, model)
        for other in self._others.values():
            stack.callback(other.end)

    def measures(self, row: Row) -> bool:
        """Whether this can be measured here."""
        return row.agent is not None or row in self._others

    def process(self, row: Row) -> int:
        """The process id of whoever answers in that line."""
        return self.ours if row.agent is not None else self._others[row].begun()[0]

    def __call__(self, row: Row, count: int, seconds: float) -> Measured:
        if row.agent is not None:
            calls = asyncio.run(answered_calls(self._database, row.agent, count))
            alone = 0.3 if row.agent == "scripted" else 0.03  # a script soon has asked everything
            return drive(self._folder, self.ours, self._address, calls, seconds, alone_every_s=alone)
        other = self._others[row]
        pid, address = other.begun()
        fake = [(token(), f"CA{n:032x}") for n in range(count)]
        if not row.peer:
            return drive(self._folder, pid, address, fake, seconds)
        signed = address.replace("http", "ws", 1)
        one = drive(self._folder, pid, address, fake, seconds, path="/ws", signed=signed)
        if not one.turns:
            other.end()  # it still works at what it owes, beside whoever is measured next
        return one


class _Other:
    """A server of somebody else's: a module of this package, started when it is first needed."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._what = (module, *arguments)
        self._stack = contextlib.ExitStack()
        self._found: tuple[int, str] | None = None

    def begun(self) -> tuple[int, str]:
        """Its process and address."""
        if self._found is None:
            process, address = self._stack.enter_context(machine.child(*self._what))
            self._found = process.pid, address
        return self._found

    def end(self) -> None:
        """End the process; the next call of `begun` starts another."""
        self._stack.close()
        self._found = None


def run(*, small: bool = False, rounds: int = 3) -> None:
    """Measure and print the tables."""
    machine.quiet()
    counts, seconds, rounds = ((5,), 1.0, 1) if small else ((1, 50, 200, 500), 4.0, rounds)
    paced_at = 5 if small else 200
    found: Found = {}
    silent: set[tuple[Row, int]] = set()
    """Peers that answered nobody at that many sessions."""
    with (
        machine.scratch_folder() as folder,
        machine.server(folder) as database,
        contextlib.ExitStack() as stack,
    ):
        measure = Bench(folder, database.url, max(counts) if small else SEARCH[-1], stack)
        idle = cpu_seconds(measure.ours)
        time.sleep(IDLE_S)
        idle = (cpu_seconds(measure.ours) - idle) / IDLE_S
        rows = [row for row in ROWS if measure.measures(row)]
        for row in () if small else rows:  # whatever is made at first use: discarded
            measure(row, 5, 0.5)
        for _ in range(rounds):
            for count in counts:
                for row in rows:
                    if (row.paced and count != paced_at) or (row, count) in silent:
                        continue
                    one = measure(row, count, seconds)
                    if one.turns:
                        found.setdefault((row, count), []).append(one)
                    elif row.peer:
                        silent.add((row, count))
                    else:
                        raise RuntimeError(f"{row.title}: no turn in {seconds} s")
        held = {} if small else most_of_each(measure)
    command = "python -m benchmarks turns" + (" --small" if small else "")
    show(found, counts, rounds, idle, command)
    if held:
        show_most(held, command)


def run_most() -> None:
    """Only how many sessions each of them holds."""
    machine.quiet()
    with (
        machine.scratch_folder() as folder,
        machine.server(folder) as database,
        contextlib.ExitStack() as stack,
    ):
        measure = Bench(folder, database.url, SEARCH[-1], stack)
        for row in filter(measure.measures, ROWS):
            measure(row, 5, 0.5)
        held = most_of_each(measure)
    show_most(held, "python -c 'from benchmarks import turns; turns.run_most()'")


def most_of_each(measure: Bench) -> dict[Row, tuple[int, float]]:
    """The most sessions of the service, the limit and each peer."""
    rows = (OURS, LIMIT, TAC_AIOHTTP, TAC, QUICKSTART)
    return {row: most_sessions(measure, row) for row in rows if measure.measures(row)}


SEARCH = (50, 75, 100, 150, 200, 300, 450, 700, 900, 1000, 1200, 1500, 2200, 3300)
"""Sessions that are tried for the most that one core holds."""
LATE_MS = 50.0
TRIES = 2
"""Of each count: one hiccup of the machine in four seconds is no limit of anybody's."""
GIVEN_UP_S = 60.0
"""Seconds for a repetition that takes six."""


def most_sessions(measure: Bench, row: Row) -> tuple[int, float]:
    """The last count that is held in one of its tries, with p99 below 50 ms and no prompt left unanswered,
    and that p99."""
    held = (0, 0.0)
    for count in SEARCH:
        for _ in range(TRIES):
            one = measure(row, count, 4.0)
            if one.turns and one.p99 < LATE_MS and one.missed <= len(one.turns) / 100:
                held = count, one.p99
                break
        else:
            break
    return held


def show_most(held: Mapping[Row, tuple[int, float]], command: str) -> None:
    """Print the second table."""
    peer = min((count for row, (count, _) in held.items() if row.peer), default=0)
    rows = [
        [row.title, f"{count:,}", f"{p99:.1f}", f"{count / peer:.1f}" if peer else ""]
        for row, (count, p99) in held.items()
    ]
    tried = ", ".join(map(str, SEARCH))
    machine.show(
        f"Most sessions on one core at p99 < {LATE_MS:.0f} ms, a prompt per 2 s (each up to twice: {tried})",
        ("", "sessions", "p99 ms", "of the least peer"),
        rows,
        command,
    )


def show(found: Found, counts: Sequence[int], rounds: int, idle: float, command: str) -> None:
    """Print the table: medians over the rounds; of the ratios too, each taken within its round."""
    rows = []
    for count in counts:
        for row, limit in ROWS.items():
            mine, beside = found.get((row, count)), found.get((limit, count))
            if mine is None or beside is None or len(mine) != len(beside):
                continue
            late = sum(one.missed for one in mine)
            ratio = median(one.cpu_us / other.cpu_us for one, other in zip(mine, beside, strict=True))
            rows.append(
                [
                    row.title + (f" ({late} late)" if late else ""),
                    str(count),
                    f"{sum(len(one.turns) for one in mine):,}",
                    f"{median(one.p50 for one in mine):.2f}",
                    f"{median(one.p99 for one in mine):.2f}",
                    f"{median(one.cpu_us for one in mine):,.0f}",
                    f"{ratio:.2f}",
                ]
            )
    told = "the service, idle (part of its figures)"
    rows.append([told, "0", "", "", "", f"{idle * 1e3:.0f} ms/s", ""])
    rows.append(["goal at 500 sessions", "500", "", "1.1", "3", "650", "1.15"])
    machine.show(
        f"Turns: prompt in → first text out, one prompt per 2 s and session, medians of {rounds}",
        ("", "sessions", "turns", "p50 ms", "p99 ms", "CPU µs/turn", "of bare"),
        rows,
        command,
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
