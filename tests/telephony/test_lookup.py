"""Twilio's Lookup as a number's judge, over HTTP against the simulator, which shares no code with it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import pytest
from aiohttp import web

from campaign.domain.facts import INVALID
from campaign.domain.lookup import Answer, Finding, Want
from campaign.domain.phone import NumberKind
from campaign.simulator import (
    ACCOUNT_SID,
    API_KEY,
    API_SECRET,
    AUTH_TOKEN,
    Faults,
    Simulator,
    SimulatorConfig,
)
from campaign.simulator.lookup import LINES
from campaign.telephony.calls import TwilioAway, TwilioBusy, TwilioRefused
from campaign.telephony.lookup import LINE_KINDS, TwilioLookup
from tests.support.clock import TUESDAY_MORNING

NUMBER = "+12125550142"
BOTH = frozenset(Want)
LINE = frozenset({Want.LINE_TYPE})
SINCE = date(2026, 10, 1)


@asynccontextmanager
async def rig(**config: Any) -> AsyncIterator[tuple[Simulator, TwilioLookup]]:
    async with Simulator(SimulatorConfig(clock_start=TUESDAY_MORNING, **config)) as there:
        asker = TwilioLookup(ACCOUNT_SID, API_KEY, API_SECRET, there.base_url, total_seconds=1.0)
        try:
            yield there, asker
        finally:
            await asker.close()


async def test_one_request_asks_for_line_and_owner_by_the_date_of_consent() -> None:
    async with rig(lines={NUMBER: "landline"}, owners={NUMBER: "no"}) as (there, asker):
        told = await asker.look_up(NUMBER, BOTH, SINCE)
    line = Finding(Want.LINE_TYPE, "fixed", None, {"type": "landline", "carrier": "Example Telephone"})
    assert set(map(repr, told.findings)) == {repr(line), repr(Finding(Want.REASSIGNED, "no", SINCE))}
    assert told.lacks == ()
    (asked,) = there.lookups
    assert asked.number == NUMBER
    assert asked.query == {
        "Fields": "line_type_intelligence,reassigned_number",
        "LastVerifiedDate": "20261001",
    }


@pytest.mark.parametrize("word", LINES)
async def test_every_line_type_of_twilios_has_a_kind(word: str) -> None:
    async with rig(lines={NUMBER: word}) as (_, asker):
        (found,) = (await asker.look_up(NUMBER, LINE, None)).findings
    assert found.answer == LINE_KINDS[word].value
    assert found.detail["type"] == word
    assert found.charged


@pytest.mark.parametrize(("word", "answer"), [("yes", "yes"), ("no", "no"), ("no_data_available", "no_data")])
async def test_every_word_about_the_owner_is_understood(word: str, answer: str) -> None:
    async with rig(owners={NUMBER: word}) as (_, asker):
        (found,) = (await asker.look_up(NUMBER, frozenset({Want.REASSIGNED}), SINCE)).findings
    assert (found.answer, found.about) == (answer, SINCE)


async def test_what_is_no_number_is_invalid_and_costs_nothing() -> None:
    async with rig() as (_, asker):
        for number in ("+12125", "nonsense"):
            (found,) = (await asker.look_up(number, LINE, None)).findings
            assert (found.answer, found.charged) == (INVALID, False)


async def test_a_number_that_twilio_has_nothing_on_is_unknown_and_costs_nothing() -> None:
    async with rig() as (_, asker):
        canadian = await asker.look_up("+14165550142", LINE, None)
        british = await asker.look_up("+442079460958", frozenset({Want.REASSIGNED}), SINCE)
    assert canadian == Answer(
        (Finding(Want.LINE_TYPE, NumberKind.UNKNOWN.value, None, {"error_code": 60601}, charged=False),)
    )
    assert british == Answer(
        (Finding(Want.REASSIGNED, "no_data", SINCE, {"error_code": 60607}, charged=False),)
    )


async def test_a_package_that_is_not_enabled_is_everybodys_lack_and_says_what_to_do() -> None:
    async with rig(faults=Faults(lookup_not_enabled=1)) as (_, asker):
        told = await asker.look_up(NUMBER, LINE, None)
    (lack,) = told.lacks
    assert told.findings == ()
    assert (lack.code, lack.everyone) == (60606, True)
    assert "line_type_intelligence is not enabled" in lack.sentence
    assert "Ask Twilio for access" in lack.do


async def test_a_provider_that_fails_is_this_numbers_lack_for_now() -> None:
    async with rig(faults=Faults(lookup_provider=1)) as (_, asker):
        (lack,) = (await asker.look_up(NUMBER, LINE, None)).lacks
    assert (lack.code, lack.everyone) == (60608, False)


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(lookup_429=1, rest_retry_after=7), TwilioBusy),
        (Faults(lookup_5xx=1), TwilioAway),
        (Faults(lookup_hang=1), TwilioAway),
    ],
)
async def test_a_look_up_that_fails_as_a_whole_raises_and_names_no_number(
    faults: Faults, error: type[Exception]
) -> None:
    async with rig(faults=faults) as (_, asker):
        with pytest.raises(error) as caught:
            await asker.look_up(NUMBER, LINE, None)
    assert NUMBER not in str(caught.value)
    if isinstance(caught.value, TwilioBusy):
        assert caught.value.data["retry_after"] == 7


async def test_wrong_credentials_are_refused_with_what_to_do() -> None:
    async with rig() as (there, _):
        asker = TwilioLookup(ACCOUNT_SID, ACCOUNT_SID, AUTH_TOKEN + "x", there.base_url)
        try:
            with pytest.raises(TwilioRefused, match="TWILIO_ACCOUNT_SID"):
                await asker.look_up(NUMBER, LINE, None)
        finally:
            await asker.close()


async def test_nobody_at_the_address_is_away() -> None:
    async with rig() as (there, asker):
        pass
    asker = TwilioLookup(ACCOUNT_SID, API_KEY, API_SECRET, there.base_url)
    with pytest.raises(TwilioAway):
        await asker.look_up(NUMBER, LINE, None)
    await asker.close()


async def test_reassignment_without_a_date_of_consent_is_a_fault_of_the_caller() -> None:
    async with rig() as (_, asker):
        with pytest.raises(ValueError, match="date of consent"):
            await asker.look_up(NUMBER, BOTH, None)


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "{}",
        '{"valid": true}',
        '{"valid": true, "line_type_intelligence": []}',
        '{"valid": true, "line_type_intelligence": {"error_code": "soon"}}',
    ],
)
async def test_an_answer_that_is_none_is_never_taken_for_one(body: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    asker = TwilioLookup(ACCOUNT_SID, API_KEY, API_SECRET, f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        with pytest.raises(TwilioAway):
            await asker.look_up(NUMBER, LINE, None)
    finally:
        await asker.close()
        await runner.cleanup()


async def test_an_unknown_word_for_a_line_counts_as_unknown() -> None:
    async def answer(_: web.Request) -> web.Response:
        told = {"valid": True, "line_type_intelligence": {"type": "quantum", "error_code": None}}
        return web.Response(text=json.dumps(told), content_type="application/json")

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    asker = TwilioLookup(ACCOUNT_SID, API_KEY, API_SECRET, f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        (found,) = (await asker.look_up(NUMBER, LINE, None)).findings
    finally:
        await asker.close()
        await runner.cleanup()
    assert (found.answer, found.detail) == ("unknown", {"type": "quantum"})
