"""Faults of the REST side, as the official client meets them."""

import asyncio
import json

import aiohttp
import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from campaign.simulator import ACCOUNT_SID, AUTH_TOKEN
from tests.simulator.service import PERSON, Rig, rig

PAUSE = "<Response><Pause length='1'/></Response>"


async def outcome(made: Rig) -> str:
    """What a create raised (its class and code), or its sid's kind."""
    try:
        created = await made.call(twiml=PAUSE)
    except TwilioRestException as error:
        return f"{error.status}/{error.code}"
    except (requests.exceptions.RequestException, json.JSONDecodeError) as error:
        return type(error).__name__
    return "no sid" if created.sid is None else "created"


@pytest.mark.parametrize(
    ("fault", "seen", "accepted"),
    [
        ("rest_429", {"429/20429"}, 0),
        ("rest_5xx_before", {"500/20500"}, 0),
        ("rest_drop_before", {"ConnectionError"}, 0),
        ("rest_5xx_after", {"500/20500"}, 1),
        ("rest_drop_after", {"ConnectionError"}, 1),
        ("rest_hang", {"ConnectionError"}, 1),
        ("rest_late_accept", {"ConnectionError"}, 1),
        ("rest_cut_body", {"ChunkedEncodingError", "ConnectionError", "JSONDecodeError"}, 1),
        ("rest_no_sid", {"no sid"}, 1),
    ],
)
async def test_each_fault_is_seen_as_in_life_and_places_a_call_or_not(
    fault: str, seen: set[str], accepted: int
) -> None:
    async with rig(persona="busy") as made:
        made.simulator.faults.update({fault: 1.0, "rest_hang_seconds": 5, "rest_late_seconds": 5})
        assert await outcome(made) in seen
        await made.simulator.wait_idle()
        assert len(made.simulator.calls) == accepted
        assert len(made.simulator.creates) == 1


async def test_a_slow_answer_is_only_slow() -> None:
    async with rig(persona="busy") as made:
        made.simulator.faults.update({"rest_slow": 1.0, "rest_slow_seconds": 6.0})
        before = made.simulator.clock.monotonic()
        assert await outcome(made) == "created"
        assert made.simulator.clock.monotonic() - before >= 6.0
        await made.finish()


async def test_a_client_that_is_gone_before_a_slow_answer_has_placed_its_call_all_the_same() -> None:
    async with rig(persona="busy") as made, aiohttp.ClientSession() as http:
        made.simulator.faults.update({"rest_slow": 1.0, "rest_slow_seconds": 30.0})
        posting = http.post(
            f"{made.simulator.base_url}/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json",
            data={"To": PERSON, "From": "+12025550142", "Twiml": PAUSE},
            headers={"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)},
            timeout=aiohttp.ClientTimeout(total=0.2),
        )
        with pytest.raises(TimeoutError):
            await posting
        async with asyncio.timeout(80):
            while not made.simulator.calls:  # noqa: ASYNC110 (there is no event for it)
                await asyncio.sleep(0.01)
        assert [call.to for call in made.simulator.calls] == [PERSON]


async def test_faults_can_hit_every_request() -> None:
    async with rig() as made:
        made.simulator.faults.update({"rest_429": 1.0, "rest_all": True})
        with pytest.raises(TwilioRestException) as caught:
            await asyncio.to_thread(made.client.calls("CA" + "0" * 32).fetch)
        assert caught.value.status == 429


async def test_the_same_seed_fails_the_same_creates() -> None:
    runs = []
    for _ in range(2):
        async with rig(persona="busy", seed=5, clock_rate=1000) as made:
            made.simulator.faults.update({"rest_429": 0.5})
            for _ in range(8):
                await outcome(made)
            runs.append([entry.result for entry in made.simulator.creates])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {"429", "accepted"}


async def test_a_lagging_list_hides_a_young_call() -> None:
    async with rig(persona="busy") as made:
        made.simulator.faults.update({"list_lag_seconds": 60.0})
        await made.call(twiml=PAUSE)
        assert await asyncio.to_thread(made.client.calls.list, to=PERSON) == []
        await made.simulator.clock.sleep(60)
        assert len(await asyncio.to_thread(made.client.calls.list, to=PERSON)) == 1
        await made.finish()


async def test_faults_are_set_over_the_wire_and_wrong_ones_refused() -> None:
    async with rig() as made, aiohttp.ClientSession() as http:
        url = f"{made.simulator.base_url}/simulator/faults"
        async with http.post(url, json={"rest_429": 1, "rest_retry_after": 2}) as response:
            assert (await response.json())["rest_429"] == 1.0
        assert await outcome(made) == "429/20429"
        wrongs: list[object] = [
            {"rest_42": 1},
            {"rest_429": 2},
            {"rest_429": "much"},
            {"rest_all": 1},
            [],
            "x",
        ]
        for wrong in wrongs:
            async with http.post(url, json=wrong) as response:
                assert response.status == 400
                assert (await response.json())["error"]
        assert made.simulator.faults.rest_429 == 1.0
