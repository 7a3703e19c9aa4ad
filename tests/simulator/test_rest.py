import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from campaign.simulator import ACCOUNT_SID, API_KEY, API_SECRET
from tests.simulator.service import PERSON, US, Rig, rig

PAUSE = "<Response><Pause length='5'/></Response>"


async def refused(made: Rig, to: str = PERSON, **params: Any) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as caught:
        await made.call(to, **params)
    return caught.value


async def test_a_created_call_is_queued_and_has_no_times_yet() -> None:
    async with rig(calls_per_second=0.001) as made:
        await made.call(twiml=PAUSE)
        call = await made.call(twiml=PAUSE)
        assert (call.status, call.start_time, call.duration, call.price) == ("queued", None, None, None)
        assert call.date_created is not None
        assert call.direction == "outbound-api"
        await asyncio.to_thread(call.update, status="canceled")


async def test_a_finished_call_shows_seconds_and_later_its_price() -> None:
    async with rig(persona="silent") as made:
        created = await made.call(twiml=PAUSE)
        await made.finish()
        call = await asyncio.to_thread(created.fetch)
        assert call.status == "completed"
        assert call.duration in ("5", "6", "7")
        assert call.start_time <= call.end_time
        await made.simulator.clock.sleep(21)
        call = await asyncio.to_thread(created.fetch)
        assert call.price == "-0.01400"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"to": "12125550100"}, 21211),
        ({"to": "+15005550001"}, 21217),
        ({"to": "+15005550002"}, 21214),
        ({"to": "+15005550003"}, 21215),
        ({"to": "+15005550004"}, 21216),
        ({"url": "not a url"}, 21205),
        ({"url": "https://under_score.example/x"}, 21205),
        ({"status_callback": "ftp://x.example"}, 21609),
        ({"method": "PUT"}, 21206),
        ({"timeout": 601}, 21209),
        ({"send_digits": "call me"}, 21208),
        ({"machine_detection": "Perhaps"}, 21234),
        ({"async_amd": "maybe"}, 21234),
        ({"machine_detection_timeout": 60}, 20001),
        ({"twiml": "<Response>" + "x" * 4000}, 32018),
        ({"application_sid": "AP" + "0" * 32, "url": None}, 21218),
    ],
)
async def test_wrong_parameters_are_refused_with_twilios_code(params: dict[str, Any], code: int) -> None:
    async with rig() as made:
        error = await refused(made, **params)
        assert (error.status, error.code) == (400, code)
        assert made.simulator.calls == []
        assert [entry.result for entry in made.simulator.creates] == [f"refused {code}"]


async def test_a_bad_number_is_refused_at_once() -> None:
    async with rig(persona="bad_number") as made:
        assert (await refused(made)).code == 21211


async def test_a_caller_id_that_the_account_does_not_own_is_refused() -> None:
    async with rig(caller_ids=("+12125550000",)) as made:
        assert (await refused(made)).code == 21210
        owned = await asyncio.to_thread(made.client.incoming_phone_numbers.list, phone_number="+12125550000")
        assert [number.phone_number for number in owned] == ["+12125550000"]
        assert await asyncio.to_thread(made.client.incoming_phone_numbers.list, phone_number=US) == []
        assert await asyncio.to_thread(made.client.outgoing_caller_ids.list) == []


async def test_the_account_and_its_numbers_can_be_looked_up() -> None:
    async with rig() as made:
        account = await asyncio.to_thread(made.client.api.v2010.accounts(ACCOUNT_SID).fetch)
        assert account.status == "active"
        numbers = await asyncio.to_thread(made.client.incoming_phone_numbers.list, phone_number=US)
        assert [number.phone_number for number in numbers] == [US]


async def test_an_api_key_opens_the_account_and_a_wrong_token_does_not() -> None:
    async with rig() as made:
        keyed = Client(API_KEY, API_SECRET, ACCOUNT_SID, http_client=made.client.http_client, environment={})
        wrong = Client(ACCOUNT_SID, "wrong", http_client=made.client.http_client, environment={})
        other = Client(
            API_KEY, API_SECRET, "AC" + "9" * 32, http_client=made.client.http_client, environment={}
        )
        for client in (keyed, wrong, other):
            client.api.base_url = made.simulator.base_url
        assert await asyncio.to_thread(keyed.calls.list) == []
        with pytest.raises(TwilioRestException) as caught:
            await asyncio.to_thread(wrong.calls("CA" + "0" * 32).fetch)
        assert (caught.value.status, caught.value.code) == (401, 20003)
        with pytest.raises(TwilioRestException) as caught:
            await asyncio.to_thread(other.calls("CA" + "0" * 32).fetch)
        assert (caught.value.status, caught.value.code) == (404, 20404)


async def test_a_call_that_does_not_exist_is_not_found() -> None:
    async with rig() as made:
        with pytest.raises(TwilioRestException) as caught:
            await asyncio.to_thread(made.client.calls("CA" + "0" * 32).fetch)
        assert (caught.value.status, caught.value.code) == (404, 20404)


async def test_lists_are_paged_newest_first_and_filtered() -> None:
    async with rig(persona="busy", calls_per_second=1000) as made:
        for number in range(7):
            await made.call(f"+1212555020{number}", twiml=PAUSE)
        await made.call(twiml=PAUSE)
        every = await asyncio.to_thread(made.client.calls.list, page_size=3)
        assert [call.to for call in every] == [
            PERSON,
            *(f"+1212555020{number}" for number in range(6, -1, -1)),
        ]
        to = await asyncio.to_thread(made.client.calls.list, to="+12125550203")
        assert [call.to for call in to] == ["+12125550203"]
        assert await asyncio.to_thread(made.client.calls.list, from_="+12125550777") == []
        await made.finish()
        busy = await asyncio.to_thread(made.client.calls.list, status="busy", to=PERSON)
        assert len(busy) == 1


async def test_a_queued_call_escapes_the_filter_on_start_time() -> None:
    async with rig(calls_per_second=0.001) as made:
        await made.call(twiml=PAUSE)
        queued = await made.call("+12125550200", twiml=PAUSE)
        since = made.simulator.clock.now() - timedelta(hours=1)
        started = await asyncio.to_thread(made.client.calls.list, start_time_after=since)
        assert [call.to for call in started] == [PERSON]
        assert len(await asyncio.to_thread(made.client.calls.list, status="queued", to="+12125550200")) == 1
        future = made.simulator.clock.now() + timedelta(days=2)
        assert await asyncio.to_thread(made.client.calls.list, start_time_after=future) == []
        assert len(await asyncio.to_thread(made.client.calls.list, start_time_before=future)) == 1
        await asyncio.to_thread(queued.update, status="canceled")


async def test_calls_above_the_rate_are_accepted_queued_and_dialled_at_the_rate() -> None:
    async with rig(calls_per_second=2.0, persona="busy", clock_rate=10) as made:
        for number in range(6):
            await made.call(f"+1212555020{number}", twiml=PAUSE)
        assert len(made.simulator.calls) == 6
        await made.finish()
        waits = [call.queue_ms for call in made.simulator.calls]
        assert waits == sorted(waits)
        assert waits[-1] > 1500
        started = [call.started for call in made.simulator.calls if call.started]
        assert timedelta(seconds=2.4) <= started[-1] - started[0] <= timedelta(seconds=4)


async def test_a_call_above_the_concurrency_fails() -> None:
    async with rig(max_calls=1, persona="no_answer") as made:
        await made.call(twiml=PAUSE, timeout=15)
        await made.call("+12125550200", twiml=PAUSE)
        await made.finish()
        assert sorted(call.status for call in made.simulator.calls) == ["failed", "no-answer"]
        assert 10004 in made.codes()


async def test_a_queued_call_is_cancelled_and_never_rings() -> None:
    async with rig(calls_per_second=0.001) as made:
        await made.call(twiml=PAUSE)
        queued = await made.call("+12125550200", twiml=PAUSE)
        call = await asyncio.to_thread(queued.update, status="canceled")
        assert call.status == "canceled"
        await made.finish()
        assert "+12125550200" not in made.simulator.report()["rings"]
        ended = [p for p in made.service.of("/status") if p["To"] == "+12125550200"]
        assert [(p["CallStatus"], p["SequenceNumber"]) for p in ended] == [("canceled", "0")]


async def test_a_call_waiting_for_a_day_is_cancelled() -> None:
    async with rig(calls_per_second=1 / 200_000, clock_rate=1_000_000) as made:
        await made.call(twiml=PAUSE)
        late = await made.call("+12125550200", twiml=PAUSE)
        await made.finish()
        assert (await asyncio.to_thread(late.fetch)).status == "canceled"


async def test_updating_a_call_that_has_ended_is_refused() -> None:
    async with rig(persona="busy") as made:
        created = await made.call(twiml=PAUSE)
        await made.finish()
        with pytest.raises(TwilioRestException) as caught:
            await asyncio.to_thread(created.update, status="completed")
        assert (caught.value.status, caught.value.code) == (400, 21220)


async def test_a_finished_call_can_be_deleted_and_a_live_one_not() -> None:
    async with rig(persona="no_answer") as made:
        created = await made.call(twiml=PAUSE, timeout=15)
        with pytest.raises(TwilioRestException) as caught:
            await asyncio.to_thread(created.delete)
        assert caught.value.code == 20009
        await made.finish()
        assert await asyncio.to_thread(created.delete)
        assert made.simulator.calls == []


async def test_an_unknown_path_answers_in_twilios_form() -> None:
    async with rig() as made, aiohttp.ClientSession() as http:
        async with http.get(f"{made.simulator.base_url}/2010-04-01/Nothing.json") as response:
            body = await response.json()
        assert (response.status, body["code"], body["status"]) == (404, 20404, 404)
        assert body["more_info"].endswith("/20404")
