"""A ConversationRelay session in the simulation: Twilio's frames, and a person who listens and answers."""

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator

from tests.simulation.process import TOKEN, Process
from tests.simulation.truth import Ring
from tests.simulation.twilio import ACCOUNT, OVER

if TYPE_CHECKING:
    from tests.simulation.world import World


async def converse(world: "World", process: Process, url: str, ring: Ring) -> dict[str, str]:
    """Hold one session; the fields with which `<Connect action>` is asked afterwards."""
    person = world.plan.people.get(ring.to, None)
    session = f"VX{ring.sid[2:]}"
    began = world.loop.time()
    to_us: asyncio.Queue[tuple[float, str | None]] = asyncio.Queue()
    to_them: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    path = urlsplit(url).path
    signed = RequestValidator(TOKEN).compute_signature(url, {})
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8080"), (b"x-twilio-signature", signed.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
        "subprotocols": [],
        "state": {},
    }

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            to_us.put_nowait((world.loop.time(), message["text"]))
        elif message["type"] == "websocket.close":
            to_us.put_nowait((world.loop.time(), None))

    async def hold() -> None:
        try:
            await process.within(process.app(scope, to_them.get, send))
        except Exception as error:  # the process died, or its application broke: the socket is closed
            world.trace("sock", process.owner.name, type(error).__name__)
        to_us.put_nowait((world.loop.time(), None))

    def tell(**frame: Any) -> None:
        to_them.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    holding = world.loop.spawn(None, hold())
    to_them.put_nowait({"type": "websocket.connect"})
    who = {"from": ring.caller, "to": ring.to, "direction": "outbound-api", "customParameters": {}}
    tell(type="setup", sessionId=session, callSid=ring.sid, accountSid=ACCOUNT, **who)
    says = list(person.says) if person else []
    leaves_at = (ring.answered or began) + (person.hangs_up_after if person else 5.0)
    stop_said: float | None = None
    ending: dict[str, str] = {"SessionStatus": "failed", "ErrorCode": "64105"}
    while True:
        try:
            async with asyncio.timeout(max(0.01, leaves_at - world.loop.time())):
                sent_at, raw = await to_us.get()
        except TimeoutError:
            if ring.status not in OVER:
                world.twilio.hang_up(ring)
            ending = {"SessionStatus": "ended"}
            break
        if ring.status in OVER:
            ending = {"SessionStatus": "ended"}
            break
        if raw is None:
            break
        frame = json.loads(raw)
        if stop_said is not None and sent_at > stop_said:
            ring.opted_out = ring.opted_out or world.loop.time()  # acknowledged: from now on it must hold
        if frame["type"] == "end":
            ending = {"SessionStatus": "ended", "HandoffData": frame.get("handoffData", "")}
            break
        if frame["type"] != "text":
            continue
        text = frame.get("token", "")
        ring.heard.append((world.loop.time(), text))
        tell(type="info", name="agentSpeaking", value="on")
        await asyncio.sleep(len(text) / 15)
        tell(type="info", name="tokensPlayed", value=text)
        tell(type="info", name="agentSpeaking", value="off")
        if says:
            await asyncio.sleep(0.8)
            words = says.pop(0)
            if "Stop" in words or "off your list" in words:
                stop_said = world.loop.time()
            tell(type="prompt", voicePrompt=words, lang="en-US", last=True)
    to_them.put_nowait({"type": "websocket.disconnect", "code": 1000})
    if not holding.done():
        try:
            async with asyncio.timeout(10):
                await holding
        except TimeoutError:
            world.trace("sock", process.owner.name, "left open")
    return {"SessionId": session, "SessionDuration": str(round(world.loop.time() - began)), **ending}
