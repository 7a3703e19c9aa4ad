"""The usual questions over millions of attempts: python -m benchmarks reports [--small] [--attempts N]

Attempts with outcomes are made by SQL: fifty campaigns of three lists each, ninety days, four caller
ids, four zones, two versions, twelve dispositions. Then

* *rebuild*: all roll-ups made anew from nothing (`campaign db rebuild-rollups`);
* *fold*: a thousand corrected outcomes taken from the queue and counted, as the scheduler's tick does it;
* each report, asked as the API asks it, over all campaigns and over one, 30 times each, warm.

A report's plan may not read a table of attempts: that is looked at here too, for every statement.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import event

from benchmarks import machine
from campaign.domain.measures import Dimension, Span
from campaign.flow import rollups
from campaign.store import report_rows
from campaign.store import rollups as store
from campaign.store.database import Database, Tx
from campaign.store.models import metadata

CAMPAIGNS = 50
DAYS = 90
GOAL_MS = 100.0
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
OPERATIONAL = {"attempts", "outcomes", "contacts", "campaign_contacts", "recoveries", "report_facts"}

_CAMPAIGNS = """
    INSERT INTO campaigns (name, state, state_at, version, lines, created_by, created_at)
    SELECT 'campaign ' || n, 'running', '2026-08-01', 1, 10, 'benchmark', '2026-08-01'
      FROM generate_series(1, 50) AS n;
    INSERT INTO campaign_versions (campaign_id, version, definition, created_by, created_at)
    SELECT id, 1, '{"budget": {"currency": "USD"}}', 'benchmark', '2026-08-01' FROM campaigns;
    INSERT INTO contact_lists (name, created_by, created_at)
    SELECT 'list ' || n, 'benchmark', '2026-08-01' FROM generate_series(1, 150) AS n
"""
_CONTACTS = """
    INSERT INTO contacts (id, list_id, phone, place, created_at)
    SELECT n, n %% 150 + 1, '+1212' || (1000000 + n),
           'US|US-XX|' || (ARRAY['America/New_York', 'America/Chicago', 'America/Denver',
                                 'America/Los_Angeles'])[n / 150 %% 4 + 1], '2026-08-01'
      FROM generate_series(1, CAST(%(contacts)s AS int)) AS n
"""
_ENROLLED = """
    INSERT INTO campaign_contacts (id, campaign_id, contact_id, phone, state, updated_at)
    SELECT id, id %% 50 + 1, id, phone, 'done', '2026-11-01' FROM contacts
"""
_ATTEMPTS = """
    INSERT INTO attempts (id, marker, campaign_id, campaign_contact_id, contact_id, campaign_version, phone,
           caller_id, number, state, intent_at, slot_at, replica, answered_at, ended_at, settled_at, call_sid)
    SELECT n, 'm' || n, c %% 50 + 1, c, c, 1 + n %% 2, '+1212' || (1000000 + c),
           '+1212555' || (1000 + n %% 4), n / %(contacts)s + 1, 'ended', at, at, 'benchmark',
           CASE WHEN n %% 5 < 2 THEN at END, at, at, 'CA' || n
      FROM (SELECT n, (n * 7919) %% %(contacts)s + 1 AS c,
                   timestamptz '2026-08-25 13:00+00' + make_interval(
                   days => CAST(n / %(daily)s AS int), secs => (n %% %(daily)s) * 39600.0 / %(daily)s) AS at
              FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""
_OUTCOMES = """
    INSERT INTO outcomes (attempt_id, campaign_id, campaign_contact_id, disposition, category, seconds,
           first_word_ms, cost, final, abandoned, recorded_at)
    SELECT a.id, a.campaign_id, a.campaign_contact_id, d.code,
           CASE WHEN d.code IN ('interested', 'transferred') THEN 'success' ELSE 'neutral' END,
           CASE WHEN a.answered_at IS NULL THEN 0 ELSE (a.id %% 200)::int END,
           CASE WHEN a.answered_at IS NULL THEN NULL ELSE (300 + (a.id * 31) %% 2500)::int END,
           0.02, true, a.id %% 997 = 0, a.settled_at
      FROM attempts a CROSS JOIN LATERAL (
           SELECT CASE WHEN a.answered_at IS NULL
                       THEN (ARRAY['no_answer', 'busy', 'failed', 'canceled'])[drawn %% 4 + 1]
                       ELSE (ARRAY['interested', 'not_interested', 'machine', 'voicemail_left', 'completed',
                                   'do_not_call', 'no_conversation', 'callback'])[drawn %% 8 + 1] END AS code
              FROM abs(hashint8(a.id) / 2) AS drawn) AS d
     WHERE a.id BETWEEN %(first)s AND %(last)s
"""
_CHUNK = 500_000

Ask = Callable[[Tx, Span], Awaitable[Sequence[object]]]
QUESTIONS: dict[str, Ask] = {
    "funnel": report_rows.funnel,
    "outcomes by day": report_rows.outcomes,
    "hour and weekday": report_rows.hours,
    "attempts to reach": report_rows.tries,
    "first word": report_rows.latency,
    "opt-outs": report_rows.opt_outs,
    "recoveries": report_rows.recoveries,
    "costs": report_rows.costs,
    "summary": report_rows.summary,
}


def prepare(url: str, attempts: int) -> None:
    """Attempts with outcomes, three to a contact, in the order of their time, as a service writes them."""
    contacts = max(attempts // 3, CAMPAIGNS)
    with machine.connect(url) as connection:
        connection.execute(_CAMPAIGNS)
        connection.execute(_CONTACTS, {"contacts": contacts})
        connection.execute(_ENROLLED, {})
        for first in range(1, attempts + 1, _CHUNK):
            chunk = {"first": first, "last": min(first + _CHUNK - 1, attempts), "contacts": contacts}
            connection.execute(_ATTEMPTS, {**chunk, "daily": attempts // DAYS + 1})
            connection.execute(_OUTCOMES, chunk)
        for table in ("contacts", "campaign_contacts", "attempts", "outcomes"):
            connection.execute(f"VACUUM ANALYZE {table}")


async def timed(db: Database, ask: Ask, span: Span, times: int) -> tuple[list[float], float]:
    """Milliseconds of each time, and of processor time on average, ours and Postgres' together: what is left
    of a figure when the machine has other work. The first time, cold, is left out."""
    took = []
    async with db.connection() as tx:
        await ask(tx, span)
        (pid,) = (await tx.exec_driver_sql("SELECT pg_backend_pid()")).one()
        before = _cpu_s(pid)
        for _ in range(times):
            begun = time.perf_counter()
            await ask(tx, span)
            took.append((time.perf_counter() - begun) * 1000)
        spent = _cpu_s(pid) - before
    return took, spent / times * 1000


def _cpu_s(pid: int) -> float:
    """Seconds of processor time of this process and of a backend."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def tables_read(db: Database, ask: Ask, span: Span) -> set[str]:
    """The tables that a report's plans read."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    found: set[str] = set()
    async with db.connection() as tx:
        event.listen(tx.sync_connection, "before_cursor_execute", note)
        await ask(tx, span)
        event.remove(tx.sync_connection, "before_cursor_execute", note)
        for statement, parameters in asked:
            for row in await tx.exec_driver_sql("EXPLAIN " + statement, parameters):
                words = row[0].split()
                found |= {word for word in words if word in metadata.tables}
    return found


async def measure(url: str, times: int) -> tuple[list[list[str]], dict[str, float]]:
    """Rows of the table, and seconds of the rebuild and of one fold."""
    db = Database(url)
    try:
        begun = time.perf_counter()
        await rollups.rebuild(db, NOW)
        rebuilt = time.perf_counter() - begun
        with machine.connect(url) as connection:
            connection.execute("VACUUM ANALYZE")
        folds = [await fold(db, n) for n in range(5)]
        rows = []
        for name, ask in QUESTIONS.items():
            cells = [name]
            for span in (
                Span(by=Dimension.CAMPAIGN),
                Span(by=Dimension.ZONE),
                Span(campaigns=[7], by=Dimension.LIST),
            ):
                took, cpu = await timed(db, ask, span, times)
                read = await tables_read(db, ask, span)
                assert not read & OPERATIONAL, f"{name} reads {read & OPERATIONAL}"
                cells += [f"{median(took):.1f}", f"{cpu:.1f}"]
            rows.append(cells)
        return rows, {"rebuild": rebuilt, "fold": median(folds)}
    finally:
        await db.close()


async def fold(db: Database, nth: int) -> float:
    """A thousand outcomes, all over the table, are corrected and counted again; seconds of the folding."""
    async with db.transaction() as tx:
        zones = await store.zones_known(tx)
        await tx.exec_driver_sql(
            f"""
            WITH corrected AS (UPDATE outcomes SET seconds = seconds + 1
                           WHERE attempt_id IN (SELECT (n * 7 + {nth}) % (SELECT max(id) FROM attempts) + 1
                                                  FROM generate_series(1, 1000) AS n) RETURNING attempt_id)
            INSERT INTO report_queue (attempt_id, queued_at)
            SELECT attempt_id, '{NOW.isoformat()}' FROM corrected
            """.replace("%", "%%")
        )
    begun = time.perf_counter()
    async with db.transaction() as tx:
        await store.hold(tx, wait=True)
        await store.fold(tx, zones)
    return time.perf_counter() - begun


def sizes(url: str) -> str:
    """What the roll-ups weigh beside the attempts."""
    with machine.connect(url) as connection:
        found = connection.execute(
            "SELECT relname, pg_total_relation_size(oid) / 1e6, greatest(reltuples, 0)::bigint FROM pg_class "
            "WHERE relkind = 'r' AND (relname LIKE 'report\\_%' OR relname IN ('attempts', 'outcomes')) "
            "AND pg_total_relation_size(oid) > 1e6 ORDER BY 2 DESC"
        ).fetchall()
    return "; ".join(f"{name} {rows:,} rows {float(str(size)):.0f} MB" for name, size, rows in found)


def run(*, small: bool = False, attempts: int | None = None) -> None:
    """Measure and print."""
    machine.quiet()
    times = 3 if small else 30
    count = attempts or (20_000 if small else 1_000_000)
    with machine.scratch_folder() as folder, machine.server(folder) as server:
        prepare(server.url, count)
        rows, seconds = asyncio.run(measure(server.url, times))
        weight = sizes(server.url)
    columns = [
        "ms",
        *("all by campaign: p50", "CPU"),
        *("all by zone: p50", "CPU"),
        *("one campaign by list: p50", "CPU"),
    ]
    rows += [
        ["goal", *[f"≤ {GOAL_MS:.0f}", ""] * 3],
        ["rebuild from nothing, s", f"{seconds['rebuild']:.1f}", *[""] * 5],
        ["fold of 1,000 corrections", f"{seconds['fold'] * 1000:.0f}", *[""] * 5],
    ]
    chosen = " --small" if small else (f" --attempts {attempts}" if attempts else "")
    title = f"Reports over {count:,} attempts, from roll-ups ({times} times each)"
    machine.show(title, columns, rows, "python -m benchmarks reports" + chosen)
    print(weight)
