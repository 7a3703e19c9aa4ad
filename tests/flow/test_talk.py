"""Conversations from socket to database, with Twilio's end in memory."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from campaign.agent.protocol import Agent, AgentError, Context, Done, Piece, Text
from campaign.agent.scripted import ScriptedAgent
from campaign.domain.dialogue import Message, Patience, ToolSpec
from campaign.domain.errors import DatabaseUnavailable
from campaign.flow import optout_journal
from campaign.flow.live_talks import LiveTalks
from campaign.flow.optout_journal import Entry
from campaign.flow.sessions import SessionContext, open_session
from campaign.flow.talk import safe_opt_out, talk
from campaign.flow.transcripts import Writer
from campaign.store import sessions
from campaign.store.conversations import AnswerRow, TalkNews, TurnRow
from campaign.store.database import Database
from tests.support.clock import ManualClock
from tests.support.relay_line import Line
from tests.support.rows import PHONE, dialled, row, rows, run

SID = "CA" + "7" * 32
TOKEN = "t" * 43
SCRIPT: dict[str, Any] = {
    "greeting": "Hi {{ first_name | there }}, do you have a minute?",
    "goal": "Book a demo.",
    "questions": [
        {"key": "demo", "ask": "Would you like a demo?", "kind": "yes_no", "required": True},
        {"key": "people", "ask": "How many people work with you?", "kind": "number"},
    ],
}


class Named(dict[str, Agent]):
    """Agents by profile."""

    def named(self, profile: str) -> Agent | None:
        return self.get(profile)


class House:
    """What one process has."""

    def __init__(self, db: Database, clock: ManualClock, data_dir: Path) -> None:
        self.db = db
        self.clock = clock
        self.data_dir = data_dir
        self.talks = LiveTalks()
        self.agents = Named({"scripted": ScriptedAgent()})
        self.hung_up: list[str] = []

    async def hang_up(self, sid: str) -> None:
        self.hung_up.append(sid)

    async def call(self, script: dict[str, Any] = SCRIPT, **columns: Any) -> int:
        """An answered attempt, its first session expected."""
        given = {
            "state": "answered", "call_sid": SID, "answered_at": self.clock.now(),
            "sections": {"script": script}, **columns,
        }  # fmt: skip
        attempt_id = await dialled(self.db, self.clock.now(), **given)
        await self.expect(attempt_id, 1)
        return attempt_id

    async def expect(self, attempt_id: int, ordinal: int) -> None:
        async with self.db.transaction() as tx:
            assert await sessions.expect(tx, attempt_id, ordinal, f"{TOKEN}{ordinal}", self.clock.now())

    async def open(self, ordinal: int = 1) -> SessionContext:
        session = await open_session(self.db, f"{TOKEN}{ordinal}", "one", self.clock.now())
        assert session is not None
        return session

    async def start(self, line: Line, ordinal: int = 1) -> "asyncio.Task[None]":
        """The conversation, up to its first words."""
        task = asyncio.create_task(
            talk(
                line,
                await self.open(ordinal),
                keeps=self.talks.writer(self.db, self.clock),
                agents=self.agents,
                clock=self.clock,
                talks=self.talks,
                on_opt_out=safe_opt_out(self.db, self.clock, self.data_dir),
                hang_up=self.hang_up,
                account_sid="AC" + "0" * 32,
            )
        )
        line.setup(SID)
        await self.clock.advance(0)
        await self.clock.advance(1.0)
        return task

    async def end(self, task: "asyncio.Task[None]") -> None:
        """However a conversation ends, the process holds nothing for it."""
        await asyncio.wait_for(task, 10)
        assert self.talks.count == 0
        assert self.talks.writer(self.db, self.clock).waiting == 0
        await asyncio.sleep(0)
        left = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        assert [one for one in left if "pytest" not in repr(one)] == []


@pytest.fixture
def house(db: Database, clock: ManualClock, tmp_path: Path) -> House:
    return House(db, clock, tmp_path)


ENDINGS = ("hang up", "cut", "end", "opt out", "never set up", "the agent breaks")


async def ended(house: House, how: str) -> None:
    """One conversation that ends in one of these ways."""
    for table in ("campaigns", "contacts", "contact_lists"):
        await run(house.db, f"DELETE FROM {table}")
    await house.call()
    line = Line()
    if how == "never set up":
        line.hang_up()
    house.agents = Named({} if how == "the agent breaks" else {"scripted": ScriptedAgent()})
    task = await house.start(line)
    match how:
        case "cut":
            line.says("Yes,")
            line.close_code = 1006
            line.hang_up()
        case "end":
            line.says("Wrong number.")
            await line.until("Goodbye.")
        case "opt out":
            line.says("Stop calling me.")
            await line.until("won't call you again")
        case _:
            line.says("Yes, sure.")
            line.hang_up()
    await house.clock.advance(0)
    await house.end(task)


async def test_however_conversations_end_nothing_of_them_is_left(house: House) -> None:
    """Tasks, sockets, and memory: what held them is garbage once they are over."""
    await ended(house, "end")
    gc.collect()
    before = Counter(type(one).__name__ for one in gc.get_objects())
    for number in range(3 * len(ENDINGS)):
        await ended(house, ENDINGS[number % len(ENDINGS)])
    gc.collect()
    after = Counter(type(one).__name__ for one in gc.get_objects())
    for name in ("_Talk", "Conversation", "Transcript", "SessionContext", "Line", "Task"):
        assert after[name] <= before[name] + 1, name


async def turns(house: House) -> list[tuple[str, str]]:
    return [(one["speaker"], one["text"]) for one in await rows(house.db, "conversation_turns", "seq")]


async def test_a_whole_conversation_is_written_as_heard_with_its_answers_and_result(house: House) -> None:
    attempt_id = await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("Yes, sure.")
    await line.until("like a demo?")
    line.says("Yes please.")
    await line.until("How many people")
    line.says("We are about forty.")
    await line.until("Goodbye.")
    await house.end(task)

    assert line.ended == {"reason": "ended", "attempt": "marker-1"}
    assert "Hi Ada, do you have a minute?" in line.spoken
    told = await turns(house)
    assert told[0] == ("agent", told[0][1])
    assert "AI assistant" in told[0][1]
    assert ("person", "We are about forty.") in told
    assert told[-1][1].endswith("Goodbye.")
    stored = {one["question"]: one["value"] for one in await rows(house.db, "answers")}
    assert stored == {"demo": True, "people": 40}
    attempt = await row(house.db, "attempts", "id = :id", id=attempt_id)
    assert attempt["talk_disposition"] == "interested"
    assert attempt["first_word_ms"] == 1000
    session = await row(house.db, "conversation_sessions")
    assert session["disclosed"]
    assert session["first_word_ms"] == 1000
    assert session["closed_at"] is not None
    assert session["session_sid"] == "VX" + "1" * 32
    latencies = [one["latency_ms"] for one in await rows(house.db, "conversation_turns", "seq")]
    assert any(latency == 0 for latency in latencies)


async def test_an_opt_out_is_on_the_list_before_it_is_acknowledged(house: House) -> None:
    attempt_id = await house.call()
    line = Line()
    seen: list[bool] = []
    plain = line.send

    async def send(frame: str) -> None:
        if "off our list" in frame:
            seen.append(bool(await rows(house.db, "dnc_entries")))
        await plain(frame)

    line.send = send  # type: ignore[method-assign]
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("No. Take me off your list.")
    await house.end(task)
    assert seen == [True]
    entry = await row(house.db, "dnc_entries")
    assert (entry["phone"], entry["source"]) == (PHONE, "conversation")
    assert entry["quote"] == "No. Take me off your list."
    attempt = await row(house.db, "attempts", "id = :id", id=attempt_id)
    assert attempt["talk_disposition"] == "do_not_call"
    assert line.ended is not None
    assert line.ended["reason"] == "do_not_call"


async def test_key_nine_opts_out_while_we_speak(house: House) -> None:
    await house.call()
    line = Line(hears=False)
    task = await house.start(line)
    line.frame(type="dtmf", digit="9")
    await line.until("off our list")
    line.played(line.spoken)
    await house.end(task)
    assert (await row(house.db, "dnc_entries"))["source"] == "keypress"


async def test_an_opt_out_with_postgres_away_is_journalled_and_written_later(
    house: House, db_url: str
) -> None:
    await house.call()
    session = await house.open()
    gone = Database("postgresql://nobody@127.0.0.1:9/none")
    await safe_opt_out(gone, house.clock, house.data_dir)(session, "stop calling", "conversation")
    await gone.close()
    assert (house.data_dir / optout_journal.NAME).exists()
    with pytest.raises(DatabaseUnavailable):
        await optout_journal.replay(gone, house.data_dir, house.clock.now())
    assert (house.data_dir / optout_journal.NAME).exists()
    assert await optout_journal.replay(house.db, house.data_dir, house.clock.now()) == 1
    assert (await row(house.db, "dnc_entries"))["quote"] == "stop calling"
    assert not (house.data_dir / optout_journal.NAME).exists()
    assert await optout_journal.replay(house.db, house.data_dir, house.clock.now()) == 0
    await gone.close()


async def test_a_conversation_closes_before_twilio_cuts_the_line_and_all_its_sessions_count(
    house: House,
) -> None:
    attempt_id = await house.call(sections={"script": SCRIPT, "longest_call_seconds": 60})
    assert (await house.open(1)).longest == 45
    await house.expect(attempt_id, 2)
    await house.clock.advance(30)
    assert (await house.open(2)).longest == 15


async def test_a_token_works_once(house: House) -> None:
    await house.call()
    assert await open_session(house.db, f"{TOKEN}1", "one", house.clock.now()) is not None
    assert await open_session(house.db, f"{TOKEN}1", "two", house.clock.now()) is None
    assert await open_session(house.db, "unknown", "one", house.clock.now()) is None


async def test_a_socket_of_another_call_is_closed_without_a_word(house: House) -> None:
    await house.call()
    line = Line()
    task = asyncio.create_task(
        talk(
            line,
            await house.open(),
            keeps=house.talks.writer(house.db, house.clock),
            agents=house.agents,
            clock=house.clock,
            talks=house.talks,
            on_opt_out=safe_opt_out(house.db, house.clock, house.data_dir),
            hang_up=house.hang_up,
        )
    )
    line.setup("CA" + "8" * 32)
    await house.end(task)
    assert line.close_code == 1008
    assert line.sent == []


async def test_a_socket_that_never_says_setup_is_closed(house: House) -> None:
    await house.call()
    line = Line()
    task = asyncio.create_task(
        talk(
            line,
            await house.open(),
            keeps=house.talks.writer(house.db, house.clock),
            agents=house.agents,
            clock=house.clock,
            talks=house.talks,
            on_opt_out=safe_opt_out(house.db, house.clock, house.data_dir),
            hang_up=house.hang_up,
        )
    )
    await house.clock.advance(11)
    await house.end(task)
    assert line.close_code == 1008


async def test_a_dropped_call_is_taken_up_without_a_second_greeting(house: House) -> None:
    attempt_id = await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("Yes.")
    await line.until("like a demo?")
    await asyncio.sleep(0)
    line.close_code = 1006
    line.hang_up()
    await house.end(task)

    await house.expect(attempt_id, 2)
    again = Line()
    task = await house.start(again, 2)
    await again.until("cut off")
    assert "AI assistant" not in again.spoken
    assert "do you have a minute" not in again.spoken
    again.says("Yes, I would.")
    await again.until("How many people")
    again.hang_up()
    await house.end(task)
    told = await rows(house.db, "conversation_turns", "seq")
    assert [one["session_ordinal"] for one in told] == sorted(one["session_ordinal"] for one in told)
    assert len({one["seq"] for one in told}) == len(told)
    stored = {one["question"]: one["value"] for one in await rows(house.db, "answers")}
    assert stored == {"demo": True}


class Model:
    """An agent that does as it is told: one list of pieces, or of errors, a reply."""

    def __init__(self, *replies: list[Piece | Exception | asyncio.Event]) -> None:
        self.replies = list(replies)
        self.patience = Patience()
        self.asked = 0
        self.cancelled = 0

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec], context: Context
    ) -> AsyncIterator[Piece]:
        self.asked += 1
        for piece in self.replies.pop(0):
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, asyncio.Event):
                try:
                    await piece.wait()
                except asyncio.CancelledError:
                    self.cancelled += 1
                    raise
                continue
            yield piece

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


async def with_model(house: House, model: Model) -> tuple[Line, "asyncio.Task[None]"]:
    house.agents["clever"] = model
    await house.call({**SCRIPT, "profiles": ["clever"]})
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    return line, task


async def test_a_failing_model_is_replaced_by_the_scripted_agent(house: House) -> None:
    line, task = await with_model(house, Model([AgentError("HTTP 500")]))
    line.says("Yes.")
    await line.until("like a demo?")
    line.hang_up()
    await house.end(task)


async def test_a_stalled_model_is_bridged_then_replaced(house: House) -> None:
    never = asyncio.Event()
    model = Model([never])
    model.patience = Patience(first_token_seconds=8)
    line, task = await with_model(house, model)
    line.says("Yes.")
    await house.clock.advance(1.9)
    await line.until("One moment, please.")
    assert "demo" not in line.spoken
    await house.clock.advance(6.2)
    await line.until("like a demo?")
    line.hang_up()
    await house.end(task)
    assert model.cancelled == 1


async def test_an_interruption_stops_the_model_and_late_words_are_never_sent(house: House) -> None:
    late = asyncio.Event()
    model = Model([Text("Let me tell you "), late, Text("a long story."), Done()], [Text("Sure."), Done()])
    line, task = await with_model(house, model)
    line.hears = False
    line.says("Go on.")
    await line.until("Let me tell you ")
    line.played("Let me")
    line.frame(type="interrupt", utteranceUntilInterrupt="Let me", durationUntilInterruptMs=300)
    line.says("Wait.")
    await line.until("Sure.")
    late.set()
    line.hang_up()
    await house.end(task)
    assert "long story" not in line.spoken
    cut = [one for one in await rows(house.db, "conversation_turns", "seq") if one["interrupted"]]
    assert [one["text"] for one in cut] == ["Let me"]


async def test_a_broken_agent_never_leaves_dead_air(house: House) -> None:
    line, task = await with_model(house, Model([ValueError("a bug")]))
    line.says("Yes.")
    await line.until("like a demo?")
    line.hang_up()
    await house.end(task)


async def test_a_machine_stops_the_talk_at_once(house: House) -> None:
    attempt_id = await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    assert await house.talks.on_machine(attempt_id, "machine_end_beep")
    await house.end(task)
    assert line.ended == {"reason": "machine", "answered_by": "machine_end_beep", "attempt": "marker-1"}
    assert not await house.talks.on_machine(attempt_id, "machine_end_beep")


async def test_draining_hands_over_at_the_end_of_a_turn(house: House) -> None:
    await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    draining = asyncio.create_task(house.talks.drain(5))
    await house.end(task)
    await draining
    assert house.talks.draining
    assert line.ended == {"reason": "handover", "attempt": "marker-1"}


async def test_garbage_frames_change_nothing(house: House) -> None:
    await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    for garbage in (
        "",
        "{",
        "[]",
        '{"type":"prompt"}',
        '{"type":"info","name":"debug","value":{"a":1}}',
        "\ud800",
    ):
        line.raw(garbage)
    line.says("Yes.")
    await line.until("like a demo?")
    line.hang_up()
    await house.end(task)


async def test_a_line_that_stays_up_after_the_end_is_completed_through_rest(house: House) -> None:
    await house.call()
    line = Line()
    plain = line.hang_up
    line.hang_up = lambda: None  # type: ignore[method-assign]
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("Wrong number.")
    await line.until("Goodbye.")
    await house.clock.advance(0)
    await house.clock.advance(2.5)
    assert house.hung_up == [SID]
    plain()
    await house.end(task)


async def test_text_that_postgres_cannot_store_is_stored_without_it(house: House) -> None:
    await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("It\x00s my card 4111 1111 1111 1111")
    await line.until("like a demo?")
    line.hang_up()
    await house.end(task)
    assert ("person", "Its my card [card ending 1111]") in await turns(house)


async def test_with_postgres_away_the_talk_goes_on_and_its_turns_are_written_later(house: House) -> None:
    writer = Writer(house.db, house.clock)
    real, gone = house.db, Database("postgresql://nobody@127.0.0.1:9/none")
    attempt_id = await house.call()
    writer._db = gone
    at = house.clock.now()
    for text_ in ("Yes.", "Yes, I said."):
        writer.turn(TurnRow(attempt_id, 1, 1, "person", text_, False, None, at))
    writer.answer(AnswerRow(attempt_id, "demo", True, at))
    writer.news(TalkNews(attempt_id, 1, disposition="interested"))
    assert not await writer.settle(0.3)
    writer._db = real
    writer.news(TalkNews(attempt_id, 1, disposition="callback", closed_why="closed"))
    await house.clock.advance(1)
    assert await writer.settle(5)
    await gone.close()
    assert await turns(house) == [("person", "Yes, I said.")]
    assert (await row(house.db, "attempts", "id = :id", id=attempt_id))["talk_disposition"] == "callback"
    assert writer.dropped == 0


async def test_turns_of_a_call_that_is_gone_do_not_hold_up_the_others(house: House) -> None:
    attempt_id = await house.call()
    writer = house.talks.writer(house.db, house.clock)
    at = house.clock.now()
    writer.turn(TurnRow(attempt_id + 1000, 1, 1, "person", "Gone.", False, None, at))
    writer.turn(TurnRow(attempt_id, 1, 1, "person", "Here.", False, None, at))
    assert await writer.settle(5)
    assert await turns(house) == [("person", "Here.")]


async def test_an_opt_out_outlives_every_later_conclusion(house: House) -> None:
    attempt_id = await house.call()
    writer = house.talks.writer(house.db, house.clock)
    for code in ("do_not_call", "completed"):
        writer.news(TalkNews(attempt_id, 1, disposition=code))
        assert await writer.settle(5)
    assert (await row(house.db, "attempts", "id = :id", id=attempt_id))["talk_disposition"] == "do_not_call"


async def test_a_session_that_ends_late_or_early_never_undoes_what_the_person_said(house: House) -> None:
    attempt_id = await house.call()
    writer = house.talks.writer(house.db, house.clock)
    told = []
    for code in ("completed", "machine", "no_conversation", "callback", "completed", "machine", "interested"):
        writer.news(TalkNews(attempt_id, 1, disposition=code))
        assert await writer.settle(5)
        told.append((await row(house.db, "attempts", "id = :id", id=attempt_id))["talk_disposition"])
    assert told == ["completed", "machine", "machine", "callback", "callback", "callback", "interested"]


async def test_a_wrong_number_said_before_the_line_dropped_is_one_however_the_call_ends(house: House) -> None:
    attempt_id = await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("You have the wrong number.")
    await line.until("sorry for the mistake")
    line.close_code = 1006
    line.hang_up()
    await house.end(task)

    await house.expect(attempt_id, 2)
    again = Line()
    task = await house.start(again, 2)
    await again.until("Goodbye")
    assert "Would you like a demo" not in again.spoken
    again.hang_up()
    await house.end(task)
    assert (await row(house.db, "attempts"))["talk_disposition"] == "wrong_number"


async def test_a_callback_whose_confirmation_was_cut_off_is_confirmed_after_it(house: House) -> None:
    attempt_id = await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("Can you call me tomorrow at three?")
    await line.until("I'll call you")
    line.close_code = 1006
    line.hang_up()
    await house.end(task)

    await house.expect(attempt_id, 2)
    again = Line()
    task = await house.start(again, 2)
    await again.until("Talk to you then. Goodbye.")
    again.hang_up()
    await house.end(task)
    attempt = await row(house.db, "attempts")
    assert attempt["talk_disposition"] == "callback"
    assert attempt["callback_at"] is not None
    assert await rows(house.db, "answers") == []


async def test_a_machine_says_so_itself_and_the_talk_is_over(house: House) -> None:
    await house.call()
    line = Line()
    task = await house.start(line)
    line.says("Please leave a message after the tone.")
    await house.end(task)
    assert line.ended == {"reason": "machine", "answered_by": "machine_greeting", "attempt": "marker-1"}
    assert (await row(house.db, "attempts"))["talk_disposition"] == "machine"


async def test_where_messages_are_left_the_end_of_the_greeting_is_waited_for(house: House) -> None:
    voicemail = {"policy": "leave_message", "detection": "detect_message_end"}
    attempt_id = await house.call(sections={"script": SCRIPT, "voicemail": voicemail})
    line = Line()
    task = await house.start(line)
    line.says("Please leave a message after the tone.")
    await asyncio.sleep(0.05)
    assert not task.done()
    assert await house.talks.on_machine(attempt_id, "machine_end_beep")
    await house.end(task)
    assert line.ended == {"reason": "machine", "answered_by": "machine_end_beep", "attempt": "marker-1"}


async def test_entries_appended_during_a_replay_stay_in_the_journal(house: House) -> None:
    await house.call()

    def entry(phone: str) -> Entry:
        return Entry(phone, "stop calling", "conversation", house.clock.now(), "system:test")

    for phone in ("+12125550143", "+12125550144"):
        await optout_journal.append(house.data_dir, entry(phone))
    both = await asyncio.gather(
        optout_journal.replay(house.db, house.data_dir, house.clock.now()),
        optout_journal.replay(house.db, house.data_dir, house.clock.now()),
        optout_journal.append(house.data_dir, entry("+12125550145")),
    )
    assert both[0] in (0, 2, 3)
    await optout_journal.replay(house.db, house.data_dir, house.clock.now())
    assert len(await rows(house.db, "dnc_entries")) == 3
    assert not (house.data_dir / optout_journal.NAME).exists()


async def test_a_torn_last_line_does_not_hide_the_others(house: House) -> None:
    await house.call()
    entry = Entry("+12125550143", "stop", "keypress", house.clock.now(), "system:test")
    await optout_journal.append(house.data_dir, entry)
    with (house.data_dir / optout_journal.NAME).open("ab") as file:
        file.write(b'{"phone": "+1212')
    assert await optout_journal.replay(house.db, house.data_dir, house.clock.now()) == 1
    assert len(await rows(house.db, "dnc_entries")) == 1


async def test_turns_are_written_while_the_talk_goes_on(house: House) -> None:
    await house.call()
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("Yes.")
    await line.until("like a demo?")
    await house.clock.advance(0.2)
    writer = house.talks.writer(house.db, house.clock)
    for _ in range(200):
        if writer.waiting == 0 and any(speaker == "person" for speaker, _ in await turns(house)):
            break
        await house.clock.advance(0.2)
    assert ("person", "Yes.") in await turns(house)
    line.hang_up()
    await house.end(task)
