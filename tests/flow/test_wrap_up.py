"""Records that a model writes after calls: claimed once, checked, kept with their history."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from campaign.agent.protocol import Agent
from campaign.domain import phone
from campaign.domain.budget import Rates
from campaign.domain.disposition import Disposition
from campaign.domain.errors import Conflict
from campaign.domain.phone import PhoneNumber
from campaign.flow import outcomes, wrap_up
from campaign.flow.explain import explain
from campaign.flow.outcomes import Terms
from campaign.flow.story_words import tell
from campaign.flow.wrap_up import LEASE_S, MOST_TRIES, WrapUps
from campaign.store import webhooks, wrap_ups
from campaign.store.database import Database
from tests.support import rows
from tests.support.campaigns import rulebook
from tests.support.chat_stub import Chat, chat_agent, chat_server
from tests.support.clock import ManualClock

SCRIPT = {
    "greeting": "Hi.",
    "goal": "Book a survey.",
    "questions": [
        {"key": "roof", "ask": "Tile or metal?", "kind": "choice", "choices": ["tile", "metal"]},
        {"key": "people", "ask": "How many people?", "kind": "number"},
    ],
}
SAID = [
    ("agent", "Tile or metal?"),
    ("person", "Metal, I think, and we are twenty five people. A visit sounds good."),
]
GOOD: dict[str, Any] = {
    "summary": "They have a metal roof and 25 people, and would like a visit.",
    "disposition": "interested",
    "disposition_quote": "A visit sounds good",
    "answers": [{"question": "people", "value": 25, "quote": "we are twenty five people"}],
}
RATES = Rates(
    currency="USD",
    connect_per_minute={"US": Decimal(0)},
    relay_per_minute=Decimal(0),
    detection_per_call=Decimal(0),
    recording_per_minute=Decimal(0),
    model_per_minute=Decimal(0),
    wrap_up_per_request=Decimal("0.01"),
)
TERMS = Terms(RATES)


class Named(dict[str, Agent]):
    def named(self, profile: str) -> Agent | None:
        return self.get(profile)


class Desk:
    """A database with calls, and the service's part that wraps them up."""

    def __init__(self, db: Database, clock: ManualClock, chat: Chat, agent: Agent) -> None:
        self.db = db
        self.clock = clock
        self.chat = chat
        self.work = WrapUps(db, clock, Named(clever=agent), TERMS)

    async def talked(self, *, profile: str | None = "clever", **columns: Any) -> int:
        """A call that is over, with its talk and its outcome."""
        now = self.clock.now()
        sections = {"script": SCRIPT, **({"wrap_up": {"profile": profile}} if profile else {})}
        attempt = await rows.dialled(
            self.db,
            now,
            **{
                "state": "ended", "call_status": "completed", "call_sid": rows.SID, "answered_at": now,
                "ended_at": now, "settled_at": now, "duration_s": 60, "talk_disposition": "completed",
                "sections": sections, **columns,
            },
        )  # fmt: skip
        for seq, (who, text) in enumerate(SAID, 1):
            await rows.run(
                self.db,
                "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
                "VALUES (:id, :seq, 1, :who, :text, :now)",
                id=attempt, seq=seq, who=who, text=text, now=now,
            )  # fmt: skip
        await rows.run(
            self.db,
            "INSERT INTO answers (attempt_id, question, value, at) VALUES (:id, 'roof', '\"tile\"', :now)",
            id=attempt, now=now,
        )  # fmt: skip
        await self.close(attempt)
        return attempt

    async def close(self, attempt: int) -> None:
        async with self.db.transaction() as tx:
            await outcomes.close(tx, attempt, self.clock.now(), TERMS)

    async def later(self, seconds: float = 10) -> int:
        await self.clock.advance(seconds)
        return await self.work.tick(self.clock.now())

    async def outcome(self) -> dict[str, Any]:
        return dict((await rows.rows(self.db, "outcomes"))[0])

    async def records(self) -> list[dict[str, Any]]:
        return [dict(one) for one in await rows.rows(self.db, "wrap_ups", "ordinal")]


@pytest.fixture
async def desk(db: Database, clock: ManualClock) -> AsyncIterator[Desk]:
    async with chat_server() as chat, chat_agent(chat, clock) as agent:
        yield Desk(db, clock, chat, agent)


async def test_the_outcome_stands_with_a_summary_by_rule_before_any_model_is_asked(desk: Desk) -> None:
    await desk.talked()
    before = await desk.outcome()
    assert (before["summary_by"], before["disposition"]) == ("rule", "completed")
    assert before["summary"].startswith(
        "We talked, without a clear result. They spoke once. Answers: roof: tile"
    )
    assert await desk.work.tick(desk.clock.now()) == 0  # its last turns may still be on their way
    assert desk.chat.asked == []


async def test_a_model_writes_the_record_and_what_it_found_is_kept_with_who_and_what_it_was(
    desk: Desk,
) -> None:
    attempt = await desk.talked()
    desk.chat.replies = [
        {**GOOD, "answers": [*GOOD["answers"], {"question": "roof", "value": "metal", "quote": "Metal"}]}
    ]
    assert await desk.later() == 1
    found = await desk.outcome()
    assert (found["summary"], found["summary_by"]) == (GOOD["summary"], "clever")
    assert (found["disposition"], found["category"]) == ("interested", "success")
    assert found["data"] == {"roof": "metal", "people": 25}
    assert found["cost_lines"] == {"wrap_up": "0.0100"}
    answers = {one["question"]: one for one in await rows.rows(desk.db, "answers")}
    assert (answers["roof"]["made_by"], answers["roof"]["was"]) == ("clever", "tile")
    assert (answers["people"]["made_by"], answers["people"]["was"]) == ("clever", None)
    (record,) = await desk.records()
    assert (record["state"], record["concluded"], record["disposition"]) == (
        "done",
        "completed",
        "interested",
    )
    assert record["answers"] == {"roof": "metal", "people": 25}
    assert await desk.later(600) == 0

    await desk.close(attempt)  # the price comes late: what the wrap-up found stays
    assert (await desk.outcome())["summary_by"] == "clever"
    assert (await desk.outcome())["disposition"] == "interested"


async def test_what_a_model_found_is_told_to_webhooks_in_the_transaction_that_keeps_it(desk: Desk) -> None:
    await rows.run(
        desk.db,
        "INSERT INTO webhook_endpoints (url, secret, created_by, created_at) "
        "VALUES ('https://crm.example.com', 'x', 'test', :now)",
        now=desk.clock.now(),
    )
    attempt = await desk.talked()
    await rows.run(desk.db, "UPDATE webhook_deliveries SET state = 'delivered', next_at = NULL")
    desk.chat.replies = [GOOD, {**GOOD, "summary": "They would like a visit."}]
    await desk.later()
    told = await rows.rows(desk.db, "webhook_deliveries")
    assert [(one["type"], one["attempt_id"]) for one in told] == [
        ("outcome.recorded", attempt),
        ("outcome.updated", attempt),
    ]
    async with desk.db.connection() as tx:
        assert (await webhooks.outcomes_of(tx, [attempt]))[attempt]["disposition"] == "interested"

    # a second record with the same disposition and another summary is news, too
    await rows.run(desk.db, "UPDATE webhook_deliveries SET state = 'delivered', next_at = NULL")
    await wrap_up.ask(desk.db, "autumn", profile="clever", again=True, actor="test", now=desk.clock.now())
    await desk.later()
    assert len(await rows.rows(desk.db, "webhook_deliveries")) == 3
    await desk.close(attempt)
    assert len(await rows.rows(desk.db, "webhook_deliveries")) == 3, "a price alone is not"


async def test_the_model_is_shown_the_call_as_data_and_offered_one_tool(desk: Desk) -> None:
    await desk.talked()
    desk.chat.replies = [GOOD]
    await desk.later()
    (asked,) = desk.chat.asked
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["wrap_up"]
    assert "A visit sounds good" not in desk.chat.system()
    assert "A visit sounds good" in desk.chat.others()[0]["content"]
    assert desk.chat.others()[0]["role"] == "user"


async def test_what_the_transcript_does_not_bear_out_does_not_count_and_is_told(desk: Desk) -> None:
    await desk.talked()
    desk.chat.replies = [
        {
            "summary": "They would like a visit. They will pay 99 dollars.",
            "disposition": "not_interested",
            "disposition_quote": "leave me alone",
            "answers": [{"question": "people", "value": 7, "quote": "seven of us"}],
        }
    ]
    await desk.later()
    found = await desk.outcome()
    assert (found["summary"], found["disposition"]) == ("They would like a visit.", "completed")
    assert found["data"] == {"roof": "tile"}
    assert len((await desk.records())[0]["refused"]) == 3


async def test_an_opt_out_that_was_missed_puts_the_number_on_the_list(desk: Desk) -> None:
    await desk.talked()
    await rows.run(
        desk.db,
        "UPDATE conversation_turns SET text = :said WHERE seq = 2",
        said="Ring somebody else for a change, every time it is me, enough.",
    )
    quote = "Ring somebody else for a change"
    desk.chat.replies = [{**GOOD, "summary": "They have had enough.", "disposition": "do_not_call",
                          "disposition_quote": quote, "answers": []}]  # fmt: skip
    await desk.later()
    assert (await desk.outcome())["disposition"] == Disposition.DO_NOT_CALL
    (entry,) = await rows.rows(desk.db, "dnc_entries")
    assert (entry["phone"], entry["quote"]) == (rows.PHONE, quote)


async def test_what_code_concluded_is_not_weakened_by_a_model(desk: Desk) -> None:
    await desk.talked(talk_disposition="do_not_call")
    desk.chat.replies = [GOOD]
    await desk.later()
    assert (await desk.outcome())["disposition"] == "do_not_call"
    assert (await rows.row(desk.db, "attempts", "true"))["talk_disposition"] == "do_not_call"


async def test_a_reply_that_cannot_be_read_is_mended_once(desk: Desk) -> None:
    await desk.talked()
    desk.chat.replies = ["They were nice.", GOOD]
    await desk.later()
    assert (await desk.outcome())["summary_by"] == "clever"
    assert "not the JSON object" in desk.chat.others()[-1]["content"]
    assert (await desk.records())[0]["requests"] == 2
    assert (await desk.outcome())["cost_lines"] == {"wrap_up": "0.0200"}


async def test_json_as_plain_text_will_do(desk: Desk) -> None:
    await desk.talked()
    desk.chat.replies = ['{"summary": "They would like a visit."}']
    await desk.later()
    assert (await desk.outcome())["summary"] == "They would like a visit."


async def test_a_model_that_is_away_is_tried_ever_later_and_then_given_up(desk: Desk) -> None:
    await desk.talked()
    desk.chat.replies = [500]
    tried = []
    for _ in range(60):
        tried.append(await desk.later(600))
        if (await desk.records())[0]["state"] == "failed":
            break
    (record,) = await desk.records()
    assert (record["tries"], record["state"]) == (MOST_TRIES, "failed")
    assert "HTTP 500" in record["error"]
    found = await desk.outcome()
    assert found["summary_by"] == "rule"
    assert found["cost_lines"] == {"wrap_up": "0.0500"}
    assert sum(tried) == MOST_TRIES


async def test_a_process_that_was_killed_leaves_the_call_to_the_next_one(desk: Desk) -> None:
    await desk.talked()
    await desk.clock.advance(10)
    now = desk.clock.now()
    async with desk.db.transaction() as tx:  # claimed, and then killed while the model wrote
        killed = await wrap_ups.claim(tx, now, now + timedelta(seconds=LEASE_S))
    assert killed is not None
    desk.chat.replies = [GOOD]
    assert await desk.later(LEASE_S - 1) == 0
    assert await desk.later(2) == 1
    assert (await desk.outcome())["summary_by"] == "clever"
    # The first one was only slow, and comes back: what it has to say is nobody's any more.
    async with desk.db.transaction() as tx:
        assert not await wrap_ups.held(tx, killed)


async def test_the_story_tells_the_summary_who_made_it_and_what_was_corrected(desk: Desk) -> None:
    await desk.talked()
    corrected = {"question": "roof", "value": "metal", "quote": "Metal"}
    desk.chat.replies = [
        {**GOOD, "answers": [corrected, {"question": "people", "value": 3, "quote": "three"}]}
    ]
    await desk.later()
    number = phone.parse(rows.PHONE, None)
    assert isinstance(number, PhoneNumber)
    told = await explain(desk.db, number, desk.clock.now(), rulebook=rulebook(), rates=RATES)
    story = "\n".join(line for _, lines in tell(told) for line in lines)
    assert f"Summary (written by the model clever): {GOOD['summary']}" in story
    assert "wrap-up by the model clever" in story
    assert "talked, without a clear result became interested" in story
    assert "roof: 'metal' (the talk had 'tile')" in story
    assert "not counted: answer people: the person said no such words" in story


async def test_two_processes_never_hold_the_same_call(desk: Desk) -> None:
    await desk.talked()
    await desk.clock.advance(10)
    now = desk.clock.now()
    async with desk.db.transaction() as one, desk.db.transaction() as two:
        first = await wrap_ups.claim(one, now, now + timedelta(seconds=9))
        assert first is not None
        assert await wrap_ups.claim(two, now, now + timedelta(seconds=9)) is None


async def test_it_is_asked_for_again_and_the_history_stays(desk: Desk) -> None:
    await desk.talked()
    desk.chat.replies = [GOOD]
    await desk.later()
    again = {"profile": None, "actor": "test", "now": desk.clock.now()}
    due, standing = await wrap_up.ask(desk.db, "autumn", again=False, **again)
    assert (due, standing.done) == (0, 1)
    due, standing = await wrap_up.ask(desk.db, "autumn", again=True, **again)
    assert (due, standing.due) == (1, 1)
    assert (await wrap_up.ask(desk.db, "autumn", again=True, **again))[0] == 0  # it waits already
    desk.chat.replies = [{**GOOD, "summary": "They would like a visit.", "disposition": ""}]
    await desk.later()
    found = await desk.outcome()
    assert found["summary"] == "They would like a visit."
    assert found["disposition"] == "completed"  # what the first wrap-up had found is not code's conclusion
    assert [one["summary"] for one in await desk.records()] == [GOOD["summary"], "They would like a visit."]


async def test_a_campaign_without_a_profile_has_no_queue_and_says_what_to_do(desk: Desk) -> None:
    await desk.talked(profile=None)
    assert await desk.records() == []
    given = {"again": False, "actor": "test", "now": desk.clock.now()}
    with pytest.raises(Conflict, match="names no model profile"):
        await wrap_up.ask(desk.db, "autumn", profile=None, **given)
    due, _ = await wrap_up.ask(desk.db, "autumn", profile="clever", **given)
    desk.chat.replies = [GOOD]
    assert due == 1
    assert await desk.later() == 1
    assert (await desk.outcome())["summary_by"] == "clever"


async def test_a_profile_that_the_settings_do_not_know_is_told(desk: Desk) -> None:
    await desk.talked(profile="gone")
    await desk.later()
    assert "know no profile 'gone'" in (await desk.records())[0]["error"]
