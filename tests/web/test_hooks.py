"""Twilio's webhooks as Twilio sends them: signed by a second implementation, in any order, more than once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from campaign.domain.errors import DatabaseUnavailable
from campaign.simulator.signing import signature
from campaign.store import dnc
from campaign.store.database import Database, Tx
from campaign.telephony import webhooks
from campaign.web import hooks
from campaign.wiring import Services
from tests.support import rows
from tests.support.dialing import moved_clock, until
from tests.web.conftest import ACCOUNT, PUBLIC_URL, TOKEN, Client, ClientFor

ORDINAL_SID = "VX" + "0" * 32
SCRIPTED = {
    "voice": ("/twilio/voice/marker-1", {}),
    "status": ("/twilio/status/marker-1", {}),
    "amd": ("/twilio/amd/marker-1", {"AnsweredBy": "human", "MachineDetectionDuration": "2100"}),
    "action": (
        "/twilio/action/marker-1/1",
        {"SessionId": ORDINAL_SID, "SessionStatus": "ended", "SessionDuration": "12"},
    ),
    "recording": (
        "/twilio/recording/marker-1",
        {"RecordingSid": "RE" + "0" * 32, "RecordingStatus": "completed"},
    ),
    "dial": ("/twilio/dial/marker-1/1", {"DialCallStatus": "completed", "DialCallSid": "CA" + "9" * 32}),
    "queue": ("/twilio/queue/marker-1/1", {"QueueResult": "leave", "QueueTime": "120"}),
    "wait": ("/twilio/wait/marker-1/1", {"QueueTime": "0"}),
    "whisper": ("/twilio/whisper/marker-1/1", {"ParentCallSid": rows.SID}),
    "accept": ("/twilio/accept/marker-1/1", {"ParentCallSid": rows.SID, "Digits": "1"}),
    "incoming": ("/twilio/incoming", {}),
    "gathered": ("/twilio/gathered/marker-1", {"Digits": "9"}),
}


@dataclass
class Absence:
    """Postgres is away until `over`; `noticed` when somebody has asked in vain."""

    over: bool = False
    noticed: asyncio.Event = field(default_factory=asyncio.Event)


@pytest.fixture
async def twilio(client_for: ClientFor) -> Client:
    """A client without any key: Twilio has none."""
    return await client_for(None)


def form(status: str, at, sequence: int = 2, **more: str) -> dict[str, str]:
    return rows.form(status, sequence, at, **{"AccountSid": ACCOUNT, **more})


async def send(
    client: Client, path: str, fields: dict[str, str], *, token: str = TOKEN, **headers: str
) -> httpx.Response:
    signed = signature(token, PUBLIC_URL + path, fields)
    return await client.post(
        path,
        content=urlencode(fields),
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signed,
            **headers,
        },
    )


def verbs(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    return [element.tag for element in ElementTree.fromstring(answer.text)]


# ── whom we believe ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", SCRIPTED)
async def test_what_twilio_did_not_sign_is_refused_and_leaves_no_trace(twilio, services, db, kind):
    path, more = SCRIPTED[kind]
    fields = form("in-progress", services.clock.now(), **more)
    for answer in (
        await twilio.post(path, data=fields),
        await send(twilio, path, fields, token="wrong"),
        await send(twilio, path, fields, **{"X-Twilio-Signature": "no"}),
        await send(twilio, path + "?x=1", fields),
    ):
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("bad-signature")
        assert answer.json()["do"]
    assert await rows.rows(db, "call_events") == []


@pytest.mark.parametrize("kind", SCRIPTED)
async def test_a_signature_of_the_previous_token_is_accepted_while_tokens_rotate(twilio, services, kind):
    path, more = SCRIPTED[kind]
    fields = form("in-progress", services.clock.now(), **more)
    answer = await send(twilio, path, fields, token="the old auth token")
    assert answer.status_code in (200, 204)


async def test_headers_of_a_proxy_decide_nothing(twilio, services):
    path, fields = "/twilio/status/marker-1", form("ringing", services.clock.now())
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "Host": "evil.example"}
    assert (await send(twilio, path, fields, **forged)).status_code == 204
    theirs = signature(TOKEN, "https://evil.example" + path, fields)
    answer = await send(twilio, path, fields, **forged, **{"X-Twilio-Signature": theirs})
    assert answer.status_code == 403


async def test_a_request_about_another_account_is_refused(twilio, services):
    fields = form("ringing", services.clock.now(), AccountSid="AC" + "f" * 32)
    assert (await send(twilio, "/twilio/status/marker-1", fields)).status_code == 403


@pytest.mark.parametrize("kind", SCRIPTED)
async def test_fields_that_were_pushed_into_one_another_are_noticed(twilio, services, kind):
    """`From=+1…` and `Fro=m+1…` sign alike, because the scheme joins name and value without a mark."""
    path, more = SCRIPTED[kind]
    fields = form("in-progress", services.clock.now(), **more)
    for name in ("CallSid", "AccountSid", *webhooks.REQUIRED[kind]):
        moved = {key: value for key, value in fields.items() if key != name}
        moved[name[:-1]] = name[-1] + fields[name]
        if signature(TOKEN, PUBLIC_URL + path, moved) == signature(TOKEN, PUBLIC_URL + path, fields):
            assert (await send(twilio, path, moved)).status_code in (400, 403), name


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=%ff", b"&".join([b"a=1"] * 400)])
async def test_a_body_that_is_no_form_is_a_bad_request(twilio, body):
    answer = await twilio.post("/twilio/status/marker-1", content=body)
    assert answer.status_code == 400


async def test_a_caller_who_hangs_up_in_mid_request_is_no_fault_of_ours(app):
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http"},
        **{"method": "POST", "path": "/twilio/status/marker-1", "raw_path": b"", "query_string": b""},
        **{"root_path": "", "headers": [(b"content-length", b"900")]},
        **{"server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9)},
    }
    coming = iter(
        (
            {"type": "http.request", "body": b"CallSid=CA", "more_body": True},
            {"type": "http.disconnect"},
        )
    )
    sent = []

    async def receive():
        return next(coming)

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 400  # what fails inside is a 500 and a traceback in the log


async def test_a_body_beyond_64_kib_is_refused_before_it_is_read(twilio, services):
    fields = form("ringing", services.clock.now(), Extra="x" * 70_000)
    assert (await send(twilio, "/twilio/status/marker-1", fields)).status_code == 413

    async def endless():
        while True:
            yield b"a=1&" * 1000

    assert (await twilio.post("/twilio/status/marker-1", content=endless())).status_code == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_are_not_allowed(twilio, method):
    answer = await twilio.request(method, "/twilio/status/marker-1")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


# ── events ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_event_is_taken_once_however_often_it_comes(twilio, services, db):
    await rows.dialled(db, services.clock.now())
    fields = form("ringing", services.clock.now(), 1)
    for _ in range(3):
        answer = await send(twilio, "/twilio/status/marker-1", fields)
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await rows.row(db, "attempts"))["state"] == "ringing"
    assert len(await rows.rows(db, "call_events")) == 1


async def test_events_in_any_order_end_in_the_same_place(twilio, services, db):
    await rows.dialled(db, services.clock.now())
    now = services.clock.now()
    for status, sequence in (("completed", 3), ("initiated", 0), ("in-progress", 2), ("ringing", 1)):
        more = {"CallDuration": "20"} if status == "completed" else {}
        answer = await send(twilio, "/twilio/status/marker-1", form(status, now, sequence, **more))
        assert answer.status_code == 204
    assert (await rows.row(db, "attempts"))["state"] == "ended"
    assert len(await rows.rows(db, "outcomes")) == 1


async def test_an_event_of_an_unknown_marker_is_kept_and_answered_2xx(twilio, services, db):
    fields = form("ringing", services.clock.now(), 1)
    assert (await send(twilio, "/twilio/status/never-heard-of", fields)).status_code == 204
    assert (await rows.row(db, "call_events"))["attempt_id"] is None


async def test_a_machines_verdict_and_a_recording_reach_the_attempt(twilio, services, db):
    now = services.clock.now()
    await rows.dialled(db, now, state="answered", answered_at=now, call_sid=rows.SID)
    for kind in ("amd", "recording"):
        path, more = SCRIPTED[kind]
        assert (await send(twilio, path, form("in-progress", now, **more))).status_code == 204
    found = await rows.row(db, "attempts")
    assert (found["answered_by"], found["machine_detection_ms"]) == ("human", 2100)
    assert found["recording_sid"] == "RE" + "0" * 32
    kept = await rows.row(db, "recordings")
    assert (kept["sid"], kept["status"], kept["attempt_id"]) == ("RE" + "0" * 32, "completed", found["id"])


async def test_with_postgres_away_twilio_is_asked_to_send_the_event_again(twilio, services, away):
    fields = form("ringing", services.clock.now(), 1)
    with away():
        answer = await send(twilio, "/twilio/status/marker-1", fields)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert (await send(twilio, "/twilio/status/marker-1", fields)).status_code == 204


# ── TwiML ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_answered_call_is_connected_to_a_conversation_of_its_own(twilio, services, db):
    attempt_id = await rows.dialled(db, services.clock.now(), state="ringing", call_sid=rows.SID)
    answer = await send(twilio, "/twilio/voice/marker-1", form("in-progress", services.clock.now()))
    assert verbs(answer) == ["Connect"]
    relay = ElementTree.fromstring(answer.text).find("Connect/ConversationRelay")
    assert relay is not None
    assert relay.attrib["url"].startswith("ws://127.0.0.1:8080/twilio/relay/")
    parameters = {p.attrib["name"]: p.attrib["value"] for p in relay}
    assert parameters == {"attempt": "marker-1", "session": "1"}
    session = await rows.row(db, "conversation_sessions")
    assert (session["attempt_id"], session["ordinal"]) == (attempt_id, 1)
    token = relay.attrib["url"].rpartition("/")[2]
    assert token not in repr(session)


async def test_the_same_fetch_asked_again_gets_the_same_answer(twilio, services, db):
    await rows.dialled(db, services.clock.now(), state="ringing", call_sid=rows.SID)
    fields = form("in-progress", services.clock.now())
    first = await send(twilio, "/twilio/voice/marker-1", fields)
    again = await send(twilio, "/twilio/voice/marker-1", fields)
    assert first.text == again.text


async def test_who_rings_back_is_connected_and_a_stranger_is_asked(twilio, services, db):
    now = services.clock.now()
    at = now - timedelta(days=1)
    await rows.dialled(db, at, state="ended", settled_at=at, call_sid=rows.SID, lease_until=None)
    theirs = {"CallSid": "CA" + "7" * 32, "From": rows.PHONE, "To": rows.CALLER, "Direction": "inbound"}
    answer = await send(twilio, "/twilio/incoming", {**form("ringing", now), **theirs})
    assert verbs(answer) == ["Connect"]
    stranger = {"CallSid": "CA" + "8" * 32, "From": "+12125550177", "To": rows.CALLER}
    answer = await send(twilio, "/twilio/incoming", {**form("ringing", now), **stranger})
    assert verbs(answer) == ["Gather", "Say", "Hangup"]
    gather = ElementTree.fromstring(answer.text).find("Gather")
    assert gather is not None
    path = gather.attrib["action"].partition("#")[0].removeprefix(PUBLIC_URL)
    pressed = {**form("in-progress", now), **stranger, "Digits": "9"}
    assert verbs(await send(twilio, path, pressed)) == ["Say", "Hangup"]
    async with db.connection() as tx:
        assert [entry.source for entry in await dnc.check(tx, "+12125550177")] == ["inbound"]


async def test_nothing_is_recorded_before_it_was_announced(twilio, services, db):
    script = {**rows.DEFINITION["script"], "record": True}
    await rows.dialled(db, services.clock.now(), sections={"script": script}, state="ringing")
    answer = await send(twilio, "/twilio/voice/marker-1", form("in-progress", services.clock.now()))
    assert verbs(answer) == ["Connect"]


async def test_a_call_that_nobody_intended_is_hung_up_without_a_word(twilio, services):
    answer = await send(twilio, "/twilio/voice/unknown", form("in-progress", services.clock.now()))
    assert verbs(answer) == ["Hangup"]


async def test_who_was_put_on_the_list_while_it_rang_hears_who_called_and_is_let_go(twilio, services, db):
    await rows.dialled(db, services.clock.now(), state="ringing", call_sid=rows.SID)
    async with db.transaction() as tx:
        await dnc.add(
            tx,
            list_name=None,
            phone=rows.PHONE,
            reason="asked",
            source="api",
            quote=None,
            actor="test",
            now=services.clock.now(),
        )
    answer = await send(twilio, "/twilio/voice/marker-1", form("in-progress", services.clock.now()))
    assert verbs(answer) == ["Say", "Hangup"]
    assert "Example Energy LLC" in answer.text


async def test_a_broken_conversation_goes_on_in_a_second_session(twilio, services, db):
    await rows.dialled(db, services.clock.now(), state="ringing", call_sid=rows.SID)
    now = services.clock.now()
    await send(twilio, "/twilio/voice/marker-1", form("in-progress", now))
    broken = {"SessionId": ORDINAL_SID, "SessionStatus": "failed", "ErrorCode": "64105"}
    answer = await send(twilio, "/twilio/action/marker-1/1", form("in-progress", now, **broken))
    assert verbs(answer) == ["Connect"]
    connect = ElementTree.fromstring(answer.text).find("Connect")
    assert connect is not None
    assert "/twilio/action/marker-1/2" in connect.attrib["action"]


async def test_a_transfer_is_dialled_under_our_caller_id_and_its_end_is_asked_for(twilio, services, db):
    await rows.dialled(db, services.clock.now(), state="ringing", call_sid=rows.SID)
    now = services.clock.now()
    await send(twilio, "/twilio/voice/marker-1", form("in-progress", now))
    ended = {
        "SessionId": ORDINAL_SID,
        "SessionStatus": "ended",
        "HandoffData": '{"reason": "transfer", "target": "sales"}',
    }
    answer = await send(twilio, "/twilio/action/marker-1/1", form("in-progress", now, **ended))
    assert verbs(answer)[-1] == "Dial"
    onward = ElementTree.fromstring(answer.text).find("Dial")
    assert onward is not None
    assert onward.attrib["callerId"] == rows.CALLER
    assert onward.findtext("Number") == "+12125550199"
    over = form("in-progress", now, DialCallStatus="completed", DialCallSid="CA" + "9" * 32)
    assert verbs(await send(twilio, "/twilio/dial/marker-1/1", over)) == ["Hangup"]
    assert (await rows.row(db, "attempts"))["talk_disposition"] == "transferred"


# ── whoever is on the line never hears silence ─────────────────────────────────────────────────────────


@pytest.fixture
def away(db: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[Absence]]:
    """Takes Postgres away from the service: no connection, neither new nor from the pool."""

    @contextmanager
    def gone() -> Iterator[Absence]:
        absence = Absence()
        there = db.transaction

        @asynccontextmanager
        async def asked() -> AsyncIterator[Tx]:
            absence.noticed.set()
            if not absence.over:
                raise DatabaseUnavailable("Postgres is away.")
            async with there() as tx:
                yield tx

        with monkeypatch.context() as patch:
            patch.setattr(db, "transaction", asked)
            yield absence

    return gone


@pytest.mark.parametrize("kind", ["voice", "action", "dial"])
async def test_with_postgres_away_the_person_hears_an_apology(twilio, services, away, monkeypatch, kind):
    monkeypatch.setattr(hooks, "PATIENCE_SECONDS", 0.3)
    path, more = SCRIPTED[kind]
    with away():
        answer = await send(twilio, path, form("in-progress", services.clock.now(), **more))
    assert verbs(answer) == ["Say", "Hangup"]


async def test_a_short_absence_of_postgres_is_waited_out(twilio, services, db, away):
    await rows.dialled(db, services.clock.now(), state="ringing", call_sid=rows.SID)
    with away() as absence:
        fields = form("in-progress", services.clock.now())
        asking = asyncio.create_task(send(twilio, "/twilio/voice/marker-1", fields))
        await absence.noticed.wait()
        absence.over = True
        assert verbs(await asking) == ["Connect"]


async def test_a_person_on_the_line_is_answered_however_many_events_wait(
    twilio: Client, services: Services, db: Database, db_url: str
):
    now = services.clock.now()
    await rows.dialled(db, now, state="ringing", call_sid=rows.SID)
    await rows.run(
        db,
        "INSERT INTO attempts (marker, kind, phone, caller_id, due_for, number, state, intent_at, slot_at,"
        " replica) SELECT 'busy-' || n, 'test', '+12025550' || n, '+12025550142', 'first', 1, 'placed',"
        " :now, :now, 'here' FROM generate_series(100, 129) n",
        now=now,
    )
    elsewhere = Database(db_url)
    async with elsewhere.transaction() as holder:
        await holder.execute(text("SELECT FROM attempts WHERE marker LIKE 'busy-%' FOR UPDATE"))
        waiting = [
            asyncio.create_task(
                send(twilio, f"/twilio/status/busy-{n}", form("ringing", now, sid=f"CA{n:032x}"))
            )
            for n in range(100, 130)
        ]

        async def blocked() -> bool:
            found = await rows.rows(elsewhere, "pg_stat_activity")
            return sum(one["wait_event_type"] == "Lock" for one in found) >= hooks.EVENTS_AT_ONCE

        await until(blocked, moved_clock())
        answer = await send(twilio, "/twilio/voice/marker-1", form("in-progress", now))
        assert verbs(answer) == ["Connect"]
    assert {one.status_code for one in await asyncio.gather(*waiting)} == {204}
    await elsewhere.close()


async def test_a_fault_of_ours_is_an_apology_too_and_is_counted(
    twilio: Client, services: Services, app: FastAPI, db: Database
):
    await rows.dialled(db, services.clock.now(), state="ringing", call_sid=rows.SID)
    await rows.run(db, "UPDATE campaign_versions SET definition = '{}'")
    answer = await send(twilio, "/twilio/voice/marker-1", form("in-progress", services.clock.now()))
    assert verbs(answer) == ["Say", "Hangup"]
    registry = app.state.metrics.registry
    assert registry.get_sample_value("campaign_webhooks_total", {"kind": "voice", "answer": "sorry"}) == 1
