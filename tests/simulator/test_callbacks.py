"""Callbacks that come late, twice, out of order or never; and connection overrides."""

import asyncio

import pytest

from campaign.simulator.callbacks import Overrides
from tests.simulator.service import rig

PAUSE = "<Response><Pause length='2'/></Response>"


async def test_lost_callbacks_never_come_and_the_resource_still_tells() -> None:
    async with rig() as made:
        made.simulator.faults.callback_loss = 1.0
        created = await made.call(twiml=PAUSE)
        await made.finish()
        assert made.service.of("/status") == []
        assert (await asyncio.to_thread(created.fetch)).status == "completed"
        assert {d.fault for d in made.simulator.deliveries} == {"lost"}


async def test_doubled_callbacks_are_the_same_twice() -> None:
    async with rig() as made:
        made.simulator.faults.callback_duplicate = 1.0
        await made.call(twiml=PAUSE)
        await made.finish()
        posts = made.service.of("/status")
        assert len(posts) == 8
        for number in "0123":
            first, second = (p for p in posts if p["SequenceNumber"] == number)
            assert first == second


async def test_late_callbacks_come_after_the_call_has_ended() -> None:
    async with rig() as made:
        made.simulator.faults.update({"callback_late": 1.0, "callback_late_seconds": 60.0})
        await made.call(twiml=PAUSE)
        await made.finish()
        numbers = [p["SequenceNumber"] for p in made.service.of("/status")]
        assert sorted(numbers) == ["0", "1", "2", "3"]


async def test_reordered_callbacks_swap_and_none_is_lost() -> None:
    async with rig() as made:
        made.simulator.faults.callback_reorder = 1.0
        await made.call(twiml=PAUSE)
        await made.finish()
        numbers = [p["SequenceNumber"] for p in made.service.of("/status")]
        assert sorted(numbers) == ["0", "1", "2", "3"]
        assert numbers != sorted(numbers)


async def test_the_request_for_twiml_and_the_action_are_never_faulty() -> None:
    async with rig() as made:
        made.simulator.faults.update({"callback_loss": 1.0})
        made.service.answers["/voice"] = "<Response><Say>Hello.</Say></Response>"
        await made.call()
        assert (await made.finish()).heard == "Hello."


async def test_a_get_callback_carries_its_fields_in_the_query_and_is_signed_over_it() -> None:
    async with rig(persona="busy") as made:
        await made.call(status_callback_method="GET")
        await made.finish()
        assert made.statuses() == ["initiated", "ringing", "busy"]
        assert all(hook.signed for hook in made.service.hooks)


async def test_a_fragment_asks_for_retries_and_is_neither_sent_nor_signed() -> None:
    async with rig(persona="busy") as made:
        made.service.statuses["/status"] = 503
        await made.call(
            status_callback=made.service.url("/status#rc=2&rp=5xx"), status_callback_event=["completed"]
        )
        await made.finish()
        hooks = [hook for hook in made.service.hooks if hook.path == "/status"]
        assert len(hooks) == 3
        assert all(hook.signed for hook in hooks)
        assert len({hook.headers["I-Twilio-Idempotency-Token"] for hook in hooks}) == 1


@pytest.mark.parametrize(
    ("fragment", "retries", "connect", "again"),
    [
        ("", 1, 5000, {"ct"}),
        ("rc=0", 0, 5000, {"ct"}),
        ("rc=9&ct=1", 1, 5000, {"ct"}),
        ("rc=3&rp=ct,rt,5xx&ct=300", 3, 300, {"ct", "rt", "5xx"}),
        ("rp=all", 1, 5000, {"ct", "rt", "4xx", "5xx"}),
        ("rp=sometimes", 1, 5000, {"ct"}),
    ],
)
def test_connection_overrides_are_read_and_wrong_ones_ignored(
    fragment: str, retries: int, connect: float, again: set[str]
) -> None:
    overrides = Overrides.of(fragment)
    assert (overrides.retries, overrides.connect_ms) == (retries, connect)
    assert {why for why in ("ct", "rt", "4xx", "5xx") if overrides.again(why)} == again
