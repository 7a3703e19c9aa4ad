"""The simulator's own doors."""

import asyncio
from typing import Any

import aiohttp
import pytest
from yarl import URL

from campaign.simulator import Simulator, SimulatorConfig
from tests.simulator.service import PERSON, RELAY, Session, rig


async def get(http: aiohttp.ClientSession, base: str, path: str) -> Any:
    async with http.get(URL(f"{base}/simulator/{path}", encoded=True)) as response:
        assert response.status == 200
        return await response.json()


async def test_what_happened_can_be_asked_over_the_wire() -> None:
    async with rig() as made, aiohttp.ClientSession() as http:
        base = made.simulator.base_url
        made.service.answers["/voice"] = "<Response><Say>Hello.</Say><Sing/></Response>"
        created = await made.call()
        await made.call("+12125550200")
        await made.finish()
        found = await get(http, base, "calls?to=%2B12125550100")
        assert [call["sid"] for call in found["calls"]] == [created.sid]
        assert found["calls"][0]["heard"] == "Hello."
        assert found["creates"][0]["call_sid"] == created.sid
        assert found["creates"][0]["params"]["Url"] == [made.service.url("/voice")]
        assert (await get(http, base, "report"))["creates"] == 2
        alerts = (await get(http, base, "debugger"))["alerts"]
        assert [alert["code"] for alert in alerts] == [12200]
        deliveries = (await get(http, base, f"deliveries?call={created.sid}"))["deliveries"]
        assert {delivery["kind"] for delivery in deliveries} == {"status", "voice"}
        assert (await get(http, base, "frames"))["frames"] == []
        assert (await get(http, base, "faults"))["rest_429"] == 0.0


async def test_people_are_named_and_hung_up_over_the_wire() -> None:
    greeted = asyncio.Event()

    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.next("prompt")
        greeted.set()
        await session.drain()

    async with rig(talk, persona="busy") as made, aiohttp.ClientSession() as http:
        base = made.simulator.base_url
        made.service.answers["/voice"] = made.service.relay_twiml(RELAY)
        async with http.post(f"{base}/simulator/people", json={PERSON: "nobody"}) as response:
            assert response.status == 400
        async with http.post(f"{base}/simulator/people", json={PERSON: "interested"}) as response:
            assert response.status == 200
        created = await made.call()
        await greeted.wait()
        async with http.post(f"{base}/simulator/hangup", json={"call": created.sid}) as response:
            assert (await response.json())["status"] == "completed"
        async with http.post(f"{base}/simulator/hangup", json={"call": created.sid}) as response:
            assert response.status == 404
        await made.finish()


async def test_a_simulator_that_is_closed_with_calls_in_the_air_ends_at_once() -> None:
    async def talk(session: Session) -> None:
        await session.next("prompt")
        talking.set()
        await session.drain()

    talking = asyncio.Event()
    async with rig(talk) as made:
        await made.call()
        await talking.wait()
        async with asyncio.timeout(20):
            await made.simulator.__aexit__(None, None, None)


def test_a_wrong_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="no persona"):
        Simulator(SimulatorConfig(people={PERSON: "nobody"}))
    with pytest.raises(ValueError, match="above 0"):
        Simulator(SimulatorConfig(calls_per_second=0))


async def test_without_a_start_it_says_how() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = Simulator().world.webhooks.http
