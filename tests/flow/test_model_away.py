"""The model hangs, refuses or breaks off, over a real connection: the person is answered, to the end."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from campaign.agent.llm import LlmAgent, Profile
from tests.flow.test_talk import SCRIPT, House
from tests.flow.test_talk import house as house  # the fixture
from tests.support.relay_line import Line

BRIDGED_WITHIN_S = 2.0
CHUNK = b'data: {"choices": [{"delta": {"content": "Let me "}, "finish_reason": null}]}\n\n'


class Broken:
    """A server of a model that fails each request in one way."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.asked = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.set()
        if self.how == "refuses":
            return web.json_response({"error": {"message": "overloaded"}}, status=500)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if self.how == "breaks off":  # without a finish_reason: no error of the protocol, and no end
            await response.write(CHUNK)
            return response
        await asyncio.Event().wait()
        return response


@pytest.fixture(params=["hangs", "refuses", "breaks off"])
async def model(request: pytest.FixtureRequest) -> AsyncIterator[Broken]:
    broken = Broken(request.param)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", broken.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    broken.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield broken
    await runner.cleanup()


@pytest.fixture
async def agent(model: Broken, house: House) -> AsyncIterator[LlmAgent]:
    made = LlmAgent(Profile("clever", model.url, "small"), house.clock)
    yield made
    await made.close()


async def test_with_the_model_away_the_person_is_answered_in_time_and_the_call_ends_politely(
    house: House, model: Broken, agent: LlmAgent
) -> None:
    house.agents["clever"] = agent
    await house.call({**SCRIPT, "profiles": ["clever"]})
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("Yes.")
    await asyncio.wait_for(model.asked.wait(), 5)
    if model.how == "hangs":
        await house.clock.advance(BRIDGED_WITHIN_S + 0.1)
        await line.until("One moment, please.")
        await house.clock.advance(6)
    await line.until("like a demo?")
    line.says("Yes please.")
    if model.how == "hangs":
        await house.clock.advance(BRIDGED_WITHIN_S + 6.1)
    await line.until("How many people")
    line.says("We are about forty.")
    if model.how == "hangs":
        await house.clock.advance(BRIDGED_WITHIN_S + 6.1)
    await line.until("Goodbye.")
    await asyncio.wait_for(task, 10)
    assert line.ended == {"reason": "ended", "attempt": "marker-1"}
