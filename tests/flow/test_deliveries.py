"""Webhooks out: told once the transaction is committed, signed, tried again, given up visibly."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from campaign.domain.errors import BadInput, Conflict
from campaign.domain.webhooks import GIVE_UP, TRIES, Event, headers, secret_from
from campaign.flow import deliveries, endpoints, idle_watch, lifecycle, outcomes, suppress
from campaign.flow.deliveries import Deliveries
from campaign.settings import Settings
from campaign.store import webhooks
from campaign.store.database import Database
from campaign.wiring import read_rates
from tests.support import rows
from tests.support.campaigns import rows as sql
from tests.support.campaigns import rulebook
from tests.support.clock import ManualClock

SECRET = secret_from(b"s" * 32)
HUMAN: dict[str, Any] = {"answered_by": "human"}


class Receiver:
    """A CRM's end: keeps what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.location = ""
        self.url = ""

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        more = {"Location": self.location} if self.location else {}
        return web.Response(status=self.status, headers=more)


@pytest.fixture
async def crm() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{any:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    receiver.url = f"http://127.0.0.1:{port}/hooks"
    yield receiver
    await runner.cleanup()


def sender(db: Database, clock: ManualClock, *, loopback: bool = True, to: Sequence[str] = ()) -> Deliveries:
    if not to:
        return Deliveries(db, clock, loopback=loopback, dice=lambda: 0.5)

    async def resolver(host: str, port: int) -> Sequence[str]:
        return to

    return Deliveries(db, clock, loopback=loopback, dice=lambda: 0.5, resolver=resolver)


async def endpoint(
    db: Database, clock: ManualClock, url: str, *events: Event, numbers: str = "masked"
) -> int:
    async with db.transaction() as tx:
        made = await endpoints.add(
            tx,
            url=url,
            secret=SECRET,
            events=[event.value for event in events],
            numbers=numbers,
            description="",
            loopback=True,
            actor="test",
            now=clock.now(),
        )
    return made.id


async def over(db: Database, clock: ManualClock, **columns: Any) -> int:
    now = clock.now()
    return await rows.dialled(
        db,
        now,
        **{
            "state": "ended",
            "call_status": "completed",
            "call_sid": rows.SID,
            "answered_at": now,
            "ended_at": now,
            "settled_at": now,
            **HUMAN,
            **columns,
        },
    )


async def close(db: Database, attempt: int, clock: ManualClock) -> None:
    async with db.transaction() as tx:
        await outcomes.close(tx, attempt, clock.now())


async def states(db: Database) -> list[str]:
    return [row["state"] for row in await sql(db, "SELECT state FROM webhook_deliveries ORDER BY id")]


async def test_an_outcome_is_told_once_signed_and_as_it_stands_when_it_is_sent(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    await endpoint(db, clock, crm.url, Event.OUTCOME_RECORDED, Event.OUTCOME_UPDATED)
    attempt = await over(db, clock)
    await close(db, attempt, clock)
    send = sender(db, clock)
    assert await send.tick(clock.now()) == 0, "it may be corrected within the next seconds"
    await rows.run(db, "UPDATE attempts SET talk_disposition = 'interested', first_word_ms = 400")
    await close(db, attempt, clock)
    await clock.advance(webhooks.SETTLES_S)
    assert await send.tick(clock.now()) == 1
    (told,) = crm.told
    assert (told["type"], told["version"]) == ("outcome.recorded", 1)
    assert told["data"]["disposition"] == "interested"
    assert told["data"]["campaign"] == "autumn"
    assert told["data"]["phone"] != rows.PHONE
    assert told["data"]["phone"].endswith(rows.PHONE[-2:])
    sent, body = crm.got[0]
    assert sent["content-type"] == "application/json"
    made = headers(sent["webhook-id"], clock.now(), body, [SECRET])
    assert {name: sent[name] for name in made} == made
    await close(db, attempt, clock)  # nothing new
    await clock.advance(60)
    assert await send.tick(clock.now()) == 0
    assert await states(db) == ["delivered"]


async def test_a_later_correction_is_a_message_of_its_own(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    await endpoint(db, clock, crm.url, numbers="full")
    attempt = await over(db, clock, first_word_ms=300)
    await close(db, attempt, clock)
    await clock.advance(10)
    await sender(db, clock).tick(clock.now())
    await rows.run(db, "UPDATE attempts SET price = -0.02")
    await close(db, attempt, clock)
    await clock.advance(10)
    assert await sender(db, clock).tick(clock.now()) == 0, "a price is no news"
    await rows.run(db, "UPDATE attempts SET talk_disposition = 'not_interested'")
    await close(db, attempt, clock)
    await clock.advance(10)
    await sender(db, clock).tick(clock.now())
    assert [(one["type"], one["data"]["disposition"]) for one in crm.told] == [
        ("outcome.recorded", "no_conversation"),
        ("outcome.updated", "not_interested"),
    ]
    assert crm.told[0]["data"]["phone"] == rows.PHONE


async def test_what_is_rolled_back_is_never_told(db: Database, clock: ManualClock, crm: Receiver) -> None:
    await endpoint(db, clock, crm.url)
    attempt = await over(db, clock)
    with pytest.raises(ZeroDivisionError):
        await _closed_and_undone(db, attempt, clock)
    await clock.advance(60)
    assert await sender(db, clock).tick(clock.now()) == 0


async def _closed_and_undone(db: Database, attempt: int, clock: ManualClock) -> None:
    async with db.transaction() as tx:
        await outcomes.close(tx, attempt, clock.now())
        raise ZeroDivisionError


async def test_without_an_endpoint_nothing_is_written(db: Database, clock: ManualClock) -> None:
    await close(db, await over(db, clock), clock)
    assert await states(db) == []


async def test_a_correction_under_way_holds_the_message_back_until_it_is_committed(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    await endpoint(db, clock, crm.url)
    attempt = await over(db, clock, first_word_ms=300)
    await close(db, attempt, clock)
    await clock.advance(10)
    await rows.run(db, "UPDATE attempts SET talk_disposition = 'interested'")
    async with db.transaction() as tx:
        await outcomes.close(tx, attempt, clock.now())
        assert await sender(db, clock).tick(clock.now()) == 0
    assert await sender(db, clock).tick(clock.now()) == 1
    assert [one["data"]["disposition"] for one in crm.told] == ["interested"]


async def test_what_fails_is_tried_again_and_given_up_after_three_days(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    which = await endpoint(db, clock, crm.url)
    crm.status = 500
    async with db.transaction() as tx:
        await webhooks.announce(tx, Event.TEST, {"text": "a"}, clock.now())
    send = sender(db, clock)
    tries = 0
    while (found := (await sql(db, "SELECT state, next_at FROM webhook_deliveries"))[0])[
        "state"
    ] == "waiting":
        await clock.advance(max(0.0, (found["next_at"] - clock.now()).total_seconds()))
        tries += await send.tick(clock.now())
    assert tries == len(crm.got) <= TRIES
    assert {sent["webhook-id"] for sent, _ in crm.got} == {"msg_1"}
    (row,) = await sql(db, "SELECT state, status, error, tries FROM webhook_deliveries")
    assert row["state"] == "dead"
    assert (row["status"] or 500) == 500
    crm.status = 200
    async with db.transaction() as tx:
        await webhooks.enable(tx, which, actor="test", now=clock.now())
        assert await webhooks.replay(tx, which, actor="test", now=clock.now()) == 1
    assert await send.tick(clock.now()) == 1
    assert await states(db) == ["delivered"]


async def test_an_endpoint_that_takes_nothing_for_days_is_switched_off_and_the_others_are_told(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    closed = await endpoint(db, clock, "http://127.0.0.1:9/nobody")
    await endpoint(db, clock, crm.url, Event.WEBHOOK_DISABLED)
    send = sender(db, clock)
    async with db.transaction() as tx:
        await webhooks.announce(tx, Event.TEST, {}, clock.now())
    await send.tick(clock.now())
    await clock.advance(GIVE_UP.total_seconds())
    await send.tick(clock.now())
    await send.tick(clock.now())
    (told,) = crm.told
    assert (told["type"], told["data"]["endpoint"]) == ("webhook.disabled", closed)
    async with db.connection() as tx:
        assert (await webhooks.get(tx, closed)).state == "disabled"
    with pytest.raises(Conflict, match="webhooks enable"):
        async with db.transaction() as tx:
            await webhooks.replay(tx, closed, actor="test", now=clock.now())


async def test_gone_means_switched_off_at_once(db: Database, clock: ManualClock, crm: Receiver) -> None:
    which = await endpoint(db, clock, crm.url)
    crm.status = 410
    async with db.transaction() as tx:
        await webhooks.announce_to(tx, which, Event.TEST, {}, clock.now())
    await sender(db, clock).tick(clock.now())
    async with db.connection() as tx:
        assert (await webhooks.get(tx, which)).state == "disabled"
    assert await states(db) == ["dead"]


async def test_after_a_failure_the_rest_of_the_endpoints_messages_wait_and_others_go_out(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    closed = await endpoint(db, clock, "http://127.0.0.1:9/nobody")
    await endpoint(db, clock, crm.url)
    async with db.transaction() as tx:
        for _ in range(12):
            await webhooks.announce(tx, Event.TEST, {}, clock.now())
    await sender(db, clock).tick(clock.now())
    assert len(crm.got) == 12
    tried = await sql(db, "SELECT tries FROM webhook_deliveries WHERE endpoint_id = :id", id=closed)
    assert sorted(row["tries"] for row in tried) == [0] * 4 + [1] * 8


async def test_a_redirect_is_not_followed(db: Database, clock: ManualClock, crm: Receiver) -> None:
    which = await endpoint(db, clock, crm.url)
    crm.status, crm.location = 302, crm.url + "/elsewhere"
    async with db.transaction() as tx:
        made = await webhooks.announce_to(tx, which, Event.TEST, {}, clock.now())
    result = await sender(db, clock).send_now(made)
    assert result is not None
    assert (result.status, len(crm.got)) == (302, 1)


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["8.8.8.8", "192.168.0.1"], []]
)
async def test_a_name_that_leads_into_the_own_network_is_refused_whenever_it_does(
    db: Database, clock: ManualClock, addresses: list[str]
) -> None:
    """The name looked harmless when it was added; what it resolves to is judged at each try."""
    which = await endpoint(db, clock, "https://crm.example.com/hooks")
    async with db.transaction() as tx:
        made = await webhooks.announce_to(tx, which, Event.TEST, {}, clock.now())

    async def resolver(host: str, port: int) -> Sequence[str]:
        return addresses

    send = Deliveries(db, clock, loopback=False, dice=lambda: 0.5, resolver=resolver)
    result = await send.send_now(made)
    assert result is not None
    assert result.error.startswith("refused: crm.example.com")


async def test_outside_a_simulation_this_machine_is_not_called(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    await endpoint(db, clock, crm.url)
    async with db.transaction() as tx:
        await webhooks.announce(tx, Event.TEST, {}, clock.now())
    await sender(db, clock, loopback=False).tick(clock.now())
    assert crm.got == []


async def test_the_address_that_was_judged_is_the_one_that_is_called(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    """Resolved once: what the name leads to a moment later counts for nothing."""
    port = crm.url.split(":")[2].split("/")[0]
    which = await endpoint(db, clock, f"http://localhost:{port}/hooks")
    async with db.transaction() as tx:
        made = await webhooks.announce_to(tx, which, Event.TEST, {}, clock.now())
    result = await sender(db, clock, to=["127.0.0.1"]).send_now(made)
    assert result is not None
    assert not result.error
    assert crm.got[0][0]["host"] == f"localhost:{port}"


async def test_campaigns_imports_and_opt_outs_are_told_with_their_reasons(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    await endpoint(db, clock, crm.url)
    await over(db, clock)
    await lifecycle.pause_for_fault(
        db, None, why="Twilio refuses all.", actor="system:dialer", now=clock.now()
    )
    asked = suppress.Asked(rows.PHONE, "stop", "conversation", "system:attempt 1", clock.now(), None)
    await suppress.opt_out(db, asked, clock.now())
    await suppress.opt_out(db, asked, clock.now())  # on the list already: no news
    await sender(db, clock).tick(clock.now())
    told = {one["type"]: one["data"] for one in crm.told}
    assert set(told) == {"campaign.state_changed", "campaign.paused_itself", "opt_out.recorded"}
    assert told["campaign.paused_itself"]["why"] == "Twilio refuses all."
    assert told["opt_out.recorded"]["phone"].endswith(rows.PHONE[-2:])
    assert len(crm.told) == 3


async def test_a_campaign_that_stands_still_in_an_open_window_is_told_of_once(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    await endpoint(db, clock, crm.url, Event.CAMPAIGN_IDLE)
    async with db.transaction() as tx:
        campaign = await rows.campaign(tx, clock.now())
        contact = await rows.contact(tx, clock.now())
        await rows.enrolled(tx, clock.now(), campaign, contact, state="waiting")
    watch = idle_watch.IdleWatch(db, rulebook(), read_rates(Settings()))
    assert await watch.tick(clock.now()) == []
    await clock.advance(idle_watch.WITHIN.total_seconds())
    assert await watch.tick(clock.now()) == [campaign]
    await clock.advance(120)
    assert await watch.tick(clock.now()) == []
    await sender(db, clock).tick(clock.now())
    (told,) = crm.told
    assert told["data"]["minutes"] == 10
    assert "No process dials" in told["data"]["why"] or "dialler" in told["data"]["why"]


async def test_an_endpoint_is_added_only_for_events_that_there_are(db: Database, clock: ManualClock) -> None:
    for url, event in (("https://crm.example.com", "outcome.lost"), ("https://10.0.0.1/", "webhook.test")):
        with pytest.raises(BadInput):
            async with db.transaction() as tx:
                await endpoints.add(
                    tx,
                    url=url,
                    secret=SECRET,
                    events=[event],
                    numbers="masked",
                    description="",
                    loopback=True,
                    actor="test",
                    now=clock.now(),
                )


async def test_old_deliveries_are_forgotten_and_secrets_rotate(
    db: Database, clock: ManualClock, crm: Receiver
) -> None:
    which = await endpoint(db, clock, crm.url)
    async with db.transaction() as tx:
        await webhooks.rotate(tx, which, secret_from(b"n" * 32), actor="test", now=clock.now())
        await webhooks.announce(tx, Event.TEST, {}, clock.now())
    await sender(db, clock).tick(clock.now())
    assert len(crm.got[0][0]["webhook-signature"].split(" ")) == 2
    await clock.advance((webhooks.KEPT + timedelta(days=1)).total_seconds())
    async with db.transaction() as tx:
        await webhooks.announce(tx, Event.TEST, {}, clock.now())
    await sender(db, clock).tick(clock.now())
    assert len(crm.got[1][0]["webhook-signature"].split(" ")) == 1
    assert await states(db) == ["delivered"]
    assert deliveries.message_id(2) == crm.got[1][0]["webhook-id"]
