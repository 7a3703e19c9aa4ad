"""One run of a plan (plan.py).

A run begins with people on lists and campaigns that want to call them. For a while everything goes wrong
that the plan says: processes crash, freeze and come back, the database goes away, Twilio is sick, people opt
out, operators pause. Then the weather clears, and the judge asks whether every call was allowed, was made
once, and came to its outcome.
"""

import asyncio
import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import text

from campaign.domain.errors import CampaignError
from campaign.domain.pacing import Pace
from campaign.flow import claiming, definitions, enrol, lifecycle, own_call
from campaign.flow.suppress import suppress_in
from campaign.settings import Settings
from campaign.store import attempts as attempts_store
from campaign.store.database import Database
from campaign.wiring import read_rates, read_rulebook, token
from tests.simulation.loop import SimLoop
from tests.simulation.plan import FIRST, SECOND, Event, Plan
from tests.simulation.postgres import Server, SimPostgres, Weather, reset
from tests.simulation.process import Process, settings
from tests.simulation.relay import converse
from tests.simulation.truth import Faults, Person, Ring
from tests.simulation.twilio import Twilio
from tests.support.campaigns import LOS_ANGELES, NEW_YORK, definition, make_list, rows


@dataclass
class Report:
    """What came of a run."""

    plan: Plan
    violations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    trace_hash: str = ""
    lines: list[str] = field(default_factory=list)

    def count(self, what: str, by: int = 1) -> None:
        """Count something that happened."""
        self.counts[what] = self.counts.get(what, 0) + by


class World:
    """One run of one plan.

    Args:
        server: its database has the schema, and nothing in it but what `reset` puts back.
        traced: keep the lines of what happened, not only their hash.
        crash_at: a process and one of its steps at which it crashes, besides the plan's events.
    """

    def __init__(
        self,
        plan: Plan,
        server: Server,
        *,
        traced: bool = False,
        crash_at: tuple[int, int] | None = None,
    ) -> None:
        self.plan = plan
        self.report = Report(plan)
        self._server = server
        self._traced = traced
        self._crash_at = crash_at
        self._hash = sha256()
        self.loop = SimLoop(Random(f"order {plan.seed}"))
        self.postgres = SimPostgres(self.loop, Random(f"postgres {plan.seed}"), server)
        self.postgres.trace = self.trace
        self._rng = Random(f"world {plan.seed}")
        self.processes: list[Process] = []
        self._born = 0
        self._calm = False
        self.calm_at = float("inf")
        self._idle = False
        self.allowed: dict[str, tuple[float, frozenset[str]]] = {}
        """Number → when its opt-out was committed, and the intents that there were by then."""
        self.campaigns: dict[int, str] = {}
        self.own: set[str] = set()
        """Markers of calls to one's own number, which belong to no list."""
        self.stopped: list[tuple[float, float, str | None, frozenset[str]]] = []
        """Pauses and stops: from, until, campaign (None: all), and the intents that there were by then."""
        self.spent_most = 0.0
        self.settled_s = 0.0
        self.twilio = Twilio(
            self.loop,
            Random(f"twilio {plan.seed}"),
            plan.start,
            cps=float(plan.cps),
            ask=self._ask,
            converse=self._converse,
            person=lambda number: plan.people.get(number, Person()),
            trace=self.trace,
        )
        self._data_dir = Path(tempfile.mkdtemp(prefix="campaign-simulation-"))

    def trace(self, kind: str, who: str, what: str) -> None:
        """One thing that happened; two runs of a seed must tell the same."""
        line = f"{self.loop.time():10.4f} {who:8} {kind:5} {what}"
        self._hash.update(line.encode())
        if self._traced:
            self.report.lines.append(line)

    # ── the run ────────────────────────────────────────────────────────────────────────────────────────

    def run(self, judge: Callable[["World", Database], Awaitable[None]]) -> Report:
        """Everything from the lists to the verdict."""
        drawn = Random(f"tokens {self.plan.seed}")
        real, often = secrets.token_urlsafe, claiming.IDLE_S
        secrets.token_urlsafe = lambda n=32: f"{drawn.getrandbits(8 * (n or 32)):0{2 * (n or 32)}x}"
        reset(self._server.link)
        try:
            with self.postgres:
                asyncio.set_event_loop(self.loop)
                main = self.loop.spawn(None, self._story(judge), "story")
                self.loop.run_until_complete(main)
        finally:
            secrets.token_urlsafe = real
            claiming.IDLE_S = often
            shutil.rmtree(self._data_dir, ignore_errors=True)
            self._end_tasks()
        self.report.trace_hash = self._hash.hexdigest()[:16]
        self.report.count("exchanges", self.postgres.exchanges)
        self.report.count("steps", self.loop.steps)
        return self.report

    def _end_tasks(self) -> None:
        """Nothing of this run may go on in the next: whatever is left ends here, where it stands."""
        asyncio.set_event_loop(self.loop)
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False
            with contextlib.suppress(BaseException):  # its own tidying up has nothing to work with any more
                task.get_coro().close()
        self.loop._ready.clear()
        self.loop._scheduled.clear()
        asyncio.set_event_loop(None)
        self.loop.close()

    async def _story(self, judge: Callable[["World", Database], Awaitable[None]]) -> None:
        plan = self.plan
        claiming.IDLE_S = 1.0
        self._configured: Settings = settings(float(plan.cps), plan.max_calls)
        self._rulebook, self._rates = _rules()
        self.db = Database(self._server.url, pool_size=3)
        await self._prepare()
        for index in range(2):
            self._birth(index)
        for process, step in zip(self.processes, plan.crash_steps, strict=True):
            process.owner.crash_at = step
        if self._crash_at is not None:
            which, step = self._crash_at
            self.processes[which].owner.crash_at = step
        self.twilio.faults = replace(plan.faults)
        self.postgres.weather = replace(plan.weather)
        for event in plan.events:
            self.loop.spawn(None, self._happen(event), event.what)
        watch = self.loop.spawn(None, self._watch_money(), "money")
        await asyncio.sleep(plan.storm_s)
        await self._clear_up()
        await self._until_settled()
        watch.cancel()
        await judge(self, self.db)

    async def _prepare(self) -> None:
        plan = self.plan
        now = plan.start
        each, shared = plan.contacts, plan.shared
        await rows(self.db, "UPDATE installation SET kind = 'simulated', recorded_at = :now", now=now)
        for name, first in ((FIRST, 0), (SECOND, each - shared)):
            await make_list(self.db, name, each, first=first, now=now)
        await rows(
            self.db,
            "UPDATE contacts SET place = CASE WHEN phone = ANY(:west) THEN :la ELSE :ny END, "
            "consent = 'express_written', consent_at = :then, consent_source = 'web form'",
            west=sorted(plan.west),
            la=LOS_ANGELES,
            ny=NEW_YORK,
            then=now - timedelta(days=30),
        )
        unknown = {"unknown": {"after_minutes": [1]}} if plan.redials else {}
        for name in (FIRST, SECOND):
            made = await definitions.create(
                self.db,
                definition(
                    name=name,
                    lists=[name],
                    pacing={"lines": plan.lines},
                    retry={"budget": 2 if plan.redials else 1, "min_gap_minutes": 0, "on": unknown},
                    voicemail={"policy": "talk", "detection": "off"},
                    longest_call_seconds=60,
                    ring_timeout_seconds=20,
                    **({"budget": {"total": plan.cap}} if plan.cap else {}),
                ),
                actor="test",
                now=now,
            )
            self.campaigns[made.id] = name
            await enrol.catch_up(self.db, self._rulebook, made.id, now)
            await lifecycle.start(self.db, name, actor="test", now=now)

    def _birth(self, index: int) -> None:
        """Start a process in a place that is free."""
        self._born += 1
        made = Process(
            self.loop,
            f"p{index}.{self._born}",
            url=self._server.url,
            start=self.plan.start,
            skew=self.plan.skews[index],
            configured=self._configured,
            rulebook=self._rulebook,
            rates=self._rates,
            data_dir=self._data_dir,
            twilio=self.twilio,
            ticks=self._tick_every,
        )

        def gone() -> None:
            self.trace("crash", made.owner.name, f"at step {made.owner.steps}")
            self.report.count("crashes")
            self.postgres.crash(made.owner)
            made.gone()
            wait = self._rng.uniform(0.5, 20)
            self.loop.call_later(wait, self._reborn, index, made)

        made.owner.on_crash = gone
        if len(self.processes) <= index:
            self.processes.append(made)
        else:
            self.processes[index] = made
        self.trace("start", made.owner.name, "")
        made.start()

    def _reborn(self, index: int, old: Process) -> None:
        if self.processes[index] is old:
            self._birth(index)

    def _tick_every(self) -> float:
        return 300.0 if self._idle else 15.0 if self._calm else 1.5

    # ── what happens ───────────────────────────────────────────────────────────────────────────────────

    async def _happen(self, event: Event) -> None:
        await asyncio.sleep(event.at)
        if self._calm:
            return
        self.trace("event", "world", f"{event.what} {event.who}")
        self.report.count(event.what)
        try:
            await getattr(self, f"_{event.what}")(event)
        except (CampaignError, ConnectionError, TimeoutError) as error:
            self.trace("event", "world", f"{event.what} failed: {type(error).__name__}")

    async def _crash(self, event: Event) -> None:
        self.loop.crash(self.processes[int(event.who)].owner)

    async def _freeze(self, event: Event) -> None:
        owner = self.processes[int(event.who)].owner
        self.loop.freeze(owner)
        await asyncio.sleep(min(event.long, 5.0))
        self.postgres.cut_silent(owner)  # as idle_in_transaction_session_timeout does, in the loop's time
        await asyncio.sleep(max(0.0, event.long - 5.0))
        if owner.frozen:
            self.trace("thaw", owner.name, "")
            self.loop.thaw(owner)

    async def _stop(self, event: Event) -> None:
        """SIGTERM, then a new process: what is claimed is given back, the tenure is left."""
        index = int(event.who)
        old = self.processes[index]
        if not old.owner.alive or old.owner.frozen:
            return
        try:
            async with asyncio.timeout(40):
                await old.within(_ended(old))
        finally:
            old.owner.on_crash = None
            self.loop.crash(old.owner)
            self.postgres.crash(old.owner)
            old.gone()
            await asyncio.sleep(event.long)
            self._reborn(index, old)

    async def _away(self, event: Event) -> None:
        self.postgres.weather.away = True
        self.postgres.cut_all()
        await asyncio.sleep(event.long)
        self.postgres.weather.away = False

    async def _sick(self, event: Event) -> None:
        kept, self.twilio.faults = self.twilio.faults, Faults(sick=1.0, ask_fails=1.0)
        await asyncio.sleep(event.long)
        if not self._calm:
            self.twilio.faults = kept

    async def _opt_out(self, event: Event) -> None:
        """An entry from the console, by a process of its own; judged by what was committed before it."""
        number = event.who

        async def add() -> frozenset[str]:
            now = self.twilio.at(self.loop.time())
            async with self.db.transaction() as tx:
                await suppress_in(tx, [number], reason="asked", source="cli", actor="test", now=now)
                return await self._intents(tx, number)

        known = await add()
        self.allowed.setdefault(number, (self.loop.time(), known))

    async def _intents(self, tx: Any, number: str | None = None) -> frozenset[str]:
        found = await tx.execute(
            text("SELECT marker FROM attempts WHERE CAST(:phone AS text) IS NULL OR phone = :phone"),
            {"phone": number},
        )
        return frozenset(found.scalars())

    async def _pause(self, event: Event) -> None:
        await lifecycle.pause(self.db, event.who, actor="test", now=self.twilio.at(self.loop.time()))
        began = self.loop.time()
        async with self.db.transaction() as tx:
            known = await self._intents(tx)
        await asyncio.sleep(event.long)
        self.stopped.append((began, min(self.loop.time(), self.calm_at), event.who, known))
        await lifecycle.resume(self.db, event.who, actor="test", now=self.twilio.at(self.loop.time()))

    async def _stop_all(self, event: Event) -> None:
        now = self.twilio.at(self.loop.time())
        await lifecycle.stop_all(self.db, actor="test", why="a drill", now=now)
        began = self.loop.time()
        async with self.db.transaction() as tx:
            known = await self._intents(tx)
        await asyncio.sleep(event.long)
        self.stopped.append((began, min(self.loop.time(), self.calm_at), None, known))
        await lifecycle.lift(self.db, actor="test", now=self.twilio.at(self.loop.time()))

    async def _call_me(self, event: Event) -> None:
        process = self.processes[self._rng.randrange(2)]
        if not process.owner.alive or process.owner.frozen:
            return
        services = process.services
        marker = token()
        self.own.add(marker)
        await process.within(
            own_call.place(
                services.db,
                services.clock,
                services.gateway,
                definition(name="own"),
                event.who,
                marker=marker,
                replica=services.replica.id,
                actor="test",
                addresses=services.addresses,
                pace=Pace(float(self.plan.cps)),
                rulebook=self._rulebook,
                rates=self._rates,
            )
        )

    async def _watch_money(self) -> None:
        while True:
            await asyncio.sleep(200.0 if self._idle else 15.0 if self._calm else 5.0)
            found = await rows(
                self.db,
                "SELECT coalesce(max(total), 0) AS most FROM "
                "(SELECT sum(reserved + spent) AS total FROM campaign_spend GROUP BY campaign_id) t",
            )
            self.spent_most = max(self.spent_most, float(found[0]["most"]))

    # ── the end ────────────────────────────────────────────────────────────────────────────────────────

    async def _clear_up(self) -> None:
        """The weather clears: nothing fails any more, every process is back."""
        self._calm, self.calm_at = True, self.loop.time()
        self.report.count("exchanges in the storm", self.postgres.exchanges)
        self.trace("calm", "world", "")
        self.twilio.faults = Faults()
        self.postgres.weather = Weather()
        for process in self.processes:
            process.owner.crash_at = None
            if process.owner.frozen:
                self.loop.thaw(process.owner)
        for name in (FIRST, SECOND):
            found = await rows(self.db, "SELECT state FROM campaigns WHERE name = :name", name=name)
            if found[0]["state"] == "paused":
                await lifecycle.resume(self.db, name, actor="test", now=self.twilio.at(self.loop.time()))
        await lifecycle.lift(self.db, actor="test", now=self.twilio.at(self.loop.time()))

    async def _until_settled(self) -> None:
        """Until nothing is under way: at the longest the hold of an unknown result, and a bit."""
        began = self.loop.time()
        longest = attempts_store.HOLD.total_seconds() + 400
        claiming.IDLE_S = 12.0
        dialled, dialled_at = 0, began
        while self.loop.time() - began < longest:
            await asyncio.sleep(100.0 if self._idle else 12.0)
            now = self.loop.time()
            (found,) = await rows(self.db, _STANDING, now=self.twilio.at(now), soon=self.twilio.at(now + 70))
            live = any(ring.ended is None for ring in self.twilio.rings.values())
            quiet = not live and not found["moving"] and all(p.owner.alive for p in self.processes)
            calls = len(self.twilio.sent)
            if calls != dialled or not quiet:
                dialled, dialled_at = calls, now
            stale = (
                now - dialled_at > 60
            )  # what is still due can't be dialled: a spent budget, a closed window
            if quiet and not found["open"] and (stale or not found["soon"]):
                break
            self._rest(quiet and now - began > 110 and (now - dialled_at > 20 or not found["due"]))
        self.settled_s = self.loop.time() - began

    def _rest(self, rest: bool) -> None:
        """While only holds are waited for, idle diallers look seldom."""
        self._idle = rest
        claiming.IDLE_S = 100.0 if rest else 12.0

    # ── Twilio's side of our doors ─────────────────────────────────────────────────────────────────────

    def _listening(self) -> list[Process]:
        return [process for process in self.processes if process.answers]

    async def _ask(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        await asyncio.sleep(self._rng.uniform(0.002, 0.05))
        listening = self._listening()
        if not listening:
            raise ConnectionRefusedError("nobody listens")
        return await listening[self._rng.randrange(len(listening))].post(path, form)

    async def _converse(self, url: str, ring: Ring) -> dict[str, str]:
        """A ConversationRelay session with the person behind a number."""
        listening = [p for p in self._listening() if not p.owner.frozen]
        if not listening:
            return {"SessionId": "VX" + ring.sid[2:], "SessionStatus": "failed", "ErrorCode": "64102"}
        process = listening[self._rng.randrange(len(listening))]
        return await converse(self, process, url, ring)


_STANDING = """
    SELECT (SELECT count(*) FROM attempts WHERE settled_at IS NULL) AS open,
           (SELECT count(*) FROM attempts WHERE settled_at IS NULL AND state <> 'unknown') AS moving,
           (SELECT count(*) FROM campaign_contacts cc JOIN campaigns c ON c.id = cc.campaign_id
             WHERE c.state = 'running' AND cc.next_at <= :now) AS due,
           (SELECT count(*) FROM campaign_contacts cc JOIN campaigns c ON c.id = cc.campaign_id
             WHERE c.state = 'running' AND cc.next_at <= :soon) AS soon
"""


async def _ended(process: Process) -> None:
    dialer = process.workers.dialer
    assert dialer is not None
    dialer.stop()
    await process.workers.scheduler.stop()
    await asyncio.sleep(12)


_RULES: list[Any] = []


def _rules() -> tuple[Any, Any]:
    if not _RULES:
        _RULES.extend((read_rulebook(), read_rates(Settings())))
    return _RULES[0], _RULES[1]
