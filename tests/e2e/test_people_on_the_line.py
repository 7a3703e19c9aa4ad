"""Scripted people over real sockets: the simulator's side of the wire, our conversations at the other end."""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from campaign.agent.scripted import ScriptedAgent
from campaign.domain.script import Script
from campaign.flow.live_talks import LiveTalks
from campaign.flow.sessions import open_session
from campaign.flow.talk import safe_opt_out, talk
from campaign.simulator.calls import Call
from campaign.store import sessions
from campaign.store.database import Database
from campaign.telephony.twiml import connect_relay
from tests.simulator.service import Rig, Session, rig
from tests.support.rows import dialled, rows

SCRIPT: dict[str, Any] = {
    "greeting": "You asked about our panels. They last for decades. Is now a good time?",
    "goal": "Book a demo.",
    "reason": "It's about the demo that you asked for.",
    "questions": [
        {"key": "demo", "ask": "Good to hear. Would you like a demo?", "kind": "yes_no", "required": True},
        {"key": "people", "ask": "How many people work with you?", "kind": "number"},
    ],
    "closing": "Thank you very much for your time. A colleague will be in touch with you soon. Goodbye.",
}
FLUX = {"partial_prompts": True, "speech_model": "flux", "profiles": ["early"]}
MIXED = {"language": "multi", "languages": {"hi-IN": {}}}
PEOPLE: dict[str, dict[str, Any]] = {
    "screener": {}, "backchanneler": {}, "hinglish": MIXED, "hesitant": FLUX, "interrupter": FLUX,
    "do_not_call": FLUX, "silent": {},
}  # fmt: skip
NUMBERS = {persona: f"+1212555{number:04}" for number, persona in enumerate(PEOPLE, 200)}
RATE = 12.0


class Wire:
    """A `talk.RelaySocket` over aiohttp's end of a socket."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self._ws = ws

    async def receive(self) -> str | bytes | None:
        message = await self._ws.receive()
        return str(message.data) if message.type is WSMsgType.TEXT else None

    async def send(self, frame: str) -> None:
        if not self._ws.closed:
            await self._ws.send_str(frame)

    async def close(self, code: int) -> None:
        await self._ws.close(code=code)

    @property
    def close_code(self) -> int | None:
        return self._ws.close_code


class Agents:
    """The scripted agent, also as if it were a model that may begin early."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def named(self, profile: str) -> ScriptedAgent:
        self.asked.append(profile)
        return ScriptedAgent()


@dataclass
class Ran:
    """What was heard on the lines and what was written down, by persona."""

    calls: Mapping[str, Call]
    turns: Mapping[str, list[dict[str, Any]]]
    attempts: Mapping[str, dict[str, Any]]
    asked: Mapping[str, list[str]]
    frames: Mapping[str, list[dict[str, Any]]]
    left: int
    alerts: list[str]

    def said(self, persona: str, speaker: str) -> list[str]:
        return [turn["text"] for turn in self.turns[persona] if turn["speaker"] == speaker]


@pytest.fixture(scope="module")
def ran(module_db_url: str) -> Ran:
    return asyncio.run(run(module_db_url))


async def run(db_url: str) -> Ran:
    db = Database(db_url)
    talks = LiveTalks()
    asked: dict[str, list[str]] = {}
    ids: dict[str, int] = {}
    people = {number: persona for persona, number in NUMBERS.items()}
    with tempfile.TemporaryDirectory() as place:
        async with rig(people=people, clock_rate=RATE) as made:
            clock = made.simulator.clock

            async def hold(session: Session) -> None:
                persona = session.path.rpartition("/")[2]
                context = await open_session(db, persona, "one", clock.now())
                assert context is not None
                agents = Agents()
                asked[persona] = agents.asked
                await talk(
                    Wire(session.ws), replace(context, call_sid=None), keeps=talks.writer(db, clock),
                    agents=agents, clock=clock, talks=talks, on_opt_out=safe_opt_out(db, clock, Path(place)),
                    hang_up=complete,
                )  # fmt: skip

            async def complete(sid: str) -> None:
                raise AssertionError("the line stayed up")

            made.service.talk = hold
            made.service.answers["/voice"] = lambda hook: twiml(made, people[hook.params["To"]])
            for persona, number in NUMBERS.items():
                ids[persona] = await expected(db, made, persona, number)
            await asyncio.gather(*(made.call(to=number) for number in NUMBERS.values()))
            async with asyncio.timeout(200):
                await made.simulator.wait_idle()
            assert made.simulator.ledger.errors == []
            sids = {call.sid: people[call.to] for call in made.simulator.calls}
            frames: dict[str, list[dict[str, Any]]] = {persona: [] for persona in PEOPLE}
            for frame in made.simulator.ledger.frames:
                if frame.direction == "received" and isinstance(frame.frame, dict):
                    frames[sids[frame.call_sid]].append(frame.frame)
            told = await rows(db, "conversation_turns", "seq")
            found = await rows(db, "attempts")
            await db.close()
            return Ran(
                calls={people[call.to]: call for call in made.simulator.calls},
                turns={p: [one for one in told if one["attempt_id"] == ids[p]] for p in PEOPLE},
                attempts={p: next(one for one in found if one["id"] == ids[p]) for p in PEOPLE},
                asked=asked,
                frames=frames,
                left=talks.count,
                alerts=[f"{alert.code} {alert.text}" for alert in made.simulator.debugger],
            )


def script(persona: str) -> Script:
    return msgspec.convert({**SCRIPT, **PEOPLE[persona]}, Script)


def twiml(made: Rig, persona: str) -> str:
    return connect_relay(
        script(persona),
        url=made.service.relay_url(f"/relay/{persona}"),
        action=made.service.url("/action"),
        parameters={},
    )


async def expected(db: Database, made: Rig, persona: str, number: str) -> int:
    """An attempt that was answered, whose first session has its persona as token."""
    now = made.simulator.clock.now()
    stored = msgspec.to_builtins(script(persona))
    attempt_id = await dialled(
        db, now, phone=number, state="answered", answered_at=now, marker=f"m-{persona}",
        sections={"name": persona, "script": stored},
    )  # fmt: skip
    async with db.transaction() as tx:
        assert await sessions.expect(tx, attempt_id, 1, persona, now)
    return attempt_id


def test_whoever_was_called_nothing_is_left_behind_and_twilio_has_nothing_to_complain_of(ran: Ran) -> None:
    assert ran.left == 0
    assert ran.alerts == []
    assert {call.status for call in ran.calls.values()} == {"completed"}


def test_a_robot_is_told_who_calls_and_the_person_behind_it_is_greeted_anew(ran: Ran) -> None:
    heard = ran.calls["screener"].heard
    assert "calling for Example Energy LLC. It's about the demo that you asked for." in heard
    assert (
        heard.count("an AI assistant calling for") == 3
    )  # begun to the robot, told to it, said to the person
    assert heard.count("Say stop calling") == 2
    assert ran.attempts["screener"]["talk_disposition"] == "interested"


def test_a_listeners_sounds_cut_nothing_off(ran: Ran) -> None:
    assert "Uh-huh." in ran.said("backchanneler", "person")
    heard = ran.calls["backchanneler"].heard
    assert "They last for decades. Is now a good time?" in heard
    assert "A colleague will be in touch with you soon." in heard
    assert ran.attempts["backchanneler"]["talk_disposition"] == "interested"


def test_mixed_speech_is_heard_as_mixed_and_the_services_own_lines_follow(ran: Ran) -> None:
    assert any(text == "(language: hi-IN)" for text in ran.said("hinglish", "note"))
    assert [frame for frame in ran.frames["hinglish"] if frame["type"] == "language"] == []
    assert ran.attempts["hinglish"]["talk_disposition"] is not None


def test_a_reply_to_words_that_were_not_the_last_is_neither_spoken_nor_kept(ran: Ran) -> None:
    assert len(ran.asked["hesitant"]) > len(ran.said("hesitant", "person"))
    assert "How many people" not in ran.calls["hesitant"].heard
    assert ran.attempts["hesitant"]["talk_disposition"] == "not_interested"


def test_an_early_reply_is_there_with_the_final_words(ran: Ran) -> None:
    early = [turn["latency_ms"] for turn in ran.turns["interrupter"] if turn["latency_ms"] is not None]
    assert early
    assert ran.attempts["interrupter"]["talk_disposition"] == "interested"


def test_stop_in_partial_prompts_is_on_the_list_and_acknowledged_once(ran: Ran) -> None:
    assert ran.attempts["do_not_call"]["talk_disposition"] == "do_not_call"
    texts = [frame["token"] for frame in ran.frames["do_not_call"] if frame["type"] == "text"]
    assert "".join(texts).count("off our list") == 1


def test_who_says_nothing_is_asked_twice_and_let_go(ran: Ran) -> None:
    heard = ran.calls["silent"].heard
    assert "Are you still there?" in heard
    assert '"reason":"silence"' in ran.frames["silent"][-1]["handoffData"]
