"""What a turn costs, prompt in → first text out: python -m benchmarks turns [--small]

The whole service (`campaign serve`: signature, token, rules of the conversation, transcript stored in a
durable Postgres) with a model that answers at once, and with the scripted agent; beside it, in turn, a bare
FastAPI handler that streams the same model's tokens and stores nothing (bare.py). One prompt per 2 s and
session. Service, handler, model and driver are processes of their own.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from twilio.request_validator import RequestValidator

from benchmarks import machine
from benchmarks.place import ACCOUNT, DEFINITION, SECRET, prepare
from campaign.domain.campaign import parse_toml, to_json
from campaign.settings import process_environment
from campaign.store import sessions
from campaign.store.database import Database
from campaign.wiring import token

READY_S = 60.0
SAYS_NOTHING = "http://127.0.0.1:9"


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
def service(url: str, folder: Path, model: str) -> Iterator[tuple[int, str]]:
    """`campaign serve --role web`; its process id and address."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    environment = process_environment(
        {
            "DATABASE_URL": url,
            "CAMPAIGN_DATA_DIR": str(folder),
            "PUBLIC_URL": "http://127.0.0.1:8080",
            "TWILIO_API_BASE_URL": SAYS_NOTHING,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": SECRET,
            "LLM_BASE_URL": model,
            "LLM_MODEL": "stub",
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


async def answered_calls(url: str, agent: str, count: int) -> list[tuple[str, str]]:
    """So many answered calls whose conversation is expected: (token, call sid)."""
    now = datetime.now(UTC)
    definition = to_json(parse_toml(DEFINITION, "benchmark.toml"))
    definition["script"]["profiles"] = [agent]
    definition["script"]["questions"] = [
        {"key": f"question_{n}", "ask": f"What comes to your mind for topic number {n} of our list?"}
        for n in range(30)
    ]  # enough for the scripted agent to go on asking
    made: list[tuple[str, str]] = []
    db = Database(url)
    async with db.transaction() as tx:
        await tx.execute(
            text("UPDATE campaign_versions SET definition = CAST(:definition AS jsonb)"),
            {"definition": json.dumps(definition)},
        )
        await tx.execute(
            text("UPDATE attempts SET state = 'ended', settled_at = :now, ended_at = :now"), {"now": now}
        )
        ids = await tx.execute(
            text(
                """
                INSERT INTO attempts (marker, campaign_id, campaign_contact_id, contact_id, campaign_version,
                                      phone, caller_id, due_for, number, state, intent_at, slot_at, replica,
                                      call_sid, answered_at, placed_at, sent_at)
                SELECT gen_random_uuid()::text, campaign_id, id, contact_id, 1, phone, '+12025550142',
                       'first', 1, 'answered', :now, :now, 'benchmark',
                       'CA' || replace(gen_random_uuid()::text, '-', ''), :now, :now, :now
                  FROM campaign_contacts ORDER BY id LIMIT :count RETURNING id, call_sid
                """
            ),
            {"now": now, "count": count},
        )
        for row in ids.all():
            secret = token()
            await sessions.expect(tx, row.id, 1, secret, now)
            made.append((secret, row.call_sid))
    await db.close()
    if len(made) != count:
        raise RuntimeError(f"only {len(made)} calls could be made")
    return made


def drive(folder: Path, server: int, address: str, calls: list[tuple[str, str]], seconds: float) -> Measured:
    """Hold those conversations and time their turns."""
    socket = address.replace("http", "ws", 1)
    validator = RequestValidator(SECRET)
    every_s = 2.0 if len(calls) > 1 else 0.5
    plan: dict[str, Any] = {
        "server": server,
        "seconds": seconds,
        "settle_s": min(3.0, seconds),
        "every_s": every_s,
        "sessions": [
            {
                "address": f"{socket}/twilio/relay/{secret}",
                "signature": validator.compute_signature(f"ws://127.0.0.1:8080/twilio/relay/{secret}", {}),
                "call": call,
            }
            for secret, call in calls
        ],
    }
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.driver", str(path)], capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Measured(**json.loads(done.stdout))


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    machine.quiet()
    counts, seconds, rounds = ((1, 5), 1.5, 1) if small else ((1, 50, 200), 6.0, 1)
    found: dict[tuple[str, int], Measured] = {}

    def keep(name: str, count: int, one: Measured) -> None:
        old = found.get((name, count))
        if one.turns and (old is None or one.p50 < old.p50):
            found[(name, count)] = one

    with (
        machine.scratch_folder() as folder,
        machine.server(folder) as database,
        machine.child("stubs", "llm") as (_, model),
    ):
        asyncio.run(prepare(database.url, folder, max(counts)))
        with (
            machine.child("bare", model) as (bare, bare_address),
            service(database.url, folder, model) as (ours, address),
        ):
            for _ in range(rounds):
                for count in counts:
                    fake = [(token(), f"CA{n:032x}") for n in range(count)]
                    keep("bare", count, drive(folder, bare.pid, bare_address, fake, seconds))
                    for agent in ("default", "scripted"):
                        calls = asyncio.run(answered_calls(database.url, agent, count))
                        keep(agent, count, drive(folder, ours, address, calls, seconds))
    show(found, counts, rounds, "python -m benchmarks turns" + (" --small" if small else ""))


NAMES = {
    "bare": "bare FastAPI + aiohttp, stores nothing (limit)",
    "default": "the service, model",
    "scripted": "the service, scripted agent",
}


def show(found: dict[tuple[str, int], Measured], counts: tuple[int, ...], rounds: int, command: str) -> None:
    rows = []
    for count in counts:
        limit = found[("bare", count)]
        for name, title in NAMES.items():
            one = found[(name, count)]
            lost = f" ({one.missed} late)" if one.missed else ""
            rows.append(
                [
                    title + lost, str(count), str(len(one.turns)), f"{one.p50:.2f}", f"{one.p99:.2f}",
                    f"{one.cpu_us:,.0f}", f"{one.cpu_us / max(limit.cpu_us, 1):.2f}",
                ]
            )  # fmt: skip
    rows.append(["goal at 500 sessions", "500", "", "1.1", "3", "650", "1.15"])
    machine.show(
        f"Turns: prompt in → first text out, one prompt per 2 s and session, best of {rounds}",
        ("", "sessions", "turns", "p50 ms", "p99 ms", "CPU µs/turn", "of bare"),
        rows,
        command,
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
