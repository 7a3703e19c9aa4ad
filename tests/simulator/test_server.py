"""Many calls at once."""

import asyncio

import aiohttp

from campaign.simulator import ACCOUNT_SID, AUTH_TOKEN
from campaign.simulator.calls import TERMINAL
from campaign.simulator.config import DEFAULT_WEIGHTS
from tests.simulator.service import EVENTS, RELAY, US, Rig, Session, rig


async def small_agent(session: Session) -> None:
    """Greets, asks once, thanks, ends."""
    await session.next("setup")
    await session.say("Hello, this is Ada from Acme. Would you like a demo?")
    await session.next("info", name="agentSpeaking", value="off")
    while (await session.next("prompt", last=True))["voicePrompt"] == "Okay.":
        pass
    await session.say("Thank you. Goodbye!")
    await session.next("info", name="agentSpeaking", value="off")
    await session.send(type="end", handoffData="done")
    await session.drain()


async def create_many(made: Rig, numbers: list[str]) -> None:
    url = f"{made.simulator.base_url}/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
    headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)}
    async with aiohttp.ClientSession(headers=headers) as http:

        async def create(number: str) -> None:
            form = [("To", number), ("From", US), ("Url", made.service.url("/voice")), ("Timeout", "20")]
            form += [("StatusCallback", made.service.url("/status"))]
            form += [("StatusCallbackEvent", event) for event in EVENTS]
            async with http.post(url, data=form) as response:
                await response.read()

        await asyncio.gather(*(create(number) for number in numbers))


async def test_a_hundred_calls_with_lossy_callbacks_all_come_to_their_end() -> None:
    numbers = [f"+1212555{n:04d}" for n in range(1000, 1100)]
    async with rig(small_agent, weights=DEFAULT_WEIGHTS, people={}, calls_per_second=40.0) as made:
        made.simulator.faults.update(
            {"callback_loss": 0.1, "callback_duplicate": 0.1, "callback_late": 0.1, "callback_reorder": 0.1}
        )
        made.service.answers["/voice"] = made.service.relay_twiml(RELAY)
        await create_many(made, numbers)
        await made.finish()
        calls = made.simulator.calls
        report = made.simulator.report()
        assert {entry.to for entry in made.simulator.creates} == set(numbers)
        assert all(call.status in TERMINAL for call in calls)
        assert report["rung_more_than_once"] == {}
        assert all(hook.signed for hook in made.service.hooks)
        assert all(session.signed for session in made.service.sessions)
        assert made.simulator.debugger == []
        faults = {delivery.fault for delivery in made.simulator.deliveries}
        assert faults == {None, "lost", "late", "duplicate", "reordered"}
        answered = [call for call in calls if call.answered is not None]
        assert {call.sid for call in answered} == {p["CallSid"] for p in made.service.of("/action")}
        interested = [call for call in calls if call.person.persona == "interested"]
        assert interested
        assert all(call.heard.endswith("Goodbye!") for call in interested)
