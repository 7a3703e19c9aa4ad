"""Every field that the simulator sends has a source, and every field that a source promises comes."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterable

from campaign.simulator.fields import FIELDS
from tests.simulator.service import RELAY, Rig, Session, rig

GROUNDS = {"recorded", "specified", "documented", "memory"}
ASK = "Hello, this is Ada. Do you have a minute?"


def test_every_source_names_a_section_and_its_ground() -> None:
    for fields in FIELDS.values():
        for source in fields.values():
            assert re.match(r"\d|v2-api|twiml", source.section)
            assert source.ground in GROUNDS


async def talk(session: Session) -> None:
    await session.next("setup")
    await session.ws.send_str("not a frame")
    await session.say(ASK)
    await session.next("prompt", voicePrompt="Sure, go ahead.")
    await session.say("Here is a very long sentence, long enough for anybody to cut into it. Press 5. Yes?")
    await session.next("interrupt")
    await session.say("Please press 5. Will you?")
    await session.next("prompt", last=True)
    await session.send(type="end", handoffData="done")
    await session.drain()


async def press(session: Session) -> None:
    await session.next("setup")
    await session.say("Press 5. Will you?")
    await session.next("dtmf")
    # Gone without `end`: the session fails.


async def hand_over_and_ring(made: Rig) -> None:
    """Hand-overs with a whisper and into a queue, and calls to the account."""
    service, simulator = made.service, made.simulator
    action = f'action="{service.url("/dialled")}"'
    service.answers["/warm"] = (
        f'<Response><Dial {action}><Number url="{service.url("/whisper")}">+12125550110</Number></Dial>'
        "</Response>"
    )
    service.answers["/whisper"] = (
        f'<Response><Gather action="{service.url("/accept")}"><Say>Press 1.</Say></Gather>'
        "<Hangup/></Response>"
    )
    service.answers["/accept"] = "<Response/>"
    service.answers["/queue"] = (
        f'<Response><Enqueue {action} waitUrl="{service.url("/room")}" workflowSid="WW0">'
        "<Task>{}</Task></Enqueue></Response>"
    )
    service.answers["/room"] = '<Response><Say>Wait.</Say><Pause length="5"/></Response>'
    service.answers["/menu"] = (
        f'<Response><Gather input="dtmf speech" action="{service.url("/end")}"><Say>Press 9.</Say></Gather>'
        "</Response>"
    )
    for number, path in enumerate(("/warm", "/queue")):
        to = f"+1212555031{number}"
        simulator.world.named[to] = "interested"
        await made.call(to, url=service.url(path))
    simulator.voice_urls["+12125550199"] = service.url("/menu")
    simulator.ring("+12125550320", "+12125550199", "keypresser")
    simulator.ring("+12125550321", "+12125550199", "do_not_call")


async def drive(made: Rig) -> None:
    """Calls of every kind."""
    service, simulator = made.service, made.simulator

    async def choose(session: Session) -> None:
        await (talk if session.path == "/relay/one" else press)(session)

    service.talk = choose
    start = (
        f'<Start><Recording recordingStatusCallback="{service.url("/recording")}" '
        'recordingStatusCallbackEvent="in-progress completed"/></Start>'
    )
    service.answers["/voice"] = service.relay_twiml(RELAY).replace("<Connect", start + "<Connect", 1)
    service.answers["/keys"] = service.relay_twiml(RELAY).replace("/relay/one", "/relay/keys")
    service.answers["/dial"] = (
        f'<Response><Dial action="{service.url("/dialled")}">+12125550110</Dial></Response>'
    )
    service.answers["/dialled"] = "<Response><Redirect>/end</Redirect></Response>"
    service.answers["/end"] = "<Response><Hangup/></Response>"
    service.statuses["/broken"] = 500
    amd = {
        "machine_detection": "Enable",
        "async_amd": "true",
        "async_amd_status_callback": service.url("/amd"),
    }
    await made.call(**amd)
    for number, path in enumerate(("/keys", "/dial", "/broken")):
        to = f"+1212555030{number}"
        simulator.world.named[to] = "keypresser" if path == "/keys" else "interested"
        sync = {"machine_detection": "Enable"} if path == "/dial" else {}
        await made.call(to, url=service.url(path), fallback_url=service.url("/end"), **sync)
    await made.call("+12125550400")  # busy
    await hand_over_and_ring(made)
    await made.finish()


async def test_what_is_sent_is_what_the_table_says() -> None:
    sent: dict[str, list[Iterable[str]]] = defaultdict(list)
    async with rig(persona="interrupter") as made:
        await drive(made)
        for delivery in made.simulator.deliveries:
            sent[delivery.kind].append(delivery.params)
        for item in made.simulator.ledger.frames:
            if item.direction == "sent":
                sent[f"frame {item.frame['type']}"].append(item.frame)
        base = f"{made.simulator.base_url}/2010-04-01/Accounts/{made.simulator.config.account_sid}"
        client = made.client.http_client
        auth = (made.simulator.config.account_sid, made.simulator.config.auth_token)
        listed = await asyncio.to_thread(client.request, "GET", f"{base}/Calls.json", auth=auth)
        missing = await asyncio.to_thread(client.request, "GET", f"{base}/Calls/CA0.json", auth=auth)
        page = json.loads(listed.text)
        asked = await asyncio.to_thread(
            client.request,
            "GET",
            f"{made.simulator.base_url}/v2/PhoneNumbers/+12125550142",
            params={"Fields": "line_type_intelligence,reassigned_number", "LastVerifiedDate": "20261001"},
            auth=auth,
        )
        told = json.loads(asked.text)
        sent["lookup"].append(told)
        sent["lookup line"].append(told["line_type_intelligence"])
        sent["lookup owner"].append(told["reassigned_number"])
        sent["call list"].append(page)
        sent["call resource"].extend(page["calls"])
        sent["error"].append(json.loads(missing.text))
    assert sent.keys() == FIELDS.keys()
    for message, fields in FIELDS.items():
        seen = {name for one in sent[message] for name in one}
        assert seen == set(fields), message
        always = {name for name, source in fields.items() if not source.when}
        for one in sent[message]:
            assert always <= set(one), message
