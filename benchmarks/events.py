"""What Twilio's webhooks of a call cost: python -m benchmarks events [--small]

Whole calls' worth of signed webhooks (ringing, the TwiML fetch, in-progress, the end of the session,
completed) against `campaign serve --role web` on a durable Postgres: each event kept once, joined into its
attempt, the last one closing it with its outcome and money. All calls are of one campaign, whose money is one
row: the hardest case. Beside it, a bare FastAPI handler that checks the same signatures and writes one row
an event. CPU is the server process's own clock; statements are counted by pg_stat_statements.
"""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from statistics import median
from urllib.parse import urlencode

import aiohttp
from sqlalchemy import text
from twilio.request_validator import RequestValidator

from benchmarks import machine
from benchmarks.cpu import cpu_seconds
from benchmarks.place import ACCOUNT, SECRET, prepare
from benchmarks.turns import PUBLIC_URL, SAYS_NOTHING, service
from campaign.store.database import Database

STEPS = (
    ("status: ringing", "/twilio/status/{}", {"CallStatus": "ringing", "SequenceNumber": "1"}),
    ("voice: the TwiML", "/twilio/voice/{}", {"CallStatus": "in-progress"}),
    ("status: in-progress", "/twilio/status/{}", {"CallStatus": "in-progress", "SequenceNumber": "2"}),
    (
        "action: the session's end",
        "/twilio/action/{}/1",
        {
            "CallStatus": "completed", "SessionId": "VX" + "0" * 32, "SessionStatus": "completed",
            "SessionDuration": "30",
        },
    ),
    (
        "status: completed",
        "/twilio/status/{}",
        {"CallStatus": "completed", "SequenceNumber": "3", "CallDuration": "31", "SipResponseCode": "200"},
    ),
)  # fmt: skip
"""What Twilio tells of an answered call, in its order."""


@dataclass(slots=True)
class Step:
    """One kind of webhook over all calls."""

    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0
    statements: float = 0.0
    wrong: int = 0


async def placed_calls(url: str, count: int) -> list[tuple[str, str, str]]:
    """So many calls that Twilio has taken: (marker, sid, number)."""
    db = Database(url)
    async with db.transaction() as tx:
        await tx.execute(
            text("UPDATE attempts SET state = 'ended', settled_at = :now WHERE settled_at IS NULL"),
            {"now": datetime.now(UTC)},
        )
        await tx.execute(text("UPDATE campaign_contacts SET state = 'calling', next_at = NULL"))
        made = await tx.execute(
            text(
                """
                INSERT INTO attempts (marker, campaign_id, campaign_contact_id, contact_id, campaign_version,
                                      phone, caller_id, due_for, number, state, intent_at, slot_at, replica,
                                      call_sid, placed_at, sent_at, reserved)
                SELECT 'm-' || gen_random_uuid()::text, campaign_id, id, contact_id, 1, phone, '+12025550142',
                       'first', 1, 'placed', :now, :now, 'benchmark',
                       'CA' || replace(gen_random_uuid()::text, '-', ''), :now, :now, 0.25
                  FROM campaign_contacts ORDER BY id LIMIT :count RETURNING marker, call_sid, phone
                """
            ),
            {"now": datetime.now(UTC), "count": count},
        )
        found = [(row.marker, row.call_sid, row.phone) for row in made]
    await db.close()
    if len(found) != count:
        raise RuntimeError(f"only {len(found)} calls could be made")
    return found


def signed(
    path: str, fields: Mapping[str, str], call: tuple[str, str, str]
) -> tuple[str, bytes, dict[str, str]]:
    """One webhook as Twilio sends it: path, body, headers."""
    marker, sid, phone = call
    form = {
        "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "CallSid": sid, "Called": phone,
        "CalledCity": "", "CalledCountry": "US", "CalledState": "NY", "CalledZip": "",
        "Caller": "+12025550142", "CallerCity": "", "CallerCountry": "US", "CallerState": "DC",
        "CallerZip": "", "CallbackSource": "call-progress-events", "Direction": "outbound-api",
        "From": "+12025550142", "FromCity": "", "FromCountry": "US", "FromState": "DC", "FromZip": "",
        "To": phone, "ToCity": "", "ToCountry": "US", "ToState": "NY", "ToZip": "",
        "Timestamp": format_datetime(datetime.now(UTC)), **fields,
    }  # fmt: skip
    path = path.format(marker)
    signature = RequestValidator(SECRET).compute_signature(PUBLIC_URL + path, form)
    return (
        path,
        urlencode(form).encode(),
        {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature},
    )


async def send(
    address: str, requests: Sequence[tuple[str, bytes, dict[str, str]]], in_flight: int
) -> tuple[list[float], int]:
    """All of them, so many at once; seconds of each, and how many weren't answered as they should."""
    seconds: list[float] = []
    wrong = 0
    waiting = iter(requests)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def worker() -> None:
            nonlocal wrong
            for path, body, headers in waiting:
                begun = time.perf_counter()
                async with http.post(address + path, data=body, headers=headers) as answer:
                    said = await answer.read()
                seconds.append(time.perf_counter() - begun)
                wrong += answer.status not in (200, 204) or b"sorry" in said

        await asyncio.gather(*(worker() for _ in range(in_flight)))
    return seconds, wrong


def statements(url: str) -> float:
    """Statements that the database has carried out."""
    with machine.connect(url) as counter:
        (count,) = counter.execute(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid "
            "WHERE d.datname = current_database() AND query NOT LIKE '%pg_stat_statements%'"
        ).fetchone() or (0,)
    return float(str(count))


def measure(url: str, pid: int, address: str, count: int, in_flight: int, found: dict[str, Step]) -> None:
    """One round of whole calls, step by step."""
    calls = asyncio.run(placed_calls(url, count))
    for name, path, fields in STEPS:
        requests = [signed(path, fields, call) for call in calls]
        step = found[name]
        cpu, counted = cpu_seconds(pid), statements(url)
        seconds, wrong = asyncio.run(send(address, requests, in_flight))
        step.cpu += cpu_seconds(pid) - cpu
        step.statements += statements(url) - counted
        step.seconds += seconds
        step.wrong += wrong


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    machine.quiet()
    count, rounds, in_flight = (20, 1, 4) if small else (1000, 3, 32)
    ours: dict[str, Step] = defaultdict(Step)
    bare: dict[str, Step] = defaultdict(Step)
    with machine.scratch_folder() as folder, machine.server(folder, counting=True) as database:
        url = database.url
        asyncio.run(prepare(url, folder, count))
        machine.execute(url, "CREATE TABLE bare_events (marker text, body text)")
        with (
            machine.child("bare", SAYS_NOTHING, url) as (limit, limit_address),
            service(url, folder, SAYS_NOTHING, SAYS_NOTHING) as (pid, address),
        ):
            if not small:
                measure(url, pid, address, 50, in_flight, defaultdict(Step))  # warm
            for _ in range(rounds):
                measure(url, limit.pid, limit_address, count, in_flight, bare)
                measure(url, pid, address, count, in_flight, ours)
    show(ours, bare, in_flight, "python -m benchmarks events" + (" --small" if small else ""))


def show(ours: Mapping[str, Step], bare: Mapping[str, Step], in_flight: int, command: str) -> None:
    """Print the table."""
    total = Step()
    for step in bare.values():
        total.seconds += step.seconds
        total.cpu += step.cpu
        total.statements += step.statements
    limit = total.cpu / len(total.seconds)
    rows = []
    named = [("bare FastAPI, signature, one durable row (limit)", total), *ours.items()]
    for name, step in named:
        sent = len(step.seconds)
        rows.append(
            [
                name + (f" ({step.wrong} wrong)" if step.wrong else ""),
                f"{sent:,}",
                f"{median(step.seconds) * 1e3:.1f}",
                f"{machine.percentile(step.seconds, 0.99) * 1e3:.1f}",
                f"{step.cpu / sent * 1e6:,.0f}",
                f"{step.cpu / sent / limit:.2f}",
                f"{step.statements / sent:.1f}",
            ]
        )
    cpu = sum(step.cpu / len(step.seconds) for step in ours.values())
    each = sum(step.statements / len(step.seconds) for step in ours.values())
    rows.append(["a whole call", "", "", "", f"{cpu * 1e6:,.0f}", "", f"{each:.1f}"])
    machine.show(
        f"Webhooks of answered calls of one campaign, {in_flight} in flight",
        ("", "webhooks", "p50 ms", "p99 ms", "CPU µs", "of bare", "statements"),
        rows,
        command,
    )


if __name__ == "__main__":
    run(small="--small" in sys.argv)
