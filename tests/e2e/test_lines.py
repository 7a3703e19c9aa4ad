"""The lines of a call over real sockets: cut at every frame, handed over, rung back, recorded.

The service is a process of its own; the simulator lives in the test, so that it can be told what happens to
whom.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from campaign.domain.campaign import to_json
from campaign.settings import parse_instant
from campaign.simulator import Simulator, SimulatorConfig
from campaign.simulator.calls import Call
from campaign.store import accounts
from campaign.store.accounts import Role
from campaign.store.database import Database
from campaign.wiring import ServiceClock
from tests.support.campaigns import definition, phone, rows
from tests.support.dialing import running_campaign, until
from tests.support.house import ALWAYS, NO_RETRY, START, House
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.timeout(900)

RATE = 6.0
UNREAD_S = 0.5
"""For so long a machine may leave a frame unread (real seconds)."""
DESK, CLOSED_DESK = "+12125550911", "+12125550912"
WORKFLOW, FULL_WORKFLOW = "WW" + "1" * 32, "WW" + "2" * 32


QUESTIONS = [{"key": f"offer_{n}", "ask": f"Would you like to hear of offer {n}?"} for n in range(4)]


def script(**more: Any) -> dict[str, Any]:
    """The minimal sample's script, spoken by the scripted agent, with more in it."""
    return {**to_json(definition())["script"], **more}


@contextlib.asynccontextmanager
async def house(folder: Path, db_url: str, contacts: int) -> AsyncIterator[tuple[House, Simulator, Database]]:
    """A service in a process of its own, and here a simulator and so many people."""
    made = House(folder, db_url, rate=RATE, cps=3)
    simulator = Simulator(
        SimulatorConfig(
            port=made.twilio_port,
            calls_per_second=3,
            people={phone(n): "interested" for n in range(contacts)},
            transfer={CLOSED_DESK: "declined", FULL_WORKFLOW: "left"},
            clock_start=parse_instant(START),
            clock_rate=RATE,
            clock_anchor=made.anchor,
        )
    )
    db = Database(db_url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        await stack.enter_async_context(simulator)
        service = contextlib.ExitStack()
        stack.push_async_callback(asyncio.to_thread, service.close)
        await asyncio.to_thread(service.enter_context, made.service())
        yield made, simulator, db


def clock_of(made: House) -> ServiceClock:
    return ServiceClock(parse_instant(START), RATE, made.anchor)


async def begin(
    db: Database, made: House, contacts: int, *, name: str = "Lines", first: int = 0, **sections: Any
) -> None:
    """A campaign, running."""
    sections = {"schedule": ALWAYS, "retry": NO_RETRY, "pacing": {"lines": 200}, **sections}
    await running_campaign(db, clock_of(made), contacts, name=name, first=first, **sections)


async def settled(db: Database, made: House, attempts: int, simulator: Simulator) -> None:
    """Wait until so many attempts have their outcome, and the simulator has nothing under way."""

    async def over() -> bool:
        # A call that could not go out in its instant, as on a busy machine, goes out in another.
        return len(await rows(db, "SELECT 1 FROM outcomes WHERE disposition <> 'not_placed'")) >= attempts

    await until(over, clock_of(made), 120)
    await simulator.wait_idle()


DISCLOSURES = (
    "an AI assistant calling for Harbor & Pine Solar, Inc.",
    "Say stop calling or press 9 and we won't call again.",
)


def confirmed_first(simulator: Simulator, call: Call) -> str:
    """What the first session's `tokensPlayed` confirmed, as far as the service must have read it: it has
    answered a prompt that came later, or the socket lived on for longer than a busy machine needs to come
    round. What it had not read yet died with its socket."""
    frames = [one for one in simulator.ledger.frames if one.call_sid == call.sid]
    mine = [one for one in frames if one.session_id == frames[0].session_id]
    prompt = answered = 0
    for place, one in enumerate(mine):
        if one.direction == "sent" and one.frame["type"] == "prompt":
            prompt = place
        elif one.direction == "received" and one.frame["type"] == "text":
            answered = prompt
    sent = [one.at for one in mine if one.direction == "sent"]
    long_ago = sent[-1] - UNREAD_S * PATIENCE * RATE
    read = [one for place, one in enumerate(mine) if place < answered or one.at <= long_ago]
    return "".join(one.frame["value"] for one in read if one.frame.get("name") == "tokensPlayed")


def sent_later(simulator: Simulator, call: Call) -> str:
    """What later sessions had spoken."""
    frames = [one for one in simulator.ledger.frames if one.call_sid == call.sid]
    later = [one for one in frames if one.session_id != frames[0].session_id and one.direction == "received"]
    return "".join(one.frame["token"] for one in later if one.frame["type"] == "text")


# ── recovery ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_conversation_cut_after_any_frame_goes_on_in_a_new_session(folder: Path, db_url: str) -> None:
    """R8: after each frame in turn the socket is gone; the call goes on, and nothing is said twice."""
    frames = range(1, 41)
    async with house(folder, db_url, len(frames)) as (made, simulator, db):
        simulator.drop_after.update({phone(n): after for n, after in enumerate(frames)})
        await begin(db, made, len(frames), script=script(questions=QUESTIONS))
        await settled(db, made, len(frames), simulator)
        cut = await rows(
            db,
            "SELECT a.phone, r.answer, r.became FROM recoveries r JOIN attempts a ON a.id = r.attempt_id "
            "WHERE r.session_ordinal = 1 AND r.session_status = 'failed'",
        )
        assert len(cut) >= len(frames) * 0.75, "shorter conversations end before their cut"
        live = [one for one in cut if one["answer"] != "hang_up"]
        went_on = [one for one in live if one["became"] == "the conversation went on"]
        assert len(went_on) >= 0.99 * len(live), [one for one in live if one not in went_on]
        heard_before = 0
        for call in simulator.calls:
            if not call.sessions:
                continue  # a machine too busy to answer the fetch of TwiML in time said sorry
            said = call.heard
            assert said.count("cut off for a moment") <= 1, (call.to, said)
            assert said.count("this is a short call about your appointment.") <= 1, (call.to, said)
            first, later = confirmed_first(simulator, call), sent_later(simulator, call)
            for line in DISCLOSURES:
                assert line in said, (call.to, said)
                assert not (line in first and line in later), (call.to, said)
                heard_before += line in first and bool(later)
        assert heard_before >= len(frames) / 2, "disclosures of many calls were heard before their cut"
        without = await rows(
            db, "SELECT a.id FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id WHERE o IS NULL"
        )
        assert without == []


# ── hand-over ──────────────────────────────────────────────────────────────────────────────────────────


TARGETS: list[tuple[dict[str, Any], str, bool]] = [
    ({"to": DESK}, "", True),
    ({"to": DESK, "mode": "warm", "accept_key": "1"}, "Press 1 to take the call.", True),
    ({"to": CLOSED_DESK, "mode": "warm", "accept_key": "1"}, "Press 1 to take the call.", False),
    ({"workflow": WORKFLOW}, '"type":"campaign_call"', True),
    ({"workflow": FULL_WORKFLOW, "queue_seconds": 30}, '"type":"campaign_call"', False),
]
"""Target, what whoever takes the call is told before, and whether anybody takes it."""


async def test_a_person_who_asks_for_a_human_gets_one_or_is_offered_a_callback(
    folder: Path, db_url: str
) -> None:
    async with house(folder, db_url, len(TARGETS)) as (made, simulator, db):
        for n, (target, _, _) in enumerate(TARGETS):
            simulator.world.named[phone(n)] = "wants_human"
            transfers = {"desk": {"name": "our colleagues", **target}}
            await begin(
                db,
                made,
                1,
                name=f"Desk {n}",
                first=n,
                script=script(questions=QUESTIONS[:1], transfers=transfers),
            )
        await settled(db, made, len(TARGETS), simulator)
        ended = await rows(
            db, "SELECT a.phone, o.disposition FROM outcomes o JOIN attempts a ON a.id = o.attempt_id"
        )
        outcomes = {one["phone"]: one["disposition"] for one in ended if one["disposition"] != "not_placed"}
        for call in simulator.calls:
            target, heard, taken = TARGETS[int(call.to[-4:])]
            told = " ".join(line["text"] for line in call.transcript if line["who"] in ("whisper", "queue"))
            assert heard in told, (target, call.transcript, simulator.debugger)
            assert ("I couldn't reach our colleagues" in call.heard) is not taken, (target, call.transcript)
            assert (outcomes[call.to] == "transferred") is taken, (target, outcomes, call.transcript)
        assert len(simulator.calls) == len(TARGETS)
        assert simulator.debugger == []


# ── callbacks in ───────────────────────────────────────────────────────────────────────────────────────


async def test_who_rings_back_is_talked_to_and_strangers_can_stop_the_calls(
    folder: Path, db_url: str
) -> None:
    async with house(folder, db_url, 1) as (made, simulator, db):
        simulator.world.named[phone(0)] = "no_answer"
        caller = definition().caller_ids[0].number
        await begin(db, made, 1)
        wrong = await asyncio.to_thread(made.run, "doctor", check=False)
        assert f"campaign numbers --point {caller}" in wrong.stdout
        right = await asyncio.to_thread(made.run, "numbers", "--point", caller)
        assert f"{caller} (campaigns: Lines): Whoever calls it reaches this service." in right.stdout
        assert simulator.voice_urls[caller] == f"{made.url}/twilio/incoming"
        await settled(db, made, 1, simulator)
        simulator.ring(phone(0), caller, "interested")
        simulator.ring("+12125558001", caller, "do_not_call")
        simulator.ring("anonymous", caller, "keypresser")
        await settled(db, made, 4, simulator)
        known, stranger, withheld = simulator.calls[1:]
        assert "the AI assistant of" in known.heard
        assert "Thank you for calling back." in known.heard
        assert known.sessions == 1
        assert "won't call you again" in stranger.heard
        assert "won't call you again" in withheld.heard
        kept = await rows(db, "SELECT phone, source FROM dnc_entries ORDER BY phone")
        assert [(one["phone"], one["source"]) for one in kept] == [
            ("+12125550142", "inbound"),
            ("+12125558001", "inbound"),
        ]
        turns = await rows(
            db,
            "SELECT count(*) AS n FROM conversation_turns t JOIN attempts a ON a.id = t.attempt_id "
            "WHERE a.kind = 'inbound' AND a.phone = :phone",
            phone=phone(0),
        )
        assert turns[0]["n"] > 3
        (setup,) = [
            one.frame for one in simulator.ledger.frames
            if one.call_sid == known.sid and one.frame["type"] == "setup"
        ]  # fmt: skip
        assert (setup["direction"], setup["callStatus"]) == ("inbound", "RINGING")
        dialled = [create.to for create in simulator.creates]
        assert dialled == [phone(0)]
        contact = (await rows(db, "SELECT state, attempts, disposition FROM campaign_contacts"))[0]
        assert contact["attempts"] == 1
        assert simulator.debugger == []


# ── recording ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_is_recorded_from_its_announcement_on_and_the_sound_can_be_had(
    folder: Path, db_url: str
) -> None:
    async with house(folder, db_url, 1) as (made, simulator, db):
        await begin(db, made, 1, script=script(record=True))
        await settled(db, made, 1, simulator)
        (call,) = simulator.calls
        (recording,) = call.recordings
        announced = next(line["at"] for line in call.transcript if "This call is recorded" in line["text"])
        assert (recording.started - call.answered).total_seconds() >= announced

        async def has(what: str) -> bool:
            return bool(await rows(db, f"SELECT 1 FROM recordings WHERE {what}"))

        await until(lambda: has("status = 'completed'"), clock_of(made))
        (attempt,) = await rows(db, "SELECT id FROM attempts WHERE call_sid IS NOT NULL")
        address = f"{made.url}/api/v1/attempts/{attempt['id']}/recording"
        for role, status in ((Role.OPERATOR, 200), (Role.ANALYST, 403)):
            secret = f"cc_{role.value}".ljust(46, "x")
            async with db.transaction() as tx:
                await accounts.create_key(
                    tx, name=role.value, role=role, secret=secret, actor="test", now=parse_instant(START)
                )
            async with (
                aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"}) as client,
                client.get(address) as answer,
            ):
                assert answer.status == status
                if status == 200:
                    assert (await answer.read())[:4] == b"RIFF"
        await rows(db, "UPDATE recordings SET delete_at = started_at, delete_why = 'erasure'")
        await until(lambda: has("deleted_at IS NOT NULL"), clock_of(made))
        assert call.recordings == []
