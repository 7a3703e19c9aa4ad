"""The gateway against a server of raw bytes: every fault that was measured, and the happy way."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from campaign.telephony.codes import VERDICTS, Bad, Misconfigured, Scope, Wait
from campaign.telephony.gateway import (
    BadNumber,
    CallNotFound,
    CallRequest,
    ConfigurationFault,
    Gateway,
    NotSent,
    Placed,
    Throttled,
    TooLate,
    TwilioAway,
    TwilioBusy,
    TwilioRefused,
    UnknownResult,
)

ACCOUNT = "AC" + "0" * 32
SID = "CA" + "a" * 32
NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
REQUEST = CallRequest(
    to="+12025550123",
    from_="+12025550199",
    url="https://example.net/twilio/voice/m1",
    status_callback="https://example.net/twilio/status/m1",
    ring_timeout_s=25,
    time_limit_s=600,
)


@dataclass
class Heard:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body, keep_blank_values=True)

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)


Answer = Callable[[Heard], "bytes | None"]


@dataclass
class Twilio:
    """A server that gives out prepared bytes. None as an answer closes the connection."""

    answer: Answer
    heard: list[Heard] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    base_url: str = ""
    silent: bool = False


@asynccontextmanager
async def twilio(answer: Answer, *, silent: bool = False) -> AsyncIterator[Twilio]:
    there = Twilio(answer, silent=silent)
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
                body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
                there.heard.append(Heard(method, target, headers, body))
                there.arrived.set()
                if there.silent:
                    await over.wait()
                    return
                given = there.answer(there.heard[-1])
                if given is None:
                    return
                writer.write(given)
                await writer.drain()
                if b"Connection: close" in given:
                    return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    there.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield there
    finally:
        over.set()
        server.close()


def http(status: int, body: object, **headers: str) -> bytes:
    text = (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(text)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + text


def call(sid: str = SID, **changes: object) -> dict[str, object]:
    return {
        "sid": sid,
        "account_sid": ACCOUNT,
        "status": "queued",
        "to": REQUEST.to,
        "from": REQUEST.from_,
        "direction": "outbound-api",
        "date_created": "Tue, 24 Nov 2026 15:00:00 +0000",
        "start_time": None,
        "end_time": None,
        "duration": None,
        "price": None,
        "price_unit": "USD",
        "answered_by": None,
        "queue_time": "0",
    } | changes


@asynccontextmanager
async def gateway(base_url: str, **limits: float) -> AsyncIterator[Gateway]:
    one = Gateway(ACCOUNT, "SKkey", "sécret", base_url, **limits)
    try:
        yield one
    finally:
        await one.close()


async def place_against(answer: bytes | None) -> tuple[object, Twilio]:
    async with twilio(lambda _: answer) as there, gateway(there.base_url) as one:
        return await one.place(REQUEST), there


# ── placing: what was asked ────────────────────────────────────────────────────────────────────────────


async def test_a_call_is_placed_with_all_four_events_its_limits_and_the_keys_credentials():
    result, there = await place_against(http(201, call()))
    assert result == Placed(SID, "queued")
    (asked,) = there.heard
    assert (asked.method, asked.target) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json")
    assert asked.headers["authorization"] == "Basic U0trZXk6c8OpY3JldA=="
    assert asked.form == {
        "To": [REQUEST.to],
        "From": [REQUEST.from_],
        "Url": [REQUEST.url],
        "StatusCallback": [REQUEST.status_callback],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "Timeout": ["25"],
        "TimeLimit": ["600"],
    }


@pytest.mark.parametrize(
    ("asked_for", "sent"), [("enable", "Enable"), ("detect_message_end", "DetectMessageEnd")]
)
async def test_machine_detection_is_asynchronous_and_reports_to_its_own_address(asked_for, sent):
    request = CallRequest(
        REQUEST.to,
        REQUEST.from_,
        REQUEST.url,
        REQUEST.status_callback,
        25,
        600,
        machine_detection=asked_for,
        amd_callback="https://example.net/twilio/amd/m1",
        fallback_url="https://example.org/sorry.xml",
    )
    async with twilio(lambda _: http(201, call())) as there, gateway(there.base_url) as one:
        assert isinstance(await one.place(request), Placed)
    form = there.heard[0].form
    assert form["MachineDetection"] == [sent]
    assert form["AsyncAmd"] == ["true"]
    assert form["AsyncAmdStatusCallback"] == ["https://example.net/twilio/amd/m1"]
    assert form["FallbackUrl"] == ["https://example.org/sorry.xml"]


def test_machine_detection_without_an_address_for_its_verdict_cannot_be_asked_for():
    with pytest.raises(ValueError, match="amd_callback"):
        CallRequest(
            REQUEST.to,
            REQUEST.from_,
            REQUEST.url,
            REQUEST.status_callback,
            25,
            600,
            machine_detection="enable",
        )


async def test_edge_and_region_in_the_environment_change_nothing(monkeypatch):
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "ACother")
    result, there = await place_against(http(201, call()))
    assert isinstance(result, Placed)
    assert ACCOUNT in there.heard[0].target


# ── placing: what came back ────────────────────────────────────────────────────────────────────────────


async def test_a_refused_connection_is_proven_not_sent():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with gateway(address) as one:
            assert isinstance(await one.place(REQUEST), NotSent)


async def test_a_name_that_does_not_resolve_is_proven_not_sent():
    async with gateway("http://nowhere.invalid") as one:
        assert isinstance(await one.place(REQUEST), NotSent)


async def test_no_connection_in_time_is_proven_not_sent():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        try:
            for one_more in waiting:  # fill the queue of connections that nobody accepts
                one_more.setblocking(False)
                one_more.connect_ex(address)
            async with gateway(f"http://127.0.0.1:{address[1]}", connect_seconds=0.2) as one:
                assert isinstance(await one.place(REQUEST), NotSent)
        finally:
            for one_more in waiting:
                one_more.close()


async def test_of_what_is_held_back_at_the_last_moment_no_byte_leaves_and_the_next_one_goes_out():
    arrived = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.extend(await reader.read())
        writer.close()

    async def too_late() -> None:
        raise TooLate("the intent grew too old")

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server, gateway(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as one:
        for _ in range(2):
            assert await one.place(REQUEST, too_late) == NotSent("the intent grew too old")
    assert arrived == b""

    async with twilio(lambda _: http(201, call())) as there, gateway(there.base_url) as one:
        assert isinstance(await one.place(REQUEST, too_late), NotSent)
        assert isinstance(await one.place(REQUEST), Placed)
        assert len(there.heard) == 1


async def test_a_failed_tls_handshake_is_proven_not_sent():
    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 No TLS here\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(no_tls, "127.0.0.1", 0)
    async with server, gateway(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as one:
        assert isinstance(await one.place(REQUEST), NotSent)


async def test_429_is_throttled_with_the_seconds_that_twilio_asks_for():
    body = {"code": 20429, "message": "Too many requests", "status": 429}
    result, _ = await place_against(http(429, body, Retry_After="7"))
    assert isinstance(result, Throttled)
    assert (result.retry_after, result.code) == (7.0, 20429)


@pytest.mark.parametrize("body", ["", "<html>busy</html>", "[]", '{"code": "x"}'])
async def test_429_is_throttled_whatever_its_body(body):
    result, _ = await place_against(http(429, body))
    assert isinstance(result, Throttled)
    assert (result.retry_after, result.code) == (None, 20429)


async def test_a_date_in_retry_after_is_measured_from_the_answers_own_date():
    result, _ = await place_against(
        http(
            429,
            "",
            Retry_After="Tue, 24 Nov 2026 15:00:30 GMT",
            Date="Tue, 24 Nov 2026 15:00:00 GMT",
        )
    )
    assert isinstance(result, Throttled)
    assert result.retry_after == 30.0


@pytest.mark.parametrize("code", sorted(VERDICTS))
async def test_every_code_of_the_table_is_classed_as_the_table_says(code):
    status = code if code in (401, 403) else 400
    result, _ = await place_against(http(status, {"code": code, "message": "no", "status": status}))
    match VERDICTS[code]:
        case Bad(_, once_more):
            assert isinstance(result, BadNumber)
            assert result.once_more == once_more
        case Misconfigured(scope, _, do):
            assert isinstance(result, ConfigurationFault)
            assert (result.scope, result.do) == (scope, do)
        case Wait():
            assert isinstance(result, Throttled)
    assert result.code == code
    assert str(code) in result.sentence


async def test_a_401_without_a_body_is_a_fault_of_the_account():
    result, _ = await place_against(http(401, ""))
    assert isinstance(result, ConfigurationFault)
    assert result.scope is Scope.ACCOUNT


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", ["", "<html>", {"code": 20500, "message": "Internal", "status": 500}])
async def test_a_server_error_leaves_the_result_unknown(status, body):
    result, there = await place_against(http(status, body))
    assert isinstance(result, UnknownResult)
    assert len(there.heard) == 1


async def test_a_code_of_the_table_inside_a_server_error_still_leaves_the_result_unknown():
    result, _ = await place_against(http(500, {"code": 21211, "message": "?", "status": 500}))
    assert isinstance(result, UnknownResult)


@pytest.mark.parametrize("code", [20404, 21220, 29999, 30001])
async def test_a_code_that_nobody_foresaw_leaves_the_result_unknown(code):
    result, _ = await place_against(http(400, {"code": code, "message": "odd", "status": 400}))
    assert isinstance(result, UnknownResult)
    assert result.code == code


async def test_a_problem_document_is_read_like_the_older_form():
    body = {"type": "https://x", "title": "Invalid To", "status": 400, "code": 21211}
    result, _ = await place_against(http(400, body))
    assert isinstance(result, BadNumber)


async def test_a_redirect_is_not_followed_and_proves_nothing():
    result, there = await place_against(http(307, "", Location="/elsewhere"))
    assert isinstance(result, UnknownResult)
    assert len(there.heard) == 1


async def test_a_connection_closed_after_the_request_leaves_the_result_unknown_and_is_not_repeated():
    result, there = await place_against(None)
    assert isinstance(result, UnknownResult)
    assert len(there.heard) == 1


async def test_a_reused_connection_that_closes_is_not_repeated_either():
    answers = iter([http(201, call()), None])
    async with twilio(lambda _: next(answers)) as there, gateway(there.base_url) as one:
        assert isinstance(await one.place(REQUEST), Placed)
        assert isinstance(await one.place(REQUEST), UnknownResult)
    assert len(there.heard) == 2


async def test_silence_leaves_the_result_unknown_within_the_time_limit():
    async with (
        twilio(lambda _: None, silent=True) as there,
        gateway(there.base_url, total_seconds=0.2) as one,
        asyncio.timeout(2),
    ):
        assert isinstance(await one.place(REQUEST), UnknownResult)
    assert len(there.heard) == 1


@pytest.mark.parametrize(
    "answer",
    [
        http(201, call())[:-20] + b"",
        http(201, '{"sid": "CA12'),
        http(201, ""),
        http(201, "[]"),
        http(201, "null"),
        http(201, {"status": "queued"}),
        http(201, call(sid=None)),
        http(201, call(sid="CA123")),
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n40\r\n{",
        b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\nConnection: close\r\n\r\n{",
        b"garbage\r\n\r\nConnection: close",
        http(201, call(date_created="the day before yesterday", sid=5)),
    ],
)
async def test_an_acceptance_that_cannot_be_read_leaves_the_result_unknown(answer):
    async with twilio(lambda _: answer) as there, gateway(there.base_url, total_seconds=0.5) as one:
        assert isinstance(await one.place(REQUEST), UnknownResult)
    assert len(there.heard) == 1


async def test_sentences_never_hold_a_whole_phone_number():
    result, _ = await place_against(http(400, {"code": 29999, "message": "'+12025550123' is odd"}))
    assert isinstance(result, UnknownResult)
    assert "2025550123" not in result.sentence
    assert "+…23" in result.sentence


async def test_a_cancelled_placing_stays_cancelled():
    async with twilio(lambda _: None, silent=True) as there, gateway(there.base_url) as one:
        placing = asyncio.create_task(one.place(REQUEST))
        await there.arrived.wait()
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing


# ── looking up, ending ─────────────────────────────────────────────────────────────────────────────────


async def test_a_call_is_looked_up_with_its_facts_typed():
    ended = call(
        status="completed",
        start_time="Tue, 24 Nov 2026 15:00:02 +0000",
        end_time="Tue, 24 Nov 2026 15:01:02 +0000",
        duration="60",
        price="-0.01400",
        answered_by="human",
        queue_time="1500",
    )
    async with twilio(lambda _: http(200, ended)) as there, gateway(there.base_url) as one:
        facts = await one.fetch(SID)
    assert there.heard[0].target.endswith(f"/Calls/{SID}.json")
    assert facts.over
    assert (facts.duration_s, facts.price, facts.queue_ms) == (60, Decimal("-0.01400"), 1500)
    assert facts.started_at == NOW + timedelta(seconds=2)
    assert (facts.to, facts.from_, facts.answered_by) == (REQUEST.to, REQUEST.from_, "human")


async def test_a_fresh_call_has_no_times_and_no_price():
    async with twilio(lambda _: http(200, call())) as there, gateway(there.base_url) as one:
        facts = await one.fetch(SID)
    assert not facts.over
    assert (facts.started_at, facts.duration_s, facts.price) == (None, None, None)


@pytest.mark.parametrize(("method", "status"), [("cancel", "canceled"), ("hang_up", "completed")])
async def test_a_call_is_ended_by_its_status(method, status):
    async with twilio(lambda _: http(200, call(status=status))) as there, gateway(there.base_url) as one:
        facts = await getattr(one, method)(SID)
    assert facts is not None
    assert facts.status == status
    assert there.heard[0].form == {"Status": [status]}


@pytest.mark.parametrize("method", ["cancel", "hang_up"])
async def test_ending_a_call_that_has_already_ended_is_no_fault(method):
    refusal = http(400, {"code": 21220, "message": "Invalid call state", "status": 400})
    async with twilio(lambda _: refusal) as there, gateway(there.base_url) as one:
        assert await getattr(one, method)(SID) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(404, {"code": 20404, "message": "not found", "status": 404}), CallNotFound),
        (http(401, {"code": 20003, "message": "Authenticate", "status": 401}), TwilioRefused),
        (http(429, "", Retry_After="3"), TwilioBusy),
        (http(503, ""), TwilioAway),
        (http(200, "{"), TwilioAway),
        (http(200, {}), TwilioAway),
        (http(200, "[]"), TwilioAway),
        (None, TwilioAway),
    ],
)
@pytest.mark.parametrize("method", ["fetch", "cancel", "hang_up"])
async def test_every_fault_of_a_look_up_is_one_of_ours(answer, error, method):
    async with twilio(lambda _: answer) as there, gateway(there.base_url) as one:
        with pytest.raises(error) as raised:
            await getattr(one, method)(SID)
    assert type(raised.value) is error
    assert raised.value.status == 502


# ── finding a lost call ────────────────────────────────────────────────────────────────────────────────


def listed(calls: list[dict[str, object]], next_page: str | None = None) -> bytes:
    return http(200, {"calls": calls, "page": 0, "page_size": 100, "next_page_uri": next_page})


def sid(number: int) -> str:
    return f"CA{number:032x}"


async def test_a_lost_call_is_found_among_the_queued_and_over_several_pages():
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"

    def answer(heard: Heard) -> bytes:
        if "Status" in heard.query:
            return listed([call(sid(1))])
        if "PageToken" not in heard.query:
            old = call(sid(2), date_created="Tue, 24 Nov 2026 14:00:00 +0000")
            return listed([old], f"{path}?Page=1&PageToken=PA1&To=%2B12025550123")
        return listed([call(sid(1)), call(sid(3), status="ringing")])

    async with twilio(answer) as there, gateway(there.base_url) as one:
        found = await one.find(REQUEST.to, NOW + timedelta(milliseconds=400))
    assert {facts.sid for facts in found} == {sid(1), sid(3)}
    assert [h.query.get("Status") for h in there.heard] == [["queued"], None, None]
    assert all(h.query["To"] == [REQUEST.to] for h in there.heard)
    assert not any("StartTime" in key for h in there.heard for key in h.query)


async def test_calls_that_others_placed_are_not_found():
    def answer(_: Heard) -> bytes:
        return listed([call(sid(1), direction="inbound"), call(sid(2), to="+12025550124")])

    async with twilio(answer) as there, gateway(there.base_url) as one:
        assert await one.find(REQUEST.to, NOW) == []


async def test_a_list_too_long_to_read_proves_nothing():
    many = [call(sid(n), date_created="Mon, 23 Nov 2026 15:00:00 +0000") for n in range(100)]
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json?Page=1&PageToken=PA"

    def answer(heard: Heard) -> bytes:
        return listed([]) if "Status" in heard.query else listed(many, path)

    async with twilio(answer) as there, gateway(there.base_url) as one:
        with pytest.raises(TwilioAway, match="1000"):
            await one.find(REQUEST.to, NOW)
    assert len(there.heard) <= 12


@pytest.mark.parametrize("answer", [http(503, ""), None, http(200, "{")])
async def test_a_list_that_cannot_be_read_is_a_fault_and_not_an_empty_list(answer):
    async with twilio(lambda _: answer) as there, gateway(there.base_url) as one:
        with pytest.raises(TwilioAway):
            await one.find(REQUEST.to, NOW)


# ── the account ────────────────────────────────────────────────────────────────────────────────────────


async def test_the_account_and_its_numbers_are_told():
    def answer(heard: Heard) -> bytes:
        if "IncomingPhoneNumbers" in heard.target:
            return http(200, {"incoming_phone_numbers": [{"sid": "PN1", "phone_number": "+12025550199"}]})
        if "OutgoingCallerIds" in heard.target:
            return http(200, {"outgoing_caller_ids": [{"sid": "PN2", "phone_number": "+12025550111"}]})
        return http(200, {"sid": ACCOUNT, "friendly_name": "Us", "status": "active", "type": "Full"})

    async with twilio(answer) as there, gateway(there.base_url) as one:
        account = await one.account()
        ids = await one.caller_ids()
        (only,) = await one.caller_ids("+12025550199")
    assert only.kind == "owned"
    assert there.heard[-1].query["PhoneNumber"] == ["+12025550199"]
    assert (account.sid, account.name, account.status, account.kind) == (ACCOUNT, "Us", "active", "Full")
    assert [(one.phone, one.kind) for one in ids] == [
        ("+12025550111", "verified"),
        ("+12025550199", "owned"),
    ]


@pytest.mark.parametrize("method", ["account", "caller_ids"])
async def test_wrong_credentials_are_told_with_what_to_do(method):
    refusal = http(401, {"code": 20003, "message": "Authenticate", "status": 401})
    async with twilio(lambda _: refusal) as there, gateway(there.base_url) as one:
        with pytest.raises(TwilioRefused, match="TWILIO_AUTH_TOKEN"):
            await getattr(one, method)()
