"""Twilio's end of many ConversationRelay sockets, in a process of its own.

    python -m benchmarks.driver PLAN

PLAN is a JSON file: sessions (address, signature, call), every_s, seconds, settle_s, server's process id.
Each session speaks one prompt every `every_s` seconds; what is timed is the way from the prompt's frame to
the first text frame. Speech is reported as played at once, as Twilio does. Prints one JSON line.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from benchmarks.cpu import cpu_seconds

ACCOUNT = "AC" + "0" * 32
SAID = "Could you tell me a little more about that please"


class Session:
    """One call's socket."""

    def __init__(self, plan: dict[str, Any], turns: list[float]) -> None:
        self._plan = plan
        self._turns = turns
        self._asked: float | None = None
        self._chunk = ""
        self._idle = asyncio.Event()
        self.measuring = False
        self.missed = 0
        self.ended = False

    async def open(self, http: aiohttp.ClientSession) -> None:
        headers = {"X-Twilio-Signature": self._plan["signature"]}
        self._socket = await http.ws_connect(self._plan["address"], headers=headers)
        await self._send(
            type="setup", sessionId="VX" + self._plan["call"][2:], callSid=self._plan["call"],
            accountSid=ACCOUNT, direction="outbound-api", customParameters={},
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read())
        await self._send(type="info", name="clientSpeaking", value="off")

    async def _send(self, **frame: Any) -> None:
        await self._socket.send_str(json.dumps(frame))

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            frame = json.loads(message.data)
            if frame["type"] == "end":
                self.ended = True
            if frame["type"] != "text":
                continue
            if self._asked is not None and frame["token"]:
                if self.measuring:
                    self._turns.append(time.perf_counter() - self._asked)
                self._asked = None
            self._chunk += frame["token"]
            if frame["last"]:
                await self._send(type="info", name="tokensPlayed", value=self._chunk)
                await self._send(type="info", name="agentSpeaking", value="off")
                self._chunk = ""

    async def talk(self, first_s: float, every_s: float, until: float) -> None:
        await asyncio.sleep(first_s)
        while not self.ended:
            if self._asked is not None:
                self.missed += self.measuring
            self._asked = time.perf_counter()
            await self._send(type="prompt", voicePrompt=SAID, lang="en-US", last=True)
            if time.perf_counter() + every_s >= until:
                return
            await asyncio.sleep(every_s)

    async def close(self) -> None:
        await self._socket.close()
        await self._reader


async def main(plan: dict[str, Any]) -> None:
    turns: list[float] = []
    sessions = [Session(one, turns) for one in plan["sessions"]]
    every_s, seconds, settle_s = plan["every_s"], plan["seconds"], plan["settle_s"]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        for start in range(0, len(sessions), 20):
            await asyncio.gather(*(one.open(http) for one in sessions[start : start + 20]))
        until = time.perf_counter() + settle_s + seconds
        talks = [
            asyncio.create_task(one.talk(number / len(sessions) * every_s, every_s, until))
            for number, one in enumerate(sessions)
        ]
        await asyncio.sleep(settle_s)
        for one in sessions:
            one.measuring = True
        cpu = cpu_seconds(plan["server"])
        await asyncio.sleep(seconds)
        cpu = cpu_seconds(plan["server"]) - cpu
        for one in sessions:
            one.measuring = False
        await asyncio.gather(*talks)
        ended = sum(one.ended for one in sessions)
        await asyncio.gather(*(one.close() for one in sessions))
    missed = sum(one.missed for one in sessions)
    print(json.dumps({"turns": turns, "cpu": cpu, "missed": missed, "ended": ended}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(json.loads(Path(sys.argv[1]).read_text())))
