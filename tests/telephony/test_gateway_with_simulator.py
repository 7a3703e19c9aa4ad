"""The gateway against the simulator, which shares no code with it: what was believed is what happened."""

from dataclasses import replace
from datetime import timedelta

import pytest

from campaign.simulator import (
    ACCOUNT_SID,
    API_KEY,
    API_SECRET,
    AUTH_TOKEN,
    Faults,
    Simulator,
    SimulatorConfig,
)
from campaign.telephony.gateway import (
    BadNumber,
    CallNotFound,
    CallRequest,
    ConfigurationFault,
    Gateway,
    Placed,
    Throttled,
    TwilioRefused,
    UnknownResult,
)
from tests.support.clock import TUESDAY_MORNING

REQUEST = CallRequest(
    to="+12025550123",
    from_="+12025550199",
    url="http://127.0.0.1:9/twilio/voice/m1",
    status_callback="http://127.0.0.1:9/twilio/status/m1",
    ring_timeout_s=25,
    time_limit_s=600,
    machine_detection="enable",
    amd_callback="http://127.0.0.1:9/twilio/amd/m1",
)


def simulator(**changes: object) -> Simulator:
    given: dict[str, object] = {"clock_start": TUESDAY_MORNING, "caller_ids": (REQUEST.from_,), **changes}
    return Simulator(SimulatorConfig(**given))  # type: ignore[arg-type]


def gateway(there: Simulator, **limits: float) -> Gateway:
    return Gateway(ACCOUNT_SID, ACCOUNT_SID, AUTH_TOKEN, there.base_url, **limits)


async def test_a_placed_call_is_listed_looked_up_and_cancelled():
    async with simulator(calls_per_second=0.001) as there:  # so slow that it stays in Twilio's queue
        one = Gateway(ACCOUNT_SID, API_KEY, API_SECRET, there.base_url)
        try:
            first = await one.place(replace(REQUEST, to="+12025550100"))
            placed = await one.place(REQUEST)
            assert isinstance(first, Placed)
            assert isinstance(placed, Placed)
            (found,) = await one.find(REQUEST.to, TUESDAY_MORNING - timedelta(seconds=1))
            assert (found.sid, found.status, found.started_at) == (placed.sid, "queued", None)
            assert (await one.fetch(placed.sid)).direction == "outbound-api"
            cancelled = await one.cancel(placed.sid)
            assert cancelled is not None
            assert cancelled.status == "canceled"
            assert await one.cancel(placed.sid) is None
            assert await one.hang_up(placed.sid) is None
            assert await one.find(REQUEST.to, TUESDAY_MORNING + timedelta(hours=1)) == []
            with pytest.raises(CallNotFound):
                await one.fetch("CA" + "f" * 32)
        finally:
            await one.close()


@pytest.mark.parametrize(
    ("faults", "result", "calls"),
    [
        (Faults(rest_429=1, rest_retry_after=7), Throttled, 0),
        (Faults(rest_5xx_before=1), UnknownResult, 0),
        (Faults(rest_5xx_after=1), UnknownResult, 1),
        (Faults(rest_drop_before=1), UnknownResult, 0),
        (Faults(rest_drop_after=1), UnknownResult, 1),
        (Faults(rest_hang=1), UnknownResult, 1),
        (Faults(rest_cut_body=1), UnknownResult, 1),
        (Faults(rest_no_sid=1), UnknownResult, 1),
    ],
)
async def test_after_each_fault_twilios_list_tells_what_the_answer_did_not(faults, result, calls):
    async with simulator(faults=faults) as there:
        one = gateway(there, total_seconds=1.0)
        try:
            told = await one.place(REQUEST)
            assert isinstance(told, result)
            if isinstance(told, Throttled):
                assert told.retry_after == 7
            found = await one.find(REQUEST.to, TUESDAY_MORNING - timedelta(seconds=1))
            assert len(found) == calls
        finally:
            await one.close()


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        (replace(REQUEST, to="+1202"), BadNumber),
        (replace(REQUEST, from_="+12025550198"), ConfigurationFault),
        (replace(REQUEST, ring_timeout_s=100_000), ConfigurationFault),
        (replace(REQUEST, url="nonsense"), ConfigurationFault),
    ],
)
async def test_what_the_simulator_refuses_is_classed(request_, result):
    async with simulator() as there:
        one = gateway(there)
        try:
            assert isinstance(await one.place(request_), result)
        finally:
            await one.close()


async def test_wrong_credentials_stop_everything():
    async with simulator() as there:
        one = Gateway(ACCOUNT_SID, ACCOUNT_SID, "wrong", there.base_url)
        try:
            told = await one.place(REQUEST)
            assert isinstance(told, ConfigurationFault)
            assert told.scope == "account"
            with pytest.raises(TwilioRefused):
                await one.account()
        finally:
            await one.close()


async def test_the_account_and_its_numbers_are_the_simulators():
    async with simulator() as there:
        one = gateway(there)
        try:
            assert (await one.account()).status == "active"
            assert [number.phone for number in await one.caller_ids()] == [REQUEST.from_]
            assert await one.caller_ids("+12025550111") == []
        finally:
            await one.close()


async def test_a_number_is_pointed_to_where_its_calls_shall_be_answered():
    async with simulator() as there:
        one = gateway(there)
        try:
            (number,) = await one.caller_ids(REQUEST.from_)
            assert await one.answered_by_us(number) == ""
            await one.point(number, "https://calls.example.net/twilio/incoming")
            (number,) = await one.caller_ids(REQUEST.from_)
            assert await one.answered_by_us(number) == "https://calls.example.net/twilio/incoming"
            with pytest.raises(CallNotFound):
                await one.answered_by_us(replace(number, application="AP" + "0" * 32))
        finally:
            await one.close()


async def test_what_is_over_is_not_recorded_and_what_is_gone_is_told():
    async with simulator(calls_per_second=0.001) as there:
        one = gateway(there)
        try:
            placed = await one.place(REQUEST)
            assert isinstance(placed, Placed)
            assert await one.recordings.begin(placed.sid, "http://127.0.0.1:9/twilio/recording/m1") is None
            gone = "RE" + "f" * 32
            with pytest.raises(CallNotFound):
                await one.recordings.delete(gone)
            with pytest.raises(CallNotFound):
                async with one.recordings.listen(gone):
                    raise AssertionError("there is nothing to hear")
        finally:
            await one.close()
