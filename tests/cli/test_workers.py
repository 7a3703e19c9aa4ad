"""A serving process finds whatever is due within a second, and asks little when nothing is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from campaign.cli.workers import Workers
from campaign.flow import outcomes
from campaign.flow.outcomes import REAL_TIME
from campaign.settings import read_settings
from campaign.store import agenda
from campaign.store.database import Database
from tests.support import rows
from tests.support.campaigns import make_list
from tests.support.chat_stub import Chat, chat_server
from tests.support.clock import ManualClock
from tests.support.opened import close, services_over
from tests.support.twilio import FakeTwilio, sid


class Served:
    """A process that scheduled its parts a second ago, so that none is run for its own sake."""

    def __init__(self, db: Database, clock: ManualClock, workers: Workers, twilio: FakeTwilio) -> None:
        self.db = db
        self.clock = clock
        self.workers = workers
        self.twilio = twilio

    async def tick(self, seconds: float = 1) -> None:
        """One tick, so many seconds later, with what it begins."""
        await self.clock.advance(seconds)
        await self.workers.scheduler.tick()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() in agenda.QUESTIONS))

    async def run(self, statement: str, **given: Any) -> None:
        await rows.run(self.db, statement, **given)

    async def attempt(self) -> dict[str, Any]:
        return await rows.row(self.db, "attempts")


def statements(db: Database, into: list[str]) -> None:
    """Note all statements from now on."""

    def note(link: Any, cursor: Any, statement: str, *rest: Any) -> None:
        into.append(" ".join(statement.split()))

    sa.event.listen(db._engine.sync_engine, "before_cursor_execute", note)


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with chat_server() as stub:
        yield stub


@pytest.fixture
async def served(
    db: Database, db_url: str, clock: ManualClock, chat: Chat, tmp_path: Path
) -> AsyncIterator[Served]:
    settings = read_settings(
        {
            "DATABASE_URL": db_url,
            "CAMPAIGN_DATA_DIR": str(tmp_path),
            "PUBLIC_URL": "http://127.0.0.1:8080",
            "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
            "LLM_PROFILES": "clever",
            "LLM_CLEVER_BASE_URL": chat.url,
            "LLM_CLEVER_MODEL": "small",
            "LLM_CLEVER_API_KEY": "a key",
        },
        None,
    )
    async with FakeTwilio() as twilio:
        services = services_over(db, clock, settings, tmp_path, _gateway=twilio.gateway)
        made = Served(db, clock, Workers(services, dial=False), twilio)
        await made.tick(0)
        yield made
        await close(services)


async def test_an_idle_second_asks_the_database_once_for_all_parts(served: Served) -> None:
    asked: list[str] = []
    statements(served.db, asked)
    await served.tick()
    assert sum(statement.startswith("SELECT array_remove") for statement in asked) == 1
    assert len(asked) <= 4, asked  # heartbeat, lease, how to ask, that question


async def test_a_question_that_fails_stops_neither_the_heartbeat_nor_any_part(served: Served) -> None:
    asked: list[str] = []
    statements(served.db, asked)
    await served.run("ALTER TABLE recordings RENAME TO elsewhere")
    await served.tick()
    assert served.workers.scheduler.holds_lease
    assert (await rows.row(served.db, "replicas"))["beat_at"] == served.clock.now()
    assert any("SELECT id FROM campaigns WHERE replan_after" in one for one in asked)


async def test_every_part_has_its_turn_once_a_minute_whatever_the_tables_say(served: Served) -> None:
    asked: list[str] = []
    statements(served.db, asked)
    for _ in range(59):
        await served.tick()
    quiet = len(asked)
    await served.tick()
    assert len(asked) - quiet > len(agenda.QUESTIONS)


async def test_a_campaign_begins_when_its_start_has_come_and_ends_when_it_is_over(served: Served) -> None:
    now = served.clock.now()
    async with served.db.transaction() as tx:
        await rows.campaign(tx, now, state="scheduled")
    await served.run("UPDATE campaigns SET starts_at = :then", then=now + timedelta(seconds=2))
    await served.tick()
    assert (await rows.row(served.db, "campaigns"))["state"] == "scheduled"
    await served.tick()
    assert (await rows.row(served.db, "campaigns"))["state"] != "scheduled"
    await served.run("UPDATE campaigns SET state = 'stopping'")
    await served.tick()
    assert (await rows.row(served.db, "campaigns"))["state"] == "stopped"


async def test_contacts_are_enrolled_when_their_import_is_finished(served: Served) -> None:
    now = served.clock.now()
    async with served.db.transaction() as tx:
        campaign_id = await rows.campaign(tx, now)
    list_id = await make_list(served.db, "people", 3, imported="running")
    await served.run(
        "INSERT INTO campaign_lists (campaign_id, list_id, priority) VALUES (:campaign, :list, 0)",
        campaign=campaign_id, list=list_id,
    )  # fmt: skip
    await served.tick()
    assert await rows.rows(served.db, "campaign_contacts") == []
    await served.run("UPDATE imports SET state = 'finished'")
    await served.tick()
    assert len(await rows.rows(served.db, "campaign_contacts")) == 3
    assert (await rows.row(served.db, "campaigns"))["enrolled_at"] is not None
    await served.run("UPDATE campaigns SET replan_after = 0")
    await served.tick()
    assert (await rows.row(served.db, "campaigns"))["replan_after"] is None


async def test_an_attempt_that_nobody_places_any_more_is_unknown(served: Served) -> None:
    await rows.dialled(served.db, served.clock.now() - timedelta(seconds=29))
    await served.tick(0)
    assert (await served.attempt())["state"] == "placing"
    await served.tick()
    assert (await served.attempt())["state"] == "unknown"


@pytest.mark.parametrize(
    ("columns", "asks"),
    [
        ({"state": "unknown", "lease_until": None}, "list"),
        ({"state": "ringing", "call_sid": sid(1), "lease_until": None}, "fetch"),
        (
            {"state": "ended", "call_sid": sid(1), "lease_until": None, "settled": True},
            "fetch",
        ),
    ],
)
async def test_twilio_is_asked_about_a_call_when_its_time_has_come(
    served: Served, columns: dict[str, Any], asks: str
) -> None:
    now = served.clock.now()
    settled = {"settled_at": now, "ended_at": now} if columns.pop("settled", False) else {}
    hold = {"hold_until": now + timedelta(minutes=15)} if columns["state"] == "unknown" else {}
    served.twilio.call(1, rows.PHONE, "ringing", now)
    await rows.dialled(
        served.db, now, **columns, **settled, **hold, check_at=now + timedelta(seconds=2), marker="x"
    )
    await served.tick()
    assert served.twilio.asked == []
    await served.tick()
    assert served.twilio.asked[0][0] == asks


async def test_a_session_whose_process_is_gone_is_closed(served: Served) -> None:
    now = served.clock.now()
    attempt = await rows.dialled(served.db, now, state="answered", lease_until=None, call_sid=sid(1))
    async with served.db.transaction() as tx:
        await rows.replica(tx, now - timedelta(seconds=29), "gone")
    await served.run(
        "INSERT INTO conversation_sessions "
        "(attempt_id, ordinal, token_digest, created_at, opened_at, replica) "
        "VALUES (:id, 1, 'x', :now, :now, 'gone')",
        id=attempt, now=now,
    )  # fmt: skip
    await served.tick()
    assert (await rows.row(served.db, "conversation_sessions"))["closed_at"] is None
    await served.tick()
    assert (await rows.row(served.db, "conversation_sessions"))["closed_at"] is not None


async def test_a_callback_whose_handling_failed_is_handled_again(served: Served) -> None:
    await served.run(
        "INSERT INTO call_events (dedupe, kind, marker, payload, received_at) "
        "VALUES ('x', 'status', 'nobody', '{}', :now)",
        now=served.clock.now(),
    )
    await served.tick(4)
    assert (await rows.row(served.db, "call_events"))["handled_at"] is None
    await served.tick()
    assert (await rows.row(served.db, "call_events"))["handled_at"] is not None


async def test_what_may_no_longer_ring_is_cancelled(served: Served) -> None:
    now = served.clock.now()
    served.twilio.call(1, rows.PHONE, "ringing", now)
    await rows.dialled(served.db, now, state="ringing", call_sid=sid(1), lease_until=None)
    await served.tick()
    assert served.twilio.asked == []
    await served.run("UPDATE campaigns SET state = 'paused'")
    await served.tick()
    assert served.twilio.asked == [("canceled", sid(1))]


async def test_a_webhook_is_sent(served: Served) -> None:
    now = served.clock.now()
    await served.run(
        "INSERT INTO webhook_endpoints (url, secret, created_by, created_at) "
        "VALUES ('https://127.0.0.1:9/', 'whsec_c2VjcmV0', 'test', :now)",
        now=now,
    )
    await served.run(
        "INSERT INTO webhook_deliveries (endpoint_id, type, data, created_at, next_at) "
        "SELECT id, 'campaign.paused', '{}', :now, :then FROM webhook_endpoints",
        now=now, then=now + timedelta(seconds=2),
    )  # fmt: skip
    await served.tick()
    assert (await rows.row(served.db, "webhook_deliveries"))["tries"] == 0
    await served.tick()
    assert (await rows.row(served.db, "webhook_deliveries"))["tries"] == 1


async def test_what_is_queued_for_the_reports_is_counted(served: Served) -> None:
    attempt = await rows.dialled(served.db, served.clock.now())
    for _ in range(2):  # the second stands behind what was folded already
        await served.run("INSERT INTO report_queue (attempt_id, queued_at) VALUES (:id, now())", id=attempt)
        await served.tick()
        assert await rows.rows(served.db, "report_queue") == []


async def test_a_recording_whose_call_is_gone_is_deleted(served: Served) -> None:
    await served.run(
        "INSERT INTO recordings (sid, status, started_at) VALUES (:sid, 'completed', :now)",
        sid="RE" + "0" * 32, now=served.clock.now(),
    )  # fmt: skip
    await served.tick()
    assert (await rows.row(served.db, "recordings"))["tries"] == 1


async def test_a_model_writes_the_record_of_a_call(served: Served, chat: Chat) -> None:
    now = served.clock.now()
    chat.replies = [{"summary": "They want a visit.", "disposition": "completed", "answers": []}]
    attempt = await rows.dialled(
        served.db, now, state="ended", call_status="completed", call_sid=sid(1), answered_at=now,
        ended_at=now, settled_at=now, duration_s=60, talk_disposition="completed", lease_until=None,
        sections={"wrap_up": {"profile": "clever"}},
    )  # fmt: skip
    await served.run(
        "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
        "VALUES (:id, 1, 1, 'person', 'A visit sounds good.', :now)",
        id=attempt, now=now,
    )  # fmt: skip
    async with served.db.transaction() as tx:
        await outcomes.close(tx, attempt, now, REAL_TIME)
    await served.tick(10)
    assert len(chat.asked) == 1
    assert (await rows.row(served.db, "wrap_ups"))["state"] == "done"


async def test_a_campaign_that_wants_numbers_looked_up_is_seen_and_others_are_passed_over(
    served: Served,
) -> None:
    asked: list[str] = []
    async with served.db.transaction() as tx:
        await rows.campaign(tx, served.clock.now())
    await served.tick()
    statements(served.db, asked)
    await served.tick()
    assert not any("SELECT id, version FROM campaigns" in one for one in asked)
    async with served.db.transaction() as tx:
        await rows.campaign(tx, served.clock.now(), name="other", checks={"line_type": True})
    for _ in range(3):
        asked.clear()
        await served.tick()
        assert any("SELECT id, version FROM campaigns" in one for one in asked)
