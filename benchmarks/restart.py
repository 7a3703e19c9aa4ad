"""What people on the line hear when their service is restarted: python -m benchmarks restart [--small]

The whole house as users run it (`campaign serve`, `campaign simulator` with Twilio's recorded timings, a
durable Postgres) at real time, 50 people in conversation with the scripted agent; then

* planned: `campaign serve --take-over` on the same port, and the old process hands over and ends;
* kill -9 of one of two processes behind a balancer; all its sockets break in one instant and all come back in
  one, so the other's time for 50 is a queue's; with few calls it is a call's own.

Silence is what the simulator's ear hears: from the last voice, whosever, to our next. Ours is the part of it
that is not Twilio's: the `<Connect action>` request until its TwiML, and the new socket until our first text
(with a model its own time to answer comes on top, as in every turn). Twilio's part, from the recordings:
hand-over 0.3 to 1.0 s until it asks, 0.4 s until it connects, 0.25 to 0.48 s until its voice sounds; a cut
socket 1.2 s until it asks.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from benchmarks import machine
from campaign.settings import parse_instant
from campaign.store.database import Database
from campaign.wiring import ServiceClock
from tests.support.balancer import balancer
from tests.support.campaigns import rows
from tests.support.dialing import running_campaign
from tests.support.house import START, House, free_port

OVER_S = 120.0
SCRIPT = {
    "greeting": "Hi {{ first_name }}, is now a good time?",
    "goal": "Ask what comes to mind.",
}
TOPIC = "What comes to your mind for topic number {}?"


@dataclass(frozen=True, slots=True)
class Found:
    """One restart: each call's silence and our part of it, in seconds."""

    calls: int
    lost: int
    handed_over: int
    cut: int
    silences: Sequence[float]
    ours: Sequence[float]


class Stage:
    """A house with so many people in conversation.

    Args:
        questions: that each is asked, at about six clock seconds each.
        rate: of the clock; anything but 1 measures nothing.
    """

    def __init__(self, folder: Path, url: str, calls: int, questions: int, rate: float) -> None:
        self.questions = [{"key": f"q{n}", "ask": TOPIC.format(n)} for n in range(questions)]
        (folder / "people.toml").write_text("[weights]\ninterested = 1\n")
        self.house = House(folder, url, rate=rate, cps=25 / rate)
        self.calls = calls

    async def _ask(self, sql: str) -> list[dict[str, Any]]:
        db = Database(self.house.db_url)
        try:
            return await rows(db, sql)
        finally:
            await db.close()

    def ask(self, sql: str) -> list[dict[str, Any]]:
        return asyncio.run(self._ask(sql))

    async def _begin(self) -> None:
        db = Database(self.house.db_url)
        clock = ServiceClock(parse_instant(START), self.house.rate, self.house.anchor)
        try:
            await running_campaign(
                db,
                clock,
                self.calls,
                schedule={"week": {"mon-sun": "08:00-20:00"}},
                pacing={"lines": 2 * self.calls},
                retry={"budget": 1, "min_gap_minutes": 0, "per_number_per_day": 9, "on": {}},
                script={**SCRIPT, "questions": self.questions},
                name="Live",
            )
        finally:
            await db.close()

    def until(self, sql: str) -> None:
        """Wait until a query finds something."""
        end = time.monotonic() + OVER_S
        while not self.ask(sql):
            if time.monotonic() > end:
                raise RuntimeError(f"never came true: {sql}")
            time.sleep(0.1)

    def restart(self, *, planned: bool) -> Found:
        """Bring all into conversation, restart, and listen to the end."""
        house = self.house
        people = str(house.folder / "people.toml")
        ports = (house.port, house.port) if planned else (free_port(), free_port())
        with contextlib.ExitStack() as stack:
            stack.enter_context(house.simulator("--people", people))
            old = stack.enter_context(house.service("old", port=ports[0]))
            if not planned:
                stack.enter_context(house.service("new", port=ports[1]))
                stack.enter_context(balancer(house.port, *ports))
            asyncio.run(self._begin())
            self.until(
                "SELECT 1 FROM conversation_sessions WHERE opened_at IS NOT NULL AND closed_at IS NULL "
                f"HAVING count(*) = {self.calls}"
            )
            if planned:
                stack.enter_context(house.service("new", "--take-over"))
            else:
                old.kill()
            old.wait(OVER_S)
            self.until("SELECT 1 FROM attempts HAVING count(*) = count(settled_at)")
            calls = asyncio.run(house.twilio("calls"))["calls"]
            deliveries = asyncio.run(house.twilio("deliveries"))["deliveries"]
        ended = self.ask("SELECT detail FROM audit_log WHERE action = 'replica.end' ORDER BY id LIMIT 1")
        detail = ended[0]["detail"] if planned else {}
        completed = self.ask("SELECT count(*) AS n FROM outcomes WHERE disposition = 'completed'")[0]["n"]
        return found(calls, deliveries, detail, self.calls - int(completed))


def found(
    calls: Sequence[Mapping[str, Any]],
    deliveries: Sequence[Mapping[str, Any]],
    detail: Mapping[str, Any],
    lost: int,
) -> Found:
    """Read the simulator's records."""
    asked: dict[str, list[float]] = {}
    for one in deliveries:
        if one["kind"] == "action":
            asked.setdefault(one["call_sid"], []).append(one["seconds"])
    silences, ours = [], []
    for call in calls:
        for place, silence in enumerate(call["silences"]):
            if silence["silence"] is None or silence["app"] is None:
                continue  # nobody was there any more to hear us: counted as lost
            silences.append(silence["silence"])
            ours.append(asked[call["sid"]][place] + silence["app"])
    return Found(len(calls), lost, detail.get("handed_over", 0), detail.get("cut", 0), silences, ours)


def figures(seconds: Sequence[float], times: float, form: str) -> list[str]:
    """Median, 99th percentile and worst; dashes where nothing was measured."""
    if not seconds:
        return ["–"] * 3
    some = [machine.percentile(seconds, 0.5), machine.percentile(seconds, 0.99), max(seconds)]
    return [form.format(one * times) for one in some]


def run(*, small: bool = False) -> None:
    """Measure and print the table."""
    machine.quiet()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    rate = 4.0 if small else 1.0
    runs = [("planned: --take-over", 50, True), ("kill -9, another one up", 50, False)]
    runs.append(("the same, few calls", 5, False))
    if small:
        runs = [(title, 4, planned) for title, _, planned in runs[:2]]
    table = []
    for title, calls, planned in runs:
        # On the fast clock of the small form they must last while another process starts.
        questions = 9 if small and planned else 3
        with machine.scratch_folder() as folder, machine.server(folder) as database:
            one = Stage(folder, database.url, calls, questions, rate).restart(planned=planned)
        table.append(
            [
                title,
                str(one.calls),
                str(one.lost),
                f"{one.handed_over}/{one.cut}" if planned else "",
                *figures(one.silences, 1, "{:.2f}"),
                *figures(one.ours, 1e3, "{:.0f}"),
            ]
        )
    table.append(["goal", "", "0", "all/0", "", "", "2 (planned)", "", "", "300"])
    machine.show(
        "Restart under live calls: silence in seconds, our part of it in milliseconds",
        ("", "calls", "lost", "handed over/cut", "p50", "p99", "max", "ours p50", "p99", "max"),
        table,
        "python -m benchmarks restart" + (" --small" if small else ""),
    )
