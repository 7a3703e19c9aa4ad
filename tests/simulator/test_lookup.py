"""Lookup v2 as Twilio's own client meets it."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException

from campaign.simulator.lookup import LINES, OWNERS
from tests.simulator.service import Rig, rig

NUMBER = "+12125550142"
BOTH = "line_type_intelligence,reassigned_number"


async def fetched(made: Rig, number: str = NUMBER, **query: Any) -> Any:
    made.client.lookups.base_url = made.simulator.base_url  # in place of lookups.twilio.com
    return await asyncio.to_thread(made.client.lookups.v2.phone_numbers(number).fetch, **query)


async def test_a_number_is_formatted_and_its_packages_come_when_asked_for() -> None:
    async with rig(lines={NUMBER: "landline"}, owners={NUMBER: "yes"}) as made:
        plain = await fetched(made, "(212) 555-0142")
        told = await fetched(made, fields=BOTH, last_verified_date="20261001")
    assert (plain.phone_number, plain.country_code, plain.valid) == (NUMBER, "US", True)
    assert plain.line_type_intelligence is None
    assert told.line_type_intelligence["type"] == "landline"
    assert told.reassigned_number == {
        "last_verified_date": "2026-10-01",
        "is_number_reassigned": "yes",
        "error_code": None,
    }


async def test_the_same_seed_tells_the_same_and_the_mix_holds_lines_of_all_common_sorts() -> None:
    async def told() -> list[tuple[str, str]]:
        async with rig(seed=7) as made:
            found = [
                await fetched(made, f"+1212555{n:04}", fields=BOTH, last_verified_date="20260101")
                for n in range(150)
            ]
        return [
            (one.line_type_intelligence["type"], one.reassigned_number["is_number_reassigned"])
            for one in found
        ]

    first = await told()
    assert first == await told()
    lines, owners = Counter(line for line, _ in first), Counter(owner for _, owner in first)
    assert {"mobile", "landline"} <= lines.keys() <= set(LINES)
    assert lines["mobile"] > lines["landline"] > lines["fixedVoip"]
    assert owners.keys() == set(OWNERS)
    assert owners["no"] > 120


async def test_carriers_are_told_of_lines_that_have_one_only() -> None:
    async with rig(lines={NUMBER: "mobile", "+12125550143": "pager"}) as made:
        mobile = (await fetched(made, fields="line_type_intelligence")).line_type_intelligence
        pager = (await fetched(made, "+12125550143", fields="line_type_intelligence")).line_type_intelligence
        free = (await fetched(made, "+18005550142", fields="line_type_intelligence")).line_type_intelligence
    assert mobile["carrier_name"]
    assert mobile["mobile_network_code"]
    assert (pager["carrier_name"], pager["type"]) == (None, "pager")
    assert free["type"] == "tollFree"


@pytest.mark.parametrize(
    ("number", "query", "status", "code"),
    [
        ("nonsense", {}, 404, 20404),
        (NUMBER, {"fields": "shoe_size"}, 400, 20001),
        (NUMBER, {"fields": "reassigned_number"}, 400, 20001),
        (NUMBER, {"fields": "reassigned_number", "last_verified_date": "2026-10-01"}, 400, 20001),
    ],
)
async def test_wrong_requests_are_refused(number: str, query: dict[str, str], status: int, code: int) -> None:
    async with rig() as made:
        with pytest.raises(TwilioRestException) as caught:
            await fetched(made, number, **query)

    assert (caught.value.status, caught.value.code) == (status, code)


async def test_without_the_right_password_nothing_is_told() -> None:
    async with rig() as made:
        made.client.password = "wrong"
        made.client.auth = (made.client.username, "wrong")
        with pytest.raises(TwilioRestException) as caught:
            await fetched(made)
    assert (caught.value.status, caught.value.code) == (401, 20003)


@pytest.mark.parametrize(
    ("number", "fields", "package", "code"),
    [
        ("+14165550142", "line_type_intelligence", "line_type_intelligence", 60601),
        ("+442079460958", "reassigned_number", "reassigned_number", 60607),
        (NUMBER, "sim_swap", "sim_swap", 60606),
    ],
)
async def test_what_a_package_cannot_tell_stands_within_it(
    number: str, fields: str, package: str, code: int
) -> None:
    async with rig() as made:
        told = await fetched(made, number, fields=fields, last_verified_date="20261001")
    assert getattr(told, package)["error_code"] == code


@pytest.mark.parametrize(
    ("fault", "status", "code"), [("lookup_429", 429, 20429), ("lookup_5xx", 500, 20500)]
)
async def test_faults_hit_look_ups_as_a_whole(fault: str, status: int, code: int) -> None:
    async with rig() as made:
        made.simulator.faults.update({fault: 1.0})
        with pytest.raises(TwilioRestException) as caught:
            await fetched(made)
        assert made.simulator.lookups == []
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize(("fault", "code"), [("lookup_not_enabled", 60606), ("lookup_provider", 60608)])
async def test_faults_hit_packages(fault: str, code: int) -> None:
    async with rig() as made:
        made.simulator.faults.update({fault: 1.0})
        told = await fetched(made, fields=BOTH, last_verified_date="20261001")
    assert told.line_type_intelligence["error_code"] == code
    assert told.reassigned_number["error_code"] == code
