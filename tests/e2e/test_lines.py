"""The lines of a call over real sockets: cut at every frame, handed over, rung back, recorded.

The service is a process of its own; the simulator lives in the test, so that it can be told what happens to
whom.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from campaign.settings import parse_instant
from campaign.simulator import Simulator, SimulatorConfig
from campaign.store import accounts
from campaign.store.accounts import Role
from campaign.store.database import Database
from campaign.wiring import ServiceClock
from tests.support.campaigns import definition, phone, rows
from tests.support.dialing import running_campaign
from tests.support.house import ALWAYS, NO_RETRY, START, House

pytestmark = pytest.mark.timeout(240)

RATE = 10.0
DESK, CLOSED_DESK, WORKFLOW = "+12125550911", "+12125550912", "WW" + "1" * 32


def script(**more: Any) -> dict[str, Any]:
    """The minimal sample's script, spoken by the scripted agent."""
    base: dict[str, Any] = json.loads(json.dumps(_script()))
    return {**base, **more}


def _script() -> dict[str, Any]:
    from campaign.domain.campaign import to_json

    return to_json(definition())["script"]


@contextlib.asynccontextmanager
async def house(
    folder: Path, db_url: str, contacts: int, *, cps: float = 20, **sections: Any
) -> AsyncIterator[tuple[House, Simulator, Database]]:
    """A running campaign, its service in a process, and the simulator here."""
    made = House(folder, db_url, rate=RATE, cps=cps)
    clock = ServiceClock(parse_instant(START), RATE, made.anchor)
    simulator = Simulator(
        SimulatorConfig(
            port=made.twilio_port, calls_per_second=cps, people={phone(n): "interested" for n in range(contacts)},
            transfer={CLOSED_DESK: "declined"}, clock_start=parse_instant(START), clock_rate=RATE,
            clock_anchor=made.anchor,
        )
    )  # fmt: skip
    db = Database(db_url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        await stack.enter_async_context(simulator)
        service = contextlib.ExitStack()
        stack.push_async_callback(asyncio.to_thread, service.close)
        await asyncio.to_thread(service.enter_context, made.service())
        yield made, simulator, db
        del clock


async def begin(db: Database, made: House, contacts: int, **sections: Any) -> int:
    clock = ServiceClock(parse_instant(START), RATE, made.anchor)
    sections = {"schedule": ALWAYS, "retry": NO_RETRY, "pacing": {"lines": 200}, **sections}
    return await running_campaign(db, clock, contacts, name="Lines", **sections)


async def settled(db: Database, attempts: int, simulator: Simulator, seconds: float = 120) -> None:
    """Wait until so many attempts have their outcome, and the simulator has nothing under way."""
    async with asyncio.timeout(seconds):
        while True:
            found = await rows(db, "SELECT count(*) AS n FROM outcomes")
            if found[0]["n"] >= attempts:
                break
            await asyncio.sleep(0.1)
        await simulator.wait_idle()


# ── recovery ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_conversation_cut_after_any_frame_goes_on_in_a_new_session(folder: Path, db_url: str) -> None:
    """R8: after each frame in turn the socket is gone; the call goes on, and nothing is said twice."""
    frames = range(1, 41)
    async with house(folder, db_url, len(frames)) as (made, simulator, db):
        simulator.drop_after.update({phone(n): after for n, after in enumerate(frames)})
        await begin(db, made, len(frames))
        await settled(db, len(frames), simulator)
        cut = await rows(
            db,
            "SELECT a.phone, r.answer, r.became FROM recoveries r JOIN attempts a ON a.id = r.attempt_id "
            "WHERE r.session_ordinal = 1 AND r.session_status = 'failed'",
        )
        assert len(cut) >= len(frames) * 0.75, "shorter conversations end before their cut"
        live = [one for one in cut if one["answer"] != "hang_up"]
        went_on = [one for one in live if one["became"] == "the conversation went on"]
        assert len(went_on) >= 0.99 * len(live), [one for one in live if one not in went_on]
        ours = definition().script
        for call in simulator.calls:
            said = call.heard
            assert said.count("an AI assistant calling for") == 1, (call.to, said)
            assert said.count("Say stop calling or press 9") == 1, (call.to, said)
            assert said.count("cut off for a moment") <= 1, (call.to, said)
            greeting = ours.greeting.split("{{")[0].strip()
            assert not greeting or said.count(greeting) <= 1, (call.to, said)
        without = await rows(
            db, "SELECT a.id FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id WHERE o IS NULL"
        )
        assert without == []


# ── hand-over ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "heard", "outcome"),
    [
        ({"to": DESK}, "", "transferred"),
        ({"to": DESK, "mode": "warm", "accept_key": "1"}, "Press 1 to take the call.", "transferred"),
        ({"to": CLOSED_DESK, "mode": "warm", "accept_key": "1"}, "Press 1 to take the call.", "callback"),
        ({"workflow": WORKFLOW}, '"type":"campaign_call"', "transferred"),
    ],
    ids=["cold", "warm", "warm, not taken", "a queue"],
)
async def test_a_person_who_asks_for_a_human_gets_one_or_a_callback(
    folder: Path, db_url: str, target: dict[str, Any], heard: str, outcome: str
) -> None:
    async with house(folder, db_url, 1) as (made, simulator, db):
        simulator.world.named[phone(0)] = "wants_human"
        transfers = {"desk": {"name": "our colleagues", **target}}
        await begin(db, made, 1, script=script(transfers=transfers))
        await settled(db, 1, simulator)
        (call,) = simulator.calls
        told = " ".join(line["text"] for line in call.transcript if line["who"] in ("whisper", "queue"))
        assert heard in told
        assert ("I couldn't reach our colleagues" in call.heard) is (outcome == "callback")
        (ended,) = await rows(db, "SELECT disposition FROM outcomes")
        assert (ended["disposition"] == "transferred") is (outcome == "transferred"), (ended, call.transcript)
        assert simulator.debugger == []


# ── callbacks in ───────────────────────────────────────────────────────────────────────────────────────


async def test_who_rings_back_is_talked_to_and_strangers_can_stop_the_calls(
    folder: Path, db_url: str
) -> None:
    async with house(folder, db_url, 1) as (made, simulator, db):
        simulator.world.named[phone(0)] = "no_answer"
        caller = definition().caller_ids[0].number
        await asyncio.to_thread(made.run, "numbers", "--point", caller)
        assert simulator.voice_urls[caller] == f"{made.url}/twilio/incoming"
        await begin(db, made, 1)
        await settled(db, 1, simulator)
        simulator.ring(phone(0), caller, "interested")
        simulator.ring("+12125558001", caller, "do_not_call")
        simulator.ring("anonymous", caller, "keypresser")
        await settled(db, 4, simulator)
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
        await settled(db, 1, simulator)
        (call,) = simulator.calls
        (recording,) = call.recordings
        announced = next(line["at"] for line in call.transcript if "This call is recorded" in line["text"])
        assert (recording.started - call.answered).total_seconds() >= announced
        async with asyncio.timeout(20):
            while (await rows(db, "SELECT status FROM recordings"))[0]["status"] != "completed":
                await asyncio.sleep(0.1)
        (attempt,) = await rows(db, "SELECT id FROM attempts")
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
        await asyncio.sleep(0)
        await rows(db, "UPDATE recordings SET delete_at = started_at, delete_why = 'erasure'")
        async with asyncio.timeout(20):
            while (await rows(db, "SELECT deleted_at FROM recordings"))[0]["deleted_at"] is None:
                await asyncio.sleep(0.1)
        assert call.recordings == []
